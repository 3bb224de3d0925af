//! What `decoder.c` offers.
//!
//! A package of its own, so that building `fgft` for its users needs no C compiler: only `fgft`'s examples and tests
//! depend on it.
#![allow(unsafe_code, reason = "declares what is written in C")]

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct session`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Session {
    /// Messages received.
    pub messages: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Payload of the last one.
    pub last: [u8; 64],
}

impl Session {
    /// Nothing received.
    pub const NEW: Session = Session { messages: 0, bytes: 0, last: [0; 64] };
}

unsafe extern "C" {
    /// Decodes a message and returns the length of its payload, which it believes: up to 65535 bytes are read and
    /// written.
    ///
    /// # Safety
    /// `session` is valid and `message` begins with a header. Even then it writes past the end of `session` when the
    /// header says more than 64 bytes.
    pub fn decoder_receive(session: *mut Session, message: *const u8) -> i64;

    /// The same with the length checked against the bytes received and the room: -1 if it does not fit.
    ///
    /// # Safety
    /// `session` is valid and `message` has `received` bytes.
    pub fn decoder_receive_fixed(session: *mut Session, message: *const u8, received: usize) -> i64;
}
