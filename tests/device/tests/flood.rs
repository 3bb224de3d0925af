//! A host that sends without end what cannot be sent on: the device has its turn all the same, and frames cost no more
//! where a successor is provided for.

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use model_card::Model;
use model_wire::{Wire, WireConfig};
use udrv::dma::DmaRegion;
use udrv::endpoint::{EndpointError, HostCounts, Legacy, NetEndpoint, Received, Sent};
use udrv::net::NetDevice;
use udrv::run::{Answer, Command, Options};
use udrv_tests::every_subject;
use udrv_tests::host::{WatchedEndpoint, pair};
use udrv_tests::kept::{Lasting, Shelf};
use udrv_tests::rig::{quick, turn};
use udrv_tests::subject::Subject;

every_subject! {
    a_flood_of_frames_that_cannot_be_sent_leaves_the_device_its_turn,
    a_flood_of_frames_that_cannot_be_sent_is_counted_once_a_turn,
}

/// A host that has always one more frame, and each is too long.
struct Flood {
    end: WatchedEndpoint,
    seen: Arc<Seen>,
}

/// What it was asked for.
#[derive(Debug, Default)]
struct Seen {
    reads: AtomicU64,
    counts: AtomicU64,
}

impl NetEndpoint for Flood {
    fn name(&self) -> String {
        self.end.name()
    }
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.end.as_fd()
    }
    fn recv(&mut self, _: &mut [u8]) -> Result<Received, EndpointError> {
        unreachable!("frames go into the device's memory")
    }
    fn recv_into(&mut self, _: &DmaRegion, _: u64, _: usize) -> Result<Received, EndpointError> {
        let reads = self.seen.reads.fetch_add(1, Relaxed);
        assert!(reads < 10_000, "nothing else has its turn");
        Ok(Received::Cut)
    }
    fn send(&mut self, frame: &[u8]) -> Result<Sent, EndpointError> {
        self.end.send(frame)
    }
    fn set_mac(&mut self, mac: [u8; 6]) -> Result<(), EndpointError> {
        self.end.set_mac(mac)
    }
    fn set_mtu(&mut self, mtu: u32) -> Result<(), EndpointError> {
        self.end.set_mtu(mtu)
    }
    fn set_carrier(&mut self, on: bool) -> Result<(), EndpointError> {
        self.end.set_carrier(on)
    }
    fn set_up(&mut self, up: bool) -> Result<(), EndpointError> {
        self.end.set_up(up)
    }
    fn counts(&self) -> Option<HostCounts> {
        self.seen.counts.fetch_add(1, Relaxed);
        let given = self.seen.reads.load(Relaxed);
        Some(HostCounts { taken: 0, given, given_bytes: given * 9000 })
    }
    fn legacy(&self) -> Option<Legacy> {
        Some(Legacy::Socket)
    }
}

/// A device that is flooded, and what its host sees.
fn flooded<S: Subject>(options: Options) -> (NetDevice<S::Driver>, Arc<Seen>) {
    fgft::init().expect("isolation");
    let (_wire, near, _far) = Wire::new(WireConfig::default());
    let (card, _bench) = Model::<S::Chip>::new(S::config(), near);
    let ((end, _host), seen) = (pair(), Arc::<Seen>::default());
    let endpoint = Box::new(Flood { end, seen: seen.clone() });
    (NetDevice::start(Lasting::new(card).opened(), endpoint, options).expect("starts"), seen)
}

fn a_flood_of_frames_that_cannot_be_sent_leaves_the_device_its_turn<S: Subject>() {
    let _turn = turn();
    let (mut device, seen) = flooded::<S>(quick());
    device.pump_endpoint().expect("goes on");
    let once = seen.reads.load(Relaxed);
    device.pump_endpoint().expect("goes on");
    let Ok(Answer::Status(status)) = device.handle(Command::Status) else { panic!("no status") };
    let dropped = status.net().traffic.tx_dropped;
    assert!(once > 1 && dropped >= 2 * once && dropped == seen.reads.load(Relaxed), "{once}, {dropped}");
    assert_eq!(seen.counts.load(Relaxed), 0, "nobody goes on with it");
    device.shut_down().expect("stops");
}

/// What the host counts is read from three files of the kernel.
fn a_flood_of_frames_that_cannot_be_sent_is_counted_once_a_turn<S: Subject>() {
    let _turn = turn();
    let (mut device, seen) = flooded::<S>(Options { keeper: Some(Arc::new(Shelf::default())), ..quick() });
    for turns in 1..4 {
        let (reads, counts) = (seen.reads.load(Relaxed), seen.counts.load(Relaxed));
        device.pump_endpoint().expect("goes on");
        assert!(seen.reads.load(Relaxed) > reads + 1, "turn {turns}");
        assert_eq!(seen.counts.load(Relaxed), counts + 1, "turn {turns}");
    }
    device.shut_down().expect("stops");
}
