//! Numbers that a seed decides: SplitMix64 (Steele, Lea, Flood 2014).

/// See the module's text.
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    /// Those of a seed and a number: each trial has its own.
    pub(crate) fn new(seed: u64, number: u64) -> Rng {
        let mut rng = Rng(seed);
        let first = rng.next();
        Rng(first ^ number.wrapping_mul(0xd134_2543_de82_ef95))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of `0..below`; 0 if that is empty.
    pub(crate) fn below(&mut self, below: usize) -> usize {
        ((u128::from(self.next()) * below as u128) >> 64) as usize
    }
}
