//! Stacks: smashed, run over, and stack pointers that point anywhere.
//!
//! A stack pointer in memory of the host is followed by a fault that pushes nothing: without protection keys a push would
//! be a wild write.

use std::arch::asm;

use fgft::{Access, FaultKind, Target};

use super::traps::inside;
use super::{Case, End, Places, Words, no_address, null, wild};
use crate::common::{recurse, store};

const NON_CANONICAL: u64 = 0x8000_0000_0000_0000;
const KERNEL: u64 = 0xffff_8880_0000_0000;

/// Fills the stack from here to its top.
#[inline(always)]
fn smash(at: &Places, value: u64) {
    inside!(
        "mov rdi, rsp",
        "mov rcx, {top}",
        "sub rcx, rdi",
        "shr rcx, 3",
        "rep stosq",
        top = in(reg) at.stack.1,
        inout("rax") value => _,
        out("rcx") _,
        out("rdi") _,
    );
}

/// Fills the stack and returns into what is there now.
fn smash_and_return(at: &Places, value: u64) {
    inside!(
        "mov rdi, rsp",
        "sub rcx, rdi",
        "shr rcx, 3",
        "rep stosq",
        "ret",
        in("rcx") at.stack.1,
        in("rax") value,
        options(noreturn),
    );
}

/// Returns to `address`.
fn return_to(address: u64) {
    inside!("push {}", "ret", in(reg) address, options(noreturn));
}

/// A null write with the stack pointer at `rsp`.
fn fault_at(rsp: u64) {
    inside!("mov rsp, {}", "mov qword ptr [0], 1", in(reg) rsp, options(noreturn));
}

/// A push with the stack pointer at `rsp`.
fn push_at(rsp: u64) {
    inside!("mov rsp, {}", "push rax", in(reg) rsp, options(noreturn));
}

const fn case(name: &'static str, body: fn(&mut Words, &Places), right: fn(&FaultKind, &Places) -> bool) -> Case {
    Case { name, body, end: End::Fault(right) }
}

const fn faults_at(name: &'static str, body: fn(&mut Words, &Places)) -> Case {
    case(name, body, |kind, _| null(kind, 0, Access::Write))
}

fn overflow(kind: &FaultKind) -> bool {
    matches!(kind, FaultKind::StackOverflow { .. })
}

pub(super) const CASES: &[Case] = &[
    case("stack smashed with non-addresses", |_, at| smash_and_return(at, 0x4141_4141_4141_4141), |k, _| no_address(k)),
    case("stack smashed with zeros", |_, at| smash_and_return(at, 0), |k, _| null(k, 0, Access::Execute)),
    case(
        "stack smashed with an address of the state",
        |_, at| smash_and_return(at, at.state),
        |kind, at| wild(kind, at.state, Access::Execute, &[Target::Forbidden]),
    ),
    case(
        "stack smashed, then a fault",
        |_, at| {
            smash(at, u64::MAX);
            store(0);
            // not reached; what is behind has no stack to return on
            inside!("ud2", options(noreturn));
        },
        |kind, _| null(kind, 0, Access::Write),
    ),
    case(
        "stack smashed beyond its top",
        |_, at| {
            let (start, words) = (at.stack.0, 0x10_0000_u64);
            inside!("rep stosq", inout("rdi") start => _, inout("rcx") words => _, in("rax") 0);
        },
        |kind, at| match kind {
            FaultKind::WildAccess { address, access: Access::Write, .. } => *address == at.stack.1,
            _ => false,
        },
    ),
    case("return address zero", |_, _| return_to(0), |kind, _| null(kind, 0, Access::Execute)),
    case("return address no address", |_, _| return_to(NON_CANONICAL), |kind, _| no_address(kind)),
    case(
        "return address unmapped",
        |_, at| return_to(at.unmapped),
        |kind, at| wild(kind, at.unmapped, Access::Execute, &[Target::Unmapped]),
    ),
    case(
        "return address on the stack",
        |_, at| return_to(at.stack.1 - 64),
        |kind, at| wild(kind, at.stack.1 - 64, Access::Execute, &[Target::Forbidden]),
    ),
    case(
        "recursion without end",
        |words, _| words[0] = recurse(std::hint::black_box(1 << 40)),
        |kind, _| overflow(kind),
    ),
    case(
        "a frame that jumps into the guard",
        |_, at| {
            let rsp = at.stack.0 - 0x8000;
            inside!("mov rsp, {}", "mov qword ptr [rsp], 1", in(reg) rsp, options(noreturn));
        },
        |kind, at| *kind == FaultKind::StackOverflow { address: at.stack.0 - 0x8000 },
    ),
    case(
        "a frame that jumps over the guard",
        |_, at| {
            let rsp = at.unmapped + 0x1000;
            inside!("mov rsp, {}", "mov qword ptr [rsp], 1", in(reg) rsp, options(noreturn));
        },
        |kind, at| wild(kind, at.unmapped + 0x1000, Access::Write, &[Target::Unmapped]),
    ),
    case("a push at the stack's lowest address", |_, at| push_at(at.stack.0), |kind, _| overflow(kind)),
    faults_at("rsp null, then a fault", |_, _| fault_at(0)),
    faults_at("rsp no address, then a fault", |_, _| fault_at(NON_CANONICAL)),
    faults_at("rsp in the kernel's half, then a fault", |_, _| fault_at(KERNEL)),
    faults_at("rsp in the signal stack, then a fault", |_, at| fault_at(at.signal_stack)),
    faults_at("rsp in the state, then a fault", |_, at| fault_at(at.state + 256)),
    faults_at("rsp in the host's heap, then a fault", |_, at| fault_at(at.heap)),
    faults_at("rsp in another thread's stack, then a fault", |_, at| fault_at(at.other_stack)),
    faults_at("rsp odd, then a fault", |_, at| fault_at(at.stack.1 - 4097)),
    // a push at 0 wraps round to the end of the kernel's half
    case(
        "rsp null, then a push",
        |_, _| push_at(0),
        |kind, _| wild(kind, u64::MAX - 7, Access::Write, &[Target::Forbidden, Target::Unmapped]),
    ),
    // the processor's stack fault, which Linux reports as SIGBUS; an emulated one may have none
    case(
        "rsp no address, then a push",
        |_, _| push_at(NON_CANONICAL),
        |kind, _| matches!(kind, FaultKind::BusError { .. }) || no_address(kind),
    ),
    case(
        "rsp in the kernel's half, then a push",
        |_, _| push_at(KERNEL + 8),
        |kind, _| wild(kind, KERNEL, Access::Write, &[Target::Forbidden, Target::Unmapped]),
    ),
    case(
        "rsp unmapped, then a push",
        |_, at| push_at(at.unmapped + 8),
        |kind, at| wild(kind, at.unmapped, Access::Write, &[Target::Unmapped]),
    ),
    case(
        "rsp no address, then an upcall",
        |_, _| {
            inside!("mov rsp, {}", "jmp {}", in(reg) NON_CANONICAL, sym fgft::upcall, options(noreturn));
        },
        |kind, _| matches!(kind, FaultKind::BusError { .. }) || no_address(kind),
    ),
];
