//! What the host did on behalf of a driver, in a form that rolls back with the driver's state.
//!
//! The ledger lies beside the state in the domain's images (see `fgft`): an abort puts it back by copying, a later
//! process adopts it. Plain data, no pointers: offsets and handles.

use fgft::tracking::{Handle, Kind, Ranged, Table};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Registers of kinds that are shadowed, in one map (an array counts each element).
pub const MAX_SHADOWED: usize = 128;
/// Pieces of DMA memory that one driver may hold.
pub const MAX_DMA: usize = 8;
/// Packet buffers of a device.
pub const BUFFERS: usize = 64;

/// A piece of the device's DMA memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct DmaPiece {
    /// Bytes from the start of the region.
    pub offset: u32,
    /// Bytes.
    pub length: u32,
}

impl Kind for DmaPiece {
    const NAME: &'static str = "DMA memory";
}

impl Ranged for DmaPiece {
    fn bytes(&self) -> u64 {
        self.length.into()
    }
}

/// A packet buffer that the driver has: the host's hands are those of the call that it is offered to, the driver's own
/// begin with `keep`. Which of the device's buffers it is, `buffers.rs` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct PacketBuffer {
    index: u8,
}

impl PacketBuffer {
    /// Without memory: its frame has left, and an older state that has come back does not know. The driver may complete
    /// it, and nothing comes of that.
    pub const HOLLOW: PacketBuffer = PacketBuffer { index: u8::MAX };

    /// Buffer `index` of the device.
    #[must_use]
    pub fn new(index: u8) -> PacketBuffer {
        PacketBuffer { index }
    }

    /// Which of the device's buffers it is; none if it is [`PacketBuffer::HOLLOW`].
    #[must_use]
    pub fn index(self) -> Option<u8> {
        (usize::from(self.index) < BUFFERS).then_some(self.index)
    }
}

impl Kind for PacketBuffer {
    const NAME: &'static str = "packet buffer";
}

/// See the module's text.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Ledger {
    /// Last value written to or read from each register whose kind is shadowed.
    pub shadow: [u32; MAX_SHADOWED],
    /// One bit a register: `shadow` holds its value.
    pub known: [u32; MAX_SHADOWED / 32],
    /// Bytes of the region that are given out, from its start.
    pub dma_used: u32,
    /// DMA memory of the driver.
    pub dma: Table<DmaPiece, MAX_DMA>,
    /// Packet buffers that the driver has, or is offered.
    pub buffers: Table<PacketBuffer, BUFFERS>,
}

impl Ledger {
    /// Nothing known, nothing given out.
    #[must_use]
    pub fn new() -> Ledger {
        Ledger {
            shadow: [0; MAX_SHADOWED],
            known: [0; MAX_SHADOWED / 32],
            dma_used: 0,
            dma: Table::new(),
            buffers: Table::new(),
        }
    }

    /// The shadow of register `index`.
    #[must_use]
    pub fn shadow(&self, index: usize) -> Option<u32> {
        (self.known[index / 32] & 1 << (index % 32) != 0).then(|| self.shadow[index])
    }

    /// Sets the shadow of register `index`.
    pub fn set_shadow(&mut self, index: usize, value: u32) {
        self.shadow[index] = value;
        self.known[index / 32] |= 1 << (index % 32);
    }

    /// For a ledger that a rollback past the last commit has brought back, `before` being that of the last commit: what
    /// was given back since is not the driver's again.
    ///
    /// Of DMA memory, the handles are refused from now on: it was given back by a restart. A packet buffer that was
    /// completed since is one that the older state still waits for: it stays, but [hollow](PacketBuffer::HOLLOW), so
    /// that `restore` can complete it.
    pub fn come_back(&mut self, before: &Ledger) {
        self.dma.forget_released(&before.dma);
        let completed = |handle: &Handle| before.buffers.owner(*handle).is_none();
        let handles: Vec<Handle> = self.buffers.iter().map(|(handle, ..)| handle).filter(completed).collect();
        for handle in handles {
            let hollow = self.buffers.replace(handle, PacketBuffer::HOLLOW);
            debug_assert!(hollow.is_ok(), "it was just listed");
        }
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Ledger::new()
    }
}
