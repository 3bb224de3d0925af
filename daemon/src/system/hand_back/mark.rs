//! A device that was handed back stays with the kernel's driver until somebody gives it to udrv again, or the machine starts anew: a
//! file in /run, which udev's rules look for (`systemd/configured`). Not in /run/udrv: that belongs to the user udrv.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;

use super::super::System;
use super::marks;
use crate::protocol::file_name;

impl System {
    pub(super) fn mark(&self, names: &[String]) -> io::Result<()> {
        let folder = marks(self);
        DirBuilder::new().recursive(true).mode(0o755).create(&folder)?;
        names.iter().try_for_each(|name| File::create(folder.join(file_name(name))).map(|_| ()))
    }

    /// It is udrv's again: called by whoever gives it, by one of its names.
    ///
    /// # Errors
    /// A file cannot be taken away.
    pub fn unmark_device(&self, name: &str) -> io::Result<()> {
        let found = name.parse().ok().and_then(|address| self.device(&address, &marks(self)).ok());
        let own = found.map(|device| device.device);
        self.unmark(&own.into_iter().chain([name.to_owned()]).collect::<Vec<_>>())
    }

    pub(super) fn unmark(&self, names: &[String]) -> io::Result<()> {
        let folder = marks(self);
        let gone = |done: io::Result<()>| match done {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        };
        names.iter().try_for_each(|name| gone(std::fs::remove_file(folder.join(file_name(name)))))
    }

    /// Whether it was handed back since the machine started, by one of its names.
    #[must_use]
    pub fn is_marked(&self, name: &str) -> bool {
        marks(self).join(file_name(name)).exists()
    }
}
