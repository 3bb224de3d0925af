//! The bridge to applications with a device behind it that gives back what is played: how `endpoint::sound` is tested in a guest.
//!
//! ```text
//! sound_loop serve [CARD]          a card of one playback and one capture stream; lines on standard input are commands
//! sound_loop make FILE RATE CHANNELS BITS SECONDS      a file of samples that do not repeat
//! sound_loop turn CARD CONTROL VALUE                   writes any value into an element, as no well-behaved mixer does
//! sound_loop find PLAYED RECORDED MILLISECONDS GAPS    the one in the other, less at most so much of its beginning
//! ```
//!
//! This is no sound class: there is no clock of a device here, and nothing fails but by command. Commands: `follow STREAM PPM`,
//! `show CONTROL LEFT RIGHT`, `fail STREAM`, `xruns`; the end of standard input is the end.

use std::{
    collections::VecDeque,
    error::Error,
    io::{ErrorKind, Read, Write},
    os::fd::AsFd,
    process::ExitCode,
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use udrv::endpoint::sound::{Aloop, Card, SoundEndpoint, Wish};
use udrv_driver::{Control, ControlInfo, ControlKind, ControlValue, Direction, Format, Rates, Stream, StreamInfo};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const DAC: StreamInfo = StreamInfo {
    name: "DAC",
    direction: Direction::Playback,
    formats: &[Format::U8, Format::S16],
    channels: 2,
    rates: Rates::Range(4000, 48000),
    period: (32, 1024),
    ring_bytes: 1 << 16,
};
const STREAMS: &[StreamInfo] = &[DAC, StreamInfo { name: "ADC", direction: Direction::Capture, ..DAC }];
const PLAYBACK: Stream = Stream(0);
const CAPTURE: Stream = Stream(1);

const CONTROLS: &[ControlInfo] = &[
    ControlInfo {
        name: "Master Playback Volume",
        channels: 2,
        kind: ControlKind::Volume { max: 31, lowest: -4650, step: 150 },
    },
    ControlInfo { name: "Master Playback Switch", channels: 1, kind: ControlKind::Switch },
    ControlInfo { name: "Input Source", channels: 1, kind: ControlKind::Choice(&["Mic", "CD", "Line"]) },
];
/// A value that this device refuses.
const REFUSED: u16 = 13;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sound_loop: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    tracing_subscriber::fmt().with_ansi(false).init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["serve"] => serve(None),
        ["serve", card] => serve(Some(card)),
        ["make", file, rate, channels, bits, seconds] => {
            make(file, rate.parse()?, channels.parse()?, bits.parse()?, seconds.parse()?)
        }
        ["turn", card, control, value] => turn(card, control, value.parse()?),
        ["find", played, recorded, milliseconds, gaps] => find(played, recorded, milliseconds.parse()?, gaps.parse()?),
        _ => {
            Err("serve [CARD] | make FILE RATE CHANNELS BITS SECONDS | turn CARD CONTROL VALUE | find PLAYED RECORDED \
                  MILLISECONDS GAPS"
                .into())
        }
    }
}

/// Says something at once: somebody waits for it.
fn say(text: &str) {
    println!("{text}");
    let _ = std::io::stdout().flush();
}

fn serve(card: Option<&str>) -> Result<()> {
    let mut endpoint = Aloop::open(card)?;
    let mut values: Vec<ControlValue> = vec![ControlValue { left: 20, right: 21 }, ControlValue { left: 1, right: 0 }];
    values.push(ControlValue::default());
    let controls: Vec<_> = CONTROLS.iter().copied().zip(values.iter().copied()).collect();
    endpoint.show(&Card { driver: "loop", device: "example", streams: STREAMS, controls: &controls })?;
    say(&format!("ready on {}", endpoint.name()));

    let input = std::io::stdin();
    nix::fcntl::fcntl(input.as_fd(), nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK))?;
    let mut commands = Vec::new();
    let mut records = false;
    let mut played = 0;
    let mut waiting = VecDeque::new();
    loop {
        {
            let mut list: Vec<PollFd<'_>> =
                endpoint.descriptors().into_iter().map(|(fd, flags)| PollFd::new(fd, flags)).collect();
            list.push(PollFd::new(input.as_fd(), PollFlags::POLLIN));
            poll(&mut list, PollTimeout::NONE)?;
        }
        while let Some(wish) = endpoint.wish()? {
            match wish {
                Wish::Start(stream, sound) => {
                    say(&format!("start {} {:?} {} {}", stream.0, sound.format, sound.channels, sound.rate));
                    records |= stream == CAPTURE;
                    waiting.clear();
                    played = 0;
                }
                Wish::Stop(stream) => {
                    say(&format!("stop {} after {played} bytes, {} of them not given back", stream.0, waiting.len()));
                    records &= stream != CAPTURE;
                }
                Wish::Set(control, value) => {
                    say(&format!("set {} {} {}", control.0, value.left, value.right));
                    let at = &mut values[control.0 as usize];
                    if value.left != REFUSED {
                        *at = value;
                    }
                    endpoint.show_control(control, *at)?;
                }
            }
        }
        let mut room = [0; 1 << 14];
        loop {
            // nothing, if nobody plays
            let len = endpoint.take(PLAYBACK, &mut room)?;
            played += len;
            if records {
                waiting.extend(&room[..len]);
            }
            if len < room.len() {
                break;
            }
        }
        if records {
            let given = endpoint.give(CAPTURE, waiting.make_contiguous())?;
            waiting.drain(..given);
        }
        match input.lock().read(&mut room) {
            Ok(0) => break,
            Ok(len) => commands.extend_from_slice(&room[..len]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        while let Some(end) = commands.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = commands.drain(..=end).collect();
            let line = String::from_utf8(line)?;
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["follow", stream, faster] => {
                    say(&format!("follows: {}", endpoint.follow(Stream(stream.parse()?), faster.parse()?)));
                }
                ["show", control, left, right] => {
                    let value = ControlValue { left: left.parse()?, right: right.parse()? };
                    values[control.parse::<usize>()?] = value;
                    endpoint.show_control(Control(control.parse()?), value)?;
                }
                ["fail", stream] => {
                    endpoint.fail(Stream(stream.parse()?), "it was told to")?;
                    records &= stream == "0";
                }
                ["xruns"] => say(&format!("xruns: {}", endpoint.xruns())),
                _ => say(&format!("not a command: {line}")),
            }
        }
    }
    say(&format!("ended, {} xruns", endpoint.xruns()));
    Ok(())
}

fn turn(card: &str, control: &str, value: i32) -> Result<()> {
    let ctl = alsa::Ctl::new(&format!("hw:{card}"), false)?;
    let mut id = alsa::ctl::ElemId::new(alsa::ctl::ElemIface::Mixer);
    id.set_name(&std::ffi::CString::new(control)?);
    let mut element = alsa::ctl::ElemValue::new(alsa::ctl::ElemType::Integer)?;
    element.set_id(&id);
    for channel in 0..2 {
        element.set_integer(channel, value).ok_or("no integer")?;
    }
    Ok(ctl.elem_write(&element)?)
}

/// Samples of 16 bits that do not repeat, the upper half of those of 32 bits, and 100 ms of silence.
fn make(file: &str, rate: u32, channels: u16, bits: u16, seconds: f64) -> Result<()> {
    let spec =
        hound::WavSpec { channels, sample_rate: rate, bits_per_sample: bits, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::create(file, spec)?;
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    // Silence at the end: of what an application drains, snd-aloop spoils the last few milliseconds (it clears the wrong part of
    // the last piece that it copies).
    let silence = u64::from(rate / 10) * u64::from(channels);
    let all = (f64::from(rate) * seconds) as u64 * u64::from(channels);
    for at in 0..all {
        // xorshift64: Marsaglia 2003
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let sample = if at + silence < all { (state >> 48) as u16 as i16 } else { 0 };
        if bits == 32 { writer.write_sample(i32::from(sample) << 16)? } else { writer.write_sample(sample)? }
    }
    Ok(writer.finalize()?)
}

/// The samples, as those of 16 bits.
fn samples(file: &str) -> Result<(hound::WavSpec, Vec<i16>)> {
    let mut reader = hound::WavReader::open(file)?;
    let spec = reader.spec();
    let shift = spec.bits_per_sample - 16;
    // a recorder that was ended may have promised more than there is
    let list = reader.samples::<i32>().map_while(std::result::Result::ok);
    Ok((spec, list.map(|sample| (sample >> shift) as i16).collect()))
}

/// Where our end has run empty there is something else in between; nothing is lost by that.
fn find(played: &str, recorded: &str, milliseconds: usize, gaps_allowed: usize) -> Result<()> {
    let ((spec, played), (_, recorded)) = (samples(played)?, samples(recorded)?);
    let frame = usize::from(spec.channels);
    let sounds = played.iter().rposition(|sample| *sample != 0).map_or(0, |last| last + 1);
    let (played, probe) = (&played[..sounds], 64 * frame);
    let first = recorded.iter().position(|sample| *sample != 0).ok_or("nothing but silence")?;
    let mut at = first - first % frame;
    let beginning = recorded.get(at..at + probe).ok_or("next to nothing")?;
    let mut next = played.windows(probe).position(|window| window == beginning).ok_or("something else")?;
    let lost = next / frame * 1000 / spec.sample_rate as usize;
    let mut gaps = 0;
    loop {
        let same = played[next..].iter().zip(&recorded[at..]).take_while(|(a, b)| a == b).count();
        next += same;
        at += same;
        if next == played.len() {
            break;
        }
        let wanted = &played[next..played.len().min(next + probe)];
        let later = recorded[at..].windows(wanted.len()).position(|window| window == wanted);
        at += later
            .ok_or_else(|| format!("{} frames are missing after {}", (played.len() - next) / frame, next / frame))?;
        gaps += 1;
    }
    println!("found: less {lost} ms of the beginning, with {gaps} gaps");
    if lost > milliseconds || gaps > gaps_allowed {
        return Err(format!("more than {milliseconds} ms or {gaps_allowed} gaps").into());
    }
    Ok(())
}
