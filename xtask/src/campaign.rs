//! `cargo xtask campaign`: faults in drivers. The program that makes them is `tests/campaign`, built for release: what is changed is what
//! users run. Faults in the source are in a copy of the workspace, which `tests/planter` writes to target/planted.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use crate::cargo::{output_of, release_programs, release_programs_in};
use crate::guest::workspace;
use crate::steps::{Done, Failure, program};

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
    let (program, more) = if is_planted(&args.arguments) { planted()? } else { (plain()?, Vec::new()) };
    let status = Command::new(&program).args(&args.arguments).args(more).status();
    let status = status.map_err(|source| Failure::Io { doing: format!("start {}", program.display()), source })?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// A few faults in the source of each driver, as a step of `cargo xtask test`: the copy builds, and each driver in it does what it does
/// without a fault.
pub(crate) fn step() -> Result<Done, Failure> {
    let (built, more) = planted()?;
    program(Command::new(built).args(["--kind", "planted", "--faults", "10"]).args(more))
}

const NAME: [&str; 1] = ["udrv-campaign"];

fn plain() -> Result<PathBuf, Failure> {
    Ok(release_programs(&NAME, &NAME)?.remove(0))
}

/// The program built from the copy, and where it finds the places.
fn planted() -> Result<(PathBuf, Vec<OsString>), Failure> {
    let copy = workspace().join("target/planted");
    let planter = release_programs(&["udrv-planter"], &["udrv-planter"])?.remove(0);
    output_of(Command::new(planter).arg(workspace()).arg(&copy))?;
    let program = release_programs_in(&copy, &NAME, &NAME)?.remove(0);
    Ok((program, vec!["--sites".into(), copy.join("sites.json").into()]))
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
