//! Transmission: a frame behind its length, two bytes, low first, in as many packets as it takes.
//!
//! The chip sees packets and no transfers: what ends a frame is a packet of fewer than 64 bytes.

use crate::chip::Chip;
use crate::regs::{self, ctrl2, tx0};
use crate::rx::MAX_PACKET;

/// Bytes of the length.
const HEAD: usize = 2;
/// Shortest frame on the wire, bytes without CRC: what is shorter is padded with zeros.
const SHORTEST: usize = 60;
/// Longest frame, bytes without CRC, with a VLAN tag.
const LONGEST: usize = 1518;
/// Room of the transmit FIFO. What does not fit is lost, and the frame with it.
const ROOM: usize = 2048;

/// What has come of a frame that is not ended yet.
#[derive(Debug, Default)]
pub(crate) struct Transmitter {
    buffer: Vec<u8>,
    /// More came than there was room for.
    too_much: bool,
}

impl Chip {
    /// The packets of an OUT transfer.
    pub(crate) fn take_packets(&mut self, data: &[u8], zero_packet: bool) {
        let room = ROOM - self.tx.buffer.len();
        self.tx.too_much |= data.len() > room;
        self.tx.buffer.extend_from_slice(&data[..data.len().min(room)]);
        let full = !data.is_empty() && data.len().is_multiple_of(MAX_PACKET);
        if full && !zero_packet {
            self.counters.tx_unended += 1;
            return;
        }
        // Taken out so that loopback can hand it to the receiver.
        let Transmitter { mut buffer, too_much } = std::mem::take(&mut self.tx);
        self.send(&mut buffer, too_much);
        buffer.clear();
        self.tx.buffer = buffer;
    }

    fn send(&mut self, buffer: &mut Vec<u8>, too_much: bool) {
        let Some((head, rest)) = buffer.split_first_chunk::<HEAD>() else {
            // An empty packet is no frame; one byte is none either.
            self.counters.tx_aborts += u64::from(!buffer.is_empty());
            return;
        };
        // No more than came: there are drivers that found the chip to go by what comes, whatever the length says.
        let length = usize::from(u16::from_le_bytes(*head)).min(rest.len());
        if too_much || length > LONGEST {
            self.fail(tx0::JABBER);
            self.counters.tx_aborts += 1;
            return;
        }
        if length == 0 {
            self.counters.tx_aborts += 1;
            return;
        }
        buffer.resize(HEAD + length, 0);
        buffer.resize(HEAD + length.max(SHORTEST), 0);
        let frame = &buffer[HEAD..];
        if self.has(regs::ETH_CTRL2, ctrl2::LOOPBACK) || self.phy.loops_back() {
            self.counters.tx_loopback += 1;
            self.take_frame(frame, true);
        } else if self.phy.link() {
            self.counters.tx_frames += 1;
            self.port.transmit(frame);
        } else {
            self.counters.tx_lost += 1;
            self.fail(tx0::NO_CARRIER | tx0::CARRIER_LOSS);
        }
    }

    fn fail(&mut self, why: u8) {
        self.tx_status |= why;
        self.news = true;
    }
}
