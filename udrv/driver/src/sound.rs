//! The class of sound drivers.
//!
//! A device has streams, each with a ring of samples in DMA memory that it plays or fills period by period, and controls. The
//! samples themselves are no business of the driver: it says where the ring is and how far the device has come in it,
//! and the class fills it.

use crate::abi::Words;
use crate::{Cx, Dma, Driver, Error};

/// Streams that a device may have.
pub const MAX_STREAMS: usize = 4;

/// A driver of a sound device.
pub trait SoundDriver: Driver {
    /// Second versions of entry points; none by default.
    const ALTERNATES: SoundAlternates<Self::State> = SoundAlternates::NONE;

    /// What the cards have that it drives, see [`Driver::variant`].
    const VARIANTS: &'static [SoundVariant];

    /// Finds out what chip it is, resets it and its codec, takes memory for the rings. Everything is silent and no stream is
    /// open; controls are as [`SoundDriver::get_control`] says. `identity` is what the bus says: chips that share an id may
    /// be told apart by nothing else.
    ///
    /// # Errors
    /// [`Error::NotThisDevice`], or what the device did wrong. As for all entry points below.
    fn probe(cx: &mut Cx<'_, Self::State>, identity: Identity) -> Result<(), Error>;
    /// Takes a stream into use. [`Error::Busy`]: it is in use.
    fn open(cx: &mut Cx<'_, Self::State>, stream: Stream) -> Result<(), Error>;
    /// Stops it, if it runs, and gives it up.
    fn close(cx: &mut Cx<'_, Self::State>, stream: Stream) -> Result<(), Error>;
    /// Sets a stream that does not run up for samples of this kind. [`Error::Unsupported`]: it cannot, though each value for itself
    /// is one of [`StreamInfo`]; two streams share a clock, for example.
    fn hw_params(cx: &mut Cx<'_, Self::State>, stream: Stream, params: Params) -> Result<SampleRing, Error>;
    /// The next start begins at the beginning of the ring.
    fn prepare(cx: &mut Cx<'_, Self::State>, stream: Stream) -> Result<(), Error>;
    /// Has the stream run, or not.
    fn trigger(cx: &mut Cx<'_, Self::State>, stream: Stream, trigger: Trigger) -> Result<(), Error>;
    /// How far the device has come in the ring, in frames from its beginning: less than the ring has. While the stream
    /// is paused or stopped, where it stands.
    fn pointer(cx: &mut Cx<'_, Self::State>, stream: Stream) -> Result<u32, Error>;
    /// Takes note of the causes and acknowledges them. [`SoundEvents::NONE`] says that there was none.
    fn interrupt(cx: &mut Cx<'_, Self::State>) -> Result<SoundEvents, Error>;
    /// The value of a control in force.
    fn get_control(cx: &mut Cx<'_, Self::State>, control: Control) -> Result<ControlValue, Error>;
    /// Changes it. [`Error::Unsupported`]: the control has no such value.
    fn set_control(cx: &mut Cx<'_, Self::State>, control: Control, value: ControlValue) -> Result<(), Error>;
}

/// What the bus says of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Vendor id.
    pub vendor: u16,
    /// Device (PCI) or product (USB) id.
    pub product: u16,
    /// Revision id (PCI: byte 8 of configuration space).
    pub revision: u8,
}

/// `pointer`, as a value.
pub type Pointer<S> = fn(&mut Cx<'_, S>, Stream) -> Result<u32, Error>;

/// Second versions of entry points, as for network drivers ([`crate::Alternates`]).
#[derive(Debug, Clone, Copy)]
pub struct SoundAlternates<S: 'static> {
    /// Instead of [`SoundDriver::pointer`].
    pub pointer: Option<Pointer<S>>,
}

impl<S> SoundAlternates<S> {
    /// None.
    pub const NONE: SoundAlternates<S> = SoundAlternates { pointer: None };
}

/// What a card has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SoundVariant {
    /// Its streams, at most [`MAX_STREAMS`].
    pub streams: &'static [StreamInfo],
    /// The controls of chip and codec.
    pub controls: &'static [ControlInfo],
}

/// A stream: index into [`SoundVariant::streams`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stream(pub u32);

/// A control: index into [`SoundVariant::controls`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Control(pub u32);

/// Where the samples of a stream go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the device.
    Playback,
    /// From the device.
    Capture,
}

/// How a sample is written down. Those of several channels lie side by side: that is a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u32)]
pub enum Format {
    /// 8 bits, unsigned: silence is 0x80.
    U8 = 1,
    /// 16 bits, signed, little-endian: silence is 0.
    #[default]
    S16 = 2,
}

impl Format {
    /// Bytes of a sample.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        self as u32
    }

    /// A byte of silence.
    #[must_use]
    pub const fn silence(self) -> u8 {
        match self {
            Format::U8 => 0x80,
            Format::S16 => 0,
        }
    }
}

/// Rates that a stream has, Hz.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rates {
    /// All between these, which are among them.
    Range(u32, u32),
    /// These, in ascending order.
    List(&'static [u32]),
}

impl Rates {
    /// Whether `rate` is one of them.
    #[must_use]
    pub fn has(self, rate: u32) -> bool {
        match self {
            Rates::Range(lowest, highest) => (lowest..=highest).contains(&rate),
            Rates::List(rates) => rates.contains(&rate),
        }
    }
}

/// What a stream can be set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamInfo {
    /// As in the datasheet: `DAC2`.
    pub name: &'static str,
    /// Which way.
    pub direction: Direction,
    /// How samples may be written down.
    pub formats: &'static [Format],
    /// The most channels; it has all numbers from 1 on.
    pub channels: u32,
    /// Rates.
    pub rates: Rates,
    /// Frames of a period: the fewest and the most.
    pub period: (u32, u32),
    /// The longest ring, bytes. It has at least two periods.
    pub ring_bytes: u32,
}

impl StreamInfo {
    /// Whether each of the values is one that the stream has.
    #[must_use]
    pub fn allows(&self, params: &Params) -> bool {
        // multiplied when each is known to be small
        let ring = || u64::from(params.period) * u64::from(params.periods) * u64::from(params.frame_bytes());
        self.formats.contains(&params.format)
            && (1..=self.channels).contains(&params.channels)
            && self.rates.has(params.rate)
            && (self.period.0..=self.period.1).contains(&params.period)
            && params.periods >= 2
            && ring() <= self.ring_bytes.into()
    }
}

/// What a stream is set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Params {
    /// How samples are written down.
    pub format: Format,
    /// Samples of a frame.
    pub channels: u32,
    /// Frames a second.
    pub rate: u32,
    /// Frames from one interrupt to the next.
    pub period: u32,
    /// Periods of the ring, at least 2.
    pub periods: u32,
}

impl Params {
    /// Bytes of a frame.
    #[must_use]
    pub const fn frame_bytes(&self) -> u32 {
        self.format.bytes() * self.channels
    }

    /// Frames of the ring.
    #[must_use]
    pub const fn ring_frames(&self) -> u32 {
        self.period * self.periods
    }
}

/// What `hw_params` has set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SampleRing {
    /// The ring begins where this does; it may be shorter.
    pub memory: Dma,
    /// The rate that came of it, to the next Hz.
    pub rate: u32,
}

/// What is asked of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// Run: from the beginning after `prepare`.
    Start,
    /// Stop. What is in the ring is of no use any more.
    Stop,
    /// Stand still.
    Pause,
    /// Go on from there.
    Resume,
}

/// What `interrupt` found: bit `n` says that stream `n` has come to the end of a period, or of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SoundEvents(pub u32);

impl SoundEvents {
    /// Nothing: the interrupt was not this device's.
    pub const NONE: SoundEvents = SoundEvents(0);
    /// The device wants `restore`: a bus error, for example.
    pub const ERROR: SoundEvents = SoundEvents(1 << 31);

    /// That of one stream.
    #[must_use]
    pub const fn period(stream: Stream) -> SoundEvents {
        SoundEvents(1 << (stream.0 % MAX_STREAMS as u32))
    }

    /// Whether all of `other` is in it.
    #[must_use]
    pub const fn has(self, other: SoundEvents) -> bool {
        self.0 & other.0 == other.0
    }
}

impl core::ops::BitOr for SoundEvents {
    type Output = SoundEvents;
    fn bitor(self, other: SoundEvents) -> SoundEvents {
        SoundEvents(self.0 | other.0)
    }
}

/// A control of the mixer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlInfo {
    /// By ALSA's naming scheme: `Master Playback Volume`.
    pub name: &'static str,
    /// 1, or 2: left and right.
    pub channels: u32,
    /// What its values mean.
    pub kind: ControlKind,
}

/// What the values of a control mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlKind {
    /// 0 to `max`, louder from step to step.
    Volume {
        /// The loudest.
        max: u16,
        /// Level of 0, in hundredths of a decibel.
        lowest: i32,
        /// From one value to the next, in hundredths of a decibel.
        step: i32,
    },
    /// 0: off, or 1: on. A playback switch that is on can be heard.
    Switch,
    /// Index into a list of names.
    Choice(&'static [&'static str]),
}

impl ControlInfo {
    /// Whether the control has this value.
    #[must_use]
    pub fn allows(&self, value: ControlValue) -> bool {
        let max = match self.kind {
            ControlKind::Volume { max, .. } => max,
            ControlKind::Switch => 1,
            ControlKind::Choice(names) => (names.len() as u16).saturating_sub(1),
        };
        value.left <= max && value.right <= if self.channels == 2 { max } else { 0 }
    }
}

/// The value of a control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ControlValue {
    /// Left, or the only one.
    pub left: u16,
    /// Right; 0 where there is only one.
    pub right: u16,
}

impl Words for SampleRing {
    fn to_words(&self) -> [u64; 7] {
        [self.memory.0, self.rate.into(), 0, 0, 0, 0, 0]
    }
    fn from_words(words: [u64; 7]) -> Option<SampleRing> {
        Some(SampleRing { memory: Dma(words[0]), rate: words[1].try_into().ok()? })
    }
}

impl Words for SoundEvents {
    fn to_words(&self) -> [u64; 7] {
        self.0.to_words()
    }
    fn from_words(words: [u64; 7]) -> Option<SoundEvents> {
        const ALL: u32 = SoundEvents::ERROR.0 | ((1 << MAX_STREAMS) - 1);
        u32::from_words(words).filter(|bits| bits & !ALL == 0).map(SoundEvents)
    }
}

impl Words for ControlValue {
    fn to_words(&self) -> [u64; 7] {
        [self.left.into(), self.right.into(), 0, 0, 0, 0, 0]
    }
    fn from_words(words: [u64; 7]) -> Option<ControlValue> {
        Some(ControlValue { left: words[0].try_into().ok()?, right: words[1].try_into().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAC: StreamInfo = StreamInfo {
        name: "DAC",
        direction: Direction::Playback,
        formats: &[Format::U8, Format::S16],
        channels: 2,
        rates: Rates::List(&[11025, 44100]),
        period: (32, 1024),
        ring_bytes: 8192,
    };

    #[test]
    fn a_stream_allows_what_it_has() {
        let usual = Params { format: Format::S16, channels: 2, rate: 44100, period: 512, periods: 4 };
        assert_eq!((usual.frame_bytes(), usual.ring_frames()), (4, 2048));
        assert!(DAC.allows(&usual));
        for wrong in [
            Params { channels: 0, ..usual },
            Params { channels: 3, ..usual },
            Params { channels: u32::MAX, ..usual },
            Params { rate: 48000, ..usual },
            Params { period: 31, ..usual },
            Params { period: 1025, periods: 2, ..usual },
            Params { periods: 1, ..usual },
            Params { periods: 5, ..usual },
            Params { periods: u32::MAX, ..usual },
        ] {
            assert!(!DAC.allows(&wrong), "{wrong:?}");
        }
        let two_formats = StreamInfo { formats: &[Format::S16], rates: Rates::Range(4000, 48000), ..DAC };
        assert!(two_formats.allows(&Params { rate: 48000, ..usual }));
        assert!(!two_formats.allows(&Params { rate: 3999, ..usual }));
        assert!(!two_formats.allows(&Params { format: Format::U8, ..usual }));
    }

    #[test]
    fn a_control_allows_what_it_has() {
        let value = |left, right| ControlValue { left, right };
        let volume = ControlKind::Volume { max: 31, lowest: -4650, step: 150 };
        let control = |channels, kind| ControlInfo { name: "Master Playback Volume", channels, kind };
        assert!(control(2, volume).allows(value(31, 0)) && !control(2, volume).allows(value(0, 32)));
        assert!(control(1, volume).allows(value(31, 0)) && !control(1, volume).allows(value(0, 1)));
        assert!(
            control(1, ControlKind::Switch).allows(value(1, 0)) && !control(1, ControlKind::Switch).allows(value(2, 0))
        );
        let choice = ControlKind::Choice(&["Mic", "Line"]);
        assert!(control(1, choice).allows(value(1, 0)) && !control(1, choice).allows(value(2, 0)));
    }

    #[test]
    fn what_no_driver_may_return_is_no_value() {
        assert_eq!(SoundEvents::from_words([1 << 4, 0, 0, 0, 0, 0, 0]), None);
        let both = SoundEvents::period(Stream(1)) | SoundEvents::ERROR;
        assert_eq!(SoundEvents::from_words(both.to_words()), Some(both));
        assert!(both.has(SoundEvents::ERROR) && !both.has(SoundEvents::period(Stream(0))));
        assert_eq!(ControlValue::from_words([1 << 16, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(SampleRing::from_words([1, 1 << 32, 0, 0, 0, 0, 0]), None);
    }
}
