//! `cargo xtask bench`: what things cost on this machine, each beside what its parts cost in the same run.
//!
//! A *section* is one part of the project: it measures, and says which of its figures must be within reach of which sum
//! of parts. Only ratios within a run mean something: the same machine is faster or slower on another day.

mod device;
mod engine;
mod figures;
mod guest_net;
mod net;
mod table;

use std::process::ExitCode;

use self::figures::Section;
use crate::steps::Failure;

// ------------------------------------------------------------------------------------------------------------------
// The sections, in order.
// ------------------------------------------------------------------------------------------------------------------
const SECTIONS: [Measure; 2] = [engine::measure, device::measure];
// ------------------------------------------------------------------------------------------------------------------

/// Measures a section.
type Measure = fn(&Args) -> Result<Section, Failure>;

/// The arguments of `cargo xtask bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Something else instead of the sections.
    #[arg(value_enum)]
    what: Option<What>,
    /// Print one JSON object instead of tables.
    #[arg(long)]
    json: bool,
    /// Fewer and shorter rounds: to see that it works, not to quote.
    #[arg(long)]
    quick: bool,
}

/// What is measured only when it is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// Every network driver on the model of its chip: packets a second, and recovery.
    Net,
    /// Network cards in the guest, under Linux's own drivers and under ours.
    GuestNet,
}

/// Measures and prints. A reach that is missed is a result and no failure.
pub(crate) fn main(args: &Args) -> ExitCode {
    let named = match args.what {
        Some(What::Net) => Some(net::run(args)),
        Some(What::GuestNet) => Some(guest_net::main(args.json, args.quick)),
        None => None,
    };
    if let Some(result) = named {
        return match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                eprintln!("bench: {failure}");
                ExitCode::FAILURE
            }
        };
    }
    let mut sections = Vec::new();
    for measure in SECTIONS {
        match measure(args) {
            Ok(section) => sections.push(section),
            Err(failure) => {
                eprintln!("bench: {failure}");
                return ExitCode::FAILURE;
            }
        }
    }
    if args.json {
        println!("{}", figures::json(&sections, args.quick));
    } else {
        sections.iter().for_each(|section| print!("{}", table::text(section)));
    }
    ExitCode::SUCCESS
}
