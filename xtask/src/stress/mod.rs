//! `cargo xtask stress`: the engine's claims under load, with counts that take too long for `cargo xtask test`.
//!
//! A *trial* is a test program of the engine, built for release and run with a count from the environment, here and (with
//! protection keys, under both kernels) in the guest; or loom. What it found stands in its output, behind `stress: `.

mod table;
mod trials;

use std::{path::PathBuf, process::Command, process::ExitCode, time::Instant};

use self::trials::{TRIALS, Trial};
use crate::{
    cargo::{cargo, release_test_programs},
    guest::{Kernel, workspace},
    steps::Failure,
    test::suite::{Boot, Booted, judge},
};

/// The arguments of `cargo xtask stress`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Seed of everything that is random. The same seed makes the same calls.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Run only this trial: kinds, million, wild, storm, deadline or loom.
    #[arg(long, value_name = "TRIAL")]
    only: Option<String>,
    /// Leave out the guest.
    #[arg(long)]
    skip_guest: bool,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

/// One line of the result.
pub(crate) struct Row {
    /// The trial's name.
    name: &'static str,
    /// What it is run on.
    place: &'static str,
    /// How many, of what.
    count: String,
    verdict: Verdict,
    /// Wall clock, seconds.
    seconds: f64,
}

/// How a trial ended.
pub(crate) enum Verdict {
    /// As it must; what it has to say.
    Passed(String),
    /// It cannot be run here, for this reason.
    Skipped(String),
    /// What went wrong.
    Failed(String),
}

/// A guest whose kernel writes signal frames under the closed PKRU, and one whose kernel does not.
const GUESTS: [(&str, Kernel); 2] = [("guest 6.1", Kernel::Debian61), ("guest backports", Kernel::Backports)];
/// The model checker, which is no test program with a count.
const LOOM: &str = "loom";

/// Runs the trials. The exit code is not 0 if one failed.
pub(crate) fn main(args: &Args) -> ExitCode {
    let chosen = |name: &str| args.only.as_deref().is_none_or(|only| only == name);
    let trials: Vec<&Trial> = TRIALS.iter().filter(|trial| chosen(trial.name)).collect();
    if trials.is_empty() && !chosen(LOOM) {
        let names: Vec<&str> = TRIALS.iter().map(|trial| trial.name).chain([LOOM]).collect();
        eprintln!(
            "cargo xtask stress: no trial {}; there are: {}",
            args.only.as_deref().unwrap_or(""),
            names.join(", ")
        );
        return ExitCode::from(2);
    }
    let mut rows = Vec::new();
    if !trials.is_empty() {
        let programs = match release_test_programs("fgft") {
            Ok(programs) => programs,
            Err(failure) => {
                eprintln!("stress: {failure}");
                return ExitCode::FAILURE;
            }
        };
        let built: Vec<(&Trial, PathBuf)> = trials
            .iter()
            .filter_map(|trial| Some((*trial, programs.iter().find(|(name, _)| name == trial.program)?.1.clone())))
            .collect();
        rows.extend(built.iter().map(|(trial, path)| on_host(trial, path, args.seed)));
        for (place, kernel) in GUESTS.into_iter().filter(|_| !args.skip_guest) {
            rows.extend(in_guest(place, kernel, &built, args.seed));
        }
    }
    if chosen(LOOM) {
        rows.push(checked_by_loom());
    }
    if args.json {
        println!("{}", table::json(&rows, args.seed));
    } else {
        print!("\n{}", table::text(&rows, args.seed));
    }
    let failed = rows.iter().any(|row| matches!(row.verdict, Verdict::Failed(_)));
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The command that has loom check the model of the watchdog: with at most so many forced switches between threads, or
/// (hundreds of times slower) any number. In a folder of its own, since other flags would build everything anew.
pub(crate) fn loom(switches: Option<u32>) -> Command {
    let mut command = cargo(["test", "--quiet", "--release", "--package", "fgft", "--test", "loom"]);
    command.env("RUSTFLAGS", "--cfg loom").env("CARGO_TARGET_DIR", workspace().join("target/loom"));
    match switches {
        Some(switches) => command.env("LOOM_MAX_PREEMPTIONS", switches.to_string()),
        None => command.env_remove("LOOM_MAX_PREEMPTIONS"),
    };
    command
}

fn checked_by_loom() -> Row {
    eprintln!("stress: loom");
    let start = Instant::now();
    let verdict = match run(&mut loom(None)) {
        Ok(log) => match log.lines().find_map(|line| line.strip_prefix("test result: ok. ")) {
            Some(text) => Verdict::Passed(text.split(';').next().unwrap_or_default().to_owned()),
            None => Verdict::Failed("loom: ended without a result".to_owned()),
        },
        Err(failure) => Verdict::Failed(failure),
    };
    let count = "all orders, and 6 broken models".to_owned();
    Row { name: LOOM, place: "host", count, verdict, seconds: start.elapsed().as_secs_f64() }
}

fn on_host(trial: &Trial, program: &PathBuf, seed: u64) -> Row {
    eprintln!("stress: {} on the host", trial.name);
    let mut command = Command::new(program);
    command.arg("--nocapture").env("FGFT_SEED", seed.to_string());
    command.envs(trial.variable.map(|variable| (variable, trial.on_host.to_string())));
    let start = Instant::now();
    let verdict = run(&mut command).map_or_else(Verdict::Failed, |log| trial.read(&log));
    let seconds = start.elapsed().as_secs_f64();
    Row { name: trial.name, place: "host", count: trial.count(trial.on_host), verdict, seconds }
}

/// All trials in one boot.
fn in_guest(place: &'static str, kernel: Kernel, built: &[(&Trial, PathBuf)], seed: u64) -> Vec<Row> {
    eprintln!("stress: {place}");
    let programs: Vec<_> = built.iter().map(|(trial, path)| (trial.program, path.clone())).collect();
    let counts = built.iter().filter_map(|(trial, _)| Some((trial.variable?, trial.in_guest)));
    let environment: Vec<_> = counts.chain([("FGFT_SEED", seed)]).collect();
    let scenario = format!("stress-{}", place.replace(' ', "-"));
    let boot = Boot {
        scenario: &scenario,
        programs: &programs,
        arguments: "",
        environment: &environment,
        limit: trials::LIMIT,
        echo: false,
    };
    let row = |trial: &Trial, verdict, seconds| {
        let count = trial.count(trial.in_guest);
        Row { name: trial.name, place, count, verdict, seconds }
    };
    let all = |verdict: &dyn Fn() -> Verdict| built.iter().map(|(trial, _)| row(trial, verdict(), 0.0)).collect();
    match boot.run(kernel) {
        Err(failure) => all(&|| Verdict::Failed(failure.to_string())),
        Ok(Booted::Absent(reason)) => all(&|| Verdict::Skipped(reason.clone())),
        Ok(Booted::Ran(booted)) => {
            let judged = |(trial, log): (&Trial, &Result<String, String>)| {
                let checked = log.clone().and_then(|log| judge(trial.program, &log).map(|()| log));
                let verdict = checked.as_ref().map_or_else(|why| Verdict::Failed(why.clone()), |log| trial.read(log));
                row(trial, verdict, log.as_ref().map_or(0.0, |log| seconds_in(log)))
            };
            let pairs = built.iter().map(|(trial, _)| *trial).zip(booted.logs.iter().map(|(_, log)| log));
            let mut rows: Vec<Row> = pairs.map(judged).collect();
            // one that belongs to no trial is the last one's
            let passed = rows.iter().all(|row| matches!(row.verdict, Verdict::Passed(_)));
            if let (true, false, Some(last)) = (passed, booted.complaints.is_empty(), rows.last_mut()) {
                last.verdict = Verdict::Failed(booted.complaints.join("; "));
            }
            rows
        }
    }
}

/// What the test harness says it took.
fn seconds_in(log: &str) -> f64 {
    let text = log.lines().find_map(|line| line.strip_prefix("test result: ")?.rsplit_once("finished in "));
    text.and_then(|(_, seconds)| seconds.strip_suffix('s')?.parse().ok()).unwrap_or(0.0)
}

/// A program's output, both streams; the last lines of it if it fails.
fn run(command: &mut Command) -> Result<String, String> {
    const LAST: usize = 20;
    let output = command.output().map_err(|source| {
        Failure::Io { doing: format!("start {}", command.get_program().to_string_lossy()), source }.to_string()
    })?;
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    if output.status.success() {
        return Ok(text);
    }
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    Err(format!("{}; its last words:\n{}", output.status, lines[lines.len().saturating_sub(LAST)..].join("\n")))
}
