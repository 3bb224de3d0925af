//! What sysfs says about serio ports, and the one thing that can be said to it: who is to drive a port.
//!
//! Everything is read below a root that tests put elsewhere.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use udrv_bus::SerioId;

use super::error::OpenError;
use super::name::{SerioName, hexadecimal, number};

/// Characters of a description that are shown.
const MAX_TEXT: usize = 60;
/// Keyboards whose scan codes the controller translates (`SERIO_8042_XL`).
const TRANSLATED: u8 = 0x06;

/// A machine's serio ports, as its kernel shows them.
#[derive(Clone)]
pub struct SerioSysfs {
    root: PathBuf,
    /// Writes to an attribute.
    tell: Arc<Tell>,
}

type Tell = dyn Fn(&Path, &str) -> io::Result<()> + Send + Sync;

/// A port that there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortSummary {
    /// `serio1`.
    pub name: String,
    /// What kind of port.
    pub id: SerioId,
    /// What it is called: `i8042 AUX port`. May be empty.
    pub description: String,
    /// The kernel's driver that has it.
    pub driver: Option<String>,
}

impl fmt::Display for PortSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "serio:{} {}", self.name, self.id)?;
        if self.description.is_empty() { Ok(()) } else { write!(f, " ({})", self.description) }
    }
}

impl PortSummary {
    /// Whether a keyboard is at its end, as far as the kernel knows. With a PC's controller it does.
    #[must_use]
    pub fn is_keyboard(&self) -> bool {
        let described = ["kbd", "keyboard"].iter().any(|word| self.description.to_lowercase().contains(word));
        self.id.kind == TRANSLATED || described || self.driver.as_deref() == Some("atkbd")
    }

    fn number(&self) -> Option<u32> {
        number(&self.name)
    }
}

impl fmt::Debug for SerioSysfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SerioSysfs").field("root", &self.root).finish_non_exhaustive()
    }
}

impl Default for SerioSysfs {
    fn default() -> Self {
        SerioSysfs::at(Path::new("/"))
    }
}

impl SerioSysfs {
    /// That of a tree with `sys` and `dev` in it.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        // an attribute is there: never make a file
        let tell = |file: &Path, text: &str| {
            io::Write::write_all(&mut fs::OpenOptions::new().write(true).open(file)?, text.as_bytes())
        };
        SerioSysfs { root: root.to_owned(), tell: Arc::new(tell) }
    }

    /// The same with a kernel that is `tell`: told the file and what is written to it.
    #[cfg(test)]
    pub(super) fn telling(root: &Path, tell: impl Fn(&Path, &str) -> io::Result<()> + Send + Sync + 'static) -> Self {
        SerioSysfs { root: root.to_owned(), tell: Arc::new(tell) }
    }

    /// All ports, in order of their numbers.
    ///
    /// # Errors
    /// [`OpenError::NoSerio`] if the kernel knows no such ports.
    pub fn ports(&self) -> Result<Vec<PortSummary>, OpenError> {
        let folder = self.root.join("sys/bus/serio/devices");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(OpenError::NoSerio { missing: folder });
            }
            Err(source) => return Err(OpenError::Io { operation: format!("list {}", folder.display()), source }),
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut all: Vec<PortSummary> = names.filter_map(|name| self.summary(name)).collect();
        all.sort_by_key(PortSummary::number);
        Ok(all)
    }

    /// The port of a name, if there is one.
    ///
    /// # Errors
    /// [`OpenError::Ambiguous`] if there are several; as [`SerioSysfs::ports`].
    pub fn find(&self, name: &SerioName) -> Result<Option<PortSummary>, OpenError> {
        let mut matching = self.ports()?;
        matching.retain(|port| match name {
            SerioName::Port(name) => port.name == *name,
            SerioName::Id(id) => port.id == *id,
            SerioName::Description(text) => port.description.eq_ignore_ascii_case(text),
        });
        if matching.len() > 1 {
            return Err(OpenError::Ambiguous { name: name.clone(), ports: listed(&matching) });
        }
        Ok(matching.pop())
    }

    /// The port of a name, which must be there.
    ///
    /// # Errors
    /// [`OpenError::NotPresent`] if it is not; as [`SerioSysfs::find`].
    pub fn require(&self, name: &SerioName) -> Result<PortSummary, OpenError> {
        if let Some(port) = self.find(name)? {
            return Ok(port);
        }
        let all = self.ports()?;
        let others =
            if all.is_empty() { "there is none at all".to_owned() } else { format!("there are: {}", listed(&all)) };
        Err(OpenError::NotPresent { name: name.clone(), others })
    }

    /// The driver that has a port now.
    pub(super) fn driver(&self, port: &str) -> Option<String> {
        let link = fs::read_link(self.folder(port).join("driver")).ok()?;
        Some(link.file_name()?.to_str()?.to_owned())
    }

    /// Whether the kernel has a driver of this name, loaded.
    pub(super) fn has_driver(&self, driver: &str) -> bool {
        self.driver_folder(driver).is_dir()
    }

    pub(super) fn driver_folder(&self, driver: &str) -> PathBuf {
        self.root.join("sys/bus/serio/drivers").join(driver)
    }

    /// Whether a port is there still.
    pub(super) fn has_port(&self, port: &str) -> bool {
        self.folder(port).is_dir()
    }

    /// The file that says who is to drive a port.
    #[must_use]
    pub fn drvctl(&self, port: &str) -> PathBuf {
        self.folder(port).join("drvctl")
    }

    /// Has `driver` drive a port; or what else `drvctl` knows, such as `rescan`.
    pub(super) fn drive(&self, port: &str, driver: &str) -> io::Result<()> {
        // without an end of line, which would be part of the name
        (self.tell)(&self.drvctl(port), driver)
    }

    /// The node of a port that serio_raw has. `None`: it has no such.
    #[must_use]
    pub fn node(&self, port: &str) -> Option<PathBuf> {
        let nodes = fs::read_dir(self.folder(port).join("misc")).ok()?;
        let mut names = nodes.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.find(|name| name.starts_with("serio_raw")).map(|name| self.root.join("dev").join(name))
    }

    fn folder(&self, port: &str) -> PathBuf {
        self.root.join("sys/bus/serio/devices").join(port)
    }

    /// `None` for one that leaves while it is looked at.
    fn summary(&self, name: String) -> Option<PortSummary> {
        number(&name)?;
        let folder = self.folder(&name);
        let text = |file: &str| Some(fs::read_to_string(folder.join(file)).ok()?.trim().to_owned());
        let id = SerioId { kind: hexadecimal(&text("id/type")?)?, protocol: hexadecimal(&text("id/proto")?)? };
        // it goes to terminals
        let description = text("description").unwrap_or_default();
        let description = description.chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect();
        let driver = self.driver(&name);
        Some(PortSummary { name, id, description, driver })
    }
}

fn listed(ports: &[PortSummary]) -> String {
    ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
