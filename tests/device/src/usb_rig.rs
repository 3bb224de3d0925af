//! The Pegasus on the model of its adapter: as [`crate::rig`], with a plug that can be pulled.
//!
//! ```text
//!   HostEnd ==socket== NetDevice<Pegasus> ==UsbDevice== PegasusModel ==wire== Station
//! ```
//!
//! A rig of its own, for what a rig is made of has another shape here: there is no card with registers to look at behind the
//! driver's back, but a bench that counts transfers. What both have is in [`crate::running`] and [`crate::traffic`].

use std::ops::Deref;
use std::time::Duration;

use model_pegasus::{Config, Counters, Misbehave, PegasusHandle, PegasusModel, Variant, regs};
use model_wire::{Station, Wire, WireConfig};
use pegasus::Pegasus;
use udrv::device::Opened;
use udrv::net::NetDevice;
use udrv::run::{Answer, Command, DeviceError, Options, Status};
use udrv_driver::{Entry, InjectedFault, Injection, Point};

use crate::frames::{Judge, Way};
use crate::host::{self, HostEnd, WatchedEndpoint};
use crate::rig::{Turn, patient, quick, turn};
use crate::running::Running;
use crate::traffic::Ends;

/// What the tests hold on to beside the device.
pub struct UsbEnds {
    /// The host's end.
    pub host: HostEnd,
    /// The other end of the wire.
    pub station: Station,
    /// The cable.
    pub wire: Wire,
    /// The adapter's bench.
    pub bench: PegasusHandle,
    _turn: Turn,
}

/// A device on a thread of its own, as in udrvd.
pub struct UsbRig {
    /// See [`UsbEnds`].
    pub around: UsbEnds,
    running: Running,
}

/// A device that the test turns by hand, and numbered frames through it.
pub struct UsbHand {
    /// See [`UsbEnds`].
    pub around: UsbEnds,
    /// The device.
    pub device: NetDevice<Pegasus>,
    /// What has arrived at the wire.
    pub down: Judge,
    /// What has arrived at the host.
    pub up: Judge,
    /// Frames sent each way.
    pub sent: u64,
}

/// An adapter whose control transfers take no time.
#[must_use]
pub fn config() -> Config {
    of(Variant::default())
}

/// The same of another chip. The AN986 takes no time to wake up: a start on it is quick.
#[must_use]
pub fn of(variant: Variant) -> Config {
    Config { control_cost: Duration::ZERO, ..Config::of(variant) }
}

/// Builds an adapter in its port, with both its ends.
#[must_use]
pub fn plug(config: Config) -> (UsbEnds, Opened, WatchedEndpoint) {
    let turn = turn();
    let (wire, near, far) = Wire::new(WireConfig::default());
    let station = Station::new(far);
    let (model, bench) = PegasusModel::new(config, near);
    let again = bench.clone();
    let reopen = Box::new(move || again.open().map(|model| Box::new(model) as Box<_>));
    let (endpoint, host) = host::pair();
    let opened = Opened::Usb { device: Box::new(model), reopen: Some(reopen) };
    (UsbEnds { host, station, wire, bench, _turn: turn }, opened, endpoint)
}

impl UsbEnds {
    /// The station address that is in the chip.
    #[must_use]
    pub fn station_address(&self) -> [u8; 6] {
        std::array::from_fn(|at| self.bench.register(regs::ETH_ID + at as u8))
    }

    /// What the driver has set up: the same before a fault and after it.
    #[must_use]
    pub fn setup(&self) -> Vec<(u8, u8)> {
        let all = (regs::ETH_CTRL0..=regs::ETH_CTRL2).chain(regs::MULTICAST..=0x15);
        let pins = [regs::PHY_POWER, regs::GPIO0, regs::GPIO1, regs::REG_81];
        all.chain(pins).map(|at| (at, self.bench.register(at))).collect()
    }

    /// Control transfers so far, from the device and to it.
    #[must_use]
    pub fn controls(&self) -> (u64, u64) {
        let Counters { control_reads, control_writes, .. } = self.bench.counters();
        (control_reads, control_writes)
    }
}

impl UsbRig {
    /// Starts a device with [`quick`] options.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn new(config: Config) -> UsbRig {
        UsbRig::start(quick(), config, |_| {}).expect("the device starts")
    }

    /// Starts a device on an adapter that may misbehave from the start.
    ///
    /// # Errors
    /// As [`NetDevice::start`].
    pub fn start(
        options: Options,
        config: Config,
        trouble: impl FnOnce(&mut Misbehave),
    ) -> Result<UsbRig, DeviceError> {
        let (around, opened, endpoint) = plug(config);
        around.bench.misbehave(trouble);
        UsbRig::start_on(around, opened, endpoint, options).map_err(|failed| failed.0)
    }

    /// Starts a device on what [`plug`] has given, which is given back if that fails.
    ///
    /// # Errors
    /// As [`NetDevice::start`].
    pub fn start_on(
        around: UsbEnds,
        opened: Opened,
        endpoint: WatchedEndpoint,
        options: Options,
    ) -> Result<UsbRig, Box<(DeviceError, UsbEnds)>> {
        let start = || {
            fgft::init()?;
            Running::new(NetDevice::<Pegasus>::start(opened, Box::new(endpoint), patient(options))?)
        };
        match start() {
            Ok(running) => Ok(UsbRig { around, running }),
            Err(error) => Err(Box::new((error, around))),
        }
    }

    /// Stops it and gives what `run` gave, and what is left.
    ///
    /// # Errors
    /// As [`NetDevice::run`].
    pub fn stop(self) -> (Result<(), DeviceError>, UsbEnds) {
        (self.running.stop(), self.around)
    }
}

impl Deref for UsbRig {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.running
    }
}

impl Ends for UsbRig {
    fn host(&self) -> &HostEnd {
        &self.around.host
    }

    fn station(&self) -> &Station {
        &self.around.station
    }
}

impl UsbHand {
    /// Starts a device.
    ///
    /// # Errors
    /// As [`NetDevice::start`].
    pub fn try_new(options: Options, config: Config) -> Result<UsbHand, DeviceError> {
        fgft::init()?;
        let (around, opened, endpoint) = plug(config);
        let device = NetDevice::start(opened, Box::new(endpoint), patient(options))?;
        Ok(UsbHand { around, device, down: Judge::new(Way::Down), up: Judge::new(Way::Up), sent: 0 })
    }

    /// The same.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn new(options: Options, config: Config) -> UsbHand {
        UsbHand::try_new(options, config).expect("the device starts")
    }

    /// Sends `count` frames each way.
    ///
    /// # Panics
    /// When the endpoint is full.
    pub fn send(&mut self, count: u64) {
        for _ in 0..count {
            assert!(self.around.host.try_send(&Way::Down.frame(self.sent)));
            self.around.station.inject(&Way::Up.frame(self.sent));
            self.sent += 1;
        }
    }

    /// Turns until the device has nothing to do.
    ///
    /// # Errors
    /// When the device ends.
    pub fn turn(&mut self) -> Result<(), DeviceError> {
        self.device.pump_endpoint()?;
        // the model has done what it can when a call returns: a turn that brings nothing was the last
        let mut before = None;
        while before != Some(self.around.bench.counters()) || self.device.has_more() {
            before = Some(self.around.bench.counters());
            self.device.serve_interrupt()?;
        }
        Ok(())
    }

    /// The same, and judges what has arrived.
    ///
    /// # Panics
    /// When that is wrong, or the device ends.
    pub fn settle(&mut self) {
        self.turn().expect("it goes on");
        for frame in self.around.station.drain() {
            assert!(frame.fcs_ok);
            self.down.take(&frame.data).expect("down");
        }
        let mut buffer = [0; 2048];
        while let Some(length) = self.around.host.try_receive(&mut buffer) {
            self.up.take(&buffer[..length]).expect("up");
        }
    }

    /// All that was sent has arrived, once and in order.
    ///
    /// # Panics
    /// When it has not; `what` is in the message.
    pub fn expect_all(&mut self, what: &str) {
        self.settle();
        assert_eq!((self.down.next(), self.up.next()), (self.sent, self.sent), "{what}");
        assert_eq!((self.down.missing, self.up.missing), (0, 0), "{what}");
    }

    /// Asks the device.
    ///
    /// # Panics
    /// When it ends.
    pub fn ask(&mut self, command: Command) -> Answer {
        self.device.handle(command).expect("it goes on")
    }

    /// Its state.
    ///
    /// # Panics
    /// When it ends.
    pub fn status(&mut self) -> Status {
        match self.ask(Command::Status) {
            Answer::Status(status) => *status,
            other => panic!("{other:?}"),
        }
    }

    /// Arms a fault for the next call.
    pub fn inject(&mut self, entry: Entry, fault: InjectedFault, point: Point) {
        self.ask(Command::Inject { entry, injection: Injection { fault, point }, times: 1 });
    }

    /// Has the device call `entry`; [`UsbHand::settle`] calls those that traffic needs.
    ///
    /// # Panics
    /// When it refuses.
    pub fn call(&mut self, entry: Entry) {
        if !matches!(entry, Entry::Transmit | Entry::Interrupt | Entry::Poll) {
            let answer = self.ask(Command::Call(entry));
            assert!(matches!(answer, Answer::Done), "{entry}: {answer:?}");
        }
    }
}
