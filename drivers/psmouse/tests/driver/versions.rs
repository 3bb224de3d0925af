//! The two versions of `interrupt`: what they find in any stream is the same, whichever is called when.

use std::cell::RefCell;

use psmouse::{PsMouse, State, regs};
use udrv_driver::{Buttons, Cx, Driver, Error, InputDriver, InputEvents, InputInterrupt, Report};
use udrv_driver_tests::Random;
use udrv_driver_tests::alternate::assert_shares_nothing;

use crate::scripted::{NAMES, Port, Script, byte, probed};

fn second() -> InputInterrupt<State> {
    PsMouse::ALTERNATES.interrupt.expect("a second interrupt")
}

fn call(script: &RefCell<Script>, state: &mut State, entry: InputInterrupt<State>) -> Result<InputEvents, Error> {
    let result = entry(&mut Cx::new(state, &Port(script), None));
    assert_eq!(PsMouse::check(state), Ok(()), "{result:?}");
    result
}

#[test]
fn shares_nothing_but_the_state_and_the_manual() {
    assert_shares_nothing(
        include_str!("../../src/alternate.rs"),
        &[
            "use udrv_driver::{Buttons, Cx, Error, InputEvents, Report};",
            "use crate::regs;",
            "use crate::state::State;",
        ],
        &[include_str!("../../src/state.rs")],
    );
}

/// What a run has brought about.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    reports: Vec<Report>,
    dropped: u64,
    events: Vec<Result<InputEvents, Error>>,
    states: Vec<State>,
    left: Vec<usize>,
}

fn run(number: usize, stream: &[u32], mut chunk: impl FnMut() -> usize, mut version: impl FnMut() -> bool) -> Outcome {
    let (script, mut state) = probed(number);
    let mut outcome = Outcome::default();
    let mut rest = stream;
    while !rest.is_empty() || !script.borrow().data.is_empty() {
        let (now, later) = rest.split_at(chunk().min(rest.len()));
        rest = later;
        script.borrow_mut().data.extend(now);
        let entry = if version() { second() } else { PsMouse::interrupt };
        outcome.events.push(call(&script, &mut state, entry));
        outcome.states.push(state);
        outcome.left.push(script.borrow().data.len());
    }
    let script = script.into_inner();
    (outcome.reports, outcome.dropped) = (script.reports, script.dropped);
    outcome
}

/// Packets mostly, and everything that can happen to them.
fn stream(random: &mut Random, length: usize) -> Vec<u32> {
    let mut stream = Vec::new();
    while stream.len() < 400 {
        let any = random.number().to_le_bytes();
        let mut packet = vec![any[0] | 8, any[1], any[2], random.of(&[0, 0, 1, 0xff, any[3], any[3] & 0x3f])];
        packet.truncate(length);
        match random.below(24) {
            0 => drop(packet.remove(random.below(length as u32) as usize)),
            1 => packet.insert(random.below(length as u32) as usize, any[4]),
            2 => packet[0] &= !8,
            3 => packet = vec![0xaa, 0x00],
            4 => packet = any.to_vec(),
            _ => {}
        }
        for (at, value) in packet.into_iter().enumerate() {
            let usual = if at == 0 { 10 } else { 1 };
            let pause =
                random.of(&[usual, usual, usual, usual, usual, usual, usual, usual, 249, 250, 500, 501, 0xffff]);
            let broken = if random.below(40) == 0 { regs::data::BROKEN } else { 0 };
            stream.push(byte(value, pause) | broken);
        }
    }
    stream
}

#[test]
fn both_find_the_same_in_every_stream() {
    let (mut reports, mut out_of_step, mut new) = (0, 0, 0);
    for (number, name) in NAMES.iter().enumerate() {
        let length = if matches!(number, 1 | 2) { 4 } else { 3 };
        for seed in 0..400 {
            let random = &mut Random::new(seed);
            let stream =
                if seed % 8 == 0 { (0..400).map(|_| random.number() as u32).collect() } else { stream(random, length) };
            let chunks = |seed| {
                let mut random = Random::new(seed);
                move || random.of(&[1, 1, 2, 3, 5, 40, 400]) as usize
            };
            let first = run(number, &stream, chunks(seed), || false);
            assert_eq!(run(number, &stream, chunks(seed), || true), first, "{name} {seed}");
            let mut turns = Random::new(!seed);
            let both = run(number, &stream, chunks(seed), || turns.below(2) == 0);
            assert_eq!(both, first, "{name} {seed}");
            reports += first.reports.len();
            let told =
                |event: InputEvents| first.events.iter().filter(|told| told.is_ok_and(|told| told.has(event))).count();
            out_of_step += told(InputEvents::OUT_OF_STEP);
            new += told(InputEvents::NEW);
        }
    }
    assert!(reports > 20_000 && out_of_step > 5_000 && new > 1_000, "{reports} {out_of_step} {new}");
}

/// In how many calls it comes makes no difference: a packet is reported when it is whole, and once.
#[test]
fn reports_are_never_split() {
    for (number, name) in NAMES.iter().enumerate() {
        let length = if matches!(number, 1 | 2) { 4 } else { 3 };
        for seed in 0..200 {
            let mut random = Random::new(seed);
            let (mut stream, mut wanted, mut dropped, mut broken) = (Vec::new(), Vec::new(), 0, false);
            for _ in 0..100 {
                let [x, y, wheel] =
                    [1 + random.below(100), 1 + random.below(100), random.below(7)].map(|any| any as u8);
                let buttons = random.below(8);
                let whole = random.below(4) != 0;
                let sent = if whole { length } else { 1 + random.below(length - 1) };
                for (at, value) in [8 | buttons as u8, x, y, wheel][..sent as usize].iter().enumerate() {
                    let flag = if at == 0 && std::mem::take(&mut broken) { regs::data::BROKEN } else { 0 };
                    stream.push(byte(*value, if at == 0 { 8 } else { 1 }) | flag);
                }
                if whole {
                    let wheel = if length == 4 { -(wheel as i8) } else { 0 };
                    wanted.push(Report { buttons: Buttons(buttons), x: x.into(), y: -i16::from(y), wheel, pan: 0 });
                } else {
                    // a command of ours was in its way
                    broken = true;
                    dropped += u64::from(sent);
                }
            }
            stream.push(byte(8, 8) | regs::data::BROKEN);
            for version in [false, true] {
                let found = run(number, &stream, || 1 + random.below(9) as usize, || version);
                assert_eq!((&found.reports, found.dropped), (&wanted, dropped), "{name} {seed}");
                assert!(found.events.iter().all(|events| *events == Ok(InputEvents::DATA)), "it is in step");
            }
        }
    }
}

/// And there is more, which is for another call.
#[test]
fn a_call_hands_up_no_more_than_it_may() {
    for entry in [PsMouse::interrupt, second()] {
        for (number, length) in [(0, 3), (2, 4)] {
            let (script, mut state) = probed(number);
            let packets =
                (0..150).flat_map(|_| [byte(8, 1), byte(1, 1), byte(0, 1), byte(0, 1)].into_iter().take(length));
            script.borrow_mut().data.extend(packets);
            for wanted in [64, 128] {
                assert_eq!(call(&script, &mut state, entry), Ok(InputEvents::DATA | InputEvents::MORE));
                assert_eq!(script.borrow().reports.len(), wanted);
            }
            assert_eq!(call(&script, &mut state, entry), Ok(InputEvents::DATA));
            assert_eq!(script.borrow().reports.len(), 150);
            assert_eq!(call(&script, &mut state, entry), Ok(InputEvents::NONE));
            // and does not go on for ever when nothing is reported
            script.borrow_mut().data.extend((0..1000).map(|_| byte(0, 1)));
            let more = InputEvents::DATA | InputEvents::MORE | InputEvents::OUT_OF_STEP;
            assert_eq!(call(&script, &mut state, entry), Ok(more));
            assert_eq!((script.borrow().data.len(), script.borrow().dropped), (744, 256));
        }
        let (script, mut state) = (RefCell::new(Script::default()), PsMouse::NEW);
        assert_eq!(call(&script, &mut state, entry), Err(Error::NotReady));
    }
}
