//! Intel 82540EM, 82545EM (copper) and 82544GC (copper) gigabit Ethernet controllers.
//!
//! 64 transmit and 256 receive descriptors. Checksums are left to the chip both ways, and so is cutting TCP over IPv4 into
//! segments. Frames of up to 16,128 bytes, one VLAN whose tags the host does not see. Not here: flow control, wake-up,
//! fiber, forced media, and the other chips of the family (82543, 82541, 82546, 82547: other PHYs, EEPROMs and errata).
//! Section numbers are those of Intel's "PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual", revision 4.0.
//!
//! ```
//! use e1000::E1000;
//! use udrv_driver::Driver;
//!
//! assert!(E1000::IDS.contains(&(0x8086, 0x100e)));
//! assert!(E1000::REGISTERS.iter().any(|register| register.name == "RDT"));
//! ```
//!
//! # What recovery costs
//!
//! `quiesce` and `restore` are a few lines over what `open`, `stop` and `tx_timeout` need anyway (`setup.rs`); what is
//! there for recovery alone is `setup::restore` with `in_step`, which keeps a chip that need not be reset from being
//! reset, `check`, and the second versions (`alternate.rs`). That descriptors are wiped one poll late (`ring.rs`) costs
//! no lines, but thought.
#![no_std]
#![forbid(unsafe_code)]

use udrv_driver::{
    Alternates, Bus, Cx, Dma, Driver, Error, Events, Features, Level, Link, MacAddress, Micros, Moderation, NetDriver,
    Offloads, Point, RegisterInfo, RingParam, RxMode, Settings, Stats, TxFrame, USUAL_MTU,
};

mod alternate;
mod counters;
mod eeprom;
mod link;
mod offload;
pub mod regs;
mod ring;
mod setup;
mod state;
mod traffic;

pub use state::State;

use regs::{icr, itr};

/// The driver. It has no values: what it remembers is [`State`].
#[derive(Debug)]
pub struct E1000;

impl Driver for E1000 {
    const NAME: &'static str = "e1000";
    /// These three and no others: see the crate's text.
    const IDS: &'static [(u16, u16)] = &[
        (0x8086, 0x100e), // 82540EM
        (0x8086, 0x100f), // 82545EM, copper
        (0x8086, 0x100c), // 82544GC, copper
    ];
    /// The registers in memory. BAR 2 or 4 has them by an address and a data port, which no window does.
    const BUS: Bus = Bus::Pci { bars: &[0], pages: None };
    const REGISTERS: &'static [RegisterInfo] = regs::REGISTERS;
    const STATE_VERSION: u32 = 2;
    type State = State;
    const NEW: State = State::new();

    fn check(state: &State) -> Result<(), &'static str> {
        state.check()
    }

    fn quiesce(cx: &mut Cx<'_, State>) -> Result<(), Error> {
        cx.point(Point::Start);
        cx.regs.write(regs::IMC, u32::MAX)?;
        cx.point(Point::Middle);
        setup::halt(cx)?;
        cx.point(Point::End);
        Ok(())
    }

    fn restore(cx: &mut Cx<'_, State>) -> Result<(), Error> {
        cx.point(Point::Start);
        cx.regs.write(regs::IMC, u32::MAX)?;
        cx.point(Point::Middle);
        setup::restore(cx)?;
        cx.point(Point::End);
        Ok(())
    }
}

impl NetDriver for E1000 {
    /// The 82544 cuts IPv4 only, and so do all.
    const OFFLOADS: Offloads =
        Offloads { tx_checksum: true, segment_ipv4: true, segment_ipv6: false, rx_checksum: true };
    /// Frames of up to 16,128 bytes (section 13.4.22): what a transmit descriptor and the FIFOs hold, and more.
    const FEATURES: Features = Features {
        max_mtu: ring::MAX_MTU,
        vlan: true,
        moderation: Some(Moderation { longest: Micros(itr::LONGEST), usual: Micros(itr::USUAL) }),
    };
    const ALTERNATES: Alternates<State> =
        Alternates { transmit: Some(alternate::transmit), poll: Some(alternate::poll) };

    fn probe(cx: &mut Cx<'_, State>) -> Result<MacAddress, Error> {
        cx.point(Point::Start);
        cx.regs.read_present(regs::STATUS)?;
        setup::halt(cx)?;
        cx.state.mac = eeprom::station_address(cx)?;
        cx.point(Point::Middle);
        if cx.state.memory == Dma::NONE {
            cx.state.memory = cx.dma.allocate(ring::BYTES, ring::ALIGNMENT)?;
        }
        setup::clear_filters(cx)?;
        setup::write_mac(cx)?;
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
        link::wake_phy(cx)?;
        setup::start(cx)?;
        cx.state.opened = 1;
        cx.point(Point::End);
        Ok(())
    }

    fn stop(cx: &mut Cx<'_, State>) -> Result<(), Error> {
        cx.point(Point::Start);
        cx.state.opened = 0;
        cx.regs.write(regs::IMC, u32::MAX)?;
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
        traffic::send(cx, frame)?;
        cx.point(Point::Middle);
        cx.regs.write(regs::TDT, cx.state.tx.next() as u32)?;
        cx.point(Point::End);
        Ok(())
    }

    /// Reading ICR acknowledges.
    fn interrupt(cx: &mut Cx<'_, State>) -> Result<Events, Error> {
        cx.point(Point::Start);
        let causes = cx.regs.read_present(regs::ICR)?;
        if causes & icr::CAUSES == 0 {
            return Ok(Events::NONE);
        }
        cx.point(Point::Middle);
        let mut events = Events::NONE;
        if causes & icr::POLL != 0 {
            events = events | Events::POLL;
        }
        if causes & icr::LINK != 0 {
            events = events | Events::LINK;
        }
        cx.point(Point::End);
        Ok(events)
    }

    fn poll(cx: &mut Cx<'_, State>, budget: u32) -> Result<u32, Error> {
        cx.point(Point::Start);
        if cx.state.opened == 0 {
            return Ok(0);
        }
        traffic::complete_sent(cx)?;
        cx.point(Point::Middle);
        let received = traffic::receive(cx, budget)?;
        cx.state.stats.rx_frames += u64::from(received);
        cx.point(Point::End);
        Ok(received)
    }

    /// The collision distance hangs on the duplex that was negotiated (section 13.4.33).
    fn link(cx: &mut Cx<'_, State>) -> Result<Link, Error> {
        cx.point(Point::Start);
        let status = cx.regs.read_present(regs::STATUS)?;
        let link = link::link(status);
        cx.point(Point::Middle);
        let half_duplex = u32::from(link.up && !link.full_duplex);
        if link.up && half_duplex != cx.state.half_duplex {
            cx.state.half_duplex = half_duplex;
            if cx.state.opened != 0 {
                cx.regs.write(regs::TCTL, setup::transmit_mode(cx.state))?;
            }
            cx.log(Level::Debug, format_args!("collision distance for half duplex: {half_duplex}"));
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

    /// Any multicast is all multicast: the framework's hash is made of other bits than the chip's (section 13.5.1), and
    /// from its 64 bits the addresses cannot be had. The host drops what it has not asked for.
    fn set_rx_mode(cx: &mut Cx<'_, State>, mode: RxMode) -> Result<(), Error> {
        cx.point(Point::Start);
        let before = setup::receive_mode(cx.state);
        cx.state.promiscuous = u32::from(mode.promiscuous);
        cx.state.multicast = u32::from(mode.multicast != 0);
        let after = setup::receive_mode(cx.state);
        cx.point(Point::Middle);
        if cx.state.opened != 0 && before != after {
            cx.regs.write(regs::RCTL, after)?;
        }
        cx.point(Point::End);
        Ok(())
    }

    fn configure(cx: &mut Cx<'_, State>, settings: Settings) -> Result<(), Error> {
        cx.point(Point::Start);
        Self::FEATURES.allow(settings)?;
        let before = setup::fifo(cx.state);
        cx.state.mtu = settings.mtu.max(USUAL_MTU);
        cx.state.vlan = settings.vlan.into();
        cx.state.itr = itr::of(settings.interrupt_interval.0);
        cx.point(Point::Middle);
        setup::follow(cx, before)?;
        cx.point(Point::End);
        Ok(())
    }

    /// As the chip has it while it is open, else as it will be.
    fn get_ringparam(cx: &mut Cx<'_, State>) -> Result<RingParam, Error> {
        cx.point(Point::Start);
        let (rx, tx) = (cx.regs.read(regs::RDLEN)?, cx.regs.read(regs::TDLEN)?);
        cx.point(Point::Middle);
        let opened = cx.state.opened != 0;
        let param = if opened {
            RingParam { rx: rx / ring::DESCRIPTOR, tx: tx / ring::DESCRIPTOR }
        } else {
            RingParam { rx: ring::RX, tx: ring::TX }
        };
        cx.point(Point::End);
        Ok(param)
    }

    fn get_stats(cx: &mut Cx<'_, State>) -> Result<Stats, Error> {
        cx.point(Point::Start);
        cx.point(Point::Middle);
        counters::take(cx)?;
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
