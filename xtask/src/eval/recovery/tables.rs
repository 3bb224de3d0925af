//! What recoveries come to, as tables and as a picture.

use std::collections::BTreeMap;

use super::{
    super::{
        figures::{Quartiles, time, times},
        paper::{self, Published},
        section::{Chart, Group, Scale, Table},
    },
    Line, Recoveries,
};
use crate::steps::Failure;

/// A reach that the project has set itself: so many times faster than the paper.
const REACH: f64 = 10.0;
/// Why a driver may not be ten times faster than the paper: on the data path, and where the device is restored.
const SIGNAL: &str =
    "a tenth would be what a signal, the rollback and the fault report take before a driver is asked anything";
const REASONS: [(&str, &str, &str); 3] = [
    ("rtl8139", SIGNAL, "some 40 register accesses, 14 us of the bus"),
    ("r8169", SIGNAL, "some 50 register accesses, 15 us of the bus, for 4 us that would be a tenth"),
    ("pegasus", SIGNAL, "the bus: some 16 control transfers of 125 us and more"),
];

/// One driver on one bus.
pub(super) struct Summary {
    published: Published,
    bus: &'static str,
    data: Recoveries,
    slowest: Recoveries,
    restart: Recoveries,
}

impl Summary {
    pub(super) fn of(
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

pub(super) fn summary(caption: &str, drivers: &[Summary], bus: &str) -> Table {
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
pub(super) fn beside(drivers: &[Summary]) -> Table {
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
        let reasons = REASONS.iter().find(|(driver, ..)| *driver == published.driver);
        let (on_data, restored) =
            reasons.map_or(("not known", "not known"), |(_, on_data, restored)| (on_data, restored));
        let verdict = match (over(data) >= REACH, over(slowest) >= REACH) {
            (true, true) => "met".to_owned(),
            (true, false) => format!("met on the data path; missed where the device is restored: {restored}"),
            (false, true) => format!("missed on the data path: {on_data}"),
            (false, false) => {
                format!("missed on the data path: {on_data}; and where the device is restored: {restored}")
            }
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

pub(super) fn price(lines: &[Line]) -> Result<Table, Failure> {
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
pub(super) fn entries(all: &[&Recoveries]) -> Table {
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
pub(super) fn in_guest(survive: &serde_json::Value) -> Result<Table, Failure> {
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

pub(super) fn chart(drivers: &[Summary]) -> Chart {
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
