//! The four transmit slots: what is known of the oldest beside its buffer, and what a status means.
//!
//! No registers here. The chip serves its slots in turn and starts with slot 0 after a reset, so they are the
//! framework's queue.

use udrv_driver::ring::TxRing;
use udrv_driver::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use udrv_driver::{Buffer, Telltale, holds};

use crate::regs::{TSD, tsd};

/// Slots of the chip.
pub(crate) const SLOTS: u32 = 4;

/// Times that an aborted frame is tried again by TCR.CLRABT, each with 16 attempts on the wire. Three bring it to 64
/// collisions in a row: then the cable is at fault, or the chip.
const RETRIES: u32 = 3;

/// Early transmit threshold to begin with, in units of 32 bytes: 256 bytes are 20 us at 100 Mbit/s, longer than a PCI
/// bus keeps a master waiting.
const EARLY_START: u32 = 8;
/// What an underrun adds to it.
const EARLY_STEP: u32 = 8;
/// More than the longest frame: the chip sends what it has whole. The field ends at 63.
const EARLY_WHOLE: u32 = 56;

/// Laps that are told apart: that of a slot, the one before it, and one after a reset that has left TSD as it was.
const LAPS: u32 = 4;
const _: () = assert!(EARLY_WHOLE + LAPS <= 64 && LAPS <= EARLY_STEP);

/// What TSD holds as it was written, whatever has become of the frame since.
pub(crate) const TELLTALES: [Telltale; SLOTS as usize] = {
    let mut telltales = [Telltale { register: 0, kept: tsd::ERTXTH | tsd::SIZE }; SLOTS as usize];
    let mut slot = 0;
    while slot < telltales.len() {
        telltales[slot].register = TSD[slot].offset();
        slot += 1;
    }
    telltales
};

/// Slots in use, in the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "udrv_driver::zerocopy")]
#[repr(C)]
pub(crate) struct Slots {
    /// Which are with the chip, and the buffer in each.
    pub(crate) ring: TxRing<{ SLOTS as usize }>,
    /// How often the oldest was tried again; one more than [`RETRIES`] when it was given up.
    pub(crate) retries: u32,
    /// 1: the chip has reported an abort (ISR.TER) since the last retry.
    pub(crate) abort_reported: u32,
    /// Early transmit threshold, units of 32 bytes.
    pub(crate) early: u32,
    /// Times that the turn has come back to slot 0, of the last [`LAPS`]: see [`Slots::command`].
    pub(crate) lap: u32,
}

/// What TSD says of a slot in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Not sent yet.
    Pending,
    /// On the wire.
    Sent {
        /// The FIFO ran empty on the way.
        underrun: bool,
        /// Collisions on the way.
        collisions: u32,
    },
    /// Too many collisions; the transmitter stands.
    Aborted,
    /// The bus says this when there is no chip.
    Gone,
    /// No chip says this.
    Nonsense,
}

impl Slots {
    /// All free, as after a reset.
    pub(crate) const fn new() -> Slots {
        Slots { ring: TxRing::new(), retries: 0, abort_reported: 0, early: EARLY_START, lap: 0 }
    }

    /// What holds of them between calls: see `state.rs`.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        self.ring.check()?;
        holds(self.retries <= RETRIES + 1, "tx.retries: too many")?;
        holds(self.abort_reported <= 1, "tx.abort_reported: no flag")?;
        holds((EARLY_START..=EARLY_WHOLE).contains(&self.early), "tx.early: out of bounds")?;
        holds(self.lap < LAPS, "tx.lap: out of bounds")?;
        holds(self.ring.all_different(), "tx.buffers: one in two slots")
    }

    /// The oldest slot is done with.
    pub(crate) fn release_oldest(&mut self) {
        self.ring.release();
        self.retries = 0;
        self.abort_reported = 0;
    }

    /// Takes the slot that [`TxRing::free`] gives.
    pub(crate) fn take_slot(&mut self, buffer: Buffer) {
        self.ring.claim(buffer);
        if self.ring.next() == 0 {
            self.lap = (self.lap % LAPS + 1) % LAPS;
        }
    }

    /// The chip was reset: its turn is at slot 0. The threshold that was learned stays.
    pub(crate) fn reset(&mut self) {
        *self = Slots { early: self.early, lap: (self.lap % LAPS + 1) % LAPS, ..Slots::new() };
    }

    /// The chip reports an abort.
    pub(crate) fn note_abort(&mut self) {
        self.abort_reported = 1;
    }

    /// Whether TABT of the oldest slot is news. The datasheet clears TABT when TSD is written and does not say what
    /// CLRABT does to it, so after a retry it counts only when the chip has reported an abort since.
    pub(crate) fn abort_is_news(&self) -> bool {
        self.retries == 0 || self.abort_reported != 0
    }

    /// Whether the oldest slot may be tried again; counts.
    pub(crate) fn retry(&mut self) -> bool {
        self.abort_reported = 0;
        self.retries = self.retries.saturating_add(1).min(RETRIES + 1);
        self.retries <= RETRIES
    }

    /// The FIFO ran empty: the chip shall wait for more of a frame before it begins to send.
    pub(crate) fn raise_threshold(&mut self) {
        self.early = self.early.saturating_add(EARLY_STEP).min(EARLY_WHOLE);
    }

    /// TSD to send `length` bytes in the next slot: OWN clear, and the threshold.
    ///
    /// The chip does not tell which slot is next, so it must be seen whether a slot was handed over: the threshold is up to
    /// 96 bytes more, another one in each lap.
    pub(crate) fn command(&self, length: u32) -> u32 {
        (self.early.min(EARLY_WHOLE) + self.lap % LAPS) << tsd::ERTXTH_SHIFT | length
    }
}

/// Reads TSD of a slot in use.
///
/// OWN alone says that the buffer was read, not that the frame was sent. TUN without TOK is a frame that the chip has
/// sent after all (section 5.2).
pub(crate) fn fate(status: u32) -> Fate {
    if status == u32::MAX {
        Fate::Gone
    } else if status & tsd::RESERVED != 0 {
        Fate::Nonsense
    } else if status & tsd::TABT != 0 {
        Fate::Aborted
    } else if status & tsd::OWN != 0 && status & (tsd::TOK | tsd::TUN) != 0 {
        let collisions = status >> tsd::NCC_SHIFT & tsd::NCC_MASK;
        Fate::Sent { underrun: status & tsd::TUN != 0, collisions }
    } else {
        Fate::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(next: u32, buffers: &[u64]) -> Slots {
        let mut ring = TxRing::starting_at(next).unwrap();
        buffers.iter().for_each(|buffer| ring.claim(Buffer(*buffer)));
        Slots { ring, ..Slots::new() }
    }

    #[test]
    fn any_bytes_are_a_state_that_does_not_panic() {
        for byte in 0..=u8::MAX {
            let mut slots = Slots::read_from_bytes(&[byte; size_of::<Slots>()]).unwrap();
            let _ = (slots.abort_is_news(), slots.retry(), slots.command(60));
            slots.raise_threshold();
            slots.release_oldest();
            slots.reset();
        }
    }

    #[test]
    fn whatever_is_done_the_check_holds() {
        assert_eq!(Slots::new().check(), Ok(()));
        // each digit is something that is done
        for script in 0..7_u32.pow(7) {
            let mut rest = script;
            let mut slots = slots(script % SLOTS, &[]);
            for buffer in 0..7 {
                match rest % 7 {
                    0 | 1 if slots.ring.free().is_some() => slots.take_slot(Buffer(buffer)),
                    2 => slots.release_oldest(),
                    3 => slots.note_abort(),
                    4 if slots.ring.oldest().is_some() => {
                        slots.retry();
                    }
                    5 => slots.raise_threshold(),
                    6 => slots.reset(),
                    _ => {}
                }
                rest /= 7;
                assert_eq!(slots.check(), Ok(()), "{script} {slots:?}");
            }
        }
        let mut slots = Slots::new();
        for _ in 0..10 {
            slots.retry();
            slots.raise_threshold();
            assert_eq!(slots.check(), Ok(()));
        }
    }

    #[test]
    fn each_clause_names_its_field() {
        let right = slots(0, &[5, 6, 7]);
        assert_eq!(right.check(), Ok(()));
        let words = |next: u32, used: u32| {
            let mut bytes = [0; size_of::<Slots>()];
            bytes.copy_from_slice(right.as_bytes());
            bytes[32..36].copy_from_slice(&next.to_le_bytes());
            bytes[36..40].copy_from_slice(&used.to_le_bytes());
            Slots::read_from_bytes(&bytes).unwrap()
        };
        for (slots, what) in [
            (words(4, 3), "tx.next: no descriptor"),
            (words(3, 5), "tx.used: more than there are"),
            (Slots { retries: RETRIES + 2, ..right }, "tx.retries: too many"),
            (Slots { abort_reported: 2, ..right }, "tx.abort_reported: no flag"),
            (Slots { early: 0, ..right }, "tx.early: out of bounds"),
            (Slots { early: EARLY_WHOLE + 1, ..right }, "tx.early: out of bounds"),
            (Slots { lap: LAPS, ..right }, "tx.lap: out of bounds"),
            (slots(1, &[5, 6, 7, 5]), "tx.buffers: one in two slots"),
            (slots(3, &[5, 5]), "tx.buffers: one in two slots"),
        ] {
            assert_eq!(slots.check(), Err(what));
        }
    }

    #[test]
    fn an_old_abort_is_no_news() {
        let mut slots = Slots::new();
        slots.ring.claim(Buffer(7));
        assert!(slots.abort_is_news());
        for _ in 0..RETRIES {
            assert!(slots.retry());
            assert!(!slots.abort_is_news());
            slots.note_abort();
            assert!(slots.abort_is_news());
        }
        assert!(!slots.retry());
        slots.release_oldest();
        slots.ring.claim(Buffer(8));
        assert!(slots.abort_is_news() && slots.retry());
    }

    #[test]
    fn threshold_stays_in_its_field() {
        let mut slots = Slots::new();
        for _ in 0..100 {
            let command = slots.command(tsd::LONGEST);
            assert_eq!(command & (tsd::OWN | tsd::TOK | tsd::TUN | tsd::TABT | tsd::RESERVED), 0);
            assert_eq!(command & 0x1fff, tsd::LONGEST);
            slots.raise_threshold();
        }
        assert!((slots.command(0) >> tsd::ERTXTH_SHIFT) * 32 >= tsd::LONGEST);
        slots.reset();
        assert_eq!(slots.command(0) >> tsd::ERTXTH_SHIFT, EARLY_WHOLE + 1);
    }

    /// Whatever a slot holds of the lap before, with a reset between them or not: what is written next is another value.
    #[test]
    fn it_is_seen_whether_a_slot_was_handed_over() {
        for reset_after in 0..12 {
            let (mut slots, mut tsd) = (Slots::new(), [0; SLOTS as usize]);
            for turn in 0..40 {
                if turn == reset_after {
                    slots.reset();
                }
                let (slot, command) = (slots.ring.next(), slots.command(60));
                assert!(!TELLTALES[slot].has_rung(command, tsd[slot]), "turn {turn}, a reset before {reset_after}");
                // whatever the chip adds to it
                tsd[slot] = command | tsd::OWN | tsd::TOK | tsd::NCC_MASK << tsd::NCC_SHIFT;
                assert!(TELLTALES[slot].has_rung(command, tsd[slot]));
                slots.take_slot(Buffer(turn));
                slots.release_oldest();
                assert_eq!(slots.check(), Ok(()));
            }
        }
    }

    #[test]
    fn fates() {
        use tsd::*;
        assert_eq!(fate(0), Fate::Pending);
        assert_eq!(fate(OWN), Fate::Pending, "read, not sent");
        assert_eq!(fate(TOK), Fate::Pending, "sent before it was read");
        assert_eq!(fate(OWN | TOK | 3 << NCC_SHIFT), Fate::Sent { underrun: false, collisions: 3 });
        assert_eq!(fate(OWN | TUN), Fate::Sent { underrun: true, collisions: 0 });
        assert_eq!(fate(TABT | OWN), Fate::Aborted);
        assert_eq!(fate(OWN | TOK | 1 << 22), Fate::Nonsense);
        assert_eq!(fate(u32::MAX), Fate::Gone);
    }
}
