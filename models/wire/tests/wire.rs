//! The cable by itself: order, bounds, link, faults.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use model_wire::{FarPort, NicPort, NicReceiver, Received, Station, Wire, WireConfig, WireFaults};

#[derive(Default)]
struct Nic {
    frames: Mutex<Vec<(Vec<u8>, bool)>>,
    links: Mutex<Vec<bool>>,
}

impl NicReceiver for Nic {
    fn receive(&self, frame: &[u8], fcs_ok: bool) {
        self.frames.lock().unwrap().push((frame.to_vec(), fcs_ok));
    }

    fn link_changed(&self, up: bool) {
        self.links.lock().unwrap().push(up);
    }
}

fn lay(config: WireConfig) -> (Wire, NicPort, FarPort, Arc<Nic>) {
    let (wire, near, far) = Wire::new(config);
    let nic = Arc::new(Nic::default());
    let receiver: Arc<dyn NicReceiver> = nic.clone();
    near.attach(Arc::downgrade(&receiver));
    (wire, near, far, nic)
}

#[test]
fn frames_keep_their_order_in_both_directions() {
    let (wire, near, far, nic) = lay(WireConfig::default());
    let station = Station::new(far);
    for n in 0..200u8 {
        near.transmit(&[n; 60]);
        station.inject(&[n; 61]);
    }
    let there: Vec<u8> = station.drain().iter().map(|f| f.data[0]).collect();
    let here: Vec<u8> = nic.frames.lock().unwrap().iter().map(|f| f.0[0]).collect();
    let all: Vec<u8> = (0..200).collect();
    assert_eq!((&there, &here), (&all, &all));
    let stats = wire.stats();
    assert_eq!((stats.to_far.frames, stats.to_far.bytes), (200, 200 * 60));
    assert_eq!((stats.to_nic.frames, stats.to_nic.bytes), (200, 200 * 61));
}

#[test]
fn a_full_queue_drops_and_counts() {
    let (wire, near, far, _nic) = lay(WireConfig { queue_frames: 4, ..WireConfig::default() });
    for n in 0..10 {
        near.transmit(&[n; 60]);
    }
    assert_eq!(wire.stats().to_far.queue_full, 6);
    let kept: Vec<u8> = Station::new(far).drain().iter().map(|f| f.data[0]).collect();
    assert_eq!(kept, [0, 1, 2, 3]);
}

#[test]
fn negotiation_takes_its_time_with_somebody_at_the_far_end() {
    let negotiation = Duration::from_millis(20);
    let (wire, near, far, nic) = lay(WireConfig { negotiation, ..WireConfig::default() });
    let begin = Instant::now();
    assert!(near.negotiate());
    assert!(!near.link_up());
    near.transmit(&[0; 60]);
    let mut frame = Vec::new();
    assert_eq!(far.recv(&mut frame, Some(begin + 4 * negotiation)), Received::TimedOut, "no link, no frame");
    assert!(near.link_up() && wire.link_up());
    assert_eq!(*nic.links.lock().unwrap(), [true]);
    near.transmit(&[1; 60]);
    assert_eq!(far.recv(&mut frame, None), Received::Frame { fcs_ok: true });
    assert_eq!(frame[0], 1);
    // a cable that is pulled meanwhile, and one that is not there
    assert!(near.negotiate());
    wire.set_link(false);
    assert!(!near.negotiate());
    assert_eq!(far.recv(&mut frame, Some(Instant::now() + 2 * negotiation)), Received::TimedOut);
    assert!(!wire.link_up());
    // and one that has no need of time
    let (_wire, near, ..) = lay(WireConfig::default());
    assert!(!near.negotiate() && near.link_up());
}

#[test]
fn buffers_go_round() {
    let (_wire, near, far, _nic) = lay(WireConfig::default());
    let mut frame = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for n in 0..100u8 {
        near.transmit(&[n; 1514]);
        assert_eq!(far.try_recv(&mut frame), Some(Received::Frame { fcs_ok: true }));
        seen.insert(frame.as_ptr() as usize);
    }
    assert!(seen.len() <= 2, "{} buffers for one frame at a time", seen.len());
}

#[test]
fn the_link_takes_frames_with_it_and_tells_the_nic_once() {
    let (wire, near, far, nic) = lay(WireConfig::default());
    let station = Station::new(far);
    wire.set_link(false);
    wire.set_link(false);
    near.transmit(&[1; 60]);
    station.inject(&[1; 60]);
    assert!(!near.link_up());
    wire.set_link(true);
    assert_eq!(*nic.links.lock().unwrap(), [false, true]);
    assert!(station.drain().is_empty() && nic.frames.lock().unwrap().is_empty());
    assert_eq!((wire.stats().to_far.link_down, wire.stats().to_nic.link_down), (1, 1));
}

#[test]
fn nobody_there_is_counted() {
    let (wire, _near, far, nic) = lay(WireConfig::default());
    drop(nic);
    far.send(&[1; 60]);
    assert_eq!(wire.stats().to_nic.nobody, 1);
}

#[test]
fn faults_can_be_replayed_and_are_off_by_default() {
    let run = |seed| {
        let faults = WireFaults { seed, loss_ppm: 200_000, corrupt_ppm: 100_000, only_to_nic: false };
        let (wire, near, far, nic) = lay(WireConfig { faults, ..WireConfig::default() });
        let station = Station::new(far);
        for _ in 0..500 {
            near.transmit(&[0; 60]);
            station.inject(&[0; 60]);
        }
        let there: Vec<_> = station.drain().into_iter().map(|f| (f.data, f.fcs_ok)).collect();
        let here = std::mem::take(&mut *nic.frames.lock().unwrap());
        let stats = wire.stats();
        for (frames, stats) in [(&there, stats.to_far), (&here, stats.to_nic)] {
            assert!((60..140).contains(&stats.lost), "{} of 500 lost, about 100 expected", stats.lost);
            assert_eq!(frames.len() as u64, 500 - stats.lost);
            assert_eq!(frames.iter().filter(|f| !f.1).count() as u64, stats.corrupted);
            for (data, fcs_ok) in frames {
                let flipped: u32 = data.iter().map(|b| b.count_ones()).sum();
                assert_eq!(flipped, u32::from(!fcs_ok), "one bit when damaged, else none");
            }
        }
        wire.set_faults(WireFaults::default());
        near.transmit(&[0; 60]);
        assert!(station.drain()[0].fcs_ok);
        (there, here)
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}

#[test]
fn receiving_waits_until_there_is_a_frame_a_deadline_or_a_call() {
    let (_wire, near, far, _nic) = lay(WireConfig::default());
    let mut frame = Vec::new();
    assert_eq!(far.recv(&mut frame, Some(Instant::now() + Duration::from_millis(1))), Received::TimedOut);
    let waker = far.waker();
    waker.wake();
    assert_eq!(far.recv(&mut frame, None), Received::Woken);
    let waiting = std::thread::spawn(move || {
        let mut frame = Vec::new();
        let first = far.recv(&mut frame, None);
        (first, frame, far.recv(&mut Vec::new(), None))
    });
    near.transmit(&[9; 60]);
    waker.wake();
    let (first, frame, second) = waiting.join().unwrap();
    // The call may come before the frame is taken; it must not swallow it.
    assert_eq!((first, second), (Received::Frame { fcs_ok: true }, Received::Woken));
    assert_eq!(frame, [9; 60]);
}
