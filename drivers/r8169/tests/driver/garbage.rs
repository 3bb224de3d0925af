//! A chip that answers anything, under every order of calls: each call leaves a state that may be, and what the class
//! holds the driver to is kept.

use std::cell::RefCell;

use r8169::{R8169, State};
use udrv_driver::abi::Request;
use udrv_driver::{Cx, Entry, Error, MacAddress, NetDriver, RxMode, Services};

use crate::fake::frame;
use crate::random::Random;
use crate::versions::Versions;

/// Behind both rings.
const TURN: u64 = 5120;

struct Garbage {
    random: Random,
    /// One access in so many is refused by the bus.
    refuses: u32,
    now: u64,
    bytes: u64,
    /// The number behind the rings.
    turn: u32,
    kept: Vec<u32>,
    // of the call
    offered: Option<u32>,
    budget: u32,
    kept_now: Vec<u32>,
    completed_now: Vec<u32>,
    delivered_now: u32,
    // of all
    completed: u32,
    delivered: u32,
}

impl Garbage {
    /// What a register says: mostly what a chip could say, at the wrong time.
    fn read(&mut self, offset: u16) -> u32 {
        let any = self.random.next() as u32;
        // bits alone or together, or all ones
        let bits = [any & self.random.next() as u32, any & 1 << self.random.below(32), 0, u32::MAX];
        let likely: &[u32] = match offset {
            0x37 => &[0, 0, 0, 0x0c, 0x10],
            0x3e => &[1, 5, any & 0xff, any],
            0x40 => &[0x1800_0700, 0x3800_0700, 0x3000_0000, 0x3c00_0000],
            0x4c => &[0, 0, 3, any & 0x00ff_ffff],
            0x60 => &[1 << 31 | 0x1140, 0x1140, 1 << 31, 0],
            0x6c => &[0x13, 0x0b, 0, any & 0x7f],
            _ => &[any],
        };
        if self.random.below(20) == 0 { self.random.of(&bits) } else { self.random.of(likely) }
    }

    /// The first word of a descriptor.
    fn word(&mut self) -> u32 {
        let length = 64 + self.random.below(1470);
        let any = self.random.next() as u32;
        self.random.of(&[3 << 28 | length, 3 << 28 | length, 1 << 29 | 2048, 1 << 31, any, any & 0x3000_ffff])
    }

    fn service(&mut self, request: Request, w: [u64; 4]) -> Result<u64, Error> {
        let register = matches!(request, Request::RegisterRead | Request::RegisterWrite);
        // doorbells are held back: they cannot fail in the call
        let doorbell = request == Request::RegisterWrite && [0x38, 0x4c].contains(&w[0]);
        if register && !doorbell && self.random.below(self.refuses) == 0 {
            return Err(Error::Bus);
        }
        match request {
            Request::RegisterRead => return Ok(self.read(w[0] as u16).into()),
            Request::RegisterWrite if doorbell => assert!(w[2] == if w[0] == 0x38 { 0x40 } else { 0 }),
            Request::DmaAllocate => {
                if self.random.below(4) == 0 {
                    return Err(Error::NoMemory);
                }
                assert_eq!(self.bytes, 0, "a second piece");
                self.bytes = w[0];
                return Ok(1);
            }
            Request::DmaBusAddress => return Ok(0x10_0000),
            Request::DmaRead32 if w[1] == TURN && self.random.below(8) != 0 => return Ok(self.turn.into()),
            Request::DmaWrite32 | Request::DmaHandOver32 if w[1] == TURN => self.turn = w[2] as u32,
            Request::DmaRead32 => {
                assert!(w[0] == 1 && w[1].is_multiple_of(16) && w[1] < 8192);
                return Ok(self.word().into());
            }
            Request::DmaRead64 => panic!("only first words are read"),
            Request::DmaWrite64 => assert!(w[0] == 1 && w[1].is_multiple_of(8) && w[1] + 8 <= 8192),
            Request::DmaWrite32 => assert!(w[0] == 1 && w[1] % 16 == 4 && w[1] < 8192),
            Request::DmaHandOver32 => assert!(w[0] == 1 && w[1].is_multiple_of(16) && w[1] < 8192),
            Request::Keep => {
                assert_eq!(self.offered.take(), Some(w[0] as u32), "a buffer that is not of this call");
                self.kept_now.push(w[0] as u32);
            }
            Request::Complete => {
                let buffer = w[0] as u32;
                assert!(self.kept.contains(&buffer) && !self.completed_now.contains(&buffer), "{buffer} is not kept");
                self.completed_now.push(buffer);
            }
            Request::Deliver => {
                assert!((60..=1518).contains(&w[2]) && w[0] == 1 && w[1] >= 8192 && w[1] + w[2] <= self.bytes);
                self.delivered_now += 1;
                assert!(self.delivered_now <= self.budget, "over budget");
            }
            Request::Now => {
                self.now += u64::from(self.random.below(3000));
                return Ok(self.now);
            }
            Request::Pause => {
                assert!(w[0] <= 20_000);
                self.now += w[0];
            }
            Request::RegisterWrite | Request::Log => {}
            Request::TakeInjection | Request::InjectionTarget | Request::Posted => panic!("nothing is armed"),
        }
        Ok(0)
    }

    fn begin(&mut self, budget: u32) {
        self.kept_now.clear();
        self.completed_now.clear();
        (self.offered, self.budget, self.delivered_now) = (None, budget, 0);
    }

    fn commit(&mut self) {
        self.kept.retain(|buffer| !self.completed_now.contains(buffer));
        self.kept.append(&mut self.kept_now);
        assert!(self.kept.len() <= 64, "as many as there are descriptors");
        self.completed += self.completed_now.len() as u32;
        self.delivered += self.delivered_now;
    }
}

struct Border<'a>(&'a RefCell<Garbage>);

impl Services for Border<'_> {
    fn request(&self, request: Request, words: [u64; 4]) -> Result<u64, Error> {
        self.0.borrow_mut().service(request, words)
    }
}

/// One call, committed as the class would, and looked at. Says whether it went well.
fn call(garbage: &RefCell<Garbage>, state: &mut State, entry: Entry) -> bool {
    let (versions, number, mac) = {
        let random = &mut garbage.borrow_mut().random;
        (random.of(&Versions::ALL), random.next(), random.of(&[[2, 0, 0, 0, 0, 1], [1; 6], [0; 6]]))
    };
    let budget = if entry == Entry::Poll { number as u32 % 65 } else { 0 };
    garbage.borrow_mut().begin(budget);
    let border = Border(garbage);
    let cx = &mut Cx::new(state, &border, None);
    let result = match entry {
        Entry::Probe => R8169::probe(cx).map(drop),
        Entry::Open => R8169::open(cx),
        Entry::Stop => R8169::stop(cx),
        Entry::Transmit => {
            let mut garbage_now = garbage.borrow_mut();
            let buffer = (number as u32 % 60..).find(|buffer| !garbage_now.kept.contains(buffer)).unwrap();
            garbage_now.offered = Some(buffer);
            drop(garbage_now);
            let result = versions.transmit()(cx, frame(buffer, 60 + number as u32 % 1740));
            let kept = garbage.borrow().kept_now.len();
            assert_eq!(kept, usize::from(result.is_ok()), "kept is sent, refused is not kept");
            result
        }
        Entry::Interrupt => R8169::interrupt(cx).map(drop),
        Entry::Poll => versions.poll()(cx, budget)
            .inspect(|received| assert_eq!(*received, garbage.borrow().delivered_now))
            .map(drop),
        Entry::Link => R8169::link(cx).map(drop),
        Entry::SetMac => R8169::set_mac(cx, MacAddress(mac)),
        Entry::SetRxMode => R8169::set_rx_mode(cx, RxMode { promiscuous: number & 1 != 0, multicast: number & 6 }),
        Entry::Configure => R8169::configure(cx, R8169::FEATURES.usual()),
        Entry::GetRingparam => R8169::get_ringparam(cx).map(drop),
        Entry::GetStats => R8169::get_stats(cx).map(drop),
        Entry::TxTimeout => R8169::tx_timeout(cx),
        Entry::Quiesce => R8169::quiesce(cx),
        Entry::Restore => R8169::restore(cx),
    };
    garbage.borrow_mut().commit();
    assert_eq!(R8169::check(state), Ok(()), "{entry} {versions:?} {result:?} {state:?}");
    if result.is_ok() && matches!(entry, Entry::Open | Entry::Stop | Entry::TxTimeout) {
        assert_eq!(garbage.borrow().kept, [], "{entry} completes what is in flight");
    }
    result.is_ok()
}

#[test]
fn every_call_leaves_a_state_that_may_be() {
    let (mut well, mut completed, mut delivered) = ([0_u32; Entry::ALL.len()], 0, 0);
    for seed in 0..300 {
        let mut state = R8169::new_state();
        let garbage = RefCell::new(Garbage {
            random: Random::new(seed),
            refuses: if seed % 2 == 0 { 500 } else { 20_000 },
            now: 0,
            bytes: 0,
            turn: 0,
            kept: Vec::new(),
            offered: None,
            budget: 0,
            kept_now: Vec::new(),
            completed_now: Vec::new(),
            delivered_now: 0,
            completed: 0,
            delivered: 0,
        });
        for _ in 0..1000 {
            let entry = {
                let random = &mut garbage.borrow_mut().random;
                // traffic mostly: the others begin anew
                let traffic = random.of(&[Entry::Transmit, Entry::Interrupt, Entry::Poll]);
                if random.below(8) == 0 { random.of(&Entry::ALL) } else { traffic }
            };
            let index = Entry::ALL.iter().position(|other| *other == entry).unwrap();
            well[index] += u32::from(call(&garbage, &mut state, entry));
        }
        completed += garbage.borrow().completed;
        delivered += garbage.borrow().delivered;
    }
    assert!(well.iter().all(|times| *times > 100), "{well:?}");
    assert!(completed > 5_000 && delivered > 5_000, "{completed} {delivered}");
}
