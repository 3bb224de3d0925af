//! `cargo xtask bench survive`: how long a card stands still when whoever drives it dies or is restarted, in each way that there is.
//!
//! In one guest with a real systemd (`guest/systemd/survive.sh`), seen by a host at the far end of the card's cable. All of it is
//! emulated, and what else the machine does shows: only rows of one run are to be compared.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};

use super::{Args, figures::Spread};
use crate::{
    guest::{
        systemd::{
            self,
            events::{self, Beat, CARDS, Event, Journal, TOOK_OVER},
        },
        workspace,
    },
    steps::Failure,
};

/// What is done, and what it is called.
const ROWS: [(&str, &str); 6] = [
    ("kill", "SIGKILL, the successor goes on"),
    ("standby", "SIGKILL, a standby goes on"),
    ("upgrade", "another build takes over (`udrvctl upgrade`)"),
    ("restart", "restart and replay (`udrvctl restart`)"),
    ("kill-anew", "SIGKILL, nothing kept: probed anew"),
    ("linux", "Linux's own driver: unbind, bind"),
];
/// What a process that was started afterwards goes on with.
const ADOPTS: &str = "kill";
/// Where the device is gone on with; in the others it begins anew.
const MUST_GO_ON: [&str; 3] = [ADOPTS, "standby", "upgrade"];
/// The reach of that, ms: of what is ours.
const REACH: f64 = 100.0;
/// The reach of the whole gap, ms, where a process has been started early.
const REACHES: [(&str, f64); 2] = [("standby", 20.0), ("upgrade", 20.0)];

/// What times are of.
const COUNTED: &str = "of an emulated machine with one processor whose clock counts instructions, a nanosecond each";

/// Measures, prints, and leaves `target/bench/survive.md` and `survive.json`.
pub(super) fn main(args: &Args) -> Result<(), Failure> {
    let (rows, clock) = rows(args.quick, args.real_time)?;
    let text = markdown(&rows, clock);
    let object = object(&rows, clock, args.quick);
    let folder = workspace().join("target/bench");
    write(&folder, "survive.md", &text)?;
    write(&folder, "survive.json", &format!("{object:#}\n"))?;
    print!("{}", if args.json { format!("{object}\n") } else { text });
    match rows.iter().find(|row| MUST_GO_ON.contains(&row.what) && row.went_on < row.gaps.len()) {
        Some(row) => Err(wrong(format!("{}: only {} of {} successors went on", row.card, row.went_on, row.gaps.len()))),
        None => Ok(()),
    }
}

/// Measures: what `survive.json` has.
pub(crate) fn measured(quick: bool, real_time: bool) -> Result<Value, Failure> {
    let (rows, clock) = rows(quick, real_time)?;
    Ok(object(&rows, clock, quick))
}

fn wrong(why: String) -> Failure {
    Failure::Output(format!("survive: {why}"))
}

fn object(rows: &[Row], clock: &str, quick: bool) -> Value {
    json!({ "clock": clock, "quick": quick, "rows": rows.iter().map(Row::json).collect::<Vec<_>>() })
}

/// Each way with each card, and what their times are of.
fn rows(quick: bool, real_time: bool) -> Result<(Vec<Row>, &'static str), Failure> {
    let outcome = systemd::survive(if quick { 3 } else { 7 }, !real_time)?;
    if outcome.exit_code != 0 {
        return Err(wrong(format!("the guest's script failed; its console: {}", outcome.serial_log_path.display())));
    }
    let events = events::events(&outcome.results).map_err(wrong)?;
    let beats: Vec<Beat> = events::of_cards(&outcome.results, "beat").map_err(wrong)?;
    let journal = Journal::read(&outcome.results).map_err(wrong)?;
    let mut rows = Vec::new();
    for ((card, _), beat) in CARDS.iter().zip(&beats) {
        for (what, title) in ROWS {
            let row = Row::of(card, (what, title), &events, beat, &journal);
            rows.push(row.ok_or_else(|| wrong(format!("{card}: {title}: not measured")))?);
        }
    }
    Ok((rows, if real_time { "of an emulated machine with one processor" } else { COUNTED }))
}

fn write(folder: &PathBuf, name: &str, text: &str) -> Result<(), Failure> {
    let path = folder.join(name);
    let io = |source| Failure::Io { doing: format!("write {}", path.display()), source };
    fs::create_dir_all(folder).map_err(io)?;
    fs::write(&path, text).map_err(io)
}

/// One way, with one card. Times in milliseconds.
struct Row {
    card: &'static str,
    what: &'static str,
    title: &'static str,
    /// From the last datagram that came back to the next.
    gaps: Vec<f64>,
    /// Datagrams that did not come back.
    lost: u64,
    /// Successors that say that they go on, and of each: from the end of the old process to the start of the new, from there to
    /// `main`, and from there on.
    went_on: usize,
    parts: [Vec<f64>; 3],
}

impl Row {
    fn of(
        card: &'static str,
        (what, title): (&'static str, &'static str),
        events: &[Event],
        beat: &Beat,
        journal: &Journal,
    ) -> Option<Row> {
        let mut row = Row { card, what, title, gaps: Vec::new(), lost: 0, went_on: 0, parts: Default::default() };
        for event in events.iter().filter(|event| event.card == card && event.what == what) {
            row.gaps.push(event.longest(&beat.pauses) * 1e3);
            row.lost += beat.lost_in(event);
            let Some(line) = journal.lines_in(event, TOOK_OVER).next() else { continue };
            row.went_on += 1;
            if what != ADOPTS {
                continue;
            }
            let exited = journal.lines_in(event, "Main process exited").next().and_then(events::uptime);
            let own = line["UDRV_PROCESS_US"].as_str().and_then(|micros| micros.parse::<f64>().ok());
            if let (Some(exited), Some(own), Some(done)) = (exited, own, events::uptime(line)) {
                let started = event.main as f64 / 1e3;
                let began = done * 1e3 - own / 1e3;
                let parts = [started - exited * 1e3, began - started, own / 1e3];
                row.parts.iter_mut().zip(parts).for_each(|(all, one)| all.push(one));
            }
        }
        (!row.gaps.is_empty()).then_some(row)
    }

    fn json(&self) -> Value {
        let Spread { median, min, max } = Spread::of(&self.gaps);
        let mut object = json!({
            "card": self.card, "what": self.what, "title": self.title, "n": self.gaps.len(), "gap_ms": { "median": median, "min": min, "max": max },
            "lost": self.lost, "went_on": self.went_on,
        });
        if let [Some(manager), Some(start), Some(own)] = self.medians() {
            object["of_that_ms"] = json!({ "service_manager": manager, "to_main": start, "udrvd": own });
        }
        object
    }

    fn medians(&self) -> [Option<f64>; 3] {
        [0, 1, 2].map(|part| (!self.parts[part].is_empty()).then(|| Spread::of(&self.parts[part]).median))
    }
}

fn markdown(rows: &[Row], clock: &str) -> String {
    let mut text = String::from(
        "| card | what | n | gap, ms: median | worst | datagrams lost | of the median: service manager | to `main` | udrvd |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let Spread { median, max, .. } = Spread::of(&row.gaps);
        let [manager, start, own] = row.medians().map(|part| part.map_or(String::new(), |ms| format!("{ms:.0}")));
        let (n, lost) = (row.gaps.len(), row.lost);
        text += &format!(
            "| {} | {} | {n} | {median:.0} | {max:.0} | {lost} | {manager} | {start} | {own} |\n",
            row.card, row.title
        );
    }
    for row in rows.iter().filter(|row| row.what == ADOPTS) {
        if let [_, _, Some(own)] = row.medians() {
            let verdict = if own <= REACH { "met" } else { "missed" };
            text += &format!(
                "\n{}: SIGKILL to going on, less what the service manager takes: {own:.0} ms; reach {REACH:.0}: {verdict}\n",
                row.card
            );
        }
    }
    for (row, reach) in rows.iter().filter_map(|row| Some((row, REACHES.iter().find(|(what, _)| *what == row.what)?.1)))
    {
        let median = Spread::of(&row.gaps).median;
        let verdict = if median <= reach { "met" } else { "missed" };
        text += &format!("\n{}: {}: median {median:.0} ms; reach {reach:.0}: {verdict}\n", row.card, row.title);
    }
    text += &format!("\nFrom the last numbered datagram that came back, one each 5 ms, to the next; {clock}.\n");
    text
}
