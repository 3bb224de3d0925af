//! `cargo xtask`: the project's own tasks.
//!
//! This file only hands a subcommand to its module. What a task does, and how, is described there.

mod guest;

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
    /// Run something in a QEMU guest that has an IOMMU, PCI cards and loadable modules.
    Guest(guest::Args),
}

fn main() -> ExitCode {
    match Cli::parse().task {
        Task::Guest(args) => guest::main(args),
    }
}
