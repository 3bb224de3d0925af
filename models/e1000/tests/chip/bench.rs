//! A card on a test bench: memory at a bus address, a station at the other end of the cable, a line for interrupts.

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use model_e1000::regs::{self, ctrl, rctl, rxd, tctl, txd};
use model_e1000::testing::TestMemory;
use model_e1000::{Config, E1000Handle, E1000Model};
use model_wire::{FarPort, Station, Wire, WireConfig};
use udrv_bus::{DmaMapping, DmaMemory, PciFunction, Width};

pub(crate) const MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
/// Bus address and size of the memory: above 4 GiB, so that upper halves count.
pub(crate) const IOVA: u64 = 0x1_0010_0000;
pub(crate) const MEMORY: usize = 0x10_0000;
/// Rings and buffers, as offsets in the memory.
pub(crate) const TX_RING: u64 = 0;
pub(crate) const RX_RING: u64 = 0x1000;
pub(crate) const TX: u64 = 0x1_0000;
pub(crate) const RX: u64 = 0x8_0000;
/// Descriptors of each ring, and distance of receive buffers.
pub(crate) const RING: u32 = 16;
pub(crate) const RX_STEP: u64 = 0x4000;

pub(crate) struct Bench {
    pub(crate) nic: E1000Model,
    pub(crate) handle: E1000Handle,
    pub(crate) wire: Wire,
    pub(crate) memory: Arc<TestMemory>,
    /// The driver's next descriptors, and where the next transmit buffer is.
    tx_next: u32,
    rx_next: u32,
    tx_at: u64,
    line: Option<UnixStream>,
}

/// A receive descriptor, written back, and what is in its buffer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RxPart {
    pub(crate) status: u8,
    pub(crate) errors: u8,
    pub(crate) checksum: u16,
    pub(crate) special: u16,
    pub(crate) data: Vec<u8>,
}

impl Bench {
    /// A card after power-on, decoding and mastering, with memory; the far end is the caller's.
    pub(crate) fn with_far_end(config: Config) -> (Self, FarPort) {
        let (wire, near, far) = Wire::new(WireConfig::default());
        let (mut nic, handle) = E1000Model::new(config, near);
        let memory = Arc::new(TestMemory::new(MEMORY));
        nic.map_dma(DmaMapping { iova: IOVA, memory: memory.clone() }).unwrap();
        nic.config_write(4, Width::U16, 7).unwrap();
        (Self { nic, handle, wire, memory, tx_next: 0, rx_next: 0, tx_at: TX, line: None }, far)
    }

    pub(crate) fn of(config: Config) -> (Self, Station) {
        let (bench, far) = Self::with_far_end(config);
        (bench, Station::new(far))
    }

    pub(crate) fn new() -> (Self, Station) {
        Self::of(Config::default())
    }

    /// A card that is started, and its station.
    pub(crate) fn started() -> (Self, Station) {
        let (mut bench, station) = Self::new();
        bench.start(rctl::BAM | rctl::SECRC);
        (bench, station)
    }

    pub(crate) fn r(&mut self, at: u32) -> u32 {
        self.nic.bar_read(0, at.into(), Width::U32).unwrap()
    }

    pub(crate) fn w(&mut self, at: u32, value: u32) {
        self.nic.bar_write(0, at.into(), Width::U32, value).unwrap();
    }

    pub(crate) fn set(&mut self, at: u32, bits: u32) {
        let value = self.r(at);
        self.w(at, value | bits);
    }

    /// Link up, both rings set up, transmitter and receiver on; all but one receive descriptor are the chip's.
    pub(crate) fn start(&mut self, bits: u32) {
        self.w(regs::CTRL, ctrl::DEFAULT | ctrl::SLU | ctrl::ASDE);
        for (base, ring) in [(regs::TDBAL, TX_RING), (regs::RDBAL, RX_RING)] {
            self.w(base, (IOVA + ring) as u32);
            self.w(base + 4, ((IOVA + ring) >> 32) as u32);
            self.w(base + 8, RING * 16);
            self.w(base + 0x10, 0);
            self.w(base + 0x18, 0);
        }
        for i in 0..RING {
            self.give(i);
        }
        (self.tx_next, self.rx_next, self.tx_at) = (0, 0, TX);
        self.w(regs::TCTL, tctl::EN);
        self.w(regs::RCTL, rctl::EN | bits);
        self.w(regs::RDT, RING - 1);
        self.r(regs::ICR);
    }

    fn give(&mut self, i: u32) {
        let at = RX_RING + u64::from(i) * 16;
        self.memory.write(at, &(IOVA + RX + u64::from(i) * RX_STEP).to_le_bytes()).unwrap();
        self.memory.write(at + 8, &[0; 8]).unwrap();
    }

    /// Writes a descriptor without telling the chip.
    pub(crate) fn put(&mut self, descriptor: [u32; 4]) {
        let at = TX_RING + u64::from(self.tx_next) * 16;
        for (i, word) in descriptor.into_iter().enumerate() {
            self.memory.write(at + 4 * i as u64, &word.to_le_bytes()).unwrap();
        }
        self.tx_next = (self.tx_next + 1) % RING;
    }

    /// Puts `data` into memory and a descriptor for it; `command` and `options` are its upper words.
    pub(crate) fn put_data(&mut self, data: &[u8], command: u32, options: u32) {
        if self.tx_at + data.len() as u64 > RX {
            self.tx_at = TX;
        }
        let at = self.tx_at;
        self.tx_at += data.len() as u64;
        self.memory.write(at, data).unwrap();
        let address = IOVA + at;
        self.put([address as u32, (address >> 32) as u32, command | data.len() as u32, options]);
    }

    /// Tells the chip of all descriptors.
    pub(crate) fn doorbell(&mut self) {
        self.w(regs::TDT, self.tx_next);
    }

    /// Sends `frame` with one legacy descriptor.
    pub(crate) fn send(&mut self, frame: &[u8]) {
        self.put_data(frame, txd::EOP | txd::IFCS | txd::RS, 0);
        self.doorbell();
    }

    /// Status of transmit descriptor `i`.
    pub(crate) fn tx_done(&self, i: u32) -> bool {
        let mut status = [0];
        self.memory.read(TX_RING + u64::from(i) * 16 + 12, &mut status).unwrap();
        u32::from(status[0]) & txd::DD != 0
    }

    /// Takes the next descriptor that is done, and gives it back.
    pub(crate) fn take_part(&mut self) -> Option<RxPart> {
        let i = self.rx_next;
        let mut raw = [0; 8];
        self.memory.read(RX_RING + u64::from(i) * 16 + 8, &mut raw).unwrap();
        let [l0, l1, c0, c1, status, errors, s0, s1] = raw;
        if status & rxd::DD == 0 {
            return None;
        }
        let mut data = vec![0; u16::from_le_bytes([l0, l1]).into()];
        self.memory.read(RX + u64::from(i) * RX_STEP, &mut data).unwrap();
        self.give(i);
        self.rx_next = (i + 1) % RING;
        self.w(regs::RDT, i);
        let (checksum, special) = (u16::from_le_bytes([c0, c1]), u16::from_le_bytes([s0, s1]));
        Some(RxPart { status, errors, checksum, special, data })
    }

    /// Takes the next frame that fits one buffer.
    pub(crate) fn take(&mut self) -> Option<RxPart> {
        let part = self.take_part()?;
        assert_ne!(part.status & rxd::EOP, 0);
        Some(part)
    }

    pub(crate) fn enable_line(&mut self) {
        let (reader, writer) = UnixStream::pair().unwrap();
        reader.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        self.nic.enable_intx(writer.as_fd()).unwrap();
        self.line = Some(reader);
    }

    /// Takes one interrupt; waits for it ten seconds at most.
    pub(crate) fn take_interrupt(&mut self) {
        let mut event = [0; 8];
        self.line.as_mut().unwrap().read_exact(&mut event).unwrap();
        assert_eq!(u64::from_ne_bytes(event), 1);
    }

    pub(crate) fn interrupts(&self) -> u64 {
        self.handle.counters().interrupts
    }
}

/// A frame of `len` bytes to `to`, filled with a count.
pub(crate) fn frame(to: [u8; 6], len: usize) -> Vec<u8> {
    let mut frame: Vec<u8> = (0..len).map(|i| i as u8).collect();
    frame[..6].copy_from_slice(&to);
    frame
}

pub(crate) const NOW: Duration = Duration::ZERO;
