//! The streams over the kernel's TCP.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    thread::sleep,
    time::{Duration, Instant},
};

use nix::sys::socket::{setsockopt, sockopt::SndBuf};

use super::{
    super::error::{Doing, Error, Result},
    DOWNLOAD, FAR_HOST, MARGIN, Orders, PORT_SINK, PORT_SOURCE, Stream,
    pace::Pace,
    payload::{DIGEST, Incoming, Outgoing},
};

/// How long a connection may take to come about.
const PATIENCE: Duration = Duration::from_secs(10);
/// After so long a call looks whether it is still wanted.
const SLICE: Duration = Duration::from_millis(100);
/// Bytes that the kernel may keep of an upload: what it takes is then about what the far host acknowledges. The kernel
/// doubles it.
const SEND_BUFFER: usize = 64 * 1024;

/// Uploads to the sink until it is told to finish, and a little more.
pub(super) fn upload(orders: &Orders, stream: &Stream, seed: u64) -> Result<()> {
    let began = Instant::now();
    let mut socket = connect(PORT_SINK)?;
    setsockopt(&socket, SndBuf, &SEND_BUFFER).doing(|| "set the send buffer".to_owned())?;
    let (mut outgoing, mut pace) = (Outgoing::new(seed), Pace::new(Instant::now()));
    let mut end = None;
    while end.is_none_or(|end| outgoing.sent() < end) {
        if end.is_none() && orders.finish() {
            end = Some(outgoing.sent() + MARGIN);
        }
        orders.abandoned()?;
        stream.moves()?;
        if let Some(pause) = pace.wait(Instant::now()) {
            sleep(pause);
        }
        if let Some(n) = progress(socket.write(outgoing.next()), "upload")? {
            outgoing.taken(n);
            pace.sent(Instant::now(), n as u64);
            stream.meter.add(n as u64);
        }
    }
    socket.shutdown(Shutdown::Write).doing(|| "end the upload".to_owned())?;
    let mut answer = Vec::new();
    let mut buffer = [0; DIGEST + 1];
    loop {
        orders.abandoned()?;
        stream.moves()?;
        match progress(socket.read(&mut buffer), "answer to the upload")? {
            Some(0) => break,
            Some(n) => answer.extend(&buffer[..n]),
            None => {}
        }
    }
    stream.ended(began, 1, outgoing.is_hash(&answer));
    Ok(())
}

/// Downloads from the source, again and again until it is told to finish.
pub(super) fn download(orders: &Orders, stream: &Stream) -> Result<()> {
    let began = Instant::now();
    let (mut connections, mut sha256_ok) = (0, true);
    while connections == 0 || !orders.finish() {
        let mut socket = connect(PORT_SOURCE)?;
        socket.write_all(&DOWNLOAD.to_be_bytes()).doing(|| "ask for a download".to_owned())?;
        let mut incoming = Incoming::new(DOWNLOAD);
        let mut buffer = [0; 64 * 1024];
        loop {
            orders.abandoned()?;
            stream.moves()?;
            match progress(socket.read(&mut buffer), "download")? {
                Some(0) => break,
                Some(n) => stream.meter.add(incoming.take(&buffer[..n])?),
                None => {}
            }
        }
        connections += 1;
        sha256_ok &= incoming.end()?;
    }
    stream.ended(began, connections, sha256_ok);
    Ok(())
}

fn connect(port: u16) -> Result<TcpStream> {
    let doing = || format!("connect to {FAR_HOST}:{port}");
    let socket = TcpStream::connect_timeout(&(FAR_HOST, port).into(), PATIENCE).doing(doing)?;
    let limited = socket.set_read_timeout(Some(SLICE)).and_then(|()| socket.set_write_timeout(Some(SLICE)));
    limited.doing(doing)?;
    Ok(socket)
}

/// Bytes that moved; `None`: none in this slice.
fn progress(result: io::Result<usize>, what: &str) -> Result<Option<usize>> {
    match result {
        Ok(n) => Ok(Some(n)),
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => Ok(None),
        Err(e) if matches!(e.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
            Err(Error::Wrong(format!("{what}: the connection was reset ({e})")))
        }
        Err(source) => Err(Error::Io { doing: what.to_owned(), source }),
    }
}
