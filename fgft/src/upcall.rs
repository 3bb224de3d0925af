//! Upcalls: the door through which code inside asks the host for something.
//!
//! Plain words cross it, as in a system call; pointers among them are allegations, to be used only through
//! [`DomainMemory`]. The host side runs on the host's stack with all keys open. A panic there ends the call.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::Relaxed;

use crate::context::{Context, LEFT_HOST_PANIC, LEFT_REFUSED, UpcallFrame};
use crate::domain::Plain;
use crate::mmio::{self, MmioFault};
use crate::panic::payload_text;

/// The host will not do it, and the call ends as a fault: a broken rule, not an ordinary error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(pub String);

impl From<&str> for Refusal {
    fn from(reason: &str) -> Refusal {
        Refusal(reason.to_owned())
    }
}

/// What a host offers to code inside. `L` is the ledger: host-side state that is rolled back with the call.
pub trait Upcalls<L> {
    /// Serves one request: `number` and four words are the caller's choice. Two words go back.
    ///
    /// # Errors
    /// A [`Refusal`] ends the call as [`crate::FaultKind::Refused`].
    fn upcall(
        &mut self,
        ledger: &mut L,
        memory: &DomainMemory,
        number: u64,
        words: [u64; 4],
    ) -> Result<[u64; 2], Refusal>;
}

/// For calls that need nothing from the host: every upcall is refused.
impl<L> Upcalls<L> for () {
    fn upcall(&mut self, _: &mut L, _: &DomainMemory, number: u64, _: [u64; 4]) -> Result<[u64; 2], Refusal> {
        Err(Refusal(format!("upcall {number}: this host offers none")))
    }
}

/// The memory that code inside may write: its state and its stack.
#[derive(Debug, Clone)]
pub struct DomainMemory {
    pub(crate) ranges: [std::ops::Range<u64>; 2],
}

impl DomainMemory {
    /// Copies `to.len()` bytes from an address that code inside has named. It may name constants of the program as
    /// well as its own memory: what it may read, it may pass.
    ///
    /// # Errors
    /// Nothing is mapped there.
    pub fn read(&self, address: u64, to: &mut [u8]) -> Result<(), Refusal> {
        // SAFETY: the bytes are taken as they come; a fault is an error.
        unsafe { mmio::copy_from(to, address as *const u8) }
            .map_err(|MmioFault { address }| Refusal(format!("nothing to read at {address:#x}")))
    }

    /// Copies `to.len()` bytes from an address that code inside has named, in its own memory. That is cheaper than
    /// [`DomainMemory::read`], for nothing can be missing there.
    ///
    /// # Errors
    /// The range is not wholly in the domain's own memory.
    #[inline]
    pub fn read_own(&self, address: u64, to: &mut [u8]) -> Result<(), Refusal> {
        self.check_own(address, to.len())?;
        // SAFETY: mapped memory of the domain, whose code stands still during the upcall; any bytes are bytes.
        unsafe { std::ptr::copy_nonoverlapping(address as *const u8, to.as_mut_ptr(), to.len()) };
        Ok(())
    }

    /// Copies of `count` values that lie one behind the other at an address that code inside has named, in its own
    /// memory: the range is checked once for all of them. While the domain is borrowed for it nothing runs inside.
    ///
    /// # Errors
    /// The range is not wholly in the domain's own memory.
    pub fn read_own_list<T: Plain>(&self, address: u64, count: usize) -> Result<impl Iterator<Item = T>, Refusal> {
        self.check_own(address, size_of::<T>().saturating_mul(count))?;
        let list = address as *const T;
        // SAFETY: mapped memory of the domain for as long as there is one, as in `read_own`; any bytes are a value of T.
        Ok((0..count).map(move |at| unsafe { list.add(at).read_unaligned() }))
    }

    #[inline]
    fn check_own(&self, address: u64, bytes: usize) -> Result<(), Refusal> {
        let end = address.checked_add(bytes as u64);
        let inside = |r: &std::ops::Range<u64>| r.start <= address && end.is_some_and(|end| end <= r.end);
        if self.ranges.iter().any(inside) { Ok(()) } else { Err(not_own(address, bytes)) }
    }

    /// Copies `from` to an address that code inside has named.
    ///
    /// # Errors
    /// The range is not wholly in the domain's own memory.
    pub fn write(&self, address: u64, from: &[u8]) -> Result<(), Refusal> {
        self.check_own(address, from.len())?;
        // SAFETY: mapped, writable memory of the domain, whose code stands still during the upcall; the host holds
        // no reference into it.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), address as *mut u8, from.len()) };
        Ok(())
    }
}

#[cold]
fn not_own(address: u64, bytes: usize) -> Refusal {
    Refusal(format!("{bytes} bytes at {address:#x} are not the driver's own memory"))
}

/// An upcall from inside. Outside a call this must not be used; it ends the process.
///
/// The host may end the call instead of answering: then this does not return, and nothing on the driver's stack is
/// dropped.
#[inline]
pub fn upcall(number: u64, words: [u64; 4]) -> [u64; 2] {
    // SAFETY: inside a call by this function's contract; the assembly saves and restores what the ABI demands.
    let pair = unsafe { crate::asm::fgft_upcall(number, words[0], words[1], words[2], words[3]) };
    [pair.0, pair.1]
}

/// What `run` leaves for upcalls of one call.
pub(crate) struct Service<'a, H, L> {
    pub(crate) host: &'a mut H,
    pub(crate) ledger: *mut L,
    pub(crate) memory: DomainMemory,
    pub(crate) max_upcalls: u32,
    /// Made so far.
    pub(crate) upcalls: u32,
    /// The reason, if an upcall ended the call.
    pub(crate) refusal: Option<String>,
}

/// Serves one upcall for the host type `H`.
///
/// # Safety
/// `data` is the `Service<H, L>` of the call under way, `frame` the request on the host stack.
pub(crate) unsafe fn serve<H: Upcalls<L>, L>(data: *mut (), _context: &Context, frame: *mut UpcallFrame) -> u32 {
    // SAFETY: the contract; driver code stands still, so nothing else refers to either.
    let (service, frame) = unsafe { (&mut *data.cast::<Service<'_, H, L>>(), &mut *frame) };
    // One by one, as the assembly has just stored them: a wider load would have to wait until they are in the cache.
    // SAFETY: a word of the frame.
    let word = |at: usize| unsafe { (&raw const frame.words[at]).read_volatile() };
    let (number, words) = (word(0), [word(1), word(2), word(3), word(4)]);
    if service.upcalls == service.max_upcalls {
        service.refusal = Some(too_many(service.max_upcalls));
        return LEFT_REFUSED;
    }
    service.upcalls += 1;
    // SAFETY: the ledger outlives the call and only upcalls touch it meanwhile.
    let ledger = unsafe { &mut *service.ledger };
    match catch_unwind(AssertUnwindSafe(|| service.host.upcall(ledger, &service.memory, number, words))) {
        Ok(Ok(reply)) => {
            frame.words[..2].copy_from_slice(&reply);
            0
        }
        Ok(Err(Refusal(reason))) => {
            service.refusal = Some(reason);
            LEFT_REFUSED
        }
        Err(payload) => {
            service.refusal = Some(payload_text(&*payload).to_owned());
            LEFT_HOST_PANIC
        }
    }
}

#[cold]
fn too_many(max_upcalls: u32) -> String {
    format!("more than {max_upcalls} upcalls in one call")
}

/// The assembly calls this on the host stack.
///
/// # Safety
/// `context` is the one of the call under way, `frame` the request.
pub(crate) unsafe extern "C" fn entry(context: *mut Context, frame: *mut UpcallFrame) -> u32 {
    // SAFETY: the contract; `run` has set the handler and its data for this call.
    unsafe {
        let context = &*context;
        context.left.store(0, Relaxed);
        match *context.upcall.get() {
            Some(serve) => serve(*context.upcall_data.get(), context, frame),
            None => LEFT_REFUSED,
        }
    }
}
