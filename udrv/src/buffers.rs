//! The packet buffers of a device: which are free, which hold a frame that waits, which the driver has.
//!
//! ```text
//!          take              offer                 keep
//!   free ---------> waiting -------> + offered ------------> the driver's
//!     ^               |  ^              | not kept              | complete
//!     | give_back     |  `--------------+                       |
//!     `---------------+-----------------------------------------'  when the call commits
//! ```
//!
//! A buffer that is offered waits at the same time: if the call does not take its frame, it goes on waiting. What the
//! driver has is listed in the ledger, under handles, and rolls back with it; here is what the copying cannot put back.

use fgft::tracking::{Handle, Owner, Rights, Table};
use udrv_driver::Buffer;

use crate::ledger::{BUFFERS, PacketBuffer};

/// Those of one driver.
pub type Lent = Table<PacketBuffer, BUFFERS>;

/// See the module's text. One bit a buffer.
#[derive(Debug, Default)]
pub struct Buffers {
    waiting: u64,
    lent: u64,
}

const _: () = assert!(BUFFERS == u64::BITS as usize, "one bit a buffer");

/// The handle that the driver means.
#[must_use]
pub fn handle(buffer: Buffer) -> Handle {
    Handle::from_word(buffer.0)
}

impl Buffers {
    /// Those that a process before this one has left: what its driver has, as the ledger says, and what waits. `None`: a
    /// buffer would be in two places.
    pub fn adopt(lent: &Lent, waiting: impl Iterator<Item = u8>) -> Option<Buffers> {
        let mut buffers = Buffers::default();
        for index in lent.iter().filter_map(|(_, _, buffer)| buffer.index()) {
            if buffers.lent & bit(index) != 0 {
                return None;
            }
            buffers.lent |= bit(index);
        }
        for index in waiting {
            if usize::from(index) >= BUFFERS || (buffers.lent | buffers.waiting) & bit(index) != 0 {
                return None;
            }
            buffers.waiting |= bit(index);
        }
        Some(buffers)
    }

    /// Whether the driver has buffer `index`.
    #[must_use]
    pub fn is_lent(&self, index: u8) -> bool {
        self.lent & bit(index) != 0
    }

    /// How many are free.
    #[must_use]
    pub fn free(&self) -> u32 {
        (self.waiting | self.lent).count_zeros()
    }

    /// Takes a free buffer for a frame that waits. Always the lowest: it is the one most likely in the cache.
    pub fn take(&mut self) -> Option<u8> {
        let index = (!(self.waiting | self.lent)).trailing_zeros();
        self.waiting |= 1_u64.checked_shl(index)?;
        Some(index as u8)
    }

    /// Takes buffer `index` for a frame that waits, if it is free.
    pub fn take_this(&mut self, index: u64) -> Option<u8> {
        let index = u8::try_from(index).ok().filter(|index| usize::from(*index) < BUFFERS)?;
        if (self.waiting | self.lent) & bit(index) != 0 {
            return None;
        }
        self.waiting |= bit(index);
        Some(index)
    }

    /// The frame in buffer `index` does not wait any more.
    pub fn give_back(&mut self, index: u8) {
        self.waiting &= !bit(index);
    }

    /// Offers the frame in buffer `index` to a call. `None`: the driver has as many as it may.
    pub fn offer(&mut self, lent: &mut Lent, index: u8) -> Option<Buffer> {
        // the driver names it and gives it back; its bytes are for the device
        let handle = lent.grant_with(PacketBuffer::new(index), Rights::NONE).ok()?;
        let offered = lent.hand_over(handle, Owner::Host);
        debug_assert!(offered.is_ok(), "it was just granted");
        self.lent |= bit(index);
        Some(Buffer(handle.word()))
    }

    /// The call that `offered` were offered to is good: what it has completed or not kept is not the driver's.
    pub fn settle(&mut self, lent: &mut Lent, offered: impl Iterator<Item = Buffer>) {
        for handle in offered.map(handle) {
            if is_offered(lent, handle) {
                let revoked = lent.revoke(handle);
                debug_assert!(revoked.is_ok(), "it is offered");
            }
        }
        lent.settle_commit(|_, buffer| self.returned(buffer));
    }

    /// The call that `offered` were offered to was unprotected and is not good: the driver has none of them.
    pub fn take_away(&mut self, lent: &mut Lent, offered: impl Iterator<Item = Buffer>) {
        for handle in offered.map(handle).filter(|handle| lent.owner(*handle).is_some()).collect::<Vec<_>>() {
            let revoked = lent.revoke(handle);
            debug_assert!(revoked.is_ok(), "it is there");
        }
        self.settle(lent, std::iter::empty());
    }

    /// `lent` is to become `committed` again: says how many of the driver's buffers that takes away.
    pub fn roll_back(&mut self, lent: &Lent, committed: &Lent) -> u64 {
        let mut count = 0;
        lent.settle_abort(committed, |_, buffer| {
            count += u64::from(buffer.index().is_some());
            self.returned(buffer);
        });
        count
    }

    /// The driver is to start from nothing: says how many buffers it had.
    pub fn forget_lent(&mut self) -> u64 {
        std::mem::take(&mut self.lent).count_ones().into()
    }

    /// How many buffers the driver has.
    #[must_use]
    pub fn lent(&self) -> u32 {
        self.lent.count_ones()
    }

    fn returned(&mut self, buffer: PacketBuffer) {
        if let Some(index) = buffer.index() {
            self.lent &= !bit(index);
        }
    }
}

/// Whether the call under way is offered a buffer that it has neither kept nor completed.
#[must_use]
pub fn is_offered(lent: &Lent, handle: Handle) -> bool {
    lent.owner(handle) == Some(Owner::Host)
}

fn bit(index: u8) -> u64 {
    1 << (usize::from(index) % BUFFERS)
}
