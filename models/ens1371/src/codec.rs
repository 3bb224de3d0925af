//! The codec: an AC'97 codec of revision 2 with what every one has to have and nothing else, of 16 bits at 48 kHz.
//!
//! No variable rate, no headphone, tone, 3D or modem; 5 bits of volume. It says that it is a CS4297 of Cirrus Logic, which
//! such cards had. Section numbers are those of the Audio Codec '97 specification, rev 2.1.

use crate::mixer::Gains;

/// Registers (5.7).
pub mod reg {
    /// Reset: a write resets; reads say what is there beside what must be: nothing.
    pub const RESET: u8 = 0x00;
    /// Master volume.
    pub const MASTER: u8 = 0x02;
    /// Mono output volume; kept.
    pub const MONO: u8 = 0x06;
    /// PC beep volume; kept.
    pub const BEEP: u8 = 0x0a;
    /// Phone volume; kept.
    pub const PHONE: u8 = 0x0c;
    /// Microphone volume; kept.
    pub const MIC: u8 = 0x0e;
    /// Line in volume.
    pub const LINE: u8 = 0x10;
    /// CD volume; kept.
    pub const CD: u8 = 0x12;
    /// Video volume; kept.
    pub const VIDEO: u8 = 0x14;
    /// Auxiliary volume; kept.
    pub const AUX: u8 = 0x16;
    /// PCM out volume.
    pub const PCM: u8 = 0x18;
    /// Record select.
    pub const RECORD_SELECT: u8 = 0x1a;
    /// Record gain.
    pub const RECORD_GAIN: u8 = 0x1c;
    /// General purpose; kept.
    pub const GENERAL: u8 = 0x20;
    /// Powerdown control and status.
    pub const POWERDOWN: u8 = 0x26;
    /// Vendor id, first and second character.
    pub const VENDOR_ID1: u8 = 0x7c;
    /// Vendor id, third character and the codec.
    pub const VENDOR_ID2: u8 = 0x7e;
}

/// Of a volume: mute.
pub const MUTE: u16 = 1 << 15;
/// CRY, and the CS4297 of its third revision.
pub const VENDOR_ID: [u16; 2] = [0x4352, 0x5903];

/// Bits of [`reg::POWERDOWN`] (5.7.13).
pub mod powerdown {
    /// The ADC, the DAC, the analog sections and the reference are ready.
    pub const READY: u16 = 0xf;
    /// The ADC and its multiplexer are off.
    pub const PR0: u16 = 1 << 8;
    /// The DAC is off.
    pub const PR1: u16 = 1 << 9;
    /// The mixer is off.
    pub const PR2: u16 = 1 << 10;
    /// The mixer and its reference are off.
    pub const PR3: u16 = 1 << 11;
    /// The AC link is off.
    pub const PR4: u16 = 1 << 12;
}

/// Registers that keep what is written: number, value after reset, bits.
const KEPT: [(u8, u16, u16); 14] = [
    (reg::MASTER, 0x8000, 0x9f1f),
    (reg::MONO, 0x8000, 0x801f),
    (reg::BEEP, 0x0000, 0x801e),
    (reg::PHONE, 0x8008, 0x801f),
    (reg::MIC, 0x8008, 0x805f),
    (reg::LINE, 0x8808, 0x9f1f),
    (reg::CD, 0x8808, 0x9f1f),
    (reg::VIDEO, 0x8808, 0x9f1f),
    (reg::AUX, 0x8808, 0x9f1f),
    (reg::PCM, 0x8808, 0x9f1f),
    (reg::RECORD_SELECT, 0x0000, 0x0707),
    (reg::RECORD_GAIN, 0x8000, 0x8f0f),
    (reg::GENERAL, 0x0000, 0x0380),
    (reg::POWERDOWN, 0x0000, 0xff00),
];

#[derive(Debug)]
pub(crate) struct Codec {
    kept: [u16; KEPT.len()],
    gains: Gains,
}

impl Codec {
    pub(crate) fn new() -> Self {
        let kept = KEPT.map(|(_, after_reset, _)| after_reset);
        let mut codec = Self { kept, gains: Gains::default() };
        codec.settle();
        codec
    }

    /// A register, by its number; those that are not there are 0. `not_ready`: no section is.
    pub(crate) fn read(&self, register: u8, not_ready: bool) -> u16 {
        let value = self.value(register);
        match register {
            reg::POWERDOWN if not_ready => value,
            reg::POWERDOWN => value | self.ready(),
            reg::VENDOR_ID1 => VENDOR_ID[0],
            reg::VENDOR_ID2 => VENDOR_ID[1],
            _ => value,
        }
    }

    /// The sections that are on.
    fn ready(&self) -> u16 {
        let off = self.value(reg::POWERDOWN);
        let section = |bit: u16, by: u16| if off & by == 0 { bit } else { 0 };
        section(1, powerdown::PR0)
            | section(2, powerdown::PR1)
            | section(4, powerdown::PR2 | powerdown::PR3)
            | section(8, powerdown::PR3)
    }

    fn value(&self, register: u8) -> u16 {
        KEPT.iter().position(|(number, ..)| *number == register).map_or(0, |at| self.kept[at])
    }

    pub(crate) fn write(&mut self, register: u8, value: u16) {
        if register == reg::RESET {
            *self = Self::new();
            return;
        }
        let Some(at) = KEPT.iter().position(|(number, ..)| *number == register) else { return };
        let value = if matches!(register, reg::MASTER | reg::MONO) { saturated(value) } else { value };
        self.kept[at] = value & KEPT[at].2;
        self.settle();
    }

    fn settle(&mut self) {
        self.gains = Gains::new(|register| self.value(register));
    }

    pub(crate) const fn gains(&self) -> &Gains {
        &self.gains
    }

    /// Whether the link is off, so that nothing is answered.
    pub(crate) fn link_is_off(&self) -> bool {
        self.value(reg::POWERDOWN) & powerdown::PR4 != 0
    }

    /// A warm reset: the link is on again, everything else as it was (5.2).
    pub(crate) fn warm_reset(&mut self) {
        if self.link_is_off() {
            self.write(reg::POWERDOWN, self.value(reg::POWERDOWN) & !powerdown::PR4);
        }
    }
}

/// The sixth bit of a volume that has five: all of them (5.7.2).
fn saturated(value: u16) -> u16 {
    let left = if value & 1 << 13 != 0 { 0x1f00 } else { 0 };
    let right = if value & 1 << 5 != 0 { 0x001f } else { 0 };
    value | left | right
}
