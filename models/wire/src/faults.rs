//! What a bad cable does: frames lost, frames damaged. Seeded, off by default.
//!
//! A damaged frame has one bit flipped *and* a frame check sequence that no longer fits, as on a real medium:
//! the receiving MAC sees it and drops it, unless it was told to keep such frames.

use crate::rng::Rng;

/// Probabilities of faults, in frames per million. The default is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WireFaults {
    /// Seed of the dice. The same seed and the same frames give the same faults.
    pub seed: u64,
    /// Frames that vanish, per million.
    pub loss_ppm: u32,
    /// Frames that arrive with one bit flipped and a bad FCS, per million.
    pub corrupt_ppm: u32,
    /// Only frames towards the NIC are hit; those of the NIC arrive.
    pub only_to_nic: bool,
}

impl WireFaults {
    /// What applies to frames of the NIC.
    pub(crate) fn to_far(self) -> WireFaults {
        if self.only_to_nic { WireFaults::default() } else { self }
    }

    pub(crate) const fn any(&self) -> bool {
        self.loss_ppm != 0 || self.corrupt_ppm != 0
    }
}

/// What became of one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Whole,
    Lost,
    Corrupt,
}

/// The dice of one direction.
#[derive(Debug)]
pub(crate) struct Dice {
    faults: WireFaults,
    rng: Rng,
}

impl Dice {
    /// `direction` keeps the two directions of one seed apart.
    pub(crate) fn new(faults: WireFaults, direction: u64) -> Self {
        Self { faults, rng: Rng::new(faults.seed ^ (direction << 63)) }
    }

    pub(crate) fn throw(&mut self) -> Fate {
        if self.rng.chance(self.faults.loss_ppm) {
            Fate::Lost
        } else if self.rng.chance(self.faults.corrupt_ppm) {
            Fate::Corrupt
        } else {
            Fate::Whole
        }
    }

    pub(crate) fn flip_a_bit(&mut self, frame: &mut [u8]) {
        let bit = self.rng.below(frame.len() as u64 * 8);
        if let Some(byte) = frame.get_mut((bit / 8) as usize) {
            *byte ^= 1 << (bit % 8);
        }
    }
}
