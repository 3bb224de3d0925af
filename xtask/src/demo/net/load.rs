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
use crate::{demo::PATIENCE, steps::Failure};

/// A udrvd on a model, and two TCP streams over it as soon as they are asked for.
pub(crate) struct Load {
    // in this order: streams end before what they go over
    streams: Option<Streams>,
    card: Option<Card>,
    first: Status,
    daemon: Daemon,
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
            Ok(Load { streams: None, card: Some(card), first, daemon, stage })
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

    /// Ends it in order: every byte has arrived as it was sent, and no call has faulted but for those that were to.
    pub(crate) fn stop(mut self, faults: u64) -> std::result::Result<(), Failure> {
        // anew: who is silent for long is forgotten
        let last: Status = self.daemon.connect(PATIENCE).and_then(|mut control| control.status()).map_err(failure)?;
        if let Some(streams) = self.streams.take() {
            let ends = streams.finish().map_err(failure)?;
            if ends.iter().any(|end| !end.sha256_ok) {
                return Err(Failure::Output("what has arrived is not what was sent".to_owned()));
            }
        }
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
