//! The chip: its state, its resets, its interrupt line.
//!
//! What the registers do is in `access`; transmission, reception, PHY, timer and EEPROM have files of their own.

use std::fs::File;
use std::io::Write;

use model_wire::NicPort;

use crate::config::Config;
use crate::counters::Counters;
use crate::dma::Dma;
use crate::eeprom::{Eeprom, layout};
use crate::misbehave::Trouble;
use crate::pci::{ConfigSpace, command, status};
use crate::phy::Phy;
use crate::regs::{WAKEUP_END, cr, isr};
use crate::rx::Receiver;
use crate::timer::Timer;
use crate::tx::Transmitter;

/// Bytes of the wake-up registers, CRC0 to the last LSBCRC: kept, without effect.
pub(crate) const WAKEUP_BYTES: usize = (WAKEUP_END - crate::regs::CRC0) as usize;

/// The line to whoever opened the function.
#[derive(Debug, Default)]
pub(crate) struct Intx {
    pub(crate) event: Option<File>,
    /// Signalled and not yet unmasked.
    pub(crate) masked: bool,
}

pub(crate) struct Chip {
    pub(crate) config: Config,
    pub(crate) pci: ConfigSpace,
    pub(crate) dma: Dma,
    pub(crate) intx: Intx,
    pub(crate) port: NicPort,
    pub(crate) eeprom: Eeprom,
    pub(crate) trouble: Trouble,
    pub(crate) counters: Counters,
    /// A model stands for an open file; there is one at a time.
    pub(crate) open: bool,

    pub(crate) idr: [u8; 6],
    pub(crate) mar: [u8; 8],
    pub(crate) tx: Transmitter,
    pub(crate) rx: Receiver,
    /// RE and TE of CR.
    enables: u8,
    /// Reads of CR that still show RST; `None` when no reset is under way.
    pub(crate) reset_left: Option<u32>,
    pub(crate) imr: u16,
    pub(crate) isr: u16,
    pub(crate) tcr: u32,
    pub(crate) rcr: u32,
    pub(crate) timer: Timer,
    pub(crate) cr9346: u8,
    pub(crate) config0: u8,
    pub(crate) config1: u8,
    pub(crate) config3: u8,
    pub(crate) config4: u8,
    pub(crate) config5: u8,
    pub(crate) msr: u8,
    pub(crate) mulint: u16,
    pub(crate) phy: Phy,
    pub(crate) phy1_parm: u32,
    pub(crate) tw_parm: u32,
    pub(crate) phy2_parm: u8,
    pub(crate) wakeup: [u8; WAKEUP_BYTES],
}

impl Chip {
    /// A card after power-on: everything off, registers loaded from the EEPROM.
    pub(crate) fn new(config: Config, port: NicPort) -> Self {
        let eeprom = Eeprom::new(config.mac);
        let mut chip = Self {
            pci: ConfigSpace::new(config.variant, &eeprom),
            dma: Dma::default(),
            intx: Intx::default(),
            trouble: Trouble::new(),
            counters: Counters::default(),
            open: false,
            idr: [0; 6],
            mar: [0; 8],
            tx: Transmitter::new(),
            rx: Receiver::new(),
            enables: 0,
            reset_left: None,
            imr: 0,
            isr: 0,
            tcr: 0,
            rcr: 0,
            timer: Timer::new(config.clock),
            cr9346: 0,
            config0: 0,
            config1: 0,
            config3: 0,
            config4: 0,
            config5: 0,
            msr: 0,
            mulint: 0,
            phy: Phy::new(port.link_up()),
            phy1_parm: 0,
            tw_parm: 0,
            phy2_parm: 0,
            wakeup: [0; WAKEUP_BYTES],
            eeprom,
            port,
            config,
        };
        chip.auto_load();
        chip
    }

    /// Loads what the EEPROM holds (9346CR, auto-load).
    pub(crate) fn auto_load(&mut self) {
        self.idr = self.eeprom.ethernet_id();
        let [config0, config1] = self.eeprom.word(layout::CONFIG01).to_le_bytes();
        (self.config0, self.config1) = (config0, config1);
        self.config3 = (self.eeprom.word(layout::CONFIG3) >> 8) as u8;
        self.config4 = (self.eeprom.word(layout::CONFIG4) >> 8) as u8;
        self.config5 = (self.eeprom.word(layout::CONFIG5) >> 8) as u8;
    }

    /// CR.RST: transmitter and receiver off, ring and slots at their start. IDR, MAR, the CONFIG registers, the
    /// PHY and configuration space stay.
    pub(crate) fn software_reset(&mut self) {
        self.tx.reset();
        self.rx = Receiver::new();
        self.enables = 0;
        (self.imr, self.isr) = (0, 0);
        (self.tcr, self.rcr) = (0, 0);
        self.timer.set_limit(0);
        self.timer.restart();
        self.cr9346 = 0;
        self.mulint = 0;
        self.reset_left = (self.config.reset_polls != 0).then_some(self.config.reset_polls);
        self.counters.resets += 1;
    }

    /// Whether RE or TE is on.
    pub(crate) const fn enabled(&self, bit: u8) -> bool {
        self.enables & bit != 0
    }

    /// A write of CR without RST.
    pub(crate) fn set_enables(&mut self, value: u8) {
        let on = value & !self.enables;
        self.enables = value & (cr::RE | cr::TE);
        if on & cr::RE != 0 {
            self.rx.restart();
        }
        self.run_transmitter();
    }

    pub(crate) const fn enables(&self) -> u8 {
        self.enables
    }

    /// What the chip puts on the bus for the address that it was told.
    pub(crate) fn bus_address(&self, address: u32) -> u32 {
        address.wrapping_add(self.trouble.on.dma_astray.unwrap_or(0))
    }

    pub(crate) fn master_abort(&mut self) {
        self.counters.master_aborts += 1;
        self.pci.set_status(status::RECEIVED_MASTER_ABORT);
        if self.pci.has(command::SERR) {
            self.pci.set_status(status::SIGNALED_SYSTEM_ERROR);
        }
        self.isr |= isr::SERR;
    }

    pub(crate) fn set_link(&mut self, up: bool) {
        if up != self.phy.link() {
            self.phy.set_link(up);
            self.isr |= isr::PUN_LINKCHG;
        }
    }

    /// ISR as it can be read.
    pub(crate) const fn causes(&self) -> u16 {
        self.isr | self.trouble.on.isr_stuck
    }

    /// Brings the timer and the interrupt line up to date; after anything that may have changed them.
    pub(crate) fn settle(&mut self) {
        if self.timer.expired() {
            self.isr |= isr::TIMEOUT;
        }
        let on = &self.trouble.on;
        let wanted = self.causes() & self.imr != 0 || on.intx_stuck;
        let asserted = wanted && !on.interrupt_lost && !on.gone;
        self.pci.set_intx(asserted);
        if asserted && !self.intx.masked && !self.pci.has(command::INTX_DISABLE) {
            self.signal();
        }
    }

    fn signal(&mut self) {
        let Some(event) = &mut self.intx.event else { return };
        // An eventfd takes eight bytes whole or, at its limit of 2^64 - 2, none: then it is readable anyway.
        let _full = event.write(&1u64.to_ne_bytes());
        self.intx.masked = true;
        self.counters.interrupts += 1;
    }
}
