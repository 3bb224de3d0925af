//! The RTL8169 family. The registers are looked at in I/O space, BAR 0: that in memory is BAR 1 or 2, as the chip is on
//! PCI or on PCI Express. They are read by no side effect but CR, while a reset is under way.

use std::ops::RangeInclusive;

use model_r8169::regs;
use udrv_bus::Width;

use super::{Register, Subject};

/// The RTL8169 on its model.
pub struct R8169;

const fn word(name: &'static str, at: u8) -> Register {
    Register::all(name, at as u32, Width::U32)
}

const fn half(name: &'static str, at: u8) -> Register {
    Register::all(name, at as u32, Width::U16)
}

const ENABLES: Register = Register::bits("CR", regs::CR as u32, Width::U8, (regs::cr::RE | regs::cr::TE) as u32);
const IMR: Register = half("IMR", regs::IMR);

impl Subject for R8169 {
    type Driver = r8169::R8169;
    type Chip = model_r8169::R8169;

    const BAR: u8 = 0;
    const SETUP: &'static [Register] = &[
        word("IDR0", regs::IDR0),
        word("IDR4", regs::IDR4),
        word("MAR0", regs::MAR0),
        word("MAR4", regs::MAR4),
        word("TNPDS", regs::TNPDS),
        word("TNPDS, upper half", regs::TNPDS_HIGH),
        ENABLES,
        IMR,
        word("TCR", regs::TCR),
        word("RCR", regs::RCR),
        Register::all("9346CR", regs::CR9346 as u32, Width::U8),
        half("RMS", regs::RMS),
        half("CPCR", regs::CPCR),
        half("IntrMitigate", regs::INTRMITIGATE),
        word("RDSAR", regs::RDSAR),
        word("RDSAR, upper half", regs::RDSAR_HIGH),
        Register::all("ETThr", regs::ETTHR as u32, Width::U8),
    ];
    const QUIET: &'static [Register] = &[ENABLES, IMR];
    const STATION: [u32; 2] = [regs::IDR0 as u32, regs::IDR4 as u32];
    const LINK_SPEED: u32 = 1000;
    const TX_ROOM: u64 = 64;
    const RX_ROOM: u64 = 256;
    // CR, ISR, TCR, MPC, PHYAR, PHYSTATUS, and all
    const GARBAGE: &'static [(RangeInclusive<u32>, u32)] = &[
        (0x37..=0x37, 3),
        (0x3e..=0x3f, 3),
        (0x40..=0x43, 3),
        (0x4c..=0x4f, 3),
        (0x60..=0x63, 3),
        (0x6c..=0x6c, 3),
        (0..=0xff, 20),
    ];
}
