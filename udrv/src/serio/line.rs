//! What passes over the port: what the device sends by itself and what it answers, told apart.
//!
//! A byte is an answer if it came after something was sent, and is one of the three that a device answers to a byte
//! (ACK, RESEND, ERROR), or follows an ACK that has an answer behind it. All else is data, in order. Data that happen to be FA, FE or
//! FC, and are under way at the moment at which a command is sent, are taken for its answer: no host can tell.
//!
//! Deadlines are those that hosts have agreed on (Linux's libps2 and psmouse): the IBM PS/2 technical reference gives a device
//! 20 ms, and devices take longer.

use std::collections::VecDeque;
use std::fmt;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use udrv_bus::{BusError, SerioByte, SerioId, SerioPort};
use udrv_driver::serio::{ATTEMPTS, MAX_RESPONSE, data};

const ACK: u8 = 0xfa;
const RESEND: u8 = 0xfe;
const ERROR: u8 = 0xfc;
/// A self test has passed: what a device says first of all.
const BAT_PASSED: u8 = 0xaa;
/// Asks a device what it is: every one knows it, and it changes nothing.
const READ_ID: u8 = 0xf2;

/// From a byte to its acknowledgement, and from a byte of an answer to the next.
const BYTE: Duration = Duration::from_millis(200);
/// From a reset to its acknowledgement: some do it before they say so.
const SLOW_BYTE: Duration = Duration::from_secs(1);
/// From an acknowledgement to the first byte of an answer.
const ANSWER: Duration = Duration::from_millis(500);
/// The same of a reset, whose self test comes first.
const SLOW_ANSWER: Duration = Duration::from_secs(4);
/// How often a device that has left is asked whether it is back: each time costs [`BYTE`].
const ASK: Duration = Duration::from_secs(1);
/// What a device that is back has to say is over when it has said nothing for so long.
const LAST_WORD: Duration = Duration::from_millis(50);
/// Bytes of data that are kept for the driver, and bytes that a device may send in the place of an answer: what a line can
/// carry in some seconds.
const MOST_KEPT: usize = 4096;
/// Bytes of them that are told in an error.
const MOST_TOLD: usize = 8;
/// Times in a row that a device must not answer before it is gone.
const SILENCES: u32 = 2;

/// A command, and what comes back of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) code: u8,
    pub(super) argument: Option<u8>,
    /// Bytes that are answered, beside acknowledgements.
    pub(super) response: usize,
    /// It is a reset.
    pub(super) slow: bool,
    /// Nobody may be there.
    pub(super) may_be_nobody: bool,
}

impl Command {
    pub(super) const fn of(code: u8) -> Command {
        Command { code, argument: None, response: 0, slow: false, may_be_nobody: false }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "command {:02x}", self.code)?;
        self.argument.map_or(Ok(()), |argument| write!(f, " {argument:02x}"))
    }
}

/// See the module's text.
pub(super) struct Line {
    port: Box<dyn SerioPort>,
    /// Data that were not taken, and whether each is [`data::BROKEN`].
    kept: VecDeque<(SerioByte, bool)>,
    /// What comes next is.
    broken: bool,
    /// When the byte came that was taken last.
    taken_at: Option<Duration>,
    /// Times in a row that the device has not answered.
    silences: u32,
    gone: bool,
    /// The port itself is.
    port_gone: bool,
    /// When a device that has left was asked last.
    asked: Option<Duration>,
}

impl Line {
    pub(super) fn new(port: Box<dyn SerioPort>) -> Line {
        Line {
            port,
            kept: VecDeque::new(),
            broken: false,
            taken_at: None,
            silences: 0,
            gone: false,
            port_gone: false,
            asked: None,
        }
    }

    pub(super) fn port(&mut self) -> &mut dyn SerioPort {
        &mut *self.port
    }

    pub(super) fn name(&self) -> String {
        self.port.name()
    }

    /// Whether the device has left, or its port.
    pub(super) const fn is_gone(&self) -> bool {
        self.gone
    }

    /// Whether it is the port that has.
    pub(super) const fn port_is_gone(&self) -> bool {
        self.port_gone
    }

    /// Whether data wait here, which the port announces no more.
    pub(super) fn has_kept(&self) -> bool {
        !self.kept.is_empty()
    }

    /// The oldest byte of data, as `DATA` shows it.
    pub(super) fn take(&mut self) -> Result<u32, BusError> {
        self.present()?;
        let next = match self.kept.pop_front() {
            Some(next) => next,
            None => match self.read(Duration::ZERO)? {
                Some(byte) => (byte, std::mem::take(&mut self.broken)),
                None => return Ok(0),
            },
        };
        // whoever speaks is there, whatever it says to commands
        self.silences = 0;
        let (SerioByte { value, at }, broken) = next;
        let most = u128::from(data::MOST_PAUSE);
        let pause = self.taken_at.replace(at).map_or(most, |last| at.saturating_sub(last).as_millis().min(most));
        let broken = if broken { data::BROKEN } else { 0 };
        Ok(data::VALID | broken | (pause as u32) << data::PAUSE_SHIFT | u32::from(value))
    }

    /// Sends a command. Gives what the device answers; bytes that it has not are all ones. `None`: nobody has acknowledged the
    /// command, and nobody need be there.
    pub(super) fn send(&mut self, command: Command) -> Result<Option<[u8; MAX_RESPONSE]>, BusError> {
        self.present()?;
        for _ in 0..MOST_KEPT {
            let Some(byte) = self.read(Duration::ZERO)? else { break };
            self.keep(byte);
        }
        if !self.say(command, command.code, false)? {
            return Ok(None);
        }
        if let Some(argument) = command.argument {
            self.say(command, argument, true)?;
        }
        self.response(command).map(Some)
    }

    /// Sends a byte of `command` until it is acknowledged. False: it is not, and nobody need be there.
    fn say(&mut self, command: Command, byte: u8, is_argument: bool) -> Result<bool, BusError> {
        let patience = if command.slow && !is_argument { SLOW_BYTE } else { BYTE };
        let mut data = Vec::new();
        let mut answers = Vec::new();
        let mut silent = false;
        while answers.len() < ATTEMPTS as usize {
            match self.reply_to(byte, patience, &mut data)? {
                Some(ACK) => {
                    self.silences = 0;
                    return Ok(true);
                }
                Some(answer) => answers.push(answer),
                None => silent = true,
            }
            // after an error it expects no argument any more, but the command again
            if silent || (is_argument && answers.last() == Some(&ERROR)) {
                break;
            }
        }
        let mut operation = format!("{}: {}{command}", self.name(), if is_argument { "argument of " } else { "" });
        if !data.is_empty() {
            operation += &format!(" (data came: {})", Bytes(&data));
        }
        // a controller says RESEND in the place of nobody
        let is_there = !data.is_empty() || answers.contains(&ERROR);
        let error = if silent {
            BusError::Timeout { operation, milliseconds: patience.as_millis() as u64 }
        } else {
            BusError::Refused { operation, answer: Bytes(&answers).to_string() }
        };
        if command.may_be_nobody && !is_argument { Ok(false) } else { Err(self.unanswered(is_there, error)) }
    }

    /// Sends a byte. Gives the answer to it, `None` if none came in time; what else came is kept as data, and put into `data`.
    fn reply_to(&mut self, byte: u8, patience: Duration, data: &mut Vec<u8>) -> Result<Option<u8>, BusError> {
        let sent = self.port.now();
        self.write(byte)?;
        let end = sent.saturating_add(patience);
        for _ in 0..MOST_KEPT {
            let Some(byte) = self.read_until(end)? else { break };
            // one that came before is data, though it is read only now
            if byte.at >= sent && matches!(byte.value, ACK | RESEND | ERROR) {
                self.broken = true;
                return Ok(Some(byte.value));
            }
            data.push(byte.value);
            self.keep(byte);
        }
        self.broken = true;
        Ok(None)
    }

    /// What comes behind the acknowledgement.
    fn response(&mut self, command: Command) -> Result<[u8; MAX_RESPONSE], BusError> {
        let mut response = [0xff; MAX_RESPONSE];
        let mut patience = if command.slow { SLOW_ANSWER } else { ANSWER };
        let mut begin = self.port.now();
        for number in 0..command.response {
            match self.read_until(begin.saturating_add(patience))? {
                Some(byte) => {
                    response[number] = byte.value;
                    (begin, patience) = (byte.at, BYTE);
                }
                // keyboards pass their self test and do not say what they are
                None if command.slow && number == 1 => break,
                None => {
                    let operation = format!("{}: answer to {command}", self.name());
                    if number == 0 {
                        let milliseconds = patience.as_millis() as u64;
                        return Err(self.unanswered(false, BusError::Timeout { operation, milliseconds }));
                    }
                    let operation = format!("{operation} (came: {})", Bytes(&response[..number]));
                    return Err(BusError::Short { operation, expected: command.response, got: number });
                }
            }
        }
        Ok(response)
    }

    /// A device has not done what `error` says.
    fn unanswered(&mut self, is_there: bool, error: BusError) -> BusError {
        self.silences = if is_there { 0 } else { self.silences + 1 };
        if self.silences < SILENCES {
            return error;
        }
        self.gone = true;
        BusError::Gone { operation: "a command" }
    }

    /// Whether a device that has left is back: it has announced itself, or answers. Then nothing of before is left.
    pub(super) fn look(&mut self) -> Result<bool, BusError> {
        if !(self.has_announced_itself()? || self.answers()?) {
            return Ok(false);
        }
        for _ in 0..MOST_KEPT {
            if self.read(LAST_WORD)?.is_none() {
                break;
            }
        }
        self.forget();
        Ok(true)
    }

    fn has_announced_itself(&mut self) -> Result<bool, BusError> {
        let mut announced = false;
        for _ in 0..MOST_KEPT {
            let Some(byte) = self.read(Duration::ZERO)? else { break };
            announced |= byte.value == BAT_PASSED;
        }
        Ok(announced)
    }

    /// Asks it, if it is time to.
    fn answers(&mut self) -> Result<bool, BusError> {
        let now = self.port.now();
        if self.asked.is_some_and(|asked| now < asked.saturating_add(ASK)) {
            return Ok(false);
        }
        self.asked = Some(now);
        self.write(READ_ID)?;
        let end = now.saturating_add(BYTE);
        for _ in 0..MOST_KEPT {
            match self.read_until(end)? {
                Some(byte) if matches!(byte.value, ACK | BAT_PASSED) => return Ok(true),
                Some(_) => {}
                None => break,
            }
        }
        Ok(false)
    }

    /// Closes a port that has left: the same can only be opened again when nobody has it any more.
    pub(super) fn close(&mut self) {
        let nowhere = Nowhere { name: self.port.name(), id: self.port.id(), now: self.port.now() };
        self.port = Box::new(nowhere);
    }

    /// Speaks through `port` from now on.
    pub(super) fn replace(&mut self, port: Box<dyn SerioPort>) {
        *self = Line { gone: true, ..Line::new(port) };
    }

    fn forget(&mut self) {
        self.kept.clear();
        (self.broken, self.taken_at, self.asked) = (true, None, None);
        (self.silences, self.gone) = (0, false);
    }

    fn keep(&mut self, byte: SerioByte) {
        if self.kept.len() == MOST_KEPT {
            self.broken = true; // this one is lost
            return;
        }
        let broken = std::mem::take(&mut self.broken);
        self.kept.push_back((byte, broken));
    }

    fn present(&self) -> Result<(), BusError> {
        if self.gone { Err(BusError::Gone { operation: "the serio port" }) } else { Ok(()) }
    }

    fn read_until(&mut self, end: Duration) -> Result<Option<SerioByte>, BusError> {
        self.read(end.saturating_sub(self.port.now()))
    }

    fn read(&mut self, patience: Duration) -> Result<Option<SerioByte>, BusError> {
        let read = self.port.read(patience);
        self.noted(read)
    }

    fn write(&mut self, byte: u8) -> Result<(), BusError> {
        let written = self.port.write(byte);
        self.noted(written)
    }

    fn noted<T>(&mut self, result: Result<T, BusError>) -> Result<T, BusError> {
        if matches!(result, Err(BusError::Gone { .. })) {
            (self.gone, self.port_gone) = (true, true);
        }
        result
    }
}

/// In the place of a port that is closed.
struct Nowhere {
    name: String,
    id: SerioId,
    now: Duration,
}

impl SerioPort for Nowhere {
    fn name(&self) -> String {
        self.name.clone()
    }
    fn id(&self) -> SerioId {
        self.id
    }
    fn write(&mut self, _: u8) -> Result<(), BusError> {
        Err(BusError::Gone { operation: "writing to it" })
    }
    fn read(&mut self, _: Duration) -> Result<Option<SerioByte>, BusError> {
        Err(BusError::Gone { operation: "reading from it" })
    }
    fn now(&self) -> Duration {
        self.now
    }
    fn announce(&mut self, _: Option<BorrowedFd<'_>>) -> Result<(), BusError> {
        Ok(()) // nothing comes
    }
}

/// The first of some bytes, for people.
struct Bytes<'a>(&'a [u8]);

impl fmt::Display for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = &self.0[..self.0.len().min(MOST_TOLD)];
        let text: Vec<String> = told.iter().map(|byte| format!("{byte:02x}")).collect();
        f.write_str(&text.join(" "))?;
        if told.len() < self.0.len() { write!(f, " and {} more", self.0.len() - told.len()) } else { Ok(()) }
    }
}
