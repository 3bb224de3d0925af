//! Rung 3: the driver starts from nothing, and is told again what it was told since.
//!
//! Configuration calls are recorded at the class interface, so the replay ([`Class::start_again`]) needs nothing of the driver's
//! own. Callers wait meanwhile: their work stays where it is, and a call that was under way is made again.

use std::time::Instant;

use udrv_driver::{Driver, Entry};

use super::{Class, Running};
use crate::ledger::Ledger;
use crate::report::FaultReport;

impl<C: Class> Running<C> {
    /// Quiet, empty, probe, replay. On error the device is quiet and the driver has forgotten everything.
    pub(crate) fn try_restart(&mut self, nested: &mut Vec<(Entry, FaultReport)>) -> Result<(), String> {
        let start = Instant::now();
        self.host.kept.set_works(false);
        self.silence()?;
        self.signal.leaves(true);
        self.forget();
        C::start_again(self, nested)?;
        self.host.window.verify(self.domain.ledger())?;
        self.host.kept.set_works(true);
        self.restarts += 1;
        tracing::info!(device = %self.name, ms = start.elapsed().as_millis() as u64, "restarted");
        Ok(())
    }

    /// No DMA from here on, whatever the driver thinks of it.
    fn silence(&mut self) -> Result<(), String> {
        let device = self.host.window.device();
        device.stop_dma().map_err(|e| e.to_string())?;
        // where there is no such reset, the driver's `probe` begins with the chip's own
        device.reset().map_err(|e| e.to_string())?;
        device.enable(false).map_err(|e| e.to_string())
    }

    /// State, ledger and window as before `probe`.
    fn forget(&mut self) {
        C::forget(self);
        self.host.window.forget();
        self.host.marks.clear();
        self.domain.run_unprotected(|state, ledger| {
            *state = C::Driver::NEW;
            *ledger = Ledger::new();
        });
        self.domain.commit();
    }
}
