//! The small chip as the tests that are the same for every driver know it.

use rtl8139::Rtl8139;
use rtl8139::regs::{self, cr, cr9346, isr, msr, rcr, tsd};
use udrv_driver::Link;
use udrv_driver::abi::Request;
pub(crate) use udrv_driver_tests::{ALTERNATE, MAC, bus_address};
use udrv_driver_tests::{Bus, Came, Random, every_driver_test};

use crate::chip::Chip;

pub(crate) type Fake = udrv_driver_tests::Fake<Chip>;

pub(crate) fn with_all(test: impl Fn(Fake)) {
    udrv_driver_tests::with_all(test);
}

pub(crate) fn with_both_polls(test: impl Fn(Fake)) {
    udrv_driver_tests::with_both_polls(test);
}

every_driver_test!(Chip);

impl udrv_driver_tests::Device for Chip {
    type Driver = Rtl8139;
    /// Frames lie anywhere in the ring, behind their headers.
    const FRAMES_FROM: Option<u32> = Some(4);

    fn new() -> Chip {
        Chip::new()
    }

    fn bus(&mut self) -> &mut Bus {
        &mut self.bus
    }

    fn read(&mut self, offset: u16, width: u8) -> u32 {
        Chip::read(self, offset, width)
    }

    fn write(&mut self, offset: u16, width: u8, value: u32) {
        Chip::write(self, offset, width, value);
    }

    fn peek(&self, offset: u16, width: u8) -> u32 {
        self.get(offset, width)
    }

    fn poke(&mut self, offset: u16, width: u8, value: u32) {
        self.set(offset, width, value);
    }

    fn assert_memory_access(request: Request, at: u64) {
        match request {
            Request::DmaRead32 => assert!(at.is_multiple_of(4)),
            Request::DmaWrite32 => assert_eq!(at, 0, "the first header"),
            other => panic!("this driver does not ask for {other:?}"),
        }
    }
}

impl udrv_driver_tests::Chip for Chip {
    const TX_ROOM: u32 = 4;
    const RESET: u16 = regs::CR.offset();
    const RESTORE_DROPS: bool = true;
    const LINKS: &'static [Link] = &[
        Link { up: true, speed: 100, full_duplex: true },
        Link { up: true, speed: 100, full_duplex: false },
        Link { up: true, speed: 10, full_duplex: true },
        Link { up: true, speed: 10, full_duplex: false },
    ];
    /// QEMU's.
    const VARIANTS: u32 = 2;
    /// A chip that is asked something at each frame.
    const REFUSES: [u32; 2] = [50, 2000];

    fn set_variant(&mut self, variant: u32) {
        self.trouble.rcr_restarts_ring = variant == 1;
        self.trouble.reset_loads_mac = variant == 1;
    }

    fn set_reset_hangs(&mut self, hangs: bool) {
        self.trouble.reset_hangs = hangs;
    }

    /// It loads its address itself, and an empty EEPROM is all ones.
    fn lose_address(&mut self) {
        self.registers[..6].fill(0xff);
    }

    fn miss(&mut self, frames: u32) {
        self.set(0x4c, 4, self.get(0x4c, 4) + frames);
    }

    fn mac(&self) -> [u8; 6] {
        self.registers[..6].try_into().unwrap()
    }

    fn is_quiet(&self) -> bool {
        !self.enabled(cr::RE | cr::TE) && self.get(regs::IMR.offset(), 2) == 0
    }

    fn assert_set_up(&self) {
        assert_eq!(self.get(0x3c, 2), isr::CAUSES.into());
        assert_eq!(self.registers[0x50], cr9346::LOCKED);
    }

    fn assert_usual(&self) {
        assert_eq!(self.get(regs::RCR.offset(), 4), rcr::RUN | rcr::AB | rcr::APM);
    }

    fn change_link(&mut self, link: Link) {
        let (linkb, speed) = (if link.up { 0 } else { msr::LINKB }, if link.speed == 10 { msr::SPEED_10 } else { 0 });
        self.registers[0x58] = linkb | speed;
        let partner = match (link.speed, link.full_duplex) {
            (0, _) => 0,
            (10, full) => {
                if full {
                    0x4061
                } else {
                    0x4021
                }
            }
            (_, full) => {
                if full {
                    0x45e1
                } else {
                    0x40a1
                }
            }
        };
        let bmsr = if link.up { 0x782d } else { 0x7809 };
        let phy = [(regs::BMCR, 0x1000), (regs::BMSR, bmsr), (regs::ANAR, 0x01e1), (regs::ANLPAR, partner)];
        for (register, value) in phy {
            self.set(register.offset(), 2, value);
        }
        self.raise(isr::PUN_LINKCHG);
    }

    fn has_to_send(&mut self) -> bool {
        Chip::has_to_send(self)
    }

    fn send_well(&mut self) -> (u32, u32) {
        self.send(tsd::TOK)
    }

    fn bring(&mut self, length: u32, fill: u8) -> bool {
        self.receive(length, fill);
        true
    }

    fn bring_malformed(&mut self, which: u32) -> Option<&'static str> {
        let (what, header) = *[
            ("no bytes", 1),
            ("less than a CRC", 3 << 16 | 1),
            ("truncated", 63 << 16 | 1),
            ("oversize", 1523 << 16 | 1),
            ("longer than what has come", 1000 << 16 | 1),
            ("as long as the field", 0xffff << 16 | 1),
            ("no ROK", 104 << 16),
            ("FAE", 104 << 16 | 0x03),
            ("CRC", 104 << 16 | 0x05),
            ("LONG", 104 << 16 | 0x09),
            ("RUNT", 104 << 16 | 0x11),
            ("ISE", 104 << 16 | 0x21),
            ("all ones", u32::MAX),
            ("all zeros", 0),
        ]
        .get(which as usize)?;
        self.receive_as(100, 0xee, header);
        Some(what)
    }

    /// It aborts three times in a row at most.
    fn take_any(&mut self, random: &mut Random) -> Option<(u32, u32)> {
        let status = random.of(&[tsd::TOK, tsd::TUN, tsd::TOK | 3 << tsd::NCC_SHIFT, tsd::TABT]);
        if !Chip::has_to_send(self) {
            return None;
        }
        let status = if self.aborts == 3 { tsd::TOK } else { status };
        let frame = self.send(status);
        let aborted = status == tsd::TABT;
        self.aborts = if aborted { self.aborts + 1 } else { 0 };
        (!aborted).then_some(frame)
    }

    /// A frame, or the first or second half of one.
    fn bring_any(&mut self, random: &mut Random, fill: u8) -> Came {
        let (length, halves) = (60 + random.below(1459), random.below(2) == 0);
        if self.finish_frame() || self.room() < 4096 {
            return Came::Nothing;
        }
        if halves {
            let at = self.receive_as(length, fill, 0xfff0_0000);
            self.unfinished = Some((at, (length + 4) << 16 | 1));
        } else {
            self.receive(length, fill);
        }
        Came::Frame
    }

    fn disturb(&mut self, random: &mut Random) {
        let cause = random.of(&[isr::RXOVW, isr::FOVW, 0, 0, 0, 0]);
        self.raise(cause);
    }

    fn settle(&mut self) {
        self.finish_frame();
    }

    /// CAPR, and which overflows are pending.
    fn standing(&self) -> u32 {
        self.get(0x38, 2) << 16 | self.get(0x3e, 2) & u32::from(isr::OVERFLOW)
    }

    fn could_say(random: &mut Random, offset: u16) -> Vec<u32> {
        let any = random.number() as u32;
        match offset {
            0x00 => vec![0x1200_5452, 0x1200_5452, 0x1200_5452, 0],
            0x10..0x20 => vec![0, tsd::OWN, tsd::OWN | tsd::TOK, tsd::OWN | tsd::TUN, tsd::OWN | tsd::TABT],
            0x37 => vec![0x0c, 0x0c, 0x0c, cr::RST.into(), 0x0d],
            0x38 => vec![0xfff0, 0, 0x7ff0 - 4],
            0x3e => [isr::ROK, isr::TER, isr::RXOVW, isr::CAUSES].map(u32::from).to_vec(),
            _ => vec![any],
        }
    }

    /// A header.
    fn could_write(random: &mut Random) -> u64 {
        let length = 60 + random.below(1470);
        let any = random.number() as u32;
        let headers = [length << 16 | 1, length << 16 | 1, length << 16 | 0x8001, 0xfff0_0000, 0, any];
        // whichever half of a word of 64 bits it is
        let header = u64::from(random.of(&headers));
        header << 32 | header
    }
}
