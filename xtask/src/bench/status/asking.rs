//! Clients of a control socket, as many and as fast as is to be tried.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::steps::Failure;

/// How long an answer may take before it counts as none.
const PATIENCE: Duration = Duration::from_secs(5);
/// Clients that ask without a pause: one fewer than those that may only look can be, so that there is room for one that is timed.
pub(super) const FLOOD: usize = 7;

/// What is asked, one after the other over one connection.
pub(super) const STATUS: &[&str] = &[r#"{"version":1,"command":"status"}"#];
/// What top asks, where there are new faults each time.
pub(super) const TOP: &[&str] =
    &[r#"{"version":1,"command":"glance"}"#, r#"{"version":1,"command":"faults","after":0,"brief":true}"#];

/// Connects, asks, and waits for the answers, as `udrvctl` does: how long that takes, nanoseconds.
pub(super) fn ask(socket: &Path, requests: &[&str]) -> io::Result<f64> {
    let begun = Instant::now();
    let mut stream = connect(socket)?;
    for request in requests {
        exchange(&mut stream, request)?;
    }
    Ok(begun.elapsed().as_nanos() as f64)
}

fn connect(socket: &Path) -> io::Result<BufReader<UnixStream>> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(BufReader::new(stream))
}

fn exchange(stream: &mut BufReader<UnixStream>, request: &str) -> io::Result<()> {
    stream.get_mut().write_all(format!("{request}\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_line(&mut answer)?;
    if answer.contains(r#""answer":"error""#) || !answer.ends_with('\n') {
        return Err(io::Error::other(format!("udrvd says: {}", answer.trim_end())));
    }
    Ok(())
}

/// Clients at work. They end when this is ended.
pub(super) struct Clients {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<io::Result<Vec<f64>>>>,
}

impl Clients {
    /// Nobody.
    pub(super) fn nobody() -> Clients {
        Clients { stop: Arc::default(), threads: Vec::new() }
    }

    /// One more that asks each `every`, with a connection each time; the answers' times are kept.
    pub(super) fn asking(mut self, socket: &Path, requests: &'static [&'static str], every: Duration) -> Clients {
        let (socket, stop) = (socket.to_owned(), self.stop.clone());
        self.threads.push(thread::spawn(move || {
            let (mut times, mut due) = (Vec::new(), Instant::now());
            while !stop.load(Relaxed) {
                times.push(ask(&socket, requests)?);
                due += every;
                thread::sleep(due.saturating_duration_since(Instant::now())); // the rate that is to be tried
            }
            Ok(times)
        }));
        self
    }

    /// Many that ask without a pause. Nobody looks at their times.
    pub(super) fn flooding(mut self, socket: &Path) -> Clients {
        for _ in 0..FLOOD {
            let (socket, stop) = (socket.to_owned(), self.stop.clone());
            self.threads.push(thread::spawn(move || flood(&socket, &stop).map(|()| Vec::new())));
        }
        self
    }

    /// Ends them: the times of the answers, nanoseconds.
    pub(super) fn end(self) -> Result<Vec<f64>, Failure> {
        self.stop.store(true, Relaxed);
        let mut times = Vec::new();
        for thread in self.threads {
            let asked = thread.join().map_err(|_| Failure::Output("a client has panicked".to_owned()))?;
            times.extend(asked.map_err(|source| Failure::Io { doing: "ask udrvd".to_owned(), source })?);
        }
        Ok(times)
    }
}

fn flood(socket: &Path, stop: &AtomicBool) -> io::Result<()> {
    let mut stream = connect(socket)?;
    while !stop.load(Relaxed) {
        exchange(&mut stream, STATUS[0])?;
    }
    Ok(())
}
