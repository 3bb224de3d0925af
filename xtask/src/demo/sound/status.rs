//! What of a status only the demo of a sound card looks at.

use serde::Deserialize;

use super::{
    control,
    error::{Error, Result},
};

pub(super) type Status = control::Status<Sound>;

/// See the module's text.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Sound {
    streams: Vec<Stream>,
}

/// A stream. Counts are frames, but for those of events.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Stream {
    playback: bool,
    phase: String,
    pub(super) period: u64,
    pub(super) ring_periods: u64,
    /// That the card has played, and silence among them that was nobody's.
    frames: u64,
    lost: u64,
    /// Times that the card found nothing to play.
    pub(super) xruns: u64,
}

impl Stream {
    /// The number of the frame that the card plays, as it was told last.
    pub(super) fn number(&self) -> u64 {
        self.frames.saturating_sub(self.lost)
    }
}

impl Sound {
    /// The stream on which the piece is played: the first that can.
    pub(super) fn stream(&self) -> Result<&Stream> {
        let first = self.streams.iter().find(|stream| stream.playback);
        first.ok_or_else(|| Error::Wrong("udrvd's status has no stream that plays".to_owned()))
    }

    /// The same, which must run.
    pub(super) fn playing(&self) -> Result<&Stream> {
        let stream = self.stream()?;
        if stream.phase == "running" {
            return Ok(stream);
        }
        Err(Error::Wrong(format!("the piece is not played any more: the stream is {}", stream.phase)))
    }
}
