//! `cargo xtask campaign`: faults in the machine code of drivers. The program that makes them is `tests/campaign`, built for release: what is
//! changed is what users run.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use crate::cargo::release_programs;
use crate::steps::Failure;

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
    let programs = release_programs(&["udrv-campaign"], &["udrv-campaign"])?;
    let program = &programs[0];
    let status = Command::new(program).args(&args.arguments).status();
    let status = status.map_err(|source| Failure::Io { doing: format!("start {}", program.display()), source })?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}
