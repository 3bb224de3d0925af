//! Transmission: one ring of descriptors, gathered into packets (manual, 3.3 and 3.4).
//!
//! ```text
//! context  data  data|EOP      what to segment and where the checksums are; a packet of two buffers
//! legacy|EOP                   a packet of one
//! ```
//!
//! Everything that hardware owns is sent at once. Descriptors are done in their order, a packet's first ones before it
//! is sent.

use model_card::dma::MasterAbort;

use crate::chip::E1000;
use crate::offload::Context;
use crate::regs::{self, ctrl, icr, stat, tctl, txd};
use crate::ring::DESCRIPTOR;

/// CRC after each frame, bytes.
const CRC: usize = 4;
/// Shortest frame without CRC, to which TCTL.PSP pads.
const SHORTEST: usize = 60;
/// Longest packet that is not segmented, bytes (manual, 3.3).
const LONGEST: usize = 16288;
/// Longest that is: a header of 255 bytes and a payload whose length has twenty bits.
const LONGEST_TSE: usize = 255 + (1 << 20);

/// A packet that is being gathered.
#[derive(Debug, Default)]
pub(crate) struct Packet {
    bytes: Vec<u8>,
    /// Options of its first data descriptor.
    first: Option<First>,
    /// Its tag.
    vlan: Option<u16>,
    too_long: bool,
    /// The contexts, for packets that are segmented and for those that are not.
    segmentation: Context,
    plain: Context,
    /// One frame on its way out.
    frame: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct First {
    segment: bool,
    insert_ip: bool,
    insert_transport: bool,
    fcs: bool,
}

impl Packet {
    /// Forgets the packet and the contexts.
    pub(crate) fn clear(&mut self) {
        self.forget();
        (self.segmentation, self.plain) = Default::default();
    }

    fn forget(&mut self) {
        self.bytes.clear();
        (self.first, self.vlan, self.too_long) = (None, None, false);
    }
}

/// The tag that a descriptor asks for.
fn tag(command: u32, options: u32) -> Option<u16> {
    (command & txd::VLE != 0).then_some((options >> 16) as u16)
}

/// The double words of a descriptor.
type Descriptor = [u32; 4];

impl E1000 {
    /// Sends what can be sent.
    pub(crate) fn run_transmitter(&mut self) {
        let mut moved = false;
        while self.transmits() && self.parts.may_transmit() && (self.link_up() || self.loops_back()) {
            if self.tx.owned() == 0 {
                break;
            }
            moved = true;
            if self.step() == Err(MasterAbort) {
                self.tx.stopped = true;
                self.packet.forget();
                self.parts.counters.tx_aborts += 1;
            }
        }
        if moved && self.tx.owned() == 0 && !self.tx.stopped && !self.parts.trouble.on.tx_silent {
            self.icr |= icr::TXQE;
        }
    }

    /// Does the descriptor at the head.
    fn step(&mut self) -> Result<(), MasterAbort> {
        let at = self.tx.address();
        let mut raw = [0; DESCRIPTOR as usize];
        self.parts.dma_read(at, &mut raw)?;
        let mut descriptor: Descriptor = [0; 4];
        for (word, bytes) in descriptor.iter_mut().zip(raw.chunks_exact(4)) {
            *word = bytes.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte));
        }
        let command = descriptor[2];
        match (command & txd::DEXT != 0, command & txd::DTYP) {
            (false, _) => self.legacy(descriptor)?,
            (true, 0) => self.context(descriptor),
            (true, txd::DATA) => self.data(descriptor)?,
            // Reserved: nothing is sent.
            (true, _) => {}
        }
        let on = &self.parts.trouble.on;
        let (done, told) = (!on.tx_never_done, !on.tx_silent);
        let reports = if self.config.variant.is_82544() { txd::RS | txd::RPS } else { txd::RS };
        if command & reports != 0 {
            if done {
                self.parts.dma_write(at + 12, &(descriptor[3] | txd::DD).to_le_bytes())?;
            }
            if told {
                self.icr |= icr::TXDW;
            }
        }
        self.tx.advance();
        Ok(())
    }

    fn context(&mut self, descriptor: Descriptor) {
        let context = Context::from(descriptor);
        if descriptor[2] & txd::TSE != 0 {
            self.packet.segmentation = context;
            self.stats.count(stat::TSCTC);
        } else {
            self.packet.plain = context;
        }
    }

    fn legacy(&mut self, descriptor: Descriptor) -> Result<(), MasterAbort> {
        let [.., command, options] = descriptor;
        self.gather(descriptor, (command & 0xffff) as usize, LONGEST)?;
        // IC, VLE and what belongs to them count in the last descriptor.
        if command & txd::EOP != 0 {
            let mut packet = std::mem::take(&mut self.packet);
            packet.vlan = tag(command, options);
            if command & txd::IC != 0 {
                let (start, offset) = ((options >> 8 & 0xff) as usize, (command >> 16 & 0xff) as usize);
                crate::offload::insert(&mut packet.bytes, start, offset, 0, 0, false);
            }
            self.finish(packet, command & txd::IFCS != 0);
        }
        Ok(())
    }

    fn data(&mut self, descriptor: Descriptor) -> Result<(), MasterAbort> {
        let [.., command, options] = descriptor;
        let is_first = self.packet.first.is_none();
        let first = *self.packet.first.get_or_insert(First {
            segment: command & txd::TSE != 0,
            insert_ip: options & txd::IXSM != 0,
            insert_transport: options & txd::TXSM != 0,
            fcs: command & txd::IFCS != 0,
        });
        // VLE and IFCS count in the first descriptor of what is segmented, in the last of what is not.
        let last = command & txd::EOP != 0;
        if if first.segment { is_first } else { last } {
            self.packet.vlan = tag(command, options);
        }
        let longest = if first.segment { LONGEST_TSE } else { LONGEST };
        self.gather(descriptor, (command & 0xf_ffff) as usize, longest)?;
        if last {
            let packet = std::mem::take(&mut self.packet);
            self.finish(packet, if first.segment { first.fcs } else { command & txd::IFCS != 0 });
        }
        Ok(())
    }

    /// Reads the descriptor's buffer and puts it behind the packet. One of no length reads nothing.
    fn gather(&mut self, [low, high, ..]: Descriptor, length: usize, longest: usize) -> Result<(), MasterAbort> {
        let have = self.packet.bytes.len();
        if have + length > longest {
            self.packet.too_long = true;
            return Ok(());
        }
        self.packet.bytes.resize(have + length, 0);
        self.parts.dma_read(u64::from(low) | u64::from(high) << 32, &mut self.packet.bytes[have..])
    }

    /// Sends a packet that is whole, and makes room for the next. What cannot be sent is dropped and counted.
    fn finish(&mut self, mut packet: Packet, fcs: bool) {
        let mut frame = std::mem::take(&mut packet.frame);
        let vlan = packet.vlan;
        match packet.first {
            _ if packet.too_long => self.parts.counters.tx_aborts += 1,
            Some(First { segment: true, insert_ip, insert_transport, .. }) => {
                let mut sent = false;
                for segment in packet.segmentation.segments(&packet.bytes) {
                    segment.build(&mut frame, insert_ip, insert_transport);
                    self.send(&mut frame, vlan, fcs);
                    sent = true;
                }
                if !sent {
                    self.parts.counters.tx_aborts += 1;
                }
                if !sent || !packet.segmentation.fits(&packet.bytes) {
                    self.stats.count(stat::TSCTFC);
                }
            }
            first => {
                if let Some(First { insert_ip, insert_transport, .. }) = first {
                    packet.plain.insert(&mut packet.bytes, insert_ip, insert_transport, 0);
                }
                self.send(&mut packet.bytes, vlan, fcs);
            }
        }
        packet.frame = frame;
        packet.forget();
        self.packet = packet;
    }

    /// Sends one frame: its tag, its padding, its FCS.
    fn send(&mut self, frame: &mut Vec<u8>, vlan: Option<u16>, fcs: bool) {
        // Without IFCS the packet ends with an FCS of its own; the wire shows only whether it is right.
        let mut fcs_ok = true;
        if !fcs {
            let (data, fcs) = frame.split_at(frame.len().saturating_sub(CRC));
            fcs_ok = crc32fast::hash(data).to_le_bytes() == *fcs;
            frame.truncate(frame.len().saturating_sub(CRC));
        }
        if frame.is_empty() {
            return;
        }
        if let Some(tag) = vlan.filter(|_| self.ctrl & ctrl::VME != 0 && frame.len() >= 12) {
            let [t0, t1] = (self.kept.read(regs::VET) as u16).to_be_bytes();
            let [c0, c1] = tag.to_be_bytes();
            frame.splice(12..12, [t0, t1, c0, c1]);
        }
        if self.tctl & tctl::PSP != 0 && frame.len() < SHORTEST {
            frame.resize(SHORTEST, 0);
        }
        self.note_sent(frame);
        if self.loops_back() {
            self.parts.counters.tx_loopback += 1;
            self.take_frame(frame, fcs_ok);
        } else {
            self.parts.counters.tx_frames += 1;
            if fcs_ok {
                self.port.transmit(frame);
            }
        }
    }

    fn note_sent(&mut self, frame: &[u8]) {
        let octets = frame.len() + CRC;
        self.stats.count(stat::TPT);
        self.stats.add_octets(stat::TOTL, octets);
        self.stats.count(stat::GPTC);
        self.stats.add_octets(stat::GOTCL, octets);
        self.stats.count_length(stat::PTC64, octets);
        if frame.len() >= 6 && frame[..6] == [0xff; 6] {
            self.stats.count(stat::BPTC);
        } else if frame[0] & 1 != 0 {
            self.stats.count(stat::MPTC);
        }
    }
}
