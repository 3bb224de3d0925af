//! The way in, the way out, and the door in between.
//!
//! ```text
//!   host stack                          driver stack (domain key)
//!   +---------------------------+       +--------------------------+ <- stack_top
//!   | caller of fgft_enter      |       | return address (a guess: |
//!   | rbp rbx r12..r15          |       | may be smashed)          |
//!   | x87 control word, mxcsr   | <-----| driver frames            |
//!   +---------------------------+  |    | ...                      |
//!   | upcalls run below this    |  |    | rbp rbx r12..r15 during  |
//!   +---------------------------+  |    |   an upcall              |
//!                         saved_rsp    +--------------------------+ guard
//! ```
//!
//! Every way back (return, upcall, trap) reloads what it needs from the [`Context`], found through `fs`, after
//! `wrpkru(0)`; nothing is believed that the driver could have written. Registers carry nothing of the host's into the driver but what
//! it is told: a driver that errs by a register does not find an address of the host in it. `wrpkru` takes eax = value, ecx = edx = 0. Flags
//! AC, NT and TF, the direction flag, mxcsr and the x87 control word are put back. An x87 exception is raised by the next
//! x87 instruction: `fwait` makes that one the driver's. What a fault report unwinds (`symbols`) is told by the `.cfi`
//! lines; DWARF calls rbp 6 and rip 16.

use std::arch::global_asm;
use std::mem::offset_of;

use crate::context::{Context, LEFT_HANG, LEFT_PANIC};

global_asm!(
    // The thread-local: which call is under way on this thread, null outside.
    ".section .tbss,\"awT\",@nobits",
    ".hidden fgft_context",
    ".globl fgft_context",
    ".type fgft_context, @object",
    ".size fgft_context, 8",
    ".balign 8",
    "fgft_context:",
    ".zero 8",
    ".text",
    //
    // fgft_current() -> *mut Context
    ".globl fgft_current",
    ".hidden fgft_current",
    "fgft_current:",
    "mov rax, qword ptr [rip + fgft_context@GOTTPOFF]",
    "mov rax, qword ptr fs:[rax]",
    "ret",
    //
    // fgft_enter(context, entry, argument) -> 0 returned, 1 left early
    ".globl fgft_enter",
    ".hidden fgft_enter",
    ".type fgft_enter, @function",
    "fgft_enter:",
    ".cfi_startproc",
    "push rbp",
    ".cfi_adjust_cfa_offset 8",
    "push rbx",
    ".cfi_adjust_cfa_offset 8",
    "push r12",
    ".cfi_adjust_cfa_offset 8",
    "push r13",
    ".cfi_adjust_cfa_offset 8",
    "push r14",
    ".cfi_adjust_cfa_offset 8",
    "push r15",
    ".cfi_adjust_cfa_offset 8",
    "sub rsp, 8",
    ".cfi_adjust_cfa_offset 8",
    "stmxcsr dword ptr [rsp]",
    "fnstcw word ptr [rsp + 4]",
    "mov rax, qword ptr [rip + fgft_context@GOTTPOFF]",
    "mov qword ptr fs:[rax], rdi",
    "mov qword ptr [rdi + {saved_rsp}], rsp",
    "mov r8, rsi",
    "mov r9, rdx",
    "mov r10, qword ptr [rdi + {stack_top}]",
    "mov eax, dword ptr [rdi + {closed_pkru}]",
    "mov r11d, dword ptr [rdi + {use_pkru}]",
    "mov dword ptr [rdi + {inside}], 1",
    // who looks up from the driver's stack finds its end here
    ".cfi_remember_state",
    ".cfi_undefined 16",
    "mov rsp, r10",
    "xor ebp, ebp",
    "mov rdi, r9",
    "test r11d, r11d",
    "jz 2f",
    "xor ecx, ecx",
    "xor edx, edx",
    "wrpkru",
    "2:",
    // what the caller works with is on the host's stack, and no business of the driver's
    "xor eax, eax",
    "xor ebx, ebx",
    "xor r12d, r12d",
    "xor r13d, r13d",
    "xor r14d, r14d",
    "xor r15d, r15d",
    "xor ecx, ecx",
    "xor edx, edx",
    "xor esi, esi",
    "xor r9d, r9d",
    "xor r10d, r10d",
    "xor r11d, r11d",
    "call r8",
    "fwait", // a pending x87 exception traps here, inside
    "emms",  // and the x87 stack is left empty
    // Back from the driver, perhaps. Nothing is believed but fs.
    "xor r8d, r8d",
    "jmp 3f",
    ".globl fgft_recover",
    ".hidden fgft_recover",
    "fgft_recover:",
    "mov r8d, 1",
    "3:",
    "mov r9, qword ptr [rip + fgft_context@GOTTPOFF]",
    "mov r9, qword ptr fs:[r9]",
    "cmp dword ptr [r9 + {use_pkru}], 0",
    "je 4f",
    "xor eax, eax",
    "xor ecx, ecx",
    "xor edx, edx",
    "wrpkru",
    "4:",
    "mov rsp, qword ptr [r9 + {saved_rsp}]",
    ".cfi_restore_state",
    "mov dword ptr [r9 + {inside}], 0",
    "cld",
    "test r8d, r8d",
    "jz 5f",
    "fninit",
    "5:",
    "ldmxcsr dword ptr [rsp]",
    "fldcw word ptr [rsp + 4]",
    "pushfq",
    "pop rax",
    "test eax, 0x44100", // AC, NT, TF
    "jz 6f",
    "and eax, 0xfffbbeff",
    "push rax",
    "popfq",
    "6:",
    "mov rax, qword ptr [rip + fgft_context@GOTTPOFF]",
    "mov qword ptr fs:[rax], 0",
    "mov eax, r8d",
    "add rsp, 8",
    ".cfi_adjust_cfa_offset -8",
    "pop r15",
    ".cfi_adjust_cfa_offset -8",
    "pop r14",
    ".cfi_adjust_cfa_offset -8",
    "pop r13",
    ".cfi_adjust_cfa_offset -8",
    "pop r12",
    ".cfi_adjust_cfa_offset -8",
    "pop rbx",
    ".cfi_adjust_cfa_offset -8",
    "pop rbp",
    ".cfi_adjust_cfa_offset -8",
    "ret",
    ".cfi_endproc",
    //
    // fgft_leave_panic(): from driver code, after the panic note is written
    ".globl fgft_leave_panic",
    ".hidden fgft_leave_panic",
    ".type fgft_leave_panic, @function",
    "fgft_leave_panic:",
    ".cfi_startproc",
    "mov r9, qword ptr [rip + fgft_context@GOTTPOFF]",
    "mov r9, qword ptr fs:[r9]",
    "cmp dword ptr [r9 + {use_pkru}], 0",
    "je 2f",
    "xor eax, eax",
    "xor ecx, ecx",
    "xor edx, edx",
    "wrpkru",
    "2:",
    "mov qword ptr [r9 + {driver_rsp}], rsp",
    "mov qword ptr [r9 + {driver_rbp}], rbp",
    "mov dword ptr [r9 + {left}], {left_panic}",
    "jmp fgft_recover",
    ".cfi_endproc",
    //
    // fgft_upcall(number, a, b, c, d) -> (rax, rdx): from driver code
    ".globl fgft_upcall",
    ".hidden fgft_upcall",
    ".type fgft_upcall, @function",
    "fgft_upcall:",
    ".cfi_startproc",
    "fwait", // as on the way out
    "emms",
    "push rbp",
    ".cfi_adjust_cfa_offset 8",
    ".cfi_rel_offset 6, 0",
    "push rbx",
    ".cfi_adjust_cfa_offset 8",
    "push r12",
    ".cfi_adjust_cfa_offset 8",
    "push r13",
    ".cfi_adjust_cfa_offset 8",
    "push r14",
    ".cfi_adjust_cfa_offset 8",
    "push r15",
    ".cfi_adjust_cfa_offset 8",
    "mov r12, rdx",
    "mov r13, rcx",
    "mov rbx, qword ptr [rip + fgft_context@GOTTPOFF]",
    "mov rbx, qword ptr fs:[rbx]",
    "cmp dword ptr [rbx + {use_pkru}], 0",
    "je 2f",
    "xor eax, eax",
    "xor ecx, ecx",
    "xor edx, edx",
    "wrpkru",
    "2:",
    "mov qword ptr [rbx + {driver_rsp}], rsp",
    "mov dword ptr [rbx + {inside}], 0",
    ".cfi_remember_state",
    ".cfi_undefined 16",
    "mov rsp, qword ptr [rbx + {saved_rsp}]",
    "cld",
    "ldmxcsr dword ptr [rsp]",
    "fldcw word ptr [rsp + 4]",
    "pushfq",
    "pop rax",
    "test eax, 0x44100",
    "jz 3f",
    "and eax, 0xfffbbeff",
    "push rax",
    "popfq",
    "3:",
    "sub rsp, 48",
    "mov qword ptr [rsp], rdi",
    "mov qword ptr [rsp + 8], rsi",
    "mov qword ptr [rsp + 16], r12",
    "mov qword ptr [rsp + 24], r13",
    "mov qword ptr [rsp + 32], r8",
    "mov rdi, rbx",
    "mov rsi, rsp",
    "xor ebp, ebp",
    "call {upcall_entry}",
    "test eax, eax",
    "jnz 5f",
    "mov r10, qword ptr [rsp]",
    "mov r11, qword ptr [rsp + 8]",
    "mov rax, qword ptr [rbx + {sequence}]",
    "cmp rax, qword ptr [rbx + {kill}]",
    "je 4f",
    "mov rsp, qword ptr [rbx + {driver_rsp}]",
    ".cfi_restore_state",
    "mov dword ptr [rbx + {inside}], 1",
    "cmp dword ptr [rbx + {use_pkru}], 0",
    "je 3f",
    "mov eax, dword ptr [rbx + {closed_pkru}]",
    "xor ecx, ecx",
    "xor edx, edx",
    "wrpkru",
    "3:",
    "mov rax, r10",
    "mov rdx, r11",
    // what the host has worked with is no business of the driver's
    "xor ecx, ecx",
    "xor esi, esi",
    "xor edi, edi",
    "xor r8d, r8d",
    "xor r9d, r9d",
    "xor r10d, r10d",
    "xor r11d, r11d",
    "pop r15",
    ".cfi_adjust_cfa_offset -8",
    "pop r14",
    ".cfi_adjust_cfa_offset -8",
    "pop r13",
    ".cfi_adjust_cfa_offset -8",
    "pop r12",
    ".cfi_adjust_cfa_offset -8",
    "pop rbx",
    ".cfi_adjust_cfa_offset -8",
    "pop rbp",
    ".cfi_adjust_cfa_offset -8",
    ".cfi_restore 6",
    "ret",
    ".cfi_undefined 16",
    "4:", // the watchdog's verdict came while the host worked for the driver
    "mov eax, {left_hang}",
    "5:",
    "mov dword ptr [rbx + {left}], eax",
    "jmp fgft_recover",
    ".cfi_endproc",
    //
    // Signal entry. rdi signal, rsi info, rdx ucontext. The stack carries the domain's key, and the kernel enters
    // with all keys but 0 closed: no push before wrpkru. AC may be on: clear it before compiled code runs.
    ".globl fgft_trap_entry_keys",
    ".hidden fgft_trap_entry_keys",
    "fgft_trap_entry_keys:",
    "mov r8, rdx",
    "xor eax, eax",
    "xor ecx, ecx",
    "xor edx, edx",
    "wrpkru",
    "mov rdx, r8",
    ".globl fgft_trap_entry",
    ".hidden fgft_trap_entry",
    "fgft_trap_entry:",
    "pushfq",
    "and dword ptr [rsp], 0xfffbffff",
    "popfq",
    "jmp {trap}",
    saved_rsp = const offset_of!(Context, saved_rsp),
    driver_rsp = const offset_of!(Context, driver_rsp),
    driver_rbp = const offset_of!(Context, driver_rbp),
    stack_top = const offset_of!(Context, stack_top),
    closed_pkru = const offset_of!(Context, closed_pkru),
    use_pkru = const offset_of!(Context, use_pkru),
    inside = const offset_of!(Context, inside),
    left = const offset_of!(Context, left),
    sequence = const offset_of!(Context, sequence),
    kill = const offset_of!(Context, kill),
    left_panic = const LEFT_PANIC,
    left_hang = const LEFT_HANG,
    upcall_entry = sym crate::upcall::entry,
    trap = sym crate::trap::handle,
);

/// Bytes that `fgft_upcall` pushes before it notes rsp: above them is its return address.
pub(crate) const UPCALL_FRAME: u64 = 48;
/// Where among them rbp is.
pub(crate) const UPCALL_RBP: u64 = 40;

/// Two words in rax and rdx.
#[repr(C)]
pub(crate) struct Pair(pub(crate) u64, pub(crate) u64);

#[allow(improper_ctypes, reason = "the assembly touches only fields at offsets it was given")]
unsafe extern "C" {
    /// The call under way on this thread, or null.
    pub(crate) fn fgft_current() -> *mut Context;
    /// Runs `entry(argument)` inside; 0 when it returned, 1 when it was left early (`Context::left` says why).
    pub(crate) fn fgft_enter(context: *const Context, entry: unsafe extern "C" fn(*mut u8), argument: *mut u8) -> u64;
    /// Never called: where the trap handler sends a faulting call.
    pub(crate) fn fgft_recover();
    /// Ends the call under way as a panic. Only from inside.
    pub(crate) fn fgft_leave_panic() -> !;
    /// From inside to the host and back.
    pub(crate) fn fgft_upcall(number: u64, a: u64, b: u64, c: u64, d: u64) -> Pair;
    /// Signal handler entry with protection keys.
    pub(crate) fn fgft_trap_entry_keys();
    /// Signal handler entry without.
    pub(crate) fn fgft_trap_entry();
}
