//! A sound card in a process of its own: the files at its jacks.

use std::path::Path;

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use model_ens1371::codec::reg;
use model_ens1371::regs::{self, codec, control};
use nix::sys::signal::Signal;
use udrv::vfio_user::VfioUserFunction;
use udrv_bus::{PciFunction, Width};

use crate::daemon::{Directory, udrvctl, wait_until};
use crate::vfio_user::Server;

type Frame = [i16; 2];

const SPEC: WavSpec =
    WavSpec { channels: 2, sample_rate: 48_000, bits_per_sample: 16, sample_format: SampleFormat::Int };

/// Samples of 3 s, each unlike its neighbours.
fn sound() -> Vec<Frame> {
    let sample = |i: u32| (i.wrapping_mul(0x9e37_79b1) >> 16) as i16;
    (0..144_000).map(|i| [sample(2 * i), sample(2 * i + 1)]).collect()
}

fn write(path: &Path, spec: WavSpec, frames: &[Frame]) {
    let mut writer = WavWriter::create(path, spec).expect("a file");
    frames.iter().flatten().for_each(|sample| writer.write_sample(*sample).expect("room"));
    writer.finalize().expect("room");
}

/// What a file says that it has, which must be there. `None`: it is no WAV file.
fn read(path: &Path) -> Option<Vec<Frame>> {
    let mut reader = WavReader::open(path).ok()?;
    assert_eq!(reader.spec(), SPEC);
    let samples: Vec<i16> = reader.samples().map(|sample| sample.expect("a sample")).collect();
    Some(samples.as_chunks().0.to_vec())
}

/// The line input is let through to the output, and the card plays, until so much is in the file.
fn listen(server: &Server, output: &Path, frames: usize) -> VfioUserFunction {
    let mut card = VfioUserFunction::open(&server.socket).expect("it is served");
    card.config_write(4, Width::U16, 5).expect("configuration space");
    // the codec of some of them is in reset until then
    card.bar_write(0, regs::STATUS.into(), Width::U32, regs::status::AC97_RST).expect("a register");
    for (register, value) in [(reg::MASTER, 0), (reg::LINE, 0x0808)] {
        card.bar_write(0, regs::CODEC.into(), Width::U32, codec::write(register, value)).expect("a register");
        wait_until("the codec has it", || {
            card.bar_read(0, regs::CODEC.into(), Width::U32).expect("a register") & codec::WIP == 0
        });
    }
    card.bar_write(0, regs::CONTROL.into(), Width::U32, control::DAC1_EN).expect("a register");
    wait_until("it is in the file", || read(output).is_some_and(|there| there.len() >= frames));
    card
}

#[test]
fn the_file_is_right_however_the_server_ends() {
    let files = Directory::new();
    let [input, output] = ["in.wav", "out.wav"].map(|name| files.0.join(name));
    write(&input, SPEC, &sound());
    let options = ["--input", input.to_str().expect("text"), "--output", output.to_str().expect("text")];
    for (signal, model) in
        [(Signal::SIGTERM, "ens1371"), (Signal::SIGINT, "ens1371-es1373"), (Signal::SIGKILL, "ens1371-ct5880")]
    {
        let sockets = Directory::new();
        let (mut server, line) = Server::launch(&sockets, model, &options);
        assert!(line.contains("in.wav") && line.contains("out.wav"), "{line}");
        assert_eq!(read(&output).expect("a WAV file"), [[0; 2]; 0], "from the beginning");
        let card = listen(&server, &output, 20_000);
        let so_far = read(&output).expect("whole at all times").len();
        let ended = server.end(signal);
        assert_eq!(ended.code(), if signal == Signal::SIGKILL { None } else { Some(0) });
        let played = read(&output).expect("a WAV file");
        assert!(played.len() >= so_far);
        let heard = played.len().min(sound().len());
        assert!(played[..heard] == sound()[..heard], "{signal}: what was heard is what was written");
        assert!(played[heard..].iter().all(|frame| *frame == [0; 2]), "and then silence");
        drop(card);
    }
}

#[test]
fn what_is_not_of_its_kind_is_refused_in_one_line() {
    let files = Directory::new();
    let [socket, wav, odd] = ["card.sock", "out.wav", "odd.wav"].map(|name| files.0.join(name));
    let [socket, wav, odd] = [&socket, &wav, &odd].map(|path| path.to_str().expect("text"));
    write(Path::new(odd), WavSpec { sample_rate: 44_100, ..SPEC }, &[]);
    std::fs::write(files.0.join("kept.wav"), "kept").expect("a file");
    let kept = files.0.join("kept.wav");
    let kept = kept.to_str().expect("text");
    for (model, options, why) in [
        (
            "ens1371",
            &["--line-rate", "100"][..],
            "is a sound card: --no-far-host, --cable and --line-rate are for network",
        ),
        ("ens1371", &["--no-far-host"], "is a sound card"),
        ("ens1371", &["--cable", "/x"], "is a sound card"),
        ("rtl8139", &["--output", wav], "is for a network: --output, --input and --pace are for sound cards"),
        ("pegasus", &["--input", wav], "is for a network"),
        ("e1000", &["--pace", "50"], "is for a network"),
        ("ens1371", &["--pace", "0"], "0"),
        ("ens1371", &["--pace", "101"], "101"),
        ("ens1371", &["--input", wav], "out.wav"),
        ("ens1371", &["--input", odd], "44100 Hz: it must be 1 or 2 channels of 16 bits at 48000 Hz"),
        ("ens1371", &["--input", odd, "--output", kept], "44100 Hz"),
        ("ens1371", &["--output", "/no/such/folder/out.wav"], "/no/such/folder/out.wav"),
        ("ens1371-es1370", &[], "has no chip 'es1370'; there are: ens1371, ens1371-es1371, "),
    ] {
        let output = udrvctl(&files, &[&["model", "serve", model, socket], options].concat());
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains(why), "{model} {options:?}: {text}");
        assert!(!Path::new(socket).exists() && !Path::new(wav).exists(), "{model} {options:?}: nothing is left");
    }
    assert_eq!(std::fs::read(kept).expect("a file"), b"kept", "what cannot be served empties no file");
    let output = udrvctl(&files, &["model", "plug-in", "ens1371"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("is a card on PCI"));
}
