//! What a predecessor has left, looked at before anything is touched; and why it may be of no use.

use std::sync::Arc;

use fgft::InitError;

use super::{FORMAT, Facts, Inherited, Kept, names};
use crate::dma::{DmaError, DmaRegion};
use crate::endpoint::EndpointError;
use crate::run::DeviceError;
use std::os::fd::OwnedFd;

/// Why a device that was left is not gone on with. It is made quiet then, and started anew.
#[derive(Debug, thiserror::Error)]
pub enum NotAdopted {
    /// A part is not there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A part is there more than once.
    #[error("there is more than one {0}")]
    Twice(String),
    /// The process has no room for descriptors.
    #[error("a descriptor cannot be duplicated: {0}")]
    Descriptors(#[source] std::io::Error),
    /// A part is something else.
    #[error("{name}: {source}")]
    Memory {
        /// Which.
        name: &'static str,
        /// What.
        #[source]
        source: DmaError,
    },
    /// Not a record.
    #[error("{} is none: it does not begin as one", names::RECORD)]
    NoRecord,
    /// Another version of this program.
    #[error("it was left in format {found}, and this program knows {}", FORMAT)]
    Format {
        /// In the record.
        found: u32,
    },
    /// Checksums are wrong.
    #[error("what was known of the device is torn")]
    TornFacts,
    /// Neither up nor down.
    #[error("the device was being set up or stopped")]
    NotWorking,
    /// It may be what kills who takes it up.
    #[error("those that went on with it have ended over it, several in a row")]
    TooOften,
    /// The driver ran without protection.
    #[error("the driver was in a call without protection, which cannot be taken back")]
    Unprotected,
    /// The record does not go with the state.
    #[error("the record of the last call and the state are not of the same time")]
    TornCall,
    /// It is of something else.
    #[error("it is of {what} {left}, and this is {here}")]
    Other {
        /// What differs.
        what: &'static str,
        /// There.
        left: String,
        /// Here.
        here: String,
    },
    /// The state cannot be used.
    #[error("state: {0}")]
    State(#[from] InitError),
    /// The driver says that its state is broken.
    #[error("the driver's state does not hold: {0}")]
    BrokenState(String),
    /// Numbers that do not fit together.
    #[error("{0}")]
    Nonsense(&'static str),
    /// The other end.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// Somebody has stopped the device meanwhile.
    #[error("the device may not master the bus any more")]
    Stopped,
    /// The device is elsewhere.
    #[error("the device is not as the driver has it: {0}")]
    Differs(String),
    /// The device does not do as it should.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

/// The parts, found to be of this program's format. Whether they are of this device the device is asked.
#[derive(Debug)]
pub struct Left {
    pub(crate) kept: Arc<Kept>,
    pub(crate) state: OwnedFd,
    pub(crate) endpoint: OwnedFd,
    /// The device's memory.
    pub region: Arc<DmaRegion>,
    /// What was known of the device.
    pub facts: Facts,
}

impl Left {
    /// What was known of the device, as far as that can still be read.
    #[must_use]
    pub fn facts(inherited: &Inherited) -> Option<Facts> {
        let record = inherited.get(names::RECORD)?.try_clone_to_owned().ok()?;
        let kept = Kept::adopt(record).ok().filter(|kept| kept.format() == Some(FORMAT))?;
        kept.facts.read()
    }

    /// Looks at what was left, and leaves `inherited` its descriptors. The process that has left it may still run: nothing of
    /// it is changed, and of the device nothing is said yet.
    ///
    /// # Errors
    /// [`NotAdopted`].
    pub fn examine(inherited: &Inherited) -> Result<Left, NotAdopted> {
        if let Some(name) = inherited.twice().first() {
            return Err(NotAdopted::Twice(name.clone()));
        }
        let part = |name: &'static str| {
            let fd = inherited.get(name).ok_or(NotAdopted::Missing(name))?;
            fd.try_clone_to_owned().map_err(NotAdopted::Descriptors)
        };
        let memory = |name| move |source| NotAdopted::Memory { name, source };
        let kept = Kept::adopt(part(names::RECORD)?).map_err(memory(names::RECORD))?;
        match kept.format() {
            None => return Err(NotAdopted::NoRecord),
            Some(FORMAT) => {}
            Some(found) => return Err(NotAdopted::Format { found }),
        }
        let (state, endpoint) = (part(names::STATE)?, part(names::ENDPOINT)?);
        let region = DmaRegion::from_fd(part(names::DMA)?, None).map_err(memory(names::DMA))?;
        let facts = kept.facts.read().ok_or(NotAdopted::TornFacts)?;
        Ok(Left { kept: Arc::new(kept), state, endpoint, region: Arc::new(region), facts })
    }

    /// The process that has left it does not run any more, or has let go: it is this one's now. Facts are what they came to
    /// in the end.
    pub(crate) fn claim(&mut self) -> Result<(), NotAdopted> {
        self.facts = self.kept.facts.read().ok_or(NotAdopted::TornFacts)?;
        if !self.kept.works() {
            return Err(NotAdopted::NotWorking);
        }
        if !self.kept.attempt() {
            return Err(NotAdopted::TooOften);
        }
        Ok(())
    }
}
