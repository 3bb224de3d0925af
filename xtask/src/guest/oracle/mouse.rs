//! A mouse before Linux's driver for it: what the hand does is what /dev/input says.
//!
//! The mouse is at a controller on PCI, for which Linux has a driver too (pcips2): Debian's kernels have no userio, the kernel's
//! own way to put a byte line of a program under psmouse, and psmouse takes no port of any other kind that a program can make.

use std::path::Path;

use super::{Findings, LIMIT, Pair, SLOT};
use crate::{
    guest::{Guest, Kernel, qemu::with_path, served::Served},
    steps::Failure,
};

/// What the guest's script finds out, in this order.
pub(super) const CHECKS: &[(&str, &str)] = &[
    ("bound", "Linux's driver takes the mouse, makes an input device and switches reports on"),
    ("protocol", "it takes it for what it is (sysfs)"),
    ("abilities", "the input device has its buttons and its wheel, and no others"),
    ("settings", "the driver's usual rate and resolution have reached it"),
    ("motion", "what the hand moves arrives, exactly"),
    ("buttons", "every press and every release arrives, in order"),
    ("wheel", "every click of the wheel arrives, both ways"),
    ("rate", "rates set in sysfs reach it, and packets come at them"),
    ("resolution", "resolutions set in sysfs reach it, and movement counts by them"),
    ("replug", "unplugged and plugged in, it is set up again and works"),
    ("reload", "after the module was removed and loaded again it works, and nothing of before arrives"),
    ("interrupts", "interrupts of the controller have come (/proc/interrupts)"),
    ("silent", "the driver has complained of nothing (dmesg)"),
];

const SCRIPT: &str = concat!(include_str!("results.sh"), include_str!("../events.sh"), include_str!("mouse.sh"));

/// What Linux makes of a mouse.
struct Known {
    variant: &'static str,
    /// As sysfs names its protocol.
    protocol: &'static str,
    id: u8,
    buttons: u8,
    /// Bits of codes, as sysfs shows them: the word with the buttons, and the axes.
    keys: &'static str,
    relative: &'static str,
    /// Rate and resolution after it was unplugged and plugged in, where 40 and 1 were set.
    again: (u8, u8),
}

/// Bare PS/2.
const PS2: Known =
    Known { variant: "ps2", protocol: "PS/2", id: 0, buttons: 3, keys: "70000", relative: "3", again: (40, 1) };

const KNOWN: [Known; 4] = [
    PS2,
    Known { variant: "imps2", protocol: "ImPS/2", id: 3, relative: "103", ..PS2 },
    Known { variant: "imex", protocol: "ImExPS/2", id: 4, buttons: 5, keys: "1f0000", relative: "143", ..PS2 },
    // Linux finds that it has no absolute mode, and drives it as a mouse; plugged in again, it begins with it from the start
    Known { variant: "synaptics", again: (100, 3), ..PS2 },
];

/// Serves the mouse, boots a guest with it, and reads what it found.
pub(super) fn judge(pair: &Pair, udrvctl: &Path, kernel: Kernel) -> Result<Findings, Failure> {
    let scenario = pair.scenario();
    let served = Served::start_mouse(udrvctl, pair.model, &scenario)?;
    let known = KNOWN.iter().find(|known| pair.model.ends_with(&format!("-{}", known.variant)));
    let known = known.expect("every mouse of the list is known");
    let Known { protocol, id, buttons, keys, relative, again: (rate, resolution), .. } = known;
    let facts = format!(
        "PROTOCOL={protocol}\nID={id}\nBUTTONS={buttons}\nKEYS={keys}\nRELATIVE={relative}\nRATE_AGAIN={rate}\n\
         RESOLUTION_AGAIN={resolution}\n"
    );

    let hand = with_path("socket,id=hand,path=", &served.hand());
    let guest = Guest::new(&scenario).kernel(kernel).memory(512).timeout(LIMIT);
    let guest = guest.vfio_user(&served.socket(), SLOT).qemu(["-chardev".into(), hand]);
    let guest =
        guest.qemu(["-device", "virtio-serial-pci,romfile=", "-device", "virtserialport,chardev=hand,name=hand"]);
    let modules = ["virtio-pci", "virtio-console", "evdev", pair.module, "pcips2"];
    let guest = modules.into_iter().fold(guest, Guest::module);
    let outcome = guest.file("/guest/oracle", 0o644, facts).script(SCRIPT).run()?;
    Ok(Findings::read(CHECKS, outcome))
}
