//! The one list of drivers and what they drive.

use udrv::device::{DeviceId, Opened};
use udrv::endpoint::NetEndpoint;
use udrv::endpoint::input::InputEndpoint;
use udrv::endpoint::sound::SoundEndpoint;
use udrv::input::InputDevice;
use udrv::keep::{Left, NotAdopted};
use udrv::net::{Net, NetDevice};
use udrv::run::{DeviceError, Ended, Heir, Inbox, Options, Refused};
use udrv::sound::SoundDevice;
use udrv_driver::{Bus, InputDriver, NetDriver, SoundDriver};

/// A driver, and how to run it.
pub struct Driver {
    /// Name of the chip.
    pub name: &'static str,
    /// Ids that it drives, of its bus.
    pub ids: &'static [(u16, u16)],
    bus: Bus,
    /// Of which class it is, and how to start its devices.
    pub class: Class,
}

/// A class of drivers, and how to start a device of one of them.
#[derive(Clone, Copy)]
pub enum Class {
    /// Network; and how to go on with one of another process.
    Net(Start<dyn NetEndpoint>, Prepare),
    /// Sound.
    Sound(Start<dyn SoundEndpoint>),
    /// Input.
    Input(Start<dyn InputEndpoint>),
}

/// Starts a device behind an endpoint.
pub type Start<E> = fn(Opened, Box<E>, Options) -> Result<Box<dyn Running>, DeviceError>;

/// Maps what is needed to go on with a device of another process, which may still run.
pub type Prepare = fn(Left, Options) -> Result<Box<dyn Successor>, NotAdopted>;

/// All of them.
pub const DRIVERS: &[Driver] = &[
    net::<e1000::E1000>(),
    sound::<ens1371::Ens1371>(),
    net::<pegasus::Pegasus>(),
    input::<psmouse::PsMouse>(),
    net::<r8169::R8169>(),
    net::<rtl8139::Rtl8139>(),
];

/// A device that has been started.
pub trait Running {
    /// Runs it until it is told to stop, or to leave it to another process.
    ///
    /// # Errors
    /// See [`NetDevice::run`].
    fn run(self: Box<Self>, inbox: &Inbox) -> Result<Ended, DeviceError>;
}

/// What is needed to go on with a device, mapped.
pub trait Successor {
    /// Has its memory at hand: there is time for that before it is needed.
    fn touch(&self);
    /// Goes on, when the other process has died or has let go.
    ///
    /// # Errors
    /// Why not; `refused` says what becomes of the device.
    fn go_on(self: Box<Self>, opened: Opened, refused: Refused) -> Result<Box<dyn Running>, NotAdopted>;
}

const fn net<D: NetDriver>() -> Driver {
    Driver {
        name: D::NAME,
        ids: D::IDS,
        bus: D::BUS,
        class: Class::Net(
            |opened, endpoint, options| {
                NetDevice::<D>::start(opened, endpoint, options).map(|device| Box::new(device) as Box<dyn Running>)
            },
            |left, options| NetDevice::<D>::prepare(left, options).map(|heir| Box::new(heir) as Box<dyn Successor>),
        ),
    }
}

const fn sound<D: SoundDriver>() -> Driver {
    Driver {
        name: D::NAME,
        ids: D::IDS,
        bus: D::BUS,
        class: Class::Sound(|opened, endpoint, options| {
            SoundDevice::<D>::start(opened, endpoint, options).map(|device| Box::new(device) as Box<dyn Running>)
        }),
    }
}

const fn input<D: InputDriver>() -> Driver {
    Driver {
        name: D::NAME,
        ids: D::IDS,
        bus: D::BUS,
        class: Class::Input(|opened, endpoint, options| {
            InputDevice::<D>::start(opened, endpoint, options).map(|device| Box::new(device) as Box<dyn Running>)
        }),
    }
}

impl<D: NetDriver> Successor for Heir<Net<D>> {
    fn touch(&self) {
        Heir::touch(self);
    }

    fn go_on(self: Box<Self>, opened: Opened, refused: Refused) -> Result<Box<dyn Running>, NotAdopted> {
        Heir::go_on(*self, opened, refused).map(|device| Box::new(device) as Box<dyn Running>)
    }
}

impl<D: InputDriver> Running for InputDevice<D> {
    fn run(self: Box<Self>, inbox: &Inbox) -> Result<Ended, DeviceError> {
        InputDevice::run(*self, inbox)
    }
}

impl<D: NetDriver> Running for NetDevice<D> {
    fn run(self: Box<Self>, inbox: &Inbox) -> Result<Ended, DeviceError> {
        NetDevice::run(*self, inbox)
    }
}

impl<D: SoundDriver> Running for SoundDevice<D> {
    fn run(self: Box<Self>, inbox: &Inbox) -> Result<Ended, DeviceError> {
        SoundDevice::run(*self, inbox)
    }
}

/// The driver of this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Driver> {
    DRIVERS.iter().find(|driver| driver.name == name)
}

/// The driver for an id.
#[must_use]
pub fn for_id(id: DeviceId) -> Option<&'static Driver> {
    let same_bus = |driver: &&Driver| {
        matches!(
            (id, driver.bus),
            (DeviceId::Pci(_), Bus::Pci { .. })
                | (DeviceId::Usb(_), Bus::Usb { .. })
                | (DeviceId::Serio(_), Bus::Serio { .. })
        )
    };
    DRIVERS.iter().filter(same_bus).find(|driver| driver.ids.contains(&id.numbers()))
}

/// Whether the driver of this name is one of network cards.
#[must_use]
pub fn is_net(name: &str) -> bool {
    DRIVERS.iter().any(|driver| driver.name == name && matches!(driver.class, Class::Net(..)))
}

/// What can be driven, for an error message.
#[must_use]
pub fn known() -> String {
    let one = |driver: &Driver| {
        let ids: Vec<String> = driver.ids.iter().map(|(vendor, device)| format!("{vendor:04x}:{device:04x}")).collect();
        format!("{} ({})", driver.name, ids.join(", "))
    };
    DRIVERS.iter().map(one).collect::<Vec<_>>().join("; ")
}
