//! What outlives a process that dies, in one process: the card and the keeper of descriptors.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model_card::interpose::{Before, Interposer};
use udrv::device::Opened;
use udrv::keep::{Inherited, Keeper};
use udrv_bus::PciFunction;

/// A card that outlives who has it.
#[derive(Clone)]
pub struct Lasting(Arc<Mutex<Box<dyn PciFunction>>>);

impl Lasting {
    /// That card.
    #[must_use]
    pub fn new(card: impl PciFunction + 'static) -> Lasting {
        Lasting(Arc::new(Mutex::new(Box::new(card))))
    }

    /// As a process finds it.
    ///
    /// # Panics
    /// When there are no more descriptors.
    #[must_use]
    pub fn opened(&self) -> Opened {
        let alive = io::pipe().expect("a pipe").0.into();
        Opened::from(Box::new(Before(Held { card: self.clone(), alive })) as Box<dyn PciFunction>)
    }
}

/// It in the hands of a process.
struct Held {
    card: Lasting,
    /// Stands for what a kernel or a server would keep.
    alive: OwnedFd,
}

impl Interposer for Held {
    type Card = Box<dyn PciFunction>;

    fn card(&self) -> MutexGuard<'_, Self::Card> {
        self.card.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn kept_alive_by(&self) -> Vec<(&'static str, BorrowedFd<'_>)> {
        vec![("vfio-user-socket", self.alive.as_fd())]
    }
}

/// A keeper in this process.
#[derive(Debug, Default)]
pub struct Shelf(Mutex<Vec<(String, OwnedFd)>>);

impl Shelf {
    fn kept(&self) -> MutexGuard<'_, Vec<(String, OwnedFd)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a successor all of it.
    #[must_use]
    pub fn empty(&self) -> Inherited {
        let mut inherited = Inherited::default();
        self.kept().drain(..).for_each(|(name, fd)| inherited.insert(name, fd));
        inherited
    }
}

impl Keeper for Shelf {
    fn keep(&self, name: &str, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.kept().push((name.to_owned(), fd.try_clone_to_owned()?));
        Ok(())
    }
    fn forget(&self, names: &[&str]) -> io::Result<()> {
        self.kept().retain(|(name, _)| !names.contains(&name.as_str()));
        Ok(())
    }
}
