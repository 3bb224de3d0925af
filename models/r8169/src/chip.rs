//! The chip: its state, its resets, its interrupt line.
//!
//! What the registers do is in `access`; transmission, reception, PHY, timer and EEPROM have files of their own.

use std::time::Instant;

use model_card::dma::{Dma, RANGES_64};
use model_card::eeprom::Eeprom;
use model_card::{Chip, Costs, Frames, Nic, Parts, Variants};
use model_wire::NicPort;
use udrv_bus::Width;

use crate::config::{Config, Variant};
use crate::eeprom;
use crate::kept::Kept;
use crate::misbehave::Switches;
use crate::mitigation::{self, Mitigation};
use crate::pci;
use crate::phy::Phy;
use crate::regs::{self, config4, cpcr, cr, isr};
use crate::ring::Ring;
use crate::rx::Empty;
use crate::stats::Stats;
use crate::timer::Timer;
use crate::tx::Queue;

/// The chip on its card. Everything in it is reached through the bus, the wire and the bench.
pub struct R8169 {
    pub(crate) config: Config,
    pub(crate) parts: Parts<Switches, Frames>,
    /// The near end of the cable.
    pub(crate) port: NicPort,
    pub(crate) eeprom: Eeprom,

    pub(crate) idr: [u8; 6],
    pub(crate) mar: [u8; 8],
    pub(crate) dtccr: u64,
    pub(crate) stats: Stats,
    pub(crate) tx: [Queue; 2],
    /// One frame of a large send on its way out.
    pub(crate) frame: Vec<u8>,
    pub(crate) rx: Ring,
    pub(crate) rx_buffer: Vec<u8>,
    /// The buffers that a frame goes to.
    pub(crate) rx_found: Vec<Empty>,
    /// An overflow stopped the receiver until a reset.
    pub(crate) rx_stuck: bool,
    /// RE and TE of CR.
    enables: u8,
    /// Reads of CR that still show RST; `None` when no reset is under way.
    pub(crate) reset_left: Option<u32>,
    pub(crate) imr: u16,
    pub(crate) isr: u16,
    pub(crate) mitigation: Mitigation,
    pub(crate) tcr: u32,
    pub(crate) rcr: u32,
    pub(crate) timer: Timer,
    pub(crate) mpc: u32,
    pub(crate) cr9346: u8,
    /// CONFIG0 to 5.
    pub(crate) configs: [u8; 6],
    pub(crate) rms: u16,
    pub(crate) cpcr: u16,
    pub(crate) kept: Kept,

    pub(crate) phy: Phy,
    /// PHYAR when the access is done, and reads that still show it under way.
    pub(crate) phyar: u32,
    pub(crate) phy_left: u32,
    /// The link as it was told last.
    pub(crate) link: bool,
    /// Register reads until the link flaps, if it does.
    pub(crate) flap_in: u32,
    pub(crate) csidr: u32,
    pub(crate) csiar: u32,
    pub(crate) ephyar: u32,
    pub(crate) ephy: [u16; 32],
}

impl R8169 {
    /// A card after power-on: everything off, registers loaded from the EEPROM.
    fn power_on(config: Config, port: NicPort) -> Self {
        let eeprom = eeprom::programmed(config.variant, config.mac);
        let pci = pci::configuration(config.variant, &eeprom);
        let costs = Costs { read: config.read_cost, write: config.write_cost };
        let link = port.link_up();
        let mut chip = Self {
            idr: [0; 6],
            mar: [0; 8],
            dtccr: 0,
            stats: Stats::default(),
            tx: Default::default(),
            frame: Vec::new(),
            rx: Ring::default(),
            rx_buffer: Vec::new(),
            rx_found: Vec::new(),
            rx_stuck: false,
            enables: 0,
            reset_left: None,
            imr: 0,
            isr: 0,
            mitigation: Mitigation::default(),
            tcr: 0,
            rcr: 0,
            timer: Timer::new(config.clock, config.variant),
            mpc: 0,
            cr9346: 0,
            configs: [0; 6],
            rms: 0,
            cpcr: 0,
            kept: Kept::new(config.variant),
            phy: Phy::new(config.variant.phy_id(), link),
            phyar: 0,
            phy_left: 0,
            link,
            flap_in: 0,
            csidr: 0,
            csiar: 0,
            ephyar: 0,
            ephy: [0; 32],
            eeprom,
            parts: Parts::new(pci, Dma::new(&RANGES_64), costs),
            port,
            config,
        };
        chip.auto_load();
        chip
    }

    /// Loads what the EEPROM holds (9346CR, auto-load).
    pub(crate) fn auto_load(&mut self) {
        self.idr = eeprom::ethernet_id(&self.eeprom);
        self.configs = eeprom::configs(&self.eeprom);
    }

    /// CR.RST: transmitter and receiver off, rings without address. IDR, MAR, the CONFIG registers, the tally counters,
    /// the PHY and configuration space stay.
    pub(crate) fn software_reset(&mut self) {
        self.tx = Default::default();
        self.rx = Ring::default();
        self.rx_stuck = false;
        self.enables = 0;
        self.dtccr = 0;
        (self.imr, self.isr) = (0, 0);
        self.mitigation = Mitigation::default();
        (self.tcr, self.rcr) = (0, 0);
        self.timer.set_limit(0);
        self.timer.restart();
        self.mpc = 0;
        self.cr9346 = 0;
        (self.rms, self.cpcr) = (0, 0);
        self.kept = Kept::new(self.config.variant);
        let polls = if self.parts.trouble.on.reset_hangs { 1 } else { self.config.reset_polls };
        self.reset_left = (polls != 0).then_some(polls);
        self.parts.counters.resets += 1;
    }

    /// Whether RE or TE is on.
    pub(crate) const fn enabled(&self, bit: u8) -> bool {
        self.enables & bit != 0
    }

    pub(crate) const fn enables(&self) -> u8 {
        self.enables
    }

    /// A write of CR without RST. What is turned on begins at its first descriptor.
    pub(crate) fn set_enables(&mut self, value: u8) {
        let on = value & !self.enables;
        self.enables = value & (cr::RE | cr::TE);
        if on & cr::RE != 0 {
            self.rx.restart();
        }
        if on & cr::TE != 0 {
            for queue in &mut self.tx {
                let polled = queue.running;
                queue.restart();
                queue.running = polled;
            }
        }
        self.run_transmitter();
    }

    /// What the chip drives for an address: on PCI its upper half counts with DAC only.
    pub(crate) const fn dma_address(&self, address: u64) -> u64 {
        let whole = self.config.variant.is_pcie() || self.cpcr & cpcr::DAC != 0;
        if whole { address } else { address & 0xffff_ffff }
    }

    /// Whether the chip is set up for a frame of this length without CRC, as far as that hangs on CONFIG4.
    pub(crate) const fn is_set_up_for(&self, length: usize) -> bool {
        let jumbo = self.configs[4] & config4::JUMBO != 0;
        length <= USUAL_LENGTH || jumbo || !self.config.variant.has_jumbo_bit()
    }

    /// What the chip does about an access that nobody answered.
    pub(crate) fn system_error(&mut self) {
        self.isr |= isr::SERR;
    }

    /// ISR as it can be read.
    pub(crate) fn causes(&self) -> u16 {
        self.isr | self.parts.trouble.on.isr_stuck
    }
}

/// The usual longest frame, bytes without CRC: with a VLAN tag.
const USUAL_LENGTH: usize = 1518;

/// The byte lanes of an access.
fn lanes(offset: u32, width: Width) -> u8 {
    ((1u8 << width.bytes()) - 1) << (offset & 3)
}

/// Both BARs reach the same registers.
impl Chip for R8169 {
    type Config = Config;
    type Port = NicPort;
    type Switches = Switches;
    type Counts = Frames;

    const NAME: &'static str = "r8169";
    const VARIANTS: Variants<Config> = &[
        ("rtl8169s", || Config::of(Variant::Rtl8169S)),
        ("rtl8110s", || Config::of(Variant::Rtl8110S)),
        ("rtl8169sb", || Config::of(Variant::Rtl8169Sb)),
        ("rtl8169sc", || Config::of(Variant::Rtl8169Sc)),
        ("rtl8168b", || Config::of(Variant::Rtl8168B)),
        ("rtl8168be", || Config::of(Variant::Rtl8168Be)),
    ];

    fn new(config: Config, port: NicPort) -> Self {
        Self::power_on(config, port)
    }

    fn parts(&mut self) -> &mut Parts<Switches, Frames> {
        &mut self.parts
    }

    fn read(&mut self, _bar: u8, offset: u32, width: Width) -> u32 {
        self.count_to_flap();
        let Ok(at) = u8::try_from(offset & !3) else { return 0 };
        self.read_lanes(at, lanes(offset, width)) >> (8 * (offset & 3))
    }

    fn write(&mut self, _bar: u8, offset: u32, width: Width, value: u32) {
        if self.reset_left.is_some() {
            self.parts.counters.writes_in_reset += 1;
        } else if let Ok(at) = u8::try_from(offset & !3) {
            self.write_lanes(at, value << (8 * (offset & 3)), lanes(offset, width));
        }
    }

    fn wants_interrupt(&mut self) -> bool {
        if self.timer.expired() {
            self.isr |= isr::TIMEOUT;
        }
        // beside CPCR
        let fields = (self.kept.read(regs::CPCR) >> 16) as u16;
        let step = mitigation::step(self.config.variant, self.phy.status(), self.cpcr);
        self.mitigation.pass(self.causes(), fields, step, Instant::now) & self.imr != 0
    }

    const CLOCK: bool = true;

    fn wakes_at(&self) -> Option<Instant> {
        self.mitigation.due()
    }

    fn resume(&mut self) {
        self.dump_counters();
        self.run_transmitter();
    }

    /// Ticks of 33 MHz, on PCI Express of 125.
    fn advance_clock(&mut self, ticks: u64) {
        self.timer.advance(ticks);
    }
}

impl Nic for R8169 {
    fn receive(&mut self, frame: &[u8], fcs_ok: bool) {
        if self.phy.link() && !self.loops_back() {
            self.take_frame(frame, fcs_ok);
        } else {
            self.parts.counters.rx_filtered += 1;
        }
    }

    fn set_link(&mut self, up: bool) {
        self.phy.set_cable(up);
        self.notice_link();
    }
}
