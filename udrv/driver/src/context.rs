//! The context of one call of an entry point.

use core::fmt::{self, Write};

use udrv_inject::{Injection, Point};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::abi::Request;
use crate::{Buffers, Clock, DmaMemory, Error, Input, Marks, Registers};

/// The framework behind the handles: one request, one answer.
pub trait Services {
    /// Makes a request; see [`Request`] for its words. A broken rule does not come back.
    ///
    /// # Errors
    /// What the request's documentation names.
    fn request(&self, request: Request, words: [u64; 4]) -> Result<u64, Error>;

    /// Makes a request that has no answer but that it was done. It is served in its turn, though perhaps not before the
    /// next request, or the end of the call: should it break a rule, the call ends there.
    ///
    /// # Errors
    /// None where it is served later.
    fn post(&self, request: Request, words: [u64; 4]) -> Result<(), Error> {
        self.request(request, words).map(|_| ())
    }
}

/// What one failed call can spoil and one rollback mends: plain data without pointers or padding.
pub trait State: FromBytes + IntoBytes + Immutable + KnownLayout + Copy + 'static {}
impl<T: FromBytes + IntoBytes + Immutable + KnownLayout + Copy + 'static> State for T {}

/// What an entry point works with.
pub struct Cx<'a, S> {
    /// The driver's state.
    pub state: &'a mut S,
    /// The device's registers.
    pub regs: Registers<'a>,
    /// Rings and buffers that the device reaches.
    pub dma: DmaMemory<'a>,
    /// Packet buffers and the way up to the network.
    pub net: Buffers<'a>,
    /// The way up for reports of an input device.
    pub input: Input<'a>,
    /// What of an indirect space was touched.
    pub marks: Marks<'a>,
    /// Time.
    pub clock: Clock<'a>,
    services: &'a dyn Services,
    injection: Option<Injection>,
}

impl<'a, S> Cx<'a, S> {
    /// For the framework.
    pub fn new(state: &'a mut S, services: &'a dyn Services, injection: Option<Injection>) -> Cx<'a, S> {
        Cx {
            state,
            regs: Registers::new(services),
            dma: DmaMemory::new(services),
            net: Buffers::new(services),
            input: Input::new(services),
            marks: Marks::new(services),
            clock: Clock::new(services),
            services,
            injection,
        }
    }

    /// Says something to whoever runs the driver. Cut at 200 bytes.
    pub fn log(&self, level: Level, message: fmt::Arguments<'_>) {
        let mut line = Line { bytes: [0; 200], len: 0 };
        // the writer never fails: what does not fit is cut
        let _ = line.write_fmt(message);
        let words = [level as u64, line.bytes.as_ptr() as u64, line.len as u64, 0];
        let _ = self.services.request(Request::Log, words);
    }

    /// A place where a fault can be injected. Compiled into the caller, so that the faulting instruction is the
    /// driver's. One compare when nothing is armed.
    #[inline(always)]
    #[track_caller]
    pub fn point(&self, point: Point) {
        if let Some(injection) = self.injection
            && injection.point == point
        {
            // the moment is noted there, and the fault disarmed
            if self.services.request(Request::TakeInjection, [0; 4]).is_ok() {
                let target = self.services.request(Request::InjectionTarget, [0; 4]).unwrap_or(0);
                udrv_inject::fire(injection.fault, target);
            }
        }
    }
}

/// Severity of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Level {
    /// Something failed.
    Error = 1,
    /// Something is odd.
    Warn,
    /// News.
    Info,
    /// Detail.
    Debug,
}

struct Line {
    bytes: [u8; 200],
    len: usize,
}

impl Write for Line {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let len = s.len().min(self.bytes.len() - self.len);
        self.bytes[self.len..self.len + len].copy_from_slice(&s.as_bytes()[..len]);
        self.len += len;
        Ok(())
    }
}
