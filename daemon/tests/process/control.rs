//! Clients of the control socket that behave badly: they lose their connection, and nobody else notices.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::daemon::{Daemon, Directory, PATIENCE, told, udrvd};

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

/// Eight that ask without end are answered as often as they may and no more often, and packets go through. How fast is printed: that
/// is a matter of the machine too.
#[test]
fn clients_that_flood_are_answered_at_a_pace_and_packets_go_through() {
    const FLOOD: Duration = Duration::from_secs(3);
    let directory = Directory::new();
    let (host, wire) = UnixDatagram::pair().expect("a pair of sockets");
    let mut command = udrvd(&directory.0, &["model:rtl8139", "--endpoint", "stdin"]);
    command.stdin(OwnedFd::from(wire));
    let _daemon = Daemon::of(command).until_it_runs();
    let quiet = trips(&host, FLOOD / 3);

    let (begin, answered) = (Instant::now(), AtomicU64::new(0));
    let flooded = std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut stream = BufReader::new(connect(&directory));
                let mut line = String::new();
                while begin.elapsed() < FLOOD {
                    stream.get_mut().write_all(b"{\"version\":1,\"command\":\"status\"}\n").expect("a request");
                    line.clear();
                    stream.read_line(&mut line).expect("an answer");
                    assert!(line.contains("\"answer\":\"status\""), "{line}");
                    answered.fetch_add(1, Relaxed);
                }
            });
        }
        trips(&host, FLOOD / 2)
    });
    // a burst, and a thousand a second; the last ones may wait
    let most = 200 + 1000 * begin.elapsed().as_secs() + 1000 + 8;
    let answered = answered.load(Relaxed);
    println!(
        "{answered} requests answered in {:?}; median trip {quiet:?} without them, {flooded:?} with them",
        begin.elapsed()
    );
    assert!(answered <= most, "{answered} answers, {most} at most");
    assert!(answered >= 100, "a client that is slowed down is still served");
}

/// The median time from an ARP request to the far host's answer.
fn trips(host: &UnixDatagram, time: Duration) -> Duration {
    let mut request = [0_u8; 60];
    request[..6].fill(0xff);
    request[6..12].copy_from_slice(&[0x52, 0x54, 0, 0x12, 0x34, 0x56]);
    request[12..22].copy_from_slice(&[8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    request[22..28].copy_from_slice(&[0x52, 0x54, 0, 0x12, 0x34, 0x56]);
    request[28..32].copy_from_slice(&[10, 0, 2, 15]);
    request[38..42].copy_from_slice(&[10, 0, 2, 2]);
    host.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let (begin, mut all) = (Instant::now(), Vec::new());
    while begin.elapsed() < time {
        let sent = Instant::now();
        host.send(&request).expect("a frame is taken");
        let mut frame = [0; 2048];
        loop {
            let length = host.recv(&mut frame).expect("an answer");
            if frame[12..14] == [8, 6] && frame[20..22] == [0, 2] && length >= 42 {
                break;
            }
        }
        all.push(sent.elapsed());
    }
    all.sort_unstable();
    all[all.len() / 2]
}

/// A client that asks for much and reads nothing has its own thread wait, and nobody else.
#[test]
fn a_client_that_does_not_read_holds_up_nobody() {
    let directory = Directory::new();
    let daemon = Daemon::start(&directory, &["--endpoint", "socket"]);
    let mut deaf = connect(&directory);
    deaf.set_write_timeout(Some(Duration::from_millis(200))).expect("a timeout");
    // until neither side takes more
    while deaf.write_all(b"{\"version\":1,\"command\":\"status\"}\n").is_ok() {}
    for _ in 0..10 {
        assert!(told(&directory, &["status"]).contains("rtl8139"));
    }
    drop((deaf, daemon));
}

/// As user nobody, in its group.
fn as_nobody(directory: &Directory, arguments: &[&str]) -> Option<std::process::Output> {
    use std::os::unix::process::CommandExt;
    let nobody = nix::unistd::User::from_name("nobody").ok()??;
    // its own place may be closed to others
    let tool = directory.0.join("udrvctl");
    crate::daemon::copy(std::path::Path::new(env!("CARGO_BIN_EXE_udrvctl")), &tool);
    let mut command = std::process::Command::new(tool);
    command.args(arguments).env("UDRV_RUNTIME_DIR", &directory.0).uid(nobody.uid.as_raw()).gid(nobody.gid.as_raw());
    Some(command.output().expect("it runs"))
}

#[test]
fn one_group_may_look_and_one_may_change() {
    use std::os::unix::fs::PermissionsExt;
    let nobody = nix::unistd::User::from_name("nobody").ok().flatten();
    let group = nobody.and_then(|nobody| nix::unistd::Group::from_gid(nobody.gid).ok().flatten());
    let Some(group) = group.filter(|_| nix::unistd::geteuid().is_root()) else {
        println!("skipped: only root can be somebody else, and there must be a user nobody");
        return;
    };
    for (groups, may) in [
        (&["--read-group", "root"][..], [false, false]),
        (&["--read-group", &group.name], [true, false]),
        (&["--read-group", &group.name, "--change-group", &group.name], [true, true]),
    ] {
        let directory = Directory::new();
        let daemon = Daemon::start(&directory, &[&["--endpoint", "socket"][..], groups].concat());
        let mode = std::fs::metadata(directory.socket()).expect("the socket").permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
        for (arguments, may) in [["status", "model:rtl8139"], ["restart", "model:rtl8139"]].iter().zip(may) {
            let output = as_nobody(&directory, arguments).expect("there is a user nobody");
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.success(), may, "{groups:?} {arguments:?}: {text}");
            let why = ["may look and not change anything", "Permission denied"];
            assert!(may || why.iter().any(|why| text.contains(why)), "{text}");
            let cannot_connect = text.contains("Permission denied");
            assert_eq!(output.status.code() == Some(5), cannot_connect, "{:?}: {text}", output.status);
        }
        assert!(told(&directory, &["restart"]).is_empty(), "root may");
        drop(daemon);
    }
}

/// What a `.socket` unit has made is used as it is, and left to it.
#[test]
fn a_socket_that_the_service_manager_hands_over_is_used() {
    let directory = Directory::new();
    let path = directory.0.join("card0.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    listener.set_nonblocking(true).expect("NonBlocking=yes");
    let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=control exec \"$1\" run model:rtl8139 \
                  --no-far-host --endpoint socket";
    let mut command = std::process::Command::new("sh");
    command.args(["-ec", script, "sh", env!("CARGO_BIN_EXE_udrvd")]).env("UDRV_RUNTIME_DIR", &directory.0);
    command.stdin(OwnedFd::from(listener)).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut daemon = Daemon::of(command).until_it_runs();
    for arguments in [&["status"][..], &["status", "card0"], &["status", "model:rtl8139"]] {
        assert!(told(&directory, arguments).contains("rtl8139"), "{arguments:?}");
    }
    assert_eq!(daemon.end(nix::sys::signal::Signal::SIGTERM).code(), Some(0));
    assert!(path.exists() && !directory.socket().is_symlink());
}
