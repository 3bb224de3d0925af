//! The ES1371 on its model, where registers take the time that they take on PCI and the codec that of its link: what protection and
//! recovery cost while 48 kHz stereo are played, in periods of 10 ms.
//!
//! - **Periods**: the model's clock is turned by hand, and the time of what it does itself is measured apart.
//! - **Checkpoint**: what an image costs, and the register accesses that protected periods make more than unprotected ones.
//! - **Recovery**: a null write in the middle of an entry point, to the error and to the next good `pointer`, which is when samples are
//!   known to move again; the register accesses of it, and the accesses of the codec, which have a time of their own. Beside it a
//!   driver that knows no other way than to restart.
//! - **Real time**: a second by the clock in each round, on a thread as in udrvd: underruns, and the processor time of that thread.

use std::os::fd::BorrowedFd;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use ens1371::Ens1371;
use model_ens1371::{Clock, Config, Counters, Ens1371Handle, Ens1371Model, Jacks};
use nix::poll::PollFlags;
use nix::time::{ClockId, clock_gettime};
use udrv::endpoint::sound::{Card as Shown, Sound, SoundEndpoint, SoundEndpointError, Wish};
use udrv::report::FaultReport;
use udrv::run::{Answer, Command, Options, commands};
use udrv::sound::{SoundDevice, StreamStatus};
use udrv::supervisor::ladder::{LadderConfig, Recovery};
use udrv::supervisor::policy::Protect;
use udrv::supervisor::quarantine::QuarantineConfig;
use udrv_driver::{Control, ControlValue, Entry, Format, InjectedFault, Injection, Point, Stream};

use crate::{Table, cycles_in_nanosecond, median, sorted, time};

/// Frames of a period of 10 ms.
const PERIOD: u64 = 480;
/// Periods of a second.
const SECOND: u64 = 100;
/// The stream that plays: stereo, 16 bits.
const DAC2: Stream = Stream(1);
const USUAL: Sound = Sound { format: Format::S16, channels: 2, rate: 48_000 };
/// What a register takes on PCI.
const READ: Duration = Duration::from_nanos(800);
const WRITE: Duration = Duration::from_nanos(100);
/// What an access of the codec takes: two frames of the AC link, the longest that it can.
const CODEC: Duration = Duration::from_micros(42);
/// CPU time of a call: to restore everything takes some milliseconds, and as much again where another program shares the core.
const DEADLINE: Duration = Duration::from_millis(50);
/// What recovery may take beside the codec, nanoseconds: the reach that the project has set itself.
const REACH: f64 = 100_000.0;

/// Measures, and prints as the rest does.
pub(crate) fn run(isolation: &str, quick: bool) {
    let (rounds, periods, faults) = if quick { (3, 200, 10) } else { (9, 1000, 50) };
    let [mut guarded, mut open] =
        [Protect::Always, Protect::Never].map(|protect| Card::new(Options { protect, ..Options::default() }));
    // a restart after each fault, with no wait between
    let ladder = LadderConfig {
        recovery: Recovery::Restart,
        restarts: u32::MAX,
        back_off: Duration::ZERO,
        ..LadderConfig::default()
    };
    let mut restarting = Card::new(Options { ladder, ..Options::default() });

    let [with, without] = [&mut guarded, &mut open].map(|card| {
        let before = card.accesses();
        (0..1000).for_each(|_| card.period());
        card.accesses() - before
    });
    let costs = Entry::SOUND.map(|entry| {
        let costs = guarded.accesses_of_recovery(entry);
        guarded.forget_what_was_touched();
        costs
    });
    let accesses: Vec<String> =
        Entry::SOUND.iter().zip(costs).map(|(e, c)| format!(r#""{e}":{}"#, c.registers)).collect();
    let codec: Vec<String> = Entry::SOUND.iter().zip(costs).map(|(e, c)| format!(r#""{e}":{}"#, c.codec)).collect();
    let restart = restarting.fault(Entry::Pointer);
    // first, for whoever reads the facts; in turns, for whatever else the machine does
    let real: Vec<[Real; 2]> = (0..rounds).map(|_| [Protect::Always, Protect::Never].map(in_real_time)).collect();
    println!(
        r#"{{"isolation":"{isolation}","rounds":{rounds},"checkpoint_accesses":{},"periods":1000,"accesses":{{{}}},"codec":{{{}}},"restart_accesses":{},"real_seconds":{},"xruns":{},"cycles_in_ns":{:.4}}}"#,
        with as i64 - without as i64,
        accesses.join(","),
        codec.join(","),
        restart.reads + restart.writes,
        2 * rounds,
        real.iter().flatten().map(|real| real.xruns).sum::<u64>(),
        cycles_in_nanosecond(),
    );

    let mut table = Table::default();
    let controls = guarded.controls();
    for _ in 0..rounds {
        // what stands still for long is taken for stuck
        guarded.period();
        open.period();
        table.pair("sound_pointer", periods, || guarded.call(Entry::Pointer), || open.call(Entry::Pointer));
        guarded.period();
        open.period();
        table.pair("sound_interrupt", periods, || guarded.call(Entry::Interrupt), || open.call(Entry::Interrupt));
        let [with, without] =
            [&mut guarded, &mut open].map(|card| time(periods / 10, || card.call(Entry::GetControl)) / controls as f64);
        table.sample("sound_checkpoint", (with - without).max(0.0));
        let [with, without, model] = seconds_of_sound(&mut guarded, &mut open, periods / SECOND);
        table.sample("sound_second_protected", with);
        table.sample("sound_second_unprotected", without);
        table.sample("sound_second_model", model);
        table.sample("sound_period_protected", with / SECOND as f64);
        table.sample("sound_period_unprotected", without / SECOND as f64);
        let [with, without] = in_its_time(&mut guarded, &mut open);
        table.sample("sound_waking_protected", with);
        table.sample("sound_waking_unprotected", without);
        for (entry, cost) in Entry::SOUND.into_iter().zip(costs) {
            let few = if entry == Entry::Probe { (faults / 10).max(2) } else { faults };
            let mut whole = Vec::new();
            let reports: Vec<FaultReport> = (0..few)
                .map(|_| {
                    let report = guarded.fault(entry);
                    if entry == Entry::Probe {
                        // it had touched everything, and that is written again with the next restore, whosever it is
                        whole.push(time(1, || guarded.call(Entry::Restore)));
                        guarded.period();
                    }
                    report
                })
                .collect();
            if entry == Entry::Probe {
                whole.sort_by(f64::total_cmp);
                table.sample("sound_restore_all", median(&whole));
            }
            guarded.forget_what_was_touched();
            let to_pointer = sorted(reports.iter().map(|r| r.to_next_frame.expect("it was asked for its place")));
            table.sample(&format!("sound_error_{entry}"), median(&sorted(reports.iter().map(|r| r.to_error))));
            table.sample(&format!("sound_moves_{entry}"), median(&to_pointer));
            table.sample(&format!("sound_allowed_{entry}"), REACH + cost.codec as f64 * CODEC.as_nanos() as f64);
        }
        let few = (faults / 10).max(2);
        table.sample("sound_restart", median(&sorted((0..few).map(|_| restarting.fault(Entry::Pointer).to_error))));
    }
    for [with, without] in real {
        table.sample("sound_real_protected", with.processor.as_nanos() as f64);
        table.sample("sound_real_unprotected", without.processor.as_nanos() as f64);
    }
    table.print();
}

/// Nanoseconds of a second of sound, period by period in turns: driver and framework protected, unprotected, and the model.
fn seconds_of_sound(guarded: &mut Card, open: &mut Card, seconds: u64) -> [f64; 3] {
    let mut times: [Vec<f64>; 3] = Default::default();
    for _ in 0..seconds.max(1) * SECOND {
        for (which, card) in [&mut *guarded, &mut *open].into_iter().enumerate() {
            let start = Instant::now();
            card.bench.advance_clock(PERIOD);
            let moved = start.elapsed();
            card.serve();
            times[which].push((start.elapsed() - moved).as_nanos() as f64);
            times[2].push(moved.as_nanos() as f64);
        }
    }
    times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        median(&times) * SECOND as f64
    })
}

/// Nanoseconds of a period that is served after 10 ms in which this process did nothing, as it is when something plays: with caches that
/// others have used meanwhile, and a watchdog that sleeps.
fn in_its_time(guarded: &mut Card, open: &mut Card) -> [f64; 2] {
    const TIMES: usize = 20;
    let mut times: [Vec<f64>; 2] = Default::default();
    for _ in 0..TIMES {
        for (times, card) in times.iter_mut().zip([&mut *guarded, &mut *open]) {
            card.bench.advance_clock(PERIOD);
            std::thread::sleep(Duration::from_millis(10));
            let start = Instant::now();
            card.serve();
            times.push(start.elapsed().as_nanos() as f64);
        }
    }
    times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        median(&times)
    })
}

/// What recovery takes of the card.
#[derive(Debug, Clone, Copy)]
struct Accesses {
    registers: u64,
    codec: u64,
}

/// Plays for ever.
struct Player {
    wish: Option<Wish>,
    samples: Vec<u8>,
}

impl Player {
    fn new() -> Player {
        let samples = (0..8192_u16).flat_map(u16::to_le_bytes).collect();
        Player { wish: Some(Wish::Start(DAC2, USUAL)), samples }
    }
}

impl SoundEndpoint for Player {
    fn name(&self) -> String {
        "player".to_owned()
    }
    fn show(&mut self, _: &Shown<'_>) -> Result<(), SoundEndpointError> {
        Ok(())
    }
    fn descriptors(&self) -> Vec<(BorrowedFd<'_>, PollFlags)> {
        Vec::new()
    }
    fn wish(&mut self) -> Result<Option<Wish>, SoundEndpointError> {
        Ok(self.wish.take())
    }
    fn take(&mut self, _: Stream, to: &mut [u8]) -> Result<usize, SoundEndpointError> {
        let count = to.len().min(self.samples.len());
        to[..count].copy_from_slice(&self.samples[..count]);
        Ok(count)
    }
    fn give(&mut self, _: Stream, from: &[u8]) -> Result<usize, SoundEndpointError> {
        Ok(from.len())
    }
    fn fail(&mut self, _: Stream, why: &str) -> Result<(), SoundEndpointError> {
        panic!("it plays: {why}");
    }
    fn show_control(&mut self, _: Control, _: ControlValue) -> Result<(), SoundEndpointError> {
        Ok(())
    }
}

/// A bus and a codec that take their time.
pub(crate) fn timed() -> Config {
    Config { codec_polls: 0, codec_time: CODEC, read_cost: READ, write_cost: WRITE, ..Config::default() }
}

fn started(config: Config, options: Options, clock: Clock) -> (SoundDevice<Ens1371>, Ens1371Handle) {
    let config = Config { clock, ..config };
    let (model, bench) = Ens1371Model::new(config, Jacks::default());
    // the same fault at the same place, again and again, is what is measured
    let quarantine = QuarantineConfig { faults: 0, ..QuarantineConfig::default() };
    let options = Options { quarantine, deadline: DEADLINE, ..options };
    let device = SoundDevice::start(Box::new(model), Box::new(Player::new()), options).expect("the device starts");
    (device, bench)
}

/// A card with its driver, turned by hand, that plays.
pub(crate) struct Card {
    device: SoundDevice<Ens1371>,
    bench: Ens1371Handle,
}

impl Card {
    fn new(options: Options) -> Card {
        Card::of(timed(), options)
    }

    pub(crate) fn of(config: Config, options: Options) -> Card {
        let (device, bench) = started(config, options, Clock::Manual);
        let mut card = Card { device, bench };
        card.device.tick().expect("it goes on");
        (0..8).for_each(|_| card.period());
        assert!(card.stream().counters.periods >= 4, "it plays");
        card
    }

    pub(crate) fn device(&mut self) -> &mut SoundDevice<Ens1371> {
        &mut self.device
    }

    /// What has gone over the bus so far.
    pub(crate) fn counters(&self) -> Counters {
        self.bench.counters()
    }

    /// A period passes, and is served: interrupt, pointer, refill.
    pub(crate) fn period(&mut self) {
        self.bench.advance_clock(PERIOD);
        self.serve();
    }

    fn serve(&mut self) {
        assert!(self.device.is_called(), "a period is over");
        self.device.serve_interrupt().expect("it goes on");
    }

    fn ask(&mut self, command: Command) -> Answer {
        self.device.handle(command).expect("it goes on")
    }

    fn call(&mut self, entry: Entry) {
        let answer = self.ask(Command::Call(entry));
        assert!(matches!(answer, Answer::Done), "{answer:?}");
    }

    fn sound(&mut self) -> udrv::sound::SoundStatus {
        match self.ask(Command::Status) {
            Answer::Status(status) => status.sound().clone(),
            other => panic!("{other:?}"),
        }
    }

    fn stream(&mut self) -> StreamStatus {
        self.sound().streams[DAC2.0 as usize].clone()
    }

    fn controls(&mut self) -> usize {
        self.sound().controls.len()
    }

    /// What goes through an entry point, and the card is asked for its place.
    pub(crate) fn work(&mut self, entry: Entry) {
        match entry {
            Entry::Pointer | Entry::Interrupt => self.period(),
            other => {
                self.call(other);
                self.call(Entry::Pointer);
                self.period();
            }
        }
    }

    fn fault(&mut self, entry: Entry) -> FaultReport {
        let injection = Injection { fault: InjectedFault::NullWrite, point: Point::Middle };
        self.ask(Command::Inject { entry, injection, times: 1 });
        self.work(entry);
        let Answer::Faults(reports) = self.ask(Command::Faults(0)) else { panic!("no reports") };
        let report = reports.last().expect("it has faulted").clone();
        assert_eq!((report.entry.as_str(), report.recovered), (entry.name(), true), "{report:?}");
        report
    }

    /// What an abandoned call has touched is written again by each `restore`, until one is a rung of the ladder: such as that for a fault
    /// in it.
    pub(crate) fn forget_what_was_touched(&mut self) {
        self.fault(Entry::Restore);
    }

    /// Register accesses so far.
    fn accesses(&self) -> u64 {
        let counters = self.bench.counters();
        counters.register_reads + counters.register_writes
    }

    /// Accesses of the codec so far.
    fn codec(&self) -> u64 {
        let counters = self.bench.counters();
        counters.chip.codec_reads + counters.chip.codec_writes
    }

    /// What recovery makes: register accesses by its own report, and those of the codec that a faulting call makes more than one that
    /// does not.
    fn accesses_of_recovery(&mut self, entry: Entry) -> Accesses {
        let before = self.codec();
        self.work(entry);
        let good = self.codec() - before;
        let before = self.codec();
        let report = self.fault(entry);
        let bad = self.codec() - before;
        Accesses { registers: report.reads + report.writes, codec: bad.saturating_sub(good) }
    }
}

/// What came of playing by the clock.
struct Real {
    xruns: u64,
    processor: Duration,
}

/// Plays for a second, on a thread as in udrvd.
fn in_real_time(protect: Protect) -> Real {
    let (mut device, _bench) = started(timed(), Options { protect, ..Options::default() }, Clock::default());
    // nobody rings when it has something to play: it always has
    device.tick().expect("it goes on");
    let (commander, inbox) = commands().expect("descriptors");
    let run = move || {
        let processor = || Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a clock"));
        let before = processor();
        device.run(&inbox).expect("it goes on");
        processor() - before
    };
    let device = std::thread::spawn(run);
    // nothing else is to be done in that time, and nobody rings
    let (_ring, over) = channel::<()>();
    let _ = over.recv_timeout(Duration::from_secs(1));
    let status = match commander.ask(Command::Status) {
        Some(Answer::Status(status)) => status.sound().streams[DAC2.0 as usize].clone(),
        other => panic!("{other:?}"),
    };
    assert!(status.counters.periods >= SECOND * 9 / 10, "it plays: {status:?}");
    assert!(commander.ask(Command::Stop).is_some(), "it runs until now");
    Real { xruns: status.counters.xruns, processor: device.join().expect("it does not panic") }
}
