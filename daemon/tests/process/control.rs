//! Clients of the control socket that behave badly: they lose their connection, and nobody else notices.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;

use crate::daemon::{Daemon, Directory, PATIENCE, told};

fn connect(directory: &Directory) -> UnixStream {
    let stream = UnixStream::connect(directory.socket()).expect("the socket");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// Sends `bytes` and gives the first line that comes back; empty if the connection was closed.
fn say(directory: &Directory, bytes: &[u8]) -> String {
    let mut stream = connect(directory);
    // the daemon may close before it has read everything
    let _ = stream.write_all(bytes);
    let mut line = String::new();
    let _ = BufReader::new(stream).read_line(&mut line);
    line
}

#[test]
fn nonsense_is_answered_with_an_error() {
    let directory = Directory::new();
    let mut daemon = Daemon::start(&directory, &["--endpoint", "socket"]);
    let deep = format!("{}\n", "[".repeat(60_000));
    for nonsense in [
        &b"\n"[..],
        b"hello\n",
        b"\xff\xfe\xfd\n",
        b"{}\n",
        b"{\"version\":1}\n",
        b"{\"version\":99,\"command\":\"status\"}\n",
        b"{\"version\":1,\"command\":\"call\",\"entry\":\"\"}\n",
        b"{\"version\":1,\"command\":\"inject\",\"entry\":\"poll\",\"fault\":\"panic\",\"point\":\"end\",\"times\":-1}\n",
        deep.as_bytes(),
    ] {
        let line = say(&directory, nonsense);
        assert!(line.contains("\"answer\":\"error\""), "{:?}: {line:?}", String::from_utf8_lossy(nonsense));
    }
    assert!(told(&directory, &["status"]).contains("rtl8139") && daemon.is_alive());
}

#[test]
fn a_line_without_end_is_cut_off() {
    let directory = Directory::new();
    let mut daemon = Daemon::start(&directory, &["--endpoint", "socket"]);
    let mut stream = connect(&directory);
    let block = [b'x'; 4096];
    let mut sent = 0_usize;
    // until the daemon has had enough: it must not swallow without end
    while stream.write_all(&block).is_ok() {
        sent += block.len();
        assert!(sent < 64 << 20, "64 MiB without a line's end were taken");
    }
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(told(&directory, &["status"]).contains("rtl8139") && daemon.is_alive());
}

#[test]
fn silent_clients_hold_up_nobody() {
    let directory = Directory::new();
    let mut daemon = Daemon::start(&directory, &["--endpoint", "socket"]);
    let silent: Vec<UnixStream> = (0..4).map(|_| connect(&directory)).collect();
    for stream in &silent {
        (&*stream).write_all(b"{\"version\":1,").expect("half a request");
    }
    assert!(told(&directory, &["status"]).contains("rtl8139"));
    // more than are served at a time: those that come then are told so
    let more: Vec<UnixStream> = (0..12).map(|_| connect(&directory)).collect();
    let mut line = String::new();
    BufReader::new(more.last().expect("twelve")).read_line(&mut line).expect("an answer or the end");
    assert!(line.contains("too many clients"), "{line:?}");
    drop((silent, more));
    crate::daemon::wait_until("clients that left make room", || {
        crate::daemon::udrvctl(&directory, &["status"]).status.success()
    });
    assert!(daemon.is_alive());
}

#[test]
fn clients_that_leave_before_the_answer_do_no_harm() {
    let directory = Directory::new();
    let mut daemon = Daemon::start(&directory, &["--endpoint", "socket"]);
    for _ in 0..200 {
        let mut stream = connect(&directory);
        let _ = stream.write_all(b"{\"version\":1,\"command\":\"status\"}\n");
    }
    crate::daemon::wait_until("it still answers", || crate::daemon::udrvctl(&directory, &["status"]).status.success());
    assert!(daemon.is_alive());
}

#[test]
fn the_socket_is_for_its_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let directory = Directory::new();
    let _daemon = Daemon::start(&directory, &["--endpoint", "socket"]);
    let mode = std::fs::metadata(directory.socket()).expect("the socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
