//! A process that dies around its read from the TAP: before it, or behind it, when nothing but the host's counters says that
//! a frame has come. No frame is lost, none is sent twice, and they stay in order; one is lost if it was being read in the
//! turn of one that was too long.
//!
//! The process dies as far as the device is concerned: its read panics, and nothing of it is dropped. Skipped, with the
//! reason, where TAPs are not permitted.
#![allow(unsafe_code, reason = "a packet socket, the host's side of a TAP")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use model_card::Model;
use model_wire::{Station, Wire, WireConfig};
use nix::libc;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, send, socket};
use udrv::dma::DmaRegion;
use udrv::endpoint::{EndpointError, Header, HostCounts, Legacy, NetEndpoint, Received, Sent, Tap, Wanted};
use udrv::keep::Left;
use udrv::net::NetDevice;
use udrv::run::Options;
use udrv_driver::{Offload, Offloads};
use udrv_tests::every_subject;
use udrv_tests::kept::{Lasting, Shelf};
use udrv_tests::rig::{patient, quick, turn};
use udrv_tests::subject::{Rtl8139, Subject};

every_subject! {
    no_frame_is_lost_around_a_read,
}

/// Where the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The frame waits in the TAP.
    BeforeRead,
    /// It is in its buffer, and nobody knows.
    BehindRead,
}

/// A TAP whose reader dies.
struct Mortal {
    tap: Tap,
    place: Place,
    /// Frames of ours that are read before that one; it lives on while there are many.
    reads: Arc<AtomicU32>,
}

impl NetEndpoint for Mortal {
    fn name(&self) -> String {
        self.tap.name()
    }
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tap.as_fd()
    }
    fn recv(&mut self, to: &mut [u8]) -> Result<Received, EndpointError> {
        self.tap.recv(to)
    }
    fn recv_offloaded(
        &mut self,
        region: &DmaRegion,
        offset: u64,
        max_len: usize,
        header: &Header,
    ) -> Result<(Received, Offload), EndpointError> {
        let is_last = self.reads.load(SeqCst) == 0;
        assert!(!is_last || self.place != Place::BeforeRead, "dies before its read");
        let got = self.tap.recv_offloaded(region, offset, max_len, header)?;
        let mut kind = [0; 2];
        region.copy_out(offset + 12, &mut kind).expect("in the region");
        if !matches!(got, (Received::Frame(_), _)) || ![KIND, TOO_LONG].contains(&kind) {
            return Ok(got);
        }
        assert!(!is_last, "dies behind its read");
        self.reads.fetch_sub(1, SeqCst);
        Ok(if kind == TOO_LONG { (Received::Cut, Offload::default()) } else { got })
    }
    fn send(&mut self, frame: &[u8]) -> Result<Sent, EndpointError> {
        self.tap.send(frame)
    }
    fn set_offloads(&mut self, offloads: Offloads) -> Result<(), EndpointError> {
        self.tap.set_offloads(offloads)
    }
    fn set_mac(&mut self, mac: [u8; 6]) -> Result<(), EndpointError> {
        self.tap.set_mac(mac)
    }
    fn mtu(&self) -> Result<Option<u32>, EndpointError> {
        NetEndpoint::mtu(&self.tap)
    }
    fn set_mtu(&mut self, mtu: u32) -> Result<(), EndpointError> {
        self.tap.set_mtu(mtu)
    }
    fn set_carrier(&mut self, on: bool) -> Result<(), EndpointError> {
        self.tap.set_carrier(on)
    }
    fn changes(&self) -> Option<BorrowedFd<'_>> {
        self.tap.changes()
    }
    fn wanted(&mut self) -> Result<Option<Wanted>, EndpointError> {
        self.tap.wanted()
    }
    fn set_up(&mut self, up: bool) -> Result<(), EndpointError> {
        self.tap.set_up(up)
    }
    fn counts(&self) -> Option<HostCounts> {
        self.tap.counts()
    }
    fn legacy(&self) -> Option<Legacy> {
        self.tap.legacy()
    }
}

/// EtherType of our frames; the kernel has its own to send.
const KIND: [u8; 2] = [0x88, 0xb5];
/// And of those that stand for frames that are too long.
const TOO_LONG: [u8; 2] = [0x88, 0xb6];

fn frame(kind: [u8; 2], number: u8) -> Vec<u8> {
    let mut frame = [&[0xff; 6][..], &[2, 0, 0, 0, 0, 9], &kind, &[number]].concat();
    frame.resize(60 + usize::from(number) * 173 % 1400, number);
    frame
}

/// The host's side of the interface: what is sent here is what the TAP gives.
fn host_side(name: &str) -> OwnedFd {
    let socket =
        socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None).expect("who may have a TAP");
    // SAFETY: sockaddr_ll is integers: zeroes are a value of it.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_ifindex = nix::net::if_::if_nametoindex(name).expect("it is there") as i32;
    let length = size_of::<libc::sockaddr_ll>() as u32;
    // SAFETY: a live sockaddr_ll with its own size.
    let done = unsafe { libc::bind(socket.as_raw_fd(), std::ptr::from_ref(&address).cast(), length) };
    assert_eq!(done, 0, "{}", io::Error::last_os_error());
    socket
}

fn no_frame_is_lost_around_a_read<S: Subject>() {
    let _turn = turn();
    // few: who is not cleaned up keeps a protection key, and a process has 15
    for (place, reads) in [(Place::BeforeRead, 1), (Place::BehindRead, 0), (Place::BehindRead, 3)] {
        if !dies_at::<S>(place, reads, false) {
            return;
        }
    }
}

/// How far the host had counted was not known.
#[test]
fn of_frames_behind_one_that_was_too_long_only_that_being_read_is_lost() {
    let _turn = turn();
    for place in [Place::BeforeRead, Place::BehindRead] {
        dies_at::<Rtl8139>(place, 1, true);
    }
}

/// Dies at the read after `reads` others of ours, of which the first is too long if `cut`. False: it could not be tried.
fn dies_at<S: Subject>(place: Place, reads: u32, cut: bool) -> bool {
    fgft::init().expect("isolation");
    let tap = match Tap::open("udradopt%d") {
        Ok(tap) => tap,
        Err(
            error @ (EndpointError::NoTun | EndpointError::NoTunPermission | EndpointError::NoTapPermission { .. }),
        ) => {
            println!("skipped: {error}");
            return false;
        }
        Err(error) => panic!("{error}"),
    };
    let host = host_side(tap.interface());
    let (_wire, near, far) = Wire::new(WireConfig::default());
    let station = Station::new(far);
    let (card, _bench) = Model::<S::Chip>::new(S::config(), near);
    let card = Lasting::new(card);
    let shelf = Arc::new(Shelf::default());
    let options = || patient(Options { keeper: Some(shelf.clone()), ..quick() });
    let lives = Arc::new(AtomicU32::new(u32::MAX));
    let mut endpoint = Mortal { tap, place, reads: lives.clone() };
    endpoint.set_up(true).expect("it goes up");
    let mut device = NetDevice::<S::Driver>::start(card.opened(), Box::new(endpoint), options()).expect("it starts");

    let give = |bytes: &[u8]| assert_eq!(send(host.as_raw_fd(), bytes, MsgFlags::empty()), Ok(bytes.len()));
    let mut sent = 0;
    let mut send_some = || {
        for _ in 0..4 {
            give(&frame(KIND, sent));
            sent += 1;
        }
        sent
    };
    let mut came = Vec::new();
    let mut take = |device: &mut NetDevice<S::Driver>, until: u8| {
        let start = std::time::Instant::now();
        while came.last().is_none_or(|last| last + 1 < until) {
            assert!(start.elapsed() < udrv_tests::PATIENCE, "{place:?} {reads}: of {until} only {came:?}");
            device.pump_endpoint().expect("it works");
            device.serve_interrupt().expect("it works");
            let Some(got) = station.receive(Duration::from_millis(1)) else { continue };
            assert_ne!(got.data[12..14], TOO_LONG, "{place:?} {reads}: it was dropped");
            if got.data[12..14] == KIND {
                let number = got.data[14];
                assert_eq!(got.data, frame(KIND, number), "{place:?} {reads}: frame {number} is spoilt");
                came.push(number);
            }
        }
        came.clone()
    };
    give(&frame(TOO_LONG, 0));
    let first = send_some();
    take(&mut device, first);
    if cut {
        give(&frame(TOO_LONG, 1));
    }
    let until = send_some();
    lives.store(reads, SeqCst);
    let death = catch_unwind(AssertUnwindSafe(|| device.pump_endpoint()));
    assert!(death.is_err(), "{place:?} {reads}: it lives");
    // nothing of it is cleaned up
    std::mem::forget(device);

    let left = Left::examine(&shelf.empty()).expect("it can be gone on with");
    let mut device = NetDevice::<S::Driver>::adopt(card.opened(), left, options()).expect("it goes on");
    take(&mut device, until);
    let until = send_some();
    let lost = (cut && place == Place::BehindRead).then_some(first);
    let all: Vec<u8> = (0..until).filter(|number| Some(*number) != lost).collect();
    assert_eq!(take(&mut device, until), all, "{place:?} {reads}");
    true
}
