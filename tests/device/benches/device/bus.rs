//! The model alone, without driver and framework.

use std::sync::Arc;
use std::time::Duration;

use model_rtl8139::{Config, Rtl8139Model, regs};
use model_wire::{Station, Wire, WireConfig};
use udrv::dma::DmaRegion;
use udrv_bus::{PciFunction, Width};

use crate::mill::FRAME;

/// The model alone: what the bus costs.
pub(crate) struct Bus {
    model: Rtl8139Model,
    station: Station,
    memory: Arc<DmaRegion>,
    sent: Vec<u8>,
    slot: u64,
    _wire: Wire,
}

impl Bus {
    const IOVA: u32 = 0x10_0000;

    pub(crate) fn new() -> Bus {
        let (wire, near, far) = Wire::new(WireConfig::default());
        let (mut model, _) = Rtl8139Model::new(Config::default(), near);
        let memory = Arc::new(DmaRegion::new(4096, fgft::device_key()).expect("memory"));
        let mapping = udrv_bus::DmaMapping { iova: Self::IOVA.into(), memory: memory.clone() };
        model.map_dma(mapping).expect("a mapping");
        model.config_write(4, Width::U16, 7).expect("decoding and bus mastering");
        let mut bus = Bus { model, station: Station::new(far), memory, sent: Vec::new(), slot: 0, _wire: wire };
        bus.poke(regs::CR, Width::U8, regs::cr::TE.into());
        bus
    }

    fn poke(&mut self, offset: u8, width: Width, value: u32) {
        self.model.bar_write(1, offset.into(), width, value).expect("a write");
    }

    pub(crate) fn read(&mut self) {
        std::hint::black_box(self.model.bar_read(1, regs::ISR.into(), Width::U16).expect("a read"));
    }

    pub(crate) fn write(&mut self) {
        self.poke(regs::TSAD0, Width::U32, Self::IOVA);
    }

    /// The write that sends a frame, and the frame's way over the wire.
    pub(crate) fn send(&mut self) {
        let slot = (self.slot % 4) as u8;
        self.slot += 1;
        std::hint::black_box(&self.memory);
        self.poke(regs::TSAD0 + 4 * slot, Width::U32, Self::IOVA);
        self.poke(regs::TSD0 + 4 * slot, Width::U32, FRAME as u32);
        self.station.receive_into(&mut self.sent, Duration::ZERO).expect("the frame is on the wire");
    }
}
