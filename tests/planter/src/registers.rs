//! The registers of a driver, so that one can be taken for another.

use std::collections::BTreeMap;

/// For each register the next one of the same width.
#[derive(Debug, Default)]
pub(crate) struct Registers(BTreeMap<String, String>);

impl Registers {
    /// From the source of a register map: lines `NAME: width = offset, kind;`.
    pub(crate) fn read(source: &str) -> Registers {
        let mut by_width = BTreeMap::<&str, Vec<&str>>::new();
        for line in source.lines() {
            let Some((name, rest)) = line.trim().split_once(": ") else { continue };
            let Some((width, _)) = rest.split_once(" = ") else { continue };
            let is_name =
                name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_') && !name.is_empty();
            if is_name && matches!(width, "u8" | "u16" | "u32") && line.trim_end().ends_with(';') {
                by_width.entry(width).or_default().push(name);
            }
        }
        let next = |names: Vec<&str>| {
            let of = |index: usize| names[index % names.len()].to_owned();
            (0..names.len()).map(|index| (of(index), of(index + 1))).collect::<Vec<_>>()
        };
        let pairs = by_width.into_values().flat_map(next);
        Registers(pairs.filter(|(register, other)| register != other).collect())
    }

    /// What it can be taken for.
    pub(crate) fn other(&self, register: &str) -> Option<&str> {
        self.0.get(register).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_register_is_taken_for_the_next_of_its_width() {
        let map = "register_map! {\n /// A: u8.\n A: u8 = 0, Config;\n B: u16 = 2, Config;\n C: u8 = 1, Command;\n}";
        let registers = Registers::read(map);
        assert_eq!((registers.other("A"), registers.other("C")), (Some("C"), Some("A")));
        assert_eq!((registers.other("B"), registers.other("D")), (None, None), "there is no other");
        assert!(Registers::read("pub const RST: u8 = 1 << 4;").0.is_empty());
    }
}
