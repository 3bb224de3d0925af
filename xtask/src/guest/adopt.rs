//! `cargo xtask guest adopt`: udrvd is killed (SIGKILL) again and again while TCP and numbered frames go through its TAP, and
//! each successor goes on with the device over kernel VFIO, which is neither reset nor stopped. In the same run, for
//! comparison, successors that get the TAP and nothing else. Times are told and not judged: they are those of an emulated machine,
//! most of them the start of a process.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::cards::{Make, named, two_cards};
use super::judged::{self, Judged};
use super::{Guest, Kernel, Result, outcome};
use crate::{
    cargo,
    steps::{Done, Failure},
};

/// What `adopt.sh` and `pair.sh` begin with.
pub(super) const ROUNDS_SCRIPT: &str = include_str!("rounds.sh");
/// Far above what it takes: a busy machine is no failure.
const LIMIT: Duration = Duration::from_secs(540);
/// Times that udrvd is killed, if nothing else is said.
const KILLS: u32 = 25;

/// Kill udrvd again and again under load, and judge what came through.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The card.
    #[arg(default_value = "e1000", value_parser = ["e1000", "rtl8139"])]
    card: String,
    /// Times that udrvd is killed.
    #[arg(long, default_value_t = KILLS)]
    kills: u32,
    /// The guest's kernel.
    #[arg(long, value_enum, default_value_t)]
    kernel: Kernel,
}

/// Runs the scenario; 0 if everything was right.
pub(super) fn run(args: &Args) -> Result<u8> {
    judged::tell([(args.card.as_str(), job(&args.card, args.kills, args.kernel))])
}

/// The scenario as a step of `cargo xtask test`.
pub(crate) fn step(card: &str) -> std::result::Result<Done, Failure> {
    judged::step([(card, job(card, KILLS, Kernel::Debian61))])
}

fn job(name: &str, kills: u32, kernel: Kernel) -> Judged {
    let card = named(name).filter(|card| card.make == Make::Qemu);
    let card = card.ok_or_else(|| Failure::Output(format!("there is no card '{name}' of QEMU's")))?;
    let programs = cargo::guest_programs()?;
    let script =
        format!("KILLS={kills}\nANEW={}\nRATE=40\n{ROUNDS_SCRIPT}\n{}", kills.div_ceil(3), include_str!("adopt.sh"));
    let scenario = format!("adopt-{name}");
    let guest = two_cards(&scenario, card, card.devices[0], card.peer, &script);
    let guest = guest.kernel(kernel).module("tun").memory(512);
    let guest: Guest = programs.into_iter().fold(guest, Guest::program).timeout(LIMIT).echo();
    let outcome = guest.run()?;
    let mut wrong = outcome.wrong();
    println!(
        "\n{:<24}{:>6}{:>10}{:>12}{:>12}{:>12}{:>12}",
        "after SIGKILL", "kills", "went on", "median ms", "worst ms", "lost out", "lost in"
    );
    for (round, title) in ROUNDS {
        match Round::read(&outcome.results, round) {
            Ok(figures) => {
                figures.print(title);
                wrong.extend(figures.wrong(kills).into_iter().map(|what| format!("{title}: {what}")));
            }
            Err(why) => wrong.push(why),
        }
    }
    println!("from the kill to the next frame at the TAP, process start included; of an emulated machine");
    Ok(wrong)
}

/// Their names in the guest, and for people.
const ROUNDS: [(&str, &str); 4] = [
    ("adopted", "going on"),
    ("anew", "beginning anew"),
    ("adopted-tcp", "going on, under TCP"),
    ("anew-tcp", "anew, under TCP"),
];

/// What the guest measured in one round.
struct Round {
    /// What was left was passed on.
    adopted: bool,
    survive: Value,
    /// TCP both ways; not in each round.
    transfer: Option<Value>,
    sent: Value,
    received: Value,
    tap_dropped: String,
}

impl Round {
    fn read(results: &Path, round: &str) -> std::result::Result<Round, String> {
        let json = |name: &str| outcome::json(results, &format!("{round}-{name}"));
        Ok(Round {
            adopted: round.starts_with("adopted"),
            survive: json("task.json")?,
            transfer: if round.ends_with("-tcp") { Some(json("transfer.json")?) } else { None },
            sent: json("sent.json")?,
            received: json("received.json")?,
            tap_dropped: outcome::text(results, &format!("{round}-tap-dropped")),
        })
    }

    /// Milliseconds: the median, and the worst.
    fn times(&self, field: &str) -> (f64, f64) {
        let mut gaps: Vec<u64> =
            self.survive[field].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
        gaps.sort_unstable();
        let ms = |micros: Option<&u64>| micros.map_or(f64::NAN, |micros| *micros as f64 / 1e3);
        (ms(gaps.get(gaps.len() / 2)), ms(gaps.last()))
    }

    fn print(&self, title: &str) {
        let (median, worst) = self.times("gaps_us");
        let [kills, went_on] = ["kills", "went_on"].map(|field| self.survive[field].to_string());
        let [out, into] = [&self.sent, &self.received].map(|frames| frames["missing"].to_string());
        println!("{title:<24}{kills:>6}{went_on:>10}{median:>12.1}{worst:>12.1}{out:>12}{into:>12}");
        for (transfer, way) in self.transfer.iter().flat_map(|transfer| [(transfer, "up"), (transfer, "down")]) {
            let stream = &transfer[way];
            let mib = stream["bytes"].as_u64().unwrap_or(0) >> 20;
            println!("    TCP {way:<5}{mib:>5} MiB, hash right: {}", stream["hash_right"]);
        }
        println!("    numbered frames out: {}; the TAP's queue dropped {}", self.sent, self.tap_dropped);
        println!("    numbered frames in:  {}", self.received);
        if self.adopted {
            let (median, worst) = self.times("going_on_us");
            println!("    of that, udrvd's own time to go on: median {median:.0} ms, worst {worst:.0} ms");
        }
    }

    fn wrong(&self, kills: u32) -> Vec<String> {
        let mut wrong = self.transfer.as_ref().map_or_else(Vec::new, judged::wrong_streams);
        let mut must = |ok: bool, what: String| {
            if !ok {
                wrong.push(what);
            }
        };
        for (name, frames) in [("sent", &self.sent), ("received", &self.received)] {
            must(frames["bad"] == 0, format!("numbered frames {name}: {frames}"));
            must(frames["good"].as_u64() > Some(0), format!("no numbered frames {name}"));
        }
        let survive = &self.survive;
        must(survive["ended_well"] == true, "the last udrvd did not end well".to_owned());
        let left = survive["left_at_the_end"].as_array().is_some_and(Vec::is_empty);
        must(left, format!("left with the keeper: {}", survive["left_at_the_end"]));
        if self.adopted {
            must(survive["went_on"] == kills, format!("{} of {kills} successors went on", survive["went_on"]));
            must(survive["same_names"] == true, "the keeper has something else in the end".to_owned());
        }
        // with TCP in the way frames are lost where there is no room, killed or not
        if self.adopted && self.transfer.is_none() {
            for (name, frames) in [("sent", &self.sent), ("received", &self.received)] {
                must(frames["missing"] == 0 && frames["duplicate"] == 0, format!("numbered frames {name}: {frames}"));
            }
        }
        wrong
    }
}
