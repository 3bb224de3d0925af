//! Register access: which bits a read shows, what a write does.
//!
//! As on the bus, an access is a double word with byte lanes: bit n of `lanes` stands for byte n. So any width may be
//! used at any register, neighbours are touched only where the lanes say so, and what the datasheet allows with four
//! bytes only (IDR, MAR, PHYAR) asks for all four lanes. Offsets that the datasheet reserves read 0.

use crate::chip::R8169;
use crate::regs::{self, cr, dtccr, eecr, isr, phyar, rcr, tcr};
use crate::tx::{HIGH, NORMAL};

/// All four bytes.
const ALL_LANES: u8 = 0xf;
/// The low half.
const LOW: u8 = 0x3;
/// CONFIG0 to 5: bits that can be written, and bits that are wired (CONFIG1: registers are in memory and in I/O space).
const CONFIG_WRITABLE: [u8; 6] = [0, 0xf3, 0xa0, 0xf7, 0xff, 0x7f];
const CONFIG_FIXED: [u8; 6] = [0, 0x0c, 0, 0, 0, 0];
/// CSIAR: byte address.
const CSI_ADDRESS: u32 = 0xfff;

fn dword(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte))
}

const fn halves(low: u16, high: u16) -> u32 {
    low as u32 | (high as u32) << 16
}

/// `old` with the bytes of `value` that the lanes name.
fn merge(old: u32, value: u32, lanes: u8) -> u32 {
    let mask = (0..4).filter(|i| lanes >> i & 1 != 0).fold(0, |mask, i| mask | 0xff << (8 * i));
    old & !mask | value & mask
}

/// The same for the low half of a double word.
fn merge16(old: u16, value: u32, lanes: u8) -> u16 {
    merge(old.into(), value, lanes & LOW) as u16
}

impl R8169 {
    /// Reads the double word at `at` (a multiple of four). Side effects are those of the lanes alone.
    pub(crate) fn read_lanes(&mut self, at: u8, lanes: u8) -> u32 {
        let is_pcie = self.config.variant.is_pcie();
        match at {
            regs::IDR0 => dword(&self.idr[..4]),
            regs::IDR4 => dword(&self.idr[4..]),
            regs::MAR0 => dword(&self.mar[..4]),
            regs::MAR4 => dword(&self.mar[4..]),
            regs::DTCCR => self.dtccr as u32,
            regs::DTCCR_HIGH => (self.dtccr >> 32) as u32,
            regs::TNPDS => self.tx[NORMAL].ring.low(),
            regs::TNPDS_HIGH => self.tx[NORMAL].ring.high(),
            regs::THPDS => self.tx[HIGH].ring.low(),
            regs::THPDS_HIGH => self.tx[HIGH].ring.high(),
            0x34 if lanes & 0x8 != 0 => u32::from(self.read_cr()) << 24,
            regs::TPPOLL => self.read_tppoll().into(),
            regs::IMR => halves(self.imr, self.causes()),
            regs::TCR => self.tcr | self.config.variant.version(),
            regs::RCR => self.rcr,
            regs::TCTR => self.timer.count(),
            regs::MPC => self.mpc,
            0x50 => dword(&[self.read_cr9346(), self.config_byte(0), self.config_byte(1), self.config_byte(2)]),
            0x54 => dword(&[self.config_byte(3), self.config_byte(4), self.config_byte(5), 0]),
            regs::TIMERINT => self.timer.limit,
            regs::PHYAR => self.read_phyar(),
            regs::CSIDR if is_pcie => self.csidr,
            regs::CSIAR if is_pcie => self.csiar,
            regs::PHYSTATUS => self.kept.read(at) | u32::from(self.phy.status()),
            regs::EPHYAR if is_pcie => self.ephyar,
            0xd8 => halves(0, self.rms),
            regs::CPCR => self.kept.read(at) | u32::from(self.cpcr),
            regs::RDSAR => self.rx.low(),
            regs::RDSAR_HIGH => self.rx.high(),
            _ => self.kept.read(at),
        }
    }

    /// Writes the named bytes of the double word at `at`.
    pub(crate) fn write_lanes(&mut self, at: u8, value: u32, lanes: u8) {
        let is_pcie = self.config.variant.is_pcie();
        let bytes = value.to_le_bytes();
        let whole = lanes == ALL_LANES;
        match at {
            regs::IDR0 if whole && self.config_unlocked() => self.idr[..4].copy_from_slice(&bytes),
            regs::IDR4 if whole && self.config_unlocked() => self.idr[4..].copy_from_slice(&bytes[..2]),
            regs::MAR0 if whole => self.mar[..4].copy_from_slice(&bytes),
            regs::MAR4 if whole => self.mar[4..].copy_from_slice(&bytes),
            regs::DTCCR => {
                let low = merge(self.dtccr as u32, value, lanes) & (!0x3f | dtccr::CMD);
                self.dtccr = self.dtccr & !0xffff_ffff | u64::from(low);
                self.dump_counters();
            }
            regs::DTCCR_HIGH => {
                let high = merge((self.dtccr >> 32) as u32, value, lanes);
                self.dtccr = self.dtccr & 0xffff_ffff | u64::from(high) << 32;
            }
            regs::TNPDS | regs::TNPDS_HIGH | regs::THPDS | regs::THPDS_HIGH => {
                let queue = &mut self.tx[if at < regs::THPDS { NORMAL } else { HIGH }];
                queue.restart();
                if at & 4 == 0 {
                    queue.ring.set_low(merge(queue.ring.low(), value, lanes));
                } else {
                    queue.ring.set_high(merge(queue.ring.high(), value, lanes));
                }
            }
            0x34 if lanes & 0x8 != 0 => self.write_cr(bytes[3]),
            regs::TPPOLL if lanes & 1 != 0 => self.write_tppoll(bytes[0]),
            regs::IMR => {
                self.imr = merge16(self.imr, value, lanes) & isr::ALL;
                self.isr &= !merge16(0, value >> 16, lanes >> 2);
            }
            // Both keep nothing while their half of the chip is off.
            regs::TCR if self.enabled(cr::TE) => self.tcr = merge(self.tcr, value, lanes) & tcr::WRITABLE,
            regs::RCR if self.enabled(cr::RE) => self.rcr = merge(self.rcr, value, lanes) & rcr::WRITABLE,
            regs::TCTR => self.timer.restart(),
            regs::MPC => self.mpc = 0,
            0x50 => {
                // A lock that the same access opens is open for it.
                if lanes & 1 != 0 {
                    self.write_cr9346(bytes[0]);
                }
                (0..3).filter(|i| lanes >> (i + 1) & 1 != 0).for_each(|i| self.write_config(i, bytes[i + 1]));
            }
            0x54 => (0..3).filter(|i| lanes >> i & 1 != 0).for_each(|i| self.write_config(3 + i, bytes[i])),
            regs::TIMERINT => {
                let limit = merge(self.timer.limit, value, lanes);
                self.timer.set_limit(limit);
            }
            regs::PHYAR if whole => self.write_phyar(value),
            regs::CSIDR if is_pcie => self.csidr = merge(self.csidr, value, lanes),
            regs::CSIAR if is_pcie && whole => self.write_csiar(value),
            regs::EPHYAR if is_pcie && whole => self.write_ephyar(value),
            0xd8 => self.rms = merge16(self.rms, value >> 16, lanes >> 2),
            regs::CPCR => {
                self.cpcr = merge16(self.cpcr, value, lanes);
                self.kept.write(at, bytes, lanes);
            }
            regs::RDSAR => {
                let low = merge(self.rx.low(), value, lanes);
                self.rx.set_low(low);
            }
            regs::RDSAR_HIGH => {
                let high = merge(self.rx.high(), value, lanes);
                self.rx.set_high(high);
            }
            _ => self.kept.write(at, bytes, lanes),
        }
    }

    /// 9346CR stands at "config register write enable".
    const fn config_unlocked(&self) -> bool {
        self.cr9346 & eecr::EEM == eecr::CONFIG_WRITE
    }

    const fn config_byte(&self, number: usize) -> u8 {
        self.configs[number] | CONFIG_FIXED[number]
    }

    fn write_config(&mut self, number: usize, value: u8) {
        if self.config_unlocked() {
            let mask = CONFIG_WRITABLE[number];
            self.configs[number] = self.configs[number] & !mask | value & mask;
        }
    }

    fn read_cr(&mut self) -> u8 {
        let Some(left) = self.reset_left else { return self.enables() };
        if !self.parts.trouble.on.reset_hangs {
            self.reset_left = (left > 1).then(|| left - 1);
        }
        cr::RST
    }

    fn write_cr(&mut self, value: u8) {
        if value & cr::RST != 0 {
            self.software_reset();
        } else {
            self.set_enables(value);
        }
    }

    fn read_cr9346(&self) -> u8 {
        let programming = self.cr9346 & eecr::EEM == eecr::PROGRAM;
        self.cr9346 | if programming && self.eeprom.data_out() { eecr::EEDO } else { 0 }
    }

    fn write_cr9346(&mut self, value: u8) {
        match value & eecr::EEM {
            eecr::AUTO_LOAD => {
                self.auto_load();
                self.cr9346 = 0;
            }
            eecr::PROGRAM => {
                self.cr9346 = value & (eecr::EEM | eecr::EECS | eecr::EESK | eecr::EEDI);
                self.eeprom.pins(value & eecr::EECS != 0, value & eecr::EESK != 0, value & eecr::EEDI != 0);
            }
            mode => {
                self.cr9346 = mode;
                self.eeprom.pins(false, false, false);
            }
        }
    }

    /// Configuration space from inside; writes are lost.
    fn write_csiar(&mut self, value: u32) {
        self.csiar = (value ^ phyar::FLAG) & (phyar::FLAG | CSI_ADDRESS);
        if value & phyar::FLAG == 0 {
            let at = value & CSI_ADDRESS & !3;
            let inside = u64::from(at) < model_card::pci::SIZE;
            self.csidr = if inside { self.parts.pci.read(at as u16, 4) } else { 0 };
        }
    }

    fn write_ephyar(&mut self, value: u32) {
        let register = &mut self.ephy[(value >> phyar::REG_SHIFT & 31) as usize];
        if value & phyar::FLAG != 0 {
            *register = value as u16;
        }
        let place = value & 31 << phyar::REG_SHIFT;
        self.ephyar = (value ^ phyar::FLAG) & phyar::FLAG | place | u32::from(*register);
    }
}
