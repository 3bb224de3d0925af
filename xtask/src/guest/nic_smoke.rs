//! `cargo xtask guest nic-smoke`: whether the guest offers what a network driver's test needs.
//!
//! No driver of ours runs here. An rtl8139 is given to vfio-pci and an e1000 on the same hub to Linux, in a network
//! namespace of its own, with its link up. The guest of a real driver test starts from [`two_cards`].

use super::{Guest, Kernel, Result};

/// Slots on bus 0, for QEMU, and the addresses that follow from them.
const OUR_SLOT: u8 = 4;
const PEER_SLOT: u8 = 5;
const OUR_ADDRESS: &str = "0000:00:04.0";
const PEER_ADDRESS: &str = "0000:00:05.0";

/// Check that an rtl8139 can be had through VFIO with an e1000 under Linux's driver at the other end of its cable.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The guest's kernel.
    #[arg(long, value_enum, default_value_t)]
    kernel: Kernel,
}

/// A guest with two cards on one hub: `ours` (QEMU's name) for VFIO, and an e1000 with the module for it.
/// The script finds their PCI addresses in `$OURS` and `$PEER` when it has read `/guest/cards`.
pub(crate) fn two_cards(scenario: &str, ours: &str, script: &str) -> Guest {
    let cards = format!("OURS={OUR_ADDRESS}\nPEER={PEER_ADDRESS}\n");
    let guest = Guest::new(scenario).vfio().module("e1000").nic(ours, OUR_SLOT, 0).nic("e1000", PEER_SLOT, 0);
    guest.file("/guest/cards", 0o644, cards).script(script)
}

/// Runs the check; exit code 0 if all is there and the kernel has nothing to complain about.
pub(super) fn run(args: Args) -> Result<u8> {
    let guest = two_cards("nic-smoke", "rtl8139", include_str!("nic_smoke.sh")).kernel(args.kernel).echo();
    let outcome = guest.run()?;
    Ok(outcome.report())
}
