//! The INTx line of a function, or its messages (MSI), as an eventfd.
//!
//! The kernel masks the line at each assertion; [`Intx::unmask`] opens it again, and a line that is still asserted
//! fires at once. The same eventfd may be replaced on a live device (adoption): the line then has to be unmasked
//! once, since it may have been masked for the process before us and nothing shows it.
//!
//! A message is an edge: the kernel passes it on, and neither it nor we can mask it. One vector is set up, and the kernel
//! has one kind of interrupt set up at a time.
//!
//! Not here: MSI-X.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use udrv_bus::BusError;
use vfio_bindings::bindings::vfio::{
    VFIO_IRQ_INFO_EVENTFD, VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_IRQ_SET_ACTION_UNMASK, VFIO_IRQ_SET_DATA_EVENTFD,
    VFIO_IRQ_SET_DATA_NONE, VFIO_PCI_INTX_IRQ_INDEX, VFIO_PCI_MSI_IRQ_INDEX,
};

use super::abi;
use super::device::Device;

/// State of the line: which eventfd it signals, if any.
#[derive(Debug, Default)]
pub(super) struct Intx {
    event: Option<OwnedFd>,
}

impl Intx {
    /// Signals `event` from now on, instead of what it signalled before.
    pub(super) fn enable(&mut self, device: &Device, event: BorrowedFd<'_>) -> Result<(), BusError> {
        if device.irqs == 0 {
            return Err(BusError::Unsupported("INTx")); // its index is the first
        }
        let info =
            abi::irq_info(device.as_fd(), VFIO_PCI_INTX_IRQ_INDEX).map_err(failed("VFIO_DEVICE_GET_IRQ_INFO INTx"))?;
        if info.count == 0 || info.flags & VFIO_IRQ_INFO_EVENTFD == 0 {
            return Err(BusError::Unsupported("INTx"));
        }
        let event = event.try_clone_to_owned().map_err(failed("dup of the interrupt's eventfd"))?;
        let flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
        abi::set_irq_eventfd(device.as_fd(), VFIO_PCI_INTX_IRQ_INDEX, flags, event.as_fd())
            .map_err(failed("VFIO_DEVICE_SET_IRQS INTx eventfd"))?;
        self.event = Some(event);
        Ok(())
    }

    /// Opens the line again.
    pub(super) fn unmask(&self, device: &Device) -> Result<(), BusError> {
        if self.event.is_none() {
            return Err(failed("unmask of INTx")(io::Error::other("interrupts are not enabled")));
        }
        let flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK;
        abi::set_irqs(device.as_fd(), VFIO_PCI_INTX_IRQ_INDEX, flags, 1)
            .map_err(failed("VFIO_DEVICE_SET_IRQS INTx unmask"))
    }

    /// Takes the eventfd away. Nothing to do if there is none.
    pub(super) fn disable(&mut self, device: &Device) -> Result<(), BusError> {
        if self.event.is_none() {
            return Ok(());
        }
        let flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
        abi::set_irqs(device.as_fd(), VFIO_PCI_INTX_IRQ_INDEX, flags, 0)
            .map_err(failed("VFIO_DEVICE_SET_IRQS INTx disable"))?;
        self.event = None;
        Ok(())
    }
}

impl Intx {
    /// Takes away what another process has set up; nothing, if that was not this.
    pub(super) fn forget(&mut self, device: &Device) {
        self.event = None;
        forget(device, VFIO_PCI_INTX_IRQ_INDEX);
    }
}

/// The kernel refuses where interrupts of the other kind are set up, or none.
fn forget(device: &Device, index: u32) {
    let flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
    if let Err(error) = abi::set_irqs(device.as_fd(), index, flags, 0) {
        tracing::debug!(index, %error, "no interrupts to take away");
    }
}

/// State of the messages: which eventfd they signal, if any.
#[derive(Debug, Default)]
pub(super) struct Msi {
    event: Option<OwnedFd>,
}

impl Msi {
    /// Whether the function has it, and the kernel could pass messages on.
    pub(super) fn is_there(device: &Device) -> Result<bool, BusError> {
        if device.irqs <= VFIO_PCI_MSI_IRQ_INDEX {
            return Ok(false);
        }
        let info =
            abi::irq_info(device.as_fd(), VFIO_PCI_MSI_IRQ_INDEX).map_err(failed("VFIO_DEVICE_GET_IRQ_INFO MSI"))?;
        Ok(info.count > 0 && info.flags & VFIO_IRQ_INFO_EVENTFD != 0)
    }

    /// As [`Intx::forget`].
    pub(super) fn forget(&mut self, device: &Device) {
        self.event = None;
        forget(device, VFIO_PCI_MSI_IRQ_INDEX);
    }

    /// Signals `event` from now on, instead of what it signalled before.
    pub(super) fn enable(&mut self, device: &Device, event: BorrowedFd<'_>) -> Result<(), BusError> {
        if !Msi::is_there(device)? {
            return Err(BusError::Unsupported("MSI"));
        }
        let event = event.try_clone_to_owned().map_err(failed("dup of the interrupt's eventfd"))?;
        let flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
        abi::set_irq_eventfd(device.as_fd(), VFIO_PCI_MSI_IRQ_INDEX, flags, event.as_fd())
            .map_err(failed("VFIO_DEVICE_SET_IRQS MSI eventfd"))?;
        self.event = Some(event);
        Ok(())
    }

    /// Takes the eventfd away. Nothing to do if there is none.
    pub(super) fn disable(&mut self, device: &Device) -> Result<(), BusError> {
        if self.event.is_none() {
            return Ok(());
        }
        let flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
        abi::set_irqs(device.as_fd(), VFIO_PCI_MSI_IRQ_INDEX, flags, 0)
            .map_err(failed("VFIO_DEVICE_SET_IRQS MSI disable"))?;
        self.event = None;
        Ok(())
    }
}

fn failed(operation: &'static str) -> impl FnOnce(io::Error) -> BusError {
    move |source| BusError::Io { operation: operation.to_owned(), source }
}
