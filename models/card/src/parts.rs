//! What stands around the chip on every card.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use crate::alarm::Alarm;
use crate::counters::Counters;
use crate::dma::{Dma, MasterAbort};
use crate::misbehave::Trouble;
use crate::pci::{ConfigSpace, command, status};

/// Time that accesses of registers take on the bus, spent spinning. A real PCI read is about 1 us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Costs {
    /// Of a register read.
    pub read: Duration,
    /// Of a register write.
    pub write: Duration,
}

impl Costs {
    pub(crate) fn spend(cost: Duration) {
        if !cost.is_zero() {
            let end = Instant::now() + cost;
            while Instant::now() < end {
                std::hint::spin_loop();
            }
        }
    }
}

/// The interrupt line to whoever opened the function.
#[derive(Debug, Default)]
pub(crate) struct Intx {
    pub(crate) event: Option<File>,
    /// Signalled and not yet unmasked.
    pub(crate) masked: bool,
}

/// Messages to whoever opened the function.
#[derive(Debug, Default)]
pub(crate) struct Msi {
    pub(crate) event: Option<File>,
    /// The chip's wish when it was looked at last: a message is the edge, and one that could not be sent is lost.
    level: bool,
}

/// The card around a chip; a chip owns it and lends it to the card ([`crate::Chip::parts`]). `S` is
/// [`crate::Chip::Switches`], `T` [`crate::Chip::Counts`].
pub struct Parts<S, T> {
    /// Configuration space.
    pub pci: ConfigSpace,
    /// Memory that the card can reach. [`Parts::dma_read`] and [`Parts::dma_write`] count and misbehave; this does not.
    pub dma: Dma,
    /// How it fails.
    pub trouble: Trouble<S>,
    /// What is counted for tests.
    pub counters: Counters<T>,
    pub(crate) costs: Costs,
    pub(crate) intx: Intx,
    pub(crate) msi: Msi,
    pub(crate) alarm: Alarm,
    /// A model stands for an open file; there is one at a time.
    pub(crate) open: bool,
}

impl<S: Default, T: Default> Parts<S, T> {
    /// A card after power-on, not opened.
    #[must_use]
    pub fn new(pci: ConfigSpace, dma: Dma, costs: Costs) -> Self {
        Self {
            pci,
            dma,
            trouble: Trouble::default(),
            counters: Counters::default(),
            costs,
            intx: Intx::default(),
            msi: Msi::default(),
            alarm: Alarm::default(),
            open: false,
        }
    }
}

impl<S, T> Parts<S, T> {
    /// Whether the command register lets the chip master the bus, and the card is in its slot.
    #[must_use]
    pub fn may_master(&self) -> bool {
        self.pci.has(command::BUS_MASTER) && !self.trouble.on.gone
    }

    /// Whether a transmission that was started goes on: [`Parts::may_master`], and nobody made it hang.
    #[must_use]
    pub fn may_transmit(&self) -> bool {
        self.may_master() && !self.trouble.on.tx_hangs
    }

    /// What the chip puts on the bus for the address that it was told.
    #[must_use]
    pub fn bus_address(&self, address: u64) -> u64 {
        address.wrapping_add(self.trouble.on.dma_astray.unwrap_or(0).into()) & self.dma.mask()
    }

    /// Fills `to` from memory at `address`: astray if so told, counted if it succeeds. A master abort is noted in the
    /// status register and in the counters; what the chip makes of it is its own affair.
    pub fn dma_read(&mut self, address: u64, to: &mut [u8]) -> Result<(), MasterAbort> {
        let done = self.dma.read(self.bus_address(address), to);
        match done {
            Ok(()) => self.counters.dma_read_bytes += to.len() as u64,
            Err(MasterAbort) => self.note_master_abort(),
        }
        done
    }

    /// Writes `from` to memory at `address`, as [`Parts::dma_read`] reads.
    pub fn dma_write(&mut self, address: u64, from: &[u8]) -> Result<(), MasterAbort> {
        let done = self.dma.write(self.bus_address(address), from);
        match done {
            Ok(()) => self.counters.dma_write_bytes += from.len() as u64,
            Err(MasterAbort) => self.note_master_abort(),
        }
        done
    }

    /// Status bit 13, and 14 if SERR# is enabled; counted.
    pub fn note_master_abort(&mut self) {
        self.counters.master_aborts += 1;
        self.pci.set_status(status::RECEIVED_MASTER_ABORT);
        if self.pci.has(command::SERR) {
            self.pci.set_status(status::SIGNALED_SYSTEM_ERROR);
        }
    }

    /// Brings the line to what the chip wants, a level; where messages are enabled, sends one when the chip begins to
    /// want it, and none while it goes on to.
    pub(crate) fn settle(&mut self, wanted: bool) {
        let on = &self.trouble.on;
        let asserted = (wanted || on.intx_stuck) && !on.interrupt_lost && !on.gone;
        self.pci.set_intx(asserted);
        let began = !std::mem::replace(&mut self.msi.level, wanted) && wanted;
        if self.pci.msi_enabled() {
            if began && asserted && self.may_master() {
                self.send_message();
            }
            return;
        }
        if asserted && !self.intx.masked && !self.pci.has(command::INTX_DISABLE) {
            self.signal();
        }
    }

    fn signal(&mut self) {
        let Some(event) = &mut self.intx.event else { return };
        // An eventfd takes eight bytes whole or, at its limit of 2^64 - 2, none: then it is readable anyway.
        let _full = event.write(&1u64.to_ne_bytes());
        self.intx.masked = true;
        self.counters.interrupts += 1;
    }

    /// Messages go to `event` from now on. That the chip wants one already is no edge.
    pub(crate) fn start_messages(&mut self, event: File) {
        self.msi.event = Some(event);
        self.pci.enable_msi(true);
    }

    /// No messages any more.
    pub(crate) fn stop_messages(&mut self) {
        self.msi.event = None;
        self.pci.enable_msi(false);
    }

    fn send_message(&mut self) {
        let Some(event) = &mut self.msi.event else { return };
        // As above.
        let _full = event.write(&1u64.to_ne_bytes());
        self.counters.messages += 1;
    }

    /// What the last close of VFIO does: bus mastering off, mappings and interrupt gone, no reset.
    pub(crate) fn close(&mut self) {
        self.pci.clear_command(command::BUS_MASTER);
        self.intx = Intx::default();
        self.stop_messages();
        self.dma.unmap_all();
        self.open = false;
    }
}
