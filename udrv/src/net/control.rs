//! What a network device is asked by command, and how it is.

use serde::{Deserialize, Serialize};
use udrv_driver::{Entry, Error, NetDriver};

use super::{Net, NetDevice, Recorded};
use crate::run::{CallError, DeviceError};

/// Frames and bytes since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Frames received and handed up.
    pub rx_frames: u64,
    /// Their bytes.
    pub rx_bytes: u64,
    /// Those of them that went up put together, several in one packet.
    #[serde(default)]
    pub rx_merged: u64,
    /// Frames received that the endpoint did not take.
    pub rx_dropped: u64,
    /// Frames that the device says it has sent.
    pub tx_frames: u64,
    /// Bytes given to the device.
    pub tx_bytes: u64,
    /// Frames of the endpoint that were not given to the device.
    pub tx_dropped: u64,
    /// Frames given to the device that came back unsent.
    pub tx_lost: u64,
}

/// Counters of the chip and its driver, since probe.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "they are those of `udrv_driver::Stats`")]
pub struct ChipCounters {
    pub rx_errors: u64,
    pub rx_missed: u64,
    pub rx_resets: u64,
    pub tx_errors: u64,
    pub collisions: u64,
}

/// State of a network device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NetStatus {
    /// Name of the network interface.
    pub endpoint: String,
    /// Station address in force.
    pub mac: String,
    /// The chip's own address.
    pub permanent_mac: String,
    /// MTU of the interface, bytes.
    pub mtu: u32,
    /// The VLAN that the chip puts it into; 0: none.
    pub vlan: u16,
    /// Microseconds between interrupts, at least.
    pub interrupt_interval: u64,
    /// There is a link.
    pub link_up: bool,
    /// Megabits a second.
    pub link_speed: u32,
    /// Both directions at once.
    pub full_duplex: bool,
    /// Frames.
    pub traffic: Traffic,
    /// Frames of the endpoint that wait until the driver has room.
    #[serde(default)]
    pub tx_waiting: u64,
    /// Frames that are with the driver and its device, to be sent.
    #[serde(default)]
    pub tx_pending: u64,
    /// Counters of the chip and its driver; `None` if they could not be had.
    pub chip: Option<ChipCounters>,
}

impl<D: NetDriver> NetDevice<D> {
    pub(super) fn call_with_values_in_force(&mut self, entry: Entry) -> Result<(), DeviceError> {
        let Recorded { mac, rx_mode: mode, settings, .. } = self.class.recorded;
        match entry {
            Entry::Open | Entry::Stop => {
                let stopped = self.must(Entry::Stop, |cx| D::stop(cx));
                self.open_again()?;
                stopped?;
            }
            Entry::Link => self.update_link()?,
            Entry::SetMac => self.entry(entry, move |cx| D::set_mac(cx, mac))?,
            Entry::SetRxMode => self.entry(entry, move |cx| D::set_rx_mode(cx, mode))?,
            Entry::Configure => self.entry(entry, move |cx| D::configure(cx, settings))?,
            Entry::GetRingparam => self.entry(entry, |cx| D::get_ringparam(cx)).map(|_| ())?,
            Entry::GetStats => self.entry(entry, |cx| D::get_stats(cx)).map(|_| ())?,
            Entry::TxTimeout => self.must(entry, |cx| D::tx_timeout(cx))?,
            Entry::Restore => self.must(entry, |cx| D::restore(cx))?,
            Entry::Interrupt | Entry::Poll | Entry::Transmit => self.serve_interrupt()?,
            Entry::Quiesce => {
                let quiet = self.must(Entry::Quiesce, |cx| D::quiesce(cx));
                self.must(Entry::Restore, |cx| D::restore(cx))?;
                quiet?;
            }
            Entry::Probe => {
                // a chip that is probed is a chip that was reset: bring it back to where it was
                let stopped = self.must(Entry::Stop, |cx| D::stop(cx));
                let probed = self.must(Entry::Probe, |cx| D::probe(cx));
                self.must(Entry::SetMac, move |cx| D::set_mac(cx, mac))?;
                self.must(Entry::SetRxMode, move |cx| D::set_rx_mode(cx, mode))?;
                self.must(Entry::Configure, move |cx| D::configure(cx, settings))?;
                self.open_again()?;
                stopped.and(probed)?;
            }
            // those of other classes are refused before
            _ => return Err(self.entry_error(entry, CallError::Driver(Error::Unsupported))),
        }
        Ok(())
    }

    /// Opens a device that was stopped for a moment. If that fails it is good for nothing any more.
    fn open_again(&mut self) -> Result<(), DeviceError> {
        let opened = self.must(Entry::Open, |cx| D::open(cx));
        opened.map_err(|error| {
            self.failed.get_or_insert_with(|| error.to_string());
            self.given_up().unwrap_or(error)
        })
    }

    pub(super) fn net_status(&mut self) -> NetStatus {
        let stats = self.entry(Entry::GetStats, |cx| D::get_stats(cx));
        let chip = self.noted(stats).ok().map(|s| ChipCounters {
            rx_errors: s.rx_errors,
            rx_missed: s.rx_missed,
            rx_resets: s.rx_resets,
            tx_errors: s.tx_errors,
            collisions: s.collisions,
        });
        self.net_status_with(chip)
    }

    pub(super) fn net_status_with(&self, chip: Option<ChipCounters>) -> NetStatus {
        let Net { endpoint, permanent_mac, recorded, mtu, link, traffic, outbound, .. } = &self.class;
        NetStatus {
            endpoint: endpoint.name(),
            mac: recorded.mac.to_string(),
            permanent_mac: permanent_mac.to_string(),
            mtu: *mtu,
            vlan: recorded.settings.vlan,
            interrupt_interval: recorded.settings.interrupt_interval.0,
            link_up: link.up,
            link_speed: link.speed,
            full_duplex: link.full_duplex,
            traffic: *traffic,
            tx_waiting: outbound.waiting(),
            tx_pending: self.host.buffers.lent().into(),
            chip,
        }
    }
}
