//! PCI configuration space, header type 0 (PCI Local Bus 2.3, chapter 6), made from a description.
//!
//! Capabilities are bytes with a mask of what can be written; what they would do is not here. Of MSI ([`Capability::msi`])
//! the card knows whether it is enabled.

use udrv_bus::{BarInfo, BarKind, PciId};

/// Bytes of configuration space.
pub const SIZE: u64 = 256;

/// Bits of the command register.
pub mod command {
    /// Decodes I/O space.
    pub const IO: u16 = 1 << 0;
    /// Decodes memory space.
    pub const MEMORY: u16 = 1 << 1;
    /// May master the bus.
    pub const BUS_MASTER: u16 = 1 << 2;
    /// Memory write and invalidate.
    pub const WRITE_INVALIDATE: u16 = 1 << 4;
    /// Parity error response.
    pub const PARITY: u16 = 1 << 6;
    /// SERR# may be signalled.
    pub const SERR: u16 = 1 << 8;
    /// INTx is held.
    pub const INTX_DISABLE: u16 = 1 << 10;
    /// Bits that keep what is written in most cards.
    pub const WRITABLE: u16 = IO | MEMORY | BUS_MASTER | PARITY | SERR | INTX_DISABLE;
}

/// Bits of the status register.
pub mod status {
    /// INTx is asserted, whatever the disable bit says.
    pub const INTX: u16 = 1 << 3;
    /// There is a capability list.
    pub const CAPABILITIES: u16 = 1 << 4;
    /// 66 MHz capable.
    pub const MHZ_66: u16 = 1 << 5;
    /// Fast back-to-back capable, medium DEVSEL.
    pub const FIXED: u16 = 1 << 7 | 0b01 << 9;
    /// A transfer of this master met nobody.
    pub const RECEIVED_MASTER_ABORT: u16 = 1 << 13;
    /// SERR# was signalled.
    pub const SIGNALED_SYSTEM_ERROR: u16 = 1 << 14;
    /// Bits that are cleared by writing one.
    pub const WRITE_ONE_CLEARS: u16 = 0xf900;
}

const COMMAND: u16 = 0x04;
const STATUS: u16 = 0x06;
const BARS: u16 = 0x10;
const CAPABILITY_POINTER: u16 = 0x34;

/// A base address register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    /// I/O ports or memory.
    pub kind: BarKind,
    /// Bytes, a power of two; at least 4 of I/O, 16 of memory.
    pub size: u32,
    /// 64 address bits: takes the next register too, which must be free. Memory only.
    pub wide: bool,
    /// Memory only.
    pub prefetchable: bool,
}

impl Bar {
    /// I/O ports.
    #[must_use]
    pub const fn io(size: u32) -> Self {
        Self { kind: BarKind::Io, size, wide: false, prefetchable: false }
    }

    /// Memory with 32 address bits, not prefetchable.
    #[must_use]
    pub const fn memory(size: u32) -> Self {
        Self { kind: BarKind::Memory, size, wide: false, prefetchable: false }
    }

    /// Memory with 64 address bits, not prefetchable.
    #[must_use]
    pub const fn memory64(size: u32) -> Self {
        Self { wide: true, ..Self::memory(size) }
    }

    const fn flags(self) -> u8 {
        match self.kind {
            BarKind::Io => 1,
            BarKind::Memory => (self.wide as u8) << 2 | (self.prefetchable as u8) << 3,
        }
    }
}

/// One entry of the capability list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capability {
    /// Where it lies, a multiple of four from 0x40 on.
    pub at: u8,
    /// Capability id.
    pub id: u8,
    /// What follows id and next pointer.
    pub bytes: Vec<u8>,
    /// Bits of `bytes` that keep what is written; what is missing at its end is read only.
    pub writable: Vec<u8>,
}

/// Capability id: messages as interrupts.
const MSI: u8 = 0x05;
/// Message control: messages are sent.
const MSI_ENABLE: u16 = 1 << 0;
/// Message control: the address has 64 bits.
const MSI_WIDE: u16 = 1 << 7;

impl Capability {
    /// MSI (PCI Local Bus 2.3, 6.8.1) with an address of 64 bits, one message and no mask.
    #[must_use]
    pub fn msi(at: u8) -> Self {
        let mut bytes = vec![0; 12];
        bytes[..2].copy_from_slice(&MSI_WIDE.to_le_bytes());
        // Enable, the address from bit 2 on, the data.
        let writable = vec![MSI_ENABLE as u8, 0, 0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        Self { at, id: MSI, bytes, writable }
    }
}

/// What a card says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Vendor and device.
    pub id: PciId,
    /// Revision id.
    pub revision: u8,
    /// Class code, 24 bits: base, sub, programming interface.
    pub class: u32,
    /// Subsystem vendor and device.
    pub subsystem: PciId,
    /// The base address registers.
    pub bars: [Option<Bar>; 6],
    /// 1 is INTA#, 0 none.
    pub interrupt_pin: u8,
    /// Min_Gnt, in units of 250 ns.
    pub min_grant: u8,
    /// Max_Lat, in units of 250 ns.
    pub max_latency: u8,
    /// Bits of the command register that keep what is written.
    pub command: u16,
    /// Bits of the status register that are always set.
    pub status: u16,
    /// The capability list, in its order.
    pub capabilities: Vec<Capability>,
}

impl Description {
    /// A function of no class with INTA#, no BARs and no capabilities; its subsystem is itself.
    #[must_use]
    pub const fn function(id: PciId) -> Self {
        Self {
            id,
            revision: 0,
            class: 0,
            subsystem: id,
            bars: [None; 6],
            interrupt_pin: 1,
            min_grant: 0,
            max_latency: 0,
            command: command::WRITABLE,
            status: status::FIXED,
            capabilities: Vec::new(),
        }
    }

    /// The same, an Ethernet controller.
    #[must_use]
    pub const fn ethernet(id: PciId) -> Self {
        let mut description = Self::function(id);
        description.class = 0x02_00_00;
        description
    }
}

/// The 256 bytes, and which bits of them keep what is written.
#[derive(Debug)]
pub struct ConfigSpace {
    bytes: [u8; SIZE as usize],
    mask: [u8; SIZE as usize],
    bars: [Option<Bar>; 6],
    /// Where message control is.
    msi: Option<u16>,
}

impl ConfigSpace {
    /// As after power-on: the command register and every BAR are 0.
    ///
    /// # Panics
    ///
    /// If the description cannot be: a BAR that is no power of two or without its second register, a capability that
    /// does not fit.
    #[must_use]
    pub fn new(description: &Description) -> Self {
        let d = description;
        let mut space = Self { bytes: [0; SIZE as usize], mask: [0; SIZE as usize], bars: d.bars, msi: None };
        space.msi = d.capabilities.iter().find(|c| c.id == MSI).map(|c| u16::from(c.at) + 2);
        space.set16(0x00, d.id.vendor);
        space.set16(0x02, d.id.device);
        space.mask16(COMMAND, d.command);
        space.set16(STATUS, d.status);
        space.bytes[0x08] = d.revision;
        space.bytes[0x09..0x0c].copy_from_slice(&d.class.to_le_bytes()[..3]);
        // Cache line size, latency timer.
        space.mask[0x0c..0x0e].fill(0xff);
        for (number, bar) in d.bars.iter().enumerate() {
            if let Some(bar) = bar {
                space.add_bar(number, *bar);
            }
        }
        space.set16(0x2c, d.subsystem.vendor);
        space.set16(0x2e, d.subsystem.device);
        space.add_capabilities(&d.capabilities);
        // Interrupt line is the system's scratch byte.
        space.mask[0x3c] = 0xff;
        space.bytes[0x3d] = d.interrupt_pin;
        space.bytes[0x3e] = d.min_grant;
        space.bytes[0x3f] = d.max_latency;
        space
    }

    fn add_bar(&mut self, number: usize, bar: Bar) {
        let least = if bar.kind == BarKind::Io { 4 } else { 16 };
        assert!(bar.size.is_power_of_two() && bar.size >= least, "BAR {number}: {} bytes", bar.size);
        let at = usize::from(BARS) + 4 * number;
        self.bytes[at] = bar.flags();
        self.mask[at..at + 4].copy_from_slice(&(!(bar.size - 1)).to_le_bytes());
        if bar.wide {
            assert!(self.bars.get(number + 1) == Some(&None), "BAR {number} needs the register behind it");
            self.mask[at + 4..at + 8].fill(0xff);
        }
    }

    fn add_capabilities(&mut self, capabilities: &[Capability]) {
        let mut pointer = usize::from(CAPABILITY_POINTER);
        for c in capabilities {
            let at = usize::from(c.at);
            assert!(at >= 0x40 && at.is_multiple_of(4), "a capability at {at:#x}");
            self.bytes[pointer] = c.at;
            self.bytes[at] = c.id;
            self.bytes[at + 2..at + 2 + c.bytes.len()].copy_from_slice(&c.bytes);
            self.mask[at + 2..at + 2 + c.writable.len()].copy_from_slice(&c.writable);
            pointer = at + 1;
        }
        if !capabilities.is_empty() {
            self.set_status(status::CAPABILITIES);
        }
    }

    fn set16(&mut self, at: u16, value: u16) {
        let at = usize::from(at);
        self.bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }

    fn mask16(&mut self, at: u16, value: u16) {
        let at = usize::from(at);
        self.mask[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }

    fn get16(&self, at: u16) -> u16 {
        let at = usize::from(at);
        u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]])
    }

    /// The command register.
    #[must_use]
    pub fn command(&self) -> u16 {
        self.get16(COMMAND)
    }

    /// Whether all of these bits are set in the command register.
    #[must_use]
    pub fn has(&self, command_bits: u16) -> bool {
        self.command() & command_bits == command_bits
    }

    /// Clears bits of the command register.
    pub fn clear_command(&mut self, bits: u16) {
        self.set16(COMMAND, self.command() & !bits);
    }

    /// Sets bits of the status register.
    pub fn set_status(&mut self, bits: u16) {
        self.set16(STATUS, self.get16(STATUS) | bits);
    }

    /// Shows in the status register whether INTx is asserted.
    pub fn set_intx(&mut self, asserted: bool) {
        let rest = self.get16(STATUS) & !status::INTX;
        self.set16(STATUS, if asserted { rest | status::INTX } else { rest });
    }

    /// Whether the status register shows INTx asserted.
    #[must_use]
    pub fn intx(&self) -> bool {
        self.get16(STATUS) & status::INTX != 0
    }

    /// Whether there is an MSI capability.
    #[must_use]
    pub fn has_msi(&self) -> bool {
        self.msi.is_some()
    }

    /// Whether messages are sent instead of INTx.
    #[must_use]
    pub fn msi_enabled(&self) -> bool {
        self.msi.is_some_and(|control| self.get16(control) & MSI_ENABLE != 0)
    }

    /// Enables MSI or disables it, as who has set it up does. Nothing without the capability.
    pub fn enable_msi(&mut self, on: bool) {
        if let Some(control) = self.msi {
            let rest = self.get16(control) & !MSI_ENABLE;
            self.set16(control, if on { rest | MSI_ENABLE } else { rest });
        }
    }

    /// What BAR `number` is, if it is there. The upper half of a wide one is not.
    #[must_use]
    pub fn bar(&self, number: u8) -> Option<BarInfo> {
        let bar = (*self.bars.get(usize::from(number))?)?;
        Some(BarInfo { kind: bar.kind, size: bar.size.into() })
    }

    /// Reads `len` bytes (1, 2 or 4) at `at`, which the caller has checked.
    #[must_use]
    pub fn read(&self, at: u16, len: u64) -> u32 {
        (0..len as usize).fold(0, |value, i| value | u32::from(self.bytes[usize::from(at) + i]) << (8 * i))
    }

    /// Writes `len` bytes at `at`, which the caller has checked: as the bus does, only where bits can be written.
    pub fn write(&mut self, at: u16, len: u64, value: u32) {
        for i in 0..len as usize {
            let at = usize::from(at) + i;
            let byte = (value >> (8 * i)) as u8;
            let clears = match at {
                0x06 => status::WRITE_ONE_CLEARS as u8,
                0x07 => (status::WRITE_ONE_CLEARS >> 8) as u8,
                _ => 0,
            };
            let kept = self.bytes[at] & !self.mask[at] & !(clears & byte);
            self.bytes[at] = kept | byte & self.mask[at];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: PciId = PciId { vendor: 0x8086, device: 0x100e };

    #[test]
    fn bars_of_every_kind_tell_their_size() {
        let bars = [
            Some(Bar::memory64(0x2_0000)),
            None,
            Some(Bar::io(64)),
            Some(Bar { prefetchable: true, ..Bar::memory(16) }),
            None,
            None,
        ];
        let mut space = ConfigSpace::new(&Description { bars, ..Description::ethernet(ID) });
        for (number, sized) in [0xfffe_0004, 0xffff_ffff, 0xffff_ffc1, 0xffff_fff8, 0, 0].into_iter().enumerate() {
            let at = BARS + 4 * number as u16;
            space.write(at, 4, u32::MAX);
            assert_eq!(space.read(at, 4), sized, "BAR {number}");
        }
        assert_eq!(space.bar(0), Some(BarInfo { kind: BarKind::Memory, size: 0x2_0000 }));
        assert_eq!((space.bar(1), space.bar(6)), (None, None));
    }

    #[test]
    fn capabilities_are_a_list() {
        let capabilities = vec![
            Capability { at: 0xdc, id: 1, bytes: vec![2, 0x7e, 0, 0], writable: vec![0, 0, 3] },
            Capability { at: 0xe4, id: 7, bytes: vec![1, 2], writable: Vec::new() },
        ];
        let mut space = ConfigSpace::new(&Description { capabilities, ..Description::ethernet(ID) });
        assert_eq!(space.read(STATUS, 2) as u16, status::FIXED | status::CAPABILITIES);
        assert_eq!([space.read(0x34, 1), space.read(0xdd, 1), space.read(0xe5, 1)], [0xdc, 0xe4, 0]);
        space.write(0xdc, 4, u32::MAX);
        space.write(0xe0, 4, u32::MAX);
        assert_eq!([space.read(0xdc, 4), space.read(0xe0, 4)], [0x7e02_e401, 3]);
    }
}
