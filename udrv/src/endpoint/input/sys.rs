//! The system calls that no library has: for a descriptor which somebody else has made, and to make a device that has a place. (The
//! evdev crate, 0.13, numbers `UI_SET_PHYS` by the size of a character in place of a pointer, and the kernel refuses that.)
// A descriptor that is known by its number alone can be owned only by an unsafe function, and an ioctl is unsafe, for the compiler
// cannot see what the kernel does with the pointer. Each block says why it is sound.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::fs::File;
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

// Requests of the same header, by their names there.
nix::ioctl_none!(ui_dev_create, b'U', 1);
nix::ioctl_write_ptr!(ui_dev_setup, b'U', 3, libc::uinput_setup);
nix::ioctl_write_int!(ui_set_evbit, b'U', 100);
nix::ioctl_write_int!(ui_set_keybit, b'U', 101);
nix::ioctl_write_int!(ui_set_relbit, b'U', 102);
nix::ioctl_write_ptr_bad!(
    ui_set_phys,
    nix::request_code_write!(b'U', 108, size_of::<*const libc::c_char>()),
    libc::c_char
);
nix::ioctl_write_int!(ui_set_propbit, b'U', 110);

/// `EV_KEY` and `EV_REL`.
const TYPES: [u16; 2] = [1, 2];

/// What a device is to be.
pub(super) struct Making<'a> {
    pub(super) name: &'a CStr,
    pub(super) phys: &'a CStr,
    /// Bus, vendor, product, version.
    pub(super) id: [u16; 4],
    pub(super) keys: &'a mut dyn Iterator<Item = u16>,
    pub(super) axes: &'a mut dyn Iterator<Item = u16>,
    pub(super) properties: &'a mut dyn Iterator<Item = u16>,
}

/// Makes it with a descriptor of `/dev/uinput` that has made none yet.
///
/// # Errors
/// EINVAL for a name that is too long, or what else the kernel says.
pub(super) fn make(file: &File, making: Making<'_>) -> io::Result<()> {
    let fd = file.as_raw_fd();
    let [bustype, vendor, product, version] = making.id;
    let id = libc::input_id { bustype, vendor, product, version };
    let mut setup = libc::uinput_setup { id, name: [0; libc::UINPUT_MAX_NAME_SIZE], ff_effects_max: 0 };
    let name = making.name.to_bytes();
    // the last place is for the NUL
    if name.len() >= setup.name.len() {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    for (to, from) in setup.name.iter_mut().zip(name) {
        *to = from.cast_signed();
    }
    // SAFETY: the descriptor is open for as long as `file` is borrowed. The requests with numbers take them by value, and those with
    // pointers read what is live for the call: the setup, of the size that is in the request's number, and the text up to its
    // NUL. The kernel keeps copies, and no pointer.
    unsafe {
        for number in TYPES {
            ui_set_evbit(fd, number.into())?;
        }
        for key in making.keys {
            ui_set_keybit(fd, key.into())?;
        }
        for axis in making.axes {
            ui_set_relbit(fd, axis.into())?;
        }
        for property in making.properties {
            ui_set_propbit(fd, property.into())?;
        }
        ui_set_phys(fd, making.phys.as_ptr())?;
        ui_dev_setup(fd, &raw const setup)?;
        ui_dev_create(fd)?;
    }
    Ok(())
}

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
