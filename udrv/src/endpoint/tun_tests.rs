//! TUNs, each in a network namespace of its test's own; a test says so when it cannot have one.

use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};

use super::*;
use crate::endpoint::Tap;

const OURS: [u8; 6] = [2, 0, 0, 0, 0, 1];
const PEER: [u8; 6] = [2, 0, 0, 0, 0, 2];
const HERE: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
const THERE: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 2);

/// A TUN that is up and has the address [`HERE`], on this thread's own network; or why there is none.
fn tun() -> Option<Tun> {
    if let Err(error) = unshare(CloneFlags::CLONE_NEWNET) {
        println!("skipped: a network namespace: {error}");
        return None;
    }
    let mut tun = match Tun::open("tun%d", PEER) {
        Ok(tun) => tun,
        Err(
            error @ (EndpointError::NoTun | EndpointError::NoTunPermission | EndpointError::NoTapPermission { .. }),
        ) => {
            println!("skipped: {error}");
            return None;
        }
        Err(error) => panic!("{error}"),
    };
    tun.set_mac(OURS).unwrap();
    set_address(&tun, libc::SIOCSIFADDR, HERE);
    set_address(&tun, libc::SIOCSIFNETMASK, Ipv4Addr::new(255, 255, 255, 0));
    tun.set_up(true).unwrap();
    Some(tun)
}

#[allow(unsafe_code)] // the administrator's hand, which only tests need
fn set_address(tun: &Tun, request: libc::c_ulong, address: Ipv4Addr) {
    // SAFETY: ifreq and sockaddr_in are integers, arrays and pointers: zeroes are values of them.
    let (mut asked, mut internet): (libc::ifreq, libc::sockaddr_in) =
        unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    for (to, from) in asked.ifr_name.iter_mut().zip(tun.name().bytes()) {
        *to = from as libc::c_char;
    }
    internet.sin_family = libc::AF_INET as u16;
    internet.sin_addr.s_addr = u32::from(address).to_be();
    // SAFETY: both are 16 bytes of plain data.
    asked.ifr_ifru.ifru_addr = unsafe { std::mem::transmute::<libc::sockaddr_in, libc::sockaddr>(internet) };
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    // SAFETY: these requests take an ifreq, which is live for the call.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), request, &raw mut asked) };
    assert_eq!(done, 0, "{}", io::Error::last_os_error());
}

/// The next frame of the host with this type; the kernel's own come in between.
fn next(tun: &mut Tun, region: &DmaRegion, ether_type: [u8; 2]) -> Vec<u8> {
    loop {
        match tun.recv_into(region, 64, 2000).unwrap() {
            Received::Frame(len) => {
                let mut frame = vec![0; len];
                region.copy_out(64, &mut frame).unwrap();
                if frame[12..14] == ether_type {
                    return frame;
                }
            }
            Received::Empty => {
                let mut fds = [nix::poll::PollFd::new(tun.as_fd(), nix::poll::PollFlags::POLLIN)];
                assert_eq!(nix::poll::poll(&mut fds, 5000u16), Ok(1), "nothing comes");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn packets_go_both_ways_between_ethernet_headers() {
    let Some(mut tun) = tun() else { return };
    let region = DmaRegion::new(8192, None).unwrap();
    let host = UdpSocket::bind((HERE, 700)).unwrap();
    host.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    host.send_to(b"question", (THERE, 7)).unwrap();
    let mut frame = next(&mut tun, &region, IPV4);
    assert_eq!((&frame[..6], &frame[6..12], frame[14]), (&PEER[..], &OURS[..], 0x45));
    assert_eq!(frame[42..], *b"question");

    // the same back: addresses and ports change places, which leaves both checksums as they are
    let (source, destination) = (frame[26..30].to_vec(), frame[30..34].to_vec());
    frame[26..30].copy_from_slice(&destination);
    frame[30..34].copy_from_slice(&source);
    frame[34..38].rotate_left(2);
    frame[..12].rotate_left(6);
    frame.resize(60, 0); // as on a cable
    region.copy_in(0, &frame).unwrap();
    let mut answer = [0; 64];
    assert_eq!(tun.send_from(&region, 0, 60).unwrap(), Sent::Done);
    assert_eq!(host.recv_from(&mut answer).unwrap(), (8, (THERE, 7).into()));
    assert_eq!(tun.send(&frame).unwrap(), Sent::Done);
    assert_eq!(host.recv_from(&mut answer).unwrap(), (8, (THERE, 7).into()));
    assert_eq!(answer[..8], *b"question");

    // what is for another station, or no packet, does not reach the host; the one behind it does
    let mut other = frame.clone();
    other[5] = 9;
    let mut strange = frame.clone();
    strange[12..14].copy_from_slice(&[0x88, 0xb5]);
    for not_ours in [&other, &strange] {
        assert_eq!(tun.send(not_ours).unwrap(), Sent::Done);
    }
    frame[42..50].copy_from_slice(b"the last");
    frame[40..42].fill(0); // no checksum
    tun.send(&frame).unwrap();
    assert_eq!(host.recv(&mut answer).unwrap(), 8);
    assert_eq!(answer[..8], *b"the last");
    assert!(tun.send(&[0; 3]).is_err(), "shorter than a header");
    assert!(tun.send_from(&region, 8190, 60).is_err(), "outside");
}

#[test]
fn who_asks_for_an_address_of_the_interface_is_answered() {
    let Some(mut tun) = tun() else { return };
    let region = DmaRegion::new(8192, None).unwrap();
    let question = |target: Ipv4Addr| {
        let mut frame = vec![0xff; 6];
        frame.extend(PEER);
        frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
        frame.extend(PEER);
        frame.extend(THERE.octets());
        frame.extend([0; 6]);
        frame.extend(target.octets());
        frame.resize(60, 0);
        frame
    };
    region.copy_in(0, &question(Ipv4Addr::new(10, 1, 0, 77))).unwrap();
    tun.send_from(&region, 0, 60).unwrap();
    region.copy_in(0, &question(HERE)).unwrap();
    tun.send_from(&region, 0, 60).unwrap();
    let answer = next(&mut tun, &region, [8, 6]);
    assert_eq!((&answer[..6], &answer[22..28], &answer[28..32]), (&PEER[..], &OURS[..], &HERE.octets()[..]));
    assert!(tun.answers.is_empty(), "one question was not for us");
    // a flood of questions takes no more than its room
    for _ in 0..3 * ANSWERS {
        tun.send(&question(HERE)).unwrap();
    }
    assert_eq!(tun.answers.len(), ANSWERS);
    let mut buffer = [0; 100];
    assert_eq!(tun.recv(&mut buffer).unwrap(), Received::Frame(42));
    assert_eq!(tun.recv(&mut buffer[..41]).unwrap(), Received::Cut);
}

#[test]
fn a_tap_is_no_tun() {
    let Some(tun) = tun() else { return };
    assert!(matches!(Tun::open(&tun.name(), PEER), Err(EndpointError::Taken { kind: "TUN", .. })));
    let tap = Tap::open("tap0").unwrap();
    let refused = Tun::open(tap.interface(), PEER).unwrap_err();
    assert!(refused.to_string().contains("mode tun") || matches!(refused, EndpointError::Taken { .. }), "{refused}");
    assert!(Tap::open("lo").unwrap_err().to_string().contains("mode tap"));
    assert!(Tun::open("lo", PEER).unwrap_err().to_string().contains("mode tun"));
}
