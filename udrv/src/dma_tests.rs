//! Regions at their edges: sizes, seals, bounds, widths, packets.

use std::fs::File;
use std::io::Read;
use std::os::unix::net::UnixDatagram;

use super::*;

#[test]
fn sizes_round_up_to_pages_and_nonsense_is_refused() {
    assert_eq!(DmaRegion::new(1, None).unwrap().size(), 4096);
    assert_eq!(DmaRegion::new(4097, None).unwrap().size(), 8192);
    for bad in [0, DMA_MAX + 1, u64::MAX, u64::MAX - 4094, i64::MAX as u64] {
        assert!(matches!(DmaRegion::new(bad, None), Err(DmaError::BadSize(_))), "{bad:#x}");
    }
}

#[test]
fn accesses_at_the_edges() {
    let region = DmaRegion::new(4096, None).unwrap();
    let mut one = [0xaa];
    region.copy_out(4095, &mut one).unwrap();
    assert_eq!(one, [0], "fresh memory is zero");
    region.copy_in(4095, &[7]).unwrap();
    region.copy_out(4095, &mut one).unwrap();
    assert_eq!(one, [7]);
    region.copy_out(4096, &mut []).unwrap(); // no bytes at the very end are inside
    region.copy_in(0, &[]).unwrap();
    for (offset, len) in [(4096, 1), (4095, 2), (4097, 0), (u64::MAX, 1), (u64::MAX, 0), (0, 4097)] {
        let mut buffer = vec![0; len];
        assert!(matches!(region.copy_out(offset, &mut buffer), Err(DmaError::OutOfRange { .. })), "{offset:#x} {len}");
        assert!(region.copy_in(offset, &buffer).is_err());
        assert!(DmaMemory::read(&region, offset, &mut buffer).is_err());
        assert!(region.write_to_fd(region.as_fd(), offset, len).is_err());
        assert!(region.read_packet(region.as_fd(), offset, len).is_err());
    }
    assert!(region.read_from_fd(region.as_fd(), 1, usize::MAX).is_err());
}

#[test]
fn every_alignment_and_length_copies_exactly() {
    let region = DmaRegion::new(4096, None).unwrap();
    let pattern: Vec<u8> = (0..64).map(|n| n as u8 + 1).collect();
    for start in 0..16u64 {
        for len in 0..40usize {
            region.copy_in(0, &[0; 64]).unwrap();
            region.copy_in(start, &pattern[..len]).unwrap();
            let mut all = [0; 64];
            region.copy_out(0, &mut all).unwrap();
            let (from, to) = (start as usize, start as usize + len);
            assert_eq!(all[from..to], pattern[..len]);
            assert!(all[..from].iter().chain(&all[to..]).all(|b| *b == 0), "{start} {len}");
            let mut part = vec![0; len];
            region.copy_out(start, &mut part).unwrap();
            assert_eq!(part, pattern[..len]);
        }
    }
}

#[test]
fn descriptor_words_are_never_split() {
    // An aligned word of 2, 4 or 8 bytes is one access; an odd start costs small ones first.
    assert_eq!((widest(0, 8), widest(8, 4), widest(2, 2), widest(16, 100)), (8, 4, 2, 8));
    assert_eq!((widest(4, 8), widest(6, 8), widest(7, 8), widest(8, 7), widest(8, 1)), (4, 2, 1, 4, 1));
}

#[test]
fn the_seals_hold_and_another_mapping_sees_the_same_pages() {
    let region = DmaRegion::new(8192, None).unwrap();
    let fd = region.as_fd().try_clone_to_owned().unwrap();
    assert!(nix::unistd::ftruncate(&fd, 4096).is_err() && nix::unistd::ftruncate(&fd, 16384).is_err());
    let seals = fcntl(&fd, FcntlArg::F_GET_SEALS).unwrap();
    assert!(SealFlag::from_bits_truncate(seals).contains(SEALS));
    let again = DmaRegion::from_fd(fd, None).unwrap();
    assert_ne!(again.host_address(), region.host_address());
    region.copy_in(5000, b"kept").unwrap();
    drop(region);
    let mut kept = [0; 4];
    again.copy_out(5000, &mut kept).unwrap();
    assert_eq!(&kept, b"kept");
}

#[test]
fn other_descriptors_are_no_regions() {
    let file: OwnedFd = tempfile::tempfile().unwrap().into();
    assert!(matches!(DmaRegion::from_fd(file, None), Err(DmaError::NotARegion(_))));
    let loose = memfd_create(NAME, MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING).unwrap();
    nix::unistd::ftruncate(&loose, 4096).unwrap();
    assert!(matches!(DmaRegion::from_fd(loose, None), Err(DmaError::NotARegion("its size is not sealed"))));
    let odd = memfd_create(NAME, MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING).unwrap();
    nix::unistd::ftruncate(&odd, 100).unwrap();
    fcntl(&odd, FcntlArg::F_ADD_SEALS(SEALS)).unwrap();
    assert!(matches!(DmaRegion::from_fd(odd, None), Err(DmaError::NotARegion("its size is not whole pages"))));
}

#[test]
fn system_calls_move_bytes_without_a_copy_of_ours() {
    let region = DmaRegion::new(4096, None).unwrap();
    region.copy_in(100, b"hello").unwrap();
    let (mut reader, writer) = std::io::pipe().unwrap();
    assert_eq!(region.write_to_fd(writer.as_fd(), 100, 5).unwrap(), 5);
    assert_eq!(region.write_to_fd(writer.as_fd(), 4096, 0).unwrap(), 0);
    assert_eq!(region.read_from_fd(reader.as_fd(), 4090, 6).unwrap(), 5);
    let mut back = [0; 5];
    region.copy_out(4090, &mut back).unwrap();
    assert_eq!(&back, b"hello");
    drop(writer);
    assert_eq!(region.read_from_fd(reader.as_fd(), 0, 10).unwrap(), 0, "end of file");
    assert_eq!(reader.read(&mut back).unwrap(), 0);
    let full = File::options().write(true).open("/dev/full").unwrap();
    assert_eq!(region.write_to_fd(full.as_fd(), 0, 1).unwrap_err().errno(), Some(libc::ENOSPC));
}

#[test]
fn a_packet_that_does_not_fit_is_told() {
    let region = DmaRegion::new(4096, None).unwrap();
    let (near, far) = UnixDatagram::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    far.send(&[1; 60]).unwrap();
    far.send(&[2; 61]).unwrap();
    far.send(&[3; 8]).unwrap();
    assert_eq!(region.read_packet(near.as_fd(), 0, 60).unwrap(), 60);
    assert!(matches!(region.read_packet(near.as_fd(), 0, 60), Err(DmaError::Cut { room: 60 })));
    assert_eq!(region.read_packet(near.as_fd(), 4036, 60).unwrap(), 8);
    assert_eq!(region.read_packet(near.as_fd(), 0, 60).unwrap_err().errno(), Some(libc::EAGAIN));
}

#[test]
fn a_protection_key_shuts_the_region_for_system_calls_too() {
    // SAFETY: pkey_alloc takes no pointers.
    let pkey = unsafe {
        libc::syscall(libc::SYS_pkey_alloc, 0, 1 /* PKEY_DISABLE_ACCESS */)
    };
    if pkey < 0 {
        println!("skipped: this machine has no protection keys ({})", io::Error::last_os_error());
        return;
    }
    let region = DmaRegion::new(4096, Some(pkey as u32)).unwrap();
    let (near, far) = UnixDatagram::pair().unwrap();
    far.send(b"frame").unwrap();
    // The key was allocated with access disabled for this thread: the kernel may not write there either.
    assert_eq!(region.read_from_fd(near.as_fd(), 0, 64).unwrap_err().errno(), Some(libc::EFAULT));
    assert_eq!(DmaRegion::new(4096, Some(99)).unwrap_err().errno(), Some(libc::EINVAL));
    drop(region);
    // SAFETY: pkey_free takes no pointers; the one region with this key is gone.
    unsafe { libc::syscall(libc::SYS_pkey_free, pkey) };
}
