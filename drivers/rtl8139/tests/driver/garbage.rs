//! A chip that answers anything, under every order of calls: each call leaves a state that may be, and what the class
//! holds the driver to is kept.

use std::cell::RefCell;

use rtl8139::{Rtl8139, State, regs};
use udrv_driver::abi::Request;
use udrv_driver::{Cx, Entry, Error, MacAddress, NetDriver, RxMode, Services};

use crate::fake::frame;
use crate::random::Random;
use crate::versions::Versions;

use regs::{cr, isr, tsd};

struct Garbage {
    random: Random,
    /// One access in so many is refused by the bus.
    refuses: u32,
    now: u64,
    ring_bytes: u64,
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
            0x00 => &[0x1200_5452, 0x1200_5452, 0x1200_5452, 0],
            0x10..0x20 => &[0, tsd::OWN, tsd::OWN | tsd::TOK, tsd::OWN | tsd::TUN, tsd::OWN | tsd::TABT],
            0x37 => &[0x0c, 0x0c, 0x0c, (cr::RST) as u32, 0x0d],
            0x38 => &[0xfff0, 0, 0x7ff0 - 4],
            0x3e => &[isr::ROK as u32, isr::TER as u32, isr::RXOVW as u32, isr::CAUSES as u32],
            _ => &[any],
        };
        if self.random.below(10) == 0 { self.random.of(&bits) } else { self.random.of(likely) }
    }

    fn header(&mut self) -> u32 {
        let length = 60 + self.random.below(1470);
        let any = self.random.next() as u32;
        self.random.of(&[length << 16 | 1, length << 16 | 1, length << 16 | 0x8001, 0xfff0_0000, 0, any])
    }

    fn service(&mut self, request: Request, w: [u64; 4]) -> Result<u64, Error> {
        let register = matches!(request, Request::RegisterRead | Request::RegisterWrite);
        // doorbells are held back: they cannot fail in the call
        let doorbell = request == Request::RegisterWrite && [0x10, 0x14, 0x18, 0x1c, 0x38, 0x4c].contains(&w[0]);
        if register && !doorbell && self.random.below(self.refuses) == 0 {
            return Err(Error::Bus);
        }
        match request {
            Request::RegisterRead => {
                let ones = u32::MAX >> (32 - 8 * w[1]);
                return Ok((self.read(w[0] as u16) & ones).into());
            }
            Request::DmaAllocate => {
                if self.random.below(4) == 0 {
                    return Err(Error::NoMemory);
                }
                assert_eq!(self.ring_bytes, 0, "a second ring");
                self.ring_bytes = w[0];
                return Ok(1);
            }
            Request::DmaRead32 => {
                assert!(w[0] == 1 && w[1].is_multiple_of(4) && w[1] + 4 <= self.ring_bytes);
                return Ok(self.header().into());
            }
            Request::DmaWrite32 => assert!(w[0] == 1 && w[1] + 4 <= self.ring_bytes),
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
                assert!((14..=1518).contains(&w[2]) && w[0] == 1 && w[1] + w[2] <= self.ring_bytes);
                self.delivered_now += 1;
                assert!(self.delivered_now <= self.budget, "over budget");
            }
            Request::Now => {
                self.now += u64::from(self.random.below(3000));
                return Ok(self.now);
            }
            Request::Pause => self.now += w[0],
            Request::RegisterWrite | Request::DmaBusAddress | Request::Log => {}
            Request::TakeInjection | Request::InjectionTarget | Request::Posted => panic!("nothing is armed"),
            other => panic!("this driver does not ask for {other:?}"),
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
        assert!(self.kept.len() <= 4, "the chip has four slots");
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
        Entry::Probe => Rtl8139::probe(cx).map(drop),
        Entry::Open => Rtl8139::open(cx),
        Entry::Stop => Rtl8139::stop(cx),
        Entry::Transmit => {
            let mut garbage_now = garbage.borrow_mut();
            let buffer = (number as u32 % 60..).find(|buffer| !garbage_now.kept.contains(buffer)).unwrap();
            garbage_now.offered = Some(buffer);
            drop(garbage_now);
            let result = versions.transmit()(cx, frame(buffer, 60 + number as u32 % 1740));
            assert_eq!(
                garbage.borrow().kept_now.len(),
                usize::from(result.is_ok()),
                "kept is sent, refused is not kept"
            );
            result
        }
        Entry::Interrupt => Rtl8139::interrupt(cx).map(drop),
        Entry::Poll => versions.poll()(cx, budget)
            .inspect(|received| assert_eq!(*received, garbage.borrow().delivered_now))
            .map(drop),
        Entry::Link => Rtl8139::link(cx).map(drop),
        Entry::SetMac => Rtl8139::set_mac(cx, MacAddress(mac)),
        Entry::SetRxMode => Rtl8139::set_rx_mode(cx, RxMode { promiscuous: number & 1 != 0, multicast: number & 6 }),
        Entry::Configure => Rtl8139::configure(cx, Rtl8139::FEATURES.usual()),
        Entry::GetRingparam => Rtl8139::get_ringparam(cx).map(drop),
        Entry::GetStats => Rtl8139::get_stats(cx).map(drop),
        Entry::TxTimeout => Rtl8139::tx_timeout(cx),
        Entry::Quiesce => Rtl8139::quiesce(cx),
        Entry::Restore => Rtl8139::restore(cx),
    };
    garbage.borrow_mut().commit();
    assert_eq!(Rtl8139::check(state), Ok(()), "{entry} {versions:?} {result:?} {state:?}");
    if result.is_ok() && matches!(entry, Entry::Open | Entry::Stop | Entry::TxTimeout | Entry::Restore) {
        assert_eq!(garbage.borrow().kept, [], "{entry} completes what is in flight");
    }
    result.is_ok()
}

#[test]
fn every_call_leaves_a_state_that_may_be() {
    let (mut well, mut completed, mut delivered) = ([0_u32; Entry::ALL.len()], 0, 0);
    for seed in 0..300 {
        let mut state = Rtl8139::new_state();
        let garbage = RefCell::new(Garbage {
            random: Random::new(seed),
            refuses: if seed % 2 == 0 { 50 } else { 2000 },
            now: 0,
            ring_bytes: 0,
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
    assert!(completed > 10_000 && delivered > 10_000, "{completed} {delivered}");
}
