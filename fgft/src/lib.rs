//! Fine-grained fault tolerance: run a function as a transaction.
//!
//! A [`Domain`] holds plain state, a stack of its own and a way back. [`Domain::run`] calls a function inside: its wild
//! writes, divisions by zero, stack overflows, endless loops and panics become a [`Fault`], and
//! [`Domain::rollback`] puts the state back, in microseconds, in this process, on this thread.
//!
//! ```
//! use fgft::{Domain, DomainConfig, FaultKind, StateKind};
//!
//! # fn main() -> Result<(), fgft::InitError> {
//! fgft::init()?;
//! let config = DomainConfig::new(StateKind { name: "counter", version: 1 });
//! let mut domain = Domain::<u64>::new(&config, 41, ())?;
//!
//! // SAFETY: the closure holds nothing that must be released, and writes only the state.
//! let ok = unsafe { domain.run(&mut (), |n| { *n += 1; *n }) };
//! assert_eq!(ok.expect("no fault"), 42);
//! domain.commit();
//!
//! let divisor = std::hint::black_box(0_u64);
//! // SAFETY: as above.
//! let bad = unsafe { domain.run(&mut (), |n| { *n = 1000; *n / divisor }) };
//! assert!(matches!(bad.unwrap_err().kind, FaultKind::Panic { .. }));
//! domain.rollback();
//! assert_eq!(domain.state(), 42);
//! # Ok(())
//! # }
//! ```
//!
//! What it is not: a security boundary. Code inside can make system calls, execute `wrpkru`, and read all memory
//! of the host. It is fault tolerance; the process is the boundary.
//!
//! x86-64 Linux only. With memory protection keys stray writes are contained ([`Isolation::ProtectionKeys`]);
//! without them traps, rollback and watchdog still work ([`Isolation::RollbackOnly`]).

// The engine is made of what unsafe is for: mappings, signal frames, stacks. Each block has its proof.
#![allow(unsafe_code)]
#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

mod asm;
mod config;
mod context;
mod domain;
mod fault;
mod generations;
mod image;
mod keys;
mod memory;
pub mod mmio;
mod panic;
mod parts;
pub mod regions;
mod runtime;
mod scene;
#[cfg(feature = "symbols")]
pub mod symbols;
pub mod tracking;
mod trap;
mod upcall;
mod watchdog;

pub use config::DomainConfig;
pub use domain::{Domain, Plain};
pub use fault::{Access, Fault, FaultKind, Registers, Target};
pub use image::{ImageError, StateKind};
pub use panic::{Location, panics_are_wrapped};
pub use runtime::{InitError, Isolation, init};
pub use scene::Stack;
pub use upcall::{DomainMemory, Refusal, Upcalls, upcall};

/// The protection key of memory that only the framework may touch: mapped BARs, descriptor rings, DMA buffers. Code
/// inside any domain can neither read nor write it. `None` without protection keys.
#[must_use]
pub fn device_key() -> Option<u32> {
    keys::device_key().map(keys::Key::number)
}
