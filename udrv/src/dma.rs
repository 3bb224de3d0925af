//! Memory that a device reads and writes: a sealed memfd, mapped shared.
//!
//! A memfd because only that survives a process: whoever keeps the descriptor maps the same pages again while the
//! device goes on writing to them. Sealed against growing and shrinking, so that nobody who gets the descriptor can
//! turn our accesses into SIGBUS; its pages are allocated at once, for the same reason.
//!
//! **How it is accessed.** The device writes whenever it likes, so there must be no Rust reference to this memory,
//! and plain copies would be data races. Each access is a run of volatile loads or stores, each as wide as alignment
//! and length allow, up to 8 bytes: volatile, so that none is left out, repeated or merged; wide, so that an aligned
//! descriptor word of 2, 4 or 8 bytes is read and written in one piece and never torn against the device. An acquire
//! fence follows a read and a release fence goes before a write: what is copied after an ownership bit was seen is
//! not older than that bit. On x86-64 fences of this kind cost nothing. Byte-wise atomics would be torn; `memcpy`
//! promises no width.
//!
//! Not here: bus addresses ([`crate::iova`]), mapping for the device (`PciFunction::map_dma`).
// mmap'ed memory that hardware changes, and system calls on raw addresses inside it, cannot be expressed in safe Rust.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU8, Ordering, fence};

use memmap2::{Advice, MmapOptions, MmapRaw};
use nix::fcntl::{FallocateFlags, FcntlArg, SealFlag, fallocate, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::fstat;
use udrv_bus::{BusError, DmaMemory};

/// Granularity of regions in bytes.
pub const DMA_PAGE: u64 = 4096;

/// The largest region in bytes, 1 GiB: rings and buffers of these devices are a few MiB, and a wrong size must be an
/// error and not what wakes the kernel's out-of-memory killer, since all of it is allocated at once.
pub const DMA_MAX: u64 = 1 << 30;

/// Pieces of a region that make one packet, at most.
pub const MAX_PIECES: usize = 64;

/// Shown in /proc/PID/maps.
const NAME: &CStr = c"udrv-dma";

/// The size is final, and so is this set of seals.
const SEALS: SealFlag = SealFlag::F_SEAL_GROW.union(SealFlag::F_SEAL_SHRINK).union(SealFlag::F_SEAL_SEAL);

/// Why a region could not be made, or an access to it was refused.
#[derive(Debug, thiserror::Error)]
pub enum DmaError {
    /// A region of no bytes, or of more than [`DMA_MAX`].
    #[error("a DMA region of {0} bytes cannot be made: 1 byte to 1 GiB can")]
    BadSize(u64),
    /// A descriptor that is no sealed memfd of whole pages.
    #[error("this descriptor is not a DMA region: {0}")]
    NotARegion(&'static str),
    /// An access that does not fit.
    #[error("{len:#x} bytes at {offset:#x} do not fit into a DMA region of {size:#x} bytes")]
    OutOfRange {
        /// Offset in bytes.
        offset: u64,
        /// Bytes.
        len: u64,
        /// Bytes of the region.
        size: u64,
    },
    /// A packet had more bytes than there was room for; it is lost.
    #[error("a packet longer than {room} bytes was cut off and dropped")]
    Cut {
        /// Room in bytes.
        room: usize,
    },
    /// The kernel refused.
    #[error("{operation}: {source}")]
    Io {
        /// The system call.
        operation: &'static str,
        /// errno.
        #[source]
        source: io::Error,
    },
}

impl DmaError {
    /// For `map_err` on a system call.
    fn io<E: Into<io::Error>>(operation: &'static str) -> impl FnOnce(E) -> DmaError {
        move |source| DmaError::Io { operation, source: source.into() }
    }

    /// The errno, if a system call failed.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match self {
            DmaError::Io { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }
}

/// A piece of memory for DMA. Unmapped and closed when dropped; a device that still reaches it keeps its pages pinned.
pub struct DmaRegion {
    map: MmapRaw,
    fd: OwnedFd,
}

impl DmaRegion {
    /// Makes a region of `size` bytes, rounded up to whole pages, zeroed and allocated. With `pkey` it carries that
    /// protection key: a thread reaches it only while its PKRU allows the key, system calls included.
    ///
    /// # Errors
    /// [`DmaError::BadSize`] for nothing or too much, [`DmaError::Io`] when memory or the key is not to be had.
    pub fn new(size: u64, pkey: Option<u32>) -> Result<Self, DmaError> {
        if size == 0 || size > DMA_MAX {
            return Err(DmaError::BadSize(size));
        }
        let len = size.next_multiple_of(DMA_PAGE).cast_signed();
        let fd = create_memfd()?;
        // Allocated now: a lack of memory is an error here, and not SIGBUS at some later access.
        fallocate(&fd, FallocateFlags::empty(), 0, len).map_err(DmaError::io("fallocate of a DMA region"))?;
        fcntl(&fd, FcntlArg::F_ADD_SEALS(SEALS)).map_err(DmaError::io("sealing a DMA region"))?;
        Self::from_fd(fd, pkey)
    }

    /// Maps a region that another process made, from its descriptor.
    ///
    /// # Errors
    /// [`DmaError::NotARegion`] when it could still change its size, or is not whole pages; [`DmaError::Io`].
    pub fn from_fd(fd: OwnedFd, pkey: Option<u32>) -> Result<Self, DmaError> {
        let seals = fcntl(&fd, FcntlArg::F_GET_SEALS).map_err(|_| DmaError::NotARegion("it is no memfd"))?;
        if !SealFlag::from_bits_truncate(seals).contains(SEALS) {
            return Err(DmaError::NotARegion("its size is not sealed"));
        }
        let stat = fstat(&fd).map_err(DmaError::io("fstat of a DMA region"))?;
        let len = usize::try_from(stat.st_size).unwrap_or(0);
        if len == 0 || !(len as u64).is_multiple_of(DMA_PAGE) {
            return Err(DmaError::NotARegion("its size is not whole pages"));
        }
        let map = MmapOptions::new().len(len).map_raw(fd.as_raw_fd()).map_err(DmaError::io("mmap of a DMA region"))?;
        if let Some(pkey) = pkey {
            crate::pkey::tag(&map, pkey).map_err(DmaError::io("pkey_mprotect of a DMA region"))?;
        }
        Ok(DmaRegion { map, fd })
    }

    /// Bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.map.len() as u64
    }

    /// Has its pages at hand, as they are. What a kernel before 5.14 does not know is done at the first use of each.
    pub fn touch(&self) {
        let _ = self.map.advise(Advice::PopulateWrite);
    }

    /// Address of the mapping in this process. For VFIO, which pins what is there; not for dereferencing.
    #[must_use]
    pub fn host_address(&self) -> u64 {
        self.map.as_ptr() as u64
    }

    /// `write(2)` of `len` bytes at `offset` straight out of the region, for example a frame to a TAP. The count that
    /// the kernel took is returned; on packet descriptors that is all or an error.
    ///
    /// # Errors
    /// [`DmaError::OutOfRange`]; [`DmaError::Io`] with errno (`EAGAIN` included).
    pub fn write_to_fd(&self, fd: BorrowedFd<'_>, offset: u64, len: usize) -> Result<usize, DmaError> {
        let from = self.span(offset, len)?;
        // SAFETY: `from` and `len` lie in the mapping (span). The kernel reads; that a device writes meanwhile is no
        // matter to it.
        let done = unsafe { libc::write(fd.as_raw_fd(), from.cast_const().cast(), len) };
        counted(done, "write from a DMA region")
    }

    /// `read(2)` of up to `max_len` bytes straight into the region at `offset`. Returns how many came; 0 is the end of
    /// the file.
    ///
    /// # Errors
    /// [`DmaError::OutOfRange`]; [`DmaError::Io`] with errno (`EAGAIN` included).
    pub fn read_from_fd(&self, fd: BorrowedFd<'_>, offset: u64, max_len: usize) -> Result<usize, DmaError> {
        let to = self.span(offset, max_len)?;
        // SAFETY: `to` and `max_len` lie in the mapping (span), which is writable and of which no Rust reference
        // exists.
        let done = unsafe { libc::read(fd.as_raw_fd(), to.cast(), max_len) };
        counted(done, "read into a DMA region")
    }

    /// As [`DmaRegion::read_from_fd`] for a descriptor that gives packets: one that does not fit is an error instead
    /// of a silently shortened packet.
    ///
    /// # Errors
    /// [`DmaError::Cut`] when the packet was longer than `max_len`; otherwise as there.
    pub fn read_packet(&self, fd: BorrowedFd<'_>, offset: u64, max_len: usize) -> Result<usize, DmaError> {
        let to = self.span(offset, max_len)?;
        let mut spill = 0u8; // one byte of room behind: the kernel fills it only if the packet is too long
        let parts = [
            libc::iovec { iov_base: to.cast(), iov_len: max_len },
            libc::iovec { iov_base: std::ptr::from_mut(&mut spill).cast(), iov_len: 1 },
        ];
        // SAFETY: two valid iovecs: the first lies in the mapping as in read_from_fd, the second is a live local byte.
        let done = unsafe { libc::readv(fd.as_raw_fd(), parts.as_ptr(), parts.len() as libc::c_int) };
        let len = counted(done, "read of a packet into a DMA region")?;
        if len > max_len { Err(DmaError::Cut { room: max_len }) } else { Ok(len) }
    }

    /// As [`DmaRegion::read_packet`] where a header comes before each packet: the header goes to `header`, and the
    /// bytes behind it are counted.
    ///
    /// # Errors
    /// As there; a packet without a whole header is [`DmaError::Io`].
    pub fn read_packet_behind(
        &self,
        fd: BorrowedFd<'_>,
        header: &[AtomicU8],
        offset: u64,
        max_len: usize,
    ) -> Result<usize, DmaError> {
        let to = self.span(offset, max_len)?;
        let mut spill = 0u8;
        let parts = [
            libc::iovec { iov_base: header.as_ptr().cast_mut().cast(), iov_len: header.len() },
            libc::iovec { iov_base: to.cast(), iov_len: max_len },
            libc::iovec { iov_base: std::ptr::from_mut(&mut spill).cast(), iov_len: 1 },
        ];
        // SAFETY: three valid iovecs: a live slice of atomics, which may be written through a shared reference, a place in
        // the mapping as in read_from_fd, a live byte.
        let done = unsafe { libc::readv(fd.as_raw_fd(), parts.as_ptr(), parts.len() as libc::c_int) };
        let len = counted(done, "read of a packet into a DMA region")?;
        if len == 0 {
            return Ok(0);
        }
        let operation = "read of a packet behind its header";
        let short = || DmaError::Io { operation, source: std::io::ErrorKind::UnexpectedEof.into() };
        let len = len.checked_sub(header.len()).filter(|len| *len != 0).ok_or_else(short)?;
        if len > max_len { Err(DmaError::Cut { room: max_len }) } else { Ok(len) }
    }

    /// As [`DmaRegion::write_to_fd`] with a header before the bytes; those behind it are counted.
    ///
    /// # Errors
    /// As there.
    pub fn write_behind(&self, fd: BorrowedFd<'_>, header: &[u8], offset: u64, len: usize) -> Result<usize, DmaError> {
        let from = self.span(offset, len)?;
        let parts = [
            libc::iovec { iov_base: header.as_ptr().cast_mut().cast(), iov_len: header.len() },
            libc::iovec { iov_base: from.cast(), iov_len: len },
        ];
        // SAFETY: two valid iovecs, from which the kernel only reads: a live slice and a place in the mapping (span).
        let done = unsafe { libc::writev(fd.as_raw_fd(), parts.as_ptr(), parts.len() as libc::c_int) };
        Ok(counted(done, "write from a DMA region")?.saturating_sub(header.len()))
    }

    /// One packet of `header`, `start` and then `pieces` of the region, each an offset and bytes. Counts all of them.
    ///
    /// # Errors
    /// As for [`DmaRegion::write_to_fd`]; more than [`MAX_PIECES`] pieces are out of range as well.
    pub fn write_gathered(
        &self,
        fd: BorrowedFd<'_>,
        header: &[u8],
        start: &[u8],
        pieces: &[(u64, usize)],
    ) -> Result<usize, DmaError> {
        const NONE: libc::iovec = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
        if let Some((offset, len)) = pieces.get(MAX_PIECES) {
            return Err(DmaError::OutOfRange { offset: *offset, len: *len as u64, size: self.size() });
        }
        let mut parts = [NONE; 2 + MAX_PIECES];
        for (part, bytes) in parts.iter_mut().zip([header, start]) {
            *part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        }
        for (part, (offset, len)) in parts[2..].iter_mut().zip(pieces) {
            *part = libc::iovec { iov_base: self.span(*offset, *len)?.cast(), iov_len: *len };
        }
        let count = (2 + pieces.len()) as libc::c_int;
        // SAFETY: `count` valid iovecs, from which the kernel only reads: two live slices and places in the mapping (span).
        let done = unsafe { libc::writev(fd.as_raw_fd(), parts.as_ptr(), count) };
        counted(done, "write from a DMA region")
    }

    /// Copies `to.len()` bytes at `offset` out.
    ///
    /// # Errors
    /// [`DmaError::OutOfRange`]; nothing is copied then.
    pub fn copy_out(&self, offset: u64, to: &mut [u8]) -> Result<(), DmaError> {
        let mut from = self.span(offset, to.len())?.cast_const();
        let mut rest = to;
        while !rest.is_empty() {
            let width = widest(from as usize, rest.len());
            // all words at once: a decision for each would cost more than the copy
            let bytes = if width == WORD { rest.len() / WORD * WORD } else { width };
            let (now, later) = rest.split_at_mut(bytes);
            for part in now.chunks_exact_mut(width) {
                // SAFETY: `from` is in the mapping with at least `width` bytes left (span; both ends advance together)
                // and aligned to `width`: words follow one another from an aligned one. Volatile, because the device
                // writes there. `part` has `width` bytes.
                unsafe {
                    match width {
                        WORD => part.copy_from_slice(&from.cast::<u64>().read_volatile().to_ne_bytes()),
                        4 => part.copy_from_slice(&from.cast::<u32>().read_volatile().to_ne_bytes()),
                        2 => part.copy_from_slice(&from.cast::<u16>().read_volatile().to_ne_bytes()),
                        _ => part[0] = from.read_volatile(),
                    }
                    from = from.add(width);
                }
            }
            rest = later;
        }
        fence(Ordering::Acquire);
        Ok(())
    }

    /// Copies `from` in at `offset`.
    ///
    /// # Errors
    /// [`DmaError::OutOfRange`]; nothing is copied then.
    pub fn copy_in(&self, offset: u64, from: &[u8]) -> Result<(), DmaError> {
        let mut to = self.span(offset, from.len())?;
        fence(Ordering::Release);
        let mut rest = from;
        while !rest.is_empty() {
            let width = widest(to as usize, rest.len());
            let bytes = if width == WORD { rest.len() / WORD * WORD } else { width };
            let (now, later) = rest.split_at(bytes);
            for part in now.chunks_exact(width) {
                // SAFETY: `to` is in the mapping with at least `width` bytes left (span; both ends advance together) and
                // aligned to `width`, as above; volatile, because the device reads there. No Rust reference to the
                // mapping exists.
                unsafe {
                    match width {
                        WORD => to.cast::<u64>().write_volatile(u64::from_ne_bytes(part.try_into().expect("8 bytes"))),
                        4 => to.cast::<u32>().write_volatile(u32::from_ne_bytes(part.try_into().expect("4 bytes"))),
                        2 => to.cast::<u16>().write_volatile(u16::from_ne_bytes(part.try_into().expect("2 bytes"))),
                        _ => to.write_volatile(part[0]),
                    }
                    to = to.add(width);
                }
            }
            rest = later;
        }
        Ok(())
    }

    /// The address of `len` bytes at `offset`, if all of them are inside.
    fn span(&self, offset: u64, len: usize) -> Result<*mut u8, DmaError> {
        let size = self.size();
        let outside = DmaError::OutOfRange { offset, len: len as u64, size };
        match offset.checked_add(len as u64) {
            Some(end) if end <= size => Ok(self.map.as_mut_ptr().wrapping_add(offset as usize)),
            _ => Err(outside),
        }
    }
}

impl AsFd for DmaRegion {
    /// The memfd: what a successor needs to map the region again.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl DmaMemory for DmaRegion {
    fn size(&self) -> u64 {
        self.size()
    }
    fn read(&self, offset: u64, to: &mut [u8]) -> Result<(), BusError> {
        self.copy_out(offset, to).map_err(bus_error)
    }
    fn write(&self, offset: u64, from: &[u8]) -> Result<(), BusError> {
        self.copy_in(offset, from).map_err(bus_error)
    }
    fn host_address(&self) -> u64 {
        self.host_address()
    }
    fn memfd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.as_fd())
    }
}

impl fmt::Debug for DmaRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DmaRegion {{ host: {:#x}, size: {:#x} }}", self.host_address(), self.size())
    }
}

/// The bus does not know DMA regions apart; it is told offsets.
fn bus_error(error: DmaError) -> BusError {
    BusError::Io {
        operation: "access to DMA memory".to_owned(),
        source: io::Error::new(io::ErrorKind::InvalidInput, error),
    }
}

/// The widest access that is made, in bytes.
const WORD: usize = 8;

/// The widest access, in bytes, that `address` is aligned for and `len` (at least 1) has room for.
fn widest(address: usize, len: usize) -> usize {
    let by_alignment = 1 << address.trailing_zeros().min(3);
    let by_len = 1 << len.ilog2().min(3);
    std::cmp::min(by_alignment, by_len)
}

fn create_memfd() -> Result<OwnedFd, DmaError> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    // Not executable, and sealed so. Kernels before 6.3 do not know the flag.
    let no_exec = flags | MFdFlags::from_bits_retain(libc::MFD_NOEXEC_SEAL);
    memfd_create(NAME, no_exec).or_else(|_| memfd_create(NAME, flags)).map_err(DmaError::io("memfd_create"))
}

fn counted(result: isize, operation: &'static str) -> Result<usize, DmaError> {
    usize::try_from(result).map_err(|_| DmaError::Io { operation, source: io::Error::last_os_error() })
}

#[cfg(test)]
#[path = "dma_tests.rs"]
mod tests;
