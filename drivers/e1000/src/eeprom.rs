//! The EEPROM: words 0 to 2 are the station address, and words 0 to 63 add up to a constant (sections 5.3 and 5.6).
//!
//! Read through EERD, in which the chip does the work. The 82544 has none; there the driver moves the wires of a
//! Microwire EEPROM (an NM93C46 with 64 words, or an NM93C66 with 256) by EECD. Which of both it is shows at the first
//! word: no `Cx` says which chip was found.
//!
//! Not here: writing, and SPI EEPROMs, which these chips do not have.

use udrv_driver::{Cx, Error, Level, MacAddress, Micros};

use crate::regs::{self, eecd, eerd};
use crate::state::State;

/// What words 0 to 63 add up to.
pub(crate) const CHECKSUM: u16 = 0xbaba;
/// Words that are added up.
const WORDS: u32 = 64;

/// For one word: 27 clocks or more, of a microsecond or four.
const WORD_DEADLINE: Micros = Micros(1_000);
/// For the chip to be done with the EEPROM itself: after a reset it loads its defaults from there, some milliseconds.
const GRANT_DEADLINE: Micros = Micros(50_000);
/// Start bit and opcode of READ, three bits.
const READ: u32 = 0b110;

/// The station address; zeros, and a word to the log, if the EEPROM has none that can be used.
pub(crate) fn station_address(cx: &Cx<'_, State>) -> Result<MacAddress, Error> {
    let first = match read_eerd(cx, 0) {
        Err(Error::Timeout { .. }) => None,
        answer => Some(answer?),
    };
    if first.is_none() {
        cx.log(Level::Info, format_args!("no EERD; reading the EEPROM by its wires"));
        acquire(cx)?;
    }
    let (mut sum, mut address) = (0_u16, [0; 6]);
    for index in 0..WORDS {
        let word = if first.is_some() { read_eerd(cx, index)? } else { read_wires(cx, index)? };
        sum = sum.wrapping_add(word);
        if let Some(pair) = address.chunks_mut(2).nth(index as usize) {
            pair.copy_from_slice(&word.to_le_bytes());
        }
    }
    if first.is_none() {
        release(cx)?;
    }
    let mac = MacAddress(address);
    if sum != CHECKSUM {
        cx.log(Level::Error, format_args!("the EEPROM adds up to {sum:#06x} and not {CHECKSUM:#06x}; address unknown"));
        return Ok(MacAddress::default());
    }
    if !mac.is_station() {
        cx.log(Level::Error, format_args!("the EEPROM's address {mac} is none that a station may have"));
        return Ok(MacAddress::default());
    }
    Ok(mac)
}

/// A word, by EERD (section 13.4.4).
fn read_eerd(cx: &Cx<'_, State>, index: u32) -> Result<u16, Error> {
    cx.regs.write(regs::EERD, index << eerd::ADDR_SHIFT | eerd::START)?;
    let value = cx.regs.wait(regs::EERD, WORD_DEADLINE, |value| value & eerd::DONE != 0)?;
    Ok((value >> eerd::DATA_SHIFT) as u16)
}

/// Waits until the chip is not reading the EEPROM itself, and keeps it from beginning to (section 5.3.1).
///
/// Where the request does not stand in the register there is nobody to ask: an 82544 may be so.
pub(crate) fn acquire(cx: &Cx<'_, State>) -> Result<(), Error> {
    let idle = cx.regs.read(regs::EECD)? & !(eecd::SK | eecd::CS | eecd::DI);
    cx.regs.write(regs::EECD, idle | eecd::EE_REQ)?;
    let done = |value: u32| value & eecd::EE_GNT != 0 || value & eecd::EE_REQ == 0;
    cx.regs.wait(regs::EECD, GRANT_DEADLINE, done).map(drop)
}

/// Lets the chip have it back.
pub(crate) fn release(cx: &Cx<'_, State>) -> Result<(), Error> {
    let value = cx.regs.read(regs::EECD)?;
    cx.regs.write(regs::EECD, value & !(eecd::SK | eecd::CS | eecd::DI | eecd::EE_REQ))
}

/// A word, by the wires: chip select up, start bit, opcode and address out, a word in, chip select down. Each bit is
/// taken at the rising edge of SK. Most significant bit first.
///
/// Both halves of a clock last for at least 250 ns, and chip select is down for as long (NM93C46). Nobody pauses for
/// that: a pause costs more than ten times as much, there are 1600 clocks, and a read takes longer on any PCI bus.
fn read_wires(cx: &Cx<'_, State>, index: u32) -> Result<u16, Error> {
    let value = cx.regs.read_present(regs::EECD)?;
    let address_bits = if value & eecd::EE_SIZE != 0 { 8 } else { 6 };
    let idle = value & !(eecd::SK | eecd::CS | eecd::DI);
    let selected = idle | eecd::CS;
    let command = READ << address_bits | index;
    for bit in (0..3 + address_bits).rev() {
        clock(cx, selected | if command >> bit & 1 != 0 { eecd::DI } else { 0 })?;
    }
    let mut word = 0;
    for _ in 0..16 {
        word = word << 1 | u16::from(clock(cx, selected)? & eecd::DO != 0);
    }
    cx.regs.write(regs::EECD, idle)?;
    Ok(word)
}

/// One clock over `wires`, down and up; gives what EECD says while it is up. The write that comes twice is the time
/// that SK is down, and data stand before it rises: a write takes 120 ns or more, and those that wait keep their order.
fn clock(cx: &Cx<'_, State>, wires: u32) -> Result<u32, Error> {
    cx.regs.write(regs::EECD, wires)?;
    cx.regs.write(regs::EECD, wires)?;
    cx.regs.write(regs::EECD, wires | eecd::SK)?;
    cx.regs.read(regs::EECD)
}
