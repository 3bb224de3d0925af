//! udrvd's control socket: a JSON object a line each way, as `udrvctl` speaks it.

use std::{
    io::{BufRead, BufReader, ErrorKind, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    error::{Doing, Error, Result},
    plan::Injection,
    wait,
};

/// The version of the protocol that this is written for.
const VERSION: u32 = 1;

/// What of a status the demo looks at, and what of it only a demo of class `C` does.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Status<C> {
    pub(super) isolation: String,
    pub(super) protected: bool,
    pub(super) pid: u32,
    /// Nanoseconds since the device was started.
    pub(super) uptime: u64,
    pub(super) canary_intact: bool,
    /// Faults so far; the number of the newest report.
    pub(super) faults: u64,
    #[serde(flatten)]
    pub(super) class: C,
}

/// The class of a status of which nothing is looked at that is a class's own.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Any {}

/// What of a fault report the demo looks at. Times are nanoseconds.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Report {
    pub(super) entry: String,
    pub(super) text: String,
    pub(super) injected: Option<(String, String)>,
    pub(super) source: Option<String>,
    pub(super) rung: String,
    pub(super) recovered: bool,
    pub(super) to_error: u64,
    pub(super) to_next_frame: Option<u64>,
    pub(super) frames_lost: u64,
    /// Register reads and writes that recovery made.
    pub(super) reads: u64,
    pub(super) writes: u64,
    /// When the error was with the caller, since the device was started.
    pub(super) at: u64,
}

impl Report {
    /// Whether it is about this fault.
    pub(super) fn is_of(&self, injection: &Injection) -> bool {
        let place = self.injected.as_ref().map(|(fault, point)| (fault.as_str(), point.as_str()));
        self.entry == injection.entry && place == Some((injection.fault, injection.point))
    }
}

/// A connection to the daemon.
pub(super) struct Control {
    stream: BufReader<UnixStream>,
    /// How long an answer may take.
    patience: Duration,
}

impl Control {
    /// Connects; `None` if nobody listens yet.
    pub(super) fn connect(path: &Path, patience: Duration) -> Result<Option<Control>> {
        let stream = match UnixStream::connect(path) {
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => return Ok(None),
            other => other.doing(|| format!("connect to {}", path.display()))?,
        };
        stream.set_read_timeout(Some(patience)).doing(|| "limit the wait for udrvd".to_owned())?;
        Ok(Some(Control { stream: BufReader::new(stream), patience }))
    }

    pub(super) fn status<C: DeserializeOwned>(&mut self) -> Result<Status<C>> {
        let answer = self.ask(&json!({ "command": "status" }))?;
        part(answer, "status")
    }

    /// Reports with a number above `after`.
    pub(super) fn faults(&mut self, after: u64) -> Result<Vec<Report>> {
        let answer = self.ask(&json!({ "command": "faults", "after": after }))?;
        part(answer, "faults")
    }

    /// Arms a fault for the next `times` times that its place is reached; 0 disarms.
    pub(super) fn inject(&mut self, injection: &Injection, times: u32) -> Result<()> {
        let Injection { entry, fault, point, .. } = injection;
        let request = json!({ "command": "inject", "entry": entry, "fault": fault, "point": point, "times": times });
        self.ask(&request).map(drop)
    }

    /// Has an entry point called, with the values in force.
    pub(super) fn call(&mut self, entry: &str) -> Result<()> {
        self.ask(&json!({ "command": "call", "entry": entry })).map(drop)
    }

    /// Injects a fault, makes the call if it is one by call, and waits for its report and for work (`then`, in words) that goes
    /// through after it; `meanwhile` is done at each look. `before`: faults so far.
    pub(super) fn strike(
        &mut self,
        injection: &Injection,
        before: u64,
        then: &str,
        patience: Duration,
        mut meanwhile: impl FnMut() -> Result<()>,
    ) -> Result<Report> {
        self.inject(injection, 1)?;
        if injection.by_call {
            self.call(injection.entry)?;
        }
        let what = || format!("the report of the fault, and {then} after it");
        wait::until(what, patience, || {
            meanwhile()?;
            let reports = self.faults(before)?;
            let (injected, others): (Vec<Report>, Vec<Report>) = reports.into_iter().partition(|r| r.is_of(injection));
            if let Some(other) = others.first() {
                return Err(Error::Wrong(format!("another fault instead, in {}: {}", other.entry, other.text)));
            }
            Ok(injected.into_iter().next_back().filter(|r| r.to_next_frame.is_some() || !r.recovered))
        })
    }

    fn ask(&mut self, request: &Value) -> Result<Value> {
        let command = request["command"].as_str().unwrap_or_default().to_owned();
        let mut line = request.clone();
        line["version"] = VERSION.into();
        let failed = || format!("ask udrvd for '{command}'");
        self.stream.get_mut().write_all(format!("{line}\n").as_bytes()).doing(failed)?;
        let mut answer = String::new();
        match self.stream.read_line(&mut answer) {
            Ok(0) => return Err(Error::Wrong(format!("udrvd closed its control socket at '{command}'"))),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                let what = format!("an answer from udrvd to '{command}'");
                return Err(Error::Late { what, seconds: self.patience.as_secs_f64() });
            }
            read => drop(read.doing(failed)?),
        }
        let nonsense = |error| Error::Wrong(format!("udrvd's answer to '{command}' is not understood: {error}"));
        let answer: Value = serde_json::from_str(&answer).map_err(nonsense)?;
        if answer["answer"] == "error" {
            let why = answer["message"].as_str().unwrap_or_default();
            return Err(Error::Wrong(format!("udrvd refused '{command}': {why}")));
        }
        Ok(answer)
    }
}

fn part<T: DeserializeOwned>(mut answer: Value, name: &str) -> Result<T> {
    let nonsense = |error| Error::Wrong(format!("udrvd's {name} is not understood: {error}"));
    serde_json::from_value(answer[name].take()).map_err(nonsense)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read() {
        let text = r#"{"answer":"faults","faults":[{"number":3,"entry":"poll","kind":"page-fault","text":"t",
            "injected":["panic","end"],"rip":1,"source":null,"rung":"abort","recovered":true,"to_error":5,
            "restoring":0,"to_next_frame":null,"frames_lost":0,"reads":0,"writes":0,"at":9}]}"#;
        let reports: Vec<Report> = part(serde_json::from_str(text).unwrap(), "faults").unwrap();
        assert_eq!((reports[0].at, reports[0].to_next_frame), (9, None));
        assert_eq!(reports[0].injected.as_ref().unwrap().1, "end");
        assert!(part::<Vec<Report>>(json!({}), "faults").is_err());
    }

    #[test]
    fn a_status_has_a_part_of_its_class() {
        #[derive(Deserialize)]
        struct Net {
            mac: String,
        }
        let answer = json!({ "status": { "isolation": "i", "protected": true, "pid": 7, "uptime": 9, "canary_intact": true,
            "faults": 3, "class": "net", "mac": "52:54:00:12:34:56" } });
        let status: Status<Net> = part(answer.clone(), "status").unwrap();
        assert_eq!((status.pid, status.faults, status.class.mac.len()), (7, 3, 17));
        #[derive(Debug, Deserialize)]
        struct Sound {
            #[expect(dead_code, reason = "it is not there")]
            streams: Vec<u32>,
        }
        assert!(part::<Status<Sound>>(answer, "status").is_err());
    }
}
