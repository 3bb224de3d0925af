//! One client: lines in, lines out.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use fgft::symbols::Symbols;
use udrv::report::FaultReport;
use udrv::run::{Answer, Command};

use super::gate::Gate;
use super::peer::Peer;
use super::request::{Doing, doing, parse};
use crate::pair::Pair;
use crate::protocol::{MAX_LINE, Request, Response};
use crate::trace::Trace;

/// What of the daemon is asked, beside the device.
#[derive(Clone)]
pub(super) struct Around {
    pub(super) trace: Arc<Trace>,
    pub(super) pair: Option<Pair>,
    pub(super) gate: Gate,
}

/// Answers line after line, until the client goes or says too much. `ask` is given what the device's thread is asked, and what that
/// costs, in units of a cheap request.
pub(super) fn converse(
    from: impl Read,
    to: impl Write + Copy,
    peer: &Peer,
    around: &Around,
    mut ask: impl FnMut(Command, u32) -> Option<Answer>,
) -> io::Result<()> {
    let mut reader = BufReader::new(from);
    loop {
        let mut line = Vec::new();
        let read = (&mut reader).take(MAX_LINE).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        if line.last() != Some(&b'\n') {
            return answer(to, &error(format!("a request is one line of at most {MAX_LINE} bytes")));
        }
        let _answering = around.gate.answering();
        answer(to, &respond(&line, peer, around, &mut ask))?;
    }
}

pub(super) fn answer(mut to: impl Write, response: &Response) -> io::Result<()> {
    let mut line = serde_json::to_vec(response)?;
    line.push(b'\n');
    to.write_all(&line)
}

pub(super) fn error(message: String) -> Response {
    Response::Error { message }
}

/// Answers one line.
fn respond(
    line: &[u8],
    peer: &Peer,
    around: &Around,
    ask: &mut impl FnMut(Command, u32) -> Option<Answer>,
) -> Response {
    let Around { trace, pair, .. } = around;
    let request = match parse(line) {
        Ok(request) => request,
        Err(message) => return error(message),
    };
    if request.changes() && !peer.may_change {
        return error(format!(
            "user {} may look and not change anything: root may, the daemon's own user, and the members of the group that \
             --change-group names",
            peer.user
        ));
    }
    let cost = cost(&request);
    let brief = matches!(request, Request::Faults { brief: true, .. });
    let (command, policy) = match doing(request) {
        Ok(Doing::Ask(command)) => (command, false),
        Ok(Doing::Policy) => (Command::Glance, true),
        Ok(Doing::Trace) => return Response::Trace { trace: trace.status() },
        Ok(Doing::TraceStop) => return Response::Trace { trace: trace.stop() },
        // files are made with the daemon's rights
        Ok(Doing::TraceStart(..)) if !peer.is_owner => {
            return error(
                "a trace is a file that the daemon makes: only root and the daemon's own user may start one".to_owned(),
            );
        }
        Ok(Doing::TraceStart(file, limit)) => {
            return match trace.start(&file, limit) {
                Ok(status) => Response::Trace { trace: Some(status) },
                Err(why) => error(why.to_string()),
            };
        }
        Ok(Doing::Upgrade(binary, probation)) => return upgrade(pair.as_ref(), peer, binary.as_deref(), probation),
        Err(message) => return error(message),
    };
    match ask(command, cost) {
        Some(Answer::Status(status)) if policy => {
            Response::Policy { entries: status.entries, quarantine: status.quarantine }
        }
        Some(Answer::Registers(registers)) => Response::Regs { registers },
        Some(Answer::Status(status)) => Response::Status { status, standby: pair.as_ref().and_then(Pair::status) },
        Some(Answer::Faults(mut faults)) => {
            faults.iter_mut().for_each(if brief { shorten } else { explain });
            Response::Faults { faults }
        }
        Some(Answer::Set(set)) => Response::Set { setting: set.name().to_owned(), value: set.value() },
        Some(Answer::Checkpoint(checkpoint)) => Response::Checkpoint { checkpoint },
        Some(Answer::Restored(restored)) => Response::CheckpointRestored { restored },
        Some(Answer::Done) => Response::Done,
        Some(Answer::Refused(message)) => error(message),
        None if pair.as_ref().is_some_and(Pair::is_over) => {
            error("another process drives the device since a moment ago: ask again".to_owned())
        }
        None => error("the device has stopped".to_owned()),
    }
}

fn upgrade(pair: Option<&Pair>, peer: &Peer, binary: Option<&Path>, probation: Duration) -> Response {
    // a program is run with the daemon's rights
    if binary.is_some() && peer.user != 0 {
        return error(format!(
            "user {} may not say which program is run: only root may; without --binary it is the installed one",
            peer.user
        ));
    }
    let Some(pair) = pair else { return error("nobody could go on with this device".to_owned()) };
    pair.upgrade(binary, probation).unwrap_or_else(error)
}

/// What a request costs the device's thread.
fn cost(request: &Request) -> u32 {
    match request {
        // some hundred registers are read, each a system call perhaps
        Request::Regs { live: true } => 100,
        _ => 1,
    }
}

/// Leaves out what is long.
fn shorten(fault: &mut FaultReport) {
    fault.registers.clear();
    fault.earlier_writes += fault.journal.len();
    fault.journal.clear();
}

/// Looks up what the device's thread had no time for. The debug information is read once, by the first who asks.
fn explain(fault: &mut FaultReport) {
    static SYMBOLS: LazyLock<Mutex<Option<Symbols>>> = LazyLock::new(|| {
        let symbols = Symbols::of_this_process();
        let symbols = symbols.inspect_err(|error| tracing::warn!(%error, "fault reports have no function names"));
        Mutex::new(symbols.ok())
    });
    let symbols = SYMBOLS.lock().unwrap_or_else(PoisonError::into_inner);
    fault.explain(symbols.as_ref());
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use proptest::prelude::*;

    use super::*;

    fn around() -> Around {
        Around { trace: Arc::default(), pair: None, gate: Gate::new().unwrap() }
    }

    const ROOT: Peer = Peer { user: 0, may_change: true, is_owner: true };

    /// Both ends of a client: what it says, in pieces, and what it hears.
    struct Line<'a> {
        says: RefCell<&'a [u8]>,
        piece: usize,
        heard: RefCell<Vec<u8>>,
        taken: Cell<usize>,
        endless: bool,
    }

    impl<'a> Line<'a> {
        fn new(says: &'a [u8], piece: usize) -> Line<'a> {
            Line { says: RefCell::new(says), piece, heard: RefCell::default(), taken: Cell::default(), endless: false }
        }

        fn answers(&self) -> Vec<Response> {
            let heard = self.heard.borrow();
            let lines = heard.split_inclusive(|byte| *byte == b'\n');
            lines.map(|line| serde_json::from_slice(line).expect("an answer is a line of JSON")).collect()
        }
    }

    impl Read for &Line<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let length = to.len().min(self.piece);
            let length = if self.endless {
                to[..length].fill(b'x');
                length
            } else {
                self.says.borrow_mut().read(&mut to[..length])?
            };
            self.taken.set(self.taken.get() + length);
            Ok(length)
        }
    }

    impl Write for &Line<'_> {
        fn write(&mut self, from: &[u8]) -> io::Result<usize> {
            self.heard.borrow_mut().extend_from_slice(from);
            Ok(from.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_without_end_is_not_kept() {
        let line = Line { endless: true, ..Line::new(&[], 4096) };
        converse(&line, &line, &ROOT, &around(), |_, _| None).unwrap();
        // and what a reader reads ahead
        assert!(line.taken.get() as u64 <= MAX_LINE + 16 * 1024, "{} bytes", line.taken.get());
        assert!(matches!(&line.answers()[..], [Response::Error { message }] if message.contains("at most")));
    }

    #[test]
    fn who_may_only_look_saves_a_checkpoint_and_tries_one_and_restores_none() {
        let peer = Peer { user: 65_534, may_change: false, is_owner: false };
        let checkpoint = r#"{"format":1,"driver":"x","chip":{"id":"1","revision":0},"settings":{"input":
            {"rate":1,"resolution":2,"scaling":"1:1"}},"policy":{"probe":"never"}}"#;
        let restore = |dry_run| {
            let checkpoint = checkpoint.replace('\n', " ");
            format!(r#"{{"version":1,"command":"checkpoint-restore","checkpoint":{checkpoint},"dry_run":{dry_run}}}"#)
        };
        let said = [r#"{"version":1,"command":"checkpoint"}"#.to_owned(), restore(true), restore(false), String::new()];
        let (said, mut asked) = (said.join("\n"), Vec::new());
        let line = Line::new(said.as_bytes(), 7);
        converse(&line, &line, &peer, &around(), |command, _| {
            asked.push(command);
            Some(Answer::Done)
        })
        .unwrap();
        assert!(matches!(&asked[..], [Command::Checkpoint, Command::RestoreCheckpoint { dry_run: true, .. }]));
        assert!(matches!(&line.answers()[2], Response::Error { message } if message.contains("65534 may look")));
    }

    #[test]
    fn who_may_only_look_changes_nothing() {
        let peer = Peer { user: 65_534, may_change: false, is_owner: false };
        let said = b"{\"version\":1,\"command\":\"restart\"}\n{\"version\":1,\"command\":\"status\"}\n";
        let line = Line::new(said, 7);
        let mut asked = Vec::new();
        converse(&line, &line, &peer, &around(), |command, _| {
            asked.push(command);
            Some(Answer::Done)
        })
        .unwrap();
        assert_eq!(asked, [Command::Status]);
        assert!(matches!(&line.answers()[0], Response::Error { message } if message.contains("65534 may look")));
    }

    fn lines() -> impl Strategy<Value = Vec<u8>> {
        let word = "[a-z_-]{0,12}";
        let request = (any::<u32>(), word, word, any::<i64>()).prop_map(|(version, command, entry, times)| {
            let version = if version % 2 == 0 { 1 } else { version };
            format!("{{\"version\":{version},\"command\":\"{command}\",\"entry\":\"{entry}\",\"times\":{times}}}\n")
                .into_bytes()
        });
        let known = prop::sample::select(vec![
            "status", "faults", "inject", "call", "protect", "release", "restart", "regs", "policy", "upgrade",
        ]);
        let known = (known, word, "\\PC{0,20}").prop_map(|(command, entry, mode)| {
            let mode = serde_json::Value::from(mode);
            format!("{{\"version\":1,\"command\":\"{command}\",\"entry\":\"{entry}\",\"mode\":{mode}}}\n").into_bytes()
        });
        let bytes = prop::collection::vec(any::<u8>(), 0..300);
        let deep = (1..3000_usize).prop_map(|depth| [&b"[{\"a\":".repeat(depth)[..], b"\n"].concat());
        prop::collection::vec(prop_oneof![request, known, bytes, deep], 0..8).prop_map(|lines| lines.concat())
    }

    proptest! {
        /// Whatever comes, in whatever pieces: an answer a line, no panic, and nothing is asked that was not understood.
        #[test]
        fn no_client_is_too_strange(said in lines(), piece in 1..5000_usize) {
            let line = Line::new(&said, piece);
            let mut asked = 0;
            converse(&line, &line, &ROOT, &around(), |_, _| { asked += 1; Some(Answer::Done) }).unwrap();
            let complete = said.iter().filter(|byte| **byte == b'\n').count();
            let rest = usize::from(said.last().is_some_and(|byte| *byte != b'\n'));
            let answers = line.answers();
            prop_assert_eq!(answers.len(), complete + rest);
            let done = answers.iter().filter(|answer| matches!(answer, Response::Done)).count();
            prop_assert_eq!(done, asked);
        }
    }
}
