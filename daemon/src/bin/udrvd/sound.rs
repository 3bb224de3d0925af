//! What the command line says of a sound card.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use udrv::endpoint::sound::{Choice, ChoiceOptions, SoundEndpoint};
use udrv::sound::SoundOptions;

/// Options of sound cards.
#[derive(clap::Args)]
#[command(next_help_heading = "Sound cards")]
pub(crate) struct SoundArguments {
    /// The loopback card (snd-aloop) at which applications play and record: its id or number. By default the first one.
    #[arg(long, value_name = "CARD", num_args = 0..=1, require_equals = true)]
    alsa: Option<Option<String>>,
    /// Play this WAV file.
    #[arg(long, value_name = "FILE")]
    play: Option<PathBuf>,
    /// Record into this WAV file.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Record for so long; else until the end.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    record_for: Option<Duration>,
    /// Neither applications nor files.
    #[arg(long)]
    no_sound: bool,
    /// Time of a period in milliseconds, about: how often the card interrupts.
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=1000))]
    period: Option<u64>,
    /// Periods of a ring: half of it is how late the sound is, and how late this program may be.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1024))]
    periods: Option<u32>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds, as in 2.5".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

impl SoundArguments {
    /// One that was given, for a device that is no sound card.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let given = [
            ("--alsa", self.alsa.is_some()),
            ("--play", self.play.is_some()),
            ("--record", self.record.is_some()),
            ("--record-for", self.record_for.is_some()),
            ("--no-sound", self.no_sound),
            ("--period", self.period.is_some()),
            ("--periods", self.periods.is_some()),
        ];
        given.into_iter().find(|(_, given)| *given).map(|(name, _)| name)
    }

    /// Those that the framework has.
    pub(crate) fn options(&self) -> SoundOptions {
        let usual = SoundOptions::default();
        SoundOptions {
            period: self.period.map_or(usual.period, Duration::from_millis),
            periods: self.periods.unwrap_or(usual.periods),
        }
    }

    /// Opens what they ask for.
    pub(crate) fn endpoint(&self) -> Result<Box<dyn SoundEndpoint>, Box<dyn Error>> {
        let options = ChoiceOptions {
            alsa: self.alsa.clone(),
            play: self.play.clone(),
            record: self.record.clone(),
            record_for: self.record_for,
            no_sound: self.no_sound,
        };
        Ok(Choice::from_options(options)?.open()?)
    }
}
