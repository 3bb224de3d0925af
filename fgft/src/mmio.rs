//! Loads, stores and copies whose target may not be there.
//!
//! A mapped BAR raises SIGBUS when memory decode is off or the device has left; a pointer that a driver passes
//! may point anywhere. Each access here is one instruction at a known address: the trap handler (see `trap.rs`)
//! sends a fault at such an instruction to a landing pad that returns an error. Not for code inside a
//! transaction: there a fault is the transaction's.

use std::arch::global_asm;

// Leaf functions: at the faulting instruction rsp points at the return address, so the landing pad can return.
// Result in rax (value) and rdx (0 = done, 1 = faulted), which is what `Outcome` is in the C ABI.
global_asm!(
    ".globl fgft_mmio_begin",
    ".hidden fgft_mmio_begin",
    "fgft_mmio_begin:",
    ".globl fgft_mmio_read8",
    ".hidden fgft_mmio_read8",
    "fgft_mmio_read8:",
    "movzx eax, byte ptr [rdi]",
    "xor edx, edx",
    "ret",
    ".globl fgft_mmio_read16",
    ".hidden fgft_mmio_read16",
    "fgft_mmio_read16:",
    "movzx eax, word ptr [rdi]",
    "xor edx, edx",
    "ret",
    ".globl fgft_mmio_read32",
    ".hidden fgft_mmio_read32",
    "fgft_mmio_read32:",
    "mov eax, dword ptr [rdi]",
    "xor edx, edx",
    "ret",
    ".globl fgft_mmio_write8",
    ".hidden fgft_mmio_write8",
    "fgft_mmio_write8:",
    "mov byte ptr [rdi], sil",
    "xor edx, edx",
    "ret",
    ".globl fgft_mmio_write16",
    ".hidden fgft_mmio_write16",
    "fgft_mmio_write16:",
    "mov word ptr [rdi], si",
    "xor edx, edx",
    "ret",
    ".globl fgft_mmio_write32",
    ".hidden fgft_mmio_write32",
    "fgft_mmio_write32:",
    "mov dword ptr [rdi], esi",
    "xor edx, edx",
    "ret",
    // rdi = to, rsi = from, rdx = bytes
    ".globl fgft_mmio_copy",
    ".hidden fgft_mmio_copy",
    "fgft_mmio_copy:",
    "mov rcx, rdx",
    "rep movsb",
    "xor edx, edx",
    "ret",
    ".globl fgft_mmio_end",
    ".hidden fgft_mmio_end",
    "fgft_mmio_end:",
    ".globl fgft_mmio_faulted",
    ".hidden fgft_mmio_faulted",
    "fgft_mmio_faulted:",
    "mov edx, 1",
    "ret",
);

#[repr(C)]
struct Outcome {
    value: u64,
    faulted: u64,
}

unsafe extern "C" {
    static fgft_mmio_begin: u8;
    static fgft_mmio_end: u8;
    static fgft_mmio_faulted: u8;
    fn fgft_mmio_read8(address: *const u8) -> Outcome;
    fn fgft_mmio_read16(address: *const u16) -> Outcome;
    fn fgft_mmio_read32(address: *const u32) -> Outcome;
    fn fgft_mmio_write8(address: *mut u8, value: u32) -> Outcome;
    fn fgft_mmio_write16(address: *mut u16, value: u32) -> Outcome;
    fn fgft_mmio_write32(address: *mut u32, value: u32) -> Outcome;
    fn fgft_mmio_copy(to: *mut u8, from: *const u8, bytes: usize) -> Outcome;
}

/// The access hit memory that is not there (SIGBUS or SIGSEGV).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("access to memory that is not there, at {address:#x}")]
pub struct MmioFault {
    /// Address of the access in this process.
    pub address: u64,
}

/// The landing pad for a fault at `rip`, if `rip` is one of the instructions above.
pub(crate) fn landing_pad(rip: u64) -> Option<u64> {
    let begin = &raw const fgft_mmio_begin as u64;
    let end = &raw const fgft_mmio_end as u64;
    (begin..end).contains(&rip).then_some(&raw const fgft_mmio_faulted as u64)
}

impl Outcome {
    fn check(self, address: u64) -> Result<u64, MmioFault> {
        if self.faulted == 0 { Ok(self.value) } else { Err(MmioFault { address }) }
    }
}

macro_rules! access {
    ($read:ident, $asm_read:ident, $write:ident, $asm_write:ident, $int:ty) => {
        /// One load of this width.
        ///
        /// # Safety
        /// [`crate::init`] has run. `address` is aligned, and is device memory or memory that may be read
        /// with no regard to other threads; it may be unmapped.
        #[inline]
        pub unsafe fn $read(address: *const $int) -> Result<$int, MmioFault> {
            // SAFETY: one load; a fault returns through the landing pad; the rest is the caller's contract.
            unsafe { $asm_read(address) }.check(address as u64).map(|v| v as $int)
        }

        /// One store of this width.
        ///
        /// # Safety
        /// [`crate::init`] has run. `address` is aligned, and is device memory or memory that belongs to the
        /// caller; it may be unmapped.
        #[inline]
        pub unsafe fn $write(address: *mut $int, value: $int) -> Result<(), MmioFault> {
            // SAFETY: one store; a fault returns through the landing pad; the rest is the caller's contract.
            unsafe { $asm_write(address, u32::from(value)) }.check(address as u64).map(|_| ())
        }
    };
}

access!(read_u8, fgft_mmio_read8, write_u8, fgft_mmio_write8, u8);
access!(read_u16, fgft_mmio_read16, write_u16, fgft_mmio_write16, u16);
access!(read_u32, fgft_mmio_read32, write_u32, fgft_mmio_write32, u32);

/// Copies from an address that is an allegation. On error the first bytes of `to` may have been overwritten.
///
/// # Safety
/// [`crate::init`] has run. Whatever `from` points at, if mapped, is not being written by another thread in a way
/// that matters to the caller: the bytes are taken as they come.
pub unsafe fn copy_from(to: &mut [u8], from: *const u8) -> Result<(), MmioFault> {
    // SAFETY: `to` is a live slice; a fault on `from` returns through the landing pad.
    unsafe { fgft_mmio_copy(to.as_mut_ptr(), from, to.len()) }.check(from as u64).map(|_| ())
}
