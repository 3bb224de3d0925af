//! The hand on the mouse: told what to do over its socket, line by line.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
};

use super::super::error::{Doing, Error, Result};
use super::walk::{LEG_MS, Leg};

/// How long it rests before and after it presses what marks the end of a leg, milliseconds: some reports.
const REST_MS: u32 = 40;
/// The button that marks it: every mouse has it.
pub(super) const MARK: &str = "middle";

/// A connection to it.
pub(super) struct Hand(BufReader<UnixStream>);

impl Hand {
    pub(super) fn connect(path: &Path) -> Result<Hand> {
        let stream = UnixStream::connect(path).doing(|| format!("connect to the hand at {}", path.display()))?;
        Ok(Hand(BufReader::new(stream)))
    }

    fn say(&mut self, line: &str) -> Result<String> {
        let failed = || format!("tell the hand '{line}'");
        self.0.get_mut().write_all(format!("{line}\n").as_bytes()).doing(failed)?;
        let mut answer = String::new();
        self.0.read_line(&mut answer).doing(failed)?;
        match answer.trim_end() {
            "" => Err(Error::Wrong(format!("the hand has gone at '{line}'"))),
            answer if answer.starts_with("error") => Err(Error::Wrong(format!("the hand refuses '{line}': {answer}"))),
            answer => Ok(answer.to_owned()),
        }
    }

    fn does(&mut self, line: &str) -> Result<()> {
        match self.say(line)?.as_str() {
            "done" => Ok(()),
            other => Err(Error::Wrong(format!("the hand answers '{line}' with '{other}'"))),
        }
    }

    /// Begins a leg: it goes on by itself.
    pub(super) fn walk(&mut self, leg: &Leg) -> Result<()> {
        let [right, towards] = leg.by;
        if let Some(button) = leg.button {
            self.does(&format!("press {button}"))?;
        }
        let half = [right / 2, towards / 2];
        self.does(&format!("move {} {} {}", half[0], -half[1], LEG_MS / 2))?;
        if leg.clicks != 0 {
            self.does(&format!("turn {}", leg.clicks))?;
        }
        self.does(&format!("move {} {} {}", right - half[0], half[1] - towards, LEG_MS / 2))?;
        if let Some(button) = leg.button {
            self.does(&format!("release {button}"))?;
        }
        Ok(())
    }

    /// Moves it a little, to and fro, behind all that it does: for who waits for a report. On a machine that lets mouse or udrvd wait
    /// for long a leg may be over in a single one.
    pub(super) fn fidget(&mut self) -> Result<()> {
        self.does("move 2 2 30").and_then(|()| self.does("move -2 -2 30"))
    }

    /// Marks the end of a leg.
    pub(super) fn mark(&mut self) -> Result<()> {
        let rest = format!("move 0 0 {REST_MS}");
        for line in [&rest, &format!("press {MARK}"), &rest, &format!("release {MARK}"), &rest] {
            self.does(line)?;
        }
        Ok(())
    }

    /// Times that the mouse was reset, and whether it reports.
    pub(super) fn state(&mut self) -> Result<(u64, bool)> {
        let resets = value(&self.say("counters")?, "resets")?;
        Ok((resets, self.say("settings")?.contains("enabled yes")))
    }

    /// Bytes that the mouse has been sent.
    pub(super) fn bytes_to_mouse(&mut self) -> Result<u64> {
        value(&self.say("counters")?, "from-host")
    }
}

/// The number behind a name.
fn value(counters: &str, name: &str) -> Result<u64> {
    let mut words = counters.split_whitespace();
    let value = words.by_ref().find(|word| *word == name).and_then(|_| words.next()?.parse().ok());
    value.ok_or_else(|| Error::Wrong(format!("the hand's counters are not understood: {counters}")))
}
