//! Reception: the ring in memory (datasheet, RBSTART, CAPR, CBR, RCR).
//!
//! ```text
//! RBSTART            CAPR + 16                CBR                       8 KiB << RBLEN
//!    |   free            | header frame CRC pad |       free                  | WRAP: a last frame goes on here
//! ```
//!
//! A frame takes four bytes of header (status, length with CRC), itself, four bytes of CRC, and is filled up to a
//! multiple of four. Equal pointers mean an empty ring, so it is never filled to the last byte.
//! The FIFO before the ring is not modelled: a frame that does not fit is lost at once. The first sets RXOVW; those
//! that follow before RXOVW is acknowledged set FOVW too.

use crate::chip::Rtl8139;
use crate::filter;
use crate::regs::{cr, isr, rcr, rx};
use model_card::pci::command;

/// Bytes of the smallest ring (RBLEN = 0).
const SMALLEST_RING: u32 = 8 * 1024;
/// Header before and CRC after each frame, bytes.
const HEADER: usize = 4;
const CRC: usize = 4;
/// Shortest frame that is not a runt, and the shortest runt that AR takes, bytes with CRC (RCR).
const SHORTEST: usize = 64;
const SHORTEST_RUNT: usize = 8;
/// Longest good frame, bytes with CRC; longer ones are LONG, an error.
const LONGEST: usize = 4096;
/// What the receiver gives up on altogether, AER or not: twice LONG.
const HOPELESS: usize = 8192;
/// MPC has 24 bits.
const MPC_MASK: u32 = 0x00ff_ffff;

#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) rbstart: u32,
    pub(crate) capr: u16,
    pub(crate) cbr: u16,
    pub(crate) mpc: u32,
}

impl Receiver {
    pub(crate) const fn new() -> Self {
        // CAPR 0xfff0 is the read pointer 0 (CAPR).
        Self { rbstart: 0, capr: 0xfff0, cbr: 0, mpc: 0 }
    }

    /// What the driver has yet to read.
    const fn read_pointer(&self, size: u32) -> u32 {
        self.capr.wrapping_add(16) as u32 % size
    }

    pub(crate) const fn empty(&self, size: u32) -> bool {
        self.cbr as u32 % size == self.read_pointer(size)
    }

    const fn room(&self, size: u32) -> u32 {
        let used = (self.cbr as u32 + size - self.read_pointer(size)) % size;
        size - used
    }

    /// The receiver is switched on: an empty ring from its start.
    pub(crate) fn restart(&mut self) {
        (self.capr, self.cbr) = (0xfff0, 0);
    }
}

impl Rtl8139 {
    pub(crate) const fn ring_size(&self) -> u32 {
        SMALLEST_RING << (self.rcr >> rcr::RBLEN_SHIFT & 3)
    }

    /// A frame arrives from the wire or by loopback.
    pub(crate) fn take_frame(&mut self, frame: &[u8], fcs_ok: bool) {
        let Some(status) = self.judge(frame, fcs_ok) else {
            self.parts.counters.rx_filtered += 1;
            return;
        };
        if !self.parts.pci.has(command::BUS_MASTER) {
            self.miss(isr::FOVW);
            return;
        }
        let size = self.ring_size();
        let used = HEADER + frame.len() + CRC;
        let taken = used.next_multiple_of(4) as u32;
        if taken >= self.rx.room(size) {
            self.miss(isr::RXOVW | if self.isr & isr::RXOVW != 0 { isr::FOVW } else { 0 });
            return;
        }
        let bad = self.parts.trouble.on.rx_header.unwrap_or_default();
        let told_status = bad.status.unwrap_or(status);
        let told_length = bad.length.unwrap_or((frame.len() + CRC) as u16);
        let [s0, s1] = told_status.to_le_bytes();
        let [l0, l1] = told_length.to_le_bytes();
        let crc = if fcs_ok { crc32fast::hash(frame) } else { !crc32fast::hash(frame) };

        let at = u32::from(self.rx.cbr) % size;
        let written = self
            .write_ring(at + HEADER as u32, frame)
            .and_then(|()| self.write_ring(at + (HEADER + frame.len()) as u32, &crc.to_le_bytes()))
            .and_then(|()| self.write_ring(at, &[s0, s1, l0, l1]));
        if written.is_err() {
            self.parts.counters.rx_missed += 1;
            self.master_abort();
            return;
        }
        self.rx.cbr = ((at + taken) % size) as u16;
        self.parts.counters.dma_write_bytes += used as u64;
        self.parts.counters.rx_frames += 1;
        self.isr |= if status & rx::ROK != 0 { isr::ROK } else { isr::RER };
    }

    /// The header status of a frame that is to be taken.
    fn judge(&mut self, frame: &[u8], fcs_ok: bool) -> Option<u16> {
        if !self.enabled(cr::RE) {
            return None;
        }
        let destination = frame.first_chunk::<6>()?;
        let mut status = filter::accept(self.rcr, &self.idr, &self.mar, destination)?;
        let len = frame.len() + CRC;
        if len < SHORTEST {
            if self.rcr & rcr::AR == 0 || len < SHORTEST_RUNT {
                return None;
            }
            status |= rx::RUNT;
        }
        if !fcs_ok || len > LONGEST {
            self.isr |= isr::RER;
            if self.rcr & rcr::AER == 0 || len > HOPELESS {
                return None;
            }
            status |= if fcs_ok { 0 } else { rx::CRC };
            status |= if len > LONGEST { rx::LONG } else { 0 };
            return Some(status);
        }
        Some(status | rx::ROK)
    }

    fn miss(&mut self, cause: u16) {
        self.isr |= cause;
        self.rx.mpc = (self.rx.mpc + 1) & MPC_MASK;
        self.parts.counters.rx_missed += 1;
    }

    /// Writes at `at` bytes behind RBSTART, around the end of the ring unless RCR.WRAP says to go on behind it.
    /// WRAP does not count for the ring of 64 KiB (RCR).
    fn write_ring(&self, at: u32, bytes: &[u8]) -> Result<(), model_card::dma::MasterAbort> {
        let size = self.ring_size();
        let whole = self.rcr & rcr::WRAP != 0 && size != 64 * 1024;
        let start = self.parts.bus_address(self.rx.rbstart.into());
        if whole {
            return self.parts.dma.write(start + u64::from(at), bytes);
        }
        let at = at % size;
        let (head, tail) = bytes.split_at(bytes.len().min((size - at) as usize));
        self.parts.dma.write(start + u64::from(at), head)?;
        self.parts.dma.write(start, tail)
    }
}
