//! The kernel's capability chains (`struct vfio_info_cap_header`), walked with every offset bounded.
//!
//! Not trusted even though it is the kernel's: a chain can come from a newer kernel than this code knows, and a walk
//! that cannot run outside its buffer or in circles needs no trust.

/// Bytes of `struct vfio_info_cap_header`: id u16, version u16, next u32.
const HEADER: usize = 8;

/// A chain that points outside its buffer, backwards, or into its own head.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadChain {
    /// The offset that is wrong.
    pub(super) offset: usize,
}

/// Finds capability `id` in `buffer`, whose chain begins at `first` (0: there is none). `fixed` is the length of the
/// structure in front of the chain, in bytes. Returns the capability with its header, up to the end of the buffer.
pub(super) fn find(buffer: &[u8], first: u32, fixed: usize, id: u16) -> Result<Option<&[u8]>, BadChain> {
    let mut offset = first as usize;
    let mut lowest = fixed;
    while offset != 0 {
        // The kernel appends, so a chain only goes forward. Asking for that is what ends every walk.
        let capability = buffer.get(offset..).filter(|c| offset >= lowest && c.len() >= HEADER);
        let capability = capability.ok_or(BadChain { offset })?;
        if u16_at(capability, 0) == Some(id) {
            return Ok(Some(capability));
        }
        lowest = offset + HEADER;
        offset = u32_at(capability, 4).unwrap_or(0) as usize;
    }
    Ok(None)
}

/// The inclusive ranges of a `vfio_iommu_type1_info_cap_iova_range`, as the kernel lists them.
/// `None` if it is shorter than its own count says.
pub(super) fn iova_ranges(capability: &[u8]) -> Option<Vec<(u64, u64)>> {
    const RANGES: usize = 16; // header, nr_iovas u32, reserved u32
    let count = u32_at(capability, 8)? as usize;
    let bytes = capability.get(RANGES..)?.get(..count.checked_mul(16)?)?;
    let word = |b: &[u8]| u64::from_ne_bytes(b.try_into().expect("8 bytes"));
    Some(bytes.chunks_exact(16).map(|pair| (word(&pair[..8]), word(&pair[8..]))).collect())
}

fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(offset..offset + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(offset..offset + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(id: u16, next: u32) -> Vec<u8> {
        [&id.to_ne_bytes()[..], &1u16.to_ne_bytes(), &next.to_ne_bytes()].concat()
    }

    #[test]
    fn finds_the_second_of_two() {
        let buffer = [vec![0; 24], header(2, 32), header(1, 0), vec![7; 4]].concat();
        assert_eq!(find(&buffer, 24, 24, 1).unwrap().unwrap().len(), 12);
        assert_eq!(find(&buffer, 24, 24, 3), Ok(None));
        assert_eq!(find(&buffer, 0, 24, 1), Ok(None));
    }

    #[test]
    fn refuses_circles_and_ends_outside() {
        let circle = [vec![0; 24], header(2, 32), header(3, 24)].concat();
        assert_eq!(find(&circle, 24, 24, 1), Err(BadChain { offset: 24 }));
        let own = [vec![0; 24], header(2, 24)].concat();
        assert_eq!(find(&own, 24, 24, 1), Err(BadChain { offset: 24 }));
        assert_eq!(find(&circle, 36, 24, 1), Err(BadChain { offset: 36 }));
        assert_eq!(find(&circle, u32::MAX, 24, 1), Err(BadChain { offset: u32::MAX as usize }));
        assert_eq!(find(&circle, 8, 24, 1), Err(BadChain { offset: 8 }));
    }

    #[test]
    fn ranges_are_bounded_by_their_bytes() {
        let range = |count: u32, words: &[u64]| {
            let tail: Vec<u8> = words.iter().flat_map(|w| w.to_ne_bytes()).collect();
            [header(1, 0), count.to_ne_bytes().to_vec(), vec![0; 4], tail].concat()
        };
        let two = range(2, &[0, 0xfedf_ffff, 0xfef0_0000, u64::MAX]);
        assert_eq!(iova_ranges(&two), Some(vec![(0, 0xfedf_ffff), (0xfef0_0000, u64::MAX)]));
        assert_eq!(iova_ranges(&range(3, &[0, 1, 2, 3])), None);
        assert_eq!(iova_ranges(&range(u32::MAX, &[])), None);
        assert_eq!(iova_ranges(&header(1, 0)), None);
    }
}
