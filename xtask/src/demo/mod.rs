//! `cargo xtask demo`: the main job, in front of one's eyes.
//!
//! A network card (the model of one: an RTL8139, if no other is named) is driven by udrvd behind a TAP. While this machine's kernel runs a TCP
//! stream up and one down over it, every fault is injected into every entry point of the driver: real faulting
//! instructions, in the driver's code. Then the same once more without protection, to see what the protection is for.
//!
//! ```text
//!   xtask: streams -> kernel's TCP -> TAP -> udrvd [its driver] -> model -> wire -> far host: sink, source
//!          injecting --JSON lines--> control socket
//! ```
//!
//! All of it is in a network namespace of its own, and of programs it needs no more than Debian always has. Where no
//! TAP can be had, a TCP/IP stack in this process takes the kernel's place, over a packet socket.

mod control;
mod daemon;
mod error;
mod figures;
mod injecting;
mod install;
mod namespace;
mod netlink;
mod picture;
mod plan;
mod random;
mod stage;
mod step;
mod streams;
mod table;
mod unprotected;
mod wait;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use self::{
    error::{Doing, Result},
    figures::{Both, Figures},
    stage::{Endpoint, Stage},
};
use crate::{cargo, guest::workspace};

pub(crate) use self::step::step;

/// Where the picture and the logs go, from the workspace's root.
const FOLDER: &str = "target/demo";
/// How long udrvd may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// A line of progress for so many faults.
const SAID_EVERY: usize = 20;

/// The arguments of `cargo xtask demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The card: a model that udrvd knows.
    #[arg(default_value = "rtl8139", value_name = "NAME")]
    model: String,
    /// Print one JSON object instead of tables.
    #[arg(long)]
    json: bool,
    /// Of the order of the faults and of what is uploaded.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What stands between udrvd and the streams; by default the TAP, or the socket where there is none.
    #[arg(long, value_enum)]
    endpoint: Option<Endpoint>,
    /// CPU time that one call of the driver may use, in milliseconds.
    #[arg(long, default_value_t = 5, value_name = "MS")]
    deadline: u64,
}

/// Runs the demo. Success only if every byte was right and every fault was recovered.
pub(crate) fn main(args: &Args) -> ExitCode {
    match run(args) {
        Ok(figures) => {
            if args.json {
                println!("{}", serde_json::to_string_pretty(&figures).expect("figures have text for keys"));
            } else {
                print!("{}\n{}", table::text(&figures), table::verdict(&figures));
            }
            if figures.verdict { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<Figures> {
    install::what_is_missing()?;
    eprintln!("demo: building udrvd (release)");
    let program = cargo::release_programs(&["udrv-daemon"], &["udrvd"])?.remove(0);
    let begin = Instant::now();
    let folder = workspace().join(FOLDER);
    fs::create_dir_all(&folder).doing(|| format!("create {}", folder.display()))?;
    no_core_dumps()?;
    let stage = Stage::set(program, folder.clone(), args)?;
    let timeline = Path::new(FOLDER).join("timeline.svg");
    let (mut figures, throughput) = protected(&stage, args, timeline)?;
    eprintln!("demo: the same without protection, each fault in a udrvd of its own");
    match unprotected::try_all(&stage) {
        Ok(all) => figures.unprotected = all,
        Err(error) => figures.problems.push(format!("without protection: {error}")),
    }
    figures.judge();
    let picture = folder.join("timeline.svg");
    let drawn = picture::svg(&figures, &throughput)?;
    fs::write(&picture, drawn).doing(|| format!("write {}", picture.display()))?;
    figures.total_s = begin.elapsed().as_secs_f64();
    Ok(figures)
}

/// All faults under the streams, with protection. Gives the throughput too.
fn protected(stage: &Stage, args: &Args, timeline: PathBuf) -> Result<(Figures, [Vec<u64>; 2])> {
    let (mut daemon, card) = stage.start("udrvd.log", &[])?;
    let mut control = daemon.connect(PATIENCE)?;
    let first = control.status()?;
    let plan = plan::plan(args.seed);
    eprintln!(
        "demo: {} faults in the driver of {} under two TCP streams over the {}; isolation: {}",
        plan.len(),
        args.model,
        stage.endpoint().name(),
        first.isolation
    );
    let epoch = Instant::now();
    let streams = stage.streams(card, &first, epoch)?;
    let throughput = streams.throughput();
    let mut say = |n: usize| {
        if n.is_multiple_of(SAID_EVERY) || n == plan.len() {
            eprintln!("demo: {n} of {} faults", plan.len());
        }
    };
    let mut done = injecting::inject(&plan, &mut control, &streams, epoch, &mut say);
    let streams = match streams.finish() {
        Ok([upload, download]) => Some(Both { upload, download }),
        Err(error) => {
            done.problems.push(error.to_string());
            None
        }
    };
    let last = match (control.status(), daemon.ended()?) {
        (Ok(status), None) => status.pid,
        (status, ended) => {
            let how = ended.map_or("it does not answer".to_owned(), |status| status.to_string());
            done.problems.push(format!("udrvd is gone: {how}{}", daemon.last_words()));
            status.map_or(0, |status| status.pid)
        }
    };
    let mut figures = Figures {
        model: args.model.clone(),
        endpoint: stage.endpoint().name(),
        endpoint_reason: stage.reason().map(str::to_owned),
        isolation: first.isolation,
        seed: args.seed,
        deadline_ms: args.deadline,
        pid: [daemon.pid(), last],
        canary_intact: done.canary_intact,
        planned: plan.len(),
        by_fault: figures::by_fault(&done.faults),
        faults: done.faults,
        streams,
        unprotected: Vec::new(),
        timeline,
        injecting_s: done.took.as_secs_f64(),
        total_s: 0.0,
        problems: done.problems,
        verdict: false,
    };
    if let Err(error) = daemon.stop() {
        figures.problems.push(error.to_string());
    }
    Ok((figures, throughput.buckets()))
}

/// Processes are about to die on purpose; nobody wants their cores.
fn no_core_dumps() -> Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_CORE).doing(|| "read the limit of core dumps".to_owned())?;
    setrlimit(Resource::RLIMIT_CORE, 0, hard).doing(|| "switch core dumps off".to_owned())
}
