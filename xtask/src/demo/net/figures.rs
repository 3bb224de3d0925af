//! What the demo found out, as it is printed for machines, and the verdict on it.

use std::path::PathBuf;

use serde::Serialize;

use super::{plan, streams, words::Spread};

/// Everything.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    /// Which card's.
    pub(super) model: String,
    /// `tap` or `socket`.
    pub(super) endpoint: &'static str,
    /// Why it is not the TAP.
    pub(super) endpoint_reason: Option<String>,
    /// `protection-keys` or `rollback-only`.
    pub(super) isolation: String,
    pub(super) seed: u64,
    /// CPU time that one call of the driver may use.
    pub(super) deadline_ms: u64,
    /// udrvd's, before and after.
    pub(super) pid: [u32; 2],
    /// Memory of udrvd that no fault may touch was as it should be, each time.
    pub(super) canary_intact: bool,
    pub(super) planned: usize,
    pub(super) faults: Vec<Fault>,
    pub(super) by_fault: Vec<ByFault>,
    pub(super) streams: Option<Both>,
    pub(super) unprotected: Vec<Unprotected>,
    /// The picture, from the workspace's root.
    pub(super) timeline: PathBuf,
    /// From the first fault's arming to the last one's recovery.
    pub(super) injecting_s: f64,
    /// All but the build.
    pub(super) total_s: f64,
    /// What is not as it should be.
    pub(super) problems: Vec<String>,
    /// Nothing is.
    pub(super) verdict: bool,
}

/// Both streams.
#[derive(Debug, Serialize)]
pub(super) struct Both {
    pub(super) upload: streams::Figures,
    pub(super) download: streams::Figures,
}

/// One injected fault.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Fault {
    pub(super) entry: &'static str,
    pub(super) fault: &'static str,
    pub(super) point: &'static str,
    /// Function, file and line of the faulting instruction.
    pub(super) source: Option<String>,
    pub(super) text: String,
    pub(super) to_error_ns: u64,
    pub(super) to_next_frame_ns: Option<u64>,
    /// Frames that the driver had and lost.
    pub(super) frames_lost: u64,
    /// Frames that the chip, or a queue, had no room for meanwhile.
    pub(super) frames_missed: u64,
    pub(super) rung: String,
    pub(super) recovered: bool,
    /// When, in seconds since the streams began.
    pub(super) at_s: f64,
}

/// What is said of all faults of a kind.
#[derive(Debug, Serialize)]
pub(super) struct ByFault {
    pub(super) fault: &'static str,
    pub(super) count: usize,
    pub(super) to_error_ns: Spread,
    pub(super) to_next_frame_ns: Spread,
}

/// What became of a udrvd without protection.
#[derive(Debug, Serialize)]
pub(super) struct Unprotected {
    pub(super) fault: &'static str,
    /// In words.
    pub(super) outcome: String,
    /// It did not live on as if nothing had been.
    pub(super) fatal: bool,
}

/// The faults, by kind.
pub(super) fn by_fault(faults: &[Fault]) -> Vec<ByFault> {
    let one = |fault: &'static str| {
        let of_kind = || faults.iter().filter(move |f| f.fault == fault);
        let to_error_ns = Spread::of(of_kind().map(|f| f.to_error_ns));
        let to_next_frame_ns = Spread::of(of_kind().filter_map(|f| f.to_next_frame_ns));
        ByFault { fault, count: of_kind().count(), to_error_ns, to_next_frame_ns }
    };
    plan::FAULTS.map(one).into()
}

impl Figures {
    /// Adds what is not as it should be to the problems that are known, and so comes to the verdict.
    pub(super) fn judge(&mut self) {
        let mut say = |right: bool, what: String| {
            if !right {
                self.problems.push(what);
            }
        };
        let (done, planned) = (self.faults.len(), self.planned);
        say(done == planned, format!("only {done} of {planned} faults were injected"));
        for Fault { entry, fault, point, text, .. } in self.faults.iter().filter(|f| !f.recovered) {
            say(false, format!("{fault} at {point} of {entry} was not recovered: {text}"));
        }
        for Fault { entry, fault, point, .. } in self.faults.iter().filter(|f| f.to_next_frame_ns.is_none()) {
            say(false, format!("after {fault} at {point} of {entry} no frame went through"));
        }
        let [before, after] = self.pid;
        say(before == after, format!("udrvd's pid was {before} and is {after}"));
        say(self.canary_intact, "a fault has changed memory of udrvd".to_owned());
        match &self.streams {
            None => say(false, "the streams did not come to their end".to_owned()),
            Some(Both { upload, download }) => {
                say(upload.sha256_ok, "the upload arrived with another hash".to_owned());
                say(download.sha256_ok, "a download arrived with another hash".to_owned());
            }
        }
        say(self.unprotected.len() == plan::FAULTS.len(), "not every fault was tried without protection".to_owned());
        self.verdict = self.problems.is_empty();
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn fault(fault: &'static str, to_error_ns: u64) -> Fault {
        Fault {
            entry: "poll",
            fault,
            point: "end",
            source: Some("poll at drivers/x/src/lib.rs:7".to_owned()),
            text: "t".to_owned(),
            to_error_ns,
            to_next_frame_ns: Some(to_error_ns * 2),
            frames_lost: 0,
            frames_missed: 0,
            rung: "abort".to_owned(),
            recovered: true,
            at_s: 0.5,
        }
    }

    pub(in super::super) fn figures() -> Figures {
        let stream = streams::Figures {
            bytes: 1 << 20,
            connections: 1,
            sha256_ok: true,
            seconds: 1.0,
            mbit_s: 8.4,
            longest_pause_ms: 3.0,
        };
        let unprotected = |fault| Unprotected { fault, outcome: "killed by SIGSEGV".to_owned(), fatal: true };
        let faults = vec![fault("panic", 4), fault("panic", 2), fault("panic", 9), fault("null-write", 5)];
        Figures {
            model: "x".to_owned(),
            endpoint: "tap",
            endpoint_reason: None,
            isolation: "rollback-only".to_owned(),
            seed: 1,
            deadline_ms: 10,
            pid: [7, 7],
            canary_intact: true,
            planned: 4,
            by_fault: by_fault(&faults),
            faults,
            streams: Some(Both { upload: stream.clone(), download: stream }),
            unprotected: plan::FAULTS.map(unprotected).into(),
            timeline: PathBuf::from("target/demo/timeline.svg"),
            injecting_s: 1.0,
            total_s: 2.0,
            problems: Vec::new(),
            verdict: false,
        }
    }

    #[test]
    fn faults_are_summed_up_by_kind() {
        let all = figures().by_fault;
        assert_eq!((all.len(), all[5].count), (6, 3));
        assert_eq!(all[5].to_error_ns, Spread { min: 2, median: 4, max: 9 });
        assert_eq!(all[5].to_next_frame_ns, Spread { min: 4, median: 8, max: 18 });
        assert_eq!(all[1].to_error_ns, Spread { min: 0, median: 0, max: 0 });
    }

    #[test]
    fn the_verdict_is_good_only_if_all_is() {
        let judged = |spoil: fn(&mut Figures)| {
            let mut figures = figures();
            spoil(&mut figures);
            figures.judge();
            assert_eq!(figures.verdict, figures.problems.is_empty());
            figures.problems.len()
        };
        assert_eq!(judged(|_| {}), 0);
        assert_eq!(judged(|f| f.planned = 5), 1);
        assert_eq!(judged(|f| f.faults[0].recovered = false), 1);
        assert_eq!(judged(|f| f.faults[0].to_next_frame_ns = None), 1);
        assert_eq!(judged(|f| f.pid = [7, 8]), 1);
        assert_eq!(judged(|f| f.canary_intact = false), 1);
        assert_eq!(judged(|f| f.streams = None), 1);
        assert_eq!(judged(|f| f.streams.as_mut().unwrap().download.sha256_ok = false), 1);
        assert_eq!(judged(|f| f.unprotected.clear()), 1);
        assert_eq!(judged(|f| f.problems.push("x".to_owned())), 1);
    }
}
