//! What a driver takes of memory, and what it costs a driver that the others crash: each in a process of its own, all at once.

use std::io;
use std::time::Duration;

use serde::Serialize;

use crate::crew::{self, Member};
use crate::device::Driver;
use crate::spread::{Spread, median};
use crate::worker::{Answer, Faults, Ready, Request};

/// From crash to crash of a neighbour, and of the driver that is looked at, mean, microseconds.
const NEIGHBOUR_US: u64 = 2_000;
const OWN_US: u64 = 1_000;
/// Faults after which a process has kept all the reports that it ever keeps.
const WARM: u64 = 300;

/// One driver while its neighbours do something.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Window {
    /// Units that came out right, a second.
    pub(crate) per_second: f64,
    /// The same, a second of the process's own processor time: what neighbours take of the machine is not in it.
    pub(crate) per_cpu_second: f64,
    /// Its recoveries, nanoseconds: crashes of its own, in a window beside that.
    pub(crate) recovery_ns: Vec<u64>,
    /// What the others crashed meanwhile.
    pub(crate) crashes: u64,
    /// Units left out and units that were wrong, in both windows.
    pub(crate) missing: u64,
    /// See `missing`.
    pub(crate) wrong: u64,
}

/// A driver.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// Which.
    pub(crate) driver: Driver,
    /// What is counted of its work.
    pub(crate) unit: &'static str,
    /// Its memory.
    pub(crate) ready: Ready,
    /// Resident memory when it has worked, and has all reports of faults that it keeps, KiB.
    pub(crate) loaded_kib: u64,
    /// Of each round: the others work, the others crash, the others work.
    pub(crate) rounds: Vec<[Window; 3]>,
    /// Throughput while the others crash, over that while they do not.
    pub(crate) throughput: Option<Spread>,
    /// The same by its own processor time.
    pub(crate) by_cpu: Option<Spread>,
    /// What it differs by with nobody crashing: the first over the last of a round.
    pub(crate) noise: Option<Spread>,
    /// Recovery while the others do not crash, nanoseconds.
    pub(crate) recovery_quiet_ns: Option<Spread>,
    /// And while they do.
    pub(crate) recovery_crashing_ns: Option<Spread>,
    /// Of the rounds, the median there over the median here.
    pub(crate) recovery_ratio: Option<Spread>,
    /// Why it has ended.
    pub(crate) ended: Option<String>,
}

/// All of it.
#[derive(Debug, Serialize)]
pub(crate) struct Table {
    /// Seed of the first driver; the others have the next ones.
    pub(crate) seed: u64,
    /// A window, milliseconds.
    pub(crate) window_ms: u64,
    /// From crash to crash of each neighbour, mean, microseconds.
    pub(crate) neighbour_us: u64,
    /// The drivers.
    pub(crate) rows: Vec<Row>,
}

/// Measures it.
///
/// # Errors
/// A process has ended.
pub(crate) fn run(rounds: usize, window: Duration, seed: u64) -> io::Result<Table> {
    let mut crew = crew::all(seed)?;
    let warm = crew::work(&mut crew, |_| warm_up())?;
    let mut rows: Vec<Row> = crew.iter().zip(&warm).map(|(member, answer)| row(member, answer)).collect();
    for _ in 0..rounds {
        for (number, row) in rows.iter_mut().enumerate() {
            let mut windows = Vec::with_capacity(3);
            for crash in [false, true, false] {
                windows.push(look(&mut crew, number, window, crash, &mut row.ended)?);
            }
            row.rounds.extend(<[Window; 3]>::try_from(windows));
        }
    }
    rows.iter_mut().for_each(summarize);
    Ok(Table { seed, window_ms: window.as_millis() as u64, neighbour_us: NEIGHBOUR_US, rows })
}

/// A request after which nothing of a process grows any more that is not a leak: as many faults of all kinds as it keeps reports of.
pub(crate) fn warm_up() -> Request {
    let faults = Faults { mean_us: 200, all: true };
    Request { for_us: 1, faults: Some(faults), at_least: WARM }
}

fn row(member: &Member, warm: &Answer) -> Row {
    Row {
        driver: member.driver,
        unit: member.driver.unit(),
        ready: member.ready,
        loaded_kib: warm.process.rss_kib,
        rounds: Vec::new(),
        throughput: None,
        by_cpu: None,
        noise: None,
        recovery_quiet_ns: None,
        recovery_crashing_ns: None,
        recovery_ratio: None,
        ended: warm.ended.clone(),
    }
}

/// Looks at one of them: a window in which it works, and one in which it crashes too.
fn look(
    crew: &mut [Member],
    number: usize,
    window: Duration,
    crash: bool,
    ended: &mut Option<String>,
) -> io::Result<Window> {
    let for_us = window.as_micros() as u64;
    let often = |mean_us| Some(Faults { mean_us, all: false });
    let ask = |own: Option<Faults>| {
        move |at: usize| {
            let faults = if at == number { own } else { often(NEIGHBOUR_US).filter(|_| crash) };
            Request { for_us, faults, at_least: 0 }
        }
    };
    let works = crew::work(crew, ask(None))?;
    let crashes = crew::work(crew, ask(often(OWN_US)))?;
    let (own, with) = (&works[number], &crashes[number]);
    *ended = ended.take().or_else(|| with.ended.clone());
    let others = works.iter().chain(&crashes).map(|answer| answer.recovery_ns.len() as u64).sum::<u64>();
    Ok(Window {
        per_second: own.units as f64 * 1e9 / own.wall_ns as f64,
        per_cpu_second: own.units as f64 * 1e9 / own.cpu_ns as f64,
        recovery_ns: with.recovery_ns.clone(),
        crashes: others - with.recovery_ns.len() as u64,
        missing: own.missing + with.missing,
        wrong: own.wrong + with.wrong,
    })
}

fn summarize(row: &mut Row) {
    let ratios = |of: &dyn Fn(&[Window; 3]) -> Option<f64>| -> Vec<f64> { row.rounds.iter().filter_map(of).collect() };
    let over = |of: fn(&Window) -> f64| {
        move |[before, crashing, after]: &[Window; 3]| Some(2.0 * of(crashing) / (of(before) + of(after)))
    };
    row.throughput = Spread::of(&ratios(&over(|window| window.per_second)));
    row.by_cpu = Spread::of(&ratios(&over(|window| window.per_cpu_second)));
    row.noise = Spread::of(&ratios(&|[before, _, after]| Some(before.per_second / after.per_second)));
    let times = |windows: &[&Window]| -> Vec<f64> {
        windows.iter().flat_map(|window| &window.recovery_ns).map(|ns| *ns as f64).collect()
    };
    let quiet: Vec<&Window> = row.rounds.iter().flat_map(|[before, _, after]| [before, after]).collect();
    let crashing: Vec<&Window> = row.rounds.iter().map(|[_, crashing, _]| crashing).collect();
    row.recovery_quiet_ns = Spread::of(&times(&quiet));
    row.recovery_crashing_ns = Spread::of(&times(&crashing));
    row.recovery_ratio = Spread::of(&ratios(&|[before, crashing, after]| {
        Some(median(times(&[crashing]))? / median(times(&[before, after]))?)
    }));
}
