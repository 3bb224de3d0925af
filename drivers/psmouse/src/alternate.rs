//! The second version of `interrupt`: a recovery block, for when the first faults again and again.
//!
//! No code is shared with the first, for what shares code shares its faults: only the state, whose layout is what a
//! call leaves to the next, whichever version that is. So there is arithmetic here that is also in `packet.rs`; that is meant,
//! and a test sees that both find the same in every stream. What bytes mean, and why some are dropped, is told there.
//!
//! No places to inject faults: those are in the first version.

use udrv_driver::{Buttons, Cx, Error, InputEvents, Report};

use crate::regs;
use crate::state::State;

/// Reports in a call, and bytes that are at least looked at.
const REPORTS: u32 = 64;
/// See [`REPORTS`].
const BYTES: u32 = 256;

/// Instead of `interrupt`: the packet is a number whose lowest byte came first.
pub(crate) fn interrupt(cx: &mut Cx<'_, State>) -> Result<InputEvents, Error> {
    let length = match cx.state.mouse {
        1 | 4 | 5 => 3,
        2 | 3 => 4,
        _ => return Err(Error::NotReady),
    };
    let mut events = 0;
    let mut reports = 0;
    for _ in 0..BYTES {
        let word = cx.regs.read(regs::DATA)?;
        if word >> 31 == 0 {
            return Ok(InputEvents(events));
        }
        events |= InputEvents::DATA.0;
        let (byte, pause) = (word & 0xff, word >> 8 & 0xffff);
        let after_command = word & 1 << 30 != 0;

        let mut packet = u32::from_le_bytes(cx.state.stream.bytes);
        let mut have = cx.state.stream.have;
        let mut lost = cx.state.stream.lost == 1;
        let mut dropped = 0;
        if after_command || pause > 500 || (byte == 0xaa && pause >= 250) {
            dropped = have;
            (packet, have, lost) = (0, 0, false);
        }
        if have == 0 && byte >> 3 & 1 == 0 {
            lost = true;
        }
        let mut whole = false;
        if lost {
            events |= InputEvents::OUT_OF_STEP.0;
            dropped += 1;
        } else {
            packet |= byte << (8 * have);
            have += 1;
            if have == 2 && packet == 0x00aa {
                cx.state.stream.bytes = [0; 4];
                (cx.state.stream.have, cx.state.stream.lost) = (0, 0);
                if dropped > 0 {
                    cx.input.dropped(dropped)?;
                }
                return Ok(InputEvents(events) | InputEvents::NEW | InputEvents::MORE);
            }
            if have == length {
                let fourth = packet >> 24;
                let wrong = match cx.state.mouse {
                    2 => fourth > 7 && fourth < 0xf8,
                    3 => matches!(fourth, 0x08 | 0x18 | 0x28 | 0x38),
                    _ => false,
                };
                if wrong {
                    events |= InputEvents::OUT_OF_STEP.0;
                    dropped += length;
                    (packet, have, lost) = (0, 0, true);
                } else {
                    whole = true;
                }
            }
        }
        if dropped > 0 {
            cx.input.dropped(dropped)?;
        }
        if whole {
            let report = read(cx.state.mouse, packet, cx.state.buttons);
            cx.state.buttons = report.buttons.0;
            cx.input.report(report)?;
            reports += 1;
            (packet, have) = (0, 0);
        }
        cx.state.stream.bytes = packet.to_le_bytes();
        cx.state.stream.have = have;
        cx.state.stream.lost = lost.into();
        if reports == REPORTS {
            break;
        }
    }
    Ok(InputEvents(events) | InputEvents::MORE)
}

/// A packet as numbers: what is above 127 in the wheel, or has a sign in the first byte, is below 0.
fn read(mouse: u32, packet: u32, before: u32) -> Report {
    let [mut x, mut y] = [packet >> 8 & 0xff, packet >> 16 & 0xff].map(|low| low as i16);
    if packet & 0x10 != 0 && x != 0 {
        x -= 256;
    }
    if packet & 0x20 != 0 && y != 0 {
        y -= 256;
    }
    let fourth = (packet >> 24) as i32;
    let mut buttons = packet & 7;
    let (mut wheel, mut pan) = (0, 0);
    if mouse == 2 {
        wheel = if fourth > 127 { 256 - fourth } else { -fourth };
    }
    if mouse == 3 {
        let six = fourth & 0x3f;
        let turned = if six > 31 { 64 - six } else { -six };
        match fourth >> 6 {
            2 => (wheel, buttons) = (turned, buttons | before & 0x18),
            1 => (pan, buttons) = (turned, buttons | before & 0x18),
            _ => {
                let four = fourth & 0x0f;
                wheel = if four > 7 { 16 - four } else { -four };
                buttons |= (fourth as u32 & 0x30) >> 1;
            }
        }
    }
    Report { buttons: Buttons(buttons), x, y: -y, wheel: wheel as i8, pan: pan as i8 }
}
