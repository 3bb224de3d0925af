//! The far host, asked by a TCP/IP stack at the near end: no chip, no driver, just the wire.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant as StdInstant};

use model_wire::{
    FarHost, FarHostConfig, NicPort, NicReceiver, PORT_ECHO, PORT_SINK, PORT_SOURCE, SOURCE_SEED, Wire, WireConfig,
    WireFaults, stream_bytes,
};
use sha2::{Digest, Sha256};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::{tcp, udp};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};

const PATIENCE: Duration = Duration::from_secs(60);

/// The near end's MAC: a queue.
#[derive(Default)]
struct Inbox {
    frames: Mutex<VecDeque<Vec<u8>>>,
    arrived: Condvar,
}

impl NicReceiver for Inbox {
    fn receive(&self, frame: &[u8], fcs_ok: bool) {
        if fcs_ok {
            self.frames.lock().unwrap().push_back(frame.to_vec());
            self.arrived.notify_one();
        }
    }

    fn link_changed(&self, _up: bool) {}
}

struct Near {
    inbox: Arc<Inbox>,
    port: NicPort,
}

struct Rx(Vec<u8>);
struct Tx<'a>(&'a NicPort);

impl RxToken for Rx {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len.max(60)];
        let result = f(&mut frame[..len]);
        self.0.transmit(&frame);
        result
    }
}

impl Device for Near {
    type RxToken<'a> = Rx;
    type TxToken<'a> = Tx<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Rx, Tx<'_>)> {
        let frame = self.inbox.frames.lock().unwrap().pop_front()?;
        Some((Rx(frame), Tx(&self.port)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Tx<'_>> {
        Some(Tx(&self.port))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut caps = DeviceCapabilities::default();
        caps.medium = Medium::Ethernet;
        caps.max_transmission_unit = 1514;
        caps
    }
}

/// A client with its stack, driven by the test's thread.
struct Client {
    near: Near,
    iface: Interface,
    sockets: SocketSet<'static>,
    start: StdInstant,
    next_port: u16,
    /// Bytes of a connection's buffers.
    window: usize,
}

impl Client {
    fn new(faults: WireFaults) -> (Self, FarHost, Wire) {
        let (wire, port, far) = Wire::new(WireConfig { faults, ..WireConfig::default() });
        let inbox = Arc::new(Inbox::default());
        let receiver: Arc<dyn NicReceiver> = inbox.clone();
        port.attach(Arc::downgrade(&receiver));
        let host = FarHost::start(far, FarHostConfig::default()).unwrap();
        let mut near = Near { inbox, port };
        let config = Config::new(EthernetAddress([2, 0, 0, 0, 0, 1]).into());
        let mut iface = Interface::new(config, &mut near, Instant::ZERO);
        iface.update_ip_addrs(|a| a.push(IpCidr::new(IpAddress::v4(10, 0, 2, 15), 24)).unwrap());
        let sockets = SocketSet::new(Vec::new());
        (Self { near, iface, sockets, start: StdInstant::now(), next_port: 40_000, window: 128 * 1024 }, host, wire)
    }

    fn connect(&mut self, port: u16) -> SocketHandle {
        let buffer = || tcp::SocketBuffer::new(vec![0; self.window]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        // The tests drop a socket as soon as it is through: its last ACK must be out by then.
        socket.set_ack_delay(None);
        let handle = self.sockets.add(socket);
        self.next_port += 1;
        let to = (Ipv4Addr::new(10, 0, 2, 2), port);
        self.sockets.get_mut::<tcp::Socket>(handle).connect(self.iface.context(), to, self.next_port).unwrap();
        handle
    }

    /// Lets time and frames pass, and calls `step` after each bit of it, until it says that it is done.
    fn until(&mut self, mut step: impl FnMut(&mut SocketSet<'static>) -> bool) {
        let deadline = StdInstant::now() + PATIENCE;
        loop {
            let now = Instant::from_micros(self.start.elapsed().as_micros() as i64);
            self.iface.poll(now, &mut self.near, &mut self.sockets);
            if step(&mut self.sockets) {
                let _flushed = self.iface.poll(now, &mut self.near, &mut self.sockets);
                return;
            }
            assert!(StdInstant::now() < deadline, "nothing came of it in {PATIENCE:?}");
            let _sent = self.iface.poll(now, &mut self.near, &mut self.sockets);
            let delay =
                self.iface.poll_delay(now, &self.sockets).map_or(100_000, |d| d.total_micros().clamp(500, 100_000));
            let inbox = &*self.near.inbox;
            let frames = inbox.frames.lock().unwrap();
            let _woken =
                inbox.arrived.wait_timeout_while(frames, Duration::from_micros(delay), |f| f.is_empty()).unwrap();
        }
    }
}

/// One connection to the echo: what was sent and what came back, as counts of the seeded stream.
struct Echo {
    handle: SocketHandle,
    seed: u64,
    sent: u64,
    back: u64,
    total: u64,
    closed: bool,
}

impl Echo {
    fn step(&mut self, sockets: &mut SocketSet<'static>) -> bool {
        let socket = sockets.get_mut::<tcp::Socket>(self.handle);
        while self.sent < self.total && socket.can_send() {
            let mut chunk = vec![0; 8192.min((self.total - self.sent) as usize)];
            stream_bytes(self.seed, self.sent, &mut chunk);
            let n = socket.send_slice(&chunk).unwrap() as u64;
            self.sent += n;
            if n == 0 {
                break;
            }
        }
        if self.sent == self.total && !self.closed {
            socket.close();
            self.closed = true;
        }
        while socket.can_recv() {
            let (from, seed) = (self.back, self.seed);
            let n = socket
                .recv(|got| {
                    let mut expected = vec![0; got.len()];
                    stream_bytes(seed, from, &mut expected);
                    assert!(got == &expected[..], "the echo differs behind byte {from}");
                    (got.len(), got.len())
                })
                .unwrap();
            self.back += n as u64;
        }
        let refused = self.back != self.total && socket.state() == tcp::State::Closed;
        assert!(!refused, "closed after {} of {} bytes", self.back, self.total);
        self.back == self.total && matches!(socket.state(), tcp::State::TimeWait | tcp::State::Closed)
    }
}

fn echo(client: &mut Client, connections: u64, total: u64) {
    let mut echoes: Vec<Echo> = (0..connections)
        .map(|seed| Echo { handle: client.connect(PORT_ECHO), seed, sent: 0, back: 0, total, closed: false })
        .collect();
    client.until(|sockets| echoes.iter_mut().fold(true, |done, e| e.step(sockets) & done));
    for e in echoes {
        client.sockets.remove(e.handle);
    }
}

#[test]
fn tcp_echo_many_at_once_and_again() {
    let (mut client, host, _wire) = Client::new(WireFaults::default());
    for _ in 0..3 {
        echo(&mut client, 8, 100_000);
    }
    let stats = host.wait_until(PATIENCE, |s| s.echo.completed == 24).unwrap();
    assert_eq!((stats.echo.connections, stats.echo.bytes, stats.echo.broken), (24, 2_400_000, 0));
}

#[test]
fn tcp_echo_of_more_than_its_buffers_hold() {
    let (mut client, host, _wire) = Client::new(WireFaults::default());
    echo(&mut client, 2, 2_000_000);
    let stats = host.wait_until(PATIENCE, |s| s.echo.completed == 2).unwrap();
    assert_eq!((stats.echo.bytes, stats.echo.broken), (4_000_000, 0));
}

/// A cable that is bad towards the client. The other way it is good: the client is smoltcp as well, and loses its place
/// for good when its own FIN is lost between three equal ACKs (seen: FIN-WAIT-1, a fast retransmission pending that has
/// no data to send, no timer). The far host's peer in earnest is Linux.
fn bad_cable(seed: u64, loss_ppm: u32, corrupt_ppm: u32) -> WireFaults {
    WireFaults { seed, loss_ppm, corrupt_ppm, only_to_nic: true }
}

#[test]
fn tcp_echo_over_a_bad_cable() {
    let faults = bad_cable(11, 10_000, 10_000);
    let (mut client, host, wire) = Client::new(faults);
    echo(&mut client, 2, 200_000);
    let hit = wire.stats().to_nic;
    assert!(hit.lost > 0 && hit.corrupted > 0, "{hit:?}");
    assert_eq!(host.stop().echo.broken, 0);
}

#[test]
fn tcp_sink_counts_and_hashes() {
    let (mut client, host, _wire) = Client::new(WireFaults::default());
    let mut data = vec![0; 500_000];
    stream_bytes(5, 0, &mut data);
    let handle = client.connect(PORT_SINK);
    let (mut sent, mut answer) = (0, Vec::new());
    client.until(|sockets| {
        let socket = sockets.get_mut::<tcp::Socket>(handle);
        if socket.may_send() {
            sent += socket.send_slice(&data[sent..]).unwrap();
            if sent == data.len() {
                socket.close();
            }
        }
        while socket.can_recv() {
            let take = |data: &mut [u8]| {
                answer.extend_from_slice(data);
                (data.len(), ())
            };
            socket.recv(take).unwrap();
        }
        matches!(socket.state(), tcp::State::TimeWait)
    });
    let stats = host.wait_until(PATIENCE, |s| s.sinks.len() == 1).unwrap();
    let expected: [u8; 32] = Sha256::digest(&data).into();
    assert_eq!((stats.sinks[0].bytes, stats.sinks[0].sha256, stats.sinks[0].complete), (500_000, expected, true));
    assert_eq!(stats.sink.bytes, 500_000);
    assert_eq!(answer, expected, "the sink answers with the hash");
}

/// Asks the source for `total` bytes and checks each.
fn download(client: &mut Client, total: u64) {
    let handle = client.connect(PORT_SOURCE);
    let (mut asked, mut got) = (false, Vec::new());
    client.until(|sockets| {
        let socket = sockets.get_mut::<tcp::Socket>(handle);
        if !asked && socket.may_send() {
            asked = socket.send_slice(&total.to_be_bytes()).unwrap() == 8;
        }
        while socket.can_recv() {
            socket
                .recv(|data| {
                    got.extend_from_slice(data);
                    (data.len(), ())
                })
                .unwrap();
        }
        let ended = asked && socket.state() == tcp::State::CloseWait;
        if ended {
            socket.close();
        }
        ended
    });
    let mut expected = vec![0; total as usize];
    stream_bytes(SOURCE_SEED, 0, &mut expected);
    let digest = Sha256::digest(&expected);
    expected.extend_from_slice(&digest);
    assert!(got == expected, "{} of {total} bytes, or wrong ones", got.len());
}

#[test]
fn tcp_source_sends_what_was_asked_for() {
    let (mut client, host, _wire) = Client::new(WireFaults::default());
    for total in [300_000u64, 1, 0] {
        download(&mut client, total);
    }
    let stats = host.wait_until(PATIENCE, |s| s.source.completed == 3).unwrap();
    assert_eq!(stats.source.bytes, 300_001);
}

/// Four frames fill the window. When the first is lost the line is busy with the others, and what is to be sent again
/// has to wait for it. It did not, once, and was forgotten: with a full window nothing moved any more.
#[test]
fn tcp_source_retransmits_though_line_and_window_are_full() {
    let (mut client, host, wire) = Client::new(bad_cable(3, 20_000, 0));
    client.window = 4 * 1460;
    download(&mut client, 2_000_000);
    assert!(wire.stats().to_nic.lost > 10);
    let stats = host.wait_until(PATIENCE, |s| s.source.completed == 1).unwrap();
    assert_eq!(stats.source.broken, 0);
}

#[test]
fn udp_echo() {
    let (mut client, host, _wire) = Client::new(WireFaults::default());
    let packets = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 8], vec![0; 8192]);
    let handle = client.sockets.add(udp::Socket::new(packets(), packets()));
    client.sockets.get_mut::<udp::Socket>(handle).bind(5000).unwrap();
    let to = (IpAddress::v4(10, 0, 2, 2), PORT_ECHO);
    for len in [0, 1, 1472] {
        client.sockets.get_mut::<udp::Socket>(handle).send_slice(&vec![7; len], to).unwrap();
        client.until(|sockets| {
            let socket = sockets.get_mut::<udp::Socket>(handle);
            socket.can_recv() && socket.recv().is_ok_and(|(data, _)| data == vec![7; len])
        });
    }
    assert_eq!(host.stop().udp_echoes, 3);
}

#[test]
fn a_quiet_host_sleeps_and_stops_when_told() {
    let (mut client, host, _wire) = Client::new(WireFaults::default());
    echo(&mut client, 1, 1000);
    let before = host.wait_until(PATIENCE, |s| s.echo.completed == 1).unwrap().wakeups;
    // Waits for what does not come: a second of quiet.
    assert!(host.wait_until(Duration::from_secs(1), |s| s.echo.completed == 2).is_none());
    let woke = host.stats().wakeups - before;
    assert!(woke <= 2, "woke {woke} times in a second of quiet");
    assert!(host.stop().frames_in > 0);
}

#[test]
fn a_runt_is_dropped_as_a_switch_would() {
    let (client, host, _wire) = Client::new(WireFaults::default());
    client.near.port.transmit(&[0xff; 42]);
    let stats = host.wait_until(PATIENCE, |s| s.frames_in == 1).unwrap();
    assert_eq!((stats.runts, stats.frames_out), (1, 0));
}

#[test]
fn a_damaged_frame_is_dropped_as_a_mac_would() {
    let faults = WireFaults { seed: 1, corrupt_ppm: 1_000_000, ..WireFaults::default() };
    let (client, host, _wire) = Client::new(faults);
    client.near.port.transmit(&[0xff; 60]);
    let stats = host.wait_until(PATIENCE, |s| s.frames_in == 1).unwrap();
    assert_eq!((stats.bad_fcs, stats.frames_out), (1, 0));
}
