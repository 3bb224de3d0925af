//! The table of devices: a line each. What does not fit is left out, the least important first.

use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use udrv::report::Rung;
use udrv::run::ClassStatus;

use super::format::{bytes, count, time, times, while_of};
use super::{BOLD, DIM, toned};
use crate::top::model::Device;
use crate::top::rates::Flow;
use crate::top::summary::{Summary, Tone};

/// Between columns.
const GAP: usize = 2;
/// A fault is new for so long, nanoseconds.
const NEW: u64 = 10_000_000_000;

struct Column {
    title: &'static str,
    /// Wide enough for what comes usually, so that nothing moves when a number grows.
    least: usize,
    right: bool,
    /// Of two the one with the higher number is left out first.
    leave_out: u8,
    cell: fn(&Device, &Summary) -> (String, Style),
}

/// In the order in which they stand.
const COLUMNS: [Column; 13] = [
    Column { title: "device", least: 12, right: false, leave_out: 0, cell: name },
    Column { title: "driver", least: 7, right: false, leave_out: 9, cell: driver },
    Column { title: "state", least: 13, right: false, leave_out: 1, cell: state },
    Column { title: "in", least: 16, right: true, leave_out: 2, cell: incoming },
    Column { title: "out", least: 16, right: true, leave_out: 3, cell: outgoing },
    Column { title: "lost", least: 4, right: true, leave_out: 8, cell: lost },
    Column { title: "faults", least: 6, right: true, leave_out: 4, cell: faults },
    Column { title: "by rung", least: 7, right: true, leave_out: 7, cell: rungs },
    Column { title: "last fault", least: 14, right: false, leave_out: 5, cell: last_fault },
    Column { title: "median", least: 7, right: true, leave_out: 6, cell: |_, s| duration(s.recovery_median) },
    Column { title: "worst", least: 7, right: true, leave_out: 10, cell: |_, s| duration(s.recovery_worst) },
    Column { title: "save", least: 6, right: true, leave_out: 12, cell: checkpoint },
    Column { title: "up", least: 6, right: true, leave_out: 11, cell: uptime },
];

/// Heading and lines; `selected` is marked.
pub(super) fn table(rows: &[(&Device, Summary)], selected: Option<usize>, width: usize) -> Vec<Line<'static>> {
    let cells: Vec<[(String, Style); COLUMNS.len()]> =
        rows.iter().map(|(device, summary)| std::array::from_fn(|c| (COLUMNS[c].cell)(device, summary))).collect();
    let wide = |text: &str| Span::raw(text.to_owned()).width();
    let widths: [usize; COLUMNS.len()] = std::array::from_fn(|c| {
        let all = cells.iter().map(|row| wide(&row[c].0));
        all.max().unwrap_or(0).max(COLUMNS[c].least).max(COLUMNS[c].title.len())
    });
    let kept = kept(&widths, width);
    let line = |row: &[(String, Style)]| {
        let mut spans = Vec::new();
        for (nth, &c) in kept.iter().enumerate() {
            let (text, style) = &row[c];
            let blank = " ".repeat(widths[c].saturating_sub(wide(text)));
            let last = nth + 1 == kept.len();
            let gap = if last { String::new() } else { " ".repeat(GAP) };
            if COLUMNS[c].right {
                spans.extend([Span::raw(blank), Span::styled(text.clone(), *style), Span::raw(gap)]);
            } else {
                let blank = if last { String::new() } else { blank };
                spans.extend([Span::styled(text.clone(), *style), Span::raw(blank), Span::raw(gap)]);
            }
        }
        Line::from(spans)
    };
    let heading: Vec<(String, Style)> = COLUMNS.iter().map(|column| (column.title.to_owned(), DIM)).collect();
    let mut lines = vec![line(&heading)];
    for (nth, mut row) in cells.into_iter().enumerate() {
        if selected == Some(nth) {
            row[0].1 = BOLD.add_modifier(Modifier::REVERSED);
        }
        lines.push(line(&row));
    }
    lines
}

/// Which columns there are room for.
fn kept(widths: &[usize; COLUMNS.len()], width: usize) -> Vec<usize> {
    let mut kept: Vec<usize> = (0..COLUMNS.len()).collect();
    let needed = |kept: &[usize]| kept.iter().map(|c| widths[*c]).sum::<usize>() + GAP * (kept.len() - 1);
    while kept.len() > 1 && needed(&kept) > width {
        let least = kept.iter().copied().max_by_key(|c| COLUMNS[*c].leave_out);
        kept.retain(|c| Some(*c) != least);
    }
    kept
}

fn or_dash(text: Option<String>) -> (String, Style) {
    text.map_or_else(|| ("-".to_owned(), DIM), |text| (text, Style::new()))
}

fn name(_: &Device, summary: &Summary) -> (String, Style) {
    (summary.name.clone(), BOLD)
}

fn driver(_: &Device, summary: &Summary) -> (String, Style) {
    or_dash(summary.driver.clone())
}

fn state(_: &Device, summary: &Summary) -> (String, Style) {
    let state = &summary.state;
    let seconds = state.seconds.filter(|seconds| *seconds > 0);
    let since = seconds.map_or(String::new(), |seconds| format!(" {}", while_of(seconds * 1_000_000_000)));
    (format!("{}{since}", state.word), toned(state.tone))
}

fn incoming(device: &Device, summary: &Summary) -> (String, Style) {
    flow(device, summary.incoming)
}

fn outgoing(device: &Device, summary: &Summary) -> (String, Style) {
    flow(device, summary.outgoing)
}

/// As the class has it.
fn flow(device: &Device, flow: Option<Flow>) -> (String, Style) {
    let Some(flow) = flow else { return or_dash(None) };
    let input = device.sampler.status().is_some_and(|status| matches!(status.class, ClassStatus::Input(_)));
    let text = match flow.bytes {
        Some(rate) => format!("{:>5}  {:>8}/s", count(flow.frames), bytes(rate)),
        None if input => format!("{} reports/s", count(flow.frames)),
        None => format!("{} frames/s", count(flow.frames)),
    };
    (text, if flow.frames == 0.0 { DIM } else { Style::new() })
}

fn lost(device: &Device, summary: &Summary) -> (String, Style) {
    let Some(lost) = summary.lost else { return or_dash(None) };
    let sound = device.sampler.status().is_some_and(|status| matches!(status.class, ClassStatus::Sound(_)));
    let unit = if sound { " xruns" } else { "" };
    (format!("{}{unit}", times(lost)), if lost == 0 { DIM } else { Style::new() })
}

fn faults(_: &Device, summary: &Summary) -> (String, Style) {
    if summary.driver.is_none() {
        return or_dash(None);
    }
    (summary.faults.to_string(), if summary.faults == 0 { DIM } else { Style::new() })
}

/// Aborts, restores, restarts.
fn rungs(_: &Device, summary: &Summary) -> (String, Style) {
    if summary.rungs.is_empty() {
        return or_dash(None);
    }
    let of = |rung| summary.rungs.get(&rung).copied().unwrap_or(0);
    let text = format!("{}/{}/{}", of(Rung::Abort), of(Rung::Restore), of(Rung::Restart));
    (text, if of(Rung::GaveUp) > 0 { toned(Tone::Bad) } else { Style::new() })
}

fn last_fault(_: &Device, summary: &Summary) -> (String, Style) {
    let Some(last) = &summary.last_fault else { return or_dash(None) };
    let style = if last.age < NEW { toned(Tone::Limited) } else { Style::new() };
    (format!("{}, {}", last.entry, while_of(last.age)), style)
}

fn duration(ns: Option<u64>) -> (String, Style) {
    or_dash(ns.map(|ns| time(ns as f64)))
}

fn checkpoint(_: &Device, summary: &Summary) -> (String, Style) {
    or_dash(summary.checkpoint.map(time))
}

fn uptime(_: &Device, summary: &Summary) -> (String, Style) {
    or_dash(summary.uptime.map(while_of))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::testing::busy_model;

    #[test]
    fn what_does_not_fit_is_left_out_the_least_important_first() {
        let model = busy_model();
        let rows = model.rows();
        let heading = |width| {
            let line = table(&rows, None, width)[0].to_string();
            assert!(Line::raw(line.clone()).width() <= width.max(15), "{line}");
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(heading(200), "device driver state in out lost faults by rung last fault median worst save up");
        assert_eq!(heading(80), "device state in out faults");
        assert_eq!(heading(40), "device state");
        assert_eq!(heading(1), "device");
    }
}
