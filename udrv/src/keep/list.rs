//! Lists in memory that outlives the process: good at any instruction.
//!
//! What is in an entry is there before the count says so, in the order of the program. Nothing more is needed against a
//! process that is killed: what its instructions have stored is in the page, whatever becomes of the process. Any bytes are
//! a list.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// At most `N` words.
#[repr(C)]
pub(crate) struct List<const N: usize> {
    count: AtomicU32,
    _reserved: AtomicU32,
    words: [AtomicU64; N],
}

impl<const N: usize> List<N> {
    /// How many there are.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        (self.count.load(Ordering::Acquire) as usize).min(N)
    }

    /// Puts a word at the end. False, and nothing done, if it is full.
    #[inline]
    pub(crate) fn push(&self, word: u64) -> bool {
        let at = self.len();
        let Some(place) = self.words.get(at) else { return false };
        place.store(word, Ordering::Relaxed);
        self.count.store(at as u32 + 1, Ordering::Release);
        true
    }

    /// Word `at`; 0 if there is none.
    #[inline]
    pub(crate) fn get(&self, at: usize) -> u64 {
        if at < self.len() { self.words[at].load(Ordering::Relaxed) } else { 0 }
    }

    /// Replaces the last word, in one piece.
    #[inline]
    pub(crate) fn replace_last(&self, word: u64) {
        if let Some(last) = self.len().checked_sub(1) {
            self.words[last].store(word, Ordering::Relaxed);
        }
    }

    /// The last word.
    #[inline]
    pub(crate) fn last(&self) -> Option<u64> {
        self.len().checked_sub(1).map(|last| self.words[last].load(Ordering::Relaxed))
    }

    /// From the first to the last.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = u64> + '_ {
        self.words[..self.len()].iter().map(|word| word.load(Ordering::Relaxed))
    }

    /// Forgets all of them.
    #[inline]
    pub(crate) fn clear(&self) {
        self.count.store(0, Ordering::Release);
    }
}

/// At most `N` entries of two words, a power of two, of which the first is taken out first.
#[repr(C)]
pub(crate) struct Queue<const N: usize> {
    /// Both only ever rise.
    taken: AtomicU32,
    put: AtomicU32,
    entries: [[AtomicU64; 2]; N],
}

impl<const N: usize> Queue<N> {
    /// Puts an entry at the end. False, and nothing done, if it is full.
    pub(crate) fn push(&self, entry: [u64; 2]) -> bool {
        const { assert!(N.is_power_of_two()) };
        let (taken, put) = (self.taken.load(Ordering::Acquire), self.put.load(Ordering::Acquire));
        if put.wrapping_sub(taken) as usize >= N {
            return false;
        }
        let place = &self.entries[put as usize % N];
        place[0].store(entry[0], Ordering::Relaxed);
        place[1].store(entry[1], Ordering::Relaxed);
        self.put.store(put.wrapping_add(1), Ordering::Release);
        true
    }

    /// Takes the first out, if there is one.
    pub(crate) fn pop(&self) {
        let (taken, put) = (self.taken.load(Ordering::Acquire), self.put.load(Ordering::Acquire));
        if taken != put {
            self.taken.store(taken.wrapping_add(1), Ordering::Release);
        }
    }

    /// All of them. `None`: there are more than there can be.
    pub(crate) fn entries(&self) -> Option<Vec<[u64; 2]>> {
        let (taken, put) = (self.taken.load(Ordering::Acquire), self.put.load(Ordering::Acquire));
        let count = put.wrapping_sub(taken);
        let entry = |n: u32| {
            let place = &self.entries[taken.wrapping_add(n) as usize % N];
            [place[0].load(Ordering::Relaxed), place[1].load(Ordering::Relaxed)]
        };
        (count as usize <= N).then(|| (0..count).map(entry).collect())
    }
}
