//! Having memory at hand before it is needed.
#![allow(unsafe_code)] // madvise

use std::fs;

/// Brings in what of this process is mapped from files, its program above all: the first who runs it does not wait for pages.
/// What a kernel before 5.14 does not know is done at the first use.
pub fn touch_program() {
    let Ok(maps) = fs::read_to_string("/proc/self/maps") else { return };
    for (start, end) in maps.lines().filter_map(of_file) {
        // SAFETY: brings pages of a mapping in and leaves them as they are; one that is gone meanwhile is an error.
        unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_POPULATE_READ) };
    }
}

/// A line's range, if it is readable and of a file that can be read again.
fn of_file(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split_ascii_whitespace();
    let (range, rights) = (words.next()?, words.next()?);
    let path = words.nth(3)?;
    let (start, end) = range.split_once('-')?;
    let is_program =
        rights.starts_with('r') && path.starts_with('/') && !path.starts_with("/dev/") && !path.starts_with("/memfd:");
    let number = |text| usize::from_str_radix(text, 16).ok();
    Some((number(start)?, number(end)?)).filter(|_| is_program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_and_nothing_else() {
        let program = "55e0c0000000-55e0c0100000 r-xp 00001000 fe:00 42 /usr/bin/udrvd";
        assert_eq!(of_file(program), Some((0x55e0_c000_0000, 0x55e0_c010_0000)));
        for other in [
            "7f0000000000-7f0000001000 ---p 00000000 fe:00 42 /usr/lib/libc.so.6",
            "7f0000000000-7f0000001000 rw-s 00000000 00:01 7 /memfd:udrv-dma (deleted)",
            "7f0000000000-7f0000001000 rw-s 00000000 00:01 7 /dev/vfio/14",
            "7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0 [stack]",
            "7f0000000000-7f0000001000 rw-p 00000000 00:00 0 ",
            "",
        ] {
            assert_eq!(of_file(other), None, "{other}");
        }
        touch_program();
    }
}
