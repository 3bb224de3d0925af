//! The bridge to applications over snd-aloop, Linux's loopback sound card.
//!
//! ```text
//!   application  <-- hw:Loopback,0,N -- cable -- hw:Loopback,1,N -->  this  <--> class, stream N
//! ```
//!
//! Applications keep device 0 open, whatever becomes of the driver, for snd-aloop paces them by itself; it also goes on when nobody is
//! at our end. That an application plays is told by the card's element `PCM Slave Active`, that it records by the timer of
//! its subdevice: snd-aloop has no element for that. What it plays before our end is open, a few milliseconds, is not heard; nor
//! the last few that it drains, where snd-aloop clears the wrong part of the last piece that it copies.
//!
//! Nothing can be told to an application through snd-aloop: what fails is silence and a line in the log. An application that
//! keeps its channels apart (non-interleaved access) must go through `plughw`.

mod card;
mod controls;
mod line;
mod negotiate;
mod pcm;
mod sys;

use std::{
    ffi::CStr,
    fs::OpenOptions,
    io::ErrorKind,
    os::fd::{AsFd, BorrowedFd},
};

use alsa::{
    Ctl, Output,
    ctl::{ElemId, ElemIface, ElemType, ElemValue},
};
use nix::{
    poll::PollFlags,
    sys::eventfd::{EfdFlags, EventFd},
};
use udrv_driver::{Control, ControlValue, Direction, Stream};

pub(super) use self::negotiate::nearest_rate;
use self::{
    card::Entry,
    controls::Controls,
    line::{Gone, Line},
    pcm::Refused,
    sys::Timer,
};
use super::{Card, SoundEndpoint, SoundEndpointError, Wish};

/// Whether an application plays into the subdevice.
const ACTIVE: &CStr = c"PCM Slave Active";
/// By how much the cable's clock is slower than the kernel's: see [`shift`].
const RATE_SHIFT: &CStr = c"PCM Rate Shift 100000";

/// A loopback card with a device behind it.
pub struct Aloop {
    card: Entry,
    ctl: Ctl,
    lines: Vec<Line>,
    controls: Option<Controls>,
    /// Rings for a wish that no other descriptor tells of.
    bell: EventFd,
    /// `None`: the rate cannot be shifted, and that was said.
    shifts: Option<Vec<i32>>,
}

impl Aloop {
    /// Takes the loopback card with this id or index, or the first one.
    ///
    /// # Errors
    /// There is none, it is another sort of card, or it may not be opened.
    pub fn open(wanted: Option<&str>) -> Result<Self, SoundEndpointError> {
        let card = card::find(wanted)?;
        hush();
        may_open(&format!("/dev/snd/controlC{}", card.index))?;
        let ctl = Ctl::new(&format!("hw:{}", card.index), true)
            .map_err(|error| SoundEndpointError::errno(format!("open the sound card {}", card.id), error.errno()))?;
        let bell = EventFd::from_value_and_flags(0, EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)
            .map_err(|errno| SoundEndpointError::errno("eventfd", errno as i32))?;
        Ok(Aloop { card, ctl, lines: Vec::new(), controls: None, bell, shifts: None })
    }

    /// How often our ends of the lines have run full or empty.
    #[must_use]
    pub fn xruns(&self) -> u64 {
        self.lines.iter().map(Line::xruns).sum()
    }

    fn gone(&self) -> SoundEndpointError {
        SoundEndpointError::Gone { card: self.card.id.clone() }
    }

    fn broken(&self, operation: &str) -> impl FnOnce(alsa::Error) -> SoundEndpointError {
        let card = self.card.id.clone();
        let operation = format!("{operation} of the sound card {card}");
        move |error| match error.errno().abs() {
            libc::ENODEV => SoundEndpointError::Gone { card },
            errno => SoundEndpointError::errno(operation, errno),
        }
    }

    /// Listens to whoever records from the subdevice.
    fn listen(&self, subdevice: u32) -> Result<Timer, SoundEndpointError> {
        Timer::of_capture(self.card.index, subdevice).map_err(|source| match source.raw_os_error() {
            Some(libc::EACCES | libc::EPERM) => SoundEndpointError::NoPermission { path: "/dev/snd/timer".into() },
            _ => SoundEndpointError::System {
                operation: format!("the timer of hw:{},0,{subdevice}, which tells who records", self.card.id),
                source,
            },
        })
    }

    /// Reads an element of snd-aloop's own.
    fn read(&self, name: &CStr, kind: ElemType, line: &Line, subdevice: u32) -> alsa::Result<ElemValue> {
        let mut value = ElemValue::new(kind)?;
        value.set_id(&cable_id(name, line, subdevice));
        self.ctl.elem_read(&mut value)?;
        Ok(value)
    }

    /// Looks whether somebody plays into the playback lines: into all of them, for it costs next to nothing.
    fn look(&mut self) -> Result<(), SoundEndpointError> {
        for at in 0..self.lines.len() {
            if self.lines[at].is_playback() {
                let value = self.read(ACTIVE, ElemType::Boolean, &self.lines[at], at as u32);
                let active = value.map_err(self.broken("'PCM Slave Active'"))?.get_boolean(0).unwrap_or(false);
                self.runs(at, active)?;
            }
        }
        Ok(())
    }

    fn runs(&mut self, at: usize, runs: bool) -> Result<(), SoundEndpointError> {
        hush();
        self.lines[at].runs(&self.card, runs).map_err(|Gone| self.gone())
    }

    /// Hears what has happened at the card; the first control that was turned.
    fn hear(&mut self) -> Result<Option<Wish>, SoundEndpointError> {
        loop {
            let event = match self.ctl.read() {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(error) if error.errno().abs() == libc::EAGAIN => break,
                Err(error) => return Err(self.broken("events")(error)),
            };
            if !event.get_mask().value() {
                continue;
            }
            let id = event.get_id();
            match id.get_interface() {
                ElemIface::PCM => self.look()?,
                ElemIface::Mixer => {
                    if let Some(wish) = id.get_name().ok().and_then(|name| self.turned(name)) {
                        return Ok(Some(wish));
                    }
                }
                _ => {}
            }
        }
        for at in 0..self.lines.len() {
            while let Some(timer) = self.lines[at].timer() {
                match timer.next() {
                    Ok(Some(runs)) => self.runs(at, runs)?,
                    Ok(None) => break,
                    Err(error) if error.raw_os_error() == Some(libc::ENODEV) => return Err(self.gone()),
                    Err(source) => {
                        let operation = format!("the timer of hw:{},0,{at}", self.card.id);
                        return Err(SoundEndpointError::System { operation, source });
                    }
                }
            }
        }
        Ok(None)
    }

    fn turned(&mut self, name: &str) -> Option<Wish> {
        let controls = self.controls.as_mut()?;
        let control = controls.named(name)?;
        match controls.turned(&self.ctl, control) {
            Ok(value) => value.map(|value| Wish::Set(control, value)),
            Err(error) => {
                tracing::warn!(card = self.card.id, "the element '{name}' cannot be read: {error}");
                None
            }
        }
    }

    /// Rings, or stops ringing, for wishes that come of no event.
    fn ring(&mut self) {
        // neither can fail but for a counter that is full or empty already
        let _ = if self.lines.iter().any(Line::has_wish) {
            self.bell.write(1).map(drop)
        } else {
            self.bell.read().map(drop)
        };
    }

    fn set_shift(&self, at: usize, value: i32) -> alsa::Result<()> {
        let mut element = ElemValue::new(ElemType::Integer)?;
        element.set_id(&cable_id(RATE_SHIFT, &self.lines[at], at as u32));
        let _ = element.set_integer(0, value);
        self.ctl.elem_write(&element)
    }
}

impl SoundEndpoint for Aloop {
    fn name(&self) -> String {
        format!("{},{}", self.card.id, pcm::DEVICE)
    }

    fn show(&mut self, card: &Card<'_>) -> Result<(), SoundEndpointError> {
        hush();
        self.ctl.subscribe_events(true).map_err(self.broken("events"))?;
        // first of all: it is here that another udrvd is found
        self.controls = Some(Controls::show(&self.card, &self.ctl, card.controls)?);
        for (at, info) in (0..).zip(card.streams) {
            if self.ctl.pcm_info(pcm::DEVICE, at, alsa::Direction::Capture).is_err() {
                return Err(SoundEndpointError::NoSubdevice {
                    card: self.card.id.clone(),
                    subdevice: at,
                    stream: info.name,
                });
            }
            match pcm::try_out(&self.card, at, info.direction) {
                Ok(()) | Err(Refused::Nobody) => {}
                Err(Refused::Gone) => return Err(self.gone()),
                Err(Refused::Because(why)) => return Err(SoundEndpointError::Line(why)),
            }
            let timer = match info.direction {
                Direction::Playback => None,
                Direction::Capture => Some(self.listen(at)?),
            };
            self.lines.push(Line::new(Stream(at), *info, timer));
            let verb = if info.direction == Direction::Playback { "is played from" } else { "is recorded to" };
            tracing::info!("{} of {} {verb} hw:{},0,{at}", info.name, card.device, self.card.id);
        }
        let can_shift = card::paces_itself(self.card.index)
            && (0..).zip(&self.lines).all(|(at, line)| self.read(RATE_SHIFT, ElemType::Integer, line, at).is_ok());
        if can_shift {
            self.shifts = Some(vec![UNSHIFTED; self.lines.len()]);
            for at in 0..self.lines.len() {
                self.set_shift(at, UNSHIFTED).map_err(self.broken("'PCM Rate Shift 100000'"))?;
            }
        } else {
            tracing::warn!(
                card = self.card.id,
                "the rate of the loopback card cannot be shifted (old, or it has a timer_source): where its clock and the \
                 device's differ, some sound is repeated or left out now and then"
            );
        }
        // applications that have been there all the time
        self.look()?;
        for at in 0..self.lines.len() {
            if !self.lines[at].is_playback() && card::is_running(self.card.index, 0, Direction::Capture, at as u32) {
                self.runs(at, true)?;
            }
        }
        self.ring();
        Ok(())
    }

    fn descriptors(&self) -> Vec<(BorrowedFd<'_>, PollFlags)> {
        let mut list = sys::ctl_descriptors(&self.ctl);
        list.push((self.bell.as_fd(), PollFlags::POLLIN));
        list.extend(self.lines.iter().flat_map(Line::descriptors));
        list
    }

    fn wish(&mut self) -> Result<Option<Wish>, SoundEndpointError> {
        let turned = self.hear()?;
        let wish = turned.or_else(|| self.lines.iter_mut().find_map(Line::wish));
        self.ring();
        Ok(wish)
    }

    fn xruns(&self, stream: Stream) -> u64 {
        self.lines.get(stream.0 as usize).map_or(0, Line::xruns)
    }

    fn take(&mut self, stream: Stream, to: &mut [u8]) -> Result<usize, SoundEndpointError> {
        let Some(line) = self.lines.get_mut(stream.0 as usize).filter(|line| line.is_playback()) else { return Ok(0) };
        let taken = line.take(to);
        if line.has_wish() {
            self.ring();
        }
        taken.map_err(|Gone| self.gone())
    }

    fn give(&mut self, stream: Stream, from: &[u8]) -> Result<usize, SoundEndpointError> {
        let Some(line) = self.lines.get_mut(stream.0 as usize).filter(|line| !line.is_playback()) else { return Ok(0) };
        line.give(from).map_err(|Gone| self.gone())
    }

    fn follow(&mut self, stream: Stream, faster: i32) -> bool {
        let (at, value) = (stream.0 as usize, shift(faster));
        match self.shifts.as_ref().and_then(|shifts| shifts.get(at)) {
            None => return false,
            Some(shifted) if *shifted == value => return true,
            Some(_) => {}
        }
        let done = self.set_shift(at, value);
        match (done, &mut self.shifts) {
            (Ok(()), Some(shifts)) => {
                shifts[at] = value;
                true
            }
            (Err(error), _) => {
                tracing::warn!(card = self.card.id, "the rate cannot be shifted any more: {error}");
                self.shifts = None;
                false
            }
            (Ok(()), None) => false,
        }
    }

    fn fail(&mut self, stream: Stream, why: &str) -> Result<(), SoundEndpointError> {
        if let Some(line) = self.lines.get_mut(stream.0 as usize) {
            line.fail(why);
        }
        self.ring();
        Ok(())
    }

    fn show_control(&mut self, control: Control, value: ControlValue) -> Result<(), SoundEndpointError> {
        let Some(controls) = &mut self.controls else { return Ok(()) };
        match controls.set(&self.ctl, control, value) {
            Err(error) if error.errno().abs() == libc::ENOENT => {
                tracing::warn!(card = self.card.id, "somebody has removed the element of control {}", control.0);
                Ok(())
            }
            other => other.map_err(self.broken("an element")),
        }
    }
}

impl Drop for Aloop {
    fn drop(&mut self) {
        let shifted = self.shifts.take().unwrap_or_default();
        for (at, _) in shifted.iter().enumerate().filter(|(_, shift)| **shift != UNSHIFTED) {
            let _ = self.set_shift(at, UNSHIFTED); // who comes next starts from there anyway
        }
    }
}

/// Whether a node may be opened. Asked of the kernel, for libasound says "no such file" of whatever it may not open.
fn may_open(path: &str) -> Result<(), SoundEndpointError> {
    let error = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(_) => return Ok(()),
        Err(error) => error,
    };
    Err(match error.kind() {
        ErrorKind::PermissionDenied => SoundEndpointError::NoPermission { path: path.to_owned() },
        ErrorKind::NotFound => SoundEndpointError::Line(format!(
            "the sound card is there and its node {path} is not; a container must be given /dev/snd"
        )),
        _ => SoundEndpointError::System { operation: format!("open {path}"), source: error },
    })
}

/// What libasound would write to standard error goes into a buffer of this thread, emptied by this: its errors say enough.
fn hush() {
    drop(Output::local_error_handler());
}

/// The name of an element of the cable between an application and us. snd-aloop names it by the end that records.
fn cable_id(name: &CStr, line: &Line, subdevice: u32) -> ElemId {
    let mut id = ElemId::new(ElemIface::PCM);
    id.set_name(name);
    id.set_device(if line.is_playback() { pcm::DEVICE } else { 0 });
    id.set_subdevice(subdevice);
    id
}

/// A cable that runs at the kernel's pace.
const UNSHIFTED: i32 = 100_000;

/// The value of `PCM Rate Shift 100000` for a device that is so many parts in a million faster.
///
/// snd-aloop divides by it: 100100 moves 1000 parts in a million fewer bytes in the same time. It goes from 80000 to 120000, in
/// steps of 10 parts in a million.
fn shift(faster: i32) -> i32 {
    const MILLION: i64 = 1_000_000;
    let pace = (MILLION + i64::from(faster)).max(1);
    let shift = (i64::from(UNSHIFTED) * MILLION + pace / 2) / pace;
    shift.clamp(80_000, 120_000) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_faster_device_makes_the_divisor_smaller() {
        for (faster, value) in [(0, 100_000), (4, 100_000), (10, 99_999), (1000, 99_900), (-1000, 100_100)] {
            assert_eq!(shift(faster), value, "{faster}");
        }
        for (faster, value) in [(i32::MAX, 80_000), (500_000, 80_000), (-500_000, 120_000), (i32::MIN, 120_000)] {
            assert_eq!(shift(faster), value, "{faster}");
        }
    }

    #[test]
    fn a_machine_without_a_loopback_card_says_what_to_do() {
        // whatever cards there are here, none is called so
        let error = may_open("/dev/snd/controlC1000").unwrap_err().to_string();
        assert!(error.contains("controlC1000") && error.contains("container"), "{error}");
        let error = Aloop::open(Some("no such card")).map(drop).unwrap_err().to_string();
        assert!(error.contains("'no such card'") && error.contains("--alsa=CARD"), "{error}");
    }
}
