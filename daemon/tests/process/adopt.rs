//! A udrvd that is killed in the middle of its work, at each access to its card in turn, and a successor that goes on: no
//! frame is lost either way, and the card is not reset.
//!
//! The card is a model in this process, which udrvd drives over vfio-user; so the card itself says when udrvd dies. What
//! udrvd hands to its service manager is kept by [`Keeper`].

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use model_serve::{Server, Stopper};
use model_wire::{Station, WireConfig};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use nix::unistd::Pid;
use udrv::device::Opened;
use udrv_bus::{BarInfo, BusError, DmaMapping, PciFunction, ResetKind, Width};
use udrv_daemon::models::Model;
use udrv_keeper::Keeper;

use crate::daemon::{Directory, PATIENCE, wait_until};

/// When udrvd dies: at which access to its card, and whether the card still sees that one.
#[derive(Debug, Default)]
struct Death {
    accesses: AtomicU64,
    resets: AtomicU64,
    /// Connections.
    opened: AtomicU64,
    /// 0: it lives on.
    at: AtomicU64,
    /// Or with the so-manieth access of a name.
    of_a_name: Mutex<Option<(&'static str, u32)>>,
    seen: AtomicU32,
    pid: AtomicU32,
    /// The access with which it died.
    with: Mutex<String>,
}

impl Death {
    /// It dies with the access after `more` others.
    fn in_(&self, more: u64, seen: bool) {
        self.seen.store(seen.into(), SeqCst);
        self.at.store(self.accesses.load(SeqCst) + more + 1, SeqCst);
    }

    /// It dies with the access `what` that comes after `more` others of that name.
    fn with_(&self, what: &'static str, more: u32, seen: bool) {
        self.seen.store(seen.into(), SeqCst);
        *self.of_a_name.lock().unwrap() = Some((what, more));
    }

    /// Whether this is the access with which it dies.
    fn is_due(&self, what: &str) -> bool {
        let now = self.accesses.fetch_add(1, SeqCst) + 1;
        let at = self.at.load(SeqCst);
        let mut of_a_name = self.of_a_name.lock().unwrap();
        if let Some((_, more)) = of_a_name.as_mut().filter(|(name, _)| *name == what) {
            if *more == 0 {
                *of_a_name = None;
                return true;
            }
            *more -= 1;
        }
        at != 0 && now >= at
    }

    /// An access: whether the card sees it.
    fn strikes(&self, what: &str) -> bool {
        if !self.is_due(what) {
            return true;
        }
        self.at.store(0, SeqCst);
        *self.with.lock().unwrap() = what.to_owned();
        // it waits for the answer to this access: not one instruction of it is executed after this
        kill(Pid::from_raw(self.pid.load(SeqCst) as i32), Signal::SIGKILL).expect("it lives");
        self.seen.load(SeqCst) != 0
    }
}

/// The same card for one connection after the other.
type Shared = Arc<Mutex<Box<dyn PciFunction>>>;

/// The card.
struct Mortal {
    card: Shared,
    death: Arc<Death>,
    /// What is mapped in this connection, and goes with it.
    mapped: Vec<(u64, u64)>,
}

impl Drop for Mortal {
    fn drop(&mut self) {
        let mut card = self.card();
        for (iova, size) in &self.mapped {
            card.unmap_dma(*iova, *size).expect("it is mapped");
        }
        card.disable_intx().expect("it has a line");
    }
}

impl Mortal {
    fn card(&self) -> MutexGuard<'_, Box<dyn PciFunction>> {
        self.card.lock().unwrap()
    }
}

impl PciFunction for Mortal {
    fn name(&self) -> String {
        self.card().name()
    }
    fn config_read(&mut self, offset: u16, width: Width) -> Result<u32, BusError> {
        if self.death.strikes(&format!("config read {offset:#x}")) {
            self.card().config_read(offset, width)
        } else {
            Ok(0)
        }
    }
    fn config_write(&mut self, offset: u16, width: Width, value: u32) -> Result<(), BusError> {
        if self.death.strikes(&format!("config write {offset:#x}")) {
            self.card().config_write(offset, width, value)
        } else {
            Ok(())
        }
    }
    fn bar(&mut self, bar: u8) -> Result<BarInfo, BusError> {
        self.card().bar(bar)
    }
    fn bar_read(&mut self, bar: u8, offset: u64, width: Width) -> Result<u32, BusError> {
        if self.death.strikes(&format!("read {offset:#x}")) { self.card().bar_read(bar, offset, width) } else { Ok(0) }
    }
    fn bar_write(&mut self, bar: u8, offset: u64, width: Width, value: u32) -> Result<(), BusError> {
        if self.death.strikes(&format!("write {offset:#x} = {value:#x}")) {
            self.card().bar_write(bar, offset, width, value)
        } else {
            Ok(())
        }
    }
    fn iova_ranges(&mut self) -> Result<Vec<(u64, u64)>, BusError> {
        self.card().iova_ranges()
    }
    fn map_dma(&mut self, mapping: DmaMapping) -> Result<(), BusError> {
        let piece = (mapping.iova, mapping.memory.size());
        self.card().map_dma(mapping)?;
        self.mapped.push(piece);
        Ok(())
    }
    fn unmap_dma(&mut self, iova: u64, size: u64) -> Result<(), BusError> {
        self.mapped.retain(|piece| *piece != (iova, size));
        self.card().unmap_dma(iova, size)
    }
    fn enable_intx(&mut self, event: BorrowedFd<'_>) -> Result<(), BusError> {
        self.card().enable_intx(event)
    }
    fn unmask_intx(&mut self) -> Result<(), BusError> {
        if self.death.strikes("unmask") { self.card().unmask_intx() } else { Ok(()) }
    }
    fn disable_intx(&mut self) -> Result<(), BusError> {
        self.card().disable_intx()
    }
    fn has_msi(&mut self) -> Result<bool, BusError> {
        self.card().has_msi()
    }
    fn enable_msi(&mut self, event: BorrowedFd<'_>) -> Result<(), BusError> {
        self.card().enable_msi(event)
    }
    fn disable_msi(&mut self) -> Result<(), BusError> {
        self.card().disable_msi()
    }
    fn reset(&mut self) -> Result<ResetKind, BusError> {
        self.death.resets.fetch_add(1, SeqCst);
        self.card().reset()
    }
}

/// How often each number has come.
type Counts = BTreeMap<u32, u32>;

/// udrvd's surroundings: the card with what is at its wire, the host's end, and the keeper.
struct Stand {
    directory: Directory,
    sockets: Directory,
    keeper: Keeper,
    death: Arc<Death>,
    station: Station,
    host: OwnedFd,
    near: OwnedFd,
    child: Option<Child>,
    log: Arc<Mutex<String>>,
    stopper: Stopper,
    server: Option<std::thread::JoinHandle<()>>,
    /// Numbers given to frames so far, and what has come: to the station, and to the host.
    sent: u32,
    at_station: Counts,
    at_host: Counts,
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
    fn new(model: &str) -> Stand {
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
                Ok(Box::new(Mortal { card: card.clone(), death: of_card.clone(), mapped: Vec::new() })
                    as Box<dyn PciFunction>)
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

    /// Starts a udrvd, the first or a successor.
    fn start(&mut self) {
        let device = format!("vfio-user:{}", self.sockets.0.join("card").display());
        let arguments = ["run", &device, "--endpoint", "stdin", "--deadline", "2000"];
        let program = Path::new(env!("CARGO_BIN_EXE_udrvd"));
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

    fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Sends one frame each way.
    fn exchange(&mut self) {
        let number = self.station_sends();
        self.host_sends(number);
    }

    fn station_sends(&mut self) -> u32 {
        let number = self.sent;
        self.sent += 1;
        self.station.inject(&frame(number, FAR));
        number
    }

    fn host_sends(&mut self, number: u32) {
        let bytes = frame(number, [2, 0, 0, 0, 0, 1]);
        let start = Instant::now();
        while let Err(Errno::EAGAIN) = send(self.host.as_raw_fd(), &bytes, MsgFlags::empty()) {
            assert!(start.elapsed() < PATIENCE, "the host's end stays full: {}", self.log());
            self.take();
        }
    }

    /// Takes what has come.
    fn take(&mut self) {
        while let Some(got) = self.station.receive(Duration::from_millis(1)) {
            *self.at_station.entry(number(&got.data)).or_default() += 1;
        }
        let mut bytes = [0; 2048];
        while let Ok(length @ 1..) = recv(self.host.as_raw_fd(), &mut bytes, MsgFlags::empty()) {
            *self.at_host.entry(number(&bytes[..length])).or_default() += 1;
        }
    }

    fn all_have_come(&mut self) {
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

    fn has_died(&mut self) -> bool {
        self.child.as_mut().expect("a child").try_wait().expect("a child").is_some()
    }

    /// Waits until a successor has gone on.
    fn goes_on(&self, which: impl Display) {
        wait_until("it says how it began", || {
            let log = self.log();
            assert!(!log.contains("Starting anew"), "{which}: {log}");
            log.contains("going on where a process before this one")
        });
    }

    fn kill(&mut self) {
        let child = self.child.as_mut().expect("a child");
        child.kill().expect("it lives");
        child.wait().expect("a child");
        self.log.lock().unwrap().clear();
    }

    /// Waits until the first udrvd has handed out what a successor needs.
    fn wait_until_kept(&self) {
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

/// Dies at each of `deaths` accesses, seen or not.
fn dies_everywhere(model: &str, deaths: u64) {
    let mut stand = Stand::new(model);
    stand.start();
    stand.wait_until_kept();
    (0..4).for_each(|_| stand.exchange());
    stand.all_have_come();
    let names = stand.keeper.names();
    let resets = stand.death.resets.load(SeqCst);
    for death in 0..deaths {
        stand.death.in_(death / 2, death % 2 == 0);
        let start = Instant::now();
        while !stand.has_died() {
            // never more than the card has room for: what overflows is lost, as on any wire
            if stand.sent as usize - stand.at_station.len().min(stand.at_host.len()) < 8 {
                stand.exchange();
            }
            stand.take();
            assert!(start.elapsed() < PATIENCE, "it does not die: {}", stand.log());
        }
        // what comes meanwhile waits in the ring and at the host
        (0..4).for_each(|_| stand.exchange());
        stand.log.lock().unwrap().clear();
        stand.start();
        stand.all_have_come();
        stand.goes_on(death);
        // when this has come too, nobody counts it among those that have ended over what was left
        stand.exchange();
        stand.all_have_come();
    }
    assert_eq!(stand.keeper.names(), names, "nothing was handed out a second time");
    assert_eq!(stand.death.resets.load(SeqCst), resets, "and nobody has reset the card");
    assert_eq!(stand.death.opened.load(SeqCst), 1, "nor opened it again");
    let twice = stand.at_station.values().chain(stand.at_host.values()).filter(|count| **count > 1).count();
    println!("{model}: {deaths} deaths, {} frames each way, {twice} of them twice", stand.sent);
    assert!(twice == 0, "a frame was sent twice");
    // the end: nothing is left to go on with
    let child = stand.child.as_mut().expect("a child");
    kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM).expect("it lives");
    wait_until("it ends", || stand.has_died());
    assert_eq!(stand.keeper.names(), Vec::<String>::new(), "{}", stand.log());
}

#[test]
fn an_e1000_goes_on_wherever_udrvd_dies() {
    dies_everywhere("e1000", 120);
}

#[test]
fn an_rtl8139_goes_on_wherever_udrvd_dies() {
    dies_everywhere("rtl8139", 120);
}

/// What can be wrong with what was left, and a word of the reason that is given.
type Wrong = (&'static str, fn(&mut Vec<(String, OwnedFd)>), &'static str);

fn part(kept: &[(String, OwnedFd)], name: &str) -> File {
    let (_, fd) = kept.iter().find(|(other, _)| other == name).expect("it is kept");
    File::from(fd.try_clone().expect("a duplicate"))
}

/// Turns bits of a part.
fn turn(kept: &[(String, OwnedFd)], name: &str, at: u64, bits: u8) {
    let (file, mut byte) = (part(kept, name), [0]);
    file.read_exact_at(&mut byte, at).expect("a byte");
    file.write_all_at(&[byte[0] ^ bits], at).expect("a byte");
}

fn swap(kept: &mut [(String, OwnedFd)], a: &str, b: &str) {
    for (name, _) in kept {
        *name = if name == a {
            b.to_owned()
        } else if name == b {
            a.to_owned()
        } else {
            name.clone()
        };
    }
}

/// Replaces text in what is known of the device, in both copies: same length, checksums as they were.
fn falsify(kept: &[(String, OwnedFd)], from: &str, to: &str) {
    let file = part(kept, "udrv-record");
    let mut bytes = vec![0; file.metadata().expect("a size").len() as usize];
    file.read_exact_at(&mut bytes, 0).expect("all of it");
    let places: Vec<usize> =
        (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from.as_bytes())).collect();
    assert!(!places.is_empty(), "{from} is in it");
    for at in places {
        file.write_all_at(to.as_bytes(), at as u64).expect("as long");
    }
}

const WRONG: [Wrong; 17] = [
    ("no record", |kept| kept.retain(|(name, _)| name != "udrv-record"), "udrv-record is missing"),
    ("no state", |kept| kept.retain(|(name, _)| name != "udrv-state"), "udrv-state is missing"),
    ("no memory", |kept| kept.retain(|(name, _)| name != "udrv-dma"), "udrv-dma is missing"),
    ("no bus", |kept| kept.retain(|(name, _)| name != "vfio-user-socket"), "what keeps the device going"),
    (
        "two records",
        |kept| {
            let again = part(kept, "udrv-record");
            kept.push(("udrv-record".to_owned(), again.into()));
        },
        "more than one udrv-record",
    ),
    ("memory and record swapped", |kept| swap(kept, "udrv-dma", "udrv-record"), "size of a record"),
    ("memory and state swapped", |kept| swap(kept, "udrv-dma", "udrv-state"), "number of bytes"),
    ("the TAP and the state swapped", |kept| swap(kept, "udrv-endpoint", "udrv-state"), "state"),
    (
        "a file in place of the record",
        |kept| {
            kept.retain(|(name, _)| name != "udrv-record");
            kept.push(("udrv-record".to_owned(), File::open("/dev/zero").expect("it is there").into()));
        },
        "udrv-record: this descriptor is not a DMA region",
    ),
    ("another magic number", |kept| turn(kept, "udrv-record", 0, 1), "does not begin as one"),
    ("another format", |kept| turn(kept, "udrv-record", 8, 0x40), "left in format 66"),
    ("a device that was being set up", |kept| turn(kept, "udrv-record", 12, 1), "being set up or stopped"),
    ("a call of another time", |kept| turn(kept, "udrv-record", 24, 0x40), "not of the same time"),
    ("both copies of the facts torn", |kept| falsify(kept, "state_version", "state_versiom"), "torn"),
    ("a bit of the generation", |kept| turn(kept, "udrv-state", 72, 1), "state: "),
    ("another version of the state", |kept| turn(kept, "udrv-state", 16, 0x10), "version 19"),
    (
        "a state that was spoilt",
        |kept| {
            // all images, wherever they are
            let bytes = part(kept, "udrv-state").metadata().expect("a size").len();
            (4096..bytes).step_by(64).for_each(|at| turn(kept, "udrv-state", at, 0x10));
        },
        "spoilt",
    ),
];

#[test]
fn what_does_not_fit_is_refused_and_the_card_begins_anew() {
    let mut stand = Stand::new("rtl8139");
    stand.start();
    stand.wait_until_kept();
    for (what, spoil, reason) in WRONG {
        stand.exchange();
        stand.all_have_come();
        let child = stand.child.as_mut().expect("a child");
        child.kill().expect("it lives");
        child.wait().expect("a child");
        spoil(&mut stand.keeper.kept());
        stand.log.lock().unwrap().clear();
        let opened = stand.death.opened.load(SeqCst);
        stand.start();
        let start = Instant::now();
        while !stand.log().contains("kept for a successor") {
            let log = stand.log();
            assert!(
                !log.contains("going on where") && !stand.has_died() && start.elapsed() < PATIENCE,
                "{what}: {log}"
            );
            std::thread::sleep(Duration::from_millis(2)); // between two looks
        }
        let log = stand.log();
        assert!(log.lines().any(|line| line.contains("Starting anew") && line.contains(reason)), "{what}: {log}");
        assert!(stand.death.opened.load(SeqCst) > opened, "{what}: opened again");
        stand.wait_until_kept();
        assert_eq!(stand.keeper.names().len(), 5, "{what}: {:?}", stand.keeper.names());
    }
    stand.exchange();
    stand.all_have_come();
}

/// A successor of another chip: what was left is of a card that is not there any more.
#[test]
fn what_another_chip_has_left_is_refused() {
    let (mut left, mut here) = (Stand::new("rtl8139"), Stand::new("e1000"));
    for stand in [&mut left, &mut here] {
        stand.start();
        stand.wait_until_kept();
        let child = stand.child.as_mut().expect("a child");
        child.kill().expect("it lives");
        child.wait().expect("a child");
    }
    let name = "udrv-record";
    here.keeper.kept().retain(|(other, _)| other != name);
    let foreign = part(&left.keeper.kept(), name);
    here.keeper.kept().push((name.to_owned(), foreign.into()));
    here.start();
    wait_until("it begins anew", || here.log().matches("kept for a successor").count() == 2);
    let log = here.log();
    assert!(log.lines().any(|line| line.contains("Starting anew") && line.contains("it is of ")), "{log}");
    here.exchange();
    here.all_have_come();
}

/// The e1000's causes.
const ICR: &str = "read 0xc0";

/// What is left may itself be what ends each successor: after three of them it is refused.
fn is_refused_in_the_end(ends: impl Fn(&Death), goes_on: bool) {
    let mut stand = Stand::new("e1000");
    stand.start();
    stand.wait_until_kept();
    stand.exchange();
    stand.all_have_come();
    stand.kill();
    for attempt in 0..3 {
        ends(&stand.death);
        stand.log.lock().unwrap().clear();
        stand.start();
        if goes_on {
            stand.goes_on(attempt);
            stand.station_sends();
        }
        wait_until("it dies over it", || stand.has_died());
        assert!(!stand.log().contains("Starting anew"), "{attempt}: {}", stand.log());
        assert_eq!(stand.log().contains("going on where"), goes_on, "{attempt}: {}", stand.log());
    }
    stand.log.lock().unwrap().clear();
    stand.start();
    wait_until("it begins anew", || stand.log().contains("kept for a successor"));
    assert!(stand.log().contains("several in a row. Starting anew"), "{}", stand.log());
    let number = stand.station_sends();
    stand.host_sends(number);
    wait_until("it works", || {
        stand.take();
        stand.at_station.contains_key(&number) && stand.at_host.contains_key(&number)
    });
}

#[test]
fn what_ends_each_successor_is_refused_in_the_end() {
    is_refused_in_the_end(|death| death.in_(20, true), false);
}

#[test]
fn what_ends_each_successor_in_its_first_call_is_refused_too() {
    // the first such read looks at the device while it is taken up
    is_refused_in_the_end(|death| death.with_(ICR, 1, true), true);
}

/// Successors that have made a call before they end are not counted, in however early a moment: here before the first
/// interrupt is served to its end.
#[test]
fn what_successors_have_worked_with_is_not_refused() {
    let mut stand = Stand::new("e1000");
    stand.start();
    stand.wait_until_kept();
    stand.exchange();
    stand.all_have_come();
    stand.kill();
    for successor in 0..6 {
        // the first is in any case
        stand.death.with_("unmask", 1, true);
        stand.start();
        stand.goes_on(successor);
        let number = stand.station_sends();
        wait_until("it dies", || stand.has_died());
        stand.log.lock().unwrap().clear();
        stand.host_sends(number);
    }
    stand.start();
    stand.goes_on("the last");
    stand.all_have_come();
}
