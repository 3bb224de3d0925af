//! No endpoint: nothing is played and nothing recorded. The device is there, for `udrvctl`.

use std::os::fd::BorrowedFd;

use nix::poll::PollFlags;
use udrv_driver::{Control, ControlValue, Stream};

use super::{Card, SoundEndpoint, SoundEndpointError, Wish};

/// See the module's text.
#[derive(Debug, Default)]
pub struct NoSound;

impl SoundEndpoint for NoSound {
    fn name(&self) -> String {
        "none".to_owned()
    }

    fn show(&mut self, _: &Card<'_>) -> Result<(), SoundEndpointError> {
        Ok(())
    }

    fn descriptors(&self) -> Vec<(BorrowedFd<'_>, PollFlags)> {
        Vec::new()
    }

    fn wish(&mut self) -> Result<Option<Wish>, SoundEndpointError> {
        Ok(None)
    }

    fn take(&mut self, _: Stream, _: &mut [u8]) -> Result<usize, SoundEndpointError> {
        Ok(0)
    }

    fn give(&mut self, _: Stream, _: &[u8]) -> Result<usize, SoundEndpointError> {
        Ok(0)
    }

    fn fail(&mut self, _: Stream, _: &str) -> Result<(), SoundEndpointError> {
        Ok(())
    }

    fn show_control(&mut self, _: Control, _: ControlValue) -> Result<(), SoundEndpointError> {
        Ok(())
    }
}
