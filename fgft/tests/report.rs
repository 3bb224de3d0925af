//! A fault says who did it: for each way out early the backtrace names the function and the line.
//!
//! Each culprit has a mark at the line that does it; the tests look the marks up in this file.
#![allow(unsafe_code, reason = "the faults are real")]

mod common;

use std::arch::{asm, naked_asm};
use std::fmt;
use std::hint::black_box;
use std::time::Duration;

use common::*;
use fgft::regions::what_is_at;
use fgft::symbols::{Frame, Symbols};
use fgft::{Domain, DomainConfig, DomainMemory, Fault, FaultKind, Refusal, Upcalls};

const NOWHERE: u64 = 0x10_0000_0000;

#[inline(never)]
fn culprit_null() {
    store(black_box(0x18)); // mark: null
}

#[inline(never)]
fn culprit_division() {
    divide_by_zero(); // mark: division
}

#[inline(never)]
fn culprit_wild() {
    store(black_box(NOWHERE)); // mark: wild
}

#[inline(never)]
fn culprit_illegal() {
    // SAFETY: not safe at all: it is the fault under test.
    unsafe { asm!("ud2") }; // mark: illegal
}

#[inline(never)]
fn culprit_panic() {
    panic!("number {}", black_box(5)); // mark: panic
}

#[inline(never)]
fn culprit_index(at: usize) -> u64 {
    let four = black_box([1, 2, 3, 4]);
    four[at] // mark: index
}

#[inline(never)]
fn culprit_unwrap() {
    black_box(None::<u64>).unwrap(); // mark: unwrap
}

struct Panics;
impl fmt::Display for Panics {
    #[inline(never)]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("so far")?;
        panic!("within"); // mark: display
    }
}

#[inline(never)]
fn culprit_recursion(n: u64) -> u64 {
    let frame = black_box([n; 32]); // mark: recursion
    if n == 0 { 0 } else { culprit_recursion(n - 1) + frame[(n % 32) as usize] }
}

#[inline(never)]
fn culprit_loop() {
    // SAFETY: as above.
    unsafe { asm!("2: jmp 2b") }; // mark: loop
}

#[inline(never)]
fn culprit_upcall(number: u64) -> u64 {
    let reply = fgft::upcall(number, [1, 2, 3, 4]); // mark: upcall
    black_box(reply[0])
}

#[inline(never)]
fn culprit_jump() {
    // SAFETY: as above.
    let nowhere: extern "C" fn() = unsafe { std::mem::transmute(black_box(NOWHERE)) };
    nowhere(); // mark: jump
    black_box(());
}

/// Returns to nowhere.
#[unsafe(naked)]
extern "C" fn culprit_return() {
    naked_asm!("mov rax, 0x1000000000", "mov qword ptr [rsp], rax", "ret")
}

/// Moves its stack pointer out of the stack, then faults.
#[inline(never)]
fn culprit_stack() {
    // SAFETY: as above.
    unsafe { asm!("xor esp, esp", "ud2", options(noreturn)) }; // mark: stack
}

/// The line of this file with `mark`.
fn line_of(mark: &str) -> u32 {
    let marked = format!("// mark: {mark}");
    let at = include_str!("report.rs").lines().position(|line| line.ends_with(&marked));
    at.unwrap_or_else(|| panic!("no line is marked {mark}")) as u32 + 1
}

struct Host;

impl Upcalls<()> for Host {
    fn upcall(&mut self, (): &mut (), _: &DomainMemory, number: u64, _: [u64; 4]) -> Result<[u64; 2], Refusal> {
        match number {
            0 => Ok([0; 2]),
            1 => Err("not today".into()),
            2 => panic!("the host's own mistake"),
            _ => loop {
                // until the watchdog's verdict is in: it strikes here, and the way out of the upcall sees it
                let begin = cpu_time();
                while cpu_time() - begin < Duration::from_millis(20) {}
                return Ok([0; 2]);
            },
        }
    }
}

fn cpu_time() -> Duration {
    // SAFETY: fills a timespec.
    unsafe {
        let mut time = std::mem::zeroed::<libc::timespec>();
        assert_eq!(libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time), 0);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }
}

fn fault_of(domain: &mut Domain<Words>, f: impl FnOnce() + Copy) -> Fault {
    // SAFETY: the closures of these tests own nothing.
    let result = unsafe {
        domain.run(&mut Host, |words| {
            f();
            words[0]
        })
    };
    domain.rollback();
    result.expect_err("the call must fault")
}

fn frames_of(fault: &Fault) -> Vec<Frame> {
    let frames = Symbols::of_this_process().unwrap().backtrace(fault);
    println!("{fault}");
    for frame in &frames {
        println!("    {frame}{}", if frame.inlined { " (inlined)" } else { "" });
    }
    frames
}

/// Runs `f`, and demands that `frame` of the backtrace is `function` of this file at the line with `mark`.
fn expect_frame(f: impl FnOnce() + Copy, frame: usize, function: &str, mark: &str) -> Fault {
    let mut domain = domain();
    domain.set_deadline(Duration::from_millis(5));
    let fault = fault_of(&mut domain, f);
    let frames = frames_of(&fault);
    let Some(found) = frames.get(frame) else { panic!("{function}: {} frames", frames.len()) };
    assert_eq!(found.function.as_deref(), Some(&*format!("report::{function}")));
    assert!(found.file.as_deref().is_some_and(|file| file.ends_with("fgft/tests/report.rs")), "{found:?}");
    assert_eq!(found.line, Some(line_of(mark)), "{function}");
    fault
}

#[test]
fn x() {
    expect_frame(culprit_null, 0, "culprit_null", "null");
}
#[test]
fn y() {
    let mut domain = domain();
    domain.set_deadline(Duration::from_millis(5));
    for f in [
        culprit_null,
        culprit_division,
        culprit_wild,
        culprit_illegal,
        culprit_panic,
        culprit_unwrap,
        culprit_loop,
        culprit_jump,
        culprit_stack,
        || {
            culprit_upcall(1);
        },
        || {
            culprit_upcall(2);
        },
        || {
            culprit_upcall(3);
        },
        || {
            culprit_return();
        },
        || panic!("{Panics}"),
        || {
            culprit_index(black_box(7));
        },
        || {
            culprit_recursion(black_box(1 << 40));
        },
    ] {
        let fault = fault_of(&mut domain, f);
        println!("{:?}", fault.stack);
        frames_of(&fault);
    }
}
