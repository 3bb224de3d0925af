//! The small chip as the tests that are the same for every driver know it.

use r8169::R8169;
use r8169::regs::{cr, cr9346, isr};
use udrv_driver::Link;
use udrv_driver::abi::Request;
use udrv_driver_tests::{Bus, Came, Random, every_driver_test};
pub(crate) use udrv_driver_tests::{MAC, Versions, bus_address, frame};

use crate::chip::{Chip, WHOLE};

pub(crate) type Fake = udrv_driver_tests::Fake<Chip>;

pub(crate) fn with_all(test: impl Fn(Fake)) {
    udrv_driver_tests::with_all(test);
}

pub(crate) fn with_both_polls(test: impl Fn(Fake)) {
    udrv_driver_tests::with_both_polls(test);
}

every_driver_test!(Chip);

impl udrv_driver_tests::Device for Chip {
    type Driver = R8169;
    /// Behind both rings.
    const FRAMES_FROM: Option<u32> = Some(8192);

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

    fn let_pass(&mut self, time: u64) {
        Chip::let_pass(self, time);
    }

    fn assert_memory_access(request: Request, at: u64) {
        assert!(at < 8192, "a descriptor");
        match request {
            Request::DmaRead32 => assert!(at.is_multiple_of(16), "its first word"),
            Request::DmaRead64 => assert!(at.is_multiple_of(16), "its first two words"),
            Request::DmaHandOver32 => assert!(at.is_multiple_of(16) || at % 16 == 4 && at < 4096, "its first words"),
            Request::DmaWrite32 => assert!(at % 16 == 4 || at == 5120, "its second word"),
            Request::DmaWrite64 => assert!(at.is_multiple_of(8)),
            other => panic!("this driver does not ask for {other:?}"),
        }
    }

    fn assert_doorbell(offset: u16, value: u32) {
        assert_eq!(value, if offset == 0x38 { 0x40 } else { 0 }, "{offset:#x}");
    }
}

impl udrv_driver_tests::Chip for Chip {
    const TX_ROOM: u32 = 64;
    const RESET: u16 = 0x37;
    const RESTORE_DROPS: bool = false;
    /// The number behind the rings.
    const REMEMBERED: Option<u64> = Some(5120);
    const LINKS: &'static [Link] = &[
        Link { up: true, speed: 1000, full_duplex: true },
        Link { up: true, speed: 100, full_duplex: true },
        Link { up: true, speed: 10, full_duplex: true },
        Link { up: true, speed: 100, full_duplex: false },
    ];

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
        (self.registers[0x37], self.get(0x3c, 2)) == (0, 0)
    }

    fn assert_set_up(&self) {
        assert!(self.is_on(cr::RE | cr::TE));
        assert_eq!(self.get(0x3c, 2), isr::CAUSES.into());
        assert_eq!(self.registers[0x50], cr9346::LOCKED);
    }

    fn assert_usual(&self) {
        assert_eq!(self.get(0x44, 4), 0xe70a);
        assert_eq!(self.get(0xe0, 2), 8);
    }

    fn change_link(&mut self, link: Link) {
        let speed = match link.speed {
            0 => 0,
            10 => 0x04,
            100 => 0x08,
            _ => 0x10,
        };
        self.registers[0x6c] = u8::from(link.full_duplex) | u8::from(link.up) << 1 | speed;
        self.raise(isr::LINKCHG);
    }

    fn has_to_send(&mut self) -> bool {
        Chip::has_to_send(self)
    }

    fn send_well(&mut self) -> (u32, u32) {
        self.send()
    }

    fn bring(&mut self, length: u32, fill: u8) -> bool {
        self.receive(length, fill)
    }

    fn bring_malformed(&mut self, which: u32) -> Option<&'static str> {
        let (what, word) = *[
            ("no bytes", WHOLE),
            ("less than a CRC", WHOLE | 3),
            ("truncated", WHOLE | 63),
            ("oversize", WHOLE | 1523),
            ("longer than its buffer", WHOLE | 2049),
            ("as long as the field", WHOLE | 0x3fff),
            ("RWT", WHOLE | 1 << 22 | 100),
            ("RES", WHOLE | 1 << 21 | 100),
            ("RUNT", WHOLE | 1 << 20 | 100),
            ("CRC", WHOLE | 1 << 19 | 100),
            ("its beginning alone", 1 << 29 | 2048),
            ("its middle alone", 2048),
            ("its end alone", 1 << 28 | 100),
        ]
        .get(which as usize)?;
        assert!(self.receive_as(0xee, word));
        Some(what)
    }

    /// A good frame, a bad one, or a piece of a long one.
    fn bring_any(&mut self, random: &mut Random, fill: u8) -> Came {
        let (length, kind) = (60 + random.below(1459), random.below(8));
        let (word, came, fill) = match kind {
            0 => (WHOLE | 1 << 19 | length, Came::Bad, 0xee),
            1 => (1 << 29 | 2048, Came::Bad, 0xee),
            _ => (WHOLE | (length + 4), Came::Frame, fill),
        };
        if self.receive_as(fill, word) { came } else { Came::Nothing }
    }

    fn could_say(random: &mut Random, offset: u16) -> Vec<u32> {
        let any = random.number() as u32;
        match offset {
            0x37 => vec![0, 0, 0, 0x0c, 0x10],
            0x3e => vec![1, 5, any & 0xff, any],
            0x40 => vec![0x1800_0700, 0x3800_0700, 0x3000_0000, 0x3c00_0000],
            0x4c => vec![0, 0, 3, any & 0x00ff_ffff],
            0x60 => vec![1 << 31 | 0x1140, 0x1140, 1 << 31, 0],
            0x6c => vec![0x13, 0x0b, 0, any & 0x7f],
            _ => vec![any],
        }
    }

    /// The first two words of a descriptor.
    fn could_write(random: &mut Random) -> u64 {
        let length = 64 + random.below(1470);
        let any = random.number() as u32;
        let words = [WHOLE | length, WHOLE | length, 1 << 29 | 2048, 1 << 31, any, any & 0x3000_ffff];
        let tags = [0, 0x1_0500, any & 0x3_ff0f];
        u64::from(random.of(&tags)) << 32 | u64::from(random.of(&words))
    }
}
