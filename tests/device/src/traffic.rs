//! Frames both ways through a rig, sent and judged.

use std::ops::Deref;
use std::time::{Duration, Instant};

use model_card::Chip;
use model_wire::Station;
use udrv::run::Command;

use crate::frames::{Judge, Way};
use crate::host::HostEnd;
use crate::rig::{Rig, quick};
use crate::running::Running;
use crate::subject::{Config, Subject};
use crate::wait_until;

/// What a start, an end or a recovery may take. Real deadlines in the driver are 10 ms; the machine may be busy.
pub const BOUND: Duration = Duration::from_secs(5);

/// A device on its thread, and where its frames come and go.
pub trait Ends: Deref<Target = Running> {
    /// The host's end.
    fn host(&self) -> &HostEnd;
    /// The other end of the wire.
    fn station(&self) -> &Station;
}

impl<S: Subject> Ends for Rig<S> {
    fn host(&self) -> &HostEnd {
        &self.around.host
    }

    fn station(&self) -> &Station {
        &self.around.station
    }
}

/// Frames both ways: what arrives is right and in order; how many arrive is told.
pub struct Traffic {
    /// What has arrived at the wire.
    pub down: Judge,
    /// What has arrived at the host.
    pub up: Judge,
    /// Frames sent each way.
    pub sent: u64,
    /// For a frame.
    pub buffer: Vec<u8>,
}

impl Traffic {
    /// None yet.
    #[must_use]
    pub fn new() -> Traffic {
        Traffic { down: Judge::new(Way::Down), up: Judge::new(Way::Up), sent: 0, buffer: vec![0; 2048] }
    }

    /// Sends `count` frames each way.
    pub fn send(&mut self, rig: &impl Ends, count: u64) {
        for _ in 0..count {
            // a device that has stopped takes nothing, and its endpoint fills up: that is fine here
            let _ = rig.host().try_send(&Way::Down.frame(self.sent));
            rig.station().inject(&Way::Up.frame(self.sent));
            self.sent += 1;
        }
    }

    /// Takes what has arrived.
    ///
    /// # Panics
    /// When it is wrong.
    pub fn take(&mut self, rig: &impl Ends) {
        for frame in rig.station().drain() {
            self.down.take(&frame.data).expect("down");
        }
        while let Some(length) = rig.host().try_receive(&mut self.buffer) {
            self.up.take(&self.buffer[..length]).expect("up");
        }
    }

    /// Sends until a frame that was sent after now arrives in each direction.
    ///
    /// # Panics
    /// When none does within [`BOUND`].
    pub fn flows(&mut self, rig: &impl Ends, what: &str) {
        let (begin, from) = (Instant::now(), self.sent);
        while self.down.next() <= from || self.up.next() <= from {
            assert!(begin.elapsed() < BOUND, "{what}: nothing flows: {:#?}", rig.status());
            self.send(rig, 1);
            let pause = Instant::now() + Duration::from_millis(1);
            while Instant::now() < pause {
                self.take(rig);
            }
        }
    }

    /// Sends for a while, whatever becomes of it, and makes sure that the device still answers, or has ended.
    pub fn endure(&mut self, rig: &impl Ends, time: Duration, judge: bool) {
        let end = Instant::now() + time;
        while Instant::now() < end && !rig.has_ended() {
            if !rig.host().try_send(&Way::Down.frame(self.sent)) {
                std::thread::yield_now();
            }
            rig.station().inject(&Way::Up.frame(self.sent));
            self.sent += 1;
            if judge {
                self.take(rig);
            } else {
                let _ = rig.station().drain();
                while rig.host().try_receive(&mut self.buffer).is_some() {}
            }
            let _ = rig.ask(Command::Faults(u64::MAX));
        }
    }

    /// Sends a frame each way and waits for both, `rounds` times: how long that took.
    ///
    /// # Panics
    /// When one does not arrive within [`BOUND`].
    pub fn ping(&mut self, rig: &impl Ends, rounds: u64) -> Duration {
        let begin = Instant::now();
        for _ in 0..rounds {
            let sent = Instant::now();
            self.send(rig, 1);
            while self.down.next() < self.sent || self.up.next() < self.sent {
                assert!(sent.elapsed() < BOUND, "a frame was lost: {:#?}", rig.status());
                self.take(rig);
                std::thread::sleep(Duration::from_micros(50)); // leaves the processor to the device
            }
        }
        begin.elapsed()
    }
}

impl Default for Traffic {
    fn default() -> Traffic {
        Traffic::new()
    }
}

/// Whatever the chip does wrong for a while: the device flows again by itself.
///
/// # Panics
/// When it does not; `what` is in the message.
pub fn survives<S: Subject>(config: Config<S>, what: &str, wrong: &<S::Chip as Chip>::Switches)
where
    <S::Chip as Chip>::Switches: Clone,
{
    let rig = Rig::<S>::start(quick(), config, |_| {}).expect("the device starts");
    let mut traffic = Traffic::new();
    traffic.flows(&rig, "before");
    rig.around.bench.misbehave(|m| **m = wrong.clone());
    for _ in 0..100 {
        traffic.send(&rig, 1);
        let _ = rig.status();
        // a frame of a length that the chip made up is no frame of ours
        let _ = rig.around.station.drain();
        while rig.around.host.try_receive(&mut traffic.buffer).is_some() {}
    }
    rig.around.bench.misbehave(|m| **m = <S::Chip as Chip>::Switches::default());
    wait_until(&format!("{what}: what was under way is through"), || {
        let before = rig.status().net().traffic;
        while rig.around.host.try_receive(&mut traffic.buffer).is_some() {}
        let _ = rig.around.station.drain();
        rig.status().net().traffic == before
    });
    let mut fresh = Traffic { sent: traffic.sent, ..Traffic::new() };
    fresh.flows(&rig, &format!("after {what}"));
    rig.stop().0.unwrap_or_else(|error| panic!("{what}: {error}"));
}
