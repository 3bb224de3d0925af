//! What stays over a restart of the machine: driverctl's folder, a file a device, which holds the name of the driver. Its
//! udev rule and its service read it when the device appears.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use super::super::System;

/// The file for a PCI function, below the root.
pub(super) fn file(address: &str) -> String {
    format!("etc/driverctl.d/pci-{address}")
}

/// Makes the file, or nothing: it is written under a name that driverctl does not look for, and renamed.
pub(super) fn save(file: &Path, text: &str) -> io::Result<()> {
    let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    fs::create_dir_all(folder)?;
    let fresh = folder.join(format!(".{}.new", name.to_string_lossy()));
    let written = fs::File::create(&fresh).and_then(|mut open| {
        open.write_all(format!("{text}\n").as_bytes())?;
        open.sync_all()
    });
    written.and_then(|()| fs::rename(&fresh, file)).inspect_err(|_| {
        let _ = fs::remove_file(&fresh);
    })
}

/// Takes it away.
pub(super) fn forget(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl System {
    /// Whether driverctl is there to read such files.
    pub(super) fn has_driverctl(&self) -> bool {
        let rules = ["usr/lib/udev/rules.d", "lib/udev/rules.d", "etc/udev/rules.d"];
        rules.iter().any(|folder| self.exists(format!("{folder}/05-driverctl.rules")))
    }
}
