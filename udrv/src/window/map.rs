//! The declared map: which register is where, and how it is accessed.

use fgft::Refusal;
use udrv_bus::Width;
use udrv_driver::{Kind, RegisterInfo};

use crate::keep::MAX_REGISTERS;
use crate::ledger::MAX_SHADOWED;

/// A register, one of several of a name too.
#[derive(Debug, Clone, Copy)]
pub(super) struct Register {
    pub(super) name: &'static str,
    pub(super) element: u16,
    pub(super) offset: u16,
    pub(super) width: Width,
    pub(super) kind: Kind,
}

impl std::fmt::Display for Register {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)?;
        if self.element > 0 { write!(f, "[{}]", self.element) } else { Ok(()) }
    }
}

/// All of them.
pub(super) struct Map {
    /// Those with a shadow come first.
    pub(super) registers: Vec<Register>,
    /// Register index for each byte offset; [`NONE`] where nothing is declared.
    by_offset: Vec<u16>,
}

const NONE: u16 = 0xffff;

impl Map {
    /// Those that a driver declares for a device with so many `bytes` of registers.
    pub(super) fn of(declared: &[RegisterInfo], bytes: u64) -> Map {
        let mut registers: Vec<Register> = declared
            .iter()
            .flat_map(|info| {
                let width = match info.width {
                    1 => Width::U8,
                    2 => Width::U16,
                    4 => Width::U32,
                    other => panic!("register {}: {other} bytes wide", info.name),
                };
                (0..info.count).map(move |element| Register {
                    name: info.name,
                    element,
                    offset: info.offset + element * u16::from(info.width),
                    width,
                    kind: info.kind,
                })
            })
            .collect();
        // the shadow is copied at every commit: it has room for the registers that have one, and these come first
        registers.sort_by_key(|register| !is_shadowed(register.kind));
        let shadowed = registers.iter().filter(|register| is_shadowed(register.kind)).count();
        assert!(shadowed <= MAX_SHADOWED, "the map declares more than {MAX_SHADOWED} registers with a shadow");
        assert!(registers.len() <= MAX_REGISTERS, "the map declares more than {MAX_REGISTERS} registers");
        let end = registers.iter().map(|r| usize::from(r.offset) + r.width.bytes() as usize).max().unwrap_or(0);
        assert!(end as u64 <= bytes, "the map is larger than the device's registers: {end:#x} > {bytes:#x} bytes");
        let mut by_offset = vec![NONE; end];
        for (index, register) in registers.iter().enumerate() {
            let slot = &mut by_offset[usize::from(register.offset)];
            assert!(*slot == NONE, "two registers at {:#x}", register.offset);
            *slot = index as u16;
        }
        Map { registers, by_offset }
    }

    /// Index of the register at `offset` with a width of so many bytes.
    pub(super) fn find(&self, offset: u64, width: u64) -> Result<usize, Refusal> {
        let index = usize::try_from(offset).ok().and_then(|o| self.by_offset.get(o)).copied().unwrap_or(NONE);
        match self.registers.get(usize::from(index)) {
            Some(register) if register.width.bytes() == width => Ok(usize::from(index)),
            Some(register) => Err(Refusal(format!(
                "register {} is {} bytes wide, not {width}",
                register.name,
                register.width.bytes()
            ))),
            None => Err(Refusal(format!("no register is declared at {offset:#x}"))),
        }
    }
}

/// Whether what was last written to or read from a register of this kind is remembered.
pub(super) fn is_shadowed(kind: Kind) -> bool {
    matches!(kind, Kind::Config | Kind::DmaAddress | Kind::WriteOnly)
}
