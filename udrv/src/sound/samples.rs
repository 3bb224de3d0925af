//! Samples between an endpoint and a ring in DMA memory: byte ranges that may go round the end.

use crate::dma::{DmaError, DmaRegion};

/// A ring of bytes in the device's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct SampleMemory {
    /// Where in the region it begins.
    pub(crate) start: u64,
    /// Its bytes.
    pub(crate) bytes: u64,
}

impl SampleMemory {
    /// Writes `from` at `place`, going round the end. No more than a whole round.
    pub(crate) fn write(&self, region: &DmaRegion, place: u64, from: &[u8]) -> Result<(), DmaError> {
        debug_assert!(from.len() as u64 <= self.bytes && place < self.bytes.max(1));
        let (here, round) = from.split_at(self.until_end(place, from.len()));
        region.copy_in(self.start + place, here)?;
        region.copy_in(self.start, round)
    }

    /// Reads from `place` on into `to`, likewise.
    pub(crate) fn read(&self, region: &DmaRegion, place: u64, to: &mut [u8]) -> Result<(), DmaError> {
        debug_assert!(to.len() as u64 <= self.bytes && place < self.bytes.max(1));
        let (here, round) = to.split_at_mut(self.until_end(place, to.len()));
        region.copy_out(self.start + place, here)?;
        region.copy_out(self.start, round)
    }

    /// Bytes of `length` from `place` on that lie before the end.
    fn until_end(&self, place: u64, length: usize) -> usize {
        length.min(self.bytes.saturating_sub(place) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_round_the_end_comes_back_and_nothing_beside_it_changes() {
        let region = DmaRegion::new(4096, None).unwrap();
        let ring = SampleMemory { start: 100, bytes: 64 };
        let bytes: Vec<u8> = (1..=40).collect();
        for place in [0, 24, 30, 63] {
            region.copy_in(0, &[0xee; 4096]).unwrap();
            ring.write(&region, place, &bytes).unwrap();
            let mut back = [0; 40];
            ring.read(&region, place, &mut back).unwrap();
            assert_eq!(&back[..], &bytes[..], "{place}");
            let mut all = [0; 4096];
            region.copy_out(0, &mut all).unwrap();
            assert!(all[..100].iter().chain(&all[164..]).all(|byte| *byte == 0xee), "{place}");
            assert_eq!(all[100..164].iter().filter(|byte| **byte == 0xee).count(), 24);
        }
        let whole: Vec<u8> = (0..64).collect();
        ring.write(&region, 7, &whole).unwrap();
        let mut back = [0; 64];
        ring.read(&region, 7, &mut back).unwrap();
        assert_eq!(&back[..], &whole[..]);
    }
}
