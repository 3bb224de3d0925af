//! A card on a test bench: memory at a bus address, a station at the other end of the cable, a line for interrupts.

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use model_r8169::regs::{self, cr, desc, phyar, tppoll};
use model_r8169::testing::TestMemory;
use model_r8169::{Clock, Config, R8169Handle, R8169Model, Variant};
use model_wire::{FarPort, Station, Wire, WireConfig};
use udrv_bus::{DmaMapping, DmaMemory, PciFunction, Width};

pub(crate) const MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
/// Bus address and size of the memory.
pub(crate) const IOVA: u32 = 0x10_0000;
pub(crate) const MEMORY: usize = 0x10_0000;
/// Rings and buffers, as offsets in the memory.
pub(crate) const TX_RING: u32 = 0;
pub(crate) const HIGH_RING: u32 = 0x1000;
pub(crate) const RX_RING: u32 = 0x2000;
pub(crate) const TX: u32 = 0x1_0000;
pub(crate) const RX: u32 = 0x8_0000;
/// Descriptors of each ring, and distance and size of receive buffers.
pub(crate) const RING: u32 = 16;
pub(crate) const RX_STEP: u32 = 0x800;
/// FS and LS.
pub(crate) const WHOLE: u32 = desc::FS | desc::LS;

pub(crate) struct Bench {
    pub(crate) nic: R8169Model,
    pub(crate) handle: R8169Handle,
    pub(crate) wire: Wire,
    pub(crate) memory: Arc<TestMemory>,
    bar: u8,
    /// The driver's next descriptors, and where the next transmit buffer is.
    pub(crate) tx_next: u32,
    pub(crate) rx_next: u32,
    tx_at: u32,
    line: Option<UnixStream>,
}

/// A receive descriptor, written back, and what is in its buffer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RxPart {
    /// First word without EOR and length, second word.
    pub(crate) status: u32,
    pub(crate) options: u32,
    /// Of as many bytes as the length says, but no more than fit.
    pub(crate) data: Vec<u8>,
}

impl RxPart {
    /// Without the CRC, which must fit.
    pub(crate) fn frame(&self) -> &[u8] {
        let (frame, crc) = self.data.split_at(self.data.len() - 4);
        assert_eq!(crc, crc32fast::hash(frame).to_le_bytes());
        frame
    }
}

impl Bench {
    /// A card after power-on, decoding and mastering, with memory; the far end is the caller's.
    pub(crate) fn with_far_end(variant: Variant) -> (Self, FarPort) {
        let (wire, near, far) = Wire::new(WireConfig::default());
        let config = Config { clock: Clock::Manual, ..Config::of(variant) };
        let (mut nic, handle) = R8169Model::new(config, near);
        let memory = Arc::new(TestMemory::new(MEMORY));
        nic.map_dma(DmaMapping { iova: IOVA.into(), memory: memory.clone() }).unwrap();
        nic.config_write(4, Width::U16, 7).unwrap();
        let bar = variant.memory_bar();
        (Self { nic, handle, wire, memory, bar, tx_next: 0, rx_next: 0, tx_at: TX, line: None }, far)
    }

    pub(crate) fn of(variant: Variant) -> (Self, Station) {
        let (bench, far) = Self::with_far_end(variant);
        (bench, Station::new(far))
    }

    pub(crate) fn new() -> (Self, Station) {
        Self::of(Variant::default())
    }

    /// A card that is started with these bits of RCR, and its station.
    pub(crate) fn started(rcr: u32) -> (Self, Station) {
        Self::started_of(Variant::default(), rcr)
    }

    /// The same with another chip.
    pub(crate) fn started_of(variant: Variant, rcr: u32) -> (Self, Station) {
        let (mut bench, station) = Self::of(variant);
        bench.start(rcr);
        (bench, station)
    }

    pub(crate) fn r8(&mut self, at: u8) -> u8 {
        self.nic.bar_read(self.bar, at.into(), Width::U8).unwrap() as u8
    }

    pub(crate) fn r16(&mut self, at: u8) -> u16 {
        self.nic.bar_read(self.bar, at.into(), Width::U16).unwrap() as u16
    }

    pub(crate) fn r32(&mut self, at: u8) -> u32 {
        self.nic.bar_read(self.bar, at.into(), Width::U32).unwrap()
    }

    pub(crate) fn w8(&mut self, at: u8, value: u8) {
        self.nic.bar_write(self.bar, at.into(), Width::U8, value.into()).unwrap();
    }

    pub(crate) fn w16(&mut self, at: u8, value: u16) {
        self.nic.bar_write(self.bar, at.into(), Width::U16, value.into()).unwrap();
    }

    pub(crate) fn w32(&mut self, at: u8, value: u32) {
        self.nic.bar_write(self.bar, at.into(), Width::U32, value).unwrap();
    }

    /// A software reset, to its end.
    pub(crate) fn reset(&mut self) {
        self.w8(regs::CR, cr::RST);
        assert!((0..10).any(|_| self.r8(regs::CR) & cr::RST == 0));
    }

    /// Rings set up, receiver and transmitter on; every receive descriptor is the chip's, no transmit descriptor is.
    pub(crate) fn start(&mut self, rcr: u32) {
        for i in 0..RING {
            self.give(i);
            self.set_word(TX_RING + 16 * i, Self::end(i));
        }
        (self.tx_next, self.rx_next, self.tx_at) = (0, 0, TX);
        self.w32(regs::TNPDS_HIGH, 0);
        self.w32(regs::TNPDS, IOVA + TX_RING);
        self.w32(regs::RDSAR_HIGH, 0);
        self.w32(regs::RDSAR, IOVA + RX_RING);
        self.w16(regs::RMS, 0x4000);
        self.w8(regs::CR, cr::RE | cr::TE);
        self.w32(regs::TCR, 0x0300_0700);
        self.w32(regs::RCR, 0xe700 | rcr);
    }

    fn end(i: u32) -> u32 {
        if i % RING == RING - 1 { desc::EOR } else { 0 }
    }

    pub(crate) fn word(&self, at: u32) -> u32 {
        let mut word = [0; 4];
        self.memory.read(at.into(), &mut word).unwrap();
        u32::from_le_bytes(word)
    }

    pub(crate) fn set_word(&self, at: u32, value: u32) {
        self.memory.write(at.into(), &value.to_le_bytes()).unwrap();
    }

    /// Gives receive descriptor `i` to the chip.
    pub(crate) fn give(&self, i: u32) {
        let at = RX_RING + 16 * i;
        self.set_word(at + 4, 0);
        self.memory.write(u64::from(at) + 8, &u64::from(IOVA + RX + i * RX_STEP).to_le_bytes()).unwrap();
        self.set_word(at, desc::OWN | Self::end(i) | RX_STEP);
    }

    /// Puts `data` into memory, and a descriptor for it with these words, without telling the chip.
    pub(crate) fn put(&mut self, data: &[u8], word: u32, options: u32) {
        if self.tx_at as usize + data.len() > RX as usize {
            self.tx_at = TX;
        }
        let (buffer, at) = (self.tx_at, TX_RING + 16 * self.tx_next);
        self.tx_at += data.len() as u32;
        self.memory.write(buffer.into(), data).unwrap();
        self.memory.write(u64::from(at) + 8, &u64::from(IOVA + buffer).to_le_bytes()).unwrap();
        self.set_word(at + 4, options);
        self.set_word(at, desc::OWN | Self::end(self.tx_next) | word | data.len() as u32);
        self.tx_next = (self.tx_next + 1) % RING;
    }

    /// Tells the chip.
    pub(crate) fn poll(&mut self) {
        self.w8(regs::TPPOLL, tppoll::NPQ);
    }

    /// Sends `frame` with one descriptor.
    pub(crate) fn send(&mut self, frame: &[u8]) {
        self.put(frame, WHOLE, 0);
        self.poll();
    }

    /// First word of transmit descriptor `i`.
    pub(crate) fn tx_word(&self, i: u32) -> u32 {
        self.word(TX_RING + 16 * i)
    }

    /// Takes the next descriptor that is done, and gives it back.
    pub(crate) fn take(&mut self) -> Option<RxPart> {
        let i = self.rx_next;
        let (word, options) = (self.word(RX_RING + 16 * i), self.word(RX_RING + 16 * i + 4));
        if word & desc::OWN != 0 {
            return None;
        }
        assert_eq!(word & desc::EOR, Self::end(i), "EOR stays");
        let mut data = vec![0; (word & 0x3fff).min(RX_STEP) as usize];
        self.memory.read((RX + i * RX_STEP).into(), &mut data).unwrap();
        self.give(i);
        self.rx_next = (i + 1) % RING;
        Some(RxPart { status: word & !(desc::EOR | 0x3fff), options, data })
    }

    /// A write of a PHY register, waited for.
    pub(crate) fn phy_write(&mut self, at: u8, value: u16) {
        self.w32(regs::PHYAR, phyar::FLAG | u32::from(at) << 16 | u32::from(value));
        assert!((0..10).any(|_| self.r32(regs::PHYAR) & phyar::FLAG == 0));
    }

    /// A read of one.
    pub(crate) fn phy_read(&mut self, at: u8) -> u16 {
        self.w32(regs::PHYAR, u32::from(at) << 16);
        let answers = [0; 10].map(|_| self.r32(regs::PHYAR));
        *answers.iter().find(|a| **a & phyar::FLAG != 0).expect("it is never done") as u16
    }

    pub(crate) fn enable_line(&mut self) {
        let (reader, writer) = UnixStream::pair().unwrap();
        reader.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        self.nic.enable_intx(writer.as_fd()).unwrap();
        self.line = Some(reader);
    }

    /// Messages instead, to the same place.
    pub(crate) fn enable_messages(&mut self) {
        let (reader, writer) = UnixStream::pair().unwrap();
        reader.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        self.nic.enable_msi(writer.as_fd()).unwrap();
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
