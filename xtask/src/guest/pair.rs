//! `cargo xtask guest pair`: udrvd is killed beside a standby, and upgraded, again and again while numbered frames and TCP go
//! through its TAP. Told is for how long no frame came to the TAP, which a frame every few milliseconds shows; of an upgrade also what
//! udrvd itself says. Times are told and not judged: they are those of an emulated machine.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::adopt::ROUNDS_SCRIPT;
use super::cards::{Make, named, two_cards};
use super::judged::{self, Judged};
use super::{Guest, Kernel, Result, outcome};
use crate::{
    cargo,
    steps::{Done, Failure},
};

/// Far above what it takes: a busy machine is no failure.
const LIMIT: Duration = Duration::from_secs(1200);
/// Numbered frames a second, each way.
const RATE: u32 = 100;
/// Rounds: their names in the guest, and for people.
const ROUNDS: [(&str, &str); 4] = [
    ("standby", "killed, a standby"),
    ("upgrade", "upgraded"),
    ("standby-tcp", "the same under TCP"),
    ("upgrade-tcp", "the same under TCP"),
];

/// Replace udrvd again and again under load, by a standby and by an upgrade, and judge what came through.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The card.
    #[arg(default_value = "e1000", value_parser = ["e1000", "rtl8139"])]
    card: String,
    /// Times in each of the four rounds.
    #[arg(long, default_value_t = 20)]
    times: u32,
    /// The guest's kernel.
    #[arg(long, value_enum, default_value_t)]
    kernel: Kernel,
}

/// Runs the scenario; 0 if everything was right.
pub(super) fn run(args: &Args) -> Result<u8> {
    judged::tell([(args.card.as_str(), job(&args.card, args.times, args.kernel))])
}

/// The scenario as a step of `cargo xtask test`.
pub(crate) fn step(card: &str) -> std::result::Result<Done, Failure> {
    judged::step([(card, job(card, 20, Kernel::Debian61))])
}

fn job(name: &str, times: u32, kernel: Kernel) -> Judged {
    let card = named(name).filter(|card| card.make == Make::Qemu);
    let card = card.ok_or_else(|| Failure::Output(format!("there is no card '{name}' of QEMU's")))?;
    let programs = cargo::guest_programs()?;
    let script = format!("TIMES={times}\nRATE={RATE}\n{ROUNDS_SCRIPT}\n{}", include_str!("pair.sh"));
    let guest = two_cards(&format!("pair-{name}"), card, card.devices[0], card.peer, &script);
    let guest = guest.kernel(kernel).module("tun").memory(512);
    let guest: Guest = programs.into_iter().fold(guest, Guest::program).timeout(LIMIT).echo();
    let outcome = guest.run()?;
    let mut wrong = outcome.wrong();
    println!(
        "\n{:<22}{:>6}{:>9}{:>12}{:>10}{:>14}{:>10}{:>10}{:>9}{:>7}",
        "", "times", "went on", "no frame ms", "worst", "says udrvd ms", "worst", "lost out", "lost in", "twice"
    );
    for (round, title) in ROUNDS {
        match Round::read(&outcome.results, round) {
            Ok(figures) => {
                figures.print(title);
                wrong.extend(figures.wrong(times).into_iter().map(|what| format!("{round}: {what}")));
            }
            Err(why) => wrong.push(why),
        }
    }
    println!("no frame: between two at the TAP, around the moment, {} ms apart without it", 1000 / RATE);
    Ok(wrong)
}

/// What the guest measured in one round.
struct Round {
    task: Value,
    /// TCP both ways; not in each round.
    transfer: Option<Value>,
    sent: Value,
    received: Value,
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

/// The median and the largest, in milliseconds.
fn median_and_worst(mut micros: Vec<u64>) -> (f64, f64) {
    micros.sort_unstable();
    let ms = |micros: Option<&u64>| micros.map_or(f64::NAN, |micros| *micros as f64 / 1e3);
    (ms(micros.get(micros.len() / 2)), ms(micros.last()))
}

impl Round {
    fn read(results: &Path, round: &str) -> std::result::Result<Round, String> {
        let json = |name: &str| outcome::json(results, &format!("{round}-{name}"));
        Ok(Round {
            task: json("task.json")?,
            transfer: if round.ends_with("-tcp") { Some(json("transfer.json")?) } else { None },
            sent: json("sent.json")?,
            received: json("received.json")?,
        })
    }

    fn events(&self) -> impl Iterator<Item = &Value> {
        self.task["events"].as_array().into_iter().flatten()
    }

    /// The longest time in which no frame came, around each moment. Those that are too short to be told are 0.
    fn pauses(&self) -> Vec<u64> {
        let pauses: Vec<(u64, u64)> = self.received["pauses"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|pause| (number(&pause["end_us"]), number(&pause["us"])))
            .collect();
        let around = |event: &Value| {
            let (from, to) = (number(&event["from_us"]), number(&event["to_us"]));
            let touches = |(end, us): &&(u64, u64)| *end > from && end - us < to;
            pauses.iter().filter(touches).map(|(_, us)| *us).max().unwrap_or(0)
        };
        self.events().map(around).collect()
    }

    fn print(&self, title: &str) {
        let (median, worst) = median_and_worst(self.pauses());
        let told: Vec<u64> = self.events().filter_map(|event| event["gap_us"].as_u64()).collect();
        // of a kill: from where the standby noticed it
        let going = self.task["going_on_us"].as_array().into_iter().flatten().filter_map(Value::as_u64);
        let told = if told.is_empty() { going.collect() } else { told };
        let (says, says_worst) = median_and_worst(told);
        let [times, went_on] = ["times", "went_on"].map(|field| self.task[field].to_string());
        let [out, into] = [&self.sent, &self.received].map(|frames| frames["missing"].to_string());
        let twice = number(&self.sent["duplicate"]) + number(&self.received["duplicate"]);
        println!(
            "{title:<22}{times:>6}{went_on:>9}{median:>12.1}{worst:>10.1}{says:>14.1}{says_worst:>10.1}{out:>10}{into:>9}{twice:>7}"
        );
        for (transfer, way) in self.transfer.iter().flat_map(|transfer| [(transfer, "up"), (transfer, "down")]) {
            let mib = number(&transfer[way]["bytes"]) >> 20;
            println!("    TCP {way:<5}{mib:>5} MiB, hash right: {}", transfer[way]["hash_right"]);
        }
    }

    fn wrong(&self, times: u32) -> Vec<String> {
        let mut wrong = self.transfer.as_ref().map_or_else(Vec::new, judged::wrong_streams);
        let mut must = |ok: bool, what: String| {
            if !ok {
                wrong.push(what);
            }
        };
        must(self.task["went_on"] == times, format!("{} of {times} went on", self.task["went_on"]));
        must(self.task["same_names"] == true, "the keeper has something else in the end".to_owned());
        for (name, frames) in [("sent", &self.sent), ("received", &self.received)] {
            must(frames["bad"] == 0, format!("numbered frames {name}: {} bad", frames["bad"]));
            must(number(&frames["good"]) > 0, format!("no numbered frames {name}"));
            // with TCP in the way frames are lost where there is no room, whoever drives the card
            if self.transfer.is_none() {
                let [missing, twice] = ["missing", "duplicate"].map(|field| &frames[field]);
                let gaps = &frames["gaps"];
                must(
                    *missing == 0 && *twice == 0,
                    format!("numbered frames {name}: {missing} missing ({gaps}), {twice} twice"),
                );
            }
        }
        wrong
    }
}
