//! Generations: any of the last N commits can be gone back to, and nothing else changes what the images promise.
#![allow(unsafe_code, reason = "fork and kill; code inside a domain")]

mod common;

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};

use common::*;
use fgft::{Domain, DomainConfig};
use proptest::prelude::*;

fn domain_of(images: usize) -> Domain<Words, u64> {
    Domain::new(&DomainConfig { images, ..config() }, [0; WORDS], 0).unwrap()
}

/// A call that fills the state, and the host's part of it.
fn run(domain: &mut Domain<Words, u64>, value: u64, fault: bool) {
    // SAFETY: owns nothing.
    let result = unsafe {
        domain.run(&mut (), |words| {
            words.fill(value);
            if fault {
                store(0x18);
            }
            value
        })
    };
    assert_eq!(result.is_err(), fault);
    *domain.ledger_mut() = value;
}

#[test]
fn a_fresh_domain_has_what_was_committed() {
    let mut domain = domain_of(4);
    assert_eq!(domain.generations(), 1..=1);
    for value in 1..=9 {
        run(&mut domain, value, false);
        domain.commit();
        assert_eq!(domain.generations(), value.saturating_sub(2).max(1)..=value + 1);
        for generation in domain.generations() {
            assert_eq!(domain.state_at(generation), Some([generation - 1; WORDS]));
        }
    }
    for absent in [0, 6, 11, u64::MAX] {
        assert_eq!(domain.state_at(absent), None);
        assert!(!domain.rollback_to(absent));
        assert_eq!((domain.state(), *domain.ledger()), ([9; WORDS], 9), "nothing was done");
    }
}

/// What the caller does who finds out late: the check fails in the newer generations.
#[test]
fn the_walk_back_ends_at_the_newest_good_generation() {
    let mut domain = domain_of(8);
    for value in 1..=20 {
        run(&mut domain, value, false);
        domain.commit();
    }
    let newest = domain.generation();
    let mut tried = Vec::new();
    for generation in domain.generations().rev() {
        assert!(domain.rollback_to(generation));
        // SAFETY: owns nothing. The check: a bug has spoilt all states from 17 on.
        let checked = unsafe {
            domain.run(&mut (), |words| {
                if words[0] >= 17 {
                    store(0x18);
                }
                words[1] += 100;
                words[0]
            })
        };
        tried.push(generation);
        if checked.is_ok() {
            domain.commit();
            break;
        }
    }
    assert_eq!(tried, [21, 20, 19, 18, 17]);
    assert_eq!(
        (domain.state()[0], domain.state()[1], *domain.ledger()),
        (16, 116, 16),
        "of generation 17, and checked"
    );
    assert_eq!(domain.generation(), newest + 1, "numbers go on rising");
    assert_eq!(domain.state_at(newest), Some([20; WORDS]), "what was skipped is still there");
}

#[test]
fn every_rollback_comes_back_to_the_generation_until_the_commit() {
    let mut domain = domain_of(3);
    for value in 1..=5 {
        run(&mut domain, value, false);
        domain.commit();
    }
    assert_eq!(domain.generations(), 4..=6);
    assert!(domain.rollback_to(4));
    assert_eq!((domain.state()[0], *domain.ledger(), *domain.committed_ledger()), (3, 3, 3));
    for _ in 0..3 {
        run(&mut domain, 99, true);
        domain.rollback();
        assert_eq!((domain.state()[0], *domain.ledger()), (3, 3));
        run(&mut domain, 98, false); // the next call begins with a rollback
    }
    // the oldest image is the one that this commit overwrites, and what it was rolled back to
    domain.rollback();
    domain.commit();
    assert_eq!((domain.generation(), domain.state()[0], *domain.ledger()), (7, 3, 3));
    run(&mut domain, 99, true);
    domain.rollback();
    assert_eq!(domain.state()[0], 3);
}

#[test]
fn what_an_unprotected_call_has_spoilt_is_not_imaged() {
    let mut domain = domain_of(3);
    run(&mut domain, 1, false);
    domain.commit();
    domain.run_unprotected(|words, ledger| {
        words.fill(0xbad);
        *ledger = 0xbad;
    });
    let newest = domain.generation();
    assert!(domain.rollback_to(newest));
    assert_eq!((domain.state(), *domain.ledger()), ([1; WORDS], 1));
    run(&mut domain, 99, true);
    domain.rollback();
    assert_eq!((domain.state(), domain.generation()), ([1; WORDS], newest), "no image was taken");
    // a refused one leaves it as it was
    domain.run_unprotected(|words, _| words[0] = 5);
    assert!(!domain.rollback_to(newest + 1));
    run(&mut domain, 99, true);
    domain.rollback();
    assert_eq!((domain.state()[0], domain.generation()), (5, newest + 1));
}

#[derive(Debug, Clone)]
enum Step {
    Run {
        value: u64,
        fault: bool,
    },
    Commit,
    Rollback,
    Unprotected(u64),
    /// So many before the newest.
    RollbackTo(u64),
    /// By another domain over the same file, as a successor would.
    Adopt,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any::<u64>(), any::<bool>()).prop_map(|(value, fault)| Step::Run { value, fault }),
        4 => Just(Step::Commit),
        2 => Just(Step::Rollback),
        1 => any::<u64>().prop_map(Step::Unprotected),
        3 => (0..7_u64).prop_map(Step::RollbackTo),
        1 => Just(Step::Adopt),
    ]
}

/// What a domain is to do, without images or memory: one word stands for state and ledger.
struct Model {
    images: usize,
    /// Value of each generation that is whole, the newest last.
    ring: VecDeque<u64>,
    newest: u64,
    live: u64,
    /// What a rollback comes back to.
    base: u64,
    open: bool,
    stale: bool,
}

impl Model {
    fn commit(&mut self) {
        (self.open, self.stale, self.base) = (false, false, self.live);
        self.newest += 1;
        self.ring.push_back(self.live);
        if self.ring.len() > self.images {
            self.ring.pop_front();
        }
    }

    fn rollback(&mut self) {
        self.open = false;
        if !self.stale {
            self.live = self.base;
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Run { value, .. } => {
                if self.open {
                    self.rollback();
                }
                if self.stale {
                    self.commit();
                }
                (self.live, self.open) = (value, true);
            }
            Step::Commit => self.commit(),
            Step::Rollback => self.rollback(),
            Step::Unprotected(value) => {
                if self.open {
                    self.rollback();
                }
                (self.live, self.stale) = (value, true);
            }
            Step::RollbackTo(back) => {
                let at = self.ring.len() as i64 - 1 - back as i64;
                if at >= 0 {
                    self.base = self.ring[at as usize];
                    (self.live, self.open, self.stale) = (self.base, false, false);
                }
            }
            Step::Adopt => {
                let newest = *self.ring.back().unwrap();
                (self.live, self.base, self.open, self.stale) = (newest, newest, false, false);
                if self.ring.len() == self.images {
                    self.ring.pop_front(); // may be torn
                }
            }
        }
    }
}

fn take(domain: Domain<Words, u64>, step: &Step, config: &DomainConfig) -> Domain<Words, u64> {
    let mut domain = domain;
    match *step {
        Step::Run { value, fault } => run(&mut domain, value, fault),
        Step::Commit => domain.commit(),
        Step::Rollback => domain.rollback(),
        Step::Unprotected(value) => domain.run_unprotected(|words, ledger| {
            words.fill(value);
            *ledger = value;
        }),
        Step::RollbackTo(back) => {
            let to = domain.generation().checked_sub(back);
            let whole = to.is_some_and(|to| domain.generations().contains(&to));
            assert_eq!(to.is_some_and(|to| domain.rollback_to(to)), whole);
        }
        Step::Adopt => {
            let file = domain.as_fd().try_clone_to_owned().unwrap();
            drop(domain);
            domain = Domain::adopt(config, file).unwrap();
        }
    }
    domain
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_steps_does_what_the_model_does(
        images in 2..6_usize,
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let config = DomainConfig { images, ..config() };
        let mut domain = domain_of(images);
        let mut model = Model { images, ring: [0].into(), newest: 1, live: 0, base: 0, open: false, stale: false };
        for step in &steps {
            domain = take(domain, step, &config);
            model.step(step);
            prop_assert_eq!((domain.state(), *domain.ledger()), ([model.live; WORDS], model.live), "{:?}", step);
            prop_assert_eq!((domain.generation(), *domain.committed_ledger()), (model.newest, model.base));
            prop_assert_eq!(domain.generations(), model.newest + 1 - model.ring.len() as u64..=model.newest);
            for (generation, value) in domain.generations().zip(&model.ring) {
                prop_assert_eq!(domain.state_at(generation), Some([*value; WORDS]));
            }
        }
    }
}

/// A child goes back to its oldest generation and commits, over and over: each commit overwrites the very image that
/// it was rolled back to. Killed at a moment of no one's choice, it leaves generations that are all whole.
#[test]
fn a_kill_while_going_back_leaves_whole_generations() {
    const IMAGES: u64 = 3;
    let config = DomainConfig { images: IMAGES as usize, ..config() };
    let mut rng = Rng(7);
    let mut last = 0;
    for round in 0..40 {
        let mut domain = domain_of(IMAGES as usize);
        run(&mut domain, 0, false); // this thread is fit for calls: the child need take no lock
        domain.rollback();
        let file: OwnedFd = domain.as_fd().try_clone_to_owned().unwrap();
        // SAFETY: the child runs only what follows, and is killed in it.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0);
        if pid == 0 {
            loop {
                let oldest = *domain.generations().start();
                assert!(domain.rollback_to(oldest));
                let next = domain.generation(); // the state of a generation is the number of the one before
                run(&mut domain, next, false);
                domain.commit();
            }
        }
        let committed = || {
            let mut bytes = [0; 8];
            std::os::unix::fs::FileExt::read_exact_at(&std::fs::File::from(file.try_clone().unwrap()), &mut bytes, 72)
                .unwrap();
            u64::from_ne_bytes(bytes)
        };
        while committed() < 10 {
            std::thread::yield_now();
        }
        for _ in 0..rng.below(200_000) {
            std::hint::spin_loop();
        }
        // SAFETY: our own child, not yet waited for.
        unsafe {
            libc::kill(pid, libc::SIGKILL);
            let mut status = 0;
            assert_eq!(libc::waitpid(pid, &mut status, 0), pid);
            assert!(libc::WIFSIGNALED(status), "the child ended by itself");
        }
        drop(domain);
        let mut heir = Domain::<Words, u64>::adopt(&config, file).unwrap();
        let newest = heir.generation();
        assert_eq!(heir.generations(), newest + 2 - IMAGES..=newest, "the oldest may be torn");
        for generation in heir.generations() {
            assert_eq!(heir.state_at(generation), Some([generation - 1; WORDS]), "round {round}");
            assert!(heir.rollback_to(generation));
            assert_eq!(*heir.ledger(), generation - 1, "ledger and state are of one commit");
        }
        run(&mut heir, newest, false);
        heir.commit();
        assert_eq!(heir.generations(), newest + 2 - IMAGES..=newest + 1, "and the ring is full again");
        last = last.max(newest);
    }
    assert!(last > 100, "the children were killed in mid-life ({last} commits at most)");
}
