//! Register access: what a read shows, what a write does.
//!
//! Registers are double words. A narrower read shows its part of one, with all the side effects; a narrower write is
//! lost. Offsets that the manual reserves read 0. BAR 1 has two registers: IOADDR names one of BAR 0, IODATA is it.

use crate::chip::E1000;
use crate::regs::{self, ctrl, ctrl_ext, icr, rah, rctl, rxcsum, stat, status, tctl};

/// PBA has six bits for reception, in KiB; transmission has the rest of 64.
const PBA_BITS: u32 = 0x7f;
const PBA_TOTAL: u32 = 64;

/// One of an array of registers: which, if `offset` lies in it.
const fn element(offset: u32, first: u32, count: u32) -> Option<usize> {
    if offset >= first && offset < first + 4 * count { Some(((offset - first) / 4) as usize) } else { None }
}

impl E1000 {
    /// Reads the double word at `offset` of a BAR.
    pub(crate) fn read_bar(&mut self, bar: u8, offset: u32) -> u32 {
        match (bar, offset) {
            (0, _) => self.read_register(offset),
            (_, regs::IOADDR) => self.io_address,
            (_, regs::IODATA) => self.read_register(self.io_address),
            _ => 0,
        }
    }

    /// Writes the double word at `offset` of a BAR.
    pub(crate) fn write_bar(&mut self, bar: u8, offset: u32, value: u32) {
        match (bar, offset) {
            (0, _) => self.write_register(offset, value),
            // Registers end where BAR 0 does.
            (_, regs::IOADDR) => self.io_address = value & (regs::SIZE - 1) & !3,
            (_, regs::IODATA) => self.write_register(self.io_address, value),
            _ => {}
        }
    }

    fn read_register(&mut self, offset: u32) -> u32 {
        let jump = self.parts.trouble.on.heads_jump.unwrap_or(0);
        match offset {
            // CTRL can be read at 4 as well.
            regs::CTRL | 0x0004 => self.read_ctrl(),
            regs::STATUS => self.read_status(),
            regs::EECD => self.read_eecd(),
            regs::EERD => self.eerd,
            regs::MDIC => self.mdic,
            regs::ICR => {
                let causes = self.causes();
                self.icr = 0;
                causes
            }
            regs::IMS => self.ims,
            regs::RCTL => self.rctl,
            regs::TCTL => self.tctl,
            regs::PBA => self.pba | PBA_TOTAL.saturating_sub(self.pba) << 16,
            regs::RDH => u32::from(self.rx.head().wrapping_add(jump)),
            regs::TDH => u32::from(self.tx.head().wrapping_add(jump)),
            regs::RDBAL..=regs::RDT => self.rx.read(offset - regs::RDBAL),
            regs::TDBAL..=regs::TDT => self.tx.read(offset - regs::TDBAL),
            regs::RXCSUM => self.rxcsum,
            stat::FIRST..stat::END => self.stats.read(offset),
            _ => {
                if let Some(i) = element(offset, regs::MTA, 128) {
                    self.multicast[i]
                } else if let Some(i) = element(offset, regs::RAL0, 32) {
                    self.receive_address[i]
                } else if let Some(i) = element(offset, regs::VFTA, 128) {
                    self.vlan_filter[i]
                } else {
                    self.kept.read(offset)
                }
            }
        }
    }

    fn write_register(&mut self, offset: u32, value: u32) {
        match offset {
            regs::CTRL | 0x0004 => self.write_ctrl(value),
            regs::EECD => self.write_eecd(value),
            regs::EERD => self.write_eerd(value),
            regs::CTRL_EXT => {
                self.kept.write(offset, value);
                if value & ctrl_ext::EE_RST != 0 {
                    self.auto_load();
                }
            }
            regs::MDIC => self.write_mdic(value),
            // Ones clear, as reading does.
            regs::ICR => self.icr &= !value,
            regs::ICS => self.icr |= value & icr::ALL,
            regs::IMS => self.ims |= value & icr::ALL,
            regs::IMC => self.ims &= !value,
            regs::RCTL => self.write_rctl(value),
            regs::TCTL => self.write_tctl(value),
            regs::PBA => self.pba = value & PBA_BITS,
            regs::RDBAL..=regs::RDT => self.rx.write(offset - regs::RDBAL, value),
            regs::TDBAL..=regs::TDT => {
                self.tx.write(offset - regs::TDBAL, value);
                self.run_transmitter();
            }
            regs::RXCSUM => self.rxcsum = value & rxcsum::WRITABLE,
            _ => {
                if let Some(i) = element(offset, regs::MTA, 128) {
                    self.multicast[i] = value;
                } else if let Some(i) = element(offset, regs::RAL0, 32) {
                    self.receive_address[i] = value & if i % 2 == 0 { u32::MAX } else { rah::WRITABLE };
                } else if let Some(i) = element(offset, regs::VFTA, 128) {
                    self.vlan_filter[i] = value;
                } else {
                    self.kept.write(offset, value);
                }
            }
        }
    }

    const fn read_ctrl(&self) -> u32 {
        if self.reset_left.is_some() { self.ctrl | ctrl::RST } else { self.ctrl }
    }

    fn write_ctrl(&mut self, value: u32) {
        if value & ctrl::RST != 0 {
            self.reset();
            return;
        }
        self.reset_left = None;
        let held = self.ctrl & ctrl::PHY_RST != 0;
        self.ctrl = value;
        if value & ctrl::PHY_RST != 0 && !held {
            self.phy.reset();
            self.renegotiate();
        } else {
            self.notice_link();
        }
    }

    const fn read_status(&self) -> u32 {
        let (speed, full) = self.mode();
        let up = if self.link_up() { status::LU } else { 0 };
        let duplex = if full { status::FD } else { 0 };
        up | duplex | speed << status::SPEED_SHIFT
    }

    /// Switching it on lets a queue that met a master abort begin again.
    fn write_rctl(&mut self, value: u32) {
        if value & !self.rctl & rctl::EN != 0 {
            self.rx.stopped = false;
        }
        self.rctl = value & rctl::WRITABLE;
        self.run_transmitter();
    }

    fn write_tctl(&mut self, value: u32) {
        if value & !self.tctl & tctl::EN != 0 {
            self.tx.stopped = false;
            self.packet.clear();
        }
        self.tctl = value & tctl::WRITABLE;
        self.run_transmitter();
    }
}
