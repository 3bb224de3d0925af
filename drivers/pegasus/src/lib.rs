//! ADMtek AN986 (Pegasus), ADM8511, ADM8513 and ADM8515 (Pegasus II) USB Ethernet controllers.
//!
//! 16 receptions and up to 32 frames to send are under way at a time. Registers are vendor requests; the PHY is the one in the
//! chip. Not here: home networking (HomePNA) and MII PHYs beside the chip, wake-up, forced media, the boards of other
//! vendors with the same chips, whose ids and pins differ.
//!
//! Register names and meanings are written without a datasheet at hand. A model that was written apart from it, and that Linux's driver
//! takes for the chip, has judged them (`docs/fidelity.md`); no chip has.
//!
//! ```
//! use pegasus::Pegasus;
//! use udrv_driver::NetDriver;
//!
//! assert!(Pegasus::IDS.contains(&(0x07a6, 0x8511)));
//! assert!(Pegasus::REGISTERS.iter().any(|register| register.name == "ETHCTRL0"));
//! ```
//!
//! # What recovery costs
//!
//! `quiesce` is what `stop` needs anyway, and so is `restore` where an endpoint has to be set up (`setup.rs`). For recovery alone
//! there are `is_in_step` and `set_right` with the counts that they need, and `check`.
#![no_std]
#![forbid(unsafe_code)]

use udrv_driver::usb::{CAUSES, CHAIN, Endpoint, OWN};
use udrv_driver::{
    Bus, Cx, Dma, Error, Events, Level, Link, MacAddress, NetDriver, Point, RegisterInfo, RingParam, RxMode, Stats,
    TxFrame,
};

mod access;
pub mod regs;
mod ring;
mod setup;
mod state;
mod traffic;

pub use state::State;

use regs::{device, ethctrl1};
use ring::TX_RING;

/// The driver. It has no values: what it remembers is [`State`].
#[derive(Debug)]
pub struct Pegasus;

impl NetDriver for Pegasus {
    const NAME: &'static str = "pegasus";
    const IDS: &'static [(u16, u16)] = &[(0x07a6, 0x0986), (0x07a6, 0x8511), (0x07a6, 0x8513), (0x07a6, 0x8515)];
    const BUS: Bus = Bus::Usb {
        read: 0xf0,
        write: 0xf1,
        endpoints: &[
            Endpoint { address: 0x81, interrupt: false },
            Endpoint { address: 0x02, interrupt: false },
            Endpoint { address: 0x83, interrupt: true },
        ],
    };
    const REGISTERS: &'static [RegisterInfo] = regs::REGISTERS;
    const STATE_VERSION: u32 = 1;
    type State = State;

    fn new_state() -> State {
        State::new()
    }

    fn check(state: &State) -> Result<(), &'static str> {
        state.check()
    }

    fn probe(cx: &mut Cx<'_, State>) -> Result<MacAddress, Error> {
        cx.point(Point::Start);
        setup::halt(cx)?;
        setup::reset(cx)?;
        cx.state.length_first = setup::wake(cx)?.into();
        cx.state.mac = access::mac(cx)?;
        if !cx.state.mac.is_station() {
            cx.log(Level::Warn, format_args!("the EEPROM has no station address"));
        }
        cx.point(Point::Middle);
        if cx.state.memory == Dma::NONE {
            cx.state.memory = cx.dma.allocate(ring::BYTES, ring::ALIGNMENT)?;
        }
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
        access::wake(cx)?;
        setup::start(cx)?;
        cx.state.opened = 1;
        cx.point(Point::End);
        Ok(())
    }

    fn stop(cx: &mut Cx<'_, State>) -> Result<(), Error> {
        cx.point(Point::Start);
        cx.state.opened = 0;
        cx.point(Point::Middle);
        setup::shut_down(cx)?;
        cx.point(Point::End);
        Ok(())
    }

    fn transmit(cx: &mut Cx<'_, State>, frame: TxFrame) -> Result<(), Error> {
        cx.point(Point::Start);
        if cx.state.opened == 0 {
            return Err(Error::NotReady);
        }
        if cx.state.tx.room_but(0) < 2 {
            return Err(Error::Busy);
        }
        let (memory, first) = (cx.state.memory, cx.state.tx.next());
        let (header, second) = (ring::header(first), first + 1);
        let address = cx.dma.bus_address(memory)? + header;
        // nothing here can fail any more: a descriptor without a buffer would be completed some day
        cx.dma.write_u32(memory, header, frame.length)?;
        cx.dma.write_u64(memory, ring::tx_place(first), ring::place(address, ring::HEADER_BYTES))?;
        let bytes = ring::padded(frame.length);
        cx.dma.write_u64(memory, ring::tx_place(second), ring::place(frame.bus_address, bytes))?;
        cx.net.keep(frame)?;
        cx.state.tx.claim(udrv_driver::Buffer::NONE);
        cx.state.tx.claim(frame.buffer);
        cx.point(Point::Middle);
        cx.dma.hand_over(memory, ring::tx_place(first) + 12, OWN | CHAIN)?;
        cx.dma.hand_over(memory, ring::tx_place(second) + 12, OWN)?;
        traffic::give(cx, TX_RING, 2)?;
        cx.point(Point::End);
        Ok(())
    }

    fn interrupt(cx: &mut Cx<'_, State>) -> Result<Events, Error> {
        cx.point(Point::Start);
        let causes = cx.regs.read(CAUSES)?;
        if causes == 0 || cx.state.opened == 0 {
            return Ok(Events::NONE);
        }
        cx.point(Point::Middle);
        let mut events = Events::POLL | traffic::take_packets(cx)?;
        if traffic::is_silent(cx)? {
            cx.state.stuck = 1;
            events = events | Events::ERROR;
        }
        cx.point(Point::End);
        Ok(events)
    }

    fn poll(cx: &mut Cx<'_, State>, budget: u32) -> Result<u32, Error> {
        cx.point(Point::Start);
        if cx.state.opened == 0 {
            return Ok(0);
        }
        // before what it says is taken for frames that were lost
        let broken = traffic::is_broken(cx)?;
        if broken {
            cx.state.stuck = 1;
        }
        traffic::complete_sent(cx)?;
        cx.point(Point::Middle);
        let received = traffic::receive(cx, budget)?;
        cx.state.stats.rx_frames += u64::from(received);
        cx.point(Point::End);
        if broken && received == 0 { Err(Error::Bus) } else { Ok(received) }
    }

    /// The MAC is told what the PHY has negotiated.
    fn link(cx: &mut Cx<'_, State>) -> Result<Link, Error> {
        cx.point(Point::Start);
        let link = access::link(cx)?;
        cx.point(Point::Middle);
        let duplex = if link.full_duplex { ethctrl1::FULL_DUPLEX } else { 0 };
        let speed = if link.speed == 100 { ethctrl1::SPEED_100 } else { 0 };
        let media = u32::from(duplex | speed);
        if link.up && media != cx.state.media {
            cx.state.media = media;
            setup::write_media(cx)?;
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
        cx.state.promiscuous = u32::from(mode.promiscuous);
        cx.state.multicast = mode.multicast;
        setup::write_multicast(cx)?;
        cx.point(Point::Middle);
        if cx.state.opened != 0 {
            cx.regs.write(device::ETHCTRL2, setup::receive_mode(cx.state))?;
            cx.regs.write(device::ETHCTRL0, setup::mode(cx.state))?;
        }
        cx.point(Point::End);
        Ok(())
    }

    /// Frames, not descriptors.
    fn get_ringparam(cx: &mut Cx<'_, State>) -> Result<RingParam, Error> {
        cx.point(Point::Start);
        cx.point(Point::Middle);
        cx.point(Point::End);
        Ok(RingParam { rx: ring::RX, tx: ring::TX / 2 })
    }

    fn get_stats(cx: &mut Cx<'_, State>) -> Result<Stats, Error> {
        cx.point(Point::Start);
        cx.point(Point::Middle);
        let stats = cx.state.stats;
        cx.point(Point::End);
        Ok(stats)
    }

    fn tx_timeout(cx: &mut Cx<'_, State>) -> Result<(), Error> {
        cx.point(Point::Start);
        setup::shut_down(cx)?;
        cx.point(Point::Middle);
        setup::reset(cx)?;
        setup::resume(cx)?;
        cx.point(Point::End);
        Ok(())
    }

    fn quiesce(cx: &mut Cx<'_, State>) -> Result<(), Error> {
        cx.point(Point::Start);
        setup::halt(cx)?;
        cx.point(Point::Middle);
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
            setup::reset(cx)?;
            setup::resume(cx)?;
        }
        cx.point(Point::End);
        Ok(())
    }
}
