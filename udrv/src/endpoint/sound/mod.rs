//! Where the samples of a sound device come from and go to.
//!
//! The endpoint says what applications want ([`Wish`]), and moves bytes: no sample of it is looked at. What the device is set
//! to, when it plays and how far it has come is the class's affair (`crate::sound`).

mod aloop;
mod choice;
mod error;
mod null;
mod wav;

use std::os::fd::BorrowedFd;

use nix::poll::PollFlags;
use udrv_driver::{Control, ControlInfo, ControlValue, Format, Stream, StreamInfo};

pub use aloop::Aloop;
pub use choice::{Choice, Options as ChoiceOptions};
pub use error::SoundEndpointError;
pub use null::NoSound;
pub use wav::{Files, Wav};

/// What a card is, for those who play on it.
#[derive(Debug, Clone, Copy)]
pub struct Card<'a> {
    /// Name of the driver.
    pub driver: &'static str,
    /// For people: `pci:0000:00:04.0`.
    pub device: &'a str,
    /// Its streams.
    pub streams: &'static [StreamInfo],
    /// Its controls, each with the value in force.
    pub controls: &'a [(ControlInfo, ControlValue)],
}

/// The sound of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sound {
    /// How samples are written down.
    pub format: Format,
    /// Samples of a frame.
    pub channels: u32,
    /// Frames a second.
    pub rate: u32,
}

/// What an application wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// It begins to play or to record. The sound is one that the stream has ([`StreamInfo`]).
    Start(Stream, Sound),
    /// It has ended: what was taken is still to be played.
    Stop(Stream),
    /// It has turned a control. The value is one that the control has.
    Set(Control, ControlValue),
}

/// See the module's text. No call waits.
pub trait SoundEndpoint: Send {
    /// For people and the log: `Loopback,1`, `a.wav`.
    fn name(&self) -> String;

    /// Shows the card to applications. Called once, before all else.
    ///
    /// # Errors
    /// What is in the way, with what mends it.
    fn show(&mut self, card: &Card<'_>) -> Result<(), SoundEndpointError>;

    /// What is to be waited for, and for what: then there may be a wish, or samples to take, or room for some. Asked anew each
    /// time: what has filled the last [`SoundEndpoint::take`] to the end is not waited for, for whoever takes has no more room.
    fn descriptors(&self) -> Vec<(BorrowedFd<'_>, PollFlags)>;

    /// The next wish, if there is one.
    ///
    /// # Errors
    /// The endpoint is broken.
    fn wish(&mut self) -> Result<Option<Wish>, SoundEndpointError>;

    /// Fills `to` from its start with what the application plays on `stream`, as much as there is: bytes, whole frames.
    ///
    /// # Errors
    /// The endpoint is broken.
    fn take(&mut self, stream: Stream, to: &mut [u8]) -> Result<usize, SoundEndpointError>;

    /// Gives what `stream` has recorded; how much of it was taken: bytes, whole frames. The rest is lost, and counted by the
    /// caller.
    ///
    /// # Errors
    /// The endpoint is broken.
    fn give(&mut self, stream: Stream, from: &[u8]) -> Result<usize, SoundEndpointError>;

    /// The device is so many parts in a million faster than the clock by which the application is served, as far as is known:
    /// the endpoint follows it if it can, and says whether it does.
    fn follow(&mut self, stream: Stream, faster: i32) -> bool {
        let _ = (stream, faster);
        false
    }

    /// How often the application's samples were lost before they were taken, or there were none of it to be had: for the status.
    fn xruns(&self, stream: Stream) -> u64 {
        let _ = stream;
        0
    }

    /// `stream` could not be started, or was ended by the device; why. Who plays there shall notice.
    ///
    /// # Errors
    /// The endpoint is broken.
    fn fail(&mut self, stream: Stream, why: &str) -> Result<(), SoundEndpointError>;

    /// A control has this value now.
    ///
    /// # Errors
    /// The endpoint is broken.
    fn show_control(&mut self, control: Control, value: ControlValue) -> Result<(), SoundEndpointError>;
}
