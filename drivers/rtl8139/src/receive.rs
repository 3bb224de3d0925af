//! Walking the receive ring: what the chip has put there goes up, as long as it makes sense.
//!
//! Not here: the arithmetic (`ring.rs`), and setting the receiver up anew (`setup.rs`).

use udrv_driver::{Cx, Error, Level, Micros};

use crate::regs::{self, cr};
use crate::state::State;
use crate::{ring, setup};

/// For a frame to come into the ring once its header is there: the longest takes 1.2 ms on the wire at 10 Mbit/s, and
/// less on the bus.
const FRAME_DEADLINE: Micros = Micros(10_000);

/// Delivers at most `budget` frames and moves the cursor behind them.
///
/// CR.BUFE compares with CAPR, which moves when this call commits: it says whether there is a first frame, and CBR how
/// far they go.
///
/// When a header is nonsense, the frames before it are delivered first: setting the receiver up anew lets the chip
/// write over them. It then stands first in the next poll.
pub(crate) fn deliver(cx: &mut Cx<'_, State>, budget: u32) -> Result<u32, Error> {
    if cx.regs.read_present(regs::CR)? & cr::BUFE != 0 {
        return Ok(0);
    }
    let mut filled = ring::filled(cx.state.cursor, cx.regs.read(regs::CBR)?);
    let mut received = 0;
    while received < budget && (filled != 0 || received == 0) {
        let cursor = ring::advance(cx.state.cursor, 0);
        let header = cx.dma.read_u32(cx.state.ring, cursor)?;
        match ring::parse(header, filled) {
            ring::Header::Frame(length) => {
                cx.net.deliver(cx.state.ring, cursor + ring::HEADER, length - ring::CRC)?;
                received += 1;
                filled -= ring::taken(length);
                cx.state.cursor = ring::advance(cursor, ring::taken(length));
                cx.state.waiting = 0;
            }
            _ if received != 0 => break,
            ring::Header::Writing if !waited_enough(cx)? => break,
            ring::Header::Writing | ring::Header::Nonsense => {
                cx.log(Level::Warn, format_args!("receive header {header:#010x} at {cursor:#06x}; starting anew"));
                cx.state.stats.rx_errors += 1;
                cx.state.stats.rx_resets += 1;
                cx.state.waiting = 0;
                setup::restart_receiver(cx)?;
                break;
            }
        }
    }
    Ok(received)
}

/// Whether a frame has been under way for longer than any takes. Polls are no measure: they come as often as others
/// have work for them.
fn waited_enough(cx: &mut Cx<'_, State>) -> Result<bool, Error> {
    let now = cx.clock.now()?;
    if cx.state.waiting == 0 {
        cx.state.waiting = now.max(1);
    }
    Ok(now.saturating_sub(cx.state.waiting) > FRAME_DEADLINE.0)
}

/// After RCR was written: an RTL8139 in software may have started its ring anew, and says so in CAPR. The chip does
/// not, and CAPR is what was written last; then nothing changes here.
pub(crate) fn follow_chip(cx: &mut Cx<'_, State>) -> Result<(), Error> {
    let capr = cx.regs.read(regs::CAPR)?;
    cx.state.waiting = 0;
    cx.state.cursor =
        ring::from_capr(capr).ok_or(Error::Nonsense { register: regs::CAPR.offset(), value: capr.into() })?;
    Ok(())
}
