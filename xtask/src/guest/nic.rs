//! `cargo xtask guest rtl8139` and its like: the main job on real input, with each card of `cards.rs`.
//!
//! Kernel VFIO, a card that QEMU's authors wrote (or, for a chip that QEMU does not have, a model of ours that QEMU shows
//! to the guest), Linux's TCP on both ends, Linux's driver for another card at the far one.
//! While streams with hashes and numbered frames run both ways, `udrv-judge storm` has faults injected into every entry
//! point of our driver. What the guest leaves in its results is judged here again, from the figures.

use std::{path::Path, time::Duration};

use serde_json::Value;

use super::{
    Guest, Kernel, Result, Which,
    cards::{CARDS, Card, Make, VHCI, adapter_and_card, model_and_card, named, two_cards},
    judged::{self, Judged},
    outcome,
    served::{FarEnd, Served},
    storm::{Storm, median_us},
    vhci,
};
use crate::{
    cargo,
    steps::{Done, Failure},
};

/// Far above the minute or two that it takes: a busy machine is no failure.
const LIMIT: Duration = Duration::from_secs(900);
/// What the issue of it asks for.
pub(super) const LEAST_FAULTS: usize = 50;

/// Drive a card over kernel VFIO, crash its driver in every entry point under load, and judge what came through.
#[derive(Debug, clap::Args)]
struct Options {
    /// The guest's kernel.
    #[arg(long, value_enum, default_value_t)]
    kernel: Kernel,
}

/// Of the arguments: which of the card's devices.
const VARIANT: &str = "variant";

/// A card's scenario: a subcommand for each entry of [`CARDS`].
#[derive(Debug)]
pub(super) struct Scenario {
    card: &'static Card,
    devices: Vec<&'static str>,
    kernel: Kernel,
}

impl clap::FromArgMatches for Scenario {
    fn from_arg_matches(matches: &clap::ArgMatches) -> std::result::Result<Self, clap::Error> {
        let unknown = || clap::Error::new(clap::error::ErrorKind::InvalidSubcommand);
        let (name, matches) = matches.subcommand().ok_or_else(unknown)?;
        let card = named(name).ok_or_else(unknown)?;
        let chosen = matches.get_one::<String>(VARIANT);
        let devices = card.devices.iter().copied().filter(|device| chosen.is_none_or(|chosen| chosen == device));
        let Options { kernel } = Options::from_arg_matches(matches)?;
        Ok(Scenario { card, devices: devices.collect(), kernel })
    }

    fn update_from_arg_matches(&mut self, matches: &clap::ArgMatches) -> std::result::Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl clap::Subcommand for Scenario {
    fn augment_subcommands(command: clap::Command) -> clap::Command {
        CARDS.iter().fold(command, |command, card| {
            let about = format!(
                "Drive {} over {}, crash its driver in every entry point under load, and judge what came through",
                card.name,
                if card.make == Make::Adapter { "libusb" } else { "kernel VFIO" }
            );
            let variant = clap::Arg::new(VARIANT).long(VARIANT).value_name("DEVICE");
            let variant = variant
                .help("The device; without it all, one after the other")
                .value_parser(clap::builder::PossibleValuesParser::new(card.devices.iter().copied()));
            let own = <Options as clap::Args>::augment_args(clap::Command::new(card.name)).arg(variant);
            command.subcommand(own.about(about))
        })
    }

    fn augment_subcommands_for_update(command: clap::Command) -> clap::Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        named(name).is_some()
    }
}

/// Runs the scenario; 0 if everything was right.
pub(super) fn run(scenario: &Scenario) -> Result<u8> {
    let Scenario { card, devices, kernel } = scenario;
    judged::tell(devices.iter().map(|device| (*device, job(card, device, *kernel))))
}

/// The scenario with devices of a card of [`CARDS`], as a step of `cargo xtask test`.
pub(crate) fn step(name: &str, which: Which) -> std::result::Result<Done, Failure> {
    let card = named(name).ok_or_else(|| Failure::Output(format!("there is no card '{name}' in cards.rs")))?;
    let (usual, others) = card.devices.split_at(card.usual);
    let chosen = if which == Which::Usual { usual } else { others };
    judged::step(chosen.iter().map(|device| (*device, job(card, device, Kernel::Debian61))))
}

/// Builds, boots with one of the card's devices, runs, judges, and prints the figures.
fn job(card: &Card, device: &str, kernel: Kernel) -> Judged {
    let programs = cargo::guest_programs()?;
    if device == VHCI {
        return Ok(vhci::run(card.devices[0], card.module, kernel, programs)?);
    }
    let script = include_str!("nic.sh");
    // kept until the guest has ended
    let served = match card.make {
        Make::Qemu => None,
        Make::Model | Make::Adapter => {
            let far_end = if card.make == Make::Adapter { FarEnd::CardOfAdapter } else { FarEnd::Card };
            Some(Served::start(&programs[1], device, far_end, device)?)
        }
    };
    let guest = match &served {
        None => two_cards(device, card, device, card.peer, script),
        Some(served) if card.make == Make::Adapter => adapter_and_card(device, card, served, script),
        Some(served) => model_and_card(device, card, served, script),
    };
    let guest = guest.kernel(kernel).module("tun").module("8021q").memory(512);
    let guest: Guest = programs.into_iter().fold(guest, Guest::program).timeout(LIMIT).echo();
    let outcome = guest.run()?;
    let mut wrong = outcome.wrong();
    match Figures::read(&outcome.results) {
        Ok(figures) => {
            figures.print(device, outcome.seconds);
            wrong.extend(figures.wrong(card.make.least_mib() << 20, kinds(card, device)));
        }
        Err(why) => wrong.push(why),
    }
    Ok(wrong)
}

/// What the guest measured.
struct Figures {
    baseline: Value,
    baseline_frames: Value,
    transfer: Value,
    sent: Value,
    received: Value,
    storm: Storm,
    /// Frames that Linux dropped before udrvd could take them: the TAP's queue was full of TCP's.
    tap_dropped: String,
    /// Lines of the guest's `/proc/interrupts` about the device, which ran with `--interrupts auto`.
    interrupts: String,
    /// The same while it ran with `--interrupts line`.
    interrupts_line: String,
}

impl Figures {
    fn read(results: &Path) -> std::result::Result<Figures, String> {
        let json = |name: &str| outcome::json(results, name);
        let text = |name: &str| outcome::text(results, name);
        Ok(Figures {
            baseline: json("baseline.json")?,
            baseline_frames: json("baseline-frames.json")?,
            transfer: json("transfer.json")?,
            sent: json("frames-sent.json")?,
            received: json("frames-received.json")?,
            storm: Storm::read(results, "storm.json")?,
            tap_dropped: text("tap-dropped"),
            interrupts: text("interrupts"),
            interrupts_line: text("interrupts-line"),
        })
    }

    /// What is not as it must be. Each stream must have moved `least` bytes; interrupts must have come of these kinds, with `--interrupts auto` and `line`.
    fn wrong(&self, least: u64, (auto, line): (&str, &str)) -> Vec<String> {
        let mut wrong = self.storm.wrong();
        let mut must = |ok: bool, what: String| {
            if !ok {
                wrong.push(what);
            }
        };
        for way in ["up", "down"] {
            let stream = &self.transfer[way];
            must(stream["hash_right"] == true, format!("the stream {way}: wrong hash"));
            must(stream["bytes"].as_u64() >= Some(least), format!("the stream {way} was too short: {stream}"));
        }
        must(self.transfer["right"] == true, format!("the transfer: {}", self.transfer["failure"]));
        let frames = [("sent", &self.sent), ("received", &self.received), ("of the baseline", &self.baseline_frames)];
        for (name, frames) in frames {
            must(frames["bad"] == 0 && frames["duplicate"] == 0, format!("numbered frames {name}: {frames}"));
            must(frames["good"].as_u64() > Some(0), format!("no numbered frames {name}"));
        }
        let count = self.storm.faults().len();
        must(count >= LEAST_FAULTS, format!("only {count} faults"));
        for (found, kind) in [(&self.interrupts, auto), (&self.interrupts_line, line)] {
            must(has_come(found, kind), format!("no interrupt has come by {kind}: {found}"));
        }
        wrong
    }

    fn print(&self, device: &str, seconds: f64) {
        println!(
            "\n{:<16}{:>8}{:>14}{:>14}{:>8}{:>8}",
            "fault", "count", "to error us", "next frame us", "lost", "rungs"
        );
        let faults = self.storm.faults();
        let mut kinds: Vec<&str> = faults.iter().filter_map(|f| f["injected"][0].as_str()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        for kind in kinds {
            let of_kind: Vec<&Value> = faults.iter().filter(|f| f["injected"][0] == kind).collect();
            let median = |field: &str| median_us(of_kind.iter().copied(), field);
            let lost: u64 = of_kind.iter().filter_map(|f| f["frames_lost"].as_u64()).sum();
            let restored = of_kind.iter().filter(|f| f["rung"] == "restore").count();
            let (error, frame) = (median("to_error"), median("to_next_frame"));
            let rungs = format!("{}+{restored}", of_kind.len() - restored);
            println!("{kind:<16}{:>8}{error:>14.0}{frame:>14.0}{lost:>8}{rungs:>8}", of_kind.len());
        }
        println!("medians; rungs: abort + restore; times are those of an emulated machine\n");
        for (name, transfer) in [("baseline", &self.baseline), ("under faults", &self.transfer)] {
            for way in ["up", "down"] {
                let stream = &transfer[way];
                let mib = stream["bytes"].as_u64().unwrap_or(0) >> 20;
                let rate = stream["megabits_per_second"].as_f64().unwrap_or(f64::NAN);
                println!("{name:<14}{way:>5} {mib:>6} MiB {rate:>8.1} Mbit/s  hash right: {}", stream["hash_right"]);
            }
        }
        println!("numbered frames without faults, Linux's to ours: {}", self.baseline_frames);
        let chip = &self.storm.status()["chip"];
        println!("numbered frames, ours to Linux's: {}; the TAP's queue dropped {}", self.sent, self.tap_dropped);
        println!("numbered frames, Linux's to ours: {}; the chip missed {}", self.received, chip["rx_missed"]);
        let line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        println!("interrupts: {}; by the line: {}", line(&self.interrupts), line(&self.interrupts_line));
        println!("{} faults, guest with {device} ran {seconds:.0} s", faults.len());
    }
}

/// How the interrupts of a device reach us, as `/proc/interrupts` names it: with `--interrupts auto` and with `line`.
fn kinds(card: &Card, device: &str) -> (&'static str, &'static str) {
    match card.make {
        Make::Adapter => ("xhci_hcd", "xhci_hcd"),
        Make::Qemu | Make::Model if card.msi.contains(&device) => ("vfio-msi", "vfio-intx"),
        Make::Qemu | Make::Model => ("vfio-intx", "vfio-intx"),
    }
}

/// Whether a line of `/proc/interrupts` of this kind, and none of another, has counted some: `25:  0  17  IR-PCI-MSI ...`.
fn has_come(interrupts: &str, kind: &str) -> bool {
    let counted = |line: &str| {
        let counts = line.split_whitespace().skip(1).map_while(|word| word.parse::<u64>().ok());
        counts.sum::<u64>() > 0
    };
    interrupts.lines().any(|line| line.contains(kind) && counted(line))
        && interrupts.lines().all(|line| line.contains(kind) || !counted(line))
}

#[cfg(test)]
mod tests {
    use clap::{FromArgMatches, Subcommand};

    use super::*;

    fn parsed(arguments: &[&str]) -> std::result::Result<Scenario, clap::Error> {
        let command = Scenario::augment_subcommands(clap::Command::new("guest").subcommand_required(true));
        let matches = command.try_get_matches_from([&["guest"], arguments].concat())?;
        Scenario::from_arg_matches(&matches)
    }

    #[test]
    fn interrupts_have_come_by_one_kind() {
        let line = " 16:     0   17   IO-APIC   16-fasteoi   vfio-intx(0000:00:04.0)";
        let message = " 25:   4711      0  IR-PCI-MSI 65536-edge      vfio-msi[0](0000:00:04.0)";
        assert!(has_come(line, "vfio-intx") && has_come(message, "vfio-msi"));
        assert!(!has_come(line, "vfio-msi") && !has_come("", "vfio-msi"));
        assert!(!has_come(&message.replace("4711", "0"), "vfio-msi"), "none");
        assert!(!has_come(&format!("{line}\n{message}"), "vfio-msi"), "both");
    }

    #[test]
    fn every_card_is_a_subcommand_with_its_devices() {
        for card in CARDS {
            let all = parsed(&[card.name]).unwrap();
            assert_eq!((all.card, &all.devices[..]), (card, card.devices));
            for device in card.devices {
                let one = parsed(&[card.name, "--variant", device, "--kernel", "backports"]).unwrap();
                assert_eq!((one.devices, one.kernel), (vec![*device], Kernel::Backports));
            }
            assert!(parsed(&[card.name, "--variant", "nothing"]).is_err());
        }
        assert!(parsed(&["nothing"]).is_err());
    }
}
