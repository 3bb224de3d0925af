//! What Linux's virtual host controller does.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use model_pegasus::{BULK_IN, BULK_OUT, regs};
use model_serve_usb::{End, SessionError, usbip};

use crate::bench::{Bench, MAC, START, adapter, frame, stop_of, to_send, until};

const SHORT_NOT_OK: u32 = 1;
const ZERO_PACKET: u32 = 0x40;

struct Vhci {
    stream: UnixStream,
    sequence: u32,
    /// Transfers from the device that are under way.
    wanted: HashMap<u32, bool>,
}

#[derive(Debug, PartialEq, Eq)]
struct Answer {
    command: u32,
    sequence: u32,
    status: i32,
    length: usize,
    data: Vec<u8>,
}

impl Vhci {
    fn submit(&mut self, endpoint: u8, flags: u32, length: usize, setup: [u8; 8], data: &[u8]) -> u32 {
        self.sequence += 1;
        let is_in = endpoint & 0x80 != 0;
        self.wanted.insert(self.sequence, is_in);
        let words = [1, self.sequence, 0x10002, is_in.into(), u32::from(endpoint & 0xf), flags, length as u32, 0, 0, 0];
        let head = words.map(u32::to_be_bytes).concat();
        self.stream.write_all(&[&head[..], &setup, data].concat()).unwrap();
        self.sequence
    }

    fn submit_in(&mut self, endpoint: u8, length: usize) -> u32 {
        self.submit(endpoint, 0, length, [0; 8], &[])
    }

    fn submit_out(&mut self, data: &[u8], flags: u32) -> u32 {
        self.submit(BULK_OUT, flags, data.len(), [0; 8], data)
    }

    fn unlink(&mut self, which: u32) -> u32 {
        self.sequence += 1;
        let head = [2, self.sequence, 0x10002, 0, 0, which].map(u32::to_be_bytes).concat();
        self.stream.write_all(&[&head[..], &[0; 24]].concat()).unwrap();
        self.sequence
    }

    fn answer(&mut self) -> Answer {
        let mut head = [0; 48];
        self.stream.read_exact(&mut head).unwrap();
        let word = |at: usize| u32::from_be_bytes(head[4 * at..4 * at + 4].try_into().unwrap());
        let (command, sequence, status, length) = (word(0), word(1), word(5) as i32, word(6) as usize);
        assert_eq!([word(2), word(3), word(4), word(7), word(8), word(9)], [0; 6]);
        let mut data = Vec::new();
        if command == 3 && self.wanted.remove(&sequence).expect("it was asked for") {
            data.resize(length, 0);
            self.stream.read_exact(&mut data).unwrap();
        }
        Answer { command, sequence, status, length, data }
    }

    fn answer_to(&mut self, sequence: u32) -> Answer {
        let answer = self.answer();
        assert_eq!((answer.command, answer.sequence), (3, sequence));
        answer
    }

    fn control_in(&mut self, setup: [u8; 8]) -> Answer {
        let length = u16::from_le_bytes([setup[6], setup[7]]);
        let sequence = self.submit(0x80, 0, length.into(), setup, &[]);
        self.answer_to(sequence)
    }

    fn control_out(&mut self, setup: [u8; 8], data: &[u8]) -> Answer {
        let sequence = self.submit(0x00, 0, data.len(), setup, data);
        self.answer_to(sequence)
    }

    fn start(&mut self) {
        for (register, value) in START {
            let answer = self.control_out([0x40, 0xf1, value, 0, register, 0, 1, 0], &[value]);
            assert_eq!((answer.status, answer.length), (0, 1));
        }
    }
}

fn bench() -> (Bench, Vhci) {
    let (bench, stream) = Bench::serve(|socket, device, stop| usbip::serve(socket, device, stop_of(stop)));
    (bench, Vhci { stream, sequence: 100, wanted: HashMap::new() })
}

#[test]
fn control_transfers() {
    let (bench, mut vhci) = bench();
    let device = vhci.control_in([0x80, 6, 0, 1, 0, 0, 64, 0]);
    assert_eq!((device.status, device.length, device.data[..2].to_vec()), (0, 18, vec![18, 1]));
    assert_eq!(vhci.control_in([0x80, 6, 0, 1, 0, 0, 8, 0]).length, 8);
    assert_eq!(vhci.control_out([0, 5, 3, 0, 0, 0, 0, 0], &[]).status, 0, "the address is the host's affair");
    assert_eq!(vhci.control_out([0, 9, 1, 0, 0, 0, 0, 0], &[]).status, 0);
    assert_eq!(vhci.control_in([0x80, 8, 0, 0, 0, 0, 1, 0]).data, [1]);
    assert_eq!(vhci.control_in([0xc0, 0xf0, 0, 0, regs::ETH_ID, 0, 6, 0]).data, MAC);
    let answer = vhci.control_out([0x40, 0xf1, 0, 0, regs::MULTICAST, 0, 3, 0], &[7, 8, 9]);
    assert_eq!((answer.status, answer.length), (0, 3));
    assert_eq!(bench.handle.register(regs::MULTICAST + 2), 9);
    let stall = vhci.control_in([0xc0, 0x12, 0, 0, 0, 0, 6, 0]);
    assert_eq!((stall.status, stall.length), (-32, 0));
    bench.handle.misbehave(|m| m.control_timeouts = 1);
    assert_eq!(vhci.control_in([0xc0, 0xf0, 0, 0, 0, 0, 1, 0]).status, -110);
}

#[test]
fn frames_both_ways_with_many_transfers_waiting() {
    let (bench, mut vhci) = bench();
    vhci.start();
    let mut waiting: Vec<u32> = (0..16).map(|_| vhci.submit_in(BULK_IN, 1536)).collect();
    // In order: the answer to a control transfer says that those before have been submitted.
    vhci.control_in([0x80, 8, 0, 0, 0, 0, 1, 0]);
    for n in 0..200 {
        bench.station.inject(&frame(MAC, 60 + n));
        let answer = vhci.answer_to(waiting.remove(0));
        assert_eq!((answer.status, answer.length), (0, 68 + n));
        assert_eq!(answer.data[..60 + n], frame(MAC, 60 + n));
        waiting.push(vhci.submit_in(BULK_IN, 1536));
    }
    for length in [60, 61, 126, 1514] {
        let data = to_send(length);
        let sequence = vhci.submit_out(&data, ZERO_PACKET);
        let answer = vhci.answer_to(sequence);
        assert_eq!((answer.status, answer.length), (0, data.len()));
        assert_eq!(bench.station.receive(Duration::from_secs(20)).unwrap().data, frame([2; 6], length));
    }
    assert_eq!(bench.handle.counters().tx_unended, 0);
    // Without an empty packet at the end: 128 bytes are no end of a frame.
    let sequence = vhci.submit_out(&to_send(126), 0);
    assert_eq!(vhci.answer_to(sequence).status, 0);
    assert_eq!(bench.handle.counters().tx_unended, 1);
}

#[test]
fn one_of_many_is_unlinked() {
    let (bench, mut vhci) = bench();
    vhci.start();
    let [a, b, c] = [0; 3].map(|_| vhci.submit_in(BULK_IN, 1536));
    let unlink = vhci.unlink(b);
    let answer = vhci.answer();
    assert_eq!((answer.command, answer.sequence, answer.status), (4, unlink, -104));
    bench.station.inject(&frame(MAC, 60));
    bench.station.inject(&frame(MAC, 61));
    assert_eq!(vhci.answer_to(a).length, 68);
    assert_eq!(vhci.answer_to(c).length, 69);
    // It has been answered already; and it never was.
    for which in [a, b, 9999] {
        let unlink = vhci.unlink(which);
        let answer = vhci.answer();
        assert_eq!((answer.command, answer.sequence, answer.status), (4, unlink, 0));
    }
    assert_eq!(bench.handle.counters().bulk_in, 2);
}

#[test]
fn how_transfers_fail() {
    let (bench, mut vhci) = bench();
    vhci.start();
    let waiting = vhci.submit_in(BULK_IN, 1536);
    vhci.control_in([0x80, 8, 0, 0, 0, 0, 1, 0]);
    bench.handle.halt(BULK_IN);
    let answer = vhci.answer_to(waiting);
    assert_eq!((answer.status, answer.length), (-32, 0));
    assert_eq!(vhci.control_in([0x82, 0, 0, 0, 0x81, 0, 2, 0]).data, [1, 0]);
    assert_eq!(vhci.control_out([2, 1, 0, 0, 0x81, 0, 0, 0], &[]).status, 0);
    assert_eq!(vhci.control_in([0x82, 0, 0, 0, 0x81, 0, 2, 0]).data, [0, 0]);

    bench.station.inject(&frame(MAC, 100));
    let sequence = vhci.submit_in(BULK_IN, 100);
    let answer = vhci.answer_to(sequence);
    assert_eq!((answer.status, answer.length, answer.data.len()), (-75, 64, 64));
    let sequence = vhci.submit(BULK_IN, SHORT_NOT_OK, 100, [0; 8], &[]);
    let answer = vhci.answer_to(sequence);
    assert_eq!((answer.status, answer.length), (-121, 44));
    bench.station.inject(&frame(MAC, 100));
    let sequence = vhci.submit(BULK_IN, SHORT_NOT_OK, 108, [0; 8], &[]);
    assert_eq!(vhci.answer_to(sequence).status, 0);

    bench.handle.misbehave(|m| m.failures = 1);
    let sequence = vhci.submit_out(&to_send(60), 0);
    assert_eq!(vhci.answer_to(sequence).status, -71);
    let sequence = vhci.submit_in(0x84, 8);
    assert_eq!(vhci.answer_to(sequence).status, -22);
}

#[test]
fn a_device_that_leaves_closes_the_connection() {
    for waiting in [0, 3] {
        let (mut bench, mut vhci) = bench();
        let sequences: Vec<u32> = (0..waiting).map(|_| vhci.submit_in(BULK_IN, 64)).collect();
        vhci.control_in([0x80, 8, 0, 0, 0, 0, 1, 0]);
        bench.handle.unplug();
        for sequence in sequences {
            assert_eq!(vhci.answer_to(sequence).status, -108);
        }
        assert_eq!(bench.end().unwrap(), End::Unplugged);
        assert_eq!(vhci.stream.read(&mut [0; 1]).unwrap(), 0);
    }
    // In the middle of a request.
    let (mut bench, mut vhci) = bench();
    bench.handle.misbehave(|m| m.unplug_at = 1);
    assert_eq!(vhci.control_in([0x80, 8, 0, 0, 0, 0, 1, 0]).status, -108);
    assert_eq!(bench.end().unwrap(), End::Unplugged);
}

#[test]
fn it_ends_with_the_client_or_when_it_is_stopped_and_the_device_is_closed() {
    for stopped in [false, true] {
        let (mut bench, mut vhci) = bench();
        vhci.start();
        vhci.submit_in(BULK_IN, 64);
        assert!(bench.handle.open().is_err());
        let end = if stopped {
            bench.stopper.stop();
            End::Stopped
        } else {
            drop(vhci);
            End::Disconnected
        };
        assert_eq!(bench.end().unwrap(), end);
        assert!(bench.handle.open().is_ok());
    }
}

#[test]
fn nonsense_ends_it_with_a_reason() {
    let words = |words: [u32; 10]| [words.map(u32::to_be_bytes).concat(), vec![0; 8]].concat();
    for (message, why) in [
        (words([7, 1, 0, 0, 0, 0, 0, 0, 0, 0]), "command 7 is none"),
        (words([1, 1, 0, 2, 1, 0, 0, 0, 0, 0]), "direction 2 of endpoint 1"),
        (words([1, 1, 0, 0, 16, 0, 0, 0, 0, 0]), "direction 0 of endpoint 16"),
        (words([1, 1, 0, 1, 1, 0, 0, 0, 8, 0]), "isochronous transfers are not served"),
        (words([1, 1, 0, 1, 1, 0, 1 << 21, 0, 0, 0]), "a transfer of 2097152 bytes: at most 1048576 are served"),
    ] {
        let (mut bench, mut vhci) = bench();
        vhci.stream.write_all(&message).unwrap();
        let error = bench.end().unwrap_err();
        assert!(matches!(error, SessionError::Malformed(_)));
        assert_eq!(error.to_string(), format!("the client broke the protocol: {why}"));
        assert_eq!(vhci.stream.read(&mut [0; 1]).unwrap(), 0);
    }
}

/// A message may come in any pieces.
#[test]
fn byte_by_byte() {
    let (bench, mut vhci) = bench();
    vhci.start();
    let data = to_send(60);
    let head = [1, 7, 0, 0, 2, 0, data.len() as u32, 0, 0, 0].map(u32::to_be_bytes).concat();
    vhci.wanted.insert(7, false);
    for byte in [&head[..], &[0; 8], &data].concat() {
        vhci.stream.write_all(&[byte]).unwrap();
    }
    assert_eq!(vhci.answer_to(7).length, 62);
    assert_eq!(bench.station.drain().len(), 1);
}

/// Who asks and does not read is not asked more of; and when it reads, everything is answered in order.
#[test]
fn a_client_that_does_not_read_is_not_read_from() {
    const ASKED: u32 = 8000;
    let (bench, mut vhci) = bench();
    let mut writing = vhci.stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        for sequence in 1..=ASKED {
            let head = [1, sequence, 0, 1, 0, 0, 256, 0, 0, 0].map(u32::to_be_bytes).concat();
            writing.write_all(&[&head[..], &[0xc0, 0xf0, 0, 0, 0, 0, 0, 1]].concat()).unwrap();
        }
    });
    // 304 bytes each, and a megabyte of them waits.
    until("it asks much", || bench.handle.counters().control_reads > (1 << 20) / 304);
    assert!(bench.handle.counters().control_reads < u64::from(ASKED));
    for sequence in 1..=ASKED {
        vhci.wanted.insert(sequence, true);
        assert_eq!(vhci.answer_to(sequence).length, 256);
    }
    writer.join().unwrap();
}

#[test]
fn what_linux_is_told_to_attach() {
    let (nic, ..) = adapter();
    let (_ours, theirs) = UnixStream::pair().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    usbip::attach(file.path(), 3, theirs.as_fd(), &nic).unwrap();
    let fd = std::os::fd::AsRawFd::as_raw_fd(&theirs);
    assert_eq!(std::fs::read_to_string(file.path()).unwrap(), format!("3 {fd} 65538 2"));
    assert!(usbip::attach(&file.path().join("no"), 3, theirs.as_fd(), &nic).is_err());
}
