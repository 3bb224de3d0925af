//! From a line to a command.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use udrv::input::InputSetting;
use udrv::run::Command;
use udrv::supervisor::policy::Protect;
use udrv_driver::{Entry, InjectedFault, Injection, Point};

use crate::protocol::{Envelope, Request, VERSION};

/// What of a line is the same in all versions.
#[derive(Deserialize)]
struct AnyVersion {
    version: u32,
}

/// Reads a line.
pub(super) fn parse(line: &[u8]) -> Result<Request, String> {
    let not = |error: serde_json::Error| format!("not a request: {error}");
    // first: what another version asks for need not make sense here
    let AnyVersion { version } = serde_json::from_slice(line).map_err(not)?;
    if version != VERSION {
        let mend = if version > VERSION { "an older udrvctl, or a newer udrvd" } else { "the udrvctl of this udrvd" };
        return Err(format!("protocol version {version}: this daemon speaks {VERSION}; use {mend}"));
    }
    let Envelope { request, .. } = serde_json::from_slice(line).map_err(not)?;
    Ok(request)
}

/// What is to be done about a request.
pub(super) enum Doing {
    /// The device's thread is asked.
    Ask(Command),
    /// The same, and of its status the policy is told.
    Policy,
    /// How the trace is.
    Trace,
    /// A trace begins.
    TraceStart(PathBuf, u64),
    /// It ends.
    TraceStop,
    /// Another process goes on with the device.
    Upgrade(Option<PathBuf>, Duration),
}

/// What is to be done about a request.
pub(super) fn doing(request: Request) -> Result<Doing, String> {
    let entry = |name: &str| name.parse::<Entry>().map_err(|e| format!("'{name}': {e}"));
    Ok(Doing::Ask(match request {
        Request::Status => Command::Status,
        Request::Glance => Command::Glance,
        Request::Faults { after, .. } => Command::Faults(after),
        Request::Inject { entry: name, fault, point, times } => {
            let fault: InjectedFault = fault.parse().map_err(|e| format!("'{fault}': {e}"))?;
            let point: Point = point.parse().map_err(|e| format!("'{point}': {e}"))?;
            Command::Inject { entry: entry(&name)?, injection: Injection { fault, point }, times }
        }
        Request::Call { entry: name } => Command::Call(entry(&name)?),
        Request::Protect { entry: name, mode } => {
            Command::Protect(name.as_deref().map(entry).transpose()?, mode.parse::<Protect>()?)
        }
        Request::Release { entry: name } => Command::Release(name.as_deref().map(entry).transpose()?),
        Request::Set { setting, value } => Command::Set(InputSetting::parse(&setting, &value)?),
        Request::Restart => Command::Restart,
        Request::Stop => Command::Stop,
        Request::Regs { live } => Command::Registers { live },
        Request::Policy => return Ok(Doing::Policy),
        Request::Trace => return Ok(Doing::Trace),
        Request::TraceStart { file, limit } => return Ok(Doing::TraceStart(file, limit)),
        Request::TraceStop => return Ok(Doing::TraceStop),
        Request::Checkpoint => Command::Checkpoint,
        Request::CheckpointRestore { checkpoint, dry_run } => Command::RestoreCheckpoint { checkpoint, dry_run },
        Request::Upgrade { binary, probation } => return Ok(Doing::Upgrade(binary, Duration::from_millis(probation))),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn understood(line: &[u8]) -> Result<Command, String> {
        match parse(line).and_then(doing)? {
            Doing::Ask(command) => Ok(command),
            _ => Err("not for the device's thread".into()),
        }
    }

    #[test]
    fn requests_are_taken_apart_and_nonsense_is_explained() {
        let ok = br#"{"version":1,"command":"inject","entry":"poll","fault":"panic","point":"end","times":2}"#;
        assert!(matches!(understood(ok), Ok(Command::Inject { entry: Entry::Poll, times: 2, .. })));
        for (line, word) in [
            (&br#"{"version":2,"command":"status"}"#[..], "version 2: this daemon speaks 1"),
            (br#"{"version":2,"command":"levitate","height":"much"}"#, "version 2: this daemon speaks 1"),
            (br#"{"version":0}"#, "the udrvctl of this udrvd"),
            (br#"{"version":1,"command":"reboot"}"#, "reboot"),
            (br#"{"version":1,"command":"call","entry":"jump"}"#, "set_rx_mode"),
            (br#"{"version":1,"command":"protect","mode":"mostly"}"#, "suspicious"),
            (br#"{"version":1,"command":"release","entry":"jail"}"#, "set_rx_mode"),
            (br#"{"version":1,"command":"inject","entry":"poll","fault":"x","point":"end","times":1}"#, "null-write"),
            (br#"{"version":1,"command":"set","setting":"colour","value":"7"}"#, "rate, resolution and scaling"),
            (br#"{"version":1,"command":"set","setting":"scaling","value":"3"}"#, "1:1 or 2:1"),
            (br#"{"version":1,"command":"checkpoint-restore"}"#, "checkpoint"),
            (br#"{"version":1,"command":"checkpoint-restore","checkpoint":{"format":1,"colour":"red"}}"#, "colour"),
            (b"\xff\xfe", "not a request"),
            (b"", "not a request"),
        ] {
            let message = understood(line).unwrap_err();
            assert!(message.contains(word), "{message}");
        }
    }
}
