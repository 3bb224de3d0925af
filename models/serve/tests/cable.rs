//! The far end of a wire over a socket: frames as they are, one peer after the other, nothing left behind.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use model_serve::{Cable, ServeError};
use model_wire::{NicPort, NicReceiver, Wire, WireConfig};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);

/// A card that keeps what it receives.
struct Nic(Mutex<Sender<Vec<u8>>>);

impl NicReceiver for Nic {
    fn receive(&self, frame: &[u8], fcs_ok: bool) {
        assert!(fcs_ok);
        let _ = self.0.lock().unwrap().send(frame.to_vec());
    }
    fn link_changed(&self, _: bool) {}
}

struct Bench {
    folder: TempDir,
    port: NicPort,
    received: Receiver<Vec<u8>>,
    cable: Option<Cable>,
    _nic: Arc<dyn NicReceiver>,
}

impl Bench {
    fn new(line_rate: Option<u64>) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let (_, port, far) = Wire::new(WireConfig::default());
        let (sender, received) = channel();
        let nic: Arc<dyn NicReceiver> = Arc::new(Nic(Mutex::new(sender)));
        port.attach(Arc::downgrade(&nic));
        let cable = Cable::lay(far, &folder.path().join("cable.sock"), line_rate).unwrap();
        Bench { folder, port, received, cable: Some(cable), _nic: nic }
    }

    fn peer(&self) -> UnixStream {
        let stream = UnixStream::connect(self.folder.path().join("cable.sock")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// A frame into the wire at the peer's end, out at the card's, and one back: from now on the peer is connected.
    fn greet(&self, peer: &mut UnixStream) {
        put(peer, &[7; 60]);
        assert_eq!(self.received.recv_timeout(PATIENCE).unwrap(), [7; 60]);
        self.port.transmit(&[8; 60]);
        assert_eq!(get(peer), [8; 60]);
    }
}

fn put(peer: &mut UnixStream, frame: &[u8]) {
    peer.write_all(&(frame.len() as u32).to_be_bytes()).unwrap();
    peer.write_all(frame).unwrap();
}

fn get(peer: &mut UnixStream) -> Vec<u8> {
    let mut length = [0; 4];
    peer.read_exact(&mut length).unwrap();
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    peer.read_exact(&mut frame).unwrap();
    frame
}

#[test]
fn frames_go_both_ways_as_they_are_and_short_ones_are_padded() {
    let bench = Bench::new(None);
    let mut peer = bench.peer();
    bench.greet(&mut peer);
    for length in [60, 61, 1000, 1514, 9000] {
        let frame: Vec<u8> = (0..length).map(|i| (i * 7) as u8).collect();
        bench.port.transmit(&frame);
        assert_eq!(get(&mut peer), frame);
        put(&mut peer, &frame);
        assert_eq!(bench.received.recv_timeout(PATIENCE).unwrap(), frame);
    }
    put(&mut peer, &[9; 42]);
    let mut padded = vec![9; 42];
    padded.resize(60, 0);
    assert_eq!(bench.received.recv_timeout(PATIENCE).unwrap(), padded);
}

/// A length that no frame has ends the connection; so does the peer's end. The next one is taken.
#[test]
fn one_peer_after_the_other() {
    let bench = Bench::new(None);
    for nonsense in [&[0, 0, 0, 0][..], &[0xff; 4], &[0, 0, 0, 60, 1, 2, 3]] {
        let mut peer = bench.peer();
        bench.greet(&mut peer);
        peer.write_all(nonsense).unwrap();
        peer.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(peer.read(&mut [0; 16]).unwrap(), 0, "cut off");
    }
    bench.greet(&mut bench.peer());
    assert!(bench.received.try_recv().is_err(), "nothing was made a frame of");
}

#[test]
fn a_line_has_a_speed() {
    let bench = Bench::new(Some(10_000_000));
    let mut peer = bench.peer();
    bench.greet(&mut peer);
    let begin = Instant::now();
    for _ in 0..20 {
        put(&mut peer, &[0; 1514]);
    }
    for _ in 0..20 {
        assert_eq!(bench.received.recv_timeout(PATIENCE).unwrap().len(), 1514);
    }
    // 20 of 1.23 ms, but for the burst at the start and the last one's own
    assert!(begin.elapsed() >= Duration::from_millis(20), "{:?}", begin.elapsed());
}

#[test]
fn it_ends_in_any_state_and_leaves_nothing() {
    type Use = fn(&Bench) -> Option<UnixStream>;
    let unused: Use = |_| None;
    let idle: Use = |bench| {
        let mut peer = bench.peer();
        bench.greet(&mut peer);
        Some(peer)
    };
    let half_a_frame: Use = |bench| {
        let mut peer = bench.peer();
        bench.greet(&mut peer);
        peer.write_all(&[0, 0, 0, 60, 1]).unwrap();
        Some(peer)
    };
    let full: Use = |bench| {
        let mut peer = bench.peer();
        bench.greet(&mut peer);
        // far more than a socket holds, and nobody reads
        (0..2000).for_each(|_| bench.port.transmit(&[0; 1514]));
        Some(peer)
    };
    for case in [unused, idle, half_a_frame, full] {
        let mut bench = Bench::new(None);
        let peer = case(&bench);
        let path = bench.folder.path().join("cable.sock");
        let (_, _, far) = Wire::new(WireConfig::default());
        assert!(matches!(Cable::lay(far, &path, None), Err(ServeError::Exists(_))));
        drop(bench.cable.take());
        assert!(!path.exists());
        drop(peer);
    }
}
