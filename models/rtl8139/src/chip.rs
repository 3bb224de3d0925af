//! The chip: its state, its resets, its interrupt line.
//!
//! What the registers do is in `access`; transmission, reception, PHY, timer and EEPROM have files of their own.

use model_card::dma::Dma;
use model_card::eeprom::Eeprom;
use model_card::pci::{Bar, ConfigSpace, Description};
use model_card::{Chip, Costs, Frames, Nic, Parts, Variants};
use model_wire::NicPort;
use udrv_bus::{PciId, Width};

use crate::config::{Config, Variant};
use crate::eeprom;
use crate::misbehave::Switches;
use crate::phy::Phy;
use crate::regs::{self, WAKEUP_END, cr, isr};
use crate::rx::Receiver;
use crate::timer::Timer;
use crate::tx::Transmitter;

/// Bytes of the wake-up registers, CRC0 to the last LSBCRC: kept, without effect.
pub(crate) const WAKEUP_BYTES: usize = (WAKEUP_END - regs::CRC0) as usize;

/// What the card says it is.
pub const ID: PciId = PciId { vendor: 0x10ec, device: 0x8139 };

/// The chip on its card. Everything in it is reached through the bus, the wire and the bench.
pub struct Rtl8139 {
    pub(crate) config: Config,
    pub(crate) parts: Parts<Switches, Frames>,
    /// The near end of the cable.
    pub(crate) port: NicPort,
    pub(crate) eeprom: Eeprom,

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

/// Configuration space (datasheet, PCI configuration space table). Power management and vital product data are not
/// modelled: CONFIG1.PMEn and VPD keep what is written, but no capability list appears.
fn configuration(variant: Variant, eeprom: &Eeprom) -> ConfigSpace {
    let [min_grant, max_latency] = eeprom.word(eeprom::GRANT_LATENCY).to_le_bytes();
    let mut bars = [None; 6];
    bars[0] = Some(Bar::io(regs::SIZE as u32));
    bars[1] = Some(Bar::memory(regs::SIZE as u32));
    let subsystem = PciId { vendor: eeprom.word(eeprom::SUBSYSTEM_VENDOR), device: eeprom.word(eeprom::SUBSYSTEM) };
    ConfigSpace::new(&Description {
        revision: variant.revision(),
        subsystem,
        bars,
        min_grant,
        max_latency,
        ..Description::ethernet(ID)
    })
}

impl Rtl8139 {
    /// A card after power-on: everything off, registers loaded from the EEPROM.
    fn power_on(config: Config, port: NicPort) -> Self {
        let eeprom = eeprom::programmed(config.mac);
        let pci = configuration(config.variant, &eeprom);
        let costs = Costs { read: config.read_cost, write: config.write_cost };
        let mut chip = Self {
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
            parts: Parts::new(pci, Dma::default(), costs),
            port,
            config,
        };
        chip.auto_load();
        chip
    }

    /// Loads what the EEPROM holds (9346CR, auto-load).
    pub(crate) fn auto_load(&mut self) {
        self.idr = eeprom::ethernet_id(&self.eeprom);
        let [config0, config1] = self.eeprom.word(eeprom::CONFIG01).to_le_bytes();
        (self.config0, self.config1) = (config0, config1);
        self.config3 = (self.eeprom.word(eeprom::CONFIG3) >> 8) as u8;
        self.config4 = (self.eeprom.word(eeprom::CONFIG4) >> 8) as u8;
        self.config5 = (self.eeprom.word(eeprom::CONFIG5) >> 8) as u8;
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
        self.parts.counters.resets += 1;
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

    /// What the chip does about an access that nobody answered.
    pub(crate) fn master_abort(&mut self) {
        self.parts.note_master_abort();
        self.isr |= isr::SERR;
    }

    /// ISR as it can be read.
    pub(crate) fn causes(&self) -> u16 {
        self.isr | self.parts.trouble.on.isr_stuck
    }
}

/// The byte lanes of an access.
fn lanes(offset: u8, width: Width) -> u8 {
    ((1u8 << width.bytes()) - 1) << (offset & 3)
}

/// Both BARs reach the same 256 bytes.
impl Chip for Rtl8139 {
    type Config = Config;
    type Port = NicPort;
    type Switches = Switches;
    type Counts = Frames;

    const NAME: &'static str = "rtl8139";
    const VARIANTS: Variants<Config> = &[
        ("8139c", || Config::of(Variant::Rtl8139C)),
        ("8139d", || Config::of(Variant::Rtl8139D)),
        ("8139cplus", || Config::of(Variant::Rtl8139CPlusLegacy)),
    ];

    fn new(config: Config, port: NicPort) -> Self {
        Self::power_on(config, port)
    }

    fn parts(&mut self) -> &mut Parts<Switches, Frames> {
        &mut self.parts
    }

    fn read(&mut self, _bar: u8, offset: u32, width: Width) -> u32 {
        let offset = offset as u8;
        self.read_lanes(offset & !3, lanes(offset, width)) >> (8 * (offset & 3))
    }

    fn write(&mut self, _bar: u8, offset: u32, width: Width, value: u32) {
        let offset = offset as u8;
        self.write_lanes(offset & !3, value << (8 * (offset & 3)), lanes(offset, width));
    }

    fn wants_interrupt(&mut self) -> bool {
        if self.timer.expired() {
            self.isr |= isr::TIMEOUT;
        }
        self.causes() & self.imr != 0
    }

    fn resume(&mut self) {
        self.run_transmitter();
    }

    /// Ticks of 33 MHz.
    fn advance_clock(&mut self, ticks: u64) {
        self.timer.advance(ticks);
    }
}

impl Nic for Rtl8139 {
    fn receive(&mut self, frame: &[u8], fcs_ok: bool) {
        self.take_frame(frame, fcs_ok);
    }

    fn set_link(&mut self, up: bool) {
        if up != self.phy.link() {
            self.phy.set_link(up);
            self.isr |= isr::PUN_LINKCHG;
        }
    }
}
