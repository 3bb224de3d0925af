//! A model in a process of its own, and udrvd that drives it from another.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::daemon::{Daemon, Directory, refused, told, udrvctl, wait_until};

/// A running `udrvctl model serve`. Killed on drop.
pub(crate) struct Server {
    child: Child,
    pub(crate) socket: PathBuf,
}

impl Server {
    /// Starts it with a host at its wire, and waits until it says that it serves.
    fn start(sockets: &Directory, model: &str) -> Server {
        let (server, line) = Server::launch(sockets, model, &[]);
        assert!(line.contains("10.0.2.2"), "{line}");
        server
    }

    /// The same with these options; also what it says. The socket is beside the runtime directory.
    pub(crate) fn launch(sockets: &Directory, model: &str, options: &[&str]) -> (Server, String) {
        let socket = sockets.0.join("card.sock");
        let mut command = Command::new(env!("CARGO_BIN_EXE_udrvctl"));
        command.args(["model", "serve", model]).arg(&socket).args(options);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("udrvctl starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        for word in [&format!("model:{model}"), &format!(":{}", socket.display())] {
            assert!(line.contains(word), "{line}");
        }
        (Server { child, socket }, line)
    }

    fn device(&self) -> String {
        format!("vfio-user:{}", self.socket.display())
    }

    pub(crate) fn end(&mut self, signal: Signal) -> ExitStatus {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("it is our child");
        wait_until("the server ends", || self.child.try_wait().expect("a child").is_some());
        self.child.wait().expect("a child")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn udrvd_drives_it_and_the_server_ends_clean() {
    for (signal, model) in [(Signal::SIGTERM, "rtl8139"), (Signal::SIGINT, "r8169-rtl8168b")] {
        let (directory, sockets) = (Directory::new(), Directory::new());
        let mut server = Server::start(&sockets, model);
        // one client after the other
        for _ in 0..2 {
            let mut daemon = Daemon::launch(&directory, &[&server.device(), "--endpoint", "socket"]);
            wait_until("it drives", || {
                assert!(daemon.is_alive(), "{}", daemon.log());
                udrvctl(&directory, &["status"]).status.success()
            });
            assert!(told(&directory, &["status", &server.device()]).contains(&server.device()));
            told(&directory, &["inject", &server.device(), "set_rx_mode", "null-write"]);
            told(&directory, &["call", &server.device(), "set_rx_mode"]);
            assert!(told(&directory, &["faults"]).contains("null-access"));
            assert_eq!(daemon.end(Signal::SIGTERM).code(), Some(0), "{}", daemon.log());
        }
        assert_eq!(server.end(signal).code(), Some(0));
        assert!(!server.socket.exists() && directory.is_empty(), "nothing is left behind");
    }
}

#[test]
fn a_server_that_is_killed_ends_the_daemon_with_the_cause() {
    let (directory, sockets) = (Directory::new(), Directory::new());
    let mut server = Server::start(&sockets, "rtl8139");
    let mut daemon = Daemon::launch(&directory, &[&server.device(), "--endpoint", "socket"]);
    wait_until("it drives", || udrvctl(&directory, &["status"]).status.success());
    server.end(Signal::SIGKILL);
    wait_until("the daemon ends", || !daemon.is_alive());
    wait_until("it says why", || daemon.log().lines().any(|line| line.starts_with("udrvd: ")));
    let log = daemon.log();
    assert!(log.contains("gone") && log.contains("has closed the connection"), "{log}");
    // the socket of a killed server is still there, and nobody listens
    let line = refused(&directory.0, &[&server.device(), "--endpoint", "socket"]);
    assert!(line.contains("card.sock") && line.contains("has died"), "{line}");
    let again = udrvctl(&directory, &["model", "serve", "rtl8139", server.socket.to_str().expect("text")]);
    let text = String::from_utf8_lossy(&again.stderr);
    assert!(!again.status.success() && text.contains("is there already") && text.contains("rm "), "{text}");
    assert!(server.socket.exists(), "and it is left alone");
}

#[test]
fn what_cannot_be_served_is_refused_in_one_line() {
    let directory = Directory::new();
    let serve = |name: &str, socket: &str| {
        let output = udrvctl(&directory, &["model", "serve", name, socket]);
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(serve("nothing", "/x").contains("no model 'nothing'; there are: "));
    assert!(serve("r8169-82540em", "/x").contains("has no chip '82540em'; there are: r8169, r8169-rtl8169s, "));
    assert!(serve("rtl8139", "/no/such/folder/card.sock").contains("cannot make the socket /no/such/folder/card.sock"));
    let missing = directory.0.join("nothing.sock");
    let line = refused(&directory.0, &[&format!("vfio-user:{}", missing.display()), "--endpoint", "socket"]);
    assert!(line.contains("nothing.sock") && line.contains("udrvctl model serve"), "{line}");
    assert!(refused(&directory.0, &["vfio-user:card.sock"]).contains("from the root"));
}
