//! Serves a USB device model to another process.
//!
//! ```text
//!   Linux's vhci_hcd ==stream socket== usbip::serve       --UsbDevice--> any model
//!   QEMU's usb-redir ==unix socket==== usbredir::UsbRedir --UsbDevice--> any model
//! ```
//!
//! [`usbip::serve`] and [`usbredir::UsbRedir`] serve one client on a socket that is connected; [`Server`] has a socket at a
//! path and takes one client after the other. Each gets the device newly opened. Any number of transfers may wait; those
//! of one endpoint end in order. Nothing here knows a chip.
//!
//! | file | concern |
//! |---|---|
//! | `server.rs` | one client after the other |
//! | `usbip.rs` | what Linux says, and what it is answered |
//! | `usbredir.rs`, `usbredir/` | what QEMU says, and what it is answered; packets; what the device is |
//! | `transfers.rs` | the device, and what waits at it: one of them can be ended alone |
//! | `control.rs` | control transfers |
//! | `stream.rs` | a client's socket, without waiting for it |
//!
//! For Linux, in a program of the guest (the device is attached as long as the thread runs):
//!
//! ```no_run
//! use std::os::{fd::AsFd, unix::net::UnixStream};
//! use std::path::Path;
//! use model_serve_usb::{Stopper, usbip};
//!
//! # fn example(device: Box<dyn udrv_bus::UsbDevice>) -> Result<(), Box<dyn std::error::Error>> {
//! let (ours, linux) = UnixStream::pair()?;
//! let stopper = Stopper::new()?;
//! usbip::attach(Path::new("/sys/devices/platform/vhci_hcd.0/attach"), 0, linux.as_fd(), &*device)?;
//! let end = usbip::serve(ours, device, stopper.as_fd())?;
//! # Ok(())
//! # }
//! ```
//!
//! For QEMU, with `-device qemu-xhci -chardev socket,id=usb,path=... -device usb-redir,chardev=usb`:
//!
//! ```
//! use model_serve_usb::{Protocol, Server};
//!
//! # let folder = std::env::temp_dir().join(format!("serve-usb-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! let server = Server::bind(&folder.join("usb.sock"), Protocol::UsbRedir)?;
//! let stopper = server.stopper();
//! stopper.stop(); // another thread would, or a signal
//! server.run(|| Err(udrv_bus::BusError::Unsupported("this example")))?;
//! assert!(!folder.join("usb.sock").exists());
//! # std::fs::remove_dir(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Not here: isochronous transfers, bulk streams, the negotiation of USB/IP (`OP_REQ_IMPORT`), more than one device on a
//! socket.
#![forbid(unsafe_code)]

mod control;
mod error;
mod server;
mod stream;
mod transfers;
pub mod usbip;
pub mod usbredir;

pub use error::{End, SessionError};
pub use model_serve::{ServeError, Stopper};
pub use server::{Protocol, Server};
