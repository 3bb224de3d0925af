//! Bus addresses for DMA: page-granular ranges below 4 GiB, out of what the IOMMU allows.
//!
//! Below 4 GiB because the chips in question (RTL8139, ES1371) put 32-bit addresses into their registers. Page 0 is
//! never handed out, so that a register which was never written cannot name memory of ours.
//!
//! Only arithmetic: nothing here maps anything. First fit from the bottom: there are a handful of allocations a device.

use std::collections::BTreeMap;

/// Granularity of allocations in bytes: the page of the IOMMU.
pub const IOVA_PAGE: u64 = 4096;

/// The first address that is too high.
const LIMIT: u64 = 1 << 32;

/// Why an allocation or a release was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IovaError {
    /// No gap is large enough.
    #[error(
        "no {len:#x} bytes of bus addresses aligned to {align:#x} are free below 4 GiB \
         (largest gap: {largest:#x} bytes)"
    )]
    Exhausted {
        /// Bytes asked for, in whole pages.
        len: u64,
        /// Alignment asked for.
        align: u64,
        /// The largest free gap in bytes.
        largest: u64,
    },
    /// Zero bytes, or an alignment that is no power of two.
    #[error("an allocation of {len:#x} bytes aligned to {align:#x} makes no sense")]
    BadRequest {
        /// Bytes asked for.
        len: u64,
        /// Alignment asked for.
        align: u64,
    },
    /// A release of what was not allocated so.
    #[error("bus addresses {iova:#x}, {len:#x} bytes, were not allocated as one piece")]
    NotAllocated {
        /// First address.
        iova: u64,
        /// Bytes.
        len: u64,
    },
}

/// Hands out bus addresses.
///
/// ```
/// use udrv::iova::IovaAllocator;
/// let mut iova = IovaAllocator::new(&[(0, 0xfedf_ffff), (0xfef0_0000, u64::MAX)]);
/// let ring = iova.alloc(10_000, 4096).unwrap();
/// assert_eq!(ring, 0x1000);
/// iova.free(ring, 10_000).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct IovaAllocator {
    free: BTreeMap<u64, u64>, // first address -> first address behind, both whole pages; no two touch
    used: BTreeMap<u64, u64>, // first address -> bytes, whole pages
}

impl IovaAllocator {
    /// An allocator over `allowed`: inclusive ranges, in any order, as `PciFunction::iova_ranges` gives them. Parts
    /// of pages at their ends are left out. With nothing below 4 GiB every allocation fails.
    #[must_use]
    pub fn new(allowed: &[(u64, u64)]) -> Self {
        let mut allocator = IovaAllocator { free: BTreeMap::new(), used: BTreeMap::new() };
        let mut sorted: Vec<(u64, u64)> = allowed.iter().copied().filter(|(first, last)| first <= last).collect();
        sorted.sort_unstable();
        let mut above = IOVA_PAGE; // nothing below this any more; page 0 never
        for (first, last) in sorted {
            let start = first.checked_next_multiple_of(IOVA_PAGE).unwrap_or(LIMIT).max(above);
            let end = last.checked_add(1).unwrap_or(LIMIT).min(LIMIT) / IOVA_PAGE * IOVA_PAGE;
            if start < end {
                allocator.give_back(start, end);
                above = end;
            }
        }
        allocator
    }

    /// Takes `len` bytes, rounded up to whole pages, at a multiple of `align` (a power of two; less than a page
    /// counts as a page).
    ///
    /// # Errors
    /// [`IovaError::BadRequest`], or [`IovaError::Exhausted`].
    pub fn alloc(&mut self, len: u64, align: u64) -> Result<u64, IovaError> {
        let pages = len.checked_next_multiple_of(IOVA_PAGE).filter(|pages| *pages != 0 && align.is_power_of_two());
        let Some(pages) = pages else { return Err(IovaError::BadRequest { len, align }) };
        let step = align.max(IOVA_PAGE);
        let fit = self.free.iter().find_map(|(start, end)| {
            let at = start.checked_next_multiple_of(step)?;
            (at.checked_add(pages)? <= *end).then_some((*start, *end, at))
        });
        let Some((start, end, at)) = fit else {
            let largest = self.free.iter().map(|(start, end)| end - start).max().unwrap_or(0);
            return Err(IovaError::Exhausted { len: pages, align: step, largest });
        };
        self.free.remove(&start);
        if start < at {
            self.free.insert(start, at);
        }
        if at + pages < end {
            self.free.insert(at + pages, end);
        }
        self.used.insert(at, pages);
        Ok(at)
    }

    /// Gives back what [`IovaAllocator::alloc`] returned for `len` bytes.
    ///
    /// # Errors
    /// [`IovaError::NotAllocated`] when the two do not belong together; nothing changes then.
    pub fn free(&mut self, iova: u64, len: u64) -> Result<(), IovaError> {
        let pages = len.checked_next_multiple_of(IOVA_PAGE);
        if pages.is_none() || self.used.get(&iova).copied() != pages {
            return Err(IovaError::NotAllocated { iova, len });
        }
        let pages = self.used.remove(&iova).expect("looked up above");
        self.give_back(iova, iova + pages);
        Ok(())
    }

    /// Takes one page-aligned range out of the free ones, wherever it is: what a process before this one had allocated.
    ///
    /// # Errors
    /// [`IovaError::BadRequest`] unless it is whole pages; [`IovaError::Exhausted`] when it is not free as a whole.
    pub fn reserve(&mut self, iova: u64, len: u64) -> Result<(), IovaError> {
        let end = iova
            .checked_add(len)
            .filter(|_| len != 0 && iova.is_multiple_of(IOVA_PAGE) && len.is_multiple_of(IOVA_PAGE));
        let Some(end) = end else { return Err(IovaError::BadRequest { len, align: IOVA_PAGE }) };
        let around = self.free.range(..=iova).next_back().map(|(start, stop)| (*start, *stop));
        let Some((start, stop)) = around.filter(|(_, stop)| end <= *stop) else {
            return Err(IovaError::Exhausted { len, align: IOVA_PAGE, largest: 0 });
        };
        self.free.remove(&start);
        if start < iova {
            self.free.insert(start, iova);
        }
        if end < stop {
            self.free.insert(end, stop);
        }
        self.used.insert(iova, len);
        Ok(())
    }

    /// Bytes that are free.
    #[must_use]
    pub fn available(&self) -> u64 {
        self.free.iter().map(|(start, end)| end - start).sum()
    }

    fn give_back(&mut self, mut start: u64, mut end: u64) {
        if let Some(stop) = self.free.remove(&end) {
            end = stop;
        }
        if let Some((before, stop)) = self.free.range(..start).next_back().map(|(b, s)| (*b, *s))
            && stop == start
        {
            start = before;
        }
        self.free.insert(start, end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What intel-iommu allows on a PC: all but the MSI window.
    const PC: [(u64, u64); 2] = [(0, 0xfedf_ffff), (0xfef0_0000, 0x7f_ffff_ffff)];

    /// xorshift64*: enough for tests, and a failure names its seed.
    struct Random(u64);
    impl Random {
        fn below(&mut self, n: u64) -> u64 {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % n
        }
    }

    #[test]
    fn never_page_zero_nor_reserved_nor_above_4_gib() {
        let mut iova = IovaAllocator::new(&PC);
        assert_eq!(iova.available(), (1 << 32) - 0x10_0000 - IOVA_PAGE);
        assert_eq!(iova.alloc(1, 1), Ok(IOVA_PAGE));
        assert_eq!(iova.alloc(0xfed0_0000, 1), Ok(2 * IOVA_PAGE));
        let high = iova.alloc(0x10_0000, 0x10_0000).unwrap();
        assert_eq!(high, 0xfef0_0000);
        assert!(matches!(iova.alloc(1 << 32, 1), Err(IovaError::Exhausted { .. })));
    }

    #[test]
    fn nonsense_is_refused() {
        let mut iova = IovaAllocator::new(&PC);
        for (len, align) in [(0, 4096), (4096, 0), (4096, 3), (u64::MAX, 4096)] {
            assert_eq!(iova.alloc(len, align), Err(IovaError::BadRequest { len, align }));
        }
        assert!(matches!(iova.alloc(4096, 1 << 63), Err(IovaError::Exhausted { .. })));
        let a = iova.alloc(8192, 1).unwrap();
        for (at, len) in [(a, 4096), (a + 4096, 4096), (a, 0), (a, u64::MAX), (0, 8192)] {
            assert_eq!(iova.free(at, len), Err(IovaError::NotAllocated { iova: at, len }));
        }
        iova.free(a, 8192).unwrap();
        assert!(iova.free(a, 8192).is_err(), "freed twice");
    }

    #[test]
    fn odd_ranges_shrink_to_pages_and_overlap_counts_once() {
        let iova = IovaAllocator::new(&[(0x1001, 0x4ffe), (0x2000, 0x5fff), (7, 3), (1 << 40, u64::MAX)]);
        assert_eq!(iova.free, BTreeMap::from([(0x2000, 0x6000)]));
        assert_eq!(IovaAllocator::new(&[]).available(), 0);
        assert_eq!(IovaAllocator::new(&[(0, u64::MAX)]).available(), (1 << 32) - IOVA_PAGE);
        assert_eq!(IovaAllocator::new(&[(u64::MAX, u64::MAX)]).available(), 0);
    }

    #[test]
    fn reserves_what_a_predecessor_had() {
        let mut iova = IovaAllocator::new(&[(0, 0xffff)]);
        iova.reserve(0x3000, 0x2000).unwrap();
        assert!(iova.reserve(0x4000, 0x1000).is_err() && iova.reserve(0, 0x1000).is_err());
        assert!(iova.reserve(0x3800, 0x1000).is_err() && iova.reserve(u64::MAX - 0xfff, 0x1000).is_err());
        assert_eq!(iova.alloc(0x3000, 1), Ok(0x5000));
        iova.free(0x3000, 0x2000).unwrap();
        assert_eq!(iova.alloc(0x4000, 1), Ok(0x1000));
    }

    #[test]
    fn any_history_keeps_pieces_apart_inside_and_countable() {
        for seed in 1..=200u64 {
            let mut random = Random(seed);
            let allowed = [(0, 0x3_ffff), (0x5_0000, 0x9_ffff), (0xffff_0000, 0x1_0000_ffff)];
            let mut iova = IovaAllocator::new(&allowed);
            let all = iova.available();
            let mut held: Vec<(u64, u64)> = Vec::new();
            for _ in 0..300 {
                if random.below(5) < 3 {
                    let (len, align) = (1 + random.below(0x6000), 1u64 << random.below(16));
                    let Ok(at) = iova.alloc(len, align) else { continue };
                    let end = at + len.next_multiple_of(IOVA_PAGE);
                    assert!(at.is_multiple_of(align.max(IOVA_PAGE)) && at != 0 && end <= LIMIT, "seed {seed}");
                    assert!(allowed.iter().any(|(first, last)| *first <= at && end - 1 <= *last), "seed {seed}");
                    for (other, other_len) in &held {
                        let other_end = other + other_len.next_multiple_of(IOVA_PAGE);
                        assert!(end <= *other || other_end <= at, "seed {seed}: {at:#x} and {other:#x}");
                    }
                    held.push((at, len));
                } else if !held.is_empty() {
                    let (at, len) = held.swap_remove(random.below(held.len() as u64) as usize);
                    iova.free(at, len).unwrap();
                }
                let used: u64 = held.iter().map(|(_, len)| len.next_multiple_of(IOVA_PAGE)).sum();
                assert_eq!(iova.available() + used, all, "seed {seed}");
            }
            for (at, len) in held {
                iova.free(at, len).unwrap();
            }
            assert_eq!(iova.free, IovaAllocator::new(&allowed).free, "seed {seed}: gaps did not grow together again");
        }
    }
}
