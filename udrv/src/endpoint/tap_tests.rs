//! TAPs on this very host where that is permitted; each test uses a name of its own and says so when it cannot run.

use std::process::id;
use std::sync::atomic::{AtomicU32, Ordering};

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::net::UnixDatagram;

use libc::{IFF_NO_PI, IFF_TAP, c_int, c_short};

use super::*;
use crate::dma::DmaRegion;
use crate::endpoint::interface::{attach_error, check_name, control, open_error};

/// A name that no other test and no other run uses: at most 15 bytes.
fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("ud{}x{}", id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Opens a TAP, or says why the test is skipped.
fn permitted(name: &str) -> Option<Tap> {
    match Tap::open(name) {
        Ok(tap) => Some(tap),
        Err(
            error @ (EndpointError::NoTun | EndpointError::NoTunPermission | EndpointError::NoTapPermission { .. }),
        ) => {
            println!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Makes the TAP outlive its descriptor, or not any more.
fn persist(tap: &Tap, on: bool) {
    persist_file(&tap.interface.file, on);
}

#[allow(unsafe_code)] // only tests need this ioctl
fn persist_file(file: &File, on: bool) {
    use std::os::fd::AsRawFd;
    // SAFETY: TUNSETPERSIST takes a number, no pointer.
    let done = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETPERSIST, libc::c_long::from(on)) };
    assert_eq!(done, 0, "{}", io::Error::last_os_error());
}

fn exists(name: &str) -> bool {
    if_ioctl::exists(control(name).unwrap().as_fd(), &check_name(name).unwrap()).unwrap()
}

/// The carrier of an interface that is up. From sysfs, which asks the device; IFF_RUNNING follows up to a second later.
fn carrier(name: &str) -> bool {
    std::fs::read_to_string(format!("/sys/class/net/{name}/carrier")).unwrap().trim() == "1"
}

/// An Ethernet frame: broadcast, experimental EtherType 0x88b5.
fn frame(len: usize) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend([2, 0, 0, 0, 0, 9, 0x88, 0xb5]);
    frame.resize(len, 0x5a);
    frame
}

/// An AF_PACKET socket bound to the interface: the host's side of it. None without CAP_NET_RAW.
fn host_side(name: &str) -> Option<UnixDatagram> {
    host_side_of(name, 0x88b5)
}

/// The same for frames of another EtherType.
#[allow(unsafe_code)] // a packet socket is a test's instrument only
fn host_side_of(name: &str, ether_type: u16) -> Option<UnixDatagram> {
    use std::os::fd::FromRawFd;
    let protocol = ether_type.to_be();
    // SAFETY: socket takes no pointers.
    let raw = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, c_int::from(protocol)) };
    if raw < 0 {
        println!("skipped: packet socket: {}", io::Error::last_os_error());
        return None;
    }
    // SAFETY: a new descriptor that nobody else has. UnixDatagram only lends its send and recv, which any socket knows.
    let socket = unsafe { UnixDatagram::from_raw_fd(raw) };
    let index = nix::net::if_::if_nametoindex(name).unwrap();
    // SAFETY: sockaddr_ll is integers: zeroes are a value of it.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = protocol;
    address.sll_ifindex = index as c_int;
    // SAFETY: a live sockaddr_ll with its own size.
    let done = unsafe { libc::bind(raw, std::ptr::from_ref(&address).cast(), size_of::<libc::sockaddr_ll>() as u32) };
    assert_eq!(done, 0, "{}", io::Error::last_os_error());
    socket.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
    Some(socket)
}

/// Frames of the kernel's own (IPv6 neighbour discovery) come in between; ours has a type nobody else uses.
fn next_of_ours(tap: &mut Tap, receive: impl Fn(&mut Tap) -> (Received, Vec<u8>)) -> Vec<u8> {
    loop {
        let mut poll = [nix::poll::PollFd::new(tap.interface.file.as_fd(), nix::poll::PollFlags::POLLIN)];
        assert!(nix::poll::poll(&mut poll, 5000u16).unwrap() > 0, "no frame within 5 s");
        match receive(tap) {
            (Received::Frame(_), frame) if frame[12..14] == [0x88, 0xb5] => return frame,
            (Received::Frame(_) | Received::Cut | Received::Empty, _) => {}
            (Received::Closed, _) => panic!("a TAP does not close"),
        }
    }
}

#[test]
fn names_are_checked_before_the_kernel_sees_them() {
    for bad in ["", "sixteen-bytes-ab", "a/b", "a b", "a:b", ".", "..", "nul\0"] {
        let error = Tap::open(bad).unwrap_err();
        assert!(matches!(error, EndpointError::BadName { .. }), "{bad:?}: {error}");
        assert!(!error.to_string().contains('\n'));
    }
    assert!(check_name("fifteen-bytes-a").is_ok());
}

#[test]
fn errno_becomes_advice() {
    let attach =
        |errno, existed| attach_error("tap9", Kind::Tap, existed, io::Error::from_raw_os_error(errno)).to_string();
    assert!(attach(libc::EPERM, true).contains("ip tuntap add dev tap9 mode tap user"));
    assert!(attach(libc::EBUSY, true).starts_with("the TAP 'tap9' is in use by another process"));
    assert!(attach(libc::EINVAL, true).contains("exists and is not a TAP"));
    assert!(attach(libc::EINVAL, true).ends_with("ip tuntap add dev tap9 mode tap"));
    assert!(attach(libc::EINVAL, false).starts_with("tap9: TUNSETIFF: "));
    let open = |errno| open_error(io::Error::from_raw_os_error(errno)).to_string();
    assert!(open(libc::ENOENT).ends_with("modprobe tun") && open(libc::ENODEV).ends_with("modprobe tun"));
    assert!(open(libc::EACCES).contains("no permission to open /dev/net/tun"));
    assert!(open(libc::EMFILE).starts_with("/dev/net/tun: open: "));
}

#[test]
fn another_kind_of_interface_is_told() {
    let Some(_probe) = permitted(&unique()) else { return };
    assert!(matches!(Tap::open("lo"), Err(EndpointError::WrongKind { .. })));
}

#[test]
fn one_at_a_time_and_ours_vanishes() {
    let name = unique();
    let Some(tap) = permitted(&name) else { return };
    assert_eq!(tap.interface(), name);
    assert!(!tap.is_persistent());
    assert!(matches!(Tap::open(&name), Err(EndpointError::Taken { .. })));
    tap.restore().unwrap();
    assert!(!exists(&name));
}

#[test]
fn a_template_gets_a_number() {
    let template = format!("u{}t%d", id());
    let Some(tap) = permitted(&template) else { return };
    assert_eq!(tap.interface(), template.replace("%d", "0"));
}

#[test]
fn mac_mtu_up_and_carrier() {
    let name = unique();
    let Some(mut tap) = permitted(&name) else { return };
    tap.set_mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]).unwrap();
    tap.set_mtu(1400).unwrap();
    assert_eq!((tap.mac().unwrap(), tap.mtu().unwrap()), ([0x52, 0x54, 0, 0x12, 0x34, 0x56], 1400));
    assert!(tap.set_mac([1, 0, 0, 0, 0, 0]).is_err(), "a multicast address");
    assert!(tap.set_mtu(10).is_err() && tap.set_mtu(u32::MAX).is_err());
    tap.set_up(true).unwrap();
    tap.set_up(true).unwrap();
    assert!(tap.is_up().unwrap() && carrier(&name));
    tap.set_carrier(false).unwrap();
    assert!(!carrier(&name));
    tap.set_carrier(true).unwrap();
    assert!(carrier(&name));
    tap.set_up(false).unwrap();
    assert!(!tap.is_up().unwrap());
}

#[test]
fn a_persistent_tap_gets_back_what_it_had() {
    let name = unique();
    let Some(tap) = permitted(&name) else { return };
    persist(&tap, true);
    let mac = tap.mac().unwrap();
    drop(tap);
    assert!(exists(&name));

    let mut tap = Tap::open(&name).unwrap();
    assert!(tap.is_persistent());
    for last in 1..=2 {
        tap.set_mac([2, 0, 0, 0, 0, last]).unwrap();
        tap.set_mtu(1000 + u32::from(last)).unwrap();
    }
    tap.set_up(true).unwrap();
    // Handed over: nothing changes, and the successor puts back what the first had found.
    let (fd, prior) = tap.leave().unwrap();
    let tap = Tap::adopt(fd, prior).unwrap();
    assert_eq!((tap.mac().unwrap(), tap.mtu().unwrap(), tap.is_up().unwrap()), ([2, 0, 0, 0, 0, 2], 1002, true));
    assert_eq!(tap.interface(), name);
    tap.restore().unwrap();

    let tap = Tap::open(&name).unwrap();
    assert_eq!((tap.mac().unwrap(), tap.mtu().unwrap(), tap.is_up().unwrap()), (mac, 1500, false));
    persist(&tap, false);
    drop(tap);
    assert!(!exists(&name));
}

/// Makes a persistent interface as `ip tuntap add` does, with these flags, and leaves it.
fn made_before(flags: c_int) -> Option<String> {
    let name = unique();
    let file = permitted(&unique()).map(|_| OpenOptions::new().read(true).write(true).open("/dev/net/tun").unwrap())?;
    if_ioctl::tun_attach(file.as_fd(), &check_name(&name).unwrap(), flags as c_short).unwrap();
    persist_file(&file, true);
    Some(name)
}

/// Takes it away again.
fn unmake(name: &str, flags: c_int) {
    let file = OpenOptions::new().read(true).write(true).open("/dev/net/tun").unwrap();
    if_ioctl::tun_attach(file.as_fd(), &check_name(name).unwrap(), flags as c_short).unwrap();
    persist_file(&file, false);
    drop(file);
    assert!(!exists(name));
}

/// One that was made without headers before its frames is taken up, and again after a process that was killed.
#[test]
fn a_persistent_tap_is_taken_up_by_its_name() {
    const FLAGS: c_int = IFF_TAP | IFF_NO_PI;
    let Some(name) = made_before(FLAGS) else { return };
    for _ in 0..2 {
        let mut tap = Tap::open(&name).unwrap();
        assert!(tap.is_persistent());
        assert!(matches!(Tap::open(&name), Err(EndpointError::Taken { .. })));
        tap.set_offloads(Offloads { tx_checksum: true, segment_ipv4: true, ..Offloads::NONE }).unwrap();
        tap.set_up(true).unwrap();
        let Some(host) = host_side(&name) else { break };
        tap.send(&frame(60)).unwrap();
        assert_eq!(host.recv(&mut [0; 100]).unwrap(), 60);
        host.send(&frame(70)).unwrap();
        let receive = |tap: &mut Tap| {
            let mut buffer = [0; 2000];
            let received = tap.recv(&mut buffer).unwrap();
            (received, buffer.to_vec())
        };
        assert_eq!(next_of_ours(&mut tap, receive)[..70], frame(70));
        // as a process does that is killed: nothing is put back
        drop(tap.leave().unwrap());
    }
    unmake(&name, FLAGS);
}

#[test]
fn a_persistent_interface_of_another_kind_is_told() {
    for flags in [libc::IFF_TUN | IFF_NO_PI, IFF_TAP | IFF_NO_PI | libc::IFF_MULTI_QUEUE] {
        let Some(name) = made_before(flags) else { return };
        let refused = Tap::open(&name);
        assert!(matches!(refused, Err(EndpointError::WrongKind { .. })), "{flags:#x}: {refused:?}");
        assert!(exists(&name), "it is left as it was");
        unmake(&name, flags);
    }
}

#[test]
fn adopting_something_else_is_refused() {
    let file: OwnedFd = File::open("/dev/null").unwrap().into();
    assert!(Tap::adopt(file, TapPrior::default()).is_err());
}

#[test]
fn frames_go_both_ways_and_down_is_an_outcome() {
    let name = unique();
    let Some(mut tap) = permitted(&name) else { return };
    assert_eq!(tap.send(&frame(60)).unwrap(), Sent::Down);
    assert_eq!(tap.recv(&mut [0; 2048]).unwrap(), Received::Empty);
    tap.set_up(true).unwrap();
    let Some(host) = host_side(&name) else { return };
    let region = DmaRegion::new(8192, None).unwrap();

    // From the device to the host.
    region.copy_in(16, &frame(100)).unwrap();
    assert_eq!(tap.send_from(&region, 16, 100).unwrap(), Sent::Done);
    assert_eq!(tap.send(&frame(60)).unwrap(), Sent::Done);
    let mut buffer = [0; 2048];
    assert_eq!((host.recv(&mut buffer).unwrap(), host.recv(&mut buffer).unwrap()), (100, 60));
    assert_eq!(buffer[..60], frame(60));
    assert!(tap.send(&[0; 3]).is_err(), "shorter than an Ethernet header");

    // From the host to the device.
    host.send(&frame(1514)).unwrap();
    let got = next_of_ours(&mut tap, |tap| {
        let got = tap.recv_into(&region, 4096, 1514).unwrap();
        let mut bytes = vec![0; if let Received::Frame(len) = got { len } else { 0 }];
        region.copy_out(4096, &mut bytes).unwrap();
        (got, bytes)
    });
    assert_eq!(got, frame(1514));
    host.send(&frame(61)).unwrap();
    let got = next_of_ours(&mut tap, |tap| {
        let mut bytes = vec![0; 2048];
        let got = tap.recv(&mut bytes).unwrap();
        bytes.truncate(if let Received::Frame(len) = got { len } else { 0 });
        (got, bytes)
    });
    assert_eq!(got, frame(61));
}

/// Waits until the TAP says that something was changed, and what it is to be.
fn next_wanted(tap: &mut Tap) -> Wanted {
    use nix::poll::{PollFd, PollFlags, poll};
    loop {
        let mut fds = [PollFd::new(tap.changes().unwrap(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut fds, 5000u16), Ok(1), "nothing is said");
        if let Some(wanted) = tap.wanted().unwrap() {
            return wanted;
        }
    }
}

/// The administrator's hand: other than [`NetEndpoint::set_mac`], it leaves no note in the `Tap`.
fn administrator_sets_mac(name: &str, mac: [u8; 6]) {
    if_ioctl::set_mac(control(name).unwrap().as_fd(), &check_name(name).unwrap(), mac).unwrap();
}

#[test]
fn what_the_administrator_changes_is_heard() {
    let name = unique();
    let Some(mut tap) = permitted(&name) else { return };
    tap.set_mac([2, 0, 0, 0, 0, 1]).unwrap();
    while tap.wanted().unwrap().is_some() {}
    assert_eq!(tap.wanted().unwrap(), None);

    administrator_sets_mac(&name, [2, 0, 0, 0, 0, 7]);
    let after_mac = Wanted { mac: [2, 0, 0, 0, 0, 7], mtu: 1500, promiscuous: false };
    assert_eq!(next_wanted(&mut tap), after_mac);

    std::fs::write(format!("/sys/class/net/{name}/mtu"), "1400").unwrap();
    assert_eq!(next_wanted(&mut tap), Wanted { mtu: 1400, ..after_mac });

    // up and promiscuous: IFF_UP | IFF_PROMISC
    std::fs::write(format!("/sys/class/net/{name}/flags"), "0x101").unwrap();
    while !next_wanted(&mut tap).promiscuous {}
}

#[test]
fn a_capture_is_heard_and_is_not_taken_away() {
    let name = unique();
    let Some(mut tap) = permitted(&name) else { return };
    assert!(!tap.set_promiscuous(false).unwrap());
    let captures = match if_ioctl::capture(nix::net::if_::if_nametoindex(name.as_str()).unwrap()) {
        Ok(captures) => captures,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            println!("skipped: a capture needs CAP_NET_RAW");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    while !next_wanted(&mut tap).promiscuous {}
    assert!(tap.set_promiscuous(false).unwrap(), "it wants everything still");
    drop(captures);
    while next_wanted(&mut tap).promiscuous {}
    assert!(tap.set_promiscuous(true).unwrap());
    assert!(!tap.set_promiscuous(false).unwrap());
}

#[test]
fn a_persistent_tap_is_as_promiscuous_afterwards_as_it_was() {
    let name = unique();
    let Some(mut tap) = permitted(&name) else { return };
    persist(&tap, true);
    drop(tap);
    tap = Tap::open(&name).unwrap();
    assert!(tap.set_promiscuous(true).unwrap());
    tap.restore().unwrap();
    tap = Tap::open(&name).unwrap();
    assert!(!tap.interface.is_promiscuous().unwrap());
    persist(&tap, false);
}

#[test]
fn an_address_that_the_administrator_gave_stays() {
    let name = unique();
    let Some(mut tap) = permitted(&name) else { return };
    persist(&tap, true);
    drop(tap);
    tap = Tap::open(&name).unwrap();
    tap.set_mac([2, 0, 0, 0, 0, 1]).unwrap();
    administrator_sets_mac(&name, [2, 0, 0, 0, 0, 7]);
    while next_wanted(&mut tap).mac != [2, 0, 0, 0, 0, 7] {}
    tap.restore().unwrap();
    tap = Tap::open(&name).unwrap();
    assert_eq!(tap.mac().unwrap(), [2, 0, 0, 0, 0, 7]);
    persist(&tap, false);
}

#[test]
fn speed_and_duplex_are_told() {
    let name = unique();
    let Some(mut tap) = permitted(&name) else { return };
    tap.set_up(true).unwrap();
    tap.set_carrier(true).unwrap();
    let told = |what: &str| std::fs::read_to_string(format!("/sys/class/net/{name}/{what}")).unwrap();
    for (speed, full, duplex) in [(1000, true, "full"), (10, false, "half"), (100_000, true, "full")] {
        tap.set_link_mode(speed, full).unwrap();
        assert_eq!((told("speed").trim(), told("duplex").trim()), (speed.to_string().as_str(), duplex));
    }
}

#[test]
fn segments_go_up_as_one_packet() {
    let name = unique();
    let Some(mut tap) = permitted(&name) else { return };
    tap.set_up(true).unwrap();
    let Some(host) = host_side_of(&name, 0x0800) else { return };
    // 10.0.0.2 to 10.0.0.1, TCP; the headers' own checksums are not what a capture looks at
    let mut headers = vec![0xff; 6];
    headers.extend([2, 0, 0, 0, 0, 9, 8, 0, 0x45, 0, 0x0b, 0xb8, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1]);
    headers.extend([0, 80, 0, 81, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x10, 1, 0, 0, 0, 0, 0]);
    let region = DmaRegion::new(8192, None).unwrap();
    region.copy_in(0, &[1; 1460]).unwrap();
    region.copy_in(4001, &[2; 1460]).unwrap();
    region.copy_in(2000, &[3; 40]).unwrap();
    let offload = udrv_driver::Offload {
        checksum_start: 34,
        checksum_offset: 16,
        segment: 1460,
        headers: 54,
        ip_start: 14,
        ipv6: false,
    };
    let pieces = [(0, 1460), (4001, 1460), (2000, 40)];
    let packet = Merged { headers: &headers, pieces: &pieces, offload };
    assert!(tap.takes_merged());
    assert_eq!(tap.send_merged(&region, &packet).unwrap(), Sent::Done);
    let mut seen = [0; 4000];
    let count = host.recv(&mut seen).unwrap();
    assert_eq!(count, 54 + 2960, "one packet");
    assert_eq!(seen[..54], headers);
    let payload: Vec<u8> = [(1, 1460), (2, 1460), (3, 40)].iter().flat_map(|(byte, n)| vec![*byte; *n]).collect();
    assert_eq!(seen[54..count], payload);

    let outside = Merged { pieces: &[(0, 1460), (8000, 1460)], ..packet };
    assert!(matches!(tap.send_merged(&region, &outside), Err(EndpointError::Region { .. })));
    let too_many = Merged { pieces: &[(0, 8); 65], ..packet };
    assert!(matches!(tap.send_merged(&region, &too_many), Err(EndpointError::Region { .. })));
}

/// What the host counts, and the header, say all that the read has said.
#[test]
fn a_frame_is_recalled_without_its_read() {
    let name = unique();
    let Some(mut tap) = permitted(&name) else { return };
    tap.set_up(true).unwrap();
    let Some(host) = host_side(&name) else { return };
    let region = DmaRegion::new(4096, None).unwrap();
    for len in [60, 61, 900, 1514] {
        host.send(&frame(len)).unwrap();
        let ours = next_of_ours(&mut tap, |tap| {
            let (header, before) = (Header::default(), tap.counts().unwrap());
            let read = tap.recv_offloaded(&region, 0, 2048, &header).unwrap();
            let after = tap.counts().unwrap();
            let Received::Frame(got) = read.0 else { return (read.0, Vec::new()) };
            assert_eq!((after.given, after.given_bytes), (before.given + 1, before.given_bytes + got as u64));
            assert_eq!(tap.recall(got, 2048, &header), read);
            assert_eq!(tap.recall(got, got - 1, &header).0, Received::Cut);
            let mut frame = vec![0; got];
            region.copy_out(0, &mut frame).unwrap();
            (read.0, frame)
        });
        assert_eq!(ours, frame(len));
    }
}
