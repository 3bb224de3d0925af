//! `cargo xtask bench`: what things cost on this machine, each beside what its parts cost in the same run.
//!
//! A *section* is one part of the project: it measures, and says which of its figures must be within reach of which sum
//! of parts. Only ratios within a run mean something: the same machine is faster or slower on another day.

mod device;
pub(crate) mod engine;
pub(crate) mod figures;
pub(crate) mod guest_net;
mod net;
mod sound;
mod status;
pub(crate) mod survive;
mod table;
mod usb;

use std::process::ExitCode;

use self::figures::Section;
use crate::steps::Failure;

// ------------------------------------------------------------------------------------------------------------------
// The sections, in order.
// ------------------------------------------------------------------------------------------------------------------
const SECTIONS: [Measure; 4] = [engine::measure, device::measure, usb::measure, sound::measure];
// ------------------------------------------------------------------------------------------------------------------

/// Measures a section; true: in a short run.
type Measure = fn(bool) -> Result<Section, Failure>;

/// The arguments of `cargo xtask bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What is measured, on the host or in the guest.
    #[arg(value_enum, default_value_t)]
    subject: Subject,
    /// With guest-net: only this card. With status: the model that is asked, rtl8139 if none is named.
    #[arg(long, value_name = "NAME")]
    card: Option<String>,
    /// With guest-net: processors of the guest. With one, Linux's driver, the other end of the cable, and ours with all that the
    /// TAP costs share it.
    #[arg(long, value_name = "COUNT", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=4))]
    processors: u32,
    /// With survive: the guest's clock is the host's. As a rule it counts instructions, a nanosecond each: then what else the machine
    /// does is not in its times.
    #[arg(long)]
    real_time: bool,
    /// Print one JSON object instead of tables.
    #[arg(long)]
    json: bool,
    /// Fewer and shorter rounds: to see that it works, not to quote.
    #[arg(long)]
    quick: bool,
}

/// What there is to measure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Subject {
    /// The engine, and drivers on models, on this machine.
    #[default]
    Host,
    /// Network cards in the guest, under Linux's own drivers and under ours.
    GuestNet,
    /// Every network driver on the model of its chip: packets a second, and recovery.
    Net,
    /// What it costs a card under full load to be asked how it is, and how long the answer takes.
    Status,
    /// How long a card stands still when its driver's process is killed or restarted: in the guest with systemd.
    Survive,
}

/// Measures and prints. A reach that is missed is a result and no failure.
pub(crate) fn main(args: &Args) -> ExitCode {
    let other = match args.subject {
        Subject::Host => None,
        Subject::Net => Some(net::run(args)),
        Subject::GuestNet => Some(guest_net::main(args)),
        Subject::Status => Some(status::run(args)),
        Subject::Survive => Some(survive::main(args)),
    };
    if let Some(result) = other {
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
        match measure(args.quick) {
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
