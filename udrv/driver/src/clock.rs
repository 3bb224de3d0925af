//! Time, as the framework tells it.

use crate::abi::Request;
use crate::{Error, Services};

/// Microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Micros(pub u64);

/// The framework's monotonic clock.
#[derive(Clone, Copy)]
pub struct Clock<'a> {
    services: &'a dyn Services,
}

impl<'a> Clock<'a> {
    pub(crate) fn new(services: &'a dyn Services) -> Clock<'a> {
        Clock { services }
    }

    /// Microseconds since some start.
    ///
    /// # Errors
    /// None in practice; the border may answer with one.
    pub fn now(&self) -> Result<u64, Error> {
        self.services.request(Request::Now, [0; 4])
    }

    /// Lets at least `time` pass.
    ///
    /// # Errors
    /// As for [`Clock::now`].
    pub fn pause(&self, time: Micros) -> Result<(), Error> {
        self.services.request(Request::Pause, [time.0, 0, 0, 0]).map(|_| ())
    }
}
