//! The small chip as the tests that are the same for every driver know it.

use e1000::{E1000, regs};
use udrv_driver::Link;
use udrv_driver::abi::Request;
use udrv_driver_tests::{Bus, Came, Random, every_driver_test};
pub(crate) use udrv_driver_tests::{MAC, OTHER, Versions, bus_address, frame, hide_injected};

use crate::chip::{Chip, eeprom};

pub(crate) type Fake = udrv_driver_tests::Fake<Chip>;

pub(crate) fn with_all(test: impl Fn(Fake)) {
    udrv_driver_tests::with_all(test);
}

pub(crate) fn with_both_polls(test: impl Fn(Fake)) {
    udrv_driver_tests::with_both_polls(test);
}

/// Where both rings end.
const DESCRIPTORS: u64 = 8192;
/// Where the last buffer of the receive ring ends.
const BUFFERS_END: u64 = DESCRIPTORS + 256 * 2048;

every_driver_test!(Chip);

impl udrv_driver_tests::Device for Chip {
    type Driver = E1000;
    /// Behind both rings.
    const FRAMES_FROM: Option<u32> = Some(DESCRIPTORS as u32);

    fn new() -> Chip {
        Chip::new()
    }

    fn bus(&mut self) -> &mut Bus {
        &mut self.bus
    }

    fn read(&mut self, offset: u16, _: u8) -> u32 {
        Chip::read(self, offset)
    }

    fn write(&mut self, offset: u16, _: u8, value: u32) {
        Chip::write(self, offset, value);
    }

    fn peek(&self, offset: u16, _: u8) -> u32 {
        self.get(udrv_driver::Reg::at(offset))
    }

    fn poke(&mut self, offset: u16, _: u8, value: u32) {
        *self.at(offset) = value;
    }

    /// Descriptors, and of a frame that goes on in the first buffer what is put behind the last. Where the chip writes
    /// frames nobody else does.
    fn assert_memory_access(request: Request, at: u64) {
        match request {
            Request::DmaRead32 => assert!(at.is_multiple_of(4) && at < DESCRIPTORS),
            Request::DmaRead64 => assert!(at.is_multiple_of(8) && at < BUFFERS_END),
            Request::DmaWrite64 => assert!(at.is_multiple_of(8) && !(DESCRIPTORS..BUFFERS_END).contains(&at)),
            other => panic!("{other:?}: descriptors are written in words of 64 bits"),
        }
    }

    fn assert_doorbell(offset: u16, value: u32) {
        assert!(value < if offset == regs::RDT.offset() { 256 } else { 64 }, "{offset:#x} {value}");
    }
}

impl udrv_driver_tests::Chip for Chip {
    /// One of 64 is always the driver's.
    const TX_ROOM: u32 = 63;
    const RESET: u16 = regs::CTRL.offset();
    const RESTORE_DROPS: bool = false;
    const LINKS: &'static [Link] = &[
        Link { up: true, speed: 1000, full_duplex: true },
        Link { up: true, speed: 100, full_duplex: true },
        Link { up: true, speed: 10, full_duplex: false },
        Link { up: true, speed: 100, full_duplex: false },
    ];
    /// A reset does nothing, as in QEMU.
    const VARIANTS: u32 = 2;

    fn set_variant(&mut self, variant: u32) {
        self.trouble.reset_is_nothing = variant == 1;
    }

    fn set_reset_hangs(&mut self, hangs: bool) {
        self.trouble.reset_hangs = hangs;
    }

    fn lose_address(&mut self) {
        self.eeprom = eeprom(MAC);
        self.eeprom[40] ^= 0x0100;
    }

    fn miss(&mut self, frames: u32) {
        *self.at(regs::MPC.offset()) += frames;
    }

    fn mac(&self) -> [u8; 6] {
        Chip::mac(self)
    }

    fn is_quiet(&self) -> bool {
        !self.receives() && !self.sends() && self.get(regs::IMS) == 0
    }

    fn assert_set_up(&self) {
        assert_eq!(self.get(regs::IMS), regs::icr::CAUSES);
        assert_eq!(self.get(regs::ITR), regs::itr::of(regs::itr::USUAL));
        assert_eq!(self.get(regs::TIPG), regs::tipg::COPPER);
        assert_ne!(self.get(regs::RAH0) & regs::rah::AV, 0);
    }

    fn assert_usual(&self) {
        assert_eq!(self.get(regs::RCTL), regs::rctl::RUN);
        assert_eq!(self.get(regs::TCTL), regs::tctl::RUN_FULL);
        assert_eq!(self.get(regs::PBA), regs::pba::USUAL);
        assert_eq!(self.get(regs::CTRL) & regs::ctrl::VME, 0);
    }

    fn change_link(&mut self, link: Link) {
        let speed = match link.speed {
            1000 => 2,
            100 => 1,
            _ => 0,
        };
        let status = u32::from(link.full_duplex) | u32::from(link.up) << 1 | speed << regs::status::SPEED_SHIFT;
        self.set(regs::STATUS, status);
        self.raise(regs::icr::LSC);
    }

    fn has_to_send(&mut self) -> bool {
        Chip::has_to_send(self)
    }

    fn send_well(&mut self) -> (u32, u32) {
        self.send(0)
    }

    fn bring(&mut self, length: u32, fill: u8) -> bool {
        self.receive(length, fill)
    }

    fn bring_malformed(&mut self, which: u32) -> Option<&'static str> {
        let whole = |length: u64| 3 << 32 | length;
        let (what, words) = match which {
            0 => ("no bytes", vec![whole(0)]),
            1 => ("less than a CRC", vec![whole(3)]),
            2 => ("truncated", vec![whole(63)]),
            3 => ("oversize", vec![whole(1523)]),
            4 => ("longer than its buffer", vec![whole(2049)]),
            5 => ("as long as the field", vec![whole(0xffff)]),
            6 => ("CE", vec![1 << 40 | whole(100)]),
            7 => ("SE", vec![1 << 41 | whole(100)]),
            8 => ("SEQ", vec![1 << 42 | whole(100)]),
            9 => ("RXE", vec![1 << 47 | whole(100)]),
            10 => ("in two buffers", vec![1 << 32 | 2048, whole(100)]),
            11 => ("in more than it can be", vec![1 << 32 | 2048; 20].into_iter().chain([whole(100)]).collect()),
            _ => return None,
        };
        assert!(words.into_iter().all(|word| self.receive_as(0xee, word)));
        Some(what)
    }

    /// A good frame, a bad one, or a long one in two pieces.
    fn bring_any(&mut self, random: &mut Random, fill: u8) -> Came {
        let (length, kind) = (60 + random.below(1459), random.below(8));
        // room for all of what comes
        if (self.get(regs::RDT) + 256 - self.get(regs::RDH)) % 256 < 4 {
            return Came::Nothing;
        }
        match kind {
            0 => assert!(self.receive_as(0xee, 1 << 40 | 3 << 32 | u64::from(length))),
            1 => assert!(self.receive_as(0xee, 1 << 32 | 2048) && self.receive_as(0xee, 3 << 32 | 100)),
            _ => assert!(self.receive(length, fill)),
        }
        if kind < 2 { Came::Bad } else { Came::Frame }
    }

    fn standing(&self) -> u32 {
        self.get(regs::RDT)
    }

    fn could_say(random: &mut Random, offset: u16) -> Vec<u32> {
        let any = random.number() as u32;
        let index = any % 64;
        match offset {
            0x00 => vec![0x48, 0x48, 0x48, regs::ctrl::RST],
            0x10 => vec![0xc0, 0xc0, 0x2c0, 0x40, 0xc8],
            0x14 => vec![any | 0x10, any & 0xffff_ff1f],
            0x20 => vec![regs::mdic::R | 0x1140, regs::mdic::R, regs::mdic::E, 0],
            0xc0 => vec![0x80, 0x01, 0x04, 0x8000_00dd],
            0x100 | 0x400 => vec![0x8002, 0xfa, 0],
            0x2810..=0x2818 => vec![index, 0, 255],
            0x3810..=0x3818 => vec![index, 0, 0, 64],
            0x4000..=0x40ff => vec![0, 1, any & 0xff],
            _ => vec![any],
        }
    }

    /// The second word of a descriptor.
    fn could_write(random: &mut Random) -> u64 {
        let length = u64::from(64 + random.below(1470));
        let any = random.number();
        let tagged = 5 << 48 | 11 << 32 | length;
        random.of(&[3 << 32 | length, tagged, 1 << 32 | 2048, 0, any, any & 0xff_0000_ffff])
    }
}
