//! The section of the device: `tests/device/benches/device.rs` measures a driver on the bare model, here is what its
//! figures are called and held against.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::figures::{Held, Ratio, Section, Value};
use crate::{
    cargo::{cargo, output_of},
    steps::Failure,
};

/// The groups of the table, and in each the names of figures and what they are.
const GROUPS: [(&str, &[(&str, &str)]); 7] = [
    (
        "the bus: the model alone",
        &[
            ("bus_read", "register read"),
            ("bus_write", "register write"),
            ("bus_send", "the writes that send a frame, and its way"),
        ],
    ),
    (
        "one frame of 1514 bytes, with interrupt and poll",
        &[
            ("frame_down_protected", "host to wire, protected"),
            ("frame_down_unprotected", "host to wire, unprotected"),
            ("frame_up_protected", "wire to host, protected"),
            ("frame_up_unprotected", "wire to host, unprotected"),
        ],
    ),
    (
        "a batch of 32 frames, RTL8139 (it has 4 slots to send)",
        &[
            ("batch_up_protected", "wire to host, 1000 bytes, protected"),
            ("batch_up_unprotected", "wire to host, 1000 bytes, unprotected"),
            ("batch_up_short_protected", "wire to host, 60 bytes, protected"),
            ("batch_up_short_unprotected", "wire to host, 60 bytes, unprotected"),
            ("batch_down_protected", "host to wire, 1000 bytes, protected"),
            ("batch_down_unprotected", "host to wire, 1000 bytes, unprotected"),
        ],
    ),
    (
        "one call of transmit, 1514 bytes, a card without slots",
        &[
            ("staged_1_protected", "1 doorbell, protected"),
            ("staged_1_unprotected", "1 doorbell, unprotected"),
            ("staged_32_protected", "32 doorbells, protected"),
            ("staged_32_unprotected", "32 doorbells, unprotected"),
        ],
    ),
    (
        "one call that writes registers, each journalled",
        &[
            ("writes_0_protected", "none, protected"),
            ("writes_0_unprotected", "none, unprotected"),
            ("writes_1_protected", "1, protected"),
            ("writes_1_unprotected", "1, unprotected"),
            ("writes_16_protected", "16, protected"),
            ("writes_16_unprotected", "16, unprotected"),
        ],
    ),
    (
        "null write in the middle of an entry point (medians; worst: of each round)",
        &[
            ("fault_to_error_transmit", "transmit: to error"),
            ("fault_to_frame_transmit", "transmit: to next good frame"),
            ("fault_to_frame_transmit_worst", "transmit: to next good frame, worst"),
            ("allowed_transmit", "transmit: 7 us and the bus"),
            ("fault_to_error_poll", "poll: to error"),
            ("fault_to_frame_poll", "poll: to next good frame"),
            ("fault_to_frame_poll_worst", "poll: to next good frame, worst"),
            ("allowed_poll", "poll: 7 us and the bus"),
        ],
    ),
    (
        "the rungs of the ladder, each with the abort before it",
        &[
            ("fault_with_restore", "set_mac: to error, by restore"),
            ("fault_with_restart", "transmit: to error, by restart"),
            ("restart", "restart by command"),
        ],
    ),
];

/// A figure, the parts that it is held against, and how far above their sum it may be. Infinity: that is only told.
const RATIOS: [Held; 12] = [
    ("fault_to_frame_transmit", &["allowed_transmit"], 1.0),
    ("fault_to_frame_poll", &["allowed_poll"], 1.0),
    ("batch_up_protected", &["batch_up_unprotected"], 1.02),
    ("staged_32_protected", &["staged_32_unprotected"], 1.02),
    ("batch_up_short_protected", &["batch_up_short_unprotected"], f64::INFINITY),
    ("batch_down_protected", &["batch_down_unprotected"], f64::INFINITY),
    ("frame_down_protected", &["frame_down_unprotected"], f64::INFINITY),
    ("frame_up_protected", &["frame_up_unprotected"], f64::INFINITY),
    ("staged_1_protected", &["staged_1_unprotected"], f64::INFINITY),
    ("writes_0_protected", &["writes_0_unprotected"], f64::INFINITY),
    ("writes_1_protected", &["writes_1_unprotected"], f64::INFINITY),
    ("writes_16_protected", &["writes_16_unprotected"], f64::INFINITY),
];

/// What of a ratio's part is one of, and how many are in it.
fn unit(part: &str) -> Option<(&'static str, f64)> {
    let name = part.strip_suffix("_unprotected")?;
    Some(match name {
        _ if name.starts_with("batch_") || name == "staged_32" => ("frame", 32.0),
        _ if name.starts_with("writes_") => ("call", 1.0),
        _ => ("frame", 1.0),
    })
}

/// Runs the benchmark program and puts its figures in order.
pub(super) fn measure(quick: bool) -> Result<Section, Failure> {
    let mut command = cargo(["bench", "--package", "udrv-tests", "--bench", "device", "--quiet", "--"]);
    if quick {
        command.arg("--quick");
    }
    section(&output_of(&mut command)?)
}

/// A line of the benchmark program: of a measure, or of the run.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Measure { name: String, samples: Vec<f64> },
    Run { isolation: String, rounds: u32, checkpoint_reads: i64, calls: u64, cycles_in_ns: f64 },
}

fn section(lines: &str) -> Result<Section, Failure> {
    let (mut facts, mut cycles) = (String::new(), 0.0);
    let mut values = BTreeMap::new();
    for line in lines.lines().filter(|line| !line.trim().is_empty()) {
        match serde_json::from_str(line) {
            Ok(Line::Measure { name, samples }) if !samples.is_empty() => {
                values.insert(name, Value::Samples(samples));
            }
            Ok(Line::Run { isolation, rounds, checkpoint_reads, calls, cycles_in_ns }) => {
                cycles = cycles_in_ns;
                let verdict = if checkpoint_reads == 0 { "met" } else { "missed" };
                facts = format!(
                    "isolation: {isolation}; {rounds} rounds; {cycles:.2} cycles a nanosecond; checkpoints of the device \
                     made {checkpoint_reads} device reads in {calls} frames; reach 0: {verdict}"
                );
            }
            _ => return Err(Failure::Output(format!("the device's benchmark wrote: {line}"))),
        }
    }
    let ratio = |(whole, parts, reach): &(&'static str, &'static [&'static str], f64)| {
        let ratio = Ratio::new(whole, parts, *reach, &values)?;
        Some(match unit(parts[0]) {
            Some((name, in_part)) => ratio.with_unit(name, in_part, cycles),
            None => ratio,
        })
    };
    let ratios = RATIOS.iter().filter_map(ratio).collect();
    Section::new("device", facts, &GROUPS, ratios, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the program writes: every measure `2.0` in three rounds, `changed` as given.
    fn lines(changed: &str, samples: &str, reads: i64) -> String {
        let names = GROUPS.iter().flat_map(|(_, rows)| rows.iter()).map(|(name, _)| *name);
        let line = |name: &str| {
            let samples = if name == changed { samples } else { "2.0,2.0,2.0" };
            format!(r#"{{"name":"{name}","samples":[{samples}]}}"#)
        };
        let run = format!(
            r#"{{"isolation":"rollback-only","rounds":3,"checkpoint_reads":{reads},"calls":2000,"cycles_in_ns":2.5}}"#
        );
        [run].into_iter().chain(names.map(line)).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_run_gives_figures_and_verdicts() {
        let section = section(&lines("fault_to_frame_poll", "3.0,3.0,1.0", 0)).unwrap();
        assert_eq!(section.figures.len(), 34);
        assert!(section.facts.contains("made 0 device reads in 2000 frames; reach 0: met"), "{}", section.facts);
        assert!(section.ratios[0].is_met() && !section.ratios[1].is_met());
    }

    #[test]
    fn a_batch_is_held_to_two_hundredths_and_a_frame_to_nothing() {
        let section = section(&lines("batch_up_protected", "2.05,2.03,2.06", 0)).unwrap();
        let verdicts: Vec<bool> = section.ratios.iter().map(Ratio::is_met).collect();
        assert_eq!(verdicts.iter().filter(|met| !**met).count(), 1);
        assert!(!verdicts[2], "{verdicts:?}");
        // 2 ns, of 2.5 cycles each, for 32 frames; and for one
        assert_eq!(section.ratios[2].unit_cost().as_deref(), Some("a frame unprotected: 0.1 ns, 0 cycles"));
        assert_eq!(section.ratios[7].unit_cost().as_deref(), Some("a frame unprotected: 2.0 ns, 5 cycles"));
        assert_eq!(section.ratios[0].unit_cost(), None);
    }

    #[test]
    fn reads_of_a_checkpoint_are_a_reach_that_is_missed() {
        assert!(section(&lines("", "", 7)).unwrap().facts.contains("made 7 device reads"));
        assert!(section(&lines("", "", 7)).unwrap().facts.contains("missed"));
    }

    #[test]
    fn an_unknown_or_missing_line_is_an_error() {
        assert!(section("{}").is_err());
        assert!(section("").is_err());
        assert!(section(&lines("bus_read", "", 0)).is_err());
    }
}
