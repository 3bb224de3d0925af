//! A driver that breaks every rule there is, one a call: each is a contained fault, and the next call works.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use udrv::net::NetDevice;
use udrv::report::FaultReport;
use udrv::run::{Answer, Command, DeviceError, Options};
use udrv_driver::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use udrv_driver::{
    Buffer, Bus, Cx, Dma, Driver, Entry, Error, Events, Kind, Link, MacAddress, Micros, NetDriver, Reg, RegisterInfo,
    RingParam, RxMode, Stats, TxFrame,
};
use udrv_tests::bare::{BareCard, Door, ID};
use udrv_tests::host::{self, HostEnd};

/// What the driver does wrong, and in which entry point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
enum Crime {
    None,
    // in `link`
    UndeclaredRegister,
    WrongWidth,
    WriteToReadOnly,
    AddressOutside,
    GarbageHandle,
    HugeHandle,
    NoHandle,
    OffsetOutside,
    OffsetWraps,
    HandOverOutside,
    HandOverOdd,
    HandOverTooMany,
    TooMuchMemory,
    OddAlignment,
    CompleteForeign,
    CompleteNoBuffer,
    CompleteMemory,
    KeepWithoutFrame,
    LongPause,
    RequestsWithoutEnd,
    // in `poll`
    DeliverOutside,
    DeliverTooLong,
    DeliverTooShort,
    DeliverTooMany,
    DeliverTwice,
    DeliverLies,
    HandOverAndLie,
    // in `transmit`
    KeepAnother,
    KeepTwice,
    CompleteOffered,
    CompleteTwice,
    KeepAndRefuse,
    CompleteAndRefuse,
    FrameAsMemory,
    // in `probe`
    GroupAddress,
    ZeroAddress,
}

/// What the driver shall do, once; it reads host memory, which is not forbidden.
static CRIME: AtomicU32 = AtomicU32::new(Crime::None as u32);
static FRAMES: AtomicU32 = AtomicU32::new(0);
/// It hands the first word of its memory over, one more each time.
static HAND_OVER: AtomicBool = AtomicBool::new(false);

fn crime(is: Crime) -> bool {
    CRIME.load(Relaxed) == is as u32
}

#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "udrv_driver::zerocopy")]
#[repr(C)]
struct State {
    calls: u64,
    ring: Dma,
}

const CONFIG: Reg<u32> = Reg::at(0);
const ADDRESS: Reg<u32> = Reg::at(4);
const STATUS: Reg<u32> = Reg::at(8);
const RING: u32 = 8192;
const STATION: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);

struct Hostile;

impl Driver for Hostile {
    const NAME: &'static str = "hostile";
    const IDS: &'static [(u16, u16)] = &[ID];
    const BUS: Bus = Bus::Pci { bars: &[0], pages: None };
    const REGISTERS: &'static [RegisterInfo] = &[
        RegisterInfo { name: "CONFIG", offset: 0, width: 4, kind: Kind::Config, count: 1 },
        RegisterInfo { name: "ADDRESS", offset: 4, width: 4, kind: Kind::DmaAddress, count: 1 },
        RegisterInfo { name: "STATUS", offset: 8, width: 4, kind: Kind::ReadOnly, count: 1 },
    ];
    const STATE_VERSION: u32 = 2;
    type State = State;
    const NEW: State = State { calls: 0, ring: Dma::NONE };

    fn quiesce(_: &mut Cx<'_, State>) -> Result<(), Error> {
        Ok(())
    }

    fn restore(_: &mut Cx<'_, State>) -> Result<(), Error> {
        Ok(())
    }
}

impl NetDriver for Hostile {
    fn probe(cx: &mut Cx<'_, State>) -> Result<MacAddress, Error> {
        cx.state.ring = cx.dma.allocate(RING, 256)?;
        Ok(match () {
            () if crime(Crime::GroupAddress) => MacAddress([1, 0, 0x5e, 0, 0, 1]),
            () if crime(Crime::ZeroAddress) => MacAddress([0; 6]),
            () => STATION,
        })
    }

    fn open(_: &mut Cx<'_, State>) -> Result<(), Error> {
        Ok(())
    }

    fn stop(_: &mut Cx<'_, State>) -> Result<(), Error> {
        Ok(())
    }

    fn transmit(cx: &mut Cx<'_, State>, frame: TxFrame) -> Result<(), Error> {
        cx.state.calls += 1;
        if crime(Crime::KeepAnother) {
            cx.net.keep(TxFrame { buffer: Buffer(frame.buffer.0 + 1), ..frame })?;
        } else if crime(Crime::CompleteOffered) {
            cx.net.complete(frame.buffer, true)?;
        } else if crime(Crime::FrameAsMemory) {
            cx.dma.read_u32(Dma(frame.buffer.0), 0)?;
        }
        cx.net.keep(frame)?;
        if crime(Crime::KeepTwice) {
            cx.net.keep(frame)?;
        }
        if crime(Crime::KeepAndRefuse) {
            return Err(Error::Busy);
        }
        cx.net.complete(frame.buffer, true)?;
        if crime(Crime::CompleteTwice) {
            cx.net.complete(frame.buffer, true)?;
        }
        if crime(Crime::CompleteAndRefuse) { Err(Error::Busy) } else { Ok(()) }
    }

    fn interrupt(_: &mut Cx<'_, State>) -> Result<Events, Error> {
        Ok(Events::POLL)
    }

    fn poll(cx: &mut Cx<'_, State>, budget: u32) -> Result<u32, Error> {
        cx.state.calls += 1;
        let ring = cx.state.ring;
        if crime(Crime::DeliverOutside) {
            cx.net.deliver(ring, RING - 10, 60)?;
        } else if crime(Crime::DeliverTooLong) {
            cx.net.deliver(ring, 0, 4000)?;
        } else if crime(Crime::DeliverTooShort) {
            cx.net.deliver(ring, 0, 0)?;
        } else if crime(Crime::DeliverTooMany) {
            (0..=budget).try_for_each(|n| cx.net.deliver(ring, 64 * n, 60))?;
        } else if crime(Crime::DeliverTwice) {
            (0..2).try_for_each(|n| cx.net.deliver(ring, 59 * n, 60))?;
            return Ok(2);
        } else if crime(Crime::DeliverLies) {
            cx.net.deliver(ring, 0, 60)?;
            return Ok(2);
        } else if crime(Crime::HandOverAndLie) {
            cx.dma.hand_over(ring, 0, u32::MAX)?;
            return Ok(2);
        }
        if HAND_OVER.load(Relaxed) {
            cx.dma.hand_over(ring, 0, cx.dma.read_u32(ring, 0)? + 1)?;
        }
        let frames = FRAMES.load(Relaxed);
        (0..frames).try_for_each(|n| cx.net.deliver(ring, 64 * n, 60))?;
        Ok(frames)
    }

    fn link(cx: &mut Cx<'_, State>) -> Result<Link, Error> {
        cx.state.calls += 1;
        cx.regs.write(CONFIG, cx.state.calls as u32)?;
        let ring = cx.state.ring;
        match () {
            () if crime(Crime::UndeclaredRegister) => drop(cx.regs.read(Reg::<u32>::at(0x40))?),
            () if crime(Crime::WrongWidth) => drop(cx.regs.read(Reg::<u16>::at(0))?),
            () if crime(Crime::WriteToReadOnly) => cx.regs.write(STATUS, 1)?,
            () if crime(Crime::AddressOutside) => cx.regs.write(ADDRESS, 0xfee0_0000)?,
            () if crime(Crime::GarbageHandle) => drop(cx.dma.read_u32(Dma(5), 0)?),
            () if crime(Crime::HugeHandle) => cx.dma.write_u32(Dma(u64::MAX), 0, 0)?,
            () if crime(Crime::NoHandle) => drop(cx.dma.bus_address(Dma::NONE)?),
            () if crime(Crime::OffsetOutside) => cx.dma.write_u32(ring, RING - 3, 0)?,
            () if crime(Crime::OffsetWraps) => drop(cx.dma.read_u32(ring, u32::MAX)?),
            () if crime(Crime::HandOverOutside) => cx.dma.hand_over(ring, RING, 0)?,
            () if crime(Crime::HandOverOdd) => cx.dma.hand_over(ring, 2, 0)?,
            () if crime(Crime::HandOverTooMany) => {
                (0..2000).try_for_each(|_| cx.dma.hand_over(ring, 0, 0))?;
            }
            () if crime(Crime::TooMuchMemory) => {
                // not a broken rule, but an ordinary error: and then it breaks one
                assert_eq!(cx.dma.allocate(u32::MAX, 4096), Err(Error::NoMemory));
                cx.dma.allocate(0, 1)?;
            }
            () if crime(Crime::OddAlignment) => drop(cx.dma.allocate(64, 3)?),
            () if crime(Crime::CompleteForeign) => cx.net.complete(Buffer(3), true)?,
            () if crime(Crime::CompleteNoBuffer) => cx.net.complete(Buffer(u64::MAX), true)?,
            () if crime(Crime::CompleteMemory) => cx.net.complete(Buffer(ring.0), true)?,
            () if crime(Crime::KeepWithoutFrame) => {
                cx.net.keep(TxFrame { length: 60, ..TxFrame::default() })?;
            }
            () if crime(Crime::LongPause) => cx.clock.pause(Micros(3_600_000_000))?,
            () if crime(Crime::RequestsWithoutEnd) => loop {
                cx.clock.now()?;
            },
            () => {}
        }
        Ok(Link { up: true, speed: 100, full_duplex: true })
    }

    fn set_mac(_: &mut Cx<'_, State>, _: MacAddress) -> Result<(), Error> {
        Ok(())
    }

    fn set_rx_mode(_: &mut Cx<'_, State>, _: RxMode) -> Result<(), Error> {
        Ok(())
    }

    fn get_ringparam(_: &mut Cx<'_, State>) -> Result<RingParam, Error> {
        Ok(RingParam { rx: RING, tx: 1 })
    }

    fn get_stats(cx: &mut Cx<'_, State>) -> Result<Stats, Error> {
        Ok(Stats { rx_frames: cx.state.calls, ..Stats::default() })
    }

    fn tx_timeout(_: &mut Cx<'_, State>) -> Result<(), Error> {
        Ok(())
    }
}

/// One driver of this kind at a time: what it does is told through statics.
static TURN: Mutex<()> = Mutex::new(());

fn start() -> (Result<NetDevice<Hostile>, DeviceError>, HostEnd, Door) {
    fgft::init().expect("the engine starts");
    let (card, door) = BareCard::new(Hostile::REGISTERS);
    let (endpoint, host) = host::pair();
    // long enough for a hundred thousand requests: it is their number that ends the call
    let options = Options { deadline: std::time::Duration::from_secs(5), ..Options::default() };
    (NetDevice::start(Box::new(card), Box::new(endpoint), options), host, door)
}

fn reports(device: &mut NetDevice<Hostile>) -> Vec<FaultReport> {
    match device.handle(Command::Faults(0)) {
        Ok(Answer::Faults(faults)) => faults,
        other => panic!("{other:?}"),
    }
}

/// Calls `step` while the driver commits `what`; each attempt must be one refused call, and afterwards all is well.
fn commit_crime(
    what: Crime,
    entry: Entry,
    word: &str,
    step: impl Fn(&mut NetDevice<Hostile>, &HostEnd) -> Result<(), DeviceError>,
) {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    CRIME.store(Crime::None as u32, Relaxed);
    let (device, host, door) = start();
    let mut device = device.expect("starts");
    step(&mut device, &host).expect("a driver that does nothing wrong");
    while host.receive(std::time::Duration::ZERO).is_some() {}
    let config = door.inside().values[0];
    let calls = stat(&mut device);
    CRIME.store(what as u32, Relaxed);
    // it does nothing else, and is put aside or given up in the end
    let result = step(&mut device, &host);
    CRIME.store(Crime::None as u32, Relaxed);
    assert!(host.receive(std::time::Duration::ZERO).is_none(), "{what:?}: no frame of a failed call leaves");
    let faults = reports(&mut device);
    assert!(!faults.is_empty(), "{what:?} was not noticed: {result:?}");
    for fault in &faults {
        let kind = if word.starts_with("returned") { "malformed-result" } else { "refused" };
        assert_eq!((fault.entry.as_str(), fault.kind.as_str()), (entry.name(), kind), "{what:?}");
        assert!(fault.text.contains(word), "{what:?}: '{word}' is not in: {}", fault.text);
    }
    assert_eq!(door.inside().values[0], config, "{what:?}: registers are put back");
    if result.is_ok() {
        assert_eq!(stat(&mut device), calls, "{what:?}: the state is put back");
        device.handle(Command::Release(None)).expect("released");
        step(&mut device, &host).expect("and goes on");
        assert!(stat(&mut device) > calls);
    }
    drop(device);
    assert_eq!(door.inside().mappings, 0);
}

fn stat(device: &mut NetDevice<Hostile>) -> u64 {
    match device.handle(Command::Status) {
        Ok(Answer::Status(status)) => {
            assert!(status.canary_intact);
            status
                .entries
                .iter()
                .filter(|(name, _)| ["link", "poll", "transmit"].contains(&name.as_str()))
                .fold(0, |sum, (_, c)| sum + c.counters.calls - c.counters.faults)
        }
        other => panic!("{other:?}"),
    }
}

fn link(device: &mut NetDevice<Hostile>, _: &HostEnd) -> Result<(), DeviceError> {
    device.handle(Command::Call(Entry::Link)).map(|_| ())
}

fn poll(device: &mut NetDevice<Hostile>, _: &HostEnd) -> Result<(), DeviceError> {
    device.serve_interrupt()
}

fn transmit(device: &mut NetDevice<Hostile>, host: &HostEnd) -> Result<(), DeviceError> {
    host.send(&[2; 60]);
    device.pump_endpoint()
}

#[test]
fn crimes_against_registers_and_memory() {
    for (what, word) in [
        (Crime::UndeclaredRegister, "no register is declared at 0x40"),
        (Crime::WrongWidth, "4 bytes wide, not 2"),
        (Crime::WriteToReadOnly, "STATUS is not written"),
        (Crime::AddressOutside, "not DMA memory"),
        (Crime::GarbageHandle, "handle 5:0 is no DMA memory: it was never granted"),
        (Crime::HugeHandle, "is no DMA memory: there are 8 slots"),
        (Crime::NoHandle, "handle none is no DMA memory"),
        (Crime::OffsetOutside, "4 bytes at 8189 do not fit into its 8192"),
        (Crime::OffsetWraps, "do not fit into its 8192"),
        (Crime::HandOverOutside, "4 bytes at 8192 do not fit into its 8192"),
        (Crime::HandOverOdd, "at offset 2, no multiple of 4"),
        (Crime::HandOverTooMany, "more than 1024 doorbells"),
        (Crime::TooMuchMemory, "DMA memory of 0 bytes"),
        (Crime::OddAlignment, "aligned to 3"),
        (Crime::CompleteForeign, "handle 3:0 is no packet buffer: it was never granted"),
        (Crime::CompleteNoBuffer, "is no packet buffer: there are 64 slots"),
        (Crime::CompleteMemory, "is no packet buffer: it was "),
        (Crime::KeepWithoutFrame, "handle none is no packet buffer"),
        (Crime::LongPause, "a pause of"),
        (Crime::RequestsWithoutEnd, "more than 100000 upcalls"),
    ] {
        commit_crime(what, Entry::Link, word, link);
    }
}

#[test]
fn crimes_against_frames_that_are_received() {
    FRAMES.store(0, Relaxed);
    for (what, word) in [
        (Crime::DeliverOutside, "60 bytes at 8182 do not fit into its 8192"),
        (Crime::DeliverTooLong, "a frame of 4000 bytes"),
        (Crime::DeliverTooShort, "a frame of 0 bytes"),
        (Crime::DeliverTooMany, "more than 64 frames"),
        (Crime::DeliverTwice, "where the one before it is"),
        (Crime::DeliverLies, "returned what cannot be"),
    ] {
        commit_crime(what, Entry::Poll, word, poll);
    }
}

#[test]
fn crimes_against_frames_that_are_sent() {
    for (what, word) in [
        (Crime::KeepAnother, "is no packet buffer: it was "),
        (Crime::KeepTwice, "it is with the code inside already"),
        (Crime::CompleteOffered, "it is with the host now"),
        (Crime::CompleteTwice, "is no packet buffer: it was given back"),
        (Crime::KeepAndRefuse, "returned what cannot be"),
        (Crime::CompleteAndRefuse, "returned what cannot be"),
        (Crime::FrameAsMemory, "is no DMA memory: "),
    ] {
        commit_crime(what, Entry::Transmit, word, transmit);
    }
}

#[test]
fn an_address_that_no_station_has_is_not_taken() {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // zeros say that the chip has none
    let mend = "has no station address: its EEPROM is broken or empty";
    for (what, word) in [(Crime::GroupAddress, "cannot be"), (Crime::ZeroAddress, mend)] {
        CRIME.store(what as u32, Relaxed);
        let (device, _host, door) = start();
        CRIME.store(Crime::None as u32, Relaxed);
        let message = device.err().expect("no device").to_string();
        assert!(message.contains(word), "{message}");
        let left = door.inside().clone();
        assert_eq!((left.mappings, left.command & 4), (0, 0), "nothing is left half done");
    }
}

/// A driver that always has a full budget must not keep everyone else waiting.
#[test]
fn a_flood_does_not_keep_a_call_from_returning() {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    CRIME.store(Crime::None as u32, Relaxed);
    let (device, _host, _door) = start();
    let mut device = device.expect("starts");
    FRAMES.store(64, Relaxed);
    device.serve_interrupt().expect("it returns");
    assert!(device.has_more(), "and says that there is more");
    FRAMES.store(0, Relaxed);
    device.serve_interrupt().expect("it returns");
    assert!(!device.has_more());
}

/// What a call hands over is the device's when the call commits: after its frames have gone up, and not at all when it
/// is aborted.
#[test]
fn descriptors_are_handed_over_by_calls_that_commit_after_their_frames() {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    CRIME.store(Crime::None as u32, Relaxed);
    let (device, host, _door) = start();
    let mut device = device.expect("starts");
    let first_word = |device: &mut NetDevice<Hostile>| {
        FRAMES.store(1, Relaxed);
        device.serve_interrupt().expect("it returns");
        FRAMES.store(0, Relaxed);
        let frame = host.receive(udrv_tests::PATIENCE).expect("a frame");
        u32::from_le_bytes(frame[..4].try_into().expect("four bytes"))
    };
    HAND_OVER.store(true, Relaxed);
    assert_eq!(first_word(&mut device), 0, "handed over after the frame that lies there has gone up");
    assert_eq!(first_word(&mut device), 1, "and was, by then");
    HAND_OVER.store(false, Relaxed);
    assert_eq!(first_word(&mut device), 2);
    CRIME.store(Crime::HandOverAndLie as u32, Relaxed);
    let _ = device.serve_interrupt();
    CRIME.store(Crime::None as u32, Relaxed);
    assert!(!reports(&mut device).is_empty());
    device.handle(Command::Release(None)).expect("released");
    assert_eq!(first_word(&mut device), 2, "a call that failed hands nothing over");
}
