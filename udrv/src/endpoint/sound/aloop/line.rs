//! A line: one stream of the chip, one subdevice of the loopback card, and the application at its other end, if there is one.

use std::os::fd::BorrowedFd;

use nix::poll::PollFlags;
use udrv_driver::{Direction, Stream, StreamInfo};

use super::{
    card::Entry,
    pcm::{self, Opened, Refused},
    sys::{self, Timer},
};
use crate::endpoint::sound::{Sound, Wish};

/// The card has left.
#[derive(Debug)]
pub(super) struct Gone;

/// What the class knows of the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing.
    Quiet,
    /// That it has begun.
    Running,
    /// Still that it has begun. It has ended, and what it has played is still to be taken.
    Ending,
}

/// See the module's text.
pub(super) struct Line {
    stream: Stream,
    info: StreamInfo,
    /// Tells of applications that record; of those that play the card's control elements do.
    timer: Option<Timer>,
    phase: Phase,
    /// The class is to hear of this.
    starting: Option<Sound>,
    open: Option<Opened>,
    /// What the last application has played, once it has ended.
    rest: Vec<u8>,
    taken: usize,
    /// There is no use in trying again before the application has ended.
    failed: bool,
    /// The class has asked for more than there was: it wants to know when there is some.
    waits: bool,
    xruns: u64,
    /// What libasound was last said to convert, so that it is said once.
    said: Option<String>,
}

impl Line {
    pub(super) fn new(stream: Stream, info: StreamInfo, timer: Option<Timer>) -> Line {
        Line {
            stream,
            info,
            timer,
            phase: Phase::Quiet,
            starting: None,
            open: None,
            rest: Vec::new(),
            taken: 0,
            failed: false,
            waits: true,
            xruns: 0,
            said: None,
        }
    }

    pub(super) fn is_playback(&self) -> bool {
        self.info.direction == Direction::Playback
    }

    pub(super) fn timer(&self) -> Option<&Timer> {
        self.timer.as_ref()
    }

    /// How often our end has run full or empty.
    pub(super) fn xruns(&self) -> u64 {
        self.xruns
    }

    /// What is to be waited for here.
    pub(super) fn descriptors(&self) -> Vec<(BorrowedFd<'_>, PollFlags)> {
        let mut list = self.timer.as_ref().map(Timer::descriptors).unwrap_or_default();
        // Not while the class has no room: it would be woken for nothing. And never for room of ours: it gives when it has some.
        if let Some(open) = self.open.as_ref().filter(|_| self.is_playback() && self.waits) {
            list.extend(sys::pcm_descriptors(&open.pcm));
        }
        list
    }

    /// Whether [`Line::wish`] has something.
    pub(super) fn has_wish(&self) -> bool {
        match self.phase {
            Phase::Ending => self.taken == self.rest.len(),
            Phase::Quiet => self.starting.is_some(),
            Phase::Running => false,
        }
    }

    /// What the application wants, in the order in which it wanted it.
    pub(super) fn wish(&mut self) -> Option<Wish> {
        if !self.has_wish() {
            return None;
        }
        if self.phase == Phase::Ending {
            self.phase = Phase::Quiet;
            self.rest = Vec::new();
            self.taken = 0;
            return Some(Wish::Stop(self.stream));
        }
        let sound = self.starting.take()?;
        self.phase = Phase::Running;
        Some(Wish::Start(self.stream, sound))
    }

    /// The application plays or records from now on, or does not.
    pub(super) fn runs(&mut self, card: &Entry, runs: bool) -> Result<(), Gone> {
        if !runs {
            self.failed = false;
            self.end();
            return Ok(());
        }
        if self.failed || self.open.is_some() {
            return Ok(());
        }
        match pcm::open(card, self.stream.0, &self.info) {
            Ok(open) => self.begin(open),
            Err(Refused::Nobody) => {}
            Err(Refused::Gone) => return Err(Gone),
            Err(Refused::Because(why)) => {
                tracing::error!(stream = self.info.name, "nothing of this application is heard or recorded: {why}");
                self.failed = true;
            }
        }
        Ok(())
    }

    fn begin(&mut self, open: Opened) {
        if self.is_playback()
            && let Err(error) = open.pcm.start()
        {
            // EIO is snd-aloop's word for two ends that are not alike
            tracing::error!(
                stream = self.info.name,
                "our end does not start: {error}; is the application one that keeps its channels apart (non-interleaved)? Let \
                 it play through plughw"
            );
            self.failed = true;
            return;
        }
        let text = format!("{} as {:?}", open.chosen, open.sound);
        if open.converted && self.said.as_ref() != Some(&text) {
            tracing::info!(
                stream = self.info.name,
                "the chip does not have what the application chose; libasound converts {text}"
            );
            self.said = Some(text);
        }
        self.starting = Some(open.sound);
        self.open = Some(open);
        self.waits = true;
    }

    fn end(&mut self) {
        let open = self.open.take();
        if self.starting.take().is_some() || self.phase != Phase::Running {
            return; // so short that the class has not even heard of it
        }
        self.phase = Phase::Ending;
        if let Some(open) = open.filter(|_| self.is_playback()) {
            // All at once, and our end closed: the next application may choose something else.
            let mut rest = vec![0; open.buffer * open.frame];
            let (len, error) = read(&open, &mut rest);
            self.xruns += u64::from(error.is_some()); // it is closed in any case
            rest.truncate(len);
            self.rest = rest;
        }
    }

    /// What the application has played: bytes.
    pub(super) fn take(&mut self, to: &mut [u8]) -> Result<usize, Gone> {
        let (len, whole) = match (self.phase, &self.open) {
            (Phase::Quiet, _) | (Phase::Running, None) => return Ok(0),
            (Phase::Ending, _) => {
                let rest = &self.rest[self.taken..];
                let len = rest.len().min(to.len());
                to[..len].copy_from_slice(&rest[..len]);
                self.taken += len;
                return Ok(len);
            }
            (Phase::Running, Some(open)) => {
                let whole = to.len() - to.len() % open.frame;
                let (len, error) = read(open, &mut to[..whole]);
                if let Some(error) = error {
                    self.mend(&error)?;
                }
                (len, whole)
            }
        };
        self.waits = len < whole;
        Ok(len)
    }

    /// Gives the application what was recorded; bytes that there was room for.
    pub(super) fn give(&mut self, from: &[u8]) -> Result<usize, Gone> {
        let mut given = 0;
        // the second time after an xrun
        for _ in 0..2 {
            let Some(open) = self.open.as_ref().filter(|_| self.phase == Phase::Running) else { break };
            let whole = from.len() - from.len() % open.frame;
            let (len, error) = write(open, &from[given..whole]);
            given += len;
            match error {
                Some(error) => self.mend(&error)?,
                None => break,
            }
        }
        Ok(given)
    }

    /// The class has given the application up.
    pub(super) fn fail(&mut self, why: &str) {
        tracing::error!(stream = self.info.name, "nothing of this application is heard or recorded: {why}");
        // Nothing else could be told to it: snd-aloop goes on without us.
        self.failed = self.open.is_some() || self.phase == Phase::Running;
        (self.open, self.starting, self.phase) = (None, None, Phase::Quiet);
        (self.rest, self.taken) = (Vec::new(), 0);
    }

    /// An xrun is no end: our end is made ready again. Anything else ends this application's sound, and the card's end is [`Gone`].
    fn mend(&mut self, error: &alsa::Error) -> Result<(), Gone> {
        let Some(open) = &self.open else { return Ok(()) };
        let mended = match error.errno().abs() {
            libc::EPIPE | libc::ESTRPIPE => {
                self.xruns += 1;
                if self.xruns.is_power_of_two() {
                    let at = if self.is_playback() { "full" } else { "empty" };
                    tracing::warn!(stream = self.info.name, count = self.xruns, "our end of the line has run {at}");
                }
                let ready = open.pcm.prepare();
                if self.is_playback() { ready.and_then(|()| open.pcm.start()) } else { ready }
            }
            libc::ENODEV => return Err(Gone),
            _ => Err(*error),
        };
        match mended {
            Ok(()) => Ok(()),
            Err(error) if error.errno().abs() == libc::ENODEV => Err(Gone),
            Err(error) => {
                tracing::error!(
                    stream = self.info.name,
                    "nothing more of this application is heard or recorded: {error}"
                );
                self.open = None;
                self.failed = true;
                Ok(())
            }
        }
    }
}

/// Reads as much as there is: bytes, and what was in the way.
fn read(open: &Opened, to: &mut [u8]) -> (usize, Option<alsa::Error>) {
    let io = open.pcm.io_bytes();
    let mut filled = 0;
    while filled < to.len() {
        match io.readi(&mut to[filled..]) {
            Ok(0) => break,
            Ok(frames) => filled += frames * open.frame,
            Err(error) if error.errno().abs() == libc::EAGAIN => break,
            Err(error) => return (filled, Some(error)),
        }
    }
    (filled, None)
}

/// Writes as much as there is room for: bytes, and what was in the way.
fn write(open: &Opened, from: &[u8]) -> (usize, Option<alsa::Error>) {
    let io = open.pcm.io_bytes();
    let mut written = 0;
    while written < from.len() {
        match io.writei(&from[written..]) {
            Ok(0) => break,
            Ok(frames) => written += frames * open.frame,
            Err(error) if error.errno().abs() == libc::EAGAIN => break,
            Err(error) => return (written, Some(error)),
        }
    }
    (written, None)
}

#[cfg(test)]
mod tests {
    use udrv_driver::{Format, Rates};

    use super::*;

    const SOUND: Sound = Sound { format: Format::S16, channels: 2, rate: 48000 };

    fn line() -> Line {
        let info = StreamInfo {
            name: "DAC",
            direction: Direction::Playback,
            formats: &[Format::S16],
            channels: 2,
            rates: Rates::Range(4000, 48000),
            period: (32, 1024),
            ring_bytes: 8192,
        };
        Line::new(Stream(0), info, None)
    }

    #[test]
    fn a_stop_is_told_when_all_was_taken_and_before_the_next_start() {
        let mut line = line();
        line.starting = Some(SOUND);
        assert_eq!(line.wish(), Some(Wish::Start(Stream(0), SOUND)));
        assert_eq!(line.wish(), None);
        line.end();
        line.rest = vec![1, 2, 3, 4, 5, 6, 7, 8];
        line.starting = Some(SOUND); // the next one is there already
        assert!(!line.has_wish() && line.wish().is_none(), "there is something to take");
        let mut room = [0; 6];
        assert_eq!((line.take(&mut room).unwrap(), room), (6, [1, 2, 3, 4, 5, 6]));
        assert_eq!(line.wish(), None);
        assert_eq!((line.take(&mut room).unwrap(), &room[..2]), (2, &[7, 8][..]));
        assert!(line.has_wish());
        assert_eq!(line.wish(), Some(Wish::Stop(Stream(0))));
        assert_eq!(line.take(&mut room).unwrap(), 0, "the next one's is not taken before it is told");
        assert_eq!(line.wish(), Some(Wish::Start(Stream(0), SOUND)));
        assert_eq!(line.wish(), None);
    }

    #[test]
    fn what_the_class_never_heard_of_needs_no_stop() {
        let mut line = line();
        line.starting = Some(SOUND);
        line.end();
        assert_eq!(line.wish(), None);
    }

    #[test]
    fn after_a_failure_there_is_no_stop_and_no_new_try_until_the_application_has_ended() {
        let mut line = line();
        line.starting = Some(SOUND);
        line.wish().unwrap();
        line.fail("the device does not want to");
        assert!(line.failed);
        assert_eq!((line.wish(), line.take(&mut [0; 4]).unwrap(), line.give(&[0; 4]).unwrap()), (None, 0, 0));
        line.failed = false;
        line.end();
        assert_eq!(line.wish(), None);
    }
}
