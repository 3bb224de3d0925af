//! What a domain takes of memory.

use crate::domain::{Domain, GUARD, Plain};

/// Bytes of a domain's parts. Pages that were never touched are not in memory: of the stack, most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// The state.
    pub state: usize,
    /// The ledger beside it.
    pub ledger: usize,
    /// Committed images kept.
    pub images: usize,
    /// One of them: state, ledger, checksum, padding.
    pub image: usize,
    /// Result slot and panic note.
    pub scratch: usize,
    /// The memfd: header, images and live parts, each in whole pages, and the scratch area.
    pub file: usize,
    /// The stack.
    pub stack: usize,
    /// Guards around them: addresses, no memory.
    pub guards: usize,
}

impl<S: Plain, L: Plain> Domain<S, L> {
    /// What this domain takes.
    ///
    /// ```
    /// use fgft::{Domain, DomainConfig, StateKind};
    ///
    /// # fn main() -> Result<(), fgft::InitError> {
    /// fgft::init()?;
    /// let config = DomainConfig::new(StateKind { name: "small", version: 1 });
    /// let sizes = Domain::<u64>::new(&config, 0, ())?.sizes();
    /// assert_eq!((sizes.state, sizes.images, sizes.stack), (8, config.images, config.stack_size));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        let layout = self.images.layout();
        Sizes {
            state: layout.state_size,
            ledger: layout.ledger_size,
            images: layout.images,
            image: layout.image_size,
            scratch: layout.total - layout.scratch,
            file: layout.total,
            stack: self.stack_bytes(),
            guards: 5 * GUARD,
        }
    }
}
