//! The border between framework and driver: runs driver code inside the domain.

// The one call that the engine marks unsafe; its contract is argued below.
#![allow(unsafe_code)]

use fgft::{Domain, Fault};
use udrv_driver::abi::{self, Words};
use udrv_driver::{Cx, Error, Injection, State};

use crate::gate::Gate;
use crate::host::Host;
use crate::ledger::Ledger;

/// Runs `f` as a transaction, with `check` of the state before and after it. The caller commits or rolls back.
///
/// # Errors
/// The fault that ended it.
pub(crate) fn transact<S: State, T: Words>(
    domain: &mut Domain<S, Ledger>,
    host: &mut Host,
    injection: Option<Injection>,
    check: impl Fn(&S) -> Result<(), &'static str> + Copy,
    f: impl Fn(&mut Cx<'_, S>) -> Result<T, Error> + Copy,
) -> Result<abi::Reply, Fault> {
    let (ledger, region) = (&raw const *domain.ledger(), &raw const *host.pool.region());
    // SAFETY: `check` and `f` are Copy and call code of a driver. Drivers are no_std, forbid unsafe code and see only
    // udrv-driver: they hold no locks and no threads, own nothing that must be dropped, cannot name host
    // memory other than through what they are given, and their panics do not unwind (the engine sees to that).
    // The Cx ends with the call, and so does the Gate: domain and host, which own what it looks at, are borrowed for
    // longer.
    unsafe {
        domain.run(host, |state| {
            if let Err(what) = check(state) {
                return abi::encode_broken(true, what);
            }
            let gate = Gate::new(ledger, region);
            let reply = abi::encode(f(&mut Cx::new(state, &gate, injection)));
            gate.finish();
            match check(state) {
                Ok(()) => reply,
                Err(what) => abi::encode_broken(false, what),
            }
        })
    }
}
