//! `cargo xtask bench status`: what it costs a card under full load to be asked how it is, and how long the answer takes.
//!
//! ```text
//!   this process: two TCP streams -> kernel -> TAP -> udrvd [driver, model, far host]
//!                 clients ------------ control socket ---^
//! ```
//!
//! A window of each way to ask stands between two windows in which nobody asks, and is compared with those. Among the ways is
//! one in which nobody asks either: what that differs from the others around it is what this machine does by itself, and the
//! other ways are judged by what they differ from that in the same round (`judge.rs`). Beside the time of an answer
//! stands that of an echo (`echo.rs`), which is the machine's part of it.

mod asking;
mod echo;
mod judge;
mod table;

use std::{
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{time::ClockId, unistd::Pid};

use self::asking::{Clients, FLOOD, STATUS, TOP, ask};
use super::Args;
use crate::{cargo, demo::Load, guest::workspace, steps::Failure};

/// The usual card.
const CARD: &str = "rtl8139";
/// How often somebody asks who asks often.
const OFTEN: Duration = Duration::from_millis(100);

/// Those that are reported each time that top asks here, as if they were new. Not twice the same: that would be put aside.
const FAULTS: [(&str, &str); 8] = [
    ("set_rx_mode", "null-write"),
    ("set_mac", "panic"),
    ("set_rx_mode", "wild-write"),
    ("set_mac", "divide-by-zero"),
    ("set_rx_mode", "panic"),
    ("set_mac", "null-write"),
    ("set_rx_mode", "divide-by-zero"),
    ("set_mac", "wild-write"),
];

/// Ways to ask, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Nobody,
    Status,
    Top,
    Flood,
}

const WAYS: [Way; 4] = [Way::Nobody, Way::Status, Way::Top, Way::Flood];

impl Way {
    fn name(self) -> String {
        match self {
            Way::Nobody => "nobody, once more".to_owned(),
            Way::Status => "status, 10 a second".to_owned(),
            Way::Top => "top, all reports, 10 a second".to_owned(),
            Way::Flood => format!("{FLOOD} clients without a pause"),
        }
    }

    fn clients(self, socket: &Path) -> Clients {
        let nobody = Clients::nobody();
        match self {
            Way::Nobody => nobody,
            Way::Status => nobody.asking(socket, STATUS, OFTEN),
            Way::Top => nobody.asking(socket, TOP, OFTEN),
            Way::Flood => nobody.flooding(socket).asking(socket, STATUS, OFTEN),
        }
    }
}

/// What a window has seen: bytes a second, and nanoseconds of udrvd's processor time a byte.
#[derive(Debug, Clone, Copy)]
struct Window {
    rate: f64,
    cost: f64,
}

/// Of one way to ask: its windows over those around them.
#[derive(Debug, Default)]
struct Ratios {
    throughput: Vec<f64>,
    processor: Vec<f64>,
}

/// Times until an answer is there, nanoseconds.
struct Answers {
    name: &'static str,
    times: Vec<f64>,
    /// It is udrvd's answer, and not what that is compared with.
    judged: bool,
}

/// All that was measured.
struct Measured {
    facts: String,
    quiet: Vec<Window>,
    ratios: [Ratios; WAYS.len()],
    /// Name, and what a question costs udrvd's device thread, and all of it, in nanoseconds of processor time.
    costs: Vec<(&'static str, [f64; 2])>,
    answers: Vec<Answers>,
}

/// Measures and prints. A reach that is missed is a result and no failure.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let measured = measure(args)?;
    if args.json {
        println!("{}", serde_json::json!({ "quick": args.quick, "status": measured.json() }));
    } else {
        print!("{}", measured.text());
    }
    Ok(())
}

fn measure(args: &Args) -> Result<Measured, Failure> {
    let card = args.card.as_deref().unwrap_or(CARD);
    let (rounds, length, samples) =
        if args.quick { (2, Duration::from_millis(300), 20) } else { (201, Duration::from_millis(250), 1000) };
    let mut programs = cargo::release_programs(&["udrv-daemon"], &["udrvd", "udrvctl"])?;
    let (udrvctl, udrvd) = (programs.remove(1), programs.remove(0));
    let folder = workspace().join("target/bench");
    let created = std::fs::create_dir_all(&folder);
    created.map_err(|source| Failure::Io { doing: format!("create {}", folder.display()), source })?;
    let mut load = Load::start(udrvd, card, &folder)?;
    let socket = load.directory().join(format!("model:{card}.sock"));
    let program = Program { path: udrvctl, directory: load.directory().to_owned() };
    let echo = load.directory().join("echo");
    echo::serve(&echo).map_err(failed)?;
    let answers = |names: [&'static str; 4]| -> Result<Vec<Answers>, Failure> {
        let sockets = in_turn(samples, [&mut || asked(&socket), &mut || asked(&echo)])?;
        let programs = in_turn(samples / 5, [&mut || program.run("status"), &mut || program.run("--version")])?;
        let all = names.into_iter().zip(sockets.into_iter().chain(programs)).zip([true, false, true, false]);
        Ok(all.map(|((name, times), judged)| Answers { name, times, judged }).collect())
    };
    let idle = answers(["status, idle", "an echo, idle", "udrvctl status, idle", "udrvctl --version, idle"])?;
    load.begin()?;
    for (entry, fault) in FAULTS {
        load.strike(entry, fault, true)?;
    }
    window(&load, length)?; // TCP finds its rate
    let mut quiet = vec![window(&load, length)?];
    let (mut ratios, mut flooded): ([Ratios; WAYS.len()], _) = (Default::default(), Vec::new());
    for round in 0..rounds {
        for turn in 0..WAYS.len() {
            let nth = (turn + round) % WAYS.len();
            let clients = WAYS[nth].clients(&socket);
            let seen = window(&load, length)?;
            let answered = clients.end()?;
            if WAYS[nth] == Way::Flood {
                flooded.extend(answered);
            }
            let (before, after) = (quiet[quiet.len() - 1], window(&load, length)?);
            quiet.push(after);
            ratios[nth].throughput.push(seen.rate / f64::midpoint(before.rate, after.rate));
            ratios[nth].processor.push(seen.cost / f64::midpoint(before.cost, after.cost));
        }
    }
    let loaded = answers([
        "status, under load",
        "an echo, under load",
        "udrvctl status, under load",
        "udrvctl --version, under load",
    ])?;
    let flooded = Answers { name: "status, among a flood", times: flooded, judged: true };
    let facts = format!(
        "{card} on its model behind a {}, two TCP streams; {} faults reported; isolation: {}; {rounds} rounds of {:.2} s; {} processors, load average {}",
        load.endpoint(),
        FAULTS.len(),
        load.isolation(),
        length.as_secs_f64(),
        thread::available_parallelism().map_or(0, Into::into),
        load_average()
    );
    load.rest()?;
    let costs = vec![
        ("a status", cost(&load, samples, || asked(&socket))?),
        ("top's questions, all reports", cost(&load, samples, || ask(&socket, TOP).map_err(failed))?),
    ];
    load.stop(FAULTS.len() as u64)?;
    let answers = idle.into_iter().chain(loaded).chain([flooded]).collect();
    Ok(Measured { facts, quiet, ratios, costs, answers })
}

/// Of the last minute: whoever reads the figures must know what else went on.
fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("unknown").to_owned()
}

/// Looks at the load for a while.
fn window(load: &Load, length: Duration) -> Result<Window, Failure> {
    let (begun, bytes, before) = (Instant::now(), load.bytes(), processor(load)?);
    thread::sleep(length); // the window
    let (moved, time) = ((load.bytes() - bytes) as f64, begun.elapsed());
    let worked = processor(load)?.saturating_sub(before);
    if moved == 0.0 {
        return Err(Failure::Output("the streams stand still".to_owned()));
    }
    Ok(Window { rate: moved / time.as_secs_f64(), cost: worked.as_nanos() as f64 / moved })
}

fn failed(source: io::Error) -> Failure {
    Failure::Io { doing: "ask udrvd".to_owned(), source }
}

fn asked(socket: &Path) -> Result<f64, Failure> {
    ask(socket, STATUS).map_err(failed)
}

/// Processor time of a question to a udrvd that has nothing else to do: of its device thread, which is its first, and of all.
fn cost(load: &Load, count: usize, mut once: impl FnMut() -> Result<f64, Failure>) -> Result<[f64; 2], Failure> {
    let worked = || -> Result<[f64; 2], Failure> {
        let (pid, doing) = (load.pid(), "read udrvd's processor time".to_owned());
        let file = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/schedstat"));
        let text = file.map_err(|source| Failure::Io { doing, source })?;
        let nonsense = || Failure::Output(format!("schedstat of udrvd is not understood: {text}"));
        let first = text.split_whitespace().next().and_then(|word| word.parse().ok()).ok_or_else(nonsense)?;
        Ok([first, processor(load)?.as_nanos() as f64])
    };
    let before = worked()?;
    for _ in 0..count {
        once()?;
    }
    let after = worked()?;
    Ok([0, 1].map(|which| (after[which] - before[which]) / count as f64))
}

/// Processor time of udrvd, threads that have ended among them.
fn processor(load: &Load) -> Result<Duration, Failure> {
    let doing = |source: nix::Error| Failure::Io { doing: "read udrvd's clock".to_owned(), source: source.into() };
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(load.pid().cast_signed())).map_err(doing)?;
    clock.now().map(Duration::from).map_err(doing)
}

/// Each so many times, one after the other, with a pause between, so that none finds the daemon at the last one.
fn in_turn<const N: usize>(
    count: usize,
    mut ways: [&mut dyn FnMut() -> Result<f64, Failure>; N],
) -> Result<[Vec<f64>; N], Failure> {
    let mut times = [const { Vec::new() }; N];
    for _ in 0..count {
        for (way, times) in ways.iter_mut().zip(&mut times) {
            times.push(way()?);
            thread::sleep(Duration::from_millis(5)); // see above
        }
    }
    Ok(times)
}

/// udrvctl, as a person calls it.
struct Program {
    path: PathBuf,
    directory: PathBuf,
}

impl Program {
    /// From its start to its end, nanoseconds.
    fn run(&self, argument: &str) -> Result<f64, Failure> {
        let begun = Instant::now();
        let mut command = Command::new(&self.path);
        command.arg(argument).env("UDRV_RUNTIME_DIR", &self.directory).stdin(Stdio::null()).stdout(Stdio::null());
        let status = command.status().map_err(|source| Failure::Io { doing: "start udrvctl".to_owned(), source })?;
        if !status.success() {
            return Err(Failure::Program { command: format!("udrvctl {argument}"), status });
        }
        Ok(begun.elapsed().as_nanos() as f64)
    }
}
