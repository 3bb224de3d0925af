//! This machine, as an administrator sees it: which devices there are, who has them, what is missing for driving them.
//!
//! Needs no daemon. All that is read is a file below a root that is given, `/` on a real machine, so that every answer is
//! tested on a tree in a temporary folder; what is no file, or answers when it is written to, is behind [`Kernel`].
//! What is read is an allegation: a file that is missing, garbage or a link that leads nowhere is "not known", and never a
//! panic.
//!
//! | file | concern |
//! |---|---|
//! | `address.rs` | which device |
//! | `devices.rs`, `names.rs` | what devices there are, and what they are called |
//! | `holders.rs` | which process has a device node open |
//! | `iommu.rs`, `acs.rs` | groups, and what keeps their members together |
//! | `modules.rs` | what the running kernel has as a module |
//! | `interfaces.rs` | what a network card carries: routes, addresses |
//! | `network/` | what an interface carries, taken down and put onto another |
//! | `bind/` | giving a device to VFIO, and back to the kernel |
//! | `hand_back/` | ending a udrvd and giving its device, and what its interface carries, to the kernel |
//! | `doctor/` | every check, with what mends it |

mod acs;
pub mod address;
pub mod bind;
pub mod devices;
pub mod doctor;
pub mod hand_back;
mod holders;
mod interfaces;
pub mod iommu;
mod kernel;
mod modules;
mod names;
pub mod network;
#[cfg(test)]
mod testing;

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use udrv::serio::raw::SerioSysfs;
use udrv::usb::libusb::UsbSysfs;
use udrv::vfio::Sysfs;

pub use holders::Holder;
pub use interfaces::Carried;
pub use kernel::{Kernel, Linux};

/// Longest text file that is read whole, in bytes. sysfs has none above a page; `/proc/cpuinfo` of a large machine is cut,
/// and its first processor is enough.
const MOST_TEXT: u64 = 64 * 1024;
/// Longest table that is read, in bytes: `modules.dep` of a distribution's kernel has half a MiB, `pci.ids` 1.5 MiB.
const MOST_TABLE: u64 = 32 << 20;

/// See the module's text.
pub struct System {
    root: PathBuf,
    kernel: Box<dyn Kernel>,
}

impl Default for System {
    fn default() -> Self {
        System::at("/", Box::new(Linux))
    }
}

impl System {
    /// A machine whose `sys`, `proc`, `dev`, `etc`, `lib` and `usr` are below `root`.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>, kernel: Box<dyn Kernel>) -> System {
        System { root: root.into(), kernel }
    }

    fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path)
    }

    fn pci(&self) -> Sysfs {
        Sysfs::at(&self.root)
    }

    fn usb(&self) -> UsbSysfs {
        UsbSysfs::at(&self.root)
    }

    fn serio(&self) -> SerioSysfs {
        SerioSysfs::at(&self.root)
    }

    fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.path(path).exists()
    }

    /// A short text without the blanks around it, and without what a terminal might obey.
    fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        let text = read(&self.path(path), MOST_TEXT)?;
        let plain = |c: &char| *c == '\n' || *c == '\t' || !c.is_control();
        Some(text.chars().filter(plain).collect::<String>().trim().to_owned())
    }

    /// The first line of it: of what should be one line, whoever wrote it.
    fn line(&self, path: impl AsRef<Path>) -> Option<String> {
        Some(self.text(path)?.lines().next().unwrap_or_default().trim().to_owned())
    }

    /// A table of many lines.
    fn table(&self, path: impl AsRef<Path>) -> Option<String> {
        read(&self.path(path), MOST_TABLE)
    }

    /// The last component of what a symbolic link points to.
    fn link(&self, path: impl AsRef<Path>) -> Option<String> {
        Some(fs::read_link(self.path(path)).ok()?.file_name()?.to_str()?.to_owned())
    }

    /// Names in a folder, in order. None if there is no such folder, or it may not be read.
    fn names(&self, folder: impl AsRef<Path>) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).map(|d| d.filter_map(|e| e.ok()?.file_name().into_string().ok()));
        let mut names: Vec<String> = entries.map(Iterator::collect).unwrap_or_default();
        names.sort();
        names
    }

    /// Release of the running kernel, such as `6.1.0-42-amd64`.
    fn release(&self) -> Option<String> {
        self.line("proc/sys/kernel/osrelease")
    }
}

fn read(path: &Path, most: u64) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(most).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
