//! Named steps, run one after the other, with a verdict at the end: what `check` and `test` are made of.
//!
//! A step that fails does not stop the ones behind it. Each is followed by a line with its verdict and its duration;
//! for a failed one the reason is printed again at the end, with the command that runs this step alone.

use std::{
    io,
    path::Path,
    process::{Command, ExitCode, ExitStatus},
    time::Instant,
};

use crate::guest;

/// One step. `name` is what `--only` takes.
#[derive(Clone, Copy)]
pub(crate) struct Step {
    /// A word of small letters and dashes.
    pub(crate) name: &'static str,
    /// Whether it starts a QEMU guest.
    pub(crate) in_guest: bool,
    /// Whether it belongs to the long run only.
    pub(crate) is_long: bool,
    /// What it does. It may write to standard output and standard error.
    pub(crate) run: fn() -> Result<Done, Failure>,
}

impl Step {
    /// A step that needs nothing but this machine.
    pub(crate) const fn host(name: &'static str, run: fn() -> Result<Done, Failure>) -> Self {
        Self { name, in_guest: false, is_long: false, run }
    }

    /// A step that starts a QEMU guest.
    pub(crate) const fn guest(name: &'static str, run: fn() -> Result<Done, Failure>) -> Self {
        Self { name, in_guest: true, is_long: false, run }
    }

    /// One that starts QEMU guests, and belongs to the long run only.
    pub(crate) const fn long(name: &'static str, run: fn() -> Result<Done, Failure>) -> Self {
        Self { name, in_guest: true, is_long: true, run }
    }

    /// One that needs nothing but this machine, and time: it belongs to the long run only.
    pub(crate) const fn long_host(name: &'static str, run: fn() -> Result<Done, Failure>) -> Self {
        Self { name, in_guest: false, is_long: true, run }
    }
}

/// The end of a step that did not fail.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// It was done.
    Passed,
    /// It could not be done here, for this reason, and that is no failure.
    Skipped(String),
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A program ended with a failure; what it had to say is above.
    #[error("{command}: {status}")]
    Program {
        /// The program with its arguments.
        command: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// A file or process operation of this program.
    #[error("{doing}: {source}")]
    Io {
        /// The operation and its operand.
        doing: String,
        /// What the system answered.
        source: io::Error,
    },
    /// Another program's output is not what it should be.
    #[error("{0}")]
    Output(String),
    /// Rules of the project are broken.
    #[error("{} of the project's rules broken:{}", .0.len(), .0.iter().map(|v| format!("\n  {v}")).collect::<String>())]
    Rules(Vec<String>),
    /// The guest could not be run to its end.
    #[error(transparent)]
    Guest(#[from] guest::Error),
}

/// Runs a program, its output going where this program's goes.
pub(crate) fn program(command: &mut Command) -> Result<Done, Failure> {
    let name = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let set = command.get_envs().filter_map(|(name, value)| Some((name.to_string_lossy(), value?.to_string_lossy())));
    let set: String = set.map(|(name, value)| format!("{name}='{value}' ")).collect();
    let words = std::iter::once(name).chain(command.get_args());
    let text = set + &words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    println!("$ {text}");
    match command.status() {
        Ok(status) if status.success() => Ok(Done::Passed),
        Ok(status) => Err(Failure::Program { command: text, status }),
        Err(source) => Err(Failure::Io { doing: format!("start {text}"), source }),
    }
}

/// Runs `steps`, or the one that `only` names, and ends with a line `N passed, N failed`. `command` is what
/// was typed, for the lines that say how to run a step again.
pub(crate) fn run(command: &str, steps: &[Step], only: Option<&str>) -> ExitCode {
    let chosen: Vec<&Step> = steps.iter().filter(|step| only.is_none_or(|name| name == step.name)).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = steps.iter().map(|step| step.name).collect();
        eprintln!("{command}: no step {}; there are: {}", only.unwrap_or_default(), names.join(", "));
        return ExitCode::from(2);
    }
    let (mut passed, mut notes, mut failures) = (0, Vec::new(), Vec::new());
    for Step { name, run, .. } in chosen {
        println!("\n== {name}");
        let start = Instant::now();
        let result = run();
        let seconds = start.elapsed().as_secs_f64();
        match result {
            Ok(Done::Passed) => {
                passed += 1;
                println!("== {name}: passed in {seconds:.1} s");
            }
            Ok(Done::Skipped(reason)) => {
                println!("== {name}: skipped after {seconds:.1} s: {reason}");
                notes.push(format!("skipped: {name}: {reason}"));
            }
            Err(failure) => {
                println!("== {name}: failed after {seconds:.1} s: {failure}");
                failures.push(format!("failed: {name}: {failure}\n  again, alone: {command} --only {name}"));
            }
        }
    }
    println!();
    notes.iter().chain(&failures).for_each(|line| println!("{line}"));
    println!("{}", summary(passed, failures.len()));
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn summary(passed: usize, failed: usize) -> String {
    format!("{passed} passed, {failed} failed")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Step = Step::host("good", || Ok(Done::Passed));
    const ABSENT: Step = Step::guest("absent", || Ok(Done::Skipped("no such thing here".to_owned())));
    const BAD: Step = Step::host("bad", || Err(Failure::Rules(vec!["a file: a rule".to_owned()])));

    #[test]
    fn one_failure_is_the_verdict() {
        assert_eq!(run("test", &[GOOD, ABSENT], None), ExitCode::SUCCESS);
        assert_eq!(run("test", &[BAD, GOOD], None), ExitCode::FAILURE);
    }

    #[test]
    fn a_step_can_be_chosen_and_must_exist() {
        assert_eq!(run("test", &[BAD, GOOD], Some("good")), ExitCode::SUCCESS);
        assert_eq!(run("test", &[BAD, GOOD], Some("bad")), ExitCode::FAILURE);
        assert_eq!(run("test", &[BAD, GOOD], Some("neither")), ExitCode::from(2));
    }

    #[test]
    fn a_program_that_fails_is_a_failure() {
        assert!(matches!(program(&mut Command::new("true")), Ok(Done::Passed)));
        assert!(matches!(program(&mut Command::new("false")), Err(Failure::Program { .. })));
        assert!(matches!(program(&mut Command::new("no/such/program")), Err(Failure::Io { .. })));
    }
}
