//! `cargo xtask eval`: every table of the evaluation from fresh measurements, each beside its baseline of the same run.
//!
//! A *section* is one table with its picture, and one file here: `fn measure(&Options) -> Result<Section, Failure>`. What it measures
//! with is elsewhere (`bench`, `campaign`, the benchmark programs). The files go to `target/eval`: `index.md`, for each section
//! `NAME.md` and `NAME.svg`, and `eval.json`. A section that is measured alone takes its place among those that are there.

mod bench;
mod campaign;
mod chart;
mod crashes;
mod effort;
mod figures;
mod long;
mod machine;
mod memory;
mod overhead;
mod paper;
mod recovery;
mod section;
mod settings;
mod source;
mod tables;
mod write;

use std::{fs, io, path::PathBuf, process::ExitCode, time::Instant};

use self::{machine::Run, section::Section};
use crate::{
    guest::workspace,
    steps::{Done, Failure},
};

// ------------------------------------------------------------------------------------------------------------------
// The sections, in order: a name for `--only` and for the files, and a function.
// ------------------------------------------------------------------------------------------------------------------
const SECTIONS: &[(&str, Measure)] = &[
    ("recovery", recovery::measure),
    ("campaign", campaign::measure),
    ("effort", effort::measure),
    ("overhead", overhead::measure),
    ("crashes", crashes::measure),
    ("settings", settings::measure),
    ("memory", memory::measure),
    ("long", long::measure),
];
// ------------------------------------------------------------------------------------------------------------------

/// Measures a section.
type Measure = fn(&Options) -> Result<Section, Failure>;

/// What a section is asked to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    /// Fewer of everything, and nothing in a guest: all sections together take three minutes at most.
    pub(crate) quick: bool,
    /// Whether what needs a QEMU guest is measured too. What is left out must be named in the section.
    pub(crate) guest: bool,
    /// Whether a copy of the workspace with mistakes in its source is built and tried.
    pub(crate) planted: bool,
    /// All random choices come from it.
    pub(crate) seed: u64,
    /// How long the long run is, seconds. `None`: an hour, or seconds if it is quick.
    pub(crate) duration: Option<f64>,
}

/// The arguments of `cargo xtask eval`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Fewer of everything, and nothing in a guest: to see that it works, not to quote.
    #[arg(long)]
    quick: bool,
    /// Only this section; what was measured of the others stays.
    #[arg(long, value_name = "SECTION")]
    only: Option<String>,
    /// Leave out what needs a QEMU guest.
    #[arg(long)]
    skip_guest: bool,
    /// Where the files go, target/eval if nothing else is said.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// What random choices come from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long the long run is, seconds; an hour if nothing else is said.
    #[arg(long, value_name = "SECONDS")]
    duration: Option<f64>,
}

/// Measures and writes. A section that fails does not stop the others; the exit code is not 0 then.
pub(crate) fn main(args: &Args) -> ExitCode {
    match run(args, true) {
        Ok(failures) if failures.is_empty() => ExitCode::SUCCESS,
        Ok(failures) => {
            failures.iter().for_each(|failure| eprintln!("eval: {failure}"));
            ExitCode::FAILURE
        }
        Err(failure) => {
            eprintln!("eval: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// The quick form, as a step of `cargo xtask test`: every section has its files, and something in each of its tables. What was measured is
/// not judged.
pub(crate) fn step() -> Result<Done, Failure> {
    let folder = workspace().join("target/eval-step");
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Failure::Io { doing: format!("remove {}", folder.display()), source: error });
        }
        _ => {}
    }
    let args = Args { quick: true, only: None, skip_guest: true, out: Some(folder.clone()), seed: 1, duration: None };
    // that copy has a step of its own, `planted`
    let mut wrong = run(&args, false)?;
    let kept = write::kept(&folder)?;
    let mut files = vec!["index.md".to_owned(), "eval.json".to_owned()];
    for (name, _) in SECTIONS {
        let Some(section) = kept.get(*name) else {
            wrong.push(format!("{name}: not there"));
            continue;
        };
        if section.rows.is_empty() || section.rows.contains(&0) {
            wrong.push(format!("{name}: a table without rows: {:?}", section.rows));
        }
        files.push(format!("{name}.md"));
        files.extend(section.has_picture.then(|| format!("{name}.svg")));
    }
    let is_missing = |file: &&String| !folder.join(file).is_file();
    wrong.extend(files.iter().filter(is_missing).map(|file| format!("{file}: not there")));
    if wrong.is_empty() { Ok(Done::Passed) } else { Err(Failure::Output(wrong.join("; "))) }
}

fn run(args: &Args, planted: bool) -> Result<Vec<String>, Failure> {
    let names: Vec<&str> = SECTIONS.iter().map(|(name, _)| *name).collect();
    let folder = args.out.clone().unwrap_or_else(|| workspace().join("target/eval"));
    let Args { quick, seed, duration, .. } = *args;
    let options = Options { quick, guest: !quick && !args.skip_guest, planted, seed, duration };
    let is_chosen = |name: &str| args.only.as_deref().is_none_or(|only| only == name);
    if !names.iter().any(|name| is_chosen(name)) {
        let only = args.only.as_deref().unwrap_or_default();
        return Err(Failure::Output(format!("there is no section '{only}'; there are {}", names.join(", "))));
    }
    let mut failures = Vec::new();
    for (name, measure) in SECTIONS.iter().filter(|(name, _)| is_chosen(name)) {
        println!("== {name}");
        let (run, start) = (Run::here(args.quick)?, Instant::now());
        let written = measure(&options).and_then(|section| {
            let seconds = start.elapsed().as_secs_f64();
            write::section(&folder, &section, run, seconds)?;
            write::index(&folder, &names)?;
            Ok(against(&section))
        });
        match written {
            Ok(against) => {
                println!("== {name}: measured in {:.0} s", start.elapsed().as_secs_f64());
                failures.extend(against.into_iter().map(|what| format!("{name}: {what}")));
            }
            Err(failure) => failures.push(format!("{name}: {failure}")),
        }
    }
    println!("{}", folder.join("index.md").display());
    Ok(failures)
}

/// What a section's own judge has against it: `against` in its figures, if it has one. It is written all the same.
fn against(section: &Section) -> Vec<String> {
    let told = section.data["against"].as_array().into_iter().flatten();
    told.filter_map(|what| what.as_str().map(str::to_owned)).collect()
}
