//! `cargo xtask guest psmouse`: mice over the kernel's serio_raw, and what comes out at uinput.
//!
//! QEMU's own mouse is at the i8042, and QEMU's monitor moves it; a model of ours is at a controller on PCI that Linux has a driver for,
//! and a hand moves it. The guest talks to either through a port of virtio. First Linux's own driver has the mouse, as the
//! baseline; then udrvd, undisturbed, under faults of all kinds in every entry point, and after them; then Linux's driver again.

use std::{fs, time::Duration};

use serde_json::Value;

use super::{
    Guest, error::Doing, error::Result, kernel::Kernel, nic::Verdict, outcome::Outcome, qemu::with_path, served::Served,
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
    let mut code = 0;
    for mouse in MICE.iter().filter(|mouse| args.variant.as_ref().is_none_or(|name| name == mouse.name)) {
        match job(mouse, args.kernel) {
            Ok(()) => {}
            Err(Verdict::Guest(error)) => return Err(error),
            Err(Verdict::Wrong(list)) => {
                list.iter().for_each(|line| eprintln!("guest {}: {line}", mouse.name));
                code = 1;
            }
        }
    }
    Ok(code)
}

/// All mice, as a step of `cargo xtask test`.
pub(crate) fn step() -> std::result::Result<Done, Failure> {
    let mut wrong = Vec::new();
    for mouse in &MICE {
        match job(mouse, Kernel::Debian61) {
            Ok(()) => {}
            Err(Verdict::Guest(error)) => return Err(error.into()),
            Err(Verdict::Wrong(list)) => wrong.extend(list.iter().map(|line| format!("{}: {line}", mouse.name))),
        }
    }
    if wrong.is_empty() { Ok(Done::Passed) } else { Err(Failure::Output(wrong.join("; "))) }
}

/// Builds, boots with the mouse, runs, and prints the figures.
fn job(mouse: &Mouse, kernel: Kernel) -> std::result::Result<(), Verdict> {
    let failed = |failure: Failure| Verdict::Wrong(vec![failure.to_string()]);
    let programs = cargo::release_programs(&["udrv-daemon", "udrv-judge"], &["udrvd", "udrvctl", "udrv-judge"]);
    let programs = programs.map_err(failed)?;
    let scenario = format!("input-{}", mouse.name);
    let Mouse { port, keys, relative, is_model, .. } = mouse;
    let kind = if *is_model { "model" } else { "qemu" };
    let facts = format!("KIND={kind}\nPORT='{port}'\nKEYS={keys}\nRELATIVE={relative}\n");

    let guest = Guest::new(&scenario).kernel(kernel).memory(512).timeout(LIMIT).echo();
    let folder = tempfile::tempdir().doing(|| "make a folder for a socket".to_owned())?;
    // kept until the guest has ended
    let (guest, hand, _served) = if *is_model {
        let served = Served::start_mouse(&programs[1], mouse.name, &scenario).map_err(failed)?;
        let guest = guest.vfio_user(&served.socket(), SLOT).module("pcips2");
        (guest, served.hand(), Some(served))
    } else {
        // the monitor listens, and the port of virtio is its client
        let monitor = folder.path().join("monitor");
        let listens = with_path("socket,id=monitor,server=on,wait=off,path=", &monitor);
        (guest.qemu(["-chardev".into(), listens, "-mon".into(), "chardev=monitor,mode=control".into()]), monitor, None)
    };
    let guest = guest.qemu(["-chardev".into(), with_path("socket,id=hand,path=", &hand)]).qemu([
        "-device",
        "virtio-serial-pci,romfile=",
        "-device",
        "virtserialport,chardev=hand,name=hand",
    ]);
    let guest = ["virtio-pci", "virtio-console", "evdev", "psmouse"].into_iter().fold(guest, Guest::module);
    // in the guest, and not loaded yet
    let guest = ["serio_raw", "uinput"].into_iter().fold(guest, Guest::module_at_hand);
    let script = concat!(include_str!("events.sh"), include_str!("input.sh"));
    let guest = programs.into_iter().fold(guest, Guest::program);
    let outcome = guest.file("/guest/mouse", 0o644, facts).script(script).run()?;
    let wrong = wrong(&outcome);
    println!("guest with {} ran {:.0} s", mouse.name, outcome.seconds);
    if wrong.is_empty() { Ok(()) } else { Err(Verdict::Wrong(wrong)) }
}

/// What is not as it must be.
fn wrong(outcome: &Outcome) -> Vec<String> {
    let mut wrong: Vec<String> = outcome.kernel_complaints().iter().map(|line| format!("kernel: {line}")).collect();
    if outcome.exit_code != 0 {
        let console = outcome.serial_log_path.display();
        wrong.push(format!("the guest's script ended with {}; its console: {console}", outcome.exit_code));
        return wrong;
    }
    for (file, count) in FAULTS {
        let storm = fs::read_to_string(outcome.results.join(file))
            .map_err(|error| error.to_string())
            .and_then(|text| serde_json::from_str::<Value>(&text).map_err(|error| error.to_string()));
        let storm = match storm {
            Ok(storm) => storm,
            Err(error) => {
                wrong.push(format!("{file}: {error}"));
                continue;
            }
        };
        let faults = storm["faults"].as_array().map_or(&[][..], Vec::as_slice);
        if faults.len() != count {
            wrong.push(format!("{file}: {} faults in place of {count}", faults.len()));
        }
        let mut times: Vec<u64> = faults.iter().filter_map(|fault| fault["to_error"].as_u64()).collect();
        times.sort_unstable();
        let median = times.get(times.len() / 2).map_or(f64::NAN, |time| *time as f64 / 1e3);
        println!("{file}: {} faults recovered, to error {median:.0} us (median, emulated)", storm["recovered"]);
        if storm["status"]["isolation"] != "protection-keys" {
            wrong.push(format!("isolation: {}", storm["status"]["isolation"]));
        }
    }
    wrong
}
