//! What a fault says of itself, and the rules of calls. The fault model, kind by kind, is in `matrix.rs`.
#![allow(unsafe_code, reason = "the faults are real")]

mod common;

use std::arch::asm;
use std::fmt;
use std::time::Duration;

use common::*;
use fgft::{Domain, FaultKind, Isolation, Refusal, Target, Upcalls};

#[test]
fn a_trap_says_where_it_was() {
    let mut d = domain();
    let here = std::hint::black_box(store_to_null as *const () as u64);
    let fault = expect_fault(&mut d, store_to_null);
    let registers = fault.registers.expect("a trap has registers");
    assert!((here..here + 64).contains(&registers.rip), "{:#x}, and the function is at {here:#x}", registers.rip);
    d.set_deadline(Duration::from_millis(3));
    // SAFETY: the fault under test.
    let fault = expect_fault(&mut d, || unsafe { asm!("2: jmp 2b", options(noreturn)) });
    assert_eq!(fault.kind, FaultKind::Hang { deadline: 3_000_000 });
    assert!(fault.registers.is_some_and(|r| r.rip != 0), "the report says where it looped");
}

#[inline(never)]
fn store_to_null() {
    store(0);
}

#[test]
fn panics_keep_message_and_location() {
    assert!(fgft::panics_are_wrapped(), "this test is linked with --wrap");
    let mut d = domain();
    for i in 0..1000_u32 {
        let line = line!() + 1;
        let fault = expect_fault(&mut d, || panic!("number {i} of many"));
        let FaultKind::Panic { message, location: Some(at) } = fault.kind else { panic!("{fault}") };
        assert_eq!(message, format!("number {i} of many"));
        assert!(at.file.ends_with("tests/faults.rs") && at.line == line, "{at}");
    }
    let index = std::hint::black_box(99);
    let fault = expect_fault(&mut d, || {
        std::hint::black_box([1, 2, 3][index]);
    });
    assert!(fault.to_string().contains("index out of bounds: the len is 3 but the index is 99"), "{fault}");
    // std's own state is as before: a panic outside still unwinds
    let outside = std::panic::catch_unwind(|| panic!("outside"));
    assert_eq!(outside.unwrap_err().downcast_ref::<&str>(), Some(&"outside"));
    assert!(!std::thread::panicking());
}

#[test]
fn a_long_panic_message_is_cut_and_a_bad_display_contained() {
    let mut d = domain();
    let long = "x".repeat(5000);
    let text = long.as_str();
    let fault = expect_fault(&mut d, || panic!("{text}"));
    assert!(matches!(&fault.kind, FaultKind::Panic { message, .. } if message.len() == 1024));

    struct Faults;
    impl fmt::Display for Faults {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("so far")?;
            store(0);
            Ok(())
        }
    }
    let fault = expect_fault(&mut d, || panic!("{Faults}"));
    assert!(matches!(fault.kind, FaultKind::NullAccess { .. }), "{fault}");

    struct Panics;
    impl fmt::Display for Panics {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("so far")?;
            panic!("within")
        }
    }
    let fault = expect_fault(&mut d, || panic!("{Panics}"));
    assert!(matches!(&fault.kind, FaultKind::Panic { message, .. } if message == "so far"), "{fault}");
}

struct Host {
    served: u64,
}

impl Upcalls<u64> for Host {
    fn upcall(
        &mut self,
        ledger: &mut u64,
        memory: &fgft::DomainMemory,
        number: u64,
        words: [u64; 4],
    ) -> Result<[u64; 2], Refusal> {
        self.served += 1;
        *ledger += 1;
        match number {
            0 => Ok([words[0] + words[1], words[2] * words[3]]),
            1 => Err("not today".into()),
            2 => panic!("the host's own mistake"),
            3 => {
                let mut buffer = [0; 5];
                memory.read(words[0], &mut buffer)?;
                buffer.reverse();
                memory.write(words[1], &buffer)?;
                Ok([0; 2])
            }
            _ => loop {
                // spends CPU time in the host until the verdict is in: the way out of the upcall must see it
                if self.served > 50_000_000 {
                    return Ok([0; 2]);
                }
                self.served = std::hint::black_box(self.served + 1);
            },
        }
    }
}

#[test]
fn upcalls_answer_refuse_and_may_even_panic() {
    let mut d = Domain::<Words, u64>::new(&config(), [7; WORDS], 100).unwrap();
    let mut host = Host { served: 0 };
    // SAFETY: owns nothing.
    let sum = unsafe { d.run(&mut host, |_| fgft::upcall(0, [3, 4, 5, 6])) };
    assert_eq!(sum, Ok([7, 30]));
    d.commit();
    assert_eq!((*d.ledger(), host.served), (101, 1));

    for (number, name) in [(1, "refused"), (2, "host-panic")] {
        // SAFETY: as above.
        let fault = unsafe {
            d.run(&mut host, |w| {
                w[0] = 1;
                fgft::upcall(number, [0; 4])
            })
        }
        .unwrap_err();
        assert_eq!(fault.kind.name(), name, "{fault}");
        assert_eq!(*d.ledger(), 102);
        d.rollback();
        assert_eq!((*d.ledger(), d.state()[0]), (101, 7), "ledger and state go back together");
    }
    // pointers are checked, both ways
    // SAFETY: as above.
    let text = unsafe {
        d.run(&mut host, |_| {
            let mut out = *b"-----";
            fgft::upcall(3, ["hello".as_ptr() as u64, out.as_mut_ptr() as u64, 0, 0]);
            out
        })
    };
    assert_eq!(&text.unwrap(), b"olleh");
    d.commit();
    let victim = Box::new([0_u8; 8]);
    let (good, bad) = ("hello".as_ptr() as u64, victim.as_ptr() as u64);
    for (from, to) in [(0, bad), (u64::MAX, bad), (0x10_0000_0000, bad), (good, bad), (good, 0), (good, u64::MAX - 2)] {
        // SAFETY: as above.
        let fault = unsafe { d.run(&mut host, |_| fgft::upcall(3, [from, to, 0, 0])) }.unwrap_err();
        assert_eq!(fault.kind.name(), "refused", "{from:#x} {to:#x}: {fault}");
        d.rollback();
    }
    assert_eq!(*victim, [0; 8]);
}

#[test]
fn a_hang_whose_verdict_comes_during_an_upcall() {
    let mut d = Domain::<Words, u64>::new(&config(), [7; WORDS], 0).unwrap();
    d.set_deadline(Duration::from_millis(2));
    let mut host = Host { served: 0 };
    // SAFETY: owns nothing.
    let fault = unsafe { d.run(&mut host, |_| fgft::upcall(9, [0; 4])) };
    assert_eq!(fault.unwrap_err().kind.name(), "hang");
    d.rollback();
}

#[test]
fn calls_do_not_nest() {
    struct Nests(Domain<Words>);
    impl Upcalls<()> for Nests {
        fn upcall(&mut self, _: &mut (), _: &fgft::DomainMemory, _: u64, _: [u64; 4]) -> Result<[u64; 2], Refusal> {
            // SAFETY: owns nothing.
            let inner = unsafe { self.0.run(&mut (), |w| w[0]) };
            Ok([u64::from(matches!(inner, Err(f) if f.kind == FaultKind::Reentered)), 0])
        }
    }
    let mut outer = domain();
    // SAFETY: owns nothing.
    let refused = unsafe { outer.run(&mut Nests(domain()), |_| fgft::upcall(0, [0; 4])) };
    assert_eq!(refused, Ok([1, 0]));
}

#[test]
fn an_unprotected_call_makes_the_image_stale() {
    let mut d = domain();
    d.run_unprotected(|words, ()| words[3] = 33);
    assert_eq!(d.state()[3], 33);
    expect_fault(&mut d, || store(0)); // rolls back to a state with 33 in it, or this fails
    assert_eq!(d.state()[3], 33);
}

#[test]
fn a_missing_page_under_a_host_access_is_an_error() {
    fgft::init().unwrap();
    // SAFETY: the address is unmapped; that is the test.
    let read = unsafe { fgft::mmio::read_u32(0x10_0000_0000 as *const u32) };
    assert_eq!(read.unwrap_err().address, 0x10_0000_0000);
    // SAFETY: as above.
    assert!(unsafe { fgft::mmio::write_u16(0x10_0000_0000 as *mut u16, 1) }.is_err());
    let word = 0x1234_5678_u32;
    // SAFETY: a live variable.
    assert_eq!(unsafe { fgft::mmio::read_u32(&word) }, Ok(word));
}

#[test]
fn device_memory_is_shut_to_code_inside() {
    if fgft::init().unwrap() == Isolation::RollbackOnly {
        println!("skipped: this machine has no protection keys (or FGFT_ISOLATION=rollback-only is set)");
        return;
    }
    let key = fgft::device_key().expect("a key");
    // SAFETY: a fresh page, tagged and used here only.
    let page = unsafe {
        let page = libc::mmap(std::ptr::null_mut(), 4096, 3, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0);
        assert_eq!(libc::syscall(libc::SYS_pkey_mprotect, page, 4096, 3, key), 0);
        page.cast::<u64>().write(0x1111);
        page as u64
    };
    let mut d = domain();
    for access in [load, store] {
        let fault = expect_fault(&mut d, || access(page));
        assert!(matches!(fault.kind, FaultKind::WildAccess { target: Target::Key(k), .. } if k == key), "{fault}");
    }
    // SAFETY: the page is ours.
    assert_eq!(unsafe { (page as *const u64).read() }, 0x1111);
}
