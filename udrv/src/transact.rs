//! The border between framework and driver: runs driver code inside the domain.

// The one call that the engine marks unsafe; its contract is argued below.
#![allow(unsafe_code)]

use fgft::{Domain, Fault};
use udrv_driver::abi::{self, Words};
use udrv_driver::{Cx, Error, Injection, State};

use crate::host::{Gate, Host};
use crate::ledger::Ledger;

/// Runs `f` as a transaction. The caller commits or rolls back.
///
/// # Errors
/// The fault that ended it.
pub(crate) fn transact<S: State, T: Words>(
    domain: &mut Domain<S, Ledger>,
    host: &mut Host,
    injection: Option<Injection>,
    f: impl Fn(&mut Cx<'_, S>) -> Result<T, Error> + Copy,
) -> Result<abi::Reply, Fault> {
    // SAFETY: `f` is Copy and calls an entry point of a driver. Drivers are no_std, forbid unsafe code and see only
    // udrv-driver: they hold no locks and no threads, own nothing that must be dropped, cannot name host
    // memory other than through what they are given, and their panics do not unwind (the engine sees to that).
    // The Cx ends with the call.
    unsafe { domain.run(host, |state| abi::encode(f(&mut Cx::new(state, &Gate, injection)))) }
}
