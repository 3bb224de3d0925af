//! Many frames in one call: in order, none lost, none twice, whatever the driver refuses and wherever it faults.
//!
//! The driver's dice stand in DMA memory, where no rollback reaches: a call that is made again throws anew.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use model_wire::Rng;
use udrv::net::NetDevice;
use udrv::run::{Answer, Command, Options, Status};
use udrv::supervisor::policy::Protect;
use udrv::supervisor::quarantine::QuarantineConfig;
use udrv_driver::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use udrv_driver::{
    Alternates, Buffer, Bus, Cx, Dma, Driver, Entry, Error, Events, InjectedFault, Injection, Kind, Link, MacAddress,
    NetDriver, Point, Reg, RegisterInfo, RingParam, RxMode, Stats, TxFrame,
};
use udrv_tests::bare::{BareCard, Door, ID};
use udrv_tests::frames::{Judge, Way};
use udrv_tests::host::{self, HostEnd};
use udrv_tests::rig::patient;

/// Of 100 times that `transmit` is called: it has no room.
static BUSY: AtomicU32 = AtomicU32::new(0);
/// Of the rest: it panics.
static PANICS: AtomicU32 = AtomicU32::new(0);
/// Slots of its ring; 0: it completes a frame at once.
static SLOTS: AtomicU32 = AtomicU32::new(0);
/// A length that it does not bear; 0: none.
static POISON: AtomicU32 = AtomicU32::new(0);

/// The largest ring.
const MOST: usize = 48;

#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "udrv_driver::zerocopy")]
#[repr(C)]
struct State {
    dice: Dma,
    kept: [Buffer; MOST],
    count: u64,
}

const ADDRESS: Reg<u32> = Reg::of(0, Kind::Doorbell);
const LENGTH: Reg<u32> = Reg::of(4, Kind::Doorbell);
/// Written at once, so that it must be put back.
const LAST: Reg<u32> = Reg::at(8);

struct Choosy;

impl Driver for Choosy {
    const NAME: &'static str = "choosy";
    const IDS: &'static [(u16, u16)] = &[ID];
    const BUS: Bus = Bus::Pci { bars: &[0], pages: None };
    const REGISTERS: &'static [RegisterInfo] = &[
        RegisterInfo { name: "ADDRESS", offset: 0, width: 4, kind: Kind::Doorbell, count: 1 },
        RegisterInfo { name: "LENGTH", offset: 4, width: 4, kind: Kind::Doorbell, count: 1 },
        RegisterInfo { name: "LAST", offset: 8, width: 4, kind: Kind::Config, count: 1 },
    ];
    const STATE_VERSION: u32 = 1;
    type State = State;
    const NEW: State = State { dice: Dma::NONE, kept: [Buffer::NONE; MOST], count: 0 };

    fn quiesce(_: &mut Cx<'_, State>) -> Result<(), Error> {
        Ok(())
    }

    fn restore(cx: &mut Cx<'_, State>) -> Result<(), Error> {
        complete(cx, false)
    }
}

impl NetDriver for Choosy {
    const ALTERNATES: Alternates<State> = Alternates { transmit: Some(second_transmit), poll: None };

    fn probe(cx: &mut Cx<'_, State>) -> Result<MacAddress, Error> {
        cx.state.dice = cx.dma.allocate(64, 64)?;
        Ok(MacAddress([2, 0, 0, 0, 0, 1]))
    }

    fn open(_: &mut Cx<'_, State>) -> Result<(), Error> {
        Ok(())
    }

    fn stop(_: &mut Cx<'_, State>) -> Result<(), Error> {
        Ok(())
    }

    fn transmit(cx: &mut Cx<'_, State>, frame: TxFrame) -> Result<(), Error> {
        cx.point(Point::Start);
        if throw(cx)? < BUSY.load(Relaxed) {
            return Err(Error::Busy);
        }
        take(cx, frame)?;
        cx.point(Point::Middle);
        assert!(frame.length != POISON.load(Relaxed), "poison");
        assert!(throw(cx)? >= PANICS.load(Relaxed), "bad luck");
        Ok(())
    }

    fn interrupt(_: &mut Cx<'_, State>) -> Result<Events, Error> {
        Ok(Events::POLL)
    }

    fn poll(cx: &mut Cx<'_, State>, _: u32) -> Result<u32, Error> {
        complete(cx, true).map(|()| 0)
    }

    fn link(_: &mut Cx<'_, State>) -> Result<Link, Error> {
        Ok(Link { up: true, speed: 100, full_duplex: true })
    }

    fn set_mac(_: &mut Cx<'_, State>, _: MacAddress) -> Result<(), Error> {
        Ok(())
    }

    fn set_rx_mode(_: &mut Cx<'_, State>, _: RxMode) -> Result<(), Error> {
        Ok(())
    }

    fn get_ringparam(_: &mut Cx<'_, State>) -> Result<RingParam, Error> {
        Ok(RingParam { rx: 64, tx: SLOTS.load(Relaxed) })
    }

    fn get_stats(_: &mut Cx<'_, State>) -> Result<Stats, Error> {
        Ok(Stats::default())
    }

    fn tx_timeout(_: &mut Cx<'_, State>) -> Result<(), Error> {
        Ok(())
    }
}

fn second_transmit(cx: &mut Cx<'_, State>, frame: TxFrame) -> Result<(), Error> {
    if throw(cx)? < BUSY.load(Relaxed) {
        return Err(Error::Busy);
    }
    take(cx, frame)
}

fn take(cx: &mut Cx<'_, State>, frame: TxFrame) -> Result<(), Error> {
    let slots = SLOTS.load(Relaxed);
    if slots > 0 && cx.state.count >= slots.into() {
        return Err(Error::Busy);
    }
    cx.net.keep(frame)?;
    cx.regs.write(LAST, frame.length)?;
    cx.regs.write(ADDRESS, frame.bus_address)?;
    cx.regs.write(LENGTH, frame.length)?;
    cx.state.kept[cx.state.count as usize] = frame.buffer;
    cx.state.count += 1;
    if slots == 0 { complete(cx, true) } else { Ok(()) }
}

fn complete(cx: &mut Cx<'_, State>, sent: bool) -> Result<(), Error> {
    for at in 0..cx.state.count as usize {
        cx.net.complete(cx.state.kept[at], sent)?;
    }
    cx.state.count = 0;
    Ok(())
}

/// 0 to 99.
fn throw(cx: &Cx<'_, State>) -> Result<u32, Error> {
    let dice = cx.dma.read_u32(cx.state.dice, 0)?.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    cx.dma.write_u32(cx.state.dice, 0, dice)?;
    Ok((dice >> 16) % 100)
}

struct Rig {
    device: NetDevice<Choosy>,
    host: HostEnd,
    door: Door,
    judge: Judge,
    given: u64,
    /// The length of frames; 0: as they are numbered.
    length: usize,
    _turn: MutexGuard<'static, ()>,
}

fn never_aside() -> Options {
    Options { quarantine: QuarantineConfig { faults: 0, ..QuarantineConfig::default() }, ..Options::default() }
}

impl Rig {
    fn new(options: Options) -> Rig {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        set(0, 0, 0, 0);
        fgft::init().expect("the engine starts");
        let (card, door) = BareCard::new(Choosy::REGISTERS);
        let card = card.sending(ADDRESS.offset(), LENGTH.offset());
        let (endpoint, host) = host::pair();
        let device = NetDevice::start(Box::new(card), Box::new(endpoint), patient(options)).expect("the device starts");
        Rig { device, host, door, judge: Judge::new(Way::Down), given: 0, length: 0, _turn: turn }
    }

    fn pump(&mut self) {
        self.device.pump_endpoint().expect("the device goes on");
    }

    /// Frames from the host, or as many as it may send; the device does not look at them yet.
    fn give(&mut self, frames: u64) {
        let mut frame = Vec::new();
        for _ in 0..frames {
            match self.length {
                0 => Way::Down.write(self.given, &mut frame),
                length => Way::Down.write_long(self.given, length, &mut frame),
            }
            if !self.host.try_send(&frame) {
                break;
            }
            self.given += 1;
        }
    }

    /// Judges what is on the wire.
    fn look(&mut self) {
        for frame in std::mem::take(&mut self.door.inside().sent) {
            self.judge.take(&frame).expect("right, in order and once");
        }
    }

    fn status(&mut self) -> Status {
        match self.device.handle(Command::Status) {
            Ok(Answer::Status(status)) => *status,
            other => panic!("{other:?}"),
        }
    }

    fn tell(&mut self, command: Command) {
        let answer = self.device.handle(command);
        assert!(matches!(answer, Ok(Answer::Done)), "{answer:?}");
    }

    /// Calls of `transmit`.
    fn calls(&mut self) -> u64 {
        let entries = self.status().entries;
        entries.iter().find(|(name, _)| name == "transmit").expect("all are there").1.counters.calls
    }

    /// From now on the driver takes everything: what is left is sent, and each frame was sent or is counted as dropped.
    fn expect_all(&mut self, what: &str) {
        set(0, 0, SLOTS.load(Relaxed), 0);
        self.tell(Command::Inject { entry: Entry::Transmit, injection: FAULT, times: 0 });
        udrv_tests::wait_until("everything is sent", || {
            self.pump();
            self.device.serve_interrupt().expect("the device goes on");
            self.look();
            let left = self.device.free_buffers() < 64;
            !left && self.judge.seen + self.status().net().traffic.tx_dropped == self.given
        });
        let dropped = self.status().net().traffic.tx_dropped;
        let missing = self.judge.missing + self.given - self.judge.next();
        assert_eq!(missing, dropped, "{what}");
    }
}

const FAULT: Injection = Injection { fault: InjectedFault::NullWrite, point: Point::Middle };

fn set(busy: u32, panics: u32, slots: u32, poison: u32) {
    BUSY.store(busy, Relaxed);
    PANICS.store(panics, Relaxed);
    SLOTS.store(slots, Relaxed);
    POISON.store(poison, Relaxed);
}

#[test]
fn what_the_endpoint_has_goes_in_one_call() {
    for protect in [Protect::Always, Protect::Never] {
        let mut rig = Rig::new(Options { protect, ..Options::default() });
        rig.give(32);
        rig.pump();
        rig.look();
        assert_eq!((rig.judge.seen, rig.judge.missing), (32, 0));
        assert_eq!(rig.calls(), 1);
        rig.give(33);
        rig.pump();
        rig.look();
        assert_eq!((rig.judge.seen, rig.calls()), (64, 2), "the device gets its turn");
        rig.expect_all("the last one");
    }
}

#[test]
fn a_ring_that_is_full_is_not_asked_again() {
    let mut rig = Rig::new(Options::default());
    set(0, 0, 4, 0);
    rig.give(20);
    rig.pump();
    rig.look();
    assert_eq!((rig.judge.seen, rig.calls()), (4, 1));
    assert!(!rig.device.has_room());
    for round in 2..=5 {
        // the four are completed, and the next four go
        rig.device.serve_interrupt().expect("the device goes on");
        rig.look();
        assert_eq!((rig.judge.seen, rig.calls()), (round * 4, round));
    }
    rig.expect_all("nothing is left");
}

#[test]
fn a_fault_that_is_armed_once_fires_once_in_a_batch() {
    let mut rig = Rig::new(never_aside());
    rig.tell(Command::Inject { entry: Entry::Transmit, injection: FAULT, times: 1 });
    rig.give(32);
    rig.pump();
    rig.look();
    assert_eq!((rig.judge.seen, rig.judge.missing), (32, 0), "no frame is lost");
    assert_eq!((rig.status().faults, rig.calls()), (1, 33), "the batch, and then one by one");
    rig.give(32);
    rig.pump();
    rig.look();
    assert_eq!((rig.judge.seen, rig.calls()), (64, 34), "and then together again");
    // beyond what there is: the rest stays armed
    rig.tell(Command::Inject { entry: Entry::Transmit, injection: FAULT, times: 3 });
    rig.give(2);
    rig.pump();
    assert_eq!((rig.status().faults, rig.status().net().traffic.tx_dropped), (4, 1));
    rig.expect_all("two attempts of the first frame, and none of the second");
}

#[test]
fn a_poisonous_frame_is_lost_alone() {
    for at in [0, 1, 15, 31] {
        let mut rig = Rig::new(never_aside());
        set(0, 0, 0, 777);
        rig.length = 200;
        rig.give(at);
        rig.length = 777;
        rig.give(1);
        rig.length = 200;
        rig.give(31 - at);
        rig.pump();
        rig.look();
        let traffic = rig.status().net().traffic;
        assert_eq!((rig.judge.seen, rig.judge.missing + 32 - rig.judge.next()), (31, 1), "{at}");
        assert_eq!((traffic.tx_dropped, rig.status().faults), (1, 3), "with the batch, alone, and once more");
        rig.length = 0;
        rig.expect_all("as ever");
    }
}

/// It is put aside, and the second version sends what the first cannot, one by one.
#[test]
fn the_second_version_sends_one_by_one() {
    let mut rig = Rig::new(Options::default());
    set(0, 100, 0, 0);
    rig.give(32);
    rig.pump();
    rig.look();
    let status = rig.status();
    assert_eq!(status.quarantine.len(), 1);
    assert_eq!((rig.judge.seen, status.net().traffic.tx_dropped, status.faults), (31, 1, 5));
    assert_eq!(rig.calls(), 1 + 2 + 3 + 30, "the batch, one frame twice, one by the second version too, the others");
    rig.expect_all("nothing is left");
}

#[test]
fn frames_that_were_read_ahead_outlive_restore_and_restart() {
    for command in [Command::Call(Entry::Restore), Command::Restart, Command::Call(Entry::Stop)] {
        let mut rig = Rig::new(Options::default());
        set(100, 0, 0, 0);
        rig.give(40);
        rig.pump();
        assert_eq!(rig.device.free_buffers(), 32, "they wait");
        rig.tell(command.clone());
        rig.look();
        assert_eq!((rig.judge.seen, rig.device.free_buffers()), (0, 32), "{command:?}");
        rig.expect_all("all are there");
        assert_eq!(rig.judge.missing, 0, "{command:?}");
    }
}

/// Rings of all sizes, refusals and faults at random, restarts in between.
fn any_pattern(options: &Options, seeds: std::ops::Range<u64>, faults: bool) {
    for seed in seeds {
        let mut dice = Rng::new(seed);
        let mut rig = Rig::new(options.clone());
        while rig.given < 300 {
            let panics = if faults && dice.below(2) == 0 { dice.below(20) } else { 0 };
            let slots = if dice.below(3) == 0 { 0 } else { dice.below(MOST as u64) + 1 };
            // a ring does not shrink while it is in use
            let slots = (slots as u32).max(SLOTS.load(Relaxed));
            set(dice.below(60) as u32, panics as u32, slots, 0);
            rig.give(dice.below(50));
            for _ in 0..dice.below(4) {
                rig.pump();
            }
            match dice.below(8) {
                0 if faults => rig.tell(Command::Restart),
                1 if faults => rig.tell(Command::Call(Entry::Restore)),
                2 if faults => {
                    let times = dice.below(4) as u32;
                    rig.tell(Command::Inject { entry: Entry::Transmit, injection: FAULT, times });
                }
                3 => {
                    // there may be nothing to release
                    let _ = rig.device.handle(Command::Release(None));
                }
                4..=6 => rig.device.serve_interrupt().expect("the device goes on"),
                _ => {}
            }
            rig.look();
        }
        rig.expect_all(&format!("seed {seed}"));
    }
}

#[test]
fn whatever_the_driver_refuses_no_frame_is_lost() {
    any_pattern(&Options::default(), 0..40, false);
}

#[test]
fn the_same_without_protection() {
    any_pattern(&Options { protect: Protect::Never, ..Options::default() }, 0..40, false);
}

#[test]
fn wherever_the_driver_faults_frames_are_sent_once_or_dropped_and_counted() {
    any_pattern(&never_aside(), 100..160, true);
}

/// With quarantine: between the first version and the second, and back when it is released.
#[test]
fn the_same_with_both_versions() {
    any_pattern(&Options::default(), 200..260, true);
}
