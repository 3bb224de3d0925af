//! A network card before Linux's driver for it.

use super::{Bus, Findings, LIMIT, Pair, SLOT};
use crate::{
    guest::{
        Guest, Kernel,
        served::{FarEnd, Served},
    },
    steps::Failure,
};

/// What the guest's script finds out, in this order.
pub(super) const CHECKS: &[(&str, &str)] = &[
    ("bound", "Linux's driver takes the card and makes an interface"),
    ("address", "the interface has the card's own address"),
    ("link", "the link is up"),
    ("ping", "20 of 20 pings of 1,400 bytes come back from the far host"),
    ("short-pings", "pings of every length from 0 to 60 bytes come back"),
    ("tcp", "4 MiB through the far host's TCP echo come back with the same hash"),
    ("interrupts", "interrupts have come (/proc/interrupts), by MSI or by the line as Linux's driver chose"),
    ("statistics", "Linux has counted frames both ways, and no errors but for want of room"),
    ("counters", "the chip has counted as many (ethtool -S)"),
    ("eeprom", "the EEPROM begins with the address (ethtool -e)"),
    ("forced", "it works at 10 Mbit/s without auto-negotiation, and with it again (ethtool -s)"),
    ("selftest", "the driver's own test of the chip passes (ethtool -t)"),
    ("again", "after the interface was taken down and up again it still works"),
    ("reload", "after the module was removed and loaded again it still works"),
];

const SCRIPT: &str = concat!(include_str!("results.sh"), include_str!("nic.sh"));

/// Serves the model, boots a guest with it, and reads what it found.
pub(super) fn judge(pair: &Pair, udrvctl: &std::path::Path, kernel: Kernel) -> Result<Findings, Failure> {
    let scenario = pair.scenario();
    let served = Served::start(udrvctl, pair.model, FarEnd::Host, &scenario)?;
    let guest = Guest::new(&scenario).kernel(kernel).memory(512).timeout(LIMIT);
    let (guest, bus) = if pair.bus == Bus::Usb {
        (guest.usb_redir(&served.socket()), "usb")
    } else {
        (guest.vfio_user(&served.socket(), SLOT), "pci")
    };
    let facts = format!("MODULE={}\nBUS={bus}\n", pair.module);
    let outcome = guest.module(pair.module).file("/guest/oracle", 0o644, facts).script(SCRIPT).run()?;
    Ok(Findings::read(CHECKS, outcome))
}
