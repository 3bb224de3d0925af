//! Reception: one ring of descriptors that the driver fills with empty buffers (datasheet, receive descriptors).
//!
//! A frame takes as many buffers as it needs; the first has FS, the last LS and, with it, length and status. The FIFO
//! before the ring is not modelled: a frame that finds too few buffers is lost at once. The first sets RDU; those that
//! follow before RDU is acknowledged set FOVW too.

use model_card::dma::MasterAbort;

use crate::checksum::{ADDRESSES, Ipv4, TAG, TAG_TYPE, TCP, UDP};
use crate::chip::R8169;
use crate::filter;
use crate::mitigation::RECEIVED;
use crate::regs::{cpcr, cr, desc, isr, rcr, rxd};

/// CRC after each frame, bytes.
const CRC: usize = 4;
/// Shortest frame that is not a runt, bytes with CRC.
const SHORTEST: usize = 64;
/// Shortest runt that AR takes: addresses and CRC.
const SHORTEST_RUNT: usize = ADDRESSES + CRC;
/// Longest frame that a descriptor can tell of, bytes with CRC.
const LONGEST: usize = rxd::LENGTH as usize;
/// MPC has 24 bits.
const MPC_MASK: u32 = 0x00ff_ffff;
/// A buffer's size is a multiple of eight.
const SIZE_MASK: u32 = rxd::LENGTH & !7;

/// An empty buffer: its descriptor, the first word of that, and itself.
#[derive(Debug)]
pub(crate) struct Empty {
    descriptor: u64,
    word: u32,
    buffer: u64,
}

impl Empty {
    const fn size(&self) -> usize {
        (self.word & SIZE_MASK) as usize
    }
}

impl R8169 {
    /// A frame arrives from the wire or by loopback.
    pub(crate) fn take_frame(&mut self, frame: &[u8], fcs_ok: bool) {
        let Some(mut status) = self.judge(frame, fcs_ok) else {
            self.parts.counters.rx_filtered += 1;
            return;
        };
        if self.rx_stuck || self.rx.stopped || !self.parts.may_master() {
            self.miss();
            return;
        }
        let mut data = std::mem::take(&mut self.rx_buffer);
        data.clear();
        let mut options = 0;
        let tag = frame.get(ADDRESSES..).and_then(|rest| rest.first_chunk::<TAG>());
        match tag {
            Some([t0, t1, c0, c1]) if [*t0, *t1] == TAG_TYPE && self.cpcr & cpcr::RXVLAN != 0 => {
                options = rxd::TAVA | u32::from(u16::from_le_bytes([*c0, *c1]));
                data.extend_from_slice(&frame[..ADDRESSES]);
                data.extend_from_slice(&frame[ADDRESSES + TAG..]);
            }
            _ => data.extend_from_slice(frame),
        }
        let crc = crc32fast::hash(frame);
        data.extend_from_slice(&if fcs_ok { crc } else { !crc }.to_le_bytes());
        if self.cpcr & cpcr::RXCHKSUM != 0 {
            status |= verdict(frame);
        }
        match self.store(&data, status, options) {
            Ok(true) => self.note_received(status),
            Ok(false) => {
                self.overflow();
                self.miss();
            }
            Err(MasterAbort) => {
                self.rx.stopped = true;
                self.parts.counters.rx_missed += 1;
                self.system_error();
            }
        }
        self.rx_buffer = data;
    }

    /// The status of a frame that is to be taken.
    fn judge(&mut self, frame: &[u8], fcs_ok: bool) -> Option<u32> {
        if !self.enabled(cr::RE) {
            return None;
        }
        let destination = frame.first_chunk::<6>()?;
        let is_pcie = self.config.variant.is_pcie();
        let mut status = filter::accept(self.rcr, &self.idr, &self.mar, is_pcie, destination)?;
        let length = frame.len() + CRC;
        if length < SHORTEST {
            if self.rcr & rcr::AR == 0 || length < SHORTEST_RUNT {
                return None;
            }
            status |= rxd::RUNT | rxd::RES;
        }
        let too_long = length > usize::from(self.rms) || !self.is_set_up_for(frame.len());
        if !fcs_ok || too_long {
            self.isr |= isr::RER;
            self.stats.rx_errors = self.stats.rx_errors.wrapping_add(1);
            if self.rcr & rcr::AER == 0 || length > LONGEST {
                return None;
            }
            status |= rxd::RES | if fcs_ok { 0 } else { rxd::CRC } | if too_long { rxd::RWT } else { 0 };
        }
        (length <= LONGEST).then_some(status)
    }

    /// Finds buffers for `length` bytes; false if there are too few. The ring stays where it is.
    fn find_buffers(&mut self, length: usize, found: &mut Vec<Empty>) -> Result<bool, MasterAbort> {
        let mut ring = self.rx.clone();
        let mut room = 0;
        found.clear();
        while room < length && found.len() < usize::from(desc::MOST) {
            let descriptor = self.dma_address(ring.address());
            let mut raw = [0; desc::SIZE as usize];
            self.parts.dma_read(descriptor, &mut raw)?;
            let [w0, w1, w2, w3, _, _, _, _, a @ ..] = raw;
            let word = u32::from_le_bytes([w0, w1, w2, w3]);
            if word & desc::OWN == 0 {
                return Ok(false);
            }
            let empty = Empty { descriptor, word, buffer: self.dma_address(u64::from_le_bytes(a)) };
            room += empty.size();
            found.push(empty);
            ring.advance(word);
            // Once around: this one is counted already.
            if ring.address() == self.rx.address() && room < length {
                return Ok(false);
            }
        }
        Ok(room >= length)
    }

    /// Writes the parts of `data` to buffers, and each descriptor back; false if there are too few.
    fn store(&mut self, data: &[u8], status: u32, options: u32) -> Result<bool, MasterAbort> {
        let mut buffers = std::mem::take(&mut self.rx_found);
        let stored = match self.find_buffers(data.len(), &mut buffers) {
            Ok(true) => self.fill(&buffers, data, status, options).map(|()| true),
            too_few => too_few,
        };
        self.rx_found = buffers;
        stored
    }

    /// Writes `data` to buffers that have room for it.
    fn fill(&mut self, buffers: &[Empty], data: &[u8], status: u32, options: u32) -> Result<(), MasterAbort> {
        let on = &self.parts.trouble.on;
        let (lie, never_done) = (on.rx_descriptor.unwrap_or_default(), on.rx_never_done);
        let mut rest = data;
        for (i, empty) in buffers.iter().enumerate() {
            let (part, later) = rest.split_at(empty.size().min(rest.len()));
            rest = later;
            self.parts.dma_write(empty.buffer, part)?;
            let first = if i == 0 { desc::FS } else { 0 };
            // Length and status stand in the last one only.
            let (told, length, options) = if rest.is_empty() {
                (first | desc::LS | status, data.len(), options)
            } else {
                (first, empty.size(), 0)
            };
            let told = lie.status.map_or(told, |status| status & rxd::STATUS);
            let length = lie.length.map_or(length as u32, u32::from) & rxd::LENGTH;
            self.parts.dma_write(empty.descriptor + 4, &options.to_le_bytes())?;
            if !never_done {
                let word = empty.word & desc::EOR | told | length;
                self.parts.dma_write(empty.descriptor, &word.to_le_bytes())?;
            }
            self.rx.advance(empty.word);
        }
        Ok(())
    }

    fn note_received(&mut self, status: u32) {
        self.parts.counters.rx_frames += 1;
        self.mitigation.note(RECEIVED);
        if status & rxd::RES != 0 {
            self.isr |= isr::RER;
            return;
        }
        self.isr |= isr::ROK;
        self.stats.rx_ok += 1;
        match status & (rxd::MAR | rxd::BAR) {
            0 => self.stats.rx_unicast += 1,
            rxd::MAR => self.stats.rx_multicast = self.stats.rx_multicast.wrapping_add(1),
            _ => self.stats.rx_broadcast += 1,
        }
    }

    /// There is no descriptor for a frame.
    fn overflow(&mut self) {
        if self.isr & isr::RDU != 0 {
            self.isr |= isr::FOVW;
            self.rx_stuck |= self.config.variant.overflow_stops();
        }
        self.isr |= isr::RDU;
    }

    fn miss(&mut self) {
        self.mpc = (self.mpc + 1) & MPC_MASK;
        self.stats.missed = self.stats.missed.wrapping_add(1);
        self.parts.counters.rx_missed += 1;
    }
}

/// Protocol and checksum bits of a frame.
fn verdict(frame: &[u8]) -> u32 {
    let Some(packet) = Ipv4::find(frame) else { return 0 };
    let ip = if packet.header_is_good(frame) { 0 } else { rxd::IPF };
    let fails = |protocol, flag| packet.body_is_good(frame, protocol).map(|good| if good { 0 } else { flag });
    ip | if let Some(tcp) = fails(TCP, rxd::TCPF) {
        rxd::PID0 | tcp
    } else if let Some(udp) = fails(UDP, rxd::UDPF) {
        rxd::PID1 | udp
    } else {
        rxd::PID1 | rxd::PID0
    }
}
