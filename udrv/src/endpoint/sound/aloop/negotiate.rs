//! What an application has chosen, and what of it the chip has. Pure: no card is asked.
//!
//! The application is free to choose anything that snd-aloop has. What the chip has too is passed as it is; for the rest libasound
//! converts between the two, and this decides what to.

use std::fmt;

use alsa::pcm::Format as Sample;
use udrv_driver::{Format, Rates, StreamInfo};

use crate::endpoint::sound::Sound;

/// What the application has chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) format: Sample,
    pub(super) channels: u32,
    pub(super) rate: u32,
}

impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} channels, {} Hz", self.format, self.channels, self.rate)
    }
}

/// What is agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Deal {
    /// What the chip is set to.
    pub(super) sound: Sound,
    /// Whether it is not what the application has chosen.
    pub(super) converted: bool,
}

/// The nearest to `chosen` that the stream has; `None`: it has nothing at all.
///
/// Of rates the next higher one: nothing that can be heard is lost then.
pub(super) fn negotiate(info: &StreamInfo, chosen: &Chosen) -> Option<Deal> {
    let format = if info.formats.contains(&Format::S16) { Format::S16 } else { *info.formats.first()? };
    let format = of(chosen.format).filter(|format| info.formats.contains(format)).unwrap_or(format);
    let sound = Sound {
        format,
        channels: chosen.channels.clamp(1, info.channels.max(1)),
        rate: nearest_rate(info.rates, chosen.rate)?,
    };
    let same =
        of(chosen.format) == Some(sound.format) && chosen.channels == sound.channels && chosen.rate == sound.rate;
    Some(Deal { sound, converted: !same })
}

/// The rate itself, or the next higher one, or the highest.
pub(in crate::endpoint::sound) fn nearest_rate(rates: Rates, rate: u32) -> Option<u32> {
    match rates {
        Rates::Range(lowest, highest) => (lowest <= highest).then(|| rate.clamp(lowest, highest)),
        Rates::List(list) => list.iter().find(|at| **at >= rate).or(list.last()).copied(),
    }
}

/// libasound's name for a format.
pub(super) fn sample(format: Format) -> Sample {
    match format {
        Format::U8 => Sample::U8,
        Format::S16 => Sample::S16LE,
    }
}

fn of(sample: Sample) -> Option<Format> {
    match sample {
        Sample::U8 => Some(Format::U8),
        Sample::S16LE => Some(Format::S16),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use udrv_driver::Direction;

    use super::*;

    const CHIP: StreamInfo = StreamInfo {
        name: "DAC",
        direction: Direction::Playback,
        formats: &[Format::U8, Format::S16],
        channels: 2,
        rates: Rates::Range(4000, 48000),
        period: (32, 1024),
        ring_bytes: 8192,
    };
    const CD: Chosen = Chosen { format: Sample::S16LE, channels: 2, rate: 44100 };

    fn dealt(info: &StreamInfo, chosen: Chosen) -> (Format, u32, u32, bool) {
        let Deal { sound, converted } = negotiate(info, &chosen).unwrap();
        (sound.format, sound.channels, sound.rate, converted)
    }

    #[test]
    fn what_the_chip_has_is_left_alone() {
        assert_eq!(dealt(&CHIP, CD), (Format::S16, 2, 44100, false));
        assert_eq!(dealt(&CHIP, Chosen { channels: 1, rate: 4000, ..CD }), (Format::S16, 1, 4000, false));
        assert_eq!(dealt(&CHIP, Chosen { format: Sample::U8, ..CD }), (Format::U8, 2, 44100, false));
    }

    #[test]
    fn the_nearest_is_taken_for_the_rest() {
        assert_eq!(dealt(&CHIP, Chosen { rate: 192_000, ..CD }), (Format::S16, 2, 48000, true));
        assert_eq!(dealt(&CHIP, Chosen { channels: 32, ..CD }), (Format::S16, 2, 44100, true));
        for format in [Sample::S16BE, Sample::S243LE, Sample::S32LE, Sample::FloatLE] {
            assert_eq!(dealt(&CHIP, Chosen { format, ..CD }), (Format::S16, 2, 44100, true), "{format:?}");
        }
        let few = StreamInfo { formats: &[Format::U8], rates: Rates::List(&[11025, 22050]), channels: 1, ..CHIP };
        assert_eq!(dealt(&few, CD), (Format::U8, 1, 22050, true));
        assert_eq!(dealt(&few, Chosen { rate: 11026, ..CD }), (Format::U8, 1, 22050, true));
        assert_eq!(dealt(&few, Chosen { rate: 8000, ..CD }), (Format::U8, 1, 11025, true));
    }

    #[test]
    fn all_that_is_dealt_is_something_that_the_stream_has() {
        let streams = [CHIP, StreamInfo { formats: &[Format::U8], rates: Rates::List(&[8000, 48000]), ..CHIP }];
        for info in streams {
            for channels in [0, 1, 2, 3, 32, u32::MAX] {
                for rate in [0, 1, 7999, 8000, 8001, 44100, 48000, 192_000, u32::MAX] {
                    let Deal { sound, .. } = negotiate(&info, &Chosen { channels, rate, ..CD }).unwrap();
                    assert!(info.formats.contains(&sound.format) && info.rates.has(sound.rate), "{sound:?}");
                    assert!((1..=info.channels).contains(&sound.channels), "{sound:?}");
                }
            }
        }
    }

    #[test]
    fn a_stream_that_has_nothing_gets_nothing() {
        assert_eq!(negotiate(&StreamInfo { formats: &[], ..CHIP }, &CD), None);
        assert_eq!(negotiate(&StreamInfo { rates: Rates::List(&[]), ..CHIP }, &CD), None);
        assert_eq!(negotiate(&StreamInfo { rates: Rates::Range(2, 1), ..CHIP }, &CD), None);
    }
}
