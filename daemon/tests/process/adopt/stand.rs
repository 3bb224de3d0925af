//! udrvd's surroundings.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use model_serve::{Server, Stopper};
use model_wire::{Station, WireConfig};
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use udrv::device::Opened;
use udrv_bus::PciFunction;
use udrv_daemon::models::Model;
use udrv_keeper::Keeper;

use super::card::{Death, Mortal};
use crate::daemon::{Directory, PATIENCE, wait_until};

/// How often each number has come.
pub(crate) type Counts = BTreeMap<u32, u32>;

/// udrvd's surroundings: the card with what is at its wire, the host's end, and the keeper.
pub(crate) struct Stand {
    pub(crate) directory: Directory,
    pub(crate) sockets: Directory,
    pub(crate) keeper: Keeper,
    pub(crate) death: Arc<Death>,
    pub(crate) station: Station,
    host: OwnedFd,
    near: OwnedFd,
    pub(crate) child: Option<Child>,
    pub(crate) log: Arc<Mutex<String>>,
    stopper: Stopper,
    server: Option<std::thread::JoinHandle<()>>,
    /// Numbers given to frames so far, and what has come: to the station, and to the host.
    pub(crate) sent: u32,
    pub(crate) at_station: Counts,
    pub(crate) at_host: Counts,
}

const FAR: [u8; 6] = [2, 0, 0, 0, 0, 9];
const BROADCAST: [u8; 6] = [0xff; 6];

fn frame(number: u32, from: [u8; 6]) -> Vec<u8> {
    let mut frame = [&BROADCAST[..], &from, &[0x88, 0xb5], &number.to_be_bytes()].concat();
    frame.resize(60 + (number as usize * 97) % 1400, number as u8);
    frame
}

/// The number of a frame of ours, whose content is right.
fn number(bytes: &[u8]) -> u32 {
    let number = u32::from_be_bytes(bytes[14..18].try_into().expect("four bytes"));
    assert!(bytes == frame(number, bytes[6..12].try_into().expect("six")), "frame {number} is spoilt");
    number
}

impl Stand {
    pub(crate) fn new(model: &str) -> Stand {
        let (directory, sockets) = (Directory::new(), Directory::new());
        let keeper = Keeper::new(&sockets.0).expect("a keeper");
        let death = Arc::<Death>::default();
        let model: Model = model.parse().expect("a model");
        let (card, port) = model.build(WireConfig::default());
        let station = Station::new(port.expect("a wire"));
        let Opened::Pci(card) = card.opened() else { panic!("it is on PCI") };
        let (card, of_card) = (Arc::new(Mutex::new(card)), death.clone());
        let server = Server::bind(&sockets.0.join("card")).expect("a socket");
        let stopper = server.stopper();
        let server = std::thread::spawn(move || {
            let open = || {
                of_card.opened.fetch_add(1, SeqCst);
                Ok(Box::new(Mortal::new(card.clone(), of_card.clone())) as Box<dyn PciFunction>)
            };
            server.run(open).expect("it serves");
        });
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let (host, near) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags).expect("a pair");
        Stand {
            directory,
            sockets,
            keeper,
            death,
            station,
            host,
            near,
            child: None,
            log: Arc::default(),
            stopper,
            server: Some(server),
            sent: 0,
            at_station: Counts::new(),
            at_host: Counts::new(),
        }
    }

    /// What udrvd calls its device.
    pub(crate) fn device(&self) -> String {
        format!("vfio-user:{}", self.sockets.0.join("card").display())
    }

    /// Starts a udrvd, the first or a successor.
    pub(crate) fn start(&mut self) {
        self.start_program(Path::new(env!("CARGO_BIN_EXE_udrvd")), &[]);
    }

    /// The same with that program, and more options.
    pub(crate) fn start_program(&mut self, program: &Path, more: &[&str]) {
        let device = self.device();
        let arguments = [&["run", &device, "--endpoint", "stdin", "--deadline", "2000"], more].concat();
        let mut command = self.keeper.command(program, &arguments).expect("a command");
        command.env("UDRV_RUNTIME_DIR", &self.directory.0).env_remove("RUST_LOG");
        command.stdin(Stdio::from(self.near.try_clone().expect("a duplicate"))).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().expect("udrvd starts");
        self.death.pid.store(child.id(), SeqCst);
        let (mut from, to) = (child.stderr.take().expect("a pipe"), self.log.clone());
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(n @ 1..) = std::io::Read::read(&mut from, &mut bytes) {
                to.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..n]));
            }
        });
        self.child = Some(child);
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Sends one frame each way.
    pub(crate) fn exchange(&mut self) {
        let number = self.station_sends();
        self.host_sends(number);
    }

    pub(crate) fn station_sends(&mut self) -> u32 {
        let number = self.sent;
        self.sent += 1;
        self.station.inject(&frame(number, FAR));
        number
    }

    pub(crate) fn host_sends(&mut self, number: u32) {
        let bytes = frame(number, [2, 0, 0, 0, 0, 1]);
        let start = Instant::now();
        while let Err(Errno::EAGAIN) = send(self.host.as_raw_fd(), &bytes, MsgFlags::empty()) {
            assert!(start.elapsed() < PATIENCE, "the host's end stays full: {}", self.log());
            self.take();
        }
    }

    /// Takes what has come.
    pub(crate) fn take(&mut self) {
        while let Some(got) = self.station.receive(Duration::from_millis(1)) {
            *self.at_station.entry(number(&got.data)).or_default() += 1;
        }
        let mut bytes = [0; 2048];
        while let Ok(length @ 1..) = recv(self.host.as_raw_fd(), &mut bytes, MsgFlags::empty()) {
            *self.at_host.entry(number(&bytes[..length])).or_default() += 1;
        }
    }

    pub(crate) fn all_have_come(&mut self) {
        let start = Instant::now();
        while self.at_station.len() < self.sent as usize || self.at_host.len() < self.sent as usize {
            self.take();
            let missing = |counts: &Counts| (0..self.sent).find(|number| !counts.contains_key(number));
            let (station, host) = (missing(&self.at_station), missing(&self.at_host));
            assert!(
                start.elapsed() < PATIENCE,
                "died with {:?} (seen: {:?}), lost at the station: {station:?}, at the host: {host:?} of {}\n{}",
                self.death.with.lock().unwrap(),
                self.death.seen,
                self.sent,
                self.log()
            );
        }
    }

    pub(crate) fn has_died(&mut self) -> bool {
        self.child.as_mut().expect("a child").try_wait().expect("a child").is_some()
    }

    /// Waits until a successor has gone on.
    pub(crate) fn goes_on(&self, which: impl Display) {
        wait_until("it says how it began", || {
            let log = self.log();
            assert!(!log.contains("Starting anew"), "{which}: {log}");
            log.contains("going on where a process before this one")
        });
    }

    pub(crate) fn kill(&mut self) {
        let child = self.child.as_mut().expect("a child");
        child.kill().expect("it lives");
        child.wait().expect("a child");
        self.log.lock().unwrap().clear();
    }

    /// Waits until the first udrvd has handed out what a successor needs.
    pub(crate) fn wait_until_kept(&self) {
        wait_until("it is kept", || self.keeper.names().contains(&"vfio-user-socket".to_owned()));
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        self.keeper.kept().clear();
        self.stopper.stop();
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
    }
}
