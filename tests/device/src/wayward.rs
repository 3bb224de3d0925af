//! A small driver for a card of plain registers that does wrong by habit: the same again and again, until it is told to
//! stop. For what is done about repeated faults, spoilt states and devices that must be started anew.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use udrv::net::NetDevice;
use udrv::report::FaultReport;
use udrv::run::{Answer, Command, DeviceError, Options, Status};
use udrv_driver::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use udrv_driver::{
    Alternates, Bus, Cx, Dma, Driver, Entry, Error, Events, Kind, Link, MacAddress, NetDriver, Point, Reg,
    RegisterInfo, RingParam, RxMode, Stats, TxFrame,
};

use crate::bare::{BareCard, Door, ID};
use crate::host::{self, HostEnd};

/// Things that it does wrong, as bits.
pub mod habit {
    /// `transmit` panics after its first register write.
    pub const TRANSMIT_PANICS: u32 = 1 << 0;
    /// The second version of `transmit` does so too.
    pub const SECOND_TRANSMIT_PANICS: u32 = 1 << 1;
    /// `poll` divides by zero.
    pub const POLL_DIVIDES: u32 = 1 << 2;
    /// `link` returns as if nothing were, and leaves a state that does not hold.
    pub const LINK_SPOILS: u32 = 1 << 3;
    /// `link` writes registers of three kinds and panics.
    pub const LINK_WRITES_AND_PANICS: u32 = 1 << 4;
    /// `restore` panics.
    pub const RESTORE_PANICS: u32 = 1 << 5;
    /// `probe` panics.
    pub const PROBE_PANICS: u32 = 1 << 6;
    /// `get_stats` panics.
    pub const STATS_PANICS: u32 = 1 << 7;
    /// `interrupt` panics.
    pub const INTERRUPT_PANICS: u32 = 1 << 8;
    /// `link` never returns.
    pub const LINK_HANGS: u32 = 1 << 9;
}

/// What it does wrong; it reads host memory, which is not forbidden.
static HABITS: AtomicU32 = AtomicU32::new(0);
/// States of an earlier epoch do not pass its check; 0 is before `probe`.
static EPOCH: AtomicU32 = AtomicU32::new(1);
/// Frames received so far.
static RECEIVED: AtomicU32 = AtomicU32::new(0);

fn has(habit: u32) -> bool {
    HABITS.load(Relaxed) & habit != 0
}

/// Places for frames, and the bytes of each.
const SLOTS: u32 = 64;
const SLOT: u32 = 64;

/// What is in [`State::seal`] of a state that holds.
const SEAL: u32 = 0x5ea1_5ea1;

/// Its state.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "udrv_driver::zerocopy")]
#[repr(C)]
pub struct State {
    ring: Dma,
    seal: u32,
    epoch: u32,
    sent: u32,
    delivered: u32,
    restores: u32,
    mode: u32,
    mac: MacAddress,
    reserved: [u8; 2],
}

/// Registers: the station address.
pub const MAC: Reg<u32> = Reg::at(0);
/// What is received.
pub const MODE: Reg<u32> = Reg::at(8);
/// A write acts at once.
pub const COMMAND: Reg<u32> = Reg::at(12);
/// A write hands a frame over: its length, and [`SECOND`] if the second version did it.
pub const BELL: Reg<u32> = Reg::of(16, Kind::Doorbell);
/// See [`BELL`].
pub const SECOND: u32 = 1 << 31;
/// Values of [`COMMAND`]: what each entry point writes.
pub mod command {
    /// `probe`.
    pub const PROBE: u32 = 1;
    /// `open`.
    pub const OPEN: u32 = 2;
    /// `restore`.
    pub const RESTORE: u32 = 3;
    /// `link`, when it writes and panics.
    pub const LINK: u32 = 4;
}

/// The driver.
#[derive(Debug)]
pub struct Wayward;

impl Driver for Wayward {
    const NAME: &'static str = "wayward";
    const IDS: &'static [(u16, u16)] = &[ID];
    const BUS: Bus = Bus::Pci { bars: &[0], pages: None };
    const REGISTERS: &'static [RegisterInfo] = &[
        RegisterInfo { name: "MAC", offset: 0, width: 4, kind: Kind::Config, count: 1 },
        RegisterInfo { name: "MODE", offset: 8, width: 4, kind: Kind::Config, count: 1 },
        RegisterInfo { name: "COMMAND", offset: 12, width: 4, kind: Kind::Command, count: 1 },
        RegisterInfo { name: "BELL", offset: 16, width: 4, kind: Kind::Doorbell, count: 1 },
    ];
    const STATE_VERSION: u32 = 2;
    type State = State;
    const NEW: State = State {
        seal: SEAL,
        epoch: 0,
        sent: 0,
        delivered: 0,
        restores: 0,
        ring: Dma::NONE,
        mode: 0,
        mac: MacAddress([0; 6]),
        reserved: [0; 2],
    };

    fn check(state: &State) -> Result<(), &'static str> {
        match state.seal == SEAL {
            _ if state.epoch != 0 && state.epoch != EPOCH.load(Relaxed) => Err("it is of another epoch"),
            true => Ok(()),
            false => Err("its seal is broken"),
        }
    }

    fn quiesce(_: &mut Cx<'_, State>) -> Result<(), Error> {
        Ok(())
    }

    fn restore(cx: &mut Cx<'_, State>) -> Result<(), Error> {
        assert!(!has(habit::RESTORE_PANICS), "restore, as always");
        cx.state.restores += 1;
        cx.regs.write(COMMAND, command::RESTORE)?;
        cx.regs.write(MODE, cx.state.mode)
    }
}

impl NetDriver for Wayward {
    const ALTERNATES: Alternates<State> = Alternates { transmit: Some(second_transmit), poll: None };

    fn probe(cx: &mut Cx<'_, State>) -> Result<MacAddress, Error> {
        cx.point(Point::Start);
        assert!(!has(habit::PROBE_PANICS), "probe, as always");
        cx.regs.write(COMMAND, command::PROBE)?;
        cx.state.epoch = EPOCH.load(Relaxed);
        cx.state.ring = cx.dma.allocate(SLOTS * SLOT, SLOT)?;
        cx.state.delivered = RECEIVED.load(Relaxed);
        Ok(MacAddress([2, 0, 0, 0, 0, 1]))
    }

    fn open(cx: &mut Cx<'_, State>) -> Result<(), Error> {
        cx.regs.write(COMMAND, command::OPEN)
    }

    fn stop(_: &mut Cx<'_, State>) -> Result<(), Error> {
        Ok(())
    }

    fn transmit(cx: &mut Cx<'_, State>, frame: TxFrame) -> Result<(), Error> {
        cx.state.sent += 1;
        cx.regs.write(MODE, cx.state.mode)?;
        cx.point(Point::Middle);
        assert!(!has(habit::TRANSMIT_PANICS), "transmit, as always");
        cx.net.keep(frame)?;
        cx.net.complete(frame.buffer, true)?;
        cx.regs.write(BELL, frame.length)
    }

    fn interrupt(_: &mut Cx<'_, State>) -> Result<Events, Error> {
        assert!(!has(habit::INTERRUPT_PANICS), "interrupt, as always");
        Ok(Events::POLL)
    }

    fn poll(cx: &mut Cx<'_, State>, budget: u32) -> Result<u32, Error> {
        let zero = if has(habit::POLL_DIVIDES) { 0 } else { 1 };
        let waiting = RECEIVED.load(Relaxed).wrapping_sub(cx.state.delivered) / std::hint::black_box(zero);
        let now = waiting.min(budget);
        for frame in 0..now {
            cx.net.deliver(cx.state.ring, frame % SLOTS * SLOT, 60)?;
        }
        cx.state.delivered = cx.state.delivered.wrapping_add(now);
        Ok(now)
    }

    fn link(cx: &mut Cx<'_, State>) -> Result<Link, Error> {
        cx.point(Point::Middle);
        if has(habit::LINK_SPOILS) {
            cx.state.seal = 0;
        }
        if has(habit::LINK_WRITES_AND_PANICS) {
            write_and_panic(cx)?;
        }
        while has(habit::LINK_HANGS) {
            std::hint::spin_loop();
        }
        Ok(Link { up: true, speed: 100, full_duplex: true })
    }

    fn set_mac(cx: &mut Cx<'_, State>, mac: MacAddress) -> Result<(), Error> {
        let [a, b, c, d, ..] = mac.0;
        cx.state.mac = mac;
        cx.regs.write(MAC, u32::from_le_bytes([a, b, c, d]))
    }

    fn set_rx_mode(cx: &mut Cx<'_, State>, mode: RxMode) -> Result<(), Error> {
        cx.state.mode = mode.multicast as u32;
        cx.regs.write(MODE, cx.state.mode)
    }

    fn get_ringparam(_: &mut Cx<'_, State>) -> Result<RingParam, Error> {
        Ok(RingParam { rx: 4096, tx: 1 })
    }

    fn get_stats(cx: &mut Cx<'_, State>) -> Result<Stats, Error> {
        assert!(!has(habit::STATS_PANICS), "get_stats, as always");
        Ok(Stats { rx_resets: cx.state.restores.into(), tx_frames: cx.state.sent.into(), ..Stats::default() })
    }

    fn tx_timeout(_: &mut Cx<'_, State>) -> Result<(), Error> {
        Ok(())
    }
}

fn second_transmit(cx: &mut Cx<'_, State>, frame: TxFrame) -> Result<(), Error> {
    assert!(!has(habit::SECOND_TRANSMIT_PANICS), "the second version, as always");
    cx.state.sent += 1;
    cx.net.keep(frame)?;
    cx.net.complete(frame.buffer, true)?;
    cx.regs.write(BELL, frame.length | SECOND)
}

/// Apart, for the backtrace.
#[inline(never)]
fn write_and_panic(cx: &mut Cx<'_, State>) -> Result<(), Error> {
    cx.regs.write(MODE, 0x77)?;
    cx.regs.write(BELL, 0x88)?;
    cx.regs.write(COMMAND, command::LINK)?;
    panic!("link, as always")
}

/// A device with this driver, and what is around it.
pub struct Rig {
    /// The device, turned by hand.
    pub device: NetDevice<Wayward>,
    /// The host's end.
    pub host: HostEnd,
    /// The card's back door.
    pub door: Door,
    _turn: MutexGuard<'static, ()>,
}

impl Rig {
    /// Starts one without habits. One at a time: what it does is told through statics.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn new(options: Options) -> Rig {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        HABITS.store(0, Relaxed);
        fgft::init().expect("the engine starts");
        let (card, door) = BareCard::new(Wayward::REGISTERS);
        let (endpoint, host) = host::pair();
        let options = crate::rig::patient(options);
        let device = NetDevice::start(Box::new(card), Box::new(endpoint), options).expect("the device starts");
        Rig { device, host, door, _turn: turn }
    }

    /// From now on it has these habits.
    pub fn habits(&self, habits: u32) {
        HABITS.store(habits, Relaxed);
    }

    /// No state that is there now passes its check any more.
    pub fn new_epoch(&self) {
        EPOCH.fetch_add(1, Relaxed);
    }

    /// Sends frames from the host, one after the other.
    ///
    /// # Errors
    /// When the device ends.
    pub fn send(&mut self, frames: u32) -> Result<(), DeviceError> {
        for _ in 0..frames {
            self.host.send(&[2; 64]);
            self.device.pump_endpoint()?;
        }
        Ok(())
    }

    /// A frame comes in; what the host has of it.
    ///
    /// # Errors
    /// When the device ends.
    pub fn receive(&mut self) -> Result<Option<Vec<u8>>, DeviceError> {
        RECEIVED.fetch_add(1, Relaxed);
        self.device.serve_interrupt()?;
        Ok(self.host.receive(std::time::Duration::ZERO))
    }

    /// Carries a command out.
    ///
    /// # Errors
    /// Why not.
    ///
    /// # Panics
    /// When the answer is no answer to such a command.
    pub fn tell(&mut self, command: Command) -> Result<(), String> {
        match self.device.handle(command) {
            Ok(Answer::Done) => Ok(()),
            Ok(Answer::Refused(why)) => Err(why),
            Err(error) => Err(error.to_string()),
            other => panic!("{other:?}"),
        }
    }

    /// Calls an entry point.
    ///
    /// # Errors
    /// Why not.
    pub fn call(&mut self, entry: Entry) -> Result<(), String> {
        self.tell(Command::Call(entry))
    }

    /// Its state.
    ///
    /// # Panics
    /// When there is no such answer.
    pub fn status(&mut self) -> Status {
        match self.device.handle(Command::Status) {
            Ok(Answer::Status(status)) => *status,
            other => panic!("{other:?}"),
        }
    }

    /// All reports.
    ///
    /// # Panics
    /// When there is no such answer.
    pub fn reports(&mut self) -> Vec<FaultReport> {
        match self.device.handle(Command::Faults(0)) {
            Ok(Answer::Faults(faults)) => faults,
            other => panic!("{other:?}"),
        }
    }

    /// Values written to the command register since the last time, in order.
    #[must_use]
    pub fn commands(&self) -> Vec<u32> {
        std::mem::take(&mut self.door.inside().commands).into_iter().map(|(_, value)| value).collect()
    }

    /// Doorbells rung since the last time.
    #[must_use]
    pub fn bells(&self) -> Vec<u32> {
        std::mem::take(&mut self.door.inside().rung).into_iter().map(|(_, value)| value).collect()
    }
}
