//! Protection keys: allocation, tagging memory, this thread's PKRU.
//!
//! PKRU holds two bits a key: access disable (no load, no store) and write disable. Key 0 tags all memory that
//! nobody tagged otherwise.

use std::arch::asm;
use std::io;
use std::sync::OnceLock;

/// A protection key, 1 to 15. Freed by `free`, not by drop: memory may still carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key(u32);

impl Key {
    /// A key for a domain. `Ok(None)`: this machine has no protection keys.
    pub(crate) fn allocate() -> io::Result<Key> {
        // SAFETY: no memory involved; flags and initial rights are 0 as the call demands.
        let key = unsafe { libc::syscall(libc::SYS_pkey_alloc, 0, 0) };
        if key < 0 { Err(io::Error::last_os_error()) } else { Ok(Key(key as u32)) }
    }

    /// Gives the key back. Memory that still carries it must be unmapped or owned by nobody.
    pub(crate) fn free(self) {
        // SAFETY: no memory involved.
        unsafe { libc::syscall(libc::SYS_pkey_free, self.0) };
    }

    /// The number, for `pkey_mprotect` and reports.
    pub(crate) fn number(self) -> u32 {
        self.0
    }

    /// Tags `len` bytes at `address`, readable and writable.
    pub(crate) fn tag(self, address: *mut u8, len: usize) -> io::Result<()> {
        // SAFETY: tagging changes who may access the pages, not their content; callers pass pages they own.
        let done =
            unsafe { libc::syscall(libc::SYS_pkey_mprotect, address, len, libc::PROT_READ | libc::PROT_WRITE, self.0) };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// PKRU for code inside a domain of this key: key 0 read-only, this key open, all others shut.
    pub(crate) fn closed_pkru(self) -> u32 {
        (0xffff_ffff << 2 | 0b10) & !(0b11 << (2 * self.0))
    }
}

static DEVICE_KEY: OnceLock<Option<Key>> = OnceLock::new();

/// The key of BARs, descriptor rings and other memory that only the framework may touch: neither loads nor stores
/// from inside any domain. One a process. `None` without protection keys.
pub(crate) fn device_key() -> Option<Key> {
    *DEVICE_KEY.get_or_init(|| if crate::runtime::keys_in_use() { Key::allocate().ok() } else { None })
}

/// Opens every key for this thread: a host thread that touches tagged memory needs it, and a new thread has what
/// its creator had.
pub(crate) fn open_all() {
    // SAFETY: only called where protection keys work (the caller checks); rights only grow.
    unsafe { asm!("wrpkru", in("eax") 0, in("ecx") 0, in("edx") 0, options(nostack)) };
}

/// PKRU of this thread. Only where protection keys work.
pub(crate) fn read_pkru() -> u32 {
    let value: u32;
    // SAFETY: a read of a register; only called where protection keys work.
    unsafe { asm!("rdpkru", in("ecx") 0, out("eax") value, out("edx") _, options(nostack, nomem)) };
    value
}

/// Byte offset of PKRU in the XSAVE area of a signal frame (standard format), CPUID 0xD leaf 9.
pub(crate) fn xsave_offset() -> u32 {
    std::arch::x86_64::__cpuid_count(0xd, 9).ebx
}

/// Runs `f` with PKRU set to `pkru`, then opens all keys. `f` must not touch memory that `pkru` shuts, other than
/// through `mmio.rs`.
pub(crate) unsafe fn with_pkru<R>(pkru: u32, f: impl FnOnce() -> R) -> R {
    // SAFETY: only called where protection keys work; what `f` touches is the caller's contract.
    unsafe { asm!("wrpkru", in("eax") pkru, in("ecx") 0, in("edx") 0, options(nostack)) };
    let result = f();
    open_all();
    result
}
