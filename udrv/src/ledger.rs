//! What the host did on behalf of a driver, in a form that rolls back with the driver's state.
//!
//! The ledger lies beside the state in the domain's images (see `fgft`): an abort puts it back by copying, a later
//! process adopts it. Plain data, no pointers: offsets and handles.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Registers that one map may declare (an array counts each element).
pub const MAX_REGISTERS: usize = 128;
/// Pieces of DMA memory that one driver may hold.
pub const MAX_DMA: usize = 8;
/// Packet buffers of a device.
pub const BUFFERS: usize = 64;

/// A piece of the device's DMA memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct DmaPiece {
    /// Bytes from the start of the region.
    pub offset: u32,
    /// Bytes; 0: not allocated.
    pub length: u32,
}

/// Packet buffer: not the driver's.
pub const FREE: u8 = 0;
/// Packet buffer: the driver keeps it.
pub const DRIVER: u8 = 1;

/// See the module's text.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Ledger {
    /// Last value written to or read from each register whose kind is shadowed.
    pub shadow: [u32; MAX_REGISTERS],
    /// One bit a register: `shadow` holds its value.
    pub known: [u32; MAX_REGISTERS / 32],
    /// DMA memory of the driver, by handle - 1.
    pub dma: [DmaPiece; MAX_DMA],
    /// Bytes of the region that are given out, from its start.
    pub dma_used: u32,
    /// Who has each packet buffer.
    pub buffers: [u8; BUFFERS],
}

impl Ledger {
    /// Nothing known, nothing given out.
    #[must_use]
    pub fn new() -> Ledger {
        Ledger {
            shadow: [0; MAX_REGISTERS],
            known: [0; MAX_REGISTERS / 32],
            dma: [DmaPiece::default(); MAX_DMA],
            dma_used: 0,
            buffers: [FREE; BUFFERS],
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

    /// A buffer that the driver does not keep, other than `except`.
    #[must_use]
    pub fn free_buffer(&self, except: Option<u32>) -> Option<u32> {
        let mut free = (0..BUFFERS as u32).filter(|i| self.buffers[*i as usize] == FREE);
        free.find(|i| Some(*i) != except)
    }

    /// Whether the driver keeps `buffer`.
    #[must_use]
    pub fn keeps(&self, buffer: u32) -> bool {
        self.buffers.get(buffer as usize) == Some(&DRIVER)
    }

    /// How many buffers the driver keeps.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.buffers.iter().filter(|owner| **owner == DRIVER).count()
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Ledger::new()
    }
}
