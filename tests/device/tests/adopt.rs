//! A process that dies around its read from the TAP: before it, or behind it, when nothing but the host's counters says that
//! a frame has come. No frame is lost, none is sent twice, and they stay in order.
//!
//! The process dies as far as the device is concerned: its read panics, and nothing of it is dropped. Skipped, with the
//! reason, where TAPs are not permitted.
#![allow(unsafe_code, reason = "a packet socket, the host's side of a TAP")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use model_card::Model;
use model_card::interpose::{Before, Interposer};
use model_wire::{Station, Wire, WireConfig};
use nix::libc;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, send, socket};
use udrv::device::Opened;
use udrv::dma::DmaRegion;
use udrv::endpoint::{EndpointError, Header, HostCounts, Legacy, NetEndpoint, Received, Sent, Tap, Wanted};
use udrv::keep::{Inherited, Keeper, Left};
use udrv::net::NetDevice;
use udrv::run::Options;
use udrv_bus::PciFunction;
use udrv_driver::{Offload, Offloads};
use udrv_tests::every_subject;
use udrv_tests::rig::{patient, quick, turn};
use udrv_tests::subject::Subject;

every_subject! {
    no_frame_is_lost_around_a_read,
}

/// A card that outlives who has it.
struct Lasting {
    card: Arc<Mutex<Box<dyn PciFunction>>>,
    /// Stands for what a kernel or a server would keep.
    alive: OwnedFd,
}

impl Interposer for Lasting {
    type Card = Box<dyn PciFunction>;

    fn card(&self) -> MutexGuard<'_, Self::Card> {
        self.card.lock().unwrap()
    }
    fn kept_alive_by(&self) -> Vec<(&'static str, BorrowedFd<'_>)> {
        vec![("vfio-user-socket", self.alive.as_fd())]
    }
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
        if matches!(got, (Received::Frame(_), _)) && kind == KIND {
            assert!(!is_last, "dies behind its read");
            self.reads.fetch_sub(1, SeqCst);
        }
        Ok(got)
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

/// A keeper in this process.
#[derive(Debug, Default)]
struct Shelf(Mutex<Vec<(String, OwnedFd)>>);

impl Keeper for Shelf {
    fn keep(&self, name: &str, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.0.lock().unwrap().push((name.to_owned(), fd.try_clone_to_owned()?));
        Ok(())
    }
    fn forget(&self, names: &[&str]) -> io::Result<()> {
        self.0.lock().unwrap().retain(|(name, _)| !names.contains(&name.as_str()));
        Ok(())
    }
}

/// EtherType of our frames; the kernel has its own to send.
const KIND: [u8; 2] = [0x88, 0xb5];

fn frame(number: u8) -> Vec<u8> {
    let mut frame = [&[0xff; 6][..], &[2, 0, 0, 0, 0, 9], &KIND, &[number]].concat();
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
        if !dies_at::<S>(place, reads) {
            return;
        }
    }
}

/// Dies at the read after `reads` others of ours. False: it could not be tried.
fn dies_at<S: Subject>(place: Place, reads: u32) -> bool {
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
    let card: Arc<Mutex<Box<dyn PciFunction>>> = Arc::new(Mutex::new(Box::new(card)));
    let opened = || {
        let alive = io::pipe().expect("a pipe").0.into();
        Opened::from(Box::new(Before(Lasting { card: card.clone(), alive })) as Box<dyn PciFunction>)
    };
    let shelf = Arc::new(Shelf::default());
    let options = || patient(Options { keeper: Some(shelf.clone()), ..quick() });
    let lives = Arc::new(AtomicU32::new(u32::MAX));
    let mut endpoint = Mortal { tap, place, reads: lives.clone() };
    endpoint.set_up(true).expect("it goes up");
    let mut device = NetDevice::<S::Driver>::start(opened(), Box::new(endpoint), options()).expect("it starts");

    let mut sent = 0;
    let mut send_some = || {
        for _ in 0..4 {
            let bytes = frame(sent);
            assert_eq!(send(host.as_raw_fd(), &bytes, MsgFlags::empty()), Ok(bytes.len()));
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
            let ours = station.receive(Duration::from_millis(1)).filter(|frame| frame.data[12..14] == KIND);
            if let Some(got) = ours {
                let number = got.data[14];
                assert_eq!(got.data, frame(number), "{place:?} {reads}: frame {number} is spoilt");
                came.push(number);
            }
        }
        came.clone()
    };
    take(&mut device, send_some());
    let until = send_some();
    lives.store(reads, SeqCst);
    let death = catch_unwind(AssertUnwindSafe(|| device.pump_endpoint()));
    assert!(death.is_err(), "{place:?} {reads}: it lives");
    // nothing of it is cleaned up
    std::mem::forget(device);

    let mut inherited = Inherited::default();
    shelf.0.lock().unwrap().drain(..).for_each(|(name, fd)| inherited.insert(name, fd));
    let left = Left::examine(&inherited).expect("it can be gone on with");
    let mut device = NetDevice::<S::Driver>::adopt(opened(), left, options()).expect("it goes on");
    take(&mut device, until);
    let until = send_some();
    assert_eq!(take(&mut device, until), (0..until).collect::<Vec<_>>(), "{place:?} {reads}");
    true
}
