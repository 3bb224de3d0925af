//! Writes copies of the drivers in which each mistake can be turned on: see `docs/campaign.md`.
//!
//! ```text
//! workspace ──> copy: as it is, but drivers/*/src with `if udrv_planted::on(N) { wrong } else { right }` at each place
//!          └──> copy/sites.json: what is wrong at place N, and where that stands in the driver's own source
//! ```

mod copy;
mod machine;
mod registers;
mod site;
mod visit;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Copies the workspace, with a switch at each place of a driver where a mistake could be.
#[derive(Parser)]
#[command(name = "udrv-planter")]
struct Arguments {
    /// The workspace.
    from: PathBuf,
    /// Where the copy is to be. What is there already and the same is left alone.
    to: PathBuf,
}

fn main() -> ExitCode {
    let Arguments { from, to } = Arguments::parse();
    match copy::workspace(&from, &to) {
        Ok(sites) => {
            eprintln!("{} places in {}", sites.len(), to.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("udrv-planter: {error}");
            ExitCode::FAILURE
        }
    }
}
