//! The controller: a [`Device`] over a [`SerioPort`], with the registers of `udrv_driver::serio`.
//!
//! All of it runs on the thread of whoever calls, which waits for the device: a command takes some milliseconds, one that is not
//! answered 200, and a reset seconds.
//!
//! A device that has left is not told by the port. It is taken for gone when it has not answered twice in a row, neither to a
//! command nor behind one; to say RESEND and nothing else is no answer, for a PC's controller says so in the place of nobody. It
//! is back when it announces itself (AA), or answers when it is asked for its identifier, once a second.

use std::os::fd::{AsFd, BorrowedFd};

use udrv_bus::{BusError, DmaMapping, ResetKind, SerioId, SerioPort, Width};
use udrv_driver::serio::{self, MAX_RESPONSE, SerioCommand, SerioRegister, command};

use super::commands::{CommandError, check};
use super::line::{Command, Line};
use crate::device::Device;
use crate::event::Event;

/// Opens the port again after it had left; an error if it is not back.
pub type Reopen = Box<dyn FnMut() -> Result<Box<dyn SerioPort>, BusError> + Send>;

/// See the module's text.
pub struct Controller {
    line: Line,
    id: SerioId,
    reopen: Option<Reopen>,
    commands: &'static [SerioCommand],
    response: u32,
    event: Option<Event>,
}

/// A register.
enum Register {
    Data,
    Command,
    Response,
    Declared(SerioRegister),
}

impl Controller {
    /// Over `port`, with the commands of `udrv_driver::Bus::Serio`. `reopen`: how to have the port back after it has left, if
    /// there is a way.
    ///
    /// # Errors
    /// [`CommandError`].
    pub fn new(
        port: Box<dyn SerioPort>,
        reopen: Option<Reopen>,
        commands: &'static [SerioCommand],
    ) -> Result<Controller, CommandError> {
        check(commands)?;
        let id = port.id();
        Ok(Controller { line: Line::new(port), id, reopen, commands, response: 0, event: None })
    }

    fn register(&self, offset: u64, width: Width) -> Result<Register, BusError> {
        let at = |register: udrv_driver::Reg<u32>| u64::from(register.offset()) == offset;
        let declared = || self.commands.iter().find(|declared| u64::from(declared.offset) == offset);
        Ok(match () {
            () if at(serio::DATA) => Register::Data,
            () if at(serio::COMMAND) => Register::Command,
            () if at(serio::RESPONSE) => Register::Response,
            () => match declared() {
                Some(declared) => Register::Declared(declared.is),
                None => {
                    let space = "the PS/2 controller, with the commands that its driver declares,".to_owned();
                    return Err(BusError::OutOfRange { space, size: self.register_bytes(), offset, width });
                }
            },
        })
    }

    /// COMMAND.
    fn send_any(&mut self, value: u32) -> Result<(), BusError> {
        let has = |bit: u32| value & bit != 0;
        let response = (value >> command::RESPONSE_SHIFT & 0xf) as usize;
        // whatever comes of it, the answer to the one before is none
        self.response = u32::MAX;
        if response > MAX_RESPONSE {
            let operation =
                format!("{}: command {:02x} with an answer of {response} bytes", self.line.name(), value as u8);
            return Err(BusError::Short { operation, expected: response, got: MAX_RESPONSE });
        }
        let command = Command {
            code: value as u8,
            argument: has(command::ARGUMENT).then_some((value >> command::ARGUMENT_SHIFT) as u8),
            response,
            slow: has(command::SLOW),
            may_be_nobody: has(command::TRY),
        };
        if let Some(answer) = self.line.send(command)? {
            self.response = word(answer, response);
        }
        Ok(())
    }

    /// A setting.
    fn set(&mut self, register: SerioRegister, value: u32) -> Result<(), BusError> {
        let command = match register {
            SerioRegister::Argument(code) => {
                u8::try_from(value).ok().map(|argument| Command { argument: Some(argument), ..Command::of(code) })
            }
            SerioRegister::Choice(codes) => codes.get(value as usize).map(|code| Command::of(*code)),
            SerioRegister::Answer(..) => return Err(BusError::Unsupported("writing what only tells")),
        };
        let Some(command) = command else {
            return Err(BusError::Unsupported("a setting of this value"));
        };
        self.line.send(command).map(drop)
    }

    fn port_back(&mut self) -> Result<bool, BusError> {
        if !self.line.port_is_gone() {
            return Ok(true);
        }
        let Some(reopen) = &mut self.reopen else { return Ok(false) };
        self.line.close();
        let mut port = match reopen() {
            Err(BusError::Gone { .. }) => return Ok(false),
            other => other?,
        };
        // who was told of this one shall not find another behind it
        let is = port.id();
        if is != self.id {
            let why = format!("{} is {is} now, and was {}: plug in the one that was there", port.name(), self.id);
            return Err(BusError::Io { operation: "opening it again".to_owned(), source: std::io::Error::other(why) });
        }
        if let Some(event) = &self.event {
            port.announce(Some(event.as_fd()))?;
        }
        self.line.replace(port);
        Ok(true)
    }
}

/// An answer of `count` bytes as a register: the first is lowest. The second byte of a reset's answer may be missing, and is
/// all ones then.
fn word(answer: [u8; MAX_RESPONSE], count: usize) -> u32 {
    let mut bytes = [0; MAX_RESPONSE];
    bytes[..count].copy_from_slice(&answer[..count]);
    u32::from_le_bytes(bytes)
}

impl Device for Controller {
    fn name(&self) -> String {
        self.line.name()
    }

    fn register_bytes(&self) -> u64 {
        serio::END.into()
    }

    fn read(&mut self, offset: u64, width: Width) -> Result<u32, BusError> {
        match self.register(offset, width)? {
            Register::Data => self.line.take(),
            Register::Response => Ok(self.response),
            Register::Declared(SerioRegister::Answer(code, count)) => {
                let response = usize::from(count);
                let answer = self.line.send(Command { response, ..Command::of(code) })?;
                Ok(answer.map_or(0, |answer| word(answer, response)))
            }
            Register::Command | Register::Declared(_) => Err(BusError::Unsupported("reading what is only written")),
        }
    }

    fn write(&mut self, offset: u64, width: Width, value: u32) -> Result<(), BusError> {
        match self.register(offset, width)? {
            Register::Command => self.send_any(value),
            Register::Declared(register) => self.set(register, value),
            Register::Data | Register::Response => Err(BusError::Unsupported("writing what only tells")),
        }
    }

    /// A command breaks into what the device sends by itself, and READ DATA takes of it.
    fn may_be_looked_at(&self, offset: u64) -> bool {
        !matches!(self.register(offset, Width::U32), Ok(Register::Declared(_)))
    }

    fn answers(&mut self) -> bool {
        !self.line.is_gone()
    }

    fn comes_back(&self) -> bool {
        !self.line.port_is_gone() || self.reopen.is_some()
    }

    fn look_for_return(&mut self) -> Result<bool, BusError> {
        if !self.port_back()? {
            return Ok(false);
        }
        match self.line.look() {
            Err(BusError::Gone { .. }) => Ok(false),
            other => other,
        }
    }

    fn enable(&mut self, _: bool) -> Result<(), BusError> {
        Ok(())
    }

    fn stop_dma(&mut self) -> Result<(), BusError> {
        Ok(())
    }

    fn iova_ranges(&mut self) -> Result<Vec<(u64, u64)>, BusError> {
        Ok(vec![(0, u32::MAX.into())])
    }

    fn map_dma(&mut self, _: DmaMapping) -> Result<(), BusError> {
        Ok(()) // it reaches no memory, wherever that is
    }

    fn unmap_dma(&mut self, _: u64, _: u64) -> Result<(), BusError> {
        Ok(())
    }

    fn enable_messages(&mut self, event: BorrowedFd<'_>) -> Result<(), BusError> {
        let kept = Event::of(event)?;
        self.line.port().announce(Some(event))?;
        if self.line.has_kept() {
            kept.tell();
        }
        self.event = Some(kept);
        Ok(())
    }

    fn disable_notices(&mut self) -> Result<(), BusError> {
        self.event = None;
        self.line.port().announce(None)
    }

    fn reset(&mut self) -> Result<ResetKind, BusError> {
        Ok(ResetKind::None)
    }
}

#[cfg(test)]
#[path = "controller_tests.rs"]
mod tests;
