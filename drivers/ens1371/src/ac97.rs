//! The AC'97 codec of an ES1371, and its registers (Audio Codec '97, revision 2.1, section 6.3).
//!
//! An access must not meet the converter on its way to the codec, so it waits for a moment in the converter's cycle. Every
//! codec has these registers, but for those of the auxiliary input, which are without effect then.

use udrv_driver::{Cx, Error, Level, Micros};

use crate::codec::Register;
use crate::regs::{self, codec, src};
use crate::src as converter;
use crate::state::State;

/// Registers of the codec.
mod address {
    /// Reset: a write of anything.
    pub(super) const RESET: u8 = 0x00;
    /// Powerdown control, and which parts are ready.
    pub(super) const POWERDOWN: u8 = 0x26;
    /// Vendor id, and behind it the second half.
    pub(super) const VENDOR_ID1: u8 = 0x7c;
    pub(super) const VENDOR_ID2: u8 = 0x7e;
}

/// Reference, mixer, DAC and ADC are ready.
const READY: u16 = 0xf;
/// For an access to end: one frame of the link is 21 us, and a read takes two or three.
const DEADLINE: Micros = Micros(10_000);
/// For a codec to come up after a reset; some want most of a second.
const START_DEADLINE: Micros = Micros(1_000_000);
/// Between two looks.
const START_STEP: Micros = Micros(1_000);

const fn register(address: u8, writable: u16, initial: u16) -> Register {
    Register { address, writable, initial }
}

/// Those that the driver writes: see `controls.rs`. Of the inputs 8 is 0 dB.
pub(crate) const TABLE: [Register; 9] = [
    register(0x02, 0x9f1f, 0x0000), // master volume
    register(0x0e, 0x805f, 0x8008), // microphone
    register(0x10, 0x9f1f, 0x8808), // line in
    register(0x12, 0x9f1f, 0x8808), // CD
    register(0x16, 0x9f1f, 0x8808), // auxiliary
    register(0x18, 0x9f1f, 0x0808), // PCM out
    register(0x1a, 0x0707, 0x0000), // record select: microphone
    register(0x1c, 0x8f0f, 0x0000), // record gain
    register(address::POWERDOWN, 0, 0),
];

/// An access: CODEC is written in a moment in which the converter does not care.
fn access(cx: &Cx<'_, State>, word: u32) -> Result<(), Error> {
    cx.regs.wait(regs::CODEC, DEADLINE, |value| value & codec::WIP == 0)?;
    converter::ready(cx)?;
    cx.regs.write(regs::SRC, src::SAFE)?;
    converter::safe_moment(cx)?;
    cx.regs.write(regs::CODEC, word)?;
    converter::run(cx)
}

/// Writes a register. The codec has it when the next access ends.
pub(crate) fn write(cx: &Cx<'_, State>, address: u8, value: u16) -> Result<(), Error> {
    access(cx, u32::from(address) << codec::ADDRESS_SHIFT | u32::from(value))
}

/// Reads a register.
fn read(cx: &Cx<'_, State>, address: u8) -> Result<u16, Error> {
    access(cx, u32::from(address) << codec::ADDRESS_SHIFT | codec::READ)?;
    let is_there = |value: u32| value & (codec::WIP | codec::RDY) == codec::RDY;
    cx.regs.wait(regs::CODEC, DEADLINE, is_there).map(|value| value as u16)
}

/// Resets the codec and waits for it. One that comes up in parts is used as it is, for a card may have no use for the rest.
pub(crate) fn reset(cx: &Cx<'_, State>) -> Result<(), Error> {
    write(cx, address::RESET, 0)?;
    let end = cx.clock.now()? + START_DEADLINE.0;
    loop {
        let parts = read(cx, address::POWERDOWN)?;
        if parts != u16::MAX && parts & READY == READY {
            break;
        }
        if cx.clock.now()? >= end {
            cx.log(Level::Warn, format_args!("codec: not all parts are ready: {parts:#06x}; going on"));
            break;
        }
        cx.clock.pause(START_STEP)?;
    }
    let (first, second) = (read(cx, address::VENDOR_ID1)?, read(cx, address::VENDOR_ID2)?);
    cx.log(Level::Info, format_args!("AC'97 codec {first:04x}{second:04x}"));
    Ok(())
}
