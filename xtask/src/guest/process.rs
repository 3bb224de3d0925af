//! Running a program on the host to its end, and saying clearly when it failed.

use std::{
    fs::File,
    path::Path,
    process::{Command, Stdio},
};

use super::error::{Doing, Error, Result};

/// Runs `command` to its end and returns what it wrote to standard output.
///
/// # Errors
/// [`Error::Io`] if it cannot be started, [`Error::Program`] if it does not end with success.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let program = display(command);
    let output = command.stdin(Stdio::null()).output().doing(|| format!("start {program}"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Error::Program { program, status: output.status.to_string(), stderr });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a filter from the file `input` into the file `output`.
///
/// # Errors
/// As [`run`], and if a file cannot be opened.
pub(crate) fn filter(command: &mut Command, input: &Path, output: &Path) -> Result<()> {
    let input = File::open(input).doing(|| format!("open {}", input.display()))?;
    let output = File::create(output).doing(|| format!("create {}", output.display()))?;
    let program = display(command);
    let child = command.stdin(input).stdout(output).stderr(Stdio::piped()).spawn();
    let done = child.and_then(std::process::Child::wait_with_output).doing(|| format!("start {program}"))?;
    if !done.status.success() {
        let stderr = String::from_utf8_lossy(&done.stderr).into_owned();
        return Err(Error::Program { program, status: done.status.to_string(), stderr });
    }
    Ok(())
}

/// The command for a message: the program and its first arguments, not fifty paths.
fn display(command: &Command) -> String {
    const SHOWN: usize = 6;
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let mut shown: Vec<String> = words.take(SHOWN + 1).map(|word| word.to_string_lossy().into_owned()).collect();
    if shown.len() > SHOWN {
        shown.truncate(SHOWN);
        shown.push("...".to_owned());
    }
    shown.join(" ")
}
