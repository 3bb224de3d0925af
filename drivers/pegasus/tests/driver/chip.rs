//! A small chip: as much of an ADM8511 as a driver can see go wrong.

use pegasus::regs::{ethctrl0, ethctrl1, gpio, iphyc, phyctrl};
use udrv_driver::usb::{CONTROLLER, status};
use udrv_driver::{Link, mii};
use udrv_driver_tests::{Bus, MAC, Window};

use crate::controller::{Controller, RX, TOLD, TX};

/// `idProduct`s.
pub(crate) const AN986: u32 = 0x07a6_0986;
pub(crate) const ADM8511: u32 = 0x07a6_8511;

/// Registers that a reset of the MAC clears.
const MAC_BYTES: u16 = 0x20;
/// What PHYDATA holds while an access is under way: anything, with a link in it.
const STALE: u16 = 0x5aa5;

/// What can be wrong with it.
#[derive(Default)]
pub(crate) struct Trouble {
    pub(crate) reset_hangs: bool,
    pub(crate) phy_hangs: bool,
    pub(crate) eprom_hangs: bool,
    /// There is none.
    pub(crate) no_phy: bool,
    /// Byte 5 of its interrupt packets says nothing of the link.
    pub(crate) link_unsaid: bool,
    /// It keeps what is written to register 0x83, as an ADM8513 does.
    pub(crate) keeps_83: bool,
    /// The length behind a received frame counts the status too.
    pub(crate) counts_status: bool,
    /// It forgets its pins in a reset of the MAC.
    pub(crate) forgets_pins: bool,
}

pub(crate) struct Chip {
    pub(crate) registers: Window,
    pub(crate) phy: [u16; 32],
    pub(crate) eprom: [u16; 8],
    pub(crate) trouble: Trouble,
    pub(crate) bus: Bus,
    pub(crate) controller: Controller,
    /// Control transfers so far.
    pub(crate) transfers: u32,
    /// Resets of its MAC, and of its PHY.
    pub(crate) resets: u32,
    pub(crate) phy_resets: u32,
    /// Control transfers until an access shows that it is done.
    phy_left: u32,
    eprom_left: u32,
    reset_left: u32,
    /// Why frames were not sent, frames that were lost, and whether endpoint 3 has news.
    tx_status: u8,
    lost: u32,
    news: bool,
}

impl Chip {
    pub(crate) fn new() -> Chip {
        let [a, b, c, d, e, f] = MAC.0;
        let words = [[a, b], [c, d], [e, f]].map(u16::from_le_bytes);
        let mut chip = Chip {
            registers: Window::new(256),
            phy: [0; 32],
            eprom: [words[0], words[1], words[2], 0, 0x0100, 0, 0, 0],
            trouble: Trouble::default(),
            bus: Bus::default(),
            controller: Controller { id: ADM8511, ..Controller::default() },
            transfers: 0,
            resets: 0,
            phy_resets: 0,
            phy_left: 0,
            eprom_left: 0,
            reset_left: 0,
            tx_status: 0,
            lost: 0,
            news: false,
        };
        (chip.phy[0], chip.phy[1], chip.phy[4]) = (0x1000, 0x7829, 0x01e1);
        chip.set_link(Link { up: true, speed: 100, full_duplex: true });
        chip.phy[1] |= mii::bmsr::LINK;
        chip
    }

    pub(crate) fn get(&self, offset: u16, width: u8) -> u32 {
        self.registers.get(offset, width)
    }

    fn set(&mut self, offset: u16, width: u8, value: u32) {
        self.registers.set(offset, width, value);
    }

    pub(crate) fn is_on(&self, bits: u8) -> bool {
        self.registers[0] & bits == bits
    }

    fn phy_runs(&self) -> bool {
        let is_on = if self.controller.id == AN986 {
            self.get(0x7e, 2) == gpio::PHY_RUNS.into()
        } else {
            self.registers[0x7b] == iphyc::ON
        };
        is_on && !self.trouble.no_phy
    }

    /// A control transfer, which takes longer than anything that is under way, or nearly so.
    fn transfer(&mut self) {
        self.transfers += 1;
        for (left, hangs) in [
            (&mut self.phy_left, self.trouble.phy_hangs),
            (&mut self.eprom_left, self.trouble.eprom_hangs),
            (&mut self.reset_left, self.trouble.reset_hangs),
        ] {
            *left = if hangs { *left } else { left.saturating_sub(1) };
        }
    }

    pub(crate) fn read(&mut self, offset: u16, width: u8) -> u32 {
        if offset >= CONTROLLER {
            return self.controller.read(offset);
        }
        self.transfer();
        let done = |left: u32, bit: u32| if left == 0 { bit } else { 0 };
        match offset {
            0x01 => self.get(1, 1) | if self.reset_left > 0 { ethctrl1::RESET.into() } else { 0 },
            0x21 if self.eprom_left > 0 => 0xffff,
            0x23 => self.get(0x23, 1) & 3 | done(self.eprom_left, 4),
            0x26 if self.phy_left > 0 => STALE.into(),
            0x28 => self.get(0x28, 1) & 0x7f | done(self.phy_left, 0x80),
            _ => self.get(offset, width),
        }
    }

    pub(crate) fn write(&mut self, offset: u16, width: u8, value: u32) {
        if offset >= CONTROLLER {
            // the halt of an endpoint is cleared by a transfer
            if self.controller.write(&mut self.bus, offset, value) {
                self.transfer();
            }
            return self.tell();
        }
        self.transfer();
        if self.reset_left > 0 && offset < MAC_BYTES {
            return;
        }
        self.set(offset, width, value);
        match offset {
            0x01 if value as u8 & ethctrl1::RESET != 0 => self.reset(),
            0x01 => assert_eq!(value as u8 & !(ethctrl1::FULL_DUPLEX | ethctrl1::SPEED_100), 0),
            0x20 => {
                assert_eq!(value & 0xffff_ffc0, 0x0200_0000, "a read and nothing else");
                let word = self.eprom.get((value & 0x3f) as usize).copied().unwrap_or(0);
                self.set(0x21, 2, word.into());
                self.eprom_left = 2;
            }
            0x25 => self.access_phy((value >> 24) as u8, (value >> 8) as u16, value as u8),
            0x7e if value as u16 == gpio::PHY_RESET => self.phy_resets += 1,
            0x83 if !self.trouble.keeps_83 => self.set(0x83, 1, 0),
            _ => {}
        }
    }

    fn reset(&mut self) {
        assert!(!self.is_on(ethctrl0::TX) && !self.is_on(ethctrl0::RX), "it is reset while it works");
        self.registers[..MAC_BYTES.into()].fill(0);
        for word in 0..3 {
            self.set(0x10 + 2 * word, 2, self.eprom[usize::from(word)].into());
        }
        if self.trouble.forgets_pins {
            self.set(0x7e, 2, 0);
        }
        (self.tx_status, self.lost, self.reset_left) = (0, 0, 3);
        self.resets += 1;
    }

    fn access_phy(&mut self, control: u8, data: u16, address: u8) {
        let register = usize::from(control & 31);
        assert_eq!(address, 1);
        if control & !31 == phyctrl::WRITE {
            if self.phy_runs() {
                // it restarts negotiation, and is done
                self.phy[register] = data & !mii::bmcr::RESTART;
            }
        } else {
            assert_eq!(control & !31, phyctrl::READ, "either, and no access that is done already");
            let value = if self.phy_runs() { self.phy[register] } else { 0xffff };
            self.set(0x26, 2, value.into());
            if register == usize::from(mii::BMSR) && self.phy_runs() {
                // it latches a loss of the link until it is read
                let link = if self.phy[5] != 0 { mii::bmsr::LINK } else { 0 };
                self.phy[1] = self.phy[1] & !mii::bmsr::LINK | link;
            }
        }
        self.phy_left = 2;
    }

    fn set_link(&mut self, link: Link) {
        self.phy[5] = match (link.up, link.speed, link.full_duplex) {
            (false, ..) => 0,
            (_, 100, true) => 0x4101,
            (_, 100, false) => 0x4081,
            (_, _, true) => 0x4041,
            _ => 0x4021,
        };
        if !link.up {
            self.phy[1] &= !mii::bmsr::LINK;
        }
        self.news = true;
    }

    /// From one link to another there is none for a moment.
    pub(crate) fn change_link(&mut self, link: Link) {
        if link.up && self.phy[5] != 0 {
            self.set_link(Link::default());
            self.tell();
        }
        self.set_link(link);
        self.tell();
    }

    pub(crate) fn miss(&mut self, frames: u32) {
        (self.lost, self.news) = (self.lost + frames, true);
        self.tell();
    }

    /// A frame could not be sent, for these reasons; nobody says which.
    pub(crate) fn fail(&mut self, why: u8) {
        (self.tx_status, self.news) = (why, true);
        self.tell();
    }

    /// News go out by endpoint 3 as soon as they can.
    fn tell(&mut self) {
        if self.news && !self.bus.dma.is_empty() && !self.controller.rings[TOLD].under_way.is_empty() {
            let [.., high, low] = self.lost.to_be_bytes();
            let link = u8::from(self.phy[5] != 0 && !self.trouble.link_unsaid);
            self.tell_as(&[self.tx_status, 0x40, u8::from(self.lost != 0), high, low, link, 0xee, 0xee]);
            if self.registers[2] & 1 != 0 {
                (self.tx_status, self.lost) = (0, 0);
            }
            self.news = false;
        }
    }

    /// An interrupt packet.
    pub(crate) fn tell_as(&mut self, packet: &[u8]) {
        let transfer = self.controller.end(&mut self.bus, TOLD, status::DONE, packet.len() as u32);
        let [(address, room)] = transfer.parts[..] else { panic!("IN is not chained") };
        assert_eq!(room, 8);
        self.bus.memory(address)[..packet.len()].copy_from_slice(packet);
    }

    // what the wire does

    /// A good frame of `length` bytes, filled with `fill`, comes in; false if there is no transfer for it.
    pub(crate) fn receive(&mut self, length: u32, fill: u8) -> bool {
        let counted = length + 4 + if self.trouble.counts_status { 4 } else { 0 };
        self.receive_as(length + 8, fill, counted, 0)
    }

    /// The same as a transfer of `bytes`, with a status of choice.
    pub(crate) fn receive_as(&mut self, bytes: u32, fill: u8, counted: u32, rx_status: u8) -> bool {
        assert!(self.is_on(ethctrl0::RX | ethctrl0::STATUS_APPENDED | ethctrl0::RX_CRC));
        if self.controller.rings[RX].under_way.is_empty() {
            self.miss(1);
            return false;
        }
        let transfer = self.controller.end(&mut self.bus, RX, status::DONE, bytes);
        let [(address, room)] = transfer.parts[..] else { panic!("IN is not chained") };
        assert!(room.is_multiple_of(512), "no room for whole packets");
        let buffer = &mut self.bus.memory(address)[..room as usize];
        buffer.fill(fill);
        let trailer = [counted as u8, (counted >> 8) as u8 | 0xf0, rx_status, 0xee];
        let bytes = bytes.min(room) as usize;
        let from = 4_usize.saturating_sub(bytes);
        buffer[bytes.saturating_sub(4)..bytes].copy_from_slice(&trailer[from..]);
        true
    }

    pub(crate) fn has_to_send(&self) -> bool {
        !self.controller.rings[TX].under_way.is_empty()
    }

    /// Takes the transfer whose turn it is: bus address and length of the frame in it, and how many bytes came behind it.
    pub(crate) fn send(&mut self) -> (u32, u32, u32) {
        assert!(self.is_on(ethctrl0::TX));
        let bytes = self.controller.rings[TX].under_way[0].parts.iter().map(|(_, length)| length).sum();
        assert_ne!(bytes % 64, 0, "the last packet is full: the chip would not see the end of it");
        let transfer = self.controller.end(&mut self.bus, TX, status::DONE, bytes);
        let [(header, 2), (address, length), ref behind @ ..] = transfer.parts[..] else {
            panic!("{:x?} is no length and a frame", transfer.parts);
        };
        assert_eq!(self.bus.memory(header)[..2], (length as u16).to_le_bytes());
        for (address, length) in behind {
            assert!(self.bus.memory(*address)[..*length as usize].iter().all(|byte| *byte == 0), "this may be sent");
        }
        (address, length, bytes - 2 - length)
    }
}
