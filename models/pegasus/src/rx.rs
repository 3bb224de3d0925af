//! Reception: the filter, the FIFO, and what endpoint 1 makes of it.
//!
//! A frame goes to the host as its bytes, its CRC, and four bytes of status if EthCtrl0 says so: the length with the CRC
//! in the low twelve bits of a word, the status byte, and a byte that means nothing. It goes in packets of 64 bytes, of
//! which a short one, if need be an empty one, is the last.

use std::collections::VecDeque;

use udrv_bus::TransferStatus;

use crate::chip::Chip;
use crate::filter::Filter;
use crate::regs::{self, ctrl0, ctrl2, rxd};

/// Bytes of the CRC.
const CRC: usize = 4;
/// Shortest and longest frame, bytes with CRC; the longest has a VLAN tag.
const SHORTEST: usize = 64;
const LONGEST: usize = 1522;
/// What fits into the length word.
const LENGTH: usize = 0xfff;
/// Of the bulk endpoints.
pub(crate) const MAX_PACKET: usize = 64;

/// Frames as they go to the host, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Fifo {
    frames: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Bytes of the first one that have gone already.
    gone: usize,
    free: Vec<Vec<u8>>,
}

impl Fifo {
    pub(crate) fn clear(&mut self) {
        self.free.extend(self.frames.drain(..));
        (self.bytes, self.gone) = (0, 0);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    fn push(&mut self, frame: Vec<u8>) {
        self.bytes += frame.len();
        self.frames.push_back(frame);
    }

    fn pop(&mut self) {
        if let Some(frame) = self.frames.pop_front() {
            self.bytes -= frame.len();
            self.gone = 0;
            self.free.push(frame);
        }
    }

    /// Packets into `to`, until it is full or one is short: status and bytes.
    pub(crate) fn read(&mut self, to: &mut [u8]) -> (TransferStatus, usize) {
        let mut at = 0;
        while let Some(frame) = self.frames.front()
            && at < to.len()
        {
            let packet = &frame[self.gone..];
            let packet = &packet[..packet.len().min(MAX_PACKET)];
            let Some(room) = to.get_mut(at..at + packet.len()) else {
                // Not acknowledged: the next transfer gets it again.
                return (TransferStatus::Overflow, at);
            };
            room.copy_from_slice(packet);
            at += packet.len();
            self.gone += packet.len();
            if packet.len() < MAX_PACKET {
                self.pop();
                break;
            }
        }
        (TransferStatus::Done, at)
    }

    /// As [`Fifo::read`], but no more than `cut` bytes of a frame come, and the rest of it is lost.
    pub(crate) fn read_cut(&mut self, to: &mut [u8], cut: usize) -> (TransferStatus, usize) {
        let Some(frame) = self.frames.front() else { return (TransferStatus::Done, 0) };
        let rest = &frame[self.gone..];
        let length = rest.len().min(cut).min(to.len());
        to[..length].copy_from_slice(&rest[..length]);
        self.pop();
        (TransferStatus::Done, length)
    }
}

impl Chip {
    /// A frame arrives from the wire or from the transmitter, without CRC.
    pub(crate) fn take_frame(&mut self, frame: &[u8], fcs_ok: bool) {
        let Some(status) = self.judge(frame, fcs_ok) else {
            self.counters.rx_filtered += 1;
            return;
        };
        let length = frame.len() + CRC;
        let appended = if self.has(regs::ETH_CTRL0, ctrl0::RX_STATUS) { 4 } else { 0 };
        if self.rx.bytes + length + appended > self.config.rx_fifo {
            self.counters.rx_missed += 1;
            self.rx_lost = self.rx_lost.saturating_add(1);
            self.rx_status |= regs::rx::OVERRUN;
            self.news = true;
            return;
        }
        let mut data = self.rx.free.pop().unwrap_or_default();
        data.clear();
        data.extend_from_slice(frame);
        let crc = crc32fast::hash(frame);
        data.extend_from_slice(&if fcs_ok { crc } else { !crc }.to_le_bytes());
        if appended != 0 {
            let bad = self.trouble.on.rx_trailer.unwrap_or_default();
            let word = bad.length.unwrap_or((length & LENGTH) as u16);
            data.extend_from_slice(&word.to_le_bytes());
            data.extend_from_slice(&[bad.status.unwrap_or(status), 0]);
        }
        self.rx.push(data);
        self.counters.rx_frames += 1;
    }

    /// The status byte of a frame that is to be taken.
    fn judge(&self, frame: &[u8], fcs_ok: bool) -> Option<u8> {
        let destination = frame.first_chunk::<6>()?;
        let filter = Filter {
            station: self.kept_array(regs::ETH_ID),
            hash: self.kept_array(regs::MULTICAST),
            promiscuous: self.has(regs::ETH_CTRL2, ctrl2::PROMISCUOUS),
            all_multicast: self.has(regs::ETH_CTRL0, ctrl0::ALL_MULTICAST),
        };
        if !self.has(regs::ETH_CTRL0, ctrl0::RX) || !filter.takes(destination) {
            return None;
        }
        let length = frame.len() + CRC;
        let bits = [
            (destination[0] & 1 != 0, rxd::MULTICAST),
            (length > LONGEST, rxd::GIANT),
            (length < SHORTEST, rxd::RUNT),
            (!fcs_ok, rxd::CRC),
        ];
        let status = bits.into_iter().filter(|(is, _)| *is).fold(0, |status, (_, bit)| status | bit);
        let good = status & !rxd::MULTICAST == 0;
        (length <= LENGTH && (good || self.has(regs::ETH_CTRL2, ctrl2::BAD_FRAMES))).then_some(status)
    }
}
