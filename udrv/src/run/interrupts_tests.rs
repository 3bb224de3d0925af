//! The line and its states: by hand at the edges, and against a simulated device for what must hold always.

use proptest::prelude::*;

use super::*;

/// Fruitless interrupts that may come at once.
const BURST: u32 = 64;
const LOOK: Duration = Duration::from_secs(4);
const NOTHING: Found = Found { work: 0, change: false };
const FRAME: Found = Found { work: 1, change: false };

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// As long after the start as any daemon that has something to forget.
fn fresh() -> (Interrupts, Duration) {
    (Interrupts::new(LOOK), ms(100_000))
}

#[test]
fn an_idle_device_is_left_alone() {
    let (mut line, mut now) = fresh();
    for _ in 0..1000 {
        now += LOOK;
        line.looked(now, now, NOTHING, false, false);
        assert_eq!((line.mode(), line.next_look(), line.is_open()), (InterruptMode::Line, None, true));
    }
    assert_eq!(line.counts(now), Counts::default());
}

#[test]
fn work_that_was_announced_or_known_is_no_find() {
    let (mut line, mut now) = fresh();
    for round in 0..1000 {
        now += LOOK;
        line.looked(now, now, FRAME, round % 2 == 0, round % 2 == 1);
        assert_eq!((line.mode(), line.next_look()), (InterruptMode::Line, None));
    }
}

#[test]
fn finds_with_an_interrupt_between_them_are_races() {
    let (mut line, mut now) = fresh();
    for _ in 0..1000 {
        for _ in 1..FINDS {
            now += PERIOD;
            line.looked(now, now, FRAME, false, false);
            assert_eq!(line.next_look(), Some(now + PERIOD), "another look soon: it may be the line");
        }
        now += PERIOD;
        line.fired(now, now, FRAME);
        assert_eq!((line.mode(), line.next_look()), (InterruptMode::Line, None));
    }
    assert_eq!(line.counts(now), Counts::default());
}

fn dead() -> (Interrupts, Duration) {
    let (mut line, mut now) = fresh();
    for find in 1..=FINDS {
        assert_eq!(line.mode(), InterruptMode::Line, "find {find}");
        now += PERIOD;
        line.looked(now, now, FRAME, false, false);
    }
    assert_eq!((line.mode(), line.is_open()), (InterruptMode::Polled, true));
    (line, now)
}

#[test]
fn finds_in_a_row_are_a_dead_line_that_is_polled_until_it_is_back() {
    let (mut line, mut now) = dead();
    let began = now;
    assert_eq!(line.counts(now).lost, u64::from(FINDS));
    for _ in 1..GOOD {
        now += PERIOD;
        line.fired(now, now, FRAME);
    }
    line.looked(now, now, FRAME, false, false);
    assert_eq!(line.counts(now).lost, u64::from(FINDS) + 1, "one that was lost: the count begins anew");
    for good in 1..=GOOD {
        assert_eq!(line.mode(), InterruptMode::Polled, "good {good}");
        line.fired(now, now, NOTHING);
        now += PERIOD;
        line.fired(now, now, FRAME);
    }
    assert_eq!((line.mode(), line.next_look()), (InterruptMode::Line, None));
    let polled = line.counts(now).polled;
    assert_eq!(polled, now - began);
    assert_eq!(line.counts(now + LOOK).polled, polled, "the counters stop");
}

#[test]
fn polling_backs_off_to_the_normal_look_and_comes_back_with_traffic() {
    let (mut line, mut now) = dead();
    let (began, mut looks) = (now, 0);
    while let Some(next) = line.next_look() {
        assert!(next > now && next - now <= LOOK, "{:?}", next - now);
        assert!(next - now <= PERIOD.max((now - began) / SILENCE_PART));
        now = next;
        looks += 1;
        assert!(looks < 100, "{looks} looks in {:?} of silence", now - began);
        line.looked(now, now, NOTHING, false, false);
    }
    assert!(now - began >= LOOK * SILENCE_PART, "{:?}", now - began);
    line.worked(now);
    assert_eq!(line.next_look(), Some(now + PERIOD));
}

/// Fires without fruit, as fast as the line is open; gives how often.
fn storm(line: &mut Interrupts, now: &mut Duration, time: Duration) -> u32 {
    let (end, mut count) = (*now + time, 0);
    while *now < end {
        if line.is_open() {
            count += 1;
            *now += Duration::from_micros(10);
            line.fired(*now, *now, NOTHING);
        } else {
            let next = line.next_look().expect("a closed line is looked after");
            assert!(next > *now, "the clock goes on");
            *now = next;
            line.looked(*now, *now, NOTHING, false, false);
        }
    }
    count
}

#[test]
fn a_storm_is_masked_and_tried_more_and_more_rarely() {
    let (mut line, mut now) = fresh();
    let first = storm(&mut line, &mut now, Duration::from_secs(1));
    assert_eq!((line.mode(), line.counts(now).storms), (InterruptMode::Masked, 1));
    assert!(first <= BURST + 2 + 8 * (TRIAL_FRUITLESS + 1), "{first} in the first second");
    storm(&mut line, &mut now, Duration::from_secs(20));
    let later = storm(&mut line, &mut now, Duration::from_secs(10));
    assert!((1..=4 * (TRIAL_FRUITLESS + 1)).contains(&later), "{later} in ten seconds");
    assert_eq!(line.counts(now).storms, 1, "it is still the same");
}

#[test]
fn a_line_that_is_quiet_when_tried_is_believed_again() {
    let (mut line, mut now) = fresh();
    storm(&mut line, &mut now, ms(500));
    let over = now;
    while let Some(next) = line.next_look() {
        assert!(next > now, "the clock goes on");
        now = next;
        line.looked(now, now, NOTHING, false, false);
    }
    assert_eq!((line.mode(), line.is_open()), (InterruptMode::Line, true));
    assert!(now - over <= ms(1024) + TRIAL, "{:?}", now - over);
    // soon after it is taken for the same: the pause goes on from where it was
    let again = storm(&mut line, &mut now, ms(500));
    assert!(again <= BURST, "{again}");
    assert_eq!(line.counts(now).storms, 2);
}

#[test]
fn a_line_that_has_fired_again_by_the_look_is_not_quiet() {
    let (mut line, mut now) = fresh();
    storm(&mut line, &mut now, ms(10));
    for _ in 0..3 {
        while !line.is_open() {
            now = line.next_look().expect("a closed line is looked after");
            line.looked(now, now, NOTHING, false, false);
        }
        // nobody had time to serve it while it was tried
        now += TRIAL * 2;
        line.looked(now, now, NOTHING, true, false);
        assert_eq!(line.mode(), InterruptMode::Masked);
        for _ in 0..TRIAL_FRUITLESS {
            line.fired(now, now, NOTHING);
        }
        assert!(!line.is_open());
    }
}

#[test]
fn fruitful_interrupts_are_no_storm_whatever_their_number() {
    let (mut line, mut now) = fresh();
    for _ in 0..100_000 {
        now += Duration::from_micros(5);
        line.fired(now, now, FRAME);
        line.fired(now, now, NOTHING); // its work was taken by the one before
    }
    assert_eq!((line.mode(), line.counts(now)), (InterruptMode::Line, Counts::default()));
    // but a cause that is stuck is a storm, with frames in it or not
    for n in 0..1000 {
        now += Duration::from_micros(5);
        line.fired(now, now, if n % 10 == 0 { FRAME } else { NOTHING });
    }
    assert_eq!(line.mode(), InterruptMode::Masked);
}

#[test]
fn on_a_slow_machine_the_time_that_fruitless_interrupts_take_counts() {
    // how long each takes, and the rest between two, in milliseconds
    for (took, rest, mode) in
        [(3, 0, InterruptMode::Masked), (1, 4, InterruptMode::Line), (60, 900, InterruptMode::Line)]
    {
        let (mut line, mut now) = fresh();
        for _ in 0..1000 {
            let began = now;
            now += ms(took);
            line.fired(began, now, NOTHING);
            now += ms(rest);
        }
        assert_eq!(line.mode(), mode, "{took} ms each, {rest} ms between");
    }
}

#[test]
fn a_neighbour_on_the_line_is_borne_until_polling_is_cheaper() {
    for (rate, mode) in [(400, InterruptMode::Line), (1000, InterruptMode::Masked)] {
        let (mut line, mut now) = fresh();
        for _ in 0..rate {
            now += Duration::from_secs(1) / rate;
            line.fired(now, now, NOTHING);
        }
        assert_eq!(line.mode(), mode, "{rate} a second");
    }
}

#[test]
fn a_line_that_cannot_be_unmasked_is_tried_again() {
    let (mut line, mut now) = fresh();
    line.unmask_failed(now);
    assert_eq!((line.mode(), line.is_open(), line.counts(now).storms), (InterruptMode::Masked, false, 0));
    let (mut tries, end) = (0, now + ms(10_000));
    while now < end {
        let next = line.next_look().expect("a closed line is looked after");
        assert!(next > now, "the clock goes on");
        now = next;
        line.looked(now, now, FRAME, false, false);
        if line.is_open() {
            line.unmask_failed(now);
            tries += 1;
        }
    }
    assert!((5..=12).contains(&tries), "{tries}");
    assert_eq!(line.counts(now).lost, 0, "a masked line loses nothing");
}

/// What a simulated line does for a while.
#[derive(Debug, Clone, Copy)]
enum Behaviour {
    Works,
    Dead,
    Stuck,
    /// A neighbour fires as often as the line is open, up to this often a second.
    Shared(u32),
}

/// A device with a level-triggered line that is masked when it fires, and the loop that serves it.
struct Simulation {
    line: Interrupts,
    now: Duration,
    behaviour: Behaviour,
    /// What it takes to serve the device.
    service: Duration,
    /// Since when frames wait in the device.
    waiting: Option<Duration>,
    next_frame: Option<Duration>,
    gap: Option<Duration>,
    next_neighbour: Duration,
    ticked: Duration,
    unmasked: bool,
    fired: bool,
    served: u32,
    looks: u32,
}

impl Simulation {
    fn new(line: Interrupts, now: Duration) -> Simulation {
        Simulation {
            line,
            now,
            behaviour: Behaviour::Works,
            service: Duration::from_micros(10),
            waiting: None,
            next_frame: None,
            gap: None,
            next_neighbour: now,
            ticked: now,
            unmasked: true,
            fired: false,
            served: 0,
            looks: 0,
        }
    }

    /// What the line's level does to an unmasked line.
    fn settle(&mut self) {
        let level = match self.behaviour {
            Behaviour::Works => self.waiting.is_some(),
            Behaviour::Dead => false,
            Behaviour::Stuck => true,
            Behaviour::Shared(_) => self.waiting.is_some() || self.now >= self.next_neighbour,
        };
        if level && self.unmasked {
            (self.fired, self.unmasked) = (true, false);
        }
    }

    fn arrive(&mut self) {
        while let (Some(gap), Some(next)) = (self.gap, self.next_frame)
            && next <= self.now
        {
            self.waiting.get_or_insert(next);
            self.next_frame = Some(next + gap);
        }
        self.settle();
    }

    /// Serves what waits; gives how long the oldest has waited.
    fn serve(&mut self) -> (Found, Duration) {
        self.now += self.service;
        let waited = self.waiting.take().map(|since| self.now - since);
        if let Behaviour::Shared(rate) = self.behaviour
            && self.now >= self.next_neighbour
        {
            self.next_neighbour = self.now + Duration::from_secs(1) / rate;
        }
        (Found { work: u64::from(waited.is_some()), change: false }, waited.unwrap_or_default())
    }

    fn unmask(&mut self) {
        if self.line.is_open() {
            self.unmasked = true;
            self.settle();
        }
    }

    /// Runs for `time`; gives the longest that a frame has waited.
    fn run(&mut self, behaviour: Behaviour, gap: Option<Duration>, time: Duration) -> Duration {
        self.behaviour = behaviour;
        (self.gap, self.next_frame) = (gap, gap.map(|gap| self.now + gap));
        self.next_neighbour = self.now;
        let (end, mut longest) = (self.now + time, Duration::ZERO);
        while self.now < end {
            self.arrive();
            if std::mem::take(&mut self.fired) {
                let (found, waited) = self.serve();
                longest = longest.max(waited);
                self.line.fired(self.now - self.service, self.now, found);
                self.served += 1;
                self.unmask();
            }
            self.arrive();
            let look = self.line.next_look().is_some_and(|next| self.now >= next);
            if look || self.now >= self.ticked + LOOK {
                let (found, waited) = self.serve();
                longest = longest.max(waited);
                self.arrive();
                let fired = std::mem::take(&mut self.fired);
                self.line.looked(self.now - self.service, self.now, found, fired, false);
                self.looks += 1;
                self.ticked = self.now;
                self.unmask();
            }
            if !self.fired {
                let neighbour = matches!(behaviour, Behaviour::Shared(_)).then_some(self.next_neighbour);
                let next = [self.next_frame, self.line.next_look(), neighbour.filter(|at| *at > self.now)];
                let next = next.into_iter().flatten().fold(self.ticked + LOOK, Duration::min);
                self.now = self.now.max(next.min(end));
            }
        }
        longest
    }
}

fn behaviours() -> impl Strategy<Value = Behaviour> {
    prop_oneof![
        Just(Behaviour::Works),
        Just(Behaviour::Dead),
        Just(Behaviour::Stuck),
        (1_u32..20_000).prop_map(Behaviour::Shared),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the line does and has done: frames wait for a bounded time, the processor is not kept busy, and a line
    /// that works is believed in the end.
    #[test]
    fn frames_go_on_and_the_processor_is_left_alone(
        acts in prop::collection::vec((behaviours(), prop::option::of(1_u64..2000), 100_u64..6000), 1..8),
        service in prop_oneof![Just(10_u64), 10_u64..2000],
    ) {
        let (line, now) = fresh();
        let mut simulation = Simulation::new(line, now);
        simulation.service = Duration::from_micros(service);
        for (behaviour, gap, time) in acts {
            let gap = gap.map(ms);
            let began = simulation.line.counts(simulation.now);
            (simulation.served, simulation.looks) = (0, 0);
            let longest = simulation.run(behaviour, gap, ms(time));
            prop_assert!(longest <= LOOK + ms(10), "{behaviour:?} {gap:?}: a frame waited {longest:?}");
            let seconds = time as u32 / 1000 + 1;
            let frames = gap.map_or(0, |gap| (ms(time).as_millis() / gap.as_millis()) as u32 + 1);
            prop_assert!(
                simulation.served <= 2 * BURST + seconds * 600 + 2 * frames,
                "{behaviour:?} {gap:?} {time} ms: {} interrupts", simulation.served
            );
            prop_assert!(simulation.looks <= seconds * 1100, "{} looks", simulation.looks);
            let counts = simulation.line.counts(simulation.now);
            prop_assert!(counts.polled >= began.polled && counts.lost >= began.lost);
            prop_assert!(counts.polled - began.polled <= ms(time + 5)); // the last service ends late
        }
        simulation.run(Behaviour::Works, Some(ms(7)), MAX_PAUSE + TRIAL * 2 + ms(100));
        prop_assert_eq!(simulation.line.mode(), InterruptMode::Line);
        let counts = simulation.line.counts(simulation.now);
        simulation.looks = 0;
        simulation.run(Behaviour::Works, None, LOOK * 10);
        prop_assert_eq!(simulation.line.counts(simulation.now), counts, "the counters stop");
        prop_assert!(simulation.looks <= 10, "an idle device is looked at {} times", simulation.looks);
    }

    /// With traffic, the clock is as good as the line after a moment.
    #[test]
    fn a_line_that_fails_costs_milliseconds(dead in any::<bool>(), gap in 1_u64..500, before in 0_u64..5000) {
        let (line, now) = fresh();
        let mut simulation = Simulation::new(line, now);
        let gap = ms(gap);
        simulation.run(Behaviour::Works, Some(gap), ms(before));
        let behaviour = if dead { Behaviour::Dead } else { Behaviour::Stuck };
        // the first look that can notice it, and the finds that it takes
        simulation.run(behaviour, Some(gap), LOOK + gap * 4);
        let longest = simulation.run(behaviour, Some(gap), ms(5000));
        // the gap begins anew with each run, so the longest silence is two
        prop_assert!(longest <= gap * 2 / SILENCE_PART + PERIOD * 2, "{gap:?}: {longest:?}");
        let expected = if dead { InterruptMode::Polled } else { InterruptMode::Masked };
        prop_assert_eq!(simulation.line.mode(), expected);
    }
}
