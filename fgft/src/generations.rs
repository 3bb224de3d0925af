//! Going back further than the last commit, for faults that are noticed late.
//!
//! The ring of images holds the last N commits, the *generations*. Which of them are still good only the caller can
//! say: it walks from the newest to the oldest, tries each, and commits the first that works.
//!
//! ```
//! # use fgft::{Domain, DomainConfig, StateKind};
//! # fn main() -> Result<(), fgft::InitError> {
//! # let config = DomainConfig { images: 8, ..DomainConfig::new(StateKind { name: "walk", version: 1 }) };
//! # let mut domain = Domain::<u64>::new(&config, 41, ())?;
//! # fn works(state: &u64) -> bool { *state < 100 }
//! # domain.run_unprotected(|n, ()| *n = 1000);
//! # domain.commit();
//! for generation in domain.generations().rev() {
//!     domain.rollback_to(generation);
//!     // SAFETY: the closure owns nothing.
//!     if unsafe { domain.run(&mut (), |state| u8::from(works(state))) } == Ok(1) {
//!         domain.commit();
//!         break;
//!     }
//! }
//! # assert_eq!(domain.state(), 41);
//! # Ok(())
//! # }
//! ```

use std::ops::RangeInclusive;

use crate::domain::{Domain, Plain};

impl<S: Plain, L: Plain> Domain<S, L> {
    /// The generations whose images are whole, oldest to newest. The newest is [`Domain::generation`].
    ///
    /// At most [`crate::DomainConfig::images`] of them. After [`Domain::adopt`] one less until the next commit: the
    /// predecessor may have died while it overwrote the oldest.
    #[must_use]
    pub fn generations(&self) -> RangeInclusive<u64> {
        self.images.whole()
    }

    /// The state of a generation; `None` when there is no whole image of it.
    #[must_use]
    pub fn state_at(&self, generation: u64) -> Option<S> {
        let image = self.images.whole().contains(&generation).then(|| self.images.state(generation))?;
        // SAFETY: plain data in a mapped image, which only commits write, and they hold `self`.
        Some(unsafe { image.cast::<S>().read_unaligned() })
    }

    /// Puts state and ledger back to those of a generation. False, and nothing done, when there is no whole image of
    /// it.
    ///
    /// Until the next commit every rollback comes back to this generation, also the one with which
    /// [`Domain::run`] begins. The commit makes what is then live the newest generation; numbers go on rising, and the
    /// generations that were skipped stay in the ring until they are overwritten. A process that dies before that
    /// commit leaves its successor the newest generation, not this one.
    ///
    /// What an unprotected call has changed is discarded.
    pub fn rollback_to(&mut self, generation: u64) -> bool {
        let whole = self.images.select(generation);
        if whole {
            self.discard();
        }
        whole
    }
}
