//! A chip that answers anything, under every order of calls: each call leaves a state that may be, and what the class
//! holds the driver to is kept.

use std::cell::RefCell;
use std::marker::PhantomData;

use udrv_driver::abi::{DELIVER_CHECKED, Request};
use udrv_driver::{
    Cx, Driver, Entry, Error, Kind, MARK_SPACES, MacAddress, Micros, NetDriver, RxMode, Services, Settings, USUAL_MTU,
};

use crate::border::{Lengths, kind, ones};
use crate::enter::{Arguments, enter};
use crate::fake::State;
use crate::{BUS, Chip, Random, Versions, frame};

struct Garbage<C> {
    random: Random,
    /// One access in so many is refused by the bus.
    refuses: u32,
    now: u64,
    bytes: u64,
    /// See [`Chip::REMEMBERED`].
    remembered: u32,
    kept: Vec<u32>,
    /// Of frames that may go up.
    lengths: Lengths,
    // of the call
    offered: Option<u32>,
    budget: u32,
    kept_now: Vec<u32>,
    completed_now: Vec<u32>,
    delivered_now: u32,
    // of all
    completed: u32,
    delivered: u32,
    chip: PhantomData<C>,
}

impl<C: Chip> Garbage<C> {
    fn new(seed: u64) -> Garbage<C> {
        Garbage {
            random: Random::new(seed),
            refuses: C::REFUSES[seed as usize % 2],
            now: 0,
            bytes: 0,
            remembered: 0,
            kept: Vec::new(),
            lengths: Lengths::default(),
            offered: None,
            budget: 0,
            kept_now: Vec::new(),
            completed_now: Vec::new(),
            delivered_now: 0,
            completed: 0,
            delivered: 0,
            chip: PhantomData,
        }
    }

    /// What a register says: mostly what a chip could say, at the wrong time.
    fn read(&mut self, offset: u16) -> u32 {
        let any = self.random.number() as u32;
        // bits alone or together, or all ones
        let bits = [any & self.random.number() as u32, any & 1 << self.random.below(32), 0, u32::MAX];
        let likely = C::could_say(&mut self.random, offset);
        if self.random.below(20) == 0 { self.random.of(&bits) } else { self.random.of(&likely) }
    }

    fn refused(&mut self) -> Result<(), Error> {
        if self.random.below(self.refuses) == 0 { Err(Error::Bus) } else { Ok(()) }
    }

    /// Asserts that a word of DMA memory is one of the driver's.
    fn memory(&self, request: Request, w: [u64; 4], bytes: u64) {
        assert!(w[0] == 1 && w[1] + bytes <= self.bytes);
        C::assert_memory_access(request, w[1]);
    }

    fn service(&mut self, request: Request, w: [u64; 4]) -> Result<u64, Error> {
        match request {
            Request::RegisterRead => {
                kind::<C::Driver>(w[0], w[1]);
                self.refused()?;
                return Ok((self.read(w[0] as u16) & ones(w[1] as u8)).into());
            }
            Request::RegisterWrite => match kind::<C::Driver>(w[0], w[1]) {
                // held back: they cannot fail in the call
                Kind::Doorbell | Kind::Tail => C::assert_doorbell(w[0] as u16, w[2] as u32),
                _ => self.refused()?,
            },
            Request::DmaAllocate => {
                if self.random.below(4) == 0 {
                    return Err(Error::NoMemory);
                }
                assert_eq!(self.bytes, 0, "a second piece");
                self.bytes = w[0];
                return Ok(1);
            }
            Request::DmaBusAddress => return Ok(BUS.into()),
            Request::DmaRead32 => {
                self.memory(request, w, 4);
                if C::REMEMBERED == Some(w[1]) && self.random.below(8) != 0 {
                    return Ok(self.remembered.into());
                }
                let word = C::could_write(&mut self.random);
                return Ok(if w[1].is_multiple_of(8) { word & 0xffff_ffff } else { word >> 32 });
            }
            Request::DmaRead64 => {
                self.memory(request, w, 8);
                return Ok(C::could_write(&mut self.random));
            }
            Request::DmaWrite32 | Request::DmaHandOver32 => {
                self.memory(request, w, 4);
                if C::REMEMBERED == Some(w[1]) {
                    self.remembered = w[2] as u32;
                }
            }
            Request::DmaWrite64 => self.memory(request, w, 8),
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
                let length = w[2] & !DELIVER_CHECKED;
                self.lengths.assert_contain(length);
                assert!(w[0] == 1 && w[1] >= C::FRAMES_FROM.map_or(0, u64::from) && w[1] + length <= self.bytes);
                self.delivered_now += 1;
                assert!(self.delivered_now <= self.budget, "over budget");
            }
            Request::Mark => assert!((w[0] as usize) < MARK_SPACES && w[1] < 64),
            Request::Marked => return Ok(self.random.number()),
            Request::Now => {
                self.now += u64::from(self.random.below(3000));
                return Ok(self.now);
            }
            Request::Pause => {
                assert!(w[0] <= 20_000);
                self.now += w[0];
            }
            Request::Log => {}
            Request::TakeInjection | Request::InjectionTarget | Request::Posted => panic!("nothing is armed"),
            Request::Report | Request::Dropped => panic!("{request:?} is of another class"),
        }
        Ok(0)
    }

    /// What the next call is called with; a frame that is offered is one that the driver does not have.
    fn begin(&mut self, entry: Entry) -> Arguments {
        let (versions, number) = (self.random.of(&Versions::ALL), self.random.number());
        let mac = MacAddress(self.random.of(&[[2, 0, 0, 0, 0, 1], [1; 6], [0; 6]]));
        let buffer = (number as u32 % 60..).find(|buffer| !self.kept.contains(buffer)).expect("there are more");
        self.kept_now.clear();
        self.completed_now.clear();
        self.offered = (entry == Entry::Transmit).then_some(buffer);
        self.budget = if entry == Entry::Poll { number as u32 % 65 } else { 0 };
        self.delivered_now = 0;
        let mode = RxMode { promiscuous: number & 1 != 0, multicast: number & 6 };
        let (frame, settings) = (frame(buffer, 60 + number as u32 % 1740), self.settings());
        Arguments { versions, frame, budget: self.budget, mac, mode, settings }
    }

    /// Mostly what the chip can be set to, and otherwise a little beyond it.
    fn settings(&mut self) -> Settings {
        let (features, random) = (C::Driver::FEATURES, &mut self.random);
        let beyond = random.below(8) == 0;
        let (most, longest) =
            (features.max_mtu, features.moderation.map_or(0, |moderation| moderation.longest.0) as u32);
        let mtu = USUAL_MTU + random.below(most - USUAL_MTU + if beyond { 2 } else { 1 });
        let interval = random.below(longest + if beyond { 2 } else { 1 });
        let vlan = match () {
            () if beyond => random.of(&[5, 4095, 0xffff]),
            () if features.vlan => random.of(&[0, 0, 0, 5, 5, 4094]),
            () => 0,
        };
        Settings { mtu, vlan, interrupt_interval: Micros(interval.into()) }
    }

    fn commit(&mut self) {
        self.kept.retain(|buffer| !self.completed_now.contains(buffer));
        self.kept.append(&mut self.kept_now);
        assert!(self.kept.len() <= C::TX_ROOM as usize, "as many as there is room for");
        self.completed += self.completed_now.len() as u32;
        self.delivered += self.delivered_now;
    }
}

struct Border<'a, C>(&'a RefCell<Garbage<C>>);

impl<C: Chip> Services for Border<'_, C> {
    fn request(&self, request: Request, words: [u64; 4]) -> Result<u64, Error> {
        self.0.borrow_mut().service(request, words)
    }
}

/// One call, committed as the class would, and looked at. Says whether it went well.
fn call<C: Chip>(garbage: &RefCell<Garbage<C>>, state: &mut State<C>, entry: Entry) -> bool {
    let with = garbage.borrow_mut().begin(entry);
    let result = enter::<C::Driver>(&mut Cx::new(state, &Border(garbage), None), entry, with);
    let mut garbage = garbage.borrow_mut();
    match entry {
        Entry::Transmit => {
            assert_eq!(garbage.kept_now.len(), usize::from(result.is_ok()), "kept is sent, refused is not kept");
        }
        Entry::Configure => {
            let (settings, before) = (Lengths::of(with.settings), garbage.lengths);
            let refused = C::Driver::features(state).allow(with.settings).is_err();
            assert_eq!(result == Err(Error::Unsupported), refused, "{with:?} {result:?}");
            garbage.lengths = match result {
                Ok(_) => settings,
                Err(_) if refused => before,
                // either
                Err(_) => before.or(settings),
            };
        }
        Entry::Poll => assert!(result.is_err() || result == Ok(garbage.delivered_now), "{result:?}"),
        _ => {}
    }
    garbage.commit();
    assert_eq!(C::Driver::check(state), Ok(()), "{entry} {with:?} {result:?}");
    let drops =
        matches!(entry, Entry::Open | Entry::Stop | Entry::TxTimeout) || entry == Entry::Restore && C::RESTORE_DROPS;
    if result.is_ok() && drops {
        assert_eq!(garbage.kept, [], "{entry} completes what is in flight");
    }
    result.is_ok()
}

/// And each has gone well often enough to count.
pub fn every_call_leaves_a_state_that_may_be<C: Chip>() {
    let (mut well, mut completed, mut delivered) = ([0_u32; Entry::NET.len()], 0, 0);
    for seed in 0..300 {
        let mut state = C::Driver::NEW;
        let garbage = RefCell::new(Garbage::<C>::new(seed));
        for _ in 0..1000 {
            let entry = {
                let random = &mut garbage.borrow_mut().random;
                // traffic mostly: the others begin anew
                let traffic = random.of(&[Entry::Transmit, Entry::Interrupt, Entry::Poll]);
                if random.below(8) == 0 { random.of(&Entry::NET) } else { traffic }
            };
            let index = Entry::NET.iter().position(|other| *other == entry).expect("one of them");
            well[index] += u32::from(call(&garbage, &mut state, entry));
        }
        completed += garbage.borrow().completed;
        delivered += garbage.borrow().delivered;
    }
    assert!(well.iter().all(|times| *times > 100), "{well:?}");
    assert!(completed > 5_000 && delivered > 4_000, "{completed} {delivered}");
}
