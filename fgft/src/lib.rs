//! Fine-grained fault tolerance: run a function as a transaction.
//!
//! A [`Domain`] holds plain state, a stack of its own and a way back. [`Domain::run`] calls a function inside: its wild
//! writes, divisions by zero, stack overflows, endless loops and panics become a [`Fault`], and [`Domain::rollback`]
//! puts the state back, in microseconds, in this process, on this thread.
//!
//! For code that a program cannot do without and cannot trust to be right: parsers, codecs and drivers, plugins, a
//! function in C that nobody dares to change. It suits code that works on a state of some kilobytes, asks little of the
//! system, and is called too often for a process of its own. Code that is hostile needs a process, or WebAssembly.
//!
//! # Example
//!
//! ```
//! use fgft::{Domain, DomainConfig, StateKind};
//! use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
//!
//! /// What the parser keeps, and what a rollback puts back: plain data.
//! #[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
//! #[repr(C)]
//! struct Parser {
//!     runs: u64,
//!     pixels: [u8; 56],
//! }
//!
//! impl Parser {
//!     /// A run of equal pixels: how many (two bytes), and their value. It believes the document.
//!     fn run(&mut self, document: &[u8; 3]) -> u64 {
//!         self.runs += 1;
//!         let count = u16::from_le_bytes([document[0], document[1]]);
//!         // SAFETY: none. More than 56 run over the parser's end.
//!         unsafe { self.pixels.as_mut_ptr().write_bytes(document[2], count.into()) };
//!         count.into()
//!     }
//! }
//!
//! # fn main() -> Result<(), fgft::InitError> {
//! fgft::init()?; // first in main: see below
//! let config = DomainConfig::new(StateKind { name: "parser", version: 1 });
//! let mut domain = Domain::<Parser>::new(&config, Parser { runs: 0, pixels: [0; 56] }, ())?;
//!
//! let mut skipped = 0;
//! for document in [[4, 0, 7], [255, 255, 7], [2, 0, 9]] {
//!     // SAFETY: the closure holds nothing that must be released, and what it overruns is the domain's own memory.
//!     let result = unsafe { domain.run(&mut (), |parser| parser.run(&document)) };
//!     match result {
//!         Ok(_) => domain.commit(),
//!         Err(fault) => {
//!             println!("skipped a document: {fault}");
//!             domain.rollback();
//!             skipped += 1;
//!         }
//!     }
//! }
//! let parser = domain.state();
//! assert_eq!((skipped, parser.runs, &parser.pixels[..5]), (1, 2, &[9, 9, 7, 7, 0][..]));
//! # Ok(())
//! # }
//! ```
//!
//! Code inside asks its host by [`upcall`]: the host implements [`Upcalls`] and keeps what it did for the call in the
//! *ledger*, which only it can write and which is rolled back with the state. [`tracking`] has what a ledger is made
//! of: tables of what code inside has obtained, and locks. The memfd of a domain ([`std::os::fd::AsFd`]) outlives the
//! process: [`Domain::adopt`] takes up its last commit.
//!
//! `cargo run -p fgft --example NAME` shows it: `plugin` (a parser full of bugs, its memory tracked), `c_function` (a
//! buffer overrun in C), `adopt` (a process killed in the middle of commits).
//!
//! # What is contained
//!
//! [`init`] says which [`Isolation`] there is. `FGFT_ISOLATION=rollback-only` in the environment leaves the keys
//! unused, so that the right column can be tried anywhere.
//!
//! | code inside | with protection keys | without |
//! |---|---|---|
//! | writes its own state and stack, rightly or wrongly | rolled back | rolled back |
//! | accesses null, unmapped memory, or writes constants and code | fault | fault |
//! | writes memory of the host | fault | **not seen**: undefined behaviour |
//! | accesses memory of another domain, or of a device ([`device_key`]) | fault | **not seen** |
//! | reads memory of the host | allowed | allowed |
//! | divides by zero, executes nonsense, jumps nowhere, loses its stack pointer | fault | fault |
//! | overflows its stack | fault | fault |
//! | computes without end | fault, at [`DomainConfig::deadline`] of CPU time | the same |
//! | waits without end, in a system call of its own | **not ended** | **not ended** |
//! | panics | fault, with message and place | the same |
//! | makes system calls, executes `wrpkru` | **not contained** | **not contained** |
//!
//! # What it costs
//!
//! `cargo bench -p fgft` measures it on the machine at hand, beside what it is made of (one JSON object a line);
//! `cargo xtask bench` makes tables and ratios of that. A good call costs two switches of the stack, two of the keys
//! where there are any, and a copy of state and ledger: keep them small, and let large data pass by. A fault costs
//! about what the kernel takes to deliver a signal. A domain takes a few pages, its stack, and one of the process's 15
//! keys (one more goes to devices).
//!
//! # Limits
//!
//! - **Not a security boundary.** It stands against mistakes. Code inside can make system calls, and read all of the
//!   host.
//! - x86-64 Linux. On other targets this crate is empty.
//! - **Destructors do not run** on a stack that is left. State, ledger, results and what closures capture are plain
//!   data ([`Plain`]) or need no drop; code inside holds no locks, guards or allocations of its own.
//! - With keys, all that writes host memory is a fault inside: the allocator, standard input and output, `errno`,
//!   thread-local variables. Code that is `no_std` without `alloc` runs as it is.
//! - **One call at a time** in a domain, and no call within a call ([`FaultKind::Reentered`]). Other domains may run on
//!   other threads.
//! - A result has at most 1 KiB, a state and a ledger at most 16 MiB each. Upcalls carry words.
//!
//! # Executables: messages of panics
//!
//! Panics keep message and place if the linker sends them through this crate first. The package of the executable
//! depends on `fgft` and has this build script:
//!
//! ```no_run
//! // build.rs
//! println!("cargo::rerun-if-changed=build.rs");
//! println!("cargo::rerun-if-env-changed=DEP_FGFT_WRAP");
//! if let Ok(name) = std::env::var("DEP_FGFT_WRAP") {
//!     println!("cargo::rustc-link-arg=-Wl,--wrap={name}");
//! }
//! ```
//!
//! Each executable of that package must then use the crate (`use fgft as _;` will do), or the linker misses
//! `__wrap_…rust_begin_unwind`. Not with fat LTO, which links std in before. [`panics_are_wrapped`] tells whether it
//! worked. If not, panics are contained all the same, but with protection keys they come as a write that was shut out:
//! std's own, to its panic counter.
//!
//! # Signals and threads
//!
//! [`init`] takes SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP and `SIGRTMIN + 6` (the watchdog's). What is not of a call
//! goes on to the handler that was there before.
//!
//! - Install handlers for these signals before [`init`]. One that replaces this crate's ends containment, even if it
//!   passes signals on: with keys it would start on a stack that is shut to it.
//! - A thread that has made a call has **all other signals blocked** from then on, and an alternate stack of this
//!   crate. Give SIGTERM, SIGINT, timers and profilers a thread that makes no calls.
//! - Call [`init`] first in `main`, before other threads start: a thread's rights to tagged memory are those of the
//!   thread that started it.
//! - With keys, restartable sequences (rseq) are turned off on threads that make calls.
//! - Libraries loaded at run time are opened with `RTLD_NOW`: to bind a symbol at its first use is a write to host
//!   memory.

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
mod sizes;
#[cfg(feature = "symbols")]
pub mod symbols;
mod thread_pointer;
pub mod tracking;
mod trap;
mod upcall;
mod watchdog;

pub use config::DomainConfig;
pub use domain::{Domain, Heir, Plain};
pub use fault::{Access, Fault, FaultKind, Registers, Target};
pub use image::{ImageError, StateKind};
pub use panic::{Location, panics_are_wrapped};
pub use runtime::{InitError, Isolation, init};
pub use scene::Stack;
pub use sizes::Sizes;
pub use upcall::{DomainMemory, Refusal, Upcalls, upcall};

/// The protection key of memory that only the framework may touch: mapped BARs, descriptor rings, DMA buffers. Code
/// inside any domain can neither read nor write it. `None` without protection keys.
#[must_use]
pub fn device_key() -> Option<u32> {
    keys::device_key().map(keys::Key::number)
}
