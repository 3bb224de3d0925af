//! What of a status only the demo of a network card looks at.

use serde::Deserialize;

use super::control;

pub(super) type Status = control::Status<Net>;

/// See the module's text.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Net {
    pub(super) mac: String,
    traffic: Traffic,
    chip: Option<Chip>,
}

/// Frames that did not get through.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Traffic {
    rx_dropped: u64,
    tx_dropped: u64,
}

/// What the chip counts.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Chip {
    rx_missed: u64,
}

impl Net {
    /// Frames that were dropped where no driver code was at work: the receive ring was full, or the other side's queue.
    pub(super) fn missed(&self) -> u64 {
        self.chip.map_or(0, |c| c.rx_missed) + self.traffic.rx_dropped + self.traffic.tx_dropped
    }
}
