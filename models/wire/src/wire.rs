//! The cable: one full-duplex Ethernet link between a NIC model and whatever is at the far end.
//!
//! Not a switch and not a medium with a speed: a frame arrives when it is sent. Towards the far end there is a
//! bounded queue, because the far end has a thread of its own; a frame that finds it full is dropped and counted,
//! as a switch port does. Towards the NIC there is none: the far end calls into the chip on its own thread, and
//! the chip's receive ring is the queue.
//!
//! Frames are without FCS, from the destination address to the end of the payload. No buffer is allocated per
//! frame: the queue and its free list swap buffers with the receiver.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::AcqRel, Ordering::Acquire, Ordering::Release};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use crate::faults::{Dice, Fate, WireFaults};
use crate::stats::{Counts, WireStats};

/// The MAC of a NIC model, as the wire sees it. Called on the far end's thread; must not call back into the wire
/// from inside [`NicReceiver::receive`].
pub trait NicReceiver: Send + Sync {
    /// A frame arrives. `fcs_ok` is false for a frame damaged on the way.
    fn receive(&self, frame: &[u8], fcs_ok: bool);
    /// The link went up or down.
    fn link_changed(&self, up: bool);
}

/// How a wire is laid.
#[derive(Debug, Clone)]
pub struct WireConfig {
    /// Frames that may wait for the far end before further ones are dropped.
    pub queue_frames: usize,
    /// Whether the link is up from the start.
    pub link_up: bool,
    /// What the cable does to frames.
    pub faults: WireFaults,
    /// How long both ends need for auto-negotiation, during which there is no link. If it is not zero, somebody must
    /// be in [`FarPort::recv`], as a [`crate::FarHost`] is: the far end has its part in it.
    pub negotiation: Duration,
}

impl Default for WireConfig {
    /// 512 frames (a switch port has some hundred KiB), link up, no faults, negotiation in no time.
    fn default() -> Self {
        Self { queue_frames: 512, link_up: true, faults: WireFaults::default(), negotiation: Duration::ZERO }
    }
}

/// Buffers start with room for the largest untagged frame and a tag, so that they never grow in normal use.
const BUFFER_BYTES: usize = 1536;

struct Frame {
    data: Vec<u8>,
    fcs_ok: bool,
}

#[derive(Default)]
struct Queue {
    frames: VecDeque<Frame>,
    free: Vec<Vec<u8>>,
    /// The far end sleeps in `recv`. Kept so that a frame costs a system call only when someone waits for it.
    waiting: bool,
    woken: bool,
    /// When the auto-negotiation that is under way will be over.
    negotiated: Option<Instant>,
}

struct Shared {
    queue_frames: usize,
    negotiation: Duration,
    up: AtomicBool,
    faulty: AtomicBool,
    /// One at a time through link changes, so that the NIC sees them in order.
    link_order: Mutex<()>,
    queue: Mutex<Queue>,
    arrived: Condvar,
    nic: RwLock<Option<Weak<dyn NicReceiver>>>,
    dice_to_far: Mutex<Dice>,
    dice_to_nic: Mutex<(Dice, Vec<u8>)>,
    to_far: Counts,
    to_nic: Counts,
}

/// A panic of one end must not take the other end's lock with it: every state under these locks is whole between
/// any two statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The handle of the cable: link, faults, statistics. Clones are the same cable.
#[derive(Clone)]
pub struct Wire {
    shared: Arc<Shared>,
}

/// The NIC's end. Clones are the same end.
#[derive(Clone)]
pub struct NicPort {
    shared: Arc<Shared>,
}

/// The far end; one owner.
pub struct FarPort {
    shared: Arc<Shared>,
}

/// Wakes a [`FarPort`] out of [`FarPort::recv`] from another thread.
#[derive(Clone)]
pub struct FarWaker {
    shared: Arc<Shared>,
}

/// Why [`FarPort::recv`] came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// A frame is in the buffer.
    Frame {
        /// False when the frame was damaged on the way; a MAC drops it.
        fcs_ok: bool,
    },
    /// The deadline has passed.
    TimedOut,
    /// A [`FarWaker`] called.
    Woken,
}

impl Wire {
    /// Lays a wire: its handle and its two ends.
    #[must_use]
    pub fn new(config: WireConfig) -> (Wire, NicPort, FarPort) {
        let shared = Arc::new(Shared {
            queue_frames: config.queue_frames,
            negotiation: config.negotiation,
            up: AtomicBool::new(config.link_up),
            faulty: AtomicBool::new(config.faults.any()),
            link_order: Mutex::new(()),
            queue: Mutex::new(Queue::default()),
            arrived: Condvar::new(),
            nic: RwLock::new(None),
            dice_to_far: Mutex::new(Dice::new(config.faults.to_far(), 0)),
            dice_to_nic: Mutex::new((Dice::new(config.faults, 1), Vec::new())),
            to_far: Counts::default(),
            to_nic: Counts::default(),
        });
        (Wire { shared: shared.clone() }, NicPort { shared: shared.clone() }, FarPort { shared })
    }

    /// Whether the link is up.
    #[must_use]
    pub fn link_up(&self) -> bool {
        self.shared.up.load(Acquire)
    }

    /// Plugs the cable in or pulls it, and tells the NIC on this thread. While it is out, frames are dropped and
    /// counted in both directions.
    pub fn set_link(&self, up: bool) {
        let in_order = lock(&self.shared.link_order);
        lock(&self.shared.queue).negotiated = None;
        self.shared.change_link(&in_order, up);
    }

    /// Replaces the faults and starts their dice anew.
    pub fn set_faults(&self, faults: WireFaults) {
        *lock(&self.shared.dice_to_far) = Dice::new(faults.to_far(), 0);
        lock(&self.shared.dice_to_nic).0 = Dice::new(faults, 1);
        self.shared.faulty.store(faults.any(), Release);
    }

    /// What went over the wire so far.
    #[must_use]
    pub fn stats(&self) -> WireStats {
        WireStats { to_far: self.shared.to_far.snapshot(), to_nic: self.shared.to_nic.snapshot() }
    }
}

impl NicPort {
    /// From now on frames and link changes go to `nic`. The wire keeps no reference that would keep it alive.
    pub fn attach(&self, nic: Weak<dyn NicReceiver>) {
        *self.shared.nic.write().unwrap_or_else(PoisonError::into_inner) = Some(nic);
    }

    /// Whether the link is up.
    #[must_use]
    pub fn link_up(&self) -> bool {
        self.shared.up.load(Acquire)
    }

    /// The NIC begins auto-negotiation. Whether that takes time: then there is no link from now on, of which the NIC is
    /// not told, until it is told that there is one.
    #[must_use]
    pub fn negotiate(&self) -> bool {
        let shared = &*self.shared;
        if shared.negotiation.is_zero() {
            return false;
        }
        let mut queue = lock(&shared.queue);
        if !shared.up.swap(false, AcqRel) && queue.negotiated.is_none() {
            return false; // there is no cable
        }
        queue.negotiated = Some(Instant::now() + shared.negotiation);
        drop(queue);
        shared.arrived.notify_one();
        true
    }

    /// Puts one frame on the wire. Never blocks for long: it is copied into the queue or dropped.
    pub fn transmit(&self, frame: &[u8]) {
        let shared = &*self.shared;
        let Some(fate) = shared.admit(&shared.to_far, frame.len(), || lock(&shared.dice_to_far).throw()) else {
            return;
        };
        let mut queue = lock(&shared.queue);
        if queue.frames.len() >= shared.queue_frames {
            shared.to_far.queue_full();
            return;
        }
        let mut data = queue.free.pop().unwrap_or_else(|| Vec::with_capacity(BUFFER_BYTES));
        data.clear();
        data.extend_from_slice(frame);
        let fcs_ok = fate == Fate::Whole;
        if !fcs_ok {
            lock(&shared.dice_to_far).flip_a_bit(&mut data);
        }
        queue.frames.push_back(Frame { data, fcs_ok });
        let wake = std::mem::take(&mut queue.waiting);
        drop(queue);
        shared.to_far.carried(frame.len());
        if wake {
            shared.arrived.notify_one();
        }
    }
}

impl FarPort {
    /// Sends one frame into the NIC, on this thread.
    pub fn send(&self, frame: &[u8]) {
        let shared = &*self.shared;
        match shared.admit(&shared.to_nic, frame.len(), || lock(&shared.dice_to_nic).0.throw()) {
            None => {}
            Some(Fate::Corrupt) => {
                let mut dice = lock(&shared.dice_to_nic);
                let mut copy = std::mem::take(&mut dice.1);
                copy.clear();
                copy.extend_from_slice(frame);
                dice.0.flip_a_bit(&mut copy);
                drop(dice);
                shared.deliver(&copy, false);
                lock(&shared.dice_to_nic).1 = copy;
            }
            Some(_) => shared.deliver(frame, true),
        }
    }

    /// Sends one frame whose FCS is wrong (the bytes are given as they are), for tests of the receiver.
    pub fn send_bad_fcs(&self, frame: &[u8]) {
        if self.shared.admit(&self.shared.to_nic, frame.len(), || Fate::Corrupt).is_some() {
            self.shared.deliver(frame, false);
        }
    }

    /// Takes the next frame: `into` becomes the frame, and its old buffer goes back to the wire. Blocks until
    /// there is one, until `deadline` (never, if `None`), or until a [`FarWaker`] calls.
    pub fn recv(&self, into: &mut Vec<u8>, deadline: Option<Instant>) -> Received {
        let mut queue = lock(&self.shared.queue);
        loop {
            if let Some(received) = queue.take(into) {
                return received;
            }
            if std::mem::take(&mut queue.woken) {
                return Received::Woken;
            }
            let now = Instant::now();
            if queue.negotiated.is_some_and(|at| at <= now) {
                drop(queue);
                self.shared.end_negotiation(now);
                queue = lock(&self.shared.queue);
                continue;
            }
            queue.waiting = true;
            queue = match deadline.into_iter().chain(queue.negotiated).min() {
                None => self.shared.arrived.wait(queue).unwrap_or_else(PoisonError::into_inner),
                Some(next) => {
                    let left = next.saturating_duration_since(now);
                    if left.is_zero() {
                        queue.waiting = false;
                        return Received::TimedOut;
                    }
                    self.shared.arrived.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
            queue.waiting = false;
        }
    }

    /// Takes the next frame if there is one; `into` as in [`FarPort::recv`].
    pub fn try_recv(&self, into: &mut Vec<u8>) -> Option<Received> {
        lock(&self.shared.queue).take(into)
    }

    /// A handle that wakes [`FarPort::recv`].
    #[must_use]
    pub fn waker(&self) -> FarWaker {
        FarWaker { shared: self.shared.clone() }
    }
}

impl FarWaker {
    /// Makes the current or the next [`FarPort::recv`] that finds no frame come back at once.
    pub fn wake(&self) {
        let mut queue = lock(&self.shared.queue);
        queue.woken = true;
        queue.waiting = false;
        drop(queue);
        self.shared.arrived.notify_one();
    }
}

impl Queue {
    fn take(&mut self, into: &mut Vec<u8>) -> Option<Received> {
        let mut frame = self.frames.pop_front()?;
        std::mem::swap(into, &mut frame.data);
        if frame.data.capacity() != 0 {
            self.free.push(frame.data);
        }
        Some(Received::Frame { fcs_ok: frame.fcs_ok })
    }
}

impl Shared {
    fn nic(&self) -> Option<Arc<dyn NicReceiver>> {
        self.nic.read().unwrap_or_else(PoisonError::into_inner).as_ref()?.upgrade()
    }

    /// Unless it was begun again or the cable was pulled.
    fn end_negotiation(&self, now: Instant) {
        let in_order = lock(&self.link_order);
        if lock(&self.queue).negotiated.take_if(|at| *at <= now).is_some() {
            self.change_link(&in_order, true);
        }
    }

    fn change_link(&self, _in_order: &MutexGuard<'_, ()>, up: bool) {
        if self.up.swap(up, AcqRel) != up
            && let Some(nic) = self.nic()
        {
            nic.link_changed(up);
        }
    }

    /// `None`: the frame does not get through, and that has been counted.
    fn admit(&self, counts: &Counts, len: usize, throw: impl FnOnce() -> Fate) -> Option<Fate> {
        if !self.up.load(Acquire) {
            counts.link_down();
            return None;
        }
        // A frame of no bytes is not a frame, and nothing below has to think of it.
        if len == 0 {
            counts.lost();
            return None;
        }
        let fate = if self.faulty.load(Acquire) { throw() } else { Fate::Whole };
        match fate {
            Fate::Lost => {
                counts.lost();
                None
            }
            Fate::Corrupt => {
                counts.corrupted();
                Some(fate)
            }
            Fate::Whole => Some(fate),
        }
    }

    fn deliver(&self, frame: &[u8], fcs_ok: bool) {
        match self.nic() {
            Some(nic) => {
                self.to_nic.carried(frame.len());
                nic.receive(frame, fcs_ok);
            }
            None => self.to_nic.nobody(),
        }
    }
}
