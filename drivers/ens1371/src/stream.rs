//! What the streams' registers hold: functions of the state, and arithmetic. No access here but to the counter of a stream.
//!
//! A ring is told to the chip in 32-bit words, so it has a whole number of them; its counter goes through it in words. The
//! chip fetches some dozens of bytes ahead of what is heard.

use udrv_driver::{Cx, Error, Params};

use crate::chip::Clock;
use crate::rate;
use crate::regs::{self, control, serial};
use crate::state::{Phase, Set, State};

/// Bytes of what the chip counts in.
const WORD: u32 = 4;

/// What the clock of DAC2 and ADC is set to while neither is, Hz.
const USUAL_RATE: u32 = 44_100;

/// Whether a ring of this kind has a whole number of words.
pub(crate) fn fits(params: &Params) -> bool {
    (params.ring_frames() * params.frame_bytes()).is_multiple_of(WORD)
}

/// SIZE of a stream that is at the beginning of its ring: words, less one. At most 16384, and at least 2 periods of 64 bytes.
pub(crate) fn size(set: &Set) -> u32 {
    (set.period * set.periods * set.bytes * set.channels / WORD).saturating_sub(1)
}

/// COUNT of a stream: frames of a period, less one. At most 32768.
pub(crate) fn count(set: &Set) -> u32 {
    set.period.saturating_sub(1)
}

/// CONTROL as the state has it.
pub(crate) fn control(state: &State) -> Result<u32, Error> {
    let chip = state.chip()?;
    let clocks = match chip.clock {
        Clock::Converter => 0,
        Clock::Dividers => clocks(state),
    };
    let enabled = state.streams.iter().zip(control::EN).zip(serial::PAUSE);
    let enables = enabled.map(|((set, enable), pause)| {
        // a paused DAC has a bit of its own; the ADC is switched off, and its counter stands
        let runs = set.phase == Phase::RUNNING || set.phase == Phase::PAUSED && pause != 0;
        if runs { enable } else { 0 }
    });
    Ok(chip.control | clocks | enables.sum::<u32>())
}

/// The clocks of an ES1370.
fn clocks(state: &State) -> u32 {
    let [dac1, dac2, adc] = &state.streams;
    let shared = [dac2, adc].into_iter().find(|set| set.phase >= Phase::SET).map_or(USUAL_RATE, |set| set.rate);
    let fixed = rate::fixed(dac1.rate).unwrap_or(0);
    (rate::divisor(shared) - 2) << control::PCLKDIV_SHIFT | fixed << control::WTSRSEL_SHIFT
}

/// SERIAL as the state has it.
pub(crate) fn serial(state: &State) -> u32 {
    let mut value = 0;
    for (number, set) in state.streams.iter().enumerate().filter(|(_, set)| set.phase >= Phase::SET) {
        let width = if set.bytes == 2 { serial::MODE_16 } else { 0 };
        let stereo = if set.channels == 2 { serial::MODE_STEREO } else { 0 };
        value |= (width | stereo) << serial::MODE_SHIFT[number];
        if set.is_running() {
            value |= serial::INT_EN[number];
        }
        if set.phase == Phase::PAUSED {
            value |= serial::PAUSE[number];
        }
        if number == DAC2 {
            value |= set.bytes << serial::P2_END_INC_SHIFT;
        }
    }
    value
}

/// The one that is told how far apart its samples are.
const DAC2: usize = 1;

/// Puts the stream to the beginning of its ring, on commit. It does not run.
pub(crate) fn rewind(cx: &Cx<'_, State>, number: usize) -> Result<(), Error> {
    let set = &cx.state.streams[number];
    cx.regs.write(regs::SIZE[number], size(set))?;
    cx.regs.write(regs::COUNT[number], count(set))
}

/// CONTROL and SERIAL as the state has them, on commit: what is switched on knows its format then, and what is switched off
/// is off before its interrupt is.
pub(crate) fn tell(cx: &Cx<'_, State>) -> Result<(), Error> {
    let (control, serial) = (control(cx.state)?, serial(cx.state));
    cx.regs.write(regs::SERIAL, serial)?;
    cx.regs.write(regs::CONTROL, control)
}

/// How far the chip has come, in frames: bounded by the ring that it was given.
pub(crate) fn position(cx: &Cx<'_, State>, number: usize) -> Result<u32, Error> {
    let set = &cx.state.streams[number];
    let told = cx.regs.read_present(regs::SIZE[number])?;
    if !is_within(set, told) {
        return Err(Error::Nonsense { register: regs::SIZE[number].offset(), value: told });
    }
    Ok((told >> 16) * WORD / (set.bytes * set.channels))
}

/// Whether SIZE is that of the stream's ring, and its counter is in it.
pub(crate) fn is_within(set: &Set, told: u32) -> bool {
    told & 0xffff == size(set) && told >> 16 <= size(set)
}

#[cfg(test)]
mod tests {
    use udrv_driver::{Dma, Format};

    use super::*;

    const USUAL: Params = Params { format: Format::S16, channels: 2, rate: 44_100, period: 1024, periods: 4 };

    fn state(chip: u32, phases: [Phase; 3]) -> State {
        let mut state = State { memory: [Dma(1); 3], chip, ..State::new() };
        state.streams = phases.map(|phase| Set { phase, ..Set::to(USUAL) });
        state
    }

    #[test]
    fn rings_and_periods() {
        let set = Set::to(USUAL);
        assert_eq!((size(&set), count(&set)), (4095, 1023));
        let longest = Params { format: Format::U8, channels: 1, rate: 8_000, period: 32_768, periods: 2 };
        assert_eq!((size(&Set::to(longest)), count(&Set::to(longest))), (0x3fff, 0x7fff));
        assert!(fits(&longest) && fits(&USUAL));
        assert!(
            !fits(&Params { period: 65, periods: 2, ..longest }) && fits(&Params { period: 65, periods: 4, ..longest })
        );
        assert!(is_within(&set, 4095) && is_within(&set, 4095 << 16 | 4095));
        assert!(!is_within(&set, 4096 << 16 | 4095) && !is_within(&set, 4094));
    }

    #[test]
    fn control_of_an_es1371() {
        use Phase as P;
        assert_eq!(control(&state(2, [P::CLOSED, P::PREPARED, P::STOPPED])), Ok(0));
        assert_eq!(control(&state(2, [P::RUNNING, P::RUNNING, P::RUNNING])), Ok(0x70));
        assert_eq!(control(&state(2, [P::PAUSED, P::PAUSED, P::PAUSED])), Ok(0x60), "the ADC has no pause");
        assert_eq!(control(&State::new()), Err(Error::NotReady));
    }

    #[test]
    fn control_of_an_es1370() {
        use Phase as P;
        assert_eq!(control(&state(1, [P::SET, P::SET, P::SET])), Ok(30 << 16 | 3 << 12 | 2));
        let mut other = state(1, [P::RUNNING, P::CLOSED, P::SET]);
        (other.streams[0].rate, other.streams[1].rate, other.streams[2].rate) = (5_512, 22_050, 8_000);
        assert_eq!(control(&other), Ok(174 << 16 | 1 << 6 | 2), "a stream that is not set up has no say");
        other.streams[2].phase = P::OPEN;
        assert_eq!(control(&other), Ok(30 << 16 | 1 << 6 | 2));
    }

    #[test]
    fn serial_has_formats_pauses_and_interrupts() {
        use Phase as P;
        assert_eq!(serial(&state(2, [P::OPEN, P::CLOSED, P::OPEN])), 0);
        assert_eq!(serial(&state(2, [P::SET, P::PREPARED, P::STOPPED])), 2 << 19 | 0x3f);
        assert_eq!(serial(&state(2, [P::RUNNING, P::PAUSED, P::PAUSED])), 2 << 19 | 1 << 12 | 7 << 8 | 0x3f);
        let mut narrow = state(2, [P::SET, P::SET, P::SET]);
        (narrow.streams[1].bytes, narrow.streams[1].channels, narrow.streams[2].channels) = (1, 1, 1);
        assert_eq!(serial(&narrow), 1 << 19 | 2 << 4 | 3);
    }
}
