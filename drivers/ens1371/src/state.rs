//! What one failed call can spoil, and what holds of it between calls.
//!
//! What the chip is set to is a function of this (`stream.rs`, `src.rs`), so there are no copies of registers here but of the
//! codec's, which nobody else has. The check is asked before and after each call: a few dozen compares. Not in it: whether the
//! chip agrees (`restore` looks), and the numbers of the handles of DMA memory (the framework refuses those that are not the
//! driver's).

use udrv_driver::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use udrv_driver::{Dma, Error, Format, Params, Stream, holds};

use crate::chip::{CHIPS, Chip, Clock};
use crate::codec::{self, REGISTERS};
use crate::stream;

/// What one failed call can spoil and one rollback mends.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "udrv_driver::zerocopy")]
#[repr(C)]
pub struct State {
    /// The rings of DAC1, DAC2 and ADC; none before probe.
    pub(crate) memory: [Dma; 3],
    /// Where the chip writes by mistake; none but on chips that do.
    pub(crate) phantom: Dma,
    /// DAC1, DAC2 and ADC.
    pub(crate) streams: [Set; 3],
    /// Number of the chip in [`CHIPS`], and one; 0 before probe.
    pub(crate) chip: u32,
    /// What the codec's registers hold, in the order of its table; 0 behind its end.
    pub(crate) codec: [u16; REGISTERS],
}

/// A stream, and what it is set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "udrv_driver::zerocopy")]
#[repr(C)]
pub(crate) struct Set {
    pub(crate) phase: Phase,
    /// Bytes of a sample, 1 or 2; 0 before the first `hw_params`, as are the others.
    pub(crate) bytes: u32,
    /// Samples of a frame.
    pub(crate) channels: u32,
    /// What was asked for, Hz.
    pub(crate) rate: u32,
    /// Frames.
    pub(crate) period: u32,
    pub(crate) periods: u32,
}

/// How far a stream has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "udrv_driver::zerocopy")]
#[repr(transparent)]
pub(crate) struct Phase(u32);

impl Phase {
    /// Nobody uses it.
    pub(crate) const CLOSED: Phase = Phase(0);
    /// In use.
    pub(crate) const OPEN: Phase = Phase(1);
    /// And set up.
    pub(crate) const SET: Phase = Phase(2);
    /// And at the beginning of its ring. From here on the chip knows of it.
    pub(crate) const PREPARED: Phase = Phase(3);
    /// Stopped, at some place of its ring.
    pub(crate) const STOPPED: Phase = Phase(4);
    /// Runs, but stands still.
    pub(crate) const PAUSED: Phase = Phase(5);
    /// Runs.
    pub(crate) const RUNNING: Phase = Phase(6);
}

impl Set {
    const NONE: Set = Set { phase: Phase::CLOSED, bytes: 0, channels: 0, rate: 0, period: 0, periods: 0 };

    /// Set up for this.
    pub(crate) fn to(params: Params) -> Set {
        Set {
            phase: Phase::SET,
            bytes: params.format.bytes(),
            channels: params.channels,
            rate: params.rate,
            period: params.period,
            periods: params.periods,
        }
    }

    /// The same as the class has it; `None` before the first `hw_params`.
    pub(crate) fn params(&self) -> Option<Params> {
        let format = match self.bytes {
            1 => Format::U8,
            2 => Format::S16,
            _ => return None,
        };
        let Set { channels, rate, period, periods, .. } = *self;
        Some(Params { format, channels, rate, period, periods })
    }

    /// It runs, or would if it were not paused.
    pub(crate) fn is_running(&self) -> bool {
        self.phase >= Phase::PAUSED
    }

    /// The chip has been told where its ring ends.
    pub(crate) fn is_prepared(&self) -> bool {
        self.phase >= Phase::PREPARED
    }
}

impl State {
    /// Before `probe`.
    pub(crate) const fn new() -> State {
        State { memory: [Dma::NONE; 3], phantom: Dma::NONE, streams: [Set::NONE; 3], chip: 0, codec: [0; REGISTERS] }
    }

    /// The chip that `probe` has found.
    pub(crate) fn chip(&self) -> Result<&'static Chip, Error> {
        let number = (self.chip as usize).checked_sub(1).ok_or(Error::NotReady)?;
        CHIPS.get(number).ok_or(Error::NotReady)
    }

    /// Whether `probe` has come to its end.
    pub(crate) fn has_memory(&self) -> bool {
        let phantom = self.phantom != Dma::NONE || self.chip().is_ok_and(|chip| !chip.has_phantom);
        phantom && self.memory.iter().all(|memory| *memory != Dma::NONE)
    }

    /// Number of a stream, bounded.
    pub(crate) fn number(&self, stream: Stream) -> Result<usize, Error> {
        self.chip()?;
        let number = stream.0 as usize;
        if number < self.streams.len() { Ok(number) } else { Err(Error::Unsupported) }
    }

    /// See [`udrv_driver::Driver::check`].
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let Ok(chip) = self.chip() else {
            holds(self.chip == 0, "chip: no such chip")?;
            holds(self.streams == [Set::NONE; 3], "streams: before probe")?;
            return holds(self.codec == [0; REGISTERS], "codec: before probe");
        };
        let probed = self.has_memory();
        for (set, info) in self.streams.iter().zip(chip.streams) {
            holds(set.phase <= Phase::RUNNING, "phase: none that there is")?;
            holds(set.phase == Phase::CLOSED || probed, "phase: without a ring")?;
            match set.params() {
                None => {
                    holds(set.phase < Phase::SET, "phase: set up to nothing")?;
                    holds(Set { phase: Phase::CLOSED, ..*set } == Set::NONE, "streams: half set up")?;
                }
                Some(params) => {
                    holds(info.allows(&params), "streams: set to what it does not have")?;
                    holds(stream::fits(&params), "streams: no whole words")?;
                }
            }
        }
        let [_, dac2, adc] = &self.streams;
        let both = dac2.phase >= Phase::SET && adc.phase >= Phase::SET;
        let shares = chip.clock == Clock::Dividers && both;
        holds(!shares || dac2.rate == adc.rate, "rate: two of one clock")?;
        let table = codec::table(chip.codec);
        let may_be = |at: usize, value: u16| value & !table.get(at).map_or(0, |register| register.writable) == 0;
        holds(self.codec.iter().enumerate().all(|(at, value)| may_be(at, *value)), "codec: a bit that is not written")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMS: Params = Params { format: Format::S16, channels: 2, rate: 44_100, period: 1024, periods: 4 };

    /// An ES1370 with one stream that runs.
    fn busy() -> State {
        let mut state = State { memory: [Dma(1), Dma(2), Dma(3)], phantom: Dma(4), chip: 1, ..State::new() };
        state.streams[1] = Set { phase: Phase::RUNNING, ..Set::to(PARAMS) };
        state.streams[2] = Set { phase: Phase::CLOSED, ..Set::to(Params { rate: 22_050, ..PARAMS }) };
        state.codec[0] = 0x9f;
        state
    }

    #[test]
    fn states_that_are_right() {
        assert_eq!(State::new().check(), Ok(()));
        assert_eq!(State { chip: 1, ..State::new() }.check(), Ok(()), "no memory for the rings");
        assert_eq!(busy().check(), Ok(()));
    }

    #[test]
    fn each_clause_names_its_field() {
        let broken = |what: &str, change: &dyn Fn(&mut State)| {
            let mut state = busy();
            change(&mut state);
            assert_eq!(state.check().expect_err(what), what);
        };
        let set = |change: &dyn Fn(&mut Set)| {
            let mut set = busy().streams[1];
            change(&mut set);
            set
        };
        broken("chip: no such chip", &|state| state.chip = 11);
        broken("chip: no such chip", &|state| state.chip = u32::MAX);
        broken("streams: before probe", &|state| state.chip = 0);
        broken("codec: before probe", &|state| (state.chip, state.streams) = (0, [Set::NONE; 3]));
        broken("phase: none that there is", &|state| state.streams[0].phase = Phase(7));
        broken("phase: without a ring", &|state| state.memory[1] = Dma::NONE);
        broken("phase: set up to nothing", &|state| state.streams[0].phase = Phase::SET);
        broken("streams: half set up", &|state| state.streams[0].rate = 44_100);
        broken("streams: set to what it does not have", &|state| state.streams[1] = set(&|set| set.rate = 48_000));
        broken("streams: set to what it does not have", &|state| state.streams[1] = set(&|set| set.periods = 1));
        broken("streams: no whole words", &|state| {
            state.streams[1] = set(&|set| (set.bytes, set.channels, set.period, set.periods) = (1, 1, 65, 2));
        });
        broken("rate: two of one clock", &|state| state.streams[2].phase = Phase::SET);
        broken("codec: a bit that is not written", &|state| state.codec[0] = 0x40);
    }

    /// A wild write of all ones or of a pointer's bytes into any word but the handles.
    #[test]
    fn a_word_that_was_written_over_is_seen() {
        let handles = 0..core::mem::offset_of!(State, streams);
        for word in [u32::MAX, 0x7ffe_a5c3] {
            for at in (0..size_of::<State>()).step_by(4) {
                let mut bytes = [0; size_of::<State>()];
                bytes.copy_from_slice(busy().as_bytes());
                bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
                let state = State::read_from_bytes(&bytes).unwrap();
                assert_eq!(state.check().is_ok(), handles.contains(&at), "{word:#x} at {at}");
            }
        }
    }
}
