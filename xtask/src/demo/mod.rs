//! `cargo xtask demo`: the main job, in front of one's eyes.
//!
//! A card (the model of one: an RTL8139, if no other is named) is driven by udrvd. While something goes through it that must not
//! be disturbed, every fault is injected into every entry point of the driver: real faulting instructions, in the driver's
//! code. Then the same once more without protection, to see what the protection is for.
//!
//! What goes through a card is a matter of its class: `net` has TCP streams, `sound` a tone, `input` a hand on its way. What they
//! have in common is here: starting udrvd and talking to it, the plan of the faults and injecting them, how one without protection
//! ends, what is judged and told of each.

mod control;
mod daemon;
mod ending;
mod error;
mod figures;
mod injecting;
mod input;
mod install;
mod net;
mod plan;
mod process;
mod random;
mod sound;
mod stage;
mod step;
mod table;
mod wait;
mod words;

use std::{fs, path::Path, process::ExitCode, time::Duration};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde::Serialize;

use self::error::{Doing, Error, Result};
use crate::guest::workspace;

pub(crate) use self::net::Load;
pub(crate) use self::step::step;

/// Where pictures, recordings and logs go, from the workspace's root.
const FOLDER: &str = "target/demo";
/// How long udrvd may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// A line of progress for so many faults.
const SAID_EVERY: usize = 20;

/// The arguments of `cargo xtask demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The device: a model that udrvd knows, of a network card, a sound card or a mouse.
    #[arg(default_value = "rtl8139", value_name = "NAME")]
    model: String,
    /// Print one JSON object instead of tables.
    #[arg(long)]
    json: bool,
    /// Of the order of the faults and of what is uploaded.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Of a network card: what stands between udrvd and the streams; by default the TAP, or the socket where there is none.
    #[arg(long, value_enum)]
    endpoint: Option<net::Endpoint>,
    /// CPU time that one call of the driver may use, in milliseconds: if not given 5, or 20 for a sound card or a mouse.
    #[arg(long, value_name = "MS")]
    deadline: Option<u64>,
}

/// What a demo has to show.
struct Shown {
    /// One object.
    json: String,
    /// Tables, and the verdict at their end.
    text: String,
    /// The verdict.
    good: bool,
}

impl Shown {
    fn of(figures: &impl Serialize, good: bool, tables: String, verdict: String) -> Shown {
        let json = serde_json::to_string_pretty(figures).expect("figures have text for keys");
        Shown { json, text: format!("{tables}\n{verdict}"), good }
    }
}

/// Runs the demo. Success only if nobody noticed anything, and every fault was recovered.
pub(crate) fn main(args: &Args) -> ExitCode {
    match run(args) {
        Ok(Shown { json, text, good }) => {
            if args.json {
                println!("{json}");
            } else {
                print!("{text}");
            }
            if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<Shown> {
    install::what_is_missing()?;
    let folder = workspace().join(FOLDER);
    fs::create_dir_all(&folder).doing(|| format!("create {}", folder.display()))?;
    no_core_dumps()?;
    let run = match &args.model {
        model if sound::plays(model) => sound::run,
        model if input::points(model) => input::run,
        _ => return net::run(args, &folder),
    };
    match args.endpoint {
        None => run(args, &folder),
        Some(_) => Err(Error::Wrong(format!("--endpoint is for network cards, and {} is none", args.model))),
    }
}

/// A line of progress, now and then.
fn say_how_many(done: usize, all: usize) {
    if done.is_multiple_of(SAID_EVERY) || done == all {
        eprintln!("demo: {done} of {all} faults");
    }
}

/// Writes what can be looked at or listened to.
fn write(path: &Path, what: impl AsRef<[u8]>) -> Result<()> {
    fs::write(path, what).doing(|| format!("write {}", path.display()))
}

/// Processes are about to die on purpose; nobody wants their cores.
fn no_core_dumps() -> Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_CORE).doing(|| "read the limit of core dumps".to_owned())?;
    setrlimit(Resource::RLIMIT_CORE, 0, hard).doing(|| "switch core dumps off".to_owned())
}
