//! Serves a device model to another process, over vfio-user, and carries the wire behind it to one.
//!
//! ```text
//!   client: udrvd, QEMU ==unix socket== Server, Session --PciFunction--> any model --wire-- Cable ==unix socket== far end
//! ```
//!
//! [`Server`] has the socket and takes one client after the other. Each gets the model newly opened, as if it had
//! opened the file of a real device, and what it leaves behind is left by a last close. [`Cable`] is the far end of the
//! model's wire, for a far end that is in another process too. Nothing here knows a chip.
//!
//! | file | concern |
//! |---|---|
//! | `socket.rs` | a socket: bind, accept, stop, remove |
//! | `server.rs` | one client after the other |
//! | `session.rs` | one client: each message, and what it is answered |
//! | `regions.rs` | accesses of any length, as the accesses that a bus would make |
//! | `dma.rs` | the client's memory: what the model can reach of it, read and written without being mapped here |
//! | `irq.rs` | interrupts: set up, mask, unmask |
//! | `cable.rs` | the far end of the wire: frames over a stream |
//!
//! Not here: MSI and MSI-X (no model has them; `irq.rs` has the place for them), access to memory that comes without a
//! descriptor (the model sees none there), regions that can be mapped, migration.
//!
//! ```
//! use model_serve::Server;
//!
//! # let folder = std::env::temp_dir().join(format!("serve-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! let server = Server::bind(&folder.join("card.sock"))?;
//! let stopper = server.stopper();
//! stopper.stop(); // another thread would, or a signal
//! server.run(|| Err(udrv_bus::BusError::Unsupported("this example")))?;
//! assert!(!folder.join("card.sock").exists());
//! # std::fs::remove_dir(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod cable;
mod dma;
mod irq;
mod regions;
mod server;
mod session;
mod socket;

pub use cable::Cable;
pub use server::{ServeError, Server};
pub use socket::{Socket, Stopper};
