//! Accesses of any length, as the accesses that a bus would make: naturally aligned, of 4, 2 or 1 bytes, ascending.
//!
//! A driver's access has 1, 2, 4 or 8 bytes; QEMU reads the whole configuration space in one go.

use udrv_bus::{BusError, PciFunction, Width};

/// A region of the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Space {
    /// Configuration space.
    Config,
    /// A BAR.
    Bar(u8),
}

/// The next piece of an access: the widest that is aligned.
fn piece(offset: u64, left: usize) -> Width {
    match left {
        4.. if offset.is_multiple_of(4) => Width::U32,
        2.. if offset.is_multiple_of(2) => Width::U16,
        _ => Width::U8,
    }
}

/// Reads `to.len()` bytes at `offset`, which the caller has found to be inside.
pub(crate) fn read(
    function: &mut dyn PciFunction,
    space: Space,
    mut offset: u64,
    mut to: &mut [u8],
) -> Result<(), BusError> {
    while !to.is_empty() {
        let width = piece(offset, to.len());
        let value = match space {
            Space::Config => function.config_read(offset as u16, width)?,
            Space::Bar(bar) => function.bar_read(bar, offset, width)?,
        };
        let (now, later) = to.split_at_mut(width.bytes() as usize);
        now.copy_from_slice(&value.to_le_bytes()[..now.len()]);
        offset += width.bytes();
        to = later;
    }
    Ok(())
}

/// Writes `from` at `offset`, which the caller has found to be inside.
pub(crate) fn write(
    function: &mut dyn PciFunction,
    space: Space,
    mut offset: u64,
    mut from: &[u8],
) -> Result<(), BusError> {
    while !from.is_empty() {
        let width = piece(offset, from.len());
        let (now, later) = from.split_at(width.bytes() as usize);
        let mut value = [0; 4];
        value[..now.len()].copy_from_slice(now);
        let value = u32::from_le_bytes(value);
        match space {
            Space::Config => function.config_write(offset as u16, width, value)?,
            Space::Bar(bar) => function.bar_write(bar, offset, width, value)?,
        }
        offset += width.bytes();
        from = later;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_is_cut_into_aligned_pieces() {
        let pieces = |mut offset: u64, mut left: usize| {
            let mut widths = Vec::new();
            while left > 0 {
                let width = piece(offset, left).bytes();
                widths.push(width);
                offset += width;
                left -= width as usize;
            }
            widths
        };
        assert_eq!(pieces(0, 8), [4, 4]);
        assert_eq!(pieces(4, 4), [4]);
        assert_eq!(pieces(2, 4), [2, 2]);
        assert_eq!(pieces(3, 6), [1, 4, 1]);
        assert_eq!(pieces(1, 2), [1, 1]);
    }
}
