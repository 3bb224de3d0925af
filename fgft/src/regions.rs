//! What lies at an address: names that parts of the program have given to memory, else what the kernel says.
//!
//! A fault report has addresses in it, and "state of domain rtl8139 + 0x18" says more than a number. Every
//! [`crate::Domain`] names its parts; whoever maps memory can name it too:
//!
//! ```
//! use fgft::regions::{name_region, what_is_at};
//!
//! let ring = Box::new([0_u8; 4096]);
//! let start = ring.as_ptr() as u64;
//! let name = name_region(start..start + 4096, "receive ring");
//! assert_eq!(what_is_at(start + 0x10), "receive ring + 0x10");
//! drop(name); // with the memory
//! ```
//!
//! Not for the fault path, where nothing may lock or allocate: the address is kept there and looked up later, so the
//! answer is what lies there then.

use std::fmt::Write;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard};

struct Region {
    id: u64,
    range: Range<u64>,
    name: String,
}

#[derive(Default)]
struct Registry {
    regions: Vec<Region>,
    last_id: u64,
}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry { regions: Vec::new(), last_id: 0 });

fn registry() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Keeps a range named until it is dropped.
#[derive(Debug)]
#[must_use = "the name is forgotten when this is dropped"]
pub struct RegionName {
    id: u64,
}

impl Drop for RegionName {
    fn drop(&mut self) {
        registry().regions.retain(|region| region.id != self.id);
    }
}

/// Names the addresses of `range`. Where named ranges overlap the smallest is told; of equal ones the last named.
pub fn name_region(range: Range<u64>, name: impl Into<String>) -> RegionName {
    let name = name.into();
    let mut registry = registry();
    registry.last_id += 1;
    let id = registry.last_id;
    registry.regions.push(Region { id, range, name });
    RegionName { id }
}

/// What lies at `address` now, in words: the name of a region and the offset in it, else what this process has mapped
/// there or next to there.
#[must_use]
pub fn what_is_at(address: u64) -> String {
    if let Some(text) = named(address) {
        return text;
    }
    match std::fs::read_to_string("/proc/self/maps") {
        Ok(maps) => mapped(&maps, address),
        Err(error) => format!("unknown: /proc/self/maps: {error}"),
    }
}

fn named(address: u64) -> Option<String> {
    let registry = registry();
    let around = registry.regions.iter().rev().filter(|region| region.range.contains(&address));
    let region = around.min_by_key(|region| region.range.end - region.range.start)?;
    Some(at_offset(&region.name, address - region.range.start))
}

fn at_offset(name: &str, offset: u64) -> String {
    let mut text = name.to_owned();
    if offset != 0 {
        let _ = write!(text, " + {offset:#x}"); // to a string: cannot fail
    }
    text
}

/// Below this Linux maps nothing by default: an access there is one through a null pointer.
const NULL_ZONE: u64 = 0x1_0000;
/// Beyond the lower half of the address space, where no program has memory.
const USER_END: u64 = 1 << 47;
/// A neighbour further away than this says nothing.
const NEAR: u64 = 1 << 30;

/// A line of `/proc/self/maps`.
struct Mapping<'a> {
    range: Range<u64>,
    rights: &'a str,
    path: &'a str,
}

impl<'a> Mapping<'a> {
    /// `start-end rights offset device inode path`, the numbers hexadecimal; the path may be missing or have blanks.
    fn parse(line: &'a str) -> Option<Mapping<'a>> {
        let mut fields = line.splitn(6, ' ');
        let (start, end) = fields.next()?.split_once('-')?;
        let hex = |digits| u64::from_str_radix(digits, 16).ok();
        let rights = fields.next()?;
        Some(Mapping { range: hex(start)?..hex(end)?, rights, path: fields.nth(3).unwrap_or_default().trim() })
    }

    fn name(&self) -> String {
        let part = match self.rights.as_bytes() {
            [_, _, b'x', ..] => "text",
            [_, b'w', ..] => "data",
            [b'r', ..] => "constants",
            _ => "inaccessible part",
        };
        match self.path {
            "[heap]" => "heap".to_owned(),
            "[stack]" => "stack of the main thread".to_owned(),
            "" if part == "inaccessible part" => "reserved addresses".to_owned(),
            "" => "anonymous memory".to_owned(),
            path if path.starts_with('[') => path.to_owned(),
            path => {
                let path = path.strip_suffix(" (deleted)").unwrap_or(path);
                format!("{} {part}", path.rsplit('/').next().unwrap_or(path))
            }
        }
    }
}

fn mapped(maps: &str, address: u64) -> String {
    let mappings: Vec<Mapping<'_>> = maps.lines().filter_map(Mapping::parse).collect();
    if let Some(mapping) = mappings.iter().find(|m| m.range.contains(&address)) {
        return at_offset(&mapping.name(), address - mapping.range.start);
    }
    if address < NULL_ZONE {
        return format!("nothing mapped, {}", at_offset("null", address));
    }
    if address >= USER_END {
        return "not an address of a program".to_owned();
    }
    let before = mappings.iter().filter(|m| m.range.end <= address).max_by_key(|m| m.range.end);
    let after = mappings.iter().filter(|m| m.range.start > address).min_by_key(|m| m.range.start);
    let past = before.map(|m| (address - m.range.end, "past", m));
    let short_of = after.map(|m| (m.range.start - address, "before", m));
    match past.into_iter().chain(short_of).min_by_key(|(distance, ..)| *distance) {
        Some((distance, side, neighbour)) if distance < NEAR => {
            format!("nothing mapped, {distance:#x} {side} {}", name_of(neighbour, side == "past"))
        }
        _ => "nothing mapped, far from anything".to_owned(),
    }
}

/// A neighbour's name: that of its last or first byte, which may be named.
fn name_of(mapping: &Mapping<'_>, last: bool) -> String {
    let edge = if last { mapping.range.end - 1 } else { mapping.range.start };
    let registry = registry();
    let region = registry.regions.iter().rev().find(|region| region.range.contains(&edge));
    region.map_or_else(|| mapping.name(), |region| region.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
55aa00000000-55aa00010000 r--p 00000000 fe:00 12 /usr/bin/udrvd
55aa00010000-55aa00020000 r-xp 00010000 fe:00 12 /usr/bin/udrvd
55aa00020000-55aa00021000 rw-p 00020000 fe:00 12 /usr/bin/udrvd (deleted)
55aa01000000-55aa01021000 rw-p 00000000 00:00 0                          [heap]
7f0000000000-7f0000010000 ---p 00000000 00:00 0
7f0000010000-7f0000020000 rw-p 00000000 00:00 0
7f0000020000-7f0000021000 r-xp 00001000 fe:00 99                         /usr/lib/a b/libc.so.6
7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                          [stack]
7ffc00100000-7ffc00102000 r-xp 00000000 00:00 0                          [vdso]
";

    #[test]
    fn every_kind_of_mapping_has_its_words() {
        for (address, words) in [
            (0x55aa_0000_0000, "udrvd constants"),
            (0x55aa_0001_0010, "udrvd text + 0x10"),
            (0x55aa_0002_0fff, "udrvd data + 0xfff"),
            (0x55aa_0100_0008, "heap + 0x8"),
            (0x7f00_0000_0001, "reserved addresses + 0x1"),
            (0x7f00_0001_0001, "anonymous memory + 0x1"),
            (0x7f00_0002_0123, "libc.so.6 text + 0x123"),
            (0x7ffc_0000_0000, "stack of the main thread"),
            (0x7ffc_0010_0001, "[vdso] + 0x1"),
            (0, "nothing mapped, null"),
            (0x18, "nothing mapped, null + 0x18"),
            (0x55aa_0102_2000, "nothing mapped, 0x1000 past heap"),
            (0x55aa_00ff_ffff, "nothing mapped, 0x1 before heap"),
            (0x6000_0000_0000, "nothing mapped, far from anything"),
            (0xdead_beef_dead_beef, "not an address of a program"),
        ] {
            assert_eq!(mapped(MAPS, address), words, "{address:#x}");
        }
        assert_eq!(mapped("", 0x10_0000), "nothing mapped, far from anything");
        assert_eq!(mapped("nonsense\n1-\n-\n\n", 0x10_0000), "nothing mapped, far from anything");
    }

    #[test]
    fn names_nest_and_go_with_their_guards() {
        // addresses that no program has: nothing else is named there
        let outer = name_region(1 << 60..(1 << 60) + 0x100, "outer");
        let inner = name_region((1 << 60) + 0x10..(1 << 60) + 0x20, String::from("inner"));
        assert_eq!(what_is_at(1 << 60), "outer");
        assert_eq!(what_is_at((1 << 60) + 0x18), "inner + 0x8");
        assert_eq!(what_is_at((1 << 60) + 0x20), "outer + 0x20");
        assert_eq!(what_is_at((1 << 60) + 0x100), "not an address of a program");
        drop(outer);
        assert_eq!(what_is_at((1 << 60) + 0x18), "inner + 0x8");
        drop(inner);
        assert_eq!(what_is_at((1 << 60) + 0x18), "not an address of a program");
    }
}
