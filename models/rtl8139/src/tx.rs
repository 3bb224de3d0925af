//! Transmission: four slots, served in turn (datasheet, TSD and TSAD).
//!
//! A slot waits from the write of TSD with OWN clear until its turn has come, the transmitter is on and the bus may
//! be mastered; then it is sent at once. Frames go out as they are: the chip does not pad, so a runt on the wire is
//! the driver's mistake.

use crate::chip::Rtl8139;
use crate::regs::{cr, isr, tcr, tsd};

/// Longest frame that a slot can send, bytes without CRC (TSD, SIZE).
const LONGEST: usize = 1792;

#[derive(Debug)]
pub(crate) struct Transmitter {
    pub(crate) tsd: [u32; 4],
    pub(crate) tsad: [u32; 4],
    /// The slot that is next.
    current: usize,
    /// The current slot was aborted: nothing moves before TCR.CLRABT or a reset.
    aborted: bool,
    buffer: Vec<u8>,
}

impl Transmitter {
    pub(crate) fn new() -> Self {
        Self { tsd: [tsd::OWN; 4], tsad: [0; 4], current: 0, aborted: false, buffer: Vec::with_capacity(LONGEST) }
    }

    pub(crate) fn reset(&mut self) {
        self.tsd = [tsd::OWN; 4];
        self.tsad = [0; 4];
        self.current = 0;
        self.aborted = false;
    }

    /// TSAD at 0x60: TOK, TUN, TABT and OWN of the four slots, four bits each from the top.
    pub(crate) fn summary(&self) -> u16 {
        let bits = |flag: u32| (0..4).fold(0, |all, i| all | u16::from(self.tsd[i] & flag != 0) << i);
        bits(tsd::TOK) << 12 | bits(tsd::TUN) << 8 | bits(tsd::TABT) << 4 | bits(tsd::OWN)
    }
}

/// Why a slot was aborted.
enum Abort {
    TooLong,
    Bus,
}

impl Rtl8139 {
    pub(crate) fn write_tsd(&mut self, slot: usize, value: u32) {
        self.tx.tsd[slot] = value & (tsd::ERTXTH | tsd::OWN | tsd::SIZE);
        self.run_transmitter();
    }

    /// TCR.CLRABT: the aborted slot is sent again, as it now is.
    pub(crate) fn clear_abort(&mut self) {
        if std::mem::take(&mut self.tx.aborted) {
            self.tx.tsd[self.tx.current] &= tsd::ERTXTH | tsd::SIZE;
            self.run_transmitter();
        }
    }

    /// Sends what can be sent.
    pub(crate) fn run_transmitter(&mut self) {
        while self.enabled(cr::TE)
            && self.parts.may_transmit()
            && !self.tx.aborted
            && self.tx.tsd[self.tx.current] & tsd::OWN == 0
        {
            // The buffer is taken out so that loopback can hand it to the receiver.
            let mut buffer = std::mem::take(&mut self.tx.buffer);
            let slot = self.tx.current;
            match self.send(slot, &mut buffer) {
                Ok(flags) => {
                    self.tx.tsd[slot] |= tsd::OWN | tsd::TOK | flags;
                    if !self.parts.trouble.on.tx_silent {
                        self.isr |= isr::TOK;
                    }
                    self.tx.current = (slot + 1) % 4;
                }
                Err(abort) => {
                    self.tx.tsd[slot] |= tsd::OWN | tsd::TABT;
                    self.isr |= isr::TER;
                    self.tx.aborted = true;
                    self.parts.counters.tx_aborts += 1;
                    if matches!(abort, Abort::Bus) {
                        self.master_abort();
                    }
                }
            }
            self.tx.buffer = buffer;
        }
    }

    /// Sends one slot; bits of TSD to set.
    fn send(&mut self, slot: usize, buffer: &mut Vec<u8>) -> Result<u32, Abort> {
        let len = (self.tx.tsd[slot] & tsd::SIZE) as usize;
        if len > LONGEST {
            return Err(Abort::TooLong);
        }
        // Grows once to the longest and then only moves its end.
        buffer.resize(len, 0);
        let address = self.parts.bus_address(self.tx.tsad[slot].into());
        self.parts.dma.read(address, buffer).map_err(|_| Abort::Bus)?;
        self.parts.counters.dma_read_bytes += len as u64;
        if self.tcr & tcr::LBK == tcr::LBK {
            self.parts.counters.tx_loopback += 1;
            self.take_frame(buffer, true);
            return Ok(0);
        }
        if len != 0 {
            self.port.transmit(buffer);
            self.parts.counters.tx_frames += 1;
        }
        Ok(if self.phy.link() { 0 } else { tsd::CRS })
    }
}
