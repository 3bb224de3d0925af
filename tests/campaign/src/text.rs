//! Where a driver's machine code is: the functions of this very program whose crate is the driver's.
//!
//! Gates and the framework are in other crates, so what is changed is the driver's own; of its code only what the compiler has inlined
//! into the framework is out of reach, and what of `udrv-driver` it has inlined into the driver is in.

use std::fs::File;
use std::io;
use std::ops::Range;

use iced_x86::{Decoder, DecoderOptions, Instruction};
use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSection, ObjectSymbol, SymbolKind};
use rustc_demangle::demangle;

/// A function of a driver.
#[derive(Debug, Clone)]
pub(crate) struct Function {
    /// Its name, without the hash.
    pub(crate) name: String,
    /// Where it is in memory.
    pub(crate) at: Range<u64>,
    /// Its instructions.
    pub(crate) code: Vec<Instruction>,
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
}

/// The functions of the crate `name`, by address.
///
/// # Errors
/// This program's file cannot be read, or is stripped.
pub(crate) fn functions(name: &str) -> io::Result<Vec<Function>> {
    let other = |what: &str| io::Error::other(format!("this program's file: {what}"));
    let data = std::fs::read("/proc/self/exe")?;
    let file = ElfFile64::<Endianness>::parse(&*data).map_err(|e| other(&e.to_string()))?;
    let base = load_base()?;
    let mut found: Vec<Function> = Vec::new();
    for symbol in file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.size() > 0) {
        let Ok(mangled) = symbol.name() else { continue };
        let path = format!("{:#}", demangle(mangled));
        if !is_of(&path, name) {
            continue;
        }
        let section = symbol.section_index().and_then(|index| file.section_by_index(index).ok());
        let Some(bytes) = section.and_then(|s| s.data_range(symbol.address(), symbol.size()).ok().flatten()) else {
            continue;
        };
        let start = base + symbol.address();
        // several symbols of one address: identical functions that the linker has folded
        if found.iter().any(|function| function.at.start == start) {
            continue;
        }
        let code = Decoder::with_ip(64, bytes, start, DecoderOptions::NONE).into_iter().collect();
        found.push(Function { name: path, at: start..start + symbol.size(), code, bytes: bytes.to_vec() });
    }
    if found.is_empty() {
        return Err(other(&format!("no function of {name} is in its symbol table; was it stripped?")));
    }
    found.sort_by_key(|function| function.at.start);
    Ok(found)
}

/// Whether `path` is defined in crate `name`: `e1000::setup::start`, `<e1000::E1000 as udrv_driver::driver::Driver>::probe`.
fn is_of(path: &str, name: &str) -> bool {
    let path = path.trim_start_matches(['<', '&', '[']);
    path.strip_prefix(name).is_some_and(|rest| rest.starts_with("::"))
}

/// What is added to the addresses in the file.
fn load_base() -> io::Result<u64> {
    use io::BufRead as _;
    let exe = std::fs::read_link("/proc/self/exe")?;
    let maps = io::BufReader::new(File::open("/proc/self/maps")?);
    for line in maps.lines() {
        let line = line?;
        let mut words = line.split_whitespace();
        let (range, offset, path) = (words.next(), words.nth(1), words.nth(2));
        if offset == Some("00000000") && path.is_some_and(|path| exe.as_os_str() == path) {
            let start = range.and_then(|range| range.split('-').next()).unwrap_or_default();
            return u64::from_str_radix(start, 16).map_err(io::Error::other);
        }
    }
    Err(io::Error::other("this program is not in its own map"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_told_by_their_crate() {
        assert!(is_of("e1000::setup::start", "e1000"));
        assert!(is_of("<e1000::E1000 as udrv_driver::driver::Driver>::probe", "e1000"));
        assert!(!is_of("model_e1000::chip::Chip::write", "e1000"));
        assert!(!is_of("<udrv::run::Running<e1000::E1000>>::tick", "e1000"));
    }

    #[test]
    fn all_of_a_function_is_instructions() {
        let functions = functions("udrv_campaign").unwrap();
        assert!(functions.len() > 5);
        for Function { name, at, code, bytes } in functions {
            assert_eq!(at.end - at.start, bytes.len() as u64, "{name}");
            assert_eq!(code.iter().map(Instruction::len).sum::<usize>(), bytes.len(), "{name}");
        }
    }
}
