//! What is plugged into the card: something that takes sound, something that gives it.
//!
//! Both are stereo at 48 kHz, as the codec is. Files are in [`crate::wav`].

use std::f64::consts::TAU;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model_card::Port;

use crate::Frame;
use crate::chip::Ens1371;

/// Takes what leaves the codec at its line output, while something plays.
pub trait Sink: Send {
    /// The next samples.
    fn play(&mut self, frames: &[Frame]);

    /// Nothing plays any more, for now.
    fn rest(&mut self) {}

    /// Something plays again, or for the first time.
    fn wake(&mut self) {}
}

/// Gives what comes to the codec's line input, while something records or the input is heard.
pub trait Source: Send {
    /// Fills in the next samples.
    fn record(&mut self, frames: &mut [Frame]);
}

impl<S: Sink + ?Sized> Sink for Box<S> {
    fn play(&mut self, frames: &[Frame]) {
        (**self).play(frames);
    }

    fn rest(&mut self) {
        (**self).rest();
    }

    fn wake(&mut self) {
        (**self).wake();
    }
}

impl<S: Source + ?Sized> Source for Box<S> {
    fn record(&mut self, frames: &mut [Frame]) {
        (**self).record(frames);
    }
}

/// The jacks of a card. Clones are the same jacks.
#[derive(Clone)]
pub struct Jacks {
    output: Arc<Mutex<dyn Sink>>,
    input: Arc<Mutex<dyn Source>>,
}

impl Jacks {
    /// Plugs in both.
    #[must_use]
    pub fn new(output: impl Sink + 'static, input: impl Source + 'static) -> Self {
        Self { output: Arc::new(Mutex::new(output)), input: Arc::new(Mutex::new(input)) }
    }

    pub(crate) fn output(&self) -> MutexGuard<'_, dyn Sink + 'static> {
        // whole between any two calls
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn input(&self) -> MutexGuard<'_, dyn Source + 'static> {
        self.input.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Jacks {
    /// Nothing is plugged in.
    fn default() -> Self {
        Self::new(Nothing, Nothing)
    }
}

/// At the jacks nothing happens by itself: the card plays and records.
impl Port<Ens1371> for Jacks {}

/// Nothing: hears nothing, and is silent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nothing;

impl Sink for Nothing {
    fn play(&mut self, _frames: &[Frame]) {}
}

impl Source for Nothing {
    fn record(&mut self, frames: &mut [Frame]) {
        frames.fill([0; 2]);
    }
}

/// Keeps all that was played. Clones are the same tape.
#[derive(Debug, Clone, Default)]
pub struct Tape(Arc<Mutex<Vec<Frame>>>);

impl Tape {
    fn frames(&self) -> MutexGuard<'_, Vec<Frame>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what is on it, and leaves it empty.
    #[must_use]
    pub fn take(&self) -> Vec<Frame> {
        std::mem::take(&mut self.frames())
    }
}

impl Sink for Tape {
    fn play(&mut self, frames: &[Frame]) {
        self.frames().extend_from_slice(frames);
    }
}

/// Samples from memory, once, and then silence.
#[derive(Debug, Clone, Default)]
pub struct Samples {
    frames: Vec<Frame>,
    at: usize,
}

impl Samples {
    /// These.
    #[must_use]
    pub fn new(frames: Vec<Frame>) -> Self {
        Self { frames, at: 0 }
    }
}

impl Source for Samples {
    fn record(&mut self, frames: &mut [Frame]) {
        let left = &self.frames[self.at..];
        let now = left.len().min(frames.len());
        frames[..now].copy_from_slice(&left[..now]);
        frames[now..].fill([0; 2]);
        self.at += now;
    }
}

/// A sine, the same in both channels.
#[derive(Debug, Clone, Copy)]
pub struct Sine {
    /// Hz.
    pub frequency: f64,
    /// The largest sample.
    pub amplitude: i16,
    at: u64,
}

impl Sine {
    /// One that begins at 0.
    #[must_use]
    pub fn new(frequency: f64, amplitude: i16) -> Self {
        Self { frequency, amplitude, at: 0 }
    }
}

impl Source for Sine {
    fn record(&mut self, frames: &mut [Frame]) {
        for frame in frames {
            let turns = (self.at as f64 * self.frequency / 48_000.0).fract();
            *frame = [((turns * TAU).sin() * f64::from(self.amplitude)).round() as i16; 2];
            self.at += 1;
        }
    }
}
