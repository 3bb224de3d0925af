//! The sample rate converter of the ES1371: its memory, behind SRC.
//!
//! 128 words: buffers of samples, and from 6ch on what the converter is told of each stream (`rate.rs` has the arithmetic). What is
//! told is a function of the state. A word that is about to be written is marked, and `restore` writes those that are marked:
//! a stream that the failed call did not touch is not touched by `restore` either.
//!
//! The low byte of INT_REGS is the converter's own: where it is in the stream. It is read and left as it is.

use udrv_driver::{Clock, Cx, Error, Micros, Reg};

use crate::rate::{self, Told};
use crate::regs::{self, src};
use crate::state::State;

/// Its space of marks: word 40h and on are places 0 and on. Below are buffers.
pub(crate) const MARKS: u32 = 1;
/// The first word that has a mark.
const MARKED_FROM: u8 = 0x40;
/// Words of its memory.
const WORDS: u8 = 0x80;

/// Where what is told of a stream stands: TRUNC_N, INT_REGS, (the converter's own), VFREQ_FRAC.
const STREAMS: [u8; 3] = [0x70, 0x74, 0x78];
/// And its volumes, left and right.
const VOLUMES: [u8; 3] = [0x7c, 0x7e, 0x6c];
/// INT_REGS, in that order.
const INT_REGS: u8 = 1;
/// VFREQ_FRAC, in that order.
const VFREQ_FRAC: u8 = 3;
/// Of INT_REGS, what is the converter's own.
const OWN: u16 = 0x00ff;

/// For the converter to be ready, or to come to a place in its cycle, which takes it 21 us: what is slow here is us.
const DEADLINE: Micros = Micros(1_000);
/// Rate of a stream that was never set up, Hz.
const USUAL_RATE: u32 = 48_000;

/// Reads `register` until it is as `ready` says, without pauses: what is waited for lasts but a microsecond or two.
///
/// # Errors
/// As those of [`udrv_driver::Registers::wait`].
pub(crate) fn spin(
    cx: &Cx<'_, State>,
    register: Reg<u32>,
    deadline: Micros,
    ready: impl Fn(u32) -> bool,
) -> Result<u32, Error> {
    /// Looks that are made in any case: when it is this process that was slow, the device is not to blame.
    const LOOKS: u32 = 10;
    let clock: &Clock<'_> = &cx.clock;
    let end = clock.now()? + deadline.0;
    let mut looks = 0;
    loop {
        looks += 1;
        let value = cx.regs.read_present(register)?;
        if ready(value) {
            return Ok(value);
        }
        if looks >= LOOKS && clock.now()? >= end {
            return Err(Error::Timeout { register: register.offset(), value });
        }
    }
}

/// Waits until the converter has done the last thing that it was told, and gives SRC.
pub(crate) fn ready(cx: &Cx<'_, State>) -> Result<u32, Error> {
    spin(cx, regs::SRC, DEADLINE, |value| value & src::BUSY == 0)
}

/// Waits for a moment in which the codec or what was read may be touched, and gives what SRC says then. It has to be asked
/// for; a place that it stands in already may be about to end, so what is waited for is its beginning.
pub(crate) fn safe_moment(cx: &Cx<'_, State>) -> Result<u32, Error> {
    spin(cx, regs::SRC, DEADLINE, |value| value & (src::BUSY | src::CYCLE) == 0)?;
    spin(cx, regs::SRC, DEADLINE, |value| value & (src::BUSY | src::CYCLE) == src::SAFE)
}

/// Writes a word.
fn write(cx: &Cx<'_, State>, flags: u32, address: u8, data: u16) -> Result<(), Error> {
    mark(cx, address)?;
    ready(cx)?;
    cx.regs.write(regs::SRC, flags | place(address) | src::WE | u32::from(data))
}

fn mark(cx: &Cx<'_, State>, address: u8) -> Result<(), Error> {
    match address.checked_sub(MARKED_FROM) {
        Some(index) => cx.marks.mark(MARKS, index.into()),
        None => Ok(()),
    }
}

fn place(address: u8) -> u32 {
    u32::from(address) << src::ADDRESS_SHIFT
}

/// Reads a word; the converter runs.
fn read(cx: &Cx<'_, State>, flags: u32, address: u8) -> Result<u16, Error> {
    mark(cx, address)?;
    ready(cx)?;
    cx.regs.write(regs::SRC, flags | place(address) | src::SAFE)?;
    let value = safe_moment(cx)?;
    cx.regs.write(regs::SRC, flags | place(address))?;
    Ok(value as u16)
}

/// Writes INT_REGS of a stream and leaves what is the converter's own.
fn write_whole(cx: &Cx<'_, State>, flags: u32, address: u8, data: u16) -> Result<(), Error> {
    let own = read(cx, flags, address)? & OWN;
    write(cx, flags, address, data & !OWN | own)
}

fn told(number: usize, rate: u32) -> Told {
    let rate = if rate == 0 { USUAL_RATE } else { rate };
    if number == ADC { Told::adc(rate) } else { Told::dac(rate) }
}

/// The stream that goes the other way.
const ADC: usize = 2;

/// What is told of a stream: words and their values. INT_REGS is the second.
fn words(number: usize, told: Told) -> [(u8, u16); 5] {
    let (base, volume) = (STREAMS[number], VOLUMES[number]);
    [
        (base, told.trunc),
        (base + INT_REGS, told.whole),
        (base + VFREQ_FRAC, told.fraction),
        (volume, told.volume),
        (volume + 1, told.volume),
    ]
}

/// Sets a stream that does not run to a rate, and gives the one that comes of it.
pub(crate) fn set_rate(cx: &Cx<'_, State>, number: usize, rate: u32) -> Result<u32, Error> {
    let [trunc, whole, fraction, left, right] = words(number, told(number, rate));
    let flags = src::DIS[number];
    ready(cx)?;
    cx.regs.write(regs::SRC, flags)?;
    if number == ADC {
        write(cx, flags, trunc.0, trunc.1)?;
    }
    write_whole(cx, flags, whole.0, whole.1)?;
    write(cx, flags, fraction.0, fraction.1)?;
    if number == ADC {
        write(cx, flags, left.0, left.1)?;
        write(cx, flags, right.0, right.1)?;
    }
    run(cx)?;
    Ok(if number == ADC { rate::adc_actual(rate) } else { rate::dac_actual(rate) })
}

/// The converter works, for all streams.
pub(crate) fn run(cx: &Cx<'_, State>) -> Result<(), Error> {
    ready(cx)?;
    cx.regs.write(regs::SRC, 0)
}

/// From anything to what the state has. A converter that is switched on before it has been told everything locks up until the
/// next power-on, so it is switched off first.
pub(crate) fn start(cx: &Cx<'_, State>) -> Result<(), Error> {
    ready(cx)?;
    cx.regs.write(regs::SRC, src::DISABLE)?;
    for address in 0..WORDS {
        write(cx, src::DISABLE, address, 0)?;
    }
    for (number, set) in cx.state.streams.iter().enumerate() {
        for (address, value) in words(number, told(number, set.rate)) {
            write(cx, src::DISABLE, address, value)?;
        }
    }
    run(cx)
}

/// Writes the words that are marked. A converter that is switched off does not say what is its own, and has nothing to lose;
/// it is told all that is marked before it is switched on.
pub(crate) fn restore(cx: &Cx<'_, State>) -> Result<(), Error> {
    let marked = cx.marks.marked(MARKS)?;
    let flags = ready(cx)? & src::DISABLE;
    for (number, set) in cx.state.streams.iter().enumerate() {
        for (address, value) in words(number, told(number, set.rate)) {
            if marked & 1 << (address - MARKED_FROM) == 0 {
                continue;
            }
            if address == STREAMS[number] + INT_REGS && flags == 0 {
                write_whole(cx, flags, address, value)?;
            } else {
                write(cx, flags, address, value)?;
            }
        }
    }
    run(cx)
}
