//! Transmission: two rings, high priority and normal (datasheet, TPPoll and transmit descriptors).
//!
//! ```text
//! TNPDS                 turn
//!    |  sent  |  sent  | OWN FS | OWN LS | not OWN: TDU, until TPPoll |        EOR |
//! ```
//!
//! A ring runs from a write of TPPoll until it meets a descriptor without OWN: having done one, the chip looks at the
//! next by itself. Running takes no time here, so it ends within the access that began it, unless it has to wait for
//! the transmitter or for bus mastering.

use model_card::dma::MasterAbort;

use crate::checksum::{ADDRESSES, TAG_TYPE};
use crate::chip::R8169;
use crate::mitigation::SENT;
use crate::offload::{self, LargeSend};
use crate::regs::{cr, desc, isr, tcr, tppoll, txd};
use crate::ring::Ring;

/// Shortest frame without CRC, to which the chip pads.
const SHORTEST: usize = 60;
/// Longest frame without CRC, and longest large send, bytes.
const LONGEST: usize = 8064;
const LONGEST_LARGE: usize = 0x1_0000;

/// One of the two rings.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    pub(crate) ring: Ring,
    /// It runs, or waits for what it needs to.
    pub(crate) running: bool,
    packet: Packet,
}

/// A frame that is being gathered.
#[derive(Debug, Default)]
struct Packet {
    bytes: Vec<u8>,
    /// Both words of its first descriptor, when there was one.
    first: Option<(u32, u32)>,
    too_long: bool,
}

impl Packet {
    fn begin(&mut self, first: Option<(u32, u32)>) {
        self.bytes.clear();
        self.first = first;
        self.too_long = false;
    }
}

impl Queue {
    /// From its first descriptor, not running.
    pub(crate) fn restart(&mut self) {
        self.ring.restart();
        self.running = false;
        self.packet.begin(None);
    }

    /// A master abort: nothing moves until it begins anew.
    fn stop(&mut self) {
        self.running = false;
        self.ring.stopped = true;
        self.packet.begin(None);
    }
}

/// Numbers of the rings; the high priority one is served first.
pub(crate) const HIGH: usize = 0;
pub(crate) const NORMAL: usize = 1;

impl R8169 {
    /// TPPoll as it can be read: what still waits.
    pub(crate) fn read_tppoll(&self) -> u8 {
        let bit = |queue: usize, bit| if self.tx[queue].running { bit } else { 0 };
        bit(HIGH, tppoll::HPQ) | bit(NORMAL, tppoll::NPQ)
    }

    pub(crate) fn write_tppoll(&mut self, value: u8) {
        self.tx[HIGH].running |= value & tppoll::HPQ != 0;
        self.tx[NORMAL].running |= value & tppoll::NPQ != 0;
        if value & tppoll::FSWINT != 0 {
            self.isr |= isr::SWINT;
        }
        self.run_transmitter();
    }

    /// Sends what can be sent.
    pub(crate) fn run_transmitter(&mut self) {
        for queue in [HIGH, NORMAL] {
            self.run(queue);
        }
    }

    /// Runs one ring; at most once around, whatever the memory says.
    fn run(&mut self, queue: usize) {
        for _ in 0..=desc::MOST {
            if !self.tx[queue].running || !self.enabled(cr::TE) || !self.parts.may_transmit() {
                return;
            }
            let on = &self.parts.trouble.on;
            let (silent, pauses) = (on.tx_silent, on.tx_never_done);
            match self.step(queue) {
                Ok(Step::Fragment) => {}
                Ok(Step::Done(cause)) => {
                    self.isr |= if silent { 0 } else { cause };
                    self.mitigation.note(SENT);
                    self.tx[queue].running = !pauses;
                }
                Ok(Step::Empty) => {
                    self.tx[queue].running = false;
                    self.isr |= if silent { 0 } else { isr::TDU };
                }
                Err(MasterAbort) => {
                    self.tx[queue].stop();
                    self.parts.counters.tx_aborts += 1;
                    self.system_error();
                }
            }
        }
        self.tx[queue].running = false;
    }

    /// Does the descriptor whose turn it is.
    fn step(&mut self, queue: usize) -> Result<Step, MasterAbort> {
        if self.tx[queue].ring.stopped {
            return Ok(Step::Empty);
        }
        let at = self.dma_address(self.tx[queue].ring.address());
        let mut raw = [0; desc::SIZE as usize];
        self.parts.dma_read(at, &mut raw)?;
        let [w0, w1, w2, w3, o0, o1, o2, o3, a @ ..] = raw;
        let word = u32::from_le_bytes([w0, w1, w2, w3]);
        let options = u32::from_le_bytes([o0, o1, o2, o3]);
        if word & desc::OWN == 0 {
            return Ok(Step::Empty);
        }
        if word & desc::FS != 0 {
            self.tx[queue].packet.begin(Some((word, options)));
        }
        let mut packet = std::mem::take(&mut self.tx[queue].packet);
        let gathered = self.gather(&mut packet, word, u64::from_le_bytes(a));
        let last = word & desc::LS != 0;
        let mut step = Step::Fragment;
        if gathered.is_ok() && last {
            step = Step::Done(self.finish(&mut packet));
        }
        self.tx[queue].packet = packet;
        gathered?;
        if !self.parts.trouble.on.tx_never_done {
            self.parts.dma_write(at, &(word & !desc::OWN).to_le_bytes())?;
        }
        self.tx[queue].ring.advance(word);
        Ok(step)
    }

    /// Puts a descriptor's buffer behind the packet. What has no beginning is passed over.
    fn gather(&mut self, packet: &mut Packet, word: u32, address: u64) -> Result<(), MasterAbort> {
        let Some((first, _)) = packet.first else { return Ok(()) };
        let (have, length) = (packet.bytes.len(), (word & txd::LENGTH) as usize);
        let longest = if first & txd::LGSEN != 0 { LONGEST_LARGE } else { LONGEST };
        if packet.too_long || have + length > longest {
            packet.too_long = true;
            return Ok(());
        }
        packet.bytes.resize(have + length, 0);
        let address = self.dma_address(address);
        self.parts.dma_read(address, &mut packet.bytes[have..])
    }

    /// Sends a packet that is whole: the cause to tell.
    fn finish(&mut self, packet: &mut Packet) -> u16 {
        let sent = match packet.first {
            Some((word, options)) if !packet.too_long && !packet.bytes.is_empty() => {
                self.send_packet(&mut packet.bytes, word, options)
            }
            _ => false,
        };
        packet.begin(None);
        if sent {
            isr::TOK
        } else {
            self.stats.tx_errors += 1;
            self.stats.tx_aborts = self.stats.tx_aborts.wrapping_add(1);
            self.parts.counters.tx_aborts += 1;
            isr::TER
        }
    }

    fn send_packet(&mut self, bytes: &mut Vec<u8>, word: u32, options: u32) -> bool {
        if word & txd::LGSEN == 0 {
            if !self.is_set_up_for(bytes.len()) {
                return false;
            }
            offload::insert(bytes, word);
            self.send(bytes, options);
            return true;
        }
        let Some(large) = LargeSend::find(bytes, word) else { return false };
        let mut frame = std::mem::take(&mut self.frame);
        for number in 0..large.count() {
            large.build(number, &mut frame);
            self.send(&mut frame, options);
        }
        self.frame = frame;
        true
    }

    /// Sends one frame: its tag, its padding.
    fn send(&mut self, frame: &mut Vec<u8>, options: u32) {
        if options & txd::TAGC != 0 && frame.len() >= ADDRESSES {
            let [c0, c1, ..] = options.to_le_bytes();
            let [t0, t1] = TAG_TYPE;
            frame.splice(ADDRESSES..ADDRESSES, [t0, t1, c0, c1]);
        }
        if frame.len() < SHORTEST {
            frame.resize(SHORTEST, 0);
        }
        self.stats.tx_ok += 1;
        if self.loops_back() {
            self.parts.counters.tx_loopback += 1;
            self.take_frame(frame, true);
        } else {
            self.parts.counters.tx_frames += 1;
            self.port.transmit(frame);
        }
    }

    /// Frames come back instead of going out: in the PHY or before it.
    pub(crate) const fn loops_back(&self) -> bool {
        self.tcr & tcr::LBK != 0 || self.phy.loops_back()
    }
}

/// What a descriptor came to.
enum Step {
    /// Not the chip's.
    Empty,
    /// A part of a packet.
    Fragment,
    /// The last of one: the cause to tell.
    Done(u16),
}
