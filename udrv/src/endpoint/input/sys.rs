//! The system calls that no library has for a descriptor which somebody else has made.
// A descriptor that is known by its number alone can be owned only by an unsafe function, and an ioctl is unsafe, for the compiler
// cannot see what the kernel does with the pointer. Each block says why it is sound.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::stat::{SFlag, fstat, major, minor};

/// Device number of `/dev/uinput` (`include/linux/miscdevice.h`).
const UINPUT: (u64, u64) = (10, 223);

nix::ioctl_read_buf!(
    /// `UI_GET_SYSNAME` of `include/uapi/linux/uinput.h`: bytes written, the NUL among them.
    ui_get_sysname, b'U', 44, u8
);

/// The name of the device that a descriptor of `/dev/uinput` has made: `input12`.
///
/// # Errors
/// ENOTTY when it is no descriptor of uinput, ENOENT when it has made no device.
pub(super) fn sysname(fd: BorrowedFd<'_>) -> io::Result<String> {
    let stat = fstat(fd)?;
    let is_node = SFlag::from_bits_truncate(stat.st_mode).contains(SFlag::S_IFCHR);
    if !is_node || (major(stat.st_rdev), minor(stat.st_rdev)) != UINPUT {
        return Err(io::Error::from_raw_os_error(libc::ENOTTY));
    }
    let mut name = [0; 64];
    // SAFETY: the request's number has the length of the buffer in it, which is live and exclusive for the call; the kernel writes no
    // more than that, and keeps no pointer. The descriptor is uinput's, whose request this is.
    let length = unsafe { ui_get_sysname(fd.as_raw_fd(), &mut name) }?;
    let name = &name[..usize::try_from(length).unwrap_or(0).min(name.len())];
    let text = name.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(String::from_utf8_lossy(text).into_owned())
}

/// Takes the descriptor of this number that the service manager has left to this process; nothing the second time.
///
/// # Errors
/// EBADF when there is none.
pub(super) fn take(number: RawFd) -> io::Result<Option<OwnedFd>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::AcqRel) {
        return Ok(None);
    }
    // SAFETY: borrowed for the next two calls alone, which report a number that is not open and change nothing but its flags.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    fstat(borrowed)?;
    // a child of ours has no use for it
    fcntl(borrowed, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    // SAFETY: it is open. By the protocol of `sd_listen_fds(3)` it was opened for this process before its first instruction, so
    // nothing else in it owns the number; and it is taken once, as the flag sees to.
    Ok(Some(unsafe { OwnedFd::from_raw_fd(number) }))
}
