//! Register accesses as they reach the device, for who wants to see them: switched on and off from another thread.
//!
//! The device's thread never waits for who listens: what there is no room for is counted and dropped. While nobody listens an access
//! costs one look at a flag.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::SyncSender;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use udrv_driver::Entry;

/// An access that reached the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// When it had been made.
    pub at: SystemTime,
    /// Number of the call that it belongs to; 0: of none. See `FaultReport::transaction`.
    pub transaction: u64,
    /// The entry point of that call.
    pub entry: Option<Entry>,
    /// It writes.
    pub write: bool,
    /// The call has failed, and this puts back what was before it.
    pub undo: bool,
    /// Name in the driver's map.
    pub register: &'static str,
    /// Which of several of that name.
    pub element: u16,
    /// Offset as declared: bytes, and above them the page.
    pub offset: u16,
    /// Bytes.
    pub width: u8,
    /// What was read or written. `None`: the device or the bus has failed.
    pub value: Option<u32>,
}

/// A switch, and who listens.
#[derive(Debug, Default)]
pub struct Tracer {
    active: AtomicBool,
    dropped: AtomicU64,
    listener: Mutex<Option<SyncSender<Access>>>,
}

impl Tracer {
    /// Accesses go to `listener` from now on, as far as it has room.
    pub fn start(&self, listener: SyncSender<Access>) {
        *self.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(listener);
        self.dropped.store(0, Relaxed);
        self.active.store(true, Relaxed);
    }

    /// Nobody listens any more.
    pub fn stop(&self) {
        self.active.store(false, Relaxed);
        *self.listener.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Accesses for which there was no room, since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    #[inline]
    pub(crate) fn is_active(&self) -> bool {
        self.active.load(Relaxed)
    }

    #[cold]
    pub(crate) fn note(&self, access: Access) {
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        if listener.as_ref().is_some_and(|listener| listener.try_send(access).is_err()) {
            self.dropped.fetch_add(1, Relaxed);
        }
    }
}
