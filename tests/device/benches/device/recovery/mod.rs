//! What a recovery takes, of every driver: a null write in the middle of each of its entry points, to the error and to the next good
//! operation; beside it a driver that knows no other way than to restart. On a bus that takes no time, and on one that takes its own.
//!
//! Device accesses are those of the whole way to the next good operation, less those of the same way without a fault: what recovery makes
//! and what the repeated call makes. They are counted by the model, or before it: `bus.rs`. The line of a PS/2 mouse has a clock
//! that is turned by hand, so its time is told apart from the processor's.
//!
//! JSON, one object a line: how it ran, then for each driver and bus a line for each entry point, one for the restart, and one for
//! what protection costs without a fault. Times are nanoseconds, one sample a fault or a round.

mod adapter;
mod bus;
mod card;
mod mouse;
mod net;

use std::time::{Duration, Instant};

use serde_json::json;
use udrv::report::{FaultReport, Rung};
use udrv::run::{Answer, Class, Command, Options, Running};
use udrv::supervisor::ladder::{LadderConfig, Recovery};
use udrv::supervisor::policy::Protect;
use udrv::supervisor::quarantine::QuarantineConfig;
use udrv_driver::{Entry, InjectedFault, Injection, Point};

/// CPU time of a call: to restore everything over a bus that takes its time takes some milliseconds, and more where another program shares
/// the processor.
pub(crate) const DEADLINE: Duration = Duration::from_millis(50);

/// What the bus takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bus {
    /// Nothing: what is timed is driver, framework and model.
    Bare,
    /// What it takes on a machine.
    Timed,
}

/// What went over the bus so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spent {
    /// Register reads and writes, or control transfers from the device and to it, or bytes from the mouse and to it.
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    /// Accesses behind a register that have a time of their own: codec, PHY, EEPROM.
    pub(crate) slow: u64,
}

/// A driver on its model, with work for it.
pub(crate) trait Rig: Sized {
    /// The driver's class.
    type Class: Class;
    /// The driver.
    const NAME: &'static str;
    /// The entry points through which data goes.
    const DATA: &'static [Entry];
    /// One fault of so many is enough where the bus is slow.
    const SHARE: usize = 1;

    fn new(options: Options, bus: Bus) -> Self;
    fn device(&mut self) -> &mut Running<Self::Class>;
    /// What goes through an entry point, and then a good operation.
    fn work(&mut self, entry: Entry);
    /// One good operation, the usual one.
    fn operation(&mut self);
    fn spent(&self) -> Spent;
    /// What recoveries have left to do is done, and does not count for the next one.
    fn settle(&mut self) {}

    fn ask(&mut self, command: Command) -> Answer {
        self.device().handle(command).expect("it goes on")
    }

    fn call(&mut self, entry: Entry) {
        let answer = self.ask(Command::Call(entry));
        assert!(matches!(answer, Answer::Done), "{}: {entry}: {answer:?}", Self::NAME);
    }
}

/// How much is done.
#[derive(Clone, Copy)]
struct Amount {
    /// Faults of each entry point.
    faults: usize,
    restarts: usize,
    /// Turns that the two sides of the price take, and operations in each.
    rounds: usize,
    operations: u32,
}

/// Measures all of them. For a new driver: a line here.
pub(crate) fn run(isolation: &str, quick: bool) {
    let amount = if quick {
        Amount { faults: 7, restarts: 5, rounds: 11, operations: 100 }
    } else {
        Amount { faults: 101, restarts: 25, rounds: 31, operations: 200 }
    };
    println!("{}", json!({ "isolation": isolation, "faults": amount.faults, "restarts": amount.restarts }));
    driver::<net::Card<udrv_tests::subject::Rtl8139>>(amount);
    driver::<net::Card<udrv_tests::subject::E1000>>(amount);
    driver::<net::Card<udrv_tests::subject::R8169>>(amount);
    driver::<adapter::Adapter>(amount);
    driver::<card::Card>(amount);
    driver::<mouse::Mouse>(amount);
}

fn driver<R: Rig>(amount: Amount) {
    for bus in [Bus::Bare, Bus::Timed] {
        let share = if bus == Bus::Bare { 1 } else { R::SHARE };
        let (mut rig, mut seen) = (R::new(options(), bus), 0);
        for entry in R::Class::ENTRIES {
            let recoveries = Recoveries::of(&mut rig, *entry, amount.faults.div_ceil(share), seen);
            seen = recoveries.seen;
            recoveries.print::<R>("abort", bus, *entry);
        }
        drop(rig);
        let ladder = LadderConfig {
            recovery: Recovery::Restart,
            restarts: u32::MAX,
            back_off: Duration::ZERO,
            ..LadderConfig::default()
        };
        let mut rig = R::new(Options { ladder, ..options() }, bus);
        let recoveries = Recoveries::of(&mut rig, R::DATA[0], amount.restarts.div_ceil(share), 0);
        assert_eq!(recoveries.rung, Rung::Restart, "{}", R::NAME);
        recoveries.print::<R>("restart", bus, R::DATA[0]);
    }
    price::<R>(amount);
}

/// The same fault at the same place, again and again, is what is measured.
fn options() -> Options {
    let quarantine = QuarantineConfig { faults: 0, ..QuarantineConfig::default() };
    Options { deadline: DEADLINE, quarantine, ..Options::default() }
}

/// Recoveries from the same fault, again and again.
#[derive(Default)]
struct Recoveries {
    /// The highest that one of them came to.
    rung: Rung,
    to_error: Vec<u64>,
    to_next: Vec<u64>,
    reads: Vec<i64>,
    writes: Vec<i64>,
    slow: Vec<i64>,
    /// Of those, what recovery itself made, by its report.
    own: [Vec<i64>; 2],
    lost: u64,
    /// Number of the last report.
    seen: u64,
}

impl Recoveries {
    fn of<R: Rig>(rig: &mut R, entry: Entry, faults: usize, seen: u64) -> Recoveries {
        let mut all = Recoveries { seen, ..Recoveries::default() };
        for _ in 0..faults {
            rig.settle();
            let good = spent(rig, |rig| rig.work(entry));
            rig.settle();
            let injection = Injection { fault: InjectedFault::NullWrite, point: Point::Middle };
            rig.ask(Command::Inject { entry, injection, times: 1 });
            let bad = spent(rig, |rig| rig.work(entry));
            let report = last_report(rig, all.seen);
            all.seen = report.number;
            assert_eq!((report.entry.as_str(), report.recovered), (entry.name(), true), "{}: {report:?}", R::NAME);
            all.rung = all.rung.max(report.rung);
            all.to_error.push(report.to_error);
            all.to_next.push(report.to_next_frame.expect("something went through after it"));
            let more = |of: fn(&Spent) -> u64| of(&bad) as i64 - of(&good) as i64;
            all.reads.push(more(|spent| spent.reads));
            all.writes.push(more(|spent| spent.writes));
            all.slow.push(more(|spent| spent.slow));
            all.own[0].push(report.reads as i64);
            all.own[1].push(report.writes as i64);
            all.lost += report.frames_lost;
        }
        all
    }

    fn print<R: Rig>(&self, what: &str, bus: Bus, entry: Entry) {
        let line = json!({
            "driver": R::NAME,
            "what": what,
            "bus": if bus == Bus::Bare { "bare" } else { "timed" },
            "entry": entry.name(),
            "data": R::DATA.contains(&entry),
            "rung": self.rung.name(),
            "to_error": self.to_error,
            "to_next": self.to_next,
            "reads": middle(&self.reads),
            "writes": middle(&self.writes),
            "slow": middle(&self.slow),
            "own_reads": middle(&self.own[0]),
            "own_writes": middle(&self.own[1]),
            "lost": self.lost,
        });
        println!("{line}");
    }
}

fn middle(all: &[i64]) -> i64 {
    let mut all = all.to_vec();
    all.sort_unstable();
    all[all.len() / 2]
}

/// What `work` makes go over the bus.
fn spent<R: Rig>(rig: &mut R, work: impl FnOnce(&mut R)) -> Spent {
    let before = rig.spent();
    work(rig);
    let after = rig.spent();
    Spent { reads: after.reads - before.reads, writes: after.writes - before.writes, slow: after.slow - before.slow }
}

/// Of those after this number. To copy them all would leave the caches full of them.
fn last_report<R: Rig>(rig: &mut R, seen: u64) -> FaultReport {
    let Answer::Faults(reports) = rig.ask(Command::Faults(seen)) else { panic!("no reports") };
    // where the processor is virtual, another call can overrun its time through no fault of its own
    reports.iter().rev().find(|report| report.injected.is_some()).expect("it has faulted").clone()
}

/// What protection costs while nothing goes wrong: the usual operation protected and not, in turns, and what each makes go over the bus.
fn price<R: Rig>(amount: Amount) {
    let [mut guarded, mut open] =
        [Protect::Always, Protect::Never].map(|protect| R::new(Options { protect, ..options() }, Bus::Bare));
    let mut times: [Vec<f64>; 2] = Default::default();
    let mut accesses = [0; 2];
    for round in 0..amount.rounds {
        for turn in 0..2 {
            // whoever comes second finds the caches as the first has left them
            let which = (round + turn) % 2;
            let rig = if which == 0 { &mut guarded } else { &mut open };
            let start = Instant::now();
            let spent = spent(rig, |rig| (0..amount.operations).for_each(|_| rig.operation()));
            times[which].push(start.elapsed().as_nanos() as f64 / f64::from(amount.operations));
            accesses[which] += spent.reads + spent.writes + spent.slow;
        }
    }
    let line = json!({
        "driver": R::NAME,
        "what": "price",
        "protected": times[0],
        "unprotected": times[1],
        "accesses": accesses[0] as i64 - accesses[1] as i64,
        "operations": amount.rounds as u64 * u64::from(amount.operations),
    });
    println!("{line}");
}
