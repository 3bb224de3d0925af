//! Where the log goes: fields for the journal where standard error is one, else text or JSON.

use std::ffi::OsStr;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;

use nix::sys::stat::{FileStat, fstat};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Before the names of our fields in the journal: `UDRV_DEVICE`, `UDRV_ENTRY`, `UDRV_TRANSACTION`, `UDRV_OUTCOME`.
const PREFIX: &str = "UDRV";

pub(crate) fn start(json: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    if !json
        && is_journal(std::env::var_os("JOURNAL_STREAM").as_deref(), io::stderr())
        && let Ok(journal) = tracing_journald::layer()
    {
        tracing_subscriber::registry().with(filter).with(journal.with_field_prefix(Some(PREFIX.to_owned()))).init();
        return;
    }
    let colour = io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colour);
    if json { log.json().init() } else { log.with_target(false).init() }
}

/// Whether `file` is the one that `JOURNAL_STREAM` names, `DEVICE:INODE`: the variable is inherited by processes whose standard error
/// is another.
fn is_journal(stream: Option<&OsStr>, file: impl AsFd) -> bool {
    let stream = stream.and_then(OsStr::to_str).and_then(|text| text.split_once(':'));
    let numbers = stream.and_then(|(device, inode)| Some((device.parse::<u64>().ok()?, inode.parse::<u64>().ok()?)));
    fstat(file).is_ok_and(|FileStat { st_dev, st_ino, .. }| numbers == Some((st_dev, st_ino)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_is_known_by_device_and_inode() {
        let file = tempfile::tempfile().unwrap();
        let FileStat { st_dev, st_ino, .. } = fstat(&file).unwrap();
        let is = |text: &str| is_journal(Some(OsStr::new(text)), &file);
        assert!(is(&format!("{st_dev}:{st_ino}")));
        for other in [format!("{st_dev}:{}", st_ino + 1), format!("{st_dev}"), "x:y".into(), ":".into(), String::new()]
        {
            assert!(!is(&other), "{other}");
        }
        assert!(!is_journal(None, &file));
    }
}
