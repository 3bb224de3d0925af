//! The controller with the mouse in software at its end.

use std::os::fd::AsFd;
use std::time::Duration;

use model_psmouse::codes::{command as ps2, packet};
use model_psmouse::{Action, Clock, Config, Misbehave, PsMouseHandle, PsMousePort, Settings, VARIANTS, Variant};
use nix::sys::eventfd::{EfdFlags, EventFd};
use udrv_bus::{BusError, Width};
use udrv_driver::Bus;
use udrv_driver::serio::{COMMAND, DATA, RESPONSE, SerioCommand, SerioRegister, command, data};

use crate::device::{Device, Opened};

const RATE: u64 = 0x20;
const RESOLUTION: u64 = 0x24;
const SCALING: u64 = 0x28;
const REPORTS: u64 = 0x2c;
const STATUS: u64 = 0x30;
const ID: u64 = 0x34;
const COMMANDS: &[SerioCommand] = &[
    SerioCommand { offset: RATE as u16, is: SerioRegister::Argument(ps2::SET_RATE) },
    SerioCommand { offset: RESOLUTION as u16, is: SerioRegister::Argument(ps2::SET_RESOLUTION) },
    SerioCommand { offset: SCALING as u16, is: SerioRegister::Choice(&[ps2::SET_SCALING_1_1, ps2::SET_SCALING_2_1]) },
    SerioCommand { offset: REPORTS as u16, is: SerioRegister::Choice(&[ps2::DISABLE, ps2::ENABLE]) },
    SerioCommand { offset: STATUS as u16, is: SerioRegister::Answer(ps2::STATUS_REQUEST, 3) },
    SerioCommand { offset: ID as u16, is: SerioRegister::Answer(ps2::READ_ID, 1) },
];
const RESET: u32 = ps2::RESET as u32 | command::SLOW | 2 << command::RESPONSE_SHIFT;

struct Host {
    device: Box<dyn Device>,
    bench: PsMouseHandle,
}

impl Host {
    fn new(config: Config) -> Host {
        let (port, bench) = PsMousePort::new("model:psmouse", config);
        let opened = Opened::Serio { port: Box::new(port), reopen: None };
        assert_eq!(opened.name(), "model:psmouse");
        let device = opened.fit(Bus::Serio { commands: COMMANDS }).unwrap();
        Host { device, bench }
    }

    fn by_hand(variant: Variant) -> Host {
        Host::new(Config { clock: Clock::Manual, ..Config::of(variant) })
    }

    fn get(&mut self, offset: u64) -> Result<u32, BusError> {
        self.device.read(offset, Width::U32)
    }

    fn set(&mut self, offset: u64, value: u32) -> Result<(), BusError> {
        self.device.write(offset, Width::U32, value)
    }

    fn reset(&mut self) -> Result<u32, BusError> {
        self.set(COMMAND.offset().into(), RESET)?;
        self.get(RESPONSE.offset().into())
    }

    fn id_after(&mut self, rates: [u32; 3]) -> u32 {
        for rate in rates {
            self.set(RATE, rate).unwrap();
        }
        self.get(ID).unwrap()
    }

    /// Data that come while the clock goes on by `milliseconds`, and the hand does `each` at every one of them.
    fn hear(&mut self, milliseconds: u32, mut each: impl FnMut(&PsMouseHandle)) -> Vec<(u8, bool)> {
        let mut all = Vec::new();
        for _ in 0..milliseconds {
            each(&self.bench);
            self.bench.advance(Duration::from_millis(1));
            loop {
                let word = self.get(DATA.offset().into()).unwrap();
                if word & data::VALID == 0 {
                    break;
                }
                all.push((word as u8, word & data::BROKEN != 0));
            }
        }
        all
    }

    fn leave(&mut self) {
        let gone = (0..2).map(|_| self.get(ID)).last();
        assert!(matches!(gone, Some(Err(BusError::Gone { .. }))), "{gone:?}");
        assert!(!self.device.answers() && self.device.comes_back());
    }

    /// How many milliseconds it takes until the device is found to be back.
    fn returns_after(&mut self) -> u32 {
        for waited in (0..3000).step_by(100) {
            if self.device.look_for_return().unwrap() {
                assert!(self.device.answers());
                return waited;
            }
            self.bench.advance(Duration::from_millis(100));
        }
        panic!("it does not come back");
    }
}

#[test]
fn every_variant_resets_tells_what_it_is_and_takes_settings() {
    for (name, variant) in VARIANTS {
        let mut host = Host::by_hand(*variant);
        assert_eq!(host.reset().unwrap(), 0x00aa, "{name}");
        assert_eq!(host.get(ID).unwrap(), 0, "{name}");
        let has_wheel = matches!(variant, Variant::IntelliMouse | Variant::Explorer);
        assert_eq!(host.id_after([200, 100, 80]), if has_wheel { 3 } else { 0 }, "{name}");
        let explorer = if *variant == Variant::Explorer { 4 } else { 3 };
        assert_eq!(host.id_after([200, 200, 80]), if has_wheel { explorer } else { 0 }, "{name}");

        host.set(RATE, 40).unwrap();
        host.set(RESOLUTION, 3).unwrap();
        assert_eq!(host.get(STATUS).unwrap(), 40 << 16 | 3 << 8, "{name}");
        host.set(SCALING, 1).unwrap();
        host.set(REPORTS, 1).unwrap();
        assert_eq!(host.get(STATUS).unwrap(), 40 << 16 | 3 << 8 | 0x30, "{name}");
        host.set(SCALING, 0).unwrap();
        host.set(REPORTS, 0).unwrap();
        assert_eq!(host.get(STATUS).unwrap(), 40 << 16 | 3 << 8, "{name}");
        assert_eq!(host.bench.counters().refused, 0, "{name}");
        assert_eq!(host.hear(20, |_| {}), [], "{name}");
    }
}

#[test]
fn a_touchpad_tells_that_it_is_one() {
    let mut host = Host::by_hand(Variant::Synaptics);
    for _ in 0..4 {
        host.set(RESOLUTION, 0).unwrap();
    }
    assert_eq!(host.get(STATUS).unwrap() >> 8 & 0xff, 0x47);
}

#[test]
fn a_mouse_that_moves_is_told_things_and_only_the_packet_on_its_way_is_broken() {
    let mut host = Host::by_hand(Variant::Ps2);
    host.set(REPORTS, 1).unwrap();
    host.set(RATE, 200).unwrap();
    let mut heard = Vec::new();
    for round in 0..200_u32 {
        // another place in the packet each time
        heard.extend(host.hear(3 + round % 7, |bench| bench.act(Action::Move { right: 4, away: -2 })));
        if round % 2 == 0 {
            assert_eq!(host.get(STATUS).unwrap() & 0x00ff_ff20, 200 << 16 | 2 << 8 | 0x20);
        } else {
            host.set(SCALING, 0).unwrap();
        }
    }
    heard.extend(host.hear(50, |_| {}));
    let mut broken = 0;
    let mut whole = 0;
    for packets in heard.chunk_by(|_, next| !next.1) {
        broken += usize::from(!packets.len().is_multiple_of(3));
        for packet in packets.chunks_exact(3) {
            assert_ne!(packet[0].0 & packet::SYNC, 0, "{packet:02x?}");
            assert!((packet[1].0 as i8) >= 0 && (packet[2].0 as i8) <= 0, "{packet:02x?}");
            whole += 1;
        }
    }
    assert!(broken > 20 && whole > 100, "{broken} {whole}");
}

#[test]
fn unplugged_in_the_middle_of_a_command_it_is_gone_and_plugged_in_again_it_is_back_as_new() {
    for code in [ps2::STATUS_REQUEST, ps2::SET_RATE, ps2::RESET] {
        let mut host = Host::by_hand(Variant::Explorer);
        assert_eq!(host.id_after([200, 100, 80]), 3);
        host.set(REPORTS, 1).unwrap();
        host.bench.misbehave(|m| m.unplug_at = Some(code));
        let error = match code {
            ps2::STATUS_REQUEST => host.get(STATUS).map(drop),
            ps2::SET_RATE => host.set(RATE, 80),
            _ => host.reset().map(drop),
        };
        let text = error.unwrap_err().to_string();
        assert!(text.contains(&format!("model:psmouse: command {code:02x}")) && text.contains("no answer"), "{text}");
        host.bench.misbehave(|m| *m = Misbehave::default());
        host.leave();
        assert!(!host.device.look_for_return().unwrap());
        host.bench.plug_in();
        // its self test takes 400
        let waited = host.returns_after();
        assert!((400..600).contains(&waited), "{waited}");
        assert_eq!(host.hear(20, |_| {}), [], "what it has announced is not for its driver");
        let plain =
            Settings { id: 0, rate: 100, resolution: 2, doubled: false, enabled: false, remote: false, wrap: false };
        assert_eq!(host.bench.settings(), plain);
        assert_eq!(host.reset().unwrap(), 0x00aa);
    }
}

#[test]
fn pulled_and_put_in_while_nobody_asks_it_announces_itself_to_its_driver() {
    let mut host = Host::by_hand(Variant::Ps2);
    host.set(REPORTS, 1).unwrap();
    host.bench.unplug();
    host.bench.plug_in();
    let heard: Vec<u8> = host.hear(500, |_| {}).into_iter().map(|(byte, _)| byte).collect();
    assert_eq!(heard, [0xaa, 0x00]);
}

#[test]
fn one_that_was_silent_for_a_time_is_back_when_it_answers() {
    let mut host = Host::by_hand(Variant::Ps2);
    host.set(RATE, 40).unwrap();
    host.bench.misbehave(|m| m.silent = true);
    host.leave();
    assert!(!host.device.look_for_return().unwrap());
    host.bench.misbehave(|m| m.silent = false);
    let waited = host.returns_after();
    assert!((800..=1100).contains(&waited), "{waited}");
    assert_eq!(host.get(STATUS).unwrap() >> 16, 40, "it was asked and told nothing");
}

#[test]
fn every_way_to_fail_ends_in_words_and_in_time() {
    type Trouble = fn(&mut Misbehave);
    let cases: [(&str, Trouble, &str); 4] = [
        ("silent", |m| m.silent = true, "no answer within 200 ms"),
        ("resend", |m| m.resend_for_ever = true, "it answered fe fe fe"),
        ("lost", |m| m.lose_every = std::num::NonZeroU32::new(1), "no answer within 200 ms"),
        ("garbled", |m| m.garble_every = std::num::NonZeroU32::new(1), "data came: 05"),
    ];
    for (name, trouble, words) in cases {
        let mut host = Host::by_hand(Variant::Explorer);
        host.bench.misbehave(trouble);
        let text = host.get(STATUS).unwrap_err().to_string();
        assert!(text.contains("model:psmouse: command e9") && text.contains(words), "{name}: {text}");
        host.bench.misbehave(|m| *m = Misbehave::default());
        host.hear(50, |_| {});
        assert_eq!(host.get(STATUS).unwrap(), 100 << 16 | 2 << 8, "{name}: and then it goes on");
    }
    // what is no trouble of the line is the driver's to judge
    let mut host = Host::by_hand(Variant::Explorer);
    host.bench.misbehave(|m| m.self_test_fails = true);
    assert_eq!(host.reset().unwrap(), 0x00fc);
    host.bench.misbehave(|m| *m = Misbehave { keyboard: true, ..Misbehave::default() });
    assert_eq!(host.reset().unwrap(), 0xffaa);
    assert_eq!(host.get(ID).unwrap(), 0xab);
    // slow, and just not too slow
    host.bench.misbehave(|m| *m = Misbehave { late: Duration::from_millis(150), ..Misbehave::default() });
    assert_eq!(host.get(STATUS).unwrap(), 100 << 16 | 2 << 8);
}

/// A setting whose argument has got lost leaves a mouse that waits for one.
#[test]
fn a_mouse_that_waits_for_an_argument_is_brought_to_hear_a_command() {
    for (name, variant) in VARIANTS {
        let mut host = Host::by_hand(*variant);
        // as a command without its argument
        host.set(COMMAND.offset().into(), ps2::SET_RATE.into()).unwrap();
        assert_eq!(host.get(STATUS).unwrap(), 100 << 16 | 2 << 8, "{name}");
        assert_eq!(host.bench.counters().refused, 2, "{name}");
    }
}

#[test]
fn bytes_are_announced_as_they_come_by_either_clock() {
    for clock in [Clock::Manual, Clock::Real] {
        let mut host = Host::new(Config { clock, ..Config::of(Variant::Ps2) });
        let event = EventFd::from_flags(EfdFlags::EFD_NONBLOCK).unwrap();
        host.device.enable_messages(event.as_fd()).unwrap();
        host.set(REPORTS, 1).unwrap();
        event.read().unwrap();
        host.bench.act(Action::Move { right: 40, away: 8 });
        let mut packet = Vec::new();
        while packet.len() < 3 {
            match clock {
                Clock::Manual => host.bench.advance(Duration::from_millis(1)),
                Clock::Real => {
                    let mut poll = [nix::poll::PollFd::new(event.as_fd(), nix::poll::PollFlags::POLLIN)];
                    assert_eq!(nix::poll::poll(&mut poll, 5000_u16).unwrap(), 1, "{packet:02x?}");
                }
            }
            if event.read().is_err() {
                continue;
            }
            while let word = host.get(DATA.offset().into()).unwrap()
                && word != 0
            {
                packet.push(word as u8);
            }
        }
        assert_eq!(packet, [0x08, 20, 4], "{clock:?}");
    }
}

/// As long as it takes.
#[test]
fn with_a_real_clock_a_mouse_is_set_up_in_real_time() {
    let mut host = Host::new(Config { self_test: Duration::from_millis(60), ..Config::of(Variant::Explorer) });
    let start = std::time::Instant::now();
    assert_eq!(host.reset().unwrap(), 0x00aa);
    assert!(start.elapsed() >= Duration::from_millis(60));
    assert_eq!(host.id_after([200, 100, 80]), 3);
    assert_eq!(host.id_after([200, 200, 80]), 4);
    host.bench.unplug();
    host.leave();
    host.bench.plug_in();
    while !host.device.look_for_return().unwrap() {
        std::thread::yield_now();
        assert!(start.elapsed() < Duration::from_secs(20));
    }
    assert_eq!(host.get(ID).unwrap(), 0);
}
