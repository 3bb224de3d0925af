//! The second versions: what only they do, and both in turn. What is the same for both is in `transmit.rs` and
//! `receive.rs`.

use std::ops::Range;

use rtl8139::{Rtl8139, regs};
use udrv_driver::{Error, NetDriver, Point};

use crate::fake::{Chip, Fake, bus_address, frame};
use crate::random::Random;
use crate::versions::Versions;

use regs::isr::{FOVW, OVERFLOW, RXOVW};
use regs::tsd::{NCC_SHIFT, TABT, TOK, TUN};

const ALTERNATE: Versions = Versions { alternate_transmit: true, alternate_poll: true };

fn opened() -> Fake {
    Fake { versions: ALTERNATE, ..Fake::opened() }
}

#[test]
fn one_at_a_time() {
    let mut fake = opened();
    for buffer in 0..9 {
        assert_eq!(fake.transmit(buffer, 60 + buffer), Ok(()));
        assert_eq!(fake.transmit(63, 60), Err(Error::Busy));
        assert_eq!(fake.chip.get_mut().kept, [buffer]);
        let threshold = fake.chip.get_mut().get(regs::TSD[buffer as usize % 4].offset(), 4) >> 16 & 0x3f;
        assert!(threshold * 32 >= 1518, "whole in the FIFO");
        assert_eq!(fake.chip.get_mut().send(TOK), (bus_address(buffer), 60 + buffer));
        assert_eq!(fake.transmit(63, 60), Err(Error::Busy), "not completed yet");
        assert_eq!(fake.poll(0), Ok(0), "completions need no budget");
        assert_eq!(fake.chip.get_mut().completed.pop(), Some((buffer, true)));
    }
}

#[test]
fn too_long_is_refused_before_anything_else() {
    let mut fake = opened();
    assert_eq!(fake.transmit(0, 1793), Err(Error::Unsupported));
    assert_eq!(fake.transmit(0, 1514), Ok(()));
    assert_eq!(fake.transmit(1, 1793), Err(Error::Unsupported), "coming again would not help");
}

/// Slots that the first version has filled: the second waits until they are empty, and goes on where the chip does.
#[test]
fn takes_over_with_slots_in_use() {
    for in_use in 1..=4 {
        let mut fake = Fake::opened();
        for buffer in 0..in_use {
            assert_eq!(fake.transmit(buffer, 60), Ok(()));
        }
        fake.versions = ALTERNATE;
        for buffer in 0..in_use {
            assert_eq!(fake.transmit(9, 60), Err(Error::Busy));
            assert_eq!(fake.chip.get_mut().send(TOK), (bus_address(buffer), 60));
            assert_eq!(fake.poll(1), Ok(0));
        }
        fake.assert_works();
        assert_eq!(fake.transmit(9, 60), Ok(()));
        // and back
        fake.versions = Versions::default();
        for buffer in 10..13 {
            assert_eq!(fake.transmit(buffer, 60), Ok(()));
        }
        assert_eq!(fake.transmit(13, 60), Err(Error::Busy));
        for buffer in 9..13 {
            assert_eq!(fake.chip.get_mut().send(TOK), (bus_address(buffer), 60));
        }
        assert_eq!(fake.poll(1), Ok(0));
        assert!(fake.chip.get_mut().kept.is_empty());
    }
}

/// What the first version mends by itself is the class's to mend.
#[test]
fn nonsense_is_said_and_not_mended() {
    type Breaks = fn(&mut Fake);
    let broken: [(&str, Breaks); 3] = [
        ("TSD", |fake| {
            fake.chip.get_mut().set(regs::TSD[0].offset(), 4, regs::tsd::RESERVED);
        }),
        ("an abort for ever", |fake| {
            for _ in 0..3 {
                fake.chip.get_mut().send(TABT);
                fake.interrupt();
                assert_eq!(fake.poll(1), Ok(0));
            }
            fake.chip.get_mut().send(TABT);
            fake.interrupt();
        }),
        ("a header", |fake| {
            fake.chip.get_mut().receive_as(100, 1, 0xdead_beef);
        }),
    ];
    for (what, breaks) in broken {
        let mut fake = opened();
        assert_eq!(fake.transmit(1, 60), Ok(()));
        breaks(&mut fake);
        fake.chip.get_mut().writes.clear();
        assert!(matches!(fake.poll(8), Err(Error::Nonsense { .. })), "{what}");
        assert_eq!(fake.chip.get_mut().writes, [], "{what}");
        assert_eq!(fake.call(Rtl8139::restore), Ok(()));
        assert_eq!(fake.chip.get_mut().completed, [(1, false)], "{what}");
        fake.assert_works();
    }
}

/// A fault that is armed for the first version does not happen in the second, wherever it is.
#[test]
fn has_no_places_for_faults() {
    let (transmit, poll) = (ALTERNATE.transmit(), ALTERNATE.poll());
    for point in Point::ALL {
        let mut fake = opened();
        fake.chip.get_mut().receive(60, 1);
        fake.allow(1, 8);
        assert!(!fake.abandon(point, |cx| transmit(cx, frame(1, 60))));
        assert!(!fake.abandon(point, |cx| poll(cx, 8)));
    }
}

/// Recovery blocks are worth something because they are other code: what a fault of the first versions can be in, they
/// do not come by.
#[test]
fn shares_nothing_but_the_state_and_the_datasheet() {
    let source = include_str!("../../src/alternate.rs");
    let code = || source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let used: Vec<&str> = code().filter(|line| line.contains("use ")).collect();
    assert_eq!(
        used,
        [
            "use udrv_driver::{Buffer, Cx, Error, TxFrame};",
            "use crate::regs::{self, cr, rcr, tcr, tsd};",
            "use crate::state::{Overflow, State};",
        ]
    );
    assert_eq!(code().filter(|line| line.contains("crate::") || line.contains("super::")).count(), 2);
    // of the state its fields, not its methods; the transmit ring is the framework's
    for state in [include_str!("../../src/state.rs"), include_str!("../../src/tx.rs")] {
        let methods = || state.split(" fn ").filter_map(|rest| rest.split_once("(&")).map(|(name, _)| name);
        assert!(methods().any(|name| name == "check"));
        for name in methods() {
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
    /// What each poll gave and where CAPR was then, and which overflows were pending after each interrupt, before the
    /// end.
    received: Vec<(u32, u32)>,
    overflows: Vec<u32>,
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
    /// Frames that have come, and how many of them the ring holds.
    came: u8,
    in_ring: u32,
    /// A frame of which only the first header has come: its place, and the header to be.
    unfinished: Option<(usize, u32)>,
    aborts: u32,
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
            in_ring: 0,
            unfinished: None,
            aborts: 0,
        }
    }

    fn chip(&mut self) -> &mut Chip {
        self.fake.chip.get_mut()
    }

    fn run(mut self) -> Outcome {
        for _ in 0..2000 {
            match self.random.below(6) {
                0 => self.transmit(),
                1 => self.interrupt(),
                2 => {
                    let budget = self.random.below(5);
                    self.poll(budget);
                }
                3 => self.wire_takes(),
                4 => self.wire_brings(),
                _ => {
                    let cause = self.random.of(&[RXOVW, FOVW, 0, 0, 0, 0]);
                    self.chip().raise(cause);
                }
            }
        }
        let (received, overflows) = (self.outcome.received.clone(), self.outcome.overflows.clone());
        // the end: all gets through
        self.finish_frame();
        let mut rounds = 0;
        while !self.to_send.is_empty() || self.in_ring > 0 || !self.chip().kept.is_empty() {
            self.transmit();
            self.interrupt();
            self.poll(64);
            self.wire_takes();
            rounds += 1;
            assert!(rounds < 10 * Self::FRAMES, "it does not come to an end");
        }
        let stats = self.fake.stats();
        let errors = stats.tx_errors + stats.rx_errors + stats.rx_resets;
        let chip = self.fake.chip.into_inner();
        Outcome {
            completed: chip.completed,
            delivered: chip.delivered,
            received,
            overflows,
            counted: [stats.tx_frames, stats.rx_frames, errors],
            ..self.outcome
        }
    }

    /// As many as there is room for.
    fn transmit(&mut self) {
        while !self.to_send.is_empty() {
            self.fake.versions = (self.versions)();
            let number = self.to_send.start;
            match self.fake.transmit(number % 64, 60 + number) {
                Ok(()) => self.to_send.start += 1,
                error => return assert_eq!(error, Err(Error::Busy)),
            }
        }
    }

    fn interrupt(&mut self) {
        self.fake.interrupt();
        let pending = self.chip().get(regs::ISR.offset(), 2) & u32::from(OVERFLOW);
        self.outcome.overflows.push(pending);
    }

    fn poll(&mut self, budget: u32) {
        self.fake.versions = (self.versions)();
        let received = self.fake.poll(budget).unwrap();
        self.in_ring -= received;
        let capr = self.chip().get(regs::CAPR.offset(), 2);
        self.outcome.received.push((received, capr));
    }

    /// What happens to a frame that was handed over; it aborts three times at most.
    fn wire_takes(&mut self) {
        let status = self.random.of(&[TOK, TUN, TOK | 3 << NCC_SHIFT, TABT]);
        if !self.chip().has_to_send() {
            return;
        }
        let status = if self.aborts == 3 { TOK } else { status };
        let frame = self.chip().send(status);
        if status == TABT {
            self.aborts += 1;
        } else {
            self.aborts = 0;
            self.outcome.sent.push(frame);
        }
    }

    /// A frame, or the first or second half of one.
    fn wire_brings(&mut self) {
        let (length, fill) = (60 + self.random.below(1459), self.came);
        if self.finish_frame() || self.in_ring == 16 {
            return;
        }
        (self.came, self.in_ring) = (self.came.wrapping_add(1), self.in_ring + 1);
        if self.random.below(2) == 0 {
            self.chip().receive(length, fill);
        } else {
            let at = self.chip().receive_as(length, fill, 0xfff0_0000);
            self.unfinished = Some((at, (length + 4) << 16 | 1));
        }
    }

    fn finish_frame(&mut self) -> bool {
        let Some((at, header)) = self.unfinished.take() else { return false };
        self.chip().dma[0][at..at + 4].copy_from_slice(&header.to_le_bytes());
        true
    }
}

/// One may follow the other at any call: the same frames, in the same order, none lost and none twice.
#[test]
fn in_turn_they_do_what_the_first_does_alone() {
    for seed in 0..40 {
        let first = Run::new(seed, Versions::default).run();
        let numbers = || 0..Run::<fn() -> Versions>::FRAMES;
        assert!(numbers().map(|n| (bus_address(n % 64), 60 + n)).eq(first.sent.iter().copied()));
        assert!(numbers().map(|n| (n % 64, true)).eq(first.completed.iter().copied()));
        let fills = (0..first.delivered.len()).map(|n| n as u8);
        assert!(fills.eq(first.delivered.iter().map(|frame| frame[0])));
        assert!(first.delivered.len() > 100 && first.overflows.iter().any(|pending| *pending != 0));
        assert_eq!(first.counted, [200, first.delivered.len() as u64, 0]);

        let mut random = Random::new(!seed);
        let mixed = Run::new(seed, || random.of(&Versions::ALL)).run();
        assert!(mixed == first, "seed {seed}");
        let second = Run::new(seed, || ALTERNATE).run();
        assert!(second == first, "seed {seed}");
    }
}
