//! The small chip as the tests that are the same for every driver know it.

use pegasus::Pegasus;
use pegasus::regs::ethctrl0;
use udrv_driver::abi::Request;
use udrv_driver::usb::{CAUSES, CONTROLLER, RING_SIZE, status};
use udrv_driver::{Link, usb};
use udrv_driver_tests::{Bus, Came, Random, every_driver_test};
pub(crate) use udrv_driver_tests::{MAC, bus_address};

use crate::chip::Chip;
use crate::controller::{RX, TX};

pub(crate) type Fake = udrv_driver_tests::Fake<Chip>;

pub(crate) fn with_all(test: impl Fn(Fake)) {
    udrv_driver_tests::with_all(test);
}

pub(crate) fn with_both_polls(test: impl Fn(Fake)) {
    udrv_driver_tests::with_both_polls(test);
}

every_driver_test!(Chip);

/// Where each kind of memory access may be.
const DESCRIPTORS: u64 = 1312;
const PACKETS: u64 = 1536;
const BUFFERS: u64 = 4096;

impl udrv_driver_tests::Device for Chip {
    type Driver = Pegasus;
    const FRAMES_FROM: Option<u32> = Some(BUFFERS as u32);

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
        if offset >= CONTROLLER { self.controller.peek(offset) } else { self.get(offset, width) }
    }

    fn poke(&mut self, offset: u16, _: u8, _: u32) {
        panic!("no cause is acknowledged by writing it to {offset:#x}");
    }

    /// The controller is there still, and says in CAUSES that the device is not.
    fn fails_when_gone(offset: u16) -> bool {
        offset < CONTROLLER || offset == CAUSES.offset()
    }

    fn assert_memory_access(request: Request, at: u64) {
        match request {
            // the status of a frame is where that ends
            Request::DmaRead32 => assert!(at >= BUFFERS),
            Request::DmaRead64 => {
                assert!(
                    at < DESCRIPTORS && at % 16 == 8 || (DESCRIPTORS..PACKETS).contains(&at) && at.is_multiple_of(8)
                );
            }
            Request::DmaHandOver32 => assert!(at < DESCRIPTORS && at % 16 == 12),
            Request::DmaWrite32 => {
                assert!(at < DESCRIPTORS && at % 16 == 12 || (PACKETS..1792).contains(&at) && at.is_multiple_of(4));
            }
            Request::DmaWrite64 => assert!(at < DESCRIPTORS && at.is_multiple_of(16)),
            other => panic!("this driver does not ask for {other:?}"),
        }
    }

    fn assert_doorbell(offset: u16, value: u32) {
        assert!(usb::RING_DOORBELL[..3].iter().any(|doorbell| doorbell.offset() == offset) && value == 1);
    }
}

impl udrv_driver_tests::Chip for Chip {
    const TX_ROOM: u32 = 32;
    const RESET: u16 = 0x01;
    const RESTORE_DROPS: bool = false;
    const QUIESCE_RESETS: bool = false;
    const STATS_ARE_ASKED_FOR: bool = false;
    const LINKS: &'static [Link] = &[
        Link { up: true, speed: 100, full_duplex: true },
        Link { up: true, speed: 100, full_duplex: false },
        Link { up: true, speed: 10, full_duplex: true },
        Link { up: true, speed: 10, full_duplex: false },
    ];
    /// Its length behind a frame counts the status, or does not.
    const VARIANTS: u32 = 2;

    fn set_variant(&mut self, variant: u32) {
        self.trouble.counts_status = variant == 1;
    }

    fn set_reset_hangs(&mut self, hangs: bool) {
        self.trouble.reset_hangs = hangs;
    }

    fn lose_address(&mut self) {
        self.eprom.fill(0xffff);
    }

    fn miss(&mut self, frames: u32) {
        Chip::miss(self, frames);
    }

    fn mac(&self) -> [u8; 6] {
        self.registers[0x10..0x16].try_into().unwrap()
    }

    fn is_quiet(&self) -> bool {
        self.registers[0] & (ethctrl0::TX | ethctrl0::RX) == 0
            && self.controller.rings.iter().all(|ring| ring.under_way.is_empty() && ring.size == 0)
    }

    fn assert_set_up(&self) {
        assert_eq!(self.registers[0] & !ethctrl0::ALL_MULTICAST, 0xc9);
        assert_eq!(self.registers[2] & 1, 1, "what endpoint 3 tells, it tells once");
        assert_eq!(self.controller.rings.each_ref().map(|ring| ring.size), [16, 64, 2]);
        assert_eq!(self.controller.rings[RX].under_way.len(), 16);
    }

    fn assert_usual(&self) {
        assert_eq!(self.registers[..3], [0xc9, 0x30, 0x01]);
    }

    fn change_link(&mut self, link: Link) {
        Chip::change_link(self, link);
    }

    fn has_to_send(&mut self) -> bool {
        Chip::has_to_send(self)
    }

    fn send_well(&mut self) -> (u32, u32) {
        let (address, length, _) = self.send();
        (address, length)
    }

    fn bring(&mut self, length: u32, fill: u8) -> bool {
        self.receive(length, fill)
    }

    fn bring_malformed(&mut self, which: u32) -> Option<&'static str> {
        let (what, bytes, counted, rx_status) = *[
            ("no bytes", 0, 0, 0),
            ("less than a status", 3, 3, 0),
            ("a status and nothing else", 4, 4, 0),
            ("less than a CRC", 7, 7, 0),
            ("truncated", 100, 104, 0),
            ("truncated, and its length counts the status", 100, 164, 0),
            ("more than it says", 108, 100, 0),
            ("short", 67, 67, 0),
            ("oversize", 1527, 1527, 0),
            ("as long as its buffer", 2048, 2048, 0),
            ("longer than its buffer", 2049, 2049, 0),
            ("RUNT", 108, 104, 1 << 2),
            ("CRC", 108, 104, 1 << 3),
            ("DRIBBLE", 108, 104, 1 << 4),
        ]
        .get(which as usize)
        .or_else(|| (which == 14).then_some(&("more than there is room for", 0, 0, 0)))?;
        if which == 14 {
            self.controller.end(&mut self.bus, RX, status::OVERFLOW, 2048);
        } else {
            assert!(self.receive_as(bytes, 0xee, counted, rx_status));
        }
        Some(what)
    }

    /// A good frame, a bad one, or one that is lost.
    fn bring_any(&mut self, random: &mut Random, fill: u8) -> Came {
        let (length, kind) = (60 + random.below(1459), random.below(8));
        let (counted, rx_status) = (length + 4 + 4 * random.below(2), (random.below(2) * 3) as u8);
        let (rx_status, came, fill) = if kind == 0 { (8, Came::Bad, 0xee) } else { (rx_status, Came::Frame, fill) };
        if self.receive_as(length + 8, fill, counted, rx_status) { came } else { Came::Nothing }
    }

    fn disturb(&mut self, random: &mut Random) {
        self.miss(random.below(3));
    }

    fn standing(&self) -> u32 {
        self.controller.rings[RX].under_way.len() as u32
    }

    fn could_say(random: &mut Random, offset: u16) -> Vec<u32> {
        let any = random.number() as u32;
        match offset {
            0x01 => vec![0, 0, 0, 0x30, 0x08],
            0x23 => vec![4, 4, 6, 2],
            0x26 => vec![0x782d, 0x1000, 0x01e1, any, 0xffff],
            0x28 => vec![0xc1, 0xc0, 0x80, 0x41],
            0x83 => vec![0, 0, 0, 0xa5],
            _ if offset == CAUSES.offset() => vec![0, 1, 2, 5, 7, any],
            _ if offset == usb::DEVICE_ID.offset() => vec![0x07a6_8511, 0x07a6_8515, 0x07a6_0986],
            _ if usb::RING_COUNT.iter().any(|count| count.offset() == offset) => vec![0, 0, 2, 16, any],
            _ if RING_SIZE.iter().any(|size| size.offset() == offset) => vec![0, 2, 16, 64],
            _ => vec![any],
        }
    }

    /// The last two words of a descriptor, or what is behind a frame.
    fn could_write(random: &mut Random) -> u64 {
        let any = random.number();
        let length = random.of(&[68, 68, 68, 100, 1526, any as u32]);
        let control = random.of(&[1, 1, 1, 1, 1, 1, 1 << 31, 0xc000_0000, 3, 2, 5, (any >> 32) as u32]);
        u64::from(control) << 32 | u64::from(length)
    }
}

impl Chip {
    /// Frames that are under way.
    pub(crate) fn frames_to_send(&self) -> usize {
        self.controller.rings[TX].under_way.len()
    }
}
