//! What the administrator changes at the interface reaches the chip; what the chip cannot do is put back.
//!
//! `ip link set dev eth8139 address ...` becomes `set_mac`; a bridge or a capture that wants everything becomes
//! `set_rx_mode`, and an MTU `configure`. An MTU that the chip does not have is set back, and the log says why. Not here: the
//! multicast list, of which a TAP gives no notice (all multicast is received).
//!
//! A device that is unplugged is told when it is back: what is wanted of it is recorded here.

use udrv_driver::{Entry, Features, MacAddress, NetDriver, RxMode, Settings, USUAL_MTU};

use super::NetDevice;
use super::features::{MIN_MTU, max_mtu};
use crate::endpoint::Wanted;
use crate::run::DeviceError;

impl<D: NetDriver> NetDevice<D> {
    /// Makes the device what the interface is to be.
    ///
    /// # Errors
    /// When the device was given up on the way.
    pub(crate) fn follow_settings(&mut self) -> Result<(), DeviceError> {
        let wanted = match self.class.endpoint.wanted() {
            Ok(Some(wanted)) => wanted,
            Ok(None) => return Ok(()),
            // gone, or out of sight: frames will show which
            Err(error) => {
                tracing::warn!(device = %self.name, %error, "changes of the interface are not followed");
                return Ok(());
            }
        };
        // each by itself: that one is refused is no reason to leave out the other
        let (mac, mode, mtu) = (self.follow_mac(wanted), self.follow_mode(wanted), self.follow_mtu(wanted.mtu));
        self.note_facts();
        self.noted(mac.and(mode).and(mtu)).or_else(|error| match error {
            error @ DeviceError::GaveUp { .. } => Err(error),
            error if self.was_unplugged(&error) => Err(error),
            error => {
                tracing::warn!(device = %self.name, %error, "a change of the interface did not reach the device");
                Ok(())
            }
        })
    }

    fn follow_mac(&mut self, wanted: Wanted) -> Result<(), DeviceError> {
        let mac = MacAddress(wanted.mac);
        if mac == self.class.recorded.mac {
            return Ok(());
        }
        let set = if self.is_away() && mac.is_station() {
            Ok(())
        } else {
            self.entry(Entry::SetMac, move |cx| D::set_mac(cx, mac))
        };
        if set.is_ok() || self.leaves(&set) {
            tracing::info!(device = %self.name, %mac, "the interface has another address");
            self.class.recorded.mac = mac;
        } else if let Err(error) = self.class.endpoint.set_mac(self.class.recorded.mac.0) {
            tracing::warn!(device = %self.name, %error, "the interface keeps an address that the device does not have");
        }
        set
    }

    fn follow_mode(&mut self, wanted: Wanted) -> Result<(), DeviceError> {
        let mode = RxMode { promiscuous: wanted.promiscuous, ..self.class.recorded.rx_mode };
        if mode == self.class.recorded.rx_mode {
            return Ok(());
        }
        let set =
            if self.is_away() { Ok(()) } else { self.entry(Entry::SetRxMode, move |cx| D::set_rx_mode(cx, mode)) };
        if set.is_err() && !self.leaves(&set) {
            return set;
        }
        tracing::info!(device = %self.name, promiscuous = mode.promiscuous, "the interface has another receive mode");
        self.class.recorded.rx_mode = mode;
        set
    }

    /// One below the usual is the host's affair: the device is told the length of each frame.
    fn follow_mtu(&mut self, mtu: u32) -> Result<(), DeviceError> {
        if mtu == self.class.mtu {
            return Ok(());
        }
        let most = max_mtu(self.features(), self.host.pool.buffer_bytes());
        if mtu > most {
            self.refuse_mtu(mtu, most);
            return Ok(());
        }
        let settings = Settings { mtu: mtu.max(USUAL_MTU), ..self.class.recorded.settings };
        if settings != self.class.recorded.settings
            && let Err(error) = self.configure(settings)
        {
            self.put_back_mtu();
            return Err(error);
        }
        tracing::info!(device = %self.name, mtu, "the interface has another MTU");
        self.class.mtu = mtu;
        // what was in flight may be lost, and nothing would call for the frame that waits
        self.pump_endpoint()
    }

    fn refuse_mtu(&mut self, mtu: u32, most: u32) {
        let before = self.class.mtu;
        let way_out =
            if mtu > self.features().max_mtu { "" } else { "; start with --mtu for packet buffers of that size" };
        tracing::warn!(
            device = %self.name,
            "MTU {mtu} is not possible here: with {} it can be {MIN_MTU} to {most}{way_out}. Set back to {before}",
            D::NAME
        );
        self.put_back_mtu();
    }

    fn put_back_mtu(&mut self) {
        if let Err(error) = self.class.endpoint.set_mtu(self.class.mtu) {
            tracing::warn!(device = %self.name, %error, "longer frames will be dropped");
        }
    }

    /// What the chip that was found can be set to.
    pub(crate) fn features(&self) -> Features {
        self.class.features
    }

    /// Has the chip set to `settings`.
    pub(crate) fn configure(&mut self, settings: Settings) -> Result<(), DeviceError> {
        if D::FEATURES != Features::NONE && !self.is_away() {
            self.entry(Entry::Configure, move |cx| D::configure(cx, settings))?;
        }
        self.class.recorded.settings = settings;
        self.host.set_longest_frame(settings.longest_frame());
        Ok(())
    }
}
