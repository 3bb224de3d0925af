//! WAV files at the jacks: 16 bits, 48 kHz, as the codec has it.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hound::{SampleFormat, WavIntoSamples, WavReader, WavSpec, WavWriter};

use crate::Frame;
use crate::jacks::{Sink, Source};

/// Of what is written, and of what is read unless it has one channel.
const SPEC: WavSpec =
    WavSpec { channels: 2, sample_rate: 48_000, bits_per_sample: 16, sample_format: SampleFormat::Int };

/// After so many samples the header is brought up to date, a quarter of a second: a file is right but for that if whoever
/// writes it is killed.
const INTERVAL: u32 = SPEC.sample_rate / 4;

/// More do not fit: lengths in the header have 32 bits. Six hours.
const MOST: u32 = (u32::MAX - 4096) / 4;

/// Why a file cannot be at a jack.
#[derive(Debug)]
pub enum WavError {
    /// It cannot be made, read or written, or is no WAV file.
    File(PathBuf, hound::Error),
    /// It is none that the codec could play: its channels, samples a second, bits a sample.
    Format(PathBuf, WavSpec),
    /// It is full.
    Full(PathBuf),
}

impl std::fmt::Display for WavError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            WavError::File(path, source) => write!(f, "{}: {source}", path.display()),
            WavError::Format(path, WavSpec { channels, sample_rate, bits_per_sample, .. }) => write!(
                f,
                "{} has {channels} channels of {bits_per_sample} bits at {sample_rate} Hz: it must be 1 or 2 channels of 16 \
                 bits at 48000 Hz (sox FILE -b 16 -r 48000 OTHER.wav makes it so)",
                path.display()
            ),
            WavError::Full(path) => write!(f, "{} is full: a WAV file ends at 4 GiB", path.display()),
        }
    }
}

impl std::error::Error for WavError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            WavError::File(_, source) => Some(source),
            WavError::Format(..) | WavError::Full(_) => None,
        }
    }
}

/// Writes what is played into a file. Clones write the same file.
#[derive(Clone)]
pub struct WavSink(Arc<Mutex<Output>>);

struct Output {
    path: PathBuf,
    writer: Option<WavWriter<BufWriter<File>>>,
    /// Samples since the header was right.
    pending: u32,
    failed: Option<WavError>,
    /// Pace of the card's clock in percent, where its rests are to be in the file too.
    pace: Option<u32>,
    /// When it began to rest, and the samples that were written since.
    resting: Option<(Instant, u64)>,
}

impl WavSink {
    /// Makes the file, or empties it.
    ///
    /// # Errors
    /// [`WavError::File`].
    pub fn create(path: &Path) -> Result<Self, WavError> {
        let failed = |e| WavError::File(path.to_owned(), e);
        let mut writer = WavWriter::create(path, SPEC).map_err(failed)?;
        writer.flush().map_err(failed)?; // empty, and whole
        let path = path.to_owned();
        let output = Output { path, writer: Some(writer), pending: 0, failed: None, pace: None, resting: None };
        Ok(Self(Arc::new(Mutex::new(output))))
    }

    /// From now on the silence between two sounds is in the file too, as a tape that runs on would have it: the time in which no
    /// channel was enabled, by a clock that goes at `pace` percent of real time.
    #[must_use]
    pub fn with_rests(self, pace: u32) -> Self {
        self.output().pace = Some(pace);
        self
    }

    fn output(&self) -> MutexGuard<'_, Output> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the file. Nothing more is written.
    ///
    /// # Errors
    /// What went wrong at this, or at any time before.
    pub fn finish(&self) -> Result<(), WavError> {
        let mut output = self.output();
        if let Some(failed) = output.failed.take() {
            return Err(failed);
        }
        let Some(writer) = output.writer.take() else { return Ok(()) };
        writer.finalize().map_err(|e| WavError::File(output.path.clone(), e))
    }
}

impl Output {
    fn write(&mut self, frames: &[Frame]) -> Result<(), WavError> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let failed = |e| WavError::File(self.path.clone(), e);
        for [left, right] in frames {
            if writer.duration() >= MOST {
                return Err(WavError::Full(self.path.clone()));
            }
            writer.write_sample(*left).map_err(failed)?;
            writer.write_sample(*right).map_err(failed)?;
        }
        if let Some((_, written)) = &mut self.resting {
            *written += frames.len() as u64;
        }
        self.pending += u32::try_from(frames.len()).unwrap_or(INTERVAL);
        if self.pending >= INTERVAL {
            self.flush()?;
        }
        Ok(())
    }

    /// Everything into the file, and the header right.
    fn flush(&mut self) -> Result<(), WavError> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        self.pending = 0;
        writer.flush().map_err(|e| WavError::File(self.path.clone(), e))
    }

    /// The silence of a rest that is over at `now`.
    fn make_up(&mut self, now: Instant) -> Result<(), WavError> {
        const SILENCE: [Frame; 1024] = [[0; 2]; 1024];
        let Some(((since, written), pace)) = self.resting.take().zip(self.pace) else { return Ok(()) };
        let mut left = frames_in(now.saturating_duration_since(since), pace).saturating_sub(written);
        while left > 0 {
            let some = left.min(SILENCE.len() as u64);
            self.write(&SILENCE[..some as usize])?;
            left -= some;
        }
        Ok(())
    }

    /// What cannot be written once is not written any more: a gap would be a lie.
    fn keep(&mut self, done: Result<(), WavError>) {
        if let Err(error) = done {
            self.failed = Some(error);
            self.writer = None;
        }
    }
}

impl Sink for WavSink {
    fn play(&mut self, frames: &[Frame]) {
        let mut output = self.output();
        let done = output.write(frames);
        output.keep(done);
    }

    fn rest(&mut self) {
        let mut output = self.output();
        output.resting = Some((Instant::now(), 0));
        let done = output.flush();
        output.keep(done);
    }

    fn wake(&mut self) {
        let mut output = self.output();
        let done = output.make_up(Instant::now());
        output.keep(done);
    }
}

/// Samples of a clock that goes at `pace` percent.
fn frames_in(time: Duration, pace: u32) -> u64 {
    (time.as_nanos() * u128::from(SPEC.sample_rate) * u128::from(pace) / 100_000_000_000) as u64
}

/// Gives the samples of a file, once, and then silence. One channel is given on both.
pub struct WavSource {
    samples: WavIntoSamples<BufReader<File>, i16>,
    mono: bool,
}

impl WavSource {
    /// Opens the file.
    ///
    /// # Errors
    /// [`WavError::File`], [`WavError::Format`].
    pub fn open(path: &Path) -> Result<Self, WavError> {
        let reader = WavReader::open(path).map_err(|e| WavError::File(path.to_owned(), e))?;
        let spec = reader.spec();
        if !(1..=2).contains(&spec.channels) || (WavSpec { channels: 2, ..spec }) != SPEC {
            return Err(WavError::Format(path.to_owned(), spec));
        }
        Ok(Self { samples: reader.into_samples(), mono: spec.channels == 1 })
    }
}

impl Source for WavSource {
    fn record(&mut self, frames: &mut [Frame]) {
        for frame in frames {
            // a file that is cut short ends there
            let mut next = || self.samples.next().and_then(Result::ok).unwrap_or(0);
            let left = next();
            *frame = [left, if self.mono { left } else { next() }];
        }
    }
}
