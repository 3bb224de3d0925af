//! `cargo xtask bench status`: what it costs a card under full load to be asked how it is, and how long the answer takes.
//!
//! ```text
//!   this process: two TCP streams -> kernel -> TAP -> udrvd [driver, model, far host]
//!                 clients ------------ control socket ---^
//! ```
//!
//! A window of each way to ask stands between two windows in which nobody asks, and is compared with those. Among the ways is
//! one in which nobody asks either: what that differs from the others around it is what this machine does by itself.

mod asking;

use std::{
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{time::ClockId, unistd::Pid};
use serde_json::{Value, json};

use self::asking::{Clients, FLOOD, STATUS, TOP, ask};
use super::{Args, figures::Spread};
use crate::{cargo, demo::Load, guest::workspace, steps::Failure};

/// The usual card.
const CARD: &str = "rtl8139";
/// How often somebody asks who asks often.
const OFTEN: Duration = Duration::from_millis(100);
/// How long an answer may take, nanoseconds.
const REACH: f64 = 10e6;
/// What must be left of the throughput.
const THROUGHPUT: f64 = 0.99;
/// The part of its time that the device's thread may spend on answers, if it is asked ten times a second.
const SHARE: f64 = 0.001;

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
            Way::Top => "top's questions, 10 a second".to_owned(),
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

/// All that was measured.
struct Measured {
    facts: String,
    quiet: Vec<Window>,
    ratios: [Ratios; WAYS.len()],
    /// Name, and what a question costs udrvd's device thread, and all of it, in nanoseconds of processor time.
    costs: Vec<(&'static str, [f64; 2])>,
    /// Name, and the times of answers in nanoseconds.
    times: Vec<(&'static str, Vec<f64>)>,
}

/// Measures and prints. A reach that is missed is a result and no failure.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let measured = measure(args)?;
    if args.json {
        println!("{}", json!({ "quick": args.quick, "status": measured.json() }));
    } else {
        print!("{}", measured.text());
    }
    Ok(())
}

fn measure(args: &Args) -> Result<Measured, Failure> {
    let card = args.card.as_deref().unwrap_or(CARD);
    let (rounds, length, samples) =
        if args.quick { (2, Duration::from_millis(300), 20) } else { (41, Duration::from_millis(250), 500) };
    let mut programs = cargo::release_programs(&["udrv-daemon"], &["udrvd", "udrvctl"])?;
    let (udrvctl, udrvd) = (programs.remove(1), programs.remove(0));
    let folder = workspace().join("target/bench");
    let created = std::fs::create_dir_all(&folder);
    created.map_err(|source| Failure::Io { doing: format!("create {}", folder.display()), source })?;
    let mut load = Load::start(udrvd, card, &folder)?;
    let socket = load.directory().join(format!("model:{card}.sock"));
    let program = Program { path: udrvctl, directory: load.directory().to_owned() };
    let mut times = vec![("status, idle", one_by_one(samples, || asked(&socket))?)];
    times.push(("udrvctl status, idle", one_by_one(samples / 10, || program.status())?));
    let costs = vec![
        ("a status", cost(&load, samples, || asked(&socket))?),
        ("top's questions", cost(&load, samples, || ask(&socket, TOP).map_err(failed))?),
    ];
    load.begin()?;
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
    times.push(("status, under load", one_by_one(samples, || asked(&socket))?));
    times.push(("udrvctl status, under load", one_by_one(samples / 10, || program.status())?));
    times.push(("status, among a flood", flooded));
    let facts = format!(
        "{card} on its model behind a {}, two TCP streams; isolation: {}; {rounds} rounds of {:.1} s; {} processors, load average {}",
        load.endpoint(),
        load.isolation(),
        length.as_secs_f64(),
        thread::available_parallelism().map_or(0, Into::into),
        load_average()
    );
    load.stop(0)?;
    Ok(Measured { facts, quiet, ratios, costs, times })
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

/// So many times, with a pause between, so that none finds the daemon at the last one.
fn one_by_one(count: usize, mut once: impl FnMut() -> Result<f64, Failure>) -> Result<Vec<f64>, Failure> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        times.push(once()?);
        thread::sleep(Duration::from_millis(5)); // see above
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
    fn status(&self) -> Result<f64, Failure> {
        let begun = Instant::now();
        let mut command = Command::new(&self.path);
        command.arg("status").env("UDRV_RUNTIME_DIR", &self.directory).stdin(Stdio::null()).stdout(Stdio::null());
        let status = command.status().map_err(|source| Failure::Io { doing: "start udrvctl".to_owned(), source })?;
        if !status.success() {
            return Err(Failure::Program { command: "udrvctl status".to_owned(), status });
        }
        Ok(begun.elapsed().as_nanos() as f64)
    }
}

/// The value that such a part of the samples does not exceed.
fn quantile(samples: &[f64], part: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() as f64 * part).ceil() as usize).clamp(1, sorted.len()) - 1]
}

impl Measured {
    fn quiet(&self, of: fn(&Window) -> f64) -> f64 {
        Spread::of(&self.quiet.iter().map(of).collect::<Vec<_>>()).median
    }

    /// Whether the throughput of a way is as if nobody had asked.
    fn is_met(ratios: &Ratios) -> bool {
        Spread::of(&ratios.throughput).median >= THROUGHPUT
    }

    /// The part of the device thread's time, if that is asked as often as is tried here.
    fn share(device: f64) -> f64 {
        device / OFTEN.as_nanos() as f64
    }

    fn text(&self) -> String {
        let mut out = format!(
            "status ({})\n{:32}{:>26}{:>26}\n",
            self.facts, "who asks", "throughput (min to max)", "processor time a byte"
        );
        let (rate, cost) = (self.quiet(|w| w.rate) * 8.0 / 1e6, self.quiet(|w| w.cost));
        let row = |name: &str, [rate, cost]: [String; 2]| format!("{name:32}{rate:>26}{cost:>26}\n");
        out += &row("nobody", [format!("{rate:.0} Mbit/s"), format!("{cost:.2} ns")]);
        for (way, ratios) in WAYS.iter().zip(&self.ratios) {
            let cell = |samples: &[f64]| {
                let Spread { median, min, max } = Spread::of(samples);
                format!("{median:.3} ({min:.3} to {max:.3})")
            };
            out += &row(&way.name(), [cell(&ratios.throughput), cell(&ratios.processor)]);
        }
        for (way, ratios) in WAYS.iter().zip(&self.ratios).skip(1) {
            let verdict = if Self::is_met(ratios) { "met" } else { "missed" };
            out += &format!("  {}: throughput, reach {THROUGHPUT}: {verdict}\n", way.name());
        }
        out += &format!("{:32}{:>16}{:>16}\n", "processor time of an answer, us", "device's thread", "all of udrvd");
        for (name, [device, all]) in &self.costs {
            let (share, verdict) = (Self::share(*device), if Self::share(*device) <= SHARE { "met" } else { "missed" });
            out += &format!(
                "  {name:30}{:>16.1}{:>16.1}  ten a second: {:.4} %, reach {} %: {verdict}\n",
                device / 1e3,
                all / 1e3,
                share * 100.0,
                SHARE * 100.0
            );
        }
        out += &format!("{:32}{:>10}{:>10}{:>10}\n", "until the answer is there, ms", "median", "99 %", "longest");
        for (name, times) in &self.times {
            let [median, most, longest] = [0.5, 0.99, 1.0].map(|part| quantile(times, part) / 1e6);
            let verdict = if most * 1e6 <= REACH { "met" } else { "missed" };
            out += &format!("  {name:30}{median:>10.2}{most:>10.2}{longest:>10.2}  reach {}: {verdict}\n", REACH / 1e6);
        }
        out
    }

    fn json(&self) -> Value {
        let ways = WAYS.iter().zip(&self.ratios).map(|(way, ratios)| {
            let all = |samples: &[f64]| {
                let Spread { median, min, max } = Spread::of(samples);
                json!({ "median": median, "min": min, "max": max })
            };
            let (throughput, processor) = (all(&ratios.throughput), all(&ratios.processor));
            json!({ "who": way.name(), "throughput": throughput, "processor": processor, "met": Self::is_met(ratios) })
        });
        let times = self.times.iter().map(|(name, times)| {
            let [median, most, longest] = [0.5, 0.99, 1.0].map(|part| quantile(times, part));
            json!({ "who": name, "median_ns": median, "p99_ns": most, "longest_ns": longest, "met": most <= REACH })
        });
        json!({
            "facts": self.facts,
            "quiet": { "bytes_per_second": self.quiet(|w| w.rate), "ns_per_byte": self.quiet(|w| w.cost) },
            "costs": self.costs.iter().map(|(name, [device, all])| {
                json!({ "of": name, "device_ns": device, "all_ns": all, "met": Self::share(*device) <= SHARE })
            }).collect::<Vec<_>>(),
            "ways": ways.collect::<Vec<_>>(),
            "answers": times.collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_a_sample() {
        let samples: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!([0.5, 0.99, 1.0].map(|part| quantile(&samples, part)), [50.0, 99.0, 100.0]);
        assert_eq!(quantile(&[7.0], 0.01), 7.0);
    }

    #[test]
    fn the_table_says_which_reach_is_missed() {
        let ratios =
            |throughput: f64, processor: f64| Ratios { throughput: vec![throughput], processor: vec![processor] };
        let measured = Measured {
            facts: "here".to_owned(),
            quiet: vec![Window { rate: 1e6, cost: 30.0 }],
            ratios: [ratios(1.0, 1.0), ratios(0.995, 1.0), ratios(0.98, 1.2), ratios(0.5, 1.0)],
            costs: vec![("cheap", [1e4, 9e4]), ("dear", [2e5, 3e5])],
            times: vec![("fast", vec![1e6]), ("slow", vec![2e7])],
        };
        let text = measured.text();
        let verdicts: Vec<&str> = text.lines().filter_map(|line| line.rsplit_once("reach ")).map(|(_, v)| v).collect();
        let wanted =
            ["0.99: met", "0.99: missed", "0.99: missed", "0.1 %: met", "0.1 %: missed", "10: met", "10: missed"];
        assert_eq!(verdicts, wanted);
        assert!(text.contains("8 Mbit/s") && text.contains("30.00 ns"), "{text}");
        let json = measured.json();
        assert_eq!((&json["ways"][1]["met"], &json["answers"][1]["met"]), (&true.into(), &false.into()));
    }
}
