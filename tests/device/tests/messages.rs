//! A device that interrupts by messages (MSI): an edge, which comes again only after all causes were gone.
//!
//! Nothing looks at the device by the clock in these tests before [`NEVER`]: an interrupt that is lost is a test that
//! hangs.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use model_card::interpose::{Before, Interposer};
use model_r8169::{Config, R8169Model, Variant, regs};
use model_serve::Server;
use model_wire::{Wire, WireConfig};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::EventFd;
use udrv::net::NetOptions;
use udrv::run::{DeviceFaults, InterruptChoice, InterruptMode, Options};
use udrv::supervisor::ladder::{LadderConfig, Recovery};
use udrv::vfio_user::VfioUserFunction;
use udrv_bus::{BusError, PciFunction, Width};
use udrv_driver::{Entry, InjectedFault, Point};
use udrv_tests::frames::{Judge, Way};
use udrv_tests::rig::{Hand, Rig, quick, turn};
use udrv_tests::subject::{Misbehave, R8169, Rtl8139, Subject};
use udrv_tests::{PATIENCE, wait_until};

/// Far longer than a test may take.
const NEVER: Duration = Duration::from_secs(600);
/// The chips on PCI Express.
const EXPRESS: [Variant; 2] = [Variant::Rtl8168B, Variant::Rtl8168Be];

fn options() -> Options {
    Options {
        interrupts: InterruptChoice::Auto,
        look: NEVER,
        net: NetOptions { tx_timeout: NEVER, interrupt_interval: Some(Duration::ZERO), ..quick().net },
        ..quick()
    }
}

fn start(variant: Variant, options: Options) -> Rig<R8169> {
    let rig = Rig::start(options, Config::of(variant), |_| {}).expect("starts");
    assert_eq!(rig.status().interrupts, InterruptMode::Msi, "{variant:?}");
    rig
}

/// Frames from the wire, numbered.
struct Up {
    judge: Judge,
    sent: u64,
    buffer: Vec<u8>,
}

impl Up {
    fn new() -> Up {
        Up { judge: Judge::new(Way::Up), sent: 0, buffer: vec![0; 2048] }
    }

    fn send(&mut self, rig: &Rig<R8169>, count: u64) {
        for _ in 0..count {
            rig.around.station.inject(&Way::Up.frame(self.sent));
            self.sent += 1;
        }
    }

    /// All have arrived, once and in order.
    fn expect_all(&mut self, rig: &Rig<R8169>, what: &str) {
        wait_until(what, || {
            while let Some(length) = rig.around.host.try_receive(&mut self.buffer) {
                self.judge.take(&self.buffer[..length]).expect("a frame");
            }
            self.judge.next() == self.sent
        });
        assert_eq!(self.judge.missing, 0, "{what}");
    }
}

fn end(rig: Rig<R8169>) {
    let counters = rig.around.bench.counters();
    assert!(counters.messages > 0 && counters.interrupts == 0, "{counters:?}");
    rig.stop().0.expect("stops");
}

#[test]
fn what_is_asked_for_is_set_up_or_refused_with_a_way_out() {
    use InterruptChoice::{Auto, Line, Msi};
    for (variant, choice, expect) in [
        (Variant::Rtl8168Be, Auto, InterruptMode::Msi),
        (Variant::Rtl8168Be, Msi, InterruptMode::Msi),
        (Variant::Rtl8168Be, Line, InterruptMode::Line),
        (Variant::Rtl8169S, Auto, InterruptMode::Line),
        (Variant::Rtl8169S, Line, InterruptMode::Line),
    ] {
        let options = Options { interrupts: choice, ..options() };
        let rig = Rig::<R8169>::start(options, Config::of(variant), |_| {}).expect("starts");
        let mut up = Up::new();
        up.send(&rig, 50);
        up.expect_all(&rig, "frames");
        assert_eq!(rig.status().interrupts, expect, "{variant:?} {choice}");
        let counters = rig.around.bench.counters();
        assert_eq!(counters.messages > 0, expect == InterruptMode::Msi, "{counters:?}");
        assert_eq!(counters.interrupts > 0, expect == InterruptMode::Line, "{counters:?}");
        rig.stop().0.expect("stops");
    }
    let error = Rig::<Rtl8139>::start(Options { interrupts: Msi, ..options() }, Rtl8139::config(), |_| {});
    let error = error.err().expect("it has none").to_string();
    assert!(error.contains("no MSI") && error.contains("--interrupts line"), "{error}");
    assert_eq!([Auto, Line, Msi].map(|choice| choice.to_string().parse()), [Ok(Auto), Ok(Line), Ok(Msi)]);
    assert!("msix".parse::<InterruptChoice>().unwrap_err().contains("auto, line and msi"));
}

/// A card in which something happens between two accesses: whenever the causes are read and there are some, the test
/// is told, and the driver goes on when it says so.
struct Between {
    card: Mutex<Box<dyn PciFunction>>,
    armed: Receiver<()>,
    read: Sender<()>,
    go_on: Receiver<()>,
}

impl Interposer for Between {
    type Card = Box<dyn PciFunction>;

    fn card(&self) -> MutexGuard<'_, Self::Card> {
        self.card.lock().unwrap()
    }
    fn bar_read(&mut self, bar: u8, offset: u64, width: Width) -> Result<u32, BusError> {
        let value = self.card().bar_read(bar, offset, width)?;
        if offset == u64::from(regs::ISR) && value != 0 && self.armed.try_recv().is_ok() {
            self.read.send(()).expect("the test waits");
            self.go_on.recv_timeout(PATIENCE).expect("the test answers");
        }
        Ok(value)
    }
}

/// The link goes down after the driver has read the causes and before it acknowledges them: a cause is always there, and
/// no message comes any more. A line would be up; who treats a message as one hears no more of this device.
#[test]
fn a_cause_that_comes_while_others_are_acknowledged_is_found() {
    for variant in EXPRESS {
        let ((arm, armed), (read, was_read), (proceed, go_on)) = (channel(), channel(), channel());
        let between =
            |card| -> Box<dyn PciFunction> { Box::new(Before(Between { card: Mutex::new(card), armed, read, go_on })) };
        let rig = Rig::<R8169>::start_behind(turn(), options(), Config::of(variant), |_| {}, between).expect("starts");
        let mut up = Up::new();
        for round in 0..20 {
            let is_up = round % 2 == 1;
            arm.send(()).unwrap();
            if is_up {
                // a frame cannot come: the link does
                rig.around.wire.set_link(true);
                was_read.recv_timeout(PATIENCE).expect("the causes are read");
                up.send(&rig, 1);
            } else {
                up.send(&rig, 1);
                was_read.recv_timeout(PATIENCE).expect("the causes are read");
                rig.around.wire.set_link(false);
            }
            proceed.send(()).unwrap();
            wait_until("the link is seen", || rig.status().net().link_up == is_up);
            up.expect_all(&rig, "a frame");
        }
        up.send(&rig, 100);
        up.expect_all(&rig, "afterwards");
        assert_eq!(rig.status().device_faults, DeviceFaults::default(), "nothing was noticed late");
        end(rig);
    }
}

/// Each fault at each point, and frames that have to be announced after it.
/// A look by the clock sends a frame, and its completion is announced before the look is over: the look has to leave that to
/// be served, for nothing says it a second time.
#[test]
fn a_message_that_comes_during_a_look_is_served() {
    for variant in EXPRESS {
        let mut hand = Hand::<R8169>::new(options(), Config::of(variant));
        for round in 0..10 {
            while hand.device.is_called() {
                hand.device.serve_interrupt().expect("it goes on");
            }
            let mut frame = Vec::new();
            Way::Down.write(round, &mut frame);
            hand.around.host.send(&frame);
            hand.device.tick().expect("it goes on");
            assert!(hand.around.station.receive(PATIENCE).is_some(), "{variant:?}: it is on the wire");
            assert!(
                hand.device.is_sending() && hand.device.is_called(),
                "{variant:?}: nobody says that frame {round} was sent"
            );
            hand.device.serve_interrupt().expect("it goes on");
            assert!(!hand.device.is_sending(), "{variant:?}: frame {round} is completed");
        }
    }
}

#[test]
fn no_fault_loses_an_interrupt() {
    for variant in EXPRESS {
        let rig = start(variant, options());
        let (mut up, mut number) = (Up::new(), 0);
        for entry in [Entry::Interrupt, Entry::Poll, Entry::Restore, Entry::Transmit] {
            for fault in InjectedFault::ALL {
                for point in Point::ALL {
                    let what = format!("{variant:?}: {entry} {fault} at {point}");
                    rig.inject(entry, fault, point, 1);
                    match entry {
                        Entry::Restore => rig.call(entry).expect("the call is made again"),
                        Entry::Transmit => rig.around.host.send(&Way::Down.frame(number)),
                        _ => {}
                    }
                    up.send(&rig, 3);
                    wait_until(&what, || rig.status().faults > number);
                    number = rig.status().faults;
                    up.expect_all(&rig, &what);
                    up.send(&rig, 3);
                    up.expect_all(&rig, &what);
                }
            }
        }
        assert_eq!(rig.status().device_faults, DeviceFaults::default());
        end(rig);
    }
}

/// The same with a restart for each, which resets the chip.
#[test]
fn no_restart_loses_an_interrupt() {
    let ladder = LadderConfig { recovery: Recovery::Restart, ..LadderConfig::default() };
    let rig = start(Variant::Rtl8168Be, Options { ladder, ..options() });
    let mut buffer = [0; 2048];
    for round in 1..=4 {
        rig.inject(Entry::Poll, InjectedFault::NullWrite, Point::Middle, 1);
        rig.around.station.inject(&Way::Up.frame(0));
        wait_until("a restart", || rig.status().restarts == round);
        // what was under way is lost with the rings
        while rig.around.host.try_receive(&mut buffer).is_some() {}
        for _ in 0..20 {
            rig.around.station.inject(&Way::Up.frame(0));
            wait_until("a frame", || rig.around.host.try_receive(&mut buffer).is_some());
        }
    }
    end(rig);
}

/// While they are not heeded, and when they are again.
#[test]
fn causes_that_do_not_go_are_a_storm_and_after_it_messages_are_believed() {
    let rig = start(Variant::Rtl8168Be, options());
    let mut up = Up::new();
    up.send(&rig, 10);
    up.expect_all(&rig, "before");
    let stuck = |bits| rig.around.bench.misbehave(move |m: &mut Misbehave<R8169>| m.isr_stuck = bits);
    stuck(regs::isr::RDU);
    wait_until("the storm is noticed", || rig.status().interrupts == InterruptMode::Masked);
    for round in 0..20 {
        up.send(&rig, 1);
        up.expect_all(&rig, &format!("frame {round} in the storm"));
    }
    stuck(0);
    wait_until("it is over", || rig.status().interrupts == InterruptMode::Msi);
    let before = rig.around.bench.counters().messages;
    for _ in 0..20 {
        up.send(&rig, 1);
        up.expect_all(&rig, "after it");
    }
    assert!(rig.around.bench.counters().messages > before);
    let faults = rig.status().device_faults;
    assert!(faults.interrupt_storms == 1 && faults.interrupts_lost == 0, "{faults:?}");
    end(rig);
}

/// Messages that are lost leave their cause in the device: the clock finds it, and messages come again.
#[test]
fn messages_that_were_lost_are_made_up_for_by_the_clock() {
    let rig = start(Variant::Rtl8168Be, Options { look: Duration::from_millis(50), ..options() });
    let mut up = Up::new();
    rig.around.bench.misbehave(|m| m.interrupt_lost = true);
    for _ in 0..6 {
        up.send(&rig, 1);
        up.expect_all(&rig, "by the clock");
    }
    wait_until("they are missed", || rig.status().interrupts == InterruptMode::Polled);
    rig.around.bench.misbehave(|m| m.interrupt_lost = false);
    wait_until("they are believed again", || {
        up.send(&rig, 1);
        up.expect_all(&rig, "with messages");
        rig.status().interrupts == InterruptMode::Msi
    });
    end(rig);
}

/// Over a vfio-user socket: one vector, as any client sees it, and a device with it.
#[test]
fn a_served_device_has_messages_too() {
    let folder = tempfile::tempdir().unwrap();
    let serve = |name: &str, function: Box<dyn PciFunction>| {
        let (path, mut function) = (folder.path().join(name), Some(function));
        let server = Server::bind(&path).expect("a socket");
        let stopper = server.stopper();
        let open = move || function.take().ok_or(BusError::Unsupported("a second client"));
        (path, stopper, std::thread::spawn(move || server.run(open)))
    };
    let (wire, near, _far) = Wire::new(WireConfig::default());
    let (card, bench) = R8169Model::new(Config::of(Variant::Rtl8168Be), near);
    let (path, stopper, thread) = serve("alone.sock", Box::new(card));
    let mut function = VfioUserFunction::open(&path).expect("opens");
    let event = EventFd::new().unwrap();
    let rings = |patience: Duration| {
        let mut fds = [PollFd::new(event.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::try_from(patience).unwrap()).unwrap() == 1
    };
    assert!(function.has_msi().unwrap());
    function.enable_msi(event.as_fd()).unwrap();
    function.config_write(4, Width::U16, 7).unwrap();
    function.bar_write(2, regs::IMR.into(), Width::U16, regs::isr::LINKCHG.into()).unwrap();
    wire.set_link(false);
    assert!(rings(PATIENCE) && event.read().unwrap() == 1);
    wire.set_link(true);
    function.bar_read(2, regs::ISR.into(), Width::U16).unwrap();
    assert!(!rings(Duration::ZERO), "the cause is still there: no edge");
    function.bar_write(2, regs::ISR.into(), Width::U16, 0xffff).unwrap();
    wire.set_link(false);
    assert!(rings(PATIENCE) && event.read().unwrap() == 1);
    function.disable_msi().unwrap();
    function.disable_msi().unwrap();
    function.bar_write(2, regs::ISR.into(), Width::U16, 0xffff).unwrap();
    wire.set_link(true);
    assert!(!rings(Duration::ZERO) && bench.counters().messages == 2 && bench.counters().interrupts == 0);
    drop(function);
    stopper.stop();
    thread.join().unwrap().expect("the server ends well");

    let mut serving = None;
    let behind = |card| -> Box<dyn PciFunction> {
        let (path, ..) = serving.insert(serve("device.sock", card));
        Box::new(VfioUserFunction::open(path).expect("opens"))
    };
    let config = Config::of(Variant::Rtl8168Be);
    let rig = Rig::<R8169>::start_behind(turn(), options(), config, |_| {}, behind).expect("starts");
    assert_eq!(rig.status().interrupts, InterruptMode::Msi);
    let (mut up, begin) = (Up::new(), Instant::now());
    while begin.elapsed() < Duration::from_millis(500) {
        up.send(&rig, 8);
        up.expect_all(&rig, "over the socket");
    }
    end(rig);
    let (_, stopper, thread) = serving.expect("it was called");
    stopper.stop();
    thread.join().unwrap().expect("the server ends well");
}

/// What has no MSI says so, over the socket too.
#[test]
fn a_served_device_without_messages_refuses_them() {
    let (_wire, near, _far) = Wire::new(WireConfig::default());
    let (card, _bench) = R8169Model::new(Config::of(Variant::Rtl8169S), near);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card.sock");
    let (server, mut card) = (Server::bind(&path).expect("a socket"), Some(card));
    let stopper = server.stopper();
    let thread = std::thread::spawn(move || {
        server.run(|| card.take().map(|card| Box::new(card) as _).ok_or(BusError::Unsupported("a second client")))
    });
    let mut function = VfioUserFunction::open(&path).expect("opens");
    let (_reader, writer) = UnixStream::pair().unwrap();
    assert!(!function.has_msi().unwrap());
    assert!(matches!(function.enable_msi(writer.as_fd()), Err(BusError::Unsupported("MSI"))));
    drop(function);
    stopper.stop();
    thread.join().unwrap().expect("the server ends well");
}

/// Both ways at once, so that causes come at any time.
#[test]
fn streams_both_ways_are_announced_all_the_time() {
    for variant in EXPRESS {
        let rig = start(variant, options());
        let mut traffic = udrv_tests::traffic::Traffic::new();
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(1) {
            traffic.ping(&rig, 200);
            traffic.flows(&rig, "both ways");
        }
        assert_eq!((traffic.down.missing, traffic.up.missing), (0, 0));
        assert_eq!(rig.status().device_faults, DeviceFaults::default());
        end(rig);
    }
}
