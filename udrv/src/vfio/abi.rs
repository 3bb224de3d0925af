//! The VFIO ioctls, one safe function each, every result checked.
//!
//! Structures and numbers are those of `<linux/vfio.h>` as `vfio-bindings` carries them. Nothing here decides anything:
//! errno goes to the caller, who knows what it means there.
// Raw ioctls need unsafe: the compiler cannot see what the kernel does with a pointer. Each function below passes only
// pointers to live local structures whose `argsz` is their true size, which bounds what the kernel reads and writes.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use vfio_bindings::bindings::vfio::{
    VFIO_BASE, VFIO_DMA_UNMAP_FLAG_ALL, VFIO_TYPE, vfio_device_info, vfio_group_status, vfio_iommu_type1_dma_map,
    vfio_iommu_type1_dma_unmap, vfio_iommu_type1_info, vfio_irq_info, vfio_irq_set, vfio_region_info,
};

/// `_IO(VFIO_TYPE, VFIO_BASE + n)`: all VFIO requests are without size or direction bits.
const fn request(n: u32) -> libc::c_ulong {
    ((VFIO_TYPE as libc::c_ulong) << 8) | (VFIO_BASE + n) as libc::c_ulong
}

const GET_API_VERSION: libc::c_ulong = request(0);
const CHECK_EXTENSION: libc::c_ulong = request(1);
const SET_IOMMU: libc::c_ulong = request(2);
const GROUP_GET_STATUS: libc::c_ulong = request(3);
const GROUP_SET_CONTAINER: libc::c_ulong = request(4);
const GROUP_GET_DEVICE_FD: libc::c_ulong = request(6);
const DEVICE_GET_INFO: libc::c_ulong = request(7);
const DEVICE_GET_REGION_INFO: libc::c_ulong = request(8);
const DEVICE_GET_IRQ_INFO: libc::c_ulong = request(9);
const DEVICE_SET_IRQS: libc::c_ulong = request(10);
const DEVICE_RESET: libc::c_ulong = request(11);
const IOMMU_GET_INFO: libc::c_ulong = request(12); // same number as DEVICE_GET_PCI_HOT_RESET_INFO, on another fd
const IOMMU_MAP_DMA: libc::c_ulong = request(13);
const IOMMU_UNMAP_DMA: libc::c_ulong = request(14);

/// Most bytes of variable-length information taken from the kernel; the chains in use are a few hundred bytes.
const MAX_INFO: usize = 64 * 1024;

/// An information structure with whatever the kernel put behind it: 8-byte aligned words.
pub(super) struct InfoBuffer {
    bytes: Vec<u8>,
}

impl InfoBuffer {
    /// All of it: the fixed structure and the capability chain. Capability offsets count from its start.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// An ioctl whose argument is a plain number.
fn with_number(fd: BorrowedFd<'_>, request: libc::c_ulong, argument: libc::c_ulong) -> io::Result<libc::c_int> {
    // SAFETY: only requests that take no pointer come here (private function; callers below): the kernel touches no
    // memory of ours. `fd` is open for the call, being borrowed.
    checked(unsafe { libc::ioctl(fd.as_raw_fd(), request, argument) })
}

/// An ioctl that reads and may write `*argument`.
///
/// # Safety
/// `T` must be the structure which `request` takes, and its `argsz` field (if it has one) no more than the bytes of
/// `T`.
unsafe fn with_struct<T>(fd: BorrowedFd<'_>, request: libc::c_ulong, argument: &mut T) -> io::Result<libc::c_int> {
    // SAFETY: the caller vouches that the kernel stays within `T`, and `argument` is live and exclusive for the call.
    checked(unsafe { libc::ioctl(fd.as_raw_fd(), request, std::ptr::from_mut(argument)) })
}

/// The version of the VFIO API.
pub(super) fn api_version(container: BorrowedFd<'_>) -> io::Result<u32> {
    with_number(container, GET_API_VERSION, 0).map(i32::cast_unsigned)
}

/// Whether this container can be of IOMMU type `extension`.
pub(super) fn has_extension(container: BorrowedFd<'_>, extension: u32) -> io::Result<bool> {
    with_number(container, CHECK_EXTENSION, extension.into()).map(|n| n > 0)
}

/// Chooses the IOMMU type; a group must be attached.
pub(super) fn set_iommu(container: BorrowedFd<'_>, iommu_type: u32) -> io::Result<()> {
    with_number(container, SET_IOMMU, iommu_type.into()).map(drop)
}

/// `VFIO_GROUP_FLAGS_*` of a group.
pub(super) fn group_flags(group: BorrowedFd<'_>) -> io::Result<u32> {
    let mut status = vfio_group_status { argsz: size_of::<vfio_group_status>() as u32, flags: 0 };
    // SAFETY: GROUP_GET_STATUS takes vfio_group_status; argsz is its size.
    unsafe { with_struct(group, GROUP_GET_STATUS, &mut status) }?;
    Ok(status.flags)
}

/// Attaches a group to a container.
pub(super) fn set_container(group: BorrowedFd<'_>, container: BorrowedFd<'_>) -> io::Result<()> {
    let mut fd: i32 = container.as_raw_fd();
    // SAFETY: GROUP_SET_CONTAINER reads one i32, a file descriptor that is open for the call.
    unsafe { with_struct(group, GROUP_SET_CONTAINER, &mut fd) }.map(drop)
}

/// Opens the device called `name` (a PCI address) of a group. The kernel sets close-on-exec.
pub(super) fn device_fd(group: BorrowedFd<'_>, name: &str) -> io::Result<OwnedFd> {
    let name = CString::new(name)?;
    // SAFETY: GROUP_GET_DEVICE_FD reads a NUL-terminated string, which CString is, live for the call.
    let fd = checked(unsafe { libc::ioctl(group.as_raw_fd(), GROUP_GET_DEVICE_FD, name.as_ptr()) })?;
    // SAFETY: the kernel just made this descriptor for us; nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Flags and counts of a device.
pub(super) fn device_info(device: BorrowedFd<'_>) -> io::Result<vfio_device_info> {
    let mut info = vfio_device_info { argsz: size_of::<vfio_device_info>() as u32, ..Default::default() };
    // SAFETY: DEVICE_GET_INFO takes vfio_device_info; argsz is its size.
    unsafe { with_struct(device, DEVICE_GET_INFO, &mut info) }?;
    Ok(info)
}

/// Size, place and flags of region `index`, with its capability chain.
pub(super) fn region_info(device: BorrowedFd<'_>, index: u32) -> io::Result<(vfio_region_info, InfoBuffer)> {
    let mut info = vfio_region_info { argsz: size_of::<vfio_region_info>() as u32, index, ..Default::default() };
    // SAFETY: DEVICE_GET_REGION_INFO takes vfio_region_info; argsz is its size.
    unsafe { with_struct(device, DEVICE_GET_REGION_INFO, &mut info) }?;
    let buffer = variable_info(device, DEVICE_GET_REGION_INFO, info.argsz, size_of::<vfio_region_info>(), index)?;
    if let Some(offset) = buffer.bytes.get(12..16) {
        info.cap_offset = u32::from_ne_bytes(offset.try_into().expect("4 bytes"));
    }
    Ok((info, buffer))
}

/// What interrupt `index` can do.
pub(super) fn irq_info(device: BorrowedFd<'_>, index: u32) -> io::Result<vfio_irq_info> {
    let mut info = vfio_irq_info { argsz: size_of::<vfio_irq_info>() as u32, index, ..Default::default() };
    // SAFETY: DEVICE_GET_IRQ_INFO takes vfio_irq_info; argsz is its size.
    unsafe { with_struct(device, DEVICE_GET_IRQ_INFO, &mut info) }?;
    Ok(info)
}

/// SET_IRQS without data: `flags` acts on `count` interrupts of `index` from the first on.
pub(super) fn set_irqs(device: BorrowedFd<'_>, index: u32, flags: u32, count: u32) -> io::Result<()> {
    let mut set =
        vfio_irq_set { argsz: size_of::<vfio_irq_set>() as u32, flags, index, start: 0, count, ..Default::default() };
    // SAFETY: DEVICE_SET_IRQS takes vfio_irq_set; argsz is its size, so there is no data behind it for the kernel to
    // read.
    unsafe { with_struct(device, DEVICE_SET_IRQS, &mut set) }.map(drop)
}

/// SET_IRQS with one eventfd for the first interrupt of `index`.
pub(super) fn set_irq_eventfd(device: BorrowedFd<'_>, index: u32, flags: u32, event: BorrowedFd<'_>) -> io::Result<()> {
    #[repr(C)]
    struct WithEventFd {
        set: vfio_irq_set, // 20 bytes, alignment 4: the descriptor follows without padding
        fd: i32,
    }
    const { assert!(size_of::<WithEventFd>() == size_of::<vfio_irq_set>() + 4) };
    let argsz = size_of::<WithEventFd>() as u32;
    let set = vfio_irq_set { argsz, flags, index, start: 0, count: 1, ..Default::default() };
    let mut argument = WithEventFd { set, fd: event.as_raw_fd() };
    // SAFETY: vfio_irq_set with one i32 of data, as DATA_EVENTFD with count 1 asks; argsz covers both.
    unsafe { with_struct(device, DEVICE_SET_IRQS, &mut argument) }.map(drop)
}

/// Resets the function.
pub(super) fn reset(device: BorrowedFd<'_>) -> io::Result<()> {
    with_number(device, DEVICE_RESET, 0).map(drop)
}

/// What the IOMMU can do, with its capability chain.
pub(super) fn iommu_info(container: BorrowedFd<'_>) -> io::Result<(vfio_iommu_type1_info, InfoBuffer)> {
    let mut info = vfio_iommu_type1_info { argsz: size_of::<vfio_iommu_type1_info>() as u32, ..Default::default() };
    // SAFETY: IOMMU_GET_INFO takes vfio_iommu_type1_info; argsz is its size.
    unsafe { with_struct(container, IOMMU_GET_INFO, &mut info) }?;
    let buffer = variable_info(container, IOMMU_GET_INFO, info.argsz, size_of::<vfio_iommu_type1_info>(), 0)?;
    if let Some(offset) = buffer.bytes.get(16..20) {
        info.cap_offset = u32::from_ne_bytes(offset.try_into().expect("4 bytes"));
    }
    Ok((info, buffer))
}

/// Asks again with the room that the first answer's `argsz` named. `index` is the one input besides `argsz` that these
/// structures have: the `u32` at byte 8 of `vfio_region_info`; `vfio_iommu_type1_info` has output there, so 0.
fn variable_info(
    fd: BorrowedFd<'_>,
    request: libc::c_ulong,
    argsz: u32,
    fixed: usize,
    index: u32,
) -> io::Result<InfoBuffer> {
    let len = usize::try_from(argsz).unwrap_or(usize::MAX).clamp(fixed, MAX_INFO);
    let word = |half: u32| u64::from_ne_bytes([half.to_ne_bytes(), [0; 4]].concat().try_into().expect("8 bytes"));
    let mut words = vec![0u64; len.div_ceil(8).max(2)];
    words[0] = word(len as u32);
    words[1] = word(index);
    // SAFETY: `request` is one of the two GET_INFO requests above, which write at most argsz = `len` bytes; the
    // buffer has at least that many, is aligned to 8 as both structures ask, live and exclusive for the call.
    checked(unsafe { libc::ioctl(fd.as_raw_fd(), request, words.as_mut_ptr()) })?;
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    bytes.truncate(len);
    Ok(InfoBuffer { bytes })
}

/// Lets the devices of the container reach `size` bytes at `vaddr` of this process as `iova`. `flags`:
/// `VFIO_DMA_MAP_FLAG_*`.
///
/// The kernel pins the pages; whether it is wise that a device writes there is for the owner of the memory to say.
pub(super) fn map_dma(container: BorrowedFd<'_>, flags: u32, vaddr: u64, iova: u64, size: u64) -> io::Result<()> {
    let argsz = size_of::<vfio_iommu_type1_dma_map>() as u32;
    let mut map = vfio_iommu_type1_dma_map { argsz, flags, vaddr, iova, size };
    // SAFETY: IOMMU_MAP_DMA takes vfio_iommu_type1_dma_map; argsz is its size. vaddr is checked by the kernel.
    unsafe { with_struct(container, IOMMU_MAP_DMA, &mut map) }.map(drop)
}

/// Takes all mappings back (since Linux 5.12).
pub(super) fn unmap_all(container: BorrowedFd<'_>) -> io::Result<()> {
    let argsz = size_of::<vfio_iommu_type1_dma_unmap>() as u32;
    let flags = VFIO_DMA_UNMAP_FLAG_ALL;
    let mut unmap = vfio_iommu_type1_dma_unmap { argsz, flags, iova: 0, size: 0, ..Default::default() };
    // SAFETY: IOMMU_UNMAP_DMA takes vfio_iommu_type1_dma_unmap; argsz is its size, flags ask for no bitmap behind it.
    unsafe { with_struct(container, IOMMU_UNMAP_DMA, &mut unmap) }.map(drop)
}

/// Takes mappings back. Returns how many bytes the kernel says it unmapped.
pub(super) fn unmap_dma(container: BorrowedFd<'_>, iova: u64, size: u64) -> io::Result<u64> {
    let argsz = size_of::<vfio_iommu_type1_dma_unmap>() as u32;
    let mut unmap = vfio_iommu_type1_dma_unmap { argsz, flags: 0, iova, size, ..Default::default() };
    // SAFETY: IOMMU_UNMAP_DMA takes vfio_iommu_type1_dma_unmap; argsz is its size, flags ask for no bitmap behind it.
    unsafe { with_struct(container, IOMMU_UNMAP_DMA, &mut unmap) }?;
    Ok(unmap.size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_numbers_are_those_of_the_header() {
        // From <linux/vfio.h>: VFIO_TYPE ';' = 0x3b, VFIO_BASE 100 = 0x64.
        assert_eq!(GET_API_VERSION, 0x3b64);
        assert_eq!(DEVICE_SET_IRQS, 0x3b6e);
        assert_eq!(IOMMU_UNMAP_DMA, 0x3b72);
    }

    #[test]
    fn errors_of_a_wrong_descriptor_come_back() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let fd = std::os::fd::AsFd::as_fd(&file);
        assert_eq!(api_version(fd).unwrap_err().raw_os_error(), Some(libc::ENOTTY));
        assert_eq!(region_info(fd, 0).err().unwrap().raw_os_error(), Some(libc::ENOTTY));
        assert_eq!(unmap_dma(fd, 0, 4096).unwrap_err().raw_os_error(), Some(libc::ENOTTY));
    }
}
