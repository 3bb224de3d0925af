//! Table 2: faults in drivers, by the thousand. `tests/campaign` makes the trials (`docs/campaign.md`); here is what they come to.

use std::collections::BTreeMap;
use std::ffi::OsString;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Options,
    section::{Chart, Group, Scale, Section, Table},
};
use crate::{campaign, steps::Failure};

/// Changed instructions of each driver: ten thousand and a few of all six.
const MUTANTS: u64 = 1670;
/// More than a driver has places in its source: all of them.
const PLACES: u64 = 10_000;
/// Of each driver in a guest, where all takes fifty times as long; and in a quick run.
const IN_GUEST: u64 = 100;
const QUICK: u64 = 15;

/// The ways, and what they are called in a table.
const MODES: [(&str, &str); 4] = [
    ("native-stays", "native"),
    ("native-removed", "native, gone on retry"),
    ("protected-stays", "protected"),
    ("protected-removed", "protected, gone on retry"),
];
/// Outcomes, as the campaign names them, and the kind that each is of.
const OUTCOMES: [(&str, Sort); 12] = [
    ("benign", Sort::Benign),
    ("undetected-right", Sort::Right),
    ("aborted", Sort::Noticed),
    ("restored", Sort::Noticed),
    ("restarted", Sort::Noticed),
    ("quarantined", Sort::Noticed),
    ("gave-up", Sort::Noticed),
    ("stuck", Sort::Stuck),
    ("detected-wrong", Sort::Stuck),
    ("undetected-wrong", Sort::Wrong),
    ("died", Sort::Ended),
    ("hung", Sort::Ended),
];

/// Kinds of outcomes, as a picture has them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Benign,
    Noticed,
    Right,
    Wrong,
    Stuck,
    Ended,
}

impl Sort {
    const SHOWN: [(Sort, &str); 5] = [
        (Sort::Noticed, "noticed, nothing wrong came out"),
        (Sort::Right, "unnoticed, and right"),
        (Sort::Wrong, "unnoticed, and wrong"),
        (Sort::Stuck, "noticed, and wrong or stuck"),
        (Sort::Ended, "died or hung"),
    ];
}

/// What a driver's trials have come to, as the campaign says it.
#[derive(Deserialize, Serialize)]
struct Tally {
    isolation: String,
    faults: u64,
    reached: u64,
    outside: BTreeMap<String, u64>,
    outcomes: BTreeMap<String, BTreeMap<String, u64>>,
    bad: Vec<Bad>,
    places: u64,
    seconds: f64,
}

#[derive(Deserialize, Serialize)]
struct Bad {
    driver: String,
    number: u64,
    mode: String,
    outcome: String,
    rule: String,
    change: String,
    why: Vec<String>,
    again: String,
}

/// Trials of one kind on one machine.
#[derive(Serialize)]
struct Campaign {
    kind: &'static str,
    guest: bool,
    drivers: BTreeMap<String, Tally>,
}

impl Campaign {
    fn run(kind: &'static str, faults: u64, seed: u64, guest: bool) -> Result<Campaign, Failure> {
        let words = ["--kind", kind, "--faults", &faults.to_string(), "--seed", &seed.to_string(), "--json"];
        let mut arguments: Vec<OsString> = words.iter().map(OsString::from).collect();
        arguments.extend(guest.then(|| campaign::GUEST.into()));
        let said = campaign::output(&arguments)?;
        let drivers = serde_json::from_str(&said)
            .map_err(|error| Failure::Output(format!("the campaign's figures are not understood: {error}")))?;
        Ok(Campaign { kind, guest, drivers })
    }

    fn sum(&self, of: impl Fn(&Tally) -> u64) -> u64 {
        self.drivers.values().map(of).sum()
    }

    fn count(&self, mode: &str, outcome: &str) -> u64 {
        self.sum(|tally| tally.outcomes.get(mode).and_then(|all| all.get(outcome)).copied().unwrap_or(0))
    }

    fn isolation(&self) -> &str {
        self.drivers.values().next().map_or("", |tally| &tally.isolation)
    }

    fn what(&self) -> String {
        let kind = if self.kind == "mutate" { "Changed instructions" } else { "Mistakes in the source" };
        let place = if self.guest { ", in a guest" } else { "" };
        format!("{kind}{place} ({})", self.isolation())
    }

    fn outcomes(&self) -> Table {
        let caption = format!(
            "{}: {} faults, {} of them at places that work without a fault reaches; {:.0} s",
            self.what(),
            self.sum(|tally| tally.faults),
            self.sum(|tally| tally.reached),
            self.drivers.values().map(|tally| tally.seconds).sum::<f64>()
        );
        let mut table = Table::new(caption, ["outcome"].into_iter().chain(MODES.map(|(_, name)| name)));
        for (outcome, _) in OUTCOMES {
            let cells = MODES.map(|(mode, _)| self.count(mode, outcome).to_string());
            table.row([outcome.to_owned()].into_iter().chain(cells));
        }
        table
    }

    fn by_driver(&self) -> Table {
        let headings = ["driver", "places", "faults", "noticed", "right", "wrong", "wrong or stuck", "died or hung"];
        let mut table = Table::new(format!("{}, protected, by driver", self.what()), headings);
        for (name, tally) in &self.drivers {
            let of = |sort: Sort| {
                let all = tally.outcomes.get("protected-stays");
                let counts = OUTCOMES.iter().filter(|(_, its)| *its == sort).map(|(outcome, _)| outcome);
                counts.map(|outcome| all.and_then(|all| all.get(*outcome)).copied().unwrap_or(0)).sum::<u64>()
            };
            let counts = Sort::SHOWN.map(|(sort, _)| of(sort).to_string());
            let first = [name.clone(), tally.places.to_string(), tally.faults.to_string()];
            table.row(first.into_iter().chain(counts));
        }
        table
    }

    /// Protected trials that came to no good end; `None` if there is none.
    fn bad(&self) -> Option<Table> {
        let headings = ["driver", "what is changed", "way", "outcome", "found", "again"];
        let mut table =
            Table::new(format!("{}: each protected trial that ended or came out wrong", self.what()), headings);
        for bad in self.drivers.values().flat_map(|tally| &tally.bad) {
            let guest = if self.guest { " --guest" } else { "" };
            table.row([
                bad.driver.clone(),
                format!("{}: {}", bad.rule, bad.change),
                bad.mode.clone(),
                bad.outcome.clone(),
                bad.why.first().cloned().unwrap_or_default(),
                format!("`{}{guest}`", bad.again),
            ]);
        }
        (!table.rows.is_empty()).then_some(table)
    }

    /// Of faults that are reached, how many came to what.
    fn chart(&self) -> Chart {
        let group = |(mode, name): (&str, &str)| {
            let of = |sort: Sort| {
                let counts = OUTCOMES.iter().filter(|(_, its)| *its == sort);
                counts.map(|(outcome, _)| self.count(mode, outcome)).sum::<u64>() as f64
            };
            let all: f64 = Sort::SHOWN.iter().map(|(sort, _)| of(*sort)).sum();
            Group {
                name: name.to_owned(),
                values: Sort::SHOWN.map(|(sort, _)| (all > 0.0).then(|| 100.0 * of(sort) / all)).to_vec(),
            }
        };
        Chart::Bars {
            title: format!("{}: what becomes of those that are reached", self.what()),
            unit: "percent".to_owned(),
            scale: Scale::Linear,
            series: Sort::SHOWN.map(|(_, name)| name.to_owned()).to_vec(),
            groups: MODES.map(group).into(),
        }
    }
}

/// Measures.
pub(super) fn measure(options: &Options) -> Result<Section, Failure> {
    let (mutants, places) = if options.quick { (QUICK, QUICK) } else { (MUTANTS, PLACES) };
    let mut all = vec![Campaign::run("mutate", mutants, options.seed, false)?];
    if options.planted {
        all.push(Campaign::run("planted", places, options.seed, false)?);
    }
    if options.guest {
        all.push(Campaign::run("mutate", IN_GUEST, options.seed, true)?);
    }
    Ok(section(&all, options))
}

fn section(all: &[Campaign], options: &Options) -> Section {
    let outside = |campaign: &Campaign| {
        let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
        for (why, count) in campaign.drivers.values().flat_map(|tally| &tally.outside) {
            *sums.entry(why).or_default() += count;
        }
        let text: Vec<String> = sums.iter().map(|(why, count)| format!("{count} that {why}")).collect();
        if text.is_empty() { "none".to_owned() } else { text.join(", ") }
    };
    let mut paragraphs = vec![
        "Each fault is one mistake in a driver, and is tried in four ways: with every entry point protected or none, and with the fault \
         staying or taken out when the first failed call is noticed. A trial is a process: driver, model of the device, numbered frames, \
         samples or movements, and a judge of what comes out, on a clock of its own. docs/campaign.md has the rules and what each outcome \
         means. Nothing is left out: in each column the outcomes add up to the faults."
            .to_owned(),
        format!("Outside the guarantee by what their bytes say, counted apart and not run: {}.", outside(&all[0])),
        "*Undetected-wrong* is as a rule a wrong value that the driver itself believes: recovery finds faults, not wrong answers. Without \
         protection keys a stray write into mapped memory is not seen either; such are the trials that end with *rollback-only*."
            .to_owned(),
    ];
    if !options.guest {
        paragraphs.push(
            "Not measured in this run: the same in a guest whose processor has protection keys (without `--quick` and `--skip-guest`)."
                .to_owned(),
        );
    }
    if !options.planted {
        paragraphs.push(
            "Not measured in this run: mistakes in the source, for which a copy of the workspace is built (`cargo xtask eval`).".to_owned(),
        );
    }
    let mut tables: Vec<Table> = all.iter().flat_map(|campaign| [campaign.outcomes(), campaign.by_driver()]).collect();
    tables.extend(all.iter().filter_map(Campaign::bad));
    Section {
        name: "campaign",
        title: "Fault injection",
        paragraphs,
        tables,
        charts: all.iter().map(Campaign::chart).collect(),
        seeds: vec![options.seed],
        data: json!({ "campaigns": all }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn campaign() -> Campaign {
        let outcomes = json!({ "protected-stays": { "benign": 5, "aborted": 3, "died": 1 }, "native-stays": { "benign": 5, "died": 4 } });
        let bad = json!({
            "driver": "e1000", "number": 7, "mode": "protected-stays", "outcome": "died", "rule": "bit", "change": "a -> b",
            "why": ["SIGSEGV"], "again": "cargo xtask campaign --only 7",
        });
        let tally = json!({
            "isolation": "rollback-only", "faults": 9, "reached": 4, "outside": { "asks the kernel": 2 }, "outcomes": outcomes,
            "bad": [bad], "places": 100, "seconds": 1.5,
        });
        let drivers = serde_json::from_value(json!({ "e1000": tally })).expect("as the campaign says it");
        Campaign { kind: "mutate", guest: false, drivers }
    }

    #[test]
    fn every_fault_is_in_every_column_and_what_ended_is_listed_with_its_command() {
        let campaign = campaign();
        let table = campaign.outcomes();
        let sum =
            |column: usize| table.rows.iter().map(|row| row[column].parse::<u64>().expect("a number")).sum::<u64>();
        assert_eq!((sum(1), sum(3)), (9, 9));
        let bad = campaign.bad().expect("one");
        assert!(bad.rows[0].iter().any(|cell| cell.contains("--only 7")), "{:?}", bad.rows);
        let Chart::Bars { groups, .. } = campaign.chart() else { panic!("bars") };
        assert_eq!(groups[2].values, [Some(75.0), Some(0.0), Some(0.0), Some(0.0), Some(25.0)]);
        assert_eq!(groups[1].values[0], None, "nothing was tried that way");
    }

    #[test]
    fn the_outcomes_are_those_of_the_campaign() {
        let source = include_str!("../../../tests/campaign/src/finding.rs");
        let list =
            source.split("pub(crate) enum Outcome {").nth(1).and_then(|rest| rest.split('}').next()).expect("it");
        let names = list.lines().filter_map(|line| line.trim().strip_suffix(',')).filter(|line| !line.starts_with('/'));
        assert_eq!(names.count(), OUTCOMES.len());
    }
}
