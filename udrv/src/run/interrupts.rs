//! When the interrupt line is believed, and what is done when it cannot be: no I/O, and time is passed in.
//!
//! ```text
//!            3 looks in a row find work that the line         4 interrupts in a row
//!            has said nothing of                              that bring something
//!   Line ───────────────────────────────────────> Polled ───────────────────────────> Line
//!     │                                             │
//!     └──────── fruitless interrupts ───────────────┴──> Masked ── quiet when tried ──> Line
//!               without end                               │  ▲
//!                                                 unmask  └──┘ still storming: a longer pause
//! ```
//!
//! - **Line**: the device is served when its line fires, and looked at once in a while.
//! - **Polled**: the line says nothing. It stays unmasked, so that its return is noticed; the device is looked at by
//!   the clock.
//! - **Masked**: the line never stops. It is left masked after an interrupt, the device is looked at by the clock, and
//!   the line is tried again after pauses that double.
//!
//! *Fruit* of an interrupt is what was served: frames received or sent, or a link that changed. A cause is no fruit: a
//! cause that is stuck is found each time. Frames that come after the causes were acknowledged and before the ring was
//! read are taken by one interrupt and announced by the next, so each fruitful interrupt pays for a fruitless one;
//! what counts is how many there are beyond that, and what time they take.
//!
//! A look that finds work is no proof against the line either: the work may have come while looking. So the caller
//! asks after the look whether the line has fired, and it takes several finds with no fruitful interrupt between them.
//! Whatever a driver's `poll` finds is taken for work that the line announces, transmit completions too.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Time between two looks while there is traffic: four slots a look are 4000 frames a second, and 1000 looks a second
/// are a few per cent of a processor.
const PERIOD: Duration = Duration::from_millis(1);
/// The time between two looks grows to this part of the silence: latency after a pause is an eighth of the pause, and
/// the looks in a pause grow with its logarithm.
const SILENCE_PART: u32 = 8;
/// Looks in a row that find unannounced work, before the line is taken for dead. One may be a race on real hardware:
/// causes that are acknowledged before the kernel has asked the device do not reach the eventfd.
const FINDS: u32 = 3;
/// Interrupts in a row that bring something, before a line is believed again.
const GOOD: u32 = 4;
/// What a fruitless interrupt costs at least: 500 a second are borne for ever (a neighbour on a shared line, say), for
/// polling would be no cheaper.
const COST: Duration = Duration::from_millis(2);
/// It costs so many times what it took, where that is more: a quarter of the time of a slow machine may go into them.
const COST_FACTOR: u32 = 4;
/// But no more than this: a thread that was kept from running is no reason.
const MAX_COST: Duration = Duration::from_millis(16);
/// Costs that may come together: 64 fruitless interrupts at once, on a slow machine no fewer than 8.
const CREDIT: Duration = Duration::from_millis(128);
/// The line is masked for this long at first; twice as long each time the storm is still there.
const FIRST_PAUSE: Duration = Duration::from_millis(16);
/// And no longer than this.
const MAX_PAUSE: Duration = Duration::from_millis(4096);
/// A line that is tried must be quiet for this long.
const TRIAL: Duration = Duration::from_millis(64);
/// Fruitless interrupts that it may bring in that time: one may be left over from before.
const TRIAL_FRUITLESS: u32 = 4;
/// A storm that comes later than this after the last is a new one, and its first pause is short.
const FORGET: Duration = Duration::from_secs(10);

/// How the device's work is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InterruptMode {
    /// By the interrupt line.
    #[default]
    Line,
    /// By messages: MSI.
    Msi,
    /// By transfers that end, on USB.
    Transfers,
    /// By the clock: the line says nothing.
    Polled,
    /// By the clock: the line never stops, and is masked but for short trials.
    Masked,
}

impl InterruptMode {
    /// A short stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            InterruptMode::Line => "line",
            InterruptMode::Msi => "msi",
            InterruptMode::Transfers => "transfers",
            InterruptMode::Polled => "polled",
            InterruptMode::Masked => "masked",
        }
    }
}

/// What serving the device has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Found {
    /// Pieces of work that the device has done: frames received and sent, periods played.
    pub work: u64,
    /// Something else has changed: the link.
    pub change: bool,
}

impl Found {
    const fn fruit(self) -> bool {
        self.work > 0 || self.change
    }
}

/// A line that does not stop.
#[derive(Debug, Clone, Copy)]
enum Storm {
    /// The line is masked until then.
    Closed { until: Duration },
    /// The line is unmasked, to see whether it is quiet.
    Trial { since: Duration, fruitless: u32 },
}

/// Counters for the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    /// Looks that found work which a dead line had not announced.
    pub lost: u64,
    /// Times that the line was masked because it did not stop.
    pub storms: u64,
    /// Time in which the clock took the line's place.
    pub polled: Duration,
}

/// See the module's text. Times are since any fixed moment.
#[derive(Debug)]
pub(crate) struct Interrupts {
    /// The normal time between two looks, which polling backs off to.
    look: Duration,
    /// Looks in a row that found unannounced work.
    unannounced: u32,
    /// The line is taken for dead.
    dead: bool,
    /// Fruitful interrupts in a row of a line that is taken for dead.
    good: u32,
    storm: Option<Storm>,
    /// When the fruitless interrupts so far will be forgotten.
    debt: Duration,
    /// How long the line is masked next.
    pause: Duration,
    /// When the last storm was over.
    calm: Duration,
    /// When frames moved last, or the last storm began.
    active: Duration,
    /// When to look, if by the clock.
    next: Option<Duration>,
    /// Since when the clock is in the line's place.
    polled_since: Option<Duration>,
    counts: Counts,
}

impl Interrupts {
    /// A line that is believed. `look` is the time between two looks of a device with nothing to do.
    pub(crate) fn new(look: Duration) -> Interrupts {
        Interrupts {
            look: look.max(PERIOD),
            unannounced: 0,
            dead: false,
            good: 0,
            storm: None,
            debt: Duration::ZERO,
            pause: FIRST_PAUSE,
            calm: Duration::ZERO,
            active: Duration::ZERO,
            next: None,
            polled_since: None,
            counts: Counts::default(),
        }
    }

    /// The line has fired and the device was served, which has brought `found`, from `began` to `now`.
    pub(crate) fn fired(&mut self, began: Duration, now: Duration, found: Found) {
        self.has_fired(began, now, found);
        self.schedule(now, false);
    }

    /// The device was looked at by the clock, from `began` to `now`. `fired`: asked after the look, the line has fired.
    /// `known`: that there was work was known before, and the line need not say it again.
    pub(crate) fn looked(&mut self, began: Duration, now: Duration, found: Found, fired: bool, known: bool) {
        if fired {
            self.has_fired(began, now, found);
        } else if found.fruit() {
            self.active = now;
            if !known && self.storm.is_none() {
                self.found_unannounced();
            }
        }
        match self.storm {
            Some(Storm::Closed { until }) if now >= until => {
                self.storm = Some(Storm::Trial { since: now, fruitless: 0 });
            }
            // a line that is stuck has fired again at once when it was unmasked
            Some(Storm::Trial { since, .. }) if !fired && now >= since + TRIAL => {
                self.storm = None;
                self.calm = now;
                self.debt = now + CREDIT / 2;
            }
            _ => {}
        }
        self.schedule(now, true);
    }

    /// Frames have moved for another reason than an interrupt or a look: some were sent, or a poll went on.
    pub(crate) fn worked(&mut self, now: Duration) {
        self.active = now;
        self.schedule(now, false);
    }

    /// The line could not be unmasked. It is tried again as after a storm.
    pub(crate) fn unmask_failed(&mut self, now: Duration) {
        self.close(now);
        self.schedule(now, false);
    }

    /// Whether the line is to be unmasked after the device was served.
    pub(crate) const fn is_open(&self) -> bool {
        !matches!(self.storm, Some(Storm::Closed { .. }))
    }

    /// Whether the clock is in the line's place, or may have to be.
    pub(crate) const fn by_clock(&self) -> bool {
        self.unannounced > 0 || self.storm.is_some()
    }

    /// When to look at the device, if that is sooner than usual.
    pub(crate) const fn next_look(&self) -> Option<Duration> {
        self.next
    }

    /// How work is noticed.
    pub(crate) const fn mode(&self) -> InterruptMode {
        match (self.storm, self.dead) {
            (Some(_), _) => InterruptMode::Masked,
            (None, true) => InterruptMode::Polled,
            (None, false) => InterruptMode::Line,
        }
    }

    /// Counters until now.
    pub(crate) fn counts(&self, now: Duration) -> Counts {
        let running = self.polled_since.map_or(Duration::ZERO, |since| now.saturating_sub(since));
        Counts { polled: self.counts.polled + running, ..self.counts }
    }

    fn has_fired(&mut self, began: Duration, now: Duration, found: Found) {
        let cost = (now.saturating_sub(began) * COST_FACTOR).clamp(COST, MAX_COST);
        if found.fruit() {
            self.fruitful(now, cost);
        } else {
            self.fruitless(now, cost);
        }
    }

    fn fruitful(&mut self, now: Duration, cost: Duration) {
        self.active = now;
        self.debt = self.debt.saturating_sub(cost);
        self.good = if self.dead { self.good + 1 } else { GOOD };
        if self.good >= GOOD {
            (self.unannounced, self.dead) = (0, false);
        }
        if let Some(Storm::Trial { fruitless, .. }) = &mut self.storm {
            *fruitless = fruitless.saturating_sub(1);
        }
    }

    fn fruitless(&mut self, now: Duration, cost: Duration) {
        match &mut self.storm {
            None => {
                self.debt = self.debt.max(now) + cost;
                if self.debt > now + CREDIT {
                    self.counts.storms += 1;
                    self.close(now);
                }
            }
            Some(Storm::Trial { fruitless, .. }) => {
                *fruitless += 1;
                if *fruitless > TRIAL_FRUITLESS {
                    self.close(now);
                }
            }
            // it fired before it was masked
            Some(Storm::Closed { .. }) => {}
        }
    }

    fn found_unannounced(&mut self) {
        self.good = 0;
        self.unannounced += 1;
        if self.dead {
            self.counts.lost += 1;
        } else if self.unannounced >= FINDS {
            self.dead = true;
            self.counts.lost += u64::from(self.unannounced);
        }
    }

    fn close(&mut self, now: Duration) {
        if self.storm.is_none() {
            self.active = now;
            if now >= self.calm + FORGET {
                self.pause = FIRST_PAUSE;
            }
        }
        self.storm = Some(Storm::Closed { until: now + self.pause });
        self.pause = (self.pause * 2).min(MAX_PAUSE);
    }

    /// Says when to look next; `looked`: it was just done.
    fn schedule(&mut self, now: Duration, looked: bool) {
        if self.mode() == InterruptMode::Line {
            if let Some(since) = self.polled_since.take() {
                self.counts.polled += now.saturating_sub(since);
            }
        } else {
            self.polled_since.get_or_insert(now);
        }
        if !self.by_clock() {
            self.next = None;
            return;
        }
        let period = (now.saturating_sub(self.active) / SILENCE_PART).max(PERIOD);
        // a period as long as the normal one is left to the normal looks
        let by_silence = (period < self.look).then(|| now + period);
        let planned = self.next.filter(|_| !looked);
        let step = match self.storm {
            None => None,
            Some(Storm::Closed { until }) => Some(until),
            Some(Storm::Trial { since, .. }) => Some((since + TRIAL).max(now + PERIOD)),
        };
        self.next = [by_silence, planned, step].into_iter().flatten().min();
    }
}

#[cfg(test)]
#[path = "interrupts_tests.rs"]
mod tests;
