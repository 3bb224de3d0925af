//! What seldom changes: which device it is, which driver, what it was told. Text with a checksum, in two slots.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::supervisor::policy::Protect;

/// Words of a slot: 4 KiB of text, more than it ever is.
const WORDS: usize = 512;

/// What a successor must find as it is, and what it cannot ask anybody.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// The device's name, with its place on the bus.
    pub device: String,
    /// Vendor, device or product, revision.
    pub identity: (u16, u16, u8),
    /// The driver's name.
    pub driver: String,
    /// Version of the layout of its state.
    pub state_version: u32,
    /// Checksum of its register map.
    pub registers: u32,
    /// Where the device sees its memory.
    pub iova: u64,
    /// Bytes of that.
    pub memory: u64,
    /// Bytes of each packet buffer in it.
    pub buffer_bytes: u32,
    /// Which calls are transactions.
    pub protection: Protection,
    /// What the class has to say.
    pub class: serde_json::Value,
}

/// Which calls are transactions, by number of the entry point.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Protection {
    /// As the process was told when it began, or by its configuration since.
    pub told: Vec<Protect>,
    /// As it is.
    pub now: Vec<Protect>,
}

/// Two places for them.
#[repr(C)]
pub(crate) struct FactSlots {
    slots: [Slot; 2],
}

#[repr(C)]
struct Slot {
    /// 0: nothing is here. Else the larger one is the newer.
    sequence: AtomicU64,
    bytes: AtomicU32,
    /// Of the sequence number and the text.
    checksum: AtomicU32,
    text: [AtomicU64; WORDS],
}

/// Facts that are too long to be kept.
#[derive(Debug, thiserror::Error)]
#[error("{0} bytes about the device are more than can be kept for a successor")]
pub struct TooLong(usize);

impl FactSlots {
    /// Keeps `facts`, and the ones before until these are there.
    pub(crate) fn write(&self, facts: &Facts) -> Result<(), TooLong> {
        let text = serde_json::to_vec(facts).unwrap_or_default(); // plain data: cannot fail
        if text.len() > 8 * WORDS {
            return Err(TooLong(text.len()));
        }
        let [a, b] = &self.slots;
        let (older, newest) = if a.read().map(|(n, _)| n) > b.read().map(|(n, _)| n) { (b, a) } else { (a, b) };
        let sequence = newest.read().map_or(0, |(n, _)| n) + 1;
        older.write(sequence, &text);
        Ok(())
    }

    /// The newest that are whole.
    pub(crate) fn read(&self) -> Option<Facts> {
        let mut found: Vec<(u64, Vec<u8>)> = self.slots.iter().filter_map(Slot::read).collect();
        found.sort_unstable_by_key(|(sequence, _)| std::cmp::Reverse(*sequence));
        found.into_iter().find_map(|(_, text)| serde_json::from_slice(&text).ok())
    }
}

impl Slot {
    fn write(&self, sequence: u64, text: &[u8]) {
        self.sequence.store(0, Ordering::Release);
        for (place, word) in self.text.iter().zip(text.chunks(8)) {
            let mut bytes = [0; 8];
            bytes[..word.len()].copy_from_slice(word);
            place.store(u64::from_le_bytes(bytes), Ordering::Relaxed);
        }
        self.bytes.store(text.len() as u32, Ordering::Relaxed);
        self.checksum.store(checksum(sequence, text), Ordering::Relaxed);
        self.sequence.store(sequence, Ordering::Release);
    }

    fn read(&self) -> Option<(u64, Vec<u8>)> {
        let sequence = self.sequence.load(Ordering::Acquire);
        let bytes = self.bytes.load(Ordering::Relaxed) as usize;
        if sequence == 0 || bytes > 8 * WORDS {
            return None;
        }
        let words = self.text.iter().take(bytes.div_ceil(8));
        let mut text: Vec<u8> = words.flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()).collect();
        text.truncate(bytes);
        (checksum(sequence, &text) == self.checksum.load(Ordering::Relaxed)).then_some((sequence, text))
    }
}

fn checksum(sequence: u64, text: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&sequence.to_le_bytes());
    hasher.update(text);
    hasher.finalize()
}
