//! Samples of a stream as a WAV file.

use std::{
    fs::File,
    io::BufWriter,
    path::{Path, PathBuf},
    time::Duration,
};

use hound::{SampleFormat, WavSpec, WavWriter};
use udrv_driver::{Format, StreamInfo};

use crate::endpoint::sound::{Sound, SoundEndpointError, aloop::nearest_rate};

/// What is recorded where nothing says otherwise, or what is nearest to it.
const USUAL: Sound = Sound { format: Format::S16, channels: 2, rate: 48000 };
/// The most bytes of samples: lengths in a WAV file have 32 bits, and the header counts.
const MOST: u64 = u32::MAX as u64 - 4096;

/// A file being recorded. Its header is right after each [`Recording::give`], whatever ends the process.
pub(super) struct Recording {
    path: PathBuf,
    sound: Sound,
    /// `None`: it is finished.
    writer: Option<WavWriter<BufWriter<File>>>,
    /// Bytes still to come.
    left: u64,
}

impl Recording {
    /// Makes the file. `like` is what is played meanwhile: on many chips both directions share a clock.
    pub(super) fn begin(
        path: &Path,
        info: &StreamInfo,
        like: Option<Sound>,
        length: Option<Duration>,
    ) -> Result<Self, SoundEndpointError> {
        let bad = |why: &str| SoundEndpointError::BadFile { path: path.to_owned(), why: why.to_owned() };
        let sound = nearest(like.unwrap_or(USUAL), info).ok_or_else(|| bad("the device has no format or rate"))?;
        // asked before it is opened: to open a FIFO would wait for a reader, and a header cannot be mended in it
        if std::fs::metadata(path).is_ok_and(|there| !there.is_file()) {
            return Err(bad("not a file: the header of a WAV file is written again as it grows"));
        }
        let spec = WavSpec {
            channels: u16::try_from(sound.channels).map_err(|_| bad("too many channels for a WAV file"))?,
            sample_rate: sound.rate,
            bits_per_sample: 8 * sound.format.bytes() as u16,
            sample_format: SampleFormat::Int,
        };
        let writer = WavWriter::create(path, spec).map_err(|error| failed(path, error))?;
        let frames = length.map(|length| length.as_nanos() * u128::from(sound.rate) / 1_000_000_000);
        let frame = u64::from(sound.format.bytes() * sound.channels);
        let most = MOST - MOST % frame;
        let left = frames.map_or(most, |frames| u64::try_from(frames).unwrap_or(most).saturating_mul(frame).min(most));
        Ok(Recording { path: path.to_owned(), sound, writer: Some(writer), left })
    }

    pub(super) fn sound(&self) -> Sound {
        self.sound
    }

    /// Writes whole frames: bytes, and whether more are wanted.
    pub(super) fn give(&mut self, from: &[u8]) -> Result<(usize, bool), SoundEndpointError> {
        let Some(writer) = &mut self.writer else { return Ok((0, false)) };
        let frame = (self.sound.format.bytes() * self.sound.channels) as usize;
        let len = usize::try_from(self.left).unwrap_or(usize::MAX).min(from.len());
        let len = len - len % frame;
        let path = &self.path;
        let written =
            from[..len].chunks_exact(self.sound.format.bytes() as usize).try_for_each(|sample| match sample {
                // hound has samples of 8 bits with a sign, as no WAV file has them
                [byte] => writer.write_sample((byte ^ 0x80).cast_signed()),
                [low, high] => writer.write_sample(i16::from_le_bytes([*low, *high])),
                _ => Ok(()),
            });
        written.and_then(|()| writer.flush()).map_err(|error| failed(path, error))?;
        self.left -= len as u64;
        if self.left > 0 {
            return Ok((len, true));
        }
        if let Some(writer) = self.writer.take() {
            writer.finalize().map_err(|error| failed(path, error))?;
        }
        tracing::info!(file = %self.path.display(), "recorded to its end");
        Ok((len, false))
    }
}

fn failed(path: &Path, error: hound::Error) -> SoundEndpointError {
    match error {
        hound::Error::IoError(source) => {
            SoundEndpointError::File { path: path.to_owned(), operation: "record", source }
        }
        other => SoundEndpointError::BadFile { path: path.to_owned(), why: other.to_string() },
    }
}

/// The nearest to `wanted` that the stream has.
fn nearest(wanted: Sound, info: &StreamInfo) -> Option<Sound> {
    let format = if info.formats.contains(&wanted.format) { wanted.format } else { *info.formats.first()? };
    let channels = wanted.channels.clamp(1, info.channels.max(1));
    Some(Sound { format, channels, rate: nearest_rate(info.rates, wanted.rate)? })
}
