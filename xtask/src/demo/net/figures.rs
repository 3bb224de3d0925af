//! What the demo of a network card found out, and the verdict on it.

use std::path::PathBuf;

use serde::Serialize;

use super::{
    super::figures::{self, ByFault, Run},
    ending::Ending,
    streams,
};

/// One injected fault.
pub(super) type Fault = figures::Fault<Lost>;

/// Everything.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    #[serde(flatten)]
    pub(super) run: Run,
    /// Why it is not the TAP.
    pub(super) endpoint_reason: Option<String>,
    pub(super) faults: Vec<Fault>,
    pub(super) by_fault: Vec<ByFault>,
    pub(super) streams: Option<Both>,
    pub(super) unprotected: Vec<Ending>,
    /// The picture, from the workspace's root.
    pub(super) timeline: PathBuf,
}

/// Both streams.
#[derive(Debug, Serialize)]
pub(super) struct Both {
    pub(super) upload: streams::Figures,
    pub(super) download: streams::Figures,
}

/// What a fault has cost, and when it was.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Lost {
    /// Frames that the driver had and lost.
    pub(super) frames_lost: u64,
    /// Frames that the chip, or a queue, had no room for meanwhile.
    pub(super) frames_missed: u64,
    /// When, in seconds since the streams began.
    pub(super) at_s: f64,
}

impl figures::Class for Lost {
    const NEXT: &'static str = "frame";
}

impl Figures {
    /// Adds what is not as it should be to the problems that are known, and so comes to the verdict.
    pub(super) fn judge(&mut self) {
        self.run.judge(&self.faults, self.unprotected.len());
        match &self.streams {
            None => self.run.must(false, "the streams did not come to their end".to_owned()),
            Some(Both { upload, download }) => {
                self.run.must(upload.sha256_ok, "the upload arrived with another hash".to_owned());
                self.run.must(download.sha256_ok, "a download arrived with another hash".to_owned());
            }
        }
        self.run.conclude();
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::{
        super::figures::{by_fault, tests},
        plan::FAULTS,
    };
    use super::*;

    pub(in super::super) fn figures() -> Figures {
        let stream = streams::Figures {
            bytes: 1 << 20,
            connections: 1,
            sha256_ok: true,
            seconds: 1.0,
            mbit_s: 8.4,
            longest_pause_ms: 3.0,
        };
        let fault = |fault| tests::fault("poll", fault, Lost { frames_lost: 0, frames_missed: 0, at_s: 0.5 });
        let unprotected = |fault| Ending { fault, outcome: "killed by SIGSEGV".to_owned(), fatal: true };
        let faults = vec![fault("panic"), fault("panic"), fault("panic"), fault("null-write")];
        Figures {
            run: tests::run(4),
            endpoint_reason: None,
            by_fault: by_fault(&faults),
            faults,
            streams: Some(Both { upload: stream.clone(), download: stream }),
            unprotected: FAULTS.map(unprotected).into(),
            timeline: "timeline.svg".into(),
        }
    }

    #[test]
    fn the_verdict_is_good_only_if_all_is() {
        let judged = |spoil: fn(&mut Figures)| {
            let mut figures = figures();
            spoil(&mut figures);
            figures.judge();
            assert_eq!(figures.run.verdict, figures.run.problems.is_empty());
            figures.run.problems.len()
        };
        assert_eq!(judged(|_| {}), 0);
        assert_eq!(judged(|f| f.faults[0].recovered = false), 1);
        assert_eq!(judged(|f| f.streams = None), 1);
        assert_eq!(judged(|f| f.streams.as_mut().unwrap().download.sha256_ok = false), 1);
        assert_eq!(judged(|f| f.unprotected.clear()), 1);
    }
}
