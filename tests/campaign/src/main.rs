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
    /// This fault alone, with all that is found.
    #[arg(long, value_name = "NUMBER")]
    only: Option<u64>,
    /// Trials at once.
    #[arg(long, default_value_t = std::thread::available_parallelism().map_or(1, usize::from))]
    jobs: usize,
    /// The places in the source, for planted faults; `cargo xtask campaign` gives them.
    #[arg(long, value_name = "FILE", required_if_eq("kind", "planted"))]
    sites: Option<PathBuf>,
    /// As JSON.
    #[arg(long)]
    json: bool,
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
        let known = Known::of(*subject, sites.as_deref())?;
        if let Some(number) = arguments.only {
            return again(&known, arguments, number);
        }
        let tally = campaign::run(&known, arguments.seed, arguments.faults, &arguments.mode, arguments.jobs.max(1))?;
        if !arguments.json {
            print(subject.name(), &tally);
        }
        all.push((subject.name(), tally));
    }
    if arguments.json {
        let map: std::collections::BTreeMap<_, _> = all.into_iter().collect();
        println!("{}", serde_json::to_string_pretty(&map)?);
    }
    Ok(())
}

fn again(known: &Known, arguments: &Arguments, number: u64) -> io::Result<()> {
    let none = || io::Error::other(format!("there is no fault {number} of seed {}", arguments.seed));
    let found = known.faults(arguments.seed).find(|(its, _)| *its == number);
    let (_, fault) = found.ok_or_else(none)?;
    println!("{} {number}: {}: {fault}", known.subject.name(), fault.rule());
    for mode in &arguments.mode {
        let end = trial::start(known.subject, Some(&fault), *mode)?.wait()?;
        let (outcome, why) = known.judge(&fault, *mode, end)?;
        println!("{:<18} {outcome:?} {}", mode.name(), why.join("; "));
    }
    Ok(())
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
