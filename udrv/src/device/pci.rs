//! A PCI function as a [`Device`]: one BAR, the command register, INTx or MSI.

use std::os::fd::BorrowedFd;

use udrv_bus::{BusError, DmaMapping, PciFunction, PciId, ResetKind, Width};
use udrv_driver::Pages;

use super::{Device, FitError, Notices};

/// Command register of configuration space: offset and bits.
const COMMAND: u16 = 4;
const IO: u32 = 1;
const MEMORY: u32 = 2;
const BUS_MASTER: u32 = 4;
const INTX_DISABLE: u32 = 1 << 10;

/// What a bus without a device answers for a vendor id.
const NOBODY: u32 = 0xffff;

/// In a register map a page's number stands above this many bits of offset ([`Pages`]).
const PAGE_SHIFT: u32 = 8;

/// See the module's text.
pub(crate) struct PciDevice {
    function: Box<dyn PciFunction>,
    bar: u8,
    bytes: u64,
    pages: Option<Pages>,
    /// It interrupts by messages.
    messages: bool,
}

/// Its id. `None`: nobody answers.
pub(crate) fn id(function: &mut dyn PciFunction) -> Result<Option<PciId>, BusError> {
    let vendor = function.config_read(0, Width::U16)?;
    let device = function.config_read(2, Width::U16)?;
    Ok((vendor != NOBODY).then_some(PciId { vendor: vendor as u16, device: device as u16 }))
}

impl PciDevice {
    /// With its registers in the first of `bars` that exists.
    pub(crate) fn new(
        mut function: Box<dyn PciFunction>,
        bars: &'static [u8],
        pages: Option<Pages>,
    ) -> Result<PciDevice, FitError> {
        for bar in bars {
            match function.bar(*bar) {
                Ok(info) => return Ok(PciDevice { function, bar: *bar, bytes: info.size, pages, messages: false }),
                Err(BusError::NoSuchBar(_)) => {}
                Err(source) => return Err(source.into()),
            }
        }
        Err(FitError::NoBar(bars))
    }

    /// Chooses the page of `offset`, if it lies in one, and gives the offset in the BAR. The page is written each time: who
    /// reset the device meanwhile has to tell nobody.
    fn turn_to(&mut self, offset: u64) -> Result<u64, BusError> {
        let page = offset >> PAGE_SHIFT;
        match self.pages {
            Some(pages) if page > 0 => {
                self.function.bar_write(self.bar, pages.selector.into(), Width::U32, page as u32)?;
                Ok(offset & ((1 << PAGE_SHIFT) - 1))
            }
            _ => Ok(offset),
        }
    }

    /// Sets and clears bits of the command register.
    fn command(&mut self, set: u32, clear: u32) -> Result<(), BusError> {
        let command = self.function.config_read(COMMAND, Width::U16)?;
        self.function.config_write(COMMAND, Width::U16, command & !clear | set)
    }
}

impl Device for PciDevice {
    fn name(&self) -> String {
        self.function.name()
    }

    fn register_bytes(&self) -> u64 {
        // pages are numbered from 1 on, and each shows the same offsets
        if self.pages.is_some() { self.bytes.max(1 << PAGE_SHIFT) << PAGE_SHIFT } else { self.bytes }
    }

    fn read(&mut self, offset: u64, width: Width) -> Result<u32, BusError> {
        let offset = self.turn_to(offset)?;
        self.function.bar_read(self.bar, offset, width)
    }

    fn write(&mut self, offset: u64, width: Width, value: u32) -> Result<(), BusError> {
        let offset = self.turn_to(offset)?;
        self.function.bar_write(self.bar, offset, width, value)
    }

    fn answers(&mut self) -> bool {
        self.function.config_read(0, Width::U16).is_ok_and(|vendor| vendor != NOBODY)
    }

    fn enable(&mut self, dma: bool) -> Result<(), BusError> {
        let (set, clear) = if dma { (BUS_MASTER, 0) } else { (0, BUS_MASTER) };
        self.command(IO | MEMORY | set, INTX_DISABLE | clear)
    }

    fn stop_dma(&mut self) -> Result<(), BusError> {
        self.command(0, BUS_MASTER)
    }

    fn iova_ranges(&mut self) -> Result<Vec<(u64, u64)>, BusError> {
        self.function.iova_ranges()
    }

    fn map_dma(&mut self, mapping: DmaMapping) -> Result<(), BusError> {
        self.function.map_dma(mapping)
    }

    fn unmap_dma(&mut self, iova: u64, size: u64) -> Result<(), BusError> {
        self.function.unmap_dma(iova, size)
    }

    fn notices(&mut self) -> Result<Notices, BusError> {
        Ok(Notices { line: true, messages: self.function.has_msi()? })
    }

    fn enable_line(&mut self, event: BorrowedFd<'_>) -> Result<(), BusError> {
        self.function.enable_intx(event)
    }

    fn unmask_line(&mut self) -> Result<(), BusError> {
        self.function.unmask_intx()
    }

    fn enable_messages(&mut self, event: BorrowedFd<'_>) -> Result<(), BusError> {
        self.function.enable_msi(event)?;
        self.messages = true;
        Ok(())
    }

    fn disable_notices(&mut self) -> Result<(), BusError> {
        if std::mem::take(&mut self.messages) { self.function.disable_msi() } else { self.function.disable_intx() }
    }

    fn reset(&mut self) -> Result<ResetKind, BusError> {
        self.function.reset()
    }

    fn kept_alive_by(&self) -> Vec<(&'static str, BorrowedFd<'_>)> {
        self.function.kept_alive_by()
    }

    fn leave_running(&mut self, leaves: bool) {
        self.function.leave_running(leaves);
    }

    fn has_dma(&mut self) -> Result<bool, BusError> {
        let command = self.function.config_read(COMMAND, Width::U16)?;
        Ok(command != NOBODY && command & BUS_MASTER != 0)
    }
}
