//! The card, which says when udrvd dies.

use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard};

use model_card::interpose::{Before, Interposer};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use udrv_bus::{BusError, DmaMapping, PciFunction, ResetKind, Width};

/// When udrvd dies: at which access to its card, and whether the card still sees that one.
#[derive(Debug, Default)]
pub(crate) struct Death {
    accesses: AtomicU64,
    pub(crate) resets: AtomicU64,
    /// Connections.
    pub(crate) opened: AtomicU64,
    /// 0: it lives on.
    at: AtomicU64,
    /// Or with an access of this name, after so many others.
    of_a_name: Mutex<Option<(&'static str, u32)>>,
    pub(crate) seen: AtomicU32,
    pub(crate) pid: AtomicU32,
    /// The access with which it died.
    pub(crate) with: Mutex<String>,
}

impl Death {
    /// It dies with the access after `more` others.
    pub(crate) fn in_(&self, more: u64, seen: bool) {
        self.seen.store(seen.into(), SeqCst);
        self.at.store(self.accesses.load(SeqCst) + more + 1, SeqCst);
    }

    /// It dies with the access `what` that comes after `more` others of that name.
    pub(crate) fn with_(&self, what: &'static str, more: u32, seen: bool) {
        self.seen.store(seen.into(), SeqCst);
        *self.of_a_name.lock().unwrap() = Some((what, more));
    }

    /// It lives on.
    pub(crate) fn spare(&self) {
        self.at.store(0, SeqCst);
    }

    /// Whether this is the access with which it dies.
    fn is_due(&self, what: &str) -> bool {
        let now = self.accesses.fetch_add(1, SeqCst) + 1;
        let at = self.at.load(SeqCst);
        let mut of_a_name = self.of_a_name.lock().unwrap();
        if let Some((_, more)) = of_a_name.as_mut().filter(|(name, _)| *name == what) {
            if *more == 0 {
                *of_a_name = None;
                return true;
            }
            *more -= 1;
        }
        at != 0 && now >= at
    }

    /// An access: whether the card sees it.
    fn strikes(&self, what: &str) -> bool {
        if !self.is_due(what) {
            return true;
        }
        self.at.store(0, SeqCst);
        *self.with.lock().unwrap() = what.to_owned();
        // it waits for the answer to this access: not one instruction of it is executed after this
        kill(Pid::from_raw(self.pid.load(SeqCst) as i32), Signal::SIGKILL).expect("it lives");
        self.seen.load(SeqCst) != 0
    }
}

/// The same card for one connection after the other.
pub(crate) type Shared = Arc<Mutex<Box<dyn PciFunction>>>;

/// The card.
pub(crate) struct Mortal {
    card: Shared,
    death: Arc<Death>,
    /// What is mapped in this connection, and goes with it.
    mapped: Vec<(u64, u64)>,
}

impl Drop for Mortal {
    fn drop(&mut self) {
        let mut card = self.card();
        for (iova, size) in &self.mapped {
            card.unmap_dma(*iova, *size).expect("it is mapped");
        }
        card.disable_intx().expect("it has a line");
    }
}

impl Mortal {
    pub(crate) fn new(card: Shared, death: Arc<Death>) -> Before<Mortal> {
        Before(Mortal { card, death, mapped: Vec::new() })
    }
}

impl Interposer for Mortal {
    type Card = Box<dyn PciFunction>;

    fn card(&self) -> MutexGuard<'_, Self::Card> {
        self.card.lock().unwrap()
    }
    fn config_read(&mut self, offset: u16, width: Width) -> Result<u32, BusError> {
        if self.death.strikes(&format!("config read {offset:#x}")) {
            self.card().config_read(offset, width)
        } else {
            Ok(0)
        }
    }
    fn config_write(&mut self, offset: u16, width: Width, value: u32) -> Result<(), BusError> {
        if self.death.strikes(&format!("config write {offset:#x}")) {
            self.card().config_write(offset, width, value)
        } else {
            Ok(())
        }
    }
    fn bar_read(&mut self, bar: u8, offset: u64, width: Width) -> Result<u32, BusError> {
        if self.death.strikes(&format!("read {offset:#x}")) { self.card().bar_read(bar, offset, width) } else { Ok(0) }
    }
    fn bar_write(&mut self, bar: u8, offset: u64, width: Width, value: u32) -> Result<(), BusError> {
        if self.death.strikes(&format!("write {offset:#x} = {value:#x}")) {
            self.card().bar_write(bar, offset, width, value)
        } else {
            Ok(())
        }
    }
    fn map_dma(&mut self, mapping: DmaMapping) -> Result<(), BusError> {
        let piece = (mapping.iova, mapping.memory.size());
        self.card().map_dma(mapping)?;
        self.mapped.push(piece);
        Ok(())
    }
    fn unmap_dma(&mut self, iova: u64, size: u64) -> Result<(), BusError> {
        self.mapped.retain(|piece| *piece != (iova, size));
        self.card().unmap_dma(iova, size)
    }
    fn unmask_intx(&mut self) -> Result<(), BusError> {
        if self.death.strikes("unmask") { self.card().unmask_intx() } else { Ok(()) }
    }
    fn reset(&mut self) -> Result<ResetKind, BusError> {
        self.death.resets.fetch_add(1, SeqCst);
        self.card().reset()
    }
}
