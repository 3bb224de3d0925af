//! What a device costs on the bare model, protected and not: the measuring half of a section of `cargo xtask bench`.
//!
//! Prints JSON, one object a line: facts, then each measure with one sample a round, in nanoseconds. Nobody is at the
//! ends: an endpoint that makes frames and forgets them, a wire whose far end is emptied. So what is timed is the
//! driver, the framework and the model. All measures take turns in every round. `--quick` makes fewer and shorter
//! rounds.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use model_rtl8139::{Config, Rtl8139Handle, Rtl8139Model, regs};
use model_wire::{Station, Wire, WireConfig};
use rtl8139::Rtl8139;
use udrv::dma::DmaRegion;
use udrv::endpoint::{EndpointError, NetEndpoint, Received, Sent};
use udrv::net::{Answer, Command, NetDevice, Options};
use udrv::report::{FaultReport, Rung};
use udrv::supervisor::policy::Protect;
use udrv::supervisor::quarantine::QuarantineConfig;
use udrv_bus::{PciFunction, Width};
use udrv_driver::{Entry, InjectedFault, Injection, Point};
use udrv_tests::frames::Way;

/// The frame of all measures, bytes.
const FRAME: usize = 1514;
/// What recovery may take beside the bus, nanoseconds: the reach that the project has set itself.
const REACH: f64 = 7000.0;

fn main() {
    let isolation = fgft::init().expect("the engine starts");
    let quick = std::env::args().any(|a| a == "--quick");
    let (rounds, frames, faults) = if quick { (5, 200, 20) } else { (15, 2000, 100) };

    let mut guarded = Bench::new(true);
    let mut plain = Bench::new(false);
    let (reads, calls) = checkpoint_reads(&mut guarded, &mut plain);
    println!(r#"{{"isolation":"{}","rounds":{rounds},"checkpoint_reads":{reads},"calls":{calls}}}"#, isolation.name());

    let mut bus = Bus::new();
    let mut table = Table::default();
    for _ in 0..rounds {
        let read = time(frames * 4, || bus.read());
        let write = time(frames * 4, || bus.write());
        let send = time(frames, || bus.send());
        table.sample("bus_read", read);
        table.sample("bus_write", write);
        table.sample("bus_send", send);
        table.sample("frame_down_protected", time(frames, || guarded.down()));
        table.sample("frame_down_unprotected", time(frames, || plain.down()));
        table.sample("frame_up_protected", time(frames, || guarded.up()));
        table.sample("frame_up_unprotected", time(frames, || plain.up()));
        for (entry, name) in [(Entry::Transmit, "transmit"), (Entry::Poll, "poll")] {
            let reports: Vec<FaultReport> = (0..faults).map(|_| guarded.fault(entry)).collect();
            let sorted = |of: fn(&FaultReport) -> u64| {
                let mut all: Vec<u64> = reports.iter().map(of).collect();
                all.sort_unstable();
                all.into_iter().map(|n| n as f64).collect::<Vec<f64>>()
            };
            let to_error = sorted(|r| r.to_error);
            let to_frame = sorted(|r| r.to_next_frame.expect("the retry went through"));
            table.sample(&format!("fault_to_error_{name}"), to_error[to_error.len() / 2]);
            table.sample(&format!("fault_to_frame_{name}"), to_frame[to_frame.len() / 2]);
            table.sample(&format!("fault_to_frame_{name}_worst"), to_frame[to_frame.len() - 1]);
            let accesses = guarded.accesses_of_recovery(entry);
            // the last write of a transmission is the one that sends
            let sending = if entry == Entry::Transmit { send } else { 0.0 };
            let bus_time = accesses.0 as f64 * read + accesses.1 as f64 * write + sending;
            table.sample(&format!("allowed_{name}"), REACH + bus_time);
        }
    }
    table.print();
}

/// Samples by name, in the order of their first.
#[derive(Default)]
struct Table(Vec<(String, Vec<f64>)>);

impl Table {
    fn sample(&mut self, name: &str, value: f64) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, samples)) => samples.push(value),
            None => self.0.push((name.to_owned(), vec![value])),
        }
    }

    fn print(&self) {
        for (name, samples) in &self.0 {
            let samples: Vec<String> = samples.iter().map(|s| format!("{s:.2}")).collect();
            println!(r#"{{"name":"{name}","samples":[{}]}}"#, samples.join(","));
        }
    }
}

/// Nanoseconds of one of `times` operations.
fn time(times: u64, mut operation: impl FnMut()) -> f64 {
    let start = Instant::now();
    (0..times).for_each(|_| operation());
    start.elapsed().as_nanos() as f64 / times as f64
}

/// An endpoint that makes as many frames as it was told to and forgets what it gets.
struct Mill {
    frame: Vec<u8>,
    to_make: Arc<AtomicU64>,
    taken: Arc<AtomicU64>,
    nothing: File,
}

impl NetEndpoint for Mill {
    fn name(&self) -> String {
        "mill".to_owned()
    }
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.nothing.as_fd()
    }
    fn recv(&mut self, to: &mut [u8]) -> Result<Received, EndpointError> {
        to[..self.frame.len()].copy_from_slice(&self.frame);
        Ok(Received::Frame(self.frame.len()))
    }
    fn recv_into(&mut self, region: &DmaRegion, offset: u64, _: usize) -> Result<Received, EndpointError> {
        if self.to_make.load(Relaxed) == 0 {
            return Ok(Received::Empty);
        }
        self.to_make.fetch_sub(1, Relaxed);
        region.copy_in(offset, &self.frame).expect("a buffer holds a frame");
        Ok(Received::Frame(self.frame.len()))
    }
    fn send(&mut self, _: &[u8]) -> Result<Sent, EndpointError> {
        self.taken.fetch_add(1, Relaxed);
        Ok(Sent::Done)
    }
    fn send_from(&mut self, _: &DmaRegion, _: u64, _: usize) -> Result<Sent, EndpointError> {
        self.taken.fetch_add(1, Relaxed);
        Ok(Sent::Done)
    }
    fn set_mac(&mut self, _: [u8; 6]) -> Result<(), EndpointError> {
        Ok(())
    }
    fn set_mtu(&mut self, _: u32) -> Result<(), EndpointError> {
        Ok(())
    }
    fn set_carrier(&mut self, _: bool) -> Result<(), EndpointError> {
        Ok(())
    }
    fn set_up(&mut self, _: bool) -> Result<(), EndpointError> {
        Ok(())
    }
}

/// A device that is turned by hand.
struct Bench {
    device: NetDevice<Rtl8139>,
    card: Rtl8139Handle,
    station: Station,
    up: Vec<u8>,
    sent: Vec<u8>,
    to_make: Arc<AtomicU64>,
    taken: Arc<AtomicU64>,
    _wire: Wire,
}

impl Bench {
    fn new(protect: bool) -> Bench {
        let (wire, near, far) = Wire::new(WireConfig::default());
        let (model, card) = Rtl8139Model::new(Config::default(), near);
        let (mut down, mut up) = (Vec::new(), Vec::new());
        Way::Down.write_long(0, FRAME, &mut down);
        Way::Up.write_long(0, FRAME, &mut up);
        let (to_make, taken) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let nothing = File::open("/dev/null").expect("/dev/null");
        let mill = Mill { frame: down, to_make: to_make.clone(), taken: taken.clone(), nothing };
        // the same fault at the same place, again and again, is what is measured
        let quarantine = QuarantineConfig { faults: 0, ..QuarantineConfig::default() };
        let protect = if protect { Protect::Always } else { Protect::Never };
        let options = Options { protect, quarantine, ..Options::default() };
        let device = NetDevice::start(Box::new(model), Box::new(mill), options).expect("the device starts");
        Bench { device, card, station: Station::new(far), up, sent: Vec::new(), to_make, taken, _wire: wire }
    }

    /// A frame from the host to the wire, and its completion.
    fn down(&mut self) {
        self.to_make.store(1, Relaxed);
        self.device.pump_endpoint().expect("it goes on");
        self.device.serve_interrupt().expect("it goes on");
        self.station.receive_into(&mut self.sent, std::time::Duration::ZERO).expect("the frame is on the wire");
    }

    /// A frame from the wire to the host.
    fn up(&mut self) {
        let before = self.taken.load(Relaxed);
        self.station.inject(&self.up);
        self.device.serve_interrupt().expect("it goes on");
        assert_eq!(self.taken.load(Relaxed), before + 1, "the frame is with the host");
    }

    fn arm(&mut self, entry: Entry) {
        let injection = Injection { fault: InjectedFault::NullWrite, point: Point::Middle };
        self.device.handle(Command::Inject { entry, injection, times: 1 }).expect("armed");
    }

    /// A frame whose first try faults; the report.
    fn fault(&mut self, entry: Entry) -> FaultReport {
        self.arm(entry);
        if entry == Entry::Transmit {
            self.down()
        } else {
            self.up()
        }
        let Ok(Answer::Faults(reports)) = self.device.handle(Command::Faults(0)) else { panic!("no reports") };
        let report = reports.last().expect("it has faulted").clone();
        assert_eq!((report.entry.as_str(), report.rung, report.frames_lost), (entry.name(), Rung::Abort, 0));
        report
    }

    fn accesses(&self) -> (u64, u64) {
        let counters = self.card.counters();
        (counters.register_reads, counters.register_writes)
    }

    /// Register reads and writes from a fault to the next frame: those of the rollback, and those of the call that is
    /// made again. The latter are what a faulting call makes more than one that does not.
    fn accesses_of_recovery(&mut self, entry: Entry) -> (u64, u64) {
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

/// Device reads that protection costs: the same calls on a protected and an unprotected device.
fn checkpoint_reads(guarded: &mut Bench, plain: &mut Bench) -> (i64, u64) {
    const FRAMES: u64 = 1000;
    let run = |bench: &mut Bench| {
        // the first frames find out what the registers hold
        (0..8).for_each(|_| bench.down());
        let before = bench.accesses();
        for _ in 0..FRAMES {
            bench.down();
            bench.up();
        }
        bench.accesses().0 - before.0
    };
    (run(guarded) as i64 - run(plain) as i64, FRAMES * 2)
}

/// The model alone: what the bus costs.
struct Bus {
    model: Rtl8139Model,
    station: Station,
    memory: Arc<DmaRegion>,
    sent: Vec<u8>,
    slot: u64,
    _wire: Wire,
}

impl Bus {
    const IOVA: u32 = 0x10_0000;

    fn new() -> Bus {
        let (wire, near, far) = Wire::new(WireConfig::default());
        let (mut model, _) = Rtl8139Model::new(Config::default(), near);
        let memory = Arc::new(DmaRegion::new(4096, fgft::device_key()).expect("memory"));
        let mapping = udrv_bus::DmaMapping { iova: Self::IOVA.into(), memory: memory.clone() };
        model.map_dma(mapping).expect("a mapping");
        model.config_write(4, Width::U16, 7).expect("decoding and bus mastering");
        let mut bus = Bus { model, station: Station::new(far), memory, sent: Vec::new(), slot: 0, _wire: wire };
        bus.poke(regs::CR, Width::U8, regs::cr::TE.into());
        bus
    }

    fn poke(&mut self, offset: u8, width: Width, value: u32) {
        self.model.bar_write(1, offset.into(), width, value).expect("a write");
    }

    fn read(&mut self) {
        std::hint::black_box(self.model.bar_read(1, regs::ISR.into(), Width::U16).expect("a read"));
    }

    fn write(&mut self) {
        self.poke(regs::TSAD0, Width::U32, Self::IOVA);
    }

    /// The write that sends a frame, and the frame's way over the wire.
    fn send(&mut self) {
        let slot = (self.slot % 4) as u8;
        self.slot += 1;
        std::hint::black_box(&self.memory);
        self.poke(regs::TSAD0 + 4 * slot, Width::U32, Self::IOVA);
        self.poke(regs::TSD0 + 4 * slot, Width::U32, FRAME as u32);
        self.station.receive_into(&mut self.sent, std::time::Duration::ZERO).expect("the frame is on the wire");
    }
}
