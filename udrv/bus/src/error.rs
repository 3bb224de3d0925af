//! Errors of a bus: the operation, its operand, its source.

use std::io;

use crate::Width;

/// Why a bus operation failed.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The device does not answer any more: unplugged, powered off, or its BAR vanished (SIGBUS, all-ones).
    #[error("the device is gone ({operation})")]
    Gone {
        /// What was being done.
        operation: &'static str,
    },
    /// An access that does not fit into the BAR or configuration space.
    #[error("{space} has {size:#x} bytes: {width:?} at {offset:#x} does not fit")]
    OutOfRange {
        /// "BAR 1", "configuration space", ...
        space: String,
        /// Its size in bytes.
        size: u64,
        /// Offset of the access in bytes.
        offset: u64,
        /// Width of the access.
        width: Width,
    },
    /// The BAR is not implemented by this device.
    #[error("the device has no BAR {0}")]
    NoSuchBar(u8),
    /// A DMA mapping that overlaps another, is not page aligned, or was never made.
    #[error("DMA mapping at {iova:#x}, {len:#x} bytes: {why}")]
    Dma {
        /// Bus address.
        iova: u64,
        /// Bytes.
        len: u64,
        /// What is wrong with it.
        why: String,
    },
    /// The device refused a control request, or an endpoint is halted.
    #[error("{operation}: the device answered with a stall")]
    Stall {
        /// The request or endpoint.
        operation: String,
    },
    /// The device answered that it will not, or that it has not understood.
    #[error("{operation}: the device refused it (it answered {answer})")]
    Refused {
        /// The request.
        operation: String,
        /// What it answered.
        answer: String,
    },
    /// No answer in time.
    #[error("{operation}: no answer within {milliseconds} ms")]
    Timeout {
        /// The request.
        operation: String,
        /// The time that it had.
        milliseconds: u64,
    },
    /// Fewer bytes than were asked for.
    #[error("{operation}: {got} of {expected} bytes")]
    Short {
        /// The request.
        operation: String,
        /// Bytes asked for.
        expected: usize,
        /// Bytes that came.
        got: usize,
    },
    /// The kernel refused.
    #[error("{operation}: {source}")]
    Io {
        /// The system call or ioctl and its operand.
        operation: String,
        /// errno.
        #[source]
        source: io::Error,
    },
    /// This bus or device cannot do it.
    #[error("{0} is not supported by this device")]
    Unsupported(&'static str),
}
