//! What the administrator changes at the interface reaches the chip; what the chip cannot do is put back.
//!
//! `ip link set dev eth8139 address ...` becomes `set_mac`; a bridge or a capture that wants everything becomes
//! `set_rx_mode`. An MTU that frames of this class do not have is set back, and the log says why. Not here: the
//! multicast list, of which a TAP gives no notice (all multicast is received).

use udrv_driver::{Entry, MacAddress, NetDriver, RxMode};

use super::{DeviceError, NetDevice};
use crate::endpoint::Wanted;

/// The largest MTU in bytes: an Ethernet frame, without jumbo.
pub(super) const MAX_MTU: u32 = 1500;

impl<D: NetDriver> NetDevice<D> {
    /// Makes the device what the interface is to be.
    ///
    /// # Errors
    /// When the device was given up on the way.
    pub(super) fn follow_settings(&mut self) -> Result<(), DeviceError> {
        let wanted = match self.endpoint.wanted() {
            Ok(Some(wanted)) => wanted,
            Ok(None) => return Ok(()),
            // gone, or out of sight: frames will show which
            Err(error) => {
                tracing::warn!(device = %self.name, %error, "changes of the interface are not followed");
                return Ok(());
            }
        };
        // each by itself: that one is refused is no reason to leave out the other
        let mac = self.follow_mac(wanted);
        let followed = mac.and(self.follow_mode(wanted));
        self.refuse_mtu(wanted.mtu);
        self.noted(followed).or_else(|error| match error {
            error @ DeviceError::GaveUp { .. } => Err(error),
            error => {
                tracing::warn!(device = %self.name, %error, "a change of the interface did not reach the device");
                Ok(())
            }
        })
    }

    fn follow_mac(&mut self, wanted: Wanted) -> Result<(), DeviceError> {
        let mac = MacAddress(wanted.mac);
        if mac == self.recorded.mac {
            return Ok(());
        }
        let set = self.entry(Entry::SetMac, move |cx| D::set_mac(cx, mac));
        if set.is_ok() {
            tracing::info!(device = %self.name, %mac, "the interface has another address");
            self.recorded.mac = mac;
        } else if let Err(error) = self.endpoint.set_mac(self.recorded.mac.0) {
            tracing::warn!(device = %self.name, %error, "the interface keeps an address that the device does not have");
        }
        set
    }

    fn follow_mode(&mut self, wanted: Wanted) -> Result<(), DeviceError> {
        let mode = RxMode { promiscuous: wanted.promiscuous, ..self.recorded.rx_mode };
        if mode == self.recorded.rx_mode {
            return Ok(());
        }
        self.entry(Entry::SetRxMode, move |cx| D::set_rx_mode(cx, mode))?;
        tracing::info!(device = %self.name, promiscuous = mode.promiscuous, "the interface has another receive mode");
        self.recorded.rx_mode = mode;
        Ok(())
    }

    /// A smaller one is the host's affair: the device is told the length of each frame.
    fn refuse_mtu(&mut self, mtu: u32) {
        if mtu <= MAX_MTU {
            return;
        }
        tracing::warn!(device = %self.name, "MTU {mtu} is not possible here: it is {MAX_MTU} at most, and that is set");
        if let Err(error) = self.endpoint.set_mtu(MAX_MTU) {
            tracing::warn!(device = %self.name, %error, "longer frames will be dropped");
        }
    }
}
