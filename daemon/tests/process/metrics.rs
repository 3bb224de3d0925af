//! What Prometheus is shown, and scrapers that behave badly.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

use nix::sys::signal::Signal;

use crate::daemon::{Daemon, Directory, PATIENCE, refused, told, udrvctl, wait_until};

fn scrape(mut stream: impl Read + Write) -> String {
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").expect("a request");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    text
}

fn connect(directory: &Directory) -> UnixStream {
    let stream = UnixStream::connect(directory.0.join("metrics")).expect("the socket");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

fn start(directory: &Directory) -> Daemon {
    let place = directory.0.join("metrics");
    Daemon::start(directory, &["--endpoint", "socket", "--metrics", place.to_str().expect("a plain name")])
}

/// The value of a line that begins with `name`.
fn value(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let line = line.unwrap_or_else(|| panic!("no {name} in:\n{text}"));
    line.trim().parse().unwrap_or_else(|_| panic!("{name}: {line}"))
}

#[test]
fn counters_are_those_of_the_status_and_the_device_is_left_alone() {
    let directory = Directory::new();
    let mut daemon = start(&directory);
    for fault in ["null-write", "panic"] {
        told(&directory, &["inject", "model:rtl8139", "link", fault]);
        told(&directory, &["call", "model:rtl8139", "link"]);
    }
    told(&directory, &["restart"]);
    let first = scrape(connect(&directory));
    assert!(first.starts_with("HTTP/1.1 200 OK\r\n") && first.ends_with("# EOF\n"), "{first}");
    let device = "device=\"model:rtl8139\"";
    assert_eq!(value(&first, &format!("udrv_faults_total{{{device},entry=\"link\",kind=\"panic\"}}")), 1);
    assert_eq!(value(&first, &format!("udrv_recoveries_total{{{device},entry=\"link\",outcome=\"abort\"}}")), 2);
    assert_eq!(value(&first, &format!("udrv_restarts_total{{{device}}}")), 1);
    assert_eq!(value(&first, &format!("udrv_frames_total{{{device},direction=\"receive\"}}")), 0);
    assert_eq!(value(&first, &format!("udrv_ring_frames{{{device},ring=\"transmit-device\"}}")), 0);
    assert_eq!(value(&first, &format!("udrv_unplugged{{{device}}}")), 0);
    let writes = format!("udrv_register_accesses_total{{{device},access=\"write\"}}");
    assert!(value(&first, &writes) > 0);
    // as often as it likes: no call is made for it
    let stats = format!("udrv_calls_total{{{device},entry=\"get_stats\"}}");
    let uptime = |text: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(&format!("udrv_uptime_seconds{{{device}}} ")))
            .expect("uptime")
            .to_owned()
    };
    wait_until("it is told anew", || uptime(&scrape(connect(&directory))) != uptime(&first));
    let second = scrape(connect(&directory));
    assert_eq!((value(&second, &stats), value(&second, &writes)), (value(&first, &stats), value(&first, &writes)));
    assert_eq!(daemon.end(Signal::SIGTERM).code(), Some(0));
    assert!(!directory.0.join("metrics").exists());
}

#[test]
fn a_port_of_the_loopback_interface_will_do() {
    let directory = Directory::new();
    let free =
        TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").to_string();
    let _daemon = Daemon::start(&directory, &["--endpoint", "socket", "--metrics", &free]);
    assert!(scrape(TcpStream::connect(&free).expect("it listens")).contains("udrv_calls_total"));
    let other = Directory::new();
    let arguments = ["model:rtl8139", "--no-far-host", "--endpoint", "socket", "--metrics"];
    let line = refused(&other.0, &[&arguments[..], &[&free]].concat());
    assert!(line.contains(&format!("metrics at {free}")) && line.contains("--metrics names another"), "{line}");
    let line = refused(&other.0, &[&arguments[..], &["0.0.0.0:9300"]].concat());
    assert!(line.contains("loopback"), "{line}");
}

/// Those that say nothing, and those that do not read, keep their own connections busy until their time is over.
#[test]
fn slow_scrapers_slow_nobody() {
    let directory = Directory::new();
    let daemon = start(&directory);
    let slow: Vec<UnixStream> = (0..8).map(|_| connect(&directory)).collect();
    for stream in &slow {
        let _ = (&*stream).write_all(b"GET /metr"); // those that are too many are closed
    }
    for _ in 0..20 {
        assert!(told(&directory, &["status"]).contains("rtl8139"));
    }
    wait_until("their time is over", || {
        let mut stream = connect(&directory);
        let mut text = String::new();
        let asked = stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").and_then(|()| stream.read_to_string(&mut text));
        asked.is_ok() && text.contains("# EOF")
    });
    assert!(udrvctl(&directory, &["status"]).status.success());
    drop((slow, daemon));
}
