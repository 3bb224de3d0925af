//! SIGTERM and SIGINT stop the device, SIGHUP has the configuration read again: on a thread of their own, for ordinary handlers
//! must not run on the device's.

use std::ffi::OsString;
use std::io;

use clap::ArgMatches;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use udrv::run::{Answer, Command, Commander, Tuning};
use udrv_daemon::pair::Pair;

use crate::arguments::LIVE;
use crate::service::Service;
use crate::{config, service};

/// What is read again, and what was read before.
pub(crate) struct Configuration {
    /// The command line, which names the file.
    pub(crate) words: Vec<OsString>,
    /// What was said at the start.
    pub(crate) started: ArgMatches,
    /// What was said last, of what holds.
    pub(crate) now: ArgMatches,
    pub(crate) service: Service,
}

/// Listens for them. Without a configuration file SIGHUP stops: the terminal is gone.
pub(crate) fn listen(commander: Commander, mut configuration: Option<Configuration>, pair: Pair) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    let wait = move || {
        for signal in &mut signals {
            match (signal, &mut configuration) {
                (SIGHUP, Some(configuration)) => {
                    if configuration.reload(&commander) {
                        // a standby has read what was there before
                        pair.renew();
                    }
                }
                _ => {
                    service::stopping();
                    if pair.stop() {
                        // it is another process's to stop, which was told so
                        continue;
                    }
                    if commander.ask(Command::Stop).is_none() {
                        break;
                    }
                }
            }
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(wait).map(|_| ())
}

impl Configuration {
    /// Whether anything has changed.
    fn reload(&mut self, commander: &Commander) -> bool {
        service::reloading();
        match self.try_reload(commander) {
            Ok(changed) => {
                let some = !changed.is_empty();
                let changed = if changed.is_empty() { "nothing".to_owned() } else { changed.join(", ") };
                tracing::info!("configuration read again; changed: {changed}");
                self.service.ready_but(&format!("its configuration was read again; changed: {changed}"));
                some
            }
            Err(why) => {
                tracing::error!("{why}; the configuration in force stays");
                self.service.ready_but(&format!("its configuration could not be read again: {why}"));
                false
            }
        }
    }

    /// What has changed.
    fn try_reload(&mut self, commander: &Commander) -> Result<Vec<String>, String> {
        let told = config::from_command_line(&self.words).map_err(|error| error.to_string())?;
        let Some((run, new)) = told.run() else { return Ok(Vec::new()) };
        let (changed, _) = differing(&self.now, &new);
        if !changed.is_empty() {
            match commander.ask(Command::Tune(Tuning::from(&run.options()))) {
                Some(Answer::Refused(why)) => return Err(why),
                Some(_) => {}
                None => return Err("the device has stopped".to_owned()),
            }
        }
        let (_, waiting) = differing(&self.started, &new);
        if !waiting.is_empty() {
            tracing::warn!("changed, and in force only when udrvd is started again: {}", waiting.join(", "));
        }
        self.now = new;
        Ok(changed)
    }
}

/// Keys that differ: those that can be changed meanwhile, and the others.
fn differing(old: &ArgMatches, new: &ArgMatches) -> (Vec<String>, Vec<String>) {
    let raw = |matches: &ArgMatches, id: &str| {
        let words = matches.try_get_raw(id).ok().flatten();
        words.map(|words| words.map(ToOwned::to_owned).collect::<Vec<OsString>>()).unwrap_or_default()
    };
    let run = config::run_command();
    let ids = run.get_arguments().map(|argument| argument.get_id().as_str());
    let differing = ids.filter(|id| raw(old, id) != raw(new, id));
    let (live, other): (Vec<&str>, Vec<&str>) = differing.partition(|id| LIVE.contains(id));
    let keys = |ids: Vec<&str>| ids.into_iter().map(|id| id.replace('_', "-")).collect();
    (keys(live), keys(other))
}
