//! The chip: its state, its resets, its link, its causes.
//!
//! What the registers do is in `access`; transmission, reception, PHY and EEPROM have files of their own.

use std::time::Instant;

use model_card::dma::{Dma, RANGES_64};
use model_card::eeprom::Eeprom;
use model_card::pci::{Bar, ConfigSpace, Description, command, status};
use model_card::{Chip, Costs, Frames, Nic, Parts, Variants};
use model_wire::NicPort;
use udrv_bus::{PciId, Width};

use crate::config::{Config, Variant};
use crate::eeprom;
use crate::kept::Kept;
use crate::misbehave::Switches;
use crate::phy::{Mode, Phy};
use crate::regs::{self, ctrl, icr, rah, rctl, tctl};
use crate::ring::Ring;
use crate::stats::Stats;
use crate::throttle::Throttle;
use crate::tx::Packet;

/// Register of `PBA` after power-on, lower half: 48 KiB for reception.
const PBA_DEFAULT: u32 = 48;

/// The chip on its card. Everything in it is reached through the bus, the wire and the bench.
pub struct E1000 {
    pub(crate) config: Config,
    pub(crate) parts: Parts<Switches, Frames>,
    /// The near end of the cable.
    pub(crate) port: NicPort,
    pub(crate) eeprom: Eeprom,
    /// The checksum in it is wrong on purpose.
    pub(crate) checksum_lies: bool,
    pub(crate) phy: Phy,
    /// STATUS.LU as it was told last.
    link: bool,
    /// Reads of registers until CTRL no longer shows RST; `None` when no reset is under way.
    pub(crate) reset_left: Option<u32>,
    /// Register reads until the link flaps, if it does.
    flap_in: u32,
    /// IOADDR.
    pub(crate) io_address: u32,

    pub(crate) ctrl: u32,
    pub(crate) eecd: u32,
    pub(crate) eerd: u32,
    pub(crate) mdic: u32,
    pub(crate) icr: u32,
    pub(crate) ims: u32,
    pub(crate) rctl: u32,
    pub(crate) tctl: u32,
    pub(crate) rxcsum: u32,
    pub(crate) pba: u32,
    pub(crate) rx: Ring,
    pub(crate) rx_buffer: Vec<u8>,
    pub(crate) tx: Ring,
    pub(crate) packet: Packet,
    pub(crate) stats: Stats,
    pub(crate) kept: Kept,
    throttle: Throttle,
    /// RAL and RAH, in turn.
    pub(crate) receive_address: [u32; 32],
    pub(crate) multicast: [u32; 128],
    pub(crate) vlan_filter: [u32; 128],
}

/// Configuration space (manual, chapter 4). Power management, PCI-X and MSI are not modelled: no capability list
/// appears.
fn configuration(config: &Config, eeprom: &Eeprom) -> ConfigSpace {
    let mut bars = [None; 6];
    bars[0] = Some(Bar::memory(regs::SIZE));
    bars[1] = Some(Bar::io(regs::IO_SIZE));
    let subsystem = PciId { vendor: eeprom.word(eeprom::SUBSYSTEM_VENDOR), device: eeprom.word(eeprom::SUBSYSTEM) };
    ConfigSpace::new(&Description {
        revision: config.variant.revision(),
        subsystem,
        bars,
        min_grant: 0xff,
        command: command::WRITABLE | command::WRITE_INVALIDATE,
        status: status::FIXED | status::MHZ_66,
        ..Description::ethernet(PciId { vendor: 0x8086, device: config.variant.device() })
    })
}

impl E1000 {
    /// A card after power-on: everything off, registers loaded from the EEPROM.
    fn power_on(config: Config, port: NicPort) -> Self {
        let eeprom = eeprom::programmed(&config);
        let pci = configuration(&config, &eeprom);
        let costs = Costs { read: config.read_cost, write: config.write_cost };
        let mut chip = Self {
            phy: Phy::new(config.variant.phy_id(), port.link_up()),
            parts: Parts::new(pci, Dma::new(&RANGES_64), costs),
            port,
            eeprom,
            config,
            checksum_lies: false,
            link: false,
            reset_left: None,
            flap_in: 0,
            io_address: 0,
            ctrl: 0,
            eecd: 0,
            eerd: 0,
            mdic: 0,
            icr: 0,
            ims: 0,
            rctl: 0,
            tctl: 0,
            rxcsum: 0,
            pba: PBA_DEFAULT,
            rx: Ring::default(),
            rx_buffer: Vec::new(),
            tx: Ring::default(),
            packet: Packet::default(),
            stats: Stats::default(),
            kept: Kept::new(),
            throttle: Throttle::default(),
            receive_address: [0; 32],
            multicast: [0; 128],
            vlan_filter: [0; 128],
        };
        chip.set_defaults();
        chip
    }

    /// Registers as a reset leaves them. The PHY, configuration space and PBA (manual, 13.4.24) are not among them.
    fn set_defaults(&mut self) {
        self.ctrl = ctrl::DEFAULT;
        (self.eecd, self.eerd, self.mdic) = (0, 0, regs::mdic::READY);
        (self.icr, self.ims) = (0, 0);
        (self.rctl, self.tctl, self.rxcsum) = (0, 0, 0);
        self.rx = Ring::default();
        self.tx = Ring::default();
        self.packet.clear();
        self.stats = Stats::default();
        self.kept = Kept::new();
        self.throttle = Throttle::default();
        self.multicast = [0; 128];
        self.vlan_filter = [0; 128];
        self.receive_address = [0; 32];
        self.link = false;
        self.auto_load();
    }

    /// Loads what the EEPROM holds: the first receive address.
    pub(crate) fn auto_load(&mut self) {
        let [low, middle, high] = [0, 1, 2].map(|i| u32::from(self.eeprom.word(i)));
        self.receive_address[0] = low | middle << 16;
        self.receive_address[1] = high | rah::AV;
    }

    /// CTRL.RST.
    pub(crate) fn reset(&mut self) {
        self.set_defaults();
        let polls = if self.parts.trouble.on.reset_hangs { 1 } else { self.config.reset_polls };
        self.reset_left = (polls != 0).then_some(polls);
        self.parts.counters.resets += 1;
    }

    /// A register read has taken its time on the bus, and so has the reset that may be under way.
    fn count_to_end_of_reset(&mut self) {
        if !self.parts.trouble.on.reset_hangs {
            self.reset_left = self.reset_left.filter(|left| *left > 1).map(|left| left - 1);
        }
    }

    /// A reset that was asked for and does not end: the chip hears nothing.
    pub(crate) fn is_stuck_in_reset(&self) -> bool {
        self.reset_left.is_some() && self.parts.trouble.on.reset_hangs
    }

    /// STATUS.LU: the PHY's link, if the MAC heeds it.
    pub(crate) const fn link_up(&self) -> bool {
        self.ctrl & ctrl::SLU != 0 && self.phy.link()
    }

    /// Frames come back instead of going out: in the PHY or before it.
    pub(crate) const fn loops_back(&self) -> bool {
        self.phy.loopback() || self.rctl & rctl::LBM != 0
    }

    /// Speed and duplex mode of the MAC (CTRL.FRCSPD, FRCDPX): forced, or what the PHY says.
    pub(crate) const fn mode(&self) -> Mode {
        let (mut speed, mut full) = self.phy.mode();
        if self.ctrl & ctrl::FRCSPD != 0 {
            speed = (self.ctrl & ctrl::SPEED) >> ctrl::SPEED_SHIFT;
        }
        if self.ctrl & ctrl::FRCDPX != 0 {
            full = self.ctrl & ctrl::FD != 0;
        }
        (speed, full)
    }

    /// Tells a change of STATUS.LU, and lets the transmitter go on if it waited for the link.
    pub(crate) fn notice_link(&mut self) {
        let up = self.link_up();
        if std::mem::replace(&mut self.link, up) != up {
            self.icr |= icr::LSC;
        }
        self.run_transmitter();
    }

    /// The PHY starts anew: the link fails and, if there is a cable, is back when both ends have
    /// negotiated.
    pub(crate) fn renegotiate(&mut self) {
        if self.port.negotiate() {
            self.set_link(false);
            return;
        }
        if self.link {
            self.icr |= icr::LSC;
        }
        self.notice_link();
    }

    /// One register read nearer to the next failure of the link.
    pub(crate) fn count_to_flap(&mut self) {
        let every = self.parts.trouble.on.link_flaps;
        if every == 0 {
            self.flap_in = 0;
            return;
        }
        self.flap_in = if self.flap_in == 0 { every } else { self.flap_in } - 1;
        if self.flap_in == 0 {
            self.phy.note_failure();
            self.renegotiate();
        }
    }

    /// ICR as it can be read.
    pub(crate) fn causes(&self) -> u32 {
        self.icr | self.parts.trouble.on.icr_stuck
    }

    /// Whether the receiver is on.
    pub(crate) const fn receives(&self) -> bool {
        self.rctl & rctl::EN != 0
    }

    /// Whether the transmitter is on.
    pub(crate) const fn transmits(&self) -> bool {
        self.tctl & tctl::EN != 0
    }
}

impl Chip for E1000 {
    type Config = Config;
    type Port = NicPort;
    type Switches = Switches;
    type Counts = Frames;

    const NAME: &'static str = "e1000";
    const VARIANTS: Variants<Config> = &[
        ("82540em", || Config::of(Variant::I82540Em)),
        ("82545em", || Config::of(Variant::I82545Em)),
        ("82544gc", || Config::of(Variant::I82544Gc)),
    ];

    fn new(config: Config, port: NicPort) -> Self {
        Self::power_on(config, port)
    }

    fn parts(&mut self) -> &mut Parts<Switches, Frames> {
        &mut self.parts
    }

    fn read(&mut self, bar: u8, offset: u32, _width: Width) -> u32 {
        self.count_to_flap();
        let value = self.read_bar(bar, offset & !3);
        self.count_to_end_of_reset();
        value >> (8 * (offset & 3))
    }

    fn write(&mut self, bar: u8, offset: u32, width: Width, value: u32) {
        if self.is_stuck_in_reset() {
            self.parts.counters.writes_in_reset += 1;
        } else if width == Width::U32 {
            self.write_bar(bar, offset, value);
        }
    }

    fn wants_interrupt(&mut self) -> bool {
        let wanted = self.causes() & self.ims != 0;
        if !wanted {
            self.throttle.let_go();
            return false;
        }
        self.throttle.passes(self.kept.read(regs::ITR), Instant::now)
    }

    const CLOCK: bool = true;

    fn wakes_at(&self) -> Option<Instant> {
        self.throttle.due()
    }

    fn resume(&mut self) {
        self.run_transmitter();
    }
}

impl Nic for E1000 {
    fn receive(&mut self, frame: &[u8], fcs_ok: bool) {
        if self.link_up() && !self.loops_back() {
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
