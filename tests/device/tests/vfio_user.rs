//! A device whose card is behind a vfio-user socket: driver, client, server, model. And servers that are none, die, fall
//! silent or talk nonsense.

use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use model_rtl8139::{Config, Rtl8139Model};
use model_serve::{ServeError, Server, Stopper};
use model_wire::{Wire, WireConfig};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::EventFd;
use udrv::dma::DmaRegion;
use udrv::run::Options;
use udrv::vfio_user::{OpenError, VfioUserFunction};
use udrv_bus::{BusError, DmaMapping, DmaMemory, PciFunction, Width};
use udrv_driver::{Entry, InjectedFault, Point};
use udrv_tests::rig::{Rig, quick, turn};
use udrv_tests::subject::Rtl8139;
use udrv_tests::traffic::{BOUND, Traffic};
use udrv_tests::{PATIENCE, wait_until};
use udrv_vfio_user::message::{DeviceInfo, DmaMap, DmaUnmap, Header, IrqInfo, RegionAccess, RegionInfo};
use udrv_vfio_user::{Channel, version};

/// A server on a thread, that ends with the test.
struct Serving {
    path: PathBuf,
    stopper: Stopper,
    thread: Option<JoinHandle<Result<(), ServeError>>>,
    _folder: tempfile::TempDir,
}

impl Serving {
    fn start(open: impl FnMut() -> Result<Box<dyn PciFunction>, BusError> + Send + 'static) -> Serving {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("card.sock");
        let server = Server::bind(&path).expect("a socket");
        let stopper = server.stopper();
        let thread = Some(std::thread::spawn(move || server.run(open)));
        Serving { path, stopper, thread, _folder: folder }
    }

    /// Serves one function, once.
    fn once(function: Box<dyn PciFunction>) -> Serving {
        let mut function = Some(function);
        Serving::start(move || function.take().ok_or(BusError::Unsupported("a second client")))
    }

    fn end(&mut self) {
        self.stopper.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server does not panic").expect("the server ends well");
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stopper.stop();
    }
}

fn rig(options: Options) -> (Rig<Rtl8139>, Serving) {
    let mut serving = None;
    let rig = Rig::start_behind(
        turn(),
        options,
        Config::default(),
        |_| {},
        |card| {
            let server = serving.insert(Serving::once(card));
            Box::new(VfioUserFunction::open(&server.path).expect("opens"))
        },
    );
    (rig.expect("starts"), serving.expect("it was called"))
}

/// A card alone, which can be opened again and again.
fn card() -> (Serving, model_rtl8139::Rtl8139Handle) {
    let (_, near, _) = Wire::new(WireConfig::default());
    let (first, bench) = Rtl8139Model::new(Config::default(), near);
    drop(first);
    let opener = bench.clone();
    (Serving::start(move || Ok(Box::new(opener.open()?))), bench)
}

#[test]
fn frames_go_both_ways_and_faults_are_recovered() {
    let (rig, mut server) = rig(quick());
    let mut traffic = Traffic::new();
    traffic.ping(&rig, 200);
    let mut seen = 0;
    for entry in [Entry::Transmit, Entry::Interrupt, Entry::Poll] {
        for fault in [InjectedFault::NullWrite, InjectedFault::Panic, InjectedFault::EndlessLoop] {
            rig.inject(entry, fault, Point::Middle, 1);
            traffic.flows(&rig, "with a fault");
            wait_until("the fault", || rig.faults(seen).last().is_some_and(|report| report.recovered));
            seen = rig.faults(seen).last().expect("one").number;
        }
    }
    // restored too: registers are put back over the socket
    rig.call(Entry::Restore).expect("restores");
    traffic.flows(&rig, "after a restore");
    traffic.ping(&rig, 200);
    // a busy machine may fill the ring while a call hangs: the chip counts what it has no room for
    let missed = rig.status().net().chip.expect("it has counters").rx_missed;
    assert_eq!((traffic.down.missing, traffic.up.missing), (0, missed));
    rig.stop().0.expect("stops");
    server.end();
    assert!(!server.path.exists(), "the socket goes with its server");
}

#[test]
fn a_server_that_dies_is_a_device_that_is_gone() {
    let (rig, mut server) = rig(quick());
    let mut traffic = Traffic::new();
    traffic.flows(&rig, "before");
    server.end();
    let begin = Instant::now();
    while !rig.has_ended() {
        assert!(begin.elapsed() < BOUND, "the device goes on without its card");
        traffic.send(&rig, 1);
    }
    let error = rig.stop().0.expect_err("it did not end well").to_string();
    assert!(error.contains("gone"), "{error}");

    let error = VfioUserFunction::open(&server.path).expect_err("nobody is there").to_string();
    assert!(error.contains("card.sock") && error.contains("udrvctl model serve"), "{error}");
}

#[test]
fn a_path_without_a_server_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let open = |path: &Path| VfioUserFunction::open(path).expect_err("no server").to_string();
    let dead = folder.path().join("dead");
    drop(UnixListener::bind(&dead).unwrap());
    assert!(open(&dead).contains("has died"), "{}", open(&dead));
    assert!(open(&folder.path().join("nothing")).contains("no server has made"));
    std::fs::write(folder.path().join("file"), "x").unwrap();
    assert!(open(&folder.path().join("file")).contains("no vfio-user server listens"));
    assert!(matches!(Server::bind(&dead), Err(ServeError::Exists(path)) if path == dead));
    assert!(matches!(Server::bind(&folder.path().join("no/folder")), Err(ServeError::Bind { .. })));
    assert!(dead.exists(), "what was there is left alone");
}

#[test]
fn each_client_finds_the_card_as_after_a_last_close() {
    let (mut server, bench) = card();
    for round in 0..3 {
        let mut function = VfioUserFunction::open(&server.path).expect("opens");
        assert_eq!(function.config_read(4, Width::U16).unwrap() & 7, 3, "round {round}: decoded, not mastering");
        function.config_write(4, Width::U16, 7).unwrap();
        let memory = Arc::new(DmaRegion::new(8192, None).unwrap());
        function.map_dma(DmaMapping { iova: 0x1_0000, memory }).unwrap();
        drop(function);
        // The close is one message after the other; the server's side of it is seen when the card can be opened.
        wait_until("the last close", || bench.open().is_ok());
    }
    server.end();
}

#[test]
fn memory_interrupts_and_registers_are_as_on_any_bus() {
    let (mut server, _bench) = card();
    let mut function = VfioUserFunction::open(&server.path).expect("opens");
    assert_eq!(function.config_read(0, Width::U32).unwrap(), 0x8139_10ec);
    assert_eq!(function.bar(1).unwrap().size, 256);
    assert!(matches!(function.bar(2), Err(BusError::NoSuchBar(2))));
    assert!(matches!(function.bar_read(1, 254, Width::U32), Err(BusError::OutOfRange { .. })));
    // a BAR's size is found as a BIOS does it
    function.config_write(0x14, Width::U32, !0).unwrap();
    assert_eq!(function.config_read(0x14, Width::U32).unwrap(), 0xffff_ff00);

    let memory = Arc::new(DmaRegion::new(4096, None).unwrap());
    let mapping = |iova| DmaMapping { iova, memory: memory.clone() };
    function.map_dma(mapping(0x4000)).unwrap();
    for (iova, why) in [(0x4000, "overlaps"), (0, "outside"), (0x4800, "whole pages"), (1 << 32, "outside")] {
        assert!(function.map_dma(mapping(iova)).unwrap_err().to_string().contains(why), "{iova:#x}");
    }
    assert!(function.unmap_dma(0x4000, 8192).is_err());
    function.unmap_dma(0x4000, 4096).unwrap();
    assert!(function.unmap_dma(0x4000, 4096).is_err());

    struct Private;
    impl DmaMemory for Private {
        fn size(&self) -> u64 {
            4096
        }
        fn read(&self, _: u64, _: &mut [u8]) -> Result<(), BusError> {
            Ok(())
        }
        fn write(&self, _: u64, _: &[u8]) -> Result<(), BusError> {
            Ok(())
        }
        fn host_address(&self) -> u64 {
            0
        }
    }
    let private = DmaMapping { iova: 0x4000, memory: Arc::new(Private) };
    assert!(function.map_dma(private).unwrap_err().to_string().contains("no memfd"));

    // INTx: SWInt does not exist on this chip; an enabled cause that is pending raises the line (IMR, then the timer's)
    let event = EventFd::new().unwrap();
    assert!(function.unmask_intx().is_err(), "before it is enabled");
    function.enable_intx(event.as_fd()).unwrap();
    let rings = |patience: Duration| {
        let mut fds = [PollFd::new(event.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::try_from(patience).unwrap()).unwrap() == 1
    };
    // TimerInt one tick ahead, IMR.TimeOut
    function.bar_write(1, 0x3c, Width::U16, 1 << 14).unwrap();
    function.bar_write(1, 0x54, Width::U32, 1).unwrap();
    wait_until("the timer", || {
        function.bar_read(1, 0x48, Width::U32).unwrap();
        rings(Duration::ZERO)
    });
    assert_eq!(event.read().unwrap(), 1);
    assert_ne!(function.config_read(6, Width::U16).unwrap() & 1 << 3, 0, "status bit 3 while the line is asserted");
    assert!(!rings(Duration::ZERO), "masked until it is unmasked");
    function.unmask_intx().unwrap();
    assert!(rings(PATIENCE) && event.read().unwrap() == 1, "still asserted: it rings again");
    // command bit 10 keeps it quiet
    function.config_write(4, Width::U16, 0x403).unwrap();
    function.unmask_intx().unwrap();
    function.bar_read(1, 0x48, Width::U32).unwrap();
    assert!(!rings(Duration::ZERO), "INTx is disabled in the command register");
    function.config_write(4, Width::U16, 3).unwrap();
    assert!(rings(PATIENCE));
    function.disable_intx().unwrap();
    drop(function);
    server.end();
}

#[test]
fn a_server_answers_nonsense_with_an_errno_and_goes_on() {
    let (mut server, _bench) = card();
    let channel = Channel::new(UnixStream::connect(&server.path).unwrap());
    let soon = || Instant::now() + PATIENCE;
    let ask = |command: u16, body: &[u8]| {
        channel.send(&Header::command(9, command), &[body], &[], soon()).unwrap();
        let message = channel.receive(soon()).expect("an answer");
        assert_eq!((message.header.id, message.header.command), (9, command));
        (message.header.flags & Header::ERROR != 0).then_some(message.header.error)
    };
    let (einval, enotsup) = (Some(22), Some(95));
    assert_eq!(ask(Header::DEVICE_GET_INFO, &[0; 16]), einval, "before the version");
    assert_eq!(ask(Header::VERSION, b"\x02\0\0\0"), einval);
    assert_eq!(ask(Header::VERSION, &version::ours()), None);
    let access = |region, offset, count| RegionAccess { offset, region, count }.bytes();
    for (region, offset, count) in [
        (1, 0, 257),
        (1, 256, 1),
        (1, u64::MAX, 2),
        (2, 0, 4),
        (6, 0, 1),
        (9, 0, 1),
        (u32::MAX, 0, 1),
        (7, 0, u32::MAX),
        (7, 254, 4),
    ] {
        assert_eq!(ask(Header::REGION_READ, &access(region, offset, count)), einval, "{region} {offset} {count}");
        assert_eq!(ask(Header::REGION_WRITE, &access(region, offset, count)), einval, "{region} {offset} {count}");
    }
    assert_eq!(ask(Header::REGION_WRITE, &[&access(1, 0, 4)[..], b"abc"].concat()), einval, "data is missing");
    let map = |address, size, offset| DmaMap { argsz: 32, flags: 3, offset, address, size }.bytes();
    assert_eq!(ask(Header::DMA_MAP, &map(0x800, 0x1000, 0)), einval);
    assert_eq!(ask(Header::DMA_MAP, &map(0x1000, 0, 0)), einval);
    assert_eq!(ask(Header::DMA_MAP, &map(u64::MAX - 0xfff, 0x2000, 0)), einval);
    assert_eq!(ask(Header::DMA_MAP, &map(0, 0x10_0000, 0)), None, "memory without a descriptor is noted");
    assert_eq!(ask(Header::DMA_MAP, &map(0x1000, 0x1000, 0)), einval, "it overlaps that");
    for command in [Header::DMA_MAP, Header::DMA_UNMAP, Header::DEVICE_SET_IRQS, Header::REGION_READ] {
        assert_eq!(ask(command, b"short"), einval, "{command}");
    }
    for command in [0, 6, 11, 12, 13, 14, 15, u16::MAX] {
        assert_eq!(ask(command, b""), enotsup, "{command}");
    }
    assert_eq!(ask(Header::DEVICE_GET_INFO, &[0; 16]), None, "and still there");
    drop(channel);
    server.end();
}

/// As QEMU does for a guest with an IOMMU: page by page, each with the descriptor of the same memory, and the whole address
/// space at once when the guest is done.
#[test]
fn a_client_may_map_page_by_page_and_sweep_them_all() {
    const PAGES: u64 = 2000;
    let (mut server, _bench) = card();
    let channel = Channel::new(UnixStream::connect(&server.path).unwrap());
    let soon = || Instant::now() + PATIENCE;
    let ask = |command: u16, body: &[u8], fds: &[BorrowedFd<'_>]| {
        channel.send(&Header::command(1, command), &[body], fds, soon()).unwrap();
        let message = channel.receive(soon()).expect("an answer");
        assert_eq!(message.header.flags & Header::ERROR, 0, "errno {}", message.header.error);
        message.body
    };
    ask(Header::VERSION, &version::ours(), &[]);
    let memory = tempfile::tempfile().unwrap();
    memory.set_len(PAGES * 4096).unwrap();
    let files = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = files();
    for page in 0..PAGES {
        // scattered, as an IOMMU's pages are
        let map = DmaMap { argsz: 32, flags: 3, offset: page * 4096, address: 0x1000 + page * 8192, size: 4096 };
        ask(Header::DMA_MAP, &map.bytes(), &[memory.as_fd()]);
    }
    assert!(files() < before + 50, "the server keeps one of them open: {before}, then {}", files());
    let sweep = |address: u64, size: u64| {
        let unmap = DmaUnmap { argsz: DmaUnmap::SIZE as u32, flags: 0, address, size };
        DmaUnmap::take(&ask(Header::DMA_UNMAP, &unmap.bytes(), &[])).expect("the same, with what was unmapped").0.size
    };
    assert_eq!(sweep(0x1000, 4096), 4096);
    assert_eq!(sweep(0x1_0000_0000, 0x1_0000_0000), 0, "there was nothing, which is no mistake");
    assert_eq!(sweep(0, 1 << 31), (PAGES - 1) * 4096);
    assert_eq!(sweep(0, 1 << 31), 0);
    drop(channel);
    server.end();
}

/// What the fake server says wrongly.
#[derive(Debug, Clone, Copy)]
enum Wrong {
    Nothing,
    /// A body of this many bytes.
    Length(usize),
    /// No answer at all.
    Silence,
    /// It closes.
    Close,
    /// These bytes instead of a message.
    Bytes(&'static [u8]),
    Id,
    Command,
    NotAReply,
    Errno(u32),
    Body(fn(&mut Vec<u8>)),
}

/// A server that answers as it should until command number `at`, which it answers wrongly.
fn fake(at: usize, wrong: Wrong) -> (tempfile::TempDir, PathBuf, JoinHandle<usize>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fake.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut raw = stream.try_clone().unwrap();
        let channel = Channel::new(stream);
        for number in 0.. {
            let soon = Instant::now() + PATIENCE;
            let Ok(message) = channel.receive(soon) else { return number };
            let mut body = match message.header.command {
                Header::VERSION => version::ours(),
                Header::DEVICE_GET_INFO => DeviceInfo { argsz: 16, flags: 2, regions: 9, irqs: 5 }.bytes(),
                Header::DEVICE_GET_REGION_INFO => {
                    let (asked, _) = RegionInfo::take(&message.body).unwrap();
                    let size = if asked.index == RegionInfo::CONFIG || asked.index == 1 { 256 } else { 0 };
                    RegionInfo { flags: 3, size, ..asked }.bytes()
                }
                Header::DEVICE_GET_IRQ_INFO => {
                    let (asked, _) = IrqInfo::take(&message.body).unwrap();
                    let count = u32::from(asked.index == IrqInfo::INTX);
                    IrqInfo { argsz: 16, flags: 7 * count, index: asked.index, count }.bytes()
                }
                Header::REGION_READ => {
                    let (access, _) = RegionAccess::take(&message.body).unwrap();
                    [access.bytes(), vec![0; access.count as usize]].concat()
                }
                Header::REGION_WRITE => message.body[..RegionAccess::SIZE].to_vec(),
                _ => Vec::new(),
            };
            let mut header = message.header.reply();
            if number == at {
                match wrong {
                    Wrong::Nothing => {}
                    Wrong::Length(length) => body.resize(length, 0),
                    Wrong::Silence => continue,
                    Wrong::Close => return number,
                    Wrong::Bytes(bytes) => {
                        raw.write_all(bytes).unwrap();
                        continue;
                    }
                    Wrong::Id => header.id ^= 1,
                    Wrong::Command => header.command ^= 1,
                    Wrong::NotAReply => header.flags = 0,
                    Wrong::Errno(errno) => {
                        header = message.header.error(errno);
                        body.clear();
                    }
                    Wrong::Body(change) => change(&mut body),
                }
            }
            // a client that has understood is gone by then
            if channel.send(&header, &[&body], &[], soon).is_err() {
                return number;
            }
        }
        unreachable!("numbers do not end")
    });
    (folder, path, thread)
}

#[test]
fn what_a_bad_server_says_is_refused_wherever_it_says_it() {
    const QUICKLY: Duration = Duration::from_millis(100);
    // the order of an open: version, device, configuration space, INTx, MSI, BARs 0 to 5 (BAR 1 is read), take over
    const COMMANDS: usize = 15;
    let (_folder, path, thread) = fake(usize::MAX, Wrong::Nothing);
    drop(VfioUserFunction::open_within(&path, PATIENCE).expect("a fake that does nothing wrong is taken"));
    assert!(thread.join().unwrap() >= COMMANDS, "the open has at least so many commands");

    let everywhere = [
        (Wrong::Length(0), "breaks the protocol"),
        (Wrong::Length(3), "breaks the protocol"),
        (Wrong::Silence, "does not answer"),
        (Wrong::Close, "has closed"),
        (Wrong::Bytes(&[0; 16]), "breaks the protocol"),
        (Wrong::Bytes(&[0xff; 16]), "breaks the protocol"),
        (Wrong::Bytes(b"HTTP/1.0 400 Bad Request\r\n\r\n"), "breaks the protocol"),
        (Wrong::Bytes(&[0; 7]), "does not answer"),
        (Wrong::Id, "breaks the protocol"),
        (Wrong::Command, "breaks the protocol"),
        (Wrong::NotAReply, "breaks the protocol"),
        (Wrong::Errno(5), "refuse"),
        (Wrong::Errno(0), "no reason given"),
    ];
    for at in 0..COMMANDS {
        for (wrong, why) in everywhere {
            let (_folder, path, thread) = fake(at, wrong);
            let patience = if why == "does not answer" { QUICKLY } else { PATIENCE };
            let error = VfioUserFunction::open_within(&path, patience).expect_err("refused").to_string();
            assert!(error.contains(why) && error.contains("fake.sock"), "command {at}, {wrong:?}: {error}");
            thread.join().unwrap();
        }
    }
    for (at, wrong, why) in [
        (1, Wrong::Body(|body| body[4] = 1), "does not say so"),
        (1, Wrong::Body(|body| body[8] = 7), "7 regions"),
        (2, Wrong::Body(|body| body[16..24].fill(0)), "0 bytes"),
        (2, Wrong::Body(|body| body[23] = 0xff), "breaks the protocol"),
        (2, Wrong::Body(|body| body[8] = 1), "breaks the protocol"),
        (0, Wrong::Body(|body| body[0] = 1), "version 1"),
        (0, Wrong::Body(|body| body[2] = 2), "version 0.2"),
        (0, Wrong::Body(|body| body[4] = b'x'), "no JSON"),
        // the read of BAR 1's register and of the vendor id
        (7, Wrong::Body(|body| body[0] ^= 1), "breaks the protocol"),
        (12, Wrong::Body(|body| body[16..].fill(0xff)), "all ones"),
    ] {
        let (_folder, path, thread) = fake(at, wrong);
        let error = VfioUserFunction::open_within(&path, PATIENCE).expect_err("refused").to_string();
        assert!(error.contains(why), "command {at}, {wrong:?}: {error}");
        thread.join().unwrap();
    }
}

#[test]
fn a_broken_connection_stays_broken_and_costs_its_deadline_once() {
    let (_folder, path, thread) = fake(15, Wrong::Silence);
    let mut function = VfioUserFunction::open_within(&path, Duration::from_millis(300)).expect("opens");
    let mut refused = 0;
    let begin = Instant::now();
    while refused < 1000 {
        match function.bar_read(1, 0, Width::U32) {
            Ok(_) => assert_eq!(refused, 0, "it came back"),
            Err(BusError::Gone { operation }) => {
                assert_eq!(operation, "the vfio-user server does not answer");
                refused += 1;
            }
            Err(other) => panic!("{other}"),
        }
        assert!(begin.elapsed() < PATIENCE);
    }
    assert!(matches!(function.config_read(0, Width::U16), Err(BusError::Gone { .. })));
    drop(function);
    thread.join().unwrap();
    assert!(matches!(VfioUserFunction::open(&path), Err(OpenError::Connect { .. })));
}
