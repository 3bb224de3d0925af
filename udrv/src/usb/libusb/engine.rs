//! Submit, reap, cancel: who owns the memory of a transfer, and until when.
//!
//! ```text
//!   submit --> flights (memory, here) --> libusb ... its end --> queue.rs --> reap: the memory goes back to the caller
//! ```
//!
//! A flight is owned here from submit to reap; the other thread only says that it has ended. What carries it is a
//! [`Carrier`]: libusb, or a test's own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::warn;
use udrv_bus::{BusError, Completion, Transfer, TransferStatus};

use super::queue::Queue;

/// How long transfers may take to end once they are cancelled. A host controller does it within a frame or two of a
/// millisecond each; an emulated one on a busy machine has been seen to take tens. Not in it is what the kernel waits for
/// within the system call that cancels, which is its host controller driver's to bound.
pub(super) const CANCEL_TIMEOUT: Duration = Duration::from_secs(2);

/// What carries transfers to the device.
pub(super) trait Carrier {
    /// A transfer that was taken. Dropped before its end, it keeps its memory for ever rather than freeing it.
    type Flight;

    /// Takes a transfer, which ends with one [`Queue::end`] of `serial`, on any thread and maybe before this returns. On
    /// `Err` none will come.
    fn start(&mut self, transfer: Transfer, serial: u64, queue: &Arc<Queue>) -> Result<Self::Flight, BusError>;

    /// Has it end soon, if it has not ended yet.
    fn cancel(&mut self, flight: &mut Self::Flight);

    /// The memory of a flight that has ended.
    fn land(&mut self, flight: Self::Flight) -> Vec<u8>;

    /// Whether the device is there, as the kernel says now.
    fn is_present(&self) -> bool;
}

/// Transfers of one device.
pub(super) struct Engine<C: Carrier> {
    carrier: C,
    queue: Arc<Queue>,
    flights: HashMap<u64, Flying<C::Flight>>,
    next_serial: u64,
    cancel_timeout: Duration,
}

struct Flying<F> {
    endpoint: u8,
    token: u64,
    flight: F,
}

impl<C: Carrier> Engine<C> {
    /// An engine without transfers. Cancelled ones have `cancel_timeout` to end.
    pub(super) fn new(carrier: C, queue: Arc<Queue>, cancel_timeout: Duration) -> Self {
        Engine { carrier, queue, flights: HashMap::new(), next_serial: 0, cancel_timeout }
    }

    /// Queues a transfer. On `Err` its memory is free again and nothing of it comes back.
    pub(super) fn submit(&mut self, transfer: Transfer) -> Result<(), BusError> {
        let (endpoint, token) = (transfer.endpoint, transfer.token);
        let serial = self.next_serial;
        self.next_serial += 1;
        self.queue.begin(serial, endpoint);
        match self.carrier.start(transfer, serial, &self.queue) {
            Ok(flight) => {
                self.flights.insert(serial, Flying { endpoint, token, flight });
                Ok(())
            }
            Err(error) => {
                self.queue.abandon(serial);
                Err(error)
            }
        }
    }

    /// The next transfer that has ended.
    pub(super) fn reap(&mut self) -> Option<Completion> {
        loop {
            let ended = self.queue.next_ended()?;
            let Some(Flying { endpoint, token, flight }) = self.flights.remove(&ended.serial) else {
                debug_assert!(false, "an end of no transfer");
                continue;
            };
            let data = self.carrier.land(flight);
            let length = ended.length.min(data.len());
            let status = self.checked(ended.status, endpoint, data.len(), length);
            return Some(Completion { endpoint, token, status, data, length });
        }
    }

    /// The kernel can end transfers as if they had been cancelled when it takes the interface away (`ENOENT`). libusb, which
    /// has cancelled none, says then that they were done, with the bytes that there were so far: none, or too few to have
    /// been sent.
    fn checked(&self, status: TransferStatus, endpoint: u8, wanted: usize, length: usize) -> TransferStatus {
        let is_in = endpoint & 0x80 != 0;
        let suspicious = if is_in { length == 0 && wanted > 0 } else { length < wanted };
        if status != TransferStatus::Done || !suspicious {
            status
        } else if !self.carrier.is_present() {
            self.queue.leave();
            TransferStatus::Gone
        } else if is_in {
            TransferStatus::Done // an empty packet
        } else {
            TransferStatus::Failed
        }
    }

    /// Whether transfers of an endpoint are under way.
    pub(super) fn is_busy(&self, endpoint: u8) -> bool {
        !self.queue.pending(Some(endpoint)).is_empty()
    }

    /// Ends all transfers of an endpoint, or of all, and waits until they have. They are reaped in the order in which they were
    /// submitted.
    pub(super) fn cancel(&mut self, endpoint: Option<u8>) -> Result<(), BusError> {
        // The last one first: while the others end the device gets no further than the one that it is at.
        for serial in self.queue.pending(endpoint).into_iter().rev() {
            if let Some(flying) = self.flights.get_mut(&serial) {
                self.carrier.cancel(&mut flying.flight);
            }
        }
        let ended = self.queue.wait_until_none(endpoint, Instant::now() + self.cancel_timeout);
        self.queue.put_in_order();
        if ended {
            return Ok(());
        }
        let which = endpoint.map_or("all endpoints".to_owned(), |endpoint| format!("endpoint {endpoint:#04x}"));
        let operation = format!("cancelling the transfers of {which}");
        Err(BusError::Timeout { operation, milliseconds: self.cancel_timeout.as_millis() as u64 })
    }
}

impl<C: Carrier> Drop for Engine<C> {
    /// Transfers that do not end keep their memory.
    fn drop(&mut self) {
        if let Err(error) = self.cancel(None) {
            warn!(%error, transfers = self.queue.pending(None).len(), "closing: their memory is lost");
        }
        while self.reap().is_some() {}
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
