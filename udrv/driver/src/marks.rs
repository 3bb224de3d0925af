//! What of an indirect space a failed call has touched.
//!
//! The registers of a codec or a PHY lie behind one or two of the chip's own, with a protocol that only the driver knows; so
//! the framework cannot write them back. Instead the driver marks which of them it is going to write, its state holds
//! what is in them, and `restore` writes those that are marked: a codec with sixty registers is brought back by one write.

use crate::abi::Request;
use crate::{Error, Services};

/// Spaces that a driver may have.
pub const MARK_SPACES: usize = 4;

/// The marks of a device.
#[derive(Clone, Copy)]
pub struct Marks<'a> {
    services: &'a dyn Services,
}

impl<'a> Marks<'a> {
    pub(crate) fn new(services: &'a dyn Services) -> Marks<'a> {
        Marks { services }
    }

    /// Says that place `index` (0 to 63) of `space` (below [`MARK_SPACES`]) is about to be written. The mark goes when the call commits
    /// and stays when it is aborted, until `restore` has committed.
    ///
    /// # Errors
    /// None; a space or place that does not exist is a fault.
    pub fn mark(&self, space: u32, index: u32) -> Result<(), Error> {
        self.services.post(Request::Mark, [space.into(), index.into(), 0, 0])
    }

    /// For `restore`: bit `index` says that place `index` of `space` may not be as the state has it. All of them, where nobody
    /// knows: the state is an older one, or the device has erred.
    ///
    /// # Errors
    /// None; a space that does not exist is a fault.
    pub fn marked(&self, space: u32) -> Result<u64, Error> {
        self.services.request(Request::Marked, [space.into(), 0, 0, 0])
    }
}
