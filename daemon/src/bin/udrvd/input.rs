//! What the command line says of an input device.

use std::error::Error;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use model_psmouse::PsMouseHandle;
use udrv::endpoint::input::{Choice, ChoiceOptions, InputEndpoint};
use udrv::input::{InputOptions, InputSetting};
use udrv_daemon::hand::Hand;

/// Options of mice.
#[derive(clap::Args)]
#[command(next_help_heading = "Mice")]
pub(crate) struct InputArguments {
    /// Name of the device that applications see, through uinput. By default its own.
    #[arg(long, value_name = "NAME")]
    uinput: Option<String>,
    /// Show it to nobody, but write what it does into this file: a line of JSON for each change.
    #[arg(long, value_name = "FILE")]
    record_events: Option<PathBuf>,
    /// Show it to nobody.
    #[arg(long)]
    no_input: bool,
    /// Reports a second, at most: the nearest that it has.
    #[arg(long, value_name = "HZ", value_parser = |text: &str| InputSetting::parse("rate", text))]
    rate: Option<InputSetting>,
    /// Counts an inch: the nearest that it has.
    #[arg(long, value_name = "DPI", value_parser = |text: &str| InputSetting::parse("resolution", text))]
    resolution: Option<InputSetting>,
    /// 2:1 has it count fast movements double, 1:1 not.
    #[arg(long, value_name = "SCALING", value_parser = |text: &str| InputSetting::parse("scaling", text))]
    scaling: Option<InputSetting>,
    /// Of a mouse in software: listen at this socket, which must not exist, for what the hand on it is to do, as udrvctl model
    /// serve does.
    #[arg(long, value_name = "SOCKET")]
    hand: Option<PathBuf>,
}

impl InputArguments {
    /// One that was given, for a device that is none for input.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let given = [
            ("--uinput", self.uinput.is_some()),
            ("--record-events", self.record_events.is_some()),
            ("--no-input", self.no_input),
            ("--rate", self.rate.is_some()),
            ("--resolution", self.resolution.is_some()),
            ("--scaling", self.scaling.is_some()),
            ("--hand", self.hand.is_some()),
        ];
        given.into_iter().find(|(_, given)| *given).map(|(name, _)| name)
    }

    /// Those that the framework has.
    pub(crate) fn options(&self) -> InputOptions {
        let mut options = InputOptions::default();
        [self.rate, self.resolution, self.scaling].into_iter().flatten().for_each(|setting| options.note(setting));
        options
    }

    /// Opens what they ask for. `kept` is the device node that the last process has left to this one, if it has.
    pub(crate) fn endpoint(&self, kept: Option<OwnedFd>) -> Result<Box<dyn InputEndpoint>, Box<dyn Error>> {
        let options =
            ChoiceOptions { uinput: self.uinput.clone(), record: self.record_events.clone(), no_input: self.no_input };
        Ok(Choice::from_options(options)?.open(kept)?)
    }

    /// Puts a hand on a mouse in software, if one is asked for.
    pub(crate) fn hand(&self, mouse: Option<PsMouseHandle>, device: &str) -> Result<Option<Hand>, Box<dyn Error>> {
        match (&self.hand, mouse) {
            (None, _) => Ok(None),
            (Some(path), Some(mouse)) => Ok(Some(Hand::start(path, mouse)?)),
            (Some(_), None) => {
                Err(format!("--hand is for mice in software, and {device} is none: leave it out").into())
            }
        }
    }
}
