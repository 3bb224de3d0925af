//! Table 8: a long run of all drivers with faults at random times. `tests/tables/src/long.rs` measures, and judges.

use serde::Deserialize;
use serde_json::Value;

use super::{
    Options,
    figures::time,
    section::{Chart, Line, Section, Table},
    tables::{Spread, measured, or_none, read},
};
use crate::steps::Failure;

/// How long, seconds, if nothing else is said.
const QUICK: f64 = 8.0;
const FULL: f64 = 3600.0;

#[derive(Debug, Deserialize)]
struct Long {
    seed: u64,
    duration_s: f64,
    mean_us: u64,
    runs: Vec<Run>,
}

#[derive(Debug, Deserialize)]
struct Run {
    driver: String,
    unit: String,
    pieces: Vec<Piece>,
    faults: u64,
    hangs: u64,
    hang_ns: Option<Spread>,
    rungs: [u64; 3],
    not_recovered: u64,
    units: u64,
    missing: u64,
    wrong: u64,
    availability: f64,
    recovery_ns: Option<Spread>,
    first_tenth_ns: Option<Spread>,
    last_tenth_ns: Option<Spread>,
    verdict: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Piece {
    at_s: f64,
    rss_kib: u64,
    descriptors: u64,
    recovery_ns: Option<Spread>,
}

/// Measures.
pub(super) fn measure(options: &Options) -> Result<Section, Failure> {
    let duration = options.duration.unwrap_or(if options.quick { QUICK } else { FULL }).to_string();
    // a short run has its faults closer together
    let every = if options.quick { "25" } else { "100" };
    let seed = options.seed.to_string();
    section(measured(["long", "--duration", &duration, "--every", every, "--seed", &seed])?)
}

fn section(mut data: Value) -> Result<Section, Failure> {
    let long: Long = read(&data)?;
    let told = |run: &Run| run.verdict.iter().map(|what| format!("{}: {what}", run.driver)).collect::<Vec<_>>();
    data["against"] = long.runs.iter().flat_map(told).collect();
    Ok(Section {
        name: "long",
        title: "Long run",
        paragraphs: paragraphs(&long),
        tables: vec![work(&long.runs), trends(&long.runs)],
        charts: charts(&long.runs),
        seeds: vec![long.seed],
        data,
    })
}

fn work(runs: &[Run]) -> Table {
    let headings = [
        "driver",
        "faults",
        "of them hangs",
        "rolled back",
        "restored",
        "restarted",
        "not recovered",
        "came out right",
        "lost",
        "wrong",
        "availability",
        "verdict",
    ];
    let mut table = Table::new("Faults, and what came out", headings);
    for run in runs {
        table.row([
            run.driver.clone(),
            run.faults.to_string(),
            run.hangs.to_string(),
            run.rungs[0].to_string(),
            run.rungs[1].to_string(),
            run.rungs[2].to_string(),
            run.not_recovered.to_string(),
            format!("{} {}", run.units, run.unit),
            run.missing.to_string(),
            run.wrong.to_string(),
            format!("{:.3} %", 100.0 * run.availability),
            if run.verdict.is_empty() { "good".to_owned() } else { run.verdict.join("; ") },
        ]);
    }
    table
}

fn trends(runs: &[Run]) -> Table {
    let headings = [
        "driver",
        "recovery",
        "longest",
        "first tenth",
        "last tenth",
        "last / first",
        "of a hang",
        "RSS at first, KiB",
        "at the end, KiB",
        "descriptors at first",
        "at the end",
    ];
    let mut table = Table::new(
        "From fault to the end of its recovery: medians, and what a tenth is below and above; memory and descriptors",
        headings,
    );
    for run in runs {
        let of = |piece: Option<&Piece>, what: fn(&Piece) -> u64| or_none(piece, |piece| what(piece).to_string());
        let (first, last) = (run.pieces.first(), run.pieces.last());
        let ratio = run.last_tenth_ns.zip(run.first_tenth_ns).map(|(last, first)| last.median / first.median);
        table.row([
            run.driver.clone(),
            or_none(run.recovery_ns, Spread::time),
            or_none(run.recovery_ns, |spread| time(spread.max)),
            or_none(run.first_tenth_ns, |spread| format!("{} of {}", time(spread.median), spread.count)),
            or_none(run.last_tenth_ns, |spread| format!("{} of {}", time(spread.median), spread.count)),
            or_none(ratio, |ratio| format!("{ratio:.2}")),
            or_none(run.hang_ns, Spread::time),
            of(first, |piece| piece.rss_kib),
            of(last, |piece| piece.rss_kib),
            of(first, |piece| piece.descriptors),
            of(last, |piece| piece.descriptors),
        ]);
    }
    table
}

fn charts(runs: &[Run]) -> Vec<Chart> {
    let lines = |value: fn(&Piece) -> Option<f64>| {
        let points = |run: &Run| run.pieces.iter().filter_map(|piece| Some((piece.at_s, value(piece)?))).collect();
        runs.iter().map(|run| Line { name: run.driver.clone(), points: points(run) }).collect()
    };
    let chart = |title: &str, unit: &str, lines: Vec<Line>| Chart::Lines {
        title: title.to_owned(),
        across: "seconds".to_owned(),
        unit: unit.to_owned(),
        lines,
    };
    vec![
        chart("Resident memory", "MiB", lines(|piece| Some(piece.rss_kib as f64 / 1024.0))),
        chart(
            "From fault to the end of its recovery, median",
            "us",
            lines(|piece| Some(piece.recovery_ns?.median / 1e3)),
        ),
    ]
}

fn paragraphs(long: &Long) -> Vec<String> {
    vec![
        format!(
            "{} of work without a pause, all six drivers at once on their models, each in a process of its own, and each with a fault every \
             {} on average (exponential, seeded): any of six kinds, at the start, middle or end of any entry point of its class. Before that \
             each has recovered 300 times: the 256 reports that it keeps are there. A hang is ended after 5 ms of processor time, which is its own \
             column.",
            time(long.duration_s * 1e9),
            time(long.mean_us as f64 * 1e3)
        ),
        "Frames, samples and movements are numbered or known, and compared: one that is altered, repeated or made up is *wrong*, one that is \
         left out is *lost*. *Availability* is the part of the time in which no recovery was under way, at this rate of faults, by the clock of a \
         machine on which six processes share the processors. The verdict is good if nothing has ended, all was recovered, nothing was wrong, no more \
         is lost than was in the device, something came out in each of the pieces of the run, resident memory of its last fifth is not more than 1 \
         MiB above that of its second, and no descriptor was left open. Time is shown, and not judged."
            .to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn data(verdict: &[&str]) -> Value {
        let spread = json!({ "count": 3, "min": 1e3, "p10": 2e3, "median": 3e4, "p90": 4e4, "max": 5e6 });
        let piece = |at_s: f64| {
            json!({ "at_s": at_s, "rss_kib": 8192, "descriptors": 14, "units": 5, "missing": 0, "wrong": 0, "faults": 1,
            "down_ns": 5, "recovery_ns": spread })
        };
        json!({ "seed": 1, "duration_s": 8.0, "mean_us": 25_000, "runs": [{ "driver": "x", "unit": "frames", "pieces": [piece(1.0), piece(2.0)],
            "faults": 6, "hangs": 0, "hang_ns": null, "rungs": [5, 1, 0], "not_recovered": 0, "not_come": 0, "units": 10, "missing": 0, "wrong": 0,
            "first_wrong": null, "availability": 0.99, "recovery_ns": spread, "first_tenth_ns": spread, "last_tenth_ns": null, "ended": null,
            "verdict": verdict }] })
    }

    #[test]
    fn a_run_is_two_rows_and_two_charts() {
        let section = section(data(&[])).unwrap();
        let cells = &section.tables[0].rows[0];
        assert_eq!((cells[10].as_str(), cells[11].as_str()), ("99.000 %", "good"));
        let cells = &section.tables[1].rows[0];
        assert_eq!((cells[3].as_str(), cells[4].as_str(), cells[5].as_str()), ("30.0 us of 3", "none", "none"));
        assert_eq!(section.charts.len(), 2);
        assert_eq!(section.data["against"], json!([]));
    }

    #[test]
    fn what_the_judge_has_against_a_run_is_told() {
        let section = section(data(&["3 frames were wrong"])).unwrap();
        assert_eq!(section.data["against"], json!(["x: 3 frames were wrong"]));
        assert_eq!(section.tables[0].rows[0][11], "3 frames were wrong");
    }
}
