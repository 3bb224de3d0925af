//! Everything that code inside can do wrong, as a table: what it does, and what must become of it.
//!
//! A [`Stand`] makes one call a case and checks all that a call must leave as it was: state, ledger, the
//! thread (`common/thread.rs`), the host's memory; and that the next call is an ordinary one.
#![allow(dead_code, reason = "each test file uses some of it")]
#![allow(unsafe_code, reason = "these are the faults")]

mod host;
mod loops;
mod panics;
mod places;
mod stacks;
mod traps;

use std::time::Duration;

use fgft::{Access, Domain, FaultKind, Target};

use crate::common::thread::{self, Thread};
use crate::common::{Rng, WORDS, Words, config, emulated};
pub(crate) use host::Host;
pub(crate) use places::Places;

/// One thing that goes wrong inside.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Runs inside, after it has changed state and ledger.
    pub(crate) body: fn(&mut Words, &Places),
    /// What must become of it.
    pub(crate) end: End,
}

/// The end of a call that must be.
#[derive(Clone, Copy)]
pub(crate) enum End {
    /// It returns, for what it did is no fault.
    Return,
    /// It is a fault of this kind.
    Fault(fn(&FaultKind, &Places) -> bool),
    /// The watchdog ends it.
    Hang,
}

/// All of them but loops: microseconds each.
pub(crate) fn quick() -> Vec<&'static Case> {
    let all = [traps::CASES, stacks::CASES, panics::CASES].into_iter().flatten();
    all.filter(|case| !emulated() || !traps::NOT_EMULATED.contains(&case.name)).collect()
}

/// Those that last as long as the deadline.
pub(crate) fn loops() -> Vec<&'static Case> {
    loops::CASES.iter().collect()
}

/// An access that is a fault of its own kind.
fn wild(kind: &FaultKind, address: u64, access: Access, targets: &[Target]) -> bool {
    matches!(kind, FaultKind::WildAccess { address: at, access: how, target }
        if *at == address && *how == access && targets.contains(target))
}

/// One access to the first pages.
fn null(kind: &FaultKind, address: u64, access: Access) -> bool {
    *kind == FaultKind::NullAccess { address, access }
}

/// A general protection fault: the processor gives no address.
fn no_address(kind: &FaultKind) -> bool {
    matches!(kind, FaultKind::WildAccess { address: 0, target: Target::NonCanonical, .. })
}

/// CPU time for a call that shall be ended.
const SHORT: Duration = Duration::from_millis(2);
/// For one that shall not, on the slowest machine.
const LONG: Duration = Duration::from_secs(60);
/// What the state holds when a call faults.
const SPOILT: u64 = 0xdead;

/// A domain, what it must hold, and places for its faults.
pub(crate) struct Stand {
    pub(crate) domain: Domain<Words, u64>,
    places: Places,
    host: Host,
    expected: (Words, u64),
    thread: Thread,
    rng: Rng,
}

impl Stand {
    /// For use on the thread that makes it.
    pub(crate) fn new(seed: u64) -> Stand {
        host::silence_its_panics();
        let mut domain = Domain::new(&config(), [7; WORDS], 100).expect("a domain");
        domain.set_deadline(LONG);
        // the first call gives this thread its signal stack
        // SAFETY: the closure owns nothing.
        let state = unsafe { domain.run(&mut (), |words| words.as_ptr() as u64) }.expect("a first call");
        domain.rollback();
        thread::mark_errno();
        let thread = Thread::now();
        let places = Places::new(&mut domain, state, &thread);
        thread::mark_errno();
        Stand { domain, places, host: Host, expected: ([7; WORDS], 100), thread, rng: Rng(seed) }
    }

    /// One call of `case`, and checks of memory; `thorough`: of the thread and with a good call after it as well.
    pub(crate) fn check(&mut self, case: &Case, thorough: bool) {
        let name = case.name;
        self.sometimes_commit();
        let (places, body) = (&self.places, case.body);
        self.domain.set_deadline(if matches!(case.end, End::Hang) { SHORT } else { LONG });
        thread::mark_errno();
        // SAFETY: the closure owns nothing; its faults are what is tested.
        let result = unsafe {
            self.domain.run(&mut self.host, |words| {
                words.fill(SPOILT);
                fgft::upcall(host::COUNT, [0; 4]);
                body(words, places);
                1_u64
            })
        };
        match (&result, case.end) {
            (Ok(1), End::Return) => {}
            (Err(fault), End::Fault(right)) if right(&fault.kind, places) => {}
            (Err(fault), End::Hang) if matches!(fault.kind, FaultKind::Hang { deadline: 2_000_000 }) => {}
            _ => panic!("{name}: {result:?}"),
        }
        // a loop may be ended on its way there
        if !matches!(case.end, End::Hang) {
            assert_eq!(self.domain.state()[WORDS - 1], SPOILT, "{name}: the call did change the state");
            assert_eq!(*self.domain.ledger(), self.expected.1 + 1, "{name}: and the ledger");
        }
        self.domain.rollback();
        self.check_memory(name);
        if thorough {
            // nothing above touches errno
            assert_eq!(Thread::now(), self.thread, "{name}: the thread is not as before");
            host::calculates_rightly();
            self.places.check_heap(name);
            self.good_call(name);
        }
    }

    /// The host itself touches a BAR that has vanished, outside any call.
    pub(crate) fn touch_what_is_gone(&self) {
        host::touch(self.places.truncated);
    }

    fn check_memory(&self, name: &str) {
        assert_eq!(self.domain.state(), self.expected.0, "{name}: the rollback is not exact");
        assert_eq!(*self.domain.ledger(), self.expected.1, "{name}: the ledger is not as before");
    }

    fn good_call(&mut self, name: &str) {
        self.domain.set_deadline(LONG);
        let first = self.expected.0[0];
        // SAFETY: as above.
        let next = unsafe { self.domain.run(&mut (), |words| words[0] ^ 1) };
        assert_eq!(next, Ok(first ^ 1), "the call after {name}");
        self.domain.rollback();
        self.check_memory(name);
    }

    /// So that there is something to roll back to that is not always the same.
    fn sometimes_commit(&mut self) {
        if self.rng.below(8) == 0 {
            let (at, value) = (self.rng.below(WORDS as u64) as usize, self.rng.next());
            self.domain.set_deadline(LONG);
            // SAFETY: as above.
            let done = unsafe {
                self.domain.run(&mut self.host, |words| {
                    words[at] = value;
                    fgft::upcall(host::COUNT, [0; 4])[0]
                })
            };
            assert!(done.is_ok(), "{done:?}");
            self.domain.commit();
            self.expected.0[at] = value;
            self.expected.1 += 1;
        }
    }
}
