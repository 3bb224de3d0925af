//! Names of objects, and what may be done with them.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A slot of a table, and the tag that its object was given: what code inside holds instead of a pointer.
///
/// One word, plain data, so it may be kept in a state and passed through an upcall. Until a table has looked it up it
/// is an allegation. No tag is given twice, in no table and under no successor, so a handle of another table, of an
/// object given back or of a call rolled back is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(transparent)]
pub struct Handle(u64);

/// Slots that a table may have.
pub(super) const MAX_SLOTS: usize = 1 << INDEX_BITS;
const INDEX_BITS: u32 = 16;

impl Handle {
    /// The handle of nothing; zeroed memory holds it.
    pub const NONE: Handle = Handle(0);

    /// What code inside has passed as a handle: any word.
    #[must_use]
    pub fn from_word(word: u64) -> Handle {
        Handle(word)
    }

    /// As it crosses the border.
    #[must_use]
    pub fn word(self) -> u64 {
        self.0
    }

    pub(super) fn new(index: usize, tag: u64) -> Handle {
        Handle(tag << INDEX_BITS | index as u64)
    }

    pub(super) fn index(self) -> usize {
        self.0 as usize % MAX_SLOTS
    }

    pub(super) fn tag(self) -> u64 {
        self.0 >> INDEX_BITS
    }
}

/// Slot and tag, the tag in hexadecimal: `7:1c93`.
impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Handle::NONE { f.write_str("none") } else { write!(f, "{}:{:x}", self.index(), self.tag()) }
    }
}

/// A tag of 48 bits that was never given before, larger than all that were.
///
/// One counter a process. It starts at the microseconds since boot, so that a successor, which adopts tables of its
/// predecessor, starts behind all that the predecessor gave (at less than one a microsecond, for nine years).
pub(super) fn next_tag() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    if NEXT.load(Relaxed) == 0 {
        // lost to another thread: the counter has started
        let _ = NEXT.compare_exchange(0, microseconds_since_boot().max(1), Relaxed, Relaxed);
    }
    NEXT.fetch_add(1, Relaxed)
}

fn microseconds_since_boot() -> u64 {
    // SAFETY: fills a timespec; the clock is there on every Linux that this crate runs on.
    let time = unsafe {
        let mut time = std::mem::zeroed::<libc::timespec>();
        libc::clock_gettime(libc::CLOCK_BOOTTIME, &mut time);
        time
    };
    time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1000
}

/// What code inside may do with the bytes of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(transparent)]
pub struct Rights(u8);

impl Rights {
    /// Neither read nor write: the object may be named and given back.
    pub const NONE: Rights = Rights(0);
    /// Read.
    pub const READ: Rights = Rights(1);
    /// Write.
    pub const WRITE: Rights = Rights(2);
    /// Read and write.
    pub const READ_WRITE: Rights = Rights(3);

    /// Whether all of `other` is in it.
    #[must_use]
    pub fn include(self, other: Rights) -> bool {
        self.0 & other.0 == other.0
    }
}

/// `nothing`, `read`, `write`, `read and write`.
impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(["nothing", "read", "write", "read and write"][usize::from(self.0 & 3)])
    }
}

/// In whose hands an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Code inside may use it.
    Inside,
    /// The host has it for now (a buffer under way to a client): code inside may not touch it until it is handed back.
    Host,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Owner::Inside => "with the code inside",
            Owner::Host => "with the host",
        })
    }
}
