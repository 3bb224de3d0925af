//! The one list of network cards that a driver of ours drives in a guest, and the guest with one of them and another
//! card on a cable.
//!
//! For a new card add an entry to [`CARDS`]: `cargo xtask guest NAME` then runs it.

use super::{Guest, served::Served};

/// Slots on bus 0, for QEMU, and the addresses that follow from them.
const OUR_SLOT: u8 = 4;
const PEER_SLOT: u8 = 5;
pub(super) const OUR_ADDRESS: &str = "0000:00:04.0";
const PEER_ADDRESS: &str = "0000:00:05.0";

/// A network card.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Card {
    /// The name of our driver for it.
    pub(crate) name: &'static str,
    /// Whose the devices below are.
    pub(crate) make: Make,
    /// Devices that it drives, the usual one first; `name` may be among them.
    pub(crate) devices: &'static [&'static str],
    /// How many of them, from the first on, each run of `cargo xtask test` takes; the rest are for the long run.
    pub(crate) usual: usize,
    /// Those of them that have MSI, which `--interrupts auto` has to take.
    pub(crate) msi: &'static [&'static str],
    /// Linux's module for it, which has it before ours and gets it back; its driver has the same name.
    pub(crate) module: &'static str,
    /// An MTU above 1500 that it and its peer have, if both have one, and whether its chip has VLAN tags.
    pub(crate) jumbo: Option<u32>,
    pub(crate) vlan: bool,
    /// What is under Linux's driver at the far end of its cable: another make, so that not both ends share a mistake.
    pub(crate) peer: Peer,
}

/// Who has made a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Make {
    /// QEMU's authors.
    Qemu,
    /// We: a model by its name, served over vfio-user, for a chip that QEMU does not have.
    Model,
    /// We: a model by its name, served over usb-redir.
    Adapter,
}

impl Make {
    /// What a stream under faults must move at least, MiB. An adapter on USB of full speed sends each frame through two host
    /// controllers and two processes.
    pub(crate) const fn least_mib(self) -> u64 {
        match self {
            Make::Qemu | Make::Model => 32,
            Make::Adapter => 8,
        }
    }

    /// How the judge loads it: MiB of a piece of a stream, options of `transfer`, and of `send-frames`. A busy machine has a few
    /// hundred frames a second over USB, for both ways together: more would only show what TCP makes of a bus that is full.
    const fn load(self) -> (u32, &'static str, &'static str) {
        match self {
            Make::Qemu | Make::Model => (8, "", ""),
            Make::Adapter => (2, "--alternate", "--rate 50"),
        }
    }
}

/// A card for the far end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    /// QEMU's device.
    pub(crate) device: &'static str,
    /// Linux's module for it; its driver has the same name.
    pub(crate) module: &'static str,
}

/// The fastest far end, for what measures.
pub(crate) const E1000: Peer = Peer { device: "e1000", module: "e1000" };
const RTL8139: Peer = Peer { device: "rtl8139", module: "8139cp" };

/// Not a device of its own: the first of an adapter's, in the guest itself behind Linux's virtual host controller.
pub(crate) const VHCI: &str = "vhci";

/// All of them.
pub(crate) const CARDS: &[Card] = &[
    Card {
        name: "rtl8139",
        make: Make::Qemu,
        devices: &["rtl8139"],
        usual: 1,
        msi: &[],
        module: "8139cp",
        jumbo: None,
        vlan: false,
        peer: E1000,
    },
    // 82540EM, 82545EM (copper) and 82544GC; 8139cp has 4096
    Card {
        name: "e1000",
        make: Make::Qemu,
        devices: &["e1000", "e1000-82545em", "e1000-82544gc"],
        usual: 1,
        msi: &[],
        module: "e1000",
        jumbo: Some(4000),
        vlan: true,
        peer: RTL8139,
    },
    // one chip on PCI, one on PCI Express, which has 4074
    Card {
        name: "r8169",
        make: Make::Model,
        devices: &["r8169-rtl8169sc", "r8169-rtl8168be"],
        usual: 2,
        msi: &["r8169-rtl8168be"],
        module: "r8169",
        jumbo: Some(4000),
        vlan: true,
        peer: E1000,
    },
    Card {
        name: "pegasus",
        make: Make::Adapter,
        devices: &["pegasus-adm8511", VHCI, "pegasus-an986"],
        usual: 2,
        msi: &[],
        module: "pegasus",
        jumbo: None,
        vlan: false,
        peer: E1000,
    },
];

/// The card of that name.
pub(crate) fn named(name: &str) -> Option<&'static Card> {
    CARDS.iter().find(|card| card.name == name)
}

/// A guest with two cards on one hub, and Linux's modules for both: one of QEMU's devices of `card` for VFIO, and
/// `peer`. The script finds in `/guest/cards` their PCI addresses (`$OURS`, `$PEER`), which drivers of Linux they have
/// when nobody has taken them from those (`$OUR_LINUX`, `$PEER_LINUX`), and what ours can do (`$JUMBO` and `$VLAN`: an MTU
/// and a VLAN, or nothing).
pub(crate) fn two_cards(scenario: &str, card: &Card, device: &str, peer: Peer, script: &str) -> Guest {
    on_a_cable(scenario, card, peer, script).nic(device, OUR_SLOT, 0).nic(peer.device, PEER_SLOT, 0)
}

/// The same with a model of ours instead of QEMU's device, served with a [`super::served::FarEnd::Card`].
pub(crate) fn model_and_card(scenario: &str, card: &Card, served: &Served, script: &str) -> Guest {
    let guest = on_a_cable(scenario, card, card.peer, script).vfio_user(&served.socket(), OUR_SLOT);
    guest.nic_at(card.peer.device, PEER_SLOT, &served.cable())
}

/// The same with an adapter on USB.
pub(crate) fn adapter_and_card(scenario: &str, card: &Card, served: &Served, script: &str) -> Guest {
    let guest = on_a_cable(scenario, card, card.peer, script).usb_redir(&served.socket());
    guest.nic_at(card.peer.device, PEER_SLOT, &served.cable())
}

/// The guest for both, without the cards. What hangs on the bus of ours is in `/guest/bus.sh`.
fn on_a_cable(scenario: &str, card: &Card, peer: Peer, script: &str) -> Guest {
    let module = card.module;
    let jumbo = card.jumbo.map_or(String::new(), |mtu| mtu.to_string());
    let vlan = if card.vlan { "77" } else { "" };
    let ours = format!("OURS={OUR_ADDRESS}\nOUR_LINUX={module}\nJUMBO={jumbo}\nVLAN={vlan}\n");
    let (least, (piece, load, frames)) = (card.make.least_mib(), card.make.load());
    let judge = format!("LEAST_MIB={least}\nPIECE_MIB={piece}\nLOAD='{load}'\nFRAMES='{frames}'\n");
    let cards = format!("{ours}PEER={PEER_ADDRESS}\nPEER_LINUX={}\n{judge}", peer.module);
    let guest = match card.make {
        Make::Adapter => Guest::new(scenario).file("/guest/bus.sh", 0o644, include_str!("usb.sh")),
        Make::Qemu | Make::Model => Guest::new(scenario).vfio().file("/guest/bus.sh", 0o644, include_str!("pci.sh")),
    };
    let guest = guest.module(peer.module).module(module);
    guest.file("/guest/cards", 0o644, cards).script(script)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_there_once_and_both_ends_are_of_different_makes() {
        for card in CARDS {
            assert_eq!(named(card.name), Some(card), "the first of that name");
            assert!((1..=card.devices.len()).contains(&card.usual));
            assert!(!card.devices.is_empty() && card.msi.iter().all(|device| card.devices.contains(device)));
            assert!(card.module != card.peer.module && !card.devices.contains(&card.peer.device), "{}", card.name);
        }
        assert_eq!(named("nothing"), None);
    }
}
