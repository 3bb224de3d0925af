//! Instructions that trap, and control registers that are left in a mess.

use std::arch::asm;

use fgft::{Access, FaultKind, Target};

use super::host::CALCULATE;
use super::{Case, End, no_address, null, wild};
use crate::common::{divide_by_zero, load, store};

/// Not an address on any x86-64: bits 63 to 47 differ.
const NON_CANONICAL: u64 = 0xdead_beef_dead_beef;
/// The kernel's half of the address space.
const KERNEL: u64 = 0xffff_8880_0000_0000;

/// Instructions that are not safe at all: they are the faults.
macro_rules! inside {
    ($($asm:tt)*) => {
        // SAFETY: a fault under test, or a mess under test that the engine clears up.
        unsafe { asm!($($asm)*) }
    };
}
pub(super) use inside;

/// Sets `flags` for what comes next: 0x400 DF, 0x4000 NT, 0x40000 AC, 0x100 TF.
#[inline(always)]
fn set_flags(flags: u32) {
    inside!("pushfq", "or dword ptr [rsp], {0:e}", "popfq", in(reg) flags);
}

/// Linux's segment for data of programs, whose base is 0, into `fs`: some processors leave the base alone for a null selector.
#[inline(always)]
fn take_thread_pointer() {
    const USER_DATA: u16 = 0x2b;
    inside!("mov fs, {0:x}", in(reg) USER_DATA);
}

/// Exceptions of the SSE unit as in `mxcsr`, those of the x87 unit as in `control`.
#[inline(always)]
pub(super) fn set_floating_point(mxcsr: u32, control: u16) {
    inside!(
        "sub rsp, 16",
        "mov dword ptr [rsp], {0:e}",
        "ldmxcsr dword ptr [rsp]",
        "mov word ptr [rsp], {1:x}",
        "fldcw word ptr [rsp]",
        "add rsp, 16",
        in(reg) mxcsr,
        in(reg) u32::from(control),
    );
}

/// All flags but TF, and all floating point exceptions unmasked, rounding towards zero.
#[inline(always)]
pub(super) fn trash_everything() {
    set_floating_point(0x6000, 0x0c00);
    set_flags(0x4_4400);
}

const fn fault(name: &'static str, body: fn(&mut super::Words, &super::Places), right: Right) -> Case {
    Case { name, body, end: End::Fault(right) }
}
type Right = fn(&FaultKind, &super::Places) -> bool;

const fn returns(name: &'static str, body: fn(&mut super::Words, &super::Places)) -> Case {
    Case { name, body, end: End::Return }
}

/// QEMU's own processor checks no alignment, and raises no exceptions of the SSE unit.
pub(super) const NOT_EMULATED: &[&str] = &["misaligned access with AC set", "SSE division by zero, unmasked"];

const ARITHMETIC: Right = |kind, _| *kind == FaultKind::Arithmetic;
const BREAKPOINT: Right = |kind, _| *kind == FaultKind::Breakpoint;
const ILLEGAL: Right = |kind, _| *kind == FaultKind::IllegalInstruction;
/// What comes next asks for a thread-local, a little below address 0.
const NO_THREAD_POINTER: Right = |kind, _| matches!(kind, FaultKind::WildAccess { access: Access::Read, .. });
const NULL_WRITE: Right = |kind, _| null(kind, 0, Access::Write);

pub(super) const CASES: &[Case] = &[
    // addresses
    fault("null read", |_, _| load(0x18), |kind, _| null(kind, 0x18, Access::Read)),
    fault("null write", |_, _| store(0), NULL_WRITE),
    fault("null execute", |_, _| inside!("jmp {}", in(reg) 0_u64), |kind, _| null(kind, 0, Access::Execute)),
    fault(
        "unmapped read",
        |_, at| load(at.unmapped),
        |kind, at| wild(kind, at.unmapped, Access::Read, &[Target::Unmapped]),
    ),
    fault(
        "unmapped write",
        |_, at| store(at.unmapped),
        |kind, at| wild(kind, at.unmapped, Access::Write, &[Target::Unmapped]),
    ),
    fault(
        "unmapped execute",
        |_, at| inside!("jmp {}", in(reg) at.unmapped),
        |kind, at| wild(kind, at.unmapped, Access::Execute, &[Target::Unmapped]),
    ),
    fault(
        "execute the state",
        |_, at| inside!("jmp {}", in(reg) at.state),
        |kind, at| wild(kind, at.state, Access::Execute, &[Target::Forbidden]),
    ),
    fault(
        "write to code",
        |_, _| store(divide_by_zero as *const () as u64),
        |kind, _| {
            let targets = [Target::Forbidden, Target::Key(0)];
            wild(kind, divide_by_zero as *const () as u64, Access::Write, &targets)
        },
    ),
    fault("non-canonical read", |_, _| load(NON_CANONICAL), |kind, _| no_address(kind)),
    fault("non-canonical write", |_, _| store(NON_CANONICAL), |kind, _| no_address(kind)),
    fault("non-canonical execute", |_, _| inside!("jmp {}", in(reg) NON_CANONICAL), |kind, _| no_address(kind)),
    fault(
        "kernel's half read",
        |_, _| load(KERNEL),
        |kind, _| wild(kind, KERNEL, Access::Read, &[Target::Forbidden, Target::Unmapped]),
    ),
    fault(
        "kernel's half write",
        |_, _| store(KERNEL),
        |kind, _| wild(kind, KERNEL, Access::Write, &[Target::Forbidden, Target::Unmapped]),
    ),
    fault(
        "truncated file read",
        |_, at| load(at.truncated),
        |kind, at| *kind == FaultKind::BusError { address: at.truncated },
    ),
    fault(
        "truncated file write",
        |_, at| store(at.truncated),
        |kind, at| {
            // with keys the store is stopped before anyone asks for the page
            *kind == FaultKind::BusError { address: at.truncated }
                || wild(kind, at.truncated, Access::Write, &[Target::Key(0)])
        },
    ),
    // instructions
    fault("division by zero", |_, _| divide_by_zero(), ARITHMETIC),
    fault(
        "least by minus one",
        |_, _| inside!("cdq", "idiv {0:e}", in(reg) -1_i32, inout("eax") i32::MIN => _, out("edx") _),
        ARITHMETIC,
    ),
    fault("ud2", |_, _| inside!("ud2"), ILLEGAL),
    fault("int3", |_, _| inside!("int3"), BREAKPOINT),
    fault("privileged instruction", |_, _| inside!("hlt"), |kind, _| no_address(kind)),
    // flags
    fault(
        "misaligned access with AC set",
        |_, at| {
            set_flags(0x4_0000);
            load(at.state + 1);
        },
        |kind, _| matches!(kind, FaultKind::BusError { .. }),
    ),
    fault("TF set", |_, _| set_flags(0x100), BREAKPOINT),
    // segment registers: everything finds its thread through fs
    fault("fs loaded, then a fault", |_, _| (take_thread_pointer(), store(0)).1, NULL_WRITE),
    fault(
        "fs loaded, then an upcall",
        |_, _| {
            take_thread_pointer();
            fgft::upcall(CALCULATE, [0; 4]);
        },
        NO_THREAD_POINTER,
    ),
    fault("fs loaded, returned", |_, _| take_thread_pointer(), NO_THREAD_POINTER),
    returns("DF set, returned", |_, _| set_flags(0x400)),
    returns("AC set, returned", |_, _| set_flags(0x4_0000)),
    returns("NT set, returned", |_, _| set_flags(0x4000)),
    returns("flags and floating point trashed, returned", |_, _| trash_everything()),
    returns("flags and floating point trashed, then an upcall", |_, _| {
        trash_everything();
        fgft::upcall(CALCULATE, [0; 4]);
    }),
    fault(
        "flags and floating point trashed, then a fault",
        |_, _| {
            trash_everything();
            store(0);
        },
        NULL_WRITE,
    ),
    // floating point
    fault(
        "SSE division by zero, unmasked",
        |_, _| {
            set_floating_point(0x1d80, 0x037f);
            inside!("divsd xmm0, xmm1", inout("xmm0") 1.0_f64 => _, in("xmm1") 0.0_f64);
        },
        ARITHMETIC,
    ),
    fault(
        "x87 division by zero, unmasked",
        |_, _| {
            set_floating_point(0x1f80, 0x037b);
            inside!("fld1", "fldz", "fdivp", "fwait");
        },
        ARITHMETIC,
    ),
    // the exception waits for the next x87 instruction, which must not be the host's
    fault(
        "x87 exception pending, returned",
        |_, _| {
            set_floating_point(0x1f80, 0x037b);
            inside!("fld1", "fldz", "fdivp");
        },
        ARITHMETIC,
    ),
    fault(
        "x87 exception pending, then an upcall",
        |_, _| {
            set_floating_point(0x1f80, 0x037b);
            inside!("fld1", "fldz", "fdivp");
            fgft::upcall(CALCULATE, [0; 4]);
        },
        ARITHMETIC,
    ),
    fault(
        "x87 exception pending, then a fault",
        |_, _| {
            set_floating_point(0x1f80, 0x037b);
            inside!("fld1", "fldz", "fdivp");
            store(0);
        },
        NULL_WRITE,
    ),
    returns("x87 stack left full, returned", |_, _| {
        inside!("fld1", "fld1", "fld1", "fld1", "fld1", "fld1", "fld1", "fld1");
    }),
    returns("x87 stack left full, then an upcall", |_, _| {
        inside!("fld1", "fld1", "fld1", "fld1", "fld1", "fld1", "fld1", "fld1");
        fgft::upcall(CALCULATE, [0; 4]);
    }),
];
