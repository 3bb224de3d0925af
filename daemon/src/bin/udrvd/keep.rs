//! What outlives this process: handed to the service manager (FDSTORE of sd_notify(3)), and taken from it.

use std::io::{self, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use clap::ValueEnum;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use sd_notify::NotifyState;
use udrv::device::{DeviceId, Opened};
use udrv::endpoint::{self, Legacy, NetEndpoint};
use udrv::keep::{Facts, Inherited, Keeper, Left, NotAdopted, names, touch_program};
use udrv::net::endpoint_of;
use udrv::run::{Options, Refused};
use udrv_bus::DmaMapping;
use udrv_daemon::device::DeviceName;
use udrv_daemon::drivers::{self, Class, Driver, Prepare, Running, Successor};
use udrv_daemon::pair::is_managed;

/// For the service manager to hear.
const PATIENCE: u16 = 2000;

/// Whether descriptors are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeepFds {
    /// If there is a service manager that keeps some.
    Auto,
    /// Wherever NOTIFY_SOCKET leads.
    Always,
    /// None.
    Never,
}

impl KeepFds {
    /// Who keeps them.
    ///
    /// # Errors
    /// There shall be one, and there is none.
    pub(crate) fn keeper(self) -> Result<Option<Arc<dyn Keeper>>, String> {
        let told = || -> Arc<dyn Keeper> { Arc::new(ServiceManager) };
        match self {
            KeepFds::Never => Ok(None),
            KeepFds::Always if !is_managed() => {
                Err("--keep-fds always: nobody keeps any, for NOTIFY_SOCKET is not set. Leave it out, or start udrvd \
                     from a service manager, with NotifyAccess= and FileDescriptorStoreMax= in its unit"
                    .to_owned())
            }
            KeepFds::Always => Ok(Some(told())),
            // systemd says since 254 how many it keeps; before that it ignores those that are too many
            KeepFds::Auto => {
                let none = std::env::var("FDSTORE").is_ok_and(|most| most == "0");
                Ok((is_managed() && !none).then(told))
            }
        }
    }
}

/// The service manager.
#[derive(Debug)]
struct ServiceManager;

impl Keeper for ServiceManager {
    fn keep(&self, name: &str, fd: BorrowedFd<'_>) -> io::Result<()> {
        sd_notify::notify_with_fds(&[NotifyState::FdStore, NotifyState::FdName(name)], &[fd])
    }

    fn forget(&self, names: &[&str]) -> io::Result<()> {
        for name in names {
            sd_notify::notify(&[NotifyState::FdStoreRemove, NotifyState::FdName(name)])?;
        }
        // until it has: what it holds could not be opened again
        let (reader, writer): (_, PipeWriter) = io::pipe()?;
        sd_notify::notify_with_fds(&[NotifyState::Custom("BARRIER=1")], &[writer.as_fd()])?;
        drop(writer);
        match poll(&mut [PollFd::new(reader.as_fd(), PollFlags::empty())], PollTimeout::from(PATIENCE))? {
            0 => Err(io::Error::new(io::ErrorKind::TimedOut, "the service manager does not say that it has heard")),
            _ => Ok(()),
        }
    }
}

/// A device that was made quiet, where it could be, and an interface.
pub(crate) type Remains = (Option<Opened>, Option<Box<dyn NetEndpoint>>);

/// How a device begins.
pub(crate) enum Beginning {
    /// Where another process has ended, or lets go.
    GoesOn(Box<Prepared>),
    /// Anew; with what was left, if anything was.
    Anew(Option<Opened>, Option<Box<dyn NetEndpoint>>),
}

/// What is needed to go on, mapped: nothing of it was touched.
pub(crate) struct Prepared {
    pub(crate) driver: &'static Driver,
    successor: Box<dyn Successor>,
    memory: DmaMapping,
    opened: Option<Opened>,
    inherited: Inherited,
}

/// Who has the device while it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Now {
    /// Another process drives it.
    Driven,
    /// Nobody does any more.
    Left,
}

/// Looks at what was left. No driver runs here. What is of no use, or of another device, is made quiet, to begin anew.
pub(crate) fn look(device: &DeviceName, inherited: Inherited, options: &Options) -> Beginning {
    if inherited.is_empty() {
        return Beginning::Anew(None, None);
    }
    match Prepared::new(device, inherited, options, Now::Left) {
        Ok(prepared) => Beginning::GoesOn(Box::new(prepared)),
        Err((why, inherited)) => {
            let (opened, endpoint) = refuse(device, inherited, options.keeper.as_deref(), &why);
            Beginning::Anew(opened, endpoint)
        }
    }
}

impl Prepared {
    /// Maps it, and opens the device where that can be.
    pub(crate) fn new(
        device: &DeviceName,
        inherited: Inherited,
        options: &Options,
        now: Now,
    ) -> Result<Prepared, (String, Inherited)> {
        let examined = examine(device, &inherited).and_then(|(left, driver, prepare)| {
            let memory = DmaMapping { iova: left.facts.iova, memory: left.region.clone() };
            let early = now == Now::Left || device.is_shared();
            let opened = early.then(|| open(device, &inherited, memory.clone())).transpose()?;
            Ok((driver, prepare(left, options.clone())?, memory, opened))
        });
        match examined {
            Ok((driver, successor, memory, opened)) => Ok(Prepared { driver, successor, memory, opened, inherited }),
            Err(why) => Err((why.to_string(), inherited)),
        }
    }

    /// Has its memory at hand: there is time for that.
    pub(crate) fn touch(&self) {
        self.successor.touch();
        touch_program();
    }

    /// Goes on. Otherwise says why, and `refused` has come true.
    pub(crate) fn go_on(self, device: &DeviceName, refused: Refused) -> Result<Box<dyn Running>, (String, Inherited)> {
        let Prepared { successor, memory, opened, inherited, .. } = self;
        let opened = opened.map_or_else(|| open(device, &inherited, memory), Ok);
        let went = opened.and_then(|opened| Ok(successor.go_on(opened, refused)?));
        went.map_err(|why| (why.to_string(), inherited))
    }

    /// The same; where it cannot be it is made quiet, to begin anew.
    pub(crate) fn go_on_or_stop(self, device: &DeviceName, options: &Options) -> Result<Box<dyn Running>, Remains> {
        let went = self.go_on(device, Refused::Stopped);
        went.map_err(|(why, inherited)| refuse(device, inherited, options.keeper.as_deref(), &why))
    }
}

fn examine(
    device: &DeviceName,
    inherited: &Inherited,
) -> Result<(Left, &'static Driver, Prepare), Box<dyn std::error::Error>> {
    let left = Left::examine(inherited)?;
    if !is_of(&left.facts, device) {
        let (left, here) = (left.facts.device, device.to_string());
        return Err(NotAdopted::Other { what: "device", left, here }.into());
    }
    let driver = drivers::named(&left.facts.driver);
    let driver = driver.ok_or_else(|| format!("no driver here is called {}", left.facts.driver))?;
    let Class::Net(_, prepare) = driver.class else {
        return Err(NotAdopted::Nonsense("it was left as a network card").into());
    };
    Ok((left, driver, prepare))
}

fn open(device: &DeviceName, inherited: &Inherited, memory: DmaMapping) -> Result<Opened, Box<dyn std::error::Error>> {
    let mut opened = device.adopt(inherited, memory)?.ok_or(NotAdopted::Missing("what keeps the device going"))?;
    // whoever does not come to go on with it leaves it as it is
    opened.leave_running(true);
    Ok(opened)
}

fn is_of(facts: &Facts, device: &DeviceName) -> bool {
    facts.device == device.to_string()
}

fn refuse(device: &DeviceName, inherited: Inherited, keeper: Option<&dyn Keeper>, why: &str) -> Remains {
    let name = device.to_string();
    tracing::warn!(device = name, "what a process before this one has left is of no use: {why}. Starting anew");
    begin_anew(device, inherited, keeper)
}

/// The driver for a device of this id.
///
/// # Errors
/// There is none.
pub(crate) fn driver_for(id: DeviceId, name: &str) -> Result<&'static Driver, String> {
    let none = || format!("{name} is {id}, and no driver knows it; there are: {}", drivers::known());
    drivers::for_id(id).ok_or_else(none)
}

/// The device is not gone on with: it is made quiet, and what is kept is forgotten, but for the network interface. Gives
/// the device where it could be taken over, and the interface. Where it could not, the kernel makes it quiet when nobody has
/// its descriptors any more.
fn begin_anew(name: &DeviceName, mut inherited: Inherited, keeper: Option<&dyn Keeper>) -> Remains {
    let facts = Left::facts(&inherited);
    let opened = if facts.as_ref().is_none_or(|facts| is_of(facts, name)) {
        name.reclaim(&inherited).unwrap_or_else(|error| {
            tracing::warn!(%error, "what was left of the device cannot be taken over");
            None
        })
    } else {
        None
    };
    let legacy = facts.and_then(|facts| endpoint_of(&facts));
    let legacy = legacy.unwrap_or(Legacy::Tap { prior: Default::default(), given_mac: None });
    let endpoint = inherited.take(names::ENDPOINT).and_then(|fd| match endpoint::adopt(fd, &legacy) {
        Ok(endpoint) => Some(endpoint),
        Err(error) => {
            tracing::warn!(%error, "the interface that was left is of no use");
            None
        }
    });
    let all: Vec<String> = inherited.names().map(str::to_owned).chain([names::ENDPOINT.to_owned()]).collect();
    drop(inherited);
    if let Some(keeper) = keeper
        && let Err(error) = keeper.forget(&all.iter().map(String::as_str).collect::<Vec<_>>())
    {
        tracing::warn!(%error, "the keeper does not hear");
    }
    (opened, endpoint)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::sync::Mutex;

    use super::*;

    #[derive(Debug, Default)]
    struct Told(Mutex<Vec<String>>);

    impl Keeper for Told {
        fn keep(&self, name: &str, _: BorrowedFd<'_>) -> io::Result<()> {
            panic!("{name} is not to be kept");
        }
        fn forget(&self, names: &[&str]) -> io::Result<()> {
            self.0.lock().unwrap().extend(names.iter().map(|name| (*name).to_owned()));
            Ok(())
        }
    }

    /// What is no device of VFIO's any more must not be in the way of each udrvd that is started again.
    #[test]
    fn what_cannot_be_taken_over_is_forgotten_and_the_device_opened_anew() {
        let mut inherited = Inherited::default();
        for name in ["vfio-container", "vfio-group", "vfio-device", names::RECORD] {
            inherited.insert(name.to_owned(), File::open("/dev/null").unwrap().into());
        }
        let told = Arc::new(Told::default());
        let options = Options { keeper: Some(told.clone()), ..Options::default() };
        let beginning = look(&"pci:0000:00:04.0".parse().unwrap(), inherited, &options);
        assert!(matches!(beginning, Beginning::Anew(None, None)));
        let forgotten = told.0.lock().unwrap();
        assert!(
            ["vfio-container", "vfio-group", "vfio-device", "udrv-record"]
                .iter()
                .all(|name| { forgotten.iter().any(|forgotten| forgotten == name) }),
            "{forgotten:?}"
        );
    }

    #[test]
    fn what_is_of_another_device_is_told_by_its_name() {
        let facts = |device: &str| Facts {
            device: device.to_owned(),
            identity: (0x10ec, 0x8139, 0x10),
            driver: "rtl8139".to_owned(),
            state_version: 1,
            registers: 0,
            iova: 0,
            memory: 0,
            buffer_bytes: 2048,
            protection: Default::default(),
            class: serde_json::Value::Null,
        };
        let here: DeviceName = "pci:0000:00:04.0".parse().unwrap();
        assert!(is_of(&facts("pci:0000:00:04.0"), &here));
        assert!(!is_of(&facts("pci:0000:00:05.0"), &here));
    }
}
