//! Opens a PCI function through VFIO and tries everything [`VfioFunction`] offers; exits with 0 if all of it held.
//!
//! ```text
//! cargo run --example vfio_probe -- 0000:00:04.0
//! ```
//!
//! Opens and closes, maps memory and is refused what must be refused (run it as root: it plays an unprivileged user
//! in between), is adopted by a second handle on the same fds, and reads BARs that are not decoded. On an RTL8139
//! also: MAC through both BARs, soft reset, and the timer interrupt over the eventfd with masking and unmasking.

use std::error::Error;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Uid, seteuid};
use udrv::dma::DmaRegion;
use udrv::iova::IovaAllocator;
use udrv::vfio::{Sysfs, VfioFunction};
use udrv_bus::{BarKind, BusError, DmaMapping, PciAddress, PciFunction, Width};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Registers of the RTL8139 that are used here (RTL8139D datasheet 1.2, section 5), BAR 0 (ports) and BAR 1 (memory).
mod regs {
    pub(crate) const CR: u64 = 0x37;
    pub(crate) const CR_RST: u32 = 0x10;
    pub(crate) const IMR: u64 = 0x3c;
    pub(crate) const ISR: u64 = 0x3e;
    pub(crate) const TIMEOUT: u32 = 1 << 14; // in IMR and ISR
    pub(crate) const TCTR: u64 = 0x48;
    pub(crate) const TIMER_INT: u64 = 0x54;
}

/// Ports of the RTL8139.
const IO: u8 = 0;
/// Its registers in memory.
const MEM: u8 = 1;

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let Some(address) = std::env::args().nth(1) else {
        eprintln!("usage: vfio_probe dddd:bb:dd.f");
        return ExitCode::from(2);
    };
    match probe(&address) {
        Ok(()) => {
            println!("vfio_probe: all held");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("vfio_probe: {error}");
            ExitCode::FAILURE
        }
    }
}

fn probe(address: &str) -> Outcome {
    let address: PciAddress = address.parse()?;
    let mut function = VfioFunction::open(address)?;
    let vendor = function.config_read(0, Width::U16)?;
    let device = function.config_read(2, Width::U16)?;
    let command = function.config_read(4, Width::U16)?;
    println!("{} {vendor:04x}:{device:04x} revision {:#04x}", function.name(), function.config_read(8, Width::U8)?);
    println!("command {command:#06x}: bus mastering {}", if command & 4 == 0 { "off" } else { "ON" });
    ensure(command & 4 == 0, "a fresh open leaves bus mastering off")?;
    for bar in 0..6 {
        match function.bar(bar) {
            Ok(info) => println!("BAR {bar}: {info:?}, mapped: {}", function.is_mapped(bar)),
            Err(BusError::NoSuchBar(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    ensure(matches!(function.bar(6), Err(BusError::NoSuchBar(6))), "there is no BAR 6")?;
    ensure(
        matches!(function.config_read(0xfffc, Width::U32), Err(BusError::OutOfRange { .. })),
        "configuration space has an end",
    )?;
    let second = VfioFunction::open(address).err().map(|e| e.to_string()).unwrap_or_default();
    println!("opened twice: {second}");
    ensure(second.contains("another process"), "a second open is refused as busy")?;

    refusals(address, &mut function)?;
    let mapping = dma(&mut function)?;
    println!("reset: {:?}", function.reset()?);
    if (vendor, device) == (0x10ec, 0x8139) {
        rtl8139(&mut function)?;
    }
    function = adoption(function, mapping.clone())?;
    read_speed(&mut function)?;
    switched_off(&mut function)?;
    function.unmap_dma(mapping.iova, mapping.memory.size())?;
    ensure(function.unmap_dma(mapping.iova, mapping.memory.size()).is_err(), "unmapping twice is refused")?;
    drop(function);
    let again = VfioFunction::open(address)?;
    ensure(again.address() == address, "it opens again after a close")?;
    let missing = Sysfs::default().check("0000:00:1e.7".parse()?).unwrap_err();
    println!("absent: {missing}");
    Ok(())
}

/// Bus addresses, mappings, and what must be refused.
fn dma(function: &mut VfioFunction) -> Outcome<DmaMapping> {
    let ranges = function.iova_ranges()?;
    for (first, last) in &ranges {
        println!("bus addresses {first:#x} to {last:#x}");
    }
    let mut iova = IovaAllocator::new(&ranges);
    let region = Arc::new(DmaRegion::new(1 << 20, fgft::device_key())?);
    let at = iova.alloc(region.size(), 1)?;
    let mapping = DmaMapping { iova: at, memory: region.clone() };
    let began = Instant::now();
    function.map_dma(mapping.clone())?;
    println!("mapped 1 MiB at {at:#x} in {:?}", began.elapsed());
    let overlap = function.map_dma(mapping.clone()).unwrap_err();
    println!("mapped twice: {overlap}");
    let reserved = ranges.windows(2).find(|w| w[0].1 + 1 < w[1].0).map(|w| w[0].1 + 1);
    if let Some(reserved) = reserved {
        let page = Arc::new(DmaRegion::new(4096, None)?);
        let refused = function.map_dma(DmaMapping { iova: reserved, memory: page }).unwrap_err();
        println!("mapped into the reserved range: {refused}");
    }
    // A second mapping, left for the drop to take back.
    let more = Arc::new(DmaRegion::new(4096, None)?);
    function.map_dma(DmaMapping { iova: iova.alloc(4096, 1)?, memory: more })?;
    Ok(mapping)
}

/// MAC through both BARs, soft reset, timer interrupt.
fn rtl8139(function: &mut VfioFunction) -> Outcome {
    let mac = |function: &mut VfioFunction, bar| -> Result<Vec<u32>, BusError> {
        (0..6).map(|offset| function.bar_read(bar, offset, Width::U8)).collect()
    };
    let (ports, memory) = (mac(function, IO)?, mac(function, MEM)?);
    println!("MAC {ports:02x?} by ports, {memory:02x?} by memory");
    ensure(ports == memory && ports.iter().any(|b| *b != 0), "both BARs show the same MAC")?;
    ensure(function.bar_read(IO, 0x100, Width::U8).is_err(), "BAR 0 ends at 0x100")?;
    ensure(function.bar_read(IO, 1, Width::U32).is_err(), "odd accesses are refused")?;
    let first = function.bar_read(MEM, 0, Width::U32)?.to_le_bytes();
    ensure(first.iter().zip(&memory).all(|(a, b)| u32::from(*a) == *b), "byte order")?;

    function.bar_write(IO, regs::CR, Width::U8, regs::CR_RST)?;
    let deadline = Instant::now() + Duration::from_secs(1);
    while function.bar_read(IO, regs::CR, Width::U8)? & regs::CR_RST != 0 {
        ensure(Instant::now() < deadline, "soft reset ends within a second")?;
    }
    println!("soft reset done, ISR {:#06x}", function.bar_read(MEM, regs::ISR, Width::U16)?);
    timer_interrupt(function)
}

/// The timer raises the line; it stays masked until unmasked, and fires at once if the cause is not cleared.
fn timer_interrupt(function: &mut VfioFunction) -> Outcome {
    ensure(function.unmask_intx().is_err(), "no unmask before enable")?;
    let event = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
    function.enable_intx(event.as_fd())?;
    ensure(!fired(&event, 0)?, "quiet before the timer")?;
    let (isr, imr) = (regs::ISR, regs::IMR);
    function.bar_write(IO, isr, Width::U16, 0xffff)?;
    function.bar_write(IO, imr, Width::U16, regs::TIMEOUT)?;
    function.bar_write(IO, regs::TIMER_INT, Width::U32, 1000)?; // in PCI clocks from TCTR = 0
    let began = Instant::now();
    function.bar_write(IO, regs::TCTR, Width::U32, 0)?;
    ensure(fired(&event, 2000)?, "the timer fires within 2 s")?;
    println!(
        "interrupt after {:?}, count {}, ISR {:#06x}",
        began.elapsed(),
        event.read()?,
        function.bar_read(IO, isr, Width::U16)?
    );
    ensure(!fired(&event, 0)?, "masked after one")?;
    function.unmask_intx()?;
    ensure(fired(&event, 2000)?, "unmask while asserted fires again")?;
    println!("unmasked while asserted: fired again, count {}", event.read()?);
    function.bar_write(IO, regs::TIMER_INT, Width::U32, 0)?; // timer off
    function.bar_write(IO, isr, Width::U16, 0xffff)?; // cause cleared
    function.unmask_intx()?;
    ensure(!fired(&event, 50)?, "quiet once the cause is gone")?;
    function.disable_intx()?;
    function.disable_intx()?;
    println!("quiet after acknowledge; disabled");
    function.bar_write(IO, imr, Width::U16, 0)?;
    Ok(())
}

/// A second handle on the same fds goes on; the first leaves without touching the device.
fn adoption(mut function: VfioFunction, mapping: DmaMapping) -> Outcome<VfioFunction> {
    let address = function.address();
    let command = function.config_read(4, Width::U16)?;
    function.config_write(4, Width::U16, command | 4)?;
    let fds = function.fds()?;
    function.leave_running(true);
    drop(function);
    let mut successor = VfioFunction::adopt(address, fds, vec![mapping.clone()])?;
    let command = successor.config_read(4, Width::U16)?;
    ensure(command & 4 != 0, "bus mastering went on")?;
    ensure(successor.map_dma(mapping).is_err(), "the mapping is still known")?;
    let event = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
    successor.enable_intx(event.as_fd())?;
    successor.unmask_intx()?;
    successor.disable_intx()?;
    println!("adopted with bus mastering on, command {command:#06x}");
    Ok(successor)
}

/// A thousand reads of the first word of each BAR.
fn read_speed(function: &mut VfioFunction) -> Outcome {
    for bar in 0..6 {
        if function.bar(bar).is_err() {
            continue;
        }
        let began = Instant::now();
        for _ in 0..1000 {
            function.bar_read(bar, 0, Width::U32)?;
        }
        println!("BAR {bar}: {:?} a read", began.elapsed() / 1000);
    }
    Ok(())
}

/// Without memory decode a mapped BAR raises SIGBUS and an unmapped one fails: an error, not a crash or a value.
/// Ports read as all ones: the kernel does not check their decode.
fn switched_off(function: &mut VfioFunction) -> Outcome {
    let command = function.config_read(4, Width::U16)?;
    function.config_write(4, Width::U16, command & !3)?;
    for bar in 0..6 {
        let Ok(info) = function.bar(bar) else { continue };
        let (read, written) = (function.bar_read(bar, 0, Width::U32), function.bar_write(bar, 0, Width::U32, 0));
        println!("BAR {bar} without decode: read {read:x?}, write {written:?}");
        match info.kind {
            BarKind::Memory => ensure(read.is_err() && written.is_err(), "no value from memory without decode")?,
            BarKind::Io => ensure(read? == u32::MAX, "ports read as all ones without decode")?,
        }
    }
    function.config_write(4, Width::U16, command)?;
    for bar in 0..6 {
        if function.bar(bar).is_ok() {
            function.bar_read(bar, 0, Width::U32)?;
        }
    }
    Ok(())
}

/// Runs `body` as user 65534, without capabilities.
fn unprivileged<T>(body: impl FnOnce() -> T) -> Outcome<T> {
    seteuid(Uid::from_raw(65534))?;
    let result = body();
    seteuid(Uid::from_raw(0))?;
    Ok(result)
}

/// The errors of people who are not root.
fn refusals(address: PciAddress, function: &mut VfioFunction) -> Outcome {
    let text = unprivileged(|| VfioFunction::open(address).err().map(|e| e.to_string()).unwrap_or_default())?;
    println!("as nobody: {text}");
    ensure(text.contains("no permission on /dev/vfio/"), "permission is told")?;
    let limit = getrlimit(Resource::RLIMIT_MEMLOCK)?;
    setrlimit(Resource::RLIMIT_MEMLOCK, 64 << 10, limit.1)?;
    let memory = Arc::new(DmaRegion::new(1 << 20, None)?);
    let text = unprivileged(|| function.map_dma(DmaMapping { iova: 0x1000_0000, memory }))?.unwrap_err().to_string();
    setrlimit(Resource::RLIMIT_MEMLOCK, limit.0, limit.1)?;
    println!("with ulimit -l 64: {text}");
    ensure(text.contains("ulimit -l 1") && text.contains("is 64 KiB"), "the limit is told")
}

/// Whether the eventfd is readable within `ms`.
fn fired(event: &EventFd, ms: u16) -> Outcome<bool> {
    let mut fds = [PollFd::new(event.as_fd(), PollFlags::POLLIN)];
    Ok(poll(&mut fds, ms)? > 0)
}

fn ensure(held: bool, what: &str) -> Outcome {
    if held { Ok(()) } else { Err(format!("does not hold: {what}").into()) }
}
