//! The border between framework and driver: runs driver code inside the domain.

// The one call that the engine marks unsafe; its contract is argued below.
#![allow(unsafe_code)]

use fgft::{Domain, Fault, FaultKind, Refusal};
use udrv_driver::abi::{self, Words};
use udrv_driver::{Cx, Error, Injection, State};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::gate::{Gate, Posted};
use crate::host::Host;
use crate::ledger::Ledger;

/// What comes out of a call: an allegation.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Out {
    reply: abi::Reply,
    /// Where requests wait that it has posted.
    posted: u64,
}

/// What is asked of a state, in the last words of a call's [`abi::Reply`]: an allegation.
pub(crate) type Findings = [u64; 5];

/// Asks a state.
pub(crate) type Ask<S> = fn(&S) -> Findings;

/// The place of [`Findings`] in a reply. What the entry points after which is asked give back is shorter.
const PLACE: usize = size_of::<abi::Reply>() / 8 - size_of::<Findings>() / 8;

/// Adds what was found.
pub(crate) fn add_findings(reply: &mut abi::Reply, findings: Findings) {
    debug_assert!(reply[PLACE..].iter().all(|word| *word == 0), "findings over what the call gives back");
    reply[PLACE..].copy_from_slice(&findings);
}

/// The findings in the reply of a call that has asked and has worked.
pub(crate) fn findings(reply: &abi::Reply) -> Findings {
    let [.., a, b, c, d, e] = *reply;
    [a, b, c, d, e]
}

/// Runs `f` as a transaction, with `check` of the state before and after it; then asks the state, if there is something
/// to `ask`. The caller commits or rolls back.
///
/// # Errors
/// The fault that ended it.
pub(crate) fn transact<S: State, T: Words>(
    domain: &mut Domain<S, Ledger>,
    host: &mut Host,
    injection: Option<Injection>,
    check: impl Fn(&S) -> Result<(), &'static str> + Copy,
    ask: Option<Ask<S>>,
    f: impl Fn(&mut Cx<'_, S>) -> Result<T, Error> + Copy,
) -> Result<abi::Reply, Fault> {
    let (ledger, region) = (&raw const *domain.ledger(), &raw const *host.pool.region());
    // SAFETY: `check`, `ask` and `f` are Copy and call code of a driver. Drivers are no_std, forbid unsafe code and see
    // only udrv-driver: they hold no locks and no threads, own nothing that must be dropped, cannot name host
    // memory other than through what they are given, and their panics do not unwind (the engine sees to that).
    // The Cx ends with the call, and so does the Gate: domain and host, which own what it looks at, are borrowed for
    // longer.
    let out = unsafe {
        domain.run(host, |state| {
            if let Err(what) = check(state) {
                return Out { reply: abi::encode_broken(true, what), posted: 0 };
            }
            let gate = Gate::new(ledger, region);
            let mut reply = abi::encode(f(&mut Cx::new(state, &gate, injection)));
            match check(state) {
                Ok(()) => {
                    if let Some(ask) = ask {
                        add_findings(&mut reply, ask(state));
                    }
                    Out { reply, posted: gate.posted() }
                }
                Err(what) => Out { reply: abi::encode_broken(false, what), posted: 0 },
            }
        })
    };
    let Out { reply, posted } = out?;
    // the call is still open, and its stack as it was
    if let Some(posted) = Posted::from_word(posted) {
        let memory = domain.memory().clone();
        let served = host.serve_posted(domain.ledger_mut(), &memory, posted);
        served.map_err(|Refusal(reason)| FaultKind::Refused { reason })?;
    }
    Ok(reply)
}
