//! The 8254x. Of its registers those with causes and statistics are cleared by being read; none of them is here.

use std::ops::RangeInclusive;
use std::time::Duration;

use model_e1000::{Variant, regs};
use udrv_bus::Width;

use super::{Config, Register, Subject};

/// The 8254x on its model.
pub struct E1000;

const fn all(name: &'static str, at: u32) -> Register {
    Register::all(name, at, Width::U32)
}

/// RCTL.EN and TCTL.EN.
const EN: u32 = 1 << 1;

impl Subject for E1000 {
    type Driver = e1000::E1000;
    type Chip = model_e1000::E1000;

    const BAR: u8 = 0;
    // RDBAL to RDLEN and TDBAL to TDLEN; heads and tails move with the frames
    const SETUP: &'static [Register] = &[
        all("CTRL", regs::CTRL),
        all("IMS", regs::IMS),
        all("RCTL", regs::RCTL),
        all("TCTL", regs::TCTL),
        all("TIPG", regs::TIPG),
        all("RDBAL", regs::RDBAL),
        all("RDBAH", regs::RDBAH),
        all("RDLEN", regs::RDLEN),
        all("TDBAL", regs::TDBAL),
        all("TDBAH", regs::TDBAH),
        all("TDLEN", regs::TDLEN),
        all("RAL0", regs::RAL0),
        all("RAH0", regs::RAH0),
    ];
    const QUIET: &'static [Register] = &[
        Register::bits("RCTL", regs::RCTL, Width::U32, EN),
        Register::bits("TCTL", regs::TCTL, Width::U32, EN),
        all("IMS", regs::IMS),
    ];
    const STATION: [u32; 2] = [regs::RAL0, regs::RAH0];
    const LINK_SPEED: u32 = 1000;
    // `probe` reads the EEPROM, and was seen to take more than 5 ms
    const DEADLINE: Duration = Duration::from_millis(50);
    // rings of 64 and 256 descriptors, of which one is always the driver's
    const TX_ROOM: u64 = 63;
    const RX_ROOM: u64 = 255;
    const GARBAGE: &'static [(RangeInclusive<u32>, u32)] = &[
        (regs::STATUS..=regs::STATUS + 3, 3),
        (regs::MDIC..=regs::MDIC + 3, 3),
        (regs::ICR..=regs::ICR + 3, 3),
        (0..=regs::SIZE - 1, 20),
    ];

    // not the 82544GC: its EEPROM is read bit by bit, and where nothing is optimised that takes longer than DEADLINE
    fn variants() -> Vec<Config<Self>> {
        [Variant::I82540Em, Variant::I82545Em].map(|variant| model_e1000::Config { variant, ..Self::config() }).into()
    }
}
