//! A report as a page of text.

use std::fmt;

use super::FaultReport;
use crate::write_log::Undone;

impl fmt::Display for FaultReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = if self.alternate { ", second version" } else { "" };
        writeln!(f, "fault {}: {} in {}{version}: {}", self.number, self.kind, self.entry, self.text)?;
        if let Some((fault, point)) = &self.injected {
            writeln!(f, "  injected   {fault} at the {point} of the entry point")?;
        }
        if let Some(what) = &self.lies_there {
            writeln!(f, "  there      {what}")?;
        }
        if let Some(source) = &self.source {
            writeln!(f, "  source     {source}")?;
        }
        self.backtrace(f)?;
        self.general_registers(f)?;
        self.register_writes(f)?;
        self.recovery(f)
    }
}

impl FaultReport {
    fn backtrace(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut label = "calls";
        for (number, frame) in self.backtrace.iter().enumerate() {
            writeln!(f, "  {label:<10} {number:>2} {frame}")?;
            label = "";
        }
        Ok(())
    }

    fn general_registers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut label = "cpu";
        for row in self.registers.chunks(4) {
            write!(f, "  {label:<10}")?;
            row.iter().try_for_each(|(name, value)| write!(f, " {name:>6} {value:016x}"))?;
            writeln!(f)?;
            label = "";
        }
        Ok(())
    }

    fn register_writes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut label = "wrote";
        if self.earlier_writes > 0 {
            writeln!(f, "  {label:<10} ({} register writes before these)", self.earlier_writes)?;
            label = "";
        }
        for write in &self.journal {
            let undone = match write.undone {
                Undone::WrittenBack(old) => format!("written back to {old:#x}"),
                Undone::NeverHappened => "held back: never reached the device".to_owned(),
                Undone::PresentedAgain => "acknowledged causes: presented again".to_owned(),
                Undone::NeedsRestore => "acted at once: restored by the driver".to_owned(),
            };
            writeln!(f, "  {label:<10} {} = {:#x}, {undone}", write.register, write.value)?;
            label = "";
        }
        Ok(())
    }

    fn recovery(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let us = |ns: u64| format!("{:.1} us", ns as f64 / 1e3);
        if let Some(back) = self.generations_back {
            writeln!(f, "  late       the state was spoilt before this call; taken from {back} generations back")?;
        }
        let end = if self.recovered { "" } else { ", in vain" };
        write!(
            f,
            "  rung       {}{end}, error after {}: memory {}",
            self.rung.name(),
            us(self.to_error),
            us(self.steps.memory)
        )?;
        write!(f, ", registers {}", us(self.steps.registers))?;
        for (name, ns) in [("restore", self.steps.restore), ("restart", self.steps.restart)] {
            if ns != 0 {
                write!(f, ", {name} {}", us(ns))?;
            }
        }
        writeln!(f)?;
        let next = self.to_next_frame.map_or("none yet".to_owned(), us);
        writeln!(
            f,
            "  cost       {} frames; {} register reads, {} writes; next frame after {next}",
            self.frames_lost, self.reads, self.writes
        )?;
        if self.quarantined {
            writeln!(f, "  quarantine {} is put aside: the same fault at the same place, repeatedly", self.entry)?;
        }
        Ok(())
    }
}
