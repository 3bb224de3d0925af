//! A driver that keeps handles for longer than it may: of frames that it has completed, of calls that were aborted, of
//! before a restart. Each is refused, though the buffer behind it holds another frame by then.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use udrv::net::NetDevice;
use udrv::report::{FaultReport, Rung};
use udrv::run::{Answer, Command, Options, Status};
use udrv::supervisor::policy::Protect;
use udrv::supervisor::quarantine::QuarantineConfig;
use udrv_driver::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use udrv_driver::{
    Buffer, Bus, Cx, Dma, Driver, Entry, Error, Events, Kind, Link, MacAddress, NetDriver, Reg, RegisterInfo,
    RingParam, RxMode, Stats, TxFrame,
};
use udrv_tests::bare::{BareCard, Door, ID};
use udrv_tests::host::{self, HostEnd};
use udrv_tests::rig::patient;

/// What the driver does, until it is told otherwise; it reads host memory, which is not forbidden.
static HABIT: AtomicU32 = AtomicU32::new(Habit::None as u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
enum Habit {
    /// `transmit` keeps the frame, and `poll` completes what is kept.
    None,
    /// `transmit` completes once more what it has completed before.
    CompleteAgain,
    /// `transmit` notes the handle where no rollback reaches, and panics.
    NoteAndPanic,
    /// `transmit` completes what is noted there.
    CompleteNoted,
    /// `transmit` completes what the card has noted.
    CompleteCards,
    /// `transmit` keeps the frame and refuses it.
    KeepAndRefuse,
    /// `transmit` and `poll` leave a state that does not hold.
    Spoil,
    /// `poll` completes nothing.
    Hoard,
}

fn has(habit: Habit) -> bool {
    HABIT.load(Relaxed) == habit as u32
}

#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "udrv_driver::zerocopy")]
#[repr(C)]
struct State {
    notes: Dma,
    kept: [Buffer; 4],
    completed: Buffer,
    count: u64,
}

/// A count that does not hold.
const SPOILT: u64 = 99;

const LOW: Reg<u32> = Reg::at(0);
const HIGH: Reg<u32> = Reg::at(4);
const BELL: Reg<u32> = Reg::of(8, Kind::Doorbell);

struct Hoarder;

impl Driver for Hoarder {
    const NAME: &'static str = "hoarder";
    const IDS: &'static [(u16, u16)] = &[ID];
    const BUS: Bus = Bus::Pci { bars: &[0], pages: None };
    const REGISTERS: &'static [RegisterInfo] = &[
        RegisterInfo { name: "LOW", offset: 0, width: 4, kind: Kind::Config, count: 1 },
        RegisterInfo { name: "HIGH", offset: 4, width: 4, kind: Kind::Config, count: 1 },
        RegisterInfo { name: "BELL", offset: 8, width: 4, kind: Kind::Doorbell, count: 1 },
    ];
    const STATE_VERSION: u32 = 1;
    type State = State;
    const NEW: State = State { notes: Dma::NONE, kept: [Buffer::NONE; 4], completed: Buffer::NONE, count: 0 };

    fn check(state: &State) -> Result<(), &'static str> {
        if state.count <= 4 { Ok(()) } else { Err("more than it can keep") }
    }

    fn quiesce(_: &mut Cx<'_, State>) -> Result<(), Error> {
        Ok(())
    }

    fn restore(cx: &mut Cx<'_, State>) -> Result<(), Error> {
        complete_all(cx, false)
    }
}

impl NetDriver for Hoarder {
    fn probe(cx: &mut Cx<'_, State>) -> Result<MacAddress, Error> {
        cx.state.notes = cx.dma.allocate(64, 64)?;
        Ok(MacAddress([2, 0, 0, 0, 0, 1]))
    }

    fn open(_: &mut Cx<'_, State>) -> Result<(), Error> {
        Ok(())
    }

    fn stop(_: &mut Cx<'_, State>) -> Result<(), Error> {
        Ok(())
    }

    fn transmit(cx: &mut Cx<'_, State>, frame: TxFrame) -> Result<(), Error> {
        if cx.state.count == 4 {
            return Err(Error::Busy);
        }
        cx.net.keep(frame)?;
        if has(Habit::KeepAndRefuse) {
            return Err(Error::Busy);
        }
        if has(Habit::CompleteAgain) {
            cx.net.complete(cx.state.completed, true)?;
        }
        let notes = cx.state.notes;
        if has(Habit::NoteAndPanic) {
            cx.dma.write_u32(notes, 0, frame.buffer.0 as u32)?;
            cx.dma.write_u32(notes, 4, (frame.buffer.0 >> 32) as u32)?;
            panic!("noted");
        }
        if has(Habit::CompleteNoted) {
            let word = |at| cx.dma.read_u32(notes, at).map(u64::from);
            cx.net.complete(Buffer(word(0)? | word(4)? << 32), true)?;
        }
        if has(Habit::CompleteCards) {
            let word = |register| cx.regs.read(register).map(u64::from);
            cx.net.complete(Buffer(word(LOW)? | word(HIGH)? << 32), true)?;
        }
        cx.regs.write(LOW, frame.buffer.0 as u32)?;
        cx.regs.write(HIGH, (frame.buffer.0 >> 32) as u32)?;
        cx.state.kept[cx.state.count as usize] = frame.buffer;
        cx.state.count = if has(Habit::Spoil) { SPOILT } else { cx.state.count + 1 };
        cx.regs.write(BELL, frame.length)
    }

    fn interrupt(_: &mut Cx<'_, State>) -> Result<Events, Error> {
        Ok(Events::POLL)
    }

    fn poll(cx: &mut Cx<'_, State>, _: u32) -> Result<u32, Error> {
        if !has(Habit::Hoard) {
            complete_all(cx, true)?;
        }
        if has(Habit::Spoil) {
            cx.state.count = SPOILT;
        }
        Ok(0)
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
        Ok(RingParam { rx: 64, tx: 4 })
    }

    fn get_stats(_: &mut Cx<'_, State>) -> Result<Stats, Error> {
        Ok(Stats::default())
    }

    fn tx_timeout(_: &mut Cx<'_, State>) -> Result<(), Error> {
        Ok(())
    }
}

fn complete_all(cx: &mut Cx<'_, State>, sent: bool) -> Result<(), Error> {
    while let Some(last) = cx.state.count.checked_sub(1) {
        cx.state.completed = cx.state.kept[last as usize];
        cx.net.complete(cx.state.completed, sent)?;
        cx.state.count = last;
    }
    Ok(())
}

struct Rig {
    device: NetDevice<Hoarder>,
    host: HostEnd,
    door: Door,
    _turn: MutexGuard<'static, ()>,
}

impl Rig {
    fn new(options: Options) -> Rig {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        HABIT.store(Habit::None as u32, Relaxed);
        fgft::init().expect("the engine starts");
        let (card, door) = BareCard::new(Hoarder::REGISTERS);
        let (endpoint, host) = host::pair();
        // what it does wrong it does again and again
        let quarantine = QuarantineConfig { faults: 0, ..QuarantineConfig::default() };
        let options = Options { quarantine, ..options };
        let device = NetDevice::start(Box::new(card), Box::new(endpoint), patient(options)).expect("the device starts");
        Rig { device, host, door, _turn: turn }
    }

    fn habit(&self, habit: Habit) {
        HABIT.store(habit as u32, Relaxed);
    }

    /// Gives a frame to the driver.
    fn give(&mut self) {
        self.host.send(&[2; 64]);
        self.device.pump_endpoint().expect("the device goes on");
    }

    /// Lets the driver complete what it keeps.
    fn poll(&mut self) {
        self.device.serve_interrupt().expect("the device goes on");
    }

    /// Frames that the card was given since the last time.
    fn given(&self) -> usize {
        std::mem::take(&mut self.door.inside().rung).len()
    }

    fn status(&mut self) -> Status {
        match self.device.handle(Command::Status) {
            Ok(Answer::Status(status)) => *status,
            other => panic!("{other:?}"),
        }
    }

    fn reports(&mut self) -> Vec<FaultReport> {
        match self.device.handle(Command::Faults(0)) {
            Ok(Answer::Faults(faults)) => faults,
            other => panic!("{other:?}"),
        }
    }

    /// The last fault is a handle that was refused with these words; then frames go as ever, and none of the 64 buffers
    /// was lost on the way.
    fn expect_refused(&mut self, word: &str) {
        let reports = self.reports();
        let last = reports.last().expect("it was noticed");
        assert_eq!((last.kind.as_str(), last.entry.as_str()), ("refused", "transmit"), "{last:#?}");
        assert!(last.text.contains("packet buffer") && last.text.contains(word), "'{word}' is not in: {}", last.text);
        self.habit(Habit::None);
        self.expect_all_buffers();
    }

    fn expect_all_buffers(&mut self) {
        self.poll();
        let _ = self.given();
        let before = self.status().net().traffic;
        for _ in 0..100 {
            self.give();
            self.poll();
        }
        let after = self.status().net().traffic;
        assert_eq!((self.given(), after.tx_frames - before.tx_frames), (100, 100));
        assert_eq!((after.tx_lost, after.tx_dropped), (before.tx_lost, before.tx_dropped));
        assert_eq!(self.device.free_buffers(), 64);
    }
}

#[test]
fn a_buffer_is_not_completed_twice_though_its_memory_is_in_use_again() {
    let mut rig = Rig::new(Options::default());
    rig.give();
    rig.poll();
    // around the table: that frame's slot is another's by now, as its memory is at once
    for _ in 0..64 {
        rig.give();
        rig.poll();
        rig.habit(Habit::CompleteAgain);
        rig.give();
        rig.expect_refused("it was given back");
    }
}

#[test]
fn a_handle_of_a_call_that_was_aborted_is_refused_in_the_next() {
    let mut rig = Rig::new(Options::default());
    rig.habit(Habit::NoteAndPanic);
    rig.give();
    assert!(rig.reports().iter().all(|report| report.text.contains("noted")));
    assert_eq!(rig.given(), 0, "the doorbell was not rung");
    rig.habit(Habit::CompleteNoted);
    rig.give();
    rig.expect_refused("");
    let reports = rig.reports();
    assert_eq!(reports.len(), 4, "two attempts each");
    assert!(reports.iter().all(|report| report.rung == Rung::Abort));
}

#[test]
fn a_handle_of_before_a_restart_is_refused_after_it() {
    let mut rig = Rig::new(Options::default());
    rig.habit(Habit::Hoard);
    rig.give();
    rig.poll();
    assert!(matches!(rig.device.handle(Command::Restart), Ok(Answer::Done)));
    assert_eq!(rig.status().net().traffic.tx_lost, 1, "what the driver had is lost");
    assert_eq!(rig.device.free_buffers(), 64);
    rig.habit(Habit::CompleteCards);
    rig.give();
    rig.expect_refused("");
}

/// A device of whose entry points one is unprotected: what spoils the state there is noticed by the next call.
fn unprotected(entry: Entry) -> Rig {
    Rig::new(Options { protect_entries: vec![(entry, Protect::Never)], ..Options::default() })
}

fn expect_older_state(rig: &mut Rig) {
    let report = rig.reports().pop().expect("noticed");
    assert_eq!((report.kind.as_str(), report.rung), ("spoilt-earlier", Rung::Restore), "{report:#?}");
}

/// An older state waits for frames that have left since. It completes them when it is restored, and that must neither be
/// refused nor count, nor give away the memory of the frame that is in it by now.
#[test]
fn an_older_state_completes_what_has_left_since_and_nothing_comes_of_it() {
    let mut rig = unprotected(Entry::Poll);
    rig.give();
    rig.give();
    assert_eq!(rig.device.free_buffers(), 62);
    rig.habit(Habit::Spoil);
    rig.poll();
    rig.habit(Habit::None);
    assert_eq!((rig.status().net().traffic.tx_frames, rig.device.free_buffers()), (2, 64));
    rig.give();
    expect_older_state(&mut rig);
    assert_eq!((rig.given(), rig.device.free_buffers()), (3, 63), "one is with the driver");
    rig.poll();
    let traffic = rig.status().net().traffic;
    assert_eq!((traffic.tx_frames, traffic.tx_lost, traffic.tx_dropped), (3, 0, 0));
    rig.expect_all_buffers();
}

/// The other way round: it does not know of frames that were given since.
#[test]
fn frames_that_an_older_state_does_not_know_are_lost_and_counted() {
    let mut rig = unprotected(Entry::Transmit);
    rig.habit(Habit::Spoil);
    rig.give();
    rig.habit(Habit::None);
    assert_eq!(rig.device.free_buffers(), 63);
    rig.poll();
    expect_older_state(&mut rig);
    let traffic = rig.status().net().traffic;
    assert_eq!((traffic.tx_frames, traffic.tx_lost, rig.device.free_buffers()), (0, 1, 64));
    rig.expect_all_buffers();
}

#[test]
fn a_frame_that_is_kept_and_refused_costs_no_buffer_without_protection_either() {
    let mut rig = Rig::new(Options { protect: Protect::Never, ..Options::default() });
    for _ in 0..100 {
        rig.habit(Habit::KeepAndRefuse);
        rig.give();
        rig.habit(Habit::None);
        rig.give();
        rig.poll();
    }
    let status = rig.status();
    assert_eq!((rig.given(), status.net().traffic.tx_dropped, status.net().traffic.tx_frames), (100, 100, 100));
    rig.expect_all_buffers();
}
