//! The requests of endpoint 0: the standard ones (USB 1.1, 9.4) and those that reach registers.
//!
//! What is not understood is answered with a stall, and then nothing has been done.

use udrv_bus::Setup;

use crate::chip::Chip;
use crate::descriptors;
use crate::regs::{self, request};

/// Standard requests.
mod standard {
    pub(super) const GET_STATUS: u8 = 0;
    pub(super) const CLEAR_FEATURE: u8 = 1;
    pub(super) const SET_FEATURE: u8 = 3;
    pub(super) const SET_ADDRESS: u8 = 5;
    pub(super) const GET_DESCRIPTOR: u8 = 6;
    pub(super) const GET_CONFIGURATION: u8 = 8;
    pub(super) const SET_CONFIGURATION: u8 = 9;
    pub(super) const GET_INTERFACE: u8 = 10;
    pub(super) const SET_INTERFACE: u8 = 11;
}

/// Feature selectors.
const ENDPOINT_HALT: u16 = 0;
const REMOTE_WAKEUP: u16 = 1;
/// Recipients of standard requests: `bmRequestType`, to the device.
const TO_DEVICE: u8 = 0x00;
const TO_INTERFACE: u8 = 0x01;
const TO_ENDPOINT: u8 = 0x02;
/// Direction bit: from the device.
const FROM: u8 = 0x80;

/// The device answered with a stall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stall;

/// What a request has done beside what the chip does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing.
    None,
    /// All endpoints are as new: no halt.
    Configured,
    /// The halt of this endpoint is set or cleared.
    Halt { endpoint: u8, halted: bool },
}

impl Chip {
    /// A request that asks. `halted`: the state of an endpoint, `None` for one that is not there.
    pub(crate) fn ask(
        &mut self,
        setup: Setup,
        room: usize,
        halted: impl Fn(u8) -> Option<bool>,
    ) -> Result<Vec<u8>, Stall> {
        let configured = self.configuration != 0;
        let Setup { request_type, request, value, index } = setup;
        let mut bytes = match (request_type, request) {
            (request::READ, request::GET_REGISTERS) => {
                self.count_to_flap();
                registers(index, room)?.map(|at| self.read_register(at)).collect()
            }
            (FROM, standard::GET_DESCRIPTOR) => self.descriptor(value)?,
            (FROM, standard::GET_CONFIGURATION) => vec![self.configuration],
            (FROM, standard::GET_STATUS) => vec![0, 0],
            (0x81, standard::GET_STATUS) if configured && index == 0 => vec![0, 0],
            (0x82, standard::GET_STATUS) => vec![halted(index as u8).ok_or(Stall)?.into(), 0],
            (0x81, standard::GET_INTERFACE) if configured && index == 0 => vec![0],
            _ => return Err(Stall),
        };
        bytes.truncate(room);
        Ok(bytes)
    }

    fn read_register(&mut self, at: u8) -> u8 {
        let value = self.read(at);
        self.trouble.garbage(at).unwrap_or(value)
    }

    fn descriptor(&self, value: u16) -> Result<Vec<u8>, Stall> {
        let [index, kind] = value.to_le_bytes();
        let bad = &self.trouble.on.descriptors;
        match (kind, index) {
            (descriptors::DEVICE, 0) => Ok(descriptors::device(&self.config, bad)),
            (descriptors::CONFIGURATION, 0) => Ok(descriptors::configuration(&self.config, bad)),
            (descriptors::STRING, index) => descriptors::string(index).ok_or(Stall),
            _ => Err(Stall),
        }
    }

    /// A request that tells.
    pub(crate) fn tell(&mut self, setup: Setup, data: &[u8]) -> Result<Effect, Stall> {
        let configured = self.configuration != 0;
        let Setup { request_type, request, value, index } = setup;
        match (request_type, request) {
            (request::WRITE, request::SET_REGISTERS) => {
                self.count_to_flap();
                let all = registers(index, data.len())?;
                match *data {
                    // One register: the value is in the request, and the data is not looked at.
                    [byte] => {
                        let told = value as u8;
                        self.counters.contradictions += u64::from(told != byte);
                        all.for_each(|at| self.write(at, told));
                    }
                    _ => all.zip(data).for_each(|(at, byte)| self.write(at, *byte)),
                }
                Ok(Effect::None)
            }
            // The bus gives the address and sets it; who sends it through the bus sees it done.
            (TO_DEVICE, standard::SET_ADDRESS) => Ok(Effect::None),
            (TO_DEVICE, standard::SET_CONFIGURATION) if value <= 1 => {
                self.configuration = value as u8;
                // The first poll is answered.
                self.news |= value == 1;
                Ok(Effect::Configured)
            }
            (TO_DEVICE, standard::CLEAR_FEATURE | standard::SET_FEATURE) if value == REMOTE_WAKEUP => Ok(Effect::None),
            (TO_INTERFACE, standard::SET_INTERFACE) if configured && (value, index) == (0, 0) => Ok(Effect::Configured),
            (TO_ENDPOINT, standard::CLEAR_FEATURE | standard::SET_FEATURE) if value == ENDPOINT_HALT => {
                Ok(Effect::Halt { endpoint: index as u8, halted: request == standard::SET_FEATURE })
            }
            _ => Err(Stall),
        }
    }
}

/// The registers from `index` on; they must be there.
fn registers(index: u16, count: usize) -> Result<impl Iterator<Item = u8>, Stall> {
    let first = usize::from(index);
    if count == 0 || first + count > regs::SIZE {
        return Err(Stall);
    }
    Ok((first..first + count).map(|at| at as u8))
}
