//! `cargo xtask bench net`: every driver on the model of its chip, the wire in memory. `tests/device/benches/device/net.rs`
//! measures, this is the table.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Args, figures::Spread};
use crate::{
    cargo::{cargo, output_of},
    steps::Failure,
};

/// A line of the benchmark program. Times are nanoseconds, one sample a round.
#[derive(Debug, Deserialize, Serialize)]
#[serde(untagged)]
enum Line {
    /// What a frame costs.
    Frames { card: String, way: String, bytes: u64, batch: u64, protected: Vec<f64>, unprotected: Vec<f64> },
    /// What a keeper costs: a frame down.
    Kept { card: String, batch: u64, kept: Vec<f64>, alone: Vec<f64> },
    /// What a fault costs.
    Faults { card: String, entry: String, to_error: Vec<f64>, to_frame: Vec<f64> },
    /// A stream with a crash a second, beside one without: frames a second.
    Crashes { card: String, crashing: String, crashes: u64, lost: u64, with: f64, without: f64 },
    /// How it ran.
    Run { isolation: String, rounds: u32, cycles_in_ns: f64 },
}

/// What a crash a second must leave of a stream.
const CRASHING: f64 = 0.99;

/// Measures and prints.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let mut command = cargo(["bench", "--package", "udrv-tests", "--bench", "device", "--quiet", "--", "--net"]);
    if args.quick {
        command.arg("--quick");
    }
    let lines = parsed(&output_of(&mut command)?)?;
    if args.json {
        println!("{}", json!({ "quick": args.quick, "net": lines }));
    } else {
        print!("{}", text(&lines));
    }
    Ok(())
}

fn parsed(output: &str) -> Result<Vec<Line>, Failure> {
    let lines = output.lines().filter(|line| !line.trim().is_empty());
    let lines: Result<Vec<Line>, Failure> = lines
        .map(|line| {
            serde_json::from_str(line)
                .map_err(|_| Failure::Output(format!("the benchmark of the drivers wrote: {line}")))
        })
        .collect();
    let lines = lines?;
    let samples = |line: &Line| match line {
        Line::Frames { protected, unprotected, .. } => protected.len().min(unprotected.len()),
        Line::Faults { to_error, to_frame, .. } => to_error.len().min(to_frame.len()),
        Line::Kept { kept, alone, .. } => kept.len().min(alone.len()),
        Line::Run { .. } => 1,
        Line::Crashes { crashes, .. } => *crashes as usize,
    };
    if !matches!(lines.first(), Some(Line::Run { .. })) || lines.iter().any(|line| samples(line) == 0) {
        return Err(Failure::Output(
            "the benchmark of the drivers did not say how it ran, or what it measured".to_owned(),
        ));
    }
    Ok(lines)
}

/// The table: medians of the rounds.
fn text(lines: &[Line]) -> String {
    let (mut out, mut cycles) = (String::new(), 0.0);
    for line in lines {
        if let Line::Run { isolation, rounds, cycles_in_ns } = line {
            cycles = *cycles_in_ns;
            out += &format!(
                "net\nisolation: {isolation}; {rounds} rounds; {cycles:.2} cycles a nanosecond; driver and model on one \
                 processor, the wire in memory\nbytes: without FCS\n\n{:<10}{:<14}{:>6}{:>7}{:>16}{:>10}{:>16}{:>10}{:>8}\n",
                "card", "way", "bytes", "batch", "protected pps", "cycles", "unprotected pps", "cycles", "ratio"
            );
        }
    }
    let median = |samples: &[f64]| Spread::of(samples).median;
    for line in lines {
        if let Line::Frames { card, way, bytes, batch, protected, unprotected } = line {
            let (with, without) = (median(protected), median(unprotected));
            let way = self::way(way);
            out += &format!(
                "{card:<10}{way:<14}{bytes:>6}{batch:>7}{:>16.0}{:>10.0}{:>16.0}{:>10.0}{:>8.2}\n",
                1e9 / with,
                with * cycles,
                1e9 / without,
                without * cycles,
                with / without
            );
        }
    }
    out += &format!(
        "\n{:<10}{:>6}{:>7}{:>20}{:>12}{:>14}\n",
        "card", "bytes", "batch", "kept by another ns", "alone ns", "a batch ns"
    );
    for line in lines {
        if let Line::Kept { card, batch, kept, alone } = line {
            let (with, without) = (median(kept), median(alone));
            let of_batch = (with - without) * *batch as f64;
            out += &format!("{card:<10}{:>6}{batch:>7}{with:>20.0}{without:>12.0}{of_batch:>14.0}\n", 60);
        }
    }
    out += &format!("\n{:<10}{:<24}{:>12}{:>24}\n", "card", "null write in", "to error us", "to next good frame us");
    for line in lines {
        if let Line::Faults { card, entry, to_error, to_frame } = line {
            let (error, frame) = (median(to_error) / 1e3, median(to_frame) / 1e3);
            out += &format!("{card:<10}{entry:<24}{error:>12.1}{frame:>24.1}\n");
        }
    }
    out += &format!(
        "\n{:<10}{:<16}{:>8}{:>7}{:>16}{:>14}{:>8}\n",
        "card", "a crash a second", "crashes", "lost", "pps with", "without", "ratio"
    );
    for line in lines {
        if let Line::Crashes { card, crashing, crashes, lost, with, without } = line {
            let ratio = with / without;
            let verdict = if ratio >= CRASHING { "met" } else { "missed" };
            out += &format!(
                "{card:<10}{:<16}{crashes:>8}{lost:>7}{with:>16.0}{without:>14.0}{ratio:>8.3}  reach {CRASHING}: {verdict}\n",
                way(crashing)
            );
        }
    }
    out
}

fn way(name: &str) -> &'static str {
    if name == "down" { "host to wire" } else { "wire to host" }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = r#"{"isolation":"rollback-only","rounds":3,"cycles_in_ns":2.5}
{"card":"x","way":"up","bytes":60,"batch":8,"protected":[900,1000,1100],"unprotected":[500,500,500]}
{"card":"x","entry":"poll","to_error":[2000],"to_frame":[3000]}
{"card":"x","crashing":"down","crashes":3,"lost":1,"with":98000,"without":100000}
"#;

    #[test]
    fn rates_cycles_and_times_are_in_the_table() {
        let text = text(&parsed(LINES).unwrap());
        for part in ["rollback-only", "1000000", "2500", "2000000", "1250", "2.00", "poll", "3.0", "0.980", "missed"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        assert!(parsed("").is_err());
        assert!(parsed("{}").is_err());
        assert!(parsed(&LINES.replace("[2000]", "[]")).is_err());
        assert!(parsed(LINES.split_once('\n').unwrap().1).is_err());
    }
}
