//! How a device begins: probed, gone on with, or taken over from a process that lets go.

use std::any::Any;
use std::error::Error;
use std::os::fd::OwnedFd;
use std::time::Instant;

use udrv::device::Opened;

use udrv::keep::Inherited;
use udrv::run::{Options, Refused};
use udrv_daemon::device::{DeviceName, OpenDevice};
use udrv_daemon::drivers::{Class, Driver, Running};
use udrv_daemon::pair::{Predecessor, Turn};

use crate::arguments::Run;
use crate::keep::{self, Beginning, Now, Prepared};

/// A device that runs, and what is around it for as long as it does.
pub(crate) struct Begun {
    pub(crate) running: Box<dyn Running>,
    /// The host at the end of a model's wire, a socket's other end, the hand on a mouse.
    pub(crate) around: Vec<Box<dyn Any>>,
}

/// Maps all that a successor needs and waits for its turn: `None` is the end.
///
/// # Errors
/// It could not go on with the device; the predecessor is told.
pub(crate) fn wait(
    device: &DeviceName,
    predecessor: &Predecessor,
    inherited: Inherited,
    options: &Options,
) -> Result<Option<(Prepared, Turn)>, String> {
    let prepared = Prepared::new(device, inherited, options, Now::Driven).map_err(|(why, _)| {
        predecessor.failed(&why);
        why
    })?;
    prepared.touch();
    predecessor.ready();
    Ok(match predecessor.wait() {
        Turn::End => None,
        turn => Some((prepared, turn)),
    })
}

/// Goes on with a device whose process lets go. It stays as it is if that cannot be.
///
/// # Errors
/// Why not; the predecessor is told, and takes it back.
pub(crate) fn take_over(
    device: &DeviceName,
    prepared: Prepared,
    predecessor: &Predecessor,
    began: Instant,
) -> Result<Begun, Box<dyn Error>> {
    let went = prepared.go_on(device, Refused::Left);
    let running = went.map_err(|(why, _)| {
        predecessor.failed(&why);
        why
    })?;
    Ok(taken_over(running, device, began))
}

/// Begins, where no other process drives it.
///
/// # Errors
/// It cannot be opened or started, or options do not fit it.
pub(crate) fn begin(
    run: &Run,
    beginning: Beginning,
    options: &Options,
    node: Option<OwnedFd>,
    began: Instant,
) -> Result<Begun, Box<dyn Error>> {
    let device = &run.device;
    let remains = match beginning {
        Beginning::Anew(opened, endpoint) => (opened, endpoint),
        Beginning::GoesOn(prepared) => {
            refuse_options(run, prepared.driver)?;
            match prepared.go_on_or_stop(device, options) {
                Ok(running) => return Ok(taken_over(running, device, began)),
                Err(remains) => remains,
            }
        }
    };
    start(run, remains, options.clone(), node)
}

fn taken_over(running: Box<dyn Running>, device: &DeviceName, began: Instant) -> Begun {
    tracing::info!(%device, process_us = began.elapsed().as_micros() as u64, "took over");
    Begun { running, around: Vec::new() }
}

fn start(
    run: &Run,
    (opened, endpoint): keep::Remains,
    options: Options,
    node: Option<OwnedFd>,
) -> Result<Begun, Box<dyn Error>> {
    let mut device: OpenDevice = match opened {
        Some(opened) => OpenDevice::of(opened)?,
        None => run.device.open(!run.net.no_far_host)?,
    };
    let name = run.device.to_string();
    let driver = keep::driver_for(device.id, &name)?;
    refuse_options(run, driver)?;
    let mut around: Vec<Box<dyn Any>> = Vec::new();
    around.push(Box::new(run.input.hand(device.mouse.take(), &name)?));
    around.push(Box::new(device.far_host.take()));
    let opened: Opened = device.opened;
    let running = match (endpoint, driver.class) {
        (Some(endpoint), Class::Net(start, _)) => start(opened, endpoint, options)?,
        (None, Class::Net(start, _)) => {
            let (endpoint, peer): (_, Option<OwnedFd>) = run.net.endpoint()?;
            around.push(Box::new(peer));
            start(opened, endpoint, options)?
        }
        (_, Class::Sound(start)) => start(opened, run.sound.endpoint()?, options)?,
        (_, Class::Input(start)) => start(opened, run.input.endpoint(node)?, options)?,
    };
    Ok(Begun { running, around })
}

/// Options of another class of devices are a mistake.
fn refuse_options(run: &Run, driver: &Driver) -> Result<(), String> {
    let name = &run.device;
    let [net, sound, input] = [
        (run.net.given(), "network cards", "a network card"),
        (run.sound.given(), "sound cards", "a sound card"),
        (run.input.given(), "mice", "a mouse"),
    ];
    let ((_, _, it), others) = match driver.class {
        Class::Net(..) => (net, [sound, input]),
        Class::Sound(_) => (sound, [net, input]),
        Class::Input(_) => (input, [net, sound]),
    };
    let given = others.into_iter().find_map(|(given, other, _)| given.map(|option| (option, other)));
    given.map_or(Ok(()), |(option, other)| Err(format!("{option} is for {other}, and {name} is {it}: leave it out")))
}
