//! A seeded generator (SplitMix64), so that a run can be replayed from its seed.
//!
//! Not for secrets. The stream is part of the contract: the TCP source of [`crate::FarHost`] sends it and the
//! receiver checks it.

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014).
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// The generator of this seed. Every seed is good, 0 included.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        let out = mix(self.0);
        self.0 = self.0.wrapping_add(GAMMA);
        out
    }

    /// A number below `bound`; 0 when `bound` is 0. The bias is below 2^-32 for the bounds used here.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next_u64() % bound }
    }

    /// True in `ppm` of a million draws.
    pub fn chance(&mut self, ppm: u32) -> bool {
        ppm != 0 && self.below(1_000_000) < u64::from(ppm)
    }
}

/// The odd constant that SplitMix64 steps by: the golden ratio in 64 bits.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(state: u64) -> u64 {
    let z = state.wrapping_add(GAMMA);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Fills `to` with the bytes that stand at `offset` of the endless stream of `seed`: eight bytes a draw,
/// little-endian. Any piece can be made without the pieces before it.
pub fn stream_bytes(seed: u64, offset: u64, to: &mut [u8]) {
    let mut at = offset;
    let mut rest = to;
    while !rest.is_empty() {
        let word = mix(seed.wrapping_add(GAMMA.wrapping_mul(at / 8))).to_le_bytes();
        let from = (at % 8) as usize;
        let n = rest.len().min(8 - from);
        let (head, tail) = rest.split_at_mut(n);
        head.copy_from_slice(&word[from..from + n]);
        rest = tail;
        at += n as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_the_same_in_any_pieces() {
        let mut whole = [0; 100];
        stream_bytes(7, 0, &mut whole);
        for start in 0..40 {
            let mut piece = [0; 37];
            stream_bytes(7, start as u64, &mut piece);
            assert_eq!(piece[..], whole[start..start + 37]);
        }
        let mut rng = Rng::new(7);
        assert_eq!(whole[..8], rng.next_u64().to_le_bytes());
        assert_eq!(whole[8..16], rng.next_u64().to_le_bytes());
    }

    #[test]
    fn the_first_draw_of_seed_0_is_the_published_one() {
        assert_eq!(Rng::new(0).next_u64(), 0xe220_a839_7b1d_cdaf);
    }
}
