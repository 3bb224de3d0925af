//! The device that a configuration file of udrvd names. Its other keys are udrvd's to judge.

use std::fmt::Display;
use std::path::Path;

use udrv_daemon::device::DeviceName;
use udrv_daemon::system::address::Address;

use crate::exit::{Exit, Failure};

/// What such a file says, as far as it is of use here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// The device, as udrvd calls it.
    pub(crate) device: String,
    /// What it is to `bind`.
    pub(crate) bound: Bound,
    /// The key `hand-back`.
    pub(crate) hand_back: bool,
}

/// What a file's device is to `bind`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// It has a kernel driver that must let go.
    At(Address),
    /// udrvd takes it itself, or it is no device of this machine.
    Nowhere(String),
}

impl Named {
    pub(crate) fn read(file: &Path) -> Result<Named, Failure> {
        let wrong = |exit, why: &dyn Display| Failure::new(exit, format!("{}: {why}", file.display()));
        let text = std::fs::read_to_string(file).map_err(|error| wrong(Exit::Failed, &error))?;
        let table: toml::Table =
            toml::from_str(&text).map_err(|error| wrong(Exit::Usage, &error.message().replace('\n', "; ")))?;
        let device = table.get("device").and_then(toml::Value::as_str);
        let device = device.ok_or_else(|| wrong(Exit::Usage, &"there is no key 'device' with a text"))?;
        let name: DeviceName = device.parse().map_err(|error| wrong(Exit::Usage, &error))?;
        let bound = match device.parse() {
            Ok(address @ (Address::Pci(_) | Address::Serio(_))) => Bound::At(address),
            Ok(Address::Usb(_)) | Err(_) => Bound::Nowhere(name.to_string()),
        };
        let hand_back = table.get("hand-back").and_then(toml::Value::as_bool).unwrap_or(false);
        Ok(Named { device: name.to_string(), bound, hand_back })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Result<Named, Failure> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Named::read(file.path())
    }

    fn bound(text: &str) -> Bound {
        named(text).unwrap().bound
    }

    #[test]
    fn a_file_names_what_is_bound() {
        let pci = bound("tap = \"x\"\ndevice = 'pci:0000:03:00.0'\n");
        assert_eq!(pci, Bound::At("pci:0000:03:00.0".parse().unwrap()));
        for port in ["serio:serio1", "serio:01:00", "serio:i8042 AUX port"] {
            assert_eq!(bound(&format!("device = \"{port}\"")), Bound::At(port.parse().unwrap()));
        }
        for nowhere in ["usb:1-2", "model:rtl8139", "vfio-user:/run/x"] {
            assert_eq!(bound(&format!("device = \"{nowhere}\"")), Bound::Nowhere(nowhere.to_owned()));
        }
    }

    #[test]
    fn handing_back_is_consented_to_by_one_word_only() {
        for (text, is) in [("true", true), ("false", false), ("\"true\"", false), ("1", false)] {
            assert_eq!(named(&format!("device = \"usb:1-2\"\nhand-back = {text}\n")).unwrap().hand_back, is, "{text}");
        }
        assert!(!named("device = \"usb:1-2\"").unwrap().hand_back);
    }

    #[test]
    fn a_file_that_names_none_is_refused() {
        for (text, why) in [
            ("tap = \"x\"", "no key 'device'"),
            ("device = 3", "no key 'device'"),
            ("device = \"pci:nonsense\"", "nonsense"),
            ("device = ", ""),
        ] {
            let failure = named(text).unwrap_err();
            assert!(failure.exit == Exit::Usage && failure.message.contains(why), "{text}: {failure:?}");
            assert!(!failure.message.contains('\n'), "{failure:?}");
        }
        assert_eq!(Named::read(Path::new("/no/such/file")).unwrap_err().exit, Exit::Failed);
    }
}
