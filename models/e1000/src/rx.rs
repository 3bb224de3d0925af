//! Reception: one ring of descriptors that the driver fills with empty buffers (manual, 3.2).
//!
//! A frame takes as many buffers as it needs; each descriptor is written back with the length of its part, the last
//! with EOP. The FIFO before the ring is not modelled: a frame that finds too few buffers is lost at once, counted in
//! RNBC and MPC, and told with RXO.

use model_card::dma::MasterAbort;

use crate::checksum::{self, Enabled};
use crate::chip::E1000;
use crate::filter::TAG;
use crate::regs::{ctrl, icr, rctl, rxcsum, rxd, stat};

/// CRC after each frame, bytes.
const CRC: usize = 4;
/// Shortest good frame, bytes with CRC.
const SHORTEST: usize = 64;
/// Longest good frame, bytes with CRC, without and with RCTL.LPE.
const LONGEST: usize = 1522;
const LONGEST_LPE: usize = 16384;
/// Two addresses and a type: less is noise.
const HEADER: usize = 14;

/// A frame that is to be taken: how its last descriptor is to look.
struct Taken {
    status: u8,
    errors: u8,
    special: u16,
}

impl E1000 {
    /// Bytes of a receive buffer. The combination that the manual reserves is 16 times 2048 all the same.
    const fn buffer_size(&self) -> usize {
        let size = 2048 >> (self.rctl >> rctl::BSIZE_SHIFT & 3);
        if self.rctl & rctl::BSEX != 0 { size * 16 } else { size }
    }

    /// Free descriptors at which RXDMT0 is told.
    const fn threshold(&self) -> u32 {
        match self.rctl >> rctl::RDMTS_SHIFT & 3 {
            0 => self.rx.size() / 2,
            1 => self.rx.size() / 4,
            _ => self.rx.size() / 8,
        }
    }

    /// A frame arrives from the wire or by loopback.
    pub(crate) fn take_frame(&mut self, frame: &[u8], fcs_ok: bool) {
        if !self.receives() || frame.len() < HEADER {
            self.parts.counters.rx_filtered += 1;
            return;
        }
        self.stats.count(stat::TPR);
        self.stats.add_octets(stat::TORL, frame.len() + CRC);
        let Some(taken) = self.judge(frame, fcs_ok) else {
            self.parts.counters.rx_filtered += 1;
            return;
        };
        let mut buffer = std::mem::take(&mut self.rx_buffer);
        buffer.clear();
        if taken.status & rxd::VP != 0 {
            buffer.extend_from_slice(&frame[..12]);
            buffer.extend_from_slice(&frame[12 + TAG..]);
        } else {
            buffer.extend_from_slice(frame);
        }
        if self.rctl & rctl::SECRC == 0 {
            let crc = crc32fast::hash(frame);
            buffer.extend_from_slice(&if fcs_ok { crc } else { !crc }.to_le_bytes());
        }
        let before = self.rx.owned();
        if buffer.len().div_ceil(self.buffer_size()) as u32 > before || !self.parts.may_master() {
            self.miss();
        } else {
            match self.store(&buffer, &taken) {
                Ok(()) => self.note_received(frame, before),
                Err(MasterAbort) => {
                    self.rx.stopped = true;
                    self.parts.counters.rx_missed += 1;
                }
            }
        }
        self.rx_buffer = buffer;
    }

    fn miss(&mut self) {
        self.stats.count(stat::RNBC);
        self.stats.count(stat::MPC);
        self.parts.counters.rx_missed += 1;
        self.icr |= icr::RXO;
    }

    fn note_received(&mut self, frame: &[u8], free_before: u32) {
        let octets = frame.len() + CRC;
        self.stats.count(stat::GPRC);
        self.stats.add_octets(stat::GORCL, octets);
        self.stats.count_length(stat::PRC64, octets);
        if frame[..6] == [0xff; 6] {
            self.stats.count(stat::BPRC);
        } else if frame[0] & 1 != 0 {
            self.stats.count(stat::MPRC);
        }
        self.parts.counters.rx_frames += 1;
        self.icr |= icr::RXT0;
        let threshold = self.threshold();
        if self.rx.owned() <= threshold && threshold < free_before {
            self.icr |= icr::RXDMT0;
        }
    }

    /// Filters the frame, counts what is wrong with it, and says how to tell of it.
    fn judge(&mut self, frame: &[u8], fcs_ok: bool) -> Option<Taken> {
        let (destination, rest) = frame.split_first_chunk::<6>()?;
        let inexact = self.passes_addresses(destination, rest.first_chunk()?)?;
        let tag = self.tag(frame);
        if !self.passes_vlan(tag) {
            return None;
        }
        let octets = frame.len() + CRC;
        let too_long = octets > if self.rctl & rctl::LPE != 0 { LONGEST_LPE } else { LONGEST };
        let fault = match (fcs_ok, octets < SHORTEST, too_long) {
            (true, false, false) => None,
            (true, true, _) => Some(stat::RUC),
            (true, _, true) => Some(stat::ROC),
            (false, true, _) => Some(stat::RFC),
            (false, _, true) => Some(stat::RJC),
            (false, false, false) => Some(stat::CRCERRS),
        };
        if let Some(counter) = fault {
            self.stats.count(counter);
            if self.rctl & rctl::SBP == 0 || too_long {
                return None;
            }
        }
        let stripped = tag.filter(|_| self.ctrl & ctrl::VME != 0);
        let (checks, errors) = if fault.is_some() {
            (rxd::IXSM, if fcs_ok { 0 } else { rxd::CE })
        } else {
            let type_at = if tag.is_some() { 12 + TAG } else { 12 };
            checksum::verdict(&frame[type_at..], self.checks())
        };
        let flag = |on, flag| if on { flag } else { 0 };
        Some(Taken {
            status: checks | flag(inexact, rxd::PIF) | flag(stripped.is_some(), rxd::VP),
            errors,
            special: stripped.unwrap_or(0),
        })
    }

    /// What RXCSUM lets the receiver look at.
    fn checks(&self) -> Enabled {
        let on = |bit| self.rxcsum & bit != 0;
        Enabled {
            ip: on(rxcsum::IPOFL),
            transport: on(rxcsum::TUOFL),
            ipv6: on(rxcsum::IPV6OFL) && !self.config.variant.is_82544(),
        }
    }

    /// Writes the parts of `data` to buffers, and each descriptor back.
    fn store(&mut self, data: &[u8], taken: &Taken) -> Result<(), MasterAbort> {
        let lie = self.parts.trouble.on.rx_writeback.unwrap_or_default();
        let size = self.buffer_size();
        let parts = data.len().div_ceil(size);
        // After stripping, and with what is left of the CRC.
        let start = (self.rxcsum & rxcsum::PCSS) as usize;
        let [c0, c1] = checksum::sum(data.get(start..).unwrap_or_default()).to_le_bytes();
        for (i, part) in data.chunks(size).enumerate() {
            let at = self.rx.address();
            let mut address = [0; 8];
            self.parts.dma_read(at, &mut address)?;
            self.parts.dma_write(u64::from_le_bytes(address), part)?;
            let last = i + 1 == parts;
            let (status, errors) = if last { (taken.status | rxd::EOP, taken.errors) } else { (0, 0) };
            let [l0, l1] = lie.length.unwrap_or(part.len() as u16).to_le_bytes();
            let [s0, s1] = if last { taken.special } else { 0 }.to_le_bytes();
            let status = lie.status.unwrap_or(status | rxd::DD);
            let errors = lie.errors.unwrap_or(errors);
            self.parts.dma_write(at + 8, &[l0, l1, c0, c1, status, errors, s0, s1])?;
            self.rx.advance();
        }
        Ok(())
    }
}
