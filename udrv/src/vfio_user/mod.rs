//! PCI functions in another process, over a vfio-user socket.
//!
//! [`VfioUserFunction`] is a device that a server shows on a unix socket: a model behind `udrvctl model serve`, or
//! anybody's. To a driver it is like kernel VFIO: registers, DMA memory that is shared, an eventfd for INTx. A register
//! access is a message and its answer, some 15 us.
//!
//! **The server is not trusted with time or lengths.** Each exchange has a deadline, and each answer is bounded and
//! compared with what was asked. A server that closes, is silent, or answers nonsense is the device's end: from then on
//! everything is [`BusError::Gone`](udrv_bus::BusError::Gone) with the cause, without waiting again. What it *refuses*
//! (an errno) is an error of that one operation.
//!
//! **Memory** goes over as the descriptor of its memfd ([`udrv_bus::DmaMemory::memfd`]), whole. A server that dies lets
//! go of it; one that keeps running after its connection was closed may still hold what was mapped, as any process that
//! has been given a descriptor.
//!
//! The messages are those of `udrv-vfio-user`, not of rust-vmm's crate `vfio_user`, whose client takes an error reply
//! for success and has no deadlines.
//!
//! Not here: MSI and MSI-X, regions that can be mapped, servers that ask for memory by message (`DMA_READ`).
//!
//! | file | concern |
//! |---|---|
//! | `connection.rs` | one command and its answer, judged |
//! | `function.rs` | the open, the `PciFunction`, the close |

mod connection;
mod function;

pub use function::{ANSWER_TIME, OpenError, VfioUserFunction};
