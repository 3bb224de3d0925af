//! A card on a test bench: memory at a bus address, a station at the other end of the cable, a line for interrupts.

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use model_rtl8139::regs::{self, cr, rcr};
use model_rtl8139::testing::TestMemory;
use model_rtl8139::{Clock, Config, Rtl8139Handle, Rtl8139Model};
use model_wire::{FarPort, Station, Wire, WireConfig};
use udrv_bus::{DmaMapping, DmaMemory, PciFunction, Width};

pub(crate) const MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
/// Bus address and size of the memory.
pub(crate) const IOVA: u32 = 0x10_0000;
pub(crate) const MEMORY: usize = 0x4_0000;
/// Transmit buffers, 2 KiB each, and the receive ring, as offsets in the memory.
pub(crate) const TX: u32 = 0;
pub(crate) const RX: u32 = 0x1_0000;

pub(crate) struct Bench {
    pub(crate) nic: Rtl8139Model,
    pub(crate) handle: Rtl8139Handle,
    pub(crate) wire: Wire,
    pub(crate) memory: Arc<TestMemory>,
    /// Where the driver reads next, and the ring's size and RCR.
    pub(crate) read: u32,
    pub(crate) rcr: u32,
    line: Option<UnixStream>,
}

/// A frame as the driver finds it in the ring.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RxFrame {
    pub(crate) status: u16,
    pub(crate) length: u16,
    pub(crate) data: Vec<u8>,
    pub(crate) crc: [u8; 4],
}

impl Bench {
    /// A card after power-on, decoding and mastering, with memory; the far end is the caller's.
    pub(crate) fn with_far_end() -> (Self, FarPort) {
        let (wire, near, far) = Wire::new(WireConfig::default());
        let config = Config { clock: Clock::Manual, ..Config::default() };
        let (mut nic, handle) = Rtl8139Model::new(config, near);
        let memory = Arc::new(TestMemory::new(MEMORY));
        nic.map_dma(DmaMapping { iova: IOVA.into(), memory: memory.clone() }).unwrap();
        nic.config_write(4, Width::U16, 7).unwrap();
        (Self { nic, handle, wire, memory, read: 0, rcr: 0, line: None }, far)
    }

    pub(crate) fn new() -> (Self, Station) {
        let (bench, far) = Self::with_far_end();
        (bench, Station::new(far))
    }

    pub(crate) fn r8(&mut self, at: u8) -> u8 {
        self.nic.bar_read(1, at.into(), Width::U8).unwrap() as u8
    }

    pub(crate) fn r16(&mut self, at: u8) -> u16 {
        self.nic.bar_read(1, at.into(), Width::U16).unwrap() as u16
    }

    pub(crate) fn r32(&mut self, at: u8) -> u32 {
        self.nic.bar_read(1, at.into(), Width::U32).unwrap()
    }

    pub(crate) fn w8(&mut self, at: u8, value: u8) {
        self.nic.bar_write(1, at.into(), Width::U8, value.into()).unwrap();
    }

    pub(crate) fn w16(&mut self, at: u8, value: u16) {
        self.nic.bar_write(1, at.into(), Width::U16, value.into()).unwrap();
    }

    pub(crate) fn w32(&mut self, at: u8, value: u32) {
        self.nic.bar_write(1, at.into(), Width::U32, value).unwrap();
    }

    /// Receiver and transmitter on, the ring set up.
    pub(crate) fn start(&mut self, rcr: u32) {
        self.w32(regs::RBSTART, IOVA + RX);
        self.w8(regs::CR, cr::RE | cr::TE);
        self.w32(regs::RCR, rcr);
        self.rcr = rcr;
        self.read = 0;
    }

    pub(crate) fn ring_size(&self) -> u32 {
        0x2000 << (self.rcr >> rcr::RBLEN_SHIFT & 3)
    }

    /// Starts slot `slot` with `frame`.
    pub(crate) fn send(&mut self, slot: u8, frame: &[u8]) {
        let at = TX + u32::from(slot) * 2048;
        self.memory.write(at.into(), frame).unwrap();
        self.w32(regs::TSAD0 + 4 * slot, IOVA + at);
        self.w32(regs::TSD0 + 4 * slot, frame.len() as u32);
    }

    fn ring(&self, at: u32, len: usize) -> Vec<u8> {
        let whole = self.rcr & rcr::WRAP != 0 && self.ring_size() != 0x1_0000;
        (0..len as u32)
            .map(|i| {
                let at = if whole { at + i } else { (at + i) % self.ring_size() };
                let mut byte = [0];
                self.memory.read(u64::from(RX + at), &mut byte).unwrap();
                byte[0]
            })
            .collect()
    }

    /// Takes the next frame out of the ring, as a driver does.
    pub(crate) fn take(&mut self) -> Option<RxFrame> {
        if self.r8(regs::CR) & cr::BUFE != 0 {
            return None;
        }
        let header = self.ring(self.read, 4);
        let status = u16::from_le_bytes([header[0], header[1]]);
        let length = u16::from_le_bytes([header[2], header[3]]);
        let mut data = self.ring(self.read + 4, length.into());
        let crc = data.split_off(data.len() - 4).try_into().unwrap();
        self.read = (self.read + 4 + u32::from(length)).next_multiple_of(4) % self.ring_size();
        self.w16(regs::CAPR, (self.read as u16).wrapping_sub(16));
        Some(RxFrame { status, length, data, crc })
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
