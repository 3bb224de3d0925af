//! A ring by itself: what is taken of it, what it is told, in which order.

use std::sync::Arc;

use udrv_bus::DmaMapping;

use super::*;
use crate::dma::DmaRegion;

#[path = "ring_walk_tests.rs"]
mod walk;

const BASE: u32 = 0x1_0000;
const BUFFERS: u32 = BASE + 0x2000;
const BYTES: u64 = 0x4_0000;
const IN: u8 = 0x81;
const OUT: u8 = 0x02;

/// A ring in memory, a driver's hands, and a device that takes what it is given.
struct Bench {
    region: Arc<DmaRegion>,
    memory: Memory,
    ring: Ring,
    submitted: Vec<Transfer>,
    /// What becomes of the next submissions, first one first.
    errors: VecDeque<Option<BusError>>,
}

impl Bench {
    fn new(endpoint: u8, size: u32) -> Bench {
        let region = Arc::new(DmaRegion::new(BYTES, None).unwrap());
        let mut memory = Memory::default();
        memory.map(DmaMapping { iova: BASE.into(), memory: region.clone() }).unwrap();
        let mut ring = Ring::new(endpoint);
        ring.base = BASE;
        ring.set_size(size);
        Bench { region, memory, ring, submitted: Vec::new(), errors: VecDeque::new() }
    }

    fn put(&self, index: u32, address: u32, length: u32, control: u32) {
        for (word, value) in [address, length, 0xeeee_eeee, control].into_iter().enumerate() {
            let place = u64::from(index * DESCRIPTOR_BYTES) + 4 * word as u64;
            self.region.copy_in(place, &value.to_le_bytes()).unwrap();
        }
    }

    /// A descriptor of 100 bytes in a buffer of its own, handed over.
    fn give(&self, index: u32, control: u32) {
        self.put(index, BUFFERS + index * 256, 100, control);
    }

    /// Words 2 and 3.
    fn told(&self, index: u32) -> (u32, u32) {
        let mut bytes = [0; 8];
        self.region.copy_out(u64::from(index * DESCRIPTOR_BYTES) + 8, &mut bytes).unwrap();
        let [length, control] = [0, 4].map(|at| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()));
        (length, control)
    }

    fn control(&self, index: u32) -> u32 {
        self.told(index).1
    }

    fn buffer(&self, address: u32, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.region.copy_out(u64::from(address - BASE), &mut bytes).unwrap();
        bytes
    }

    fn fill(&self, address: u32, bytes: &[u8]) {
        self.region.copy_in(u64::from(address - BASE), bytes).unwrap();
    }

    /// The doorbell.
    fn start(&mut self) -> bool {
        let (submitted, errors) = (&mut self.submitted, &mut self.errors);
        let submit = |transfer| match errors.pop_front().flatten() {
            Some(error) => Err(error),
            None => {
                submitted.push(transfer);
                Ok(())
            }
        };
        self.ring.start(&self.memory, submit).unwrap()
    }

    /// The `at`-th of the transfers that the device has ends.
    fn end(&mut self, at: usize, status: TransferStatus, length: usize) -> bool {
        let Transfer { endpoint, token, data, .. } = self.submitted.remove(at);
        self.ring.ended(&self.memory, Completion { endpoint, token, status, data, length }).unwrap()
    }

    fn done(&mut self, at: usize) -> bool {
        let length = self.submitted[at].data.len();
        self.end(at, TransferStatus::Done, length)
    }
}

#[test]
fn only_what_was_handed_over_is_taken() {
    let mut bench = Bench::new(OUT, 8);
    assert!(!bench.start() && bench.submitted.is_empty());
    bench.give(0, OWN);
    bench.give(1, 0);
    bench.give(2, OWN);
    assert!(!bench.start());
    assert_eq!((bench.submitted.len(), bench.ring.count), (1, 1), "up to one without OWN");
    assert!(!bench.start());
    assert_eq!(bench.submitted.len(), 1, "once");
    bench.give(1, OWN);
    bench.start();
    assert_eq!((bench.submitted.len(), bench.ring.count), (3, 3), "it goes on where it stands");
    assert_eq!([0, 1, 2].map(|index| bench.control(index)), [OWN; 3], "nothing has ended");
    assert!(bench.done(0));
    assert_eq!(bench.told(0), (100, status::DONE));
}

#[test]
fn the_bytes_of_a_chain_are_one_transfer() {
    let mut bench = Bench::new(OUT, 4);
    bench.fill(BUFFERS, &[1, 2]);
    bench.fill(BUFFERS + 256, &[3; 60]);
    bench.put(0, BUFFERS, 2, OWN | CHAIN);
    assert!(!bench.start() && bench.submitted.is_empty(), "the rest is not there");
    bench.put(1, BUFFERS + 256, 60, 0);
    assert!(!bench.start() && bench.submitted.is_empty(), "and not handed over");
    bench.put(1, BUFFERS + 256, 60, OWN);
    bench.start();
    assert_eq!(bench.submitted[0].data, [&[1, 2][..], &[3; 60]].concat());
    assert_eq!((bench.submitted.len(), bench.ring.count), (1, 2));
    // bytes are taken when the transfer starts
    bench.fill(BUFFERS, &[9, 9]);
    assert_eq!(bench.submitted[0].data[..2], [1, 2]);
    assert!(bench.done(0));
    assert_eq!([0, 1].map(|index| bench.told(index)), [(62, status::DONE); 2]);
    // round the end of the ring, at its full length
    for (index, control) in [(2, OWN | CHAIN), (3, OWN | CHAIN), (0, OWN | CHAIN), (1, OWN)] {
        bench.give(index, control);
    }
    bench.start();
    assert_eq!(bench.submitted[0].data.len(), 400);
    assert!(bench.end(0, TransferStatus::Stalled, 7));
    assert_eq!([0, 1, 2, 3].map(|index| bench.told(index)), [(7, status::STALLED); 4]);
}

#[test]
fn what_makes_no_sense_is_refused_in_its_turn() {
    let outside = BASE + BYTES as u32;
    for (address, length) in [
        (BUFFERS, 0),
        (0, 64),
        (BASE - 1, 64),
        (outside, 1),
        (outside - 63, 64),
        (u32::MAX, 64),
        (u32::MAX - 63, 64),
        (BUFFERS, u32::MAX),
        (BUFFERS, MAX_TRANSFER + 1),
    ] {
        let mut bench = Bench::new(OUT, 4);
        bench.give(0, OWN);
        bench.put(1, address, length, OWN);
        bench.give(2, OWN);
        assert!(!bench.start(), "{address:#x} {length:#x}: the one before has not ended");
        assert_eq!((bench.submitted.len(), bench.ring.count), (2, 3), "{address:#x} {length:#x}");
        assert_eq!(bench.control(1), OWN, "in its turn");
        assert!(bench.done(0));
        assert_eq!(bench.told(1), (0, status::REFUSED), "{address:#x} {length:#x}");
        assert_eq!(bench.control(2), OWN);
        assert!(bench.done(0));
        assert_eq!(bench.told(2), (100, status::DONE), "what follows is as it should be");
    }
    // at the edges it is not refused
    for (address, length) in [(outside - 64, 64), (BUFFERS, MAX_TRANSFER), (BASE, 1)] {
        let mut bench = Bench::new(OUT, 4);
        bench.put(0, address, length, OWN);
        assert!(!bench.start());
        assert_eq!(bench.submitted[0].data.len(), length as usize);
    }
}

#[test]
fn chains_that_make_no_sense_are_refused_as_a_whole() {
    // one that has not all of its bytes, whichever part is wrong
    for wrong in 0..3 {
        let mut bench = Bench::new(OUT, 8);
        for (index, control) in [(0, OWN | CHAIN), (1, OWN | CHAIN), (2, OWN)] {
            let address = if index == wrong { 0 } else { BUFFERS };
            bench.put(index, address, 64, control);
        }
        assert!(bench.start() && bench.submitted.is_empty());
        assert_eq!([0, 1, 2].map(|index| bench.told(index)), [(0, status::REFUSED); 3]);
    }
    // a part may be empty, and all together may not
    let mut bench = Bench::new(OUT, 8);
    bench.put(0, BUFFERS, 0, OWN | CHAIN);
    bench.put(1, BUFFERS, 5, OWN);
    bench.put(2, BUFFERS, 0, OWN | CHAIN);
    bench.put(3, BUFFERS, 0, OWN);
    bench.put(4, BUFFERS, MAX_TRANSFER, OWN | CHAIN);
    bench.put(5, BUFFERS, 1, OWN);
    bench.start();
    assert_eq!(bench.submitted.len(), 1);
    assert!(bench.done(0));
    assert_eq!([0, 1].map(|index| bench.told(index)), [(5, status::DONE); 2]);
    assert_eq!([2, 3, 4, 5].map(|index| bench.told(index)), [(0, status::REFUSED); 4]);
    // one that is too long is cut off there, and what is left of it is the next
    let mut bench = Bench::new(OUT, 8);
    for index in 0..MAX_CHAIN as u32 {
        bench.give(index, OWN | CHAIN);
    }
    bench.give(MAX_CHAIN as u32, OWN);
    assert!(bench.start());
    assert_eq!([0, 1, 2, 3].map(|index| bench.told(index)), [(0, status::REFUSED); 4]);
    assert_eq!((bench.submitted.len(), bench.ring.count), (1, 5));
    // one all round the ring would never end
    for size in 1..MAX_CHAIN as u32 {
        let mut bench = Bench::new(OUT, size);
        (0..size).for_each(|index| bench.give(index, OWN | CHAIN));
        assert!(bench.start(), "size {size}");
        assert!((0..size).all(|index| bench.told(index) == (0, status::REFUSED)));
        bench.give(0, OWN);
        bench.start();
        assert_eq!(bench.submitted.len(), 1, "and it goes on behind it");
    }
    // of an IN endpoint none may be
    let mut bench = Bench::new(IN, 8);
    bench.give(0, OWN | CHAIN);
    bench.give(1, OWN);
    bench.give(2, OWN);
    assert!(bench.start());
    assert_eq!([0, 1].map(|index| bench.told(index)), [(0, status::REFUSED); 2]);
    assert_eq!(bench.submitted.len(), 1);
}

#[test]
fn own_goes_off_in_order_though_transfers_end_in_another() {
    let mut bench = Bench::new(OUT, 4);
    (0..4).for_each(|index| bench.give(index, OWN));
    bench.start();
    assert!(!bench.done(2));
    assert!(!bench.end(1, TransferStatus::Failed, 0));
    assert_eq!([0, 1, 2, 3].map(|index| bench.control(index)), [OWN; 4]);
    assert!(bench.done(0));
    assert_eq!([0, 1, 2, 3].map(|index| bench.control(index)), [status::DONE, status::FAILED, status::DONE, OWN]);
    assert!(bench.done(0));
}

#[test]
fn a_full_ring_is_not_taken_twice() {
    for size in [1, 2, 4, MAX_DESCRIPTORS] {
        let mut bench = Bench::new(OUT, size);
        (0..size).for_each(|index| bench.put(index, BUFFERS, 1, OWN));
        bench.start();
        bench.start();
        assert_eq!(bench.submitted.len(), size as usize);
        bench.done(0);
        bench.start();
        assert_eq!(bench.submitted.len(), size as usize - 1, "the first was not given again");
        bench.put(0, BUFFERS, 1, OWN);
        bench.start();
        assert_eq!((bench.submitted.len(), bench.ring.count), (size as usize, size + 1));
    }
}

#[test]
fn what_cannot_be_submitted_says_why_in_its_turn() {
    let stall = || BusError::Stall { operation: "endpoint 2".to_owned() };
    let gone = BusError::Gone { operation: "submit" };
    let mut bench = Bench::new(OUT, 8);
    (0..5).for_each(|index| bench.give(index, OWN));
    bench.errors = [None, Some(stall()), Some(gone), Some(BusError::Unsupported("it")), None].into();
    assert!(!bench.start() && bench.ring.halted);
    assert_eq!(bench.submitted.len(), 2);
    assert!(bench.done(0) && bench.done(0));
    let said = [0, 1, 2, 3, 4].map(|index| bench.control(index));
    assert_eq!(said, [status::DONE, status::STALLED, status::GONE, status::FAILED, status::DONE]);
    // alone it is told of at once
    bench.give(5, OWN);
    bench.errors = [Some(stall())].into();
    assert!(bench.start());
    assert_eq!(bench.told(5), (0, status::STALLED));
}

#[test]
fn every_end_has_its_status_and_a_stall_halts() {
    for (ended, said) in [
        (TransferStatus::Done, status::DONE),
        (TransferStatus::Stalled, status::STALLED),
        (TransferStatus::Overflow, status::OVERFLOW),
        (TransferStatus::Cancelled, status::CANCELLED),
        (TransferStatus::Gone, status::GONE),
        (TransferStatus::Failed, status::FAILED),
    ] {
        let mut bench = Bench::new(IN, 4);
        bench.give(0, OWN);
        bench.start();
        assert!(bench.end(0, ended, 3));
        assert_eq!(bench.told(0), (3, said));
        assert_eq!(bench.ring.halted, ended == TransferStatus::Stalled);
    }
}

#[test]
fn what_comes_in_stays_within_its_room() {
    let mut bench = Bench::new(IN, 8);
    let around = |bench: &Bench| (bench.buffer(BUFFERS - 1, 1)[0], bench.buffer(BUFFERS + 100, 1)[0]);
    bench.fill(BUFFERS - 1, &[0xaa]);
    bench.fill(BUFFERS + 100, &[0xbb]);
    // what the device says of its length, and what memory it brings with it
    let cases =
        [(100, 100, 100), (0, 100, 0), (1, 100, 1), (101, 200, 100), (usize::MAX, 100, 100), (100, 7, 7), (5, 0, 0)];
    for (index, (length, data, told)) in (0..).zip(cases) {
        bench.fill(BUFFERS, &[0; 100]);
        bench.put(index, BUFFERS, 100, OWN);
        bench.start();
        let Transfer { endpoint, token, data: given, .. } = bench.submitted.remove(0);
        assert_eq!(given.len(), 100, "as much room as there is");
        let completion = Completion { endpoint, token, status: TransferStatus::Done, data: vec![0xcc; data], length };
        assert!(bench.ring.ended(&bench.memory, completion).unwrap());
        assert_eq!(bench.told(index), (told as u32, status::DONE), "{length} {data}");
        let buffer = bench.buffer(BUFFERS, 100);
        assert!(buffer[..told].iter().all(|byte| *byte == 0xcc) && buffer[told..].iter().all(|byte| *byte == 0));
        assert_eq!(around(&bench), (0xaa, 0xbb), "{length} {data}");
    }
}

#[test]
fn after_a_reset_nothing_is_left() {
    let mut bench = Bench::new(IN, 4);
    (0..3).for_each(|index| bench.give(index, OWN));
    bench.start();
    bench.end(0, TransferStatus::Stalled, 0);
    let late = bench.submitted.clone();
    bench.ring.reset();
    assert_eq!((bench.ring.count, bench.ring.halted, bench.ring.size(), bench.ring.base), (0, false, 4, BASE));
    for Transfer { endpoint, token, .. } in late {
        let completion =
            Completion { endpoint, token, status: TransferStatus::Done, data: vec![0xcc; 100], length: 100 };
        assert!(!bench.ring.ended(&bench.memory, completion).unwrap(), "it finds nobody");
    }
    assert_eq!([1, 2].map(|index| bench.told(index)), [(0xeeee_eeee, OWN); 2]);
    assert_eq!(bench.buffer(BUFFERS + 256, 100), [0; 100]);
    bench.give(0, OWN);
    bench.submitted.clear();
    bench.start();
    assert_eq!((bench.submitted.len(), bench.ring.count), (3, 3), "from the first descriptor on");
    bench.ring.forget();
    assert_eq!((bench.ring.size(), bench.ring.base), (0, 0));
    assert!(!bench.start());
}

#[test]
fn what_is_abandoned_says_so_and_its_end_finds_nobody() {
    let mut bench = Bench::new(IN, 4);
    (0..3).for_each(|index| bench.give(index, OWN));
    bench.start();
    bench.done(1);
    assert!(bench.ring.abandon(&bench.memory).unwrap());
    let said = [0, 1, 2].map(|index| bench.control(index));
    assert_eq!(said, [status::CANCELLED, status::DONE, status::CANCELLED], "what had ended keeps its status");
    bench.fill(BUFFERS, &[0; 100]);
    bench.submitted[0].data.fill(0xcc);
    assert!(!bench.done(0));
    assert_eq!(bench.buffer(BUFFERS, 100), [0; 100]);
    assert!(!bench.ring.abandon(&bench.memory).unwrap());
}

#[test]
fn a_ring_that_is_not_in_memory_is_an_error_and_no_panic() {
    for base in [4, BASE + BYTES as u32 - 8, u32::MAX, u32::MAX - 20] {
        let mut bench = Bench::new(OUT, MAX_DESCRIPTORS);
        bench.ring.base = base;
        assert!(bench.ring.start(&bench.memory, |_| Ok(())).is_err(), "{base:#x}");
    }
    let mut bench = Bench::new(OUT, 4);
    bench.give(0, OWN);
    bench.start();
    // moved and resized under way, as no driver should
    bench.ring.set_size(u32::MAX);
    assert_eq!(bench.ring.size(), MAX_DESCRIPTORS);
    bench.ring.set_size(0);
    bench.ring.base = u32::MAX - 3;
    let Transfer { endpoint, token, data, .. } = bench.submitted.remove(0);
    let completion = Completion { endpoint, token, status: TransferStatus::Done, data, length: 100 };
    assert!(bench.ring.ended(&bench.memory, completion).is_err());
}
