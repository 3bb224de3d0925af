//! The watchdog's protocol, model checked: see `loom/model.rs`.
//!
//! `RUSTFLAGS="--cfg loom" cargo test --release --package fgft --test loom`; `cargo xtask stress --only loom` does that.

// linked though unused: it has the panic handler that this package's test programs are linked with (`build.rs`)
use fgft as _;

#[cfg(loom)]
#[path = "loom/model.rs"]
mod model;

#[cfg(not(loom))]
#[test]
#[ignore = "loom needs a build of its own: cargo xtask stress --only loom"]
fn the_watchdogs_protocol() {}
