//! udrvd: drives one device.
#![forbid(unsafe_code)]

mod arguments;
mod config;
#[cfg(test)]
mod config_tests;
mod hand_back;
mod input;
mod keep;
mod log;
mod net;
mod service;
mod signals;
mod sound;

use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::ArgMatches;
use udrv::device::Opened;
use udrv::endpoint::input::taken_over;
use udrv::keep::Inherited;
use udrv::run::{Options, commands};
use udrv_daemon::complaint::complain;
use udrv_daemon::control::{Access, ControlSocket};
use udrv_daemon::device::OpenDevice;
use udrv_daemon::directory;
use udrv_daemon::drivers::{Class, Driver};
use udrv_daemon::lock::DeviceLock;
use udrv_daemon::metrics::MetricsServer;
use udrv_daemon::system::hand_back::{GIVEN_UP, Note};
use udrv_daemon::trace::Trace;

use crate::arguments::{Action, Run};
use crate::config::Told;
use crate::hand_back::{Said, ToBeHandedBack, when_given_up};
use crate::keep::Beginning;
use crate::signals::Configuration;

/// The command line or the configuration is wrong: starting again is no use.
const WRONG: u8 = 2;

fn main() -> ExitCode {
    let began = Instant::now();
    // First of all: threads inherit the rights to tagged memory from here.
    let isolation = fgft::init();
    // before any file is opened
    let inherited = Inherited::from_environment();
    let words: Vec<OsString> = std::env::args_os().collect();
    let told = match config::from_command_line(&words) {
        Ok(Told { action: Action::Check { file }, .. }) => return check(&file),
        Ok(told) => told,
        Err(error) => return fail(&error, WRONG),
    };
    let Some((run, matches)) = told.run() else { return ExitCode::SUCCESS };
    log::start(run.log_json);
    let result = isolation.map_err(Into::into).and_then(|isolation| {
        if isolation == fgft::Isolation::RollbackOnly {
            tracing::warn!(
                "isolation: rollback-only. This machine has no memory protection keys, or they are switched off: \
                 faults are trapped and rolled back, but a stray write into mapped memory is not seen"
            );
        }
        drive(&run, inherited?, (words, matches), began)
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<ToBeHandedBack>() => fail(&*error, GIVEN_UP),
        Err(error) => fail(&*error, 1),
    }
}

fn fail(error: &dyn Error, code: u8) -> ExitCode {
    complain("udrvd", &error.to_string());
    ExitCode::from(code)
}

fn check(file: &Path) -> ExitCode {
    match config::check(file).map(Told::run) {
        Ok(Some((run, _))) => {
            println!("{}: right, and drives {}", file.display(), run.device);
            ExitCode::SUCCESS
        }
        Ok(None) => ExitCode::SUCCESS,
        Err(error) => fail(&error, WRONG),
    }
}

fn drive(
    run: &Run,
    inherited: Inherited,
    (words, matches): (Vec<OsString>, ArgMatches),
    began: Instant,
) -> Result<(), Box<dyn Error>> {
    let name = run.device.to_string();
    // for as long as it takes, and until a signal: before there is anything to leave behind
    if run.wait {
        run.device.wait(service::waiting)?;
    }
    let directory = directory::of_daemon();
    directory::prepare(&directory)?;
    let _lock = DeviceLock::take(&directory, &name)?;
    // what one before this has left of it is not so any more
    Note::remove(&directory, &name)?;
    // before the control socket: whoever takes that takes away the variables that name both
    let node = taken_over();
    let control = control(run, &directory, &name)?;
    let trace = Arc::new(Trace::default());
    let keeper = run.service.keep_fds.keeper()?;
    let options = Options { trace: Some(trace.tracer()), keeper, ..run.options() };
    let open = |opened: Option<Opened>| match opened {
        Some(opened) => OpenDevice::of(opened),
        None => run.device.open(!run.net.no_far_host),
    };
    let (left, mut device, endpoint) = match keep::look(&run.device, inherited, options.keeper.as_deref()) {
        Beginning::GoesOn(left, opened, inherited) => (Some((left, inherited)), OpenDevice::of(opened)?, None),
        Beginning::Anew(opened, endpoint) => (None, open(opened)?, endpoint),
    };
    let driver = keep::driver_for(device.id, &name)?;
    refuse_options(run, driver, &name)?;
    let (commander, inbox) = commands()?;
    let given_up = Said::default();
    let hand_back = run.service.hand_back.then(|| when_given_up(&directory, &name, given_up.clone()));
    let inbox = inbox.with_heartbeat(service::heartbeat()).with_given_up(hand_back);
    let status = format!("drives {name} with {}", driver.name);
    let configuration = run.config.is_some().then(|| Configuration {
        words,
        started: matches.clone(),
        now: matches,
        status: status.clone(),
    });
    signals::listen(commander.clone(), configuration)?;
    let metrics = run.service.metrics.as_ref().map(|place| MetricsServer::bind(place, &access(run))).transpose()?;
    if let Some(metrics) = &metrics {
        metrics.serve(commander.clone())?;
    }
    control.serve(commander, trace.clone())?;
    let _hand = run.input.hand(device.mouse.take(), &name)?;
    // what was started until here has its signals; from here on drivers run
    let mut begun = match left {
        None => Err((device, endpoint)),
        Some((left, inherited)) => match keep::go_on(&run.device, (left, device.opened, inherited), driver, &options) {
            Ok(running) => {
                tracing::info!(device = name, process_us = began.elapsed().as_micros() as u64, "took over");
                Ok(running)
            }
            Err((opened, endpoint)) => Err((open(opened)?, endpoint)),
        },
    };
    // the host at the end of a model's wire, and a socket's other end, are there for as long as the device runs
    let _far_host = begun.as_mut().err().and_then(|(device, _)| device.far_host.take());
    let mut _peer = None;
    let running = match (begun, driver.class) {
        (Ok(running), _) => running,
        (Err((device, Some(endpoint))), Class::Net(start, _)) => start(device.opened, endpoint, options)?,
        (Err((device, None)), Class::Net(start, _)) => {
            let (endpoint, peer) = run.net.endpoint()?;
            _peer = peer;
            start(device.opened, endpoint, options)?
        }
        (Err((device, _)), Class::Sound(start)) => start(device.opened, run.sound.endpoint()?, options)?,
        (Err((device, _)), Class::Input(start)) => start(device.opened, run.input.endpoint(node)?, options)?,
    };
    service::ready(&status);
    let ran = running.run(&inbox);
    service::stopping();
    trace.stop();
    match ran {
        Err(error) if given_up.get().is_some() => return Err(ToBeHandedBack(error).into()),
        ran => ran?,
    }
    tracing::info!(device = name, "stopped");
    Ok(())
}

fn access(run: &Run) -> Access {
    Access { readers: run.service.read_group.clone(), changers: run.service.change_group.clone() }
}

/// The control socket: the service manager's, or one of our own. It is called as the configuration is, or as the device.
fn control(run: &Run, directory: &Path, device: &str) -> Result<ControlSocket, Box<dyn Error>> {
    let access = access(run);
    if let Some(listener) = service::control_socket()? {
        return Ok(ControlSocket::adopt(listener, directory, device, &access)?);
    }
    let file = run.config.as_ref().and_then(|file: &PathBuf| file.file_stem());
    let name = file.map_or(device.into(), |stem| stem.to_string_lossy());
    Ok(ControlSocket::bind(directory, &name, device, &access)?)
}

/// Options of another class of devices are a mistake.
fn refuse_options(run: &Run, driver: &Driver, name: &str) -> Result<(), String> {
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
