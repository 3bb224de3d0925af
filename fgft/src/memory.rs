//! Memory with a shape: sealed memfds, mappings with guard pages.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::{self, NonNull};

/// Bytes of a page.
pub(crate) const PAGE: usize = 4096;

/// `n` rounded up to whole pages.
pub(crate) const fn pages(n: usize) -> usize {
    n.next_multiple_of(PAGE)
}

/// A memfd of `len` bytes whose size can never change again (so no mapping of it can raise SIGBUS).
pub(crate) fn sealed_memfd(name: &std::ffi::CStr, len: usize) -> io::Result<OwnedFd> {
    // SAFETY: a valid C string; the result is checked.
    let fd = unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a fresh descriptor that nobody else owns.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: plain system calls on our descriptor.
    let done = unsafe {
        libc::ftruncate(fd.as_raw_fd(), len as libc::off_t) == 0
            && libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, SEALS) == 0
    };
    if done { Ok(fd) } else { Err(io::Error::last_os_error()) }
}

const SEALS: i32 = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;

/// Size of a memfd, if it is sealed as [`sealed_memfd`] seals.
pub(crate) fn sealed_size(fd: &OwnedFd) -> io::Result<usize> {
    // SAFETY: plain system calls; `stat` is filled by the kernel before it is read.
    unsafe {
        if libc::fcntl(fd.as_raw_fd(), libc::F_GET_SEALS) & SEALS != SEALS {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the memfd is not sealed"));
        }
        let mut stat = std::mem::zeroed::<libc::stat>();
        if libc::fstat(fd.as_raw_fd(), &mut stat) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(stat.st_size as usize)
    }
}

/// A range of addresses that is ours; unmapped on drop. Nothing is accessible until a piece is opened.
#[derive(Debug)]
pub(crate) struct Reservation {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: an address range; who may touch its memory is decided by its users.
unsafe impl Send for Reservation {}

impl Reservation {
    /// Reserves `len` bytes (whole pages), all guard.
    pub(crate) fn new(len: usize) -> io::Result<Reservation> {
        // SAFETY: a fresh private mapping at an address of the kernel's choice.
        let base = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
            libc::mmap(ptr::null_mut(), len, libc::PROT_NONE, flags, -1, 0)
        };
        match NonNull::new(base.cast::<u8>()) {
            Some(base) if base.as_ptr() as isize != -1 => Ok(Reservation { base, len }),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Address of byte `offset`.
    pub(crate) fn at(&self, offset: usize) -> *mut u8 {
        assert!(offset <= self.len);
        // SAFETY: within the reservation, or one past its end.
        unsafe { self.base.as_ptr().add(offset) }
    }

    /// Makes `len` bytes at `offset` readable and writable: pages of `file` from `file_offset`, or fresh memory.
    pub(crate) fn open(&self, offset: usize, len: usize, file: Option<(&OwnedFd, usize)>) -> io::Result<*mut u8> {
        assert!(offset + len <= self.len && offset.is_multiple_of(PAGE) && len.is_multiple_of(PAGE));
        let (flags, fd, file_offset) = match file {
            Some((fd, at)) => (libc::MAP_SHARED, fd.as_raw_fd(), at as libc::off_t),
            None => (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0),
        };
        // SAFETY: replaces pages inside our own reservation only, which nobody refers to yet.
        let at = unsafe {
            let rights = libc::PROT_READ | libc::PROT_WRITE;
            libc::mmap(self.at(offset).cast(), len, rights, flags | libc::MAP_FIXED, fd, file_offset)
        };
        if at == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(at.cast()) }
    }
}

impl Reservation {
    /// Has `len` bytes that were opened at `offset` at hand. What a kernel before 5.14 does not know is done at the first use.
    pub(crate) fn touch(&self, offset: usize, len: usize) {
        assert!(offset + len <= self.len);
        // SAFETY: brings pages of our own mapping in, and leaves them as they are.
        unsafe { libc::madvise(self.at(offset).cast(), len, libc::MADV_POPULATE_WRITE) };
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: the range is ours, and users of its memory hold the reservation.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.len) };
    }
}
