//! What the card says it is: configuration space (datasheet, PCI configuration space table).
//!
//! Power management and, on PCI Express, that capability: their registers keep what is written, without effect. The chips
//! on PCI Express have MSI too, where lspci shows it: at 0x50, one message, an address of 64 bits, no mask.

use model_card::eeprom::Eeprom;
use model_card::pci::{Bar, Capability, ConfigSpace, Description, command, status};
use udrv_bus::PciId;

use crate::config::Variant;
use crate::eeprom;
use crate::regs;

/// Bytes of the memory BAR on PCI Express.
const PCIE_MEMORY: u32 = 4096;

/// PCI Power Management 1.1: D0 to D3, PME from D3 cold too. Of the control register the power state and PME_En.
fn power_management(at: u8) -> Capability {
    Capability { at, id: 0x01, bytes: vec![0x02, 0xfe, 0x00, 0x00], writable: vec![0, 0, 0x03, 0x01] }
}

/// PCI Express 1.0a, a legacy endpoint: payloads of 128 bytes, one lane of 2.5 GT/s, no ASPM.
fn express(at: u8) -> Capability {
    let capabilities = 0x0011u16.to_le_bytes();
    let device = 0x0000_0000u32.to_le_bytes();
    let device_control = 0x2810u16.to_le_bytes();
    let device_status = 0u16.to_le_bytes();
    // Exit latencies as if there were L0s and L1; speed and width.
    let link = 0x0003_f011u32.to_le_bytes();
    let link_control = 0u16.to_le_bytes();
    let link_status = 0x1011u16.to_le_bytes();
    let bytes = [
        &capabilities[..],
        &device[..],
        &device_control[..],
        &device_status[..],
        &link[..],
        &link_control[..],
        &link_status[..],
    ]
    .concat();
    // Of device control all, of link control ASPM, read completion boundary, common clock and extended synch.
    let writable = vec![0, 0, 0, 0, 0, 0, 0xff, 0x7f, 0, 0, 0, 0, 0, 0, 0xcb, 0];
    Capability { at, id: 0x10, bytes, writable }
}

/// The configuration space of a card with this EEPROM.
pub(crate) fn configuration(variant: Variant, eeprom: &Eeprom) -> ConfigSpace {
    let [min_grant, max_latency] = eeprom.word(eeprom::GRANT_LATENCY).to_le_bytes();
    let mut bars = [None; 6];
    bars[0] = Some(Bar::io(regs::SIZE));
    let memory = usize::from(variant.memory_bar());
    bars[memory] = Some(if variant.is_pcie() { Bar::memory64(PCIE_MEMORY) } else { Bar::memory(regs::SIZE) });
    let card = Description {
        revision: variant.revision(),
        subsystem: PciId { vendor: eeprom.word(eeprom::SUBSYSTEM_VENDOR), device: eeprom.word(eeprom::SUBSYSTEM) },
        bars,
        command: command::WRITABLE | command::WRITE_INVALIDATE,
        ..Description::ethernet(PciId { vendor: 0x10ec, device: variant.device() })
    };
    ConfigSpace::new(&if variant.is_pcie() {
        Description {
            status: 0,
            capabilities: vec![power_management(0x40), Capability::msi(0x50), express(0x60)],
            ..card
        }
    } else {
        let capabilities = vec![power_management(0xdc)];
        Description { min_grant, max_latency, status: status::FIXED | status::MHZ_66, capabilities, ..card }
    })
}
