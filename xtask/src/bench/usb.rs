//! The section of USB: `tests/device/benches/device/usb.rs` measures, here is what its figures are called and held against.

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
        "a batch of 8 frames of 1514 bytes, Pegasus on its model",
        &[
            ("usb_down_protected", "host to wire, protected"),
            ("usb_down_unprotected", "host to wire, unprotected"),
            ("usb_up_protected", "wire to host, protected"),
            ("usb_up_unprotected", "wire to host, unprotected"),
            ("usb_paced_protected", "both, on a bus of 12 Mbit/s, protected"),
            ("usb_paced_unprotected", "both, on a bus of 12 Mbit/s, unprotected"),
        ],
    ),
    (
        "null write in the middle of an entry point, a control transfer takes 125 us (medians)",
        &[
            ("usb_error_transmit", "transmit: to error"),
            ("usb_frame_transmit", "transmit: to next good frame"),
            ("usb_error_interrupt", "interrupt: to error"),
            ("usb_frame_interrupt", "interrupt: to next good frame"),
            ("usb_error_poll", "poll: to error"),
            ("usb_frame_poll", "poll: to next good frame"),
            ("usb_error_get_stats", "get_stats: to error"),
            ("usb_frame_get_stats", "get_stats: to next good frame"),
            ("usb_error_set_rx_mode", "set_rx_mode: to error"),
            ("usb_frame_set_rx_mode", "set_rx_mode: to next good frame"),
            ("usb_error_link", "link: to error"),
            ("usb_frame_link", "link: to next good frame"),
        ],
    ),
    (
        "beside it",
        &[
            ("usb_allowed", "what recovery may take"),
            ("usb_restart", "transmit: to error, by restart"),
            ("usb_control", "a call of link, which talks to the PHY"),
        ],
    ),
];

/// A figure, the parts that it is held against, and how far above their sum it may be. Infinity: that is only told.
const RATIOS: [Held; 8] = [
    ("usb_frame_transmit", &["usb_allowed"], 1.0),
    ("usb_frame_interrupt", &["usb_allowed"], 1.0),
    ("usb_frame_poll", &["usb_allowed"], 1.0),
    ("usb_frame_get_stats", &["usb_allowed"], 1.0),
    ("usb_paced_protected", &["usb_paced_unprotected"], 1.01),
    ("usb_down_protected", &["usb_down_unprotected"], f64::INFINITY),
    ("usb_up_protected", &["usb_up_unprotected"], f64::INFINITY),
    ("usb_restart", &["usb_error_transmit"], f64::INFINITY),
];

/// Runs the benchmark program and puts its figures in order.
pub(super) fn measure(quick: bool) -> Result<Section, Failure> {
    let mut command = cargo(["bench", "--package", "udrv-tests", "--bench", "device", "--quiet", "--", "--usb"]);
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
    Run { isolation: String, rounds: u32, checkpoint_transfers: i64, frames: u64, transfers: BTreeMap<String, u64> },
}

fn section(lines: &str) -> Result<Section, Failure> {
    let (mut facts, mut values) = (String::new(), BTreeMap::new());
    for line in lines.lines().filter(|line| !line.trim().is_empty()) {
        match serde_json::from_str(line) {
            Ok(Line::Measure { name, samples }) if !samples.is_empty() => {
                values.insert(name, Value::Samples(samples));
            }
            Ok(Line::Run { isolation, rounds, checkpoint_transfers, frames, transfers }) => {
                let verdict = if checkpoint_transfers == 0 { "met" } else { "missed" };
                let recovery: Vec<String> = transfers.iter().map(|(entry, count)| format!("{entry} {count}")).collect();
                facts = format!(
                    "isolation: {isolation}; {rounds} rounds; checkpoints made {checkpoint_transfers} control transfers in {frames} \
                     frames; reach 0: {verdict}; control transfers of recovery: {}",
                    recovery.join(", ")
                );
            }
            _ => return Err(Failure::Output(format!("the benchmark of USB wrote: {line}"))),
        }
    }
    let ratios = figures::ratios(&RATIOS, &values);
    Section::new("usb", facts, &GROUPS, ratios, values)
}

#[cfg(test)]
mod tests {
    use super::{figures::Ratio, *};

    /// What the program writes: every measure `2.0` in three rounds.
    fn lines(transfers: i64) -> String {
        let names = GROUPS.iter().flat_map(|(_, rows)| rows.iter()).map(|(name, _)| *name);
        let run = format!(
            r#"{{"isolation":"x","rounds":3,"checkpoint_transfers":{transfers},"frames":2000,"transfers":{{"poll":1}},"cycles_in_ns":2.5}}"#
        );
        let measure = |name: &str| format!(r#"{{"name":"{name}","samples":[2.0,2.0,2.0]}}"#);
        [run].into_iter().chain(names.map(measure)).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_run_gives_figures_and_verdicts() {
        let section = section(&lines(0)).unwrap();
        assert_eq!((section.figures.len(), section.ratios.len()), (21, RATIOS.len()));
        assert!(section.facts.contains("reach 0: met; control transfers of recovery: poll 1"), "{}", section.facts);
        assert!(section.ratios.iter().all(Ratio::is_met));
    }

    #[test]
    fn transfers_of_a_checkpoint_are_a_reach_that_is_missed() {
        assert!(
            super::section(&lines(1))
                .unwrap()
                .facts
                .contains("made 1 control transfers in 2000 frames; reach 0: missed")
        );
    }

    #[test]
    fn an_unknown_or_missing_line_is_an_error() {
        assert!(section("{}").is_err() && section("").is_err());
        assert!(section(&lines(0).replace("usb_control", "usb_nothing")).is_err());
    }
}
