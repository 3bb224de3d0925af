//! The Pegasus on its model, where a control transfer takes 125 us as it does on a bus of full speed: what protection and
//! recovery cost in time and in control transfers.
//!
//! - **Checkpoint**: control transfers that protected frames make more than unprotected ones.
//! - **Recovery**: a null write in the middle of an entry point, to the error and to the next good frame; and the control
//!   transfers of it, which are those that a faulting call makes more than one that does not. Beside it a driver that knows
//!   no other way than to restart.
//! - **Throughput**: frames of 1514 bytes in batches, on a bus that takes no time for them, and on one of 12 Mbit/s.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use model_pegasus::{Config, Counters, PegasusHandle, PegasusModel};
use model_wire::{Station, Wire, WireConfig};
use pegasus::Pegasus;
use udrv::device::Opened;
use udrv::net::NetDevice;
use udrv::report::FaultReport;
use udrv::run::{Answer, Command, Options};
use udrv::supervisor::ladder::{LadderConfig, Recovery};
use udrv::supervisor::policy::Protect;
use udrv::supervisor::quarantine::QuarantineConfig;
use udrv_driver::{Entry, InjectedFault, Injection, Point};
use udrv_tests::frames::Way;

use crate::mill::{FRAME, Mill, Tally};
use crate::{Table, cycles_in_nanosecond, median, sorted, time};

/// Frames of a batch: half of what the driver has under way at most.
const BATCH: u64 = 8;
/// Time of a batch on a bus of full speed.
const BUS_TIME: Duration = Duration::from_nanos(BATCH * FRAME as u64 * 8 * 1000 / 12);
/// What recovery may take, nanoseconds: the reach that the project has set itself.
const REACH: f64 = 1e6;
/// Entry points that recovery is measured of: three that frames go through, one that writes nothing, one that writes plain
/// registers, one that writes commands.
const ENTRIES: [Entry; 6] =
    [Entry::Transmit, Entry::Interrupt, Entry::Poll, Entry::GetStats, Entry::SetRxMode, Entry::Link];

/// Measures, and prints as the rest does.
pub(crate) fn run(isolation: &str, quick: bool) {
    let (rounds, frames, faults) = if quick { (3, 100, 10) } else { (9, 1000, 50) };
    let [mut guarded, mut open] =
        [Protect::Always, Protect::Never].map(|protect| Adapter::new(Options { protect, ..Options::default() }));
    let ladder = LadderConfig { recovery: Recovery::Restart, ..LadderConfig::default() };
    let mut restarting = Adapter::new(Options { ladder, ..Options::default() });

    let [with, without] =
        [&mut guarded, &mut open].map(|adapter| adapter.transfers_of(|a| (0..1000).for_each(|_| a.both())));
    let transfers = ENTRIES.map(|entry| format!(r#""{entry}":{}"#, guarded.transfers_of_recovery(entry)));
    println!(
        r#"{{"isolation":"{isolation}","rounds":{rounds},"checkpoint_transfers":{},"frames":2000,"transfers":{{{}}},"cycles_in_ns":{:.4}}}"#,
        with as i64 - without as i64,
        transfers.join(","),
        cycles_in_nanosecond(),
    );

    let mut table = Table::default();
    for _ in 0..rounds {
        let batches = frames / BATCH;
        table.pair("usb_down", batches, || guarded.down_many(BATCH), || open.down_many(BATCH));
        table.pair("usb_up", batches, || guarded.up_many(BATCH), || open.up_many(BATCH));
        table.pair("usb_paced", batches / 4 + 1, || paced(&mut guarded), || paced(&mut open));
        for entry in ENTRIES {
            let reports: Vec<FaultReport> = (0..faults).map(|_| guarded.fault(entry)).collect();
            let to_error = sorted(reports.iter().map(|r| r.to_error));
            let to_frame = sorted(reports.iter().map(|r| r.to_next_frame.expect("the retry went through")));
            table.sample(&format!("usb_error_{entry}"), median(&to_error));
            table.sample(&format!("usb_frame_{entry}"), median(&to_frame));
        }
        table.sample("usb_allowed", REACH);
        let few = (faults / 10).max(2);
        table.sample("usb_restart", median(&sorted((0..few).map(|_| restarting.fault(Entry::Transmit).to_error))));
        table.sample("usb_control", time(faults, || guarded.control()));
    }
    table.print();
}

/// A batch each way, and as long as a bus of full speed takes for it.
fn paced(adapter: &mut Adapter) {
    let start = Instant::now();
    adapter.down_many(BATCH);
    adapter.up_many(BATCH);
    while start.elapsed() < 2 * BUS_TIME {
        std::hint::spin_loop();
    }
}

/// An adapter with its driver, turned by hand.
pub(crate) struct Adapter {
    device: NetDevice<Pegasus>,
    bench: PegasusHandle,
    station: Station,
    up: Vec<u8>,
    sent: Vec<u8>,
    tally: Tally,
    _wire: Wire,
}

impl Adapter {
    fn new(options: Options) -> Adapter {
        Adapter::of(Config::default(), options)
    }

    pub(crate) fn of(config: Config, options: Options) -> Adapter {
        let mut up = Vec::new();
        Way::Up.write_long(0, FRAME, &mut up);
        let (mill, tally) = Mill::new(FRAME);
        let (wire, near, far) = Wire::new(WireConfig::default());
        let (model, bench) = PegasusModel::new(config, near);
        // the same fault at the same place, again and again, is what is measured
        let options = Options { quarantine: QuarantineConfig { faults: 0, ..QuarantineConfig::default() }, ..options };
        let opened = Opened::Usb { device: Box::new(model), reopen: None };
        let device = NetDevice::start(opened, Box::new(mill), options).expect("the device starts");
        Adapter { device, bench, station: Station::new(far), up, sent: Vec::new(), tally, _wire: wire }
    }

    pub(crate) fn device(&mut self) -> &mut NetDevice<Pegasus> {
        &mut self.device
    }

    /// What has gone over the bus so far.
    pub(crate) fn counters(&self) -> Counters {
        self.bench.counters()
    }

    /// A frame each way.
    pub(crate) fn both(&mut self) {
        self.down_many(1);
        self.up_many(1);
    }

    pub(crate) fn down_many(&mut self, frames: u64) {
        self.tally.to_make.store(frames, Relaxed);
        self.device.pump_endpoint().expect("it goes on");
        self.device.serve_interrupt().expect("it goes on");
        for _ in 0..frames {
            let taken = self.station.receive_into(&mut self.sent, Duration::ZERO);
            assert_eq!(taken, Some(true), "the frame is on the wire");
        }
    }

    fn up_many(&mut self, frames: u64) {
        let before = self.tally.taken.load(Relaxed);
        (0..frames).for_each(|_| self.station.inject(&self.up));
        self.device.serve_interrupt().expect("it goes on");
        assert_eq!(self.tally.taken.load(Relaxed), before + frames, "the frames are with the host");
    }

    /// A call that makes one control transfer: what one takes.
    fn control(&mut self) {
        let before = self.transfers();
        self.call(Entry::Link);
        assert!(self.transfers() > before);
    }

    fn call(&mut self, entry: Entry) {
        let answer = self.device.handle(Command::Call(entry));
        assert!(matches!(answer, Ok(Answer::Done)), "{answer:?}");
    }

    /// The work that goes through an entry point.
    pub(crate) fn work(&mut self, entry: Entry) {
        match entry {
            Entry::Transmit => self.down_many(1),
            Entry::Interrupt | Entry::Poll => self.up_many(1),
            other => {
                self.call(other);
                self.up_many(1);
            }
        }
    }

    fn fault(&mut self, entry: Entry) -> FaultReport {
        let injection = Injection { fault: InjectedFault::NullWrite, point: Point::Middle };
        self.device.handle(Command::Inject { entry, injection, times: 1 }).expect("armed");
        self.work(entry);
        let Ok(Answer::Faults(reports)) = self.device.handle(Command::Faults(0)) else { panic!("no reports") };
        let report = reports.last().expect("it has faulted").clone();
        assert_eq!((report.entry.as_str(), report.frames_lost), (entry.name(), 0));
        report
    }

    /// Control transfers so far.
    fn transfers(&self) -> u64 {
        let counters = self.bench.counters();
        counters.control_reads + counters.control_writes
    }

    fn transfers_of(&mut self, work: impl FnOnce(&mut Adapter)) -> u64 {
        let before = self.transfers();
        work(self);
        self.transfers() - before
    }

    /// Control transfers from a fault to the end of the call that is made again, without those of that call.
    fn transfers_of_recovery(&mut self, entry: Entry) -> u64 {
        let good = self.transfers_of(|adapter| adapter.work(entry));
        let bad = self.transfers_of(|adapter| drop(adapter.fault(entry)));
        bad - good
    }
}
