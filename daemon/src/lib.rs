//! udrvd, the service, and udrvctl, the tool.
//!
//! ```text
//!   udrvctl --JSON line--> control socket --command--> device thread (udrvd's main thread)
//! ```
//!
//! `drivers.rs` lists the drivers and what they drive, `models.rs` the cards in software; `serve.rs` shows one to another process, `jacks.rs` is what is plugged into one for sound, `hand.rs` what moves a mouse; `device.rs` turns what a person typed into a bus;
//! `directory.rs` is where sockets and locks are, `lock.rs` has one daemon for a device; `control/` serves the socket, `metrics/` shows the status to Prometheus, `client.rs` is the socket's other end, `protocol.rs` what passes between them; `pair/` keeps a second process ready and replaces this one by another; `trace.rs` writes register accesses into a file; `show.rs` prints it for people, `top/` again and again; `complaint.rs` tells what is wrong.
//! `system/` looks at the machine and changes which driver has a device, without any daemon.
#![forbid(unsafe_code)]

mod build;
pub mod client;
pub mod complaint;
pub mod control;
pub mod device;
pub mod directory;
pub mod drivers;
pub mod hand;
pub mod jacks;
mod line;
pub mod lock;
pub mod metrics;
pub mod models;
pub mod pair;
pub mod protocol;
pub mod serve;
pub mod show;
pub mod system;
pub mod top;
pub mod trace;
