//! Table 1: recovery by a rollback beside recovery by a restart, of every driver. `tests/device/benches/device/recovery` measures.

mod tables;

use serde::{Deserialize, Serialize};
use serde_json::json;

use self::tables::{Summary, beside, chart, entries, in_guest, price, summary};
use super::{Options, bench, figures::Quartiles, paper, section::Section};
use crate::{bench::survive, steps::Failure};

/// What the bus takes, in words.
const COSTS: &str = "PCI: 0.8 us a register read, 0.1 us a posted write, 25.6 us an access of a PHY (64 clocks of 400 ns), 27 us a \
                     word of an EEPROM; USB: 125 us a control transfer; AC97: 42 us an access of the codec (two frames of its link); PS/2: \
                     1 ms a byte and 1 ms until the mouse answers, 400 ms its self test";
/// A line of the benchmark program. Times are nanoseconds.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(untagged)]
enum Line {
    /// Faults of an entry point.
    Recoveries(Recoveries),
    /// An operation without a fault, one sample a round.
    Price { driver: String, protected: Vec<f64>, unprotected: Vec<f64>, accesses: i64, operations: u64 },
    /// How it ran.
    Run { isolation: String, faults: u64, restarts: u64 },
}

#[derive(Debug, Clone, Deserialize, Serialize)]
struct Recoveries {
    driver: String,
    /// `abort` (the whole ladder, which begins with it) or `restart` (nothing else).
    what: String,
    /// `bare` or `timed`.
    bus: String,
    entry: String,
    /// Whether data goes through it.
    data: bool,
    /// The highest rung of one of them.
    rung: String,
    to_error: Vec<f64>,
    to_next: Vec<f64>,
    own_reads: u64,
    own_writes: u64,
    reads: i64,
    writes: i64,
    slow: i64,
    lost: u64,
}

impl Recoveries {
    fn to_error(&self) -> Quartiles {
        Quartiles::of(&self.to_error)
    }

    fn to_next(&self) -> Quartiles {
        Quartiles::of(&self.to_next)
    }

    /// By recovery, and by the way to the next operation more than without a fault.
    fn accesses(&self) -> String {
        let slow = if self.slow == 0 { String::new() } else { format!(" and {} slow", self.slow) };
        format!("{} + {}; {} + {}{slow}", self.own_reads, self.own_writes, self.reads.max(0), self.writes.max(0))
    }
}

/// Measures.
pub(super) fn measure(options: &Options) -> Result<Section, Failure> {
    let lines: Vec<Line> = bench::lines("--recovery", options.quick)?;
    let survive = if options.guest { Some(survive::measured(false, false)?) } else { None };
    section(&lines, survive)
}

fn section(lines: &[Line], survive: Option<serde_json::Value>) -> Result<Section, Failure> {
    let missing = |what: &str| Failure::Output(format!("the benchmark of recovery did not measure {what}"));
    let all: Vec<&Recoveries> =
        lines.iter().filter_map(|line| if let Line::Recoveries(one) = line { Some(one) } else { None }).collect();
    let mut drivers = Vec::new();
    for published in &paper::RECOVERY {
        for bus in ["bare", "timed"] {
            let of = |what: &str| {
                all.iter()
                    .copied()
                    .filter(move |r| r.driver == published.driver && r.bus == bus && r.what == what)
                    .collect::<Vec<_>>()
            };
            let summary = Summary::of(*published, bus, &of("abort"), &of("restart"));
            drivers.push(summary.ok_or_else(|| missing(published.driver))?);
        }
    }
    let prices = price(lines)?;
    let mut tables = vec![
        summary("On a bus that takes its time", &drivers, "timed"),
        summary("On the bare model", &drivers, "bare"),
        beside(&drivers),
        prices,
        entries(&all),
    ];
    let run = lines.iter().find_map(|line| match line {
        Line::Run { isolation, faults, restarts } => Some((isolation, faults, restarts)),
        _ => None,
    });
    let (isolation, faults, restarts) = run.ok_or_else(|| missing("how it ran"))?;
    let mut paragraphs = vec![
        format!(
            "A null write in the middle of an entry point, {faults} times each (a fifth of that for the mouse, whose line is slow), and {restarts} \
             restarts; {isolation}. *FGFT recovery* is the whole ladder as users have it, which begins with a rollback; *restart* \
             is a driver that knows no other way (rung 3): the same driver, in the same process, probed anew and told what it \
             had been told, with nothing waited for. Both are timed from before the faulting instruction: to the error that the caller gets, when \
             everything is as it was; and to the next good operation (frame, position of the stream, report of a movement), in which \
             the call that failed is made again."
        ),
        format!(
            "A bus that takes its time spends it, spinning, at each access: {COSTS}. Waits that a driver makes by the datasheet are made on the \
             bare model too, as far as the driver does not see at once that there is nothing to wait for: 100 ms of the Pegasus, whose restart \
             wakes its chip. A link that is negotiated anew is not in a restart: no driver here resets its PHY, so a restart on a machine is \
             no quicker than this and the baseline is a generous one."
        ),
        "*Data path*: the first of the entry points through which data goes. *Device restored*: of the entry points that have written commands, \
         so that a rollback of registers is not enough and the driver's `restore` is called, the one that takes longest. Accesses: register \
         reads + writes that recovery itself makes, by its own report; then what goes over the bus (registers, control transfers, bytes) until the next \
         operation, more than without a fault, which has the half of the call before the fault in it. The line of the mouse on the bare model is \
         moved by hand, so to the next operation there is to the error. Medians, quartiles in brackets."
            .to_owned(),
    ];
    paragraphs.push(
        "Where a recovery is only a few times faster than a restart, it is the restart that is fast: nothing is loaded, and nothing registered \
         anew, as in the paper's, whose restarts are from a tenth of a second to two. Times are by the clock, so another program that gets the \
         processor meanwhile is in them: little in microseconds, and up to a factor of two in milliseconds that are spent spinning."
            .to_owned(),
    );
    match &survive {
        Some(survive) => tables.push(in_guest(survive)?),
        None => paragraphs.push(
            "Not measured in this run: cards in a guest (a SIGKILL of udrvd, `udrvctl restart`, and Linux's own driver unbound and bound); \
             the full run has them."
                .to_owned(),
        ),
    }
    Ok(Section {
        name: "recovery",
        title: "Recovery",
        paragraphs,
        tables,
        charts: vec![chart(&drivers)],
        seeds: Vec::new(),
        data: json!({ "lines": lines, "survive": survive, "paper": paper::FGFT }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Vec<Line> {
        let mut lines = vec![Line::Run { isolation: "rollback-only".to_owned(), faults: 3, restarts: 3 }];
        for published in &paper::RECOVERY {
            for (bus, times) in [("bare", 1.0), ("timed", 2.0)] {
                let one = |what: &str, entry: &str, rung: &str, nanoseconds: f64| {
                    Line::Recoveries(Recoveries {
                        driver: published.driver.to_owned(),
                        what: what.to_owned(),
                        bus: bus.to_owned(),
                        entry: entry.to_owned(),
                        data: entry == "moves",
                        rung: rung.to_owned(),
                        to_error: vec![nanoseconds * times; 3],
                        to_next: vec![nanoseconds * times; 3],
                        own_reads: 1,
                        own_writes: 2,
                        reads: 3,
                        writes: 4,
                        slow: 5,
                        lost: 0,
                    })
                };
                lines.push(one("abort", "moves", "abort", 1e3));
                lines.push(one("abort", "sets", "restore", 2e3));
                lines.push(one("abort", "waits", "abort", 9e3));
                lines.push(one("restart", "moves", "restart", 100e3));
            }
            lines.push(Line::Price {
                driver: published.driver.to_owned(),
                protected: vec![3.0],
                unprotected: vec![2.0],
                accesses: 0,
                operations: 9,
            });
        }
        lines
    }

    #[test]
    fn every_driver_is_in_every_table() {
        let section = section(&lines(), None).unwrap();
        let rows: Vec<usize> = section.tables.iter().map(|table| table.rows.len()).collect();
        assert_eq!(rows, [6, 6, 6, 6, 48]);
        let timed = &section.tables[0].rows[0];
        assert!(timed[2].starts_with("moves: 2.00 us") && timed[3] == "100 x", "{timed:?}");
        // the slowest of those after which the device is restored, and not of all
        assert!(timed[4].starts_with("sets: 4.00 us") && timed[5] == "50.0 x", "{timed:?}");
        assert_eq!(timed[6], "1 + 2; 3 + 4 and 5 slow");
        let verdicts: Vec<&str> = section.tables[2].rows.iter().map(|row| row[8].as_str()).collect();
        assert_eq!(verdicts.iter().filter(|verdict| **verdict == "met").count(), 6, "{verdicts:?}");
    }

    #[test]
    fn a_driver_that_was_not_measured_is_an_error() {
        let is_kept =
            |line: &Line| !matches!(line, Line::Recoveries(one) if one.driver == "e1000" && one.what == "restart");
        let lines: Vec<Line> = lines().into_iter().filter(is_kept).collect();
        assert!(section(&lines, None).unwrap_err().to_string().contains("e1000"));
        assert!(section(&[], None).is_err());
    }

    #[test]
    fn the_guest_has_a_row_for_each_way() {
        let row = json!({ "card": "e1000", "title": "SIGKILL", "n": 7, "gap_ms": { "median": 20.0, "max": 31.0 }, "lost": 3 });
        let table = in_guest(&json!({ "clock": "counted", "rows": [row] })).unwrap();
        assert_eq!(table.rows, [["e1000", "SIGKILL", "7", "20.0 ms", "31.0 ms", "3"]]);
        assert!(table.caption.ends_with("counted") && in_guest(&json!({})).is_err());
    }
}
