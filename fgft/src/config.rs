//! How a domain is set up.

use std::time::Duration;

use crate::image::StateKind;

/// How a domain is set up. [`DomainConfig::new`] has the usual values.
#[derive(Debug, Clone)]
pub struct DomainConfig {
    /// Which state it holds. Its name also names the domain's memory, see [`crate::regions`].
    pub kind: StateKind,
    /// Bytes of the driver's stack.
    pub stack_size: usize,
    /// Committed images kept, 2 to 64: two make a commit safe, more are generations to go back to when a fault is
    /// noticed late ([`crate::Domain::rollback_to`]).
    ///
    /// More cost memory, and next to no time while they stay in the second-level cache: a call that commits 4 KiB
    /// took 46 ns with 2, 8 and 32 images alike (`cargo xtask bench`; best of 60 rounds, AMD EPYC).
    pub images: usize,
    /// CPU time that one call may use.
    pub deadline: Duration,
    /// Upcalls that one call may make; the next one ends it as [`crate::FaultKind::Refused`].
    pub max_upcalls: u32,
    /// Bytes of the driver's stack, from the stack pointer up, that a [`crate::Fault`] keeps. 0: none.
    pub stack_snapshot: usize,
}

impl DomainConfig {
    /// 256 KiB of stack, two images, 5 ms, 100,000 upcalls, 8 KiB of the stack kept.
    #[must_use]
    pub fn new(kind: StateKind) -> DomainConfig {
        DomainConfig {
            kind,
            stack_size: 256 * 1024,
            images: 2,
            deadline: Duration::from_millis(5),
            max_upcalls: 100_000,
            stack_snapshot: 8 * 1024,
        }
    }
}
