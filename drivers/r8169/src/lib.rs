//! Realtek RTL8169S, RTL8110S, RTL8169SB, RTL8110SB, RTL8169SC, RTL8110SC (PCI) and RTL8168B (PCIe) gigabit Ethernet
//! controllers.
//!
//! `version.rs` has the exact revisions; others with the same PCI ids are refused. 64 transmit and up to 256 receive
//! descriptors. Frames of up to 7 KiB on PCI and 4 KiB on PCIe; one VLAN whose tags the host does not see. Not here:
//! checksum offloads (on PCIe they would have to be off for long frames), segmentation, the high-priority ring, the
//! counter dump, wake-up, EEPROM, forced media.
//!
//! Register names and meanings are written without a datasheet at hand. A model that was written apart from it, and
//! that Linux's driver takes for the chip, has judged them (`docs/fidelity.md`); no chip has.
//!
//! ```
//! use r8169::R8169;
//! use udrv_driver::Driver;
//!
//! assert!(R8169::IDS.contains(&(0x10ec, 0x8168)));
//! assert!(R8169::REGISTERS.iter().any(|register| register.name == "TPPOLL"));
//! ```
//!
//! # What recovery costs
//!
//! `quiesce` is what `stop` and `tx_timeout` need anyway, and so is `restore` where the chip has to be reset (`setup.rs`).
//! For recovery alone there are `is_in_step` and `set_right` with the count that they need, which keep a chip that goes
//! on from being reset, `check`, the second versions (`alternate.rs`), and that descriptors are handed over on commit
//! (`ring.rs`), which is another name for the write and no more lines.
#![no_std]
#![forbid(unsafe_code)]

use udrv_driver::{
    AROUND_MTU, Alternates, Bus, Cx, Dma, Driver, Error, Events, Features, Level, Link, MacAddress, Micros, Moderation,
    NetDriver, Point, RegisterInfo, RingParam, RxMode, Settings, Stats, TxFrame, USUAL_MTU,
};

mod alternate;
mod phy;
pub mod regs;
mod ring;
mod setup;
mod state;
mod traffic;
mod version;

pub use state::State;

use regs::{isr, mitigate, tppoll};

/// The driver. It has no values: what it remembers is [`State`].
#[derive(Debug)]
pub struct R8169;

impl Driver for R8169 {
    const NAME: &'static str = "r8169";
    /// More chips have these than are driven: `probe` looks closer.
    const IDS: &'static [(u16, u16)] = &[(0x10ec, 0x8169), (0x10ec, 0x8168)];
    /// The registers in memory: BAR 2 of a PCIe chip, whose BAR 1 does not exist, and BAR 1 of a PCI chip, whose BAR 2
    /// does not. BAR 0 has them in I/O space.
    const BUS: Bus = Bus::Pci { bars: &[2, 1], pages: None };
    const REGISTERS: &'static [RegisterInfo] = regs::REGISTERS;
    const STATE_VERSION: u32 = 2;
    type State = State;
    const NEW: State = State::new();

    fn variant(state: &State) -> u32 {
        state.chip.saturating_sub(1)
    }

    fn check(state: &State) -> Result<(), &'static str> {
        state.check()
    }

    fn quiesce(cx: &mut Cx<'_, State>) -> Result<(), Error> {
        cx.point(Point::Start);
        cx.regs.write(regs::IMR, 0)?;
        cx.point(Point::Middle);
        setup::halt(cx)?;
        cx.point(Point::End);
        Ok(())
    }

    fn restore(cx: &mut Cx<'_, State>) -> Result<(), Error> {
        cx.point(Point::Start);
        let goes_on = setup::is_in_step(cx)?;
        cx.point(Point::Middle);
        if goes_on {
            setup::set_right(cx)?;
        } else {
            setup::shut_down(cx)?;
            setup::resume(cx)?;
        }
        cx.point(Point::End);
        Ok(())
    }
}

impl NetDriver for R8169 {
    /// Interrupts come at once where nobody asks for more: these chips would hold back the first after a pause as well.
    const FEATURES: Features = Features {
        max_mtu: version::MAX_MTU,
        vlan: true,
        moderation: Some(Moderation { longest: Micros(mitigate::LONGEST), usual: Micros(0) }),
    };
    const VARIANTS: &'static [Features] = &{
        let mut variants = [Self::FEATURES; version::VERSIONS.len()];
        let mut number = 0;
        while number < variants.len() {
            variants[number].max_mtu = version::VERSIONS[number].max_mtu;
            number += 1;
        }
        variants
    };
    const ALTERNATES: Alternates<State> =
        Alternates { transmit: Some(alternate::transmit), poll: Some(alternate::poll) };

    fn probe(cx: &mut Cx<'_, State>) -> Result<MacAddress, Error> {
        cx.point(Point::Start);
        let tcr = cx.regs.read_present(regs::TCR)?;
        let Some(number) = version::find(tcr) else {
            cx.log(Level::Error, format_args!("XID {:#010x} is no chip that this driver drives", version::xid(tcr)));
            return Err(Error::NotThisDevice);
        };
        cx.log(Level::Info, format_args!("{}", version::VERSIONS[number].name));
        cx.state.chip = number as u32 + 1;
        setup::halt(cx)?;
        cx.state.mac = read_mac(cx)?;
        cx.point(Point::Middle);
        if cx.state.memory == Dma::NONE {
            cx.state.memory = cx.dma.allocate(ring::BYTES, ring::ALIGNMENT)?;
        }
        setup::aim(cx)?;
        cx.point(Point::End);
        Ok(cx.state.mac)
    }

    fn open(cx: &mut Cx<'_, State>) -> Result<(), Error> {
        cx.point(Point::Start);
        if cx.state.memory == Dma::NONE {
            return Err(Error::NotReady);
        }
        setup::shut_down(cx)?;
        cx.point(Point::Middle);
        phy::wake(cx)?;
        setup::start(cx)?;
        cx.state.opened = 1;
        cx.point(Point::End);
        Ok(())
    }

    fn stop(cx: &mut Cx<'_, State>) -> Result<(), Error> {
        cx.point(Point::Start);
        cx.state.opened = 0;
        cx.regs.write(regs::IMR, 0)?;
        cx.point(Point::Middle);
        setup::shut_down(cx)?;
        setup::write_mac(cx)?;
        cx.point(Point::End);
        Ok(())
    }

    fn transmit(cx: &mut Cx<'_, State>, frame: TxFrame) -> Result<(), Error> {
        cx.point(Point::Start);
        if cx.state.opened == 0 {
            return Err(Error::NotReady);
        }
        if frame.length > cx.state.mtu + AROUND_MTU {
            return Err(Error::Unsupported);
        }
        let index = cx.state.tx.free().ok_or(Error::Busy)?;
        // nothing here can fail any more: a descriptor without a buffer would be completed some day
        let (memory, place) = (cx.state.memory, ring::tx_place(index));
        cx.dma.write_u32(memory, place + 4, ring::tag(cx.state.vlan))?;
        cx.dma.write_u64(memory, place + 8, frame.bus_address.into())?;
        cx.net.keep(frame)?;
        cx.state.tx.claim(frame.buffer);
        cx.point(Point::Middle);
        cx.dma.hand_over(memory, place, ring::send(index, frame.length))?;
        cx.dma.hand_over(memory, ring::TURN, cx.state.moved())?;
        cx.regs.write(regs::TPPOLL, tppoll::NPQ)?;
        cx.point(Point::End);
        Ok(())
    }

    fn interrupt(cx: &mut Cx<'_, State>) -> Result<Events, Error> {
        cx.point(Point::Start);
        let seen = cx.regs.read_present(regs::ISR)? & isr::CAUSES;
        if seen == 0 {
            return Ok(Events::NONE);
        }
        cx.regs.write(regs::ISR, seen)?;
        cx.point(Point::Middle);
        cx.state.stats.tx_errors += u64::from(seen & isr::TER != 0);
        let mut events = Events::NONE;
        if seen & isr::POLL != 0 {
            events = events | Events::POLL;
        }
        if seen & isr::LINKCHG != 0 {
            events = events | Events::LINK;
        }
        let stops = cx.state.version().is_some_and(|version| version.overflow_stops);
        if seen & isr::SERR != 0 || stops && seen & isr::FOVW != 0 {
            events = events | Events::ERROR;
            cx.state.stuck = 1;
        }
        cx.point(Point::End);
        Ok(events)
    }

    fn poll(cx: &mut Cx<'_, State>, budget: u32) -> Result<u32, Error> {
        cx.point(Point::Start);
        if cx.state.opened == 0 {
            return Ok(0);
        }
        let (sent, before) = (traffic::complete_sent(cx)?, cx.state.next);
        cx.point(Point::Middle);
        let received = traffic::receive(cx, budget)?;
        cx.state.stats.rx_frames += u64::from(received);
        if sent != 0 || cx.state.next != before {
            cx.dma.hand_over(cx.state.memory, ring::TURN, cx.state.moved())?;
        }
        cx.point(Point::End);
        Ok(received)
    }

    /// What the timer of interrupts counts hangs on the speed.
    fn link(cx: &mut Cx<'_, State>) -> Result<Link, Error> {
        cx.point(Point::Start);
        let link = phy::link(cx.regs.read_present(regs::PHYSTATUS)?);
        cx.point(Point::Middle);
        if link.up && link.speed != cx.state.speed {
            cx.state.speed = link.speed;
            if cx.state.opened != 0 && cx.state.interval != 0 {
                setup::write_settings(cx)?;
            }
        }
        cx.point(Point::End);
        Ok(link)
    }

    fn set_mac(cx: &mut Cx<'_, State>, mac: MacAddress) -> Result<(), Error> {
        cx.point(Point::Start);
        if !mac.is_station() {
            return Err(Error::Unsupported);
        }
        cx.state.mac = mac;
        setup::write_mac(cx)?;
        cx.point(Point::Middle);
        cx.point(Point::End);
        Ok(())
    }

    fn set_rx_mode(cx: &mut Cx<'_, State>, mode: RxMode) -> Result<(), Error> {
        cx.point(Point::Start);
        let before = setup::receive_mode(cx.state);
        cx.state.promiscuous = u32::from(mode.promiscuous);
        cx.state.multicast = mode.multicast;
        setup::write_multicast(cx)?;
        cx.point(Point::Middle);
        let after = setup::receive_mode(cx.state);
        if cx.state.opened != 0 && before != after {
            cx.regs.write(regs::RCR, after)?;
        }
        cx.point(Point::End);
        Ok(())
    }

    fn configure(cx: &mut Cx<'_, State>, settings: Settings) -> Result<(), Error> {
        cx.point(Point::Start);
        Self::features(cx.state).allow(settings)?;
        let mtu = settings.mtu.max(USUAL_MTU);
        let (opened, anew) = (cx.state.opened != 0, setup::is_set_up_anew(cx.state, mtu));
        if anew && opened {
            setup::shut_down(cx)?;
        }
        cx.point(Point::Middle);
        (cx.state.mtu, cx.state.vlan) = (mtu, settings.vlan.into());
        cx.state.interval = settings.interrupt_interval.0 as u32;
        if anew {
            // the ring may have fewer
            cx.state.next = 0;
        }
        match (opened, anew) {
            (true, true) => setup::resume(cx)?,
            (true, false) => setup::write_settings(cx)?,
            (false, _) => {}
        }
        cx.point(Point::End);
        Ok(())
    }

    /// As the MTU has them: the chip has no register that tells.
    fn get_ringparam(cx: &mut Cx<'_, State>) -> Result<RingParam, Error> {
        cx.point(Point::Start);
        cx.point(Point::Middle);
        cx.point(Point::End);
        Ok(RingParam { rx: cx.state.room().count(), tx: ring::TX })
    }

    fn get_stats(cx: &mut Cx<'_, State>) -> Result<Stats, Error> {
        cx.point(Point::Start);
        setup::take_missed(cx)?;
        cx.point(Point::Middle);
        let stats = cx.state.stats;
        cx.point(Point::End);
        Ok(stats)
    }

    fn tx_timeout(cx: &mut Cx<'_, State>) -> Result<(), Error> {
        cx.point(Point::Start);
        setup::shut_down(cx)?;
        cx.point(Point::Middle);
        setup::resume(cx)?;
        cx.point(Point::End);
        Ok(())
    }
}

/// IDR, which the chip loads from its EEPROM at power-on: a station address, or zeros if it is none.
fn read_mac(cx: &Cx<'_, State>) -> Result<MacAddress, Error> {
    let mac = MacAddress::from_registers(cx.regs.read(regs::IDR0)?, cx.regs.read(regs::IDR4)?);
    if mac.is_station() {
        return Ok(mac);
    }
    cx.log(Level::Warn, format_args!("IDR has no station address: {mac}"));
    Ok(MacAddress([0; 6]))
}
