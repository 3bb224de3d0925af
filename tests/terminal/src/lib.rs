//! A program in a terminal of its own: what it shows, keys, other sizes, and how it leaves the terminal behind.
//!
//! ```no_run
//! use udrv_terminal::{Size, Terminal};
//! let mut terminal = Terminal::start(Size { columns: 80, rows: 24 }, "cat", |_| ()).unwrap();
//! terminal.types("hello\n").unwrap();
//! terminal.wait(|screen| screen.contents().matches("hello").count() == 2).unwrap();
//! ```
#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
pub use vt100;
use vt100::{Parser, Screen};

/// How long anything may take before it counts as hung.
const PATIENCE: Duration = Duration::from_secs(20);

/// Of a terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Its width.
    pub columns: u16,
    /// Its height.
    pub rows: u16,
}

impl Size {
    /// As it is told to the screen: rows, columns; without any it shows nothing.
    fn cells(self) -> [NonZeroU16; 2] {
        [self.rows, self.columns].map(|cells| NonZeroU16::new(cells).unwrap_or(NonZeroU16::MIN))
    }

    fn words(self) -> Winsize {
        Winsize { ws_row: self.rows, ws_col: self.columns, ws_xpixel: 0, ws_ypixel: 0 }
    }
}

/// What has come to the screen.
struct Shown {
    parser: Parser,
    /// Nobody writes to it any more.
    ended: bool,
}

type Seen = Arc<(Mutex<Shown>, Condvar)>;

/// A terminal with a program in it, which is killed on drop.
pub struct Terminal {
    child: Child,
    master: File,
    /// The program's end: while it is open the terminal stays as the program has left it.
    slave: Option<OwnedFd>,
    seen: Seen,
    reader: Option<JoinHandle<()>>,
}

/// How a program has ended.
#[derive(Debug, Clone, Copy)]
pub struct End {
    /// Its own word.
    pub status: ExitStatus,
    /// The terminal shows what is typed and makes signals of keys, as a shell expects it.
    pub cooked: bool,
}

impl Terminal {
    /// Starts `program` in a terminal of that size, with what `prepare` adds: arguments, environment.
    ///
    /// # Errors
    /// No terminal, no program, no `setsid` (of util-linux), which makes the terminal the program's own.
    pub fn start(size: Size, program: impl AsRef<OsStr>, prepare: impl FnOnce(&mut Command)) -> io::Result<Terminal> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        // without O_NOCTTY it would become this process's own, if that leads a session
        let slave: OwnedFd = open(OsStr::from_bytes(name.as_bytes()))?;
        tcsetwinsize(&slave, size.words())?;
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(program);
        command.env("TERM", "xterm-256color").env_remove("NO_COLOR").env_remove("COLUMNS").env_remove("LINES");
        command.stdin(slave.try_clone()?).stdout(slave.try_clone()?).stderr(slave.try_clone()?);
        prepare(&mut command);
        let child = command.spawn()?;
        let master = File::from(master);
        let [rows, columns] = size.cells();
        let parser = Parser::new(rows, columns, 1000);
        let seen: Seen = Arc::new((Mutex::new(Shown { parser, ended: false }), Condvar::new()));
        let (mut from, to) = (master.try_clone()?, seen.clone());
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // an error, EIO, is how a terminal says that nobody has the other end
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                lock(&to).parser.process(&bytes[..count]);
                to.1.notify_all();
            }
            lock(&to).ended = true;
            to.1.notify_all();
        });
        Ok(Terminal { child, master, slave: Some(slave), seen, reader: Some(reader) })
    }

    /// The program's process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Types.
    ///
    /// # Errors
    /// Nobody has the terminal.
    pub fn types(&mut self, keys: &str) -> io::Result<()> {
        self.master.write_all(keys.as_bytes())
    }

    /// Gives it another size, of which the program is told.
    ///
    /// # Errors
    /// Nobody has the terminal.
    pub fn resize(&mut self, size: Size) -> io::Result<()> {
        // what the program draws for the new size must not come to a screen of the old one
        let [rows, columns] = size.cells();
        lock(&self.seen).parser.screen_mut().set_size(rows, columns);
        Ok(tcsetwinsize(&self.master, size.words())?)
    }

    /// Waits until the screen is as it should be, and gives it.
    ///
    /// # Errors
    /// What it shows instead, when that takes too long or the program has ended.
    pub fn wait(&self, mut good: impl FnMut(&Screen) -> bool) -> Result<Screen, String> {
        let deadline = Instant::now() + PATIENCE;
        let mut shown = lock(&self.seen);
        loop {
            if good(shown.parser.screen()) {
                return Ok(shown.parser.screen().clone());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || shown.ended {
                let how = if shown.ended { "the program has ended" } else { "waited in vain" };
                return Err(format!("{how}; the screen:\n{}", shown.parser.screen().contents()));
            }
            shown = self.seen.1.wait_timeout(shown, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for the program's end, and for all that it has shown.
    ///
    /// # Errors
    /// It does not end.
    pub fn end(&mut self) -> Result<(End, Screen), String> {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(2)), // between two looks
                Ok(None) => {
                    return Err(format!(
                        "it does not end; the screen:\n{}",
                        lock(&self.seen).parser.screen().contents()
                    ));
                }
                Err(error) => return Err(error.to_string()),
            }
        };
        let slave = self.slave.take().ok_or("it has ended before")?;
        let modes = tcgetattr(&slave).map_err(|error| error.to_string())?.local_modes;
        let cooked = modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
        drop(slave);
        if let Some(reader) = self.reader.take() {
            reader.join().map_err(|_| "the reader has panicked")?;
        }
        let screen = lock(&self.seen).parser.screen().clone();
        Ok((End { status, cooked }, screen))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // both fail only if it has ended and been waited for
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn open(path: &OsStr) -> io::Result<OwnedFd> {
    use std::os::unix::fs::OpenOptionsExt;
    let noctty = rustix::fs::OFlags::NOCTTY.bits().cast_signed();
    Ok(OpenOptions::new().read(true).write(true).custom_flags(noctty).open(path)?.into())
}

fn lock(seen: &Seen) -> MutexGuard<'_, Shown> {
    seen.0.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_sees_its_terminal_and_is_seen() {
        let size = Size { columns: 60, rows: 10 };
        let script = "trap 'stty size' WINCH; stty size; read line; echo \"<$line>\"; stty -echo; exit 3";
        let mut terminal = Terminal::start(size, "sh", |command| {
            command.args(["-c", script]);
        })
        .unwrap();
        terminal.wait(|screen| screen.contents().contains("10 60")).unwrap();
        terminal.types("hello\n").unwrap();
        let (end, screen) = terminal.end().unwrap();
        assert!(screen.contents().contains("<hello>"), "{}", screen.contents());
        assert_eq!((end.status.code(), end.cooked), (Some(3), false), "it has switched the echo off");
        assert!(terminal.wait(|_| false).unwrap_err().contains("has ended"));
        assert!(Terminal::start(size, "cat", |_| ()).unwrap().wait(|screen| screen.size().1.get() == 60).is_ok());
    }
}
