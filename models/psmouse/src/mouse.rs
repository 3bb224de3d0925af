//! The mouse: its time, what happens in it, and its side of the line. Commands are in `commands.rs`.

use std::collections::VecDeque;
use std::time::Duration;

use crate::codes::{answer, command, id};
use crate::config::Config;
use crate::counters::Counters;
use crate::hand::{Action, Script};
use crate::line::Line;
use crate::misbehave::Trouble;
use crate::model::Received;
use crate::motion::Motion;
use crate::state::State;

#[derive(Debug)]
pub(crate) struct Mouse {
    pub(crate) config: Config,
    pub(crate) counters: Counters,
    pub(crate) trouble: Trouble,
    pub(crate) state: State,
    pub(crate) motion: Motion,
    pub(crate) line: Line,
    /// Everything until now is done.
    pub(crate) now: Duration,
    pub(crate) plugged_in: bool,
    /// A self test ends then.
    pub(crate) test_ends: Option<Duration>,
    /// Bytes of the host, and when they are here.
    arriving: VecDeque<(Duration, u8)>,
    hand: VecDeque<(Duration, Action)>,
    /// When the hand is through with all of it, rests included.
    hand_ends: Duration,
    /// When the sensor was looked at last, or when its rate was set.
    pub(crate) sampled: Duration,
}

impl Mouse {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            config,
            counters: Counters::default(),
            trouble: Trouble::default(),
            state: State::after_power_on(),
            motion: Motion::default(),
            line: Line::default(),
            now: Duration::ZERO,
            plugged_in: config.plugged_in,
            test_ends: None,
            arriving: VecDeque::new(),
            hand: VecDeque::new(),
            hand_ends: Duration::ZERO,
            sampled: Duration::ZERO,
        }
    }

    /// When it is to be looked at next, by itself or since a byte is there.
    pub(crate) fn next_event_at(&self) -> Option<Duration> {
        [self.next_inside(), self.line.next()].into_iter().flatten().min()
    }

    fn next_inside(&self) -> Option<Duration> {
        let arrival = self.arriving.front().map(|(at, _)| *at);
        let hand = self.hand.front().map(|(at, _)| *at);
        [arrival, hand, self.test_ends, self.next_sample()].into_iter().flatten().min()
    }

    /// When a packet is made, if nothing else happens before.
    fn next_sample(&self) -> Option<Duration> {
        let set = &self.state.set;
        let streams = set.enabled && !set.remote && !set.wrap && self.state.expects.is_none();
        let may = streams && self.plugged_in && self.test_ends.is_none() && !self.trouble.on.silent;
        // while a packet is on its way, or the host has the line, the counters go on
        let free = self.line.is_free() && self.arriving.is_empty();
        (may && free && self.motion.is_news(set.id)).then(|| {
            let period = Duration::from_secs(1) / u32::from(set.rate);
            let due = self.sampled + period;
            if due >= self.now {
                return due;
            }
            // those that had nothing to report are over
            let over = (self.now - due).as_nanos().div_ceil(period.as_nanos());
            due + Duration::from_nanos(u64::try_from(over * period.as_nanos()).unwrap_or(u64::MAX))
        })
    }

    /// Does what is due until `now`, in its order. Time that goes backwards stands.
    pub(crate) fn advance(&mut self, now: Duration) {
        while let Some(at) = self.next_inside().filter(|at| *at <= now) {
            self.now = self.now.max(at);
            let is_due = |due: Option<Duration>| due.is_some_and(|due| due <= at);
            if is_due(self.arriving.front().map(|(at, _)| *at)) {
                let (_, byte) = self.arriving.pop_front().expect("it is due");
                self.receive(byte);
            } else if is_due(self.test_ends) {
                self.end_test();
            } else if is_due(self.hand.front().map(|(at, _)| *at)) {
                let (_, action) = self.hand.pop_front().expect("it is due");
                self.act(action);
            } else {
                self.sample();
            }
        }
        self.now = self.now.max(now);
    }

    fn sample(&mut self) {
        self.sampled = self.now;
        let packet = self.motion.packet(self.state.set.id, self.state.set.doubled);
        self.counters.packets += 1;
        self.line.last.clone_from(&packet);
        self.line.send(&packet, self.now + self.config.byte);
    }

    fn end_test(&mut self) {
        self.test_ends = None;
        let on = &self.trouble.on;
        if on.silent {
            return;
        }
        let passed = if on.self_test_fails { answer::ERROR } else { answer::BAT_PASSED };
        let says = if on.keyboard { vec![passed] } else { vec![passed, id::PS2] };
        self.motion.clear();
        self.say(&says);
    }

    pub(crate) fn act(&mut self, action: Action) {
        match action {
            Action::Move { right, away } if self.plugged_in => {
                self.counters.overflows += self.motion.go(right, away, self.state.set.resolution);
            }
            Action::Turn(clicks) if self.plugged_in => self.motion.turn(clicks),
            Action::Move { .. } | Action::Turn(_) => {}
            Action::Press(button) => self.motion.buttons.set(button, true),
            Action::Release(button) => self.motion.buttons.set(button, false),
            Action::Unplug => self.unplug(),
            Action::PlugIn => self.plug_in(),
        }
    }

    pub(crate) fn unplug(&mut self) {
        self.plugged_in = false;
        self.test_ends = None;
        self.line = Line::default();
        self.counters.unheard += self.arriving.len() as u64;
        self.arriving.clear();
        self.state = State::after_power_on();
        self.motion.clear();
    }

    fn plug_in(&mut self) {
        if !self.plugged_in {
            self.plugged_in = true;
            self.counters.plugged_in += 1;
            self.test_ends = Some(self.now + self.config.self_test);
        }
    }

    /// Power-on values, and a self test that begins when `answered` is past.
    pub(crate) fn restart(&mut self, answered: Duration) {
        self.state = State::after_power_on();
        self.motion.clear();
        self.test_ends = Some(self.now + answered + self.config.self_test);
    }

    /// Puts a script after what the hand still has to do; it begins now if that is nothing.
    pub(crate) fn play(&mut self, script: Script) {
        let begin = self.hand_ends.max(self.now);
        self.hand_ends = begin + script.length();
        self.hand.extend(script.actions.into_iter().map(|(at, action)| (begin + at, action)));
    }

    /// Whether nothing would happen any more, were the host to do nothing.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.next_event_at().is_none()
    }

    /// The host begins to send a byte.
    pub(crate) fn write(&mut self, byte: u8) {
        self.counters.from_host += 1;
        if !self.plugged_in {
            self.counters.unheard += 1;
            return;
        }
        self.counters.interrupted += self.line.interrupt(self.now);
        let begin = self.arriving.back().map_or(self.now, |(at, _)| *at);
        self.arriving.push_back((begin + self.config.byte, byte));
    }

    /// Whether what the host has written has arrived.
    pub(crate) fn has_arrived(&self) -> bool {
        self.arriving.is_empty()
    }

    /// The host takes a byte.
    pub(crate) fn read(&mut self) -> Option<Received> {
        let byte = self.line.take(self.now, self.config.byte, &mut self.trouble);
        self.counters.to_host += u64::from(byte.is_some());
        byte
    }

    /// Answers a byte of the host.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        self.line.last = match bytes {
            [answer::ACK, data @ ..] if !data.is_empty() => data.to_vec(),
            all => all.to_vec(),
        };
        let refused = matches!(bytes, [answer::RESEND | answer::ERROR]);
        self.counters.refused += u64::from(refused);
        self.line.send(bytes, self.answer_at());
    }

    /// The same that it said last.
    pub(crate) fn say_again(&mut self) {
        let last = self.line.last.clone();
        self.line.send(&last, self.answer_at());
    }

    /// When an answer that begins now is there.
    fn answer_at(&self) -> Duration {
        self.now + self.config.think + self.trouble.on.late + self.config.byte
    }

    /// A command, for the counters.
    pub(crate) fn note(&mut self, code: u8) {
        self.counters.commands[usize::from(code)] += 1;
        if code != command::RESEND && code != command::READ_DATA {
            self.motion.clear();
        }
    }
}
