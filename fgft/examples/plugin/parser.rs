//! The plugin: reads bencode, the format of torrent files, in the manner of code that was only ever shown good
//! documents. `i42e` is a number, `4:spam` a string, `l` … `e` a list, `d` … `e` a dictionary.
//!
//! It runs inside. It knows nothing of transactions: it has a state of its own and three functions of its host.

use fgft::tracking::Handle;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Upcall: memory for the words of a document. `[bytes]` to `[handle]`.
pub(crate) const OBTAIN: u64 = 0;
/// Upcall: puts bytes into it. `[handle, offset, address, length]`.
pub(crate) const WRITE: u64 = 1;
/// Upcall: it is not needed any more. `[handle]`.
pub(crate) const GIVE_BACK: u64 = 2;

/// Bytes of memory that it obtains for the words of one document.
pub(crate) const TEXT_BYTES: u64 = 64;

/// What the plugin keeps from document to document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Parser {
    /// Documents that were good.
    pub(crate) parsed: u64,
    /// Words of the last one.
    text: Handle,
    used: u64,
    /// The word being read.
    word: [u8; 24],
}

/// What it found in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Found {
    /// 0, or 1: this is no bencode.
    pub(crate) malformed: u64,
    /// Numbers, strings, lists and dictionaries.
    pub(crate) items: u64,
    /// Sum of all numbers.
    pub(crate) sum: i64,
    /// Where the words are.
    pub(crate) text: Handle,
    /// Bytes of them.
    pub(crate) text_bytes: u64,
}

impl Parser {
    /// No document read.
    pub(crate) const NEW: Parser = Parser { parsed: 0, text: Handle::NONE, used: 0, word: [0; 24] };

    /// Reads a document. `visits` is a counter of the host's, to be read.
    pub(crate) fn parse(&mut self, document: &[u8], visits: *const u64) -> Found {
        if self.text != Handle::NONE {
            fgft::upcall(GIVE_BACK, [self.text.word(), 0, 0, 0]);
        }
        self.text = Handle::from_word(fgft::upcall(OBTAIN, [TEXT_BYTES, 0, 0, 0])[0]);
        self.used = 0;
        let mut found = Found { malformed: 0, items: 0, sum: 0, text: self.text, text_bytes: 0 };
        let mut rest = document;
        if self.item(&mut rest, &mut found, visits).is_none() || !rest.is_empty() {
            found.malformed = 1;
        }
        self.parsed += 1;
        found.text_bytes = self.used;
        found
    }

    /// `None`: not bencode.
    fn item(&mut self, rest: &mut &[u8], found: &mut Found, visits: *const u64) -> Option<()> {
        found.items += 1;
        match *rest.first()? {
            b'i' => {
                let end = rest.iter().position(|b| *b == b'e')?;
                let digits = std::str::from_utf8(&rest[1..end]).ok()?;
                *rest = &rest[end + 1..];
                // bug: a number may be too large
                found.sum += digits.parse::<i64>().expect("a number");
            }
            b'l' | b'd' => {
                *rest = &rest[1..];
                while *rest.first()? != b'e' {
                    match rest[0] {
                        // bug: never gets past it
                        b' ' => {}
                        // bug: as deep as the document likes
                        _ => self.item(rest, found, visits)?,
                    }
                }
                *rest = &rest[1..];
            }
            b'0'..=b'9' => self.string(rest)?,
            b'v' => {
                *rest = &rest[1..];
                // bug: not ours to write
                // SAFETY: none. Where there are no protection keys the host does not come here.
                unsafe { visits.cast_mut().write_volatile(u64::MAX) };
            }
            _ => return None,
        }
        Some(())
    }

    fn string(&mut self, rest: &mut &[u8]) -> Option<()> {
        let colon = rest.iter().position(|b| *b == b':')?;
        let length: usize = std::str::from_utf8(&rest[..colon]).ok()?.parse().ok()?;
        let bytes = rest.get(colon + 1..)?.get(..length)?;
        *rest = &rest[colon + 1 + length..];
        if length == 0 {
            // bug: an empty string is not the end of the document
            fgft::upcall(GIVE_BACK, [self.text.word(), 0, 0, 0]);
        }
        let word = self.word.as_mut_ptr();
        for (at, byte) in bytes.iter().enumerate() {
            // bug: a word may be longer
            // SAFETY: none. It writes upwards from the state, to the guard behind the domain's memory at most.
            unsafe { word.add(at).write_volatile(*byte) };
        }
        // bug: there may be no room left for it
        fgft::upcall(WRITE, [self.text.word(), self.used, word as u64, length as u64]);
        self.used += length as u64;
        Some(())
    }
}
