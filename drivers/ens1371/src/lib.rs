//! Ensoniq AudioPCI: ES1370 with the AK4531 codec; ES1371, ES1373 and Creative CT5880 with an AC'97 codec.
//!
//! `chip.rs` has the exact revisions and what they differ in; others with the same PCI ids are refused. Two streams that play
//! and one that captures, 8 or 16 bits, mono or stereo; on the ES1371 and its like each at any rate from 4 to 48 kHz, on the ES1370 at
//! those of `rate.rs`, where DAC2 and ADC have one clock. Not here: MIDI, joystick, S/PDIF, four channels, legacy emulation,
//! wake-up, amplifiers that single boards switch at the GPIO pins.
//!
//! Names are those of the ES1371 specification, rev 1.1, as far as it was at hand, and of drivers that work; no chip has
//! been.
//!
//! ```
//! use ens1371::Ens1371;
//! use udrv_driver::Driver;
//!
//! assert!(Ens1371::IDS.contains(&(0x1274, 0x1371)));
//! assert!(Ens1371::REGISTERS.iter().any(|register| register.name == "DAC2_FRAME"));
//! ```
//!
//! # What recovery costs
//!
//! `prepare`, `trigger`, `pointer`, `interrupt`, `open` and `close` write nothing that acts before they commit (`regs.rs`): where one
//! of them is abandoned there is nothing to bring back, and the streams do not notice. `hw_params` on an ES1371 and
//! `set_control` write to the converter and the codec, and an abandoned one needs `restore`: that writes what is marked
//! there, and looks whether the streams are where the state has them. Those that are it leaves alone, so samples flow all the
//! while; those that are not are stopped at once and begin anew. This is at most twenty accesses beside what is marked, so
//! that it is done within 100 us where an access takes a microsecond or two, as on PCI. To that comes what the codec asks
//! for: a frame of its link, 21 us, and a moment of the converter's for each of its registers.
//!
//! For recovery alone there are `restore` with `stop_astray` and `resume` (`setup.rs`), those of `src.rs` and `codec.rs`, 70 lines,
//! `check`, and the second `pointer` (`alternate.rs`).
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

use udrv_driver::{
    Bus, Control, ControlValue, Cx, Driver, Error, Identity, Level, Pages, Params, Point, RegisterInfo, SampleRing,
    SoundAlternates, SoundDriver, SoundEvents, SoundVariant, Stream, Trigger,
};

mod ac97;
mod ak4531;
mod alternate;
mod chip;
mod codec;
mod controls;
mod rate;
pub mod regs;
mod setup;
mod src;
mod state;
mod stream;

pub use state::State;

use chip::Clock;
use regs::{serial, status};
use state::{Phase, Set};

/// The driver. It has no values: what it remembers is [`State`].
#[derive(Debug)]
pub struct Ens1371;

impl Driver for Ens1371 {
    const NAME: &'static str = "ens1371";
    /// More chips have these than are driven: `probe` looks closer.
    const IDS: &'static [(u16, u16)] = &[(chip::ENSONIQ, 0x5000), (chip::ENSONIQ, 0x1371), (chip::ENSONIQ, 0x5880)];
    /// The registers, in I/O space.
    const BUS: Bus = Bus::Pci { bars: &[0], pages: Some(Pages { selector: 0x0c }) };
    const REGISTERS: &'static [RegisterInfo] = regs::REGISTERS;
    const STATE_VERSION: u32 = 1;
    type State = State;
    const NEW: State = State::new();

    fn variant(state: &State) -> u32 {
        state.chip.saturating_sub(1)
    }

    fn check(state: &State) -> Result<(), &'static str> {
        state.check()
    }

    fn quiesce(cx: &mut Cx<'_, State>) -> Result<(), Error> {
        cx.point(Point::Start);
        setup::halt(cx)?;
        cx.point(Point::Middle);
        cx.regs.read_present(regs::STATUS)?;
        cx.point(Point::End);
        Ok(())
    }

    fn restore(cx: &mut Cx<'_, State>) -> Result<(), Error> {
        cx.point(Point::Start);
        cx.regs.read_present(regs::STATUS)?;
        // before probe there is nothing to restore
        let Ok(chip) = cx.state.chip() else { return Ok(()) };
        let astray = setup::stop_astray(cx)?;
        if chip.clock == Clock::Converter {
            src::restore(cx)?;
        }
        cx.point(Point::Middle);
        codec::restore(cx)?;
        setup::resume(cx, astray)?;
        cx.point(Point::End);
        Ok(())
    }
}

impl SoundDriver for Ens1371 {
    const ALTERNATES: SoundAlternates<State> = SoundAlternates { pointer: Some(alternate::pointer) };

    const VARIANTS: &'static [SoundVariant] = &{
        let mut variants = [SoundVariant { streams: &[], controls: &[] }; chip::CHIPS.len()];
        let mut number = 0;
        while number < variants.len() {
            let chip = &chip::CHIPS[number];
            variants[number] = SoundVariant { streams: chip.streams, controls: controls::of(chip.codec) };
            number += 1;
        }
        variants
    };

    fn probe(cx: &mut Cx<'_, State>, identity: Identity) -> Result<(), Error> {
        cx.point(Point::Start);
        cx.regs.read_present(regs::STATUS)?;
        let Some(number) = chip::find(identity) else {
            let Identity { vendor, product, revision } = identity;
            cx.log(
                Level::Error,
                format_args!("{vendor:04x}:{product:04x} revision {revision:#04x} is no chip that this driver drives"),
            );
            return Err(Error::NotThisDevice);
        };
        cx.log(Level::Info, format_args!("{}", chip::CHIPS[number].name));
        *cx.state =
            State { chip: number as u32 + 1, memory: cx.state.memory, phantom: cx.state.phantom, ..State::new() };
        setup::halt(cx)?;
        setup::start(cx)?;
        cx.point(Point::Middle);
        setup::allocate(cx)?;
        setup::aim(cx)?;
        stream::tell(cx)?;
        cx.point(Point::End);
        Ok(())
    }

    fn open(cx: &mut Cx<'_, State>, stream: Stream) -> Result<(), Error> {
        cx.point(Point::Start);
        let number = cx.state.number(stream)?;
        if !cx.state.has_memory() {
            return Err(Error::NotReady);
        }
        if cx.state.streams[number].phase != Phase::CLOSED {
            return Err(Error::Busy);
        }
        cx.point(Point::Middle);
        cx.state.streams[number].phase = Phase::OPEN;
        cx.point(Point::End);
        Ok(())
    }

    fn close(cx: &mut Cx<'_, State>, stream: Stream) -> Result<(), Error> {
        cx.point(Point::Start);
        let number = cx.state.number(stream)?;
        cx.state.streams[number].phase = Phase::CLOSED;
        cx.point(Point::Middle);
        // its format goes too, so it must be off before
        cx.regs.write(regs::CONTROL, stream::control(cx.state)?)?;
        cx.regs.write(regs::SERIAL, stream::serial(cx.state))?;
        cx.point(Point::End);
        Ok(())
    }

    fn hw_params(cx: &mut Cx<'_, State>, stream: Stream, params: Params) -> Result<SampleRing, Error> {
        cx.point(Point::Start);
        let number = cx.state.number(stream)?;
        let set = cx.state.streams[number];
        if set.phase < Phase::OPEN || set.is_running() {
            return Err(Error::NotReady);
        }
        let chip = cx.state.chip()?;
        let other = chip.shares_clock_with(number).map(|other| cx.state.streams[other]);
        let is_taken = other.is_some_and(|other| other.phase >= Phase::SET && other.rate != params.rate);
        if !chip.streams[number].allows(&params) || !stream::fits(&params) || is_taken {
            return Err(Error::Unsupported);
        }
        cx.point(Point::Middle);
        let rate = match chip.clock {
            Clock::Converter => src::set_rate(cx, number, params.rate)?,
            Clock::Dividers => rate::divided(params.rate),
        };
        cx.state.streams[number] = Set::to(params);
        stream::tell(cx)?;
        cx.point(Point::End);
        Ok(SampleRing { memory: cx.state.memory[number], rate })
    }

    fn prepare(cx: &mut Cx<'_, State>, stream: Stream) -> Result<(), Error> {
        cx.point(Point::Start);
        let number = cx.state.number(stream)?;
        let set = &mut cx.state.streams[number];
        if set.phase < Phase::SET || set.is_running() {
            return Err(Error::NotReady);
        }
        set.phase = Phase::PREPARED;
        cx.point(Point::Middle);
        stream::rewind(cx, number)?;
        cx.point(Point::End);
        Ok(())
    }

    fn trigger(cx: &mut Cx<'_, State>, stream: Stream, trigger: Trigger) -> Result<(), Error> {
        cx.point(Point::Start);
        let number = cx.state.number(stream)?;
        let set = &mut cx.state.streams[number];
        set.phase = match (trigger, set.phase) {
            (Trigger::Start, Phase::PREPARED) | (Trigger::Resume, Phase::PAUSED) => Phase::RUNNING,
            (Trigger::Pause, Phase::RUNNING) => Phase::PAUSED,
            (Trigger::Stop, Phase::RUNNING | Phase::PAUSED) => Phase::STOPPED,
            // it stands
            (Trigger::Stop, phase @ (Phase::PREPARED | Phase::STOPPED)) => phase,
            _ => return Err(Error::NotReady),
        };
        cx.point(Point::Middle);
        stream::tell(cx)?;
        cx.point(Point::End);
        Ok(())
    }

    fn pointer(cx: &mut Cx<'_, State>, stream: Stream) -> Result<u32, Error> {
        cx.point(Point::Start);
        let number = cx.state.number(stream)?;
        if !cx.state.streams[number].is_prepared() {
            return Err(Error::NotReady);
        }
        cx.point(Point::Middle);
        let position = stream::position(cx, number)?;
        cx.point(Point::End);
        Ok(position)
    }

    fn interrupt(cx: &mut Cx<'_, State>) -> Result<SoundEvents, Error> {
        cx.point(Point::Start);
        let seen = cx.regs.read_present(regs::STATUS)?;
        let mut events = SoundEvents::NONE;
        let mut acknowledged = 0;
        for (number, set) in cx.state.streams.iter().enumerate() {
            if seen & status::INTR != 0 && seen & status::PERIOD[number] != 0 {
                acknowledged |= serial::INT_EN[number];
                if set.is_running() {
                    events = events | SoundEvents::period(Stream(number as u32));
                }
            }
        }
        cx.point(Point::Middle);
        if acknowledged != 0 {
            // each waits for the commit: should this call fail, the cause is still there
            let value = stream::serial(cx.state);
            cx.regs.write(regs::SERIAL, value & !acknowledged)?;
            cx.regs.write(regs::SERIAL, value)?;
        }
        cx.point(Point::End);
        Ok(events)
    }

    fn get_control(cx: &mut Cx<'_, State>, control: Control) -> Result<ControlValue, Error> {
        cx.point(Point::Start);
        let value = controls::get(cx.state, control)?;
        cx.point(Point::Middle);
        cx.point(Point::End);
        Ok(value)
    }

    fn set_control(cx: &mut Cx<'_, State>, control: Control, value: ControlValue) -> Result<(), Error> {
        cx.point(Point::Start);
        let before = controls::get(cx.state, control)?;
        cx.point(Point::Middle);
        if before != value {
            controls::set(cx, control, value)?;
        }
        cx.point(Point::End);
        Ok(())
    }
}
