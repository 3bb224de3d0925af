//! How a call ends: what it staged happens, or what it did is undone; and how its successor goes on that finds it half ended.

use std::sync::atomic::Ordering::{Relaxed, Release};

use udrv_driver::Telltale;

use super::Window;
use super::noted::{Target, parse};
use crate::write_log::{RegisterWrite, Undone};

impl Window {
    /// The call commits: doorbells ring and `write` is told which words of DMA memory hand descriptors over, in the
    /// driver's order; consumed causes are consumed. True if all reached the device.
    pub fn commit(&mut self, mut write: impl FnMut(u64, u32) -> bool) -> bool {
        for (index, bits) in self.kept.consumed.iter().map(parse) {
            if let Some(carry) = self.kept.carry.get(index) {
                carry.store(carry.load(Relaxed) & !bits, Relaxed);
            }
        }
        self.kept.consumed.clear();
        self.kept.journal.clear();
        self.seen.clear();
        self.taken.clear();
        self.kept.set_spoilt(false);
        self.writes.clear();
        let mut all = true;
        for at in self.kept.rung.load(Relaxed) as usize..self.kept.staged.len() {
            let (target, value) = Target::parse(self.kept.staged.get(at));
            all &= match target {
                Target::Register(index) => match self.map.registers.get(usize::from(index)) {
                    Some(register) => self.device_write(*register, value).is_ok(),
                    None => false,
                },
                Target::Memory(place) => write(place, value),
            };
            self.kept.rung.store(at as u32 + 1, Release);
        }
        self.kept.staged.clear();
        self.kept.rung.store(0, Release);
        all
    }

    /// For a successor of a process that died while [`Window::commit`] was at it: the one that was under way may have
    /// happened. Of the doorbells among `telltales` one can see whether it has; ringing the others twice does no harm.
    /// False: of a word in memory nobody can tell, and the driver's `restore` is needed. Then [`Window::commit`] goes on
    /// behind it.
    pub(crate) fn settle_torn(&mut self, telltales: &[Telltale], read: impl FnOnce(u64) -> Option<u32>) -> bool {
        let at = self.kept.rung.load(Relaxed);
        if at as usize >= self.kept.staged.len() {
            return true;
        }
        let (target, value) = Target::parse(self.kept.staged.get(at as usize));
        let (rung, certain) = match target {
            Target::Register(index) => {
                let Some(register) = self.map.registers.get(usize::from(index)).copied() else { return false };
                let telltale = telltales.iter().find(|telltale| telltale.register == register.offset);
                let has_rung =
                    |telltale: &Telltale| self.device_read(register).is_ok_and(|now| telltale.has_rung(value, now));
                (telltale.is_some_and(has_rung), true)
            }
            Target::Memory(place) => (true, read(place) == Some(value)),
        };
        if rung {
            self.kept.rung.store(at + 1, Relaxed);
        }
        certain
    }

    /// The call has failed: nothing it staged happens, what it wrote is written back, last first. True if the driver's
    /// `restore` is needed, for the journal cannot undo all of it.
    ///
    /// Doing it twice is doing it once: what is to be done stays until all of it is.
    pub fn abort(&mut self) -> bool {
        self.kept.staged.clear();
        self.writes.clear();
        self.seen.clear();
        for (index, bits) in self.kept.consumed.iter().map(parse) {
            if let Some(carry) = self.kept.carry.get(index) {
                carry.store(carry.load(Relaxed) | bits, Relaxed);
            }
        }
        self.kept.consumed.clear();
        for taken in self.taken.drain(..).rev() {
            self.again.push_front(taken);
        }
        let mut needs_restore = self.kept.is_spoilt();
        self.undoing = true;
        for at in (0..self.kept.journal.len()).rev() {
            let (index, old) = parse(self.kept.journal.get(at));
            needs_restore |= match self.map.registers.get(index) {
                Some(register) => self.device_write(*register, old).is_err(),
                None => true,
            };
        }
        self.undoing = false;
        if needs_restore {
            self.kept.set_unclean(true);
        }
        self.kept.set_spoilt(false);
        self.kept.journal.clear();
        needs_restore
    }

    /// The last writes of the call under way, oldest first, and how many there were before them. For its report: to be
    /// asked before [`Window::abort`].
    #[must_use]
    pub fn writes(&self) -> (Vec<RegisterWrite>, usize) {
        let (kept, earlier) = self.writes.kept();
        let one = |(index, value, undone): (u16, u32, Undone)| RegisterWrite {
            register: self.map.registers[usize::from(index)].to_string(),
            value,
            undone,
        };
        (kept.map(one).collect(), earlier)
    }

    /// Forgets everything about calls: before the driver starts from nothing.
    pub fn forget(&mut self) {
        self.kept.forget();
        self.seen.clear();
        self.taken.clear();
        self.again.clear();
        self.writes.clear();
    }
}
