//! The list of suspicious entry points: a file, for a fault in an unprotected call ends the process.
//!
//! ```text
//!   NAME           one line each: entry point, seconds since 1970, reason
//!   NAME.running   one word: the entry point of the unprotected call under way, plus one
//! ```
//!
//! The word is a shared mapping of its file: one store before each unprotected call and one after it. Whatever ends the
//! process within the call (a signal, a panic, SIGKILL from a watchdog) leaves it set, and the next process puts that
//! entry point on the list.
// The mapping of a file that others could truncate is unsafe to make; see the proof there.
#![allow(unsafe_code)]

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

use memmap2::{MmapOptions, MmapRaw};

/// Why the list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SuspectsError {
    /// The file cannot be read or written.
    #[error("list of suspects {path}: {source}; name another file, in a directory that exists and may be written")]
    Io {
        /// Which.
        path: PathBuf,
        /// errno.
        #[source]
        source: io::Error,
    },
    /// A line that makes no sense.
    #[error("list of suspects {path}, line {line}: '{text}' is no entry point of this driver; delete the line")]
    Line {
        /// Which file.
        path: PathBuf,
        /// Counts from 1.
        line: usize,
        /// Its first word.
        text: String,
    },
}

/// See the module's text.
#[derive(Debug)]
pub struct Suspects {
    path: PathBuf,
    names: &'static [&'static str],
    listed: Vec<bool>,
    mark: MmapRaw,
}

impl Suspects {
    /// Opens the list of a driver with entry points called `names`, or starts one. An entry point in which the last
    /// process died is on it.
    ///
    /// # Errors
    /// [`SuspectsError`].
    pub fn open(path: &Path, names: &'static [&'static str]) -> Result<Suspects, SuspectsError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| SuspectsError::Io { path, source }
        };
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            other => other.map_err(io(path))?,
        };
        let listed =
            parse(&text, names).map_err(|(line, text)| SuspectsError::Line { path: path.to_owned(), line, text })?;
        let mut running = path.as_os_str().to_owned();
        running.push(".running");
        let running = PathBuf::from(running);
        let (mark, died_in) = open_mark(&running).map_err(io(&running))?;
        let mut suspects = Suspects { path: path.to_owned(), names, listed, mark };
        if let Some(entry) = died_in.checked_sub(1)
            && (entry as usize) < names.len()
        {
            suspects.add(entry as usize, "the process died in an unprotected call").map_err(io(path))?;
        }
        suspects.done();
        Ok(suspects)
    }

    /// Entry points on the list.
    pub fn listed(&self) -> impl Iterator<Item = usize> + '_ {
        self.listed.iter().enumerate().filter_map(|(entry, listed)| listed.then_some(entry))
    }

    /// Puts `entry` on the list, if it is not there.
    ///
    /// # Errors
    /// The file cannot be written; then only this process remembers.
    pub fn add(&mut self, entry: usize, reason: &str) -> io::Result<()> {
        if std::mem::replace(&mut self.listed[entry], true) {
            return Ok(());
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let mut line = String::new();
        let reason = reason.replace(['\n', '\r'], " ");
        let _ = writeln!(line, "{} {since} {reason}", self.names[entry]);
        let mut file = OpenOptions::new().append(true).create(true).mode(0o644).open(&self.path)?;
        file.write_all(line.as_bytes())
    }

    /// An unprotected call of `entry` begins.
    #[inline]
    pub fn running(&self, entry: usize) {
        self.word().store(entry as u64 + 1, Relaxed);
    }

    /// It has returned.
    #[inline]
    pub fn done(&self) {
        self.word().store(0, Relaxed);
    }

    fn word(&self) -> &AtomicU64 {
        // SAFETY: the mapping is page-aligned, at least 8 bytes, writable, and lives as long as `self`. Should somebody
        // truncate the file the store raises SIGBUS outside any transaction and ends the process, as a full disk would:
        // the file is in a directory of the daemon's own.
        unsafe { AtomicU64::from_ptr(self.mark.as_mut_ptr().cast()) }
    }
}

/// The mapping, and what the last process left there.
fn open_mark(path: &Path) -> io::Result<(MmapRaw, u64)> {
    let file: File = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o644).open(path)?;
    let mut left = [0; 8];
    let read = file.read_at(&mut left, 0)?;
    if read < left.len() {
        left = [0; 8];
    }
    file.set_len(8)?;
    Ok((MmapOptions::new().len(8).map_raw(&file)?, u64::from_ne_bytes(left)))
}

/// Which of `names` stand at the head of a line; else the line's number and its first word.
fn parse(text: &str, names: &[&str]) -> Result<Vec<bool>, (usize, String)> {
    let mut listed = vec![false; names.len()];
    for (number, line) in text.lines().enumerate() {
        let Some(word) = line.split_whitespace().next().filter(|word| !word.starts_with('#')) else { continue };
        let entry = names.iter().position(|name| *name == word).ok_or_else(|| (number + 1, word.to_owned()))?;
        listed[entry] = true;
    }
    Ok(listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[&str] = &["probe", "transmit", "poll"];

    fn listed(path: &Path) -> Vec<usize> {
        Suspects::open(path, NAMES).unwrap().listed().collect()
    }

    #[test]
    fn what_dies_in_a_call_is_on_the_list_of_the_next_process() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("suspects");
        let first = Suspects::open(&path, NAMES).unwrap();
        assert_eq!(first.listed().count(), 0);
        first.running(0);
        first.done();
        drop(first);
        assert!(listed(&path).is_empty(), "a call that returned");
        let second = Suspects::open(&path, NAMES).unwrap();
        second.running(1);
        drop(second); // as a process that ends here
        assert_eq!(listed(&path), [1]);
        assert_eq!(listed(&path), [1], "and stays there");
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1);
    }

    #[test]
    fn a_list_can_be_written_by_hand_and_nonsense_in_it_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("suspects");
        std::fs::write(&path, "# by hand\n\npoll\ntransmit 5 because\n").unwrap();
        assert_eq!(listed(&path), [1, 2]);
        std::fs::write(&path, "poll\nfly\n").unwrap();
        let error = Suspects::open(&path, NAMES).unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("'fly'"), "{error}");
        let nowhere = Suspects::open(Path::new("/nonexistent/suspects"), NAMES).unwrap_err().to_string();
        assert!(nowhere.contains("/nonexistent/suspects"), "{nowhere}");
    }

    #[test]
    fn a_damaged_mark_is_no_suspicion() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("suspects");
        for damage in [&[1_u8, 2][..], &[0xff; 8], &[0; 100]] {
            std::fs::write(directory.path().join("suspects.running"), damage).unwrap();
            assert!(listed(&path).is_empty());
        }
    }

    #[test]
    fn a_reason_is_one_line_and_an_entry_is_listed_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("suspects");
        let mut suspects = Suspects::open(&path, NAMES).unwrap();
        suspects.add(2, "line one\nprobe line two").unwrap();
        suspects.add(2, "again").unwrap();
        drop(suspects);
        assert_eq!(listed(&path), [2]);
    }
}
