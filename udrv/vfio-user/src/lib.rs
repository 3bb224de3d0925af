//! The vfio-user protocol, version 0.1: what both of its ends need, and nothing of either.
//!
//! A vfio-user server is a device in another process; its client is who drives it. They exchange messages on a unix
//! socket that mirror the ioctls of VFIO, with file descriptors for memory and interrupts. The client is
//! `udrv::vfio_user`, the server is `model-serve`; QEMU is another client.
//!
//! [`message`] has the messages and their numbers, [`Channel`] moves them whole, within a deadline, or not at all, and
//! [`version`] is what each side says first. Specification: `docs/interop/vfio-user.rst` of QEMU.
//!
//! rust-vmm's crate `vfio_user` is not used: its client takes a reply that says "error" for success (DMA, reset,
//! interrupts), waits without a deadline, and subtracts from a length that the server has chosen; its server allocates
//! what a client asks for and cannot be stopped.
//!
//! ```
//! use std::os::unix::net::UnixStream;
//! use std::time::{Duration, Instant};
//! use udrv_vfio_user::{Channel, message::Header};
//!
//! let (near, far) = UnixStream::pair()?;
//! let (near, far) = (Channel::new(near), Channel::new(far));
//! let soon = Instant::now() + Duration::from_secs(1);
//! near.send(&Header::command(7, Header::DEVICE_RESET), &[], &[], soon)?;
//! let message = far.receive(soon)?;
//! assert_eq!((message.header.id, message.header.command), (7, Header::DEVICE_RESET));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod channel;
pub mod message;
pub mod version;

pub use channel::{Channel, ChannelError, MAX_DATA, MAX_FDS, MAX_MESSAGE, Message, Ready};
