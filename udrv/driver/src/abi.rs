//! The words that cross the border: request numbers and the encoding of what entry points return.
//!
//! Shared by the handles of this crate and the framework behind them; drivers do not need it.

use crate::Error;

macro_rules! requests {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Requests. `words` are named beside each; the answer is one word, or an [`Error`]. There are three words; the
        /// fourth that crosses is the framework's own.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u64)]
        pub enum Request {
            $($(#[$doc])* $name,)*
        }

        impl Request {
            /// From the number that crossed.
            #[must_use]
            pub fn from_number(number: u64) -> Option<Request> {
                const ALL: &[Request] = &[$(Request::$name),*];
                ALL.get(usize::try_from(number).ok()?).copied()
            }
        }
    };
}

requests! {
    /// Offset, width in bytes: the register's value.
    RegisterRead,
    /// Offset, width in bytes, value; and 1 if the register's next write makes this one needless, should nothing else
    /// be held back between them ([`crate::Kind::Tail`]).
    RegisterWrite,
    /// Bytes, alignment: handle of fresh zeroed DMA memory.
    DmaAllocate,
    /// Handle: its bus address.
    DmaBusAddress,
    /// Handle, offset: a little-endian 32-bit word.
    DmaRead32,
    /// Handle, offset, value: a little-endian 32-bit word.
    DmaWrite32,
    /// Handle, offset: a little-endian 64-bit word.
    DmaRead64,
    /// Handle, offset, value: a little-endian 64-bit word.
    DmaWrite64,
    /// Handle, offset, value: a little-endian 32-bit word, written on commit.
    DmaHandOver32,
    /// Buffer: the driver keeps it beyond this call.
    Keep,
    /// Buffer, 1 if it was sent or 0 if it failed: the driver is done with it.
    Complete,
    /// Handle, offset, length (and [`DELIVER_CHECKED`]): a frame for the network, on commit.
    Deliver,
    /// Buttons, movement ([`crate::Report::to_words`]): a report for the host, on commit.
    Report,
    /// Bytes: so many of the device's were dropped.
    Dropped,
    /// Space, index: the driver is about to write there.
    Mark,
    /// Space: what may not be as the state has it, a bit each.
    Marked,
    /// Nothing: microseconds since some start.
    Now,
    /// Microseconds to let pass.
    Pause,
    /// Level (1 error to 5 trace), address and length of UTF-8 text.
    Log,
    /// Nothing: the armed fault (number in the low byte) once, and the moment is noted.
    TakeInjection,
    /// Nothing: the address that an injected wild write shall hit.
    InjectionTarget,
    /// Nothing: those that were posted are to be served, and no other.
    Posted,
}

impl Request {
    /// Whether it may be [posted](crate::Services::post): nothing of its answer matters but that there is one.
    #[must_use]
    pub fn may_be_posted(self) -> bool {
        use Request::*;
        matches!(
            self,
            RegisterWrite
                | DmaWrite32
                | DmaWrite64
                | DmaHandOver32
                | Keep
                | Complete
                | Deliver
                | Report
                | Dropped
                | Mark
        )
    }
}

/// Beside the length in [`Request::Deliver`]: its checksum was found right.
pub const DELIVER_CHECKED: u64 = 1 << 32;

/// What an entry point gives back: a status word (0 = done, else an encoded [`Error`]) and seven more.
pub type Reply = [u64; 8];

/// A value that fits into the reply of an entry point.
pub trait Words: Sized {
    /// To words.
    fn to_words(&self) -> [u64; 7];
    /// From words: an allegation. `None` when they are no such value.
    fn from_words(words: [u64; 7]) -> Option<Self>;
}

impl Words for () {
    fn to_words(&self) -> [u64; 7] {
        [0; 7]
    }
    fn from_words(_: [u64; 7]) -> Option<()> {
        Some(())
    }
}

impl Words for u32 {
    fn to_words(&self) -> [u64; 7] {
        [u64::from(*self), 0, 0, 0, 0, 0, 0]
    }
    fn from_words(words: [u64; 7]) -> Option<u32> {
        words[0].try_into().ok()
    }
}

/// Encodes what an entry point returned.
pub fn encode<T: Words>(result: Result<T, Error>) -> Reply {
    let mut reply = [0; 8];
    match result {
        Ok(value) => reply[1..].copy_from_slice(&value.to_words()),
        Err(error) => reply[0] = error.to_word(),
    }
    reply
}

/// Decodes it. `None`: the words are no value that this entry point may return.
pub fn decode<T: Words>(reply: &Reply) -> Option<Result<T, Error>> {
    let [status, words @ ..] = *reply;
    if status == 0 { T::from_words(words).map(Ok) } else { Error::from_word(status).map(Err) }
}

/// Status words of a call whose state did not hold what `check` asks: no encoded [`Error`] has them.
const BROKEN_BEFORE: u64 = 0xfe;
/// See [`BROKEN_BEFORE`].
const BROKEN_AFTER: u64 = 0xff;

/// What did not hold, as it crosses the border: an allegation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken {
    /// Before the call, so not by its doing.
    pub before: bool,
    /// Where its text is.
    pub address: u64,
    /// Bytes of it.
    pub length: u64,
}

/// Encodes that `what` did not hold of the state, `before` the call or after it.
#[must_use]
pub fn encode_broken(before: bool, what: &'static str) -> Reply {
    let status = if before { BROKEN_BEFORE } else { BROKEN_AFTER };
    [status, what.as_ptr() as u64, what.len() as u64, 0, 0, 0, 0, 0]
}

/// Whether a reply says that the state did not hold.
#[must_use]
pub fn decode_broken(reply: &Reply) -> Option<Broken> {
    let [status @ (BROKEN_BEFORE | BROKEN_AFTER), address, length, ..] = *reply else { return None };
    Some(Broken { before: status == BROKEN_BEFORE, address, length })
}
