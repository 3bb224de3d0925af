//! Two processes for one device: the one that drives it, and a successor that was started early.
//!
//! ```text
//!   udrvd ── starts, and gives it all that a successor needs ──> successor: maps it, says that it is ready, waits
//!     │ dies                                                         │ the socket closes: it goes on, and starts the next
//!     │ lets go (udrvctl upgrade) ── take over ─────────────────────>│ goes on, and is on probation
//!     │ ends, or ends it and takes the device back <── holds, failed │
//! ```
//!
//! A standby is one that waits for a death; a candidate, of another build perhaps, is one that takes over by command. Both are
//! the same program started in the same way.
//!
//! `wire.rs` is what passes between the two, `program.rs` starts one, `parts.rs` has what it is given, `standby.rs` sees to it that there is
//! one, `supervisor.rs` is what a service manager sees of them, `upgrade.rs` hands over; `predecessor.rs` and `probation.rs` are the successor's side.

mod parts;
mod predecessor;
mod probation;
mod program;
mod standby;
mod supervisor;
mod upgrade;
mod wire;

pub use parts::{HOUSE_CONTROL, HOUSE_LOCK, HOUSE_METRICS, House};
pub use predecessor::{Predecessor, Turn};
pub use probation::Verdict;
pub use program::Program;
pub use standby::Pair;
pub(crate) use supervisor::SUPERVISOR;
pub use supervisor::{is_managed, is_supervised, is_to_supervise, supervise};
pub use upgrade::Outcome;
