//! A card's bus that takes its time.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use model_card::interpose::{Before, Interposer};
use udrv_bus::{BusError, PciFunction, Width};

use super::Bus;

/// A register read, which the processor waits for, and a write, which it does not.
pub(super) const READ: Duration = Duration::from_nanos(800);
pub(super) const WRITE: Duration = Duration::from_nanos(100);

/// A register that starts something slow: what is written to it takes so long before the chip says that it is done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slow {
    pub(super) register: u64,
    pub(super) takes: Duration,
}

/// 64 clocks of 400 ns, of a PHY's management interface.
pub(super) const PHY: Duration = Duration::from_nanos(25_600);
/// 27 clocks of 1 us, of a Microwire EEPROM.
pub(super) const EEPROM: Duration = Duration::from_micros(27);

/// Slow accesses so far. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally(Arc<AtomicU64>);

impl Tally {
    pub(super) fn slow(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

struct Way {
    card: Mutex<Box<dyn PciFunction>>,
    tally: Tally,
    slow: &'static [Slow],
}

/// The card behind its bus.
pub(super) fn behind(
    card: Box<dyn PciFunction>,
    bus: Bus,
    slow: &'static [Slow],
    tally: Tally,
) -> Box<dyn PciFunction> {
    match bus {
        // nothing stands before a card whose bus takes no time: that would take some
        Bus::Bare => card,
        Bus::Timed => Box::new(Before(Way { card: Mutex::new(card), tally, slow })),
    }
}

fn spend(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}

impl Interposer for Way {
    type Card = Box<dyn PciFunction>;

    fn card(&self) -> MutexGuard<'_, Self::Card> {
        self.card.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bar_read(&mut self, bar: u8, offset: u64, width: Width) -> Result<u32, BusError> {
        spend(READ);
        self.card().bar_read(bar, offset, width)
    }

    fn bar_write(&mut self, bar: u8, offset: u64, width: Width, value: u32) -> Result<(), BusError> {
        spend(WRITE);
        if let Some(slow) = self.slow.iter().find(|slow| slow.register == offset) {
            self.tally.0.fetch_add(1, Relaxed);
            spend(slow.takes);
        }
        self.card().bar_write(bar, offset, width, value)
    }
}
