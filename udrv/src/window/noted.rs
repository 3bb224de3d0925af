//! What is noted of a call, in words that a successor of this process reads too ([`crate::keep`]).

use fgft::Refusal;

use crate::host::BATCH;
use crate::keep::MAX_NOTED;
use crate::keep::list::List;

/// Doorbells that one call may ring, descriptors included that it hands over, and registers that it may write: more is a driver gone wild. For each frame that it may
/// be offered more than any chip needs for one.
pub(super) const MAX_STAGED: usize = MAX_NOTED;
const _: () = assert!(MAX_STAGED >= 32 * BATCH);

/// Where what is held back goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// A register: its index.
    Register(u16),
    /// DMA memory: the place in the region, which has less than 2 GiB.
    Memory(u64),
}

impl Target {
    /// In a word with a value below it.
    const MEMORY: u64 = 1 << 63;

    pub(super) fn with(self, value: u32) -> u64 {
        let target = match self {
            Target::Register(index) => u64::from(index) << 32,
            Target::Memory(place) => Target::MEMORY | place << 32,
        };
        target | u64::from(value)
    }

    pub(super) fn parse(word: u64) -> (Target, u32) {
        let place = (word & !Target::MEMORY) >> 32;
        let target = if word & Target::MEMORY != 0 { Target::Memory(place) } else { Target::Register(place as u16) };
        (target, word as u32)
    }
}

/// A register and a value in a word.
fn with_index(index: usize, value: u32) -> u64 {
    (index as u64) << 32 | u64::from(value)
}

/// The way back.
pub(super) fn parse(word: u64) -> (usize, u32) {
    ((word >> 32) as usize, word as u32)
}

/// Notes what is to happen when the call commits.
pub(super) fn hold_back(list: &List<MAX_NOTED>, target: Target, value: u32) -> Result<(), Refusal> {
    let fits = list.push(target.with(value));
    if fits { Ok(()) } else { Err(Refusal(format!("more than {MAX_STAGED} doorbells in one call"))) }
}

/// Notes a register with a value.
pub(super) fn stage(list: &List<MAX_NOTED>, index: usize, value: u32) -> Result<(), Refusal> {
    let fits = list.push(with_index(index, value));
    if fits { Ok(()) } else { Err(Refusal(format!("more than {MAX_STAGED} register writes in one call"))) }
}
