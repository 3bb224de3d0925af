//! `cargo xtask pictures`: what `udrvctl` looks like, drawn for the documents.
//!
//! The programs are real, in a real terminal: a network card under two TCP streams, a sound card that plays and a mouse, all
//! on their models, and faults injected into their drivers. Only the cells are drawn here (`svg.rs`).

mod svg;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use udrv_terminal::{Size, Terminal, vt100::Screen};

use crate::{cargo, demo::Load, guest::workspace, steps::Failure};

/// Where they go, from the workspace's root.
const FOLDER: &str = "docs/images";
/// Of the network card, in this order; the last says which entry points nobody calls by himself.
const FAULTS: [(&str, &str, bool); 8] = [
    ("poll", "null-write", false),
    ("transmit", "panic", false),
    ("interrupt", "wild-write", false),
    ("set_rx_mode", "divide-by-zero", true),
    ("poll", "stack-overflow", false),
    ("transmit", "null-write", false),
    ("poll", "endless-loop", false),
    ("transmit", "wild-write", false),
];
/// Of the sound card: the same again and again, until it is put aside.
const AGAIN: (&str, &str, u32) = ("get_control", "null-write", 6);
/// Columns of bars that there are to be before the picture is taken.
const BARS: usize = 24;

/// The arguments of `cargo xtask pictures`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where the drawings go.
    #[arg(long, value_name = "FOLDER")]
    into: Option<PathBuf>,
}

/// Draws them.
pub(crate) fn main(args: &Args) -> ExitCode {
    match run(&args.into.clone().unwrap_or_else(|| workspace().join(FOLDER))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("pictures: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(folder: &Path) -> Result<(), Failure> {
    let mut programs = cargo::release_programs(&["udrv-daemon"], &["udrvd", "udrvctl"])?;
    let (udrvctl, udrvd) = (programs.remove(1), programs.remove(0));
    fs::create_dir_all(folder).map_err(io(&format!("create {}", folder.display())))?;
    let logs = workspace().join("target/pictures");
    fs::create_dir_all(&logs).map_err(io(&format!("create {}", logs.display())))?;
    let tone = logs.join("tone.wav");
    write_tone(&tone)?;
    let mut load = Load::start(udrvd, "rtl8139", &logs)?;
    load.begin()?;
    let tool = Tool { program: udrvctl, directory: load.directory().to_owned() };
    load.beside("ens1371", &["--play", &tone.to_string_lossy()])?;
    load.beside("psmouse", &["--no-input"])?;
    for (entry, fault, by_call) in FAULTS {
        load.strike(entry, fault, by_call)?;
    }
    let (entry, fault, times) = AGAIN;
    tool.run(&["inject", "model:ens1371", entry, fault, "--times", &times.to_string()])?;
    for _ in 0..times {
        // the last ones are refused: that is the quarantine
        let _ = tool.run(&["call", "model:ens1371", entry]);
    }
    let top = tool.picture(Size { columns: 136, rows: 39 }, &["top", "--interval", "0.25"], |terminal| {
        terminal.wait(|screen| screen.contents().contains("works"))?;
        terminal.types("jj\r").map_err(|error| error.to_string())?;
        terminal.wait(|screen| screen.contents().matches(|c| ('▁'..='█').contains(&c)).count() >= BARS)
    })?;
    write(&folder.join("top.svg"), svg::of(&top, top.size().0.get(), "udrvctl top"))?;
    let report = tool.picture(
        Size { columns: 120, rows: 100 },
        &["faults", "model:rtl8139", "--after", "5", "--long"],
        |terminal| terminal.end().map(|(_, screen)| screen),
    )?;
    // one report: those after it have a heading of their own
    let text = report.contents();
    let blank = |line: &&str| line.trim().is_empty();
    let rows = text.lines().take_while(|line| !blank(line)).count();
    write(&folder.join("fault.svg"), svg::of(&report, rows as u16, "udrvctl faults --long"))?;
    load.stop(FAULTS.len() as u64)
}

/// udrvctl.
struct Tool {
    program: PathBuf,
    directory: PathBuf,
}

impl Tool {
    fn run(&self, arguments: &[&str]) -> Result<String, Failure> {
        let mut command = Command::new(&self.program);
        command.args(arguments).env("UDRV_RUNTIME_DIR", &self.directory);
        let output = command.output().map_err(io("start udrvctl"))?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            return Err(Failure::Output(format!("udrvctl {}: {}", arguments.join(" "), text.trim_end())));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// What it shows in a terminal, when `then` has found that that is worth a picture.
    fn picture(
        &self,
        size: Size,
        arguments: &[&str],
        then: impl FnOnce(&mut Terminal) -> Result<Screen, String>,
    ) -> Result<Screen, Failure> {
        let terminal = Terminal::start(size, &self.program, |command| {
            command.args(arguments).env("UDRV_RUNTIME_DIR", &self.directory);
        });
        let mut terminal = terminal.map_err(io("start udrvctl in a terminal"))?;
        then(&mut terminal).map_err(|why| Failure::Output(format!("udrvctl {}: {why}", arguments.join(" "))))
    }
}

/// A minute of a quiet tone.
fn write_tone(path: &Path) -> Result<(), Failure> {
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 48_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let failed = |error: hound::Error| Failure::Output(format!("write {}: {error}", path.display()));
    let mut wav = hound::WavWriter::create(path, spec).map_err(failed)?;
    for n in 0..spec.sample_rate * 60 {
        let sample =
            ((f64::from(n) * 440.0 * std::f64::consts::TAU / f64::from(spec.sample_rate)).sin() * 2000.0) as i16;
        wav.write_sample(sample).map_err(failed)?;
        wav.write_sample(sample).map_err(failed)?;
    }
    wav.finalize().map_err(failed)
}

fn write(path: &Path, text: String) -> Result<(), Failure> {
    fs::write(path, text).map_err(io(&format!("write {}", path.display())))
}

fn io(doing: &str) -> impl FnOnce(std::io::Error) -> Failure {
    move |source| Failure::Io { doing: doing.to_owned(), source }
}
