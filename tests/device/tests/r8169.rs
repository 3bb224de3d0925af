//! The driver of the RTL8169 through the class, on a card of its own: registers, and the two rings walked at once.
//!
//! Everything a fault does to a descriptor that lies in memory is real here: the class, the pool and the window.

use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use r8169::R8169;
use udrv::net::{Answer, Command, NetDevice};
use udrv_bus::{BarInfo, BarKind, BusError, DmaMapping, PciFunction, ResetKind, Width};
use udrv_driver::{Entry, InjectedFault, Injection, Point};
use udrv_tests::frames::{CARD, Judge, Way};
use udrv_tests::host::{self, HostEnd};
use udrv_tests::rig;

const OWN: u32 = 1 << 31;
const EOR: u32 = 1 << 30;

#[derive(Default)]
struct Inside {
    registers: Vec<u8>,
    command: u32,
    memory: Option<DmaMapping>,
    rx: u32,
    tx: u32,
    sent: Vec<Vec<u8>>,
}

impl Inside {
    fn get(&self, offset: u64, width: u64) -> u32 {
        let bytes = &self.registers[offset as usize..(offset + width) as usize];
        bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte))
    }

    fn set(&mut self, offset: u64, width: u64, value: u32) {
        let place = offset as usize..(offset + width) as usize;
        self.registers[place].copy_from_slice(&value.to_le_bytes()[..width as usize]);
    }

    fn read(&self, at: u32, to: &mut [u8]) {
        let mapping = self.memory.as_ref().expect("memory");
        mapping.memory.read(u64::from(at) - mapping.iova, to).expect("a place in the device's memory");
    }

    fn write(&self, at: u32, from: &[u8]) {
        let mapping = self.memory.as_ref().expect("memory");
        mapping.memory.write(u64::from(at) - mapping.iova, from).expect("a place in the device's memory");
    }

    fn word(&self, at: u32) -> u32 {
        let mut bytes = [0; 4];
        self.read(at, &mut bytes);
        u32::from_le_bytes(bytes)
    }

    /// Sends everything that it owns: on a doorbell, or by itself.
    fn send(&mut self) {
        while self.registers[0x37] & 4 != 0 {
            let at = self.get(0x20, 4) + 16 * self.tx;
            let word = self.word(at);
            if word & OWN == 0 {
                break;
            }
            let mut frame = vec![0; (word & 0x3fff) as usize];
            self.read(self.word(at + 8), &mut frame);
            self.sent.push(frame);
            self.write(at, &(word & !OWN).to_le_bytes());
            self.tx = if word & EOR != 0 { 0 } else { self.tx + 1 };
            self.set(0x3e, 2, self.get(0x3e, 2) | 4);
        }
    }

    /// A frame comes in; false if there is no descriptor for it.
    fn receive(&mut self, frame: &[u8], flags: u32) -> bool {
        let at = self.get(0xe4, 4) + 16 * self.rx;
        if self.registers[0x37] & 8 == 0 || self.word(at) & OWN == 0 {
            return false;
        }
        let end = self.word(at) & EOR;
        self.write(self.word(at + 8), frame);
        self.write(at, &(flags | end | (frame.len() as u32 + 4)).to_le_bytes());
        self.rx = if end != 0 { 0 } else { self.rx + 1 };
        self.set(0x3e, 2, self.get(0x3e, 2) | 1);
        true
    }
}

#[derive(Clone)]
struct Card(Arc<Mutex<Inside>>);

impl Card {
    fn new() -> Card {
        let mut inside = Inside { registers: vec![0; 256], ..Inside::default() };
        inside.registers[..6].copy_from_slice(&CARD);
        inside.registers[0x6c] = 0x13;
        Card(Arc::new(Mutex::new(inside)))
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PciFunction for Card {
    fn name(&self) -> String {
        "model:8169".into()
    }
    fn config_read(&mut self, offset: u16, _: Width) -> Result<u32, BusError> {
        Ok([0x10ec, 0x8169, self.inside().command, 0].get(usize::from(offset / 2)).copied().unwrap_or(0))
    }
    fn config_write(&mut self, offset: u16, _: Width, value: u32) -> Result<(), BusError> {
        if offset == 4 {
            self.inside().command = value;
        }
        Ok(())
    }
    fn bar(&mut self, bar: u8) -> Result<BarInfo, BusError> {
        if bar == 1 { Ok(BarInfo { kind: BarKind::Memory, size: 256 }) } else { Err(BusError::NoSuchBar(bar)) }
    }
    fn bar_read(&mut self, bar: u8, offset: u64, width: Width) -> Result<u32, BusError> {
        assert_eq!(bar, 1);
        let value = self.inside().get(offset, width.bytes());
        Ok(match offset {
            0x40 => value | 0x1800_0000,
            // its PHY is at once done with reading that it negotiates
            0x60 => OWN | 0x1140,
            _ => value,
        })
    }
    fn bar_write(&mut self, _: u8, offset: u64, width: Width, value: u32) -> Result<(), BusError> {
        let mut inside = self.inside();
        match offset {
            0x37 if value & 0x10 != 0 => {
                inside.registers[0x20..0x60].fill(0);
                inside.registers[0xda..0xed].fill(0);
                (inside.rx, inside.tx) = (0, 0);
            }
            0x38 => inside.send(),
            0x3e => {
                let left = inside.get(0x3e, 2) & !value;
                inside.set(0x3e, 2, left);
            }
            0x4c => inside.set(0x4c, 4, 0),
            _ => inside.set(offset, width.bytes(), value),
        }
        Ok(())
    }
    fn iova_ranges(&mut self) -> Result<Vec<(u64, u64)>, BusError> {
        Ok(vec![(0x1000, 0xffff_ffff)])
    }
    fn map_dma(&mut self, mapping: DmaMapping) -> Result<(), BusError> {
        self.inside().memory = Some(mapping);
        Ok(())
    }
    fn unmap_dma(&mut self, _: u64, _: u64) -> Result<(), BusError> {
        self.inside().memory = None;
        Ok(())
    }
    fn enable_intx(&mut self, _: BorrowedFd<'_>) -> Result<(), BusError> {
        Ok(())
    }
    fn unmask_intx(&mut self) -> Result<(), BusError> {
        Ok(())
    }
    fn disable_intx(&mut self) -> Result<(), BusError> {
        Ok(())
    }
    fn reset(&mut self) -> Result<ResetKind, BusError> {
        Ok(ResetKind::None)
    }
}

struct Bench {
    card: Card,
    host: HostEnd,
    device: NetDevice<R8169>,
    down: Judge,
    up: Judge,
    given: [u64; 2],
    _turn: rig::Turn,
}

impl Bench {
    fn start() -> Bench {
        let turn = rig::turn();
        fgft::init().expect("the engine starts");
        let card = Card::new();
        let (endpoint, host) = host::pair();
        let device = NetDevice::start(Box::new(card.clone()), Box::new(endpoint), rig::patient(rig::quick()));
        let device = device.expect("starts");
        Bench { card, host, device, down: Judge::new(Way::Down), up: Judge::new(Way::Up), given: [0; 2], _turn: turn }
    }

    /// Some frames both ways; what arrives is right, in order, and nothing is there twice.
    fn frames(&mut self, count: u64) {
        for _ in 0..count {
            self.host.send(&Way::Down.frame(self.given[0]));
            self.given[0] += 1;
            self.device.pump_endpoint().expect("it goes on");
            if self.card.inside().receive(&Way::Up.frame(self.given[1]), 3 << 28) {
                self.given[1] += 1;
            }
            self.device.serve_interrupt().expect("it goes on");
            // a chip looks when it likes
            self.card.inside().send();
        }
        for frame in std::mem::take(&mut self.card.inside().sent) {
            self.down.take(&frame).expect("what goes out");
        }
        while let Some(frame) = self.host.receive(Duration::ZERO) {
            self.up.take(&frame).expect("what comes up");
        }
    }

    fn faults(&mut self) -> usize {
        match self.device.handle(Command::Faults(0)) {
            Ok(Answer::Faults(faults)) => {
                assert!(faults.iter().all(|fault| fault.recovered), "{faults:?}");
                faults.len()
            }
            other => panic!("{other:?}"),
        }
    }

    fn inject(&mut self, entry: Entry, fault: InjectedFault, point: Point) {
        let injection = Injection { fault, point };
        let armed = self.device.handle(Command::Inject { entry, injection, times: 1 });
        assert!(matches!(armed, Ok(Answer::Done)), "{armed:?}");
    }
}

#[test]
fn frames_go_both_ways_for_many_laps() {
    let mut bench = Bench::start();
    // as many at once as the socket to the host holds
    (0..100).for_each(|_| bench.frames(10));
    assert_eq!((bench.down.seen, bench.up.seen), (1000, 1000));
    assert_eq!((bench.down.missing, bench.up.missing, bench.faults()), (0, 0, 0));
}

/// A fault in `transmit` or `poll` costs no frame at all: nothing was handed over, and nothing was given back.
#[test]
fn faults_in_traffic_lose_and_repeat_nothing() {
    let mut bench = Bench::start();
    for entry in [Entry::Transmit, Entry::Poll, Entry::Interrupt] {
        for fault in InjectedFault::ALL {
            for point in Point::ALL {
                bench.frames(3);
                let before = bench.faults();
                bench.inject(entry, fault, point);
                bench.frames(3);
                assert_eq!(bench.faults(), before + 1, "{entry} {fault:?} {point:?}");
            }
        }
    }
    bench.frames(3);
    assert_eq!((bench.down.missing, bench.up.missing), (0, 0));
    assert_eq!((bench.down.seen, bench.up.seen), (bench.given[0], bench.given[1]));
}

/// Nonsense in descriptors: dropped, counted, and frames behind it come up.
#[test]
fn a_chip_that_writes_nonsense_into_descriptors() {
    let mut bench = Bench::start();
    for flags in [0, 1 << 29, 1 << 28, 3 << 28 | 1 << 19, 3 << 28 | 0x2000] {
        bench.frames(2);
        assert!(bench.card.inside().receive(&[0xee; 100], flags));
        bench.frames(2);
    }
    assert_eq!((bench.up.seen, bench.up.missing, bench.faults()), (20, 0, 0));
}

/// Every other entry point and kind of fault: the card works after it, and no frame comes twice.
#[test]
fn faults_in_every_other_entry_point_are_recovered_from() {
    let mut bench = Bench::start();
    let others = [
        Entry::Open,
        Entry::Stop,
        Entry::Link,
        Entry::SetMac,
        Entry::SetRxMode,
        Entry::GetRingparam,
        Entry::GetStats,
        Entry::TxTimeout,
        Entry::Restore,
    ];
    for entry in others {
        for fault in InjectedFault::ALL {
            bench.frames(2);
            let before = bench.faults();
            bench.inject(entry, fault, Point::Middle);
            let called = bench.device.handle(Command::Call(entry));
            assert!(matches!(called, Ok(Answer::Done)), "{entry} {fault:?}: {called:?}");
            assert_eq!(bench.faults(), before + 1, "{entry} {fault:?}");
            if entry == Entry::Stop {
                let opened = bench.device.handle(Command::Call(Entry::Open));
                assert!(matches!(opened, Ok(Answer::Done)), "{opened:?}");
            }
            let seen = (bench.down.seen, bench.up.seen);
            bench.frames(2);
            assert_eq!((bench.down.seen, bench.up.seen), (seen.0 + 2, seen.1 + 2), "{entry} {fault:?}");
        }
    }
}
