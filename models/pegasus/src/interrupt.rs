//! What endpoint 3 says: eight bytes of status (AN986 data sheet, endpoint 3).

use crate::chip::Chip;
use crate::regs::{self, ctrl2, wakeup};

/// Bytes of its packet.
pub(crate) const LENGTH: usize = 8;

impl Chip {
    /// Whether a poll is answered.
    pub(crate) fn has_interrupt(&self) -> bool {
        !self.trouble.on.interrupt_lost && (self.news || self.trouble.on.interrupt_storm)
    }

    /// The packet: five status registers, the link, and two bytes that mean nothing.
    pub(crate) fn interrupt_packet(&mut self) -> Vec<u8> {
        self.news = false;
        let [tx0, tx1, rx, high, low] = self.status();
        let link = if self.phy.link() { wakeup::LINK } else { 0 };
        if self.has(regs::ETH_CTRL2, ctrl2::EP3_CLEARS) {
            (self.tx_status, self.rx_status, self.rx_lost) = (0, 0, 0);
        }
        let mut packet = vec![tx0, tx1, rx, high, low, link, 0, 0];
        packet.truncate(self.trouble.on.interrupt_short.unwrap_or(LENGTH));
        packet
    }
}
