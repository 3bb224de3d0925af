//! The network cards on PCI.

use udrv::device::Opened;
use udrv::net::Net;
use udrv::run::{Options, Running};
use udrv_driver::Entry;
use udrv_tests::subject::{E1000, R8169, Rtl8139, Subject};

use super::bus::{self, EEPROM, PHY, Slow, Tally};
use super::{Bus, Rig, Spent};
use crate::mill::FRAME;
use crate::turned::Turned;

/// What is slow behind the registers of a chip.
pub(super) trait Chip: Subject {
    const NAME: &'static str;
    const SLOW: &'static [Slow];
}

impl Chip for Rtl8139 {
    const NAME: &'static str = "rtl8139";
    /// Its PHY's registers are the chip's own, and the EEPROM is not read by the driver.
    const SLOW: &'static [Slow] = &[];
}

impl Chip for E1000 {
    const NAME: &'static str = "e1000";
    /// EERD and MDIC.
    const SLOW: &'static [Slow] = &[Slow { register: 0x14, takes: EEPROM }, Slow { register: 0x20, takes: PHY }];
}

impl Chip for R8169 {
    const NAME: &'static str = "r8169";
    /// PHYAR.
    const SLOW: &'static [Slow] = &[Slow { register: 0x60, takes: PHY }];
}

/// A card that is turned by hand.
pub(super) struct Card<S: Subject> {
    turned: Turned<S>,
    tally: Tally,
}

impl<S: Chip> Rig for Card<S> {
    type Class = Net<S::Driver>;
    const NAME: &'static str = S::NAME;
    const DATA: &'static [Entry] = &[Entry::Transmit, Entry::Interrupt, Entry::Poll];

    fn new(options: Options, bus: Bus) -> Card<S> {
        let tally = Tally::default();
        let open = |model| Opened::from(bus::behind(Box::new(model), bus, S::SLOW, tally.clone()));
        let turned = Turned::on(open, options, FRAME);
        Card { turned, tally }
    }

    fn device(&mut self) -> &mut Running<Self::Class> {
        self.turned.device()
    }

    fn work(&mut self, entry: Entry) {
        self.turned.work(entry);
    }

    fn operation(&mut self) {
        self.turned.down();
    }

    fn spent(&self) -> Spent {
        let (reads, writes) = self.turned.accesses();
        Spent { reads, writes, slow: self.tally.slow() }
    }
}
