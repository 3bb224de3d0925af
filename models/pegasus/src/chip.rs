//! The chip: its registers, its resets.
//!
//! Transmission, reception, endpoint 3, PHY and EEPROM have files of their own, and so have the requests of endpoint 0.
//! Nothing here knows a transfer.

use model_wire::NicPort;

use crate::config::{Config, Variant};
use crate::counters::Counters;
use crate::eprom::{self, Access};
use crate::misbehave::Trouble;
use crate::phy::Phy;
use crate::regs::{self, ctrl1, ctrl2, gpio, tx1};
use crate::rx::Fifo;
use crate::tx::Transmitter;

/// The chip on its board, with power.
pub(crate) struct Chip {
    pub(crate) config: Config,
    pub(crate) port: NicPort,
    pub(crate) trouble: Trouble,
    pub(crate) counters: Counters,
    pub(crate) eprom: [u16; eprom::WORDS],
    /// Registers that keep what is written, at their offsets.
    pub(crate) kept: [u8; regs::SIZE],
    pub(crate) eprom_access: Access,
    pub(crate) phy: Phy,
    pub(crate) tx: Transmitter,
    pub(crate) rx: Fifo,
    pub(crate) tx_status: u8,
    pub(crate) rx_status: u8,
    /// Frames lost for want of room, since it was cleared.
    pub(crate) rx_lost: u32,
    /// Endpoint 3 has something to say.
    pub(crate) news: bool,
    /// Reads of EthCtrl1 that still show the reset; `None` when none is under way.
    reset_left: Option<u32>,
    /// `bConfigurationValue`, 0 while it is not configured.
    pub(crate) configuration: u8,
}

impl Chip {
    /// A chip after power-on.
    pub(crate) fn new(config: Config, port: NicPort) -> Self {
        let eprom = eprom::programmed(config.mac, config.interval);
        let phy = Phy::new(port.link_up());
        let mut chip = Self {
            config,
            port,
            trouble: Trouble::default(),
            counters: Counters::default(),
            eprom,
            kept: [0; regs::SIZE],
            eprom_access: Access::default(),
            phy,
            tx: Transmitter::default(),
            rx: Fifo::default(),
            tx_status: 0,
            rx_status: 0,
            rx_lost: 0,
            news: false,
            reset_left: None,
            configuration: 0,
        };
        chip.power_on();
        chip
    }

    /// What power-on and a reset of the port do: everything off, not configured.
    pub(crate) fn power_on(&mut self) {
        self.kept = [0; regs::SIZE];
        self.phy = Phy::new(self.port.link_up());
        self.configuration = 0;
        self.reset_mac();
        self.reset_left = None;
    }

    /// EthCtrl1, reset: transmitter, receiver and their memory. Pins, PHY, EEPROM and USB stay as they are.
    fn reset_mac(&mut self) {
        let mac = usize::from(regs::EPROM_OFFSET);
        self.kept[..mac].fill(0);
        self.tx = Transmitter::default();
        self.rx.clear();
        (self.tx_status, self.rx_status, self.rx_lost) = (0, 0, 0);
        if self.config.variant == Variant::Adm8511 {
            self.load_station();
        }
        let polls = self.config.reset_polls;
        self.reset_left = (polls != 0 || self.trouble.on.reset_hangs).then_some(polls);
    }

    /// Whether all of these bits are set in register `at`.
    pub(crate) const fn has(&self, at: u8, bits: u8) -> bool {
        self.kept[at as usize] & bits == bits
    }

    /// `N` registers from `at` on, which must be there.
    pub(crate) fn kept_array<const N: usize>(&self, at: u8) -> &[u8; N] {
        self.kept[usize::from(at)..].first_chunk().expect("registers that are there")
    }

    /// Reads register `at`, as the bus does.
    pub(crate) fn read(&mut self, at: u8) -> u8 {
        match at {
            regs::ETH_CTRL1 => self.kept[1] | self.read_reset(),
            regs::EPROM_CTRL => self.read_eprom_ctrl(),
            regs::PHY_CTRL => self.read_phy_ctrl(),
            regs::TX_STATUS0..=regs::RX_LOST_LOW => self.status()[usize::from(at - regs::TX_STATUS0)],
            _ => self.kept[usize::from(at)],
        }
    }

    /// The status registers from [`regs::TX_STATUS0`] on. Nothing waits in the transmitter: a frame is sent when it is
    /// there.
    pub(crate) fn status(&self) -> [u8; 5] {
        let many = if self.rx_lost > 0x7fff { 0x80 } else { 0 };
        let [.., high, low] = self.rx_lost.min(0x7fff).to_be_bytes();
        [self.tx_status, tx1::EMPTY, self.rx_status, many | high, low]
    }

    fn read_reset(&mut self) -> u8 {
        match self.reset_left {
            None => return 0,
            _ if self.trouble.on.reset_hangs => {}
            Some(0) => {
                self.reset_left = None;
                return 0;
            }
            Some(left) => self.reset_left = Some(left - 1),
        }
        ctrl1::RESET
    }

    /// Writes register `at`, as the bus does. What is read only, or not there, stays as it is.
    pub(crate) fn write(&mut self, at: u8, value: u8) {
        // What lies under the reset is what it clears.
        if self.reset_left.is_some() && at < regs::EPROM_OFFSET {
            self.counters.writes_in_reset += 1;
            return;
        }
        let kept = match at {
            regs::ETH_CTRL0
            | regs::MULTICAST..=0x15
            | regs::PAUSE..=regs::RX_FLOW_FIFO
            | regs::REG_1D
            | regs::EPROM_DATA..=0x22
            | regs::PHY_DATA..=0x27
            | regs::WAKEUP_CTRL
            | regs::PHY_POWER
            | regs::REG_81 => 0xff,
            regs::ETH_CTRL1 => ctrl1::KEPT,
            regs::ETH_CTRL2 => ctrl2::KEPT,
            regs::EPROM_OFFSET => 0x3f,
            regs::PHY_ADDR => 0x1f,
            regs::GPIO0 | regs::GPIO1 => gpio::KEPT,
            _ => 0,
        };
        self.kept[usize::from(at)] = value & kept;
        match at {
            regs::ETH_CTRL1 if value & ctrl1::RESET != 0 => {
                self.counters.resets += 1;
                self.reset_mac();
            }
            regs::ETH_CTRL2 if value & ctrl2::EPROM_LOAD != 0 => self.load_station(),
            regs::EPROM_CTRL => self.write_eprom_ctrl(value),
            regs::PHY_CTRL => self.write_phy_ctrl(value),
            regs::PHY_POWER | regs::GPIO0 => self.update_phy_power(),
            _ => {}
        }
    }
}
