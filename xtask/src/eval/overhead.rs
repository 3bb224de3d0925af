//! Table 4: what protection costs a stream through the e1000, on the model and in the guest, and what a call costs.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Options, bench,
    figures::{Quartiles, digits},
    section::{Chart, Group, Scale, Section, Table},
};
use crate::{
    bench::{engine, figures, guest_net},
    steps::Failure,
};

/// What is protected, and what it is called.
const MODES: [(&str, &str); 3] = [("none", "native"), ("non-io", "non-I/O protected"), ("all", "all protected")];
/// Frames a second that a link of 1 Gbit/s carries, by their length without FCS: preamble, FCS and gap are 24 bytes.
const GIGABIT: f64 = 1e9 / 8.0;
const AROUND: f64 = 24.0;
/// Figures of the engine that are costs of a call.
const CALLS: [&str; 9] = [
    "plain_call",
    "transaction_without_state",
    "protected_call_256",
    "protected_call_4096",
    "protected_call_16384",
    "upcall",
    "wrpkru_pair",
    "stack_switch",
    "memcpy_4096",
];

/// A line of the benchmark program.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(untagged)]
enum Line {
    /// Nanoseconds a frame, one sample a round.
    Stream { way: String, bytes: u32, mode: String, nanoseconds: Vec<f64> },
    /// How it ran.
    Run { isolation: String, rounds: u64, batch: u64 },
}

/// Measures.
pub(super) fn measure(options: &Options) -> Result<Section, Failure> {
    let lines: Vec<Line> = bench::lines("--overhead", options.quick)?;
    let engine = engine::measure(options.quick)?;
    let guest = if options.guest { Some(guest_net::measured("e1000", false)?) } else { None };
    section(&lines, &engine, guest)
}

fn section(lines: &[Line], engine: &figures::Section, guest: Option<Value>) -> Result<Section, Failure> {
    let Some(Line::Run { isolation, rounds, batch }) = lines.first() else {
        return Err(Failure::Output("the benchmark of overhead did not say how it ran".to_owned()));
    };
    let (stream, chart) = stream(lines)?;
    let mut tables = vec![stream, calls(engine)];
    let mut paragraphs = vec![
        format!(
            "On the model: {isolation}; driver, framework and model on one processor, which they use as a whole, the wire in memory; {rounds} \
             rounds in which the three take turns, {batch} frames at once at most. *Non-I/O protected* leaves `transmit`, `interrupt` and \
             `poll` plain calls, and protects all others. CPU is what a stream at the speed of the link (1 Gbit/s) would take of one \
             processor: the time of a frame times the frames. The model's own work is in all three, so the difference is what counts. Medians, quartiles in \
             brackets; over native round by round."
        ),
        format!("A call: the engine alone, without a device; {}.", engine.facts),
    ];
    match &guest {
        Some(guest) => tables.push(in_guest(guest)?),
        None => paragraphs
            .push("Not measured in this run: the same stream in a guest, over TCP; the full run has it.".to_owned()),
    }
    let data = json!({ "lines": lines, "engine": figures::json(std::slice::from_ref(engine), false), "guest": guest });
    let charts = vec![chart];
    Ok(Section { name: "overhead", title: "Overhead", paragraphs, tables, charts, seeds: Vec::new(), data })
}

fn stream(lines: &[Line]) -> Result<(Table, Chart), Failure> {
    let headings = ["stream", "protected", "a frame", "frames/s", "Mbit/s", "CPU at 1 Gbit/s", "over native"];
    let mut table = Table::new("A stream through the e1000 on its model", headings);
    let mut groups: Vec<Group> = Vec::new();
    let samples = |way: &str, bytes: u32, mode: &str| {
        lines.iter().find_map(|line| match line {
            Line::Stream { way: w, bytes: b, mode: m, nanoseconds } if w == way && *b == bytes && m == mode => {
                Some(nanoseconds)
            }
            _ => None,
        })
    };
    for bytes in [1514, 60] {
        for (way, name) in [("down", "host to wire"), ("up", "wire to host")] {
            let absent = || Failure::Output(format!("the benchmark of overhead has no stream {way} of {bytes} bytes"));
            let native = samples(way, bytes, "none").ok_or_else(absent)?;
            let mut group = Group { name: format!("{name}, {bytes} B"), values: Vec::new() };
            for (mode, title) in MODES {
                let own = samples(way, bytes, mode).ok_or_else(absent)?;
                let frame = Quartiles::of(own);
                let rate = 1e9 / frame.median;
                let share = GIGABIT / (f64::from(bytes) + AROUND) / rate;
                let over: Vec<f64> = own.iter().zip(native).map(|(own, native)| own / native).collect();
                let Quartiles { median, lower, upper } = Quartiles::of(&over);
                table.row([
                    format!("{name}, {bytes} B"),
                    title.to_owned(),
                    frame.time(),
                    format!("{rate:.0}"),
                    format!("{:.0}", rate * f64::from(bytes) * 8.0 / 1e6),
                    format!("{:.1} %", share * 100.0),
                    format!("{median:.3} ({lower:.3} to {upper:.3})"),
                ]);
                group.values.push(Some(frame.median));
            }
            groups.push(group);
        }
    }
    let series = MODES.map(|(_, title)| title.to_owned()).to_vec();
    let (title, unit) = ("A frame through the e1000 on its model".to_owned(), "nanoseconds".to_owned());
    Ok((table, Chart::Bars { title, unit, scale: Scale::Linear, series, groups }))
}

fn calls(engine: &figures::Section) -> Table {
    let mut table = Table::new("A call, and its parts", ["what", "takes"]);
    for name in CALLS {
        let Some(figure) = engine.figures.iter().find(|figure| figure.name == name) else { continue };
        let takes = match &figure.value {
            figures::Value::Samples(samples) => Quartiles::of(samples).time(),
            figures::Value::Absent(why) => format!("not to be had: {why}"),
        };
        table.row([figure.label.to_owned(), takes]);
    }
    table
}

/// What `bench guest-net` has of the card.
fn in_guest(guest: &Value) -> Result<Table, Failure> {
    let headings = ["what", "Linux's own driver", "native", "non-I/O protected", "all protected", "all over native"];
    let caption = "The same card in a guest, TCP and short frames: an emulated machine, where protection keys are far dearer than on a real one";
    let mut table = Table::new(caption, headings);
    let measures = guest["measures"].as_object().into_iter().flatten();
    for (name, measure) in measures {
        let of = |row: &str| measure[row]["median"].as_f64();
        let [linux, none, non_io, all] = ["linux", "none", "non-io", "all"].map(of);
        let text = |value: Option<f64>| value.map_or("?".to_owned(), digits);
        let over = all.zip(none).map(|(all, none)| all / none);
        table.row([guest_net::label(name).to_owned(), text(linux), text(none), text(non_io), text(all), text(over)]);
    }
    if table.rows.is_empty() {
        return Err(Failure::Output("the guest has no figures".to_owned()));
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_that_was_not_measured_is_an_error() {
        let line = |mode: &str, nanoseconds: f64, way: &str, bytes| Line::Stream {
            way: way.to_owned(),
            bytes,
            mode: mode.to_owned(),
            nanoseconds: vec![nanoseconds; 3],
        };
        let mut lines = Vec::new();
        for (way, bytes) in [("down", 1514), ("up", 1514), ("down", 60), ("up", 60)] {
            lines.extend([
                line("none", 1000.0, way, bytes),
                line("non-io", 1000.0, way, bytes),
                line("all", 1250.0, way, bytes),
            ]);
        }
        let (table, _) = stream(&lines).unwrap();
        assert_eq!(table.rows.len(), 12);
        // a million frames of 1514 bytes a second; 81,274 of them fill the link
        assert_eq!(table.rows[0][3..6], ["1000000", "12112", "8.1 %"]);
        assert!(table.rows[2][6].starts_with("1.250"));
        lines.pop();
        assert!(stream(&lines).is_err());
    }

    #[test]
    fn the_guest_has_a_row_for_each_measure() {
        let row = |median: f64| json!({ "median": median });
        let measure = json!({ "linux": row(900.0), "none": row(800.0), "non-io": row(700.0), "all": row(400.0) });
        let table = in_guest(&json!({ "measures": { "up_mbit_s": measure } })).unwrap();
        assert_eq!(table.rows, [["TCP up, Mbit/s", "900", "800", "700", "400", "0.50"]]);
        assert!(in_guest(&json!({})).is_err());
    }
}
