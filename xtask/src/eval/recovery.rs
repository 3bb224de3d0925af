//! Table 1: recovery by a rollback beside recovery by a restart, of every driver. `tests/device/benches/device/recovery` measures.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Options, bench,
    figures::{Quartiles, time, times},
    paper::{self, Published},
    section::{Chart, Group, Scale, Section, Table},
};
use crate::{bench::survive, steps::Failure};

/// A reach that the project has set itself: so many times faster than the paper.
const REACH: f64 = 10.0;
/// What the bus takes, in words.
const COSTS: &str = "PCI: 0.8 us a register read, 0.1 us a posted write, 25.6 us an access of a PHY (64 clocks of 400 ns), 27 us a \
                     word of an EEPROM; USB: 125 us a control transfer; AC97: 42 us an access of the codec (two frames of its link); PS/2: \
                     1 ms a byte and 1 ms until the mouse answers, 400 ms its self test";
/// Why a driver is not ten times faster than the paper, where it is not.
const REASONS: [(&str, &str); 3] = [
    (
        "rtl8139",
        "7 us would be a tenth, and that is what a signal, the rollback and the fault report take here before a driver is asked \
         anything; where the chip is restored, some 40 register accesses come to that, 14 us of them the bus's",
    ),
    ("r8169", "as rtl8139, and 4 us would be a tenth; a restore is some 50 register accesses, 15 us of them the bus's"),
    ("pegasus", "the bus: a restore of the chip is some 16 control transfers, 2 ms; a rollback needs none"),
];

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

/// One driver on one bus.
struct Summary {
    published: Published,
    bus: &'static str,
    data: Recoveries,
    slowest: Recoveries,
    restart: Recoveries,
}

impl Summary {
    fn of(
        published: Published,
        bus: &'static str,
        aborts: &[&Recoveries],
        restarts: &[&Recoveries],
    ) -> Option<Summary> {
        let median = |r: &Recoveries| r.to_error().median;
        let restored = aborts.iter().copied().filter(|r| r.rung == "restore");
        let slowest = restored.max_by(|a, b| median(a).total_cmp(&median(b)))?;
        let restart = restarts.first()?;
        // the restart is that of the same entry point
        let data = aborts.iter().find(|r| r.entry == restart.entry)?;
        let [data, slowest, restart] = [data, slowest, restart].map(|one| one.clone());
        Some(Summary { published, bus, data, slowest, restart })
    }
}

fn summary(caption: &str, drivers: &[Summary], bus: &str) -> Table {
    let headings = [
        "driver",
        "restart, to the next operation",
        "FGFT, data path, to the next operation",
        "faster",
        "FGFT with the device restored, to the error",
        "faster",
        "accesses: data path",
        "accesses: device restored",
        "accesses: restart",
    ];
    let mut table = Table::new(caption, headings);
    for Summary { published, data, slowest, restart, .. } in drivers.iter().filter(|driver| driver.bus == bus) {
        table.row([
            published.driver.to_owned(),
            restart.to_next().time(),
            format!("{}: {}", data.entry, data.to_next().time()),
            times(restart.to_next().median / data.to_next().median),
            format!("{}: {}", slowest.entry, slowest.to_error().time()),
            times(restart.to_error().median / slowest.to_error().median),
            data.accesses(),
            slowest.accesses(),
            restart.accesses(),
        ]);
    }
    table
}

/// Beside the paper's.
fn beside(drivers: &[Summary]) -> Table {
    let caption = format!("Beside the paper's own figures, of another machine ({})", paper::FGFT);
    let headings = [
        "driver",
        "paper: restart",
        "paper: FGFT",
        "faster",
        "ours, to the error: data path",
        "device restored",
        "paper's FGFT over ours: data path",
        "device restored",
        "reach 10 x",
    ];
    let mut table = Table::new(caption, headings);
    for Summary { published, data, slowest, .. } in drivers.iter().filter(|driver| driver.bus == "timed") {
        let over = |ours: &Recoveries| published.fgft * 1e9 / ours.to_error().median;
        let reason = REASONS.iter().find(|(driver, _)| *driver == published.driver).map_or("not known", |(_, why)| why);
        let verdict = match (over(data) >= REACH, over(slowest) >= REACH) {
            (true, true) => "met".to_owned(),
            (true, false) => format!("met on the data path, missed where the device is restored: {reason}"),
            (false, _) => format!("missed: {reason}"),
        };
        table.row([
            format!("{} ({})", published.driver, published.name),
            time(published.restart * 1e9),
            time(published.fgft * 1e9),
            times(published.restart / published.fgft),
            time(data.to_error().median),
            time(slowest.to_error().median),
            times(over(data)),
            times(over(slowest)),
            verdict,
        ]);
    }
    table
}

fn price(lines: &[Line]) -> Result<Table, Failure> {
    let headings =
        ["driver", "operation, protected", "unprotected", "checkpoints and the rest", "device accesses of checkpoints"];
    let mut table = Table::new("Cost of checkpoints while nothing fails (bare model)", headings);
    let what: BTreeMap<&str, &str> = [
        ("ens1371", "a period of 10 ms played, the model's work in it"),
        ("psmouse", "a movement reported, the model's work in it"),
    ]
    .into();
    for line in lines {
        let Line::Price { driver, protected, unprotected, accesses, operations } = line else { continue };
        let [with, without] = [protected, unprotected].map(|samples| Quartiles::of(samples));
        let differences: Vec<f64> = protected.iter().zip(unprotected).map(|(with, without)| with - without).collect();
        let name = what.get(driver.as_str()).copied().unwrap_or("a frame of 1514 bytes sent");
        table.row([
            format!("{driver}: {name}"),
            with.time(),
            without.time(),
            Quartiles::of(&differences).time(),
            format!("{accesses} in {operations} operations"),
        ]);
    }
    if table.rows.is_empty() {
        return Err(Failure::Output("the benchmark of recovery did not measure what protection costs".to_owned()));
    }
    Ok(table)
}

/// All of them.
fn entries(all: &[&Recoveries]) -> Table {
    let headings = [
        "driver",
        "recovery",
        "bus",
        "entry point",
        "rung",
        "to the error",
        "to the next operation",
        "accesses",
        "lost",
    ];
    let mut table = Table::new("Every entry point", headings);
    for one in all {
        table.row([
            one.driver.clone(),
            if one.what == "restart" { "restart" } else { "FGFT" }.to_owned(),
            one.bus.clone(),
            one.entry.clone(),
            one.rung.clone(),
            one.to_error().time(),
            one.to_next().time(),
            one.accesses(),
            one.lost.to_string(),
        ]);
    }
    table
}

/// What the guest has seen at the far end of the cable.
fn in_guest(survive: &serde_json::Value) -> Result<Table, Failure> {
    let headings = ["card", "what", "times", "stands still, median", "worst", "datagrams lost"];
    let caption = format!(
        "In a guest with VFIO and a real systemd: from the last datagram that came back to the next; {}",
        survive["clock"].as_str().unwrap_or_default()
    );
    let mut table = Table::new(caption, headings);
    for row in survive["rows"].as_array().into_iter().flatten() {
        let text = |pointer: &str| {
            row.pointer(pointer).map_or("?".to_owned(), |v| v.as_str().map_or(v.to_string(), str::to_owned))
        };
        let ms = |pointer: &str| {
            row.pointer(pointer).and_then(serde_json::Value::as_f64).map_or("?".to_owned(), |ms| time(ms * 1e6))
        };
        table.row([text("/card"), text("/title"), text("/n"), ms("/gap_ms/median"), ms("/gap_ms/max"), text("/lost")]);
    }
    if table.rows.is_empty() {
        return Err(Failure::Output("the guest has no rows".to_owned()));
    }
    Ok(table)
}

fn chart(drivers: &[Summary]) -> Chart {
    let groups = drivers.iter().filter(|driver| driver.bus == "timed").map(|driver| Group {
        name: driver.published.driver.to_owned(),
        values: [
            driver.data.to_error().median,
            driver.slowest.to_error().median,
            driver.restart.to_error().median,
            driver.published.fgft * 1e9,
            driver.published.restart * 1e9,
        ]
        .map(|nanoseconds| Some(nanoseconds / 1e3))
        .to_vec(),
    });
    let series =
        ["FGFT, data path", "FGFT, device restored", "restart", "paper: FGFT (another machine)", "paper: restart"];
    Chart::Bars {
        title: "Fault to error, everything as it was, on a bus that takes its time".to_owned(),
        unit: "microseconds".to_owned(),
        scale: Scale::Logarithmic,
        series: series.map(str::to_owned).to_vec(),
        groups: groups.collect(),
    }
}
