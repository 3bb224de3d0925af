//! A disk at the end of bulk transfers (USB Mass Storage Class, Bulk-Only Transport 1.0): commands OUT, data both ways, status IN.
//!
//! Many transfers of a command are queued at once, in pieces of different sizes, and must come back in order.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::sys::eventfd::{EfdFlags, EventFd};
use udrv::usb::libusb::LibusbDevice;
use udrv_bus::{Completion, EndpointKind, Transfer, TransferStatus, UsbDevice, UsbId};

use super::{Outcome, ensure, readable};

/// QEMU's usb-storage.
pub(super) const QEMU: UsbId = UsbId { vendor: 0x46f4, product: 0x0001 };

/// Bytes of a block.
const BLOCK: usize = 512;
/// Bytes of a status (5.2).
const STATUS: usize = 13;

/// Asks the disk what it is, reads it in pieces of several sizes, and writes back what it has read.
pub(super) fn probe(device: &mut LibusbDevice) -> Outcome {
    let mut disk = Disk::new(device)?;
    let empty = Transfer { endpoint: disk.from, token: 0, data: vec![0; 8], zero_packet: true };
    ensure(disk.device.submit(empty).is_err(), "an empty packet at the end is for OUT")?;
    let who = disk.command(&[0x12, 0, 0, 0, 36, 0], Data::In { size: 36, piece: 36 })?;
    let text: String = who[8..32].iter().map(|b| char::from(*b)).collect();
    println!("INQUIRY: '{text}'");
    ensure(text.starts_with("QEMU"), "it is QEMU's disk")?;

    const BLOCKS: u8 = 255;
    let size = usize::from(BLOCKS) * BLOCK;
    let (read, write) = ([0x28, 0, 0, 0, 0, 0, 0, 0, BLOCKS, 0], [0x2a, 0, 0, 0, 0, 0, 0, 0, BLOCKS, 0]);
    let whole = disk.command(&read, Data::In { size, piece: size })?;
    ensure(whole.iter().any(|byte| *byte != whole[0]), "the disk has something on it that could be out of order")?;
    // libusb cuts what is longer than 16 KiB
    for piece in [BLOCK, 8 * BLOCK, 32 * BLOCK, 33 * BLOCK] {
        let pieces = disk.command(&read, Data::In { size, piece })?;
        ensure(pieces == whole, "a read in pieces is the same")?;
        disk.command(&write, Data::Out { bytes: &whole, piece })?;
    }
    let again = disk.command(&read, Data::In { size, piece: size })?;
    ensure(again == whole, "what was written is what was there")
}

/// What goes with a command, in transfers of `piece` bytes.
enum Data<'a> {
    In { size: usize, piece: usize },
    Out { bytes: &'a [u8], piece: usize },
}

struct Disk<'a> {
    device: &'a mut LibusbDevice,
    event: EventFd,
    from: u8,
    to: u8,
    tag: u32,
}

impl<'a> Disk<'a> {
    fn new(device: &'a mut LibusbDevice) -> Outcome<Self> {
        let bulk = |is_in| {
            let found = device.endpoints().iter().find(|e| e.is_in() == is_in && e.kind == EndpointKind::Bulk);
            found.map(|e| e.address).ok_or("a disk has a bulk endpoint each way")
        };
        let (from, to) = (bulk(true)?, bulk(false)?);
        let event = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        device.set_event(event.as_fd())?;
        Ok(Disk { device, event, from, to, tag: 0 })
    }

    /// Does a SCSI command and gives back what came.
    fn command(&mut self, block: &[u8], data: Data<'_>) -> Outcome<Vec<u8>> {
        self.tag += 1;
        let start = Instant::now();
        let (size, is_in) = match &data {
            Data::In { size, .. } => (*size, true),
            Data::Out { bytes, .. } => (bytes.len(), false),
        };
        let mut wrapper = vec![0; 31]; // 5.1: signature, tag, length, direction, LUN, length of the command, command
        wrapper[..4].copy_from_slice(b"USBC");
        wrapper[4..8].copy_from_slice(&self.tag.to_le_bytes());
        wrapper[8..12].copy_from_slice(&u32::try_from(size)?.to_le_bytes());
        wrapper[12] = if is_in { 0x80 } else { 0 };
        wrapper[14] = block.len() as u8;
        wrapper[15..15 + block.len()].copy_from_slice(block);
        self.submit(self.to, wrapper)?;
        self.wait(1)?; // QEMU stalls a read before its command
        let mut pieces: Vec<Vec<u8>> = match data {
            Data::In { size, piece } => (0..size).step_by(piece).map(|at| vec![0; piece.min(size - at)]).collect(),
            Data::Out { bytes, piece } => bytes.chunks(piece).map(<[u8]>::to_vec).collect(),
        };
        let count = pieces.len();
        let endpoint = if is_in { self.from } else { self.to };
        for piece in pieces.drain(..) {
            self.submit(endpoint, piece)?;
        }
        let mut ended = Vec::new();
        if !is_in {
            ended = self.wait(count)?;
        }
        self.submit(self.from, vec![0; STATUS])?;
        ended.extend(self.wait(count + 1 - ended.len())?);
        ensure(ended.iter().all(|c| c.length == c.data.len()), "all bytes are transferred")?;
        let status = ended.pop().expect("the status is the last").data;
        let good = status.starts_with(b"USBS") && status[4..8] == self.tag.to_le_bytes() && status[12] == 0;
        ensure(good, "the status is that of this command, and good")?;
        println!("command {:#04x}: {size} bytes in {count} transfers, {:?}", block[0], start.elapsed());
        Ok(ended.into_iter().flat_map(|c| c.data).collect())
    }

    fn submit(&mut self, endpoint: u8, data: Vec<u8>) -> Outcome {
        Ok(self.device.submit(Transfer { endpoint, token: u64::from(self.tag), data, zero_packet: false })?)
    }

    fn wait(&mut self, count: usize) -> Outcome<Vec<Completion>> {
        let mut ended = Vec::new();
        while ended.len() < count {
            ensure(readable(&self.event, Duration::from_secs(5))?, "transfers end")?;
            self.event.read()?;
            ended.extend(std::iter::from_fn(|| self.device.reap()));
        }
        ensure(ended.len() == count, "no more end than there were")?;
        ensure(ended.iter().all(|c| c.status == TransferStatus::Done), "they are done")?;
        Ok(ended)
    }
}
