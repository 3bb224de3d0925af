//! PCI functions through the kernel's VFIO: group, container, device.
//!
//! [`VfioFunction`] is the real hardware behind [`udrv_bus::PciFunction`]. What makes an open fail is told by
//! [`OpenError`] in one line with the command that mends it; [`Sysfs`] is where that knowledge comes from.
//!
//! Not here: the character-device interface over iommufd (`/dev/vfio/devices/`), MSI and MSI-X, devices without an
//! IOMMU (refused: such a device could overwrite any memory of the machine). Region I/O and reset are our own and
//! not a library's, because a read that fails must not look like a register full of ones.
//!
//! | file | concern |
//! |---|---|
//! | `sysfs.rs` | what sysfs and `/dev/vfio` say before anything is opened |
//! | `container.rs`, `group.rs` | the IOMMU side and the ownership side of an open |
//! | `device.rs` | one device fd: regions, reset, config space |
//! | `mapped_bar.rs` | loads and stores to a BAR that is mapped into this process |
//! | `irq.rs` | the INTx line |
//! | `dma_table.rs` | which memory is mapped where, and taking it back |
//! | `caps.rs` | the kernel's capability chains, bounded |
//! | `abi.rs` | the ioctls: the one place with `unsafe` besides `mapped_bar.rs` |

mod abi;
mod caps;
mod container;
mod device;
mod dma_table;
mod error;
mod function;
mod group;
mod irq;
mod mapped_bar;
mod sysfs;

pub use error::{MemlockTooLow, OpenError};
pub use function::{VfioFds, VfioFunction};
pub use sysfs::{FunctionSummary, Sysfs, is_vfio_driver};
