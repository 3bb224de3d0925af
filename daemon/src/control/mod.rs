//! The control socket: threads that read requests, ask the device's thread, write answers.
//!
//! ```text
//!   clients ──> accept (slots.rs) ──> a thread each: converse.rs ──request.rs──> pace.rs ──command──> device's thread
//! ```
//!
//! Who may connect is said by the socket's mode; who may change something by the peer's credentials (`peer.rs`). A client that says
//! nothing or too much loses its connection, and one that asks without end is slowed down: the device's thread never waits
//! for a client, and all of them together get a small part of its time.

mod converse;
mod gate;
mod pace;
mod peer;
mod request;
pub(crate) mod slots;

use std::fs::FileType;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::{Gid, Group};
use udrv::run::{Answer, Commander};

pub use self::gate::Gate;

use self::converse::{Around, answer, converse, error};
use self::pace::Pace;
use self::peer::Peer;
use self::slots::Slots;
use crate::pair::{HOUSE_CONTROL, Pair};
use crate::protocol::socket_path;
use crate::trace::Trace;

/// Clients at a time.
const CLIENTS: usize = 8;
/// More of those who may change something: who may only look cannot shut them out.
const RESERVED: usize = 4;
/// A client that is silent for so long is gone.
const SILENCE: Duration = Duration::from_secs(30);
/// Fault reports that are copied in the time of a cheap request.
const REPORTS: u32 = 16;
/// Until the next client, after one could not be had: where there are no descriptors left there will be none at once.
const AFTER_ERROR: Duration = Duration::from_millis(100);
/// The group that may look, where there is one of this name.
const READERS: &str = "udrv";

/// Why there can be no control socket.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Somebody answers there.
    #[error("another daemon answers at {0} already; udrvctl status shows it")]
    Taken(PathBuf),
    /// The socket cannot be made.
    #[error("control socket {path}: {source}; set UDRV_RUNTIME_DIR to a directory that you may write")]
    Io {
        /// Where.
        path: PathBuf,
        /// errno.
        #[source]
        source: io::Error,
    },
    /// A group that is named does not exist.
    #[error("there is no group '{0}': groupadd --system {0} makes it")]
    NoGroup(String),
}

/// Who may use it, beside root and the daemon's own user.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// The group whose members may look. `None`: `udrv`, if there is one.
    pub readers: Option<String>,
    /// The group whose members may change something too. `None`: nobody.
    pub changers: Option<String>,
}

impl Access {
    /// The group that may look.
    ///
    /// # Errors
    /// [`ControlError::NoGroup`].
    pub fn reading_group(&self) -> Result<Option<Gid>, ControlError> {
        match &self.readers {
            Some(name) => group(name).map(Some),
            None => Ok(Group::from_name(READERS).ok().flatten().map(|group| group.gid)),
        }
    }
}

/// A socket at `path` for its own user and a group, in the place of one that nobody serves any more.
///
/// # Errors
/// errno; what is there is no socket.
pub fn listen_at(path: &Path, readers: Option<Gid>) -> io::Result<UnixListener> {
    // made under another name and renamed when its mode is right: nobody gets in before
    let fresh = path.with_extension("new");
    for there in [path, &fresh] {
        let is_socket = |kind: FileType| kind.is_socket() || kind.is_symlink();
        if std::fs::symlink_metadata(there).is_ok_and(|data| !is_socket(data.file_type())) {
            let why = format!("{} is there and no socket", there.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
        }
    }
    remove(&fresh)?;
    let listener = UnixListener::bind(&fresh)?;
    let owned = readers.is_some_and(|readers| {
        let owned = nix::unistd::chown(&fresh, None, Some(readers));
        owned.inspect_err(|error| tracing::info!(%error, "{} is for its own user alone", path.display())).is_ok()
    });
    let mode = if owned { 0o660 } else { 0o600 };
    std::fs::set_permissions(&fresh, PermissionsExt::from_mode(mode))?;
    std::fs::rename(&fresh, path)?;
    Ok(listener)
}

/// A control socket. Files that it has made are removed on drop.
pub struct ControlSocket {
    listener: UnixListener,
    files: Vec<PathBuf>,
    /// It is this process that the files go with.
    ours: bool,
    changers: Option<Gid>,
}

impl ControlSocket {
    /// Makes the socket `name` for `device` in a directory that is there: mode 0660 where there is a group to read, else 0600. A socket that nobody serves is
    /// replaced. The device's own name leads to it.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn bind(directory: &Path, name: &str, device: &str, access: &Access) -> Result<ControlSocket, ControlError> {
        let path = socket_path(directory, name);
        let io = |source| ControlError::Io { path: path.clone(), source };
        if UnixStream::connect(&path).is_ok() {
            return Err(ControlError::Taken(path));
        }
        let changers = access.changers.as_deref().map(group).transpose()?;
        let readers = access.reading_group()?;
        let listener = listen_at(&path, readers).map_err(io)?;
        let mut socket = ControlSocket { listener, files: vec![path], ours: true, changers };
        if name != device {
            socket.also_as(directory, device)?;
        }
        Ok(socket)
    }

    /// Takes a socket that the service manager has made: its mode and its group are those of the unit.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn adopt(
        listener: UnixListener,
        directory: &Path,
        device: &str,
        access: &Access,
    ) -> Result<ControlSocket, ControlError> {
        let changers = access.changers.as_deref().map(group).transpose()?;
        let address = listener.local_addr().ok();
        let path = address.as_ref().and_then(|address| address.as_pathname()).map(Path::to_owned);
        let mut socket = ControlSocket { listener, files: Vec::new(), ours: true, changers };
        let in_place = |path: &PathBuf| path.parent() == Some(directory) && *path != socket_path(directory, device);
        if let Some(path) = path.filter(in_place) {
            socket.link(directory, device, &path)?;
        }
        Ok(socket)
    }

    /// Goes on with the socket of a process before this one, and the files that lead to it: they are that one's until this one
    /// serves.
    ///
    /// # Errors
    /// A group that is named does not exist.
    pub fn inherit(listener: OwnedFd, files: Vec<PathBuf>, access: &Access) -> Result<ControlSocket, ControlError> {
        let changers = access.changers.as_deref().map(group).transpose()?;
        Ok(ControlSocket { listener: listener.into(), files, ours: false, changers })
    }

    /// What a successor needs of it.
    ///
    /// # Errors
    /// No room for descriptors.
    pub fn part(&self) -> io::Result<((&'static str, OwnedFd), Vec<PathBuf>)> {
        Ok(((HOUSE_CONTROL, self.listener.try_clone()?.into()), self.files.clone()))
    }

    /// A successor goes on with it: files stay.
    pub fn leave(mut self) {
        self.ours = false;
    }

    /// The device's name leads to the socket too.
    fn also_as(&mut self, directory: &Path, device: &str) -> Result<(), ControlError> {
        let path = self.files[0].clone();
        self.link(directory, device, &path)
    }

    fn link(&mut self, directory: &Path, device: &str, to: &Path) -> Result<(), ControlError> {
        let (link, target) = (socket_path(directory, device), to.file_name().unwrap_or(to.as_os_str()));
        let io = |source| ControlError::Io { path: link.clone(), source };
        // one that a daemon has left that was killed leads to our own socket, which answers
        let is_ours = std::fs::read_link(&link).is_ok_and(|old| old == target);
        if !is_ours && UnixStream::connect(&link).is_ok() {
            return Err(ControlError::Taken(link));
        }
        remove(&link).map_err(io)?;
        std::os::unix::fs::symlink(target, &link).map_err(io)?;
        self.files.push(link);
        Ok(())
    }

    /// Serves clients on threads of their own, until the process ends, while `gate` is open.
    ///
    /// # Errors
    /// No thread.
    pub fn serve(&mut self, commander: Commander, trace: Arc<Trace>, pair: Pair, gate: Gate) -> io::Result<()> {
        self.ours = true;
        let (listener, changers) = (self.listener.try_clone()?, self.changers);
        // a successor that listens at it too may be faster
        listener.set_nonblocking(true)?;
        let around = Around { trace, pair: Some(pair), gate };
        std::thread::Builder::new()
            .name("control".into())
            .spawn(move || accept(&listener, changers, &commander, &around))?;
        Ok(())
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        for file in self.files.iter().filter(|_| self.ours) {
            let _ = std::fs::remove_file(file);
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn group(name: &str) -> Result<Gid, ControlError> {
    let found = Group::from_name(name).ok().flatten();
    found.map(|group| group.gid).ok_or_else(|| ControlError::NoGroup(name.to_owned()))
}

fn accept(listener: &UnixListener, changers: Option<Gid>, commander: &Commander, around: &Around) {
    let (slots, pace) = (Slots::default(), Arc::new(Pace::default()));
    loop {
        let stream = around.gate.wait_at(listener.as_fd()).and_then(|()| listener.accept());
        let accepted = stream.and_then(|(stream, _)| Ok((Peer::of(&stream, changers)?, stream)));
        let (peer, stream) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => {
                tracing::warn!(%error, "control socket");
                std::thread::sleep(AFTER_ERROR);
                continue;
            }
        };
        let most = CLIENTS + if peer.may_change { RESERVED } else { 0 };
        let Some(slot) = slots.take(most) else {
            tracing::warn!("too many control clients; one was turned away");
            // a line fits into any socket's buffer; if it does not, nobody waits for it
            let _ = stream.set_nonblocking(true);
            let _ = answer(&stream, &error(format!("too many clients: {CLIENTS} are connected already")));
            continue;
        };
        let (commander, pace, around) = (commander.clone(), pace.clone(), around.clone());
        let spawned = std::thread::Builder::new().name("control-client".into()).spawn(move || {
            let _slot = slot;
            if let Err(error) = serve_client(&stream, &peer, &pace, &around, &commander) {
                tracing::debug!(%error, "control client");
            }
        });
        if let Err(error) = spawned {
            tracing::warn!(%error, "control client");
        }
    }
}

fn serve_client(
    stream: &UnixStream,
    peer: &Peer,
    pace: &Pace,
    around: &Around,
    commander: &Commander,
) -> io::Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))?;
    converse(stream, stream, peer, around, |command, cost| {
        pace.wait(cost);
        let answer = commander.ask(command);
        if let Some(Answer::Faults(reports)) = &answer {
            pace.owe(reports.len() as u32 / REPORTS);
        }
        answer
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_private_replaces_a_dead_one_and_respects_a_living_one() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let bind = || ControlSocket::bind(directory, "card", "model:x", &Access::default());
        let first = bind().unwrap();
        let (path, link) = (socket_path(directory, "card"), socket_path(directory, "model:x"));
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        let there_is_a_group = Group::from_name(READERS).is_ok_and(|group| group.is_some());
        assert_eq!(mode, if there_is_a_group { 0o660 } else { 0o600 });
        assert!(UnixStream::connect(&link).is_ok(), "by the device's name");
        assert!(matches!(bind(), Err(ControlError::Taken(_))));
        drop(first);
        assert!(!path.exists() && !link.is_symlink());
        // what is left by a daemon that was killed
        drop(UnixListener::bind(&path).unwrap());
        std::os::unix::fs::symlink("card.sock", &link).unwrap();
        assert!(path.exists());
        let second = bind().unwrap();
        assert!(UnixStream::connect(&link).is_ok());
        drop(second);
        // another daemon's, by another name
        let other = UnixListener::bind(socket_path(directory, "other")).unwrap();
        std::os::unix::fs::symlink("other.sock", &link).unwrap();
        assert!(matches!(bind(), Err(ControlError::Taken(path)) if path == link));
        drop(other);
    }

    #[test]
    fn a_file_of_somebodys_is_no_socket_to_be_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("important");
        for there in [path.clone(), path.with_extension("new")] {
            std::fs::write(&there, "mine").unwrap();
            let error = listen_at(&path, None).unwrap_err();
            assert!(error.to_string().contains("no socket"), "{error}");
            assert_eq!(std::fs::read(&there).unwrap(), b"mine");
            std::fs::remove_file(&there).unwrap();
        }
        drop(listen_at(&path, None).unwrap());
        listen_at(&path, None).expect("one that nobody serves");
    }

    #[test]
    fn a_group_that_does_not_exist_is_told() {
        let directory = tempfile::tempdir().unwrap();
        for access in [
            Access { readers: Some("no-such-group".into()), changers: None },
            Access { readers: None, changers: Some("no-such-group".into()) },
        ] {
            let error = ControlSocket::bind(directory.path(), "x", "x", &access).map(drop).unwrap_err().to_string();
            assert!(error.contains("no group 'no-such-group'"), "{error}");
        }
        assert!(std::fs::read_dir(directory.path()).unwrap().next().is_none());
    }

    #[test]
    fn a_socket_of_the_service_manager_is_not_ours_to_remove() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("card.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let adopted = ControlSocket::adopt(listener, directory.path(), "model:x", &Access::default()).unwrap();
        assert!(UnixStream::connect(socket_path(directory.path(), "model:x")).is_ok());
        drop(adopted);
        assert!(path.exists() && !socket_path(directory.path(), "model:x").is_symlink());
    }
}
