//! The section of the engine: `fgft/benches/engine.rs` measures, here is what its figures are called and held against.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::figures::{self, Held, Section, Value};
use crate::{
    cargo::{cargo, output_of},
    steps::Failure,
};

/// The groups of the table, and in each the names of figures and what they are.
const GROUPS: [(&str, &[(&str, &str)]); 3] = [
    (
        "parts",
        &[
            ("wrpkru_pair", "wrpkru pair: shut the keys, open them"),
            ("watchdog_words", "the watchdog's part of a call: two stores, a load"),
            ("stack_switch", "bare stack switch and back"),
            ("memcpy_256", "memcpy 256 B"),
            ("memcpy_4096", "memcpy 4 KiB"),
            ("memcpy_16384", "memcpy 16 KiB"),
            ("signal_round_trip", "signal round trip: fault, handler, back"),
        ],
    ),
    (
        "the engine",
        &[
            ("transaction_without_state", "in and out, without state"),
            ("protected_call_256", "protected call, commit 256 B"),
            ("protected_call_4096", "protected call, commit 4 KiB"),
            ("protected_call_16384", "protected call, commit 16 KiB"),
            ("generations_8", "the same with 4 KiB and 8 generations"),
            ("generations_32", "the same with 4 KiB and 32 generations"),
            ("call_after_quiet", "call that wakes the watchdog"),
            ("upcall", "upcall"),
            ("fault_to_error_256", "null write to error, 256 B restored"),
            ("fault_to_error_4096", "null write to error, 4 KiB restored"),
            ("fault_to_error_16384", "null write to error, 16 KiB restored"),
            ("panic_to_error_4096", "panic to error, 4 KiB restored"),
            ("wild_to_error", "wild write to error, 4 KiB restored"),
            ("division_to_error", "division by zero to error, 4 KiB restored"),
            ("illegal_to_error", "illegal instruction to error, 4 KiB restored"),
            ("overflow_to_error", "stack overflow of 256 KiB to error, 4 KiB restored"),
            ("refusal_to_error", "refused upcall to error, 4 KiB restored"),
            ("hang_to_error", "endless loop to error, its 5 ms of CPU time included"),
        ],
    ),
    (
        "for comparison",
        &[
            ("plain_call", "plain call"),
            ("mprotect_pair", "mprotect pair: read-only and back"),
            ("fork_and_wait", "fork and wait"),
        ],
    ),
];

/// A figure, the parts that it is held against, and how far above their sum it may be.
const RATIOS: [Held; 5] = [
    ("protected_call_4096", &["wrpkru_pair", "stack_switch", "memcpy_4096"], 2.0),
    ("fault_to_error_4096", &["signal_round_trip", "memcpy_4096"], 2.0),
    ("panic_to_error_4096", &["fault_to_error_4096"], 5.0),
    ("generations_8", &["protected_call_4096"], f64::INFINITY),
    ("generations_32", &["protected_call_4096"], f64::INFINITY),
];

/// Runs the benchmark program and puts its figures in order.
pub(crate) fn measure(quick: bool) -> Result<Section, Failure> {
    let mut command = cargo(["bench", "--package", "fgft", "--bench", "engine", "--quiet", "--"]);
    if quick {
        command.arg("--quick");
    }
    section(&output_of(&mut command)?)
}

/// A line of the benchmark program: of the machine, of a measure, or of one that is absent here.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Measure { name: String, samples: Vec<f64> },
    Absent { name: String, absent: String },
    Machine { isolation: String, rounds: u32 },
}

fn section(lines: &str) -> Result<Section, Failure> {
    let mut facts = String::new();
    let mut values = BTreeMap::new();
    for line in lines.lines().filter(|line| !line.trim().is_empty()) {
        match serde_json::from_str(line) {
            Ok(Line::Measure { name, samples }) if !samples.is_empty() => {
                values.insert(name, Value::Samples(samples));
            }
            Ok(Line::Absent { name, absent }) => {
                values.insert(name, Value::Absent(absent));
            }
            Ok(Line::Machine { isolation, rounds }) => facts = format!("isolation: {isolation}; {rounds} rounds"),
            _ => return Err(Failure::Output(format!("the engine's benchmark wrote: {line}"))),
        }
    }
    let ratios = figures::ratios(&RATIOS, &values);
    Section::new("engine", facts, &GROUPS, ratios, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the program writes: every measure `2.0` in three rounds, `changed` as given, no protection keys.
    fn lines(changed: &str, samples: &str) -> String {
        let names = GROUPS.iter().flat_map(|(_, rows)| rows.iter()).map(|(name, _)| *name);
        let line = |name: &str| match name {
            "wrpkru_pair" => r#"{"name":"wrpkru_pair","absent":"no protection keys"}"#.to_owned(),
            name if name == changed => format!(r#"{{"name":"{name}","iterations":9,"samples":[{samples}]}}"#),
            name => format!(r#"{{"name":"{name}","iterations":9,"samples":[2.0,2.0,2.0]}}"#),
        };
        let machine = r#"{"isolation":"rollback-only","panics_are_wrapped":true,"rounds":3}"#.to_owned();
        [machine].into_iter().chain(names.map(line)).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_run_gives_figures_and_verdicts() {
        let section = section(&lines("protected_call_4096", "8.0,4.0,20.0")).unwrap();
        assert_eq!(section.figures.len(), 28);
        assert!(section.facts.contains("rollback-only"));
        // 8 / (2 + 2), the keys being absent
        assert_eq!((section.ratios[0].median(), section.ratios[0].is_met()), (2.0, true));
        assert_eq!((section.ratios[1].median(), section.ratios[1].is_met()), (0.5, true));
    }

    #[test]
    fn a_reach_can_be_missed() {
        let section = section(&lines("fault_to_error_4096", "9.0,9.0,9.0")).unwrap();
        assert!(section.ratios[0].is_met() && !section.ratios[1].is_met());
    }

    #[test]
    fn an_unknown_or_missing_line_is_an_error() {
        assert!(section("{}").is_err());
        assert!(section("").is_err());
        assert!(section(&lines("upcall", "")).is_err());
    }
}
