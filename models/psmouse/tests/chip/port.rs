//! The mouse at a serio port.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use model_psmouse::codes::{answer::ACK, command};
use model_psmouse::{Action, Clock, Config, PsMouseHandle, PsMousePort, Variant};
use rustix::event::{EventfdFlags, eventfd};
use udrv_bus::{SerioByte, SerioPort};

use crate::bench::ms;

fn port(clock: Clock) -> (PsMousePort, PsMouseHandle) {
    PsMousePort::new("model:psmouse", Config { clock, ..Config::of(Variant::Ps2) })
}

fn event() -> OwnedFd {
    eventfd(0, EventfdFlags::NONBLOCK).unwrap()
}

/// What an eventfd has counted.
fn counted(event: &OwnedFd) -> Option<u64> {
    let mut bytes = [0; 8];
    rustix::io::read(event, &mut bytes).ok().map(|_| u64::from_ne_bytes(bytes))
}

fn values(bytes: &[SerioByte]) -> Vec<u8> {
    bytes.iter().map(|byte| byte.value).collect()
}

/// All that comes with no more than `patience` between two bytes.
fn all(port: &mut PsMousePort, patience: Duration) -> Vec<SerioByte> {
    std::iter::from_fn(|| port.read(patience).unwrap()).collect()
}

#[test]
fn it_is_a_mouse_at_a_pc() {
    let (port, _) = port(Clock::Manual);
    assert_eq!((port.name().as_str(), port.id().to_string().as_str()), ("model:psmouse", "01:00"));
}

#[test]
fn whoever_waits_turns_the_clock_to_the_next_event_and_no_further_than_his_patience() {
    let (mut port, bench) = port(Clock::Manual);
    assert_eq!(port.read(Duration::ZERO).unwrap(), None);
    assert_eq!(port.now(), Duration::ZERO);
    assert_eq!(port.read(ms(70)).unwrap(), None);
    assert_eq!(port.now(), ms(70));
    port.write(command::RESET).unwrap();
    // a byte there, a thought, a byte back; then the self test, and an announcement of two bytes
    let heard = all(&mut port, ms(500));
    assert_eq!(values(&heard), [ACK, 0xaa, 0x00]);
    let after: Vec<Duration> = heard.iter().map(|byte| byte.at - ms(70)).collect();
    assert_eq!(after[0], ms(3));
    assert!(after[1] >= ms(400) && after[1] <= ms(410) && after[2] == after[1] + ms(1), "{after:?}");
    assert_eq!(port.now(), heard[2].at + ms(500));
    // bytes that get lost are events that bring nothing
    bench.misbehave(|m| m.lose_every = std::num::NonZeroU32::new(1));
    port.write(command::STATUS_REQUEST).unwrap();
    let before = port.now();
    assert_eq!(port.read(ms(20)).unwrap(), None);
    assert_eq!(port.now(), before + ms(20));
}

#[test]
fn by_a_real_clock_bytes_come_whether_they_are_read_or_not() {
    let (mut port, bench) = port(Clock::Real);
    let event = event();
    port.announce(Some(event.as_fd())).unwrap();
    let start = Instant::now();
    port.write(command::STATUS_REQUEST).unwrap();
    while bench.counters().to_host < 4 {
        std::thread::yield_now();
        assert!(start.elapsed() < Duration::from_secs(10));
    }
    let heard = all(&mut port, Duration::ZERO);
    assert_eq!(values(&heard), [ACK, 0x00, 2, 100]);
    assert!(counted(&event).is_some_and(|count| (1..=4).contains(&count)));
    assert!(heard.windows(2).all(|two| two[1].at >= two[0].at + ms(1)), "a byte takes a millisecond: {heard:?}");
    let start = Instant::now();
    assert_eq!(port.read(ms(30)).unwrap(), None);
    assert!(start.elapsed() >= ms(30));
}

#[test]
fn the_hand_wakes_who_waits() {
    let (mut port, bench) = port(Clock::Real);
    port.write(command::ENABLE).unwrap();
    assert_eq!(port.read(Duration::from_secs(10)).unwrap().map(|byte| byte.value), Some(ACK));
    let waiting = std::thread::spawn(move || port.read(Duration::from_secs(10)).unwrap());
    bench.act(Action::Move { right: 8, away: 0 });
    assert_eq!(waiting.join().unwrap().map(|byte| byte.value), Some(0x08));
}

#[test]
fn what_has_come_before_is_announced_at_once_and_nothing_to_who_does_not_listen() {
    let (mut port, bench) = port(Clock::Manual);
    let event = event();
    bench.babble(&[0x55]);
    bench.advance(ms(5));
    port.announce(Some(event.as_fd())).unwrap();
    assert_eq!(counted(&event), Some(1));
    bench.babble(&[0x66]);
    bench.advance(ms(5));
    assert_eq!(counted(&event), Some(1));
    port.announce(None).unwrap();
    bench.babble(&[0x77]);
    bench.advance(ms(5));
    assert_eq!(counted(&event), None);
    assert_eq!(values(&all(&mut port, ms(10))), [0x55, 0x66, 0x77]);
}

#[test]
fn a_host_that_reads_nothing_holds_the_mouse_and_nothing_is_lost() {
    let (mut port, bench) = port(Clock::Manual);
    let many: Vec<u8> = (0..5000_u32).map(|n| (n % 251) as u8).collect();
    bench.babble(&many);
    for _ in 0..6000 {
        bench.advance(ms(1));
    }
    assert_eq!(values(&all(&mut port, ms(10))), many);
}

#[test]
fn it_can_be_closed_at_any_time_and_the_bench_lives_on() {
    for clock in [Clock::Real, Clock::Manual] {
        let (mut port, bench) = port(clock);
        port.write(command::RESET).unwrap();
        drop(port);
        bench.act(Action::Move { right: 8, away: 0 });
        bench.advance(ms(1000));
        assert!(bench.is_plugged_in());
    }
}
