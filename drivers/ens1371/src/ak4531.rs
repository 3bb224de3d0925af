//! The AK4531 of an ES1370, and its registers: they are written and tell nothing.

use udrv_driver::{Cx, Error, Micros};

use crate::codec::Register;
use crate::regs::{self, status};
use crate::state::State;

/// For a write to end: some tens of microseconds.
const DEADLINE: Micros = Micros(10_000);
/// For a reset to be one, and to be over.
const RESET_TIME: Micros = Micros(100);
/// Where in an access the register stands.
const ADDRESS_SHIFT: u16 = 8;

/// Reset and power down: both bits at 1 are neither.
const RESET: u8 = 0x16;
/// In reset, with power.
const IN_RESET: u16 = 0b10;
/// At work.
const AT_WORK: u16 = 0b11;

const fn register(address: u8, writable: u16, initial: u16) -> Register {
    Register { address, writable, initial }
}

/// All registers, in order: see `controls.rs`. Of the inputs 6 is 0 dB; bit 7 is mute.
pub(crate) const TABLE: [Register; 26] = [
    register(0x00, 0x9f, 0x00), // master, left
    register(0x01, 0x9f, 0x00),
    register(0x02, 0x9f, 0x06), // voice, left: DAC2
    register(0x03, 0x9f, 0x06),
    register(0x04, 0x9f, 0x06), // FM, left: DAC1
    register(0x05, 0x9f, 0x06),
    register(0x06, 0x9f, 0x06), // CD, left
    register(0x07, 0x9f, 0x06),
    register(0x08, 0x9f, 0x06), // line in, left
    register(0x09, 0x9f, 0x06),
    register(0x0a, 0x9f, 0x06), // auxiliary, left
    register(0x0b, 0x9f, 0x06),
    register(0x0c, 0x9f, 0x06), // mono 1
    register(0x0d, 0x9f, 0x9f), // mono 2: never heard
    register(0x0e, 0x9f, 0x06), // microphone
    register(0x0f, 0x87, 0x80), // mono out
    register(0x10, 0x7f, 0x60), // what is heard: FM
    register(0x11, 0x3f, 0x0c), // and voice
    register(0x12, 0x7f, 0x01), // what is captured, left: microphone
    register(0x13, 0x7f, 0x01), // right
    register(0x14, 0xff, 0x00),
    register(0x15, 0xff, 0x00),
    register(RESET, AT_WORK, AT_WORK),
    register(0x17, 0x00, 0x00), // clocks: those that the chip gives
    register(0x18, 0x00, 0x00), // ADC: the mixer
    register(0x19, 0x01, 0x00), // microphone: 30 dB more
];

/// Writes a register.
pub(crate) fn write(cx: &Cx<'_, State>, address: u8, value: u16) -> Result<(), Error> {
    cx.regs.wait(regs::STATUS, DEADLINE, |value| value & status::CSTAT == 0)?;
    cx.regs.write(regs::AK4531, u16::from(address) << ADDRESS_SHIFT | value)
}

/// Resets it; CONTROL has its interface on.
pub(crate) fn reset(cx: &Cx<'_, State>) -> Result<(), Error> {
    write(cx, RESET, IN_RESET)?;
    cx.clock.pause(RESET_TIME)?;
    write(cx, RESET, AT_WORK)?;
    cx.clock.pause(RESET_TIME)
}
