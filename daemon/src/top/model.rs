//! What is known, and what of it is shown. No I/O, and time is passed in: since `top` was started.

use std::collections::VecDeque;
use std::time::Duration;

use super::ask::{Heard, Known};
use super::history::History;
use super::input::Action;
use super::rates::Sampler;
use super::summary::Summary;

/// How long a device is shown whose daemon has ended, if nobody has named it.
const AFTERWARDS: Duration = Duration::from_secs(10);
/// Rates that are remembered, for the picture of them.
const TRAIL: usize = 120;

/// What is heard of a daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Contact {
    /// Nothing was heard yet.
    Asked,
    /// It answers.
    Answers,
    /// It does not, since then.
    Silent(Duration),
    /// There is none, since then.
    Nobody(Duration),
    /// It does not say.
    Refused(String),
}

/// A device.
#[derive(Debug)]
pub(super) struct Device {
    /// Of its socket.
    pub(super) name: String,
    pub(super) contact: Contact,
    pub(super) sampler: Sampler,
    pub(super) history: History,
    /// When its last status was heard.
    pub(super) heard: Duration,
    /// Bytes, or frames, a second, of both ways; newest last.
    pub(super) trail: VecDeque<u64>,
    /// A question is under way.
    asked: bool,
}

/// By what devices are put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Sort {
    #[default]
    Name,
    /// Those first that are worst off.
    State,
    Traffic,
    Faults,
    /// The newest first.
    LastFault,
}

impl Sort {
    const ALL: [Sort; 5] = [Sort::Name, Sort::State, Sort::Traffic, Sort::Faults, Sort::LastFault];

    fn next(self) -> Sort {
        let at = Sort::ALL.iter().position(|sort| *sort == self).unwrap_or(0);
        Sort::ALL[(at + 1) % Sort::ALL.len()]
    }

    /// In words.
    pub(super) fn name(self) -> &'static str {
        match self {
            Sort::Name => "name",
            Sort::State => "state",
            Sort::Traffic => "traffic",
            Sort::Faults => "faults",
            Sort::LastFault => "last fault",
        }
    }
}

/// All of it.
#[derive(Debug)]
pub(super) struct Model {
    devices: Vec<Device>,
    /// Somebody has named them: there are no others, and none of them is forgotten.
    named: bool,
    /// Which one is selected, by name.
    selected: Option<String>,
    pub(super) sort: Sort,
    pub(super) paused: bool,
    /// Details of the selected one are shown.
    pub(super) detail: bool,
    /// Lines of them that are scrolled away.
    pub(super) scrolled: usize,
    pub(super) help: bool,
    /// Stands still while it is paused.
    pub(super) now: Duration,
}

impl Model {
    /// Of these devices; of all that there are, if none is named.
    pub(super) fn new(names: &[String]) -> Model {
        let mut model = Model {
            devices: Vec::new(),
            named: !names.is_empty(),
            selected: None,
            sort: Sort::default(),
            paused: false,
            detail: false,
            scrolled: 0,
            help: false,
            now: Duration::ZERO,
        };
        names.iter().for_each(|name| model.add(name));
        model
    }

    fn add(&mut self, name: &str) {
        if self.devices.iter().all(|device| device.name != name) {
            self.devices.push(Device {
                name: name.to_owned(),
                contact: Contact::Asked,
                sampler: Sampler::default(),
                history: History::default(),
                heard: self.now,
                trail: VecDeque::new(),
                asked: false,
            });
        }
    }

    /// Time goes on.
    pub(super) fn at(&mut self, now: Duration) {
        if self.paused {
            return;
        }
        self.now = now;
        let named = self.named;
        self.devices.retain(|device| match device.contact {
            Contact::Nobody(since) => named || now.saturating_sub(since) < AFTERWARDS,
            _ => true,
        });
    }

    /// A new look: these sockets are there. Gives those that are to be asked, and what is known of them.
    pub(super) fn look(&mut self, now: Duration, there: &[String]) -> Vec<(String, Option<Known>)> {
        self.at(now);
        if !self.named {
            there.iter().for_each(|name| self.add(name));
        }
        let mut ask = Vec::new();
        for device in &mut self.devices {
            if !self.named && !there.contains(&device.name) {
                device.nobody(now);
            } else if !device.asked {
                device.asked = true;
                ask.push((device.name.clone(), device.known()));
            }
        }
        ask
    }

    /// Something was heard.
    pub(super) fn hear(&mut self, now: Duration, name: &str, heard: Heard) {
        self.at(now);
        let (now, paused) = (self.now, self.paused);
        if let Some(device) = self.devices.iter_mut().find(|device| device.name == name) {
            device.asked = false;
            if !paused {
                device.hear(now, heard);
            }
        }
    }

    /// Whether all have been heard, twice if they answer: then there are rates.
    pub(super) fn is_settled(&self) -> bool {
        self.devices.iter().all(|device| match device.contact {
            Contact::Asked => false,
            Contact::Answers => device.sampler.rates().is_some(),
            _ => true,
        })
    }

    /// Nothing is under way.
    pub(super) fn is_quiet(&self) -> bool {
        self.devices.iter().all(|device| !device.asked)
    }

    /// All devices, in order, each with its summary.
    pub(super) fn rows(&self) -> Vec<(&Device, Summary)> {
        let mut rows: Vec<_> = self.devices.iter().map(|device| (device, Summary::of(device, self.now))).collect();
        rows.sort_by(|(a, one), (b, other)| {
            let by = match self.sort {
                Sort::Name => std::cmp::Ordering::Equal,
                Sort::State => other.state.tone.cmp(&one.state.tone),
                Sort::Traffic => other.traffic().total_cmp(&one.traffic()),
                Sort::Faults => other.faults.cmp(&one.faults),
                Sort::LastFault => {
                    let age = |summary: &Summary| summary.last_fault.as_ref().map_or(u64::MAX, |last| last.age);
                    age(one).cmp(&age(other))
                }
            };
            by.then_with(|| a.name.cmp(&b.name))
        });
        rows
    }

    /// Which of `rows` is selected: the first, if none was.
    pub(super) fn selected(&self, rows: &[(&Device, Summary)]) -> Option<usize> {
        let found = rows.iter().position(|(device, _)| Some(&device.name) == self.selected.as_ref());
        found.or((!rows.is_empty()).then_some(0))
    }

    /// Does what was typed. True: it is the end.
    pub(super) fn act(&mut self, action: Action) -> bool {
        match action {
            Action::Quit => return true,
            Action::Help => self.help = !self.help,
            Action::Close if self.help => self.help = false,
            Action::Close => self.detail = false,
            Action::Open => (self.detail, self.help) = (!self.detail, false),
            Action::Sort => self.sort = self.sort.next(),
            Action::Pause => self.paused = !self.paused,
            Action::Select(by) => self.select(by),
            Action::Scroll(by) => self.scrolled = self.scrolled.saturating_add_signed(by),
        }
        false
    }

    fn select(&mut self, by: isize) {
        let rows = self.rows();
        let Some(at) = self.selected(&rows) else { return };
        let to = at.saturating_add_signed(by).min(rows.len() - 1);
        let name = rows[to].0.name.clone();
        if to != at {
            self.scrolled = 0;
        }
        self.selected = Some(name);
    }
}

impl Device {
    fn known(&self) -> Option<Known> {
        let status = self.sampler.status()?;
        Some(Known { pid: status.pid, faults: self.history.newest_number() })
    }

    fn nobody(&mut self, now: Duration) {
        if !matches!(self.contact, Contact::Nobody(_)) {
            self.contact = Contact::Nobody(now);
        }
    }

    fn hear(&mut self, now: Duration, heard: Heard) {
        match heard {
            Heard::Told(status, reports) => {
                (self.contact, self.heard) = (Contact::Answers, now);
                if !self.sampler.see(*status) {
                    (self.history, self.trail) = (History::default(), VecDeque::new());
                }
                self.history.add(reports);
                if let Some(rates) = self.sampler.rates() {
                    let flows = [rates.incoming, rates.outgoing].into_iter().flatten();
                    self.trail.push_back(flows.map(|flow| flow.bytes.unwrap_or(flow.frames)).sum::<f64>() as u64);
                    self.trail.drain(..self.trail.len().saturating_sub(TRAIL));
                }
            }
            Heard::Silence if matches!(self.contact, Contact::Silent(_)) => {}
            Heard::Silence => self.contact = Contact::Silent(now),
            Heard::Nobody => self.nobody(now),
            Heard::Refused(why) => self.contact = Contact::Refused(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::testing::{busy_model, fault, net};

    const SECOND: Duration = Duration::from_secs(1);

    fn names(model: &Model) -> Vec<&str> {
        model.rows().iter().map(|(device, _)| device.name.as_str()).collect()
    }

    fn told(pid: u32, uptime: u64, faults: u64) -> Heard {
        let status = udrv::run::Status { pid, uptime, faults, ..net("model:rtl8139") };
        Heard::Told(Box::new(status), (1..=faults).map(|number| fault(number, 1000)).collect())
    }

    #[test]
    fn devices_come_go_and_are_forgotten_after_a_while() {
        let mut model = Model::new(&[]);
        let asked = model.look(SECOND, &["a".into(), "b".into()]);
        assert_eq!(asked, [("a".to_owned(), None), ("b".to_owned(), None)]);
        model.hear(SECOND, "a", told(1, 5, 3));
        // b has not answered yet, and is not asked again; a is asked for what is new
        assert_eq!(
            model.look(2 * SECOND, &["a".into(), "b".into()]),
            [("a".into(), Some(Known { pid: 1, faults: 3 }))]
        );
        model.hear(2 * SECOND, "b", Heard::Silence);
        model.hear(2 * SECOND, "nobody knows this one", Heard::Silence);
        model.look(3 * SECOND, &["b".into()]);
        assert_eq!(names(&model), ["a", "b"], "a has ended a moment ago");
        model.look(4 * SECOND + AFTERWARDS, &["b".into()]);
        assert_eq!(names(&model), ["b"]);
        // one that was named is not
        let mut model = Model::new(&["a".into(), "a".into()]);
        assert_eq!(model.look(SECOND, &[]).len(), 1);
        model.hear(SECOND, "a", Heard::Nobody);
        model.look(1000 * SECOND, &["b".into()]);
        assert_eq!(names(&model), ["a"]);
    }

    #[test]
    fn faults_of_a_daemon_that_has_ended_are_not_those_of_its_successor() {
        let mut model = Model::new(&["a".into()]);
        model.hear(SECOND, "a", told(1, 9_000_000_000, 5));
        assert_eq!(model.rows()[0].0.history.len(), 5);
        model.hear(SECOND, "a", told(2, 1_000_000_000, 1));
        assert_eq!(model.rows()[0].0.history.len(), 1);
        assert!(model.rows()[0].0.sampler.rates().is_none() && !model.is_settled());
        model.hear(2 * SECOND, "a", told(2, 2_000_000_000, 1));
        assert!(model.is_settled());
    }

    #[test]
    fn while_it_is_paused_nothing_moves() {
        let mut model = busy_model();
        let before = model.rows()[1].1.clone();
        model.act(Action::Pause);
        model.hear(50 * SECOND, "model:rtl8139", told(9, 9_000_000_000, 9));
        model.at(60 * SECOND);
        assert_eq!(model.rows()[1].1, before);
        model.act(Action::Pause);
        model.at(60 * SECOND);
        assert_ne!(model.rows()[1].1, before);
    }

    #[test]
    fn the_selected_one_stays_selected_when_the_order_changes() {
        let mut model = busy_model();
        assert_eq!(names(&model), ["model:ens1371", "model:psmouse", "model:rtl8139"]);
        model.act(Action::Select(1));
        let selected = |model: &Model| {
            let rows = model.rows();
            model.selected(&rows).map(|at| rows[at].0.name.clone()).unwrap()
        };
        assert_eq!(selected(&model), "model:psmouse");
        model.act(Action::Sort);
        assert_eq!((model.sort, names(&model)[0]), (Sort::State, "model:psmouse"), "it does not answer");
        model.act(Action::Sort);
        assert_eq!((model.sort, names(&model)[0]), (Sort::Traffic, "model:rtl8139"));
        assert_eq!(selected(&model), "model:psmouse");
        model.act(Action::Sort);
        model.act(Action::Sort);
        assert_eq!((model.sort, names(&model)[0]), (Sort::LastFault, "model:rtl8139"));
        model.act(Action::Sort);
        assert_eq!(model.sort, Sort::Name);
        model.act(Action::Select(-9));
        assert_eq!(selected(&model), "model:ens1371");
        model.act(Action::Select(isize::MAX));
        assert_eq!(selected(&model), "model:rtl8139");
        assert!(!model.act(Action::Open) && model.detail);
        assert!(!model.act(Action::Help) && !model.act(Action::Close) && model.detail && !model.help);
        assert!(!model.act(Action::Close) && !model.detail);
        assert!(model.act(Action::Quit));
        Model::new(&[]).act(Action::Select(1));
    }
}
