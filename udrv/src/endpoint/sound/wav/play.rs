//! A WAV file as samples of a stream.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

use hound::{SampleFormat, WavReader, WavSpec};
use udrv_driver::{Format, Rates, StreamInfo};

use crate::endpoint::sound::{Sound, SoundEndpointError};

/// A file being played.
pub(super) struct Playing {
    path: PathBuf,
    sound: Sound,
    /// At the next sample: WAV has them as the device wants them.
    file: BufReader<File>,
    /// Bytes that the header promises.
    left: u64,
    is_new: bool,
}

impl Playing {
    /// Reads the header.
    pub(super) fn open(path: &Path) -> Result<Self, SoundEndpointError> {
        let file = |operation| move |source| SoundEndpointError::File { path: path.to_owned(), operation, source };
        let bad = |why: String| SoundEndpointError::BadFile { path: path.to_owned(), why };
        // asked before it is opened: to open a FIFO would wait for a writer
        if !std::fs::metadata(path).map_err(file("play"))?.is_file() {
            return Err(bad("not a file: what is played is read as it is needed, and must be there".into()));
        }
        let opened = File::open(path).map_err(file("play"))?;
        let reader = WavReader::new(BufReader::new(opened)).map_err(|error| match error {
            hound::Error::IoError(error)
                if error.kind() != std::io::ErrorKind::UnexpectedEof && error.raw_os_error().is_some() =>
            {
                file("play")(error)
            }
            error => bad(format!(
                "not a WAV file that can be read ({error}); make one: ffmpeg -i FILE -c:a pcm_s16le new.wav"
            )),
        })?;
        let sound = sound_of(&reader.spec()).map_err(bad)?;
        let left = u64::from(reader.len()) * u64::from(sound.format.bytes());
        Ok(Playing { path: path.to_owned(), sound, file: reader.into_inner(), left, is_new: true })
    }

    pub(super) fn sound(&self) -> Sound {
        self.sound
    }

    /// Whether nothing of it was taken yet.
    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    /// Whether the stream can play it as it is.
    pub(super) fn suits(&self, info: &StreamInfo) -> Result<(), SoundEndpointError> {
        let why = unfit(&self.sound, info);
        why.map_or(Ok(()), |why| Err(SoundEndpointError::BadFile { path: self.path.clone(), why }))
    }

    /// Fills `to` with the next frames: bytes, and whether there are more.
    pub(super) fn take(&mut self, to: &mut [u8]) -> Result<(usize, bool), SoundEndpointError> {
        self.is_new = false;
        let frame = self.sound.format.bytes() as usize * self.sound.channels as usize;
        let room = to.len() - to.len() % frame;
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(room);
        let mut filled = 0;
        while filled < wanted {
            match self.file.read(&mut to[filled..wanted]) {
                Ok(0) => {
                    tracing::warn!(file = %self.path.display(), "the file ends before its header says");
                    let whole = filled - filled % frame;
                    self.left = 0;
                    return Ok((whole, false));
                }
                Ok(len) => filled += len,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(SoundEndpointError::File { path: self.path.clone(), operation: "play", source });
                }
            }
        }
        self.left -= wanted as u64;
        let whole = wanted - wanted % frame;
        Ok((whole, self.left >= frame as u64))
    }
}

/// What the header says, or what is wrong with it.
fn sound_of(spec: &WavSpec) -> Result<Sound, String> {
    let format = match (spec.sample_format, spec.bits_per_sample) {
        (SampleFormat::Int, 8) => Format::U8,
        (SampleFormat::Int, 16) => Format::S16,
        (SampleFormat::Int, bits) => return Err(wrong(&format!("its samples have {bits} bits"), "-c:a pcm_s16le")),
        (SampleFormat::Float, _) => return Err(wrong("its samples are floating-point numbers", "-c:a pcm_s16le")),
    };
    if spec.channels == 0 || spec.sample_rate == 0 {
        return Err("a WAV file without channels or without a rate".into());
    }
    Ok(Sound { format, channels: spec.channels.into(), rate: spec.sample_rate })
}

fn wrong(what: &str, mend: &str) -> String {
    format!("{what}, which this device does not have; convert it: ffmpeg -i FILE {mend} new.wav")
}

/// Why a stream cannot play it.
fn unfit(sound: &Sound, info: &StreamInfo) -> Option<String> {
    if !info.formats.contains(&sound.format) {
        let codec = if info.formats.contains(&Format::U8) { "pcm_u8" } else { "pcm_s16le" };
        let what = format!("its samples have {} bits", sound.format.bytes() * 8);
        return Some(wrong(&what, &format!("-c:a {codec}")));
    }
    if sound.channels > info.channels {
        return Some(wrong(&format!("it has {} channels", sound.channels), &format!("-ac {}", info.channels)));
    }
    if !info.rates.has(sound.rate) {
        let nearest = crate::endpoint::sound::aloop::nearest_rate(info.rates, sound.rate).unwrap_or(0);
        let has = match info.rates {
            Rates::Range(lowest, highest) => format!("{lowest} to {highest} Hz"),
            Rates::List(list) => list.iter().map(u32::to_string).collect::<Vec<_>>().join(", ") + " Hz",
        };
        return Some(wrong(&format!("its rate is {} Hz (there are {has})", sound.rate), &format!("-ar {nearest}")));
    }
    None
}
