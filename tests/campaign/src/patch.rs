//! Changes machine code of this process, and puts it back.
#![allow(unsafe_code)]

use std::io;
use std::sync::atomic::{AtomicPtr, AtomicU8, Ordering};

use libc::{PROT_EXEC, PROT_READ, PROT_WRITE, c_void};

/// Longest instruction.
const LONGEST: usize = 15;
const PAGE: u64 = 4096;

/// Bytes that are changed. There is one in a process: whoever runs into it is on any stack.
static AT: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());
static BEFORE: [AtomicU8; LONGEST] = [const { AtomicU8::new(0) }; LONGEST];
static LENGTH: AtomicU8 = AtomicU8::new(0);

/// Puts `after` where `before` stands.
///
/// # Errors
/// Something else stands there, or the kernel refuses.
pub(crate) fn put(address: u64, before: &[u8], after: &[u8]) -> io::Result<()> {
    assert!(before.len() == after.len() && before.len() <= LONGEST);
    let at = address as *mut u8;
    // SAFETY: the caller has the address from this program's own symbol table: text that is mapped for as long as it runs.
    let stands = unsafe { std::slice::from_raw_parts(at, before.len()) };
    if stands != before {
        return Err(io::Error::other(format!("{stands:02x?} stands at {address:#x}, and not {before:02x?}")));
    }
    // writable for good: putting it back asks the kernel for nothing
    let (first, last) = (address & !(PAGE - 1), (address + before.len() as u64 - 1) & !(PAGE - 1));
    let length = (last - first + PAGE) as usize;
    // SAFETY: whole pages of this program's text, which stay readable and executable.
    let done = unsafe { libc::mprotect(first as *mut c_void, length, PROT_READ | PROT_WRITE | PROT_EXEC) };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    BEFORE.iter().zip(before).for_each(|(place, byte)| place.store(*byte, Ordering::Relaxed));
    LENGTH.store(before.len() as u8, Ordering::Relaxed);
    AT.store(at, Ordering::Release);
    // SAFETY: the bytes looked at above, in pages that can be written now. This is the process's only thread that runs driver
    // code, and it is here. x86 sees its own changes to code after a jump, and this returns.
    unsafe { std::ptr::copy_nonoverlapping(after.as_ptr(), at, after.len()) };
    Ok(())
}

/// Puts back what stood there. Nothing if it was done already, or nothing was changed.
pub(crate) fn remove() {
    let at = AT.swap(std::ptr::null_mut(), Ordering::Acquire);
    if at.is_null() {
        return;
    }
    let mut before = [0; LONGEST];
    before.iter_mut().zip(&BEFORE).for_each(|(byte, place)| *byte = place.load(Ordering::Relaxed));
    let length = usize::from(LENGTH.load(Ordering::Relaxed));
    // SAFETY: `put` has stored the address, and left its pages writable.
    unsafe { std::ptr::copy_nonoverlapping(before.as_ptr(), at, length) };
}
