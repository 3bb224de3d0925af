//! Register accesses in a file: pcap with nanoseconds, one packet an access, link type 147 (user 0).
//!
//! ```text
//!   byte 0   1: version of this format
//!        1   bit 0: a write; bit 1: the device or the bus has failed; bit 2: puts back what was before a call that has failed
//!        2   bytes of the register: 1, 2 or 4
//!        3   which of several registers of that name
//!        4   offset as declared, 32 bits
//!        8   value, 32 bits; 0 where the access has failed
//!       12   number of the call, 64 bits, as in fault reports; 0: none
//!       20   length of the entry point's name, and the name
//!        .   length of the register's name, and the name
//! ```
//!
//! Numbers are little-endian. The device's thread hands accesses over and never waits: what the disk is too slow for is counted.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::UNIX_EPOCH;

use udrv::trace::{Access, Tracer};

use crate::protocol::TraceStatus;

/// Accesses that wait to be written, at most.
const WAITING: usize = 1 << 14;
/// Of pcap: nanoseconds, in this machine's order.
const MAGIC: u32 = 0xa1b2_3c4d;
/// Of pcap.
const VERSION: [u16; 2] = [2, 4];
/// Of pcap: `LINKTYPE_USER0`.
const LINK_TYPE: u32 = 147;
/// Of a packet.
const FORMAT: u8 = 1;
/// Longest packet.
const SNAP_LENGTH: u32 = 1024;
/// Bytes of a file without packets.
const HEADER: u64 = 24;

/// Why there is no trace.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// There is one.
    #[error("a trace is being written into {0} already; udrvctl trace stop ends it")]
    Running(PathBuf),
    /// The daemon has another working directory than who asks.
    #[error("'{0}': a trace needs a path from the root")]
    Path(PathBuf),
    /// Nothing would fit.
    #[error("a trace of {0} bytes is none: give it 4096 at least")]
    Limit(u64),
    /// The file cannot be made.
    #[error("trace {path}: {source}; it must be a new file in a directory that the daemon may write")]
    Io {
        /// The file.
        path: PathBuf,
        /// errno.
        #[source]
        source: io::Error,
    },
}

/// One trace at a time.
#[derive(Debug, Default)]
pub struct Trace {
    tracer: Arc<Tracer>,
    current: Mutex<Option<Current>>,
}

#[derive(Debug)]
struct Current {
    writer: Option<JoinHandle<()>>,
    written: Arc<Mutex<TraceStatus>>,
}

impl Trace {
    /// For the device.
    #[must_use]
    pub fn tracer(&self) -> Arc<Tracer> {
        self.tracer.clone()
    }

    /// The one that is being written, or the last one.
    #[must_use]
    pub fn status(&self) -> Option<TraceStatus> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().map(|current| self.status_of(current))
    }

    fn status_of(&self, current: &Current) -> TraceStatus {
        let status = current.written.lock().unwrap_or_else(PoisonError::into_inner).clone();
        TraceStatus { dropped: self.tracer.dropped(), ..status }
    }

    /// Begins one in a file that does not exist; it ends by itself when that has `limit` bytes.
    ///
    /// # Errors
    /// [`TraceError`].
    pub fn start(&self, path: &Path, limit: u64) -> Result<TraceStatus, TraceError> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(status) = current.as_ref().map(|current| self.status_of(current)).filter(|status| status.running) {
            return Err(TraceError::Running(status.file));
        }
        if !path.is_absolute() {
            return Err(TraceError::Path(path.to_owned()));
        }
        if limit < 4096 {
            return Err(TraceError::Limit(limit));
        }
        let io = |source| TraceError::Io { path: path.to_owned(), source };
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(io)?;
        let status =
            TraceStatus { file: path.to_owned(), running: true, accesses: 0, dropped: 0, bytes: HEADER, ended: None };
        let written = Arc::new(Mutex::new(status.clone()));
        let (sender, receiver) = sync_channel(WAITING);
        // before there is a writer, which stops it when it has failed
        self.tracer.start(sender);
        let (tracer, told) = (self.tracer.clone(), written.clone());
        let write = move || {
            let ended = write_all(file, &receiver, limit, &told);
            tracer.stop();
            let mut status = told.lock().unwrap_or_else(PoisonError::into_inner);
            status.running = false;
            if let Some(why) = ended {
                tracing::warn!("trace {}: {why}", status.file.display());
                status.ended = Some(why);
            }
        };
        let writer = std::thread::Builder::new().name("trace".into()).spawn(write).map_err(|error| {
            self.tracer.stop();
            io(error)
        })?;
        *current = Some(Current { writer: Some(writer), written });
        Ok(status)
    }

    /// Ends it, and waits until all is in the file.
    pub fn stop(&self) -> Option<TraceStatus> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        // with the lock: one that somebody begins meanwhile would be waited for and not ended
        self.tracer.stop();
        let current = current.as_mut()?;
        if let Some(writer) = current.writer.take() {
            let _ = writer.join();
        }
        Some(self.status_of(current))
    }
}

/// Writes until nobody sends any more. Why it has ended before that, if it has.
fn write_all(file: File, accesses: &Receiver<Access>, limit: u64, told: &Mutex<TraceStatus>) -> Option<String> {
    let mut file = BufWriter::new(file);
    let done = write_header(&mut file).and_then(|()| {
        let (mut count, mut bytes) = (0, HEADER);
        let mut full = false;
        loop {
            let access = match accesses.try_recv() {
                Ok(access) => access,
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {
                    file.flush()?; // whoever reads it meanwhile sees all that was done
                    tell(told, count, bytes);
                    match accesses.recv() {
                        Ok(access) => access,
                        Err(_) => break,
                    }
                }
            };
            let packet = packet(&access);
            full = bytes + packet.len() as u64 > limit;
            if full {
                break;
            }
            file.write_all(&packet)?;
            (count, bytes) = (count + 1, bytes + packet.len() as u64);
        }
        file.flush()?;
        tell(told, count, bytes);
        Ok(full)
    });
    match done {
        Ok(false) => None,
        Ok(true) => Some(format!("it has its {limit} bytes")),
        Err(error) => Some(error.to_string()),
    }
}

fn tell(told: &Mutex<TraceStatus>, accesses: u64, bytes: u64) {
    let mut status = told.lock().unwrap_or_else(PoisonError::into_inner);
    (status.accesses, status.bytes) = (accesses, bytes);
}

fn write_header(file: &mut impl Write) -> io::Result<()> {
    let mut header = Vec::with_capacity(HEADER as usize);
    header.extend(MAGIC.to_le_bytes());
    header.extend(VERSION.iter().flat_map(|part| part.to_le_bytes()));
    header.extend([0; 8]); // universal time, of whatever accuracy
    header.extend(SNAP_LENGTH.to_le_bytes());
    header.extend(LINK_TYPE.to_le_bytes());
    file.write_all(&header)
}

/// A packet with its header.
fn packet(access: &Access) -> Vec<u8> {
    let entry = access.entry.map_or("", |entry| entry.name());
    let flags = u8::from(access.write) | u8::from(access.value.is_none()) << 1 | u8::from(access.undo) << 2;
    let mut body = vec![FORMAT, flags, access.width, access.element.min(255) as u8];
    body.extend(u32::from(access.offset).to_le_bytes());
    body.extend(access.value.unwrap_or(0).to_le_bytes());
    body.extend(access.transaction.to_le_bytes());
    for name in [entry, access.register] {
        let name = &name.as_bytes()[..name.len().min(255)];
        body.push(name.len() as u8);
        body.extend(name);
    }
    let at = access.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let length = body.len() as u32;
    let mut packet = Vec::with_capacity(16 + body.len());
    for word in [at.as_secs() as u32, at.subsec_nanos(), length, length] {
        packet.extend(word.to_le_bytes());
    }
    packet.extend(body);
    packet
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_trace_needs_a_new_file_from_the_root() {
        let directory = tempfile::tempdir().unwrap();
        let trace = Trace::default();
        let start = |path: &Path, limit| trace.start(path, limit).map(drop).map_err(|error| error.to_string());
        assert!(start(Path::new("trace.pcap"), 4096).unwrap_err().contains("from the root"));
        assert!(start(&directory.path().join("a"), 5).unwrap_err().contains("4096"));
        let there = directory.path().join("there");
        std::fs::write(&there, "mine").unwrap();
        assert!(start(&there, 4096).unwrap_err().contains("File exists"));
        assert_eq!(std::fs::read(&there).unwrap(), b"mine");
        assert!(start(Path::new("/no/such/directory/trace"), 4096).unwrap_err().contains("No such file"));
        assert_eq!(trace.status(), None);
        start(&directory.path().join("a"), 4096).unwrap();
        assert!(start(&directory.path().join("b"), 4096).unwrap_err().contains("already"));
        let status = trace.stop().unwrap();
        assert!(!status.running && status.accesses == 0 && status.bytes == HEADER, "{status:?}");
        start(&directory.path().join("b"), 4096).unwrap();
        trace.stop().unwrap();
    }

    /// Whoever stops it waits for the trace that it has stopped, and not for one that somebody begins meanwhile.
    #[test]
    fn to_stop_comes_to_an_end_while_others_start() {
        let directory = tempfile::tempdir().unwrap();
        let (trace, done) = (Arc::new(Trace::default()), Arc::new(AtomicBool::new(false)));
        let (tell, stopped) = channel();
        let (ours, ended) = (trace.clone(), done.clone());
        let starter = std::thread::spawn(move || {
            for number in 0.. {
                if ended.load(Relaxed) {
                    break;
                }
                let _ = ours.start(&directory.path().join(number.to_string()), 4096); // one may be running
            }
        });
        let ours = trace.clone();
        std::thread::spawn(move || {
            (0..500).for_each(|_| drop(ours.stop()));
            tell.send(()).unwrap();
        });
        stopped.recv_timeout(Duration::from_secs(60)).expect("it waits for a trace that nobody stops");
        done.store(true, Relaxed);
        starter.join().unwrap();
        assert!(trace.stop().is_some_and(|status| !status.running));
    }

    #[test]
    fn a_full_disk_ends_it_with_a_reason() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let told = Mutex::new(TraceStatus {
            file: "/dev/full".into(),
            running: true,
            accesses: 0,
            dropped: 0,
            bytes: 0,
            ended: None,
        });
        let (_sender, receiver) = sync_channel(1);
        let ended = write_all(full, &receiver, 1 << 20, &told).unwrap();
        assert!(ended.contains("No space left"), "{ended}");
    }
}
