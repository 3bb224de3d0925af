//! The line of a PS/2 device that is served: bytes both ways at a socket, each with the time that it takes on a real one.
//!
//! One client at a time, as a port has one cable. While nobody is connected the line is held: the device keeps what it has to say.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Instant;

use model_psmouse::PsMouseModel;
use model_serve::{ServeError, Socket};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::TimeSpec;

/// Serves until the socket is stopped.
pub(crate) fn serve(socket: &Socket, mut mouse: PsMouseModel) -> Result<(), ServeError> {
    let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
    let wake = Arc::new(EventFd::from_flags(flags).map_err(|errno| failed("eventfd", errno))?);
    let bench = wake.clone();
    mouse.watch(move || {
        // full only after 2^64 of them, and then it is readable
        let _full = bench.write(1);
    });
    while let Some(stream) = socket.accept()? {
        stream.set_nonblocking(true).map_err(|source| ServeError::Io { operation: "fcntl", source })?;
        if !connected(socket, stream, &mut mouse, &wake)? {
            return Ok(());
        }
    }
    Ok(())
}

/// Until the client leaves. False: it is to stop.
fn connected(
    socket: &Socket,
    mut stream: UnixStream,
    mouse: &mut PsMouseModel,
    wake: &EventFd,
) -> Result<bool, ServeError> {
    loop {
        let mut said = Vec::new();
        while let Some(byte) = mouse.read() {
            said.push(byte.value);
        }
        // there is room for minutes of it: who does not take them has gone in all but the name
        if stream.write_all(&said).is_err() {
            return Ok(true);
        }
        let patience = mouse.wakes_at().map(|at| TimeSpec::from(at.saturating_duration_since(Instant::now())));
        let files = [socket.stop(), stream.as_fd(), wake.as_fd()];
        let mut files = files.map(|file| PollFd::new(file, PollFlags::POLLIN));
        match ppoll(&mut files, patience, None) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(failed("ppoll", errno)),
        }
        let [stop, heard, woken] = files.map(|file| file.any().unwrap_or(false));
        if stop {
            return Ok(false);
        }
        if woken {
            // empty already is as good
            let _ = wake.read();
        }
        if heard && !hear(&mut stream, mouse) {
            return Ok(true);
        }
    }
}

/// Passes on what the client says. False: it has gone.
fn hear(stream: &mut UnixStream, mouse: &mut PsMouseModel) -> bool {
    let mut bytes = [0; 64];
    match stream.read(&mut bytes) {
        Ok(0) => false,
        Ok(count) => {
            bytes[..count].iter().for_each(|byte| mouse.write(*byte));
            true
        }
        Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
    }
}

fn failed(operation: &'static str, errno: Errno) -> ServeError {
    ServeError::Io { operation, source: errno.into() }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use model_psmouse::{Action, Button, Config, codes::command};

    use super::*;

    fn read(client: &mut UnixStream, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        client.read_exact(&mut bytes).expect("it says so much");
        bytes
    }

    #[test]
    fn bytes_go_both_ways_and_what_the_hand_does_wakes_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("line");
        let socket = Socket::bind(&path).expect("a socket");
        let stop = socket.stopper();
        let (mouse, hand) = PsMouseModel::new(Config::default());
        let server = thread::spawn(move || serve(&socket, mouse));
        let connect = || {
            let client = UnixStream::connect(&path).expect("it listens");
            client.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
            client
        };
        let mut client = connect();
        client.write_all(&[command::RESET]).expect("it reads");
        assert_eq!(read(&mut client, 3), [0xfa, 0xaa, 0]);
        client.write_all(&[command::ENABLE]).expect("it reads");
        assert_eq!(read(&mut client, 1), [0xfa]);
        // nothing is due on the line by itself now
        hand.act(Action::Press(Button::Left));
        assert_eq!(read(&mut client, 3), [0x09, 0, 0]);
        // what happens while nobody is there is told to who comes next
        drop(client);
        let mut client = connect();
        hand.act(Action::Release(Button::Left));
        assert_eq!(read(&mut client, 3), [0x08, 0, 0]);
        stop.stop();
        server.join().expect("no panic").expect("it ends well");
        assert_eq!(client.read(&mut [0]).expect("closed"), 0);
    }
}
