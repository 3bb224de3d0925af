//! PS/2 mice: plain ones, IntelliMouse, IntelliMouse Explorer; Synaptics' and ALPS' touchpads as plain mice.
//!
//! A mouse has no registers: it has commands, and the framework's controller makes registers of them (`regs.rs`,
//! [`udrv_driver::serio`]). Not here: absolute modes of touchpads, other makers' extensions (Genius, Logitech, Kensington, ...), track points
//! as more than mice, mice that sleep.
//!
//! Facts are those of the IBM PS/2 technical reference ("Mouse", "Mouse Controller"); A. Chapweske, "The PS/2 Mouse Interface";
//! the Synaptics PS/2 TouchPad Interfacing Guide; and of what Linux's psmouse driver and its documentation of ALPS'
//! touchpads say of mice that there are, among it the Explorer's knocks and the fourth byte of its packets.
//!
//! ```
//! use psmouse::PsMouse;
//! use udrv_driver::Driver;
//!
//! // ports with a PS/2 device, and such behind another device
//! assert_eq!(PsMouse::IDS, [(0x01, 0x00), (0x05, 0x00)]);
//! assert!(PsMouse::REGISTERS.iter().any(|register| register.name == "SAMPLE_RATE"));
//! ```
//!
//! # What recovery costs
//!
//! What a failed call has sent decides, and a byte costs a millisecond each way:
//!
//! | entry point | what it sends | an abort sends |
//! |---|---|---|
//! | `interrupt` | nothing | nothing: the bytes that it has taken are given again |
//! | `poll` | READ DATA; ID where that is not answered | nothing: the movement of that one packet is lost |
//! | `enable`, `disable` | REPORTING | REPORTING as it was, if it was sent |
//! | `set_rate`, `set_resolution`, `set_scaling` | REPORTING off, the setting, REPORTING on; nothing if nothing changes | what of these was sent, as it was, last first |
//! | `reconnect` | all it takes to know a mouse, its settings, REPORTING | `restore` |
//! | `quiesce` | SET DEFAULT | `restore` |
//! | `probe` | RESET, and as `reconnect` | `restore`, which has nothing to do before a first probe |
//!
//! `restore` asks ID and STATUS, seven bytes, and sends what is not as the state has it: often nothing. Only where ID says that
//! the mouse was reset does it knock again. It never resets. A mouse that does not speak as before even then is another
//! one, and an error: `probe` or `reconnect` finds out which.
//!
//! A command of whatever sort can break off a packet that is on its way, and with it the news that a button has gone up. So the
//! class polls after those that succeed while the mouse reports (see [`InputDriver`]); what was sent before the answer is
//! handed up before it ([`PsMouse::poll`](InputDriver::poll)), or an old packet would press a button again.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

use udrv_driver::{
    Bus, Cx, Driver, Error, InputAlternates, InputDriver, InputEvents, InputSet, InputVariant, Level, MAX_REPORTS,
    Point, RegisterInfo,
};

mod alternate;
mod detect;
mod mice;
mod packet;
pub mod regs;
mod settings;
mod state;
mod stream;

pub use state::State;

use mice::{MICE, Mouse, Protocol};
use regs::{COMMAND, DATA, REPORTING, STATUS, status};
use state::Set;
use stream::End;

/// The driver. It has no values: what it remembers is [`State`].
#[derive(Debug)]
pub struct PsMouse;

/// Reports that may have come between a look at what is there and the answer to a command, and more than can have.
const BETWEEN: usize = 8;

impl Driver for PsMouse {
    const NAME: &'static str = "psmouse";
    /// Kinds of port: one with a PS/2 device (8042), and one behind such a device (pass-through). A keyboard may be at either, and `probe` tells.
    const IDS: &'static [(u16, u16)] = &[(0x01, 0x00), (0x05, 0x00)];
    const BUS: Bus = Bus::Serio { commands: regs::COMMANDS };
    const REGISTERS: &'static [RegisterInfo] = regs::REGISTERS;
    const STATE_VERSION: u32 = 1;
    type State = State;
    const NEW: State = State::new();

    /// Before `probe` it is the least that one can be.
    fn variant(state: &State) -> u32 {
        state.mouse.saturating_sub(1)
    }

    fn check(state: &State) -> Result<(), &'static str> {
        state.check()
    }

    /// As after a reset, but for how it speaks: the next driver finds that out, or resets it.
    fn quiesce(cx: &mut Cx<'_, State>) -> Result<(), Error> {
        cx.point(Point::Start);
        cx.regs.write(COMMAND, regs::SET_DEFAULT.into())?;
        cx.point(Point::Middle);
        cx.point(Point::End);
        Ok(())
    }

    fn restore(cx: &mut Cx<'_, State>) -> Result<(), Error> {
        cx.point(Point::Start);
        // before probe there is nothing to restore
        let Ok(mouse) = cx.state.mouse() else { return Ok(()) };
        if cx.regs.read(regs::ID)? != mouse.protocol.id().into() {
            // it reports in the language that it speaks now
            cx.regs.write(REPORTING, 0)?;
            detect::wake(cx, mouse.protocol)?;
        }
        cx.point(Point::Middle);
        bring_back(cx)?;
        cx.point(Point::End);
        Ok(())
    }
}

/// Makes of a mouse that speaks as it should one that is set as the state has it.
fn bring_back(cx: &Cx<'_, State>) -> Result<(), Error> {
    let [first, resolution, rate, _] = cx.regs.read(STATUS)?.to_le_bytes();
    let has = |bit| u32::from(first & bit != 0);
    let found = Set { rate: rate.into(), resolution: resolution.into(), double: has(status::SCALING) };
    let mut reports = has(status::ENABLED);
    if first & status::REMOTE != 0 {
        cx.regs.write(COMMAND, regs::SET_STREAM_MODE.into())?;
    }
    if found != cx.state.set {
        if reports != 0 {
            cx.regs.write(REPORTING, 0)?;
            reports = 0;
        }
        settings::send(cx, Some(found), cx.state.set)?;
    }
    if reports != cx.state.enabled {
        cx.regs.write(REPORTING, cx.state.enabled)?;
    }
    Ok(())
}

/// Finds out what it is, and says so. Gives the state of one that is set up as `set` says, and is to report or not.
fn identify(cx: &Cx<'_, State>, set: Set, enabled: u32) -> Result<State, Error> {
    let number = detect::detect(cx)?;
    let Mouse { name, protocol } = MICE[number];
    cx.log(Level::Info, format_args!("{name}, speaks {}", protocol.name()));
    Ok(State { mouse: number as u32 + 1, set, enabled, ..State::new() })
}

impl InputDriver for PsMouse {
    const ALTERNATES: InputAlternates<State> = InputAlternates { interrupt: Some(alternate::interrupt) };

    const VARIANTS: &'static [InputVariant] = &mice::VARIANTS;
    const RATES: &'static [u32] = &settings::RATES;
    const RESOLUTIONS: &'static [u32] = &settings::RESOLUTIONS;

    fn set(state: &State) -> InputSet {
        InputSet {
            rate: state.set.rate,
            resolution: settings::counts_an_inch(state.set.resolution),
            double: state.set.double != 0,
            enabled: state.enabled != 0,
        }
    }

    fn probe(cx: &mut Cx<'_, State>) -> Result<(), Error> {
        cx.point(Point::Start);
        detect::reset(cx)?;
        cx.point(Point::Middle);
        *cx.state = identify(cx, settings::USUAL, 0)?;
        settings::send(cx, None, settings::USUAL)?;
        // it does not anyway: now it is known what to send should `enable` be undone
        cx.regs.write(REPORTING, 0)?;
        cx.point(Point::End);
        Ok(())
    }

    fn enable(cx: &mut Cx<'_, State>) -> Result<(), Error> {
        report_by_itself(cx, 1)
    }

    fn disable(cx: &mut Cx<'_, State>) -> Result<(), Error> {
        report_by_itself(cx, 0)
    }

    fn interrupt(cx: &mut Cx<'_, State>) -> Result<InputEvents, Error> {
        cx.point(Point::Start);
        let protocol = cx.state.mouse()?.protocol;
        let (events, end) = stream::take(cx, protocol, MAX_REPORTS, false)?;
        cx.point(Point::Middle);
        let more = match end {
            End::New => InputEvents::NEW | InputEvents::MORE,
            End::Full => InputEvents::MORE,
            End::Empty | End::Broken => InputEvents::NONE,
        };
        cx.point(Point::End);
        Ok(events | more)
    }

    fn poll(cx: &mut Cx<'_, State>) -> Result<(), Error> {
        cx.point(Point::Start);
        let protocol = cx.state.mouse()?.protocol;
        // what is there is older than the answer
        match stream::take(cx, protocol, MAX_REPORTS - BETWEEN, false)?.1 {
            End::Full => return Err(Error::Busy),
            // `restore` finds that out, and mends it
            End::New => return Err(Error::Nonsense { register: DATA.offset(), value: regs::BAT_PASSED.into() }),
            End::Empty | End::Broken => {}
        }
        let answer = ask(cx, protocol)?;
        cx.point(Point::Middle);
        // and so is what has come before the command was there
        let nonsense = Error::Nonsense { register: protocol.packet().offset(), value: answer };
        match stream::take(cx, protocol, BETWEEN - 1, true)?.1 {
            End::Empty => stream::give_up(cx)?,
            // begun behind the answer
            End::Broken => {}
            End::Full | End::New => return Err(nonsense),
        }
        let packet = answer.to_le_bytes();
        if !packet::is_in_step(protocol, packet) {
            return Err(nonsense);
        }
        stream::report(cx, protocol, packet)?;
        cx.point(Point::End);
        Ok(())
    }

    fn set_rate(cx: &mut Cx<'_, State>, rate: u32) -> Result<u32, Error> {
        let rate = settings::rate(rate);
        change(cx, |set| Set { rate, ..set })?;
        Ok(rate)
    }

    fn set_resolution(cx: &mut Cx<'_, State>, dpi: u32) -> Result<u32, Error> {
        let resolution = settings::resolution(dpi);
        change(cx, |set| Set { resolution, ..set })?;
        Ok(settings::counts_an_inch(resolution))
    }

    fn set_scaling(cx: &mut Cx<'_, State>, double: bool) -> Result<(), Error> {
        change(cx, |set| Set { double: double.into(), ..set })
    }

    fn reconnect(cx: &mut Cx<'_, State>) -> Result<(), Error> {
        cx.point(Point::Start);
        let State { set, enabled, .. } = *cx.state;
        cx.state.mouse()?;
        // it may be the same as ever, and have sent what looked like the announcement of another
        cx.regs.write(COMMAND, regs::DISABLE.into())?;
        let state = identify(cx, set, enabled)?;
        cx.point(Point::Middle);
        settings::say(cx, set)?;
        // should the rest fail, `restore` knows what it is
        *cx.state = state;
        if enabled != 0 {
            cx.regs.write(COMMAND, regs::ENABLE.into())?;
        }
        cx.point(Point::End);
        Ok(())
    }
}

/// READ DATA. A mouse that was reset and was not heard to say so answers with less than it should: that is nonsense of it, and no
/// refusal, for `restore` mends it.
fn ask(cx: &Cx<'_, State>, protocol: Protocol) -> Result<u32, Error> {
    let answer = cx.regs.read(protocol.packet());
    if answer == Err(Error::Bus) {
        let now = cx.regs.read(regs::ID)?;
        if now != protocol.id().into() {
            return Err(Error::Nonsense { register: regs::ID.offset(), value: now });
        }
    }
    answer
}

/// `enable` and `disable`.
fn report_by_itself(cx: &mut Cx<'_, State>, enabled: u32) -> Result<(), Error> {
    cx.point(Point::Start);
    cx.state.mouse()?;
    cx.point(Point::Middle);
    if cx.state.enabled != enabled {
        cx.regs.write(REPORTING, enabled)?;
        cx.state.enabled = enabled;
    }
    cx.point(Point::End);
    Ok(())
}

/// `set_rate`, `set_resolution` and `set_scaling`.
fn change(cx: &mut Cx<'_, State>, to: impl FnOnce(Set) -> Set) -> Result<(), Error> {
    cx.point(Point::Start);
    cx.state.mouse()?;
    cx.point(Point::Middle);
    let from = cx.state.set;
    settings::change(cx, from, to(from))?;
    cx.point(Point::End);
    Ok(())
}
