//! A chip that answers anything, under every order of calls: each call ends, in a state that may be, and asks for nothing that
//! it may not.

use std::cell::RefCell;

use ens1371::{Ens1371, State};
use udrv_driver::abi::Request;
use udrv_driver::{
    Control, ControlValue, Cx, Driver, Entry, Error, Format, Identity, Kind, MARK_SPACES, Params, RegisterInfo,
    Services, SoundDriver, SoundEvents, Stream, Trigger,
};
use udrv_driver_tests::{BUS, Random};

use crate::fake::SORTS;

struct Garbage {
    random: Random,
    now: u64,
    pieces: u32,
    /// It answers mostly what it should.
    is_mild: bool,
}

fn kind(offset: u64, width: u64) -> Kind {
    let declared = |r: &&RegisterInfo| {
        width == u64::from(r.width) && (0..r.count).any(|i| u64::from(r.offset + i * u16::from(r.width)) == offset)
    };
    Ens1371::REGISTERS.iter().find(declared).unwrap_or_else(|| panic!("undeclared {offset:#x}/{width}")).kind
}

impl Garbage {
    fn read(&mut self, offset: u64) -> u32 {
        let any = self.random.number() as u32;
        let bits = [any & self.random.number() as u32, any & 1 << self.random.below(32), 0, u32::MAX, any];
        let likely = match offset {
            0x00 => vec![0, 0x70, 0x20, 0xf0_0050, 2, 0x1e_3072],
            0x04 => vec![0, 1 << 31 | any & 7, any & 7, 0x60],
            // idle, or at any place in its cycle
            0x10 => vec![any & 0xfe07_ffff, any & 0xfe01_ffff, any & 0xfe00_ffff, any & 0xfe00_ffff | 0x1_0000],
            0x14 => vec![0x8000_000f, 0x8000_0000 | any & 0x7f_ffff],
            0x24..=0x2c => vec![any & 0x3ff, 1023, 63],
            0xc34 | 0xc3c | 0xd34 => vec![4095, (any & 0xfff) << 16 | 4095, 31, any & 0x3fff],
            _ => vec![any],
        };
        let odds = if self.is_mild { 400 } else { 12 };
        if self.random.below(odds) == 0 { self.random.of(&bits) } else { self.random.of(&likely) }
    }

    fn service(&mut self, request: Request, w: [u64; 4]) -> Result<u64, Error> {
        let odds = if self.is_mild { 20_000 } else { 300 };
        let refused = self.random.below(odds) == 0;
        match request {
            Request::RegisterRead => {
                assert_ne!(kind(w[0], w[1]), Kind::WriteOnly);
                self.now += 1;
                if refused { Err(Error::Bus) } else { Ok((self.read(w[0]) & u32::MAX >> (32 - 8 * w[1])).into()) }
            }
            Request::RegisterWrite => match kind(w[0], w[1]) {
                Kind::Doorbell => Ok(0),
                Kind::ReadOnly | Kind::ReadClears => panic!("a write of {:#x}", w[0]),
                Kind::DmaAddress => {
                    assert!(w[2].is_multiple_of(BUS.into()) && w[2] <= u64::from(BUS * self.pieces));
                    if refused { Err(Error::Bus) } else { Ok(0) }
                }
                _ if refused => Err(Error::Bus),
                _ => Ok(0),
            },
            Request::DmaAllocate if self.random.below(9) == 0 => Err(Error::NoMemory),
            Request::DmaAllocate => {
                assert!(w[0] <= 65_536 && w[1] <= 4096);
                self.pieces += 1;
                assert!(self.pieces <= 4, "more pieces than it has streams and mistakes");
                Ok(self.pieces.into())
            }
            Request::DmaBusAddress => {
                assert!((1..=u64::from(self.pieces)).contains(&w[0]));
                Ok(u64::from(BUS) * w[0])
            }
            Request::Mark => {
                assert!((w[0] as usize) < MARK_SPACES && w[1] < 64);
                Ok(0)
            }
            Request::Marked => {
                let any = self.random.number();
                Ok(self.random.of(&[0, any, u64::MAX]))
            }
            Request::Now => Ok(self.now),
            Request::Pause => {
                assert!(w[0] <= 20_000, "longer than the framework lets it");
                self.now += w[0];
                Ok(0)
            }
            Request::Log => Ok(0),
            other => panic!("this driver does not ask for {other:?}"),
        }
    }
}

struct Border<'a>(&'a RefCell<Garbage>);

impl Services for Border<'_> {
    fn request(&self, request: Request, words: [u64; 4]) -> Result<u64, Error> {
        self.0.borrow_mut().service(request, words)
    }
}

/// Mostly what a stream can be set to, and otherwise anything.
fn params(random: &mut Random) -> Params {
    let any = random.number();
    if any.is_multiple_of(9) {
        let [channels, rate, period, periods] = [any as u32, (any >> 9) as u32, (any >> 20) as u32, (any >> 32) as u32];
        return Params { format: Format::S16, channels, rate, period, periods };
    }
    let any_rate = 4_000 + random.below(44_001);
    Params {
        format: random.of(&[Format::U8, Format::S16]),
        channels: 1 + random.below(2),
        rate: random.of(&[44_100, 44_100, 22_050, 11_025, any_rate]),
        period: random.of(&[64, 1024, 512, 4096, 65, 32_768]),
        periods: random.of(&[2, 3, 4, 8]),
    }
}

/// Calls it; says whether it went well.
fn call(garbage: &RefCell<Garbage>, state: &mut State, entry: Entry, identity: Identity) -> bool {
    let (stream, other, params, trigger, control, value) = {
        let random = &mut garbage.borrow_mut().random;
        let stream = Stream(random.of(&[0, 1, 2, 0, 1, 2, 3, u32::MAX]));
        let trigger = random.of(&[Trigger::Start, Trigger::Start, Trigger::Stop, Trigger::Pause, Trigger::Resume]);
        let value = ControlValue { left: random.below(33) as u16, right: random.of(&[0, 1, 7, 31, 32]) };
        (stream, random.below(2) == 0, params(random), trigger, Control(random.below(28)), value)
    };
    let border = Border(garbage);
    let mut cx = Cx::new(state, &border, None);
    let cx = &mut cx;
    let pointer = if other { Ens1371::ALTERNATES.pointer.expect("a second pointer") } else { Ens1371::pointer };
    let began = garbage.borrow().now;
    let result = match entry {
        Entry::Probe => Ens1371::probe(cx, identity),
        Entry::Open => Ens1371::open(cx, stream),
        Entry::Close => Ens1371::close(cx, stream),
        Entry::HwParams => Ens1371::hw_params(cx, stream, params).map(|ring| {
            assert!(ring.rate.abs_diff(params.rate) * 400 <= params.rate && ring.memory.0 != 0, "{ring:?} {params:?}");
        }),
        Entry::Prepare => Ens1371::prepare(cx, stream),
        Entry::Trigger => Ens1371::trigger(cx, stream, trigger),
        Entry::Pointer => pointer(cx, stream).map(|at| assert!(at < 65_536, "{at} is in no ring")),
        Entry::Interrupt => Ens1371::interrupt(cx).map(|events| assert!(events.0 < 8, "{events:?}")),
        Entry::GetControl => Ens1371::get_control(cx, control).map(drop),
        Entry::SetControl => Ens1371::set_control(cx, control, value),
        Entry::Quiesce => Ens1371::quiesce(cx),
        Entry::Restore => Ens1371::restore(cx),
        other => panic!("{other} is no entry point of a sound driver"),
    };
    let took = garbage.borrow().now - began;
    assert!(took < 3_000_000, "{entry}: {took} us");
    assert_eq!(Ens1371::check(state), Ok(()), "{entry} {params:?} {result:?}");
    result.is_ok()
}

/// And each has gone well often enough to count.
#[test]
fn every_call_leaves_a_state_that_may_be() {
    let mut well = [0_u32; Entry::SOUND.len()];
    for seed in 0..120_u64 {
        let (product, revision) = SORTS[seed as usize % 3];
        let identity = Identity { vendor: 0x1274, product, revision };
        let mut state = Ens1371::NEW;
        let (random, is_mild) = (Random::new(seed), !seed.is_multiple_of(4));
        let garbage = RefCell::new(Garbage { random, now: 0, pieces: 0, is_mild });
        for _ in 0..1500 {
            let entry = {
                let random = &mut garbage.borrow_mut().random;
                let likely = [
                    Entry::Open,
                    Entry::HwParams,
                    Entry::Prepare,
                    Entry::Trigger,
                    Entry::Pointer,
                    Entry::Interrupt,
                    Entry::SetControl,
                ];
                if random.below(30) == 0 { random.of(&Entry::SOUND) } else { random.of(&likely) }
            };
            let index = Entry::SOUND.iter().position(|other| *other == entry).expect("one of them");
            well[index] += u32::from(call(&garbage, &mut state, entry, identity));
        }
    }
    assert!(well.iter().all(|times| *times > 100), "{well:?}");
}

/// The events of no stream that does not run are told, whatever STATUS says.
#[test]
fn what_does_not_run_has_no_events() {
    for seed in 0..200 {
        let mut state = Ens1371::NEW;
        let garbage = RefCell::new(Garbage { random: Random::new(seed), now: 0, pieces: 0, is_mild: false });
        let events = Ens1371::interrupt(&mut Cx::new(&mut state, &Border(&garbage), None));
        assert!(matches!(events, Ok(SoundEvents::NONE) | Err(_)), "{events:?}");
    }
}
