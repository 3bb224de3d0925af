//! Locks that code inside takes on what the host shares with other threads.

use std::cell::UnsafeCell;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::Refusal;

/// A value that one party at a time may use: a thread of the host, by a [`LockGuard`], or a call, by its [`LockLog`].
///
/// Unlike a `std::sync::Mutex` it can be taken in one upcall and released in another or by an abort; it does not belong
/// to a thread, knows no poison, and waits with an end. Waiting uses no CPU time, so it counts for no call's deadline.
pub struct Lock<T> {
    name: &'static str,
    held: Mutex<bool>,
    freed: Condvar,
    value: UnsafeCell<T>,
}

// SAFETY: who has set `held` is the only one to touch the value, and it goes from thread to thread with the lock.
unsafe impl<T: Send> Sync for Lock<T> {}

impl<T> Lock<T> {
    /// Free. `name` is for messages.
    pub const fn new(name: &'static str, value: T) -> Lock<T> {
        Lock { name, held: Mutex::new(false), freed: Condvar::new(), value: UnsafeCell::new(value) }
    }

    /// For the host's own threads: waits as long as it takes.
    pub fn lock(&self) -> LockGuard<'_, T> {
        let free = self.freed.wait_while(self.held(), |held| *held);
        *free.unwrap_or_else(PoisonError::into_inner) = true;
        LockGuard { lock: self }
    }

    /// For the host's own threads: waits for at most `wait` of real time.
    pub fn lock_within(&self, wait: Duration) -> Option<LockGuard<'_, T>> {
        self.acquire(wait).then_some(LockGuard { lock: self })
    }

    /// Whether it was had in time.
    fn acquire(&self, wait: Duration) -> bool {
        let waited = self.freed.wait_timeout_while(self.held(), wait, |held| *held);
        let (mut held, _) = waited.unwrap_or_else(PoisonError::into_inner);
        // still held by another, or now by us
        !std::mem::replace(&mut *held, true)
    }

    /// Only for who holds it, and has given up its access to the value.
    fn release(&self) {
        *self.held() = false;
        self.freed.notify_one();
    }

    /// No code of others runs while it is locked, so it cannot be poisoned.
    fn held(&self) -> MutexGuard<'_, bool> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock").field("name", &self.name).field("held", &*self.held()).finish_non_exhaustive()
    }
}

/// Holds a [`Lock`] until dropped.
#[derive(Debug)]
pub struct LockGuard<'a, T> {
    lock: &'a Lock<T>,
}

// SAFETY: it stands for a `&mut T`, and sharing it for a `&T`; unlike `&Lock<T>` alone it gives shared access.
unsafe impl<T: Send + Sync> Sync for LockGuard<'_, T> {}

impl<T> Deref for LockGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the lock is held, by this guard.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for LockGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is held, by this guard, which is borrowed exclusively.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for LockGuard<'_, T> {
    fn drop(&mut self) {
        self.lock.release();
    }
}

/// What a log needs of a lock whose type it has forgotten.
trait Held: Send + Sync {
    fn name(&self) -> &'static str;
    /// Only for who holds it.
    fn release(&self);
}

impl<T: Send> Held for Lock<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn release(&self) {
        Lock::release(self);
    }
}

/// Why code inside does not have a lock.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// Others held it for too long. An ordinary error: tell code inside, or make it a [`Refusal`] with `?`.
    #[error("lock {name} was not free within {} ms", .waited.as_millis())]
    Busy {
        /// Name of the lock.
        name: &'static str,
        /// How long was waited for it, of real time.
        waited: Duration,
    },
    /// The same call holds it already: it would wait for itself for ever.
    #[error("lock {0} is taken twice")]
    Twice(&'static str),
}

impl From<LockError> for Refusal {
    fn from(error: LockError) -> Refusal {
        Refusal(error.to_string())
    }
}

/// The locks that the call under way holds, in the order in which it took them. Kept by the host that serves its
/// upcalls.
///
/// Released when the call gives them back; on abort all, the last taken first ([`LockLog::release_all`], or by dropping
/// the log). What the failed call has changed under a lock is the host's to undo before that.
pub struct LockLog {
    held: Vec<Arc<dyn Held>>,
    wait: Duration,
}

impl LockLog {
    /// Holds none. Each attempt to take one waits for at most `wait` of real time.
    #[must_use]
    pub fn new(wait: Duration) -> LockLog {
        LockLog { held: Vec::new(), wait }
    }

    /// Takes a lock for code inside.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn take<T: Send + 'static>(&mut self, lock: &Arc<Lock<T>>) -> Result<(), LockError> {
        if self.position(lock).is_some() {
            return Err(LockError::Twice(lock.name));
        }
        if !lock.acquire(self.wait) {
            return Err(LockError::Busy { name: lock.name, waited: self.wait });
        }
        self.held.push(lock.clone());
        Ok(())
    }

    /// Code inside gives a lock back. The order is its own.
    ///
    /// # Errors
    /// It does not hold it.
    pub fn release<T>(&mut self, lock: &Lock<T>) -> Result<(), Refusal> {
        let at = self.position(lock).ok_or_else(|| not_held(lock.name))?;
        self.held.remove(at).release();
        Ok(())
    }

    /// What a lock guards, for the host to use on behalf of code inside that holds it.
    ///
    /// # Errors
    /// Code inside does not hold it.
    pub fn value<'a, T>(&'a mut self, lock: &'a Lock<T>) -> Result<&'a mut T, Refusal> {
        self.position(lock).ok_or_else(|| not_held(lock.name))?;
        // SAFETY: this log holds the lock, and is borrowed for as long as the value is: it can neither release the lock
        // nor give the value out twice.
        Ok(unsafe { &mut *lock.value.get() })
    }

    /// The call has failed: releases all, the last taken first, and says which.
    pub fn release_all(&mut self) -> Vec<&'static str> {
        let newest_first = std::iter::from_fn(|| self.held.pop());
        newest_first.map(|lock| (lock.name(), lock.release()).0).collect()
    }

    /// For a call that has returned: to hold a lock then is a fault. Make it a failed call: undo, then
    /// [`LockLog::release_all`].
    ///
    /// # Errors
    /// Names the locks.
    pub fn check_released(&self) -> Result<(), Refusal> {
        if self.held.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = self.held.iter().map(|lock| lock.name()).collect();
        Err(Refusal(format!("the call has returned and still holds: {}", names.join(", "))))
    }

    /// Names of the locks held, in the order in which they were taken.
    pub fn held(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.held.iter().map(|lock| lock.name())
    }

    /// A lock is its address.
    fn position<T>(&self, lock: &Lock<T>) -> Option<usize> {
        let address: *const Lock<T> = lock;
        self.held.iter().position(|held| Arc::as_ptr(held).cast::<()>() == address.cast())
    }
}

fn not_held(name: &str) -> Refusal {
    Refusal(format!("lock {name} is not held by this call"))
}

impl Drop for LockLog {
    fn drop(&mut self) {
        self.release_all();
    }
}

impl fmt::Debug for LockLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.held()).finish()
    }
}
