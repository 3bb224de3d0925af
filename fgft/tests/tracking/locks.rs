//! Locks taken by code inside: released in reverse, by whatever way the call ends.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use fgft::tracking::{Lock, LockError, LockLog};
use fgft::{Domain, DomainConfig, DomainMemory, Fault, FaultKind, Refusal, StateKind, Upcalls};

use crate::fault;

/// Far above what a busy machine needs.
const LONG: Duration = Duration::from_secs(20);

struct Host {
    locks: [Arc<Lock<u64>>; 3],
    log: LockLog,
}

impl Host {
    fn new(wait: Duration) -> Host {
        Host { locks: ["first", "second", "third"].map(|name| Arc::new(Lock::new(name, 0))), log: LockLog::new(wait) }
    }
}

const TAKE: u64 = 0;
const RELEASE: u64 = 1;
const ADD: u64 = 2;

/// Replies with 1 if the lock was busy.
impl Upcalls<()> for Host {
    fn upcall(&mut self, (): &mut (), _: &DomainMemory, number: u64, words: [u64; 4]) -> Result<[u64; 2], Refusal> {
        let lock = &self.locks[words[0] as usize];
        match number {
            TAKE => match self.log.take(lock) {
                Ok(()) => {}
                Err(LockError::Busy { .. }) => return Ok([1, 0]),
                Err(twice) => return Err(twice.into()),
            },
            RELEASE => self.log.release(lock)?,
            _ => *self.log.value(lock)? += words[1],
        }
        Ok([0, 0])
    }
}

fn run(host: &mut Host, deadline: Duration, f: impl FnOnce() -> u64 + Copy) -> Result<u64, Fault> {
    let config = DomainConfig { deadline, ..DomainConfig::new(StateKind { name: "locks", version: 1 }) };
    let mut domain = Domain::<u64>::new(&config, 0, ()).unwrap();
    // SAFETY: the closures own nothing.
    unsafe { domain.run(host, |_| f()) }
}

fn take(lock: u64) -> u64 {
    fgft::upcall(TAKE, [lock, 0, 0, 0])[0]
}

fn release(lock: u64) {
    fgft::upcall(RELEASE, [lock, 0, 0, 0]);
}

#[test]
fn an_abort_releases_in_reverse_and_others_get_them() {
    let mut host = Host::new(LONG);
    let (waits, waiting) = mpsc::channel();
    let result = run(&mut host, LONG, || {
        take(1);
        take(0);
        take(2);
        fgft::upcall(ADD, [0, 5, 0, 0]);
        fault();
        0
    });
    assert!(matches!(result.unwrap_err().kind, FaultKind::NullAccess { .. }));
    assert_eq!(host.log.held().collect::<Vec<_>>(), ["second", "first", "third"]);
    let others = host.locks.clone();
    let other = thread::spawn(move || {
        assert!(others.iter().all(|lock| lock.lock_within(Duration::ZERO).is_none()), "all held by the failed call");
        waits.send(()).unwrap();
        others.map(|lock| *lock.lock())
    });
    waiting.recv().unwrap();
    assert_eq!(host.log.release_all(), ["third", "first", "second"]);
    assert_eq!(other.join().unwrap(), [5, 0, 0]);
    assert_eq!(host.log.release_all(), Vec::<&str>::new());
}

#[test]
fn a_lock_is_not_taken_twice_nor_released_unheld_nor_used_without() {
    for (misuse, text) in [
        ((|| take(1)) as fn() -> u64, "refused: lock second is taken twice"),
        (|| (release(0), 0).1, "refused: lock first is not held by this call"),
        (|| fgft::upcall(ADD, [2, 1, 0, 0])[0], "refused: lock third is not held by this call"),
    ] {
        let mut host = Host::new(LONG);
        let fault = run(&mut host, LONG, || {
            take(1);
            misuse()
        });
        assert_eq!(fault.unwrap_err().to_string(), text);
        assert_eq!(host.log.release_all(), ["second"]);
        assert_eq!(host.locks.map(|lock| *lock.lock_within(Duration::ZERO).unwrap()), [0; 3]);
    }
}

#[test]
fn a_lock_still_held_at_the_end_is_told() {
    let mut host = Host::new(LONG);
    assert_eq!(run(&mut host, LONG, || take(0) + take(1) + take(2) + (release(1), 0).1), Ok(0));
    let refusal = host.log.check_released().unwrap_err();
    assert_eq!(refusal.0, "the call has returned and still holds: first, third");
    host.log.release_all();
    assert_eq!(host.log.check_released(), Ok(()));
}

/// Waiting ends, as an ordinary error for the code inside, and is not counted as its CPU time.
#[test]
fn waiting_for_a_lock_is_no_hang() {
    let (wait, deadline) = (Duration::from_millis(900), Duration::from_millis(300));
    let mut host = Host::new(wait);
    let lock = host.locks[0].clone();
    let guard = lock.lock();
    let start = std::time::Instant::now();
    assert_eq!(run(&mut host, deadline, || take(0)), Ok(1));
    assert!(start.elapsed() >= wait);
    assert_eq!(host.log.held().count(), 0);
    drop(guard);
    assert_eq!(run(&mut host, deadline, || take(0)), Ok(0));
    assert!(lock.lock_within(Duration::ZERO).is_none());
    drop(host); // a host that ends releases too
    assert!(lock.lock_within(Duration::ZERO).is_some());
}

#[test]
fn one_at_a_time() {
    const ROUNDS: u64 = 2000;
    let lock = Arc::new(Lock::new("counter", [0_u64; 2]));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    let mut value = lock.lock();
                    assert_eq!(value[0], value[1]);
                    value[0] += 1;
                    thread::yield_now();
                    value[1] += 1;
                }
            });
            scope.spawn(|| {
                let mut log = LockLog::new(LONG);
                for _ in 0..ROUNDS {
                    log.take(&lock).unwrap();
                    log.value(&lock).unwrap()[0] += 1;
                    thread::yield_now();
                    log.value(&lock).unwrap()[1] += 1;
                    log.release(&lock).unwrap();
                }
            });
        }
    });
    assert_eq!(*lock.lock(), [4 * ROUNDS; 2]);
}
