//! A sound card before Linux's driver for it: what aplay plays there is in the file that the server writes, and what arecord
//! records is in the one that it reads.
//!
//! The card's clock goes slower than real time ([`PACE`]): driver and aplay are emulated, and on a busy machine would not
//! keep up with it. To the driver a slow clock is nothing else than a fast machine. An underrun that aplay tells of is no
//! mistake of the card; a gap without one is.

use std::{fs, path::Path};

use super::{
    Findings, LIMIT, Outcome, Pair, SLOT,
    hearing::{self, find, rounded, same},
    material::{Frame, LOUDNESS, SECONDS, SPEC, Tone, kilohertz, noise, wav},
};
use crate::{
    guest::{
        Guest, Kernel,
        error::Doing,
        served::{Jacks, Served},
        workspace,
    },
    steps::Failure,
};

/// What is found out by the guest's script, or in the files of the card, in this order.
pub(super) const CHECKS: &[(&str, &str)] = &[
    ("bound", "Linux's driver takes the card and makes its devices"),
    ("codec", "the codec is named"),
    ("mixer", "the mixer has controls, and they can be set (amixer)"),
    ("dac2", "hw:0,0 (DAC2): what aplay plays at 48 kHz leaves the card sample by sample"),
    ("dac1", "hw:0,1 (DAC1): the same"),
    ("both", "both at once: the sum leaves the card"),
    ("tone-u8-22050", "a tone of 8 bits, mono, at 22,050 Hz is as high and as loud as it should be"),
    ("tone-s16-44100", "a tone of 16 bits, stereo, at 44,100 Hz is"),
    ("tone-s16-8000", "a tone of 16 bits, mono, at 8,000 Hz is"),
    ("volume", "Master and PCM turned down are heard"),
    ("mute", "Master muted: nothing is heard"),
    ("record", "arecord at 48 kHz has what came in, sample by sample"),
    ("record-rate", "arecord at 22,050 Hz, 16 bits, stereo: a tone is as high and as loud as it should be"),
    ("record-mono", "arecord at 8,000 Hz, 8 bits, mono is full"),
    ("duplex", "playing while recording: sample by sample"),
    ("duplex-record", "recording while playing: sample by sample"),
    ("interrupts", "interrupts have come (/proc/interrupts)"),
    ("reload", "after the module was removed and loaded again it still plays, sample by sample"),
    ("silent", "the driver has complained of nothing (dmesg)"),
];

const SCRIPT: &str = concat!(include_str!("results.sh"), include_str!("sound.sh"));

/// Percent of real time.
const PACE: u32 = 50;

/// The codec as Linux names it.
const CODEC: &str = "Cirrus Logic CS4297";

/// Tones, each as high as no other.
const TONES: [Tone; 3] = [
    Tone { name: "u8-22050", rate: 22_050, channels: 1, bits: 8, frequency: 441.0 },
    Tone { name: "s16-44100", rate: 44_100, channels: 2, bits: 16, frequency: 1000.0 },
    Tone { name: "s16-8000", rate: 8_000, channels: 1, bits: 16, frequency: 250.0 },
];

/// A frequency may be wrong by so much of itself: less than a musician hears.
const DETUNED: f64 = 0.001;
/// A peak may: samples do not lie at the top of each wave, and the line between two of them cuts it.
const QUIETER: f64 = 0.05;
/// Of the tone so much must be there as cycles that are whole: the rest may be cut by its ends.
const WHOLE: f64 = 0.95;

/// Samples of noise that are played: a second; and of a mark.
const PLAYED: usize = 48_000;
const MARK: usize = 4_800;
/// Seconds at the input: more than is recorded.
const INPUT: usize = 20;
/// What plays on the other DAC, in both channels.
const STEADY: i16 = 1234;
/// Steps of 1.5 dB down of Master (27 of 31) and PCM (21, where 23 is 0 dB).
const TURNED_DOWN: i32 = 4 + 2;

/// All files that are played whole, and where they are found again.
const WHOLE_FILES: [&str; 7] = ["dac2", "dac1", "both", "volume", "mute", "duplex", "reload"];

/// What comes in: noise on the left, a tone on the right.
fn input() -> Vec<Frame> {
    let noise = noise("input", INPUT * SPEC.sample_rate as usize);
    noise.iter().enumerate().map(|(i, [left, _])| [*left, kilohertz(i)]).collect()
}

/// Names of marks, in the order of the script.
fn marks() -> impl Iterator<Item = &'static str> {
    ["0"].into_iter().chain(TONES.iter().map(|tone| tone.name)).chain(["volume", "silence", "unmute"])
}

/// All files that the script plays, by name.
fn sounds() -> Vec<(String, Vec<u8>)> {
    let whole = WHOLE_FILES.iter().map(|name| ((*name).to_owned(), wav(&noise(name, PLAYED))));
    let marks = marks().map(|name| (format!("mark-{name}"), wav(&mark(name))));
    let tones = TONES.iter().map(|tone| (format!("tone-{}", tone.name), tone.file()));
    let steady = ("steady".to_owned(), wav(&[[STEADY; 2]; 4 * PLAYED]));
    whole.chain(marks).chain(tones).chain([steady]).collect()
}

/// Serves the model with files at its jacks, boots a guest with it, and judges what it says and what is in the files.
pub(super) fn judge(pair: &Pair, udrvctl: &Path, kernel: Kernel) -> Result<Findings, Failure> {
    let scenario = pair.scenario();
    let folder = workspace().join("target/guest");
    fs::create_dir_all(&folder).doing(|| format!("create {}", folder.display()))?;
    let jacks = Jacks {
        output: folder.join(format!("{scenario}-output.wav")),
        input: folder.join(format!("{scenario}-input.wav")),
        pace: PACE,
    };
    fs::write(&jacks.input, wav(&input())).doing(|| format!("write {}", jacks.input.display()))?;
    let served = Served::start_sound(udrvctl, pair.model, &jacks, &scenario)?;

    let tones = TONES.map(|tone| tone.name).join(" ");
    let facts = format!("MODULE={}\nCODEC='{CODEC}'\nTONES='{tones}'\n", pair.module);
    let guest = Guest::new(&scenario).kernel(kernel).memory(512).timeout(LIMIT).alsa();
    let guest = guest.vfio_user(&served.socket(), SLOT).module(pair.module).file("/guest/oracle", 0o644, facts);
    let put = |guest: Guest, (name, bytes)| guest.file(&format!("/guest/sound/{name}.wav"), 0o644, bytes);
    let guest = sounds().into_iter().fold(guest, put);
    let outcome = guest.script(SCRIPT).run()?;
    served.stop()?;

    let heard = read(&jacks.output).map_err(|why| Failure::Output(format!("{}: {why}", jacks.output.display())))?;
    let results = outcome.results.clone();
    let mut findings = Findings::read(CHECKS, outcome);
    for name in WHOLE_FILES {
        findings.judge(name, |said| whole(&heard, name, said));
    }
    for tone in &TONES {
        findings.judge(&format!("tone-{}", tone.name), |said| played_tone(&heard, tone, said));
    }
    let input = input();
    for name in ["record", "duplex-record"] {
        findings.judge(name, |said| {
            let recorded = read(&results.join(format!("{name}.wav")))?;
            sequence(&input, &recorded, said, same)
        });
    }
    findings.judge("record-rate", |_| {
        let samples = samples(&results.join("record-rate.wav"), 22_050, 2)?;
        let right: Vec<i16> = samples.as_chunks::<2>().0.iter().map(|frame| frame[1]).collect();
        let tone = Tone { name: "", rate: 22_050, channels: 2, bits: 16, frequency: 1000.0 };
        as_it_should_be(&right, f64::from(tone.rate), &tone, 1.0)
    });
    findings.judge("record-mono", |_| {
        let samples = samples(&results.join("record-mono.wav"), 8_000, 1)?;
        let loud = samples.iter().filter(|sample| sample.unsigned_abs() > 8).count();
        // noise up to half of what there is: few of its samples are near 0
        let said = format!("{} samples, {loud} of them loud", samples.len());
        if samples.len() >= 8_000 && loud > samples.len() * 3 / 4 { Ok(said) } else { Err(said) }
    });
    Ok(findings)
}

fn mark(name: &str) -> Vec<Frame> {
    noise(&format!("mark-{name}"), MARK)
}

/// The samples of a file that is as the card plays; the error says what it is instead.
fn read(path: &Path) -> Result<Vec<Frame>, String> {
    Ok(samples(path, SPEC.sample_rate, SPEC.channels)?.as_chunks().0.to_vec())
}

fn samples(path: &Path, rate: u32, channels: u16) -> Result<Vec<i16>, String> {
    let mut reader = hound::WavReader::open(path).map_err(|error| error.to_string())?;
    let spec = reader.spec();
    if (spec.sample_rate, spec.channels) != (rate, channels) {
        return Err(format!("{spec:?}"));
    }
    reader.samples().collect::<Result<_, _>>().map_err(|error| error.to_string())
}

/// Whether a file that was played is in what was heard, changed as the mixer stood.
fn whole(heard: &[Frame], name: &str, said: &str) -> Result<String, String> {
    let what = noise(name, PLAYED);
    match name {
        "both" => {
            let sum: Vec<Frame> = what.iter().map(|frame| frame.map(|sample| sample + STEADY)).collect();
            sequence(heard, &sum, said, same)
        }
        "volume" => {
            let gain = 10f64.powf(-0.075 * f64::from(TURNED_DOWN));
            let lower = |sample: i16| (f64::from(sample) * gain).round() as i16;
            let quiet: Vec<Frame> = what.iter().map(|frame| frame.map(lower)).collect();
            sequence(heard, &quiet, said, rounded)
        }
        "mute" => {
            let between = between(heard, "silence", "unmute")?;
            // what is left of the mark in the buffer is muted too
            let loud = between.iter().filter(|frame| **frame != [0; 2]).count();
            let said = format!("{said}, {} samples, {loud} of them not 0", between.len());
            if loud == 0 && between.len() >= PLAYED { Ok(said) } else { Err(said) }
        }
        _ => sequence(heard, &what, said, same),
    }
}

/// Whether `what` is in `heard`, in one piece unless an underrun was told of.
fn sequence(
    heard: &[Frame],
    what: &[Frame],
    said: &str,
    like: impl Fn(Frame, Frame) -> bool,
) -> Result<String, String> {
    let found = find(heard, what, 0, like).map_err(|why| format!("{said}, {why}"))?;
    let said = format!("{} samples, {} gaps of {} samples, {said}", what.len(), found.gaps, found.between);
    if found.gaps == 0 || told(&said) { Ok(said) } else { Err(said) }
}

/// Whether what the script says tells of an underrun.
fn told(said: &str) -> bool {
    let mut words = said.split_whitespace().rev();
    words.next().is_some_and(|word| word.ends_with("runs")) && words.next() != Some("0")
}

/// What was heard from one mark to another.
fn between<'a>(heard: &'a [Frame], first: &str, last: &str) -> Result<&'a [Frame], String> {
    let end = find(heard, &mark(first), 0, same).map_err(|why| format!("mark {first}: {why}"))?.end;
    let start = find(heard, &mark(last), end, same).map_err(|why| format!("mark {last}: {why}"))?.start;
    Ok(&heard[end..start])
}

/// Whether a tone was heard between its mark and the next.
fn played_tone(heard: &[Frame], tone: &Tone, said: &str) -> Result<String, String> {
    let next = marks().skip_while(|name| *name != tone.name).nth(1).unwrap_or_default();
    let left: Vec<i16> = between(heard, tone.name, next)?.iter().map(|frame| frame[0]).collect();
    as_it_should_be(&left, f64::from(SPEC.sample_rate), tone, SECONDS).map(|heard| format!("{heard}, {said}"))
}

/// Whether `samples`, so many a second, are mostly a tone of so many seconds.
fn as_it_should_be(samples: &[i16], rate: f64, tone: &Tone, seconds: f64) -> Result<String, String> {
    let heard = hearing::tone(samples).ok_or("there is no tone")?;
    let frequency = heard.frequency * rate;
    let (cycles, loudness) = (tone.frequency * seconds, f64::from(heard.peak) / f64::from(i16::MAX));
    let said = format!("{frequency:.2} Hz, {} cycles, {loudness:.3} loud", heard.cycles);
    let good = (frequency / tone.frequency - 1.0).abs() <= DETUNED
        && heard.cycles as f64 >= cycles * WHOLE
        && (loudness / LOUDNESS - 1.0).abs() <= QUIETER;
    if good { Ok(said) } else { Err(format!("{said}, and not {} Hz, {cycles} cycles", tone.frequency)) }
}

impl Findings {
    /// Lets a check that the script has not failed depend on what is in the files.
    fn judge(&mut self, check: &str, judge: impl FnOnce(&str) -> Result<String, String>) {
        let finding = self.of(check);
        if finding.outcome == Outcome::Pass {
            (finding.outcome, finding.said) = match judge(&finding.said) {
                Ok(said) => (Outcome::Pass, said),
                Err(said) => (Outcome::Fail, said),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_forgiven_only_with_an_underrun() {
        let what = noise("dac2", PLAYED);
        let gap = [&what[..1000], &[[0; 2]; 9], &what[1000..]].concat();
        assert!(whole(&what, "dac2", "0 underruns").is_ok() && whole(&gap, "dac2", "1 underruns").is_ok());
        assert!(whole(&gap, "dac2", "0 underruns").unwrap_err().contains("1 gaps of 9 samples"));
        let lost = [&what[..1000], &what[1001..]].concat();
        assert!(whole(&lost, "dac2", "1 underruns").is_err(), "no underrun loses a sample");
        assert!(told("17 samples, 1 underruns") && told("2 overruns") && !told("0 underruns") && !told(""));
    }

    #[test]
    fn a_mixer_that_does_nothing_is_heard() {
        let what = noise("volume", PLAYED);
        assert!(whole(&what, "volume", "0 underruns").is_err());
        let muted = |middle: &[Frame]| [&mark("silence"), middle, &mark("unmute")].concat();
        assert!(whole(&muted(&[[0; 2]; PLAYED]), "mute", "0 underruns").is_ok());
        assert!(whole(&muted(&noise("mute", PLAYED)), "mute", "0 underruns").is_err());
        assert!(whole(&muted(&[[0; 2]; 100]), "mute", "0 underruns").is_err(), "it was not played at all");
    }

    #[test]
    fn a_tone_that_is_wrong_is_heard() {
        let tone = |step: usize| -> Vec<i16> { (0..72_000).map(|i| kilohertz(i * step)).collect() };
        let expected = Tone { name: "", rate: 48_000, channels: 1, bits: 16, frequency: 1000.0 };
        assert!(as_it_should_be(&tone(1), 48_000.0, &expected, SECONDS).is_ok());
        assert!(as_it_should_be(&tone(2), 48_000.0, &expected, SECONDS).is_err());
        assert!(as_it_should_be(&tone(1)[..40_000], 48_000.0, &expected, SECONDS).is_err(), "too short");
        let quiet: Vec<i16> = tone(1).iter().map(|sample| sample / 2).collect();
        assert!(as_it_should_be(&quiet, 48_000.0, &expected, SECONDS).is_err());
        assert!(as_it_should_be(&[], 48_000.0, &expected, SECONDS).is_err());
    }
}
