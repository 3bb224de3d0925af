//! Interrupts as a client sets them up.
//!
//! The model signals the client's eventfd by itself, from whatever thread raises the line, and masks the line with it;
//! unmasking raises it again while it is still asserted. What PCI has beside that (status bit 3, command bit 10) is the
//! model's configuration space.
//!
//! Messages (MSI) are edges: they go through the client's eventfd as they come, and cannot be masked.
//!
//! [`PciFunction`] has no mask of its own. A client that masks takes the eventfd away, and unmasking puts it back,
//! which signals at once if the line is asserted: the same as far as a client can see.

use std::os::fd::{AsFd, OwnedFd};

use udrv_bus::{BusError, PciFunction, Width};
use udrv_vfio_user::message::{IrqInfo, SetIrqs};

/// Configuration space: which pin the function uses; 0 for none.
const INTERRUPT_PIN: u16 = 0x3d;

const DATA: u32 = SetIrqs::DATA_NONE | SetIrqs::DATA_BOOL | SetIrqs::DATA_EVENTFD;
const ACTION: u32 = SetIrqs::ACTION_MASK | SetIrqs::ACTION_UNMASK | SetIrqs::ACTION_TRIGGER;

/// What is set up.
#[derive(Debug, Default)]
pub(crate) struct Interrupts {
    intx: Option<Intx>,
}

#[derive(Debug)]
struct Intx {
    event: OwnedFd,
    masked: bool,
}

/// What the function has of kind `index`.
pub(crate) fn info(function: &mut dyn PciFunction, index: u32) -> Result<IrqInfo, BusError> {
    let none = IrqInfo { argsz: IrqInfo::SIZE as u32, flags: 0, index, count: 0 };
    if index == IrqInfo::MSI && function.has_msi()? {
        return Ok(IrqInfo { flags: IrqInfo::EVENTFD | IrqInfo::NORESIZE, count: 1, ..none });
    }
    if index != IrqInfo::INTX || function.config_read(INTERRUPT_PIN, Width::U8)? == 0 {
        return Ok(none);
    }
    Ok(IrqInfo { flags: IrqInfo::EVENTFD | IrqInfo::MASKABLE | IrqInfo::AUTOMASKED, count: 1, ..none })
}

impl Interrupts {
    /// Does what the client asks. `event` came with it.
    pub(crate) fn set(
        &mut self,
        function: &mut dyn PciFunction,
        set: &SetIrqs,
        event: Option<OwnedFd>,
    ) -> Result<(), BusError> {
        if info(function, set.index)?.count == 0 {
            // Taking away what was never there is how clients tidy up.
            let tidy = set.flags == SetIrqs::ACTION_TRIGGER | SetIrqs::DATA_NONE && set.count == 0;
            return if tidy { Ok(()) } else { Err(BusError::Unsupported("this kind of interrupt")) };
        }
        let (action, data) = (set.flags & ACTION, set.flags & DATA);
        if set.start != 0 || set.count > 1 || set.flags & !(ACTION | DATA) != 0 {
            return Err(BusError::Unsupported("an interrupt beyond the first"));
        }
        if set.index == IrqInfo::MSI {
            return match (action, data, set.count, event) {
                (SetIrqs::ACTION_TRIGGER, SetIrqs::DATA_EVENTFD, 1, Some(event)) => function.enable_msi(event.as_fd()),
                (SetIrqs::ACTION_TRIGGER, SetIrqs::DATA_EVENTFD, 1, None)
                | (SetIrqs::ACTION_TRIGGER, SetIrqs::DATA_NONE, 0, None) => function.disable_msi(),
                _ => Err(BusError::Unsupported("this way to set MSI")),
            };
        }
        match (action, data, set.count, event) {
            (SetIrqs::ACTION_TRIGGER, SetIrqs::DATA_EVENTFD, 1, Some(event)) => {
                function.enable_intx(event.as_fd())?;
                self.intx = Some(Intx { event, masked: false });
                Ok(())
            }
            (SetIrqs::ACTION_TRIGGER, SetIrqs::DATA_EVENTFD, 1, None)
            | (SetIrqs::ACTION_TRIGGER, SetIrqs::DATA_NONE, 0, None) => {
                self.intx = None;
                function.disable_intx()
            }
            (SetIrqs::ACTION_MASK, SetIrqs::DATA_NONE, 1, None) => {
                let intx = self.intx.as_mut().ok_or(BusError::Unsupported("masking what is not set up"))?;
                function.disable_intx()?;
                intx.masked = true;
                Ok(())
            }
            (SetIrqs::ACTION_UNMASK, SetIrqs::DATA_NONE, 1, None) => {
                let intx = self.intx.as_mut().ok_or(BusError::Unsupported("unmasking what is not set up"))?;
                if std::mem::take(&mut intx.masked) {
                    function.enable_intx(intx.event.as_fd())
                } else {
                    function.unmask_intx()
                }
            }
            _ => Err(BusError::Unsupported("this way to set interrupts")),
        }
    }
}
