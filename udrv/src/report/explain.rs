//! What a report can tell when there is time to look it up.

use fgft::symbols::{Frame, Symbols};
use fgft::{FaultKind, Registers};

use super::FaultReport;

impl FaultReport {
    /// Looks up functions, lines and what lies at the address of the fault. Reads debug information: off the fault
    /// path, in the process that faulted, while what was mapped then is mapped still.
    pub fn explain(&mut self, symbols: Option<&Symbols>) {
        let Some(fault) = self.raw.take() else { return };
        if let FaultKind::NullAccess { address, .. }
        | FaultKind::WildAccess { address, .. }
        | FaultKind::StackOverflow { address }
        | FaultKind::BusError { address } = fault.kind
        {
            // 0 is what is known of an address that is none
            self.lies_there = (address != 0).then(|| fgft::regions::what_is_at(address));
        }
        self.registers = fault.registers.as_deref().map_or_else(Vec::new, named);
        let Some(symbols) = symbols else { return };
        self.backtrace = symbols.backtrace(&fault).iter().filter(|frame| !is_framework(frame)).map(line).collect();
        if self.source.is_none() {
            self.source = self.rip.and_then(|rip| symbols.describe(rip));
        }
    }
}

/// Whether it only calls the driver: it is below the driver in every call.
fn is_framework(frame: &Frame) -> bool {
    frame.file.as_deref().is_some_and(|file| file.contains("udrv/src/"))
}

fn line(frame: &Frame) -> String {
    format!("{frame}{}", if frame.inlined { " (inlined)" } else { "" })
}

fn named(r: &Registers) -> Vec<(String, u64)> {
    let all = [
        ("rip", r.rip),
        ("rsp", r.rsp),
        ("rbp", r.rbp),
        ("eflags", r.eflags),
        ("rax", r.rax),
        ("rbx", r.rbx),
        ("rcx", r.rcx),
        ("rdx", r.rdx),
        ("rsi", r.rsi),
        ("rdi", r.rdi),
        ("r8", r.r8),
        ("r9", r.r9),
        ("r10", r.r10),
        ("r11", r.r11),
        ("r12", r.r12),
        ("r13", r.r13),
        ("r14", r.r14),
        ("r15", r.r15),
    ];
    all.map(|(name, value)| (name.to_owned(), value)).into()
}
