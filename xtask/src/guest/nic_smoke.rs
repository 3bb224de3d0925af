//! `cargo xtask guest nic-smoke`: whether the guest offers what a network driver's test needs.
//!
//! No driver of ours runs here. An rtl8139 is given to vfio-pci and an e1000 on the same hub to Linux, in a network
//! namespace of its own, with its link up. The guest of a real driver test starts from [`two_cards`] too.

use super::{
    Kernel, Result,
    cards::{CARDS, two_cards},
};

/// Check that an rtl8139 can be had through VFIO with an e1000 under Linux's driver at the other end of its cable.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The guest's kernel.
    #[arg(long, value_enum, default_value_t)]
    kernel: Kernel,
}

/// Runs the check; exit code 0 if all is there and the kernel has nothing to complain about.
pub(super) fn run(args: Args) -> Result<u8> {
    let card = &CARDS[0];
    let guest = two_cards("nic-smoke", card, card.devices[0], card.peer, include_str!("nic_smoke.sh"))
        .kernel(args.kernel)
        .echo()
        .udrvctl()?;
    let outcome = guest.run()?;
    Ok(outcome.report())
}
