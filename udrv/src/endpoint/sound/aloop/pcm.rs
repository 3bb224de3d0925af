//! Our end of a line: device 1 of the loopback card, opened for exactly what the application at the other end has.
//!
//! From the moment on in which one end is prepared, snd-aloop offers the other end nothing but the same format, channels and
//! rate. So what the application has chosen is read from what is on offer here. Our end is open only while an application plays
//! or records: as long as it were open, the next application could choose nothing else.

use alsa::{
    Direction as Side, PCM, ValueOr,
    pcm::{Access, Frames, HwParams},
};
use udrv_driver::{Direction, StreamInfo};

use super::{
    card::{self, Entry},
    negotiate::{Chosen, Deal, negotiate, sample},
};
use crate::endpoint::sound::Sound;

/// Our side of the cable.
pub(super) const DEVICE: u32 = 1;
/// Microseconds from one wake-up to the next.
const PERIOD: u32 = 10_000;
/// Microseconds that what is played may wait here: longer than a driver takes to recover.
const PLAYED: u32 = 500_000;
/// Microseconds that what is recorded may wait here; the application gets it when half of that is there.
const RECORDED: u32 = 200_000;

/// An open end.
pub(super) struct Opened {
    pub(super) pcm: PCM,
    /// Bytes of a frame, as the chip has it.
    pub(super) frame: usize,
    /// Frames of the buffer.
    pub(super) buffer: usize,
    pub(super) sound: Sound,
    pub(super) chosen: Chosen,
    /// libasound converts between what was chosen and the chip's sound.
    pub(super) converted: bool,
}

/// Why there is no open end.
#[derive(Debug)]
pub(super) enum Refused {
    /// Nobody is at the other end any more.
    Nobody,
    /// For people: what, and what mends it.
    Because(String),
    /// The card has left.
    Gone,
}

/// Which side we are on for a stream: what it plays, we record.
fn side(direction: Direction) -> (Side, Direction) {
    match direction {
        Direction::Playback => (Side::Capture, Direction::Capture),
        Direction::Capture => (Side::Playback, Direction::Playback),
    }
}

/// Opens our end for what the application at the other end has, and makes it ready.
pub(super) fn open(card: &Entry, subdevice: u32, info: &StreamInfo) -> Result<Opened, Refused> {
    let pcm = open_as(card, "hw", subdevice, info.direction)?;
    let chosen = on_offer(&pcm).ok_or(Refused::Nobody)?;
    let Some(Deal { sound, converted }) = negotiate(info, &chosen) else {
        return Err(Refused::Because(format!("{} has no format or rate at all", info.name)));
    };
    let pcm = if converted {
        drop(pcm);
        open_as(card, "plughw", subdevice, info.direction)?
    } else {
        pcm
    };
    let set = set_up(&pcm, &sound, info.direction).map_err(|error| match error.errno().abs() {
        libc::ENODEV => Refused::Gone,
        _ => Refused::Because(format!(
            "the application has {chosen}, and libasound does not convert that to {sound:?} ({error}); let it play or \
             record through plughw or PipeWire, or choose what the chip has"
        )),
    });
    let buffer = set?;
    let frame = sound.format.bytes() as usize * sound.channels as usize;
    Ok(Opened { pcm, frame, buffer, sound, chosen, converted })
}

/// Whether our end could be opened; who has it, if not.
pub(super) fn try_out(card: &Entry, subdevice: u32, direction: Direction) -> Result<(), Refused> {
    open_as(card, "hw", subdevice, direction).map(drop)
}

fn open_as(card: &Entry, how: &str, subdevice: u32, direction: Direction) -> Result<PCM, Refused> {
    let (side, ours) = side(direction);
    PCM::new(&format!("{how}:{},{DEVICE},{subdevice}", card.index), side, true).map_err(|error| {
        match error.errno().abs() {
            libc::ENODEV => Refused::Gone,
            libc::EBUSY | libc::EAGAIN => {
                let by = card::holder(card.index, DEVICE, ours, subdevice);
                Refused::Because(format!(
                    "{}, which is udrvd's end of the line, is in use by {by}; applications have device 0: hw:{},0,{subdevice}",
                    name(card, subdevice),
                    card.id
                ))
            }
            libc::EACCES | libc::EPERM => Refused::Because(format!(
                "no permission to open {}: /dev/snd is for root and the group audio",
                name(card, subdevice)
            )),
            _ => Refused::Because(format!("{how}:{},{DEVICE},{subdevice}: {error}", card.id)),
        }
    })
}

fn name(card: &Entry, subdevice: u32) -> String {
    format!("hw:{},{DEVICE},{subdevice}", card.id)
}

/// What the other end has chosen; `None`: nobody has, everything is on offer.
fn on_offer(pcm: &PCM) -> Option<Chosen> {
    let params = HwParams::any(pcm).ok()?;
    let (format, channels, rate) = (params.get_format().ok()?, params.get_channels().ok()?, params.get_rate().ok()?);
    Some(Chosen { format, channels, rate })
}

/// Sets and prepares it; frames of its buffer.
fn set_up(pcm: &PCM, sound: &Sound, direction: Direction) -> alsa::Result<usize> {
    let params = HwParams::any(pcm)?;
    params.set_access(Access::RWInterleaved)?;
    params.set_format(sample(sound.format))?;
    params.set_channels(sound.channels)?;
    params.set_rate(sound.rate, ValueOr::Nearest)?;
    params.set_period_time_near(PERIOD, ValueOr::Nearest)?;
    let room = match direction {
        Direction::Playback => PLAYED,
        Direction::Capture => RECORDED,
    };
    params.set_buffer_time_near(room, ValueOr::Nearest)?;
    pcm.hw_params(&params)?; // and prepares
    let (buffer, period) = (params.get_buffer_size()?, params.get_period_size()?);
    let sw = pcm.sw_params_current()?;
    sw.set_avail_min(period)?;
    sw.set_start_threshold(match direction {
        Direction::Playback => Frames::MAX / 2, // started by hand, at once
        Direction::Capture => buffer / 2,
    })?;
    pcm.sw_params(&sw)?;
    Ok(usize::try_from(buffer).unwrap_or(0))
}
