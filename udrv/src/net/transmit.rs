//! Giving frames to the driver: many in one call, and one by one when that has faulted.
//!
//! Frames that were read from the endpoint wait in a queue until the driver has taken them; nothing else takes them
//! out, so neither a restore nor a restart loses one. A call is offered as many as the driver will probably take, makes
//! its `transmit` of one after the other, and says how many it has taken.
//!
//! When a call of more than one faults, nothing of it has happened, and its frames are sent one by one: the one that the
//! driver cannot bear is then dropped alone.

use std::collections::VecDeque;

use udrv_driver::abi::Words;
use udrv_driver::{Cx, Entry, Error, NetDriver, Offload, TxFrame};

use super::NetDevice;
use crate::buffers::{handle, is_offered};
use crate::host::{BATCH, Host};
use crate::ledger::{BUFFERS, Ledger};
use crate::run::{CallError, DeviceError};
use crate::supervisor::quarantine::Version;

/// Frames on the wire that are let go together, or one long packet more: a far end has a ring of some 256 at least, and
/// whatever is at its end needs time to begin.
const BURST: u64 = 64;

/// A frame that waits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waiting {
    /// Which packet buffer it is in.
    pub(crate) buffer: u8,
    /// Bytes.
    pub(crate) length: u32,
    /// What is left to the chip.
    pub(crate) offload: Offload,
}

impl Waiting {
    /// For the record.
    pub(crate) fn to_words(self) -> [u64; 2] {
        let Offload { checksum_start, checksum_offset, segment, headers, ip_start, ipv6 } = self.offload;
        let first = u64::from(self.buffer) | u64::from(ipv6) << 8 | u64::from(ip_start) << 16;
        let parts = [checksum_start, checksum_offset, segment, headers];
        let second = (0..).zip(parts).fold(0, |word, (n, part)| word | u64::from(part) << (16 * n));
        let first = first | u64::from(self.length) << 32;
        [first | Self::sum(first, second), second]
    }

    /// Of what is in the words, in the upper bits of the first: a length has 20.
    fn sum(first: u64, second: u64) -> u64 {
        let mixed = (first ^ second.rotate_left(29)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed & !(u64::MAX >> 12)
    }

    /// From the record: an allegation. `None`: it was spoilt.
    pub(crate) fn from_words([first, second]: [u64; 2]) -> Option<Waiting> {
        let sum = first & !(u64::MAX >> 12);
        let first = first & u64::MAX >> 12;
        if sum != Self::sum(first, second) {
            return None;
        }
        let part = |n: u32| (second >> (16 * n)) as u16;
        let offload = Offload {
            checksum_start: part(0),
            checksum_offset: part(1),
            segment: part(2),
            headers: part(3),
            ip_start: (first >> 16) as u16,
            ipv6: first >> 8 & 1 != 0,
        };
        Some(Waiting { buffer: first as u8, length: (first >> 32) as u32, offload })
    }

    /// Frames on the wire that it becomes.
    fn segments(&self) -> u64 {
        match (u64::from(self.length), u64::from(self.offload.segment)) {
            (_, 0) => 1,
            (length, segment) => length.saturating_sub(self.offload.headers.into()).div_ceil(segment),
        }
    }
}

/// Frames on their way to the driver.
#[derive(Debug)]
pub(crate) struct Outbound {
    /// In order.
    queue: VecDeque<Waiting>,
    /// Frames on the wire that these become.
    segments: u64,
    /// Frames that the driver had when it last had no room: it will hardly take more.
    capacity: usize,
    /// How many of the first frames were in a call that has faulted: they go one by one.
    suspects: usize,
    /// Of the call under way; kept to be used again.
    offered: Vec<TxFrame>,
}

impl Outbound {
    /// None, and nothing known of the driver.
    pub(crate) fn new() -> Outbound {
        Outbound {
            queue: VecDeque::with_capacity(BATCH),
            segments: 0,
            capacity: BUFFERS,
            suspects: 0,
            offered: Vec::with_capacity(BATCH),
        }
    }

    /// Whether one more should be taken from the endpoint before the driver is called.
    pub(crate) fn has_room(&self) -> bool {
        self.queue.len() < BATCH && self.segments < BURST
    }

    /// Frames that wait.
    pub(crate) fn waiting(&self) -> u64 {
        self.queue.len() as u64
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Those that wait.
    pub(crate) fn buffers(&self) -> impl Iterator<Item = u8> + '_ {
        self.queue.iter().map(|waiting| waiting.buffer)
    }

    /// Puts a frame at the end.
    pub(crate) fn push(&mut self, waiting: Waiting) {
        self.segments += waiting.segments();
        self.queue.push_back(waiting);
    }

    /// How many frames to offer to a driver that has `lent`: one more than it had room for last time, for it may have
    /// more now, and its refusal says that there is no need to ask again.
    fn batch(&self, lent: usize) -> usize {
        if self.suspects > 0 {
            return 1;
        }
        self.queue.len().min(BATCH).min(self.capacity.saturating_sub(lent) + 1)
    }

    /// Takes the first frame out.
    fn pop(&mut self) -> Option<Waiting> {
        self.suspects = self.suspects.saturating_sub(1);
        let waiting = self.queue.pop_front()?;
        self.segments -= waiting.segments();
        Some(waiting)
    }

    /// The driver had `before` frames, was offered some and has `after`; `full`: it had no room for the next.
    fn learn(&mut self, before: usize, offered: usize, after: usize, full: bool) {
        if full {
            self.capacity = after;
        } else if before + offered > self.capacity {
            self.capacity = BUFFERS;
        }
    }
}

/// What a call of `transmit` says: an allegation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Frames taken, the first of those offered.
    pub(crate) frames: usize,
    /// Why no more; of the next one.
    pub(crate) stopped: Option<Error>,
}

impl Words for Taken {
    fn to_words(&self) -> [u64; 7] {
        [self.frames as u64, self.stopped.map_or(0, Error::to_word), 0, 0, 0, 0, 0]
    }

    fn from_words([frames, stopped, ..]: [u64; 7]) -> Option<Taken> {
        let frames = usize::try_from(frames).ok()?;
        let stopped = if stopped == 0 { None } else { Some(Error::from_word(stopped)?) };
        Some(Taken { frames, stopped })
    }
}

/// Inside: one frame after the other, until the driver will have no more.
fn transmit_all<S>(
    cx: &mut Cx<'_, S>,
    frames: &[TxFrame],
    transmit: impl Fn(&mut Cx<'_, S>, TxFrame) -> Result<(), Error>,
) -> Result<Taken, Error> {
    for (before, frame) in frames.iter().enumerate() {
        match transmit(cx, *frame) {
            Ok(()) => {}
            Err(error) if before == 0 => return Err(error),
            Err(error) => return Ok(Taken { frames: before, stopped: Some(error) }),
        }
    }
    Ok(Taken { frames: frames.len(), stopped: None })
}

impl<D: NetDriver> NetDevice<D> {
    /// Gives what waits to the driver, in order, until nothing waits or there is no room.
    pub(crate) fn send_waiting(&mut self) -> Result<(), DeviceError> {
        while !self.class.outbound.queue.is_empty() && !self.is_down() {
            // the second version is not the one to be quick with
            let first = self.version(Entry::Transmit) == Version::First;
            let count = if first { self.class.outbound.batch(self.host.buffers.lent() as usize) } else { 1 };
            let result = if count == 1 { self.send_first() } else { self.call_transmit(count) };
            match result {
                Ok(taken) => {
                    self.frames_given(taken.frames);
                    match taken.stopped {
                        None => {}
                        Some(Error::Busy) => break,
                        Some(error) => self.drop_first(CallError::Driver(error))?,
                    }
                }
                Err(CallError::Driver(Error::Busy)) => break,
                Err(CallError::Fault(_)) if count > 1 && self.failed.is_none() => self.class.outbound.suspects = count,
                Err(error) => self.drop_first(error)?,
            }
        }
        Ok(())
    }

    /// Gives the driver the first frame that waits: after a fault once more, and then to its second version if that is
    /// in use by then.
    fn send_first(&mut self) -> Result<Taken, CallError> {
        let mut result = self.call_transmit(1);
        if matches!(result, Err(CallError::Fault(_))) && self.failed.is_none() {
            // the frame never left: the doorbell was not rung
            result = self.call_transmit(1);
        }
        if matches!(result, Err(CallError::Fault(_))) && self.version(Entry::Transmit) == Version::Alternate {
            // the second version has nothing to do with that
            result = self.call_transmit(1);
        }
        result
    }

    /// Offers the first `count` frames that wait to the version of `transmit` that is in use.
    fn call_transmit(&mut self, count: usize) -> Result<Taken, CallError> {
        let second = match (self.version(Entry::Transmit), D::ALTERNATES.transmit) {
            (Version::First, _) => None,
            (Version::Alternate, Some(second)) => Some(second),
            _ => return Err(CallError::Quarantined),
        };
        let before = self.host.buffers.lent() as usize;
        let mut offered = std::mem::take(&mut self.class.outbound.offered);
        self.offer(count, &mut offered);
        let frames = offered.as_slice();
        let valid = |taken: &Taken, _: &Host, ledger: &Ledger| {
            let left = frames.get(taken.frames..);
            let as_offered = |frame: &TxFrame| is_offered(&ledger.buffers, handle(frame.buffer));
            left.is_some_and(|left| left.is_empty() == taken.stopped.is_none() && left.iter().all(as_offered))
        };
        let result = match second {
            _ if frames.is_empty() => Err(CallError::Driver(Error::Busy)),
            Some(second) => {
                self.call_version(Entry::Transmit, true, frames, move |cx| transmit_all(cx, frames, second), valid)
            }
            None => self.call_version(
                Entry::Transmit,
                false,
                frames,
                move |cx| transmit_all(cx, frames, D::transmit),
                valid,
            ),
        };
        let stopped = match &result {
            Ok(taken) => taken.stopped,
            Err(CallError::Driver(error)) => Some(*error),
            Err(_) => None,
        };
        if result.is_ok() || stopped.is_some() {
            let after = self.host.buffers.lent() as usize;
            self.class.outbound.learn(before, offered.len(), after, stopped == Some(Error::Busy));
        }
        self.class.outbound.offered = offered;
        result
    }

    /// Offers the first `count` frames that wait to the next call, or as many as the driver may have.
    fn offer(&mut self, count: usize, offered: &mut Vec<TxFrame>) {
        if self.policy.protects(Entry::Transmit as usize) {
            self.domain.prepare();
        }
        let lent = &mut self.domain.ledger_mut().buffers;
        offered.clear();
        for waiting in self.class.outbound.queue.iter().take(count) {
            let Some(buffer) = self.host.buffers.offer(lent, waiting.buffer) else { break };
            let bus_address = self.host.pool.buffer_address(waiting.buffer);
            offered.push(TxFrame { buffer, length: waiting.length, bus_address, offload: waiting.offload });
        }
    }

    /// The first `count` frames that waited are with the driver.
    fn frames_given(&mut self, count: usize) {
        if count == 0 {
            return;
        }
        for waiting in std::iter::from_fn(|| self.class.outbound.pop()).take(count) {
            self.host.kept.waiting.pop();
            self.host.buffers.give_back(waiting.buffer);
            self.class.traffic.tx_bytes += u64::from(waiting.length);
        }
        if self.class.sending_since.is_none() {
            self.class.sending_since = Some(self.clock());
        }
        self.work_went_through();
        self.work_was_given();
    }

    /// The first frame that waits cannot be sent, for `error`.
    fn drop_first(&mut self, error: CallError) -> Result<(), DeviceError> {
        if let Some(waiting) = self.class.outbound.pop() {
            self.host.kept.waiting.pop();
            self.host.buffers.give_back(waiting.buffer);
            self.class.traffic.tx_dropped += 1;
        }
        if let CallError::Driver(error) = error {
            return self.after_error(Entry::Transmit, error);
        }
        if self.failed.is_some() {
            return Err(self.entry_error(Entry::Transmit, error));
        }
        if let Some(report) = self.reports.last_mut() {
            report.frames_lost += u64::from(matches!(error, CallError::Fault(_)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_call_says_survives_the_border() {
        for taken in [
            Taken { frames: 0, stopped: None },
            Taken { frames: 32, stopped: None },
            Taken { frames: 3, stopped: Some(Error::Busy) },
            Taken { frames: 1, stopped: Some(Error::Nonsense { register: 7, value: 9 }) },
        ] {
            assert_eq!(Taken::from_words(taken.to_words()), Some(taken));
        }
        assert_eq!(Taken::from_words([1, u64::MAX, 0, 0, 0, 0, 0]), None);
    }

    #[test]
    fn long_packets_come_in_small_numbers() {
        let mut outbound = Outbound::new();
        let long = Offload { checksum_start: 34, segment: 1448, headers: 66, ..Offload::default() };
        let waiting = |length, offload| Waiting { buffer: 0, length, offload };
        assert_eq!(waiting(66 + 1448, long).segments(), 1);
        assert_eq!(waiting(66 + 1449, long).segments(), 2);
        assert_eq!(waiting(1514, Offload::default()).segments(), 1);
        // a whole batch of frames, and of packets so many that they become less than a ring of frames
        for (length, offload, expected) in
            [(60, Offload::default(), BATCH), (65_000, long, 2), (66 + 2896, long, BATCH)]
        {
            while outbound.has_room() {
                outbound.push(waiting(length, offload));
            }
            assert_eq!(outbound.queue.len(), expected, "{length}");
            while outbound.pop().is_some() {}
        }
    }

    #[test]
    fn a_driver_is_offered_what_it_will_take_and_one_more() {
        let mut outbound = Outbound::new();
        let waiting = |buffer| Waiting { buffer, length: 60, offload: Offload::default() };
        (0..BATCH as u8).for_each(|buffer| outbound.push(waiting(buffer)));
        assert_eq!(outbound.batch(0), BATCH, "nothing is known");
        // it has four slots
        outbound.learn(0, BATCH, 4, true);
        assert_eq!([0, 3, 4, 5].map(|lent| outbound.batch(lent)), [5, 2, 1, 1]);
        // it takes them all, one more than it should: it has more slots now
        outbound.learn(3, 1, 4, false);
        assert_eq!(outbound.batch(0), 5);
        outbound.learn(3, 2, 5, false);
        assert_eq!(outbound.batch(5), BATCH);
        // what was in a call that has faulted goes alone, until it is gone
        outbound.suspects = 2;
        assert_eq!(outbound.batch(0), 1);
        assert_eq!(outbound.pop().map(|waiting| waiting.buffer), Some(0));
        assert_eq!(outbound.batch(0), 1);
        outbound.pop();
        assert_eq!(outbound.batch(0), BATCH - 2);
        [waiting(0); 2].into_iter().for_each(|waiting| outbound.push(waiting));
        // one that completes at once, and has no room for a moment
        outbound.learn(0, BATCH, 0, true);
        assert_eq!(outbound.batch(0), 1);
        outbound.learn(0, 1, 0, false);
        assert_eq!(outbound.batch(0), BATCH);
    }
}
