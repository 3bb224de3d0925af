//! A device that answers anything, under every order of calls: each call ends, in a state that may be, and asks for nothing that
//! it may not.

use std::cell::RefCell;

use psmouse::{PsMouse, State, regs};
use udrv_driver::abi::Request;
use udrv_driver::{Cx, Driver, Entry, Error, InputDriver, Kind, MAX_REPORTS, Report, Services};
use udrv_driver_tests::Random;

use crate::scripted::declared;

struct Garbage {
    random: Random,
    /// It answers mostly what it should.
    is_mild: bool,
    // of the call
    accesses: u32,
    reports: Vec<Report>,
}

impl Garbage {
    fn read(&mut self, name: &str) -> u32 {
        let any = self.random.number() as u32;
        let likely: &[u32] = match name {
            "DATA" => {
                let pause = self.random.of(&[1, 1, 1, 10, 300, 600]) << regs::data::PAUSE_SHIFT;
                &[0, regs::data::VALID | pause | any & 0xff, regs::data::VALID | pause | any & 0xf7 | 8]
            }
            "RESPONSE" => &[0x00aa],
            "ID" => &[0, 0, 3, 3, 4, 4],
            "STATUS" => &[0x64_0300, 0x64_0320, 0x64_0000, 0x64_0010, 0x14_0273, 0x17_4702],
            _ => &[0x08, any & 0x00ff_ffff | 8, any | 8],
        };
        let odds = if self.is_mild { 200 } else { 12 };
        if self.random.below(odds) == 0 {
            self.random.of(&[any, 0, u32::MAX, any & 0xff])
        } else {
            self.random.of(likely)
        }
    }

    fn service(&mut self, request: Request, w: [u64; 4]) -> Result<u64, Error> {
        let odds = if self.is_mild { 4_000 } else { 100 };
        let refused = self.random.below(odds) == 0;
        let failed = self.random.of(&[Error::Bus, Error::Gone]);
        match request {
            Request::RegisterRead => {
                let register = declared(w);
                assert!(matches!(register.kind, Kind::ReadOnly | Kind::Fifo), "{} is not read", register.name);
                self.accesses += 1;
                return if refused { Err(failed) } else { Ok(self.read(register.name).into()) };
            }
            Request::RegisterWrite => {
                let register = declared(w);
                self.accesses += 1;
                match register.name {
                    "COMMAND" => {}
                    "SAMPLE_RATE" => assert!([10, 20, 40, 60, 80, 100, 200].contains(&w[2])),
                    "RESOLUTION" => assert!(w[2] <= 3),
                    "SCALING" | "REPORTING" => assert!(w[2] <= 1),
                    other => panic!("a write of {other}"),
                }
                return if refused { Err(failed) } else { Ok(0) };
            }
            Request::Report => {
                self.reports.push(Report::from_words([w[0], w[1]]).expect("a report"));
                assert!(self.reports.len() <= MAX_REPORTS, "more than it may");
            }
            Request::Dropped => assert!((1..=8).contains(&w[0])),
            Request::Log => {}
            other => panic!("this driver does not ask for {other:?}"),
        }
        Ok(0)
    }
}

struct Border<'a>(&'a RefCell<Garbage>);

impl Services for Border<'_> {
    fn request(&self, request: Request, words: [u64; 4]) -> Result<u64, Error> {
        self.0.borrow_mut().service(request, words)
    }
}

/// Calls it; says whether it went well.
fn call(garbage: &RefCell<Garbage>, state: &mut State, entry: Entry) -> bool {
    let (value, other) = {
        let mut garbage = garbage.borrow_mut();
        (garbage.accesses, garbage.reports) = (0, Vec::new());
        let any = garbage.random.number() as u32;
        (garbage.random.of(&[0, 40, 100, 200, any]), garbage.random.below(2) == 0)
    };
    let border = Border(garbage);
    let mut cx = Cx::new(state, &border, None);
    let cx = &mut cx;
    let interrupt = if other { PsMouse::ALTERNATES.interrupt.expect("a second interrupt") } else { PsMouse::interrupt };
    let result = match entry {
        Entry::Probe => PsMouse::probe(cx),
        Entry::Enable => PsMouse::enable(cx),
        Entry::Disable => PsMouse::disable(cx),
        Entry::Interrupt => interrupt(cx).map(drop),
        Entry::Poll => PsMouse::poll(cx),
        Entry::SetRate => PsMouse::set_rate(cx, value).map(drop),
        Entry::SetResolution => PsMouse::set_resolution(cx, value).map(drop),
        Entry::SetScaling => PsMouse::set_scaling(cx, other),
        Entry::Reconnect => PsMouse::reconnect(cx),
        Entry::Quiesce => PsMouse::quiesce(cx),
        Entry::Restore => PsMouse::restore(cx),
        other => panic!("{other} is no entry point of an input driver"),
    };
    assert_eq!(PsMouse::check(state), Ok(()), "{entry} {result:?}");
    let (garbage, info) = (garbage.borrow(), PsMouse::info(state));
    assert!(garbage.accesses < 1200, "{entry}: {}", garbage.accesses);
    for report in &garbage.reports {
        assert!(
            info.buttons.has(report.buttons) && (-255..=255).contains(&report.x) && (-255..=255).contains(&report.y)
        );
        assert!((info.wheel || report.wheel == 0) && (info.pan || report.pan == 0));
    }
    let reports = matches!(entry, Entry::Interrupt | Entry::Poll);
    assert!(reports || garbage.reports.is_empty(), "{entry}");
    result.is_ok()
}

/// And each has gone well often enough to count.
#[test]
fn every_call_leaves_a_state_that_may_be() {
    let mut well = [0_u32; Entry::INPUT.len()];
    for seed in 0..200_u64 {
        let mut state = PsMouse::NEW;
        let (random, is_mild) = (Random::new(seed), !seed.is_multiple_of(4));
        let garbage = RefCell::new(Garbage { random, is_mild, accesses: 0, reports: Vec::new() });
        for _ in 0..1000 {
            let entry = {
                let random = &mut garbage.borrow_mut().random;
                if random.below(4) == 0 {
                    random.of(&Entry::INPUT)
                } else {
                    random.of(&[Entry::Interrupt, Entry::Poll])
                }
            };
            let index = Entry::INPUT.iter().position(|other| *other == entry).expect("one of them");
            well[index] += u32::from(call(&garbage, &mut state, entry));
        }
    }
    assert!(well.iter().all(|times| *times > 100), "{well:?}");
}
