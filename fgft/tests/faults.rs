//! Every kind of fault is contained, named rightly and rolled back exactly.
#![allow(unsafe_code, reason = "the faults are real")]

mod common;

use std::arch::asm;
use std::fmt;
use std::time::Duration;

use common::*;
use fgft::{Access, Domain, FaultKind, Isolation, Refusal, Target, Upcalls};

#[test]
fn null_write_and_read() {
    let mut d = domain();
    let fault = expect_fault(&mut d, || store(0));
    assert_eq!(fault.kind, FaultKind::NullAccess { address: 0, access: Access::Write });
    let fault = expect_fault(&mut d, || load(0x18));
    assert_eq!(fault.kind, FaultKind::NullAccess { address: 0x18, access: Access::Read });
    assert!(fault.registers.is_some_and(|r| r.rip != 0));
}

#[test]
fn wild_accesses() {
    let mut d = domain();
    let unmapped = 0x10_0000_0000;
    let fault = expect_fault(&mut d, || store(unmapped));
    let target = Target::Unmapped;
    assert_eq!(fault.kind, FaultKind::WildAccess { address: unmapped, access: Access::Write, target });
    let fault = expect_fault(&mut d, || load(0xdead_beef_dead_beef));
    assert!(matches!(fault.kind, FaultKind::WildAccess { target: Target::NonCanonical, .. }), "{fault}");
    // the program's own code is mapped, and not writable
    let code = divide_by_zero as *const () as u64;
    let fault = expect_fault(&mut d, || store(code));
    assert!(
        matches!(fault.kind, FaultKind::WildAccess { address, access: Access::Write, target: Target::Forbidden | Target::Key(0) } if address == code),
        "{fault}"
    );
}

#[test]
fn a_jump_to_nowhere() {
    let mut d = domain();
    // SAFETY: the fault under test.
    let fault = expect_fault(&mut d, || unsafe { asm!("jmp {}", in(reg) 0x10_0000_0000_u64) });
    let (access, target) = (Access::Execute, Target::Unmapped);
    assert_eq!(fault.kind, FaultKind::WildAccess { address: 0x10_0000_0000, access, target });
}

#[test]
fn division_illegal_instruction_breakpoint() {
    let mut d = domain();
    assert_eq!(expect_fault(&mut d, divide_by_zero).kind, FaultKind::Arithmetic);
    // SAFETY: the faults under test.
    assert_eq!(expect_fault(&mut d, || unsafe { asm!("ud2") }).kind, FaultKind::IllegalInstruction);
    // SAFETY: as above.
    assert_eq!(expect_fault(&mut d, || unsafe { asm!("int3") }).kind, FaultKind::Breakpoint);
}

#[test]
fn memory_whose_backing_is_gone() {
    // a mapping beyond the end of its file: what a BAR is after its device has left
    // SAFETY: a fresh file and a fresh mapping, checked.
    let beyond = unsafe {
        let file = libc::memfd_create(c"short".as_ptr(), libc::MFD_CLOEXEC);
        assert!(file >= 0 && libc::ftruncate(file, 4096) == 0);
        let at = libc::mmap(std::ptr::null_mut(), 8192, 3, libc::MAP_SHARED, file, 0);
        assert_ne!(at, libc::MAP_FAILED);
        libc::close(file);
        at as u64 + 4096
    };
    let mut d = domain();
    let fault = expect_fault(&mut d, || load(beyond));
    assert_eq!(fault.kind, FaultKind::BusError { address: beyond });
    // and the host's own accesses to such memory are errors, not deaths
    // SAFETY: that is the test.
    assert_eq!(unsafe { fgft::mmio::read_u32(beyond as *const u32) }.unwrap_err().address, beyond);
}

#[test]
fn stack_overflow() {
    let mut d = domain();
    for _ in 0..100 {
        let fault = expect_fault(&mut d, || {
            std::hint::black_box(recurse(std::hint::black_box(1 << 40)));
        });
        assert!(matches!(fault.kind, FaultKind::StackOverflow { .. }), "{fault}");
    }
}

#[test]
fn endless_loop() {
    let mut d = domain();
    d.set_deadline(Duration::from_millis(3));
    for _ in 0..20 {
        // SAFETY: the fault under test.
        let fault = expect_fault(&mut d, || unsafe { asm!("2: jmp 2b") });
        assert_eq!(fault.kind, FaultKind::Hang { deadline: 3_000_000 });
        assert!(fault.registers.is_some(), "the report says where it looped");
    }
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

#[test]
fn flags_and_floating_point_control_are_put_back() {
    let mut d = domain();
    let sum = |n: u64| (0..n).map(|i| (i as f64).sqrt()).sum::<f64>();
    let expected = sum(1000);
    // direction flag, alignment check, round-toward-zero with all exceptions unmasked
    let trash = || {
        // SAFETY: the fault under test: control registers of this thread, put back on any way out.
        unsafe {
            asm!(
                "sub rsp, 16",
                "mov dword ptr [rsp], 0x6000",
                "ldmxcsr dword ptr [rsp]",
                "mov word ptr [rsp], 0x0c00",
                "fldcw word ptr [rsp]",
                "add rsp, 16",
                "pushfq",
                "or dword ptr [rsp], 0x44000",
                "popfq",
                "std",
            );
        }
    };
    // returning
    // SAFETY: as above; nothing but the return follows.
    let result = unsafe {
        d.run(&mut (), |_| {
            trash();
            1_u64
        })
    };
    d.rollback();
    assert!(result.is_ok() || matches!(result, Err(ref f) if matches!(f.kind, FaultKind::BusError { .. })));
    assert_eq!(sum(1000).to_bits(), expected.to_bits());
    let mut copy = [1_u8; 100];
    copy.copy_within(0..50, 25);
    // faulting
    // SAFETY: as above.
    let result = unsafe {
        d.run(&mut (), |_| {
            trash();
            store(0);
            1_u64
        })
    };
    assert!(result.is_err());
    d.rollback();
    assert_eq!(sum(1000).to_bits(), expected.to_bits());
    let flags: u64;
    let mxcsr: u32;
    // SAFETY: reads flags and mxcsr.
    unsafe {
        asm!("pushfq", "pop {}", out(reg) flags);
        let mut word = 0_u32;
        asm!("stmxcsr dword ptr [{}]", in(reg) &mut word);
        mxcsr = word;
    }
    assert_eq!(flags & 0x4_4500, 0, "AC, NT, DF, TF are clear");
    assert_eq!(mxcsr & 0xffc0, 0x1f80);
}

#[test]
fn a_smashed_stack_and_a_moved_stack_pointer() {
    let mut d = domain();
    let top = d.memory().clone();
    let _ = top;
    // everything above the current frame, up to the top of the stack, then return into it
    let fault = expect_fault(&mut d, || {
        // SAFETY: the fault under test: overwrites the driver's stack until the guard stops it.
        unsafe {
            asm!("mov rdi, rsp", "mov rax, -1", "mov rcx, 0x100000", "rep stosq", out("rdi") _, out("rax") _, out("rcx") _)
        };
    });
    assert!(matches!(fault.kind, FaultKind::WildAccess { .. }), "{fault}");
    for target in [0_u64, 0x10_0000_0000, u64::MAX - 7] {
        // SAFETY: the fault under test.
        let fault =
            expect_fault(&mut d, || unsafe { asm!("mov rsp, {}", "push rax", in(reg) target, options(noreturn)) });
        assert!(
            matches!(
                fault.kind,
                FaultKind::WildAccess { .. } | FaultKind::NullAccess { .. } | FaultKind::BusError { .. }
            ),
            "{fault}"
        );
    }
}

#[test]
fn a_stack_pointer_in_the_signal_stack() {
    let mut d = domain();
    expect_fault(&mut d, || store(0)); // this thread has its signal stack now
    // SAFETY: asks the kernel where the signal stack is.
    let stack = unsafe {
        let mut stack = std::mem::zeroed::<libc::stack_t>();
        assert_eq!(libc::sigaltstack(std::ptr::null(), &mut stack), 0);
        stack
    };
    let middle = stack.ss_sp as u64 + stack.ss_size as u64 / 2;
    // SAFETY: the fault under test.
    let fault = expect_fault(&mut d, || unsafe {
        asm!("mov rsp, {}", "mov dword ptr [0], 1", in(reg) middle, options(noreturn))
    });
    assert!(matches!(fault.kind, FaultKind::NullAccess { .. }), "{fault}");
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
