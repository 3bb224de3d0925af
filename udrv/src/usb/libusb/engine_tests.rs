//! The engine over a carrier that does what a test says, where a bus would do what it likes.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::eventfd::{EfdFlags, EventFd};
use udrv_bus::{BusError, Completion, Transfer, TransferStatus};

use super::{Carrier, Engine};
use crate::event::Event;
use crate::usb::libusb::queue::{Ended, Queue};

/// What the carrier does with a transfer that it is told to cancel.
enum OnCancel {
    /// Nothing: it never ends.
    Nothing,
    /// Gives it to a thread.
    Send(Sender<u64>),
}

/// What became of flights, after the carrier is gone too.
#[derive(Default)]
struct Fate {
    cancelled: Mutex<Vec<u64>>,
    landed: AtomicUsize,
    /// Dropped without having landed.
    lost: AtomicUsize,
}

struct Fake {
    on_cancel: OnCancel,
    refuse: bool,
    /// Ends transfers before `start` returns.
    at_once: bool,
    absent: bool,
    fate: Arc<Fate>,
}

struct FakeFlight {
    serial: u64,
    data: Option<Vec<u8>>,
    fate: Arc<Fate>,
}

impl Drop for FakeFlight {
    fn drop(&mut self) {
        if self.data.is_some() {
            self.fate.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Carrier for Fake {
    type Flight = FakeFlight;

    fn start(&mut self, transfer: Transfer, serial: u64, queue: &Arc<Queue>) -> Result<FakeFlight, BusError> {
        if self.refuse {
            return Err(BusError::Unsupported("a test"));
        }
        if self.at_once {
            queue.end(Ended { serial, status: TransferStatus::Done, length: transfer.data.len() });
        }
        Ok(FakeFlight { serial, data: Some(transfer.data), fate: self.fate.clone() })
    }

    fn cancel(&mut self, flight: &mut FakeFlight) {
        self.fate.cancelled.lock().unwrap().push(flight.serial);
        if let OnCancel::Send(to) = &self.on_cancel {
            to.send(flight.serial).unwrap();
        }
    }

    fn land(&mut self, mut flight: FakeFlight) -> Vec<u8> {
        self.fate.landed.fetch_add(1, Ordering::Relaxed);
        flight.data.take().unwrap()
    }

    fn is_present(&self) -> bool {
        !self.absent
    }
}

struct Rig {
    engine: Engine<Fake>,
    queue: Arc<Queue>,
    event: EventFd,
    fate: Arc<Fate>,
}

/// Time that nothing in a test should need.
const LONG: Duration = Duration::from_secs(60);

fn rig(on_cancel: OnCancel, cancel_timeout: Duration) -> Rig {
    let (queue, fate) = (Arc::new(Queue::default()), Arc::new(Fate::default()));
    let carrier = Fake { on_cancel, refuse: false, at_once: false, absent: false, fate: fate.clone() };
    let event = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK).unwrap();
    queue.set_event(Event::of(event.as_fd()).unwrap());
    Rig { engine: Engine::new(carrier, queue.clone(), cancel_timeout), queue, event, fate }
}

/// A thread that ends each transfer that it is sent.
fn ender(queue: &Arc<Queue>, from: Receiver<u64>) -> JoinHandle<()> {
    let queue = queue.clone();
    std::thread::spawn(move || {
        for serial in from {
            queue.end(Ended { serial, status: TransferStatus::Cancelled, length: 0 });
        }
    })
}

fn rig_with_ender() -> (Rig, JoinHandle<()>) {
    let (to, from) = channel();
    let rig = rig(OnCancel::Send(to), LONG);
    let ender = ender(&rig.queue, from);
    (rig, ender)
}

fn transfer(endpoint: u8, token: u64, data: &[u8]) -> Transfer {
    Transfer { endpoint, token, data: data.to_vec(), zero_packet: false }
}

impl Rig {
    fn submit(&mut self, endpoint: u8, tokens: std::ops::Range<u64>) {
        for token in tokens {
            self.engine.submit(transfer(endpoint, token, &[0; 64])).unwrap();
        }
    }

    fn end(&self, serial: u64, status: TransferStatus, length: usize) {
        self.queue.end(Ended { serial, status, length });
    }

    fn reaped(&mut self) -> Vec<Completion> {
        std::iter::from_fn(|| self.engine.reap()).collect()
    }

    /// What was added since the last call.
    fn events(&self) -> u64 {
        self.event.read().unwrap_or(0)
    }
}

fn tokens(ended: &[Completion]) -> Vec<u64> {
    ended.iter().map(|c| c.token).collect()
}

#[test]
fn transfers_come_back_as_they_end_with_their_own_memory() {
    let mut rig = rig(OnCancel::Nothing, LONG);
    rig.engine.submit(transfer(0x02, 70, b"out")).unwrap();
    rig.engine.submit(transfer(0x81, 71, &[0; 64])).unwrap();
    assert!(rig.engine.reap().is_none() && rig.events() == 0);
    rig.end(1, TransferStatus::Done, 60);
    rig.end(0, TransferStatus::Stalled, 1);
    assert_eq!(rig.events(), 2);
    let ended = rig.reaped();
    assert_eq!(tokens(&ended), [71, 70]);
    assert_eq!((ended[0].endpoint, ended[0].length, ended[0].data.len()), (0x81, 60, 64));
    assert_eq!((ended[1].endpoint, ended[1].status, &*ended[1].data), (0x02, TransferStatus::Stalled, &b"out"[..]));
    assert!(rig.engine.reap().is_none() && !rig.engine.is_busy(0x81));
}

#[test]
fn more_bytes_than_there_is_room_for_are_not_believed() {
    let mut rig = rig(OnCancel::Nothing, LONG);
    rig.submit(0x81, 0..1);
    rig.end(0, TransferStatus::Overflow, 1000);
    assert_eq!(rig.engine.reap().unwrap().length, 64);
}

#[test]
fn a_transfer_may_end_before_its_submit_returns() {
    let mut rig = rig(OnCancel::Nothing, LONG);
    rig.engine.carrier.at_once = true;
    rig.submit(0x81, 0..3);
    assert_eq!(rig.events(), 3);
    rig.engine.cancel(Some(0x81)).unwrap();
    assert_eq!(tokens(&rig.reaped()), [0, 1, 2]);
    assert!(rig.fate.cancelled.lock().unwrap().is_empty(), "there was nothing to cancel");
}

#[test]
fn a_refused_submit_leaves_nothing() {
    let mut rig = rig(OnCancel::Nothing, Duration::ZERO);
    rig.engine.carrier.refuse = true;
    assert!(matches!(rig.engine.submit(transfer(0x81, 0, &[0; 64])), Err(BusError::Unsupported(_))));
    assert!(!rig.engine.is_busy(0x81) && rig.engine.reap().is_none() && rig.events() == 0);
    rig.engine.cancel(Some(0x81)).unwrap(); // would time out at once if it were under way
    rig.engine.carrier.refuse = false;
    rig.submit(0x81, 5..6);
    rig.end(1, TransferStatus::Done, 0);
    assert_eq!(tokens(&rig.reaped()), [5]);
}

#[test]
fn cancel_returns_when_the_last_transfer_has_ended_and_no_sooner() {
    let (to, from) = channel();
    let mut rig = rig(OnCancel::Send(to), LONG);
    rig.submit(0x81, 0..4);
    let all_ended = Arc::new(AtomicBool::new(false));
    let (queue, flag) = (rig.queue.clone(), all_ended.clone());
    let thread = std::thread::spawn(move || {
        let serials: Vec<u64> = (0..4).map(|_| from.recv().unwrap()).collect();
        for (index, serial) in serials.into_iter().enumerate() {
            flag.store(index == 3, Ordering::SeqCst);
            queue.end(Ended { serial, status: TransferStatus::Cancelled, length: 0 });
        }
    });
    rig.engine.cancel(Some(0x81)).unwrap();
    assert!(all_ended.load(Ordering::SeqCst), "cancel returned while a transfer was under way");
    assert!(!rig.engine.is_busy(0x81));
    thread.join().unwrap();
}

#[test]
fn cancel_takes_the_last_first_and_gives_them_back_in_order() {
    let (mut rig, ender) = rig_with_ender();
    rig.submit(0x02, 100..101);
    rig.submit(0x81, 0..5);
    rig.end(1, TransferStatus::Done, 9); // ended before: keeps its status
    rig.engine.cancel(Some(0x81)).unwrap();
    assert_eq!(*rig.fate.cancelled.lock().unwrap(), [5, 4, 3, 2]);
    assert_eq!(rig.events(), 5);
    let ended = rig.reaped();
    assert_eq!(tokens(&ended), [0, 1, 2, 3, 4]);
    assert_eq!((ended[0].status, ended[0].length), (TransferStatus::Done, 9));
    assert!(ended[1..].iter().all(|c| c.status == TransferStatus::Cancelled));
    assert!(rig.engine.is_busy(0x02), "the other endpoint goes on");
    drop(rig);
    ender.join().unwrap();
}

#[test]
fn order_is_that_of_each_endpoint_and_what_ended_first_stays_first() {
    let mut rig = rig(OnCancel::Nothing, Duration::ZERO);
    rig.submit(0x81, 0..2);
    rig.submit(0x02, 10..12);
    for serial in [2, 1, 3, 0] {
        rig.end(serial, TransferStatus::Done, 0);
    }
    rig.engine.cancel(None).unwrap();
    assert_eq!(tokens(&rig.reaped()), [10, 0, 11, 1]);
}

#[test]
fn a_transfer_that_does_not_end_is_told_at_the_deadline_and_can_still_end() {
    let mut rig = rig(OnCancel::Nothing, Duration::from_millis(20));
    rig.submit(0x81, 0..2);
    rig.end(1, TransferStatus::Cancelled, 0);
    let error = rig.engine.cancel(Some(0x81)).unwrap_err();
    assert!(
        matches!(&error, BusError::Timeout { milliseconds: 20, .. }) && error.to_string().contains("0x81"),
        "{error}"
    );
    assert!(rig.engine.is_busy(0x81));
    assert_eq!(tokens(&rig.reaped()), [1], "the other one is not held up");
    rig.end(0, TransferStatus::Cancelled, 0);
    assert_eq!(tokens(&rig.reaped()), [0]);
}

#[test]
fn drop_ends_what_is_under_way_and_frees_it() {
    let (mut rig, ender) = rig_with_ender();
    rig.submit(0x81, 0..3);
    rig.submit(0x02, 3..4);
    rig.end(0, TransferStatus::Done, 1); // not reaped
    let fate = rig.fate.clone();
    drop(rig);
    ender.join().unwrap();
    assert_eq!((fate.landed.load(Ordering::Relaxed), fate.lost.load(Ordering::Relaxed)), (4, 0));
}

#[test]
fn drop_gives_up_on_what_never_ends_and_frees_the_rest() {
    let mut rig = rig(OnCancel::Nothing, Duration::from_millis(20));
    rig.submit(0x81, 0..3);
    rig.end(1, TransferStatus::Done, 1);
    let fate = rig.fate.clone();
    drop(rig);
    assert_eq!((fate.landed.load(Ordering::Relaxed), fate.lost.load(Ordering::Relaxed)), (1, 2));
}

#[test]
fn leaving_counts_once_whoever_notices_it() {
    let mut rig = rig(OnCancel::Nothing, LONG);
    rig.submit(0x81, 0..3);
    assert!(!rig.queue.is_gone());
    rig.end(0, TransferStatus::Gone, 0);
    assert!(rig.queue.is_gone());
    assert_eq!(rig.events(), 2, "the transfer and the leaving");
    rig.queue.leave();
    assert_eq!(rig.events(), 0);
    rig.end(1, TransferStatus::Gone, 0);
    rig.end(2, TransferStatus::Gone, 0);
    assert_eq!(rig.events(), 2);
    assert!(rig.reaped().iter().all(|c| c.status == TransferStatus::Gone));
}

#[test]
fn leaving_is_told_without_a_transfer_and_to_an_event_that_comes_later() {
    let rig = rig(OnCancel::Nothing, LONG);
    rig.queue.leave();
    assert_eq!(rig.events(), 1);
    let later = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK).unwrap();
    rig.queue.set_event(Event::of(later.as_fd()).unwrap());
    assert_eq!((later.read().unwrap(), rig.events()), (1, 0));
}

#[test]
fn success_without_bytes_is_believed_only_while_the_device_is_there() {
    use TransferStatus::{Done, Failed, Gone, Stalled};
    for (absent, endpoint, status, length, expected) in [
        (true, 0x81, Done, 0, Gone),
        (true, 0x02, Done, 0, Gone),
        (true, 0x02, Done, 63, Gone),
        (true, 0x81, Stalled, 0, Stalled),
        (true, 0x81, Done, 1, Done), // they came before it left
        (true, 0x02, Done, 64, Done),
        (false, 0x81, Done, 0, Done), // an empty packet
        (false, 0x02, Done, 63, Failed),
    ] {
        let mut rig = rig(OnCancel::Nothing, LONG);
        rig.engine.carrier.absent = absent;
        rig.submit(endpoint, 0..1);
        rig.end(0, status, length);
        let ended = rig.engine.reap().unwrap();
        assert_eq!(
            (ended.status, ended.length),
            (expected, length),
            "absent {absent}, endpoint {endpoint:#x}, {status:?}"
        );
        assert_eq!(rig.queue.is_gone(), expected == Gone);
        assert_eq!(rig.events(), if expected == Gone { 2 } else { 1 });
    }
    let mut rig = rig(OnCancel::Nothing, LONG);
    rig.engine.carrier.absent = true;
    rig.engine.submit(transfer(0x02, 0, &[])).unwrap();
    rig.end(0, Done, 0);
    assert_eq!(rig.engine.reap().unwrap().status, Done, "all of nothing was sent");
}
