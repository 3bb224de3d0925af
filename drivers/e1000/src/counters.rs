//! The chip's counters (section 13.7): 32 bits each, reading clears them, a reset too.

use udrv_driver::{Cx, Error, Reg};

use crate::regs;
use crate::state::State;

/// Takes what the chip has counted into the state.
///
/// All are read before any is added: a bus that refuses one leaves the sums as they were.
pub(crate) fn take(cx: &mut Cx<'_, State>) -> Result<(), Error> {
    let errors = [regs::CRCERRS, regs::ALGNERRC, regs::RXERRC, regs::RUC, regs::ROC];
    let errors = errors.into_iter().try_fold(0, |sum, register| Ok(sum + count(cx, register)?))?;
    let (missed, collisions) = (count(cx, regs::MPC)?, count(cx, regs::COLC)?);
    let stats = &mut cx.state.stats;
    stats.rx_errors = stats.rx_errors.wrapping_add(errors);
    stats.rx_missed = stats.rx_missed.wrapping_add(missed);
    stats.collisions = stats.collisions.wrapping_add(collisions);
    Ok(())
}

/// One counter. Four milliards of errors are a bus without a device.
fn count(cx: &Cx<'_, State>, register: Reg<u32>) -> Result<u64, Error> {
    cx.regs.read_present(register).map(u64::from)
}
