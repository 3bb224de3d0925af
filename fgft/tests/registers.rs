//! What a driver finds in its registers: nothing of the host's.
#![allow(unsafe_code, reason = "code inside a domain, and a look at registers")]

mod common;

use std::arch::asm;
use std::ops::Range;

use common::*;
use fgft::{Domain, DomainMemory, Refusal, Upcalls};

/// What the host leaves in every register that it may.
const SECRET: u64 = 0x05ec_4e70_f00d_f00d;

/// Answers nothing, and leaves its secret wherever a call may leave something.
struct Careless;

impl Upcalls<()> for Careless {
    fn upcall(&mut self, (): &mut (), _: &DomainMemory, _: u64, _: [u64; 4]) -> Result<[u64; 2], Refusal> {
        // SAFETY: all that is changed is told.
        unsafe {
            asm!("mov rax, {0}", "mov rcx, {0}", "mov rdx, {0}", "mov rsi, {0}", "mov rdi, {0}", "mov r8, {0}",
                "mov r9, {0}", "mov r10, {0}", "mov r11, {0}", in(reg) SECRET, out("rax") _, out("rcx") _, out("rdx") _,
                out("rsi") _, out("rdi") _, out("r8") _, out("r9") _, out("r10") _, out("r11") _,
                options(nomem, nostack, preserves_flags));
        }
        Ok([0; 2])
    }
}

/// All that the compiler gives away.
#[inline(always)]
fn registers() -> [u64; 13] {
    let mut found = [0; 13];
    let [a, c, d, si, di, r8, r9, r10, r11, r12, r13, r14, r15] = &mut found;
    // SAFETY: nothing is done: what is there is looked at.
    unsafe {
        asm!(
            "",
            out("rax") * a,
            out("rcx") * c,
            out("rdx") * d,
            out("rsi") * si,
            out("rdi") * di,
            out("r8") * r8,
            out("r9") * r9,
            out("r10") * r10,
            out("r11") * r11,
            out("r12") * r12,
            out("r13") * r13,
            out("r14") * r14,
            out("r15") * r15,
            options(nomem, nostack, preserves_flags)
        );
    }
    found
}

/// The stack of this thread, from the kernel's map.
fn stack() -> Range<u64> {
    let local = 0_u8;
    let here = std::ptr::from_ref(&local).addr() as u64;
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let ranges = maps.lines().filter_map(|line| {
        let (low, high) = line.split_whitespace().next()?.split_once('-')?;
        Some(u64::from_str_radix(low, 16).ok()?..u64::from_str_radix(high, 16).ok()?)
    });
    { ranges }.find(|range| range.contains(&here)).expect("the stack is mapped")
}

#[test]
fn a_driver_finds_nothing_of_the_host_in_its_registers() {
    let stack = stack();
    let mut domain = Domain::<Words>::new(&config(), [0; WORDS], ()).unwrap();
    // SAFETY: owns nothing.
    let done = unsafe {
        domain.run(&mut Careless, |words| {
            let first = registers();
            fgft::upcall(0, [1, 2, 3, 4]);
            let second = registers();
            words[..13].copy_from_slice(&first);
            words[13..26].copy_from_slice(&second);
        })
    };
    assert_eq!(done, Ok(()));
    let state = domain.state();
    let (first, second) = (&state[..13], &state[13..26]);
    // where the call has its closure from is on the host's stack, and told
    let mut on_stack: Vec<u64> = first.iter().copied().filter(|value| stack.contains(value)).collect();
    on_stack.dedup();
    assert!(on_stack.len() <= 1, "at the beginning: {first:x?}, and the stack is at {stack:x?}");
    for value in second {
        assert!(*value != SECRET && !stack.contains(value), "after an upcall: {second:x?}, the stack is at {stack:x?}");
    }
}
