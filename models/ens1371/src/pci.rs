//! Configuration space (AudioPCI 97 specification, section 6). Power management keeps what is written, without effect.

use model_card::pci::{Bar, Capability, ConfigSpace, Description};
use udrv_bus::PciId;

use crate::config::Variant;
use crate::regs;

/// Ensoniq.
pub const VENDOR: u16 = 0x1274;

/// Multimedia device, audio.
const CLASS: u32 = 0x04_01_00;

/// Capability id: power management.
const POWER_MANAGEMENT: u8 = 0x01;

pub(crate) fn configuration(variant: Variant) -> ConfigSpace {
    let id = PciId { vendor: VENDOR, device: variant.device() };
    // Version 1, device specific initialisation, D2; of control and status the power state can be written.
    let power = Capability { at: 0xdc, id: POWER_MANAGEMENT, bytes: vec![0x21, 0x04, 0, 0], writable: vec![0, 0, 3] };
    let mut bars = [None; 6];
    bars[0] = Some(Bar::io(regs::SIZE));
    ConfigSpace::new(&Description {
        class: CLASS,
        revision: variant.revision(),
        bars,
        min_grant: 0x0c,
        max_latency: 0x80,
        capabilities: vec![power],
        ..Description::function(id)
    })
}
