//! What of the machine is no file to be read.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use fgft::{InitError, Isolation};
use nix::unistd::AccessFlags;

use super::network::{self, Network, Put};

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

    /// What a network interface of this namespace carries. `None`: there is no such interface.
    ///
    /// # Errors
    /// No netlink.
    fn network(&self, interface: &str) -> io::Result<Option<Network>>;

    /// Puts that onto an interface.
    ///
    /// # Errors
    /// There is no such interface, or no netlink.
    fn put_network(&self, interface: &str, network: &Network) -> io::Result<Put>;

    /// Takes from an interface, if it is there, what it carries.
    ///
    /// # Errors
    /// The kernel refuses.
    fn clear_network(&self, interface: &str) -> io::Result<()>;

    /// Has the service manager do something, and waits until it is done: the words of systemctl.
    ///
    /// # Errors
    /// What systemctl says, on one line.
    fn manager(&self, words: &[&str]) -> io::Result<()>;

    /// The main process of a unit; 0: it has none.
    ///
    /// # Errors
    /// What systemctl says, on one line.
    fn main_pid(&self, unit: &str) -> io::Result<u32>;

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
        run(Command::new("modprobe").arg("--").arg(name)).map(|_| ())
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

    fn network(&self, interface: &str) -> io::Result<Option<Network>> {
        network::read(interface)
    }

    fn put_network(&self, interface: &str, network: &Network) -> io::Result<Put> {
        network::put(interface, network)
    }

    fn clear_network(&self, interface: &str) -> io::Result<()> {
        network::clear(interface)
    }

    fn manager(&self, words: &[&str]) -> io::Result<()> {
        run(Command::new("systemctl").args(words)).map(|_| ())
    }

    fn main_pid(&self, unit: &str) -> io::Result<u32> {
        let said = run(Command::new("systemctl").args(["show", "--property=MainPID", "--value", "--", unit]))?;
        said.trim().parse().map_err(|_| io::Error::other(format!("no process id: {}", said.trim())))
    }

    fn engine(&self) -> Result<Isolation, InitError> {
        fgft::init()
    }
}

/// What a program prints; in the error, what it says.
fn run(command: &mut Command) -> io::Result<String> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let name = command.get_program().to_string_lossy();
    let why = said.lines().next().map_or_else(|| format!("{name} failed and did not say why"), str::to_owned);
    Err(io::Error::other(why))
}
