//! How long everything takes.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use model_psmouse::codes::command;
use model_psmouse::{Action, Config, PsMouseModel, Variant};

use crate::bench::{DEADLINE, Host, ms};

/// Advances to the next byte, reads it and says when it was there.
fn next(host: &mut Host) -> (Duration, u8) {
    loop {
        if let Some(byte) = host.line.read() {
            return (host.line.now(), byte.value);
        }
        let at = host.line.next_event_at().expect("something comes");
        host.bench.advance(at - host.line.now());
    }
}

#[test]
fn a_byte_takes_a_millisecond_each_way_and_an_answer_comes_in_time() {
    let mut host = Host::new(Variant::Ps2);
    let begin = host.line.now();
    host.line.write(command::STATUS_REQUEST);
    assert!(!host.line.has_arrived());
    host.bench.advance(Duration::from_micros(999));
    assert!(!host.line.has_arrived());
    host.bench.advance(Duration::from_micros(1));
    assert!(host.line.has_arrived());
    let times: Vec<Duration> = (0..4).map(|_| next(&mut host).0 - begin).collect();
    assert!(times[0] <= DEADLINE && times[0] >= ms(2), "{times:?}");
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == ms(1)), "{times:?}");
}

#[test]
fn a_self_test_takes_300_to_500_ms_and_hears_nothing() {
    let mut host = Host::new(Variant::Ps2);
    host.line.write(command::RESET);
    let (acknowledged, _) = next(&mut host);
    assert_eq!(host.say(command::READ_ID), []);
    let (passed, byte) = next(&mut host);
    assert_eq!(byte, 0xaa);
    assert!((ms(300)..ms(500)).contains(&(passed - acknowledged)), "{:?}", passed - acknowledged);
    assert_eq!(next(&mut host), (passed + ms(1), 0x00));
    assert_eq!(host.bench.counters().unheard, 1);
}

#[test]
fn time_by_hand_stands_until_it_is_turned() {
    let mut host = Host::new(Variant::Ps2);
    host.line.write(command::READ_ID);
    assert_eq!((host.line.read(), host.line.now(), host.line.wakes_at()), (None, Duration::ZERO, None));
}

#[test]
fn a_real_clock_goes_by_itself() {
    let (mut line, bench) = PsMouseModel::new(Config::default());
    let begin = Instant::now();
    line.write(command::READ_ID);
    let mut heard = Vec::new();
    while heard.len() < 2 {
        let at = line.wakes_at().expect("an answer comes");
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
        heard.extend(line.read().map(|byte| byte.value));
        assert!(begin.elapsed() < Duration::from_secs(20), "{heard:02x?}");
    }
    assert_eq!(heard, [0xfa, 0x00]);
    assert!(begin.elapsed() >= ms(4));
    bench.advance(Duration::from_secs(1000));
    assert!(line.now() < Duration::from_secs(900), "it is not turned by hand");
}

#[test]
fn whoever_waits_is_told_of_the_bench() {
    let (mut line, bench) = PsMouseModel::new(Config::default());
    let (told, tell) = (Arc::new(AtomicU32::new(0)), mpsc::channel());
    let count = told.clone();
    line.watch(move || {
        count.fetch_add(1, SeqCst);
        let _ = tell.0.send(());
    });
    let hand = std::thread::spawn(move || bench.act(Action::Move { right: 8, away: 0 }));
    tell.1.recv_timeout(Duration::from_secs(20)).expect("the hand has moved");
    hand.join().expect("no panic");
    assert_eq!(told.load(SeqCst), 1);
}
