//! The second versions: what only they do, and both in turn. What is the same for both is in `transmit.rs` and
//! `receive.rs`.

use std::ops::Range;

use e1000::regs;
use udrv_driver::{Error, Point};

use crate::fake::{Fake, bus_address, frame};
use crate::random::Random;
use crate::versions::Versions;

const ALTERNATE: Versions = Versions { alternate_transmit: true, alternate_poll: true };

fn opened() -> Fake {
    Fake { versions: ALTERNATE, ..Fake::opened() }
}

#[test]
fn one_at_a_time() {
    let mut fake = opened();
    for buffer in 0..70 {
        assert_eq!(fake.transmit(buffer, 60 + buffer), Ok(()));
        assert_eq!(fake.transmit(99, 60), Err(Error::Busy));
        assert_eq!(fake.border().kept, [buffer]);
        assert_eq!(fake.chip().send(0), (bus_address(buffer), 60 + buffer));
        assert_eq!(fake.transmit(99, 60), Err(Error::Busy), "not completed yet");
        assert_eq!(fake.poll(0), Ok(0), "completions need no budget");
        assert_eq!(fake.border().completed.pop(), Some((buffer, true)));
    }
}

/// Descriptors that the first version has filled: the second waits until they are empty, and goes on where the chip is.
#[test]
fn takes_over_with_descriptors_in_use() {
    for in_use in [1, 2, 62, 63] {
        let mut fake = Fake::opened();
        for buffer in 0..in_use {
            assert_eq!(fake.transmit(buffer, 60), Ok(()));
        }
        fake.versions = ALTERNATE;
        for buffer in 0..in_use {
            assert_eq!(fake.transmit(99, 60), Err(Error::Busy));
            assert_eq!(fake.chip().send(0), (bus_address(buffer), 60));
            assert_eq!(fake.poll(1), Ok(0));
        }
        fake.assert_works();
        fake.versions = Versions::default();
        fake.assert_works();
    }
}

/// A fault that is armed for the first version does not happen in the second, wherever it is.
#[test]
fn has_no_places_for_faults() {
    let (transmit, poll) = (ALTERNATE.transmit(), ALTERNATE.poll());
    for point in Point::ALL {
        let mut fake = opened();
        fake.chip().receive(60, 1);
        fake.allow(1, 8);
        assert!(!fake.abandon(point, |cx| transmit(cx, frame(1, 60))));
        assert!(!fake.abandon(point, |cx| poll(cx, 8)));
    }
}

/// Recovery blocks are worth something because they are other code: what a fault of the first versions can be in, they
/// do not come by.
#[test]
fn shares_nothing_but_the_state_and_the_manual() {
    let source = include_str!("../../src/alternate.rs");
    let code = || source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let used: Vec<&str> = code().filter(|line| line.starts_with("use ")).collect();
    assert_eq!(
        used,
        ["use udrv_driver::{Buffer, Cx, Error, TxFrame};", "use crate::regs;", "use crate::state::State;"]
    );
    assert_eq!(code().filter(|line| line.contains("crate::") || line.contains("super::")).count(), 2);
    // of the state its fields, not its methods; the transmit ring is the framework's
    for own in [include_str!("../../src/state.rs"), include_str!("../../src/ring.rs")] {
        let methods = || {
            own.split(" fn ")
                .filter_map(|rest| rest.split_once('('))
                .filter(|(_, rest)| ["&self", "&mut self", "self"].iter().any(|start| rest.starts_with(start)))
        };
        assert!(methods().any(|(name, _)| name == "check"));
        for (name, _) in methods() {
            assert!(!source.contains(&format!(".{name}(")), "{name}");
        }
    }
}

/// What a run has brought about.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    sent: Vec<(u32, u32)>,
    completed: Vec<(u32, bool)>,
    delivered: Vec<Vec<u8>>,
    /// What each poll gave and where RDT was then, before the end.
    received: Vec<(u32, u32)>,
    /// Frames sent and received, and errors.
    counted: [u64; 3],
}

/// A card at work: the same happens for the same `seed`, and `versions` says whom the class calls each time.
struct Run<V> {
    fake: Fake,
    random: Random,
    versions: V,
    outcome: Outcome,
    to_send: Range<u32>,
    came: u8,
    errors: u64,
}

impl<V: FnMut() -> Versions> Run<V> {
    const FRAMES: u32 = 200;

    fn new(seed: u64, versions: V) -> Run<V> {
        Run {
            fake: Fake::opened(),
            random: Random::new(seed),
            versions,
            outcome: Outcome::default(),
            to_send: 0..Self::FRAMES,
            came: 0,
            errors: 0,
        }
    }

    fn run(mut self) -> Outcome {
        for _ in 0..3000 {
            match self.random.below(4) {
                0 => self.transmit(),
                1 => {
                    let budget = self.random.below(5);
                    self.poll(budget);
                }
                2 => self.wire_takes(),
                _ => self.wire_brings(),
            }
        }
        let received = self.outcome.received.clone();
        let mut rounds = 0;
        while !self.to_send.is_empty() || self.poll(64) > 0 || !self.fake.border().kept.is_empty() {
            self.transmit();
            self.wire_takes();
            rounds += 1;
            assert!(rounds < 10 * Self::FRAMES, "it does not come to an end");
        }
        let stats = self.fake.stats();
        assert_eq!(stats.rx_errors, self.errors);
        let border = self.fake.both.into_inner().border;
        Outcome {
            completed: border.completed,
            delivered: border.delivered,
            received,
            counted: [stats.tx_frames, stats.rx_frames, stats.tx_errors + stats.rx_errors],
            ..self.outcome
        }
    }

    /// As many as there is room for.
    fn transmit(&mut self) {
        while !self.to_send.is_empty() {
            self.fake.versions = (self.versions)();
            let number = self.to_send.start;
            match self.fake.transmit(number, 60 + number) {
                Ok(()) => self.to_send.start += 1,
                error => return assert_eq!(error, Err(Error::Busy)),
            }
        }
    }

    fn poll(&mut self, budget: u32) -> u32 {
        self.fake.versions = (self.versions)();
        let received = self.fake.poll(budget).unwrap();
        let tail = self.fake.chip().get(regs::RDT);
        self.outcome.received.push((received, tail));
        received
    }

    fn wire_takes(&mut self) {
        if self.fake.chip().has_to_send() {
            self.outcome.sent.push(self.fake.chip().send(0));
        }
    }

    /// A good frame, a bad one, or a piece of a long one.
    fn wire_brings(&mut self) {
        let (length, kind) = (60 + self.random.below(1459), self.random.below(8));
        let chip = self.fake.chip();
        // room for all of what comes
        if (chip.get(regs::RDT) + 256 - chip.get(regs::RDH)) % 256 < 4 {
            return;
        }
        match kind {
            0 => assert!(chip.receive_as(0xee, 1 << 40 | 3 << 32 | u64::from(length))),
            1 => assert!(chip.receive_as(0xee, 1 << 32 | 2048) && chip.receive_as(0xee, 3 << 32 | 100)),
            _ => {
                assert!(chip.receive(length, self.came));
                self.came = (self.came + 1) % 200;
            }
        }
        self.errors += u64::from(kind < 2);
    }
}

/// One may follow the other at any call: the same frames, in the same order, none lost and none twice.
#[test]
fn in_turn_they_do_what_the_first_does_alone() {
    for seed in 0..40 {
        let first = Run::new(seed, Versions::default).run();
        let numbers = || 0..Run::<fn() -> Versions>::FRAMES;
        assert!(numbers().map(|n| (bus_address(n), 60 + n)).eq(first.sent.iter().copied()));
        assert!(numbers().map(|n| (n, true)).eq(first.completed.iter().copied()));
        let fills = (0..first.delivered.len()).map(|n| (n % 200) as u8);
        assert!(fills.eq(first.delivered.iter().map(|frame| frame[0])));
        assert!(first.delivered.len() > 300, "more than a lap: {}", first.delivered.len());

        let mut random = Random::new(!seed);
        let mixed = Run::new(seed, || random.of(&Versions::ALL)).run();
        assert!(mixed == first, "seed {seed}");
        let second = Run::new(seed, || ALTERNATE).run();
        assert!(second == first, "seed {seed}");
    }
}
