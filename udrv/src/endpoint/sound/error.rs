//! What can go wrong at a sound endpoint, each in one line with what mends it.

use std::{io, path::PathBuf};

/// Why an endpoint cannot be used, or cannot be used any more.
#[derive(Debug, thiserror::Error)]
pub enum SoundEndpointError {
    /// The system refused something.
    #[error("{operation}: {source}")]
    System {
        /// What.
        operation: String,
        /// errno.
        #[source]
        source: io::Error,
    },
    /// No card that is a loopback.
    #[error(
        "there is no loopback card for applications to play on (there are: {cards}); as root: modprobe snd-aloop. Or go \
         without: --no-sound"
    )]
    NoLoopback {
        /// What there is instead.
        cards: String,
    },
    /// The card that was named is not there.
    #[error("there is no sound card '{wanted}' (there are: {cards}); name one of the loopback cards: --alsa=CARD")]
    NoCard {
        /// As it was named.
        wanted: String,
        /// What there is instead.
        cards: String,
    },
    /// The card that was named is a real one, or another driver's.
    #[error(
        "the sound card '{wanted}' is of the driver {driver}, and what is played there goes to it alone; a loopback card is \
         needed. As root: modprobe snd-aloop, and then --alsa"
    )]
    NotLoopback {
        /// As it was named.
        wanted: String,
        /// Its driver.
        driver: String,
    },
    /// A device node may not be opened.
    #[error(
        "no permission to open {path}: it is for root and the group audio; as root: usermod -aG audio USER, and log in \
         again, or a udev rule that gives the node to udrvd's group"
    )]
    NoPermission {
        /// The node.
        path: String,
    },
    /// The loopback card has too few lines.
    #[error(
        "the loopback card {card} has no subdevice {subdevice}, which is for {stream}; as root: rmmod snd-aloop; modprobe \
         snd-aloop pcm_substreams=8"
    )]
    NoSubdevice {
        /// Its id.
        card: String,
        /// The one that is missing.
        subdevice: u32,
        /// For whom it would be.
        stream: &'static str,
    },
    /// Another process has what is needed.
    #[error(
        "{what} is in use by {by}; end that process, or have a second loopback card: modprobe snd-aloop enable=1,1, and \
         --alsa=CARD"
    )]
    Taken {
        /// What is.
        what: String,
        /// A process, as far as it is known.
        by: String,
    },
    /// A line to the applications cannot be had; the text says why, and what mends it.
    #[error("{0}")]
    Line(String),
    /// The card has left: its module was unloaded.
    #[error("the sound card {card} is gone: has somebody unloaded snd-aloop?")]
    Gone {
        /// Its id.
        card: String,
    },
    /// A file cannot be used.
    #[error("{}: {operation}: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was being done.
        operation: &'static str,
        /// errno.
        #[source]
        source: io::Error,
    },
    /// A file without sound in it, or with sound that cannot be played.
    #[error("{}: {why}", .path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what mends it.
        why: String,
    },
    /// The card has no stream for what is wanted.
    #[error("{device} has nothing to {what}")]
    NoStream {
        /// The device.
        device: String,
        /// `play on`, `record from`.
        what: &'static str,
    },
    /// Options that do not go together.
    #[error("{0}")]
    Options(String),
}

impl SoundEndpointError {
    /// A call of libasound failed, with this errno.
    pub(super) fn errno(operation: impl Into<String>, errno: i32) -> Self {
        SoundEndpointError::System {
            operation: operation.into(),
            source: io::Error::from_raw_os_error(errno.saturating_abs()),
        }
    }
}
