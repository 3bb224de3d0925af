//! Rung 3: the driver starts from nothing, and is told again what it was told since.
//!
//! Configuration calls are recorded at the class interface ([`Recorded`]), so the replay needs nothing of the driver's
//! own. Callers wait meanwhile: their frames stay where they are, and a call that was under way is made again.

use std::time::Instant;

use fgft::Plain;
use udrv_driver::{Entry, Features, MacAddress, NetDriver, RxMode, Settings};

use super::NetDevice;
use crate::ledger::Ledger;
use crate::report::FaultReport;

/// Attempts of each entry point in a restart.
const ATTEMPTS: u32 = 3;

/// What the driver was told, last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recorded {
    /// Station address.
    pub(super) mac: MacAddress,
    /// What is received.
    pub(super) rx_mode: RxMode,
    /// What the chip is set to.
    pub(super) settings: Settings,
    /// Between `open` and `stop`.
    pub(super) open: bool,
}

impl<D: NetDriver> NetDevice<D> {
    /// Quiet, empty, probe, replay. On error the device is quiet and the driver has forgotten everything.
    pub(super) fn try_restart(&mut self, nested: &mut Vec<(Entry, FaultReport)>) -> Result<(), String> {
        let start = Instant::now();
        self.silence()?;
        self.signal.leaves(true);
        self.forget();
        self.within_rung(Entry::Probe, ATTEMPTS, nested, |cx| D::probe(cx))?;
        self.host.window.device().enable(true).map_err(|e| e.to_string())?;
        let Recorded { mac, rx_mode, settings, open } = self.recorded;
        self.within_rung(Entry::SetMac, ATTEMPTS, nested, move |cx| D::set_mac(cx, mac))?;
        self.within_rung(Entry::SetRxMode, ATTEMPTS, nested, move |cx| D::set_rx_mode(cx, rx_mode))?;
        if D::FEATURES != Features::NONE {
            self.within_rung(Entry::Configure, ATTEMPTS, nested, move |cx| D::configure(cx, settings))?;
        }
        if open {
            self.within_rung(Entry::Open, ATTEMPTS, nested, |cx| D::open(cx))?;
        }
        self.host.window.verify(self.domain.ledger())?;
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

    /// State, ledger and window as before `probe`. Frames that the device had are lost; one that waits for room is not.
    fn forget(&mut self) {
        self.traffic.tx_lost += self.host.buffers.forget_lent();
        self.sending_since = None;
        self.more = false;
        self.host.window.forget();
        self.host.marks.clear();
        overwrite(&mut self.domain, D::new_state());
    }
}

fn overwrite<S: Plain>(domain: &mut fgft::Domain<S, Ledger>, fresh: S) {
    domain.run_unprotected(|state, ledger| {
        *state = fresh;
        *ledger = Ledger::new();
    });
    domain.commit();
}
