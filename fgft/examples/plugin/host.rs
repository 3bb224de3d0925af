//! The host's half: the memory that it lends to the plugin, and what it does when a call ends.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use fgft::tracking::{Handle, Kind, Ranged, Rights, Table};
use fgft::{Domain, DomainConfig, DomainMemory, FaultKind, Refusal, StateKind, Upcalls};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::parser::{Found, GIVE_BACK, OBTAIN, Parser, WRITE};

/// What is noted of a text: its place in [`Memory`].
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Text {
    place: u64,
    bytes: u64,
}

impl Kind for Text {
    const NAME: &'static str = "text";
}

impl Ranged for Text {
    fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// The texts that the plugin has: rolled back together with its state.
type Texts = Table<Text, 4>;

/// The memory itself.
struct Memory {
    places: Vec<Option<Vec<u8>>>,
}

impl Memory {
    fn obtain(&mut self, bytes: u64) -> u64 {
        let free = self.places.iter().position(Option::is_none).unwrap_or(self.places.len());
        if free == self.places.len() {
            self.places.push(None);
        }
        self.places[free] = Some(vec![0; bytes as usize]);
        free as u64
    }

    fn release(&mut self, text: Text) {
        assert!(self.places[text.place as usize].take().is_some(), "released once");
    }
}

/// Every word that arrives here was chosen by the plugin.
impl Upcalls<Texts> for Memory {
    fn upcall(
        &mut self,
        texts: &mut Texts,
        memory: &DomainMemory,
        number: u64,
        words: [u64; 4],
    ) -> Result<[u64; 2], Refusal> {
        match number {
            OBTAIN => {
                let bytes = words[0];
                if bytes > 4096 {
                    return Err(Refusal(format!("{bytes} bytes are too many for a text")));
                }
                // entered first: if the quota is used up nothing has been obtained
                let handle = texts.grant(Text { place: 0, bytes })?;
                texts.replace(handle, Text { place: self.obtain(bytes), bytes })?;
                Ok([handle.word(), 0])
            }
            WRITE => {
                let [handle, offset, address, length] = words;
                let text = texts.check(Handle::from_word(handle), offset, length, Rights::WRITE)?;
                let bytes = self.places[text.place as usize].as_mut().ok_or("this text has no memory")?;
                memory.read(address, &mut bytes[offset as usize..][..length as usize])?;
                Ok([0, 0])
            }
            GIVE_BACK => texts.take(Handle::from_word(words[0])).map(|_| [0, 0]),
            _ => Err(Refusal(format!("upcall {number} is not offered"))),
        }
    }
}

/// What became of a document.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Read: what was found, and the words.
    Good(Found, String),
    /// The plugin says that it is malformed: an ordinary answer.
    Malformed,
    /// The plugin failed over it, or broke a rule.
    Fault(FaultKind),
}

/// The plugin, in its domain.
pub(crate) struct Plugin {
    domain: Domain<Parser, Texts>,
    memory: Memory,
}

impl Plugin {
    /// Loads it.
    pub(crate) fn new() -> Result<Plugin, fgft::InitError> {
        let mut config = DomainConfig::new(StateKind { name: "bencode", version: 1 });
        config.deadline = Duration::from_millis(50);
        let domain = Domain::new(&config, Parser::NEW, Texts::new())?;
        Ok(Plugin { domain, memory: Memory { places: Vec::new() } })
    }

    /// Has it read a document. If that fails, nothing has happened.
    pub(crate) fn parse(&mut self, document: &[u8], visits: &AtomicU64) -> Outcome {
        let visits = visits.as_ptr().cast_const();
        // SAFETY: the parser holds nothing that must be released; it writes its state, as far as it goes wrong upwards
        // into the guard, and `visits` only where protection keys stop it.
        let result = unsafe { self.domain.run(&mut self.memory, |parser| parser.parse(document, visits)) };
        let outcome = match result {
            Ok(found) if found.malformed == 0 => match self.words(&found) {
                Ok(words) => {
                    self.domain.ledger_mut().settle_commit(|_, text| self.memory.release(text));
                    self.domain.commit();
                    return Outcome::Good(found, words);
                }
                Err(Refusal(reason)) => Outcome::Fault(FaultKind::Refused { reason }),
            },
            Ok(_) => Outcome::Malformed,
            Err(fault) => Outcome::Fault(fault.kind),
        };
        let (then, now) = (self.domain.committed_ledger(), self.domain.ledger());
        now.settle_abort(then, |_, text| self.memory.release(text));
        self.domain.rollback();
        outcome
    }

    /// What the plugin has returned is checked like what it passes.
    fn words(&self, found: &Found) -> Result<String, Refusal> {
        let text = self.domain.ledger().check(found.text, 0, found.text_bytes, Rights::READ)?;
        let bytes = self.memory.places[text.place as usize].as_ref().ok_or("this text has no memory")?;
        Ok(String::from_utf8_lossy(&bytes[..found.text_bytes as usize]).into_owned())
    }

    /// The plugin's own count of good documents.
    pub(crate) fn parsed(&self) -> u64 {
        self.domain.state().parsed
    }

    /// Texts that the plugin has, and texts that there are.
    pub(crate) fn texts(&self) -> (usize, usize) {
        (self.domain.ledger().len(), self.memory.places.iter().flatten().count())
    }
}
