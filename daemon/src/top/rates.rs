//! What happens in a second, from two statuses of one daemon. Times are the daemon's own: however late an answer is heard, a
//! rate is right.

use serde::Serialize;
use udrv::run::{ClassStatus, EntryStatus, Status};

/// Closer together two statuses say little, nanoseconds.
const MIN_SPAN: u64 = 50_000_000;

/// What goes one way.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Flow {
    /// Frames a second: of a network card packets, of a sound card samples of all channels, of a mouse reports.
    pub(super) frames: f64,
    /// Bytes a second, where they are counted.
    pub(super) bytes: Option<f64>,
}

/// Rates of one device.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Rates {
    /// From the device: received, recorded, moved and clicked. `None`: it has no such way.
    pub(super) incoming: Option<Flow>,
    /// To the device: sent, played.
    pub(super) outgoing: Option<Flow>,
    /// By entry point, in the order of the status.
    pub(super) entries: Vec<EntryRates>,
}

/// Rates of one entry point.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct EntryRates {
    /// Calls a second.
    pub(super) calls: f64,
    /// Nanoseconds of a call, if some were timed meanwhile.
    pub(super) time: Option<f64>,
    /// Nanoseconds of those to save the state.
    pub(super) checkpoint: Option<f64>,
}

/// Makes rates of the statuses that come.
#[derive(Debug, Default)]
pub(super) struct Sampler {
    /// What the next is compared with: the newest, but for those that came too soon after it.
    base: Option<Status>,
    newest: Option<Status>,
    rates: Option<Rates>,
}

impl Sampler {
    /// One more status. False: it is of another run than the last one, and there are no rates before the next.
    pub(super) fn see(&mut self, status: Status) -> bool {
        let base = self.base.as_ref();
        let goes_on = base.is_none_or(|base| goes_on(base, &status));
        let too_soon = base.is_some_and(|base| status.uptime.saturating_sub(base.uptime) < MIN_SPAN);
        if !goes_on || !too_soon {
            self.rates = base.filter(|_| goes_on).and_then(|base| between(base, &status));
            self.base = Some(status.clone());
        }
        self.newest = Some(status);
        goes_on
    }

    /// The newest status.
    pub(super) fn status(&self) -> Option<&Status> {
        self.newest.as_ref()
    }

    /// `None` before there are two statuses of one run.
    pub(super) fn rates(&self) -> Option<&Rates> {
        self.rates.as_ref()
    }
}

/// Whether the newer is of the same run: the same process, and time has not gone back.
fn goes_on(older: &Status, newer: &Status) -> bool {
    older.pid == newer.pid
        && older.device == newer.device
        && newer.uptime >= older.uptime
        && newer.faults >= older.faults
}

/// `None` where a counter has gone back: then nobody knows what has happened between the two.
fn between(older: &Status, newer: &Status) -> Option<Rates> {
    let seconds = (newer.uptime.checked_sub(older.uptime)?) as f64 / 1e9;
    let rate = |older: u64, newer: u64| Some(newer.checked_sub(older)? as f64 / seconds);
    let flow = |frames: (u64, u64), bytes: Option<(u64, u64)>| {
        let bytes = match bytes {
            Some((older, newer)) => Some(rate(older, newer)?),
            None => None,
        };
        Some(Flow { frames: rate(frames.0, frames.1)?, bytes })
    };
    let (incoming, outgoing) = match (&older.class, &newer.class) {
        (ClassStatus::Net(older), ClassStatus::Net(newer)) => {
            let (a, b) = (older.traffic, newer.traffic);
            (
                Some(flow((a.rx_frames, b.rx_frames), Some((a.rx_bytes, b.rx_bytes)))?),
                Some(flow((a.tx_frames, b.tx_frames), Some((a.tx_bytes, b.tx_bytes)))?),
            )
        }
        (ClassStatus::Sound(older), ClassStatus::Sound(newer)) => {
            let of = |playback: bool| {
                let frames = |sound: &udrv::sound::SoundStatus| {
                    let streams = sound.streams.iter().filter(|stream| stream.playback == playback);
                    streams.map(|stream| stream.counters.frames).sum::<u64>()
                };
                flow((frames(older), frames(newer)), None)
            };
            (Some(of(false)?), Some(of(true)?))
        }
        (ClassStatus::Input(older), ClassStatus::Input(newer)) => {
            (Some(flow((older.counters.reports, newer.counters.reports), None)?), None)
        }
        _ => return None,
    };
    let entry = |(name, newer): &(String, EntryStatus)| {
        let (_, older) = older.entries.iter().find(|(older, _)| older == name)?;
        let (a, b) = (&older.counters, &newer.counters);
        let timed = b.timed.checked_sub(a.timed)?;
        let mean = |older: u64, newer: u64| {
            let sum = newer.checked_sub(older)? as f64;
            Some((timed > 0).then(|| sum / timed as f64))
        };
        Some(EntryRates {
            calls: rate(a.calls, b.calls)?,
            time: mean(a.time, b.time)?,
            checkpoint: mean(a.checkpoint, b.checkpoint)?,
        })
    };
    let entries = newer.entries.iter().map(entry).collect::<Option<_>>()?;
    Some(Rates { incoming, outgoing, entries })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use udrv::net::Traffic;

    use super::*;
    use crate::top::testing::{net, with_traffic};

    const SECOND: u64 = 1_000_000_000;

    /// A status after so many nanoseconds, with so many frames received of 100 bytes each.
    fn status(pid: u32, uptime: u64, frames: u64) -> Status {
        let traffic = Traffic { rx_frames: frames, rx_bytes: frames * 100, ..Traffic::default() };
        Status { pid, uptime, ..with_traffic(net("model:rtl8139"), traffic) }
    }

    #[test]
    fn a_rate_is_a_difference_over_the_daemons_own_time() {
        let mut sampler = Sampler::default();
        assert!(sampler.see(status(1, SECOND, 1000)));
        assert_eq!(sampler.rates(), None, "one says nothing");
        assert!(sampler.see(status(1, 3 * SECOND, 5000)));
        let incoming = sampler.rates().unwrap().incoming.unwrap();
        assert_eq!((incoming.frames, incoming.bytes), (2000.0, Some(200_000.0)));
        // two that come right after each other do not make a rate out of chance, and are not lost
        assert!(sampler.see(status(1, 3 * SECOND + 1000, 5090)));
        assert_eq!(sampler.rates().unwrap().incoming.unwrap().frames, 2000.0);
        assert_eq!(sampler.status().unwrap().net().traffic.rx_frames, 5090);
        assert!(sampler.see(status(1, 4 * SECOND, 5100)));
        assert_eq!(sampler.rates().unwrap().incoming.unwrap().frames, 100.0);
        assert_eq!(sampler.rates().unwrap().outgoing.unwrap().frames, 0.0);
    }

    #[test]
    fn a_daemon_that_was_started_again_has_no_rate_until_there_are_two_of_its_own() {
        let mut sampler = Sampler::default();
        sampler.see(status(1, 100 * SECOND, 1_000_000));
        sampler.see(status(1, 101 * SECOND, 1_001_000));
        assert!(!sampler.see(status(2, SECOND, 7)), "another process");
        assert_eq!(sampler.rates(), None);
        assert!(sampler.see(status(2, 2 * SECOND, 8)));
        assert_eq!(sampler.rates().unwrap().incoming.unwrap().frames, 1.0);
        // with more time and more frames than the last one has seen, and by chance the same number
        assert!(!sampler.see(status(3, 500 * SECOND, 1_000_000_000)));
        assert!(!sampler.see(status(3, SECOND, 5)), "time goes back");
        assert_eq!(sampler.rates(), None);
    }

    #[test]
    fn calls_and_what_they_take_are_those_of_the_time_between() {
        let with = |uptime, calls, timed, time, checkpoint| {
            let mut status = status(1, uptime, 0);
            let counters = &mut status.entries[0].1.counters;
            (counters.calls, counters.timed, counters.time, counters.checkpoint) = (calls, timed, time, checkpoint);
            status
        };
        let mut sampler = Sampler::default();
        sampler.see(with(SECOND, 100, 10, 9_000, 900));
        sampler.see(with(2 * SECOND, 300, 12, 10_000, 1_000));
        let poll = sampler.rates().unwrap().entries[0];
        assert_eq!((poll.calls, poll.time, poll.checkpoint), (200.0, Some(500.0), Some(50.0)));
        sampler.see(with(3 * SECOND, 301, 12, 10_000, 1_000));
        assert_eq!(sampler.rates().unwrap().entries[0].time, None, "none was timed");
    }

    proptest! {
        /// Whatever statuses come in whatever order, no rate is negative, endless or more than what was counted.
        #[test]
        fn no_rate_is_absurd(seen in proptest::collection::vec((1..3u32, any::<u32>(), any::<u32>()), 2..20)) {
            let mut sampler = Sampler::default();
            let mut most = 0.0_f64;
            for (pid, uptime, frames) in seen {
                sampler.see(status(pid, uptime.into(), frames.into()));
                most = most.max(f64::from(frames));
                let flow = sampler.rates().and_then(|rates| rates.incoming);
                if let Some(Flow { frames, bytes: Some(bytes) }) = flow {
                    let bound = most * 1e9 / MIN_SPAN as f64;
                    prop_assert!((0.0..=bound).contains(&frames), "{frames}");
                    prop_assert!((0.0..=bound * 100.0).contains(&bytes), "{bytes}");
                }
            }
        }
    }
}
