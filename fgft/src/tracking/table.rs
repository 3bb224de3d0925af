//! The table of one kind of object, in a form that rolls back by copying.

use std::fmt;

use zerocopy::native_endian::U32;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::handle::{Handle, MAX_SLOTS, Owner, Rights, next_tag};
use crate::{Plain, Refusal};

/// What the host notes of an object: where the real one is, how large, for what.
pub trait Kind: Plain {
    /// What a refusal calls it: `packet buffer`.
    const NAME: &'static str;
}

/// A kind that has bytes of which code inside may name a range.
pub trait Ranged: Kind {
    /// How many.
    fn bytes(&self) -> u64;
}

/// The quota is used up. An ordinary error: tell code inside, or make it a [`Refusal`] with `?`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no more than {quota} of kind {kind} at a time")]
pub struct Full {
    /// Name of the kind.
    pub kind: &'static str,
    /// How many there may be.
    pub quota: usize,
}

impl From<Full> for Refusal {
    fn from(full: Full) -> Refusal {
        Refusal(full.to_string())
    }
}

const FREE: u8 = 0;
const INSIDE: u8 = 1;
const HOST: u8 = 2;
/// Given back in a call that is not settled yet: no one's, and not to be had anew.
const GIVEN_BACK: u8 = 3;

/// Packed: that makes a table free of padding and of alignment, whatever the kind is.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C, packed)]
struct Slot<K: Kind> {
    /// Of the object, or of the last one that was here.
    tag: u64,
    /// One of the constants above; anything else counts as free.
    holds: u8,
    rights: Rights,
    object: K,
}

/// The objects of kind `K` that code inside has, `N` at most: see the [module's text](super).
///
/// A field of a ledger, or all of it. It needs no alignment and has no padding, so it fits anywhere in a `repr(C)`
/// struct. Finding a free slot takes time in proportion to `N`: meant for tens to hundreds.
///
/// What takes a handle from code inside ([`Table::get`], [`Table::check`], [`Table::take`]) refuses one that does not
/// name an object that is with the code inside. The rest is the host's.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Table<K: Kind, const N: usize> {
    slots: [Slot<K>; N],
    quota: U32,
    /// Slots that are not free.
    used: U32,
    /// Of these, given back.
    given_back: U32,
    /// Where to look for a free slot first: behind the one taken last.
    cursor: U32,
    /// Where to look first for one given back: none of them is before it.
    first_given_back: U32,
}

impl<K: Kind, const N: usize> Table<K, N> {
    /// An empty table whose quota is its capacity, `N`.
    #[must_use]
    pub fn new() -> Self {
        const { assert!(N > 0 && N <= MAX_SLOTS, "a table has 1 to 65536 slots") }
        Table { quota: U32::new(N as u32), ..Self::new_zeroed() }
    }

    /// Lowers or raises how many objects there may be at a time; `N` at most. Those there stay.
    pub fn set_quota(&mut self, quota: usize) {
        self.quota = U32::new(quota.min(N) as u32);
    }

    /// How many objects there may be at a time, those included that were given back in the call under way.
    #[must_use]
    pub fn quota(&self) -> usize {
        self.quota.get() as usize
    }

    /// How many objects there are, without those given back.
    #[must_use]
    pub fn len(&self) -> usize {
        self.used.get().saturating_sub(self.given_back.get()) as usize
    }

    /// Whether there is no object, but for those given back.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Enters an object that code inside shall have, with the right to read and write.
    ///
    /// # Errors
    /// [`Full`]: the object is not entered, and the caller keeps it.
    pub fn grant(&mut self, object: K) -> Result<Handle, Full> {
        self.grant_with(object, Rights::READ_WRITE)
    }

    /// As [`Table::grant`], with these rights.
    ///
    /// # Errors
    /// As for [`Table::grant`].
    pub fn grant_with(&mut self, object: K, rights: Rights) -> Result<Handle, Full> {
        let start = self.cursor.get() as usize % N;
        let free = (start..N).chain(0..start).find(|at| !self.slots[*at].is_used());
        let (Some(at), true) = (free, self.used.get() < self.quota.get()) else {
            return Err(Full { kind: K::NAME, quota: self.quota() });
        };
        let tag = next_tag();
        self.slots[at] = Slot { tag, holds: INSIDE, rights, object };
        self.cursor = U32::new(at as u32 + 1);
        change(&mut self.used, 1);
        Ok(Handle::new(at, tag))
    }

    /// In whose hands the object is; `None` if there is no such object. For a host that looks at a handle of its own:
    /// unlike the others it makes no text of it.
    #[must_use]
    pub fn owner(&self, handle: Handle) -> Option<Owner> {
        let slot = self.slots.get(handle.index())?;
        if slot.tag == handle.tag() { slot.owner() } else { None }
    }

    /// The object that code inside means by `handle`.
    ///
    /// # Errors
    /// A handle of nothing, of another table, of an object given back or of one that the host has.
    pub fn get(&self, handle: Handle) -> Result<K, Refusal> {
        Ok(self.slots[self.find_inside(handle)?].object)
    }

    /// The object that code inside means, if it may do that (`rights`) with `length` bytes at `offset`.
    ///
    /// # Errors
    /// As for [`Table::get`], and: the range is not wholly within the object, or the right is missing.
    pub fn check(&self, handle: Handle, offset: u64, length: u64, rights: Rights) -> Result<K, Refusal>
    where
        K: Ranged,
    {
        let slot = &self.slots[self.find_inside(handle)?];
        let (object, held, name) = (slot.object, slot.rights, K::NAME);
        if !held.include(rights) {
            return Err(Refusal(format!("{name} {handle}: to {rights} is not allowed, only to {held}")));
        }
        let bytes = object.bytes();
        if offset.checked_add(length).is_none_or(|end| end > bytes) {
            return Err(Refusal(format!("{name} {handle}: {length} bytes at {offset} do not fit into its {bytes}")));
        }
        Ok(object)
    }

    /// As [`Table::check`], without a text: `None` is a refusal. Code inside may call it too, where it can read the
    /// ledger; that binds nobody but itself.
    #[must_use]
    #[inline]
    pub fn peek(&self, handle: Handle, offset: u64, length: u64, rights: Rights) -> Option<K>
    where
        K: Ranged,
    {
        let slot = self.slots.get(handle.index())?;
        let (object, held) = (slot.object, slot.rights);
        let fits = offset.checked_add(length).is_some_and(|end| end <= object.bytes());
        (slot.tag == handle.tag() && slot.owner() == Some(Owner::Inside) && held.include(rights) && fits)
            .then_some(object)
    }

    /// Code inside gives the object back. Its handle is refused from now on; the real object is released when the call
    /// is settled, until when it counts for the quota.
    ///
    /// # Errors
    /// As for [`Table::get`].
    pub fn take(&mut self, handle: Handle) -> Result<K, Refusal> {
        let at = self.find_inside(handle)?;
        Ok(self.mark_given_back(at))
    }

    /// The host takes the object away, whoever has it; else as [`Table::take`]. Between calls, follow with
    /// [`Table::settle_commit`] and [`Domain::commit`](crate::Domain::commit).
    ///
    /// # Errors
    /// There is no such object.
    pub fn revoke(&mut self, handle: Handle) -> Result<K, Refusal> {
        let at = self.find(handle)?;
        Ok(self.mark_given_back(at))
    }

    /// Puts the object into other hands.
    ///
    /// # Errors
    /// There is no such object, or it is there already.
    pub fn hand_over(&mut self, handle: Handle, to: Owner) -> Result<(), Refusal> {
        let at = self.find(handle)?;
        let slot = &mut self.slots[at];
        if slot.owner() == Some(to) {
            return Err(Refusal(format!("{} {handle}: it is {to} already", K::NAME)));
        }
        slot.holds = if to == Owner::Host { HOST } else { INSIDE };
        Ok(())
    }

    /// Changes what is noted of the object; returns what was.
    ///
    /// # Errors
    /// There is no such object.
    pub fn replace(&mut self, handle: Handle, object: K) -> Result<K, Refusal> {
        let at = self.find(handle)?;
        let slot = &mut self.slots[at];
        let old = slot.object;
        slot.object = object;
        Ok(old)
    }

    /// Changes what code inside may do with the object.
    ///
    /// # Errors
    /// There is no such object.
    pub fn set_rights(&mut self, handle: Handle, rights: Rights) -> Result<(), Refusal> {
        let at = self.find(handle)?;
        self.slots[at].rights = rights;
        Ok(())
    }

    /// All objects, without those given back, in the order of slots.
    pub fn iter(&self) -> impl Iterator<Item = (Handle, Owner, K)> + '_ {
        self.slots.iter().enumerate().filter_map(|(at, slot)| {
            let owner = slot.owner()?;
            Some((Handle::new(at, slot.tag), owner, slot.object))
        })
    }

    /// The call is good: releases what was given back. Call it right before [`Domain::commit`](crate::Domain::commit).
    ///
    /// For things that outlive the process it may matter that a kill between the two leaves an image in which they are
    /// not released yet: have `release` collect them, and release them behind the commit.
    pub fn settle_commit(&mut self, mut release: impl FnMut(Handle, K)) {
        let start = self.first_given_back.get() as usize % N;
        // all of them: a table that was spoilt may not say where the first is
        for at in (start..N).chain(0..start) {
            if self.given_back.get() == 0 {
                break;
            }
            let slot = &mut self.slots[at];
            if slot.holds == GIVEN_BACK {
                // first, so that a release that panics is not repeated
                slot.holds = FREE;
                change(&mut self.used, -1);
                change(&mut self.given_back, -1);
                release(Handle::new(at, slot.tag), slot.object);
            }
        }
    }

    /// The call has failed: releases what it obtained, the newest first: what is here and not in `committed`. Call it
    /// right before [`Domain::rollback`](crate::Domain::rollback), which puts the table back.
    pub fn settle_abort(&self, committed: &Self, mut release: impl FnMut(Handle, K)) {
        let obtained = |(now, then): &(&Slot<K>, &Slot<K>)| now.is_used() && !then.is_same(now);
        let pairs = self.slots.iter().zip(&committed.slots).enumerate();
        let mut list: Vec<(u64, usize)> =
            pairs.filter(|(_, pair)| obtained(pair)).map(|(at, (slot, _))| (slot.tag, at)).collect();
        list.sort_unstable_by(|a, b| b.cmp(a));
        for (tag, at) in list {
            release(Handle::new(at, tag), self.slots[at].object);
        }
    }

    /// For a rollback past the last commit: strikes out what that has brought back though it was released meanwhile, so
    /// that code inside that still has such a handle is refused. Call it between that rollback and the next call.
    ///
    /// `before` is a copy of the table from before the rollback. What it has and the older table has not is to be
    /// released too: `before.settle_abort(&older, ..)`, once the older state is known to work.
    pub fn forget_released(&mut self, before: &Self) {
        for (slot, before) in self.slots.iter_mut().zip(&before.slots) {
            if slot.is_used() && !before.is_same(slot) {
                change(&mut self.used, -1);
                change(&mut self.given_back, -i32::from(slot.holds == GIVEN_BACK));
                slot.holds = FREE;
            }
        }
    }

    fn mark_given_back(&mut self, at: usize) -> K {
        self.slots[at].holds = GIVEN_BACK;
        let first = if self.given_back.get() == 0 { at as u32 } else { self.first_given_back.get().min(at as u32) };
        self.first_given_back = U32::new(first);
        change(&mut self.given_back, 1);
        self.slots[at].object
    }

    /// The slot of an object that is there.
    fn find(&self, handle: Handle) -> Result<usize, Refusal> {
        let refuse = |why: &str| Err(Refusal(format!("handle {handle} is no {}: {why}", K::NAME)));
        let Some(slot) = self.slots.get(handle.index()) else {
            return refuse(&format!("there are {N} slots"));
        };
        let tag = slot.tag;
        match handle.tag() {
            _ if handle == Handle::NONE => refuse("it is the handle of nothing"),
            0 => refuse("it was never granted"),
            given if given == tag && slot.owner().is_some() => Ok(handle.index()),
            given if given == tag => refuse("it was given back"),
            given if given < tag => refuse("its slot was granted anew since"),
            _ => refuse("it was not granted, or in a call that was rolled back"),
        }
    }

    /// The slot of an object that is with the code inside.
    fn find_inside(&self, handle: Handle) -> Result<usize, Refusal> {
        let at = self.find(handle)?;
        match self.slots[at].owner() {
            Some(Owner::Inside) => Ok(at),
            _ => Err(Refusal(format!("{} {handle}: it is {} now", K::NAME, Owner::Host))),
        }
    }
}

/// Saturating: counters of a table that was spoilt must not end the host.
fn change(counter: &mut U32, by: i32) {
    counter.set(counter.get().saturating_add_signed(by));
}

impl<K: Kind> Slot<K> {
    fn is_used(&self) -> bool {
        self.owner().is_some() || self.holds == GIVEN_BACK
    }

    fn owner(&self) -> Option<Owner> {
        match self.holds {
            INSIDE => Some(Owner::Inside),
            HOST => Some(Owner::Host),
            _ => None,
        }
    }

    /// Whether the object of `other` is here too.
    fn is_same(&self, other: &Self) -> bool {
        self.is_used() && { self.tag } == { other.tag }
    }
}

impl<K: Kind, const N: usize> Default for Table<K, N> {
    fn default() -> Self {
        Self::new()
    }
}

/// The objects by handle, as `{7:1c93: Buffer { .. }}`.
impl<K: Kind + fmt::Debug, const N: usize> fmt::Debug for Table<K, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(handle, _, object)| (handle.to_string(), object))).finish()
    }
}
