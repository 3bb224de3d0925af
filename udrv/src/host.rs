//! The host side of a driver's requests: one function, plain words in and out, every rule checked.
//!
//! Reached by upcall from inside a transaction, or directly in an unprotected call: see `gate.rs`.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use fgft::tracking::{Handle, Owner, Rights};
use fgft::{DomainMemory, Refusal, Upcalls};
use udrv_driver::abi::{DELIVER_CHECKED, Request};
use udrv_driver::{AROUND_MTU, Error, Injection, MAX_REPORTS, Report, USUAL_MTU};

use crate::buffers::Buffers;
use crate::clock::Clock;
use crate::gate::{Entry, Posted};
use crate::keep::{Kept, MAX_DELIVERED};
use crate::ledger::Ledger;
use crate::marks::Marks;
use crate::pool::Pool;
use crate::window::Window;

/// Frames that one call may deliver; also the budget of a poll, at the usual MTU.
pub const BUDGET: u32 = 64;
const _: () = assert!(BUDGET as usize <= MAX_DELIVERED);
/// Bytes that a frame takes in a receive ring, at least.
const PIECE: u32 = 2048;
/// Frames that one call of `transmit` may be offered.
pub const BATCH: usize = 32;
/// The shortest frame, bytes without CRC: an Ethernet header.
const SHORTEST: u64 = 14;
/// The longest pause that a driver may ask for at once.
const MAX_PAUSE: Duration = Duration::from_millis(20);

/// A frame for the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// Where in the region.
    pub place: u64,
    /// Bytes.
    pub length: u32,
    /// Its checksum was found right by the chip.
    pub checked: bool,
    /// Which it is of those that its call delivers.
    pub number: u8,
}

impl Delivered {
    const CHECKED: u64 = 1 << 31;

    /// For the record; the region has less than 4 GiB.
    fn to_word(self) -> u64 {
        self.place << 32 | u64::from(self.length) | if self.checked { Self::CHECKED } else { 0 }
    }

    /// Whether the two have a byte in common.
    fn overlaps(self, other: Delivered) -> bool {
        let end = |frame: Delivered| frame.place + u64::from(frame.length);
        self.place < end(other) && other.place < end(self)
    }

    fn from_word(word: u64, number: u8) -> Delivered {
        let length = word as u32 & !(Self::CHECKED as u32);
        Delivered { place: word >> 32, length, checked: word & Self::CHECKED != 0, number }
    }
}

/// What a call has staged and what the host needs to serve it.
pub struct Host {
    /// The device's registers.
    pub window: Window,
    /// The device's memory.
    pub pool: Pool,
    /// Who has which of the packet buffers in it.
    pub buffers: Buffers,
    /// The longest frame at the MTU in force, bytes without CRC.
    longest_frame: u32,
    /// Frames that a poll may deliver at that MTU.
    budget: u32,
    /// What a successor must know of the call under way; the frames that it delivers, too.
    pub(crate) kept: Arc<Kept>,
    /// Frames that the call under way says were sent.
    pub sent: u64,
    /// Frames that it says were lost.
    pub lost: u64,
    /// Reports of an input device that it has handed up.
    pub reports: Vec<Report>,
    /// Bytes of one that it says were of no use.
    pub dropped: u64,
    /// What it touches of indirect spaces, and what failed calls have.
    pub(crate) marks: Marks,
    /// A fault to inject into the next call of an entry point.
    pub armed: Option<Injection>,
    /// When the injected fault of this call was about to happen.
    pub injected_at: Option<Instant>,
    /// Where injected wild writes go.
    pub wild_target: u64,
    clock: Clock,
}

impl Host {
    /// A host over a window and its memory.
    #[must_use]
    pub fn new(window: Window, pool: Pool, clock: Clock, kept: Arc<Kept>) -> Host {
        Host {
            window,
            pool,
            buffers: Buffers::default(),
            longest_frame: USUAL_MTU + AROUND_MTU,
            budget: BUDGET,
            sent: 0,
            lost: 0,
            reports: Vec::with_capacity(MAX_REPORTS),
            dropped: 0,
            marks: Marks::new(kept.clone()),
            kept,
            armed: None,
            injected_at: None,
            wild_target: 0,
            clock,
        }
    }

    /// Before a call.
    pub fn begin(&mut self, armed: Option<Injection>) {
        self.kept.delivered.clear();
        self.reports.clear();
        self.dropped = 0;
        self.marks.begin();
        (self.sent, self.lost) = (0, 0);
        self.armed = armed;
        self.injected_at = None;
    }

    /// Another MTU is in force: the longest frame has so many bytes without CRC.
    pub fn set_longest_frame(&mut self, longest: u32) {
        self.longest_frame = longest;
        self.budget = (BUDGET / longest.div_ceil(PIECE)).max(1);
    }

    /// The longest frame at the MTU in force, bytes without CRC.
    #[must_use]
    pub fn longest_frame(&self) -> u32 {
        self.longest_frame
    }

    /// Frames that a poll may deliver: the longer they may be, the fewer, for a ring gives back what it has delivered
    /// only in the next poll.
    #[must_use]
    pub fn budget(&self) -> u32 {
        self.budget
    }

    /// Frames delivered by the call under way.
    #[must_use]
    pub fn delivered(&self) -> usize {
        self.kept.delivered.len()
    }

    /// Those of them that have not gone up.
    pub(crate) fn to_go_up(&self) -> impl Iterator<Item = Delivered> + '_ {
        let frames = (0..).zip(self.kept.delivered.iter()).map(|(number, word)| Delivered::from_word(word, number));
        frames.filter(|frame| self.kept.gone_up.load(Relaxed) >> frame.number & 1 == 0)
    }

    /// Nanoseconds since the host was made.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.clock.now().as_nanos() as u64
    }

    /// The device's clock, for who waits.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Serves one request.
    ///
    /// # Errors
    /// A broken rule, outside; an ordinary error, inside.
    pub fn serve(
        &mut self,
        ledger: &mut Ledger,
        memory: &DomainMemory,
        request: Request,
        words: [u64; 4],
    ) -> Result<Result<u64, Error>, Refusal> {
        let [a, b, c, _] = words;
        match request {
            Request::RegisterRead => Ok(self.window.read(ledger, a, b)?.map(u64::from)),
            Request::RegisterWrite => Ok(self.window.write(ledger, a, b, c)?.map(u64::from)),
            Request::DmaAllocate => self.pool.allocate(ledger, a, b),
            Request::DmaBusAddress => self.pool.bus_address(ledger, a).map(Ok),
            Request::DmaRead32 => self.dma_read::<4>(ledger, a, b),
            Request::DmaRead64 => self.dma_read::<8>(ledger, a, b),
            Request::DmaWrite32 => self.dma_write(ledger, a, b, &(c as u32).to_le_bytes()),
            Request::DmaWrite64 => self.dma_write(ledger, a, b, &c.to_le_bytes()),
            Request::DmaHandOver32 => {
                if !b.is_multiple_of(4) {
                    return Err(Refusal(format!("a descriptor is handed over at offset {b}, no multiple of 4")));
                }
                let place = self.pool.place(ledger, a, b, 4, Rights::WRITE)?;
                self.window.hand_over(place, c as u32)?;
                Ok(Ok(0))
            }
            // what the host has is what it offers to this call
            Request::Keep => {
                ledger.buffers.hand_over(Handle::from_word(a), Owner::Inside)?;
                Ok(Ok(0))
            }
            Request::Complete => {
                let buffer = ledger.buffers.take(Handle::from_word(a))?;
                if buffer.index().is_some() {
                    *if b != 0 { &mut self.sent } else { &mut self.lost } += 1;
                }
                Ok(Ok(0))
            }
            Request::Deliver => {
                let (c, checked) = (c & !DELIVER_CHECKED, c & DELIVER_CHECKED != 0);
                if !(SHORTEST..=self.longest_frame.into()).contains(&c) {
                    return Err(Refusal(format!("a frame of {c} bytes")));
                }
                let budget = self.budget;
                if self.kept.delivered.len() as u32 >= budget {
                    return Err(Refusal(format!("more than {budget} frames delivered in one call")));
                }
                let place = self.pool.place(ledger, a, b, c, Rights::READ)?;
                let frame = Delivered { place, length: c as u32, checked, number: 0 };
                // a driver that does not move on would give one frame for ever; frames before the last are not worth the look
                let last = self.kept.delivered.last().map(|word| Delivered::from_word(word, 0));
                if last.is_some_and(|last| last.overlaps(frame)) {
                    return Err(Refusal(format!("a frame at {b:#x}, where the one before it is")));
                }
                let fits = self.kept.delivered.push(frame.to_word());
                debug_assert!(fits, "the budget fits");
                Ok(Ok(0))
            }
            Request::Report => {
                let report = Report::from_words([a, b]).ok_or_else(|| Refusal("a report that is none".to_owned()))?;
                if self.reports.len() == MAX_REPORTS {
                    return Err(Refusal(format!("more than {MAX_REPORTS} reports in one call")));
                }
                self.reports.push(report);
                Ok(Ok(0))
            }
            Request::Dropped => {
                let bytes = u32::try_from(a).map_err(|_| Refusal(format!("{a:#x} bytes dropped")))?;
                self.dropped = self.dropped.saturating_add(bytes.into());
                Ok(Ok(0))
            }
            Request::Mark => self.marks.mark(a, b).map(|()| Ok(0)),
            Request::Marked => self.marks.left(a).map(Ok),
            Request::Now => Ok(Ok(self.clock.now().as_micros() as u64)),
            Request::Pause => {
                let time = Duration::from_micros(a);
                if time > MAX_PAUSE {
                    return Err(Refusal(format!("a pause of {a} microseconds")));
                }
                self.clock.pause(time);
                Ok(Ok(0))
            }
            Request::Log => {
                let mut text = [0; 200];
                let text = &mut text[..(c as usize).min(200)];
                memory.read(b, text)?;
                let text = String::from_utf8_lossy(text);
                match a {
                    1 => tracing::error!(target: "driver", "{text}"),
                    2 => tracing::warn!(target: "driver", "{text}"),
                    3 => tracing::info!(target: "driver", "{text}"),
                    _ => tracing::debug!(target: "driver", "{text}"),
                }
                Ok(Ok(0))
            }
            Request::TakeInjection => match self.armed.take() {
                Some(_) => {
                    self.injected_at = Some(Instant::now());
                    Ok(Ok(0))
                }
                None => Ok(Err(Error::Unsupported)),
            },
            Request::InjectionTarget => Ok(Ok(self.wild_target)),
            Request::Posted => Ok(Ok(0)),
        }
    }

    /// The call is aborted: see [`Window::abort`].
    pub fn abort(&mut self) -> bool {
        self.marks.abort();
        self.window.abort()
    }

    /// The call commits: see [`Window::commit`].
    pub fn commit(&mut self) -> bool {
        let region = self.pool.region();
        self.window.commit(|place, value| region.copy_in(place, &value.to_le_bytes()).is_ok())
    }

    /// A little-endian word of `N` bytes.
    fn dma_read<const N: usize>(
        &self,
        ledger: &Ledger,
        handle: u64,
        offset: u64,
    ) -> Result<Result<u64, Error>, Refusal> {
        let mut bytes = [0; 8];
        let place = self.pool.place(ledger, handle, offset, N as u64, Rights::READ)?;
        self.pool.region().copy_out(place, &mut bytes[..N]).map_err(|e| Refusal(e.to_string()))?;
        Ok(Ok(u64::from_le_bytes(bytes)))
    }

    fn dma_write(
        &self,
        ledger: &Ledger,
        handle: u64,
        offset: u64,
        bytes: &[u8],
    ) -> Result<Result<u64, Error>, Refusal> {
        let place = self.pool.place(ledger, handle, offset, bytes.len() as u64, Rights::WRITE)?;
        self.pool.region().copy_in(place, bytes).map_err(|e| Refusal(e.to_string()))?;
        Ok(Ok(0))
    }

    /// Serves the requests that the driver has posted, in order: an allegation, to be found in its own memory.
    ///
    /// # Errors
    /// A broken rule. What was served before it stays: the call is to be rolled back.
    pub(crate) fn serve_posted(
        &mut self,
        ledger: &mut Ledger,
        memory: &DomainMemory,
        posted: Posted,
    ) -> Result<(), Refusal> {
        let (address, count) = posted.place();
        for [number, a, b, c] in memory.read_own_list::<Entry>(address, count)? {
            let request = Request::from_number(number).filter(|request| request.may_be_posted());
            let request = request.ok_or_else(|| unknown(number))?;
            if let Err(error) = self.serve(ledger, memory, request, [a, b, c, 0])? {
                return Err(Refusal(format!("{request:?} does not wait for its answer, which is: {error}")));
            }
        }
        Ok(())
    }
}

fn unknown(number: u64) -> Refusal {
    Refusal(format!("there is no request {number}"))
}

impl Upcalls<Ledger> for Host {
    fn upcall(
        &mut self,
        ledger: &mut Ledger,
        memory: &DomainMemory,
        number: u64,
        words: [u64; 4],
    ) -> Result<[u64; 2], Refusal> {
        let request = Request::from_number(number).ok_or_else(|| unknown(number))?;
        if let Some(posted) = Posted::from_word(words[3]) {
            self.serve_posted(ledger, memory, posted)?;
        }
        Ok(match self.serve(ledger, memory, request, words)? {
            Ok(value) => [0, value],
            Err(error) => [error.to_word(), 0],
        })
    }
}
