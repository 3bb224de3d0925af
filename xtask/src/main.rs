//! `cargo xtask`: the project's own tasks.
//!
//! This file only hands a subcommand to its module. What a task does, and how, is described there.

mod bench;
mod campaign;
mod cargo;
mod check;
mod deb;
mod demo;
mod ear;
mod eval;
mod guest;
mod pictures;
mod steps;
mod stress;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's own tasks.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Measure what things cost on this machine, beside what their parts cost.
    Bench(bench::Args),
    /// Change instructions of drivers by the thousand, and judge what comes of it.
    Campaign(campaign::Args),
    /// Check form, lints, documentation, layers and the project's rules.
    Check(check::Args),
    /// Make a Debian package of the programs, units, rules and documents.
    Deb(deb::Args),
    /// Show what the project does: a card's driver crashes under TCP streams, a tone or a moving hand, and they go on.
    Demo(demo::Args),
    /// Measure what the evaluation says, and write its pages: recovery, faults, effort, overhead, crashes.
    Eval(eval::Args),
    /// Run something in a QEMU guest that has an IOMMU, PCI cards and loadable modules.
    Guest(guest::Args),
    /// Judge our models by Linux's own drivers, in a guest.
    Oracle(guest::oracle::Args),
    /// Draw what udrvctl looks like, for the documents: top, and a fault report.
    Pictures(pictures::Args),
    /// Try to break the transaction engine: a million faults, wild writes, storms of signals, a model checker.
    Stress(stress::Args),
    /// Check and test everything, in QEMU guests too.
    Test(test::Args),
}

fn main() -> ExitCode {
    match Cli::parse().task {
        Task::Bench(args) => bench::main(&args),
        Task::Campaign(args) => campaign::main(&args),
        Task::Check(args) => check::main(&args),
        Task::Deb(args) => deb::main(&args),
        Task::Demo(args) => demo::main(&args),
        Task::Eval(args) => eval::main(&args),
        Task::Guest(args) => guest::main(args),
        Task::Oracle(args) => guest::oracle::main(&args),
        Task::Pictures(args) => pictures::main(&args),
        Task::Stress(args) => stress::main(&args),
        Task::Test(args) => test::main(&args),
    }
}
