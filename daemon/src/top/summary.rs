//! A device in a line: what both the screen and JSON show.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use udrv::report::Rung;
use udrv::run::{ClassStatus, Status};

use super::model::{Contact, Device};
use super::rates::Flow;

/// How well that is, worse further down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Tone {
    Good,
    /// Nothing is known.
    Unknown,
    /// It works, and not all is as it should be.
    Limited,
    Bad,
}

/// What a device is at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct State {
    /// A few words. They stay: scripts compare them.
    pub(super) word: &'static str,
    /// More, for people: a reason, or which.
    pub(super) detail: Option<String>,
    pub(super) tone: Tone,
    /// Seconds that it does not answer, or is gone.
    pub(super) seconds: Option<u64>,
}

/// The newest fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct LastFault {
    pub(super) entry: String,
    pub(super) kind: String,
    pub(super) rung: Rung,
    /// Nanoseconds since then.
    pub(super) age: u64,
}

/// See the module's text. Times are nanoseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Summary {
    /// Of the control socket.
    pub(super) name: String,
    pub(super) device: Option<String>,
    pub(super) driver: Option<String>,
    pub(super) pid: Option<u32>,
    pub(super) state: State,
    pub(super) incoming: Option<Flow>,
    pub(super) outgoing: Option<Flow>,
    /// Frames lost of a network card, xruns of a sound card, bytes of no use of a mouse; since the start of the daemon.
    pub(super) lost: Option<u64>,
    pub(super) faults: u64,
    /// Recoveries by rung.
    pub(super) rungs: BTreeMap<Rung, u64>,
    pub(super) last_fault: Option<LastFault>,
    /// From a fault to the caller's error: the median of those that are known, and the longest.
    pub(super) recovery_median: Option<u64>,
    pub(super) recovery_worst: Option<u64>,
    pub(super) uptime: Option<u64>,
    /// Saving the state, for a call.
    pub(super) checkpoint: Option<f64>,
}

impl Summary {
    pub(super) fn of(device: &Device, now: Duration) -> Summary {
        let status = device.sampler.status();
        let answers = device.contact == Contact::Answers;
        let since_heard = now.saturating_sub(device.heard).as_nanos() as u64;
        let rates = device.sampler.rates().filter(|_| answers);
        let recovery = device.history.recovery();
        let mut rungs = BTreeMap::new();
        for (_, entry) in status.iter().flat_map(|status| &status.entries) {
            for (rung, count) in &entry.counters.rungs {
                *rungs.entry(*rung).or_default() += count;
            }
        }
        let last_fault = device.history.newest().zip(status).map(|(report, status)| LastFault {
            entry: report.entry.clone(),
            kind: report.kind.clone(),
            rung: report.rung,
            age: status.uptime.saturating_sub(report.at) + since_heard,
        });
        Summary {
            name: device.name.clone(),
            device: status.map(|status| status.device.clone()),
            driver: status.map(|status| status.driver.clone()),
            pid: status.map(|status| status.pid),
            state: state(device, now),
            incoming: rates.and_then(|rates| rates.incoming),
            outgoing: rates.and_then(|rates| rates.outgoing),
            lost: status.map(lost),
            faults: status.map_or(0, |status| status.faults),
            rungs,
            last_fault,
            recovery_median: recovery.map(|(median, _)| median),
            recovery_worst: recovery.map(|(_, worst)| worst),
            uptime: status.filter(|_| answers).map(|status| status.uptime + since_heard),
            checkpoint: status.and_then(checkpoint),
        }
    }

    /// Bytes, or frames, a second, both ways: to compare by.
    pub(super) fn traffic(&self) -> f64 {
        [self.incoming, self.outgoing].into_iter().flatten().map(|flow| flow.bytes.unwrap_or(flow.frames)).sum()
    }
}

fn state(device: &Device, now: Duration) -> State {
    let state = |word, tone| State { word, detail: None, tone, seconds: None };
    let since = |then: Duration| Some(now.saturating_sub(then).as_secs());
    match &device.contact {
        Contact::Asked => state("asked", Tone::Unknown),
        Contact::Silent(then) => State { seconds: since(*then), ..state("does not answer", Tone::Bad) },
        Contact::Nobody(then) if device.sampler.status().is_some() => {
            State { seconds: since(*then), ..state("ended", Tone::Bad) }
        }
        Contact::Nobody(_) => state("not running", Tone::Bad),
        Contact::Refused(why) => State { detail: Some(why.clone()), ..state("refused", Tone::Bad) },
        Contact::Answers => {
            let Some(status) = device.sampler.status() else { return state("asked", Tone::Unknown) };
            let absent = matches!(&status.class, ClassStatus::Input(input) if !input.present);
            let no_link = matches!(&status.class, ClassStatus::Net(net) if !net.link_up);
            if status.unplugged {
                state("unplugged", Tone::Bad)
            } else if status.restoring {
                state("restoring", Tone::Limited)
            } else if absent {
                state("not there", Tone::Bad)
            } else if !status.quarantine.is_empty() {
                let names: Vec<&str> = status.quarantine.iter().map(|q| q.entry.as_str()).collect();
                State { detail: Some(names.join(", ")), ..state("in quarantine", Tone::Limited) }
            } else if no_link {
                state("no link", Tone::Limited)
            } else {
                state("works", Tone::Good)
            }
        }
    }
}

fn lost(status: &Status) -> u64 {
    match &status.class {
        ClassStatus::Net(net) => net.traffic.rx_dropped + net.traffic.tx_dropped + net.traffic.tx_lost,
        ClassStatus::Sound(sound) => sound.streams.iter().map(|s| s.counters.xruns + s.endpoint_xruns).sum(),
        ClassStatus::Input(input) => input.counters.bytes_dropped,
    }
}

/// The mean over all timed calls that were transactions.
fn checkpoint(status: &Status) -> Option<f64> {
    let protected = status.entries.iter().filter(|(_, entry)| entry.protected).map(|(_, entry)| &entry.counters);
    let (sum, timed) = protected.fold((0, 0), |(sum, timed), c| (sum + c.checkpoint, timed + c.timed));
    (timed > 0).then(|| sum as f64 / timed as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::ask::Heard;
    use crate::top::model::Model;
    use crate::top::testing::{busy_model, mouse, net};

    #[test]
    fn a_line_says_what_a_device_does_and_what_faults_it_had() {
        let model = busy_model();
        let rows = model.rows();
        let [sound, mouse, net] = &rows[..] else { panic!("three devices") };
        let net = &net.1;
        assert_eq!((net.state.word, net.faults, net.rungs[&Rung::Abort], net.pid), ("works", 2, 2, Some(7)));
        assert_eq!(net.incoming, Some(Flow { frames: 8000.0, bytes: Some(12_000_000.0) }));
        assert_eq!((net.recovery_median, net.recovery_worst, net.checkpoint), (Some(5000), Some(5000), Some(210.0)));
        assert_eq!(net.last_fault.as_ref().unwrap().age, 2_000_000_000);
        assert_eq!(sound.1.outgoing, Some(Flow { frames: 48_000.0, bytes: None }));
        assert_eq!((sound.1.lost, sound.1.last_fault.as_ref(), sound.1.checkpoint), (Some(6), None, None));
        assert_eq!((mouse.1.state.word, mouse.1.state.tone), ("does not answer", Tone::Bad));
        assert_eq!((mouse.1.uptime, &mouse.1.driver), (None, &None));
    }

    /// The worst is what is said.
    #[test]
    fn a_state_is_told_by_what_hinders_most() {
        let word = |status: Status| {
            let mut model = Model::new(&["x".into()]);
            model.hear(Duration::ZERO, "x", Heard::Told(Box::new(status), Vec::new()));
            model.rows()[0].1.state.word
        };
        let changed = |change: fn(&mut Status)| {
            let mut status = net("x");
            change(&mut status);
            status
        };
        assert_eq!(word(net("x")), "works");
        let no_link = |status: &mut Status| {
            if let ClassStatus::Net(net) = &mut status.class {
                net.link_up = false;
            }
        };
        assert_eq!(word(changed(no_link)), "no link");
        let quarantine = |status: &mut Status| {
            let entry = "poll".to_owned();
            status.quarantine.push(udrv::run::QuarantineStatus { entry, alternate: true, since: 0, left: None });
        };
        assert_eq!(word(changed(quarantine)), "in quarantine");
        assert_eq!(word(changed(|status| status.restoring = true)), "restoring");
        assert_eq!(word(changed(|status| (status.restoring, status.unplugged) = (true, true))), "unplugged");
        let mut absent = mouse("x");
        if let ClassStatus::Input(input) = &mut absent.class {
            input.present = false;
        }
        assert_eq!(word(absent), "not there");
        let mut model = Model::new(&["x".into()]);
        assert_eq!(model.rows()[0].1.state.word, "asked");
        model.hear(Duration::ZERO, "x", Heard::Nobody);
        assert_eq!(model.rows()[0].1.state.word, "not running");
        model.hear(Duration::ZERO, "x", Heard::Refused("no".into()));
        assert_eq!(model.rows()[0].1.state.detail.as_deref(), Some("no"));
    }
}
