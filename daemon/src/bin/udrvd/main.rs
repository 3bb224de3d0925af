//! udrvd: drives one device.
#![forbid(unsafe_code)]

mod arguments;
mod begin;
mod config;
#[cfg(test)]
mod config_tests;
mod hand_back;
mod house;
mod input;
mod keep;
mod log;
mod net;
mod service;
mod signals;
mod sound;

use std::error::Error;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use clap::ArgMatches;
use udrv::endpoint::input::taken_over;
use udrv::keep::Inherited;
use udrv::run::{Ended, Options, commands};
use udrv_daemon::complaint::complain;
use udrv_daemon::control::Gate;
use udrv_daemon::directory;
use udrv_daemon::pair::{self, Outcome, Pair, Predecessor, Program, Turn, Verdict};
use udrv_daemon::system::hand_back::{GIVEN_UP, Note};
use udrv_daemon::trace::Trace;

use crate::arguments::{Action, Run};
use crate::begin::Begun;
use crate::config::Told;
use crate::hand_back::{Said, ToBeHandedBack, when_given_up};
use crate::house::House;
use crate::keep::Beginning;
use crate::service::Service;
use crate::signals::Configuration;

/// The command line or the configuration is wrong: starting again is no use.
const WRONG: u8 = 2;

fn main() -> ExitCode {
    let began = Instant::now();
    // First of all: threads inherit the rights to tagged memory from here.
    let isolation = fgft::init();
    let words: Vec<OsString> = std::env::args_os().collect();
    let told = match config::from_command_line(&words) {
        Ok(Told { action: Action::Check { file }, .. }) => return check(&file),
        Ok(told) => told,
        Err(error) => return fail(&error, WRONG),
    };
    let Some((run, matches)) = told.run() else { return ExitCode::SUCCESS };
    if pair::is_to_supervise(run.service.standby) {
        return match pair::supervise(&words) {
            Ok(code) => ExitCode::from(code),
            Err(error) => fail(&error, 1),
        };
    }
    // before any file is opened that stays open
    let inherited = Inherited::from_environment();
    // before any thread is started
    let predecessor = Predecessor::of_this_process();
    log::start(run.log_json);
    let result = isolation.map_err(Into::into).and_then(|isolation| {
        if isolation == fgft::Isolation::RollbackOnly {
            tracing::warn!(
                "isolation: rollback-only. This machine has no memory protection keys, or they are switched off: \
                 faults are trapped and rolled back, but a stray write into mapped memory is not seen"
            );
        }
        drive(&run, inherited?, predecessor?, (words, matches), began)
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
    mut predecessor: Option<Predecessor>,
    (words, matches): (Vec<OsString>, ArgMatches),
    began: Instant,
) -> Result<(), Box<dyn Error>> {
    let name = run.device.to_string();
    // for as long as it takes, and until a signal: before there is anything to leave behind
    if run.wait && predecessor.is_none() {
        run.device.wait(service::waiting)?;
    }
    let mut program = Program::of_this_process(&words)?;
    let directory = directory::of_daemon();
    directory::prepare(&directory)?;
    // before the control socket: whoever takes that takes away the variables that name both
    let node = taken_over();
    let mut house = House::new(run, &directory, &name, predecessor.as_mut())?;
    // what one before this has left of it is not so any more
    Note::remove(&directory, &name)?;
    let inherited = predecessor.as_mut().map_or(inherited, Predecessor::inherited);
    if let Some(predecessor) = &predecessor {
        program = predecessor.program(program);
    }
    let (trace, gate) = (Arc::new(Trace::default()), Gate::new()?);
    let pair = Pair::new(program, &inherited, run.service.keep_fds.keeper()?, run.service.standby, gate.clone())?;
    let options = Options { trace: Some(trace.tracer()), keeper: Some(Arc::new(pair.clone())), ..run.options() };
    let waited = match &predecessor {
        None => None,
        Some(predecessor) => match begin::wait(&run.device, predecessor, inherited.duplicate()?, &options)? {
            None => {
                house.leave();
                return Ok(());
            }
            waited => waited,
        },
    };
    let (commander, inbox) = commands()?;
    let service = Service::new(format!("drives {name}"), matches!(waited, Some((_, Turn::LetGo))));
    let given_up = Said::default();
    let hand_back = run.service.hand_back.then(|| when_given_up(&directory, &name, given_up.clone()));
    let inbox = inbox.with_heartbeat(service.heartbeat()).with_given_up(hand_back);
    let configuration = run.config.is_some().then(|| Configuration {
        words,
        started: matches.clone(),
        now: matches,
        service: service.clone(),
    });
    // what was started until here has its signals; from here on drivers run
    signals::listen(commander.clone(), configuration, pair.clone())?;
    let mut on_probation = None;
    let begun = match (waited, predecessor) {
        (Some((prepared, Turn::LetGo)), Some(predecessor)) => {
            let begun = begin::take_over(&run.device, prepared, &predecessor, began)?;
            predecessor.serving();
            on_probation = Some(predecessor);
            begun
        }
        (Some((prepared, _)), _) => begin::begin(run, Beginning::GoesOn(Box::new(prepared)), &options, node, began)?,
        (None, _) => begin::begin(run, keep::look(&run.device, inherited, &options), &options, node, began)?,
    };
    house.serve(&commander, &trace, &pair, &gate)?;
    let parts = house.parts()?;
    let holds = {
        let (service, pair, commander) = (service.clone(), pair.clone(), commander.clone());
        move || {
            service.ready();
            pair.serve(parts, commander)
        }
    };
    let probation = match on_probation {
        None => holds().map(|()| None)?,
        Some(predecessor) => Some(predecessor.probation(commander, move |verdict| match verdict {
            Verdict::GivenBack(_) => Ok(()),
            Verdict::Holds | Verdict::Alone => holds(),
        })?),
    };
    let Begun { mut running, mut around } = begun;
    let ran = loop {
        let left = match running.run(&inbox) {
            Ok(Ended::Left(left)) => left,
            Ok(Ended::Stopped) => break Ok(()),
            Err(error) => break Err(error),
        };
        match pair.change_over(left, service::alive, service::main_is) {
            Outcome::Replaced(pid) => {
                drop(inbox);
                pair.answers_are_written();
                house.leave();
                tracing::info!(device = name, pid, "left to another process");
                return Ok(());
            }
            Outcome::Stopped => {
                house.leave();
                return Ok(());
            }
            Outcome::GivenBack => {
                // it tells why
                drop(probation.map(JoinHandle::join));
                house.leave();
                return Err("the device was given back".into());
            }
            Outcome::Back(then) => {
                let beginning = keep::look(&run.device, pair.inherited()?, &options);
                Begun { running, around } = begin::begin(run, beginning, &options, None, began)?;
                then();
            }
        }
    };
    service::stopping();
    pair.stop();
    trace.stop();
    drop(around);
    match ran {
        Err(error) if given_up.get().is_some() => return Err(ToBeHandedBack(error).into()),
        ran => ran?,
    }
    tracing::info!(device = name, "stopped");
    Ok(())
}
