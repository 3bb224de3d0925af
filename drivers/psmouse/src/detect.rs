//! What is at the other end.
//!
//! An IntelliMouse behaves as a plain mouse until three rates are set that nobody would set: a knock. A touchpad answers
//! queries that are made of settings and a status request, which to a mouse are just that.

use udrv_driver::{Cx, Error, Level};

use crate::mice::{ALPS, EXPLORER, INTELLIMOUSE, PLAIN, Protocol, SYNAPTICS};
use crate::regs::{
    BAT_FAILED, BAT_PASSED, COMMAND, DATA, ID, RESET, RESPONSE, SET_RESOLUTION, SET_SAMPLE_RATE, SET_SCALING_1_1,
    SET_SCALING_2_1, STATUS, data, id, with_argument,
};
use crate::state::State;

/// Wakes an IntelliMouse.
const WHEEL: [u8; 3] = [200, 100, 80];
/// Makes an Explorer of one.
const BUTTONS: [u8; 3] = [200, 200, 80];
/// Has an Explorer tell how its wheel is tilted. Those that have no such wheel take no notice.
const TILT: [u8; 3] = [200, 80, 40];

/// What a Synaptics touchpad says in the second byte of its identity.
const SYNAPTICS_MARK: u8 = 0x47;
/// First bytes of the signatures of ALPS touchpads, as Linux knows them; the others say which of them it is. A mouse has
/// [`crate::regs::status::SCALING`] and buttons there, and nothing else.
const ALPS_SIGNATURES: [u8; 10] = [0x20, 0x22, 0x32, 0x33, 0x52, 0x53, 0x60, 0x62, 0x63, 0x73];
/// Last bytes of what they say before.
const ALPS_RATES: [u8; 2] = [10, 100];

/// Bytes that may have come before a reset, and mean nothing behind it.
const MOST_STALE: u32 = 512;

/// Resets the device: hundreds of milliseconds, of which nobody else knows how many. It is a mouse, or an error says what else.
pub(crate) fn reset(cx: &Cx<'_, State>) -> Result<(), Error> {
    cx.regs.write(COMMAND, RESET)?;
    let answer = cx.regs.read(RESPONSE)?;
    match answer.to_le_bytes() {
        [BAT_PASSED, id::MOUSE, ..] => {}
        [BAT_PASSED, ..] => {
            cx.log(
                Level::Error,
                format_args!("this is no mouse but a keyboard: it passes its self test, and says no more"),
            );
            return Err(Error::NotThisDevice);
        }
        [outcome, ..] => {
            let what = if outcome == BAT_FAILED {
                "its self test has failed"
            } else {
                "it does not say how its self test was"
            };
            cx.log(Level::Error, format_args!("{what} ({outcome:02x}): plug it out and in again, or it is broken"));
            return Err(Error::Nonsense { register: RESPONSE.offset(), value: answer });
        }
    }
    for _ in 0..MOST_STALE {
        if cx.regs.read(DATA)? & data::VALID == 0 {
            break;
        }
    }
    Ok(())
}

/// Finds out which of [`crate::mice::MICE`] it is, and has it speak as that does. Its settings are any after this.
pub(crate) fn detect(cx: &Cx<'_, State>) -> Result<usize, Error> {
    let now = cx.regs.read(ID)? as u8;
    match now {
        // only those that are not woken yet
        id::MOUSE if is_synaptics(cx)? => return Ok(SYNAPTICS),
        id::MOUSE if is_alps(cx)? => return Ok(ALPS),
        id::MOUSE | id::INTELLIMOUSE | id::EXPLORER => {}
        id::KEYBOARD => {
            cx.log(Level::Error, format_args!("this is no mouse but a keyboard (device type {now:02x})"));
            return Err(Error::NotThisDevice);
        }
        other => {
            cx.log(Level::Error, format_args!("device type {other:02x} is no mouse that this driver drives"));
            return Err(Error::NotThisDevice);
        }
    }
    knock(cx, WHEEL)?;
    match cx.regs.read(ID)? as u8 {
        id::MOUSE => return Ok(PLAIN),
        id::INTELLIMOUSE | id::EXPLORER => {}
        other => return Err(Error::Nonsense { register: ID.offset(), value: other.into() }),
    }
    knock(cx, BUTTONS)?;
    match cx.regs.read(ID)? as u8 {
        id::INTELLIMOUSE => Ok(INTELLIMOUSE),
        id::EXPLORER => {
            knock(cx, TILT)?;
            Ok(EXPLORER)
        }
        other => Err(Error::Nonsense { register: ID.offset(), value: other.into() }),
    }
}

/// Has it speak `protocol` again, which it has spoken before. Its rate is any after this.
///
/// # Errors
/// [`Error::Nonsense`] too: it is another one.
pub(crate) fn wake(cx: &Cx<'_, State>, protocol: Protocol) -> Result<(), Error> {
    let knocks: &[[u8; 3]] = match protocol {
        Protocol::Ps2 => &[],
        Protocol::ImPs2 => &[WHEEL],
        Protocol::ImExPs2 => &[WHEEL, BUTTONS, TILT],
    };
    for rates in knocks {
        knock(cx, *rates)?;
    }
    let now = cx.regs.read(ID)?;
    if now == protocol.id().into() { Ok(()) } else { Err(Error::Nonsense { register: ID.offset(), value: now }) }
}

fn knock(cx: &Cx<'_, State>, rates: [u8; 3]) -> Result<(), Error> {
    rates.into_iter().try_for_each(|rate| cx.regs.write(COMMAND, with_argument(SET_SAMPLE_RATE, rate)))
}

/// "Identify" (Synaptics PS/2 TouchPad Interfacing Guide, "Information queries"): 0 in four pieces.
fn is_synaptics(cx: &Cx<'_, State>) -> Result<bool, Error> {
    for _ in 0..4 {
        cx.regs.write(COMMAND, with_argument(SET_RESOLUTION, 0))?;
    }
    let [_, mark, ..] = cx.regs.read(STATUS)?.to_le_bytes();
    Ok(mark == SYNAPTICS_MARK)
}

/// The "E6 report", which mice give too, and the "E7 report" (Linux, Documentation/input/devices/alps.rst).
fn is_alps(cx: &Cx<'_, State>) -> Result<bool, Error> {
    let report = |scaling: u8| {
        cx.regs.write(COMMAND, with_argument(SET_RESOLUTION, 0))?;
        for _ in 0..3 {
            cx.regs.write(COMMAND, scaling.into())?;
        }
        cx.regs.read(STATUS).map(u32::to_le_bytes)
    };
    let [first, second, rate, _] = report(SET_SCALING_1_1)?;
    // the lowest bits are buttons
    if first & !7 != 0 || second != 0 || !ALPS_RATES.contains(&rate) {
        return Ok(false);
    }
    let [signature, ..] = report(SET_SCALING_2_1)?;
    Ok(ALPS_SIGNATURES.contains(&signature))
}
