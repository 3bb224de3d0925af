//! `top`.

use std::time::Duration;

use udrv_daemon::directory;
use udrv_daemon::top::{self, Options, TopError};

use crate::exit::{Exit, Failure};
use crate::output::{complain, print, print_json};

/// All devices that udrvd drives, as they are now: state, traffic, faults and what they cost. In a terminal it goes on until q is
/// typed; ? shows the keys.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// These devices. Left out: all that run, those that come too.
    devices: Vec<String>,
    /// Print one frame as plain text and end; with details, if one device is named.
    #[arg(long)]
    once: bool,
    /// Seconds from one look to the next.
    #[arg(long, default_value = "1", value_name = "SECONDS", value_parser = interval)]
    interval: Duration,
}

/// From a tenth of a second to an hour.
fn interval(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.1..=3600.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "expected seconds, 0.1 to 3600".to_owned())
}

impl Args {
    pub(crate) fn run(&self, json: bool) -> Result<Exit, Failure> {
        let directory = directory::of_client();
        let options = Options { directory, devices: self.devices.clone(), interval: self.interval };
        if json && !self.once {
            return Err(Failure::new(Exit::Usage, "top: --json is for one frame: --once --json"));
        }
        if !self.once {
            return top::run(&options).map(|()| Exit::Done).map_err(failure);
        }
        let frame = top::once(&options).map_err(failure)?;
        if frame.empty {
            let place = options.directory.display();
            return Err(Failure::failed(format!("no daemon runs (no control socket in {place})")));
        }
        if json {
            print_json(&frame.json)?;
        } else {
            print(&frame.text)?;
        }
        frame.silent.iter().for_each(|line| complain(line));
        Ok(if frame.silent.is_empty() { Exit::Done } else { Exit::Failed })
    }
}

fn failure(error: TopError) -> Failure {
    Failure::new(if matches!(error, TopError::NoTerminal) { Exit::Usage } else { Exit::Failed }, error.to_string())
}
