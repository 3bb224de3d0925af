//! WAV files instead of applications: one is played on the first playback stream, one is recorded from the first capture stream.
//!
//! Nothing is converted: a file that the chip cannot play as it is is refused, with the command that makes one of it that it
//! can. When the file has ended that is a [`Wish::Stop`]; recording stops after a given time, or with the endpoint.

mod play;
mod record;

use std::{
    os::fd::{AsFd, BorrowedFd},
    path::PathBuf,
    time::Duration,
};

use nix::{
    poll::PollFlags,
    sys::eventfd::{EfdFlags, EventFd},
};
use udrv_driver::{Control, ControlValue, Direction, Stream, StreamInfo};

use self::{play::Playing, record::Recording};
use super::{Card, SoundEndpoint, SoundEndpointError, Wish};

/// What to do with files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// Played once.
    pub play: Option<PathBuf>,
    /// Recorded into; what was in it is lost.
    pub record: Option<PathBuf>,
    /// How long is recorded. `None`: until the end.
    pub record_for: Option<Duration>,
}

/// Where one of the two is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// To be begun.
    New,
    /// The class was told that it begins.
    Running,
    /// Over, and the class is to be told.
    Ending,
    /// Over.
    Over,
}

/// One of the two, with the stream that it is on.
struct Job<T> {
    of: T,
    stream: Stream,
    phase: Phase,
}

impl<T> Job<T> {
    fn wish(&mut self, sound: super::Sound) -> Option<Wish> {
        let (phase, wish) = match self.phase {
            Phase::New => (Phase::Running, Wish::Start(self.stream, sound)),
            Phase::Ending => (Phase::Over, Wish::Stop(self.stream)),
            Phase::Running | Phase::Over => return None,
        };
        self.phase = phase;
        Some(wish)
    }

    fn has_wish(&self) -> bool {
        matches!(self.phase, Phase::New | Phase::Ending)
    }
}

/// See the module's text.
pub struct Wav {
    files: Files,
    playing: Option<Job<Playing>>,
    recording: Option<Job<Recording>>,
    /// Rings while there is a wish, or the beginning of the file to take.
    bell: EventFd,
}

impl Wav {
    /// Opens the file that is to be played. The other one is made when it is known what the device has.
    ///
    /// # Errors
    /// The file is not there, or not a WAV file, or there is none of either sort.
    pub fn open(files: Files) -> Result<Self, SoundEndpointError> {
        if files.play.is_none() && files.record.is_none() {
            return Err(SoundEndpointError::Options(
                "neither a file to play nor one to record: --play, --record".into(),
            ));
        }
        let playing = match &files.play {
            Some(path) => Some(Job { of: Playing::open(path)?, stream: Stream(0), phase: Phase::Over }),
            None => None,
        };
        let bell = EventFd::from_value_and_flags(0, EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)
            .map_err(|errno| SoundEndpointError::errno("eventfd", errno as i32))?;
        Ok(Wav { files, playing, recording: None, bell })
    }

    /// Whether all of it has been played and recorded.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let played = self.playing.as_ref().is_none_or(|job| job.phase == Phase::Over);
        played && self.recording.as_ref().is_none_or(|job| job.phase == Phase::Over)
    }

    fn ring(&mut self) {
        let wish =
            self.playing.as_ref().is_some_and(|job| job.has_wish() || (job.phase == Phase::Running && job.of.is_new()))
                || self.recording.as_ref().is_some_and(Job::has_wish);
        // neither can fail but for a counter that is full or empty already
        let _ = if wish { self.bell.write(1).map(drop) } else { self.bell.read().map(drop) };
    }
}

fn first<'a>(card: &Card<'a>, direction: Direction) -> Option<(Stream, &'a StreamInfo)> {
    (0..).map(Stream).zip(card.streams).find(|(_, info)| info.direction == direction)
}

impl SoundEndpoint for Wav {
    fn name(&self) -> String {
        let files = [&self.files.play, &self.files.record];
        files.into_iter().flatten().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    }

    fn show(&mut self, card: &Card<'_>) -> Result<(), SoundEndpointError> {
        let none = |what| SoundEndpointError::NoStream { device: card.device.to_owned(), what };
        if let Some(job) = &mut self.playing {
            let (stream, info) = first(card, Direction::Playback).ok_or_else(|| none("play on"))?;
            job.of.suits(info)?;
            (job.stream, job.phase) = (stream, Phase::New);
        }
        if let Some(path) = &self.files.record {
            let (stream, info) = first(card, Direction::Capture).ok_or_else(|| none("record from"))?;
            let like = self.playing.as_ref().map(|job| job.of.sound());
            let recording = Recording::begin(path, info, like, self.files.record_for)?;
            self.recording = Some(Job { of: recording, stream, phase: Phase::New });
        }
        self.ring();
        Ok(())
    }

    fn descriptors(&self) -> Vec<(BorrowedFd<'_>, PollFlags)> {
        vec![(self.bell.as_fd(), PollFlags::POLLIN)]
    }

    fn wish(&mut self) -> Result<Option<Wish>, SoundEndpointError> {
        let play = self.playing.as_mut().and_then(|job| job.wish(job.of.sound()));
        let wish = play.or_else(|| self.recording.as_mut().and_then(|job| job.wish(job.of.sound())));
        self.ring();
        Ok(wish)
    }

    fn take(&mut self, stream: Stream, to: &mut [u8]) -> Result<usize, SoundEndpointError> {
        let running = |job: &&mut Job<Playing>| job.phase == Phase::Running && job.stream == stream;
        let Some(job) = self.playing.as_mut().filter(running) else { return Ok(0) };
        let (taken, more) = job.of.take(to)?;
        if !more {
            job.phase = Phase::Ending;
        }
        self.ring();
        Ok(taken)
    }

    fn give(&mut self, stream: Stream, from: &[u8]) -> Result<usize, SoundEndpointError> {
        let running = |job: &&mut Job<Recording>| job.phase == Phase::Running && job.stream == stream;
        let Some(job) = self.recording.as_mut().filter(running) else { return Ok(0) };
        let (given, more) = job.of.give(from)?;
        if !more {
            job.phase = Phase::Ending;
            self.ring();
        }
        Ok(given)
    }

    fn fail(&mut self, stream: Stream, why: &str) -> Result<(), SoundEndpointError> {
        for (phase, what) in [
            self.playing.as_mut().filter(|job| job.stream == stream).map(|job| (&mut job.phase, "played")),
            self.recording.as_mut().filter(|job| job.stream == stream).map(|job| (&mut job.phase, "recorded")),
        ]
        .into_iter()
        .flatten()
        {
            tracing::error!(file = self.files.name_of(what), "no more is {what}: {why}");
            *phase = Phase::Over;
        }
        self.ring();
        Ok(())
    }

    fn show_control(&mut self, _: Control, _: ControlValue) -> Result<(), SoundEndpointError> {
        Ok(())
    }
}

impl Files {
    fn name_of(&self, what: &str) -> String {
        let path = if what == "played" { &self.play } else { &self.record };
        path.as_ref().map(|path| path.display().to_string()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
