//! Memory that the device reads and writes: rings and buffers. Not part of the state: a rollback does not mend it, so
//! keep indices in the state and rebuild what hangs on them in `restore`. What hands a descriptor to the device waits for
//! the commit: [`DmaMemory::hand_over`].

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::abi::Request;
use crate::{Error, Services};

/// Handle of a piece of DMA memory. Plain data: keep it in the state.
///
/// The framework gives no number twice: a handle from before a restart, or from a call that was aborted, is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(transparent)]
pub struct Dma(pub u64);

impl Dma {
    /// The handle of nothing.
    pub const NONE: Dma = Dma(0);
}

/// Access to DMA memory.
#[derive(Clone, Copy)]
pub struct DmaMemory<'a> {
    services: &'a dyn Services,
}

impl<'a> DmaMemory<'a> {
    pub(crate) fn new(services: &'a dyn Services) -> DmaMemory<'a> {
        DmaMemory { services }
    }

    /// Fresh zeroed memory below 4 GiB, `alignment` a power of two. Given back if this call faults.
    ///
    /// # Errors
    /// [`Error::NoMemory`].
    pub fn allocate(&self, bytes: u32, alignment: u32) -> Result<Dma, Error> {
        let words = [u64::from(bytes), u64::from(alignment), 0, 0];
        self.services.request(Request::DmaAllocate, words).map(Dma)
    }

    /// Where the device sees it.
    ///
    /// # Errors
    /// None; a handle that is not the driver's is a fault.
    pub fn bus_address(&self, dma: Dma) -> Result<u32, Error> {
        self.services.request(Request::DmaBusAddress, [dma.0, 0, 0, 0]).map(|address| address as u32)
    }

    /// The little-endian word at `offset` bytes.
    ///
    /// # Errors
    /// None; an offset outside is a fault.
    pub fn read_u32(&self, dma: Dma, offset: u32) -> Result<u32, Error> {
        let words = [dma.0, u64::from(offset), 0, 0];
        self.services.request(Request::DmaRead32, words).map(|value| value as u32)
    }

    /// Sets the little-endian word at `offset` bytes. Not undone on abort.
    ///
    /// # Errors
    /// None; an offset outside is a fault.
    pub fn write_u32(&self, dma: Dma, offset: u32, value: u32) -> Result<(), Error> {
        let words = [dma.0, u64::from(offset), u64::from(value), 0];
        self.services.post(Request::DmaWrite32, words)
    }

    /// The little-endian 64-bit word at `offset` bytes: in one piece, if `offset` is a multiple of 8 of what is.
    ///
    /// # Errors
    /// None; an offset outside is a fault.
    pub fn read_u64(&self, dma: Dma, offset: u32) -> Result<u64, Error> {
        self.services.request(Request::DmaRead64, [dma.0, u64::from(offset), 0, 0])
    }

    /// Sets the little-endian 64-bit word at `offset` bytes. Not undone on abort.
    ///
    /// # Errors
    /// None; an offset outside is a fault.
    pub fn write_u64(&self, dma: Dma, offset: u32, value: u64) -> Result<(), Error> {
        self.services.post(Request::DmaWrite64, [dma.0, u64::from(offset), value, 0])
    }

    /// Sets the little-endian word at `offset` bytes, a multiple of 4, when this call commits: after its frames have
    /// gone up, and in order with its doorbells. It never happens if the call is aborted.
    ///
    /// For the word of a descriptor that says whose it is. A chip may look there at any time, without a doorbell, so
    /// that word is a doorbell that lies in memory. The rest of the descriptor is written at once, before: what the
    /// chip does not own it does not look at. Until the commit, the word reads as it was.
    ///
    /// # Errors
    /// None; an offset outside, or one that is not a multiple of 4, is a fault.
    pub fn hand_over(&self, dma: Dma, offset: u32, value: u32) -> Result<(), Error> {
        self.services.post(Request::DmaHandOver32, [dma.0, u64::from(offset), u64::from(value), 0])
    }
}
