//! What the framework notes of a call while it is made, where a successor finds it.
//!
//! These lists are not copies: the register window and the host have no others. So they cost what lists cost, and at
//! any instruction they say what is under way.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use udrv_driver::MARK_SPACES;

use super::facts::FactSlots;
use super::list::{List, Queue};
use crate::endpoint::{Header, HostCounts};

/// "udrvkept", little-endian.
const MAGIC: u64 = u64::from_le_bytes(*b"udrvkept");
/// Version of this layout, of the ledger's, and of what both mean. Another one is refused: change it with any of them.
pub(crate) const FORMAT: u32 = 2;

/// Doorbells that one call may ring, and registers that it may write.
pub(crate) const MAX_NOTED: usize = 1024;
/// Registers of a map.
pub(crate) const MAX_REGISTERS: usize = 1024;
/// Frames that wait.
const MAX_WAITING: usize = 64;
/// Frames that a call has delivered: a bit each.
pub(crate) const MAX_DELIVERED: usize = 64;

/// Bits of [`Record::call`] below the generation: the call is settled, and the newest image is of that generation.
const SETTLED: u64 = 0;
/// It is under way, or its output is, and will make or has made that generation.
const OPEN: u64 = 1;
/// It is a plain call, which cannot be taken back.
const UNPROTECTED: u64 = 2;
/// How many bits those are.
const KIND_BITS: u32 = 2;

/// Successors that may end over what they were given.
const MAX_ATTEMPTS: u32 = 3;

/// The device works, and can be adopted.
const WORKS: u32 = 1;
/// The device is not as the state has it: the driver's `restore` is due.
const UNCLEAN: u32 = 2;
/// It interrupts by messages, else by its line.
const MESSAGES: u32 = 4;

/// See the module's text. Any bytes are one: it is checked, not believed.
#[repr(C)]
pub struct Record {
    magic: AtomicU64,
    format: AtomicU32,
    flags: AtomicU32,
    /// When the device's clock began, nanoseconds of the system's monotonic clock.
    pub(crate) clock_origin: AtomicU64,
    /// The last call: a generation, and one of the constants above.
    call: AtomicU64,
    /// Of what is held back, how many have been done.
    pub(crate) rung: AtomicU32,
    /// Not 0: the journal cannot undo the call under way.
    spoilt: AtomicU32,
    /// Successors in a row that have not proved that it can be gone on with.
    attempts: AtomicU32,
    _reserved: AtomicU32,
    /// Of what was delivered, what has gone up: a bit each.
    pub(crate) gone_up: AtomicU64,
    /// And what is going up in the system call under way.
    pub(crate) going_up: AtomicU64,
    /// How often the host had taken something from the endpoint when `given` was 0; -1: it counts nothing.
    taken_before: AtomicU64,
    /// How often it was given something since, successfully.
    pub(crate) given: AtomicU64,
    /// Frames that were read from the endpoint and are accounted for, as the host counts, and their bytes.
    read: AtomicU64,
    read_bytes: AtomicU64,
    /// The packet buffer into which one is being read, and 1 more; 0: into none.
    reading: AtomicU64,
    /// What the endpoint has read before it.
    pub(crate) header: Header,
    /// See [`crate::marks`].
    pub(crate) marked: [AtomicU64; MARK_SPACES],
    pub(crate) marks_left: [AtomicU64; MARK_SPACES],
    /// Registers and what they held before the call under way wrote to them, in order.
    pub(crate) journal: List<MAX_NOTED>,
    /// What is held back until the commit, in order.
    pub(crate) staged: List<MAX_NOTED>,
    /// Causes acknowledged or cleared by reading in this call.
    pub(crate) consumed: List<MAX_NOTED>,
    /// Frames that it delivers.
    pub(crate) delivered: List<MAX_DELIVERED>,
    /// Causes that failed calls have consumed, by register.
    pub(crate) carry: [AtomicU32; MAX_REGISTERS],
    /// Frames from the endpoint that the driver has not taken yet.
    pub(crate) waiting: Queue<MAX_WAITING>,
    pub(crate) facts: FactSlots,
}

/// What a process has left of its last call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LastCall {
    /// It was settled.
    Settled,
    /// It was under way: it is to be aborted.
    Open,
    /// It has committed; what it has staged may not have come true yet.
    Committed,
    /// It was unprotected: nobody knows what it has done.
    Unprotected,
    /// Nothing that can be.
    Torn,
}

impl Record {
    /// Of zeros.
    pub(crate) fn begin(&self) {
        self.format.store(FORMAT, Ordering::Relaxed);
        self.magic.store(MAGIC, Ordering::Release);
    }

    /// The version of its layout. `None`: it is no record at all.
    pub(crate) fn format(&self) -> Option<u32> {
        (self.magic.load(Ordering::Acquire) == MAGIC).then(|| self.format.load(Ordering::Relaxed))
    }

    /// A call begins that will make `generation`.
    #[inline]
    pub(crate) fn open(&self, generation: u64) {
        self.rung.store(0, Ordering::Relaxed);
        self.gone_up.store(0, Ordering::Relaxed);
        self.call.store(generation << KIND_BITS | OPEN, Ordering::Release);
    }

    /// A plain call begins.
    #[inline]
    pub(crate) fn open_unprotected(&self) {
        self.rung.store(0, Ordering::Relaxed);
        self.gone_up.store(0, Ordering::Relaxed);
        self.call.store(UNPROTECTED, Ordering::Release);
    }

    /// The call is settled: all it has done has come true, or nothing of it has happened. The newest image is that of
    /// `generation`.
    #[inline]
    pub(crate) fn close(&self, generation: u64) {
        self.call.store(generation << KIND_BITS | SETTLED, Ordering::Release);
    }

    /// What became of the last call, where the newest image is that of `generation`.
    pub(crate) fn last_call(&self, generation: u64) -> LastCall {
        let call = self.call.load(Ordering::Acquire);
        let (of, kind) = (call >> KIND_BITS, call & ((1 << KIND_BITS) - 1));
        match kind {
            SETTLED if of == generation => LastCall::Settled,
            OPEN if of == generation => LastCall::Committed,
            OPEN if of == generation.wrapping_add(1) => LastCall::Open,
            UNPROTECTED => LastCall::Unprotected,
            _ => LastCall::Torn,
        }
    }

    /// The journal can undo the call under way, or cannot.
    #[inline]
    pub(crate) fn set_spoilt(&self, spoilt: bool) {
        self.spoilt.store(spoilt.into(), Ordering::Release);
    }

    #[inline]
    pub(crate) fn is_spoilt(&self) -> bool {
        self.spoilt.load(Ordering::Acquire) != 0
    }

    /// What the host has counted until now is accounted for.
    pub(crate) fn count_from(&self, counts: Option<HostCounts>) {
        self.taken_before.store(counts.map_or(u64::MAX, |counts| counts.taken), Ordering::Release);
        self.given.store(0, Ordering::Release);
        if let Some(HostCounts { given, given_bytes, .. }) = counts {
            self.read.store(given, Ordering::Release);
            self.read_bytes.store(given_bytes, Ordering::Release);
        }
    }

    /// Whether the host has taken more than it is known to have been given.
    pub(crate) fn took_more(&self, counts: HostCounts) -> bool {
        let before = self.taken_before.load(Ordering::Acquire);
        before != u64::MAX && counts.taken.wrapping_sub(before) > self.given.load(Ordering::Acquire)
    }

    /// A frame is to be read into a packet buffer. What is known of it is noted before [`Record::frame_read`].
    #[inline]
    pub(crate) fn begin_read(&self, buffer: u8) {
        self.reading.store(u64::from(buffer) + 1, Ordering::Release);
    }

    /// A frame of that many bytes was read, and is accounted for.
    #[inline]
    pub(crate) fn frame_read(&self, bytes: usize) {
        self.read_bytes.store(self.read_bytes.load(Ordering::Relaxed).wrapping_add(bytes as u64), Ordering::Release);
        self.read.store(self.read.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    }

    /// Nothing is being read.
    #[inline]
    pub(crate) fn end_read(&self) {
        self.reading.store(0, Ordering::Release);
    }

    /// Which buffer a frame was being read into, if one was, and how many bytes have come: the host has given one frame
    /// more than is accounted for.
    pub(crate) fn unknown_read(&self, counts: HostCounts) -> Option<(u64, u64)> {
        let buffer = self.reading.load(Ordering::Acquire).checked_sub(1)?;
        let bytes = counts.given_bytes.wrapping_sub(self.read_bytes.load(Ordering::Acquire));
        let counted = self.taken_before.load(Ordering::Acquire) != u64::MAX;
        let one_more = counts.given.wrapping_sub(self.read.load(Ordering::Acquire)) == 1;
        (counted && one_more).then_some((buffer, bytes))
    }

    fn set(&self, flag: u32, on: bool) {
        if on {
            self.flags.fetch_or(flag, Ordering::AcqRel);
        } else {
            self.flags.fetch_and(!flag, Ordering::AcqRel);
        }
    }

    /// One more successor takes it up. False: so many have ended over it that it may be what ends them.
    pub(crate) fn attempt(&self) -> bool {
        self.attempts.fetch_add(1, Ordering::AcqRel) < MAX_ATTEMPTS
    }

    /// It has gone on, and then a call has committed: what ends it from here on is counted anew.
    pub(crate) fn attempt_worked(&self) {
        self.attempts.store(0, Ordering::Release);
    }

    /// The device works and may be adopted; or it is being set up or stopped.
    pub(crate) fn set_works(&self, works: bool) {
        self.set(WORKS, works);
    }

    pub(crate) fn works(&self) -> bool {
        self.flags.load(Ordering::Acquire) & WORKS != 0
    }

    /// How it interrupts.
    pub(crate) fn set_by_messages(&self, messages: bool) {
        self.set(MESSAGES, messages);
    }

    pub(crate) fn by_messages(&self) -> bool {
        self.flags.load(Ordering::Acquire) & MESSAGES != 0
    }

    /// Whether `restore` is due.
    pub(crate) fn set_unclean(&self, unclean: bool) {
        self.set(UNCLEAN, unclean);
    }

    pub(crate) fn is_unclean(&self) -> bool {
        self.flags.load(Ordering::Acquire) & UNCLEAN != 0
    }

    /// As before the driver's `probe`.
    pub(crate) fn forget(&self) {
        self.journal.clear();
        self.staged.clear();
        self.consumed.clear();
        self.delivered.clear();
        self.set_spoilt(false);
        self.set_unclean(false);
        self.carry.iter().for_each(|bits| bits.store(0, Ordering::Relaxed));
    }
}
