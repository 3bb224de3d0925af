//! The DMA memory of one device: packet buffers first, then what the driver allocates.
//!
//! One sealed memfd at one bus address below 4 GiB. Offsets name places; the ledger says who has them.

use std::sync::Arc;

use fgft::Refusal;
use fgft::regions::RegionName;
use fgft::tracking::{Handle, Rights};
use udrv_bus::{BusError, DmaMapping};
use udrv_driver::Error;

use crate::device::Device;
use crate::dma::{DmaError, DmaRegion};
use crate::iova::{IovaAllocator, IovaError};
use crate::ledger::{BUFFERS, DmaPiece, Ledger};

/// Bytes of a packet buffer, at least: an Ethernet frame with VLAN tag, and a power of two.
const FRAME_BYTES: u32 = 2048;
/// Bytes of one for a device that cuts long packets into segments: the longest of IP, its Ethernet header, whole pages.
const PACKET_BYTES: u32 = 68 * 1024;
/// Bytes for the driver's rings, and for the receive buffers of chips that have descriptors: 256 buffers of 2 KiB are
/// half of it.
const RING_BYTES: u32 = 1024 * 1024;
/// Bytes of a device's memory, at most; VFIO locks all of it.
pub const MOST_BYTES: u64 = BUFFERS as u64 * PACKET_BYTES as u64 + RING_BYTES as u64;

/// Why the device's memory could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// No memory.
    #[error(transparent)]
    Memory(#[from] DmaError),
    /// No bus addresses.
    #[error(transparent)]
    Iova(#[from] IovaError),
    /// The bus would not map it.
    #[error(transparent)]
    Bus(#[from] BusError),
}

/// See the module's text.
pub struct Pool {
    region: Arc<DmaRegion>,
    iova: u64,
    /// Of each packet buffer.
    buffer_bytes: u32,
    /// For reports of faults.
    _name: RegionName,
}

impl Pool {
    /// Makes the memory and maps it for the device. `longest`: bytes of the longest frame; `None`: packet buffers for
    /// packets that are longer than any.
    ///
    /// # Errors
    /// [`PoolError`].
    pub fn new(device: &mut dyn Device, longest: Option<u32>) -> Result<Pool, PoolError> {
        let for_frames = |longest: u32| longest.max(FRAME_BYTES).next_power_of_two();
        let buffer_bytes = longest.map_or(PACKET_BYTES, for_frames).min(PACKET_BYTES);
        let size = u64::from(BUFFERS as u32 * buffer_bytes + RING_BYTES);
        // without a key of its own: code inside reads it in place, and can write to nothing that has the host's
        let region = Arc::new(DmaRegion::new(size, None)?);
        let iova = IovaAllocator::new(&device.iova_ranges()?).alloc(size, 4096)?;
        device.map_dma(DmaMapping { iova, memory: region.clone() })?;
        let start = region.host_address();
        let _name = fgft::regions::name_region(start..start + size, format!("DMA memory of {}", device.name()));
        Ok(Pool { region, iova, buffer_bytes, _name })
    }

    /// Goes on with memory that a process before this one made, and that is mapped for the device still.
    ///
    /// # Errors
    /// What does not fit: it cannot be that memory.
    pub fn adopt(region: Arc<DmaRegion>, iova: u64, buffer_bytes: u32, device: &str) -> Result<Pool, &'static str> {
        if !(FRAME_BYTES..=PACKET_BYTES).contains(&buffer_bytes) || !buffer_bytes.is_multiple_of(FRAME_BYTES) {
            return Err("packet buffers of a size that none have");
        }
        let size = u64::from(BUFFERS as u32 * buffer_bytes + RING_BYTES);
        if region.size() != size {
            return Err("another number of bytes than rings and packet buffers have");
        }
        if !iova.is_multiple_of(4096) || iova == 0 || iova.checked_add(size).is_none_or(|end| end > 1 << 32) {
            return Err("bus addresses that are not given out");
        }
        let start = region.host_address();
        let _name = fgft::regions::name_region(start..start + size, format!("DMA memory of {device}"));
        Ok(Pool { region, iova, buffer_bytes, _name })
    }

    /// Whether what a ledger says of this memory can be.
    pub(crate) fn fits(&self, ledger: &Ledger) -> bool {
        let area = self.buffer_area();
        let inside = |piece: DmaPiece| {
            let end = u64::from(piece.offset) + u64::from(piece.length);
            piece.offset >= area && end <= u64::from(area) + u64::from(ledger.dma_used)
        };
        u64::from(area) + u64::from(ledger.dma_used) <= self.region.size()
            && ledger.dma.iter().all(|(_, _, piece)| inside(piece))
    }

    /// Takes the mapping back. The device must not reach memory any more.
    ///
    /// # Errors
    /// What the bus says.
    pub fn unmap(&self, device: &mut dyn Device) -> Result<(), BusError> {
        device.unmap_dma(self.iova, self.region.size())
    }

    /// The memory.
    #[must_use]
    pub fn region(&self) -> &DmaRegion {
        &self.region
    }

    /// Bus addresses of all of it.
    #[must_use]
    pub fn bus_range(&self) -> std::ops::Range<u64> {
        self.iova..self.iova + self.region.size()
    }

    /// Bytes of each packet buffer.
    #[must_use]
    pub fn buffer_bytes(&self) -> u32 {
        self.buffer_bytes
    }

    /// Bytes of all packet buffers; behind them is the driver's.
    fn buffer_area(&self) -> u32 {
        BUFFERS as u32 * self.buffer_bytes
    }

    /// Offset of packet buffer `buffer`.
    #[must_use]
    pub fn buffer_offset(&self, buffer: u8) -> u64 {
        u64::from(buffer) * u64::from(self.buffer_bytes)
    }

    /// Where the device sees packet buffer `buffer`.
    #[must_use]
    pub fn buffer_address(&self, buffer: u8) -> u32 {
        (self.iova + self.buffer_offset(buffer)) as u32
    }

    /// Zeroed memory for the driver. The ledger gives it back on abort.
    ///
    /// # Errors
    /// No room: an ordinary error. A size or alignment that makes no sense: a broken rule.
    pub fn allocate(&self, ledger: &mut Ledger, bytes: u64, alignment: u64) -> Result<Result<u64, Error>, Refusal> {
        if bytes == 0 || !alignment.is_power_of_two() || alignment > 4096 {
            return Err(Refusal(format!("DMA memory of {bytes} bytes aligned to {alignment}")));
        }
        let start = u64::from(self.buffer_area() + ledger.dma_used).next_multiple_of(alignment);
        if bytes > self.region.size() || start + bytes > self.region.size() {
            return Ok(Err(Error::NoMemory));
        }
        let piece = DmaPiece { offset: start as u32, length: bytes as u32 };
        let Ok(handle) = ledger.dma.grant(piece) else { return Ok(Err(Error::NoMemory)) };
        ledger.dma_used = (start + bytes) as u32 - self.buffer_area();
        const ZEROS: [u8; 4096] = [0; 4096];
        for at in (0..bytes).step_by(ZEROS.len()) {
            let len = (bytes - at).min(ZEROS.len() as u64) as usize;
            self.region.copy_in(start + at, &ZEROS[..len]).map_err(|e| Refusal(e.to_string()))?;
        }
        Ok(Ok(handle.word()))
    }

    /// Where `length` bytes at `offset` of the driver's piece `handle` are in the region, if it may do that (`rights`)
    /// with them.
    ///
    /// # Errors
    /// Not a piece that the driver has, a place outside it, or not its right.
    pub fn place(
        &self,
        ledger: &Ledger,
        handle: u64,
        offset: u64,
        length: u64,
        rights: Rights,
    ) -> Result<u64, Refusal> {
        let piece = ledger.dma.check(Handle::from_word(handle), offset, length, rights)?;
        Ok(u64::from(piece.offset) + offset)
    }

    /// Where the device sees a piece.
    ///
    /// # Errors
    /// Not a piece that the driver has.
    pub fn bus_address(&self, ledger: &Ledger, handle: u64) -> Result<u64, Refusal> {
        let piece = ledger.dma.get(Handle::from_word(handle))?;
        Ok(self.iova + u64::from(piece.offset))
    }
}
