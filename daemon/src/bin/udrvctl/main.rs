//! udrvctl: asks a running udrvd, and looks at and changes the machine for one.
//!
//! One file a subcommand: its arguments and what it does. What it knows of the machine is in `udrv_daemon::system`.
#![forbid(unsafe_code)]

mod ask;
mod bind;
mod call;
mod checkpoint;
mod completions;
mod doctor;
mod exit;
mod faults;
mod hand_back;
mod inject;
mod list;
mod man;
mod model;
mod named;
mod output;
mod policy;
mod regs;
mod release;
mod restart;
mod set;
mod status;
mod top;
mod trace;
mod upgrade;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use udrv_daemon::complaint;

use self::exit::{Exit, Failure};

/// Looks at and controls devices that udrvd drives.
#[derive(Debug, Parser)]
#[command(version, name = "udrvctl", after_help = exit::HELP)]
struct Arguments {
    /// Print one JSON document, of an error too.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    List(list::Args),
    Doctor(doctor::Args),
    Bind(bind::BindArgs),
    Unbind(bind::UnbindArgs),
    Status(status::Args),
    Faults(faults::Args),
    Inject(inject::Args),
    Release(release::Args),
    Restart(restart::Args),
    Regs(regs::Args),
    /// Which calls of the driver are transactions.
    #[command(subcommand)]
    Policy(policy::Action),
    /// Register accesses in a file.
    #[command(subcommand)]
    Trace(trace::Action),
    Set(set::Args),
    Call(call::Args),
    /// What a device is set to, as a file: to move it into another udrvd, on the same kind of chip.
    #[command(subcommand)]
    Checkpoint(checkpoint::Action),
    /// Cards in software, without a daemon.
    #[command(subcommand)]
    Model(model::Action),
    HandBack(hand_back::Args),
    Upgrade(upgrade::Args),
    Completions(completions::Args),
    Man(man::Args),
    Top(top::Args),
}

impl Action {
    fn run(&self, json: bool) -> Result<Exit, Failure> {
        let done = match self {
            Action::List(args) => return args.run(json),
            Action::Doctor(args) => return args.run(json),
            Action::Bind(args) => return args.run(json),
            Action::Unbind(args) => return args.run(json),
            Action::HandBack(args) => return args.run(json),
            Action::Completions(args) => return args.run(),
            Action::Man(args) => return args.run(json),
            Action::Top(args) => return args.run(json),
            Action::Status(args) => args.run(json),
            Action::Faults(args) => args.run(json),
            Action::Inject(args) => args.run(json),
            Action::Release(args) => args.run(json),
            Action::Restart(args) => args.run(json),
            Action::Regs(args) => args.run(json),
            Action::Policy(action) => action.run(json),
            Action::Trace(action) => action.run(json),
            Action::Set(args) => args.run(json),
            Action::Call(args) => args.run(json),
            Action::Checkpoint(action) => action.run(json),
            Action::Upgrade(args) => args.run(json),
            Action::Model(action) => action.run(),
        };
        done.map(|()| Exit::Done)
    }
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // what is asked for, help for one, is no error
            if error.use_stderr() && asks_for_json(std::env::args_os()) {
                let _ = output::print_json(&Failure::new(Exit::Usage, first_paragraph(&error.to_string())).json());
            }
            complaint::exit(&error)
        }
    };
    let exit = arguments.action.run(arguments.json).unwrap_or_else(|failure| {
        output::complain(&failure.message);
        if arguments.json {
            // who does not read it has the exit code
            let _ = output::print_json(&failure.json());
        }
        failure.exit
    });
    exit.into()
}

/// Of arguments that make no sense: one of them is `--json` all the same.
fn asks_for_json(arguments: impl Iterator<Item = OsString>) -> bool {
    arguments.skip(1).take_while(|word| word != "--").any(|word| word == "--json")
}

/// What is wrong, without how it would be right.
fn first_paragraph(text: &str) -> String {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod arguments_tests;
