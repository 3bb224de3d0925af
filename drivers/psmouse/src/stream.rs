//! What the mouse sends by itself, from the port up to the class.

use udrv_driver::{Buttons, Cx, Error, InputEvents};

use crate::mice::Protocol;
use crate::packet::{Byte, Found, MOST_BYTES, decode};
use crate::regs::DATA;
use crate::state::{State, Stream};

/// Why no more was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// There is no more.
    Empty,
    /// The mouse was reset.
    New,
    /// A byte was taken that a command of ours was sent before.
    Broken,
    /// So much was asked for.
    Full,
}

/// Takes what has come, at most `most` reports, and hands up what is whole. `at_broken`: and no more than the first byte behind a
/// command of ours.
pub(crate) fn take(
    cx: &mut Cx<'_, State>,
    protocol: Protocol,
    most: usize,
    at_broken: bool,
) -> Result<(InputEvents, End), Error> {
    let (mut events, mut reports) = (InputEvents::NONE, 0);
    // even of a device that sends nothing but nonsense, and faster than any can
    for _ in 0..most * MOST_BYTES {
        let Some(byte) = Byte::of(cx.regs.read(DATA)?) else { return Ok((events, End::Empty)) };
        let (found, loss) = cx.state.stream.feed(protocol, byte);
        events = events | InputEvents::DATA;
        if loss.bytes != 0 {
            cx.input.dropped(loss.bytes)?;
        }
        if loss.out_of_step {
            events = events | InputEvents::OUT_OF_STEP;
        }
        match found {
            Found::Part => {}
            Found::Packet(packet) => {
                report(cx, protocol, packet)?;
                reports += 1;
            }
            Found::New => return Ok((events, End::New)),
        }
        if at_broken && byte.is_broken {
            return Ok((events, End::Broken));
        }
        if reports == most {
            break;
        }
    }
    Ok((events, End::Full))
}

/// Hands up what a packet says.
pub(crate) fn report(cx: &mut Cx<'_, State>, protocol: Protocol, packet: [u8; MOST_BYTES]) -> Result<(), Error> {
    let report = decode(protocol, packet, Buttons(cx.state.buttons));
    cx.state.buttons = report.buttons.0;
    cx.input.report(report)
}

/// Drops what was begun: it does not go on.
pub(crate) fn give_up(cx: &mut Cx<'_, State>) -> Result<(), Error> {
    let begun = core::mem::replace(&mut cx.state.stream, Stream::EMPTY).have;
    if begun == 0 { Ok(()) } else { cx.input.dropped(begun) }
}
