//! What each register does when it is read and written (AudioPCI 97 specification, section 7).
//!
//! Registers are double words; a narrower access reaches its part. SRC, CODEC and memory take double words only: a
//! narrower write is lost.

use crate::chip::Ens1371;
use crate::link::Access;
use crate::regs::{self, legacy, uart};

/// Register as written: the bits of `mask` are new.
const fn merged(old: u32, new: u32, mask: u32) -> u32 {
    old & !mask | new & mask
}

impl Ens1371 {
    pub(crate) fn read_word(&mut self, at: u8) -> u32 {
        match at {
            regs::CONTROL => self.control(),
            regs::STATUS => self.read_status(),
            regs::UART => u32::from(uart::TXRDY) << 8,
            regs::MEM_PAGE => self.page.into(),
            regs::SRC => self.converter.read(self.parts.trouble.on.src_busy),
            regs::CODEC => {
                let stuck = self.link_is_stuck();
                self.link.read(stuck)
            }
            regs::LEGACY => self.legacy | legacy::LEGINT,
            regs::CHANNEL_STATUS => self.channel_status,
            regs::SERIAL => self.serial(),
            regs::DAC1_COUNT => self.dacs[0].engine.count_register(),
            regs::DAC2_COUNT => self.dacs[1].engine.count_register(),
            regs::ADC_COUNT => self.adc.engine.count_register(),
            regs::MEMORY.. => self.read_memory(at),
            _ => 0,
        }
    }

    pub(crate) fn write_word(&mut self, at: u8, value: u32, mask: u32) {
        let whole = mask == u32::MAX;
        match at {
            regs::CONTROL => self.write_control(merged(self.control(), value, mask)),
            regs::STATUS => self.write_status(merged(self.read_status(), value, mask)),
            regs::MEM_PAGE => self.page = (merged(self.page.into(), value, mask) & 0xf) as u8,
            regs::SRC if whole => self.write_converter(value),
            regs::CODEC if whole => self.access_codec(value),
            regs::LEGACY => self.legacy = merged(self.legacy, value, mask),
            regs::CHANNEL_STATUS if self.config.variant.has_spdif() => {
                self.channel_status = merged(self.channel_status, value, mask);
            }
            regs::SERIAL => self.write_serial(merged(self.serial(), value, mask)),
            regs::DAC1_COUNT | regs::DAC2_COUNT | regs::ADC_COUNT => {
                let engine = match at {
                    regs::DAC1_COUNT => &mut self.dacs[0].engine,
                    regs::DAC2_COUNT => &mut self.dacs[1].engine,
                    _ => &mut self.adc.engine,
                };
                // the current count is read only
                if mask & 0xffff != 0 {
                    engine.write_count(merged(engine.count_register(), value, mask) as u16);
                }
            }
            regs::MEMORY.. if whole => self.write_memory(at, value),
            // UART: nothing is connected to it
            _ => {}
        }
    }

    fn write_converter(&mut self, value: u32) {
        let polls = self.config.src_polls.max(self.parts.trouble.on.src_busy.into());
        if !self.converter.write(value, polls) {
            self.parts.counters.src_lost += 1;
        }
    }

    /// Nothing comes back from the codec.
    fn link_is_stuck(&self) -> bool {
        self.parts.trouble.on.codec_busy || self.codec_in_reset() || self.codec.link_is_off()
    }

    fn access_codec(&mut self, value: u32) {
        let stuck = self.link_is_stuck();
        let polls = self.config.codec_polls.max(stuck.into());
        let Some(access) = self.link.start(value, polls, self.config.codec_time) else {
            self.parts.counters.codec_lost += 1;
            return;
        };
        if stuck {
            return;
        }
        match access {
            Access::Read(register) => {
                self.parts.counters.codec_reads += 1;
                if !self.parts.trouble.on.codec_silent {
                    self.link.answer(self.codec.read(register, self.parts.trouble.on.codec_not_ready));
                }
            }
            Access::Write(register, value) => {
                self.parts.counters.codec_writes += 1;
                self.codec.write(register, value);
            }
        }
    }

    fn read_memory(&self, at: u8) -> u32 {
        let jump = self.parts.trouble.on.position_jump.unwrap_or(0);
        let [one, two] = &self.dacs;
        match (self.page, at) {
            (regs::PAGE_DAC, regs::DAC1_FRAME) => one.engine.frame,
            (regs::PAGE_DAC, regs::DAC1_SIZE) => one.engine.size_register(jump),
            (regs::PAGE_DAC, regs::DAC2_FRAME) => two.engine.frame,
            (regs::PAGE_DAC, regs::DAC2_SIZE) => two.engine.size_register(jump),
            (regs::PAGE_ADC, regs::ADC_FRAME) => self.adc.engine.frame,
            (regs::PAGE_ADC, regs::ADC_SIZE) => self.adc.engine.size_register(jump),
            (page, at) => self.memory[usize::from(page)][usize::from(at >> 2 & 3)],
        }
    }

    fn write_memory(&mut self, at: u8, value: u32) {
        let [one, two] = &mut self.dacs;
        match (self.page, at) {
            (regs::PAGE_DAC, regs::DAC1_FRAME) => one.engine.frame = value,
            (regs::PAGE_DAC, regs::DAC1_SIZE) => one.engine.write_size(value),
            (regs::PAGE_DAC, regs::DAC2_FRAME) => two.engine.frame = value,
            (regs::PAGE_DAC, regs::DAC2_SIZE) => two.engine.write_size(value),
            (regs::PAGE_ADC, regs::ADC_FRAME) => self.adc.engine.frame = value,
            (regs::PAGE_ADC, regs::ADC_SIZE) => self.adc.engine.write_size(value),
            (page, at) => self.memory[usize::from(page)][usize::from(at >> 2 & 3)] = value,
        }
    }
}
