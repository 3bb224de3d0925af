//! The device and the transfers that wait at it, each known by a key of the protocol's choice.
//!
//! The device can only cancel all transfers of an endpoint. To end one, all are ended and the others submitted again, in
//! their order; of a transfer that was under way, what has been transferred stays so.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};
use udrv_bus::{BusError, Completion, Setup, Transfer, TransferStatus, UsbDevice};

use crate::SessionError;

/// A transfer of the client that has ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended<K> {
    pub(crate) key: K,
    pub(crate) endpoint: u8,
    pub(crate) status: TransferStatus,
    /// Bytes that were transferred.
    pub(crate) length: usize,
    /// IN: these bytes.
    pub(crate) data: Vec<u8>,
}

#[derive(Debug)]
struct Waiting<K> {
    key: K,
    endpoint: u8,
    zero_packet: bool,
    /// What was transferred before others were cancelled: IN, the bytes; OUT, how many.
    before: Vec<u8>,
    sent: usize,
}

/// See the file's text.
pub(crate) struct Transfers<K> {
    device: Box<dyn UsbDevice>,
    event: OwnedFd,
    /// By token, which is also their order.
    waiting: BTreeMap<u64, Waiting<K>>,
    next: u64,
    ended: VecDeque<Ended<K>>,
    /// What the event has counted, less what was reaped: what is left when all is reaped is the device's leaving.
    counted: i64,
}

/// Whether the device is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Here,
    Gone,
}

const GET_STATUS: Setup = Setup { request_type: 0x80, request: 0, value: 0, index: 0 };

impl<K> Transfers<K> {
    pub(crate) fn new(mut device: Box<dyn UsbDevice>) -> Result<Self, SessionError> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let event = eventfd(0, flags).map_err(|errno| SessionError::io("eventfd", errno))?;
        device.set_event(event.as_fd())?;
        Ok(Self { device, event, waiting: BTreeMap::new(), next: 0, ended: VecDeque::new(), counted: 0 })
    }

    /// Becomes readable when there is something to [`Transfers::collect`].
    pub(crate) fn event(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }

    pub(crate) fn device(&mut self) -> &mut dyn UsbDevice {
        &mut *self.device
    }

    /// Submits one. What cannot be submitted is an error, and nothing waits.
    pub(crate) fn submit(&mut self, key: K, endpoint: u8, data: Vec<u8>, zero_packet: bool) -> Result<(), BusError> {
        self.start(Waiting { key, endpoint, zero_packet, before: Vec::new(), sent: 0 }, data)
            .map_err(|(_, error)| error)
    }

    fn start(&mut self, waiting: Waiting<K>, data: Vec<u8>) -> Result<(), (Waiting<K>, BusError)> {
        let token = self.next;
        let Waiting { endpoint, zero_packet, .. } = waiting;
        match self.device.submit(Transfer { endpoint, token, data, zero_packet }) {
            Ok(()) => {
                self.next += 1;
                self.waiting.insert(token, waiting);
                Ok(())
            }
            Err(error) => Err((waiting, error)),
        }
    }

    /// Ends the one with the key that `is` it. Whether it was still waiting: then nothing more will be heard of it.
    pub(crate) fn cancel(&mut self, is: impl Fn(&K) -> bool) -> Result<bool, BusError> {
        let Some((endpoint, _)) = self.find(&is) else { return Ok(false) };
        self.cancel_of(endpoint, is)
    }

    /// The same of those of one endpoint: all whose keys are such.
    pub(crate) fn cancel_of(&mut self, endpoint: u8, is: impl Fn(&K) -> bool) -> Result<bool, BusError> {
        self.device.cancel(endpoint)?;
        let (mut found, mut again) = (false, Vec::new());
        while let Some((waiting, completion)) = self.reap() {
            if completion.status != TransferStatus::Cancelled {
                self.end(waiting, completion);
            } else if waiting.endpoint == endpoint && is(&waiting.key) {
                found = true;
            } else {
                again.push((waiting, completion));
            }
        }
        for (mut waiting, Completion { mut data, length, .. }) in again {
            let rest = data.split_off(length);
            if waiting.endpoint & 0x80 != 0 {
                waiting.before.append(&mut data);
            } else {
                waiting.sent += length;
            }
            if let Err((waiting, error)) = self.start(waiting, rest) {
                let status =
                    if matches!(error, BusError::Gone { .. }) { TransferStatus::Gone } else { TransferStatus::Failed };
                let endpoint = waiting.endpoint;
                self.end(waiting, Completion { endpoint, token: 0, status, data: Vec::new(), length: 0 });
            }
        }
        Ok(found)
    }

    /// The first that waits with the key that `is` it: its endpoint and key.
    pub(crate) fn find(&self, is: impl Fn(&K) -> bool) -> Option<(u8, &K)> {
        self.waiting.values().find(|w| is(&w.key)).map(|w| (w.endpoint, &w.key))
    }

    /// Whether any waits at an endpoint.
    pub(crate) fn waits(&self, endpoint: u8) -> bool {
        self.waiting.values().any(|w| w.endpoint == endpoint)
    }

    /// The next completion of ours.
    fn reap(&mut self) -> Option<(Waiting<K>, Completion)> {
        loop {
            let completion = self.device.reap()?;
            self.counted -= 1;
            if let Some(waiting) = self.waiting.remove(&completion.token) {
                return Some((waiting, completion));
            }
        }
    }

    fn end(&mut self, waiting: Waiting<K>, completion: Completion) {
        let Waiting { key, endpoint, before: mut data, sent, .. } = waiting;
        let Completion { status, length, data: mut got, .. } = completion;
        let mut length = length.min(got.len());
        if endpoint & 0x80 != 0 {
            got.truncate(length);
            if data.is_empty() {
                data = got;
            } else {
                data.append(&mut got);
            }
            length = data.len();
        } else {
            length += sent;
        }
        self.ended.push_back(Ended { key, endpoint, status, length, data });
    }

    /// Looks what has ended, after the event. [`Transfers::take`] has it then.
    pub(crate) fn collect(&mut self) -> Result<Presence, SessionError> {
        let mut count = [0; 8];
        match rustix::io::read(&self.event, &mut count) {
            Ok(_) => self.counted += i64::from_ne_bytes(count),
            Err(rustix::io::Errno::AGAIN) => {}
            Err(errno) => return Err(SessionError::io("reading the eventfd", errno)),
        }
        while let Some((waiting, completion)) = self.reap() {
            self.end(waiting, completion);
        }
        if self.counted <= 0 && self.ended.iter().all(|ended| ended.status != TransferStatus::Gone) {
            return Ok(Presence::Here);
        }
        // Something was counted and cannot be reaped, or says that it has gone: the device is asked.
        self.counted = 0;
        Ok(self.presence())
    }

    /// After the device has gone: ends all that still wait, which may not have been told of it yet.
    pub(crate) fn finish(&mut self) {
        let endpoints: BTreeSet<u8> = self.waiting.values().map(|waiting| waiting.endpoint).collect();
        for endpoint in endpoints {
            if let Err(error) = self.device.cancel(endpoint) {
                tracing::debug!(endpoint, %error, "cancelling");
            }
        }
        while let Some((waiting, mut completion)) = self.reap() {
            if completion.status == TransferStatus::Cancelled {
                completion.status = TransferStatus::Gone;
            }
            self.end(waiting, completion);
        }
    }

    /// Asks the device whether it is there.
    pub(crate) fn presence(&mut self) -> Presence {
        match self.device.control_in(GET_STATUS, &mut [0; 2]) {
            Err(BusError::Gone { .. }) => Presence::Gone,
            _ => Presence::Here,
        }
    }

    /// The next one that has ended.
    pub(crate) fn take(&mut self) -> Option<Ended<K>> {
        self.ended.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use udrv_bus::{EndpointInfo, UsbId};

    use super::*;

    /// Transfers wait until they are cancelled, and then three bytes of the first one have come.
    #[derive(Default)]
    struct Slow {
        waiting: Vec<Transfer>,
        ended: VecDeque<Completion>,
        /// What was submitted: bytes of each.
        submitted: Arc<Mutex<Vec<Vec<u8>>>>,
        event: Option<OwnedFd>,
    }

    const MOVED: usize = 3;
    /// Written where the device notes what was submitted: it has left.
    const LEAVES: &[u8] = b"leaves";

    impl Slow {
        fn has_left(&self) -> bool {
            self.submitted.lock().unwrap().iter().any(|data| data == LEAVES)
        }

        fn finish(&mut self, transfer: Transfer, status: TransferStatus, length: usize) {
            let Transfer { endpoint, token, mut data, .. } = transfer;
            if endpoint & 0x80 != 0 {
                data[..length].fill(0xab);
            }
            self.ended.push_back(Completion { endpoint, token, status, data, length });
            rustix::io::write(self.event.as_ref().unwrap(), &1u64.to_ne_bytes()).unwrap();
        }
    }

    impl UsbDevice for Slow {
        fn name(&self) -> String {
            "slow".into()
        }
        fn id(&self) -> UsbId {
            UsbId { vendor: 0, product: 0 }
        }
        fn endpoints(&self) -> &[EndpointInfo] {
            &[]
        }
        fn control_in(&mut self, _: Setup, _: &mut [u8]) -> Result<usize, BusError> {
            if self.has_left() { Err(BusError::Gone { operation: "asking" }) } else { Ok(0) }
        }
        fn control_out(&mut self, _: Setup, _: &[u8]) -> Result<(), BusError> {
            Ok(())
        }
        fn submit(&mut self, transfer: Transfer) -> Result<(), BusError> {
            if self.has_left() {
                return Err(BusError::Gone { operation: "submitting" });
            }
            self.submitted.lock().unwrap().push(transfer.data.clone());
            match transfer.data.len() {
                // Of no bytes: done at once.
                0 => self.finish(transfer, TransferStatus::Done, 0),
                _ => self.waiting.push(transfer),
            }
            Ok(())
        }
        fn reap(&mut self) -> Option<Completion> {
            self.ended.pop_front()
        }
        fn cancel(&mut self, endpoint: u8) -> Result<(), BusError> {
            let mut moved = MOVED;
            for transfer in std::mem::take(&mut self.waiting) {
                if transfer.endpoint == endpoint {
                    self.finish(transfer, TransferStatus::Cancelled, std::mem::take(&mut moved));
                } else {
                    self.waiting.push(transfer);
                }
            }
            Ok(())
        }
        fn clear_halt(&mut self, _: u8) -> Result<(), BusError> {
            Ok(())
        }
        fn set_event(&mut self, event: BorrowedFd<'_>) -> Result<(), BusError> {
            self.event = Some(event.try_clone_to_owned().unwrap());
            Ok(())
        }
        fn reset(&mut self) -> Result<(), BusError> {
            self.cancel(0x81)
        }
    }

    type Submitted = Arc<Mutex<Vec<Vec<u8>>>>;

    fn slow() -> (Transfers<u32>, Submitted) {
        let device = Slow::default();
        let submitted = device.submitted.clone();
        (Transfers::new(Box::new(device)).unwrap(), submitted)
    }

    #[test]
    fn one_is_cancelled_and_the_others_go_on_where_they_were() {
        let (mut transfers, submitted) = slow();
        transfers.submit(1, 0x02, vec![1, 2, 3, 4, 5], true).unwrap();
        transfers.submit(2, 0x02, vec![6, 7], false).unwrap();
        transfers.submit(3, 0x02, vec![8, 9], false).unwrap();
        transfers.submit(4, 0x81, vec![0; 10], false).unwrap();
        submitted.lock().unwrap().clear();
        assert!(transfers.cancel(|key| *key == 2).unwrap());
        assert!(!transfers.cancel(|key| *key == 2).unwrap());
        assert_eq!(*submitted.lock().unwrap(), [vec![4, 5], vec![8, 9]], "in order, without what has gone");
        assert!(transfers.take().is_none());
        // An end of the first tells all of its bytes.
        let (waiting, completion) = {
            transfers.device().cancel(0x02).unwrap();
            transfers.reap().unwrap()
        };
        assert_eq!(waiting.sent, MOVED);
        transfers.end(waiting, Completion { status: TransferStatus::Done, length: 2, ..completion });
        let ended = transfers.take().unwrap();
        assert_eq!((ended.key, ended.length, ended.data), (1, 5, Vec::new()));
    }

    #[test]
    fn what_was_received_before_others_were_cancelled_is_not_lost() {
        let (mut transfers, submitted) = slow();
        transfers.submit(1, 0x81, vec![0; 10], false).unwrap();
        transfers.submit(2, 0x81, vec![0; 10], false).unwrap();
        assert!(transfers.cancel(|key| *key == 2).unwrap());
        assert_eq!(submitted.lock().unwrap()[2].len(), 10 - MOVED);
        transfers.device().cancel(0x81).unwrap();
        assert_eq!(transfers.collect().unwrap(), Presence::Here);
        let ended = transfers.take().unwrap();
        assert_eq!((ended.key, ended.status, ended.length), (1, TransferStatus::Cancelled, 2 * MOVED));
        assert_eq!(ended.data, [0xab; 2 * MOVED]);
    }

    #[test]
    fn what_had_ended_is_told_and_not_cancelled() {
        let (mut transfers, _) = slow();
        transfers.submit(1, 0x02, Vec::new(), false).unwrap();
        assert!(!transfers.cancel(|key| *key == 1).unwrap());
        assert_eq!(transfers.take().unwrap().status, TransferStatus::Done);
        assert_eq!(transfers.collect().unwrap(), Presence::Here);
    }

    #[test]
    fn what_cannot_go_on_ends_as_gone_and_the_device_is_asked() {
        let (mut transfers, submitted) = slow();
        transfers.submit(1, 0x02, vec![1; 5], false).unwrap();
        transfers.submit(2, 0x02, vec![1; 5], false).unwrap();
        // It takes no third one.
        submitted.lock().unwrap().push(LEAVES.to_vec());
        assert!(transfers.cancel(|key| *key == 1).unwrap());
        let ended = transfers.take().unwrap();
        assert_eq!((ended.key, ended.status, ended.length), (2, TransferStatus::Gone, 0));
        assert_eq!(transfers.presence(), Presence::Gone);
    }

    /// The event may come when only some have ended.
    #[test]
    fn nothing_waits_any_more_after_the_device_has_gone() {
        let (mut transfers, submitted) = slow();
        transfers.submit(1, 0x02, vec![1; 5], false).unwrap();
        transfers.submit(2, 0x81, vec![1; 5], false).unwrap();
        transfers.submit(3, 0x81, vec![1; 5], false).unwrap();
        transfers.device().cancel(0x02).unwrap();
        submitted.lock().unwrap().push(LEAVES.to_vec());
        assert_eq!(transfers.presence(), Presence::Gone);
        transfers.finish();
        let ended: Vec<_> = std::iter::from_fn(|| transfers.take()).map(|e| (e.key, e.status)).collect();
        assert_eq!(ended, [1, 2, 3].map(|key| (key, TransferStatus::Gone)));
        assert!(!transfers.waits(0x81));
    }
}
