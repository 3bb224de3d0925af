//! The section of sound: `tests/device/benches/device/sound.rs` measures, here is what its figures are called and held against.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::figures::{self, Held, Section, Spread, Value};
use crate::{
    cargo::{cargo, output_of},
    steps::Failure,
};

/// The groups of the table, and in each the names of figures and what they are.
const GROUPS: [(&str, &[(&str, &str)]); 6] = [
    (
        "one call, ES1371 on its model: a register read takes 0.8 us, a write 0.1 us",
        &[
            ("sound_pointer_protected", "pointer, protected"),
            ("sound_pointer_unprotected", "pointer, unprotected"),
            ("sound_interrupt_protected", "interrupt without a cause, protected"),
            ("sound_interrupt_unprotected", "interrupt without a cause, unprotected"),
            ("sound_checkpoint", "image: what it adds to get_control"),
        ],
    ),
    (
        "48 kHz stereo in periods of 10 ms",
        &[
            ("sound_period_protected", "interrupt, pointer, refill, protected"),
            ("sound_period_unprotected", "interrupt, pointer, refill, unprotected"),
            ("sound_waking_protected", "the same after 10 ms of sleep, protected"),
            ("sound_waking_unprotected", "the same after 10 ms of sleep, unprotected"),
            ("sound_second_protected", "a second of it, protected"),
            ("sound_second_unprotected", "a second of it, unprotected"),
            ("sound_second_model", "beside it, the model moves the samples"),
        ],
    ),
    (
        "the same by the clock: processor time of udrvd's thread in a second, with what of the model runs on it",
        &[("sound_real_protected", "protected"), ("sound_real_unprotected", "unprotected")],
    ),
    (
        "null write in the middle of an entry point, to the error (medians)",
        &[
            ("sound_error_pointer", "pointer"),
            ("sound_error_interrupt", "interrupt"),
            ("sound_error_trigger", "trigger"),
            ("sound_error_open", "open"),
            ("sound_error_close", "close"),
            ("sound_error_hw_params", "hw_params"),
            ("sound_error_prepare", "prepare"),
            ("sound_error_get_control", "get_control"),
            ("sound_error_set_control", "set_control"),
            ("sound_error_probe", "probe"),
            ("sound_error_quiesce", "quiesce"),
            ("sound_error_restore", "restore"),
        ],
    ),
    (
        "the same to the next good pointer: with the call, made again, and what belongs to it",
        &[
            ("sound_moves_pointer", "pointer"),
            ("sound_moves_interrupt", "interrupt"),
            ("sound_moves_trigger", "trigger"),
            ("sound_moves_open", "open"),
            ("sound_moves_close", "close"),
            ("sound_moves_hw_params", "hw_params"),
            ("sound_moves_prepare", "prepare"),
            ("sound_moves_get_control", "get_control"),
            ("sound_moves_set_control", "set_control"),
            ("sound_moves_probe", "probe: chip and codec set up again"),
            ("sound_moves_quiesce", "quiesce: the stream begun again"),
            ("sound_moves_restore", "restore"),
        ],
    ),
    (
        "beside it",
        &[
            ("sound_allowed_pointer", "what recovery may take"),
            ("sound_allowed_probe", "the same with the codec's time, 42 us each: probe"),
            ("sound_restart", "pointer: to error, by restart"),
            ("sound_restore_all", "restore of chip and codec, all of it"),
        ],
    ),
];

/// A figure, the parts that it is held against, and how far above their sum it may be. Infinity: that is only told.
const RATIOS: [Held; 20] = [
    ("sound_error_pointer", &["sound_allowed_pointer"], 1.0),
    ("sound_error_interrupt", &["sound_allowed_interrupt"], 1.0),
    ("sound_error_trigger", &["sound_allowed_trigger"], 1.0),
    ("sound_error_open", &["sound_allowed_open"], 1.0),
    ("sound_error_close", &["sound_allowed_close"], 1.0),
    ("sound_error_hw_params", &["sound_allowed_hw_params"], 1.0),
    ("sound_error_prepare", &["sound_allowed_prepare"], 1.0),
    ("sound_error_get_control", &["sound_allowed_get_control"], 1.0),
    ("sound_error_set_control", &["sound_allowed_set_control"], 1.0),
    ("sound_error_probe", &["sound_allowed_probe"], 1.0),
    ("sound_error_quiesce", &["sound_allowed_quiesce"], 1.0),
    ("sound_error_restore", &["sound_allowed_restore"], 1.0),
    ("sound_moves_pointer", &["sound_allowed_pointer"], 1.0),
    ("sound_moves_interrupt", &["sound_allowed_interrupt"], 1.0),
    // all that udrvd's thread does, and of that driver, framework and bus alone
    ("sound_real_protected", &["sound_real_unprotected"], 1.02),
    ("sound_second_protected", &["sound_second_unprotected"], f64::INFINITY),
    ("sound_waking_protected", &["sound_waking_unprotected"], f64::INFINITY),
    ("sound_pointer_protected", &["sound_pointer_unprotected"], f64::INFINITY),
    ("sound_interrupt_protected", &["sound_interrupt_unprotected"], f64::INFINITY),
    ("sound_restart", &["sound_error_pointer"], f64::INFINITY),
];

/// Runs the benchmark program and puts its figures in order.
pub(super) fn measure(quick: bool) -> Result<Section, Failure> {
    let mut command = cargo(["bench", "--package", "udrv-tests", "--bench", "device", "--quiet", "--", "--sound"]);
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
    Run(Run),
}

#[derive(Deserialize)]
struct Run {
    isolation: String,
    rounds: u32,
    checkpoint_accesses: i64,
    periods: u64,
    /// Of recovery, by entry point.
    accesses: BTreeMap<String, u64>,
    codec: BTreeMap<String, u64>,
    restart_accesses: u64,
    real_seconds: u64,
    xruns: u64,
}

fn section(lines: &str) -> Result<Section, Failure> {
    let (mut run, mut values) = (None, BTreeMap::new());
    for line in lines.lines().filter(|line| !line.trim().is_empty()) {
        match serde_json::from_str(line) {
            Ok(Line::Measure { name, samples }) if !samples.is_empty() => {
                values.insert(name, Value::Samples(samples));
            }
            Ok(Line::Run(told)) => run = Some(told),
            _ => return Err(Failure::Output(format!("the benchmark of sound wrote: {line}"))),
        }
    }
    let facts = run.map_or(String::new(), |run| facts(&run, &values));
    let ratios = figures::ratios(&RATIOS, &values);
    Section::new("sound", facts, &GROUPS, ratios, values)
}

fn facts(run: &Run, values: &BTreeMap<String, Value>) -> String {
    let verdict = |wrong: bool| if wrong { "missed" } else { "met" };
    let counts = |counts: &BTreeMap<String, u64>| {
        let some = counts.iter().filter(|(_, count)| **count > 0);
        some.map(|(entry, count)| format!("{entry} {count}")).collect::<Vec<_>>().join(", ")
    };
    let median = |name: &str| match values.get(name) {
        Some(Value::Samples(samples)) => Spread::of(samples).median,
        _ => 0.0,
    };
    let more = median("sound_second_protected") - median("sound_second_unprotected");
    format!(
        "isolation: {}; {} rounds; checkpoints made {} register accesses in {} periods; reach 0: {}; {} underruns in {} s by the clock; \
         reach 0: {}; protection adds {:.4} % of a processor; register accesses of recovery: {}, others none; by restart {}; \
         of the codec among them: {}, others none",
        run.isolation,
        run.rounds,
        run.checkpoint_accesses,
        run.periods,
        verdict(run.checkpoint_accesses != 0),
        run.xruns,
        run.real_seconds,
        verdict(run.xruns != 0),
        more / 1e7,
        counts(&run.accesses),
        run.restart_accesses,
        counts(&run.codec),
    )
}

#[cfg(test)]
mod tests {
    use super::{figures::Ratio, *};

    /// What the program writes: every measure `2.0` in three rounds.
    fn lines(accesses: i64, xruns: u64) -> String {
        let shown = GROUPS.iter().flat_map(|(_, rows)| rows.iter()).map(|(name, _)| *name);
        let held = RATIOS.iter().flat_map(|(_, parts, _)| parts.iter().copied());
        let names: std::collections::BTreeSet<&str> = shown.chain(held).collect();
        let run = format!(
            r#"{{"isolation":"x","rounds":3,"checkpoint_accesses":{accesses},"periods":1000,"accesses":{{"pointer":0,"restore":16}},"codec":{{"restore":2}},"restart_accesses":664,"real_seconds":4,"xruns":{xruns},"cycles_in_ns":2.5}}"#
        );
        let measure = |name: &str| format!(r#"{{"name":"{name}","samples":[2.0,2.0,2.0]}}"#);
        [run].into_iter().chain(names.into_iter().map(measure)).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_run_gives_figures_and_verdicts() {
        let section = section(&lines(0, 0)).unwrap();
        assert_eq!((section.figures.len(), section.ratios.len()), (42, RATIOS.len()));
        assert!(section.ratios.iter().all(Ratio::is_met));
        for part in
            ["0 register accesses in 1000 periods; reach 0: met", "0 underruns", "restore 16, others", "restart 664"]
        {
            assert!(section.facts.contains(part), "{part} in {}", section.facts);
        }
        assert!(!section.facts.contains("missed") && !section.facts.contains("pointer"));
    }

    #[test]
    fn accesses_of_a_checkpoint_and_underruns_are_reaches_that_are_missed() {
        assert!(section(&lines(1, 0)).unwrap().facts.contains("1 register accesses in 1000 periods; reach 0: missed"));
        assert!(section(&lines(0, 3)).unwrap().facts.contains("3 underruns in 4 s by the clock; reach 0: missed"));
    }

    #[test]
    fn an_unknown_or_missing_line_is_an_error() {
        assert!(section("{}").is_err() && section("").is_err());
        assert!(section(&lines(0, 0).replace("\"sound_restart\"", "\"sound_nothing\"")).is_err());
    }
}
