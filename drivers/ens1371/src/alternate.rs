//! The second version of `pointer`: a recovery block, for when the first faults again and again.
//!
//! No code is shared with the first, for what shares code shares its faults: only the state and `regs.rs`, which is the
//! manual. So there is arithmetic here that is also in `stream.rs`; that is meant, and a test sees that it stays so. It asks the
//! same counter, for the chip has no other, and gives the same.
//!
//! No places to inject faults: those are in the first version.

use udrv_driver::{Cx, Error, Stream};

use crate::regs;
use crate::state::{Phase, State};

/// Instead of `pointer`: frames that lie whole before where the counter stands, counted in bytes.
pub(crate) fn pointer(cx: &mut Cx<'_, State>, stream: Stream) -> Result<u32, Error> {
    if cx.state.chip == 0 {
        return Err(Error::NotReady);
    }
    let (set, register) = match (stream.0, &cx.state.streams) {
        (0, [dac1, _, _]) => (dac1, regs::DAC1_SIZE),
        (1, [_, dac2, _]) => (dac2, regs::DAC2_SIZE),
        (2, [_, _, adc]) => (adc, regs::ADC_SIZE),
        _ => return Err(Error::Unsupported),
    };
    if set.phase < Phase::PREPARED {
        return Err(Error::NotReady);
    }
    let value = cx.regs.read(register)?;
    if value == 0xffff_ffff {
        return Err(Error::Gone);
    }
    let bytes = u64::from(value >> 16) * 4;
    let ring = (u64::from(value & 0xffff) + 1) * 4;
    let frame = u64::from(set.bytes) * u64::from(set.channels);
    let frames = u64::from(set.period) * u64::from(set.periods);
    if ring != frames * frame || bytes >= ring {
        return Err(Error::Nonsense { register: register.offset(), value });
    }
    let mut whole = bytes;
    for width in [set.bytes, set.channels] {
        if width == 2 {
            whole /= 2;
        }
    }
    Ok(whole as u32)
}
