//! A process with one device in it, as udrvd is one, which works and faults as it is told to: a request a line, an answer a line.

use std::io::{self, BufRead, Write};
use std::time::{Duration, Instant};

use model_wire::Rng;
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use udrv::report::{FaultReport, Rung};
use udrv::run::{DeviceError, Memory};
use udrv_driver::{InjectedFault, Point};

use crate::device::{Device, Driver, Work};
use crate::process::{self, Process};

/// Rounds of work without a unit that comes out right, after which none is going to: longer than any timer of the drivers.
const MOST_ROUNDS: u32 = 10_000;

/// What to do for a while.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Request {
    /// How long, microseconds.
    pub(crate) for_us: u64,
    /// With faults in it.
    pub(crate) faults: Option<Faults>,
    /// And longer, until so many faults have come.
    pub(crate) at_least: u64,
}

/// Faults at random times.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Faults {
    /// From one to the next, mean of an exponential distribution, microseconds.
    pub(crate) mean_us: u64,
    /// All kinds in all entry points; else writes to address 0 in those that work calls, which cost no deadline.
    pub(crate) all: bool,
}

/// What the process is when its device has started.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Ready {
    /// What the engine has of it.
    pub(crate) memory: Memory,
    /// Before the device was there: the program, its libraries, the engine.
    pub(crate) before: Process,
    /// With it and its model.
    pub(crate) after: Process,
}

/// What came of a request.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// How long it took, nanoseconds.
    pub(crate) wall_ns: u64,
    /// Processor time of the process for it, nanoseconds.
    pub(crate) cpu_ns: u64,
    /// Units of work that came out right.
    pub(crate) units: u64,
    /// Units that were left out.
    pub(crate) missing: u64,
    /// Units that were wrong.
    pub(crate) wrong: u64,
    /// The first of them.
    pub(crate) first_wrong: Option<String>,
    /// Faults that were armed and did not come, for the call did not get that far.
    pub(crate) not_come: u64,
    /// From each fault to the end of its recovery, nanoseconds; hangs apart.
    pub(crate) recovery_ns: Vec<u64>,
    /// The same of hangs, with the deadline that they used up.
    pub(crate) hang_ns: Vec<u64>,
    /// How far the ladder was climbed: abort, restore, restart.
    pub(crate) rungs: [u64; 3],
    /// Faults of which nothing recovered.
    pub(crate) not_recovered: u64,
    /// Why the device has ended, if it has.
    pub(crate) ended: Option<String>,
    /// How the process is afterwards.
    pub(crate) process: Process,
}

/// Runs until there are no more requests.
///
/// # Errors
/// Standard input or output, or what comes there.
///
/// # Panics
/// The device does not start.
pub(crate) fn run(driver: Driver, seed: u64) -> io::Result<()> {
    fgft::init().expect("the engine starts");
    let before = process::now()?;
    let mut device = driver.start().unwrap_or_else(|error| panic!("{} does not start: {error}", driver.name()));
    say(&Ready { memory: device.memory(), before, after: process::now()? })?;
    let mut worker = Worker { device: &mut *device, dice: Rng::new(seed), reported: 0, ended: None };
    for line in io::stdin().lock().lines() {
        let request: Request = serde_json::from_str(&line?)?;
        say(&worker.answer(request)?)?;
    }
    Ok(())
}

fn say(what: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    let mut out = io::stdout().lock();
    out.write_all(&line)?;
    out.flush()
}

struct Worker<'a> {
    device: &'a mut dyn Device,
    dice: Rng,
    /// Number of the last report that was looked at.
    reported: u64,
    ended: Option<String>,
}

impl Worker<'_> {
    fn answer(&mut self, request: Request) -> io::Result<Answer> {
        let (start, cpu) = (Instant::now(), cpu_time()?);
        let (mut answer, mut work) = (Answer::default(), Work::default());
        if self.ended.is_none() {
            self.ended = self.use_it(request, start, &mut work, &mut answer).err().map(|error| error.to_string());
        }
        let Work { units, missing, wrong, first_wrong } = work;
        let cpu_ns = (cpu_time()? - cpu).as_nanos() as u64;
        let (ended, process) = (self.ended.clone(), process::now()?);
        Ok(Answer {
            wall_ns: start.elapsed().as_nanos() as u64,
            cpu_ns,
            units,
            missing,
            wrong,
            first_wrong,
            ended,
            process,
            ..answer
        })
    }

    fn use_it(
        &mut self,
        request: Request,
        start: Instant,
        work: &mut Work,
        answer: &mut Answer,
    ) -> Result<(), DeviceError> {
        let end = start + Duration::from_micros(request.for_us);
        let mut next = request.faults.map(|faults| start + self.pause(faults));
        while Instant::now() < end || answer.recovery_ns.len() < request.at_least as usize {
            match (request.faults, next) {
                (Some(faults), Some(at)) if Instant::now() >= at => {
                    self.fault(faults, work, answer)?;
                    next = Some(Instant::now() + self.pause(faults));
                }
                _ => self.device.work(work)?,
            }
        }
        // a device that works is not told from one that does not by how far it gets in a while
        let mut rounds = 0;
        while work.units == 0 && rounds < MOST_ROUNDS {
            self.device.work(work)?;
            rounds += 1;
        }
        Ok(())
    }

    /// To the next fault.
    fn pause(&mut self, faults: Faults) -> Duration {
        // 2^53 steps above 0 to 1
        let uniform = ((self.dice.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        Duration::from_nanos((-uniform.ln() * faults.mean_us as f64 * 1e3) as u64)
    }

    fn fault(&mut self, faults: Faults, work: &mut Work, answer: &mut Answer) -> Result<(), DeviceError> {
        let (entries, kinds) = if faults.all {
            (self.device.entries(), &InjectedFault::ALL[..])
        } else {
            (self.device.by_work(), &[InjectedFault::NullWrite][..])
        };
        let entry = self.one_of(entries);
        let (kind, point) = (self.one_of(kinds), self.one_of(&Point::ALL));
        self.device.arm(entry, kind, point)?;
        self.device.enter(entry, work)?;
        self.device.disarm()?;
        let reports = self.device.faults(self.reported)?;
        self.reported = reports.last().map_or(self.reported, |report| report.number);
        answer.not_come += u64::from(reports.is_empty());
        reports.iter().for_each(|report| note(report, answer));
        Ok(())
    }

    fn one_of<T: Copy>(&mut self, choice: &[T]) -> T {
        choice[self.dice.below(choice.len() as u64) as usize]
    }
}

fn note(report: &FaultReport, answer: &mut Answer) {
    let times = if report.kind == "hang" { &mut answer.hang_ns } else { &mut answer.recovery_ns };
    times.push(report.to_error);
    answer.not_recovered += u64::from(!report.recovered);
    match report.rung {
        Rung::Abort => answer.rungs[0] += 1,
        Rung::Restore => answer.rungs[1] += 1,
        Rung::Restart => answer.rungs[2] += 1,
        Rung::GaveUp => {}
    }
}

fn cpu_time() -> io::Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?.into())
}
