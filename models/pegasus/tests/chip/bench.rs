//! An adapter on a test bench: a host that knows its requests, a station at the other end of the cable.

use std::time::Duration;

use model_pegasus::regs::{self, ctrl0, gpio, mii, phy, phy_power, request};
use model_pegasus::{BULK_IN, BULK_OUT, Config, INTERRUPT, PegasusHandle, PegasusModel, Variant};
use model_wire::{FarPort, Station, Wire, WireConfig};
use udrv_bus::{BusError, Completion, Setup, Transfer, TransferStatus, UsbDevice};

pub(crate) const MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
pub(crate) const OTHER: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x57];
pub(crate) const BROADCAST: [u8; 6] = [0xff; 6];
pub(crate) const NOW: Duration = Duration::ZERO;
/// Room of a receive transfer.
pub(crate) const ROOM: usize = 1536;

pub(crate) struct Bench {
    pub(crate) nic: PegasusModel,
    pub(crate) handle: PegasusHandle,
    pub(crate) wire: Wire,
    next: u64,
}

/// What came by a receive transfer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) data: Vec<u8>,
    pub(crate) crc: [u8; 4],
    pub(crate) length: u16,
    pub(crate) status: u8,
}

pub(crate) fn config(variant: Variant) -> Config {
    Config { control_cost: Duration::ZERO, ..Config::of(variant) }
}

impl Bench {
    pub(crate) fn with_far_end(config: Config, wire: WireConfig) -> (Self, FarPort) {
        let (wire, near, far) = Wire::new(wire);
        let (nic, handle) = PegasusModel::new(config, near);
        (Self { nic, handle, wire, next: 0 }, far)
    }

    /// An adapter after power-on.
    pub(crate) fn of(variant: Variant) -> (Self, Station) {
        let (bench, far) = Self::with_far_end(config(variant), WireConfig::default());
        (bench, Station::new(far))
    }

    /// An ADM8511 that receives and transmits.
    pub(crate) fn started() -> (Self, Station) {
        let (mut bench, station) = Self::of(Variant::Adm8511);
        bench.start();
        (bench, station)
    }

    pub(crate) fn start(&mut self) {
        self.set(regs::PHY_POWER, phy_power::ON);
        self.set(regs::GPIO0, gpio::OUT0 | gpio::SELECT0);
        self.set(regs::ETH_CTRL0, ctrl0::RX | ctrl0::TX | ctrl0::RX_STATUS);
    }

    pub(crate) fn try_get<const N: usize>(&mut self, at: u8) -> Result<[u8; N], BusError> {
        let mut to = [0; N];
        let setup = Setup { request_type: request::READ, request: request::GET_REGISTERS, value: 0, index: at.into() };
        assert_eq!(self.nic.control_in(setup, &mut to)?, N);
        Ok(to)
    }

    pub(crate) fn get<const N: usize>(&mut self, at: u8) -> [u8; N] {
        self.try_get(at).unwrap()
    }

    pub(crate) fn r8(&mut self, at: u8) -> u8 {
        self.get::<1>(at)[0]
    }

    pub(crate) fn try_set(&mut self, at: u8, value: u8) -> Result<(), BusError> {
        self.nic.control_out(write(at, value.into()), &[value])
    }

    pub(crate) fn set(&mut self, at: u8, value: u8) {
        self.try_set(at, value).unwrap();
    }

    pub(crate) fn set_all(&mut self, at: u8, values: &[u8]) {
        self.nic.control_out(write(at, 0), values).unwrap();
    }

    /// Reads a register until a bit has the wanted state; says how often.
    pub(crate) fn poll(&mut self, at: u8, bit: u8, set: bool) -> u32 {
        (1..=100)
            .find(|_| (self.r8(at) & bit != 0) == set)
            .unwrap_or_else(|| panic!("register {at:#x} never gets there"))
    }

    pub(crate) fn eprom(&mut self, word: u8) -> u16 {
        self.set(regs::EPROM_CTRL, 0);
        self.set(regs::EPROM_OFFSET, word);
        self.set(regs::EPROM_CTRL, regs::eprom::READ);
        self.poll(regs::EPROM_CTRL, regs::eprom::DONE, true);
        u16::from_le_bytes(self.get(regs::EPROM_DATA))
    }

    pub(crate) fn mii(&mut self, address: u8, register: u8) -> u16 {
        self.set(regs::PHY_CTRL, 0);
        self.set_all(regs::PHY_ADDR, &[address, 0, 0, register]);
        self.set(regs::PHY_CTRL, register | phy::READ);
        self.poll(regs::PHY_CTRL, phy::DONE, true);
        u16::from_le_bytes(self.get(regs::PHY_DATA))
    }

    pub(crate) fn set_mii(&mut self, register: u8, value: u16) {
        let [low, high] = value.to_le_bytes();
        self.set(regs::PHY_CTRL, 0);
        self.set_all(regs::PHY_ADDR, &[1, low, high, register]);
        self.set(regs::PHY_CTRL, register | phy::WRITE);
        self.poll(regs::PHY_CTRL, phy::DONE, true);
    }

    pub(crate) fn link(&mut self) -> bool {
        self.mii(1, mii::BMSR) & mii::LINK != 0
    }

    /// Queues a transfer; its token.
    pub(crate) fn submit(&mut self, endpoint: u8, data: Vec<u8>, zero_packet: bool) -> u64 {
        self.next += 1;
        self.nic.submit(Transfer { endpoint, token: self.next, data, zero_packet }).unwrap();
        self.next
    }

    /// Queues a transfer that ends at once.
    pub(crate) fn transfer(&mut self, endpoint: u8, data: Vec<u8>) -> Completion {
        let token = self.submit(endpoint, data, false);
        let ended = self.nic.reap().expect("it has ended");
        assert_eq!((ended.token, ended.endpoint), (token, endpoint));
        ended
    }

    /// Sends a frame as Linux does.
    pub(crate) fn send(&mut self, frame: &[u8]) {
        let mut data = (frame.len() as u16).to_le_bytes().to_vec();
        data.extend_from_slice(frame);
        if data.len().is_multiple_of(64) {
            data.push(0);
        }
        let length = data.len();
        let ended = self.transfer(BULK_OUT, data);
        assert_eq!((ended.status, ended.length), (TransferStatus::Done, length));
    }

    /// The next frame, with its status; `None` if none waits.
    pub(crate) fn receive(&mut self) -> Option<Received> {
        self.submit(BULK_IN, vec![0; ROOM], false);
        let Some(ended) = self.nic.reap() else {
            self.nic.cancel(BULK_IN).unwrap();
            assert_eq!(self.nic.reap().unwrap().status, TransferStatus::Cancelled);
            return None;
        };
        assert_eq!(ended.status, TransferStatus::Done);
        Some(parse(&ended))
    }

    /// What endpoint 3 has to say.
    pub(crate) fn interrupt(&mut self) -> Option<[u8; 8]> {
        self.submit(INTERRUPT, vec![0; 8], false);
        let Some(ended) = self.nic.reap() else {
            self.nic.cancel(INTERRUPT).unwrap();
            assert_eq!(self.nic.reap().unwrap().status, TransferStatus::Cancelled);
            return None;
        };
        assert_eq!((ended.status, ended.length), (TransferStatus::Done, 8));
        Some(ended.data.try_into().unwrap())
    }
}

pub(crate) fn write(at: u8, value: u16) -> Setup {
    Setup { request_type: request::WRITE, request: request::SET_REGISTERS, value, index: at.into() }
}

pub(crate) fn parse(ended: &Completion) -> Received {
    let mut data = ended.data[..ended.length].to_vec();
    let trailer = data.split_off(data.len() - 4);
    let crc = data.split_off(data.len() - 4).try_into().unwrap();
    Received { data, crc, length: u16::from_le_bytes([trailer[0], trailer[1]]), status: trailer[2] }
}

/// A frame of `len` bytes to `to`, filled with a count.
pub(crate) fn frame(to: [u8; 6], len: usize) -> Vec<u8> {
    let mut frame: Vec<u8> = (0..len).map(|i| i as u8).collect();
    frame[..6].copy_from_slice(&to);
    frame
}
