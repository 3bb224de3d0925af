//! A driver on the model of its chip, turned by hand.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use model_card::{Handle, Model};
use model_wire::{Station, Wire, WireConfig};
use udrv::device::Opened;
use udrv::endpoint::NetEndpoint;
use udrv::keep::Keeper;
use udrv::net::{NetDevice, NetOptions};
use udrv::report::{FaultReport, Rung};
use udrv::run::{Answer, Command, Options};
use udrv::supervisor::ladder::{LadderConfig, Recovery};
use udrv::supervisor::policy::Protect;
use udrv::supervisor::quarantine::QuarantineConfig;
use udrv_bus::PciFunction;
use udrv_driver::{Entry, InjectedFault, Injection, Point};
use udrv_tests::frames::Way;
use udrv_tests::kept::{Lasting, Shelf};
use udrv_tests::subject::Subject;

use crate::mill::{Mill, Tally};

/// Frames of a batch.
pub(crate) const BATCH: u64 = 32;

/// What a device is started with.
pub(crate) type Started<S> = (NetDevice<<S as Subject>::Driver>, Handle<<S as Subject>::Chip>, Station, Wire);

/// A device that runs between `endpoint` and the wire.
pub(crate) fn started<S: Subject>(endpoint: Box<dyn NetEndpoint>, options: Options) -> Started<S> {
    started_on::<S>(|model| Opened::from(Box::new(model) as Box<dyn PciFunction>), endpoint, options)
}

fn started_on<S: Subject>(
    open: impl FnOnce(Model<S::Chip>) -> Opened,
    endpoint: Box<dyn NetEndpoint>,
    options: Options,
) -> Started<S> {
    let (wire, near, far) = Wire::new(WireConfig::default());
    let (model, card) = Model::<S::Chip>::new(S::config(), near);
    // the same fault at the same place, again and again, is what is measured
    let quarantine = QuarantineConfig { faults: 0, ..QuarantineConfig::default() };
    let options = Options { quarantine, ..options };
    let device = NetDevice::start(open(model), endpoint, options).expect("the device starts");
    (device, card, Station::new(far), wire)
}

/// See the file's text.
pub(crate) struct Turned<S: Subject> {
    device: NetDevice<S::Driver>,
    card: Handle<S::Chip>,
    station: Station,
    up: Vec<u8>,
    sent: Vec<u8>,
    tally: Tally,
    _wire: Wire,
}

impl<S: Subject> Turned<S> {
    /// With frames of `bytes` both ways.
    pub(crate) fn new(protect: bool, bytes: usize) -> Turned<S> {
        let protect = if protect { Protect::Always } else { Protect::Never };
        Turned::with(Options { protect, ..Options::default() }, bytes)
    }

    /// One that knows only one way to recover: a restart.
    pub(crate) fn that_restarts(bytes: usize) -> Turned<S> {
        let ladder = LadderConfig { recovery: Recovery::Restart, ..LadderConfig::default() };
        Turned::with(Options { ladder, ..Options::default() }, bytes)
    }

    /// One of two that differ by a keeper alone: with it another process could go on any time.
    pub(crate) fn that_is_kept(keeper: Option<Arc<Shelf>>, bytes: usize) -> Turned<S> {
        let keeper = keeper.map(|keeper| -> Arc<dyn Keeper> { keeper });
        Turned::on(|model| Lasting::new(model).opened(), Options { keeper, ..Options::default() }, bytes)
    }

    pub(crate) fn with(options: Options, bytes: usize) -> Turned<S> {
        Turned::on(|model| Opened::from(Box::new(model) as Box<dyn PciFunction>), options, bytes)
    }

    /// One that is opened in this way.
    pub(crate) fn on(open: impl FnOnce(Model<S::Chip>) -> Opened, options: Options, bytes: usize) -> Turned<S> {
        let mut up = Vec::new();
        Way::Up.write_long(0, bytes, &mut up);
        let (mill, tally) = Mill::new(bytes);
        // nobody waits for interrupts here, so none is held back
        let options =
            Options { net: NetOptions { interrupt_interval: Some(Duration::ZERO), ..options.net }, ..options };
        let (device, card, station, wire) = started_on::<S>(open, Box::new(mill), options);
        Turned { device, card, station, up, sent: Vec::new(), tally, _wire: wire }
    }

    pub(crate) fn device(&mut self) -> &mut NetDevice<S::Driver> {
        &mut self.device
    }

    /// A frame from the host to the wire, and its completion.
    pub(crate) fn down(&mut self) {
        self.tally.to_make.store(1, Relaxed);
        self.device.pump_endpoint().expect("it goes on");
        self.device.serve_interrupt().expect("it goes on");
        self.take_sent();
    }

    /// A frame from the wire to the host.
    pub(crate) fn up(&mut self) {
        self.up_many(1);
    }

    /// Frames that come in together.
    pub(crate) fn up_many(&mut self, frames: u64) {
        let before = self.tally.taken.load(Relaxed);
        (0..frames).for_each(|_| self.station.inject(&self.up));
        self.device.serve_interrupt().expect("it goes on");
        assert_eq!(self.tally.taken.load(Relaxed), before + frames, "the frames are with the host");
    }

    /// Frames that the host has together, more than the chip has slots for it may be.
    pub(crate) fn down_many(&mut self, frames: u64) {
        self.tally.to_make.store(frames, Relaxed);
        self.device.pump_endpoint().expect("it goes on");
        for _ in 0..frames.div_ceil(S::TX_ROOM) {
            self.device.serve_interrupt().expect("it goes on");
        }
        (0..frames).for_each(|_| self.take_sent());
    }

    fn take_sent(&mut self) {
        let taken = self.station.receive_into(&mut self.sent, Duration::ZERO);
        assert_eq!(taken, Some(true), "the frame is on the wire");
    }

    fn arm(&mut self, entry: Entry) {
        let injection = Injection { fault: InjectedFault::NullWrite, point: Point::Middle };
        self.device.handle(Command::Inject { entry, injection, times: 1 }).expect("armed");
    }

    fn last_report(&mut self) -> FaultReport {
        let Ok(Answer::Faults(reports)) = self.device.handle(Command::Faults(0)) else { panic!("no reports") };
        reports.last().expect("it has faulted").clone()
    }

    /// A frame that goes through this entry point, or one after a call of it.
    pub(crate) fn work(&mut self, entry: Entry) {
        match entry {
            Entry::Transmit => self.down(),
            Entry::Interrupt | Entry::Poll => self.up(),
            other => {
                let answer = self.device.handle(Command::Call(other));
                assert!(matches!(answer, Ok(Answer::Done)), "{answer:?}");
                self.up();
            }
        }
    }

    /// The same where the first try of it faults; the report.
    pub(crate) fn fault(&mut self, entry: Entry) -> FaultReport {
        self.arm(entry);
        self.work(entry);
        let report = self.last_report();
        assert_eq!((report.entry.as_str(), report.frames_lost), (entry.name(), 0));
        report
    }

    /// A fault of `set_mac`, which writes a command: nanoseconds to the end of the restore.
    pub(crate) fn fault_with_restore(&mut self) -> u64 {
        self.arm(Entry::SetMac);
        self.device.handle(Command::Call(Entry::SetMac)).expect("it goes on");
        let report = self.last_report();
        assert_eq!((report.entry.as_str(), report.rung), ("set_mac", Rung::Restore));
        report.to_error
    }

    /// A restart by command.
    pub(crate) fn restart(&mut self) {
        let answer = self.device.handle(Command::Restart);
        assert!(matches!(answer, Ok(Answer::Done)), "{answer:?}");
    }

    /// Registers read and written.
    pub(crate) fn accesses(&self) -> (u64, u64) {
        let counters = self.card.counters();
        (counters.register_reads, counters.register_writes)
    }

    /// Register reads and writes from a fault to the next frame: those of the rollback, and those of the call that is
    /// made again. The latter are what a faulting call makes more than one that does not.
    pub(crate) fn accesses_of_recovery(&mut self, entry: Entry) -> (u64, u64) {
        let mut run = |faulty: bool| {
            let before = self.accesses();
            if faulty {
                self.fault(entry);
            } else if entry == Entry::Transmit {
                self.down();
            } else {
                self.up();
            }
            let after = self.accesses();
            (after.0 - before.0, after.1 - before.1)
        };
        let (good, bad) = (run(false), run(true));
        (bad.0 - good.0, bad.1 - good.1)
    }
}
