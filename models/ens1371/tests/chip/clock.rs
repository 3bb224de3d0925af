//! Real time: sound goes on and interrupts come though nobody touches a register.

use std::time::{Duration, Instant};

use model_ens1371::{Clock, Config, Nothing, regs};

use crate::bench::{Bench, Channel, Dac1, Dac2, STEREO_16, noise};

const PATIENCE: Duration = Duration::from_secs(20);

fn wait_until(what: &str, mut met: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !met() {
        assert!(begin.elapsed() < PATIENCE, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn periods_come_by_themselves_and_not_too_early() {
    for pace in [100, 50] {
        let mut b = Bench::ready_of(Config { clock: Clock::Real { pace }, ..Config::default() }, Nothing);
        b.enable_line();
        let begin = Instant::now();
        b.start(Dac2, STEREO_16, 1000, 1200);
        // no register is read here
        wait_until("an interrupt comes", || b.signals() == 1);
        let least = Duration::from_millis(25) * 100 / pace;
        assert!(begin.elapsed() >= least, "{:?} at {pace} %", begin.elapsed());
        assert_ne!(b.r32(regs::STATUS) & Dac2.cause(), 0);
    }
}

#[test]
fn what_it_plays_is_what_is_in_memory() {
    let mut b = Bench::ready_of(Config::default(), Nothing);
    let frames = noise(1000);
    b.fill_frames(Dac1, &frames);
    b.start(Dac1, STEREO_16, 1000, 100);
    wait_until("it plays", || b.handle.counters().played >= 2000);
    b.stop(Dac1);
    let played = b.tape.take();
    assert_eq!(played.len() as u64, b.handle.counters().played);
    assert!(played.iter().zip(frames.iter().cycle()).all(|(a, b)| a == b));
}

/// What a write ends, a channel or a volume, was so until then.
#[test]
fn what_was_due_before_a_write_is_played_as_it_was() {
    let mut b = Bench::ready_of(Config::default(), Nothing);
    let frames = noise(0x4000);
    b.fill_frames(Dac1, &frames);
    let mut tries = 0..1000;
    let (elapsed, played) = loop {
        tries.next().expect("this machine stands still again and again");
        b.start(Dac1, STEREO_16, 0x4000, 0x4000);
        let begin = Instant::now();
        // no register is touched, and the card's own look may be up to 4 ms away
        while begin.elapsed() < Duration::from_millis(3) {
            std::hint::spin_loop();
        }
        let elapsed = begin.elapsed();
        b.stop(Dac1);
        let played = b.tape.take();
        // it makes up for 100 ms at most
        if elapsed < Duration::from_millis(50) {
            break (elapsed, played);
        }
    };
    let least = (elapsed.as_nanos() * 48 / 1_000_000) as usize;
    assert!(played.len() >= least, "{} of {least}", played.len());
    assert_eq!(played, frames[..played.len()]);
}

#[test]
fn the_position_moves_with_time_between_periods() {
    let mut b = Bench::ready_of(Config::default(), Nothing);
    b.start(Dac1, STEREO_16, 0x1_0000, 0x1_0000);
    let mut last = 0;
    for _ in 0..20 {
        wait_until("it moves", || b.position(Dac1) != last);
        let now = b.position(Dac1);
        assert!(now > last);
        last = now;
    }
}

#[test]
fn time_without_a_channel_is_not_made_up_for() {
    for pace in [0, 100] {
        let mut b = Bench::ready_of(Config { clock: Clock::Real { pace }, ..Config::default() }, Nothing);
        for channel in Channel::DACS {
            // time in which nothing is on
            std::thread::sleep(Duration::from_millis(20));
            let begin = Instant::now();
            b.start(channel, STEREO_16, 0x1_0000, 0x1_0000);
            let position = b.position(channel);
            let most = begin.elapsed().as_micros() * 48 / 1000 + 1;
            assert!(u128::from(position) <= most, "{position}, and {most} are due since it was switched on");
            if pace == 0 {
                assert_eq!(position, 0, "this clock stands still");
            }
            b.stop(channel);
        }
    }
}
