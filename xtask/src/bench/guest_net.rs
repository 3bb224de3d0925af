//! `cargo xtask bench guest-net`: a card under Linux's own driver and under ours, in the same guest and the same run.
//!
//! Four rows a card: Linux's driver; udrvd with every call a transaction; udrvd with those that move frames plain; udrvd
//! with nothing protected. The machine is emulated: rates are those of an emulator on a busy host, and only ratios
//! within a round mean something. With one processor the row of udrvd pays for Linux's side of the cable, for the TAP and for
//! its own process out of the same time; with two, which a machine of today has, the driver's process has one of its own. `wrpkru` flushes QEMU's TLB, so what protection costs is only reported here; the host's
//! benchmark judges that.

use std::{fs, path::Path, time::Duration};

use serde_json::{Value, json};

use super::{Args, figures::Spread};
use crate::{
    cargo,
    guest::{
        Guest,
        cards::{self, CARDS, Make, two_cards},
    },
    steps::Failure,
};

/// Rows, in order, and what they are.
const ROWS: [(&str, &str); 4] = [
    ("linux", "Linux's own driver"),
    ("all", "udrv, everything protected"),
    ("non-io", "udrv, transmit, interrupt and poll plain"),
    ("none", "udrv, nothing protected"),
];
/// What is measured of a row: file, pointer into it, name, label, and whether more is better.
const MEASURES: [(&str, &str, &str, &str, bool); 9] = [
    ("tcp", "/up/megabits_per_second", "up_mbit_s", "TCP up, Mbit/s", true),
    ("tcp", "/down/megabits_per_second", "down_mbit_s", "TCP down, Mbit/s", true),
    ("sent", "/packets_per_second", "sent_pps", "60-byte frames sent/s", true),
    ("received", "/packets_per_second", "received_pps", "60-byte frames received/s", true),
    ("tcp", "/up/cpu_seconds_per_gib", "up_cpu_s_gib", "CPU up, s/GiB", false),
    ("tcp", "/down/cpu_seconds_per_gib", "down_cpu_s_gib", "CPU down, s/GiB", false),
    ("sent", "/cpu_us_per_packet", "sent_cpu_us", "CPU a frame sent, us", false),
    ("tcp", "/round_trip/median_us", "round_trip_us", "round trip, us", false),
    ("tcp", "/round_trip/p99_us", "round_trip_p99_us", "round trip, 99 %, us", false),
];
/// The reach: TCP of the first udrv row over Linux's, for this card.
const REACH: (&str, f64) = ("e1000", 0.9);

/// Measures each card and prints; a reach that is missed is a result and no failure.
pub(super) fn main(args: &Args) -> Result<(), Failure> {
    let mut all = serde_json::Map::new();
    // a model of ours in another process measures that process
    let cards: Vec<_> = CARDS.iter().filter(|card| card.make == Make::Qemu).collect();
    let chosen = |card: &&&cards::Card| args.card.as_ref().is_none_or(|name| name == card.name);
    if !cards.iter().any(|card| chosen(&card)) {
        let (name, names) = (args.card.as_deref().unwrap_or_default(), cards.iter().map(|card| card.name));
        let names = names.collect::<Vec<_>>().join(", ");
        return Err(Failure::Output(format!("there is no card '{name}' of QEMU's; there are {names}")));
    }
    for card in cards.iter().filter(chosen) {
        let measured = Card::measure(card, args.processors, args.quick)?;
        if args.json {
            all.insert(card.name.to_owned(), measured.json());
        } else {
            measured.print();
        }
    }
    if args.json {
        println!("{}", json!({ "quick": args.quick, "guest_net": all }));
    }
    Ok(())
}

/// One of them, in a guest with two processors, as `--json` has it.
pub(crate) fn measured(name: &str, quick: bool) -> Result<Value, Failure> {
    let card = CARDS.iter().find(|card| card.name == name && card.make == Make::Qemu);
    let card = card.ok_or_else(|| Failure::Output(format!("there is no card '{name}' of QEMU's")))?;
    Ok(Card::measure(card, 2, quick)?.json())
}

/// What a measure of that is called.
pub(crate) fn label(measure: &str) -> &'static str {
    MEASURES.iter().find(|(_, _, name, ..)| *name == measure).map_or("?", |(.., label, _)| label)
}

/// One card: samples by measure and row, one a round.
struct Card {
    name: &'static str,
    processors: u32,
    rounds: usize,
    samples: Vec<[Vec<f64>; ROWS.len()]>,
}

impl Card {
    fn measure(card: &'static cards::Card, processors: u32, quick: bool) -> Result<Card, Failure> {
        let cards::Card { name, module, .. } = *card;
        let (rounds, seconds) = if quick { (1, 1) } else { (3, 3) };
        let programs = cargo::guest_programs()?;
        let facts = format!("MODULE={module}\nROUNDS={rounds}\nSECONDS_EACH={seconds}\n");
        let script = include_str!("guest_net.sh");
        let guest = two_cards(&format!("net-bench-{name}"), card, card.devices[0], cards::E1000, script).file(
            "/guest/bench",
            0o644,
            facts,
        );
        let guest = guest.module("tun").memory(512).processors(processors).timeout(Duration::from_secs(1200));
        let outcome = programs.into_iter().fold(guest, Guest::program).run();
        let outcome = outcome.map_err(|error| Failure::Output(format!("guest: {error}")))?;
        if outcome.exit_code != 0 {
            let console = outcome.serial_log_path.display();
            return Err(Failure::Output(format!("{name}: the guest's script failed; its console: {console}")));
        }
        let read = |(file, pointer, ..): (&str, &str, &str, &str, bool)| -> Result<[Vec<f64>; ROWS.len()], Failure> {
            let mut rows: [Vec<f64>; ROWS.len()] = Default::default();
            for ((row, _), samples) in ROWS.iter().zip(&mut rows) {
                for round in 0..rounds {
                    samples.push(number(&outcome.results.join(format!("{row}.{round}.{file}")), pointer)?);
                }
            }
            Ok(rows)
        };
        let samples = MEASURES.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Card { name, processors, rounds, samples })
    }

    /// A row over Linux's, round by round.
    fn ratio(samples: &[Vec<f64>; ROWS.len()], row: usize) -> Spread {
        let ratios: Vec<f64> = samples[row].iter().zip(&samples[0]).map(|(ours, theirs)| ours / theirs).collect();
        Spread::of(&ratios)
    }

    fn print(&self) {
        println!(
            "{} under QEMU's emulation, processors: {}, rounds: {}; median, and over Linux's row in the same round",
            self.name, self.processors, self.rounds
        );
        println!("{:28}{:>20}{:>20}{:>20}{:>20}", "", "Linux", "all protected", "non-I/O", "none");
        for ((.., label, _), samples) in MEASURES.iter().zip(&self.samples) {
            print!("  {label:26}");
            for (row, own) in samples.iter().enumerate() {
                let ratio = Self::ratio(samples, row).median;
                print!("{:>20}", format!("{:.0} ({ratio:.2})", Spread::of(own).median));
            }
            println!();
        }
        for (way, ratio) in self.reaches() {
            let verdict = if ratio >= REACH.1 { "met" } else { "missed" };
            println!(
                "  TCP {way}, everything protected, over Linux's driver: {ratio:.2}; reach {}: {verdict}",
                REACH.1
            );
        }
    }

    /// What the reach is about, each way.
    fn reaches(&self) -> Vec<(&'static str, f64)> {
        if self.name != REACH.0 {
            return Vec::new();
        }
        let all = 1;
        ["up", "down"].into_iter().zip(&self.samples).map(|(way, s)| (way, Self::ratio(s, all).median)).collect()
    }

    fn json(&self) -> Value {
        let mut object = serde_json::Map::new();
        for ((_, _, name, _, more), samples) in MEASURES.iter().zip(&self.samples) {
            let row = |(index, (row, _)): (usize, &(&str, &str))| {
                let (own, ratio) = (Spread::of(&samples[index]), Self::ratio(samples, index));
                let row_object =
                    json!({ "median": own.median, "min": own.min, "max": own.max, "over_linux": ratio.median });
                ((*row).to_owned(), row_object)
            };
            let mut measure: serde_json::Map<_, _> = ROWS.iter().enumerate().map(row).collect();
            measure.insert("more_is_better".to_owned(), json!(more));
            object.insert((*name).to_owned(), Value::Object(measure));
        }
        let reach = |(way, ratio): (&str, f64)| (way.to_owned(), json!({ "ratio": ratio, "met": ratio >= REACH.1 }));
        let reaches: serde_json::Map<_, _> = self.reaches().into_iter().map(reach).collect();
        json!({ "processors": self.processors, "rounds": self.rounds, "rows": ROWS.map(|(name, what)| json!([name, what])), "measures": object, "reach": reaches })
    }
}

/// A number in a file of JSON.
fn number(path: &Path, pointer: &str) -> Result<f64, Failure> {
    let name = path.display();
    let text = fs::read_to_string(path).map_err(|e| Failure::Output(format!("{name}: {e}")))?;
    let value: Value = serde_json::from_str(&text).map_err(|e| Failure::Output(format!("{name}: {e}")))?;
    value
        .pointer(pointer)
        .and_then(Value::as_f64)
        .ok_or_else(|| Failure::Output(format!("{name}: no number at {pointer}")))
}
