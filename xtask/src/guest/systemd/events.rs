//! What the scripts of the guests with systemd note of what they do to a service, and what the journal says of it.

use std::{fs, path::Path};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

/// The cards, by the names of their configurations, and their devices.
pub(crate) const CARDS: [(&str, &str); 2] = [("rtl8139", "pci:0000:00:04.0"), ("e1000", "pci:0000:00:06.0")];

/// One line of the guest's. Times are its uptime in seconds; of a pair the first is before, the second after.
#[derive(Debug, Deserialize)]
pub(crate) struct Event {
    pub(crate) card: String,
    pub(crate) what: String,
    pub(crate) at: f64,
    /// When the service became active, microseconds of uptime; perhaps long before.
    pub(crate) active_us: u64,
    pub(crate) over: f64,
    pub(crate) pid: [u64; 2],
    pub(crate) restarts: [u64; 2],
    /// When the service manager has started the process that runs now: microseconds of uptime.
    pub(crate) main: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Pause {
    pub(crate) at: f64,
    pub(crate) seconds: f64,
}

impl Event {
    /// The longest of these from what was done on until all was well again, seconds.
    pub(crate) fn longest<'a>(&self, pauses: impl IntoIterator<Item = &'a Pause>) -> f64 {
        let touches = |pause: &&Pause| pause.at < self.over && pause.at + pause.seconds > self.at;
        pauses.into_iter().filter(touches).map(|pause| pause.seconds).fold(0.0, f64::max)
    }
}

/// What was sent so shortly before may have been under way yet, seconds.
const EARLY: f64 = 0.1;

/// Numbered datagrams in a row that did not come back; `at` is when the first was sent.
#[derive(Debug, Deserialize)]
pub(crate) struct Loss {
    pub(crate) at: f64,
    pub(crate) count: u64,
}

/// What became of the numbered datagrams.
#[derive(Debug, Deserialize)]
pub(crate) struct Beat {
    pub(crate) sent: u64,
    pub(crate) twice: u64,
    pub(crate) lost: u64,
    pub(crate) losses: Vec<Loss>,
    pub(crate) pauses: Vec<Pause>,
}

impl Beat {
    /// Of those sent during an event, how many did not come back.
    pub(crate) fn lost_in(&self, event: &Event) -> u64 {
        let losses = self.losses.iter().filter(|loss| loss.at >= event.at - EARLY && loss.at <= event.over);
        losses.map(|loss| loss.count).sum()
    }
}

/// What a process says that goes on.
pub(crate) const GOES_ON: &str = "going on where a process before this one has ended";

/// What it says then, with the time since its `main` began.
pub(crate) const TOOK_OVER: &str = "took over";

/// The journal of the units.
pub(crate) struct Journal(Vec<Value>);

impl Journal {
    pub(crate) fn read(results: &Path) -> Result<Journal, String> {
        Ok(Journal(lines_of(results, "udrvd.json")?))
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Value> {
        self.0.iter()
    }

    /// Lines of a unit's, or of systemd's about it, that hold `text`.
    pub(crate) fn lines<'a>(&'a self, unit: &str, text: &'a str) -> impl Iterator<Item = &'a Value> {
        let unit = format!("udrvd@{unit}.service");
        let is_of = move |line: &&Value| line["_SYSTEMD_UNIT"] == *unit || line["UNIT"] == *unit;
        let says = move |line: &&Value| line["MESSAGE"].as_str().is_some_and(|said| said.contains(text));
        self.0.iter().filter(is_of).filter(says)
    }

    /// The same, from the beginning of an event to its end.
    pub(crate) fn lines_in<'a>(&'a self, event: &'a Event, text: &'a str) -> impl Iterator<Item = &'a Value> {
        let within = |line: &&Value| uptime(line).is_some_and(|at| at >= event.at && at <= event.over);
        self.lines(&event.card, text).filter(within)
    }
}

/// When a line came to the journal, seconds of uptime.
pub(crate) fn uptime(line: &Value) -> Option<f64> {
    line["__MONOTONIC_TIMESTAMP"].as_str()?.parse::<f64>().ok().map(|micros| micros / 1e6)
}

/// The events of a run.
pub(crate) fn events(results: &Path) -> Result<Vec<Event>, String> {
    lines_of(results, "events")
}

fn lines_of<T: DeserializeOwned>(results: &Path, name: &str) -> Result<Vec<T>, String> {
    let text = fs::read_to_string(results.join(name)).map_err(|error| format!("{name}: {error}"))?;
    text.lines().map(|line| serde_json::from_str(line).map_err(|error| format!("{name}: {error}: {line}"))).collect()
}

/// What there is of each card, `NAME-CARD.json`.
pub(crate) fn of_cards<T: DeserializeOwned>(results: &Path, name: &str) -> Result<Vec<T>, String> {
    let one = |(card, _)| {
        let name = format!("{name}-{card}.json");
        let text = fs::read_to_string(results.join(&name)).map_err(|error| format!("{name}: {error}"))?;
        serde_json::from_str(&text).map_err(|error| format!("{name}: {error}"))
    };
    CARDS.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event() -> Event {
        let event = json!({ "card": "e1000", "what": "kill", "at": 10.0, "active_us": 0, "over": 12.0, "pid": [1, 2],
            "restarts": [0, 1], "main": 0 });
        serde_json::from_value(event).unwrap()
    }

    #[test]
    fn the_longest_pause_is_of_those_that_touch_the_event() {
        let pauses = [(9.9, 0.3), (9.0, 0.9), (11.9, 0.4), (12.1, 5.0)].map(|(at, seconds)| Pause { at, seconds });
        assert_eq!(event().longest(&pauses), 0.4);
        assert_eq!(event().longest([]), 0.0);
    }

    #[test]
    fn what_was_under_way_when_it_began_is_lost_to_it_too() {
        let losses = [(9.8, 1), (9.95, 10), (11.0, 100), (12.5, 1000)].map(|(at, count)| Loss { at, count });
        let beat = Beat { sent: 2000, twice: 0, lost: 1111, losses: losses.into(), pauses: Vec::new() };
        assert_eq!(beat.lost_in(&event()), 110);
    }

    #[test]
    fn lines_are_of_one_unit_and_of_one_time() {
        let line = |unit: &str, key: &str, micros: &str| json!({ key: format!("udrvd@{unit}.service"), "MESSAGE": TOOK_OVER, "__MONOTONIC_TIMESTAMP": micros });
        let journal = Journal(vec![
            line("e1000", "_SYSTEMD_UNIT", "9000000"),
            line("e1000", "UNIT", "11000000"),
            line("rtl8139", "UNIT", "11000000"),
            line("e1000", "UNIT", "soon"),
        ]);
        assert_eq!((journal.lines("e1000", TOOK_OVER).count(), journal.lines("e1000", GOES_ON).count()), (3, 0));
        let within: Vec<_> = journal.lines_in(&event(), TOOK_OVER).map(|line| uptime(line).unwrap()).collect();
        assert_eq!(within, [11.0]);
    }

    #[test]
    fn a_line_that_cannot_be_read_is_told_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        assert!(events(folder.path()).unwrap_err().starts_with("events: "));
        fs::write(folder.path().join("events"), "{\"card\": 1}\n").unwrap();
        let why = events(folder.path()).unwrap_err();
        assert!(why.starts_with("events: ") && why.ends_with("{\"card\": 1}"), "{why}");
    }
}
