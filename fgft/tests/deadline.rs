//! The watchdog against calls of every length: none that lasts is missed, none that is short is ended.
//!
//! All is judged by CPU time, which is what deadlines are in: a busy machine makes calls longer on the wall's clock only.
//! `FGFT_LIVES` sets the calls (default 1000), `FGFT_SEED` the seed.
#![allow(unsafe_code, reason = "calls that are ended at any instruction")]

mod common;

use std::time::{Duration, Instant};

use common::*;
use fgft::{Domain, DomainMemory, Fault, FaultKind, Refusal, Upcalls};
use thread::cpu_time;

const DEADLINE: Duration = Duration::from_millis(2);
/// So much longer than the deadline that no delay of the watchdog excuses a call which returns.
const FOREVER: u64 = 500;
/// Of these many calls one is that long.
const ENDLESS: u64 = 16;

/// Spends CPU time in the host: the first word's microseconds.
struct Burns;

impl Upcalls<()> for Burns {
    fn upcall(&mut self, (): &mut (), _: &DomainMemory, _: u64, words: [u64; 4]) -> Result<[u64; 2], Refusal> {
        let end = cpu_time() + Duration::from_micros(words[0]);
        while cpu_time() < end {
            std::hint::spin_loop();
        }
        Ok([0; 2])
    }
}

/// What a call is made of: so many rounds of so many turns, and of an upcall that burns microseconds.
#[derive(Debug, Clone, Copy)]
struct Life {
    rounds: u64,
    turns: u64,
    burn: Option<u64>,
}

fn live(d: &mut Domain<Words>, life: Life) -> (Result<u64, Fault>, Duration) {
    let start = cpu_time();
    // SAFETY: owns nothing.
    let result = unsafe {
        d.run(&mut Burns, |words| {
            for _ in 0..life.rounds {
                for i in 0..life.turns {
                    words[1] = std::hint::black_box(i);
                }
                if let Some(burn) = life.burn {
                    fgft::upcall(0, [burn, 0, 0, 0]);
                }
            }
            words[0]
        })
    };
    let used = cpu_time() - start;
    d.rollback();
    assert_eq!(d.state(), [7; WORDS]);
    (result, used)
}

/// Turns of a loop that this machine makes in the deadline, about.
fn turns_in_deadline(d: &mut Domain<Words>) -> u64 {
    let mut turns = 1000;
    let mut fastest_of_five = |turns| {
        let life = Life { rounds: 1, turns, burn: None };
        (0..5).map(|_| live(d, life).1).min().expect("five")
    };
    while fastest_of_five(turns) < DEADLINE {
        turns += turns / 4;
    }
    turns
}

#[test]
fn calls_of_any_length_are_ended_rightly_or_not_at_all() {
    let (count, mut rng) = (number("FGFT_LIVES", 1000), Rng(number("FGFT_SEED", 1)));
    let mut d = domain();
    d.set_deadline(Duration::from_secs(60));
    let turns = turns_in_deadline(&mut d);
    d.set_deadline(DEADLINE);
    let deadline = DEADLINE.as_micros() as u64;
    let (mut ended, mut returned, mut endless, mut stretched, mut late) = (0, 0, 0, 0, Duration::ZERO);
    for i in 0..count {
        // a quarter is close to the deadline, the others have any length up to four times it; in parts of 256
        let length = if rng.below(4) == 0 { 230 + rng.below(52) } else { rng.below(1024) };
        let mut life = match rng.below(3) {
            0 => Life { rounds: 1, turns: turns * length / 256, burn: None },
            1 => Life { rounds: 1, turns: 1, burn: Some(deadline * length / 256) },
            _ => Life { rounds: length, turns: turns / 512, burn: Some(deadline / 512) },
        };
        let is_endless = rng.below(ENDLESS) == 0;
        if is_endless {
            // not in one upcall: the host's own code is not ended
            life = Life { rounds: FOREVER * 16, turns: turns / 16, burn: (length % 2 == 0).then_some(1) };
        }
        if rng.below(4) == 0 {
            // not to wait for anything: so that calls begin while the watchdog looks, falls asleep, sleeps
            std::thread::sleep(Duration::from_micros(rng.below(3000)));
        }
        let (result, used) = live(&mut d, life);
        match result {
            Ok(value) => {
                assert_eq!(value, 7);
                assert!(!is_endless, "call {i} was missed: {life:?} returned after {used:?} of CPU time");
                returned += 1;
            }
            Err(fault) => {
                assert_eq!(fault.kind, FaultKind::Hang { deadline: DEADLINE.as_nanos() as u64 });
                assert!(used >= DEADLINE, "call {i} was ended too early: {life:?} had used {used:?}");
                late = late.max(used - DEADLINE);
                ended += 1;
                endless += u64::from(is_endless);
            }
        }
        // the call right after it is never hit by a late verdict
        let (next, used) = live(&mut d, Life { rounds: 1, turns: 1, burn: None });
        if next != Ok(7) {
            // a processor that is itself not run for a while may count that as time of the call
            assert!(used >= DEADLINE, "the short call after {life:?} had used {used:?}: {next:?}");
            stretched += 1;
        }
    }
    println!(
        "stress: {ended} ended ({endless} endless), {returned} returned; none missed, none wrongly; {late:?} late at most"
    );
    assert!(ended > 0 && returned > 0 && endless > 0);
    assert!(stretched <= count / 20, "too many to say that short calls are left alone");
}

/// How soon an endless loop is over: the figure that a user waits for.
#[test]
fn a_hang_is_over_soon() {
    const HANGS: usize = 100;
    let deadline = Duration::from_millis(5);
    let mut d = domain();
    d.set_deadline(deadline);
    let life = Life { rounds: u64::MAX, turns: 1000, burn: None };
    let mut used = Vec::new();
    let mut wall = Vec::new();
    for _ in 0..HANGS {
        let start = Instant::now();
        let (result, cpu) = live(&mut d, life);
        wall.push(start.elapsed());
        used.push(cpu);
        assert!(matches!(result, Err(Fault { kind: FaultKind::Hang { .. }, .. })), "{result:?}");
    }
    for (name, times) in [("CPU time", &mut used), ("wall clock", &mut wall)] {
        times.sort_unstable();
        let within = times.iter().filter(|time| **time <= Duration::from_millis(10)).count();
        println!(
            "deadline {deadline:?}, {name}: median {:.1?}, nine of ten within {:.1?}, longest {:.1?}; {within} of {HANGS} within 10 ms",
            times[HANGS / 2],
            times[HANGS * 9 / 10],
            times[HANGS - 1],
        );
    }
    assert!(used[0] >= deadline, "{used:?}");
    // Half of them: the watchdog itself may have to wait for a processor. An emulated one counts its own waiting, too.
    assert!(used[HANGS / 2] <= 4 * deadline || emulated(), "{used:?}");
}
