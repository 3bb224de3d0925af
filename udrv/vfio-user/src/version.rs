//! What each side says first: the version, and how much it takes in one message.
//!
//! The body is two numbers of 16 bits and a JSON text with a zero behind it, which may be left out.

use serde::{Deserialize, Serialize};

use crate::{MAX_DATA, MAX_FDS};

/// The major version that is spoken here.
pub const MAJOR: u16 = 0;
/// The minor version that is spoken here.
pub const MINOR: u16 = 1;

/// The limits of one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    /// File descriptors that it takes with one message.
    pub max_msg_fds: u64,
    /// Bytes that it takes or gives in one access to a region.
    pub max_data_xfer_size: u64,
}

impl Default for Capabilities {
    /// What the specification says for a side that says nothing.
    fn default() -> Self {
        Capabilities { max_msg_fds: 1, max_data_xfer_size: 1 << 20 }
    }
}

impl Capabilities {
    /// Those of this crate.
    #[must_use]
    pub fn ours() -> Self {
        Capabilities { max_msg_fds: MAX_FDS as u64, max_data_xfer_size: MAX_DATA as u64 }
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Text {
    capabilities: Capabilities,
}

/// The body that says our version and limits.
#[must_use]
pub fn ours() -> Vec<u8> {
    let mut body = Vec::new();
    body.extend_from_slice(&MAJOR.to_le_bytes());
    body.extend_from_slice(&MINOR.to_le_bytes());
    body.extend(serde_json::to_vec(&Text { capabilities: Capabilities::ours() }).expect("numbers are JSON"));
    body.push(0);
    body
}

/// Reads the other side's body.
///
/// # Errors
/// What is wrong with it, in words: another version, or no JSON.
pub fn read(body: &[u8]) -> Result<Capabilities, String> {
    let (Some((major, rest)), true) = (body.split_first_chunk::<2>(), body.len() >= 4) else {
        return Err(format!("its version has {} bytes, and 4 are the least", body.len()));
    };
    let (major, minor) = (u16::from_le_bytes(*major), u16::from_le_bytes([rest[0], rest[1]]));
    if major != MAJOR || minor < MINOR {
        return Err(format!("it speaks version {major}.{minor} and not {MAJOR}.{MINOR}"));
    }
    let text = &rest[2..];
    let text = text.strip_suffix(&[0]).unwrap_or(text);
    if text.is_empty() {
        return Ok(Capabilities::default());
    }
    let text: Text = serde_json::from_slice(text).map_err(|error| format!("its capabilities are no JSON: {error}"))?;
    Ok(text.capabilities)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_reads_back_and_wrong_ones_are_explained() {
        assert_eq!(read(&ours()), Ok(Capabilities::ours()));
        assert_eq!(read(&[0, 0, 1, 0]), Ok(Capabilities::default()));
        // what QEMU says besides is left aside
        let more = b"\0\0\x01\0{\"capabilities\":{\"max_msg_fds\":8,\"migration\":{\"pgsize\":4096}}}\0";
        assert_eq!(read(more).unwrap().max_msg_fds, 8);
        for (bad, why) in [
            (&b""[..], "0 bytes"),
            (b"\0\0\x01", "3 bytes"),
            (b"\x01\0\0\0", "1.0"),
            (b"\0\0\0\0", "0.0"),
            (b"\0\0\x01\0{", "no JSON"),
            (b"\0\0\x01\0{\"capabilities\":{\"max_msg_fds\":-1}}\0", "no JSON"),
        ] {
            assert!(read(bad).unwrap_err().contains(why), "{bad:?}");
        }
    }
}
