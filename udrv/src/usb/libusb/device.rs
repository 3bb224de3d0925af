//! [`LibusbDevice`]: open, the operations of a [`UsbDevice`], close.

use std::fmt;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use rusb::{Context, DeviceHandle, UsbContext};
use udrv_bus::{BusError, CONTROL_TIMEOUT, Completion, EndpointInfo, Setup, Transfer, UsbDevice, UsbId};

use super::claim::Claim;
use super::descriptors::Descriptors;
use super::engine::{CANCEL_TIMEOUT, Engine};
use super::error::{OpenError, bus_error, invalid};
use super::events::{Events, StartError};
use super::name::UsbName;
use super::queue::Queue;
use super::raw::Usb;
use super::sysfs::{DeviceSummary, UsbSysfs};
use crate::event::Event;
use crate::threads::signals_blocked;

/// Bytes of a control transfer's data, at most: the kernel takes no more than a page.
const CONTROL_MAX: usize = 4096;

/// What to open, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenOptions {
    /// `bInterfaceNumber` of the interface to claim.
    pub interface: u8,
    /// Take it from the kernel's driver, if one has it. That gets it back at the end.
    pub detach_kernel_driver: bool,
}

impl Default for OpenOptions {
    /// Interface 0, also if the kernel has it.
    fn default() -> Self {
        OpenOptions { interface: 0, detach_kernel_driver: true }
    }
}

/// A USB device of this machine with one interface claimed.
///
/// Dropping it ends all transfers, gives the interface back (to the kernel's driver, if that had it) and closes the device;
/// also if the device has left.
pub struct LibusbDevice {
    summary: DeviceSummary,
    endpoints: Vec<EndpointInfo>,
    configuration: u8,
    queue: Arc<Queue>,
    // in this order: transfers end while events are handled, and before their interface goes
    engine: Engine<Usb>,
    _claim: Claim,
    _events: Events,
    handle: Arc<DeviceHandle<Context>>,
}

impl LibusbDevice {
    /// Opens the device of a name and claims an interface of it. It is put into its first configuration if it is in none.
    ///
    /// # Errors
    /// [`OpenError`], which says what mends it. The kernel's driver has the interface again then.
    pub fn open(name: &UsbName, options: OpenOptions) -> Result<Self, OpenError> {
        let sysfs = UsbSysfs::default();
        let summary = sysfs.require(name)?;
        let bytes = sysfs.descriptors(&summary)?;
        let malformed = |source| OpenError::Descriptors { device: summary.clone().into(), source };
        let descriptors = Descriptors::new(&bytes).map_err(malformed)?;
        if descriptors.id != summary.id {
            return Err(OpenError::Left { device: summary.into() }); // there is another one in its place by now
        }
        let libusb = |operation| OpenError::libusb(&summary, operation);

        let context = signals_blocked(Context::new).map_err(io("block signals"))?;
        let mut context = context.map_err(|source| OpenError::Start { source })?;
        context.set_log_level(rusb::LogLevel::None); // what matters comes back as an error
        let all = context.devices().map_err(libusb("listing devices"))?;
        let here = |device: &rusb::Device<_>| (device.bus_number(), device.address()) == (summary.bus, summary.address);
        let device = all.iter().find(here).ok_or_else(|| OpenError::Left { device: summary.clone().into() })?;
        let handle = Arc::new(device.open().map_err(libusb("opening it"))?);

        let mut configuration = handle.active_configuration().map_err(libusb("asking for its configuration"))?;
        if configuration == 0 {
            configuration = descriptors.first_configuration().map_err(malformed)?;
            handle.set_active_configuration(configuration).map_err(libusb("configuring it"))?;
        }
        let endpoints = descriptors.endpoints(configuration, options.interface).map_err(malformed)?;
        let claim = Claim::take(&sysfs, &summary, &handle, configuration, options)?;

        let queue = Arc::new(Queue::default());
        let events = Events::start(&context, &device, &queue).map_err(|error| match error {
            StartError::Libusb(source) => libusb("listening for its leaving")(source),
            StartError::Thread(source) => io("start a thread for libusb's events")(source),
        })?;
        if handle.kernel_driver_active(options.interface) == Err(rusb::Error::NoDevice) {
            return Err(OpenError::Left { device: summary.into() }); // before anyone listened for it
        }
        let carrier = Usb { handle: handle.clone(), interface: options.interface, endpoints: endpoints.clone() };
        let engine = Engine::new(carrier, queue.clone(), CANCEL_TIMEOUT);
        Ok(LibusbDevice { summary, endpoints, configuration, queue, engine, _claim: claim, _events: events, handle })
    }

    /// The device as it was found.
    #[must_use]
    pub fn summary(&self) -> &DeviceSummary {
        &self.summary
    }

    /// `bConfigurationValue` of the configuration that it is in.
    #[must_use]
    pub fn configuration(&self) -> u8 {
        self.configuration
    }

    fn present(&self, operation: &'static str) -> Result<(), BusError> {
        if self.queue.is_gone() { Err(BusError::Gone { operation }) } else { Ok(()) }
    }

    /// Remembers that the device has left, if that is what an operation failed with.
    fn noting<T>(&self, result: Result<T, BusError>) -> Result<T, BusError> {
        if let Err(BusError::Gone { .. }) = &result {
            self.queue.leave();
        }
        result
    }
}

impl UsbDevice for LibusbDevice {
    fn name(&self) -> String {
        format!("usb:{}", self.summary.port)
    }

    fn id(&self) -> UsbId {
        self.summary.id
    }

    fn endpoints(&self) -> &[EndpointInfo] {
        &self.endpoints
    }

    fn control_in(&mut self, setup: Setup, to: &mut [u8]) -> Result<usize, BusError> {
        const OPERATION: &str = "control transfer from the device";
        self.present(OPERATION)?;
        let Setup { request_type, request, value, index } = checked(setup, true, to.len())?;
        let got = self.handle.read_control(request_type, request, value, index, to, CONTROL_TIMEOUT);
        self.noting(got.map_err(|error| bus_error(OPERATION, shown(setup, to.len()), error)))
    }

    fn control_out(&mut self, setup: Setup, data: &[u8]) -> Result<(), BusError> {
        const OPERATION: &str = "control transfer to the device";
        self.present(OPERATION)?;
        let Setup { request_type, request, value, index } = checked(setup, false, data.len())?;
        let sent = self.handle.write_control(request_type, request, value, index, data, CONTROL_TIMEOUT);
        let sent = self.noting(sent.map_err(|error| bus_error(OPERATION, shown(setup, data.len()), error)))?;
        if sent == data.len() {
            return Ok(());
        }
        Err(BusError::Short {
            operation: format!("{OPERATION} {}", shown(setup, data.len())),
            expected: data.len(),
            got: sent,
        })
    }

    fn submit(&mut self, transfer: Transfer) -> Result<(), BusError> {
        self.present("submit of a transfer")?;
        let submitted = self.engine.submit(transfer);
        self.noting(submitted)
    }

    fn reap(&mut self) -> Option<Completion> {
        self.engine.reap()
    }

    fn cancel(&mut self, endpoint: u8) -> Result<(), BusError> {
        self.engine.cancel(Some(endpoint))?; // also if the device has left: the memory must come back
        self.present("cancelling transfers")
    }

    fn clear_halt(&mut self, endpoint: u8) -> Result<(), BusError> {
        const OPERATION: &str = "clearing the halt of";
        self.present(OPERATION)?;
        let operand = format!("endpoint {endpoint:#04x}");
        if self.engine.is_busy(endpoint) {
            return Err(invalid(format!("{OPERATION} {operand}"), "transfers are queued on it"));
        }
        let cleared = self.handle.clear_halt(endpoint);
        self.noting(cleared.map_err(|error| bus_error(OPERATION, operand, error)))
    }

    fn set_event(&mut self, event: BorrowedFd<'_>) -> Result<(), BusError> {
        self.queue.set_event(Event::of(event)?);
        self.present("setting the eventfd")
    }

    fn reset(&mut self) -> Result<(), BusError> {
        const OPERATION: &str = "reset of";
        self.present(OPERATION)?;
        self.engine.cancel(None)?;
        let reset = self.handle.reset().map_err(|error| match error {
            // came back as another device, or not ours any more: it is to be opened anew
            rusb::Error::NotFound => BusError::Gone { operation: OPERATION },
            error => bus_error(OPERATION, "the port", error),
        });
        self.noting(reset)
    }
}

impl fmt::Debug for LibusbDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("LibusbDevice");
        shown.field("summary", &self.summary).field("endpoints", &self.endpoints).finish_non_exhaustive()
    }
}

/// libusb takes lengths and directions as they come.
fn checked(setup: Setup, is_in: bool, length: usize) -> Result<Setup, BusError> {
    let refused = |why: &str| Err(invalid(format!("control transfer {}", shown(setup, length)), why));
    if (setup.request_type & 0x80 != 0) != is_in {
        return refused("the direction of its request type is the other one");
    }
    if length > CONTROL_MAX {
        return refused("the kernel takes 4096 bytes at most");
    }
    Ok(setup)
}

fn shown(setup: Setup, length: usize) -> impl fmt::Display {
    let Setup { request_type, request, value, index } = setup;
    format!(
        "(type {request_type:#04x}, request {request:#04x}, value {value:#06x}, index {index:#06x}, {length} bytes)"
    )
}

fn io(operation: &'static str) -> impl FnOnce(std::io::Error) -> OpenError {
    move |source| OpenError::Io { operation: operation.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETUP: Setup = Setup { request_type: 0xc0, request: 0xf0, value: 0, index: 0x10 };

    #[test]
    fn control_transfers_that_libusb_would_cut_or_turn_round_are_refused() {
        assert_eq!(checked(SETUP, true, 6).unwrap(), SETUP);
        assert_eq!(checked(SETUP, true, CONTROL_MAX).unwrap(), SETUP);
        for (is_in, length, why) in
            [(false, 6, "direction"), (true, CONTROL_MAX + 1, "4096"), (true, 65536 + 6, "4096")]
        {
            let error = checked(SETUP, is_in, length).unwrap_err();
            assert!(matches!(error, BusError::Io { .. }));
            let text = error.to_string();
            assert!(text.contains(why) && text.contains("request 0xf0") && text.contains("index 0x0010"), "{text}");
        }
    }

    /// With whatever this machine has, which may be no USB at all.
    #[test]
    fn a_device_that_cannot_be_is_refused_in_words() {
        let name: UsbName = "usb:ffff:ffff".parse().unwrap();
        let error = LibusbDevice::open(&name, OpenOptions::default()).unwrap_err();
        match std::path::Path::new("/sys/bus/usb/devices").exists() {
            true => assert!(matches!(error, OpenError::NotPresent { .. }), "{error}"),
            false => assert!(matches!(error, OpenError::NoUsb { .. }), "{error}"),
        }
    }

    /// libusb itself needs a node: its error becomes ours, and nothing goes to standard error.
    #[test]
    fn libusb_starts_or_says_why_not() {
        let started = signals_blocked(Context::new).unwrap();
        let nodes = std::fs::read_dir("/dev/bus/usb").is_ok_and(|mut nodes| nodes.next().is_some());
        assert_eq!(started.is_ok(), nodes);
        if let Err(source) = started {
            let text = OpenError::Start { source }.to_string();
            assert!(text.contains("libusb does not start") && text.contains("/dev/bus/usb"), "{text}");
        }
    }
}
