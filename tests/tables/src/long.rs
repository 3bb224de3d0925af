//! The long run: faults at random times, all drivers at once, and what becomes of memory, descriptors and recovery meanwhile.

use std::io;
use std::time::Duration;

use serde::Serialize;

use crate::crew;
use crate::device::Driver;
use crate::judge;
use crate::memory;
use crate::spread::{Spread, median};
use crate::worker::{Answer, Faults, Request};

/// Pieces of the run, at most: a point in the chart each. A tenth is a whole number of them.
const PIECES: u32 = 60;
const TENTHS: u32 = 10;
/// Shortest piece.
const SHORTEST: Duration = Duration::from_millis(100);

/// A piece of the run of one driver.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Piece {
    /// Its end, seconds from the start.
    pub(crate) at_s: f64,
    /// Resident memory at its end, KiB.
    pub(crate) rss_kib: u64,
    /// Descriptors at its end.
    pub(crate) descriptors: u64,
    /// Units that came out right.
    pub(crate) units: u64,
    /// Units left out.
    pub(crate) missing: u64,
    /// Units that were wrong.
    pub(crate) wrong: u64,
    /// Faults, hangs among them.
    pub(crate) faults: u64,
    /// Nanoseconds in which faults were recovered.
    pub(crate) down_ns: u64,
    /// From a fault to the end of its recovery, nanoseconds, hangs apart.
    pub(crate) recovery_ns: Option<Spread>,
}

/// The run of one driver.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    /// Which.
    pub(crate) driver: Driver,
    /// What is counted of its work.
    pub(crate) unit: &'static str,
    /// Its pieces.
    pub(crate) pieces: Vec<Piece>,
    /// Faults.
    pub(crate) faults: u64,
    /// Of those, hangs.
    pub(crate) hangs: u64,
    /// Median of their recoveries, the deadline included, nanoseconds.
    pub(crate) hang_ns: Option<Spread>,
    /// Recoveries by rung: abort, restore, restart.
    pub(crate) rungs: [u64; 3],
    /// Faults that were not recovered.
    pub(crate) not_recovered: u64,
    /// Faults that were armed and did not come.
    pub(crate) not_come: u64,
    /// Units that came out right.
    pub(crate) units: u64,
    /// Units left out.
    pub(crate) missing: u64,
    /// Units that were wrong.
    pub(crate) wrong: u64,
    /// The first of them in words.
    pub(crate) first_wrong: Option<String>,
    /// Part of the time in which no recovery was under way, 0 to 1.
    pub(crate) availability: f64,
    /// Recovery time over the whole run, nanoseconds, hangs apart.
    pub(crate) recovery_ns: Option<Spread>,
    /// The same in the first tenth.
    pub(crate) first_tenth_ns: Option<Spread>,
    /// The same in the last tenth.
    pub(crate) last_tenth_ns: Option<Spread>,
    /// Why it has ended before its time.
    pub(crate) ended: Option<String>,
    /// What the judge has against it.
    pub(crate) verdict: Vec<String>,
}

/// All of it.
#[derive(Debug, Serialize)]
pub(crate) struct Long {
    /// Seed of the first driver; the others have the next ones.
    pub(crate) seed: u64,
    /// How long it was to be, seconds.
    pub(crate) duration_s: f64,
    /// From fault to fault of a driver, mean, microseconds.
    pub(crate) mean_us: u64,
    /// The drivers.
    pub(crate) runs: Vec<Run>,
}

/// Makes it.
///
/// # Errors
/// A process has ended.
pub(crate) fn run(duration: Duration, mean_us: u64, seed: u64) -> io::Result<Long> {
    let mut crew = crew::all(seed)?;
    crew::work(&mut crew, |_| memory::warm_up())?;
    let fit = (duration.as_micros() / SHORTEST.as_micros()) as u32 / TENTHS * TENTHS;
    let pieces = fit.clamp(TENTHS, PIECES);
    let request = Request {
        for_us: (duration / pieces).as_micros() as u64,
        faults: Some(Faults { mean_us, all: true }),
        at_least: 0,
    };
    let mut answers: Vec<Vec<Answer>> = crew.iter().map(|_| Vec::new()).collect();
    for _ in 0..pieces {
        for (answers, answer) in answers.iter_mut().zip(crew::work(&mut crew, |_| request)?) {
            answers.push(answer);
        }
    }
    let runs = crew.iter().zip(&answers).map(|(member, answers)| summary(member.driver, answers)).collect();
    Ok(Long { seed, duration_s: duration.as_secs_f64(), mean_us, runs })
}

fn summary(driver: Driver, answers: &[Answer]) -> Run {
    let sum = |of: fn(&Answer) -> u64| answers.iter().map(of).sum::<u64>();
    let times = |answers: &[Answer]| -> Vec<f64> {
        answers.iter().flat_map(|answer| &answer.recovery_ns).map(|ns| *ns as f64).collect()
    };
    let hangs: Vec<f64> = answers.iter().flat_map(|answer| &answer.hang_ns).map(|ns| *ns as f64).collect();
    let tenth = answers.len() / TENTHS as usize;
    let down = sum(down_ns);
    let mut run = Run {
        driver,
        unit: driver.unit(),
        pieces: pieces(answers),
        faults: sum(faults),
        hangs: hangs.len() as u64,
        hang_ns: Spread::of(&hangs),
        rungs: std::array::from_fn(|rung| answers.iter().map(|answer| answer.rungs[rung]).sum()),
        not_recovered: sum(|answer| answer.not_recovered),
        not_come: sum(|answer| answer.not_come),
        units: sum(|answer| answer.units),
        missing: sum(|answer| answer.missing),
        wrong: sum(|answer| answer.wrong),
        first_wrong: answers.iter().find_map(|answer| answer.first_wrong.clone()),
        availability: 1.0 - down as f64 / sum(|answer| answer.wall_ns) as f64,
        recovery_ns: Spread::of(&times(answers)),
        first_tenth_ns: Spread::of(&times(&answers[..tenth])),
        last_tenth_ns: Spread::of(&times(&answers[answers.len() - tenth..])),
        ended: answers.iter().find_map(|answer| answer.ended.clone()),
        verdict: Vec::new(),
    };
    run.verdict = judge::against(&run);
    run
}

fn faults(answer: &Answer) -> u64 {
    (answer.recovery_ns.len() + answer.hang_ns.len()) as u64
}

fn down_ns(answer: &Answer) -> u64 {
    answer.recovery_ns.iter().chain(&answer.hang_ns).sum()
}

fn pieces(answers: &[Answer]) -> Vec<Piece> {
    let mut at_s = 0.0;
    let piece = |answer: &Answer| {
        at_s += answer.wall_ns as f64 / 1e9;
        let recoveries: Vec<f64> = answer.recovery_ns.iter().map(|ns| *ns as f64).collect();
        Piece {
            at_s,
            rss_kib: answer.process.rss_kib,
            descriptors: answer.process.descriptors,
            units: answer.units,
            missing: answer.missing,
            wrong: answer.wrong,
            faults: faults(answer),
            down_ns: down_ns(answer),
            recovery_ns: Spread::of(&recoveries),
        }
    };
    answers.iter().map(piece).collect()
}

/// Median of resident memory over some pieces, KiB.
pub(crate) fn resident(pieces: &[Piece]) -> f64 {
    median(pieces.iter().map(|piece| piece.rss_kib as f64).collect()).unwrap_or(0.0)
}
