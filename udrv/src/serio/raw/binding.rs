//! The port taken from its driver, and given back however this ends.

use tracing::warn;

use super::error::OpenError;
use super::sysfs::{PortSummary, SerioSysfs};
use crate::users;

/// The kernel's driver that lets a process at a port.
const RAW: &str = "serio_raw";
/// Has the kernel look for a driver, among those that look for ports by themselves.
const RESCAN: &str = "rescan";

/// A port that serio_raw has. Given back on drop, to the driver that had it.
#[derive(Debug)]
pub(super) struct Binding {
    sysfs: SerioSysfs,
    port: String,
    /// Who had it. Somebody may have given it to serio_raw before: then it stays there.
    had: Option<String>,
}

impl Binding {
    /// Has serio_raw take `port`.
    pub(super) fn take(sysfs: &SerioSysfs, port: &PortSummary) -> Result<Binding, OpenError> {
        let boxed = || Box::new(port.clone());
        let had = sysfs.driver(&port.name);
        let is_raw = |driver: &Option<String>| driver.as_deref() == Some(RAW);
        if is_raw(&had) {
            return Ok(Binding { sysfs: sysfs.clone(), port: port.name.clone(), had });
        }
        if !sysfs.has_driver(RAW) {
            return Err(OpenError::NoModule { port: boxed(), missing: sysfs.driver_folder(RAW) });
        }
        // the kernel takes it from its driver first: from here on it is to be given back, whatever comes of it
        let binding = Binding { sysfs: sysfs.clone(), port: port.name.clone(), had };
        if let Err(source) = sysfs.drive(&port.name, RAW) {
            let file = sysfs.drvctl(&port.name);
            return Err(match source.raw_os_error() {
                Some(libc::EACCES | libc::EPERM | libc::EROFS) => {
                    OpenError::NoControl { port: boxed(), driver: binding.had.clone(), file, user: users::us() }
                }
                _ if !sysfs.has_port(&port.name) => OpenError::Left { port: boxed() },
                Some(libc::ENODEV) => OpenError::NotTaken { port: boxed(), why: "its connect failed".to_owned() },
                _ => OpenError::Io { operation: format!("write {RAW} to {}", file.display()), source },
            });
        }
        // of a port that it does not match the kernel says nothing
        let has = sysfs.driver(&port.name);
        if is_raw(&has) {
            return Ok(binding);
        }
        if !sysfs.has_port(&port.name) {
            return Err(OpenError::Left { port: boxed() });
        }
        let why = format!("it was told to, and the port's driver is {}", has.as_deref().unwrap_or("none"));
        Err(OpenError::NotTaken { port: boxed(), why })
    }

    fn give_back(&self) -> Result<(), String> {
        let is = || self.sysfs.driver(&self.port);
        // it has left; or somebody has given it to another driver since
        if !self.sysfs.has_port(&self.port) || is() == self.had || is().is_some_and(|driver| driver != RAW) {
            return Ok(());
        }
        // the kernel's own choice first: a driver that is chosen by name gets no files of its own in sysfs
        let rescanned = self.sysfs.drive(&self.port, RESCAN);
        let has = is();
        match &self.had {
            _ if has.is_some() && has == self.had => Ok(()),
            // never one that nobody has but serio_raw
            None => rescanned.map_err(|error| format!("{RESCAN}: {error}")),
            Some(had) => {
                let named = self.sysfs.drive(&self.port, had);
                if is() == self.had || !self.sysfs.has_port(&self.port) {
                    return Ok(());
                }
                if is().is_none() {
                    // the kernel has taken it from the one that it had chosen
                    let _nobody = self.sysfs.drive(&self.port, RESCAN);
                }
                Err(named.map_or_else(|error| error.to_string(), |()| format!("{had} does not take it")))
            }
        }
    }
}

impl Drop for Binding {
    fn drop(&mut self) {
        if let Err(why) = self.give_back() {
            let (port, driver) = (&self.port, self.had.as_deref().unwrap_or(RESCAN));
            let file = self.sysfs.drvctl(port);
            warn!(
                port,
                why,
                "closing: the port is not with its driver; as root: echo -n {driver} > {}",
                file.display()
            );
        }
    }
}
