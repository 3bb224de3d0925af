//! The link goes away in the middle of traffic and comes back: nobody has to do anything about it.

use std::time::{Duration, Instant};

use udrv::net::NetOptions;
use udrv::run::Options;
use udrv_driver::Entry;
use udrv_tests::frames::{Judge, Way};
use udrv_tests::rig::{Rig, quick};
use udrv_tests::subject::Subject;
use udrv_tests::{every_subject, wait_until};

every_subject! {
    frames_go_on_when_the_link_is_back,
    no_link_is_no_reason_to_set_the_transmitter_right,
    a_link_that_flaps_under_traffic,
}

/// How often the driver's `entry` was called.
fn calls<S: Subject>(rig: &Rig<S>, entry: Entry) -> u64 {
    let entries = rig.status().entries;
    entries.into_iter().find(|(name, _)| name == entry.name()).expect("an entry point").1.counters.calls
}

/// How often it was called to set its transmitter right.
fn timeouts<S: Subject>(rig: &Rig<S>) -> u64 {
    calls(rig, Entry::TxTimeout)
}

/// Streams both ways over a cable that is pulled and put back.
struct Streams {
    down: Judge,
    up: Judge,
    sent: u64,
    buffer: Vec<u8>,
}

impl Streams {
    fn new() -> Streams {
        Streams { down: Judge::new(Way::Down), up: Judge::new(Way::Up), sent: 0, buffer: vec![0; 2048] }
    }

    /// One each way; what the host cannot get rid of it drops, as its stack would.
    fn send<S: Subject>(&mut self, rig: &Rig<S>) {
        let _ = rig.around.host.try_send(&Way::Down.frame(self.sent));
        rig.around.station.inject(&Way::Up.frame(self.sent));
        self.sent += 1;
    }

    /// Whatever has arrived is right, and comes once and in order.
    fn take<S: Subject>(&mut self, rig: &Rig<S>) {
        for frame in rig.around.station.drain() {
            self.down.take(&frame.data).expect("down");
        }
        while let Some(length) = rig.around.host.try_receive(&mut self.buffer) {
            self.up.take(&self.buffer[..length]).expect("up");
        }
    }

    /// Frames that are sent from now on arrive, both ways.
    fn expect_flow<S: Subject>(&mut self, rig: &Rig<S>, what: &str) {
        let start = self.sent;
        wait_until(what, || {
            self.send(rig);
            self.take(rig);
            self.down.next() > start && self.up.next() > start
        });
    }
}

fn frames_go_on_when_the_link_is_back<S: Subject>() {
    let rig = Rig::<S>::new();
    let mut streams = Streams::new();
    streams.expect_flow(&rig, "at the start");
    for round in 0..10 {
        rig.around.wire.set_link(false);
        wait_until("no carrier", || !rig.around.host.carrier());
        // more than the transmit ring holds
        for _ in 0..100 {
            streams.send(&rig);
        }
        streams.take(&rig);
        rig.around.wire.set_link(true);
        wait_until("carrier", || rig.around.host.carrier());
        streams.expect_flow(&rig, &format!("after the link was away {round} times"));
    }
    let status = rig.status();
    assert_eq!((status.faults, status.restarts, timeouts(&rig)), (0, 0, 0));
    rig.stop().0.expect("stops");
}

/// The link is away for much longer than a frame may be with the device.
fn no_link_is_no_reason_to_set_the_transmitter_right<S: Subject>() {
    // long enough for this test to take the link away meanwhile
    let tx_timeout = Duration::from_millis(500);
    let rig =
        Rig::<S>::start(Options { net: NetOptions { tx_timeout, ..quick().net }, ..quick() }, S::config(), |_| {})
            .expect("starts");
    let mut streams = Streams::new();
    streams.expect_flow(&rig, "at the start");
    // what stands in the transmit ring now stays there
    rig.around.bench.misbehave(|m| m.tx_hangs = true);
    for _ in 0..3 {
        streams.send(&rig);
    }
    wait_until("the device has them", || rig.status().net().traffic.tx_bytes > 0 && !rig.around.bench.intx_asserted());
    rig.around.wire.set_link(false);
    wait_until("no carrier", || !rig.around.host.carrier());
    let before = timeouts(&rig);
    // the clock of the device goes on: it looks, and looks again
    let (start, looks) = (Instant::now(), calls(&rig, Entry::Link));
    wait_until("it has looked ten times", || start.elapsed() > 3 * tx_timeout && calls(&rig, Entry::Link) > looks + 10);
    assert_eq!(timeouts(&rig), before, "there is no link to send to");
    // with a link it is one
    rig.around.wire.set_link(true);
    wait_until("the transmitter is set right", || timeouts(&rig) > before);
    rig.around.bench.misbehave(|m| m.tx_hangs = false);
    streams.expect_flow(&rig, "at the end");
    rig.stop().0.expect("stops");
}

fn a_link_that_flaps_under_traffic<S: Subject>() {
    let rig = Rig::<S>::new();
    let mut streams = Streams::new();
    for flap in 0..300_u32 {
        for _ in 0..flap % 7 {
            streams.send(&rig);
        }
        rig.around.wire.set_link(flap % 2 != 0);
        for _ in 0..flap % 5 {
            streams.send(&rig);
        }
        streams.take(&rig);
    }
    rig.around.wire.set_link(true);
    wait_until("carrier", || rig.around.host.carrier());
    streams.expect_flow(&rig, "after all");
    let status = rig.status();
    assert!(status.net().link_up && status.canary_intact);
    assert_eq!((status.faults, status.restarts, timeouts(&rig)), (0, 0, 0));
    rig.stop().0.expect("stops");
}
