//! Which serio port: its name in sysfs, its id, or what the kernel's driver of it calls it.

use std::fmt;
use std::str::FromStr;

use udrv_bus::SerioId;

/// A serio port by name: `serio:serio1`, `serio:01:00` (the one port of this kind and protocol), or the one that is described so:
/// `serio:i8042 AUX port`. Numbers are given to ports as they come, descriptions stay.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SerioName {
    /// Its name in `/sys/bus/serio/devices`.
    Port(String),
    /// Kind and protocol.
    Id(SerioId),
    /// Its description, whatever its case.
    Description(String),
}

/// Text that is not the name of a serio port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not a serio port: expected serio:serioN, for example serio:serio1 (see ls /sys/bus/serio/devices), or \
     serio:KIND:PROTOCOL in two hexadecimal digits each, for example serio:01:00, or a description, for example \
     'serio:i8042 AUX port' (see cat /sys/bus/serio/devices/*/description)"
)]
pub struct ParseSerioNameError(String);

impl fmt::Display for SerioName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SerioName::Port(text) | SerioName::Description(text) => write!(f, "serio:{text}"),
            SerioName::Id(id) => write!(f, "serio:{id}"),
        }
    }
}

impl FromStr for SerioName {
    type Err = ParseSerioNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| ParseSerioNameError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<SerioName> {
    let port = text.strip_prefix("serio:")?;
    if number(port).is_some() {
        return Some(SerioName::Port(port.to_owned()));
    }
    if let Some((kind, protocol)) = port.split_once(':')
        && let (Some(kind), Some(protocol)) = (hexadecimal(kind), hexadecimal(protocol))
    {
        return Some(SerioName::Id(SerioId { kind, protocol }));
    }
    // the name of a port with its number missing or wrong is no description
    let is_text = !port.trim().is_empty() && !port.contains('/') && !port.chars().any(char::is_control);
    let is_almost = port.strip_prefix("serio").is_some_and(|rest| !rest.starts_with(' '));
    (is_text && !is_almost).then(|| SerioName::Description(port.to_owned()))
}

/// The number of a port, `None` for anything else.
pub(super) fn number(port: &str) -> Option<u32> {
    let digits = port.strip_prefix("serio")?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    plain.then(|| digits.parse().ok()).flatten()
}

/// Two hexadecimal digits.
pub(super) fn hexadecimal(text: &str) -> Option<u8> {
    let plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| u8::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_wrong_ones_explained() {
        let id = SerioId { kind: 1, protocol: 0 };
        for (text, name) in [
            ("serio:serio1", SerioName::Port("serio1".to_owned())),
            ("serio:serio12", SerioName::Port("serio12".to_owned())),
            ("serio:01:00", SerioName::Id(id)),
            ("serio:i8042 AUX port", SerioName::Description("i8042 AUX port".to_owned())),
            ("serio:Synaptics pass-through", SerioName::Description("Synaptics pass-through".to_owned())),
        ] {
            assert_eq!(text.parse(), Ok(name.clone()));
            assert_eq!(name.to_string(), text);
        }
        for bad in [
            "",
            "serio",
            "serio:",
            "serio: ",
            "serio1",
            "usb:1-1",
            "serio:serio",
            "serio:serio01",
            "serio:serio-1",
            "serio:serio1/x",
            "serio:../serio1",
            "serio:serio99999999999",
            "serio:a\nb",
        ] {
            let error = bad.parse::<SerioName>().unwrap_err().to_string();
            assert!(error.contains("/sys/bus/serio/devices") && error.contains("serio:serio1"), "{bad}: {error}");
        }
    }
}
