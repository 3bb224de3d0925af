//! The host's end: frames from nowhere, and to nowhere.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use udrv::dma::DmaRegion;
use udrv::endpoint::{EndpointError, Legacy, NetEndpoint, Received, Sent};
use udrv_tests::frames::Way;

/// The longest frame without a tag, bytes.
pub(crate) const FRAME: usize = 1514;

/// An endpoint that makes as many frames as it was told to and forgets what it gets.
pub(crate) struct Mill {
    frame: Vec<u8>,
    tally: Tally,
    nothing: File,
}

/// What the mill has to do, and has done.
#[derive(Clone, Default)]
pub(crate) struct Tally {
    /// Frames to make.
    pub(crate) to_make: Arc<AtomicU64>,
    /// Frames that came up.
    pub(crate) taken: Arc<AtomicU64>,
}

impl Mill {
    /// One that makes frames of `bytes`.
    pub(crate) fn new(bytes: usize) -> (Mill, Tally) {
        let (mut frame, tally) = (Vec::new(), Tally::default());
        Way::Down.write_long(0, bytes, &mut frame);
        let nothing = File::open("/dev/null").expect("/dev/null");
        (Mill { frame, tally: tally.clone(), nothing }, tally)
    }
}

impl NetEndpoint for Mill {
    fn name(&self) -> String {
        "mill".to_owned()
    }
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.nothing.as_fd()
    }
    fn legacy(&self) -> Option<Legacy> {
        Some(Legacy::Tap { prior: Default::default(), given_mac: None })
    }
    fn recv(&mut self, to: &mut [u8]) -> Result<Received, EndpointError> {
        to[..self.frame.len()].copy_from_slice(&self.frame);
        Ok(Received::Frame(self.frame.len()))
    }
    fn recv_into(&mut self, region: &DmaRegion, offset: u64, _: usize) -> Result<Received, EndpointError> {
        if self.tally.to_make.load(Relaxed) == 0 {
            return Ok(Received::Empty);
        }
        self.tally.to_make.fetch_sub(1, Relaxed);
        region.copy_in(offset, &self.frame).expect("a buffer holds a frame");
        Ok(Received::Frame(self.frame.len()))
    }
    fn send(&mut self, _: &[u8]) -> Result<Sent, EndpointError> {
        self.tally.taken.fetch_add(1, Relaxed);
        Ok(Sent::Done)
    }
    fn send_from(&mut self, _: &DmaRegion, _: u64, _: usize) -> Result<Sent, EndpointError> {
        self.tally.taken.fetch_add(1, Relaxed);
        Ok(Sent::Done)
    }
    fn set_mac(&mut self, _: [u8; 6]) -> Result<(), EndpointError> {
        Ok(())
    }
    fn set_mtu(&mut self, _: u32) -> Result<(), EndpointError> {
        Ok(())
    }
    fn set_carrier(&mut self, _: bool) -> Result<(), EndpointError> {
        Ok(())
    }
    fn set_up(&mut self, _: bool) -> Result<(), EndpointError> {
        Ok(())
    }
}
