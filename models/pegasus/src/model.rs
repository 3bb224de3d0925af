//! The adapter as a [`UsbDevice`], and the handle of whoever watches it.
//!
//! A [`PegasusModel`] is the open file of a real device with its interface claimed: dropping it does what the last close
//! does, and [`PegasusHandle::open`] opens the same adapter again, as dirty as it was left. Who had it open when it was
//! unplugged has nothing but what ended with that; the adapter that is plugged in again is opened again.

use std::fs::File;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use model_wire::{NicPort, NicReceiver};
use udrv_bus::{BusError, Completion, EndpointInfo, Setup, Transfer, UsbDevice, UsbId};

use crate::chip::Chip;
use crate::config::Config;
use crate::counters::Counters;
use crate::device::Device;
use crate::done::Done;
use crate::eprom;
use crate::misbehave::Misbehave;

struct Card(Mutex<Device>);

impl Card {
    fn device(&self) -> MutexGuard<'_, Device> {
        // A panic of another thread leaves registers as some access left them: still a chip.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NicReceiver for Card {
    fn receive(&self, frame: &[u8], fcs_ok: bool) {
        self.device().receive(frame, fcs_ok);
    }

    fn link_changed(&self, up: bool) {
        self.device().set_link(up);
    }
}

/// An adapter, opened. Made by [`PegasusModel::new`] or [`PegasusHandle::open`].
pub struct PegasusModel {
    card: Arc<Card>,
    done: Arc<Done>,
    plug: u64,
    id: UsbId,
    endpoints: Vec<EndpointInfo>,
    control_cost: Duration,
}

/// The bench beside the adapter: counters, misbehaviour, its plug. Clones are the same bench; it keeps the adapter alive.
#[derive(Clone)]
pub struct PegasusHandle {
    card: Arc<Card>,
}

impl PegasusModel {
    /// Builds an adapter, puts it between the near end of a wire and a USB port, and opens it. It is as after power-on,
    /// and configured.
    #[must_use]
    pub fn new(config: Config, port: NicPort) -> (PegasusModel, PegasusHandle) {
        let card = Arc::new(Card(Mutex::new(Device::new(Chip::new(config, port.clone())))));
        let receiver: Weak<dyn NicReceiver> = Arc::<Card>::downgrade(&card);
        port.attach(receiver);
        let handle = PegasusHandle { card };
        let model = handle.open().expect("it is plugged in, and nobody has opened it");
        (model, handle)
    }

    /// The time that a control transfer takes. Spent before the adapter's lock is taken: frames go on meanwhile.
    fn spend(&self) {
        if !self.control_cost.is_zero() {
            let end = Instant::now() + self.control_cost;
            while Instant::now() < end {
                std::hint::spin_loop();
            }
        }
    }
}

impl PegasusHandle {
    /// Opens the adapter again after its model was dropped, or after it was plugged in again.
    ///
    /// # Errors
    ///
    /// [`BusError::Unsupported`] while it is open, [`BusError::Gone`] while it is unplugged.
    pub fn open(&self) -> Result<PegasusModel, BusError> {
        let mut device = self.card.device();
        let (done, plug) = device.open()?;
        let (id, endpoints) = device.descriptors();
        let control_cost = device.chip.config.control_cost;
        Ok(PegasusModel { card: self.card.clone(), done, plug, id, endpoints, control_cost })
    }

    /// What the model counted so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.card.device().chip.counters
    }

    /// Changes how the adapter fails, from any thread.
    pub fn misbehave(&self, change: impl FnOnce(&mut Misbehave)) {
        self.card.device().misbehave(change);
    }

    /// Pulls it out of its port: all transfers end as gone.
    pub fn unplug(&self) {
        self.card.device().unplug();
    }

    /// Plugs it in again, as after power-on; what was opened before stays gone. Pulls it out first if need be.
    pub fn replug(&self) {
        self.card.device().replug();
    }

    /// Whether it is in its port.
    #[must_use]
    pub fn is_plugged(&self) -> bool {
        self.card.device().is_plugged()
    }

    /// Halts an endpoint once.
    pub fn halt(&self, endpoint: u8) {
        self.card.device().halt(endpoint);
    }

    /// Looks at the EEPROM, or changes it as if by a programmer on the bench.
    pub fn with_eprom<R>(&self, look: impl FnOnce(&mut [u16; eprom::WORDS]) -> R) -> R {
        look(&mut self.card.device().chip.eprom)
    }

    /// A register that keeps what is written, without a transfer.
    #[must_use]
    pub fn register(&self, at: u8) -> u8 {
        self.card.device().chip.kept[usize::from(at)]
    }

    /// Writes such a register, without a transfer and behind the driver's back. Nothing is done for it.
    pub fn set_register(&self, at: u8, value: u8) {
        self.card.device().chip.kept[usize::from(at)] = value;
    }
}

impl UsbDevice for PegasusModel {
    fn name(&self) -> String {
        "model:pegasus".into()
    }

    fn id(&self) -> UsbId {
        self.id
    }

    fn endpoints(&self) -> &[EndpointInfo] {
        &self.endpoints
    }

    fn control_in(&mut self, setup: Setup, to: &mut [u8]) -> Result<usize, BusError> {
        self.spend();
        self.card.device().control_in(self.plug, setup, to)
    }

    fn control_out(&mut self, setup: Setup, data: &[u8]) -> Result<(), BusError> {
        self.spend();
        self.card.device().control_out(self.plug, setup, data)
    }

    fn submit(&mut self, transfer: Transfer) -> Result<(), BusError> {
        self.card.device().submit(self.plug, transfer)
    }

    fn reap(&mut self) -> Option<Completion> {
        self.done.pop()
    }

    fn cancel(&mut self, endpoint: u8) -> Result<(), BusError> {
        self.card.device().cancel(self.plug, endpoint)
    }

    fn clear_halt(&mut self, endpoint: u8) -> Result<(), BusError> {
        self.spend();
        self.card.device().clear_halt(self.plug, endpoint)
    }

    fn set_event(&mut self, event: BorrowedFd<'_>) -> Result<(), BusError> {
        let event = event
            .try_clone_to_owned()
            .map_err(|source| BusError::Io { operation: "duplicating the eventfd of transfers".into(), source })?;
        self.done.set_event(File::from(event));
        Ok(())
    }

    fn reset(&mut self) -> Result<(), BusError> {
        self.spend();
        let mut device = self.card.device();
        device.reset(self.plug)?;
        (self.id, self.endpoints) = device.descriptors();
        Ok(())
    }
}

impl Drop for PegasusModel {
    fn drop(&mut self) {
        self.card.device().close(self.plug);
    }
}
