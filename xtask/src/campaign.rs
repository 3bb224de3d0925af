//! `cargo xtask campaign`: faults in drivers. The program that makes them is `tests/campaign`, built for release: what is changed is what
//! users run. Faults in the source are in a copy of the workspace, which `tests/planter` writes to target/planted. With `--guest` the
//! same program makes the same trials in a guest, whose processor has protection keys.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use crate::cargo::{output_of, release_programs, release_programs_in};
use crate::guest::{Guest, quoted, workspace};
use crate::steps::{Done, Failure, program};

/// Makes the trials in a guest.
pub(crate) const GUEST: &str = "--guest";
/// Emulation takes longer: milliseconds of CPU time for one call of a driver, and seconds of a processor for a trial.
const CALL_MS: u32 = 50;
const TRIAL_SECONDS: u32 = 20;
/// Wall clock time for a campaign in a guest.
const LIMIT: Duration = Duration::from_secs(6 * 3600);

/// The arguments of `cargo xtask campaign`: the program's own, `--help` among them.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

pub(crate) fn main(args: &Args) -> ExitCode {
    match run(args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<ExitCode, Failure> {
    let mut command = match prepare(&args.arguments)? {
        Where::Here(command) => command,
        Where::Guest(guest) => {
            print!("{}", guest.run()?);
            return Ok(ExitCode::SUCCESS);
        }
    };
    let status = command.status().map_err(|source| Failure::Io { doing: "start the campaign".to_owned(), source })?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// What the campaign says with these arguments.
pub(crate) fn output(arguments: &[OsString]) -> Result<String, Failure> {
    match prepare(arguments)? {
        Where::Here(mut command) => output_of(&mut command),
        Where::Guest(guest) => guest.run(),
    }
}

/// Where trials are made.
enum Where {
    Here(Command),
    Guest(InGuest),
}

/// Builds what is needed.
fn prepare(arguments: &[OsString]) -> Result<Where, Failure> {
    let arguments_here: Vec<OsString> = arguments.iter().filter(|argument| *argument != GUEST).cloned().collect();
    let (program, sites) = if is_planted(&arguments_here) { planted()? } else { (plain()?, None) };
    if arguments_here.len() < arguments.len() {
        return Ok(Where::Guest(InGuest { program, sites, arguments: arguments_here }));
    }
    let mut command = Command::new(program);
    command.args(arguments_here);
    command.args(sites.into_iter().flat_map(|sites| ["--sites".into(), sites.into_os_string()]));
    Ok(Where::Here(command))
}

/// A few faults in the source of each driver, as a step of `cargo xtask test`: the copy builds, and each driver in it does what it does
/// without a fault.
pub(crate) fn step() -> Result<Done, Failure> {
    let (built, sites) = planted()?;
    let sites = sites.into_iter().flat_map(|sites| ["--sites".into(), sites.into_os_string()]);
    program(Command::new(built).args(["--kind", "planted", "--faults", "10"]).args(sites))
}

const NAME: [&str; 1] = ["udrv-campaign"];

fn plain() -> Result<PathBuf, Failure> {
    Ok(release_programs(&NAME, &NAME)?.remove(0))
}

/// The program built from the copy, and where it finds the places.
fn planted() -> Result<(PathBuf, Option<PathBuf>), Failure> {
    let copy = workspace().join("target/planted");
    let planter = release_programs(&["udrv-planter"], &["udrv-planter"])?.remove(0);
    output_of(Command::new(planter).arg(workspace()).arg(&copy))?;
    let program = release_programs_in(&copy, &NAME, &NAME)?.remove(0);
    Ok((program, Some(copy.join("sites.json"))))
}

/// Trials in a guest.
struct InGuest {
    program: PathBuf,
    sites: Option<PathBuf>,
    arguments: Vec<OsString>,
}

impl InGuest {
    /// What the program says there.
    fn run(self) -> Result<String, Failure> {
        let InGuest { program, sites, arguments } = self;
        const PROGRAM: &str = "/campaign/udrv-campaign";
        const SITES: &str = "/campaign/sites.json";
        let mut words: Vec<String> = arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        if !words.iter().any(|word| word.starts_with("--seconds")) {
            words.extend(["--seconds".to_owned(), TRIAL_SECONDS.to_string()]);
        }
        let mut guest = Guest::new("campaign").memory(1024).processors(2).timeout(LIMIT).program_at(program, PROGRAM);
        if let Some(sites) = sites {
            guest = guest.program_at(sites, SITES);
            words.extend(["--sites".to_owned(), SITES.to_owned()]);
        }
        let line: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        // or the console would be told of every fault without protection
        let line = format!(
            "echo 0 > /proc/sys/debug/exception-trace\nexec env UDRV_TEST_DEADLINE={CALL_MS} {PROGRAM} {} > /results/said",
            line.join(" ")
        );
        let outcome = guest.script(&line).run()?;
        let (said, console) = (outcome.results.join("said"), outcome.serial_log_path.display());
        let complaints = outcome.wrong();
        if outcome.exit_code != 0 || !complaints.is_empty() {
            return Err(Failure::Output(format!("in the guest: {}; its console: {console}", complaints.join("; "))));
        }
        std::fs::read_to_string(&said)
            .map_err(|source| Failure::Io { doing: format!("read {}", said.display()), source })
    }
}

/// Whether the arguments ask for faults in the source.
fn is_planted(arguments: &[OsString]) -> bool {
    let pair = [OsStr::new("--kind"), OsStr::new("planted")];
    arguments.windows(2).any(|two| two == pair) || arguments.iter().any(|argument| argument == "--kind=planted")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_in_the_source_are_asked_for_in_two_ways() {
        let asks = |arguments: &[&str]| is_planted(&arguments.iter().map(OsString::from).collect::<Vec<_>>());
        assert!(asks(&["--json", "--kind", "planted"]) && asks(&["--kind=planted"]));
        assert!(!asks(&["--kind", "mutate"]) && !asks(&["planted", "--kind"]) && !asks(&[]));
    }
}
