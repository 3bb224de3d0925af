//! `cargo xtask guest ens1371`: sound cards over kernel VFIO, behind a loopback card that aplay plays into.
//!
//! The ES1370 is QEMU's, which writes what it plays into a file; the ES1371, which QEMU does not have, is a model of ours that QEMU
//! shows to the guest, and the model's server writes the file. Faults of all kinds in every entry point while a tone of
//! numbered samples plays: in the file each is to be heard once.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;

use super::{
    Guest,
    error::{Doing, Result},
    judged::{self, Judged},
    kernel::Kernel,
    outcome, qemu,
    served::{Jacks, Served},
    storm::{Storm, median_us},
    workspace,
};
use crate::{
    cargo,
    ear::{self, Heard},
    steps::{Done, Failure},
};

/// Where the card is, for QEMU, and the address that follows from it.
const SLOT: u8 = 4;
const ADDRESS: &str = "0000:00:04.0";
/// Far above the minutes that it takes: a busy machine is no failure.
const LIMIT: Duration = Duration::from_secs(600);
/// Faults of a storm: 6 kinds at 3 points of 2 entry points, and 6 kinds in each of the 10 others.
const FAULTS: usize = 96;
/// Entry points that stop the device when they are called by command.
const STOPPING: [&str; 3] = ["trigger", "probe", "quiesce"];
/// What the loopback card itself may spoil when an application ends.
const AT_ITS_END: usize = 1;
/// The file of a model's server goes on at this part of real time: emulation is slow.
const PACE: u32 = 100;

/// A card.
#[derive(Debug, PartialEq, Eq)]
struct Card {
    /// Of the command line, and of the model if it is one.
    name: &'static str,
    /// Linux's module for it, and its driver's name.
    module: &'static str,
    driver: &'static str,
    /// A rate that it has exactly.
    rate: u32,
    /// It is a device of QEMU's.
    qemu: Option<&'static str>,
}

const CARDS: [Card; 2] = [
    Card { name: "es1370", module: "snd-ens1370", driver: "snd_ens1370", rate: 44_100, qemu: Some("ES1370") },
    Card { name: "ens1371-es1371", module: "snd-ens1371", driver: "snd_ens1371", rate: 48_000, qemu: None },
];

/// Drive sound cards over kernel VFIO, crash the driver in every entry point while a tone plays, and listen to it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The device; without it all, one after the other.
    #[arg(long, value_name = "DEVICE", value_parser = CARDS.map(|card| card.name))]
    variant: Option<String>,
    /// The guest's kernel.
    #[arg(long, value_enum, default_value_t)]
    kernel: Kernel,
}

/// Runs the scenario; 0 if everything was right.
pub(super) fn run(args: &Args) -> Result<u8> {
    let chosen = CARDS.iter().filter(|card| args.variant.as_ref().is_none_or(|name| name == card.name));
    judged::tell(chosen.map(|card| (card.name, job(card, args.kernel))))
}

/// All cards, as a step of `cargo xtask test`.
pub(crate) fn step() -> std::result::Result<Done, Failure> {
    judged::step(CARDS.iter().map(|card| (card.name, job(card, Kernel::Debian61))))
}

/// Builds, boots with the card, runs, listens, and prints the figures.
fn job(card: &Card, kernel: Kernel) -> Judged {
    let programs = cargo::guest_programs()?;
    let scenario = format!("sound-{}", card.name);
    let files = workspace().join("target/guest");
    fs::create_dir_all(&files).doing(|| format!("create {}", files.display()))?;
    let output = files.join(format!("{scenario}.wav"));
    // the file that QEMU writes has no input: its ADC stands still
    let capture = if card.qemu.is_some() { "" } else { "2" };
    let facts =
        format!("OURS={ADDRESS}\nOUR_LINUX={}\nRATE={}\nPLAYBACK=1\nCAPTURE={capture}\n", card.driver, card.rate);
    let guest = Guest::new(&scenario).vfio().module("snd-aloop").module(card.module).alsa();
    let guest = guest.file("/guest/card", 0o644, facts).script(include_str!("sound.sh")).kernel(kernel).memory(512);
    // kept until the guest has ended
    let (guest, served) = match card.qemu {
        Some(device) => (qemus(guest, (device, SLOT), &output, card.rate), None),
        None => {
            let input = silence(&files)?;
            let jacks = Jacks { output: output.clone(), input, pace: PACE };
            let served = Served::start_sound(&programs[1], card.name, &jacks, &scenario)?;
            (guest.vfio_user(&served.socket(), SLOT), Some(served))
        }
    };
    let guest: Guest = programs.into_iter().fold(guest, Guest::program).timeout(LIMIT).echo();
    let outcome = guest.run()?;
    if let Some(served) = served {
        served.stop()?;
    }
    let mut wrong = outcome.wrong();
    match ear::read(&output).and_then(|frames| Figures::read(&outcome.results, ear::listen(&frames))) {
        Ok(figures) => {
            figures.print(card, outcome.seconds);
            wrong.extend(figures.wrong(card));
        }
        Err(why) => wrong.push(why),
    }
    Ok(wrong)
}

/// QEMU's card, which plays into a file at the rate of the tone.
pub(super) fn qemus(guest: Guest, (device, slot): (&str, u8), output: &Path, rate: u32) -> Guest {
    // a card has no buffer of tens of milliseconds behind it, and so QEMU's is as small as can be (times in microseconds)
    let settings = format!(
        "wav,id=sound,timer-period=2000,out.buffer-length=8000,out.frequency={rate},out.fixed-settings=on,path="
    );
    let device = format!("{device},audiodev=sound,addr={slot:#x}");
    guest.qemu(["-audiodev".into(), qemu::with_path(&settings, output), "-device".into(), device.into()])
}

/// A file with nothing to record in it.
fn silence(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("silence.wav");
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 48_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let written = hound::WavWriter::create(&path, spec).and_then(|mut writer| {
        (0..96_000).try_for_each(|_| writer.write_sample(0_i16))?;
        writer.finalize()
    });
    written.map_err(std::io::Error::other).doing(|| format!("write {}", path.display()))?;
    Ok(path)
}

/// What the guest measured, and what was heard outside.
struct Figures {
    storm: Storm,
    /// The stream that played, at the end.
    stream: Value,
    recorded: u64,
    aplay: String,
    interrupts: String,
    heard: Heard,
}

impl Figures {
    fn read(results: &Path, heard: Heard) -> std::result::Result<Figures, String> {
        let text = |name: &str| outcome::text(results, name);
        Ok(Figures {
            storm: Storm::read(results, "storm.json")?,
            stream: outcome::json(results, "status.json")?["status"]["streams"][1].clone(),
            recorded: text("recorded").parse().unwrap_or(0),
            aplay: text("aplay.log"),
            interrupts: text("interrupts"),
            heard,
        })
    }

    fn count(&self, field: &str) -> usize {
        self.stream[field].as_u64().unwrap_or(0) as usize
    }

    /// What is not as it must be.
    fn wrong(&self, card: &Card) -> Vec<String> {
        let mut wrong = self.storm.wrong();
        let mut must = |ok: bool, what: String| {
            if !ok {
                wrong.push(what);
            }
        };
        let (heard, faults) = (&self.heard, self.storm.faults());
        must(faults.len() >= FAULTS, format!("only {} faults", faults.len()));
        must(self.interrupts.contains("vfio-intx"), format!("no interrupt: {}", self.interrupts));
        must(card.qemu.is_some() || self.recorded > 0, "nothing was recorded".to_owned());
        // an emulated machine that is late is no mistake of the driver: its silence is what udrvd says that it was
        let period = self.count("period");
        must(heard.samples > 100 * period, format!("the tone: {heard:?}"));
        must(heard.wrong == 0, format!("wrong samples: {heard:?}"));
        // samples that are lost between aplay and udrvd may be any number, and sound as if some were heard again
        let lost = self.count("endpoint_xruns");
        let again = heard.jumps.iter().filter(|jump| jump.unsigned_abs() > period && **jump < 0).count();
        must(again <= lost, format!("more than a period is heard again: {heard:?}"));
        let long = heard.gaps.iter().filter(|gap| **gap > period).count();
        must(long <= lost + self.count("xruns"), format!("a long silence: {heard:?}"));
        // of all faults those alone may be heard where the call stops the device on purpose
        let stopping = faults.iter().filter(|fault| STOPPING.iter().any(|entry| fault["entry"] == *entry)).count();
        let (told, heard_of) =
            (self.count("xruns") + self.count("jumps") + lost, heard.jumps.len().max(heard.gaps.len()));
        must(heard_of <= stopping + told + AT_ITS_END, format!("{heard_of} faults are heard: {heard:?}"));
        // an emulated machine that stands still leaves the card alone with its ring: udrvd tells that as one xrun
        must(heard.rounds == 0 || self.count("xruns") > 0, format!("stale samples: {heard:?}"));
        let (told, allowed) = (self.count("lost"), period * faults.len());
        must(heard.silent() <= told + allowed, format!("{} samples of silence, and {told} told", heard.silent()));
        wrong
    }

    fn print(&self, card: &Card, seconds: f64) {
        let faults = self.storm.faults();
        let median = |field: &str| median_us(faults, field);
        let heard = &self.heard;
        println!(
            "\n{}: {} faults; medians: to error {:.0} us, to the next period {:.0} us (emulated)",
            card.name,
            faults.len(),
            median("to_error"),
            median("to_next_frame")
        );
        println!(
            "heard: {} samples of the tone ({:.1} s), {} silences of {} samples in all, the longest {}; {} left out and again in {} places, {} heard again, {} rounds that nobody filled, {} wrong",
            heard.samples,
            heard.samples as f64 / f64::from(card.rate),
            heard.gaps.len(),
            heard.silent(),
            heard.longest_gap(),
            heard.missing(),
            heard.jumps.len(),
            heard.repeated(),
            heard.rounds,
            heard.wrong
        );
        println!(
            "told by udrvd: {} xruns and {} at the loopback card, {} samples of silence, {} jumps, a period of {}; recorded {} bytes",
            self.count("xruns"),
            self.count("endpoint_xruns"),
            self.count("lost"),
            self.count("jumps"),
            self.count("period"),
            self.recorded
        );
        println!("told by aplay: {}", if self.aplay.is_empty() { "nothing" } else { &self.aplay });
        println!("guest with {} ran {seconds:.0} s", card.name);
    }
}
