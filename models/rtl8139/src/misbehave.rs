//! How a chip fails: what tests switch on, live, through [`crate::Rtl8139Handle::misbehave`].
//!
//! Everything is off by default. Whoever changes it changes it under the chip's lock, so it takes effect between
//! two accesses, never within one.

use model_wire::Rng;

/// Reads that answer nonsense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Garbage {
    /// Seed of the nonsense.
    pub seed: u64,
    /// Registers that lie: inclusive ranges of byte offsets. A read that touches one is garbage in all its bytes.
    pub offsets: Vec<std::ops::RangeInclusive<u8>>,
    /// One read in this many lies; 1 is every read, 0 none.
    pub one_in: u32,
}

/// Reads that answer all ones though the card is there: its configuration space still says who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllOnes {
    /// Registers that read so: inclusive ranges of byte offsets. A read that touches one is all ones.
    pub offsets: Vec<std::ops::RangeInclusive<u8>>,
    /// So many reads, then it is over by itself; `None`: for good.
    pub reads: Option<u32>,
}

/// What is written over the header of received frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BadHeader {
    /// Status half instead of the true one.
    pub status: Option<u16>,
    /// Length half instead of the true one. The frame itself and CBR stay as they should be.
    pub length: Option<u16>,
}

/// Which failures are on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Misbehave {
    /// The card is pulled out: every read, configuration space too, is all ones; writes, DMA, frames and interrupts
    /// vanish.
    pub gone: bool,
    /// The same for so many accesses, then it is over by itself. Writes among them are lost.
    pub gone_for: u32,
    /// Some registers read as all ones.
    pub all_ones: Option<AllOnes>,
    /// Reads of some registers are random.
    pub garbage: Option<Garbage>,
    /// Received frames get a wrong header.
    pub rx_header: Option<BadHeader>,
    /// CBR reads this much too high, modulo 2^16.
    pub cbr_jump: Option<u16>,
    /// CR.RST, once set, stays set.
    pub reset_hangs: bool,
    /// ISR bits that are always set: with IMR an interrupt storm.
    pub isr_stuck: u16,
    /// INTx is always asserted, whatever ISR and IMR say: nothing that a driver does silences it.
    pub intx_stuck: bool,
    /// INTx is never asserted.
    pub interrupt_lost: bool,
    /// A started transmission does nothing: no frame, no OWN, no TOK, no interrupt.
    pub tx_hangs: bool,
    /// Frames are sent and OWN and TOK come back in TSD, but ISR.TOK is never set.
    pub tx_silent: bool,
    /// Added to every DMA address, modulo 2^32: the chip reads and writes where nobody told it to.
    pub dma_astray: Option<u32>,
}

impl Misbehave {
    /// A chip that does nothing wrong.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }
}

/// The switches, and the dice for the random ones.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) on: Misbehave,
    rng: Rng,
}

impl Trouble {
    pub(crate) fn new() -> Self {
        Self { on: Misbehave::default(), rng: Rng::new(0) }
    }

    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Misbehave)) {
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
    pub(crate) fn is_all_ones(&mut self, offset: u8, len: u8) -> bool {
        let Some(AllOnes { offsets, reads }) = &mut self.on.all_ones else { return false };
        if !touches(offsets, offset, len) || *reads == Some(0) {
            return false;
        }
        *reads = reads.map(|left| left - 1);
        true
    }

    /// Random bits for a read of `len` bytes at `offset`, if it shall lie.
    pub(crate) fn garbage(&mut self, offset: u8, len: u8) -> Option<u32> {
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
fn touches(ranges: &[std::ops::RangeInclusive<u8>], offset: u8, len: u8) -> bool {
    let last = offset.saturating_add(len - 1);
    ranges.iter().any(|r| offset <= *r.end() && last >= *r.start())
}
