//! How a card fails: what tests switch on, live, through [`crate::Handle::misbehave`].
//!
//! Everything is off by default. Whoever changes it changes it under the card's lock, so it takes effect between
//! two accesses, never within one. Failures that only one kind of chip knows are that chip's
//! [`crate::Chip::Switches`], reached through the same value.

use std::ops::{Deref, DerefMut, RangeInclusive};

use model_wire::Rng;

/// Reads that answer nonsense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Garbage {
    /// Seed of the nonsense.
    pub seed: u64,
    /// Registers that lie: inclusive ranges of byte offsets. A read that touches one is garbage in all its bytes.
    pub offsets: Vec<RangeInclusive<u32>>,
    /// One read in this many lies; 1 is every read, 0 none.
    pub one_in: u32,
}

/// Reads that answer all ones though the card is there: its configuration space still says who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllOnes {
    /// Registers that read so: inclusive ranges of byte offsets. A read that touches one is all ones.
    pub offsets: Vec<RangeInclusive<u32>>,
    /// So many reads, then it is over by itself; `None`: for good.
    pub reads: Option<u32>,
}

/// Which failures are on. `S` is what only this chip can do wrong; its fields are reached as if they were here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Misbehave<S> {
    /// The card is pulled out: every read, configuration space too, is all ones; writes, DMA, frames and interrupts
    /// vanish.
    pub gone: bool,
    /// The same for so many accesses, then it is over by itself. Writes among them are lost.
    pub gone_for: u32,
    /// Some registers read as all ones. Offsets count in whatever BAR is read.
    pub all_ones: Option<AllOnes>,
    /// Reads of some registers are random. Offsets as for `all_ones`.
    pub garbage: Option<Garbage>,
    /// INTx is always asserted, whatever the chip's cause and mask registers say: nothing that a driver does silences
    /// it.
    pub intx_stuck: bool,
    /// INTx is never asserted, and no message sent.
    pub interrupt_lost: bool,
    /// A started transmission does nothing: no frame, nothing written back, no interrupt. Of a sound card: what plays
    /// stands still, and its position with it.
    pub tx_hangs: bool,
    /// The chip's software reset, once asked for, does not end.
    pub reset_hangs: bool,
    /// Added to every DMA address, modulo what the master can address: the chip reads and writes where nobody told it
    /// to.
    pub dma_astray: Option<u32>,
    /// What only this chip can do wrong.
    pub chip: S,
}

impl<S: Default> Misbehave<S> {
    /// A chip that does nothing wrong.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }
}

impl<S> Deref for Misbehave<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.chip
    }
}

impl<S> DerefMut for Misbehave<S> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.chip
    }
}

/// The switches, and the dice for the random ones.
#[derive(Debug)]
pub struct Trouble<S> {
    /// What is on.
    pub on: Misbehave<S>,
    rng: Rng,
}

impl<S: Default> Default for Trouble<S> {
    fn default() -> Self {
        Self { on: Misbehave::default(), rng: Rng::new(0) }
    }
}

impl<S> Trouble<S> {
    /// Changes what is on. A new seed of garbage starts its dice anew.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Misbehave<S>)) {
        let before = self.on.garbage.as_ref().map(|g| g.seed);
        change(&mut self.on);
        if let Some(garbage) = &self.on.garbage
            && before != Some(garbage.seed)
        {
            self.rng = Rng::new(garbage.seed);
        }
    }

    /// Whether this access finds no card.
    pub(crate) fn is_absent(&mut self) -> bool {
        let for_now = self.on.gone_for > 0;
        self.on.gone_for = self.on.gone_for.saturating_sub(1);
        self.on.gone || for_now
    }

    /// Whether a read of `len` bytes at `offset` is all ones.
    pub(crate) fn is_all_ones(&mut self, offset: u32, len: u32) -> bool {
        let Some(AllOnes { offsets, reads }) = &mut self.on.all_ones else { return false };
        if !touches(offsets, offset, len) || *reads == Some(0) {
            return false;
        }
        *reads = reads.map(|left| left - 1);
        true
    }

    /// Random bits for a read of `len` bytes at `offset`, if it shall lie.
    pub(crate) fn garbage(&mut self, offset: u32, len: u32) -> Option<u32> {
        let garbage = self.on.garbage.as_ref()?;
        if !touches(&garbage.offsets, offset, len)
            || garbage.one_in == 0
            || self.rng.below(u64::from(garbage.one_in)) != 0
        {
            return None;
        }
        Some(self.rng.next_u64() as u32)
    }
}

/// Whether an access of `len` bytes at `offset` touches one of `ranges`.
fn touches(ranges: &[RangeInclusive<u32>], offset: u32, len: u32) -> bool {
    let last = offset.saturating_add(len - 1);
    ranges.iter().any(|r| offset <= *r.end() && last >= *r.start())
}
