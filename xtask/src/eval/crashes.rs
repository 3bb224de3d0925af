//! Table 5: what is left of a stream whose driver crashes again and again. `tests/device/benches/device/crashes.rs` measures.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Options, bench,
    section::{Chart, Group, Scale, Section, Table},
};
use crate::steps::Failure;

/// A line of the benchmark program; rates are frames a second.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(untagged)]
enum Line {
    Crashes(Crashes),
    Run { isolation: String },
}

#[derive(Debug, Clone, Deserialize, Serialize)]
struct Crashes {
    card: String,
    way: String,
    kind: String,
    interval_ms: u32,
    crashes: u64,
    lost: u64,
    with: f64,
    without: f64,
    restores: u64,
    restarts: u64,
    others: u64,
}

/// Measures.
pub(super) fn measure(options: &Options) -> Result<Section, Failure> {
    section(&bench::lines("--crashes", options.quick)?, options.quick)
}

fn section(lines: &[Line], quick: bool) -> Result<Section, Failure> {
    let isolation =
        lines.iter().find_map(|line| if let Line::Run { isolation } = line { Some(isolation) } else { None });
    let all: Vec<&Crashes> =
        lines.iter().filter_map(|line| if let Line::Crashes(one) = line { Some(one) } else { None }).collect();
    let (Some(isolation), false) = (isolation, all.is_empty()) else {
        return Err(Failure::Output("the benchmark of crashes did not say how it ran, or measured none".to_owned()));
    };
    let headings = [
        "card",
        "stream",
        "crashes of",
        "one every",
        "crashes",
        "frames lost",
        "frames/s with",
        "frames/s without",
        "left",
        "rungs",
        "other faults",
    ];
    let mut table = Table::new("Frames of 1514 bytes, with crashes and without", headings);
    for one in &all {
        table.row([
            one.card.clone(),
            if one.way == "down" { "host to wire" } else { "wire to host" }.to_owned(),
            one.kind.clone(),
            format!("{} ms", one.interval_ms),
            one.crashes.to_string(),
            one.lost.to_string(),
            format!("{:.0}", one.with),
            format!("{:.0}", one.without),
            format!("{:.1} %", 100.0 * one.with / one.without),
            format!(
                "{} rolled back, {} restored, {} restarted",
                one.crashes - one.restores - one.restarts,
                one.restores,
                one.restarts
            ),
            one.others.to_string(),
        ]);
    }
    let mut paragraphs = vec![
        format!(
            "Two devices of a kind take turns of {} ms at most, and one of them crashes at the given interval of its own processor time; {isolation}. \
             Each frame has a number and is judged: none may be damaged or come twice, and those that do not come are counted. *Six kinds* are \
             a null write, an endless loop (which is ended after 5 ms of processor time, and is most of what they cost), a panic, a stack overflow, a \
             division by zero and a wild write, in turn; a *null write* stops at once. The quarantine is off, for with it an entry point that faults so \
             often is replaced by its second version: what is measured is recovery. *Other faults* are calls that overran their 5 ms because the machine took the processor away. The rate is of driver, framework and model on one \
             processor, far above what the link would carry, so a crash costs more frames here than it would on one.",
            20
        ),
        "Beside it RedLeaf (Narayanan et al., \"RedLeaf: Isolation and Communication in a Safe Operating System\", OSDI 2020), which lets the \
         driver of a block device in memory crash once a second while a file system reads and writes. Its figures are not quoted: only its \
         abstract could be read when this was written, and a number that was not read is not repeated."
            .to_owned(),
    ];
    if quick {
        paragraphs.push(
            "Not measured in this run: the other two cards, and frames from the wire to the host; the full run has them.".to_owned(),
        );
    }
    let charts = vec![chart(&all)];
    Ok(Section {
        name: "crashes",
        title: "Crash loop",
        paragraphs,
        tables: vec![table],
        charts,
        seeds: Vec::new(),
        data: json!({ "lines": lines }),
    })
}

/// What is left, by interval; a group for each card and way.
fn chart(all: &[&Crashes]) -> Chart {
    let intervals = [1000, 100, 10];
    let mut groups: Vec<Group> = Vec::new();
    for one in all {
        let name = format!("{} {}, {}", one.card, one.way, one.kind);
        if !groups.iter().any(|group| group.name == name) {
            groups.push(Group { name: name.clone(), values: vec![None; intervals.len()] });
        }
        let nth = intervals.iter().position(|interval| *interval == one.interval_ms);
        if let (Some(nth), Some(group)) = (nth, groups.iter_mut().find(|group| group.name == name)) {
            group.values[nth] = Some(100.0 * one.with / one.without);
        }
    }
    Chart::Bars {
        title: "What is left of the clean rate".to_owned(),
        unit: "percent".to_owned(),
        scale: Scale::Linear,
        series: intervals.map(|interval| format!("a crash every {interval} ms")).to_vec(),
        groups,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_and_nothing_is_an_error() {
        let text = r#"{"card":"x","way":"up","kind":"null write","interval_ms":10,"crashes":5,"lost":1,"with":90.0,"without":100.0,
            "restores":2,"restarts":1,"others":0}"#;
        let lines = [Line::Run { isolation: "here".to_owned() }, serde_json::from_str(text).unwrap()];
        let section = section(&lines, true).unwrap();
        let row = section.tables[0].rows[0].join(" ");
        assert!(row.contains("90.0 %") && row.contains("2 rolled back, 2 restored, 1 restarted"), "{row}");
        assert!(super::section(&lines[..1], true).is_err() && super::section(&lines[1..], true).is_err());
    }
}
