//! What outlives this process: handed to the service manager (FDSTORE of sd_notify(3)), and taken from it.

use std::io::{self, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use clap::ValueEnum;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use sd_notify::NotifyState;
use udrv::device::{DeviceId, Opened};
use udrv::endpoint::{self, Legacy, NetEndpoint};
use udrv::keep::{Facts, Inherited, Keeper, Left, NotAdopted, names};
use udrv::net::endpoint_of;
use udrv::run::Options;
use udrv_daemon::device::DeviceName;
use udrv_daemon::drivers::{self, Class, Driver, Running};

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
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let told = || -> Arc<dyn Keeper> { Arc::new(ServiceManager) };
        match self {
            KeepFds::Never => Ok(None),
            KeepFds::Always if !is_set("NOTIFY_SOCKET") => {
                Err("--keep-fds always: nobody keeps any, for NOTIFY_SOCKET is not set. Leave it out, or start udrvd \
                     from a service manager, with NotifyAccess= and FileDescriptorStoreMax= in its unit"
                    .to_owned())
            }
            KeepFds::Always => Ok(Some(told())),
            // systemd says since 254 how many it keeps; before that it ignores those that are too many
            KeepFds::Auto => {
                let none = std::env::var("FDSTORE").is_ok_and(|most| most == "0");
                Ok((is_set("NOTIFY_SOCKET") && !none).then(told))
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
    /// Where a process before this one has ended.
    GoesOn(Box<Left>, Opened, Inherited),
    /// Anew; with what was left, if anything was.
    Anew(Option<Opened>, Option<Box<dyn NetEndpoint>>),
}

/// Looks at what was left. No driver runs here. What is of no use, or of another device, is made quiet, to begin anew.
pub(crate) fn look(device: &DeviceName, inherited: Inherited, keeper: Option<&dyn Keeper>) -> Beginning {
    if inherited.is_empty() {
        return Beginning::Anew(None, None);
    }
    let why = match Left::examine(&inherited) {
        Ok(left) if !is_of(&left.facts, device) => {
            let (left, here) = (left.facts.device, device.to_string());
            NotAdopted::Other { what: "device", left, here }.to_string()
        }
        Ok(left) => match device.adopt(&inherited, &left) {
            Ok(Some(opened)) => return Beginning::GoesOn(Box::new(left), opened, inherited),
            Ok(None) => NotAdopted::Missing("what keeps the device going").to_string(),
            Err(error) => error.to_string(),
        },
        Err(why) => why.to_string(),
    };
    let (opened, endpoint) = refuse(device, inherited, keeper, &why);
    Beginning::Anew(opened, endpoint)
}

/// Goes on with it. Otherwise it is made quiet, to begin anew.
pub(crate) fn go_on(
    device: &DeviceName,
    (left, opened, inherited): (Box<Left>, Opened, Inherited),
    driver: &Driver,
    options: &Options,
) -> Result<Box<dyn Running>, Remains> {
    let adopted = match driver.class {
        Class::Net(_, adopt) => adopt(opened, *left, options.clone()),
        Class::Sound(_) | Class::Input(_) => Err(NotAdopted::Nonsense("it was left as a network card")),
    };
    adopted.map_err(|why| refuse(device, inherited, options.keeper.as_deref(), &why.to_string()))
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
        let told = Told::default();
        let beginning = look(&"pci:0000:00:04.0".parse().unwrap(), inherited, Some(&told));
        assert!(matches!(beginning, Beginning::Anew(None, None)));
        let forgotten = told.0.into_inner().unwrap();
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
            class: serde_json::Value::Null,
        };
        let here: DeviceName = "pci:0000:00:04.0".parse().unwrap();
        assert!(is_of(&facts("pci:0000:00:04.0"), &here));
        assert!(!is_of(&facts("pci:0000:00:05.0"), &here));
    }
}
