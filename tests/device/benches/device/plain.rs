//! A driver that does next to nothing, on a card of plain registers: what is timed is the framework. It has no ring, so
//! it takes as many frames as it is offered.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use udrv::net::NetDevice;
use udrv::run::{Answer, Command, Options};
use udrv::supervisor::policy::Protect;
use udrv_driver::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use udrv_driver::{
    Bus, Cx, Driver, Entry, Error, Events, Kind, Link, MacAddress, NetDriver, Reg, RegisterInfo, RingParam, RxMode,
    Stats, TxFrame,
};
use udrv_tests::bare::{BareCard, Door, ID};

use crate::mill::{Mill, Tally};

/// Registers that `get_ringparam` writes; it reads host memory, which is not forbidden.
static WRITES: AtomicU32 = AtomicU32::new(0);

#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "udrv_driver::zerocopy")]
#[repr(C)]
pub(crate) struct State {
    value: u32,
}

const BELL: Reg<u32> = Reg::of(0, Kind::Doorbell);
const CONFIG: Reg<u32> = Reg::at(4);

pub(crate) struct Writer;

impl Driver for Writer {
    const NAME: &'static str = "writer";
    const IDS: &'static [(u16, u16)] = &[ID];
    const BUS: Bus = Bus::Pci { bars: &[0], pages: None };
    const REGISTERS: &'static [RegisterInfo] = &[
        RegisterInfo { name: "BELL", offset: 0, width: 4, kind: Kind::Doorbell, count: 1 },
        RegisterInfo { name: "CONFIG", offset: 4, width: 4, kind: Kind::Config, count: 1 },
    ];
    const STATE_VERSION: u32 = 1;
    type State = State;
    const NEW: State = State { value: 0 };

    fn quiesce(_: &mut Cx<'_, State>) -> Result<(), Error> {
        Ok(())
    }

    fn restore(_: &mut Cx<'_, State>) -> Result<(), Error> {
        Ok(())
    }
}

impl NetDriver for Writer {
    fn probe(_: &mut Cx<'_, State>) -> Result<MacAddress, Error> {
        Ok(MacAddress([2, 0, 0, 0, 0, 1]))
    }

    fn open(_: &mut Cx<'_, State>) -> Result<(), Error> {
        Ok(())
    }

    fn stop(_: &mut Cx<'_, State>) -> Result<(), Error> {
        Ok(())
    }

    fn transmit(cx: &mut Cx<'_, State>, frame: TxFrame) -> Result<(), Error> {
        cx.net.keep(frame)?;
        cx.net.complete(frame.buffer, true)?;
        cx.regs.write(BELL, frame.bus_address)
    }

    fn interrupt(_: &mut Cx<'_, State>) -> Result<Events, Error> {
        Ok(Events::NONE)
    }

    fn poll(_: &mut Cx<'_, State>, _: u32) -> Result<u32, Error> {
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

    fn get_ringparam(cx: &mut Cx<'_, State>) -> Result<RingParam, Error> {
        for _ in 0..WRITES.load(Relaxed) {
            cx.state.value = cx.state.value.wrapping_add(1);
            cx.regs.write(CONFIG, cx.state.value)?;
        }
        Ok(RingParam { rx: 64, tx: 64 })
    }

    fn get_stats(_: &mut Cx<'_, State>) -> Result<Stats, Error> {
        Ok(Stats::default())
    }

    fn tx_timeout(_: &mut Cx<'_, State>) -> Result<(), Error> {
        Ok(())
    }
}

/// A device with this driver, turned by hand.
pub(crate) struct Plain {
    device: NetDevice<Writer>,
    door: Door,
    tally: Tally,
}

impl Plain {
    /// With frames of `bytes`.
    pub(crate) fn new(protect: bool, bytes: usize) -> Plain {
        let (card, door) = BareCard::new(Writer::REGISTERS);
        let (mill, tally) = Mill::new(bytes);
        let protect = if protect { Protect::Always } else { Protect::Never };
        let options = Options { protect, ..Options::default() };
        let device = NetDevice::start(Box::new(card), Box::new(mill), options).expect("the device starts");
        Plain { device, door, tally }
    }

    /// Frames from the host, in one call.
    pub(crate) fn down_many(&mut self, frames: u64) {
        self.tally.to_make.store(frames, Relaxed);
        self.device.pump_endpoint().expect("it goes on");
        let mut inside = self.door.inside();
        assert_eq!(inside.rung.len() as u64, frames, "all are with the card");
        inside.rung.clear();
    }

    /// A call that writes so many registers.
    pub(crate) fn call(&mut self, writes: u32) {
        WRITES.store(writes, Relaxed);
        let answer = self.device.handle(Command::Call(Entry::GetRingparam));
        assert!(matches!(answer, Ok(Answer::Done)), "{answer:?}");
    }
}
