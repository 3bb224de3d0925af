//! Injecting the planned faults, one after the other.

use std::time::{Duration, Instant};

use super::{control::Control, error::Result, figures::Fault, plan::Injection, say_how_many};

/// What came of it.
pub(super) struct Done<C> {
    /// Faults of the plan.
    pub(super) planned: usize,
    pub(super) faults: Vec<Fault<C>>,
    pub(super) canary_intact: bool,
    /// What went wrong and is in no row.
    pub(super) problems: Vec<String>,
    /// From the first to the last.
    pub(super) took: Duration,
}

/// Has `one` inject each fault of `plan`, and add its row. A fault that does not come about is a problem, and the next one is tried,
/// unless nobody answers any more or, by `is_over`, there is nothing to go on with.
pub(super) fn inject<C>(
    plan: &[Injection],
    control: &mut Control,
    mut one: impl FnMut(&Injection, &mut Control, &mut Done<C>) -> Result<()>,
    is_over: impl Fn() -> bool,
) -> Done<C> {
    let began = Instant::now();
    let mut done = Done {
        planned: plan.len(),
        faults: Vec::new(),
        canary_intact: true,
        problems: Vec::new(),
        took: Duration::ZERO,
    };
    for (index, injection) in plan.iter().enumerate() {
        if let Err(error) = one(injection, control, &mut done) {
            let Injection { entry, fault, point, .. } = injection;
            done.problems.push(format!("{fault} at {point} of {entry}: {error}"));
            // a fault that is still armed must not strike later; if this fails too, nobody answers any more
            if is_over() || control.inject(injection, 0).is_err() {
                break;
            }
        }
        say_how_many(index + 1, plan.len());
    }
    done.took = began.elapsed();
    done
}
