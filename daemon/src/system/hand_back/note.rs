//! What a udrvd that gives its device up leaves in its runtime directory: what its interface carried, while that was there.
//!
//! Root reads what the user of udrvd has written. So the file is taken only if no link leads to it and nobody but that
//! user, or root, can have put it there; nothing in it is a path; and each field is looked at before one is used.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::libc;
use serde::{Deserialize, Serialize};

use super::super::network::{Network, NotSound, check_text};
use crate::protocol::file_name;

/// Version of its format.
const VERSION: u32 = 1;
/// Longest one, bytes: some thousand routes.
const MOST: u64 = 2 << 20;

/// The note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    version: u32,
    /// As udrvd calls it.
    pub device: String,
    /// Why it was given up.
    pub reason: String,
    /// What its interface carried, if it had one.
    pub network: Option<Network>,
}

/// Why a note is of no use.
#[derive(Debug, thiserror::Error)]
pub enum NoteError {
    /// There is none.
    #[error("{0}: udrvd has left no note of what its interface carried")]
    None(PathBuf),
    /// It cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// errno.
        #[source]
        source: io::Error,
    },
    /// Somebody else may have written it.
    #[error("{path}: not taken, for {why}")]
    Foreign {
        /// Which.
        path: PathBuf,
        /// Why, as a clause.
        why: String,
    },
    /// It is no note.
    #[error("{path}: not taken, for it makes no sense: {why}")]
    Nonsense {
        /// Which.
        path: PathBuf,
        /// What of it.
        why: String,
    },
}

impl Note {
    /// One about a device.
    #[must_use]
    pub fn new(device: &str, reason: &str, network: Option<Network>) -> Note {
        let reason = reason.chars().filter(|c| !c.is_control()).take(300).collect();
        Note { version: VERSION, device: device.to_owned(), reason, network }
    }

    /// Where it is.
    #[must_use]
    pub fn path(runtime: &Path, device: &str) -> PathBuf {
        runtime.join(format!("{}.given-up", file_name(device)))
    }

    /// Writes it, in one piece.
    ///
    /// # Errors
    /// The directory is full, or missing.
    pub fn write(&self, runtime: &Path) -> Result<(), NoteError> {
        let path = Note::path(runtime, &self.device);
        let unfinished = path.with_extension("given-up.new");
        let io = |source| NoteError::Io { path: path.clone(), source };
        forget(&unfinished).map_err(io)?;
        let text = serde_json::to_vec(self).map_err(|error| io(error.into()))?;
        // a new file: nothing that is there already is written to
        let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished);
        let written = written.and_then(|mut file| file.write_all(&text)).and_then(|()| fs::rename(&unfinished, &path));
        written.map_err(|source| {
            let _ = forget(&unfinished);
            io(source)
        })
    }

    /// Reads the one about a device.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn read(runtime: &Path, device: &str) -> Result<Note, NoteError> {
        let path = Note::path(runtime, device);
        let io = |source| NoteError::Io { path: path.clone(), source };
        let foreign = |why: &str| Err(NoteError::Foreign { path: path.clone(), why: why.to_owned() });
        let options = |flags| {
            let mut options = OpenOptions::new();
            options.read(true).custom_flags(flags | libc::O_NOFOLLOW | libc::O_NONBLOCK);
            options
        };
        let folder = match options(libc::O_DIRECTORY).open(runtime) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(NoteError::None(path)),
            folder => folder.and_then(|folder| folder.metadata()).map_err(io)?,
        };
        if folder.mode() & 0o022 != 0 {
            return foreign("others may write into its directory");
        }
        let file = match options(0).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(NoteError::None(path)),
            Err(error) if error.raw_os_error() == Some(libc::ELOOP) => return foreign("it is a link"),
            file => file.map_err(io)?,
        };
        let data = file.metadata().map_err(io)?;
        if !data.is_file() || data.nlink() != 1 {
            return foreign("it is no file of its own");
        }
        if data.uid() != folder.uid() && data.uid() != 0 {
            return foreign("it belongs neither to root nor to the owner of its directory");
        }
        let nonsense = |why: String| NoteError::Nonsense { path: path.clone(), why };
        let note = Note::parse(&file).map_err(nonsense)?;
        if note.device != device {
            return Err(nonsense("it is about another device".to_owned()));
        }
        Ok(note)
    }

    fn parse(file: &File) -> Result<Note, String> {
        let mut bytes = Vec::new();
        file.take(MOST + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        if bytes.len() as u64 > MOST {
            return Err("it is too long".to_owned());
        }
        let note: Note = serde_json::from_slice(&bytes).map_err(|error| {
            let text = error.to_string();
            text.chars().filter(|c| !c.is_control()).take(200).collect::<String>()
        })?;
        if note.version != VERSION {
            return Err(format!("it is of version {}, and this is of {VERSION}", note.version));
        }
        check_text(&note.reason).map_err(|error| error.to_string())?;
        if let Some(network) = &note.network {
            network.check().map_err(|error: NotSound| error.to_string())?;
        }
        Ok(note)
    }

    /// Takes it away, if there is one.
    ///
    /// # Errors
    /// It cannot be.
    pub fn remove(runtime: &Path, device: &str) -> Result<(), NoteError> {
        let path = Note::path(runtime, device);
        forget(&path).map_err(|source| NoteError::Io { path, source })
    }
}

/// The name, whatever it leads to.
fn forget(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(test)]
#[path = "note_tests.rs"]
mod tests;
