//! A card that is driven under full load, for whoever looks at something else than faults.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use super::{
    Args, Result,
    daemon::Daemon,
    stage::{Card, Stage},
    status::Status,
    streams::Streams,
};
use crate::{
    demo::{PATIENCE, control::Any, plan::Injection},
    steps::Failure,
};

/// A udrvd on a model, and two TCP streams over it as soon as they are asked for.
pub(crate) struct Load {
    // in this order: streams end before what they go over
    streams: Option<Streams>,
    card: Option<Card>,
    first: Status,
    daemon: Daemon,
    others: Vec<Daemon>,
    stage: Stage,
}

impl Load {
    /// Starts `udrvd` on model `name`, with its log in `folder`. This process, which must have one thread only, moves into a network namespace.
    pub(crate) fn start(udrvd: PathBuf, name: &str, folder: &Path) -> std::result::Result<Load, Failure> {
        let args = Args { model: name.to_owned(), json: false, seed: 1, endpoint: None, deadline: None };
        let start = || -> Result<Load> {
            let stage = Stage::set(udrvd, folder.to_owned(), &args)?;
            let (mut daemon, card) = stage.start("udrvd.log", &[])?;
            let first = daemon.connect(PATIENCE)?.status()?;
            Ok(Load { streams: None, card: Some(card), first, daemon, others: Vec::new(), stage })
        };
        start().map_err(failure)
    }

    /// Begins the streams.
    pub(crate) fn begin(&mut self) -> std::result::Result<(), Failure> {
        if let Some(card) = self.card.take() {
            self.streams = Some(self.stage.streams(card, &self.first, Instant::now()).map_err(failure)?);
        }
        Ok(())
    }

    /// Starts another udrvd on model `name`, and waits until it drives that. It ends with this one.
    pub(crate) fn beside(&mut self, name: &str, arguments: &[&str]) -> std::result::Result<(), Failure> {
        let start = || -> Result<Daemon> {
            let mut daemon = self.stage.beside(&format!("model:{name}"), &format!("{name}.log"), arguments)?;
            daemon.connect(PATIENCE)?.status::<Any>()?;
            Ok(daemon)
        };
        self.others.push(start().map_err(failure)?);
        Ok(())
    }

    /// Injects a fault into the middle of an entry point, which is called for it or is called anyway, and waits until a frame has gone
    /// through after it.
    pub(crate) fn strike(
        &mut self,
        entry: &'static str,
        fault: &'static str,
        by_call: bool,
    ) -> std::result::Result<(), Failure> {
        let injection = Injection { entry, fault, point: "middle", by_call, after: 0 };
        let mut strike = || -> Result<()> {
            let mut control = self.daemon.connect(PATIENCE)?;
            let before = control.status::<Any>()?.faults;
            control.strike(&injection, before, "a frame", PATIENCE, || Ok(())).map(drop)
        };
        strike().map_err(failure)
    }

    /// Where its control socket is.
    pub(crate) fn directory(&self) -> &Path {
        self.stage.sockets()
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.daemon.pid()
    }

    /// `tap`, or what stands in its place.
    pub(crate) fn endpoint(&self) -> &'static str {
        self.stage.endpoint().name()
    }

    /// What protects its memory.
    pub(crate) fn isolation(&self) -> &str {
        &self.first.isolation
    }

    /// Bytes moved so far, both ways together.
    pub(crate) fn bytes(&self) -> u64 {
        self.streams.as_ref().map_or(0, |streams| streams.bytes().iter().sum())
    }

    /// Ends the streams: every byte has arrived as it was sent.
    pub(crate) fn rest(&mut self) -> std::result::Result<(), Failure> {
        let Some(streams) = self.streams.take() else { return Ok(()) };
        let ends = streams.finish().map_err(failure)?;
        if ends.iter().all(|end| end.sha256_ok) {
            return Ok(());
        }
        Err(Failure::Output("what has arrived is not what was sent".to_owned()))
    }

    /// Ends it in order: no call has faulted but for those that were to.
    pub(crate) fn stop(mut self, faults: u64) -> std::result::Result<(), Failure> {
        // anew: who is silent for long is forgotten
        let last: Status = self.daemon.connect(PATIENCE).and_then(|mut control| control.status()).map_err(failure)?;
        self.rest()?;
        self.daemon.stop().map_err(failure)?;
        if last.faults == faults {
            return Ok(());
        }
        Err(Failure::Output(format!("{} calls have faulted instead of {faults}", last.faults)))
    }
}

fn failure(error: super::error::Error) -> Failure {
    Failure::Output(error.to_string())
}
