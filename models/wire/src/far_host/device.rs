//! The far host's network card, as smoltcp wants it: frames out of the wire, frames into the wire.
//!
//! It does what a MAC does and smoltcp does not: drops runts and damaged frames, pads short frames to the
//! 60 bytes that Ethernet asks for (IEEE 802.3, 4.2.4.2.2 and 4.2.3.3).

use std::time::Instant as StdInstant;

use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

use crate::line::Line;
use crate::wire::{FarPort, Received};

/// Shortest frame without FCS, bytes.
const MIN_FRAME: usize = 60;
/// Longest frame without FCS, bytes: header 14, payload 1500.
const MAX_FRAME: usize = 1514;
/// Frames taken in one go before the stack may answer, so that a flood cannot keep it from answering.
const BATCH: u32 = 64;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct MacCounts {
    pub(super) frames_in: u64,
    pub(super) bytes_in: u64,
    pub(super) frames_out: u64,
    pub(super) bytes_out: u64,
    pub(super) runts: u64,
    pub(super) bad_fcs: u64,
    pub(super) too_long: u64,
}

pub(super) struct Mac {
    port: FarPort,
    rx: Vec<u8>,
    rx_full: bool,
    tx: Vec<u8>,
    batch: u32,
    line: Line,
    /// smoltcp was not asked for frames to send, as the line is busy.
    held_back: bool,
    pub(super) counts: MacCounts,
}

impl Mac {
    pub(super) fn new(port: FarPort, line_rate: Option<u64>) -> Self {
        let (rx, tx) = (Vec::with_capacity(MAX_FRAME), Vec::with_capacity(MAX_FRAME));
        let line = Line::new(line_rate);
        Self { port, rx, rx_full: false, tx, batch: 0, line, held_back: false, counts: MacCounts::default() }
    }

    /// Whether smoltcp may be asked for frames to send; if not, [`Mac::line_busy_until`] is when it may.
    pub(super) fn may_send(&mut self) -> bool {
        self.held_back = self.line.busy_until(StdInstant::now()).is_some();
        !self.held_back
    }

    /// When a frame that was held back may go.
    pub(super) fn line_busy_until(&self) -> Option<StdInstant> {
        self.held_back.then(|| self.line.busy_until(StdInstant::now()).unwrap_or_else(StdInstant::now))
    }

    /// Sleeps until there is a frame, the deadline has passed, the line is free or someone wakes us. A frame is kept
    /// for smoltcp.
    pub(super) fn wait(&mut self, deadline: Option<StdInstant>, line_free: Option<StdInstant>) {
        let deadline = deadline.into_iter().chain(line_free).min();
        self.batch = 0;
        self.held_back = false;
        if !self.rx_full
            && let Received::Frame { fcs_ok } = self.port.recv(&mut self.rx, deadline)
        {
            self.rx_full = self.judge(fcs_ok);
        }
    }

    /// Begins a new batch; true when the last one was cut short and frames may be waiting.
    pub(super) fn next_batch(&mut self) -> bool {
        std::mem::take(&mut self.batch) >= BATCH
    }

    fn judge(&mut self, fcs_ok: bool) -> bool {
        let len = self.rx.len();
        self.counts.frames_in += 1;
        self.counts.bytes_in += len as u64;
        let drop = if !fcs_ok {
            &mut self.counts.bad_fcs
        } else if len < MIN_FRAME {
            &mut self.counts.runts
        } else if len > MAX_FRAME {
            &mut self.counts.too_long
        } else {
            return true;
        };
        *drop += 1;
        false
    }
}

impl Device for Mac {
    type RxToken<'a> = Rx<'a>;
    type TxToken<'a> = Tx<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(Rx<'_>, Tx<'_>)> {
        if self.batch >= BATCH {
            return None;
        }
        while !self.rx_full {
            let Some(Received::Frame { fcs_ok }) = self.port.try_recv(&mut self.rx) else { return None };
            self.rx_full = self.judge(fcs_ok);
        }
        self.rx_full = false;
        self.batch += 1;
        // an answer is not held back, or a frame would have to be given back: see also [`Mac::may_send`]
        let Mac { port, tx, counts, line, .. } = self;
        Some((Rx(&self.rx), Tx { port, buffer: tx, counts, line }))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Tx<'_>> {
        // never refused: see [`Mac::may_send`]
        let Mac { port, tx, counts, line, .. } = self;
        Some(Tx { port, buffer: tx, counts, line })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut caps = DeviceCapabilities::default();
        caps.medium = Medium::Ethernet;
        caps.max_transmission_unit = MAX_FRAME;
        caps
    }
}

pub(super) struct Rx<'a>(&'a [u8]);

impl RxToken for Rx<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

pub(super) struct Tx<'a> {
    port: &'a FarPort,
    buffer: &'a mut Vec<u8>,
    counts: &'a mut MacCounts,
    line: &'a mut Line,
}

impl TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        self.buffer.clear();
        self.buffer.resize(len.max(MIN_FRAME), 0);
        let result = f(&mut self.buffer[..len]);
        self.counts.frames_out += 1;
        self.counts.bytes_out += self.buffer.len() as u64;
        self.line.occupy(StdInstant::now(), self.buffer.len());
        self.port.send(self.buffer);
        result
    }
}
