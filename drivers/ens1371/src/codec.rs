//! The codec's registers: which there are, what they hold after `probe`, and how they are written. What they mean to the ear is
//! in `controls.rs`.
//!
//! The state has what is in them, for the AK4531 tells nothing and an AC'97 codec takes a while. A register is marked before it
//! is written, so `restore` writes those alone that the failed call has touched.
//!
//! What is heard after `probe`: what is played, at 0 dB all the way, which is what someone expects who connects a card. The
//! analog inputs are silent; the microphone is what is captured, at 0 dB.

use udrv_driver::{Cx, Error};

use crate::chip::Codec;
use crate::state::State;
use crate::{ac97, ak4531};

/// Its space of marks: places are those in the table.
pub(crate) const MARKS: u32 = 0;
/// Registers of a codec, at most.
pub(crate) const REGISTERS: usize = 26;

/// A register of a codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Register {
    pub(crate) address: u8,
    /// Bits that are ever written as 1.
    pub(crate) writable: u16,
    /// What it holds after `probe`.
    pub(crate) initial: u16,
}

/// Those that the driver writes.
pub(crate) const fn table(codec: Codec) -> &'static [Register] {
    match codec {
        Codec::Ac97 => &ac97::TABLE,
        Codec::Ak4531 => &ak4531::TABLE,
    }
}

/// Writes the register at this place of the table. The state has the value when the codec has.
pub(crate) fn write(cx: &mut Cx<'_, State>, at: usize, value: u16) -> Result<(), Error> {
    let codec = cx.state.chip()?.codec;
    let Some(register) = table(codec).get(at) else { return Err(Error::Unsupported) };
    cx.marks.mark(MARKS, at as u32)?;
    match codec {
        Codec::Ac97 => ac97::write(cx, register.address, value)?,
        Codec::Ak4531 => ak4531::write(cx, register.address, value)?,
    }
    cx.state.codec[at] = value;
    Ok(())
}

/// Resets the codec and sets it to what it is after `probe`.
pub(crate) fn start(cx: &mut Cx<'_, State>) -> Result<(), Error> {
    let codec = cx.state.chip()?.codec;
    // a reset writes all of them
    for at in 0..table(codec).len() {
        cx.marks.mark(MARKS, at as u32)?;
    }
    match codec {
        Codec::Ac97 => ac97::reset(cx)?,
        Codec::Ak4531 => ak4531::reset(cx)?,
    }
    cx.state.codec = [0; REGISTERS];
    for (at, register) in table(codec).iter().enumerate() {
        write(cx, at, register.initial)?;
    }
    Ok(())
}

/// Writes the registers that are marked.
pub(crate) fn restore(cx: &mut Cx<'_, State>) -> Result<(), Error> {
    let marked = cx.marks.marked(MARKS)?;
    for at in 0..table(cx.state.chip()?.codec).len() {
        if marked & 1 << at != 0 {
            write(cx, at, cx.state.codec[at])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_whole() {
        for table in [table(Codec::Ac97), table(Codec::Ak4531)] {
            assert!(table.len() <= REGISTERS);
            assert!(table.iter().all(|register| register.initial & !register.writable == 0));
            assert!(table.windows(2).all(|two| two[0].address < two[1].address));
        }
    }
}
