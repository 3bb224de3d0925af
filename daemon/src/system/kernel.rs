//! What of the machine is no file to be read.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use fgft::{InitError, Isolation};
use nix::unistd::AccessFlags;

/// The running kernel.
pub trait Kernel {
    /// Writes to a file of sysfs in one piece. The kernel acts on it before this returns.
    ///
    /// # Errors
    /// What the kernel says to it.
    fn write(&self, file: &Path, text: &str) -> io::Result<()>;

    /// Has a module loaded, by its name or by the alias of a device.
    ///
    /// # Errors
    /// What modprobe says, on one line.
    fn load_module(&self, name: &str) -> io::Result<()>;

    /// Whether this process may read and write the file.
    fn may_use(&self, file: &Path) -> bool;

    /// The addresses of all network interfaces in this network namespace, with the interface's name.
    ///
    /// # Errors
    /// No netlink.
    fn addresses(&self) -> io::Result<Vec<(String, IpAddr)>>;

    /// What protects a driver here; found out by trying, in this process.
    ///
    /// # Errors
    /// It cannot run one.
    fn engine(&self) -> Result<Isolation, InitError>;
}

/// The one that this process runs on.
#[derive(Debug, Clone, Copy)]
pub struct Linux;

impl Kernel for Linux {
    fn write(&self, file: &Path, text: &str) -> io::Result<()> {
        OpenOptions::new().write(true).open(file)?.write_all(text.as_bytes())
    }

    fn load_module(&self, name: &str) -> io::Result<()> {
        let output = Command::new("modprobe").arg("--").arg(name).output()?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(io::Error::other(said.lines().next().unwrap_or("modprobe failed and did not say why").to_owned()))
    }

    fn may_use(&self, file: &Path) -> bool {
        nix::unistd::eaccess(file, AccessFlags::R_OK | AccessFlags::W_OK).is_ok()
    }

    fn addresses(&self) -> io::Result<Vec<(String, IpAddr)>> {
        let address = |entry: nix::ifaddrs::InterfaceAddress| {
            let address = entry.address?;
            let v4 = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
            let ip = v4.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))?;
            Some((entry.interface_name, ip))
        };
        Ok(nix::ifaddrs::getifaddrs()?.filter_map(address).collect())
    }

    fn engine(&self) -> Result<Isolation, InitError> {
        fgft::init()
    }
}
