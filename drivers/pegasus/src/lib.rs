//! AN986 (Pegasus), ADM8511 and ADM8515 (Pegasus II) USB Ethernet controllers.
//!
//! 16 receptions and up to 32 frames to send are under way at a time. Registers are vendor requests; the PHY is the one in
//! the chip, or at address 1 beside an AN986. Not here: home networking (HomePNA) and other PHYs beside the chip, flow
//! control, wake-up, forced media, the boards of other vendors with the same chips, whose ids and pins differ.
//!
//! An ADM8513 is refused, by its product id and by name where it has another's: it puts a length before each frame, and
//! those who drive it do not agree on what that counts. Chips are said to exist, of release 2.01 and later, that put
//! nothing before and behind a frame: what such a one receives counts as errors.
//!
//! Endpoint 3 is asked all the time. One that has an answer each time, news or not, is a storm of interrupts to the
//! framework, which polls the device then.
//!
//! Of multicast there is all or nothing: of the drivers that fill the hash some count its bits from one end and some from
//! the other, and one has found that it does not work.
//!
//! Register names and meanings are written without a datasheet at hand, from what drivers for the real chips have in
//! common. A model that was written apart from it, and that Linux's driver takes for the chip, has judged them
//! (`docs/fidelity.md`); no chip has.
//!
//! ```
//! use pegasus::Pegasus;
//! use udrv_driver::Driver;
//!
//! assert!(Pegasus::IDS.contains(&(0x07a6, 0x8511)));
//! assert!(Pegasus::REGISTERS.iter().any(|register| register.name == "ETHCTRL0"));
//! ```
//!
//! # Control transfers
//!
//! Each takes 125 us or more, up to milliseconds on a slow bus, so what counts is how many there are. If no wait looks
//! twice:
//!
//! | call | control transfers |
//! |---|---|
//! | `transmit`, `interrupt`, `poll`, `get_stats`, `get_ringparam` | 0 |
//! | `probe` | 23, of an AN986 15; a second one 13 |
//! | `open` | 9; 2 more for a PHY that sleeps |
//! | `stop`, `quiesce` | 1 |
//! | `link` | 12, without one 6, after a loss 15; 1 more if speed or duplex are others |
//! | `set_mac`, `set_rx_mode` | 2 |
//! | `tx_timeout` | 9 |
//! | `restore` of a device in order | 5 |
//! | `restore` of one whose rings a call that failed has set up | 8; 6 before `open` and after `stop` |
//! | `restore` of another | 9; 7 before `open` and after `stop` |
//!
//! Ending the halt of an endpoint is one more for each. The framework's own come to that: a read before the first write of
//! ETHCTRL0, ETHCTRL2 and both parts of ETHID, and one of each when it looks at what `restore` has done.
//!
//! A call of `link` that faults ends in `restore`: it has told the chip to read a register of the PHY, and of what such a
//! command does the framework knows only that it cannot be written back. The PHY keeps nothing of it.
//!
//! # What recovery costs
//!
//! `quiesce` is what `stop` needs anyway, and so is `restore` where an endpoint has to be set up (`setup.rs`). For recovery
//! alone there are `is_in_step` and `set_right` with the counts that they need, `check`, the second versions
//! (`alternate.rs`), and that descriptors are handed over on commit (`ring.rs`).
#![no_std]
#![forbid(unsafe_code)]

use udrv_driver::usb::{CAUSES, Endpoint};
use udrv_driver::{
    Alternates, Bus, Cx, Dma, Driver, Error, Events, Level, Link, MacAddress, NetDriver, Point, RegisterInfo,
    RingParam, RxMode, Stats, TxFrame,
};

mod access;
mod alternate;
pub mod regs;
mod ring;
mod setup;
mod state;
mod traffic;

pub use state::State;

use regs::ethctrl1;

/// The driver. It has no values: what it remembers is [`State`].
#[derive(Debug)]
pub struct Pegasus;

impl Driver for Pegasus {
    const NAME: &'static str = "pegasus";
    const IDS: &'static [(u16, u16)] = &[(0x07a6, 0x0986), (0x07a6, 0x8511), (0x07a6, 0x8515)];
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
    const STATE_VERSION: u32 = 2;
    type State = State;
    const NEW: State = State::new();

    fn check(state: &State) -> Result<(), &'static str> {
        state.check()
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
            let is_astray = setup::is_astray(cx)?;
            setup::shut_down(cx)?;
            if is_astray {
                setup::reset(cx)?;
            } else {
                setup::end_reset(cx)?;
            }
            setup::resume(cx)?;
        }
        cx.point(Point::End);
        Ok(())
    }
}

impl NetDriver for Pegasus {
    const ALTERNATES: Alternates<State> =
        Alternates { transmit: Some(alternate::transmit), poll: Some(alternate::poll) };

    fn probe(cx: &mut Cx<'_, State>) -> Result<MacAddress, Error> {
        cx.point(Point::Start);
        setup::halt(cx)?;
        setup::reset(cx)?;
        setup::wake(cx)?;
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
        if frame.length > ring::LONGEST {
            return Err(Error::Unsupported);
        }
        let (first, descriptors) = (cx.state.tx.next(), ring::descriptors(frame.length));
        if cx.state.tx.room_but(0) < descriptors {
            return Err(Error::Busy);
        }
        // nothing here can fail any more: a descriptor without a buffer would be completed some day
        traffic::fill(cx, frame, descriptors)?;
        cx.point(Point::Middle);
        traffic::send(cx, first, descriptors)?;
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
        traffic::complete_sent(cx)?;
        cx.point(Point::Middle);
        let received = traffic::receive(cx, budget)?;
        cx.state.stats.rx_frames += u64::from(received);
        // what came before it goes up first
        if received == 0
            && let Some(error) = traffic::broken(cx)?
        {
            return Err(error);
        }
        cx.point(Point::End);
        Ok(received)
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
        cx.state.multicast = u32::from(mode.multicast != 0);
        cx.point(Point::Middle);
        if cx.state.opened != 0 {
            setup::write_receive_mode(cx)?;
        }
        cx.point(Point::End);
        Ok(())
    }

    /// Frames, not descriptors: two thirds as many if each of them ends with a full packet.
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
}
