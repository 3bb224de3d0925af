//! Tagging a mapping with a protection key, which `memmap2` and `nix` do not know.
//!
//! Which key, and who may open it, is `fgft`'s business; this only asks the kernel.
// A raw system call on an address range needs unsafe.
#![allow(unsafe_code)]

use std::io;

use memmap2::MmapRaw;

/// Gives all of a readable and writable mapping the key `key`. A thread that has the key shut faults on it from then
/// on, and system calls of that thread fail on it with EFAULT.
pub(crate) fn tag(map: &MmapRaw, key: u32) -> io::Result<()> {
    let protection = libc::c_long::from(libc::PROT_READ | libc::PROT_WRITE);
    // SAFETY: the range is exactly one mapping that `map` owns, and the protection is the one it has: only its key
    // changes.
    let done = unsafe {
        libc::syscall(libc::SYS_pkey_mprotect, map.as_mut_ptr(), map.len(), protection, libc::c_long::from(key))
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
