//! Counters of a wire, one set a direction.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What went over a wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WireStats {
    /// From the NIC to the far end.
    pub to_far: DirectionStats,
    /// From the far end to the NIC.
    pub to_nic: DirectionStats,
}

/// One direction of a wire. Frames and bytes are without FCS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DirectionStats {
    /// Frames that reached the other end (damaged ones included).
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Frames dropped because the queue was full.
    pub queue_full: u64,
    /// Frames dropped because the link was down.
    pub link_down: u64,
    /// Frames dropped because nothing is attached.
    pub nobody: u64,
    /// Frames that the fault injector lost.
    pub lost: u64,
    /// Frames with a bad FCS.
    pub corrupted: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    frames: AtomicU64,
    bytes: AtomicU64,
    queue_full: AtomicU64,
    link_down: AtomicU64,
    nobody: AtomicU64,
    lost: AtomicU64,
    corrupted: AtomicU64,
}

impl Counts {
    pub(crate) fn carried(&self, len: usize) {
        self.frames.fetch_add(1, Relaxed);
        self.bytes.fetch_add(len as u64, Relaxed);
    }

    pub(crate) fn queue_full(&self) {
        self.queue_full.fetch_add(1, Relaxed);
    }

    pub(crate) fn link_down(&self) {
        self.link_down.fetch_add(1, Relaxed);
    }

    pub(crate) fn nobody(&self) {
        self.nobody.fetch_add(1, Relaxed);
    }

    pub(crate) fn lost(&self) {
        self.lost.fetch_add(1, Relaxed);
    }

    pub(crate) fn corrupted(&self) {
        self.corrupted.fetch_add(1, Relaxed);
    }

    pub(crate) fn snapshot(&self) -> DirectionStats {
        DirectionStats {
            frames: self.frames.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            queue_full: self.queue_full.load(Relaxed),
            link_down: self.link_down.load(Relaxed),
            nobody: self.nobody.load(Relaxed),
            lost: self.lost.load(Relaxed),
            corrupted: self.corrupted.load(Relaxed),
        }
    }
}
