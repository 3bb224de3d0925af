//! Faults in the machine code and in the source of drivers: see `docs/campaign.md`.

mod campaign;
mod child;
mod fault;
mod finding;
mod guard;
mod mutate;
mod on_retry;
mod patch;
mod reach;
mod subject;
mod text;
mod trial;
mod workload;

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use campaign::{Known, Tally};
use subject::Subject;
use trial::Mode;

/// Makes mistakes in drivers, and judges what comes of it.
#[derive(Parser)]
#[command(name = "udrv-campaign")]
struct Arguments {
    /// Which drivers; all, if none is named.
    #[arg(long, value_name = "DRIVER")]
    driver: Vec<Subject>,
    /// What is planted.
    #[arg(long, value_enum, default_value_t)]
    kind: Kind,
    /// Faults of each.
    #[arg(long, value_name = "COUNT", default_value_t = 200)]
    faults: u64,
    /// What decides which.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How they are tried; in all four ways, if none is named.
    #[arg(long, value_name = "MODE")]
    mode: Vec<Mode>,
    /// This fault alone, with all that is found; several may be named.
    #[arg(long, value_name = "NUMBER")]
    only: Vec<u64>,
    /// Trials at once.
    #[arg(long, default_value_t = jobs())]
    jobs: usize,
    /// Seconds of a processor that a trial without protection may use; one with it may use five times as many.
    #[arg(long, default_value_t = 2)]
    seconds: u32,
    /// The places in the source, for planted faults; `cargo xtask campaign` gives them.
    #[arg(long, value_name = "FILE", required_if_eq("kind", "planted"))]
    sites: Option<PathBuf>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Some wait, or use up their time, while the others go on.
fn jobs() -> usize {
    3 * std::thread::available_parallelism().map_or(1, usize::from)
}

/// Kinds of faults.
#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum Kind {
    /// Changed instructions.
    #[default]
    Mutate,
    /// Mistakes in the source.
    Planted,
}

fn main() -> ExitCode {
    let mut arguments = Arguments::parse();
    if arguments.driver.is_empty() {
        arguments.driver = Subject::ALL.to_vec();
    }
    if arguments.mode.is_empty() {
        arguments.mode = Mode::ALL.to_vec();
    }
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("udrv-campaign: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> io::Result<()> {
    let sites = match (arguments.kind, &arguments.sites) {
        (Kind::Planted, Some(file)) => Some(fault::sites(file)?),
        _ => None,
    };
    let mut all: Vec<(&'static str, Tally)> = Vec::new();
    for subject in &arguments.driver {
        let known = Known::of(*subject, sites.as_deref(), arguments.seconds)?;
        if !arguments.only.is_empty() {
            again(&known, arguments)?;
            continue;
        }
        let tally = campaign::run(&known, arguments.seed, arguments.faults, &arguments.mode, arguments.jobs.max(1))?;
        if !arguments.json {
            print(subject.name(), &tally);
        }
        all.push((subject.name(), tally));
    }
    if arguments.json && arguments.only.is_empty() {
        let map: std::collections::BTreeMap<_, _> = all.into_iter().collect();
        println!("{}", serde_json::to_string_pretty(&map)?);
    }
    Ok(())
}

/// Makes trials again.
fn again(known: &Known, arguments: &Arguments) -> io::Result<()> {
    let mut left: BTreeSet<u64> = arguments.only.iter().copied().collect();
    let mut faults = known.faults(arguments.seed);
    while !left.is_empty() {
        let Some((number, fault)) = faults.next() else { break };
        if !left.remove(&number) {
            continue;
        }
        println!("{} {number}: {}: {fault}", known.subject.name(), fault.rule());
        for mode in &arguments.mode {
            let end = known.start(&fault, *mode)?.wait()?;
            let (outcome, why) = known.judge(&fault, *mode, end)?;
            println!("{:<18} {outcome:?} {}", mode.name(), why.join("; "));
        }
    }
    match left.first() {
        Some(number) => Err(io::Error::other(format!("there is no fault {number} of seed {}", arguments.seed))),
        None => Ok(()),
    }
}

fn print(name: &str, tally: &Tally) {
    println!(
        "{name}: {} faults at {} places, {} reached; outside: {:?}; {:.1} s",
        tally.faults, tally.places, tally.reached, tally.outside, tally.seconds
    );
    for (mode, outcomes) in &tally.outcomes {
        println!("  {:<18} {outcomes:?}", mode.name());
    }
    for bad in &tally.bad {
        println!("  {bad:?}");
    }
}
