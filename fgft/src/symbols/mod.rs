//! From addresses to functions, files and lines: who called whom when a call faulted. Feature `symbols`.
//!
//! ```
//! use fgft::{Domain, DomainConfig, StateKind, symbols::Symbols};
//!
//! #[inline(never)]
//! fn culprit(n: &mut u64) -> u64 {
//!     *n = 1;
//!     let nowhere = std::hint::black_box(0x18 as *const u64);
//!     // SAFETY: none: nothing is mapped there.
//!     unsafe { nowhere.read_volatile() + 1 }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let mut domain = Domain::<u64>::new(&DomainConfig::new(StateKind { name: "doc", version: 1 }), 0, ())?;
//! // SAFETY: the closure owns nothing.
//! let fault = unsafe { domain.run(&mut (), culprit) }.unwrap_err();
//! domain.rollback();
//! let frames = Symbols::of_this_process()?.backtrace(&fault);
//! assert!(frames.iter().any(|f| f.function.as_deref().is_some_and(|name| name.ends_with("culprit"))));
//! # Ok(())
//! # }
//! ```
//!
//! All of this is off the fault path: it reads the executable's debug information, once, and allocates. The fault
//! itself has kept a copy of the driver's stack ([`crate::Stack`]); that is what is unwound, bounded, whatever the
//! driver has made of it.

mod names;
mod unwind;

use std::fmt;

use addr2line::Loader;

use crate::{Fault, FaultKind};
use names::{fuller, is_foot, is_machinery, is_of_std, own_part, readable};
use unwind::Unwinding;

pub use names::tail;

/// Frames that a backtrace has at most.
const MAX_FRAMES: usize = 64;

/// Why a process has no symbols.
#[derive(Debug, thiserror::Error)]
pub enum SymbolsError {
    /// The executable cannot be read, or is no executable that is understood.
    #[error("cannot read the symbols of this executable: {0}; reports will show addresses only")]
    Executable(String),
    /// The dynamic loader does not know where the executable is.
    #[error("cannot find where this executable is loaded; reports will show addresses only")]
    NotLoaded,
}

/// A function that was under way when a call faulted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The instruction that faulted, or the one to which a callee would have returned. Inlined functions share the
    /// address of the one they are inlined into.
    pub address: u64,
    /// Its name without hashes; `None` for shared libraries, executables without symbols and wild jumps.
    pub function: Option<String>,
    /// Source file as the compiler was given it.
    pub file: Option<String>,
    /// Line in it, from 1: of the fault, or of the call.
    pub line: Option<u32>,
    /// Whether the compiler has inlined it into the next frame.
    pub inlined: bool,
}

/// `function at file:line`, the file without what differs between machines.
impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.function {
            Some(function) => f.write_str(function)?,
            None => write!(f, "{:#x}", self.address)?,
        }
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, " at {}:{line}", tail(file)),
            _ => Ok(()),
        }
    }
}

/// The symboliser of this process. Make one when the first fault is looked at, and keep it.
pub struct Symbols {
    loader: Loader,
    unwinding: Unwinding,
}

impl Symbols {
    /// Reads this executable, and where it and its shared libraries are.
    ///
    /// # Errors
    /// [`SymbolsError`]. An executable without debug information is none: its frames have fewer names.
    pub fn of_this_process() -> Result<Symbols, SymbolsError> {
        // the file itself, even if another has its name by now
        let loader = Loader::new("/proc/self/exe").map_err(|e| SymbolsError::Executable(e.to_string()))?;
        let unwinding = Unwinding::of_this_process().ok_or(SymbolsError::NotLoaded)?;
        Ok(Symbols { loader, unwinding })
    }

    /// The functions under way when `fault` happened, innermost first, at most 64. The engine's own and those that
    /// make a panic of an error are left out: the first is the driver's, or a library's that the driver called.
    ///
    /// Where the driver has jumped to nowhere, the first frame is that address alone. The list ends early where the
    /// stack is smashed, or where [`crate::DomainConfig::stack_snapshot`] has cut it.
    #[must_use]
    pub fn backtrace(&self, fault: &Fault) -> Vec<Frame> {
        let addresses = match (&fault.stack, &fault.registers) {
            (Some(stack), _) => self.unwinding.addresses(stack, MAX_FRAMES),
            (None, Some(registers)) => vec![registers.rip],
            (None, None) => return Vec::new(),
        };
        let (mut frames, mut foot) = (Vec::new(), false);
        for (depth, address) in addresses.into_iter().enumerate() {
            // a return address may be the first of the next line, or of the next function
            let of_code = if depth == 0 { address } else { address.wrapping_sub(1) };
            for frame in self.frames_at(address, of_code) {
                foot |= frame.function.as_deref().is_some_and(is_foot);
                frames.push(frame);
            }
            if foot {
                break;
            }
        }
        let of_machinery = |frame: &&Frame| is_machinery(frame.function.as_deref(), frame.file.as_deref());
        let of_std = |frame: &&Frame| frame.file.as_deref().is_some_and(is_of_std);
        // what made a panic of the driver's mistake says nothing: `unwrap`, a slice's bounds check
        let panicked = matches!(fault.kind, FaultKind::Panic { .. });
        let lead = frames.iter().take_while(|f| panicked && (of_machinery(f) || of_std(f))).count();
        let drivers: Vec<Frame> = frames[lead..].iter().filter(|f| !of_machinery(f)).cloned().collect();
        let mut frames = if drivers.is_empty() { frames } else { drivers };
        frames.truncate(MAX_FRAMES);
        frames
    }

    /// `function at file:line` of the code at `rip`. Of the functions inlined there the innermost that is a
    /// driver's (a file under `drivers/`) is named: a fault injector is inlined into the driver, and the driver's line
    /// is what the reader wants. `None` where no debug information says.
    #[must_use]
    pub fn describe(&self, rip: u64) -> Option<String> {
        let frames = self.frames_at(rip, rip);
        let placed = || frames.iter().filter(|frame| frame.line.is_some());
        let of_driver = placed().find(|frame| frame.file.as_deref().is_some_and(|file| file.contains("drivers/")));
        let frame = of_driver.or_else(|| placed().next())?;
        let name = own_part(frame.function.as_deref().unwrap_or_default());
        Some(format!("{name} at {}:{}", tail(frame.file.as_deref()?), frame.line?))
    }

    /// The function that contains `of_code`, and before it those inlined there. All with `address`.
    fn frames_at(&self, address: u64, of_code: u64) -> Vec<Frame> {
        let bare = Frame { address, function: None, file: None, line: None, inlined: false };
        let Some(relative) = self.unwinding.in_executable(of_code) else { return vec![bare] };
        let mut found = Vec::new();
        if let Ok(mut frames) = self.loader.find_frames(relative) {
            while let Ok(Some(frame)) = frames.next() {
                let name = frame.function.and_then(|f| f.raw_name().ok().map(|name| readable(&name)));
                let (file, line) = frame.location.map_or((None, None), |l| (l.file.map(str::to_owned), l.line));
                found.push(Frame { function: name, file, line, inlined: true, ..bare.clone() });
            }
        }
        if found.is_empty() {
            found.push(bare);
        }
        if let Some(outermost) = found.last_mut() {
            outermost.inlined = false;
            let of_symbol_table = self.loader.find_symbol(relative).map(readable);
            outermost.function = fuller(outermost.function.take(), of_symbol_table);
        }
        found
    }
}

impl fmt::Debug for Symbols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Symbols").finish_non_exhaustive()
    }
}
