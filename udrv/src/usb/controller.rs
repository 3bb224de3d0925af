//! The controller: a [`Device`] over a [`UsbDevice`], with the registers of both.
//!
//! All of it runs on the thread of whoever calls. What the device has sent is put into memory when [`usb::CAUSES`] is
//! read, a doorbell rings or a ring is reset; until then the transfers wait where `UsbDevice` keeps them.

use std::os::fd::{AsFd, BorrowedFd};

use udrv_bus::{BusError, DmaMapping, ResetKind, Setup, UsbDevice, Width};
use udrv_driver::usb::{self, Endpoint};

pub use super::endpoints::EndpointError;
use super::endpoints::check;
use super::memory::Memory;
use super::ring::Ring;
use crate::device::Device;
use crate::event::Event;

/// `bmRequestType`: vendor, device; the other way has bit 7.
const VENDOR_OUT: u8 = 0x40;
const VENDOR_IN: u8 = 0xc0;

/// Opens the device again after it had left; an error if it is not back.
pub type Reopen = Box<dyn FnMut() -> Result<Box<dyn UsbDevice>, BusError> + Send>;

/// See the module's text.
pub struct Controller {
    device: Box<dyn UsbDevice>,
    reopen: Option<Reopen>,
    read: u8,
    write: u8,
    endpoints: Vec<Endpoint>,
    rings: Vec<Ring>,
    memory: Memory,
    dma: bool,
    gone: bool,
    causes: u32,
    event: Option<Event>,
}

/// A register of the controller.
enum Own {
    Causes,
    Id,
    Base(usize),
    Size(usize),
    Doorbell(usize),
    Count(usize),
    Reset(usize),
}

impl Controller {
    /// Over `device`, with the requests and endpoints of `udrv_driver::Bus::Usb`. `reopen`: how to have the device back
    /// after it was unplugged, if there is a way.
    ///
    /// # Errors
    /// [`EndpointError`].
    pub fn new(
        device: Box<dyn UsbDevice>,
        reopen: Option<Reopen>,
        (read, write): (u8, u8),
        endpoints: &[Endpoint],
    ) -> Result<Controller, EndpointError> {
        debug_assert!(endpoints.len() <= usb::ENDPOINTS);
        check(&*device, endpoints)?;
        let rings = endpoints.iter().map(|endpoint| Ring::new(endpoint.address)).collect();
        Ok(Controller {
            device,
            reopen,
            read,
            write,
            endpoints: endpoints.to_vec(),
            rings,
            memory: Memory::default(),
            dma: false,
            gone: false,
            causes: 0,
            event: None,
        })
    }

    /// Takes note of the transfers that have ended.
    fn reap(&mut self) -> Result<(), BusError> {
        while let Some(completion) = self.device.reap() {
            self.gone |= completion.status == udrv_bus::TransferStatus::Gone;
            let of = self.rings.iter_mut().enumerate().find(|(_, ring)| ring.endpoint == completion.endpoint);
            if let Some((number, ring)) = of
                && ring.ended(&self.memory, completion)?
            {
                self.causes |= 1 << number;
            }
        }
        Ok(())
    }

    /// The driver has handed something over.
    fn start(&mut self, number: usize) -> Result<(), BusError> {
        if !self.dma {
            return Ok(());
        }
        let (device, ring, gone) = (&mut self.device, &mut self.rings[number], &mut self.gone);
        let submit = |transfer| {
            let submitted = device.submit(transfer);
            *gone |= matches!(submitted, Err(BusError::Gone { .. }));
            submitted
        };
        if ring.start(&self.memory, submit)? || ring.halted {
            // nobody else will say so
            self.causes |= 1 << number;
            if let Some(event) = &self.event {
                event.tell();
            }
        }
        Ok(())
    }

    /// Ends the transfers of a ring, and tells of them. With a device that has left they have ended by themselves, though not
    /// all may have said so yet.
    fn cancel(&mut self, number: usize) -> Result<(), BusError> {
        if !self.gone {
            let cancelled = self.device.cancel(self.rings[number].endpoint);
            match self.noted(cancelled) {
                Err(BusError::Gone { .. }) => {}
                other => other?,
            }
        }
        self.reap()?;
        if self.rings[number].abandon(&self.memory)? {
            self.causes |= 1 << number;
        }
        Ok(())
    }

    fn reset_ring(&mut self, number: usize) -> Result<(), BusError> {
        self.cancel(number)?;
        let Ring { endpoint, halted, .. } = self.rings[number];
        if halted && !self.gone {
            let cleared = self.device.clear_halt(endpoint);
            match self.noted(cleared) {
                // what the rest of it says is another's to find
                Err(BusError::Gone { .. }) => {}
                other => other?,
            }
        }
        self.rings[number].reset();
        self.causes &= !(1 << number);
        Ok(())
    }

    fn own(&self, offset: u64) -> Result<Own, BusError> {
        let bytes = self.register_bytes();
        let outside =
            || BusError::OutOfRange { space: "the controller".to_owned(), size: bytes, offset, width: Width::U32 };
        if offset == u64::from(usb::CAUSES.offset()) {
            return Ok(Own::Causes);
        }
        if offset == u64::from(usb::DEVICE_ID.offset()) {
            return Ok(Own::Id);
        }
        let number = (offset as usize & 0xf) / 4;
        if number >= self.rings.len() {
            return Err(outside());
        }
        let block = |registers: [udrv_driver::Reg<u32>; usb::ENDPOINTS]| u64::from(registers[0].offset());
        Ok(match offset & !0xf {
            at if at == block(usb::RING_BASE) => Own::Base(number),
            at if at == block(usb::RING_SIZE) => Own::Size(number),
            at if at == block(usb::RING_DOORBELL) => Own::Doorbell(number),
            at if at == block(usb::RING_COUNT) => Own::Count(number),
            at if at == block(usb::RING_RESET) => Own::Reset(number),
            _ => return Err(outside()),
        })
    }

    /// A control transfer has failed, perhaps because the device has left.
    fn noted<T>(&mut self, result: Result<T, BusError>) -> Result<T, BusError> {
        self.gone |= matches!(result, Err(BusError::Gone { .. }));
        result
    }
}

impl Device for Controller {
    fn name(&self) -> String {
        self.device.name()
    }

    fn register_bytes(&self) -> u64 {
        usb::REGISTER_BYTES.into()
    }

    fn read(&mut self, offset: u64, width: Width) -> Result<u32, BusError> {
        if offset >= usb::CONTROLLER.into() {
            return Ok(match self.own(offset)? {
                Own::Causes => {
                    self.reap()?;
                    if self.gone {
                        return Err(BusError::Gone { operation: "transfers" });
                    }
                    std::mem::take(&mut self.causes)
                }
                Own::Id => {
                    let id = self.device.id();
                    u32::from(id.vendor) << 16 | u32::from(id.product)
                }
                Own::Base(number) => self.rings[number].base,
                Own::Size(number) => self.rings[number].size(),
                Own::Count(number) => self.rings[number].count,
                Own::Doorbell(_) | Own::Reset(_) => 0,
            });
        }
        let (mut bytes, expected) = ([0; 4], width.bytes() as usize);
        let setup = Setup { request_type: VENDOR_IN, request: self.read, value: 0, index: offset as u16 };
        let got = self.device.control_in(setup, &mut bytes[..expected]);
        let got = self.noted(got)?;
        if got != expected {
            let operation = format!("reading registers from {offset:#x}");
            return Err(BusError::Short { operation, expected, got });
        }
        Ok(u32::from_le_bytes(bytes))
    }

    fn write(&mut self, offset: u64, width: Width, value: u32) -> Result<(), BusError> {
        if offset >= usb::CONTROLLER.into() {
            match self.own(offset)? {
                Own::Base(number) => self.rings[number].base = value,
                Own::Size(number) => self.rings[number].set_size(value),
                Own::Doorbell(number) => self.start(number)?,
                Own::Reset(number) => self.reset_ring(number)?,
                Own::Causes | Own::Id | Own::Count(_) => {}
            }
            return Ok(());
        }
        let bytes = &value.to_le_bytes()[..width.bytes() as usize];
        let alone = if width == Width::U8 { value as u16 & 0xff } else { 0 };
        let setup = Setup { request_type: VENDOR_OUT, request: self.write, value: alone, index: offset as u16 };
        let done = self.device.control_out(setup, bytes);
        self.noted(done)
    }

    fn answers(&mut self) -> bool {
        !self.gone
    }

    fn comes_back(&self) -> bool {
        self.reopen.is_some()
    }

    fn look_for_return(&mut self) -> Result<bool, BusError> {
        let Some(reopen) = &mut self.reopen else { return Ok(false) };
        let mut device = match reopen() {
            Err(BusError::Gone { .. }) => return Ok(false),
            other => other?,
        };
        // who was told of this one shall not find another behind it
        let (was, is) = (self.device.id(), device.id());
        if is != was {
            return Err(not_it(format!("it is {is} now, and was {was}: plug in the one that was there")));
        }
        check(&*device, &self.endpoints).map_err(|error| not_it(error.to_string()))?;
        if let Some(event) = &self.event {
            device.set_event(event.as_fd())?;
        }
        self.device = device;
        self.gone = false;
        self.rings.iter_mut().for_each(Ring::forget);
        self.causes = 0;
        Ok(true)
    }

    fn enable(&mut self, dma: bool) -> Result<(), BusError> {
        if !dma {
            self.stop_dma()?;
        }
        self.dma = dma;
        Ok(())
    }

    fn stop_dma(&mut self) -> Result<(), BusError> {
        self.dma = false;
        // all of them, whatever becomes of the first
        (0..self.rings.len()).map(|number| self.cancel(number)).fold(Ok(()), Result::and)
    }

    fn iova_ranges(&mut self) -> Result<Vec<(u64, u64)>, BusError> {
        Ok(vec![(0, u32::MAX.into())])
    }

    fn map_dma(&mut self, mapping: DmaMapping) -> Result<(), BusError> {
        self.memory.map(mapping)
    }

    fn unmap_dma(&mut self, iova: u64, size: u64) -> Result<(), BusError> {
        self.memory.unmap(iova, size)
    }

    fn enable_messages(&mut self, event: BorrowedFd<'_>) -> Result<(), BusError> {
        let kept = Event::of(event)?;
        self.device.set_event(event)?;
        self.event = Some(kept);
        Ok(())
    }

    fn disable_notices(&mut self) -> Result<(), BusError> {
        self.event = None;
        Ok(())
    }

    fn reset(&mut self) -> Result<ResetKind, BusError> {
        let done = self.device.reset();
        self.noted(done)?;
        while self.device.reap().is_some() {}
        self.rings.iter_mut().for_each(Ring::forget);
        self.causes = 0;
        Ok(ResetKind::Function)
    }
}

/// What is in the device's place is not to be had as that device.
fn not_it(why: String) -> BusError {
    BusError::Io { operation: "opening it again".to_owned(), source: std::io::Error::other(why) }
}

#[cfg(test)]
#[path = "controller_tests.rs"]
mod tests;
