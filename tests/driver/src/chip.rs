//! What a small chip must be able to do for the tests.

use udrv_driver::{Link, MacAddress, NetDriver};

use crate::{Device, Random};

/// The address that every small chip comes with.
pub const MAC: MacAddress = MacAddress([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
/// Another one.
pub const OTHER: MacAddress = MacAddress([2, 1, 2, 3, 4, 0xff]);
/// Bus address of the first piece of DMA memory; each other begins as far behind the one before it.
pub const BUS: u32 = 0x10_0000;

/// What is between driver and chip, and goes wrong in the same way for each.
#[derive(Debug, Default)]
pub struct Bus {
    /// The chip has left: all reads give ones and writes go nowhere, or they fail: [`Device::fails_when_gone`].
    pub gone: bool,
    /// Accesses that go well before the bus refuses one, once.
    pub fails_after: Option<u32>,
    /// DMA memory: the piece of handle n is number n - 1.
    pub dma: Vec<Vec<u8>>,
    /// Every write to a register, as it reached the chip or would have.
    pub writes: Vec<(u16, u32)>,
}

impl Bus {
    /// The memory at a bus address, to the end of its piece.
    pub fn memory(&mut self, address: u32) -> &mut [u8] {
        let piece = (address / BUS) as usize - 1;
        &mut self.dma[piece][(address % BUS) as usize..]
    }
}

/// Registers of any width, little-endian.
#[derive(Debug, Clone)]
pub struct Window(Vec<u8>);

impl Window {
    /// All 0.
    #[must_use]
    pub fn new(bytes: usize) -> Window {
        Window(vec![0; bytes])
    }

    /// What is there.
    #[must_use]
    pub fn get(&self, offset: u16, width: u8) -> u32 {
        let bytes = &self.0[offset.into()..][..width.into()];
        bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte))
    }

    /// Puts it there.
    pub fn set(&mut self, offset: u16, width: u8, value: u32) {
        self.0[offset.into()..][..width.into()].copy_from_slice(&value.to_le_bytes()[..width.into()]);
    }
}

impl std::ops::Deref for Window {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl std::ops::DerefMut for Window {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

/// What came on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// Nothing, or no more of what had begun.
    Nothing,
    /// A frame that the driver is to deliver.
    Frame,
    /// One that it is to count as an error.
    Bad,
}

/// A small chip, and what is said of it. It trusts nobody: what a driver must not do is an assertion.
pub trait Chip: Device<Driver: NetDriver> {
    /// Frames that the driver takes while the chip sends nothing.
    const TX_ROOM: u32;
    /// Register that says that a reset is not over.
    const RESET: u16;
    /// Whether `restore` gives back whatever is in flight, rather than see whether it must.
    const RESTORE_DROPS: bool;
    /// Whether `quiesce` resets it, and so waits for the end of that.
    const QUIESCE_RESETS: bool = true;
    /// Whether `get_stats` asks it. If not, it has told all that there is to know.
    const STATS_ARE_ASKED_FOR: bool = true;
    /// Where in DMA memory the driver keeps a number of its own, which the chip leaves alone.
    const REMEMBERED: Option<u64> = None;
    /// Links that it can have, the best first.
    const LINKS: &'static [Link];
    /// Ways in which chips of this sort, in hardware and in software, differ from each other: see [`Chip::set_variant`].
    const VARIANTS: u32 = 1;
    /// Of so many accesses the bus refuses one, in two sorts of bad days.
    const REFUSES: [u32; 2] = [500, 20_000];

    /// Makes it one of the [`Chip::VARIANTS`]; 0 is what it is.
    fn set_variant(&mut self, variant: u32) {
        let _ = variant;
    }

    // what is wrong with it

    /// Whether a reset ends.
    fn set_reset_hangs(&mut self, hangs: bool);

    /// What gives it its address is broken: an EEPROM with a bad checksum, or empty.
    fn lose_address(&mut self);

    /// It has missed so many frames more.
    fn miss(&mut self, frames: u32);

    // what it is like

    /// The station address that it has.
    fn mac(&self) -> [u8; 6];

    /// Receiver, transmitter and interrupts are off.
    fn is_quiet(&self) -> bool;

    /// Asserts that it is set up to work.
    fn assert_set_up(&self);

    /// Asserts that it receives what it does when nobody has asked for more, at the best of its links.
    fn assert_usual(&self) {}

    // what the wire does

    /// The link is another: it says so, and interrupts.
    fn change_link(&mut self, link: Link);

    /// Whether a frame was handed over to it.
    fn has_to_send(&mut self) -> bool;

    /// It sends the next, and all is well: bus address and length of it.
    fn send_well(&mut self) -> (u32, u32);

    /// A good frame of `length` bytes comes, filled with `fill`; false if there is no room.
    fn bring(&mut self, length: u32, fill: u8) -> bool;

    /// Malformed frame or descriptor number `which` comes, and what it is; `None` behind the last.
    fn bring_malformed(&mut self, which: u32) -> Option<&'static str>;

    // a long run of everything

    /// It does something with the next frame that was handed over to it; what, if it has sent it.
    fn take_any(&mut self, random: &mut Random) -> Option<(u32, u32)> {
        let _ = random;
        self.has_to_send().then(|| self.send_well())
    }

    /// Something comes: the good is filled with `fill`, and nothing else is.
    fn bring_any(&mut self, random: &mut Random, fill: u8) -> Came;

    /// Something else happens to it.
    fn disturb(&mut self, random: &mut Random) {
        let _ = random;
    }

    /// What has begun ends.
    fn settle(&mut self) {}

    /// Where the driver has it stand after `interrupt` and `poll`, whichever versions of it are called.
    fn standing(&self) -> u32 {
        0
    }

    // a chip that says anything

    /// What it could say there, at the wrong time; what is oftener here is said oftener.
    fn could_say(random: &mut Random, offset: u16) -> Vec<u32>;

    /// What could stand in the memory that it writes.
    fn could_write(random: &mut Random) -> u64;
}
