//! A ring of transfer descriptors: what is taken from it, and what is said in it of transfers that have ended.
//!
//! The layout is `udrv_driver::usb`'s. The driver's words are not believed: a descriptor that makes no sense is refused in
//! its turn, and says so.

use std::collections::VecDeque;

use udrv_bus::{BusError, Completion, Transfer, TransferStatus};
use udrv_driver::usb::{CHAIN, DESCRIPTOR_BYTES, MAX_CHAIN, MAX_DESCRIPTORS, MAX_TRANSFER, OWN, status};

use super::memory::Memory;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Ring {
    /// The endpoint's address.
    pub(super) endpoint: u8,
    /// Bus address.
    pub(super) base: u32,
    /// Descriptors.
    size: u32,
    /// The descriptor that is looked at next.
    next: u32,
    /// Descriptors taken since the reset.
    pub(super) count: u32,
    /// Taken, and not told of yet: in the ring's order.
    pending: VecDeque<Pending>,
    /// A number that no transfer had.
    token: u64,
    /// A transfer has found the endpoint halted.
    pub(super) halted: bool,
    /// Memory of transfers that have ended, to be used again.
    spare: Vec<Vec<u8>>,
}

/// Descriptors that are a transfer.
#[derive(Debug)]
struct Pending {
    token: u64,
    first: u32,
    descriptors: u32,
    /// IN: where the bytes go, and how many there is room for.
    room: Option<(u32, u32)>,
    ended: Option<Ended>,
}

#[derive(Debug)]
struct Ended {
    status: u32,
    data: Vec<u8>,
    length: usize,
}

impl Ended {
    fn without_data(status: u32) -> Ended {
        Ended { status, data: Vec::new(), length: 0 }
    }
}

/// The descriptors of the next transfer.
struct Taken {
    words: [[u32; 4]; MAX_CHAIN],
    descriptors: u32,
    /// More are chained than may be.
    too_many: bool,
}

impl Ring {
    pub(super) fn new(endpoint: u8) -> Ring {
        Ring {
            endpoint,
            base: 0,
            size: 0,
            next: 0,
            count: 0,
            pending: VecDeque::new(),
            token: 0,
            halted: false,
            spare: Vec::new(),
        }
    }

    pub(super) fn size(&self) -> u32 {
        self.size
    }

    /// At most [`MAX_DESCRIPTORS`].
    pub(super) fn set_size(&mut self, size: u32) {
        self.size = size.min(MAX_DESCRIPTORS);
    }

    /// Takes what the driver has handed over and gives it to `submit`. True: some descriptors were told of.
    pub(super) fn start(
        &mut self,
        memory: &Memory,
        mut submit: impl FnMut(Transfer) -> Result<(), BusError>,
    ) -> Result<bool, BusError> {
        while let Some(taken) = self.take(memory)? {
            let (first, descriptors) = (self.next, taken.descriptors);
            self.next = self.at(descriptors);
            self.count = self.count.wrapping_add(descriptors);
            self.token += 1;
            let mut pending = Pending { token: self.token, first, descriptors, room: None, ended: None };
            match self.transfer(memory, &taken) {
                None => pending.ended = Some(Ended::without_data(status::REFUSED)),
                Some((transfer, room)) => {
                    pending.room = room;
                    if let Err(error) = submit(transfer) {
                        self.halted |= matches!(error, BusError::Stall { .. });
                        pending.ended = Some(Ended::without_data(of_error(&error)));
                    }
                }
            }
            self.pending.push_back(pending);
        }
        self.retire(memory)
    }

    /// A transfer has ended. True: some descriptors were told of.
    pub(super) fn ended(&mut self, memory: &Memory, completion: Completion) -> Result<bool, BusError> {
        let Completion { token, status, data, length, .. } = completion;
        self.halted |= status == TransferStatus::Stalled;
        if let Some(pending) = self.pending.iter_mut().find(|pending| pending.token == token && pending.ended.is_none())
        {
            let length = length.min(data.len());
            pending.ended = Some(Ended { status: of_transfer(status), data, length });
        }
        self.retire(memory)
    }

    /// What has not ended by now is not waited for: it says CANCELLED, and its completion finds nobody. True: some descriptors
    /// were told of.
    pub(super) fn abandon(&mut self, memory: &Memory) -> Result<bool, BusError> {
        for pending in &mut self.pending {
            pending.ended.get_or_insert_with(|| Ended::without_data(status::CANCELLED));
        }
        self.retire(memory)
    }

    /// Back to the first descriptor. Nothing may be under way any more.
    pub(super) fn reset(&mut self) {
        (self.next, self.count, self.halted) = (0, 0, false);
        self.pending.clear();
    }

    /// As after power-on.
    pub(super) fn forget(&mut self) {
        self.reset();
        (self.base, self.size) = (0, 0);
    }

    /// The descriptor `behind` the next.
    fn at(&self, behind: u32) -> u32 {
        (self.next + behind) % self.size.max(1)
    }

    /// The descriptors of the next transfer, if all of them were handed over.
    fn take(&self, memory: &Memory) -> Result<Option<Taken>, BusError> {
        let under_way: u32 = self.pending.iter().map(|pending| pending.descriptors).sum();
        let mut taken = Taken { words: [[0; 4]; MAX_CHAIN], descriptors: 0, too_many: false };
        if self.base == 0 {
            return Ok(None);
        }
        loop {
            // those that are under way still say OWN
            if under_way + taken.descriptors >= self.size {
                // a chain all round the ring never ends
                taken.too_many = taken.descriptors != 0 && under_way == 0;
                return Ok(taken.too_many.then_some(taken));
            }
            let words = self.read(memory, self.at(taken.descriptors))?;
            if words[3] & OWN == 0 {
                return Ok(None);
            }
            taken.words[taken.descriptors as usize] = words;
            taken.descriptors += 1;
            if words[3] & CHAIN == 0 {
                return Ok(Some(taken));
            }
            if taken.descriptors as usize == MAX_CHAIN {
                taken.too_many = true;
                return Ok(Some(taken));
            }
        }
    }

    /// What the descriptors ask for. `None`: it makes no sense.
    fn transfer(&mut self, memory: &Memory, taken: &Taken) -> Option<(Transfer, Option<(u32, u32)>)> {
        let words = &taken.words[..taken.descriptors as usize];
        let total: u64 = words.iter().map(|words| u64::from(words[1])).sum();
        let is_in = self.endpoint & 0x80 != 0;
        let sound = words.iter().all(|words| memory.has(words[0], words[1] as usize));
        if taken.too_many || total == 0 || total > MAX_TRANSFER.into() || !sound || is_in && words.len() > 1 {
            return None;
        }
        let mut data = self.spare.pop().unwrap_or_default();
        data.resize(total as usize, 0);
        let mut room = None;
        if is_in {
            room = Some((words[0][0], words[0][1]));
        } else {
            let mut at = 0;
            for words in words {
                let end = at + words[1] as usize;
                memory.read(words[0], &mut data[at..end]).ok()?;
                at = end;
            }
        }
        let transfer = Transfer { endpoint: self.endpoint, token: self.token, data, zero_packet: false };
        Some((transfer, room))
    }

    /// Tells of transfers that have ended, up to one that has not.
    fn retire(&mut self, memory: &Memory) -> Result<bool, BusError> {
        let mut told = false;
        while let Some(Pending { first, descriptors, room, ended: Some(ended), .. }) =
            self.pending.pop_front_if(|pending| pending.ended.is_some())
        {
            let mut length = ended.length;
            if let Some((address, room)) = room {
                length = length.min(room as usize);
                memory.write(address, &ended.data[..length])?;
            }
            for index in 0..descriptors {
                let index = (first + index) % self.size.max(1);
                let place = self.base.wrapping_add(index * DESCRIPTOR_BYTES);
                memory.write(place.wrapping_add(8), &(length as u32).to_le_bytes())?;
                memory.write(place.wrapping_add(12), &ended.status.to_le_bytes())?;
            }
            self.spare.push(ended.data);
            told = true;
        }
        Ok(told)
    }

    fn read(&self, memory: &Memory, index: u32) -> Result<[u32; 4], BusError> {
        let mut bytes = [0; DESCRIPTOR_BYTES as usize];
        memory.read(self.base.wrapping_add(index * DESCRIPTOR_BYTES), &mut bytes)?;
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Ok([word(0), word(4), word(8), word(12)])
    }
}

fn of_transfer(ended: TransferStatus) -> u32 {
    match ended {
        TransferStatus::Done => status::DONE,
        TransferStatus::Stalled => status::STALLED,
        TransferStatus::Overflow => status::OVERFLOW,
        TransferStatus::Cancelled => status::CANCELLED,
        TransferStatus::Gone => status::GONE,
        TransferStatus::Failed => status::FAILED,
    }
}

fn of_error(error: &BusError) -> u32 {
    match error {
        BusError::Stall { .. } => status::STALLED,
        BusError::Gone { .. } => status::GONE,
        _ => status::FAILED,
    }
}

#[cfg(test)]
#[path = "ring_tests.rs"]
mod tests;
