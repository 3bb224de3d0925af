//! Panics inside a transaction: message and location survive, std's panic state is not touched.
//!
//! With the linker's `--wrap` (see `build.rs`) every panic comes here first. Outside a transaction it goes on to std.
//! Inside, the message is formatted on the driver's stack into a note in the domain's own memory, and the call is
//! left at once: no unwinding, no destructors, no counters. A `Display` that faults or panics meanwhile is
//! a fault or panic of the same call, and the note says what was written until then.
//!
//! Not linked with `--wrap`: with protection keys std's first write to its counter traps; without keys the
//! panic unwinds to the foot of the driver's stack and is turned into the same exit there. std's hook, which prints and
//! may walk the stack for longer than a call may take, is kept away from it.

use std::fmt::{self, Write};

#[cfg(fgft_wrap)]
use std::arch::global_asm;

/// Place in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Source file as the compiler was given it.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

const FILE_BYTES: usize = 256;
const MESSAGE_BYTES: usize = 1024;

/// Where the wrapper writes, in the domain's memory: an allegation until `read` has bounded it.
#[repr(C)]
pub(crate) struct PanicNote {
    /// 1 from the moment formatting starts: a second panic finds it set.
    started: u32,
    line: u32,
    column: u32,
    file_len: u32,
    message_len: u32,
    file: [u8; FILE_BYTES],
    message: [u8; MESSAGE_BYTES],
}

impl PanicNote {
    /// Makes the note fit for the next call.
    pub(crate) fn clear(&mut self) {
        self.started = 0;
        self.line = 0;
        self.file_len = 0;
        self.message_len = 0;
    }

    pub(crate) fn read(&self) -> (String, Option<Location>) {
        let text =
            |bytes: &[u8], len: u32| String::from_utf8_lossy(&bytes[..(len as usize).min(bytes.len())]).into_owned();
        let location = (self.line != 0).then(|| Location {
            file: text(&self.file, self.file_len),
            line: self.line,
            column: self.column,
        });
        (text(&self.message, self.message_len), location)
    }

    fn set_location(&mut self, file: &str, line: u32, column: u32) {
        let len = file.len().min(FILE_BYTES);
        self.file[..len].copy_from_slice(&file.as_bytes()[..len]);
        self.file_len = len as u32;
        self.line = line;
        self.column = column;
    }
}

impl Write for PanicNote {
    /// Never fails: what does not fit is cut.
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let at = (self.message_len as usize).min(MESSAGE_BYTES);
        let len = s.len().min(MESSAGE_BYTES - at);
        self.message[at..at + len].copy_from_slice(&s.as_bytes()[..len]);
        self.message_len = (at + len) as u32;
        Ok(())
    }
}

/// Whether this executable was linked with `--wrap`, so that panics keep their message.
#[must_use]
pub fn panics_are_wrapped() -> bool {
    #[cfg(fgft_wrap)]
    {
        let real: usize;
        // SAFETY: reads the linker's table entry of a weak symbol: 0 if there was no --wrap.
        unsafe {
            std::arch::asm!(
                concat!("mov {}, qword ptr [rip + __real_", env!("FGFT_WRAP"), "@GOTPCREL]"),
                out(reg) real,
                options(nostack, readonly, preserves_flags)
            );
        }
        real != 0
    }
    #[cfg(not(fgft_wrap))]
    false
}

#[cfg(fgft_wrap)]
global_asm!(
    concat!(".weak __real_", env!("FGFT_WRAP")),
    concat!(".globl __wrap_", env!("FGFT_WRAP")),
    concat!("__wrap_", env!("FGFT_WRAP"), ":"),
    ".cfi_startproc",
    "push rdi", // &PanicInfo; also aligns the stack for the call
    ".cfi_adjust_cfa_offset 8",
    "call {inside}",
    "pop rdi",
    ".cfi_adjust_cfa_offset -8",
    "test al, al",
    "jnz 2f",
    concat!("jmp qword ptr [rip + __real_", env!("FGFT_WRAP"), "@GOTPCREL]"),
    "2:",
    "jmp {leave}",
    ".cfi_endproc",
    inside = sym inside,
    leave = sym leave,
);

#[cfg(fgft_wrap)]
extern "C" fn inside() -> bool {
    crate::trap::inside_now()
}

/// Runs on the driver's stack, in the closed domain.
#[cfg(fgft_wrap)]
extern "C" fn leave(info: &core::panic::PanicInfo<'_>) -> ! {
    leave_with(|note| {
        if let Some(at) = info.location() {
            note.set_location(at.file(), at.line(), at.column());
        }
        // the writer never fails; a Display that says Err is cut short
        let _ = write!(note, "{}", info.message());
    })
}

fn leave_with(fill: impl FnOnce(&mut PanicNote)) -> ! {
    // SAFETY: inside a call (the callers checked); the only reference until the call has ended.
    let note = unsafe { current_note() };
    if note.started == 0 {
        note.started = 1;
        fill(note);
    }
    // SAFETY: inside a call.
    unsafe { crate::asm::fgft_leave_panic() }
}

/// For executables without `--wrap` and machines without keys: puts a hook before std's that only notes the place of a
/// panic inside. Left in the middle, std's own would leave its locks and counters behind.
pub(crate) fn quieten_hook() {
    let outside = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !crate::trap::inside_now() {
            return outside(info);
        }
        if let Some(at) = info.location() {
            // SAFETY: inside a call: its note is written by this thread only.
            unsafe { current_note() }.set_location(at.file(), at.line(), at.column());
        }
    }));
}

/// The note of the call under way.
///
/// # Safety
/// Inside a call, and no other reference to the note is in use.
unsafe fn current_note<'a>() -> &'a mut PanicNote {
    // SAFETY: the context exists while a call is under way, and its note is the domain's memory.
    unsafe {
        let context = crate::asm::fgft_current();
        &mut *((*context).panic_note.load(std::sync::atomic::Ordering::Relaxed) as *mut PanicNote)
    }
}

/// For executables without `--wrap` and machines without keys: ends the call with what `catch_unwind` caught.
pub(crate) fn leave_with_payload(payload: Box<dyn std::any::Any + Send>) -> ! {
    // moved in: dropped before the call is left
    leave_with(move |note| {
        let _ = note.write_str(payload_text(&*payload));
    })
}

/// The message of a caught panic.
pub(crate) fn payload_text(payload: &(dyn std::any::Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "(a payload that is not text)"
    }
}
