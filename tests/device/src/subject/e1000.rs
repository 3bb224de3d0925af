//! The 8254x. The driver reads its station address from the EEPROM: it starts with an 82544, which has no EERD, too.

use std::ops::RangeInclusive;
use std::time::Duration;

use model_e1000::regs;
use udrv_bus::Width;

use super::{Register, Subject};

/// The 8254x on its model.
pub struct E1000;

const fn word(name: &'static str, at: u32) -> Register {
    Register::all(name, at, Width::U32)
}

const fn enable(name: &'static str, at: u32, bit: u32) -> Register {
    Register::bits(name, at, Width::U32, bit)
}

const IMS: Register = word("IMS", regs::IMS);

impl Subject for E1000 {
    type Driver = e1000::E1000;
    type Chip = model_e1000::E1000;

    const BAR: u8 = 0;
    const SETUP: &'static [Register] = &[
        word("CTRL", regs::CTRL),
        IMS,
        word("ITR", regs::ITR),
        word("RCTL", regs::RCTL),
        word("TCTL", regs::TCTL),
        word("TIPG", regs::TIPG),
        word("RDBAL", regs::RDBAL),
        word("RDLEN", regs::RDLEN),
        word("TDBAL", regs::TDBAL),
        word("TDLEN", regs::TDLEN),
        word("RAL0", regs::RAL0),
        word("RAH0", regs::RAL0 + 4),
    ];
    const QUIET: &'static [Register] =
        &[enable("RCTL", regs::RCTL, regs::rctl::EN), enable("TCTL", regs::TCTL, regs::tctl::EN), IMS];
    const STATION: [u32; 2] = [regs::RAL0, regs::RAL0 + 4];
    const LINK_SPEED: u32 = 1000;
    const TX_ROOM: u64 = 63;
    const RX_ROOM: u64 = 255;
    // the 82544's EEPROM is read bit by bit
    const DEADLINE: Duration = Duration::from_millis(20);
    // CTRL to STATUS, ICR, heads and tails, counters, and all
    const GARBAGE: &'static [(RangeInclusive<u32>, u32)] = &[
        (0x00..=0x0b, 3),
        (0xc0..=0xc3, 3),
        (0x2810..=0x281b, 3),
        (0x3810..=0x381b, 3),
        (0x4000..=0x40ff, 3),
        (0..=0x5fff, 20),
    ];
}
