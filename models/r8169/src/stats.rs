//! The tally counters, which the chip writes to memory when DTCCR asks for it.

use crate::chip::R8169;
use crate::regs::dtccr;

/// What is counted and can ever be but 0 here.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub(crate) tx_ok: u64,
    pub(crate) rx_ok: u64,
    pub(crate) tx_errors: u64,
    pub(crate) rx_errors: u32,
    pub(crate) missed: u16,
    pub(crate) rx_unicast: u64,
    pub(crate) rx_broadcast: u64,
    pub(crate) rx_multicast: u32,
    pub(crate) tx_aborts: u16,
}

impl Stats {
    /// As they lie in memory (datasheet, DTCCR). Alignment errors, collisions and underruns do not happen.
    fn bytes(&self) -> [u8; dtccr::SIZE] {
        let mut bytes = [0; dtccr::SIZE];
        let mut at = 0;
        let mut put = |field: &[u8]| {
            bytes[at..at + field.len()].copy_from_slice(field);
            at += field.len();
        };
        put(&self.tx_ok.to_le_bytes());
        put(&self.rx_ok.to_le_bytes());
        put(&self.tx_errors.to_le_bytes());
        put(&self.rx_errors.to_le_bytes());
        put(&self.missed.to_le_bytes());
        // FAE, 2 bytes; frames after one collision and after more, 4 bytes each.
        put(&[0; 2 + 4 + 4]);
        put(&self.rx_unicast.to_le_bytes());
        put(&self.rx_broadcast.to_le_bytes());
        put(&self.rx_multicast.to_le_bytes());
        put(&self.tx_aborts.to_le_bytes());
        bytes
    }
}

impl R8169 {
    /// Carries out DTCCR.Cmd as soon as the bus may be mastered.
    pub(crate) fn dump_counters(&mut self) {
        if self.dtccr as u32 & dtccr::CMD == 0 || !self.parts.may_master() {
            return;
        }
        self.dtccr &= !u64::from(dtccr::CMD);
        let bytes = self.stats.bytes();
        let address = self.dma_address(self.dtccr);
        if self.parts.dma_write(address, &bytes).is_err() {
            self.system_error();
        }
    }
}
