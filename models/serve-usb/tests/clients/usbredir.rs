//! What QEMU does.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use model_pegasus::{BULK_IN, BULK_OUT, BadDescriptors, INTERRUPT, regs};
use model_serve_usb::usbredir::UsbRedir;
use model_serve_usb::{End, SessionError};

use crate::bench::{Bench, MAC, PATIENCE, START, frame, stop_of, to_send, until};

/// Capabilities: the device's release, sizes of packets, long ids, long bulk packets; and some that we have not.
const QEMU: u32 = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7;

const DEVICE_CONNECT: u32 = 1;
const DEVICE_DISCONNECT: u32 = 2;
const RESET: u32 = 3;
const INTERFACE_INFO: u32 = 4;
const EP_INFO: u32 = 5;
const CONTROL: u32 = 100;
const BULK: u32 = 101;
const INTERRUPT_PACKET: u32 = 103;

/// What stands in the status byte of what we send: QEMU leaves there what was there.
const UNINITIALISED: u8 = 0xcc;

pub(crate) struct Qemu {
    pub(crate) stream: UnixStream,
    long: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) kind: u32,
    id: u64,
    body: Vec<u8>,
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

impl Qemu {
    /// Hears the hello, which comes first, and answers it.
    pub(crate) fn greet(mut stream: UnixStream, capabilities: u32) -> Qemu {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut hello = [0; 12 + 64 + 4];
        stream.read_exact(&mut hello).unwrap();
        assert_eq!([word(&hello, 0), word(&hello, 4), word(&hello, 8)], [0, 68, 0]);
        assert!(hello[12..].starts_with(b"udrv model-serve-usb "));
        assert_eq!(word(&hello, 76), 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6);
        let ours = [&[0, 68, 0].map(u32::to_le_bytes).concat()[..], &[b'q'; 64], &capabilities.to_le_bytes()].concat();
        stream.write_all(&ours).unwrap();
        Qemu { stream, long: capabilities & 1 << 5 != 0 }
    }

    fn put(&mut self, kind: u32, id: u64, body: &[u8]) {
        let mut packet = [kind, body.len() as u32].map(u32::to_le_bytes).concat();
        packet.extend_from_slice(&id.to_le_bytes()[..if self.long { 8 } else { 4 }]);
        packet.extend_from_slice(body);
        self.stream.write_all(&packet).unwrap();
    }

    pub(crate) fn get(&mut self) -> Packet {
        let mut head = vec![0; if self.long { 16 } else { 12 }];
        self.stream.read_exact(&mut head).unwrap();
        let mut body = vec![0; word(&head, 4) as usize];
        self.stream.read_exact(&mut body).unwrap();
        let mut id = [0; 8];
        id[..head.len() - 8].copy_from_slice(&head[8..]);
        Packet { kind: word(&head, 0), id: u64::from_le_bytes(id), body }
    }

    fn ask(&mut self, kind: u32, id: u64, body: &[u8]) -> Packet {
        self.put(kind, id, body);
        let answer = self.get();
        assert_eq!(answer.id, id, "{answer:?}");
        answer
    }

    /// A control transfer; its status and data.
    fn control(&mut self, id: u64, setup: [u8; 8], data: &[u8]) -> (u8, Vec<u8>) {
        let [request_type, request, v0, v1, i0, i1, l0, l1] = setup;
        let head = [request_type & 0x80, request, request_type, UNINITIALISED, v0, v1, i0, i1, l0, l1];
        let answer = self.ask(CONTROL, id, &[&head[..], data].concat());
        assert_eq!(answer.kind, CONTROL);
        let body = answer.body;
        assert_eq!([&body[..3], &body[4..8]].concat(), [&head[..3], &head[4..8]].concat());
        let is_in = request_type & 0x80 != 0;
        let length = usize::from(u16::from_le_bytes([body[8], body[9]]));
        assert_eq!(body.len(), 10 + if is_in { length } else { 0 });
        (body[3], body[10..].to_vec())
    }

    fn put_bulk(&mut self, id: u64, endpoint: u8, length: usize, data: &[u8]) {
        let [l0, l1, l2, l3] = (length as u32).to_le_bytes();
        self.put(BULK, id, &[&[endpoint, UNINITIALISED, l0, l1, 0, 0, 0, 0, l2, l3][..], data].concat());
    }

    fn start(&mut self) {
        for (register, value) in START {
            assert_eq!(self.control(1, [0x40, 0xf1, value, 0, register, 0, 1, 0], &[value]), (0, Vec::new()));
        }
    }

    /// Endpoint, status, length and data of a bulk packet.
    fn bulk(&mut self) -> (u64, u8, u8, usize, Vec<u8>) {
        let Packet { kind, id, body } = self.get();
        assert_eq!(kind, BULK);
        assert_eq!(body[4..8], [0; 4]);
        let length = u32::from_le_bytes([body[2], body[3], body[8], body[9]]) as usize;
        (id, body[0], body[1], length, body[10..].to_vec())
    }

    pub(crate) fn description(&mut self) -> [Packet; 3] {
        [0; 3].map(|_| self.get())
    }
}

fn bench() -> (Bench, Qemu) {
    let (bench, stream) = Bench::serve(|socket, device, stop| UsbRedir::new(socket).serve(device, stop_of(stop)));
    let mut qemu = Qemu::greet(stream, QEMU);
    let [.., connect] = qemu.description();
    assert_eq!(connect.kind, DEVICE_CONNECT);
    (bench, qemu)
}

#[test]
fn the_device_is_described_and_connected() {
    let (_bench, stream) = Bench::serve(|socket, device, stop| UsbRedir::new(socket).serve(device, stop_of(stop)));
    let [interfaces, endpoints, connect] = Qemu::greet(stream, QEMU).description();
    assert_eq!((interfaces.kind, interfaces.body.len()), (INTERFACE_INFO, 132));
    assert_eq!([0, 4, 36, 68, 100].map(|at| interfaces.body[at]), [1, 0, 0xff, 0xff, 0xff]);
    assert_eq!((endpoints.kind, endpoints.body.len()), (EP_INFO, 160));
    let mut kinds = [255; 32];
    [(0, 0), (16, 0), (2, 2), (17, 2), (19, 3)].into_iter().for_each(|(at, kind)| kinds[at] = kind);
    assert_eq!(endpoints.body[..32], kinds);
    let mut intervals = [0; 32];
    intervals[19] = 1;
    assert_eq!(endpoints.body[32..64], intervals);
    let size = |at: usize| u16::from_le_bytes([endpoints.body[96 + 2 * at], endpoints.body[97 + 2 * at]]);
    assert_eq!([2, 17, 19, 1].map(size), [64, 64, 8, 0]);
    assert_eq!((connect.kind, connect.body), (DEVICE_CONNECT, vec![1, 0, 0, 0, 0xa6, 0x07, 0x11, 0x85, 0x01, 0x01]));
}

/// A client of the first days: short ids, and nothing more than what was there then.
#[test]
fn without_capabilities_everything_is_short() {
    let (bench, stream) = Bench::serve(|socket, device, stop| UsbRedir::new(socket).serve(device, stop_of(stop)));
    let mut old = Qemu::greet(stream, 0);
    let [_, endpoints, connect] = old.description();
    assert_eq!((endpoints.body.len(), connect.body.len()), (96, 8));
    assert_eq!(old.control(9, [0x80, 8, 0, 0, 0, 0, 1, 0], &[]), (0, vec![1]));
    old.start();
    let data = to_send(60);
    let answer = old.ask(BULK, 5, &[&[BULK_OUT, 0, 62, 0, 0, 0, 0, 0][..], &data].concat());
    assert_eq!(answer.body, [BULK_OUT, 0, 62, 0, 0, 0, 0, 0]);
    assert_eq!(bench.station.drain().len(), 1);
}

#[test]
fn control_transfers_and_settings() {
    let (bench, mut qemu) = bench();
    let long = 0x1234_5678_9abc_def0;
    let (status, device) = qemu.control(long, [0x80, 6, 0, 1, 0, 0, 64, 0], &[]);
    assert_eq!((status, device.len()), (0, 18));
    assert_eq!(qemu.control(2, [0xc0, 0xf0, 0, 0, regs::ETH_ID, 0, 6, 0], &[]), (0, MAC.to_vec()));
    assert_eq!(qemu.control(3, [0x40, 0xf1, 0, 0, regs::MULTICAST, 0, 3, 0], &[7, 8, 9]), (0, Vec::new()));
    assert_eq!(bench.handle.register(regs::MULTICAST + 2), 9);
    assert_eq!(qemu.control(4, [0xc0, 0x12, 0, 0, 0, 0, 6, 0], &[]), (4, Vec::new()));
    bench.handle.misbehave(|m| m.control_timeouts = 1);
    assert_eq!(qemu.control(5, [0xc0, 0xf0, 0, 0, 0, 0, 1, 0], &[]), (5, Vec::new()));

    // Set configuration, and what is there then; get it; alternate settings.
    qemu.put(6, 7, &[1]);
    assert_eq!([0; 3].map(|_| qemu.get().kind), [INTERFACE_INFO, EP_INFO, 8]);
    assert_eq!(qemu.ask(7, 8, &[]), Packet { kind: 8, id: 8, body: vec![0, 1] });
    assert_eq!(qemu.ask(6, 9, &[5]), Packet { kind: 8, id: 9, body: vec![4, 5] });
    qemu.put(9, 10, &[0, 0]);
    assert_eq!([0; 3].map(|_| qemu.get().kind), [INTERFACE_INFO, EP_INFO, 11]);
    assert_eq!(qemu.ask(9, 11, &[0, 3]), Packet { kind: 11, id: 11, body: vec![4, 0, 3] });
    assert_eq!(qemu.ask(10, 12, &[0]), Packet { kind: 11, id: 12, body: vec![0, 0, 0] });
    // Not there.
    assert_eq!(qemu.ask(12, 13, &[0x81, 1, 1]), Packet { kind: 14, id: 13, body: vec![2, 0x81] });
    assert_eq!(qemu.ask(13, 14, &[0x81]), Packet { kind: 14, id: 14, body: vec![2, 0x81] });
}

#[test]
fn frames_both_ways_and_one_of_many_is_cancelled() {
    let (bench, mut qemu) = bench();
    qemu.start();
    for id in 10..20 {
        qemu.put_bulk(id, BULK_IN, 1536, &[]);
    }
    qemu.put(21, 15, &[]);
    assert_eq!(qemu.bulk(), (15, BULK_IN, 1, 0, Vec::new()));
    qemu.put(21, 15, &[]);
    for (n, id) in (10..20).filter(|id| *id != 15).enumerate() {
        bench.station.inject(&frame(MAC, 60 + n));
        let (got, endpoint, status, length, data) = qemu.bulk();
        assert_eq!((got, endpoint, status, length), (id, BULK_IN, 0, 68 + n));
        assert_eq!(data[..60 + n], frame(MAC, 60 + n));
    }
    for (id, length) in [(30, 60), (31, 1514)] {
        let data = to_send(length);
        qemu.put_bulk(id, BULK_OUT, data.len(), &data);
        assert_eq!(qemu.bulk(), (id, BULK_OUT, 0, data.len(), Vec::new()));
        assert_eq!(bench.station.receive(Duration::from_secs(20)).unwrap().data, frame([2; 6], length));
    }
}

#[test]
fn how_transfers_fail() {
    let (bench, mut qemu) = bench();
    qemu.start();
    bench.handle.halt(BULK_IN);
    qemu.put_bulk(1, BULK_IN, 64, &[]);
    assert_eq!(qemu.bulk(), (1, BULK_IN, 4, 0, Vec::new()));
    assert_eq!(qemu.control(2, [2, 1, 0, 0, 0x81, 0, 0, 0], &[]), (0, Vec::new()));
    bench.station.inject(&frame(MAC, 100));
    qemu.put_bulk(3, BULK_IN, 100, &[]);
    assert_eq!(qemu.bulk(), (3, BULK_IN, 6, 64, frame(MAC, 100)[..64].to_vec()));
    bench.handle.misbehave(|m| m.failures = 1);
    qemu.put_bulk(4, BULK_IN, 64, &[]);
    assert_eq!(qemu.bulk(), (4, BULK_IN, 3, 0, Vec::new()));
    qemu.put_bulk(5, 0x84, 64, &[]);
    assert_eq!(qemu.bulk(), (5, 0x84, 2, 0, Vec::new()));
    // No endpoint to send interrupts to.
    let answer = qemu.ask(INTERRUPT_PACKET, 6, &[0x03, UNINITIALISED, 2, 0, 1, 2]);
    assert_eq!((answer.kind, answer.body), (INTERRUPT_PACKET, vec![0x03, 2, 0, 0]));
}

fn interrupt(qemu: &mut Qemu, id: u64) -> Vec<u8> {
    let Packet { kind, id: got, body } = qemu.get();
    assert_eq!((kind, got, &body[..4]), (INTERRUPT_PACKET, id, &[INTERRUPT, 0, 8, 0][..]));
    body[4..].to_vec()
}

#[test]
fn interrupts_are_received_until_that_is_stopped() {
    let (bench, mut qemu) = bench();
    qemu.start();
    let started = Packet { kind: 17, id: 5, body: vec![0, INTERRUPT] };
    assert_eq!(qemu.ask(15, 5, &[INTERRUPT]), started);
    assert_eq!(interrupt(&mut qemu, 0)[5], 1, "there is a link");
    for (n, up) in [false, true, false, true].into_iter().enumerate() {
        bench.wire.set_link(up);
        assert_eq!(interrupt(&mut qemu, 1 + n as u64)[5] != 0, up);
    }
    assert_eq!(qemu.ask(15, 5, &[INTERRUPT]), started, "it is going on");
    // A reset ends transfers, and a reset of the host's state is none of the client's.
    qemu.put(RESET, 0, &[]);
    assert_eq!(interrupt(&mut qemu, 5)[5], 0, "the PHY is off");
    assert_eq!(bench.handle.counters().port_resets, 1);
    assert_eq!(qemu.ask(16, 6, &[INTERRUPT]), Packet { kind: 17, id: 6, body: vec![0, INTERRUPT] });
    qemu.start();
    let taken = bench.handle.counters().interrupt_in;
    assert_eq!(qemu.ask(15, 7, &[0x84]), Packet { kind: 17, id: 7, body: vec![2, 0x84] });
    assert_eq!(bench.handle.counters().interrupt_in, taken, "nobody asks any more");

    assert_eq!(qemu.ask(15, 8, &[INTERRUPT]).body, [0, INTERRUPT]);
    interrupt(&mut qemu, 6);
    bench.handle.halt(INTERRUPT);
    assert_eq!(qemu.get(), Packet { kind: 17, id: 0, body: vec![4, INTERRUPT] });
    assert_eq!(qemu.control(9, [2, 1, 0, 0, INTERRUPT, 0, 0, 0], &[]).0, 0);
    assert_eq!(qemu.ask(15, 10, &[INTERRUPT]).body, [0, INTERRUPT]);
    // Another configuration: what waits is ended, and goes on.
    qemu.put(6, 11, &[1]);
    assert_eq!([0; 3].map(|_| qemu.get().kind), [INTERFACE_INFO, EP_INFO, 8]);
    interrupt(&mut qemu, 7);
    // None: nothing can be received.
    qemu.put(6, 12, &[0]);
    assert_eq!([0; 3].map(|_| qemu.get().kind), [INTERFACE_INFO, EP_INFO, 8]);
    assert_eq!(qemu.get(), Packet { kind: 17, id: 0, body: vec![2, INTERRUPT] });
}

#[test]
fn a_reset_cancels_what_waits() {
    let (_bench, mut qemu) = bench();
    qemu.start();
    qemu.put_bulk(1, BULK_IN, 64, &[]);
    qemu.put_bulk(2, BULK_IN, 64, &[]);
    qemu.put(RESET, 0, &[]);
    assert_eq!([0; 2].map(|_| qemu.bulk()), [1, 2].map(|id| (id, BULK_IN, 1, 0, Vec::new())));
}

#[test]
fn one_device_after_the_other_on_one_connection() {
    let (mut bench, stream) = Bench::serve(|socket, device, stop| {
        let mut client = UsbRedir::new(socket);
        client.serve(device, stop_of(stop))?;
        // The socket tells when it has been plugged in again.
        let (nic, ..) = crate::bench::adapter();
        client.serve(Box::new(nic), stop_of(stop))
    });
    let mut qemu = Qemu::greet(stream, QEMU);
    qemu.description();
    qemu.start();
    qemu.put_bulk(1, BULK_IN, 64, &[]);
    qemu.control(2, [0x80, 8, 0, 0, 0, 0, 1, 0], &[]);
    bench.handle.unplug();
    assert_eq!(qemu.bulk(), (1, BULK_IN, 3, 0, Vec::new()));
    assert_eq!(qemu.get().kind, DEVICE_DISCONNECT);
    assert_eq!(qemu.description().map(|packet| packet.kind), [INTERFACE_INFO, EP_INFO, DEVICE_CONNECT]);
    assert_eq!(qemu.control(3, [0x80, 8, 0, 0, 0, 0, 1, 0], &[]), (0, vec![1]));
    drop(qemu);
    assert_eq!(bench.end().unwrap(), End::Disconnected);
}

/// What was on its way to the device that has gone is not for the next one, however much of it has come.
#[test]
fn what_was_for_the_last_device_is_not_for_the_next() {
    let (go, gone) = std::sync::mpsc::channel();
    let (next, second) = std::sync::mpsc::channel();
    let (bench, stream) = Bench::serve(move |socket, device, stop| {
        let mut client = UsbRedir::new(socket);
        client.serve(device, stop_of(stop))?;
        gone.recv().unwrap();
        let (nic, handle, ..) = crate::bench::adapter();
        next.send(handle).unwrap();
        client.serve(Box::new(nic), stop_of(stop))
    });
    let mut qemu = Qemu::greet(stream, QEMU);
    qemu.description();
    bench.handle.unplug();
    assert_eq!(qemu.get().kind, DEVICE_DISCONNECT);
    // One whole packet, and the start of another.
    qemu.put(CONTROL, 1, &[&[0, 0xf1, 0x40, 0, 7, 0, regs::MULTICAST, 0, 1, 0][..], &[7]].concat());
    let late = [&[CONTROL, 11].map(u32::to_le_bytes).concat()[..], &[2, 0, 0, 0, 0, 0, 0, 0]].concat();
    let late = [&late[..], &[0, 0xf1, 0x40, 0, 8, 0, regs::MULTICAST, 0, 1, 0, 8]].concat();
    qemu.stream.write_all(&late[..20]).unwrap();
    go.send(()).unwrap();
    let handle = second.recv().unwrap();
    assert_eq!(qemu.description().map(|packet| packet.kind), [INTERFACE_INFO, EP_INFO, DEVICE_CONNECT]);
    qemu.stream.write_all(&late[20..]).unwrap();
    assert_eq!(qemu.control(3, [0xc0, 0xf0, 0, 0, regs::MULTICAST, 0, 1, 0], &[]), (0, vec![0]));
    assert_eq!(handle.register(regs::MULTICAST), 0);
}

/// Who does not read gets no more, and who reads again gets all of it, in order.
#[test]
fn a_storm_of_interrupts_does_not_fill_memory() {
    /// Bytes of a packet with eight bytes.
    const PACKET: u64 = 28;
    let (bench, mut qemu) = bench();
    bench.handle.misbehave(|m| m.interrupt_storm = true);
    qemu.put(15, 5, &[INTERRUPT]);
    let came = || bench.handle.counters().interrupt_in;
    until("a megabyte has come", || came() > (1 << 20) / PACKET);
    let end = Instant::now() + Duration::from_millis(300);
    while Instant::now() < end {
        assert!(came() < (1 << 21) / PACKET, "a megabyte, and what the socket holds");
        std::thread::yield_now();
    }
    assert_eq!(qemu.get().kind, 17);
    for id in 0..(1 << 21) / PACKET {
        interrupt(&mut qemu, id);
    }
    bench.handle.misbehave(|m| m.interrupt_storm = false);
}

#[test]
fn a_device_that_leaves_is_disconnected() {
    // With nothing waiting, and in the middle of a request.
    let (mut bench, mut qemu) = bench();
    bench.handle.unplug();
    assert_eq!(qemu.get().kind, DEVICE_DISCONNECT);
    assert_eq!(bench.end().unwrap(), End::Unplugged);
    let (mut bench, mut qemu) = self::bench();
    bench.handle.misbehave(|m| m.unplug_at = 1);
    qemu.put(7, 8, &[]);
    assert_eq!(qemu.get().kind, DEVICE_DISCONNECT);
    assert_eq!(bench.end().unwrap(), End::Unplugged);
}

#[test]
fn it_ends_with_the_client_or_when_it_is_stopped() {
    let (mut bench, qemu) = bench();
    drop(qemu);
    assert_eq!(bench.end().unwrap(), End::Disconnected);
    assert!(bench.handle.open().is_ok());
    let (mut bench, _qemu) = self::bench();
    bench.stopper.stop();
    assert_eq!(bench.end().unwrap(), End::Stopped);
    // Before the hello, too.
    for stopped in [false, true] {
        let (mut bench, stream) =
            Bench::serve(|socket, device, stop| UsbRedir::new(socket).serve(device, stop_of(stop)));
        if stopped {
            bench.stopper.stop();
            assert_eq!(bench.end().unwrap(), End::Stopped);
        } else {
            drop(stream);
            assert_eq!(bench.end().unwrap(), End::Disconnected);
        }
    }
}

#[test]
fn nonsense_ends_it_with_a_reason() {
    for (kind, body, why) in [
        (99, &[][..], "a packet of type 99, for which nothing was said of being able to"),
        (25, &[0; 10], "a packet of type 25, for which nothing was said of being able to"),
        (6, &[1, 2], "2 bytes in a packet of type 6: not 1"),
        (100, &[0; 9], "too few bytes for the head of a packet: control"),
        (100, &[0, 0, 0x40, 0, 0, 0, 0, 0, 2, 0, 1], "1 bytes of data, not 2, in a packet: control"),
        (101, &[0; 9], "too few bytes for the head of a packet: bulk"),
        (101, &[0x81, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1], "1 bytes of data, not 0, in a packet: bulk"),
        (101, &[0x81, 0, 1, 0, 0, 0, 0, 0, 0, 1], "a transfer of 16777217 bytes: at most 1048592 are served"),
        (103, &[0x83, 0, 0, 0], "an interrupt packet for an endpoint that is received from"),
        (103, &[0x83], "too few bytes for the head of a packet: interrupt"),
    ] {
        let (mut bench, mut qemu) = bench();
        qemu.put(kind, 0, body);
        let error = bench.end().unwrap_err();
        assert!(matches!(error, SessionError::Malformed(_)));
        assert_eq!(error.to_string(), format!("the client broke the protocol: {why}"));
    }
    let (mut bench, mut stream) =
        Bench::serve(|socket, device, stop| UsbRedir::new(socket).serve(device, stop_of(stop)));
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let error = bench.end().unwrap_err().to_string();
    assert_eq!(error, "the client broke the protocol: it begins with something else than a hello");
}

#[test]
fn wrong_descriptors_are_told_as_far_as_they_go() {
    for (cut, fine) in [(39, true), (30, true), (20, true), (9, true), (8, false), (0, false)] {
        let (mut bench, stream) =
            Bench::serve(|socket, device, stop| UsbRedir::new(socket).serve(device, stop_of(stop)));
        bench.handle.misbehave(|m| m.descriptors = BadDescriptors { cut: Some(cut), ..BadDescriptors::default() });
        let mut qemu = Qemu::greet(stream, QEMU);
        if fine {
            let [_, endpoints, _] = qemu.description();
            let there = endpoints.body[..32].iter().filter(|kind| **kind != 255 && **kind != 0).count();
            assert_eq!(there, cut.saturating_sub(18) / 7);
        } else {
            let error = bench.end().unwrap_err().to_string();
            assert_eq!(error, format!("the device: the configuration descriptor: {cut} of 9 bytes"));
        }
    }
}
