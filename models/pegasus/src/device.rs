//! The adapter at the end of its cable: plugged or not, its endpoints and the transfers that wait at them.

use std::collections::VecDeque;
use std::sync::Arc;

use udrv_bus::{BusError, Completion, EndpointInfo, Setup, Transfer, TransferStatus, UsbId};

use crate::chip::Chip;
use crate::control::{Effect, Stall};
use crate::descriptors::{self, BULK_IN, BULK_OUT, ENDPOINTS, INTERRUPT};
use crate::done::Done;
use crate::misbehave::{Misbehave, take_one};
use crate::regs::{self, ctrl0};

/// An endpoint beside endpoint 0.
#[derive(Debug)]
struct Endpoint {
    address: u8,
    halted: bool,
    waiting: VecDeque<Transfer>,
}

/// See the file's text.
pub(crate) struct Device {
    pub(crate) chip: Chip,
    plugged: bool,
    /// Which time it is plugged: who opened it before it left has not opened it now.
    plug: u64,
    /// Of whoever has opened it.
    done: Option<Arc<Done>>,
    /// The OUT endpoint first: what it sends may come back.
    endpoints: [Endpoint; 3],
}

/// The device does not answer a transfer.
fn gone(operation: &'static str) -> BusError {
    BusError::Gone { operation }
}

fn describe(Setup { request_type, request, value, index }: Setup) -> String {
    format!("request {request_type:02x} {request:02x}, value {value:04x}, index {index:04x}")
}

impl Device {
    /// One that has just been plugged in and found by the host: configured.
    pub(crate) fn new(chip: Chip) -> Self {
        let endpoint = |address| Endpoint { address, halted: false, waiting: VecDeque::new() };
        let endpoints = [BULK_OUT, BULK_IN, INTERRUPT].map(endpoint);
        let mut device = Self { chip, plugged: true, plug: 0, done: None, endpoints };
        device.configure();
        device
    }

    /// What the host does when it finds a device.
    fn configure(&mut self) {
        self.chip.configuration = 1;
        self.chip.news = true;
        self.endpoints.iter_mut().for_each(|endpoint| endpoint.halted = false);
    }

    pub(crate) const fn is_plugged(&self) -> bool {
        self.plugged
    }

    /// For whoever opens it: where transfers end, and which time it is plugged.
    pub(crate) fn open(&mut self) -> Result<(Arc<Done>, u64), BusError> {
        if !self.plugged {
            return Err(gone("opening it"));
        }
        if self.done.is_some() {
            return Err(BusError::Unsupported("opening it twice"));
        }
        if self.chip.configuration == 0 {
            self.configure();
        }
        let done = Arc::<Done>::default();
        self.done = Some(done.clone());
        Ok((done, self.plug))
    }

    /// The last close: transfers end and nobody is told.
    pub(crate) fn close(&mut self, plug: u64) {
        if self.plug == plug {
            self.done = None;
            self.endpoints.iter_mut().for_each(|endpoint| endpoint.waiting.clear());
        }
    }

    /// What it says it is, as the host reads it.
    pub(crate) fn descriptors(&self) -> (UsbId, Vec<EndpointInfo>) {
        let (config, bad) = (&self.chip.config, &self.chip.trouble.on.descriptors);
        let endpoints = descriptors::endpoints(&descriptors::configuration(config, bad));
        (descriptors::id(config, bad), endpoints)
    }

    pub(crate) fn misbehave(&mut self, change: impl FnOnce(&mut Misbehave)) {
        self.chip.trouble.change(change);
        self.run();
    }

    /// Pulls it out.
    pub(crate) fn unplug(&mut self) {
        if !std::mem::replace(&mut self.plugged, false) {
            return;
        }
        for at in 0..self.endpoints.len() {
            self.end_all(at, TransferStatus::Gone);
        }
        if let Some(done) = &self.done {
            done.note_leaving();
        }
    }

    /// Plugs it in again: it is as after power-on, and nobody has opened it.
    pub(crate) fn replug(&mut self) {
        self.unplug();
        (self.plugged, self.plug, self.done) = (true, self.plug + 1, None);
        self.chip.power_on();
        self.configure();
    }

    /// A transfer begins. It is the one with which the device leaves, if it was told so.
    fn begin(&mut self, plug: u64, operation: &'static str) -> Result<(), BusError> {
        if !self.plugged || self.plug != plug {
            return Err(gone(operation));
        }
        if take_one(&mut self.chip.trouble.on.unplug_at) && self.chip.trouble.on.unplug_at == 0 {
            self.unplug();
        }
        Ok(())
    }

    fn begin_control(&mut self, plug: u64, setup: Setup) -> Result<(), BusError> {
        self.begin(plug, "a control transfer")?;
        if !self.plugged {
            return Err(gone("a control transfer"));
        }
        let on = &mut self.chip.trouble.on;
        if take_one(&mut on.control_spared) {
            return Ok(());
        }
        if take_one(&mut on.control_timeouts) {
            let milliseconds = udrv_bus::CONTROL_TIMEOUT.as_millis() as u64;
            return Err(BusError::Timeout { operation: describe(setup), milliseconds });
        }
        if take_one(&mut on.control_stalls) {
            return Err(BusError::Stall { operation: describe(setup) });
        }
        Ok(())
    }

    pub(crate) fn control_in(&mut self, plug: u64, setup: Setup, to: &mut [u8]) -> Result<usize, BusError> {
        self.chip.counters.control_reads += 1;
        self.begin_control(plug, setup)?;
        let room = to.len().min(self.chip.trouble.on.control_short.unwrap_or(usize::MAX));
        let endpoints = &self.endpoints;
        let halted = |address| endpoints.iter().find(|e| e.address == address).map(|e| e.halted);
        let answer = self.chip.ask(setup, to.len(), halted);
        let answer = answer.map_err(|Stall| BusError::Stall { operation: describe(setup) })?;
        let length = answer.len().min(room);
        to[..length].copy_from_slice(&answer[..length]);
        self.run();
        Ok(length)
    }

    pub(crate) fn control_out(&mut self, plug: u64, setup: Setup, data: &[u8]) -> Result<(), BusError> {
        self.chip.counters.control_writes += 1;
        self.begin_control(plug, setup)?;
        let stall = |Stall| BusError::Stall { operation: describe(setup) };
        match self.chip.tell(setup, data).map_err(stall)? {
            Effect::None => {}
            Effect::Configured => {
                for at in 0..self.endpoints.len() {
                    self.end_all(at, TransferStatus::Cancelled);
                    self.endpoints[at].halted = false;
                }
            }
            Effect::Halt { endpoint, halted } => {
                let at = self.find(endpoint).ok_or(Stall).map_err(stall)?;
                self.endpoints[at].halted = halted;
            }
        }
        self.run();
        Ok(())
    }

    /// Where an endpoint is, if it is there.
    fn find(&self, address: u8) -> Option<usize> {
        let missing = self.chip.trouble.on.descriptors.missing;
        self.endpoints.iter().position(|e| e.address == address && missing != Some(address))
    }

    pub(crate) fn submit(&mut self, plug: u64, transfer: Transfer) -> Result<(), BusError> {
        let there = self.find(transfer.endpoint).filter(|_| self.chip.configuration != 0);
        if self.plugged && self.plug == plug && there.is_none() {
            return Err(BusError::Unsupported("an endpoint that is not there"));
        }
        self.begin(plug, "a transfer")?;
        let at = there.expect("checked above");
        self.endpoints[at].waiting.push_back(transfer);
        if self.plugged {
            self.run();
        } else {
            self.end_all(at, TransferStatus::Gone);
        }
        Ok(())
    }

    pub(crate) fn cancel(&mut self, plug: u64, endpoint: u8) -> Result<(), BusError> {
        let Some(at) = ENDPOINTS.iter().any(|e| e.address == endpoint).then(|| self.position(endpoint)) else {
            return Err(BusError::Unsupported("an endpoint that is not there"));
        };
        // After it has left, all have ended.
        if self.plug == plug {
            self.end_all(at, TransferStatus::Cancelled);
        }
        Ok(())
    }

    fn position(&self, address: u8) -> usize {
        self.endpoints.iter().position(|e| e.address == address).expect("one of the three")
    }

    pub(crate) fn clear_halt(&mut self, plug: u64, endpoint: u8) -> Result<(), BusError> {
        let waiting = self.find(endpoint).is_some_and(|at| !self.endpoints[at].waiting.is_empty());
        if waiting && self.plug == plug {
            return Err(BusError::Unsupported("clearing a halt while transfers are queued"));
        }
        let setup = Setup { request_type: 0x02, request: 1, value: 0, index: endpoint.into() };
        self.control_out(plug, setup, &[])
    }

    pub(crate) fn reset(&mut self, plug: u64) -> Result<(), BusError> {
        self.begin(plug, "a reset of the port")?;
        if !self.plugged {
            return Err(gone("a reset of the port"));
        }
        for at in 0..self.endpoints.len() {
            self.end_all(at, TransferStatus::Cancelled);
        }
        self.chip.counters.port_resets += 1;
        self.chip.power_on();
        self.configure();
        Ok(())
    }

    /// Halts an endpoint, as if the chip had a reason.
    pub(crate) fn halt(&mut self, endpoint: u8) {
        if let Some(at) = self.find(endpoint) {
            self.endpoints[at].halted = true;
            self.run();
        }
    }

    /// A frame from the wire.
    pub(crate) fn receive(&mut self, frame: &[u8], fcs_ok: bool) {
        if !self.plugged {
            self.chip.counters.rx_filtered += 1;
            return;
        }
        self.chip.take_frame(frame, fcs_ok);
        self.run();
    }

    /// The cable of the wire.
    pub(crate) fn set_link(&mut self, up: bool) {
        self.chip.set_cable(up);
        self.run();
    }

    /// Serves what can be served.
    fn run(&mut self) {
        if !self.plugged || self.chip.configuration == 0 {
            return;
        }
        for at in 0..self.endpoints.len() {
            while let Some(mut transfer) = self.endpoints[at].waiting.pop_front() {
                let Some((status, length)) = self.serve(at, &mut transfer) else {
                    self.endpoints[at].waiting.push_front(transfer);
                    break;
                };
                self.end(transfer, status, length);
            }
        }
    }

    /// How a transfer ends, and its bytes; `None` if it has to wait.
    fn serve(&mut self, at: usize, transfer: &mut Transfer) -> Option<(TransferStatus, usize)> {
        let endpoint = &mut self.endpoints[at];
        let chip = &mut self.chip;
        endpoint.halted |= chip.trouble.on.halts.contains(&endpoint.address);
        if endpoint.halted {
            return Some((TransferStatus::Stalled, 0));
        }
        let address = endpoint.address;
        if chip.trouble.on.spared == 0 {
            if take_one(&mut chip.trouble.on.failures) {
                return Some((TransferStatus::Failed, 0));
            }
            if address & 0x80 != 0 && take_one(&mut chip.trouble.on.babbles) {
                return Some((TransferStatus::Overflow, transfer.data.len()));
            }
        }
        let served = self.transfer(address, transfer);
        if served.is_some() {
            take_one(&mut self.chip.trouble.on.spared);
        }
        served
    }

    /// A transfer of an endpoint that works.
    fn transfer(&mut self, address: u8, transfer: &mut Transfer) -> Option<(TransferStatus, usize)> {
        let chip = &mut self.chip;
        match address {
            BULK_OUT if chip.trouble.on.tx_hangs || !chip.has(regs::ETH_CTRL0, ctrl0::TX) => None,
            BULK_OUT => {
                chip.take_packets(&transfer.data, transfer.zero_packet);
                Some((TransferStatus::Done, transfer.data.len()))
            }
            BULK_IN if chip.trouble.on.rx_hangs || chip.rx.is_empty() => None,
            BULK_IN => Some(match chip.trouble.on.rx_cut {
                Some(cut) => chip.rx.read_cut(&mut transfer.data, cut),
                None => chip.rx.read(&mut transfer.data),
            }),
            _ if !chip.has_interrupt() => None,
            _ => {
                let packet = chip.interrupt_packet();
                let length = packet.len().min(transfer.data.len());
                transfer.data[..length].copy_from_slice(&packet[..length]);
                let whole = length == packet.len();
                Some((if whole { TransferStatus::Done } else { TransferStatus::Overflow }, length))
            }
        }
    }

    fn end_all(&mut self, at: usize, status: TransferStatus) {
        while let Some(transfer) = self.endpoints[at].waiting.pop_front() {
            self.end(transfer, status, 0);
        }
    }

    fn end(&mut self, transfer: Transfer, status: TransferStatus, length: usize) {
        let Transfer { endpoint, token, data, .. } = transfer;
        if status == TransferStatus::Done {
            let counters = &mut self.chip.counters;
            *match endpoint {
                BULK_IN => &mut counters.bulk_in,
                BULK_OUT => &mut counters.bulk_out,
                _ => &mut counters.interrupt_in,
            } += 1;
        }
        if let Some(done) = &self.done {
            done.push(Completion { endpoint, token, status, data, length });
        }
    }
}
