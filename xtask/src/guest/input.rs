//! `cargo xtask guest psmouse`: mice over the kernel's serio_raw, and what comes out at uinput.
//!
//! QEMU's own mouse is at the i8042, and QEMU's monitor moves it; a model of ours is at a controller on PCI that Linux has a driver for,
//! and a hand moves it. The guest talks to either through a port of virtio. First Linux's own driver has the mouse, as the
//! baseline; then udrvd, undisturbed, under faults of all kinds in every entry point, and after them; then Linux's driver again.

use std::{path::Path, time::Duration};

use super::{
    Guest,
    error::{Doing, Result},
    judged::{self, Judged},
    kernel::Kernel,
    qemu::with_path,
    served::Served,
    storm::{Storm, median_us},
};
use crate::{
    cargo,
    steps::{Done, Failure},
};

/// Where the model's controller is, for QEMU.
const SLOT: u8 = 4;
/// Far above the minutes that it takes: a busy machine is no failure.
const LIMIT: Duration = Duration::from_secs(540);
/// Faults: 6 kinds at 3 points of `interrupt`, and 6 kinds in each of the 10 others.
const FAULTS: [(&str, usize); 2] = [("traffic.json", 18), ("command.json", 60)];

/// A mouse.
#[derive(Debug, PartialEq, Eq)]
struct Mouse {
    /// Of the command line, and of the model if it is one.
    name: &'static str,
    /// What the description of its port begins with.
    port: &'static str,
    /// Bits of codes, as sysfs shows them: the word with the buttons, and the axes.
    keys: &'static str,
    relative: &'static str,
    is_model: bool,
}

const MICE: [Mouse; 2] = [
    Mouse { name: "qemu", port: "i8042 AUX", keys: "1f0000", relative: "1943", is_model: false },
    Mouse { name: "psmouse-imps2", port: "0000:00:04.0", keys: "70000", relative: "903", is_model: true },
];

/// Drive mice over the kernel's serio_raw, crash the driver in every entry point while they move, and read what comes out of uinput.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The mouse; without it all, one after the other.
    #[arg(long, value_name = "MOUSE", value_parser = MICE.map(|mouse| mouse.name))]
    variant: Option<String>,
    /// The guest's kernel.
    #[arg(long, value_enum, default_value_t)]
    kernel: Kernel,
}

/// Runs the scenario; 0 if everything was right.
pub(super) fn run(args: &Args) -> Result<u8> {
    let chosen = MICE.iter().filter(|mouse| args.variant.as_ref().is_none_or(|name| name == mouse.name));
    judged::tell(chosen.map(|mouse| (mouse.name, job(mouse, args.kernel))))
}

/// All mice, as a step of `cargo xtask test`.
pub(crate) fn step() -> std::result::Result<Done, Failure> {
    judged::step(MICE.iter().map(|mouse| (mouse.name, job(mouse, Kernel::Debian61))))
}

/// Builds, boots with the mouse, runs, and prints the figures.
fn job(mouse: &Mouse, kernel: Kernel) -> Judged {
    let programs = cargo::guest_programs()?;
    let scenario = format!("input-{}", mouse.name);
    let Mouse { port, keys, relative, is_model, .. } = mouse;
    let kind = if *is_model { "model" } else { "qemu" };
    let facts = format!("KIND={kind}\nPORT='{port}'\nKEYS={keys}\nRELATIVE={relative}\n");

    let guest = Guest::new(&scenario).kernel(kernel).memory(512).timeout(LIMIT).echo();
    let folder = tempfile::tempdir().doing(|| "make a folder for a socket".to_owned())?;
    // kept until the guest has ended
    let (guest, hand, _served) = if *is_model {
        let served = Served::start_mouse(&programs[1], mouse.name, &scenario)?;
        let guest = guest.vfio_user(&served.socket(), SLOT).module("pcips2");
        (guest, served.hand(), Some(served))
    } else {
        // the monitor listens, and the port of virtio is its client
        let monitor = folder.path().join("monitor");
        (with_monitor(guest, &monitor), monitor, None)
    };
    let guest = ["evdev", "psmouse"].into_iter().fold(with_hand(guest, &hand), Guest::module);
    // in the guest, and not loaded yet
    let guest = ["serio_raw", "uinput"].into_iter().fold(guest, Guest::module_at_hand);
    let script = concat!(include_str!("hand.sh"), include_str!("events.sh"), include_str!("input.sh"));
    let guest = programs.into_iter().fold(guest, Guest::program);
    let outcome = guest.file("/guest/mouse", 0o644, facts).script(script).run()?;
    println!("guest with {} ran {:.0} s", mouse.name, outcome.seconds);
    let mut wrong = outcome.wrong();
    if outcome.exit_code == 0 {
        for (file, count) in FAULTS {
            match Storm::read(&outcome.results, file) {
                Ok(storm) => wrong.extend(wrong_of(&storm, file, count)),
                Err(why) => wrong.push(why),
            }
        }
    }
    Ok(wrong)
}

/// QEMU's monitor, which moves its mouse, listens at a socket.
pub(super) fn with_monitor(guest: Guest, monitor: &Path) -> Guest {
    let listens = with_path("socket,id=monitor,server=on,wait=off,path=", monitor);
    guest.qemu(["-chardev".into(), listens, "-mon".into(), "chardev=monitor,mode=control".into()])
}

/// The guest's first port of virtio is a client of that socket: whoever writes to it moves the mouse.
pub(super) fn with_hand(guest: Guest, hand: &Path) -> Guest {
    let guest = guest.qemu(["-chardev".into(), with_path("socket,id=hand,path=", hand)]).qemu([
        "-device",
        "virtio-serial-pci,romfile=",
        "-device",
        "virtserialport,chardev=hand,name=hand",
    ]);
    ["virtio-pci", "virtio-console"].into_iter().fold(guest, Guest::module)
}

/// What is not as it must be of the storm that `file` tells, which is one of so many faults. Prints its figures.
fn wrong_of(storm: &Storm, file: &str, count: usize) -> Vec<String> {
    let (faults, mut wrong) = (storm.faults(), storm.wrong());
    if faults.len() != count {
        wrong.push(format!("{} faults in place of {count}", faults.len()));
    }
    println!("{file}: {} faults, to error {:.0} us (median, emulated)", faults.len(), median_us(faults, "to_error"));
    wrong.into_iter().map(|what| format!("{file}: {what}")).collect()
}
