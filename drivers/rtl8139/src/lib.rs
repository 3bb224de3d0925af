//! RTL8139 Fast Ethernet controller, legacy mode.
//!
//! Four transmit slots and one receive ring of 32 KiB. Not here: C+ descriptors (a different ring format), early
//! receive, wake-up, EEPROM, forced media. Section numbers are those of the RTL8139D(L) datasheet, rev 1.2.
//!
//! ```
//! use rtl8139::Rtl8139;
//! use udrv_driver::Driver;
//!
//! assert!(Rtl8139::IDS.contains(&(0x10ec, 0x8139)));
//! assert!(Rtl8139::REGISTERS.iter().any(|register| register.name == "CAPR"));
//! ```
//!
//! # What recovery costs
//!
//! Lines of code, signatures and braces included. Only the first group and the last two are here for the sake of
//! recovery; the others would be in any driver. Published work on fine-grained fault tolerance moved 16 to 32 lines of
//! each Linux driver into its checkpoint and restore functions.
//!
//! | functions                                         | lines | also used by             |
//! |---------------------------------------------------|-------|--------------------------|
//! | `quiesce`, `restore`, `resume`                    | 19    | `tx_timeout` (`resume`)  |
//! | `halt`, `wait_cr`, `shut_down`, `start`           | 31    | `probe`, `open`, `stop`  |
//! | `write_mac`, `write_multicast`, `receive_mode`    | 20    | `set_mac`, `set_rx_mode` |
//! | `write_ring`, `take_missed`                       | 15    | `poll`, `get_stats`      |
//! | `check`, with those of `State` and `Slots`        | 23    |                          |
//! | second `transmit`, second `poll` (`alternate.rs`) | 118   |                          |
//!
//! Of the 19, six are places to inject faults. Of the 118, `transmit` is 16. A driver without the last two recovers as
//! well: they are for faults that come again each time.
#![no_std]
#![forbid(unsafe_code)]

use udrv_driver::mii::Media;
use udrv_driver::{
    Alternates, Bus, Cx, Dma, Driver, Error, Events, Level, Link, MacAddress, NetDriver, Point, RegisterInfo,
    RingParam, RxMode, Stats, Telltale, TxFrame,
};

mod alternate;
mod link;
mod receive;
pub mod regs;
mod ring;
mod setup;
mod state;
mod tx;
mod version;

pub use state::State;

use regs::{isr, rcr, tcr, tsd};
use state::Overflow;
use tx::Fate;

/// The driver. It has no values: what it remembers is [`State`].
#[derive(Debug)]
pub struct Rtl8139;

impl Driver for Rtl8139 {
    const NAME: &'static str = "rtl8139";
    /// Realtek's own (also as CardBus), and cards with the chip under other names.
    const IDS: &'static [(u16, u16)] = &[
        (0x10ec, 0x8139),
        (0x10ec, 0x8138),
        (0x1113, 0x1211), // Accton
        (0x1186, 0x1300), // D-Link DFE-530TX+
        (0x1186, 0x1340), // D-Link DFE-690TXD
        (0x1259, 0xa117), // Allied Telesis
        (0x1259, 0xa11e), // Allied Telesis
        (0x1432, 0x9130), // Edimax
    ];
    /// The same registers in memory (BAR 1) and in I/O space (BAR 0).
    const BUS: Bus = Bus::Pci { bars: &[1, 0], pages: None };
    const REGISTERS: &'static [RegisterInfo] = regs::REGISTERS;
    const STATE_VERSION: u32 = 3;
    type State = State;
    const NEW: State = State::new();
    /// A slot that is handed over twice is sent twice, or waits for a turn that does not come.
    const TELLTALES: &'static [Telltale] = &tx::TELLTALES;

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
        setup::shut_down(cx)?;
        cx.point(Point::Middle);
        setup::resume(cx)?;
        cx.point(Point::End);
        Ok(())
    }
}

impl NetDriver for Rtl8139 {
    const ALTERNATES: Alternates<State> =
        Alternates { transmit: Some(alternate::transmit), poll: Some(alternate::poll) };

    fn probe(cx: &mut Cx<'_, State>) -> Result<MacAddress, Error> {
        cx.point(Point::Start);
        let version = cx.regs.read_present(regs::TCR)?;
        setup::halt(cx)?;
        match version::name(version) {
            Some(name) => cx.log(Level::Info, format_args!("{name}")),
            None => cx.log(Level::Warn, format_args!("TCR {version:#010x} is no version known; going on")),
        }

        let mac = read_mac(cx)?;
        cx.state.mac = mac;
        cx.point(Point::Middle);

        if cx.state.ring == Dma::NONE {
            cx.state.ring = cx.dma.allocate(ring::SIZE + ring::SLACK, ring::ALIGNMENT)?;
        }
        setup::aim(cx)?;
        cx.point(Point::End);
        Ok(mac)
    }

    fn open(cx: &mut Cx<'_, State>) -> Result<(), Error> {
        cx.point(Point::Start);
        if cx.state.ring == Dma::NONE {
            return Err(Error::NotReady);
        }
        setup::shut_down(cx)?;
        cx.point(Point::Middle);
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
        cx.point(Point::End);
        Ok(())
    }

    fn transmit(cx: &mut Cx<'_, State>, frame: TxFrame) -> Result<(), Error> {
        cx.point(Point::Start);
        if cx.state.opened == 0 {
            return Err(Error::NotReady);
        }
        if frame.length > tsd::LONGEST {
            return Err(Error::Unsupported);
        }
        let slot = cx.state.tx.ring.free().ok_or(Error::Busy)?;
        // a slot is claimed when nothing can fail any more: one without a buffer would be completed some day
        cx.regs.write(regs::TSAD[slot], frame.bus_address)?;
        cx.net.keep(frame)?;
        let command = cx.state.tx.command(frame.length);
        cx.state.tx.take_slot(frame.buffer);
        cx.point(Point::Middle);
        cx.regs.write(regs::TSD[slot], command)?;
        cx.point(Point::End);
        Ok(())
    }

    fn interrupt(cx: &mut Cx<'_, State>) -> Result<Events, Error> {
        cx.point(Point::Start);
        let seen = cx.regs.read_present(regs::ISR)? & isr::CAUSES;
        if seen == 0 {
            return Ok(Events::NONE);
        }

        let held_back = note_overflow(cx.state, seen);
        cx.state.stats.rx_errors += u64::from(seen & isr::RER != 0);
        if seen & isr::TER != 0 {
            cx.state.tx.note_abort();
        }
        if seen & !held_back != 0 {
            cx.regs.write(regs::ISR, seen & !held_back)?;
        }
        cx.point(Point::Middle);

        let mut events = Events::NONE;
        if seen & (isr::ROK | isr::RER | isr::TOK | isr::TER | isr::OVERFLOW) != 0 {
            events = events | Events::POLL;
        }
        if seen & isr::PUN_LINKCHG != 0 {
            events = events | Events::LINK;
        }
        if seen & isr::SERR != 0 {
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
        complete_sent(cx)?;
        let received = receive::deliver(cx, budget)?;
        if received != 0 {
            cx.regs.write(regs::CAPR, ring::to_capr(cx.state.cursor))?;
        }
        if cx.state.overflow == Overflow::SEEN {
            cx.state.overflow = Overflow::DRAINED;
        }
        cx.point(Point::Middle);
        cx.state.stats.rx_frames += u64::from(received);
        cx.point(Point::End);
        Ok(received)
    }

    fn link(cx: &mut Cx<'_, State>) -> Result<Link, Error> {
        cx.point(Point::Start);
        let msr = cx.regs.read_present(regs::MSR)?;
        cx.point(Point::Middle);
        let media = Media {
            bmcr: cx.regs.read(regs::BMCR)?,
            bmsr: cx.regs.read_present(regs::BMSR)?,
            anar: cx.regs.read(regs::ANAR)?,
            anlpar: cx.regs.read(regs::ANLPAR)?,
            ..Media::default()
        };
        cx.point(Point::End);
        Ok(link::link(msr, media))
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
            receive::follow_chip(cx)?;
        }
        cx.point(Point::End);
        Ok(())
    }

    /// As the chip has it while it is open, else as it will be.
    fn get_ringparam(cx: &mut Cx<'_, State>) -> Result<RingParam, Error> {
        cx.point(Point::Start);
        let mode = cx.regs.read_present(regs::RCR)?;
        cx.point(Point::Middle);
        let told = (8 * 1024) << (mode >> rcr::RBLEN_SHIFT & 0b11);
        let rx = if cx.state.opened != 0 { told } else { ring::SIZE };
        cx.point(Point::End);
        Ok(RingParam { rx, tx: tx::SLOTS })
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

/// Takes note of an overflow and gives the causes that must not be cleared yet.
fn note_overflow(state: &mut State, seen: u16) -> u16 {
    if seen & isr::OVERFLOW == 0 || state.overflow == Overflow::DRAINED {
        state.overflow = Overflow::NONE;
        return 0;
    }
    state.overflow = Overflow::SEEN;
    isr::OVERFLOW
}

/// Gives back what the chip has sent, oldest first; it serves its slots in turn.
///
/// An aborted frame is sent again by TCR.CLRABT, and its buffer stays with the chip: the datasheet has no way to skip
/// a slot (section 5.7), so a buffer given back now would be sent with whatever is in it by then. After a few times
/// everything is set up anew, which loses the frames in flight.
fn complete_sent(cx: &mut Cx<'_, State>) -> Result<(), Error> {
    for _ in 0..tx::SLOTS {
        let Some((slot, buffer)) = cx.state.tx.ring.oldest() else { break };
        let status = cx.regs.read(regs::TSD[slot])?;
        match tx::fate(status) {
            Fate::Pending => break,
            Fate::Gone => return Err(Error::Gone),
            Fate::Nonsense => return Err(Error::Nonsense { register: regs::TSD[slot].offset(), value: status }),
            Fate::Sent { underrun, collisions } => {
                cx.net.complete(buffer, true)?;
                cx.state.tx.release_oldest();
                cx.state.stats.tx_frames += 1;
                cx.state.stats.collisions += u64::from(collisions);
                if underrun {
                    cx.state.tx.raise_threshold();
                }
            }
            Fate::Aborted if !cx.state.tx.abort_is_news() => break,
            Fate::Aborted if cx.state.tx.retry() => {
                cx.regs.write(regs::TCR, tcr::RUN | tcr::CLRABT)?;
                break;
            }
            Fate::Aborted => {
                cx.log(Level::Warn, format_args!("slot {slot} aborted again and again; setting the chip up anew"));
                setup::shut_down(cx)?;
                setup::resume(cx)?;
                break;
            }
        }
    }
    Ok(())
}
