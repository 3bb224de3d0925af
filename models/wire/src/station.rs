//! A far end that does what a test tells it: sends given frames, keeps what comes.
//!
//! It has no protocol and no thread; for a host that answers see [`crate::FarHost`].

use std::time::{Duration, Instant};

use crate::wire::{FarPort, Received};

/// A frame as a [`Station`] got it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StationFrame {
    /// From the destination address to the end of the payload, as the NIC sent it: not padded, no FCS.
    pub data: Vec<u8>,
    /// False when it was damaged on the way.
    pub fcs_ok: bool,
}

/// A scriptable far end.
pub struct Station {
    port: FarPort,
}

impl Station {
    /// Takes over the far end of a wire.
    #[must_use]
    pub fn new(port: FarPort) -> Self {
        Self { port }
    }

    /// Sends one frame into the NIC, as it is, on this thread.
    pub fn inject(&self, frame: &[u8]) {
        self.port.send(frame);
    }

    /// Sends one frame whose FCS is wrong.
    pub fn inject_bad_fcs(&self, frame: &[u8]) {
        self.port.send_bad_fcs(frame);
    }

    /// The next frame, waiting for it no longer than `patience`.
    #[must_use]
    pub fn receive(&self, patience: Duration) -> Option<StationFrame> {
        let mut data = Vec::new();
        let fcs_ok = self.receive_into(&mut data, patience)?;
        Some(StationFrame { data, fcs_ok })
    }

    /// As [`Station::receive`]: `into` becomes the frame and its old buffer goes back to the wire, so that a steady
    /// stream allocates nothing. Gives whether the FCS is right.
    #[must_use]
    pub fn receive_into(&self, into: &mut Vec<u8>, patience: Duration) -> Option<bool> {
        let deadline = Instant::now() + patience;
        loop {
            match self.port.recv(into, Some(deadline)) {
                Received::Frame { fcs_ok } => return Some(fcs_ok),
                Received::TimedOut => return None,
                Received::Woken => {}
            }
        }
    }

    /// Everything that has arrived and was not yet taken, oldest first.
    #[must_use]
    pub fn drain(&self) -> Vec<StationFrame> {
        self.receive_many(usize::MAX, Duration::ZERO)
    }

    /// Up to `count` frames, waiting for the last of them no longer than `patience` in all.
    #[must_use]
    pub fn receive_many(&self, count: usize, patience: Duration) -> Vec<StationFrame> {
        let deadline = Instant::now() + patience;
        let mut frames = Vec::new();
        while frames.len() < count
            && let Some(frame) = self.receive(deadline.saturating_duration_since(Instant::now()))
        {
            frames.push(frame);
        }
        frames
    }
}
