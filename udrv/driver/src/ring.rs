//! Transmit descriptors and the buffers in them: a queue of `N`, which a chip serves in turn.
//!
//! No registers and no memory here. What a descriptor looks like is the driver's; so is the receive side, where a cursor
//! that [`step`]s is all there is.

use zerocopy::native_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::{Buffer, Buffers, Error, Stats};

/// The index behind `index` in a ring of `n`.
#[must_use]
pub const fn step(index: u32, n: u32) -> u32 {
    if index.saturating_add(1) >= n { 0 } else { index + 1 }
}

/// Which descriptors are with the chip, and the buffer in each. Plain data, for the driver's state.
///
/// ```
/// use udrv_driver::{Buffer, ring::TxRing};
///
/// let mut ring = TxRing::<4>::new();
/// assert_eq!(ring.free(), Some(0));
/// ring.claim(Buffer(7));
/// assert_eq!((ring.next(), ring.oldest()), (1, Some((0, Buffer(7)))));
/// ring.release();
/// assert_eq!(ring.oldest(), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct TxRing<const N: usize> {
    buffers: [U64; N],
    next: U32,
    used: U32,
}

impl<const N: usize> TxRing<N> {
    /// All free, the turn at descriptor 0: as after a reset of the chip.
    #[must_use]
    pub const fn new() -> TxRing<N> {
        TxRing { buffers: [U64::ZERO; N], next: U32::ZERO, used: U32::ZERO }
    }

    /// All free, the turn at descriptor `next`: where a chip stands that was not reset. `None` if there is none such.
    #[must_use]
    pub fn starting_at(next: u32) -> Option<TxRing<N>> {
        ((next as usize) < N).then(|| TxRing { next: next.into(), ..TxRing::new() })
    }

    /// What holds between calls; see [`crate::Driver::check`].
    ///
    /// # Errors
    /// What does not hold.
    pub fn check(&self) -> Result<(), &'static str> {
        if self.next.get() as usize >= N {
            Err("tx.next: no descriptor")
        } else if self.used.get() as usize > N {
            Err("tx.used: more than there are")
        } else {
            Ok(())
        }
    }

    /// Whether no buffer is in two of the descriptors in use. Looks at each pair: for short rings.
    #[must_use]
    pub fn all_different(&self) -> bool {
        let used = (self.used.get() as usize).min(N);
        let buffer = |behind: usize| self.buffers[(self.next.get() as usize % N + N - behind) % N];
        (2..=used).all(|a| (1..a).all(|b| buffer(a) != buffer(b)))
    }

    /// The descriptor to fill next, whether it is free or not: what a tail register is told.
    #[must_use]
    pub fn next(&self) -> usize {
        self.next.get() as usize % N
    }

    /// How many are in use.
    #[must_use]
    pub fn used(&self) -> u32 {
        self.used.get()
    }

    /// The descriptor to fill next; `None` if all are in use.
    #[must_use]
    pub fn free(&self) -> Option<usize> {
        ((self.used.get() as usize) < N).then_some(self.next())
    }

    /// The descriptor to fill next, if `keep` others stay free: for chips that take a full ring for an empty one.
    #[must_use]
    pub fn free_but(&self, keep: u32) -> Option<usize> {
        ((self.used.get().saturating_add(keep) as usize) < N).then_some(self.next())
    }

    /// How many descriptors can be filled, if `keep` others stay free.
    #[must_use]
    pub fn room_but(&self, keep: u32) -> u32 {
        (N as u32).saturating_sub(self.used.get()).saturating_sub(keep)
    }

    /// The frame that is in use for longest, where a frame takes several descriptors and all but its last hold
    /// [`Buffer::NONE`]: its last descriptor, its buffer, and how many descriptors it takes.
    #[must_use]
    pub fn oldest_frame(&self) -> Option<(usize, Buffer, u32)> {
        let (first, _) = self.oldest()?;
        (0..self.used.get().min(N as u32)).find_map(|part| {
            let at = (first + part as usize) % N;
            let buffer = Buffer(self.buffers[at].get());
            (buffer != Buffer::NONE).then_some((at, buffer, part + 1))
        })
    }

    /// Gives back and counts the frames that the chip is done with, oldest first, since it serves its descriptors in turn.
    /// `fate` looks at the last descriptor of a frame: `None`, the chip is not done; else whether it was sent. Gives how
    /// many those were.
    ///
    /// # Errors
    /// Those of `fate`; what was given back until then is counted.
    pub fn complete(
        &mut self,
        net: Buffers<'_>,
        stats: &mut Stats,
        fate: impl Fn(usize) -> Result<Option<bool>, Error>,
    ) -> Result<u32, Error> {
        let mut frames = 0;
        for _ in 0..N {
            let Some((last, buffer, descriptors)) = self.oldest_frame() else { break };
            let Some(sent) = fate(last)? else { break };
            net.complete(buffer, sent)?;
            self.release_many(descriptors);
            *(if sent { &mut stats.tx_frames } else { &mut stats.tx_errors }) += 1;
            frames += 1;
        }
        Ok(frames)
    }

    /// Gives back and counts all frames as lost: the chip was stopped.
    ///
    /// # Errors
    /// None; a buffer that the driver does not keep is a fault.
    pub fn lose_all(&mut self, net: Buffers<'_>, stats: &mut Stats) -> Result<(), Error> {
        self.complete(net, stats, |_| Ok(Some(false))).map(drop)
    }

    /// Frees the `count` descriptors that are in use for longest.
    pub fn release_many(&mut self, count: u32) {
        self.used = self.used.get().saturating_sub(count).into();
    }

    /// Puts `buffer` into the descriptor that [`TxRing::free`] gives.
    pub fn claim(&mut self, buffer: Buffer) {
        let at = self.next();
        self.buffers[at] = buffer.0.into();
        self.next = step(at as u32, N as u32).into();
        self.used = self.used.get().saturating_add(1).into();
    }

    /// The descriptor that is in use for longest, and its buffer.
    #[must_use]
    pub fn oldest(&self) -> Option<(usize, Buffer)> {
        let used = self.used.get() as usize;
        let at = (self.next() + N - used % N) % N;
        (used != 0).then(|| (at, Buffer(self.buffers[at].get())))
    }

    /// Frees it.
    pub fn release(&mut self) {
        self.used = self.used.get().saturating_sub(1).into();
    }
}

impl<const N: usize> Default for TxRing<N> {
    fn default() -> Self {
        TxRing::new()
    }
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use super::*;
    use crate::Services;
    use crate::abi::Request;

    /// A framework that knows only which frames were given back: bit n for buffer n, and the same of those that were sent.
    #[derive(Default)]
    struct GivenBack {
        all: Cell<u64>,
        sent: Cell<u64>,
    }

    impl Services for GivenBack {
        fn request(&self, request: Request, [buffer, sent, ..]: [u64; 4]) -> Result<u64, Error> {
            assert_eq!((request, self.all.get() >> buffer & 1), (Request::Complete, 0), "twice");
            self.all.set(self.all.get() | 1 << buffer);
            self.sent.set(self.sent.get() | sent << buffer);
            Ok(0)
        }
    }

    #[test]
    fn frames_are_given_back_in_turn_and_counted() {
        let (given, mut stats) = (GivenBack::default(), Stats::default());
        let net = Buffers::new(&given);
        let mut ring = TxRing::<8>::starting_at(6).unwrap();
        // the second takes three descriptors
        [1, 0, 0, 2, 3].into_iter().for_each(|buffer| ring.claim(Buffer(buffer)));
        assert_eq!(ring.complete(net, &mut stats, |last| Ok((last == 6).then_some(true))), Ok(1));
        assert_eq!(ring.complete(net, &mut stats, |last| Ok((last == 6).then_some(true))), Ok(0), "not 1 yet");
        assert_eq!(
            ring.complete(net, &mut stats, |last| if last == 1 { Ok(Some(false)) } else { Err(Error::Bus) }),
            Err(Error::Bus)
        );
        assert_eq!((given.all.get(), given.sent.get(), ring.used()), (0b0110, 0b0010, 1));
        assert_eq!((stats.tx_frames, stats.tx_errors), (1, 1));
        assert_eq!(ring.lose_all(net, &mut stats), Ok(()));
        assert_eq!((given.all.get(), given.sent.get(), ring.used()), (0b1110, 0b0010, 0));
        assert_eq!((stats.tx_frames, stats.tx_errors), (1, 2));
    }

    fn queue<const N: usize>() {
        let mut ring = TxRing::<N>::new();
        let mut oldest = 0;
        for round in 0..100 * N as u64 {
            for i in 0..N as u64 {
                assert_eq!(ring.free(), Some(((round * N as u64 + i) % N as u64) as usize));
                assert_eq!(ring.free_but(1).is_some(), i + 1 < N as u64);
                ring.claim(Buffer(round * N as u64 + i));
                assert_eq!(ring.check(), Ok(()));
            }
            assert_eq!((ring.free(), ring.used() as usize), (None, N));
            assert!(ring.all_different());
            for _ in 0..N {
                assert_eq!(ring.oldest(), Some(((oldest % N as u64) as usize, Buffer(oldest))));
                ring.release();
                oldest += 1;
            }
            assert_eq!(ring.oldest(), None);
        }
    }

    #[test]
    fn it_is_a_queue_of_any_length() {
        queue::<1>();
        queue::<3>();
        queue::<4>();
        queue::<64>();
    }

    #[test]
    fn no_index_steps_outside() {
        for n in [1, 4, 64] {
            assert!([0, n - 1, n, u32::MAX - 1, u32::MAX].into_iter().all(|index| step(index, n) < n));
        }
    }

    #[test]
    fn it_starts_where_the_chip_stands() {
        let mut ring = TxRing::<4>::starting_at(3).unwrap();
        ring.claim(Buffer(7));
        assert_eq!((ring.next(), ring.oldest()), (0, Some((3, Buffer(7)))));
        assert_eq!(TxRing::<4>::starting_at(4), None);
        assert_eq!(TxRing::<4>::starting_at(u32::MAX), None);
    }

    #[test]
    fn any_bytes_are_a_ring_that_does_not_panic() {
        for byte in 0..=u8::MAX {
            let mut ring = TxRing::<5>::read_from_bytes(&[byte; size_of::<TxRing<5>>()]).unwrap();
            assert_eq!(ring.check().is_ok(), byte == 0);
            let _ = (ring.free(), ring.free_but(1), ring.next(), ring.oldest(), ring.all_different());
            let _ = (ring.room_but(1), ring.oldest_frame());
            ring.claim(Buffer(1));
            ring.release();
        }
    }

    #[test]
    fn frames_of_several_descriptors() {
        let mut ring = TxRing::<8>::new();
        for round in 1..100_u64 {
            let parts = (round % 5) as u32;
            assert_eq!(ring.room_but(1), 7);
            (0..parts).for_each(|_| ring.claim(Buffer::NONE));
            assert_eq!(ring.oldest_frame(), None, "its last is not there yet");
            ring.claim(Buffer(round));
            ring.claim(Buffer(round + 1000));
            let (last, buffer, count) = ring.oldest_frame().unwrap();
            assert_eq!((buffer, count, ring.room_but(1)), (Buffer(round), parts + 1, 5 - parts));
            assert_eq!((last + 2) % 8, ring.next());
            ring.release_many(count);
            assert_eq!(ring.oldest_frame().map(|(_, buffer, count)| (buffer, count)), Some((Buffer(round + 1000), 1)));
            ring.release();
        }
    }

    #[test]
    fn a_buffer_in_two_descriptors_is_seen() {
        let mut ring = TxRing::<4>::new();
        [5, 6, 5].into_iter().for_each(|buffer| ring.claim(Buffer(buffer)));
        assert!(!ring.all_different());
        ring.release();
        assert!(ring.all_different());
    }
}
