//! What the guest with systemd has seen, as a table, and what of it is not as it must be.

use std::{fs, path::Path};

use serde::Deserialize;
use serde_json::Value;

use super::events::{self, Beat, CARDS, Event, GOES_ON, Journal, Pause, of_cards};

/// What is done to a service, and what must come of it.
struct Expected {
    what: &'static str,
    /// How it is called in the table.
    title: &'static str,
    /// Whether the process is another one afterwards.
    is_new: bool,
    /// Whether systemd has restarted it of its own accord.
    restarted: bool,
    /// How many processes go on with the device, which is neither reset nor stopped: at least, and at most.
    goes_on: (usize, usize),
    /// How often.
    times: usize,
    /// The longest pause of the connection that is still right, seconds: far above what it takes, since a busy machine is no failure.
    /// TCP doubles its waiting time while nothing comes back.
    pause: f64,
}

const fn expected(what: &'static str, title: &'static str, pause: f64) -> Expected {
    Expected { what, title, is_new: false, restarted: false, goes_on: (0, 0), times: 1, pause }
}

/// One other goes on.
const ONE: (usize, usize) = (1, 1);

const EVENTS: [Expected; 12] = [
    Expected {
        is_new: true,
        restarted: true,
        goes_on: ONE,
        times: 3,
        ..expected("kill-beats", "SIGKILL, datagrams", 40.0)
    },
    expected("crash", "crash in transmit", 10.0),
    expected("hup", "reload (SIGHUP)", 10.0),
    expected("clock", "the clock jumps a year", 10.0),
    expected("package", "package installed again", 30.0),
    Expected { is_new: true, goes_on: ONE, times: 3, ..expected("upgrade", "udrvctl upgrade", 30.0) },
    Expected { is_new: true, goes_on: ONE, times: 2, ..expected("standby", "SIGKILL, a standby", 30.0) },
    Expected { is_new: true, restarted: true, goes_on: ONE, times: 2, ..expected("kill", "SIGKILL", 40.0) },
    // the standby may hear that the first has died before it is killed itself
    Expected {
        is_new: true,
        restarted: true,
        goes_on: (1, 2),
        ..expected("kill-all", "SIGKILL, its standby too", 40.0)
    },
    Expected { is_new: true, restarted: true, goes_on: ONE, ..expected("watchdog", "hangs (SIGSTOP)", 60.0) },
    Expected { is_new: true, ..expected("restart", "systemctl restart", 40.0) },
    Expected { is_new: true, ..expected("stop", "stop, then start", 40.0) },
];

/// What a process says that cannot go on.
const BEGINS_ANEW: &str = "Starting anew";

/// A connection's.
#[derive(Debug, Deserialize)]
struct Flow {
    bytes: u64,
    pauses: Vec<Pause>,
    right: bool,
    failure: Option<String>,
}

/// What the guest has left.
pub(super) struct Findings {
    events: Vec<Event>,
    beats: Vec<Beat>,
    flows: Vec<Flow>,
    journal: Journal,
    rights: Vec<String>,
}

impl Findings {
    pub(super) fn read(results: &Path) -> Result<Findings, String> {
        let text = |name: &str| fs::read_to_string(results.join(name)).map_err(|error| format!("{name}: {error}"));
        Ok(Findings {
            events: events::events(results)?,
            beats: of_cards(results, "beat")?,
            flows: of_cards(results, "flow")?,
            journal: Journal::read(results)?,
            rights: CARDS.into_iter().map(|(card, _)| text(&format!("rights-{card}"))).collect::<Result<_, _>>()?,
        })
    }

    fn events<'a>(&'a self, card: &'a str, what: &'a str) -> impl Iterator<Item = &'a Event> {
        self.events.iter().filter(move |event| event.card == card && event.what == what)
    }

    /// The longest time in which nothing came, from what was done on until the connection had gone on.
    fn pause(&self, card: usize, event: &Event) -> f64 {
        event.longest(self.beats[card].pauses.iter().chain(&self.flows[card].pauses))
    }

    pub(super) fn print(&self, seconds: f64) {
        println!(
            "\n{:<10}{:<25}{:>10}{:>10}{:>10}{:>16}{:>16}",
            "card", "what", "process", "", "restarts", "active after", "longest pause"
        );
        for (number, (card, _)) in CARDS.into_iter().enumerate() {
            for (event, title) in EVENTS.iter().flat_map(|e| self.events(card, e.what).map(|event| (event, e.title))) {
                let process = if event.pid[0] == event.pid[1] { "the same" } else { "another" };
                let restarts = event.restarts[1].saturating_sub(event.restarts[0]);
                let (active, pause) =
                    ((event.active_us as f64 / 1e6 - event.at).max(0.0) * 1e3, self.pause(number, event) * 1e3);
                let went = if self.journal.lines_in(event, GOES_ON).count() > 0 { "goes on" } else { "" };
                println!("{card:<10}{title:<25}{process:>10}{went:>10}{restarts:>10}{active:>13.0} ms{pause:>13.0} ms");
            }
        }
        for ((card, _), (flow, beat)) in CARDS.iter().zip(self.flows.iter().zip(&self.beats)) {
            let Beat { sent, twice, lost, .. } = beat;
            println!("{card}: numbered datagrams over the kills: {sent} sent, {lost} lost, {twice} twice");
            println!(
                "{card}: one TCP connection through all of it, {} MiB there and back, right: {}",
                flow.bytes >> 20,
                flow.right
            );
        }
        println!(
            "pauses of a connection below 50 ms, of datagrams below 10 ms, count as none; times are those of an emulated machine. The guest ran {seconds:.0} s"
        );
    }

    /// What is not as it must be.
    pub(super) fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (number, (card, device)) in CARDS.into_iter().enumerate() {
            for expected in &EVENTS {
                let events: Vec<&Event> = self.events(card, expected.what).collect();
                wrong.extend(events.iter().flat_map(|event| self.wrong_of(number, event, expected)));
                if events.len() != expected.times {
                    let times = events.len();
                    wrong.push(format!(
                        "{card}: {}: tried {times} times in place of {}",
                        expected.title, expected.times
                    ));
                }
            }
            let beat = &self.beats[number];
            if beat.sent == 0 || beat.lost + beat.twice > 0 {
                wrong.push(format!(
                    "{card}: numbered datagrams: {} of {} lost, {} twice",
                    beat.lost, beat.sent, beat.twice
                ));
            }
            let flow = &self.flows[number];
            if !flow.right {
                wrong.push(format!(
                    "{card}: the connection: {}",
                    flow.failure.as_deref().unwrap_or("bytes are missing")
                ));
            }
            let fault = |line: &Value| {
                line["UDRV_DEVICE"] == device && line["UDRV_ENTRY"] == "transmit" && !line["UDRV_OUTCOME"].is_null()
            };
            if !self.journal.all().any(fault) {
                wrong.push(format!("{card}: the journal has no line of the fault in transmit with its fields"));
            }
            for (said, what) in [
                ("Watchdog timeout", "systemd's watchdog has not seen that it hung"),
                ("configuration read again; changed: deadline", "a reload has not changed what it can"),
            ] {
                if self.journal.lines(card, said).next().is_none() {
                    wrong.push(format!("{card}: {what}: no '{said}' in the journal"));
                }
            }
            // CAP_NET_ADMIN is bit 12
            let rights = &self.rights[number];
            for right in ["CapEff: 0000000000001000", "CapBnd: 0000000000001000", "NoNewPrivs: 1", "Seccomp: 2"] {
                if !rights.contains(right) {
                    wrong.push(format!("{card}: the process should have {right}, and has {}", rights.trim()));
                }
            }
        }
        for said in ["/etc/udrv/wrong.toml:2:1: there is no key 'tapp'", "another daemon"] {
            if self.journal.lines("wrong", said).next().is_none() {
                wrong.push(format!("the journal does not say of a wrong configuration: {said}"));
            }
        }
        wrong
    }

    fn wrong_of(&self, card: usize, event: &Event, expected: &Expected) -> Vec<String> {
        let (is_new, pause) = (event.pid[0] != event.pid[1], self.pause(card, event));
        let mut wrong = Vec::new();
        if is_new != expected.is_new {
            wrong.push(format!("the process was {}, and is {}", event.pid[0], event.pid[1]));
        }
        if expected.restarted != (event.restarts[1] > event.restarts[0]) {
            wrong.push(format!("systemd's restarts were {}, and are {}", event.restarts[0], event.restarts[1]));
        }
        let (goes_on, anew) =
            (self.journal.lines_in(event, GOES_ON).count(), self.journal.lines_in(event, BEGINS_ANEW).count());
        let (least, most) = expected.goes_on;
        if !(least..=most).contains(&goes_on) || anew > 0 {
            let should = if most > 0 { "should go on with its device" } else { "is not to take a device over" };
            wrong.push(format!(
                "the process {should}; the journal says {goes_on} times that it does, {anew} times that it cannot"
            ));
        }
        if pause > expected.pause {
            wrong.push(format!("the connection stood still for {pause:.1} s"));
        }
        wrong.into_iter().map(|why| format!("{}: {}: {why}", event.card, expected.title)).collect()
    }
}
