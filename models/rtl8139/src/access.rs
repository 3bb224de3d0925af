//! Register access: which bits a read shows, what a write does.
//!
//! As on the bus, an access is a double word with byte lanes: bit n of `lanes` stands for byte n. So any width may be
//! used at any register, neighbours are touched only where the lanes say so, and what the datasheet allows with four
//! bytes only (IDR, MAR, TSD) asks for all four lanes. Offsets that the datasheet reserves read 0.

use crate::chip::Rtl8139;
use crate::regs::{self, cr, eecr, isr, msr, rcr, tcr};

/// All four bytes.
const ALL_LANES: u8 = 0xf;
/// The low and the high half.
const LOW: u8 = 0x3;
const HIGH: u8 = 0xc;

/// CONFIG1 bits that are wired: registers are in memory and in I/O space.
const CONFIG1_FIXED: u8 = 0x0c;
const CONFIG1_WRITABLE: u8 = 0xf3;
/// CONFIG3: PARM_En, Magic, LinkUp can be written; FBtBEn reads 1.
const CONFIG3_FIXED: u8 = 0x01;
const CONFIG3_WRITABLE: u8 = 0x70;
const CONFIG3_PARM_EN: u8 = 0x40;
const CONFIG4_WRITABLE: u8 = 0xf5;
const CONFIG5_WRITABLE: u8 = 0x7f;

fn dword(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte))
}

const fn halves(low: u16, high: u16) -> u32 {
    low as u32 | (high as u32) << 16
}

const fn lane_mask(lanes: u8) -> u32 {
    let mut mask = 0;
    let mut i = 0;
    while i < 4 {
        if lanes >> i & 1 != 0 {
            mask |= 0xff << (8 * i);
        }
        i += 1;
    }
    mask
}

/// `old` with the bytes of `value` that the lanes name.
const fn merge(old: u32, value: u32, lanes: u8) -> u32 {
    let mask = lane_mask(lanes);
    old & !mask | value & mask
}

/// The same for the low half of a double word.
const fn merge16(old: u16, value: u32, lanes: u8) -> u16 {
    merge(old as u32, value, lanes & LOW) as u16
}

impl Rtl8139 {
    /// Reads the double word at `at` (a multiple of four). Side effects are those of the lanes alone.
    pub(crate) fn read_lanes(&mut self, at: u8, lanes: u8) -> u32 {
        match at {
            regs::IDR0 => dword(&self.idr[..4]),
            regs::IDR4 => dword(&self.idr[4..]),
            regs::MAR0 => dword(&self.mar[..4]),
            regs::MAR4 => dword(&self.mar[4..]),
            0x10..=0x1c => self.tx.tsd[usize::from(at - regs::TSD0) / 4],
            0x20..=0x2c => self.tx.tsad[usize::from(at - regs::TSAD0) / 4],
            regs::RBSTART => self.rx.rbstart,
            // Early receive is not modelled: ERBCR and ERSR are 0.
            regs::ERBCR if lanes & 0x8 != 0 => u32::from(self.read_cr()) << 24,
            0x38 => halves(self.rx.capr, self.rx.cbr.wrapping_add(self.parts.trouble.on.cbr_jump.unwrap_or(0))),
            0x3c => halves(self.imr, self.causes()),
            regs::TCR => self.tcr | self.config.variant.hardware_version(),
            regs::RCR => self.rcr,
            regs::TCTR => self.timer.count(),
            regs::MPC => self.rx.mpc,
            regs::CR9346 => dword(&[self.read_cr9346(), self.config0, self.config1 | CONFIG1_FIXED, 0]),
            regs::TIMERINT => self.timer.limit,
            regs::MSR => dword(&[self.read_msr(), self.config3 | CONFIG3_FIXED, self.config4, 0]),
            regs::MULINT => halves(self.mulint, u16::from(self.config.variant.revision())),
            regs::TSAD => halves(self.tx.summary(), self.phy.bmcr()),
            regs::BMSR if lanes & LOW != 0 => halves(self.phy.read_bmsr(), self.phy.anar),
            regs::BMSR => halves(0, self.phy.anar),
            regs::ANLPAR => halves(self.phy.anlpar(), self.phy.aner()),
            regs::DIS if lanes & LOW != 0 => halves(self.phy.read_dis(), 0),
            // FCSC and REC count what this wire never does.
            regs::NWAYTR => halves(self.phy.nwaytr, 0),
            regs::CSCR => halves(self.phy.cscr(), 0),
            regs::PHY1_PARM => self.phy1_parm,
            regs::TW_PARM => self.tw_parm,
            regs::PHY2_PARM => u32::from(self.phy2_parm),
            regs::CRC0..regs::WAKEUP_END => {
                let i = usize::from(at - regs::CRC0);
                dword(&self.wakeup[i..i + 4])
            }
            regs::CONFIG5 => u32::from(self.config5),
            _ => 0,
        }
    }

    /// Writes the named bytes of the double word at `at`.
    pub(crate) fn write_lanes(&mut self, at: u8, value: u32, lanes: u8) {
        if self.reset_left.is_some() {
            self.parts.counters.writes_in_reset += 1;
            return;
        }
        let bytes = value.to_le_bytes();
        let whole = lanes == ALL_LANES;
        let high = value >> 16;
        match at {
            regs::IDR0 if whole => self.idr[..4].copy_from_slice(&bytes),
            regs::IDR4 if whole => self.idr[4..].copy_from_slice(&bytes[..2]),
            regs::MAR0 if whole => self.mar[..4].copy_from_slice(&bytes),
            regs::MAR4 if whole => self.mar[4..].copy_from_slice(&bytes),
            0x10..=0x1c if whole => self.write_tsd(usize::from(at - regs::TSD0) / 4, value),
            0x20..=0x2c => {
                let tsad = &mut self.tx.tsad[usize::from(at - regs::TSAD0) / 4];
                *tsad = merge(*tsad, value, lanes);
            }
            regs::RBSTART => self.rx.rbstart = merge(self.rx.rbstart, value, lanes),
            regs::ERBCR if lanes & 0x8 != 0 => self.write_cr(bytes[3]),
            // CBR is read only.
            0x38 => self.rx.capr = merge16(self.rx.capr, value, lanes),
            0x3c => {
                self.imr = merge16(self.imr, value, lanes) & isr::ALL;
                self.isr &= !merge16(0, high, lanes >> 2);
            }
            regs::TCR => self.write_tcr(merge(self.tcr, value, lanes)),
            regs::RCR => self.write_rcr(merge(self.rcr, value, lanes)),
            regs::TCTR => self.timer.restart(),
            regs::MPC => self.rx.mpc = 0,
            regs::CR9346 => self.write_cr9346_line(bytes, lanes),
            regs::TIMERINT => {
                let limit = merge(self.timer.limit, value, lanes);
                self.timer.set_limit(limit);
            }
            regs::MSR => self.write_msr_line(bytes, lanes),
            regs::MULINT => self.mulint = merge16(self.mulint, value, lanes),
            regs::TSAD if lanes & HIGH != 0 => {
                let bmcr = merge16(self.phy.bmcr(), high, lanes >> 2);
                let unlocked = self.config_unlocked();
                self.phy.write_bmcr(bmcr, unlocked);
            }
            regs::BMSR => self.phy.anar = merge16(self.phy.anar, high, lanes >> 2),
            regs::NWAYTR => self.phy.nwaytr = merge16(self.phy.nwaytr, value, lanes),
            regs::CSCR => {
                let cscr = merge16(self.phy.cscr(), value, lanes);
                self.phy.write_cscr(cscr);
            }
            regs::PHY1_PARM if self.parameters_unlocked() => self.phy1_parm = merge(self.phy1_parm, value, lanes),
            regs::TW_PARM if self.parameters_unlocked() => self.tw_parm = merge(self.tw_parm, value, lanes),
            regs::PHY2_PARM if self.parameters_unlocked() && lanes & 1 != 0 => self.phy2_parm = bytes[0],
            regs::CRC0..regs::WAKEUP_END => {
                let i = usize::from(at - regs::CRC0);
                let merged = merge(dword(&self.wakeup[i..i + 4]), value, lanes);
                self.wakeup[i..i + 4].copy_from_slice(&merged.to_le_bytes());
            }
            // Not under the lock of 9346CR.
            regs::CONFIG5 if lanes & 1 != 0 => self.config5 = bytes[0] & CONFIG5_WRITABLE,
            _ => {}
        }
    }

    /// 9346CR stands at "config register write enable".
    const fn config_unlocked(&self) -> bool {
        self.cr9346 & eecr::EEM == eecr::CONFIG_WRITE
    }

    /// PHY parameters may be written: PARM_En *clear*, and the lock open. Set means that they come from the EEPROM.
    const fn parameters_unlocked(&self) -> bool {
        self.config_unlocked() && self.config3 & CONFIG3_PARM_EN == 0
    }

    fn read_cr(&mut self) -> u8 {
        let empty = if self.rx.empty(self.ring_size()) { cr::BUFE } else { 0 };
        let Some(left) = self.reset_left else { return self.enables() | empty };
        if !self.parts.trouble.on.reset_hangs {
            self.reset_left = (left > 1).then(|| left - 1);
        }
        cr::RST | empty
    }

    fn write_cr(&mut self, value: u8) {
        if value & cr::RST == 0 {
            self.set_enables(value);
            return;
        }
        self.software_reset();
        if self.parts.trouble.on.reset_hangs {
            self.reset_left = Some(self.config.reset_polls.max(1));
        }
    }

    /// TCR can be changed only while the transmitter is on.
    fn write_tcr(&mut self, value: u32) {
        if !self.enabled(cr::TE) {
            return;
        }
        self.tcr = value & tcr::WRITABLE;
        if value & tcr::CLRABT != 0 {
            self.clear_abort();
        }
    }

    fn write_rcr(&mut self, value: u32) {
        self.rcr = value & rcr::WRITABLE;
        // A smaller ring begins with what the pointer is modulo its size.
        self.rx.cbr = (u32::from(self.rx.cbr) % self.ring_size()) as u16;
    }

    fn read_cr9346(&self) -> u8 {
        let programming = self.cr9346 & eecr::EEM == eecr::PROGRAM;
        let out = if programming && self.eeprom.data_out() { eecr::EEDO } else { 0 };
        self.cr9346 | out
    }

    fn write_cr9346_line(&mut self, [command, _config0, config1, _]: [u8; 4], lanes: u8) {
        // CONFIG0 is read only; a lock that the same access opens is open for it.
        if lanes & 1 != 0 {
            self.write_cr9346(command);
        }
        if lanes & 4 != 0 && self.config_unlocked() {
            self.config1 = config1 & CONFIG1_WRITABLE;
        }
    }

    fn write_cr9346(&mut self, value: u8) {
        match value & eecr::EEM {
            eecr::AUTO_LOAD => {
                self.auto_load();
                self.cr9346 = 0;
            }
            eecr::PROGRAM => {
                self.cr9346 = value & !eecr::EEDO & (eecr::EEM | eecr::EECS | eecr::EESK | eecr::EEDI);
                self.eeprom.pins(value & eecr::EECS != 0, value & eecr::EESK != 0, value & eecr::EEDI != 0);
            }
            mode => {
                self.cr9346 = mode;
                self.eeprom.pins(false, false, false);
            }
        }
    }

    fn read_msr(&self) -> u8 {
        let link = if self.phy.link() { 0 } else { msr::LINKB };
        let slow = if self.phy.slow() { msr::SPEED_10 } else { 0 };
        self.msr | link | slow
    }

    fn write_msr_line(&mut self, [msr, config3, config4, _]: [u8; 4], lanes: u8) {
        if lanes & 1 != 0 {
            self.msr = msr & msr::TXFCE;
        }
        if !self.config_unlocked() {
            return;
        }
        if lanes & 2 != 0 {
            self.config3 = config3 & CONFIG3_WRITABLE;
        }
        if lanes & 4 != 0 {
            self.config4 = config4 & CONFIG4_WRITABLE;
        }
    }
}
