//! Opens a USB device through libusb and tries everything [`LibusbDevice`] offers; exits with 0 if all of it held.
//!
//! ```text
//! cargo run --example usb_probe -- usb:1-1.2 [TRANSFERS]
//! cargo run --example usb_probe -- usb:07a6:8511 unplug
//! ```
//!
//! Opens and closes, is refused a second open, reads the device descriptor, asks for the registers of an ADM8511 (which
//! any other device must refuse), queues transfers and cancels them, resets, and closes with transfers under way: then the
//! kernel's driver has the interface again. QEMU's usb-storage is also read and written, over bulk transfers (what is written is
//! what was there).
//!
//! With `unplug` it waits until the device is unplugged, tells how that looks, and waits until it is back.

mod storage;

use std::error::Error;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::unistd::{Uid, seteuid};
use udrv::usb::libusb::{Arrivals, LibusbDevice, OpenOptions, UsbName, UsbSysfs};
use udrv_bus::{BusError, Completion, EndpointInfo, EndpointKind, Setup, Transfer, TransferStatus, UsbDevice, UsbId};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// What people may need to plug something in.
const PATIENCE: Duration = Duration::from_secs(60);
/// ADMtek, whose chip is the ADM8511.
const ADMTEK: u16 = 0x07a6;
/// GET_DESCRIPTOR of the device descriptor (USB 2.0, 9.4.3).
const DEVICE_DESCRIPTOR: Setup = Setup { request_type: 0x80, request: 6, value: 0x0100, index: 0 };
/// GET_REGISTER of the ADM8511 from 0x10 on: the station address (ADM8511 datasheet, vendor requests).
const ADM8511_ADDRESS: Setup = Setup { request_type: 0xc0, request: 0xf0, value: 0, index: 0x10 };

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        eprintln!("usage: usb_probe usb:BUS-PORT|usb:VENDOR:PRODUCT [TRANSFERS|unplug]");
        return ExitCode::from(2);
    };
    let outcome = match arguments.next().as_deref() {
        Some("unplug") => unplug(&name),
        count => count.unwrap_or("8").parse().map_err(Into::into).and_then(|count| probe(&name, count)),
    };
    match outcome {
        Ok(()) => {
            println!("usb_probe: all held");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("usb_probe: {error}");
            ExitCode::FAILURE
        }
    }
}

fn probe(name: &str, transfers: u64) -> Outcome {
    let name: UsbName = name.parse()?;
    for device in UsbSysfs::default().devices()? {
        println!("{device}");
    }
    let began = driver_of(&name)?;
    println!("driver: {}", began.as_deref().unwrap_or("none"));
    if let Some(driver) = &began {
        let options = OpenOptions { detach_kernel_driver: false, ..OpenOptions::default() };
        let refused = refusal(&name, options);
        println!("not detached: {refused}");
        ensure(refused.contains(driver) && refused.contains("unbind"), "the driver and its unbind are named")?;
    }
    unprivileged(&name)?;
    let refused = refusal(&"usb:ffff:ffff".parse()?, OpenOptions::default());
    println!("absent: {refused}");
    ensure(refused.contains("plugged in: "), "those that there are are listed")?;

    let mut device = LibusbDevice::open(&name, OpenOptions::default())?;
    println!("{} {}, configuration {}", device.name(), device.id(), device.configuration());
    for endpoint in device.endpoints() {
        println!("  {endpoint:02x?}");
    }
    let refused = refusal(&name, OpenOptions::default());
    println!("opened twice: {refused}");
    ensure(refused.contains("another process"), "a second open is refused as busy")?;

    threads()?;
    control(&mut device)?;
    if device.id() == storage::QEMU {
        storage::probe(&mut device)?;
    }
    cancelled(&mut device, transfers)?;
    let start = Instant::now();
    device.reset()?;
    println!("reset in {:?}", start.elapsed());
    control(&mut device)?;
    if device.id() == storage::QEMU {
        storage::probe(&mut device)?;
    }
    cancelled(&mut device, transfers)?;

    if let Some(endpoint) = quiet_endpoint(&device) {
        submit(&mut device, endpoint, 0)?;
    }
    let start = Instant::now();
    drop(device);
    println!("closed with a transfer under way in {:?}", start.elapsed());
    let now = driver_of(&name)?;
    println!("driver: {}", now.as_deref().unwrap_or("none"));
    ensure(now == began, "the kernel's driver has the interface again")?;
    let again = LibusbDevice::open(&name, OpenOptions::default())?;
    ensure(again.id() == name_id(&name).unwrap_or(again.id()), "it opens again after a close")
}

/// What people see who are not root and have no rule for the device.
fn unprivileged(name: &UsbName) -> Outcome {
    seteuid(Uid::from_raw(65534))?;
    let (refused, here) =
        (refusal(name, OpenOptions::default()), Arrivals::new(name.clone()).and_then(|mut a| a.is_here()));
    seteuid(Uid::from_raw(0))?;
    println!("as nobody: {refused}");
    ensure(
        refused.contains("no permission on /dev/bus/usb/") && refused.contains("ATTR{idVendor}"),
        "permission is told",
    )?;
    ensure(!here?, "a device that may not be opened is not here yet")
}

/// Waits for the device to leave and come back.
fn unplug(name: &str) -> Outcome {
    let name: UsbName = name.parse()?;
    let mut arrivals = Arrivals::new(name.clone())?;
    let mut device = LibusbDevice::open(&name, OpenOptions::default())?;
    ensure(arrivals.is_here()?, "it is here")?;
    let event = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
    device.set_event(event.as_fd())?;
    let endpoint = quiet_endpoint(&device);
    let queued = if endpoint.is_some() { 3 } else { 0 };
    for token in 0..queued {
        submit(&mut device, endpoint.expect("there is one"), token)?;
    }
    println!("unplug {name} now");
    let mut ended = Vec::new();
    let mut count = 0;
    let deadline = Instant::now() + PATIENCE;
    while count < queued + 1 {
        let left = deadline.saturating_duration_since(Instant::now());
        ensure(readable(&event, left)?, "its leaving is told")?;
        count += event.read()?;
        ended.extend(std::iter::from_fn(|| device.reap()));
    }
    ensure(count == queued + 1 && ended.len() as u64 == queued, "one event for each transfer and one for the leaving")?;
    // before it left: stalled, by a device that has nothing to say, or done, if it is not as quiet as was hoped;
    // failed: on the bus, before the kernel knows why
    println!("gone; transfers: {:?}", ended.iter().map(|c| (c.status, c.length)).collect::<Vec<_>>());
    let credible =
        |c: &Completion| c.status != TransferStatus::Cancelled && (c.status != TransferStatus::Done || c.length > 0);
    ensure(ended.iter().all(credible), "what was not done is not said to be")?;
    let mut bytes = [0; 18];
    let gone = |result: Result<(), BusError>| matches!(result, Err(BusError::Gone { .. }));
    ensure(gone(device.control_in(DEVICE_DESCRIPTOR, &mut bytes).map(drop)), "control transfers say that it is gone")?;
    ensure(gone(device.control_out(Setup { request_type: 0, ..DEVICE_DESCRIPTOR }, &[])), "both ways")?;
    let any = any_endpoint(&device);
    ensure(gone(submit(&mut device, any, 9)), "submit says so")?;
    ensure(gone(device.cancel(0x81)) && gone(device.clear_halt(0x81)) && gone(device.reset()), "and the rest")?;
    ensure(device.reap().is_none() && !arrivals.is_here()?, "it is not here")?;
    println!("drop in {:?}", timed(|| drop(device)));
    println!("plug {name} in again now");
    let start = Instant::now();
    while !arrivals.is_here()? {
        let left = PATIENCE.saturating_sub(start.elapsed());
        ensure(readable(&arrivals, left)?, "its coming is told")?;
    }
    arrivals.wait(Instant::now())?;
    println!("back after {:?}", start.elapsed());
    let mut device = LibusbDevice::open(&name, OpenOptions::default())?;
    control(&mut device)
}

/// A request that every device answers, one that only an ADM8511 does, and ones that do not reach the device.
fn control(device: &mut LibusbDevice) -> Outcome {
    let mut bytes = [0; 64];
    let start = Instant::now();
    let got = device.control_in(DEVICE_DESCRIPTOR, &mut bytes)?;
    let word = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let id = UsbId { vendor: word(8), product: word(10) };
    println!("device descriptor: {got} bytes, {id}, in {:?}", start.elapsed());
    ensure(got == 18 && id == device.id(), "a device descriptor has 18 bytes and the ids")?;

    let mut address = [0; 6];
    let answer = device.control_in(ADM8511_ADDRESS, &mut address);
    println!("ADM8511 station address: {answer:?} {address:02x?}");
    match answer {
        Ok(got) => ensure(device.id().vendor == ADMTEK && got == 6 && address != [0; 6], "it has an address")?,
        Err(BusError::Stall { .. }) => ensure(device.id().vendor != ADMTEK, "an ADM8511 has these registers")?,
        Err(error) => return Err(error.into()),
    }
    let otherwise = device.control_out(DEVICE_DESCRIPTOR, &[]).unwrap_err();
    println!("refused: {otherwise}");
    let large = device.control_in(DEVICE_DESCRIPTOR, &mut [0; 4097]).unwrap_err();
    println!("refused: {large}");
    ensure(large.to_string().contains("4096") && otherwise.to_string().contains("direction"), "bad calls are told")
}

/// Threads that come with a device take no signals: their handlers are other threads'.
fn threads() -> Outcome {
    let mut count = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let status = std::fs::read_to_string(task?.path().join("status"))?;
        let field =
            |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("").trim().to_owned();
        if field("Pid:") != field("Tgid:") {
            println!("thread {}: signals blocked {}", field("Name:"), field("SigBlk:"));
            // all but SIGKILL, SIGSTOP and the C library's own two
            ensure(u64::from_str_radix(&field("SigBlk:"), 16)? | 0x1_8004_0100 == u64::MAX, "all are blocked")?;
            count += 1;
        }
    }
    ensure(count == 2, "libusb's thread and ours")
}

/// Queues transfers for bytes that do not come, cancels them, and reaps them.
fn cancelled(device: &mut LibusbDevice, transfers: u64) -> Outcome {
    let Some(endpoint) = quiet_endpoint(device) else {
        println!("no endpoint IN: no transfers");
        return Ok(());
    };
    let event = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
    device.set_event(event.as_fd())?;
    for token in 0..transfers {
        submit(device, endpoint, token)?;
    }
    let absent = Transfer { endpoint: 0x0f, token: 0, data: vec![0; 8], zero_packet: false };
    println!("refused: {}", device.submit(absent).unwrap_err());
    let took = timed(|| device.cancel(endpoint.address));
    println!("{transfers} transfers on {:#04x} cancelled in {took:?}", endpoint.address);
    let ended: Vec<Completion> = std::iter::from_fn(|| device.reap()).collect();
    let count = |status| ended.iter().filter(|c| c.status == status).count();
    let (cancelled, stalled) = (count(TransferStatus::Cancelled), count(TransferStatus::Stalled));
    println!("{} ended: {cancelled} cancelled, {stalled} stalled, {} done", ended.len(), count(TransferStatus::Done));
    ensure(ended.iter().map(|c| c.token).eq(0..transfers), "they come back once each, in order")?;
    ensure(ended.iter().all(|c| c.data.len() == SIZE && c.endpoint == endpoint.address), "with their memory")?;
    ensure(event.read()? == transfers, "one event each")?;
    device.cancel(endpoint.address)?;
    ensure(device.reap().is_none() && event.read().is_err(), "nothing is left")?;
    if endpoint.kind == EndpointKind::Bulk {
        device.clear_halt(endpoint.address)?; // QEMU's interrupt endpoints know no halt
    }
    submit(device, endpoint, 0)?;
    let busy = device.clear_halt(endpoint.address).err().map(|e| e.to_string()).unwrap_or_default();
    device.cancel(endpoint.address)?;
    ensure(busy.contains("queued") || stalled > 0, "a halt is not cleared under transfers")?;
    while device.reap().is_some() {}
    Ok(())
}

/// Bytes of a transfer here: more than a packet, as a driver has it that takes frames.
const SIZE: usize = 1536;

fn submit(device: &mut LibusbDevice, endpoint: EndpointInfo, token: u64) -> Result<(), BusError> {
    device.submit(Transfer { endpoint: endpoint.address, token, data: vec![0; SIZE], zero_packet: false })
}

/// An endpoint that has nothing to say, one hopes: bulk IN, or else interrupt IN.
fn quiet_endpoint(device: &LibusbDevice) -> Option<EndpointInfo> {
    let of = |kind| device.endpoints().iter().find(|e| e.is_in() && e.kind == kind).copied();
    of(EndpointKind::Bulk).or_else(|| of(EndpointKind::Interrupt))
}

fn any_endpoint(device: &LibusbDevice) -> EndpointInfo {
    let none = EndpointInfo { address: 0x81, kind: EndpointKind::Bulk, max_packet: 64 };
    device.endpoints().first().copied().unwrap_or(none)
}

/// Name of the kernel's driver at interface 0.
fn driver_of(name: &UsbName) -> Outcome<Option<String>> {
    let Some(device) = UsbSysfs::default().find(name)? else { return Ok(None) };
    let configuration = device.configuration.unwrap_or(1);
    let link = std::fs::read_link(format!("/sys/bus/usb/devices/{}:{configuration}.0/driver", device.port));
    Ok(link.ok().and_then(|to| Some(to.file_name()?.to_str()?.to_owned())))
}

fn refusal(name: &UsbName, options: OpenOptions) -> String {
    LibusbDevice::open(name, options).err().map(|e| e.to_string()).unwrap_or_default()
}

fn name_id(name: &UsbName) -> Option<UsbId> {
    if let UsbName::Id(id) = name { Some(*id) } else { None }
}

/// Whether it is readable in time.
fn readable(event: &impl AsFd, within: Duration) -> Outcome<bool> {
    let within = u16::try_from(within.as_millis()).unwrap_or(u16::MAX);
    Ok(poll(&mut [PollFd::new(event.as_fd(), PollFlags::POLLIN)], within)? > 0)
}

fn timed<T>(run: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

fn ensure(held: bool, what: &str) -> Outcome {
    if held { Ok(()) } else { Err(format!("does not hold: {what}").into()) }
}
