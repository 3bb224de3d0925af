//! The RTL8139. Its registers are read by no side effect but CR, while a reset is under way.

use std::ops::RangeInclusive;

use model_rtl8139::regs;
use udrv_bus::Width;

use super::{Register, Subject};

/// The RTL8139 on its model.
pub struct Rtl8139;

const ENABLES: Register = Register::bits("CR", regs::CR as u32, Width::U8, (regs::cr::RE | regs::cr::TE) as u32);
const IMR: Register = Register::all("IMR", regs::IMR as u32, Width::U16);

impl Subject for Rtl8139 {
    type Driver = rtl8139::Rtl8139;
    type Chip = model_rtl8139::Rtl8139;

    const BAR: u8 = 1;
    const SETUP: &'static [Register] = &[
        Register::all("IDR0", regs::IDR0 as u32, Width::U32),
        Register::all("IDR4", regs::IDR4 as u32, Width::U32),
        Register::all("MAR0", regs::MAR0 as u32, Width::U32),
        Register::all("MAR4", regs::MAR4 as u32, Width::U32),
        Register::all("RBSTART", regs::RBSTART as u32, Width::U32),
        ENABLES,
        IMR,
        Register::all("TCR", regs::TCR as u32, Width::U32),
        Register::all("RCR", regs::RCR as u32, Width::U32),
        Register::all("9346CR", regs::CR9346 as u32, Width::U8),
    ];
    const QUIET: &'static [Register] = &[ENABLES, IMR];
    const STATION: [u32; 2] = [regs::IDR0 as u32, regs::IDR4 as u32];
    const LINK_SPEED: u32 = 100;
    const TX_ROOM: u64 = 4;
    // of 1524 bytes with header and CRC, in 32 KiB
    const RX_ROOM: u64 = 21;
    // TSD, CR, CAPR and CBR, ISR, and all
    const GARBAGE: &'static [(RangeInclusive<u32>, u32)] =
        &[(0x10..=0x1f, 3), (0x37..=0x37, 3), (0x38..=0x3b, 3), (0x3e..=0x3f, 3), (0..=0xff, 20)];
}
