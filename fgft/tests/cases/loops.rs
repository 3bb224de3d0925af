//! Loops without end.

use std::arch::asm;
use std::fmt;

use super::host::BURN;
use super::traps::{inside, trash_everything};
use super::{Case, End, Places, Words};

/// Is never done.
struct Endless;

impl fmt::Display for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        loop {
            f.write_str("and on ")?;
        }
    }
}

const fn case(name: &'static str, body: fn(&mut Words, &Places)) -> Case {
    Case { name, body, end: End::Hang }
}

pub(super) const CASES: &[Case] = &[
    case("tight loop", |_, _| inside!("2: jmp 2b", options(noreturn))),
    case("loop of stores", |words, _| {
        loop {
            words[1] = words[1].wrapping_add(1);
            std::hint::black_box(&*words);
        }
    }),
    case("loop of system calls", |_, _| {
        inside!("2:", "mov eax, {}", "syscall", "jmp 2b", const libc::SYS_getpid, options(noreturn));
    }),
    case("loop of string instructions", |_, at| {
        inside!(
            "2:",
            "mov rdi, rsi",
            "mov ecx, 64",
            "mov eax, 0xdead",
            "rep stosq",
            "jmp 2b",
            in("rsi") at.state,
            options(noreturn),
        );
    }),
    case("loop with flags and floating point trashed", |_, _| {
        trash_everything();
        inside!("2: jmp 2b", options(noreturn));
    }),
    case("loop with rsp null", |_, _| inside!("xor esp, esp", "2: jmp 2b", options(noreturn))),
    case(
        "loop with rsp no address",
        |_, _| inside!("mov rsp, {}", "2: jmp 2b", in(reg) 1_u64 << 63, options(noreturn)),
    ),
    case("loop with rsp in the kernel's half", |_, _| {
        inside!("mov rsp, {}", "2: jmp 2b", in(reg) 0xffff_8880_0000_0000_u64, options(noreturn));
    }),
    case("loop with rsp in the signal stack", |_, at| {
        inside!("mov rsp, {}", "2: jmp 2b", in(reg) at.signal_stack, options(noreturn));
    }),
    case("loop with rsp in the host's heap", |_, at| {
        inside!("mov rsp, {}", "2: jmp 2b", in(reg) at.heap, options(noreturn));
    }),
    case("loop of upcalls", |_, _| {
        loop {
            fgft::upcall(BURN, [0; 4]);
        }
    }),
    case("an upcall that takes longer than the deadline", |_, _| {
        fgft::upcall(BURN, [5000, 0, 0, 0]);
        // the way out of the upcall, or the next look if the watchdog was late
        inside!("2: jmp 2b", options(noreturn));
    }),
    case("loop while a panic is written", |_, _| panic!("{Endless}")),
    case("loop that ends in an upcall now and then", |words, _| {
        loop {
            for _ in 0..1000 {
                std::hint::black_box(&mut *words);
            }
            fgft::upcall(BURN, [1, 0, 0, 0]);
        }
    }),
];
