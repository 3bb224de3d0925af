//! The second versions: what only they do, and both in turn.

use std::ops::Range;

use udrv_driver::{Error, NetDriver, Point};

use crate::{ALTERNATE, Came, Chip, Fake, Random, Versions, bus_address, frame};

/// The second `transmit` has one frame in flight.
pub fn one_at_a_time<C: Chip>() {
    let mut fake = Fake::<C>::opened_with(ALTERNATE);
    for buffer in 0..70 {
        assert_eq!(fake.transmit(buffer, 60 + buffer), Ok(()));
        assert_eq!(fake.transmit(99, 60), Err(Error::Busy));
        assert_eq!(fake.border().kept, [buffer]);
        assert_eq!(fake.chip().send_well(), (bus_address(buffer), 60 + buffer));
        assert_eq!(fake.transmit(99, 60), Err(Error::Busy), "not completed yet");
        assert_eq!(fake.poll(0), Ok(0), "completions need no budget");
        assert_eq!(fake.border().completed.pop(), Some((buffer, true)));
    }
}

/// Descriptors that the first version has filled: the second waits until they are empty, and goes on where the chip is.
pub fn takes_over_with_descriptors_in_use<C: Chip>() {
    for in_use in [1, 2, C::TX_ROOM - 1, C::TX_ROOM] {
        let mut fake = Fake::<C>::opened();
        for buffer in 0..in_use {
            assert_eq!(fake.transmit(buffer, 60), Ok(()));
        }
        if in_use == C::TX_ROOM {
            assert_eq!(fake.transmit(99, 60), Err(Error::Busy));
        }
        fake.versions = ALTERNATE;
        for buffer in 0..in_use {
            assert_eq!(fake.transmit(99, 60), Err(Error::Busy));
            assert_eq!(fake.chip().send_well(), (bus_address(buffer), 60));
            assert_eq!(fake.poll(1), Ok(0));
        }
        fake.assert_works();
        // and back, with one of its in flight
        assert_eq!(fake.transmit(9, 60), Ok(()));
        fake.versions = Versions::default();
        assert_eq!(fake.transmit(10, 60), Ok(()));
        for buffer in [9, 10] {
            assert_eq!(fake.chip().send_well(), (bus_address(buffer), 60));
        }
        assert_eq!(fake.poll(1), Ok(0));
        fake.assert_works();
    }
}

/// A fault that is armed for the first version does not happen in the second, wherever it is.
pub fn has_no_places_for_faults<C: Chip>() {
    let (transmit, poll) = (ALTERNATE.transmit::<C::Driver>(), ALTERNATE.poll::<C::Driver>());
    for point in Point::ALL {
        let mut fake = Fake::<C>::opened_with(ALTERNATE);
        assert!(fake.chip().bring(60, 1));
        fake.allow(1, 8);
        assert!(!fake.abandon(point, |cx| transmit(cx, frame(1, 60))));
        assert!(!fake.abandon(point, |cx| poll(cx, 8)));
    }
}

/// Recovery blocks are worth something because they are other code: what a fault of the first versions can be in, they
/// do not come by. `alternate` is the source of the second versions, `uses` what it may use: of the driver's `state` its
/// fields, not its methods. The transmit ring in it is the framework's.
///
/// # Panics
/// If something else is shared.
pub fn assert_shares_nothing(alternate: &str, uses: &[&str], state: &[&str]) {
    let code = || alternate.lines().filter(|line| !line.trim_start().starts_with("//"));
    let used: Vec<&str> = code().filter(|line| line.starts_with("use ")).collect();
    assert_eq!(used, uses);
    let own = uses.iter().filter(|line| line.contains("crate::")).count();
    assert_eq!(code().filter(|line| line.contains("crate::") || line.contains("super::")).count(), own);
    for own in state {
        let methods = || {
            own.split(" fn ")
                .filter_map(|rest| rest.split_once('('))
                .filter(|(_, rest)| ["&self", "&mut self", "self"].iter().any(|start| rest.starts_with(start)))
        };
        assert!(methods().any(|(name, _)| name == "check"));
        for (name, _) in methods() {
            assert!(!alternate.contains(&format!(".{name}(")), "{name}");
        }
    }
}

/// What a run has brought about.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    sent: Vec<(u32, u32)>,
    completed: Vec<(u32, bool)>,
    delivered: Vec<Vec<u8>>,
    /// What each poll gave, and where the chip stood then and after each interrupt, before the end.
    steps: Vec<(u32, u32)>,
    /// Frames sent and received, and errors.
    counted: [u64; 3],
}

/// A card at work: the same happens for the same `seed`, and `versions` says whom the class calls each time.
struct Run<C: Chip, V> {
    fake: Fake<C>,
    random: Random,
    versions: V,
    outcome: Outcome,
    to_send: Range<u32>,
    came: u8,
    errors: u64,
}

/// Frames that a run sends.
const FRAMES: u32 = 200;
/// Fills of frames that come, in turn.
const FILLS: u8 = 200;

impl<C: Chip, V: FnMut() -> Versions> Run<C, V> {
    fn new(seed: u64, versions: V) -> Run<C, V> {
        Run {
            fake: Fake::opened(),
            random: Random::new(seed),
            versions,
            outcome: Outcome::default(),
            to_send: 0..FRAMES,
            came: 0,
            errors: 0,
        }
    }

    fn run(mut self) -> Outcome {
        for _ in 0..4000 {
            match self.random.below(6) {
                0 => self.transmit(),
                1 => self.interrupt(),
                2 => {
                    let budget = self.random.below(5);
                    self.poll(budget);
                }
                3 => self.wire_takes(),
                4 => self.wire_brings(),
                _ => self.fake.chip().disturb(&mut self.random),
            }
        }
        let steps = self.outcome.steps.clone();
        // the end: all gets through
        self.fake.chip().settle();
        for round in 0.. {
            self.transmit();
            self.interrupt();
            let received = self.poll(64);
            self.wire_takes();
            if self.to_send.is_empty() && received == 0 && self.fake.border().kept.is_empty() {
                break;
            }
            assert!(round < 20 * FRAMES, "it does not come to an end");
        }
        let stats = self.fake.stats();
        assert_eq!((stats.rx_errors, stats.rx_resets), (self.errors, 0));
        let border = self.fake.border();
        Outcome {
            completed: std::mem::take(&mut border.completed),
            delivered: std::mem::take(&mut border.delivered),
            steps,
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

    fn interrupt(&mut self) {
        // what was sent by then depends on how many were in flight
        self.fake.interrupt();
        let standing = self.fake.chip().standing();
        self.outcome.steps.push((0, standing));
    }

    fn poll(&mut self, budget: u32) -> u32 {
        self.fake.versions = (self.versions)();
        let received = self.fake.poll(budget).expect("a chip that is sound");
        let standing = self.fake.chip().standing();
        self.outcome.steps.push((received, standing));
        received
    }

    fn wire_takes(&mut self) {
        let sent = self.fake.chip().take_any(&mut self.random);
        self.outcome.sent.extend(sent);
    }

    fn wire_brings(&mut self) {
        match self.fake.chip().bring_any(&mut self.random, self.came) {
            Came::Nothing => {}
            Came::Frame => self.came = (self.came + 1) % FILLS,
            Came::Bad => self.errors += 1,
        }
    }
}

/// One may follow the other at any call: the same frames, in the same order, none lost and none twice.
pub fn in_turn_they_do_what_the_first_does_alone<C: Chip>() {
    for seed in 0..40 {
        let first = Run::<C, _>::new(seed, Versions::default).run();
        assert!((0..FRAMES).map(|n| (bus_address(n), 60 + n)).eq(first.sent.iter().copied()));
        assert!((0..FRAMES).map(|n| (n, true)).eq(first.completed.iter().copied()));
        let fills = (0..first.delivered.len()).map(|n| (n % usize::from(FILLS)) as u8);
        assert!(fills.eq(first.delivered.iter().map(|frame| frame[0])));
        assert!(first.delivered.len() > 200, "more than a lap: {}", first.delivered.len());
        assert_eq!(first.counted[..2], [FRAMES.into(), first.delivered.len() as u64]);

        let mut random = Random::new(!seed);
        let mixed = Run::<C, _>::new(seed, || random.of(&Versions::ALL)).run();
        assert!(mixed == first, "seed {seed}");
        let second = Run::<C, _>::new(seed, || ALTERNATE).run();
        assert!(second == first, "seed {seed}");
    }
    const { assert!(<C::Driver as NetDriver>::ALTERNATES.transmit.is_some()) };
}
