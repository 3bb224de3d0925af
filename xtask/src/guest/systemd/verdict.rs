//! What the guest with systemd has seen, as a table, and what of it is not as it must be.

use std::{fs, path::Path};

use serde::Deserialize;
use serde_json::Value;

/// The cards, by the names of their configurations, and their devices.
const CARDS: [(&str, &str); 2] = [("rtl8139", "pci:0000:00:04.0"), ("e1000", "pci:0000:00:06.0")];

/// What is done to a service, and what must come of it.
struct Expected {
    what: &'static str,
    /// How it is called in the table.
    title: &'static str,
    /// Whether the process is another one afterwards.
    is_new: bool,
    /// Whether systemd has restarted it of its own accord.
    restarted: bool,
    /// The longest pause of the connection that is still right, seconds: far above what it takes, since a busy machine is no failure.
    /// TCP doubles its waiting time while nothing comes back.
    pause: f64,
}

const EVENTS: [Expected; 6] = [
    Expected { what: "crash", title: "crash in transmit", is_new: false, restarted: false, pause: 10.0 },
    Expected { what: "hup", title: "reload (SIGHUP)", is_new: false, restarted: false, pause: 10.0 },
    Expected { what: "kill", title: "SIGKILL", is_new: true, restarted: true, pause: 40.0 },
    Expected { what: "watchdog", title: "hangs (SIGSTOP)", is_new: true, restarted: true, pause: 60.0 },
    Expected { what: "restart", title: "systemctl restart", is_new: true, restarted: false, pause: 40.0 },
    Expected { what: "stop", title: "stop, then start", is_new: true, restarted: false, pause: 40.0 },
];

/// One line of the guest's. Times are its uptime in seconds; of a pair the first is before, the second after.
#[derive(Debug, Deserialize)]
struct Event {
    card: String,
    what: String,
    at: f64,
    active: f64,
    over: f64,
    pid: [u64; 2],
    restarts: [u64; 2],
}

#[derive(Debug, Deserialize)]
struct Pause {
    at: f64,
    seconds: f64,
}

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
    flows: Vec<Flow>,
    journal: Vec<Value>,
    rights: Vec<String>,
}

impl Findings {
    pub(super) fn read(results: &Path) -> Result<Findings, String> {
        let text = |name: &str| fs::read_to_string(results.join(name)).map_err(|error| format!("{name}: {error}"));
        let lines = text("events")?;
        let events = lines.lines().map(|line| serde_json::from_str(line).map_err(|error| format!("{line}: {error}")));
        let flow = |(card, _)| {
            let name = format!("flow-{card}.json");
            serde_json::from_str(&text(&name)?).map_err(|error| format!("{name}: {error}"))
        };
        let journal = text("udrvd.json")?;
        let journal = journal.lines().map(|line| serde_json::from_str(line).map_err(|e| format!("udrvd.json: {e}")));
        Ok(Findings {
            events: events.collect::<Result<_, _>>()?,
            flows: CARDS.into_iter().map(flow).collect::<Result<_, _>>()?,
            journal: journal.collect::<Result<_, _>>()?,
            rights: CARDS.into_iter().map(|(card, _)| text(&format!("rights-{card}"))).collect::<Result<_, _>>()?,
        })
    }

    fn event(&self, card: &str, what: &str) -> Option<&Event> {
        self.events.iter().find(|event| event.card == card && event.what == what)
    }

    /// The longest time in which nothing came, from what was done on until the connection had gone on.
    fn pause(&self, card: usize, event: &Event) -> f64 {
        let touches = |pause: &&Pause| pause.at < event.over && pause.at + pause.seconds > event.at;
        self.flows[card].pauses.iter().filter(touches).map(|pause| pause.seconds).fold(0.0, f64::max)
    }

    /// Whether a line of a unit's, or of systemd's about it, holds `text`.
    fn says(&self, unit: &str, text: &str) -> bool {
        let unit = format!("udrvd@{unit}.service");
        let is_of = |line: &Value| line["_SYSTEMD_UNIT"] == *unit || line["UNIT"] == *unit;
        self.journal.iter().any(|line| is_of(line) && line["MESSAGE"].as_str().is_some_and(|said| said.contains(text)))
    }

    pub(super) fn print(&self, seconds: f64) {
        println!(
            "\n{:<10}{:<20}{:>10}{:>10}{:>16}{:>16}",
            "card", "what", "process", "restarts", "active after", "longest pause"
        );
        for (number, (card, _)) in CARDS.into_iter().enumerate() {
            for Expected { what, title, .. } in EVENTS {
                let Some(event) = self.event(card, what) else { continue };
                let process = if event.pid[0] == event.pid[1] { "the same" } else { "another" };
                let restarts = event.restarts[1].saturating_sub(event.restarts[0]);
                let (active, pause) = ((event.active - event.at) * 1e3, self.pause(number, event) * 1e3);
                println!("{card:<10}{title:<20}{process:>10}{restarts:>10}{active:>13.0} ms{pause:>13.0} ms");
            }
        }
        for ((card, _), flow) in CARDS.iter().zip(&self.flows) {
            println!(
                "{card}: one TCP connection through all of it, {} MiB there and back, right: {}",
                flow.bytes >> 20,
                flow.right
            );
        }
        println!(
            "pauses below 50 ms count as none; times are those of an emulated machine. The guest ran {seconds:.0} s"
        );
    }

    /// What is not as it must be.
    pub(super) fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (number, (card, device)) in CARDS.into_iter().enumerate() {
            for expected in &EVENTS {
                match self.event(card, expected.what) {
                    Some(event) => wrong.extend(self.wrong_of(number, event, expected)),
                    None => wrong.push(format!("{card}: {}: not tried", expected.title)),
                }
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
            if !self.journal.iter().any(fault) {
                wrong.push(format!("{card}: the journal has no line of the fault in transmit with its fields"));
            }
            for (said, what) in [
                ("Watchdog timeout", "systemd's watchdog has not seen that it hung"),
                ("configuration read again; changed: deadline", "a reload has not changed what it can"),
            ] {
                if !self.says(card, said) {
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
            if !self.says("wrong", said) {
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
        if pause > expected.pause {
            wrong.push(format!("the connection stood still for {pause:.1} s"));
        }
        wrong.into_iter().map(|why| format!("{}: {}: {why}", event.card, expected.title)).collect()
    }
}
