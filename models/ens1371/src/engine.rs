//! What the three DMA engines have in common: a buffer in memory that goes around, and a counter of samples.
//!
//! Double words go one at a time, when the first sample in them is due: the 64 bytes of cache that the chip has for each
//! channel (AudioPCI 97 specification, 4.11) are not here.

use model_card::Parts;

use crate::Frame;
use crate::counts::Counts;
use crate::misbehave::Switches;
use crate::regs::serial::{BITS_16, STEREO};

/// How samples lie in memory: the two bits of SERIAL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Format(u32);

impl Format {
    pub(crate) const fn new(serial: u32, lowest: u32) -> Self {
        Self(serial >> lowest & (BITS_16 | STEREO))
    }

    const fn stereo(self) -> bool {
        self.0 & STEREO != 0
    }

    const fn wide(self) -> bool {
        self.0 & BITS_16 != 0
    }

    /// Bits of a sample, of all channels.
    const fn bits(self) -> u32 {
        8 << (self.wide() as u32 + self.stereo() as u32)
    }

    /// The sample in the lowest bits.
    fn unpack(self, bits: u32) -> Frame {
        let channel = |bits: u32| if self.wide() { bits as i16 } else { i16::from(bits as u8 ^ 0x80) << 8 };
        let left = channel(bits);
        let right = if self.stereo() { channel(bits >> (self.bits() / 2)) } else { left };
        [left, right]
    }

    /// A sample as its lowest bits; the left channel alone for mono.
    fn pack(self, frame: Frame) -> u32 {
        let channel = |sample: i16| {
            if self.wide() { u32::from(sample as u16) } else { u32::from((sample >> 8) as u8 ^ 0x80) }
        };
        let right = if self.stereo() { channel(frame[1]) << (self.bits() / 2) } else { 0 };
        channel(frame[0]) | right
    }
}

#[derive(Debug, Default)]
pub(crate) struct Engine {
    /// Bus address of the buffer.
    pub(crate) frame: u32,
    /// Double words of the buffer, minus one.
    size: u16,
    /// Double words transferred.
    current: u16,
    /// Samples of a period, minus one.
    samples: u16,
    /// Samples of this period that are left, minus one.
    left: u16,
    /// The double word that is underway, and how many of its bits are.
    latch: u32,
    bits: u32,
    format: u32,
    /// Stop mode: the period is over.
    pub(crate) stopped: bool,
}

impl Engine {
    /// It was switched on.
    pub(crate) fn start(&mut self) {
        (self.latch, self.bits, self.stopped) = (0, 0, false);
    }

    /// Frame register 2.
    pub(crate) fn size_register(&self, jump: u16) -> u32 {
        u32::from(self.current.wrapping_add(jump)) << 16 | u32::from(self.size)
    }

    pub(crate) fn write_size(&mut self, value: u32) {
        (self.current, self.size) = ((value >> 16) as u16, value as u16);
    }

    /// The sample count register.
    pub(crate) fn count_register(&self) -> u32 {
        u32::from(self.left) << 16 | u32::from(self.samples)
    }

    pub(crate) fn write_count(&mut self, value: u16) {
        self.samples = value;
        self.reload();
    }

    /// A period begins.
    pub(crate) fn reload(&mut self) {
        (self.left, self.stopped) = (self.samples, false);
    }

    /// Samples until the counter runs out.
    pub(crate) fn until_interrupt(&self) -> u32 {
        u32::from(self.left) + 1
    }

    /// What is underway is nothing if it was in another format.
    fn hold_to(&mut self, format: Format) {
        if self.format != format.0 {
            (self.format, self.latch, self.bits) = (format.0, 0, 0);
        }
    }

    fn address(&self) -> u64 {
        u64::from(self.frame.wrapping_add(4 * u32::from(self.current)))
    }

    fn advance(&mut self) {
        self.current = if self.current >= self.size { 0 } else { self.current + 1 };
    }

    /// The next sample of a DAC. A double word that no memory answers is silence.
    pub(crate) fn fetch(&mut self, parts: &mut Parts<Switches, Counts>, format: Format) -> Frame {
        self.hold_to(format);
        if self.bits == 0 {
            let mut bytes = [0; 4];
            self.latch = match parts.dma_read(self.address(), &mut bytes) {
                Ok(()) => u32::from_le_bytes(bytes),
                Err(_) if format.wide() => 0,
                Err(_) => 0x8080_8080,
            };
            self.bits = 32;
            self.advance();
        }
        let frame = format.unpack(self.latch);
        self.latch = self.latch.checked_shr(format.bits()).unwrap_or(0);
        self.bits -= format.bits();
        frame
    }

    /// The next sample of the ADC. A double word that no memory takes is lost.
    pub(crate) fn store(&mut self, parts: &mut Parts<Switches, Counts>, format: Format, frame: Frame) {
        self.hold_to(format);
        self.latch |= format.pack(frame) << self.bits;
        self.bits += format.bits();
        if self.bits == 32 {
            let _lost = parts.dma_write(self.address(), &self.latch.to_le_bytes());
            (self.latch, self.bits) = (0, 0);
            self.advance();
        }
    }

    /// A sample is done: true when the counter runs out with it. In stop mode nothing goes on then.
    pub(crate) fn count(&mut self, stop_mode: bool) -> bool {
        if let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            return false;
        }
        self.left = self.samples;
        self.stopped = stop_mode;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_keep_what_they_can() {
        let frame = [0x1234, -0x1235];
        let there_and_back = |format: u32| Format(format).unpack(Format(format).pack(frame));
        assert_eq!(there_and_back(BITS_16 | STEREO), frame);
        assert_eq!(there_and_back(BITS_16), [0x1234; 2]);
        assert_eq!(there_and_back(STEREO), [0x1200, -0x1300]);
        assert_eq!(there_and_back(0), [0x1200; 2]);
        assert_eq!(Format(STEREO).unpack(0x00_ff80), [0, 0x7f00]);
    }
}
