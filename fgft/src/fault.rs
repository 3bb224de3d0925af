//! What went wrong inside a transaction, in words and numbers.

use std::fmt;

use crate::context::{Context, LEFT_HANG, LEFT_HOST_PANIC, LEFT_PANIC, LEFT_TRAP, TrapRecord};
use crate::panic::{Location, PanicNote};
use crate::scene::Stack;

/// Load, store or instruction fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A load.
    Read,
    /// A store.
    Write,
    /// An instruction fetch.
    Execute,
}

/// Why an address could not be accessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Nothing is mapped there.
    Unmapped,
    /// Mapped, but not for this kind of access (for example a store to constants or code).
    Forbidden,
    /// Memory of the host, of a device or of another domain, shut by this protection key.
    Key(u32),
    /// Not an address at all on this processor.
    NonCanonical,
}

/// The kind of a fault. Addresses are those of this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// An access to the first 64 KiB.
    NullAccess {
        /// Where.
        address: u64,
        /// How.
        access: Access,
    },
    /// An access to memory that is not the driver's.
    WildAccess {
        /// Where; 0 if [`Target::NonCanonical`], for the processor does not say.
        address: u64,
        /// How.
        access: Access,
        /// What is there.
        target: Target,
    },
    /// The driver's stack ran into its guard.
    StackOverflow {
        /// The access that hit the guard.
        address: u64,
    },
    /// SIGBUS: memory whose backing is gone, or a misaligned access with alignment checks on.
    BusError {
        /// Where, as far as the kernel says.
        address: u64,
    },
    /// SIGFPE: division by zero or overflow of a division, or an unmasked floating point exception.
    Arithmetic,
    /// SIGILL.
    IllegalInstruction,
    /// SIGTRAP: a breakpoint or single step.
    Breakpoint,
    /// A panic.
    Panic {
        /// Its message, cut at about a thousand bytes. Empty if it could not be had.
        message: String,
        /// Where in the source.
        location: Option<Location>,
    },
    /// The call used more CPU time than its deadline allows.
    Hang {
        /// The deadline, nanoseconds.
        deadline: u64,
    },
    /// The host refused what the call asked for: see [`crate::Refusal`].
    Refused {
        /// The host's reason.
        reason: String,
    },
    /// The host's own code panicked while it served an upcall.
    HostPanic {
        /// Its message.
        message: String,
    },
    /// A call was made while another was under way on this thread.
    Reentered,
}

impl FaultKind {
    /// A short stable name, for logs and machines.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            FaultKind::NullAccess { .. } => "null-access",
            FaultKind::WildAccess { .. } => "wild-access",
            FaultKind::StackOverflow { .. } => "stack-overflow",
            FaultKind::BusError { .. } => "bus-error",
            FaultKind::Arithmetic => "arithmetic",
            FaultKind::IllegalInstruction => "illegal-instruction",
            FaultKind::Breakpoint => "breakpoint",
            FaultKind::Panic { .. } => "panic",
            FaultKind::Hang { .. } => "hang",
            FaultKind::Refused { .. } => "refused",
            FaultKind::HostPanic { .. } => "host-panic",
            FaultKind::Reentered => "reentered",
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FaultKind::NullAccess { address, access } => write!(f, "{access} at {address:#x} (null)"),
            FaultKind::WildAccess { access, target: Target::NonCanonical, .. } => {
                write!(f, "{access} at a non-canonical address")
            }
            FaultKind::WildAccess { address, access, target } => write!(f, "{access} at {address:#x} ({target})"),
            FaultKind::StackOverflow { address } => write!(f, "stack overflow at {address:#x}"),
            FaultKind::BusError { address } => write!(f, "bus error at {address:#x}"),
            FaultKind::Arithmetic => f.write_str("arithmetic fault (division)"),
            FaultKind::IllegalInstruction => f.write_str("illegal instruction"),
            FaultKind::Breakpoint => f.write_str("breakpoint"),
            FaultKind::Panic { message, location: Some(at) } => write!(f, "panic at {at}: {message}"),
            FaultKind::Panic { message, location: None } => write!(f, "panic: {message}"),
            FaultKind::Hang { deadline } => write!(f, "no return within {} ms of CPU time", deadline / 1_000_000),
            FaultKind::Refused { reason } => write!(f, "refused: {reason}"),
            FaultKind::HostPanic { message } => write!(f, "the framework panicked in an upcall: {message}"),
            FaultKind::Reentered => f.write_str("a call was made while another was under way"),
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Access::Read => "read",
            Access::Write => "write",
            Access::Execute => "execution",
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Unmapped => f.write_str("nothing mapped there"),
            Target::Forbidden => f.write_str("not allowed there"),
            Target::Key(key) => write!(f, "shut by protection key {key}"),
            Target::NonCanonical => f.write_str("not an address"),
        }
    }
}

/// General registers at the fault, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the registers")]
pub struct Registers {
    pub rip: u64,
    pub rsp: u64,
    pub rbp: u64,
    pub rax: u64,
    pub rbx: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    pub r8: u64,
    pub r9: u64,
    pub r10: u64,
    pub r11: u64,
    pub r12: u64,
    pub r13: u64,
    pub r14: u64,
    pub r15: u64,
    pub eflags: u64,
}

/// A call that did not return.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct Fault {
    /// What happened.
    pub kind: FaultKind,
    /// Registers when it happened; `None` where no trap was involved (panic, refusal).
    pub registers: Option<Box<Registers>>,
    /// Where it happened and how it came there. `None` if the call never began, or
    /// [`crate::DomainConfig::stack_snapshot`] is 0.
    pub stack: Option<Box<Stack>>,
}

/// A fault without a scene: of a call that never began.
impl From<FaultKind> for Fault {
    fn from(kind: FaultKind) -> Fault {
        Fault { kind, registers: None, stack: None }
    }
}

/// Addresses below this count as null plus a field offset. Linux maps nothing below 64 KiB by default.
const NULL_ZONE: u64 = 0x1_0000;

impl Fault {
    /// Reads what the assembly, the handler or the upcall left in `context`.
    pub(crate) fn collect(
        context: &Context,
        guard: &std::ops::Range<u64>,
        note: &PanicNote,
        refusal: Option<String>,
        stack: Option<Box<Stack>>,
    ) -> Fault {
        use std::sync::atomic::Ordering::Relaxed;
        let left = context.left.load(Relaxed);
        // SAFETY: the call has ended, on this thread: nobody writes the record now.
        let record = unsafe { *context.trap.get() };
        let kind = match left {
            LEFT_TRAP => classify(&record, guard),
            LEFT_PANIC => {
                let (message, location) = note.read();
                FaultKind::Panic { message, location }
            }
            LEFT_HANG => FaultKind::Hang { deadline: context.deadline.load(Relaxed) },
            LEFT_HOST_PANIC => FaultKind::HostPanic { message: refusal.unwrap_or_default() },
            _ => FaultKind::Refused { reason: refusal.unwrap_or_default() },
        };
        let trapped = left == LEFT_TRAP || (left == LEFT_HANG && record.signal != 0);
        Fault { kind, registers: trapped.then(|| Box::new(record.registers())), stack }
    }
}

/// Page fault error code bits (Intel SDM vol. 3, 4.7).
const ERROR_PRESENT: u64 = 1;
const ERROR_WRITE: u64 = 1 << 1;
const ERROR_FETCH: u64 = 1 << 4;
/// si_code of SIGSEGV: a protection key said no.
const SEGV_PKUERR: i32 = 4;
/// si_code of a fault the kernel has no address for (general protection).
const SI_KERNEL: i32 = 0x80;

fn classify(record: &TrapRecord, guard: &std::ops::Range<u64>) -> FaultKind {
    let address = record.address;
    let access = if record.error & ERROR_FETCH != 0 {
        Access::Execute
    } else if record.error & ERROR_WRITE != 0 {
        Access::Write
    } else {
        Access::Read
    };
    match record.signal {
        // by address first: hits on the guard are reported as protection key violations
        libc::SIGSEGV if record.code != SI_KERNEL && guard.contains(&address) => FaultKind::StackOverflow { address },
        libc::SIGSEGV if record.code == SI_KERNEL => {
            FaultKind::WildAccess { address: 0, access, target: Target::NonCanonical }
        }
        libc::SIGSEGV if address < NULL_ZONE => FaultKind::NullAccess { address, access },
        libc::SIGSEGV if record.code == SEGV_PKUERR => {
            FaultKind::WildAccess { address, access, target: Target::Key(record.pkey) }
        }
        libc::SIGSEGV => {
            let present = record.error & ERROR_PRESENT != 0;
            let target = if present { Target::Forbidden } else { Target::Unmapped };
            FaultKind::WildAccess { address, access, target }
        }
        libc::SIGBUS => FaultKind::BusError { address },
        libc::SIGFPE => FaultKind::Arithmetic,
        libc::SIGILL => FaultKind::IllegalInstruction,
        _ => FaultKind::Breakpoint,
    }
}

impl TrapRecord {
    fn registers(&self) -> Registers {
        let r = |index: i32| self.registers[index as usize];
        Registers {
            rip: r(libc::REG_RIP),
            rsp: r(libc::REG_RSP),
            rbp: r(libc::REG_RBP),
            rax: r(libc::REG_RAX),
            rbx: r(libc::REG_RBX),
            rcx: r(libc::REG_RCX),
            rdx: r(libc::REG_RDX),
            rsi: r(libc::REG_RSI),
            rdi: r(libc::REG_RDI),
            r8: r(libc::REG_R8),
            r9: r(libc::REG_R9),
            r10: r(libc::REG_R10),
            r11: r(libc::REG_R11),
            r12: r(libc::REG_R12),
            r13: r(libc::REG_R13),
            r14: r(libc::REG_R14),
            r15: r(libc::REG_R15),
            eflags: r(libc::REG_EFL),
        }
    }
}
