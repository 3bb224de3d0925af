//! A keeper of file descriptors: what a service manager does with FDSTORE (sd_notify(3)) and LISTEN_FDS
//! (sd_listen_fds(3)), and no more. It starts a program, keeps what that hands out, and passes it to the next one.
#![forbid(unsafe_code)]

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use command_fds::{CommandFdExt, FdMapping};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

/// The first number that passed descriptors have.
const FIRST: i32 = 3;
/// Descriptors in one message.
const MAX_FDS: usize = 8;

/// See the module's text. Listens on a thread of its own until the process ends.
#[derive(Debug)]
pub struct Keeper {
    path: PathBuf,
    kept: Arc<Mutex<Vec<(String, OwnedFd)>>>,
}

impl Keeper {
    /// One that listens at a socket in `directory`.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn new(directory: &Path) -> io::Result<Keeper> {
        let path = directory.join("notify");
        let socket = UnixDatagram::bind(&path)?;
        let kept = Arc::<Mutex<Vec<(String, OwnedFd)>>>::default();
        let list = kept.clone();
        std::thread::Builder::new().name("keeper".into()).spawn(move || {
            // an error ends it: nothing more comes
            while let Ok((text, fds)) = receive(&socket) {
                serve(&mut lock(&list), &text, fds);
            }
        })?;
        Ok(Keeper { path, kept })
    }

    /// What is kept, under its names.
    pub fn kept(&self) -> MutexGuard<'_, Vec<(String, OwnedFd)>> {
        lock(&self.kept)
    }

    /// Names of what is kept, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.kept().iter().map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        names
    }

    /// A command that runs `program` with `arguments` so that it finds this keeper, and what is kept.
    ///
    /// # Errors
    /// No room for descriptors.
    pub fn command(&self, program: &Path, arguments: &[&str]) -> io::Result<Command> {
        let kept = self.kept();
        // only the new process knows its number
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "LISTEN_PID=$$; export LISTEN_PID; exec \"$@\"", "sh"]).arg(program).args(arguments);
        command.env("NOTIFY_SOCKET", &self.path).env("LISTEN_FDS", kept.len().to_string());
        let names: Vec<&str> = kept.iter().map(|(name, _)| name.as_str()).collect();
        if !names.is_empty() {
            command.env("LISTEN_FDNAMES", names.join(":"));
        }
        let mappings = (FIRST..).zip(kept.iter());
        let mappings = mappings.map(|(child_fd, (_, fd))| Ok(FdMapping { parent_fd: fd.try_clone()?, child_fd }));
        let mappings = mappings.collect::<io::Result<Vec<_>>>()?;
        command.fd_mappings(mappings).map_err(|_| io::Error::other("two descriptors with one number"))?;
        Ok(command)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn lock(list: &Mutex<Vec<(String, OwnedFd)>>) -> MutexGuard<'_, Vec<(String, OwnedFd)>> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The next message, and the descriptors with it.
fn receive(socket: &UnixDatagram) -> io::Result<(String, Vec<OwnedFd>)> {
    let mut bytes = [0; 4096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC;
    let got = recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags)?;
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    Ok((String::from_utf8_lossy(&bytes[..got.bytes]).into_owned(), fds))
}

/// Descriptors that are not asked to be kept are closed, which is all that BARRIER wants.
fn serve(kept: &mut Vec<(String, OwnedFd)>, text: &str, fds: Vec<OwnedFd>) {
    let name = text.lines().find_map(|line| line.strip_prefix("FDNAME=")).unwrap_or("stored");
    if text.lines().any(|line| line == "FDSTOREREMOVE=1") {
        kept.retain(|(other, _)| other != name);
    }
    if text.lines().any(|line| line == "FDSTORE=1") {
        kept.extend(fds.into_iter().map(|fd| (name.to_owned(), fd)));
    }
}
