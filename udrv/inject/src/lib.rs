//! Fault injection: real faulting instructions, compiled into the caller.
//!
//! A driver names places (`cx.point(Point::Middle)`); when the framework has armed one of them, the code here runs
//! there, inlined, on the driver's stack and with its rights. Nothing is simulated: the processor faults, the loop
//! loops, the panic panics.
#![no_std]
// A fault injector exists to do what safe code cannot.
#![allow(unsafe_code)]

use core::arch::asm;
use core::fmt;
use core::str::FromStr;

/// Where in an entry point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Point {
    /// Before it has done anything.
    Start,
    /// After a change of state and a register write.
    Middle,
    /// When all is done but the return.
    End,
}

/// The faults that can be injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum InjectedFault {
    /// A store to address 0.
    NullWrite,
    /// A store to an address that is not the driver's.
    WildWrite,
    /// An integer division by zero.
    DivideByZero,
    /// Recursion without end.
    StackOverflow,
    /// A loop without end.
    EndlessLoop,
    /// A panic.
    Panic,
}

/// A fault at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Injection {
    /// What.
    pub fault: InjectedFault,
    /// Where.
    pub point: Point,
}

impl InjectedFault {
    /// All of them.
    pub const ALL: [InjectedFault; 6] = [
        InjectedFault::NullWrite,
        InjectedFault::WildWrite,
        InjectedFault::DivideByZero,
        InjectedFault::StackOverflow,
        InjectedFault::EndlessLoop,
        InjectedFault::Panic,
    ];

    /// `null-write`, ...
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            InjectedFault::NullWrite => "null-write",
            InjectedFault::WildWrite => "wild-write",
            InjectedFault::DivideByZero => "divide-by-zero",
            InjectedFault::StackOverflow => "stack-overflow",
            InjectedFault::EndlessLoop => "endless-loop",
            InjectedFault::Panic => "panic",
        }
    }
}

impl Point {
    /// All of them.
    pub const ALL: [Point; 3] = [Point::Start, Point::Middle, Point::End];

    /// `start`, `middle` or `end`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Point::Start => "start",
            Point::Middle => "middle",
            Point::End => "end",
        }
    }
}

/// A name that is not known. Its text lists those that are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownName(&'static str);

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl core::error::Error for UnknownName {}

impl FromStr for InjectedFault {
    type Err = UnknownName;
    fn from_str(name: &str) -> Result<InjectedFault, UnknownName> {
        InjectedFault::ALL.into_iter().find(|f| f.name() == name).ok_or(UnknownName(
            "no such fault; there are null-write wild-write divide-by-zero stack-overflow endless-loop panic",
        ))
    }
}

impl FromStr for Point {
    type Err = UnknownName;
    fn from_str(name: &str) -> Result<Point, UnknownName> {
        Point::ALL
            .into_iter()
            .find(|p| p.name() == name)
            .ok_or(UnknownName("no such point; there are start middle end"))
    }
}

impl fmt::Display for InjectedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Does it, here. `target` is where a wild write goes. Returns only if nothing stopped it.
#[inline(always)]
#[track_caller]
pub fn fire(fault: InjectedFault, target: u64) {
    // SAFETY: none is claimed: these are faults, run where they are contained or where the process is meant to
    // die of them. Assembly, so that the compiler neither removes them nor draws conclusions.
    unsafe {
        match fault {
            InjectedFault::NullWrite => asm!("mov dword ptr [{}], 0x6e756c6c", in(reg) 0_u64),
            InjectedFault::WildWrite => asm!("mov qword ptr [{}], 0x77696c64", in(reg) target),
            InjectedFault::DivideByZero => {
                asm!("div {0:e}", in(reg) 0_u32, inout("eax") 1_u32 => _, inout("edx") 0_u32 => _);
            }
            // pushes without end: what recursion does to a stack, at this very place
            InjectedFault::StackOverflow => asm!("2: push rax", "jmp 2b", options(noreturn)),
            InjectedFault::EndlessLoop => asm!("2: pause", "jmp 2b", options(noreturn)),
            InjectedFault::Panic => panic!("injected: {fault}"),
        }
    }
}
