//! How a driver's requests reach the host: by upcall out of a transaction ([`Gate`]), or as function calls
//! ([`Direct`]).
//!
//! An upcall costs more than most of what is asked for, so there are as few as the answers demand:
//! - requests that are *posted* wait on the driver's stack and cross together, before the next that has an answer; those
//!   that still wait when the call ends are served behind it, without an upcall: its stack is as it has left it. Of
//!   writes to a tail register the last crosses;
//! - DMA memory is read in place. It and the ledger, which says what the driver may read, lie where code inside can read
//!   and not write; the check binds nobody who would go around it, as nothing does that is only read.
// The ledger is looked at where no reference to it can be held: beside the upcalls that change it.
#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::mem::MaybeUninit;

use fgft::tracking::{Handle, Rights};
use fgft::{DomainMemory, Refusal};
use udrv_driver::abi::Request;
use udrv_driver::{Error, Services};

use crate::dma::DmaRegion;
use crate::host::{BATCH, Host};
use crate::ledger::Ledger;

/// Requests that wait at most: for each frame of a batch keeping it, two words of its descriptor and a doorbell, and
/// some more for those that say what is left to the chip. One of them is for a tail.
const QUEUE: usize = 5 * BATCH;
const _: () = assert!(QUEUE < 256, "their number has a byte");
/// Words of one: its number, and its own three.
const ENTRY_WORDS: usize = 4;

/// Where requests wait and how many, in the fourth word of an upcall: an allegation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Posted {
    address: u64,
    count: u64,
}

impl Posted {
    const COUNT_SHIFT: u32 = 56;

    /// `None`: nothing was posted.
    pub(crate) fn from_word(word: u64) -> Option<Posted> {
        let (address, count) = (word & !(u64::MAX << Self::COUNT_SHIFT), word >> Self::COUNT_SHIFT);
        (count != 0).then_some(Posted { address, count: count.min(QUEUE as u64) })
    }

    /// Where the first of them is, and how many there are.
    pub(crate) fn place(self) -> (u64, usize) {
        (self.address, self.count as usize)
    }
}

/// A request that waits: its number and its words.
pub(crate) type Entry = [u64; ENTRY_WORDS];

/// Services as code inside a transaction has them. Lives on the driver's stack.
pub(crate) struct Gate {
    ledger: *const Ledger,
    region: *const DmaRegion,
    queue: [Cell<MaybeUninit<Entry>>; QUEUE],
    posted: Cell<usize>,
    /// The last write to a tail register: the next one may make it needless.
    tail: Cell<Option<[u64; 3]>>,
    /// A write to DMA memory is among them.
    dma_is_newer: Cell<bool>,
}

impl Gate {
    /// For one call.
    ///
    /// # Safety
    /// Inside a transaction. `ledger` is that of its domain and `region` the device's memory; both outlive this, and
    /// only upcalls of this call change the ledger.
    pub(crate) unsafe fn new(ledger: *const Ledger, region: *const DmaRegion) -> Gate {
        let queue = [const { Cell::new(MaybeUninit::uninit()) }; QUEUE];
        Gate { ledger, region, queue, posted: Cell::new(0), tail: Cell::new(None), dma_is_newer: Cell::new(false) }
    }

    /// Where requests wait that were posted: a word for [`Posted::from_word`]. The call does no more after it.
    pub(crate) fn posted(&self) -> u64 {
        self.pass_tail();
        match self.posted.replace(0) {
            0 => 0,
            count => self.queue.as_ptr() as u64 | (count as u64) << Posted::COUNT_SHIFT,
        }
    }

    /// An upcall, with what was posted before it.
    fn upcall(&self, request: Request, [a, b, c, _]: [u64; 4]) -> [u64; 2] {
        self.dma_is_newer.set(false);
        fgft::upcall(request as u64, [a, b, c, self.posted()])
    }

    /// The tail that waits for a newer one will not see it: it goes behind what was posted.
    fn pass_tail(&self) {
        if let Some([offset, width, value]) = self.tail.take() {
            self.enqueue([Request::RegisterWrite as u64, offset, width, value]);
        }
    }

    /// There is room: see [`QUEUE`].
    fn enqueue(&self, entry: Entry) {
        let at = self.posted.get();
        self.queue[at].set(MaybeUninit::new(entry));
        self.posted.set(at + 1);
    }

    fn read_dma(&self, request: Request, words: [u64; 4]) -> Option<u64> {
        if self.dma_is_newer.get() {
            return None;
        }
        // SAFETY: both are alive, and no upcall is under way that could change the ledger (`new`).
        let (ledger, region) = unsafe { (&*self.ledger, &*self.region) };
        read_in_place(ledger, region, request, words)
    }
}

/// Reads a word of DMA memory, if that is the request and the driver may: else it is the host that says why not.
#[inline]
fn read_in_place(ledger: &Ledger, region: &DmaRegion, request: Request, [handle, offset, ..]: [u64; 4]) -> Option<u64> {
    let mut bytes = [0; 8];
    let length = if request == Request::DmaRead64 { 8 } else { 4 };
    let piece = ledger.dma.peek(Handle::from_word(handle), offset, length as u64, Rights::READ)?;
    region.copy_out(u64::from(piece.offset) + offset, &mut bytes[..length]).ok()?;
    Some(u64::from_le_bytes(bytes))
}

fn reads_dma(request: Request) -> bool {
    matches!(request, Request::DmaRead32 | Request::DmaRead64)
}

impl Services for Gate {
    fn request(&self, request: Request, words: [u64; 4]) -> Result<u64, Error> {
        if reads_dma(request)
            && let Some(value) = self.read_dma(request, words)
        {
            return Ok(value);
        }
        match self.upcall(request, words) {
            [0, value] => Ok(value),
            [status, _] => Err(Error::from_word(status).unwrap_or(Error::Bus)),
        }
    }

    fn post(&self, request: Request, [a, b, c, d]: [u64; 4]) -> Result<(), Error> {
        // one is left for a tail
        if self.posted.get() >= QUEUE - 1 {
            self.upcall(Request::Posted, [0; 4]);
        }
        match request {
            Request::RegisterWrite if d != 0 => {
                if self.tail.get().is_some_and(|[offset, ..]| offset != a) {
                    self.pass_tail();
                }
                self.tail.set(Some([a, b, c]));
                return Ok(());
            }
            // what is held back is so in the driver's order
            Request::RegisterWrite | Request::DmaHandOver32 => self.pass_tail(),
            Request::DmaWrite32 | Request::DmaWrite64 => self.dma_is_newer.set(true),
            _ => {}
        }
        self.enqueue([request as u64, a, b, c]);
        Ok(())
    }
}

/// Services as an unprotected call has them: each request is a function call. A broken rule ends the process, as it
/// would in a kernel.
pub(crate) struct Direct<'a> {
    host: RefCell<(&'a mut Host, &'a mut Ledger)>,
    memory: DomainMemory,
}

impl<'a> Direct<'a> {
    /// Over what the call may use.
    pub(crate) fn new(host: &'a mut Host, ledger: &'a mut Ledger, memory: DomainMemory) -> Direct<'a> {
        Direct { host: RefCell::new((host, ledger)), memory }
    }
}

impl Services for Direct<'_> {
    fn request(&self, request: Request, words: [u64; 4]) -> Result<u64, Error> {
        let mut both = self.host.borrow_mut();
        let (host, ledger) = &mut *both;
        if reads_dma(request)
            && let Some(value) = read_in_place(ledger, host.pool.region(), request, words)
        {
            return Ok(value);
        }
        match host.serve(ledger, &self.memory, request, words) {
            Ok(answer) => answer,
            Err(Refusal(reason)) => panic!("the driver broke a rule, unprotected: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_where_requests_wait_is_bounded() {
        assert!(Posted::from_word(0).is_none());
        assert!(Posted::from_word(0x7fff_1234_5678).is_none(), "none, wherever they may be");
        let place = |word| Posted::from_word(word).map(Posted::place);
        assert_eq!(place(2 << 56 | 0x1000), Some((0x1000, 2)));
        assert_eq!(place(u64::MAX), Some((u64::MAX >> 8, QUEUE)), "no word makes it run on");
    }

    #[test]
    fn only_what_has_no_answer_is_posted() {
        let posted = (0..).map_while(Request::from_number).filter(|request| request.may_be_posted());
        use Request::*;
        assert_eq!(
            posted.collect::<Vec<_>>(),
            [RegisterWrite, DmaWrite32, DmaWrite64, DmaHandOver32, Keep, Complete, Deliver, Report, Dropped, Mark]
        );
    }
}
