//! What a network device is set to, to be moved into another process.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use udrv_driver::{Entry, MAX_VLAN, MacAddress, Micros, NetDriver, Offloads, RxMode, Settings, USUAL_MTU};

use super::features::{MIN_MTU, Switch, max_mtu};
use super::{NetDevice, Recorded};
use crate::checkpoint::{ClassSettings, Refusal, as_text};
use crate::run::DeviceError;

/// What a network device is set to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetSettings {
    /// Station address.
    #[serde(with = "as_text")]
    pub mac: MacAddress,
    /// Everything on the wire is received.
    pub promiscuous: bool,
    /// Multicast that is received.
    #[serde(with = "as_text")]
    pub multicast: Multicast,
    /// MTU of the interface, bytes.
    pub mtu: u32,
    /// The VLAN that the chip puts it into; 0: none.
    pub vlan: u16,
    /// Microseconds between interrupts, at least; 0: none.
    pub interrupt_interval_us: u64,
    /// What is left to the chip.
    pub offloads: OffloadSettings,
}

impl From<NetSettings> for ClassSettings {
    fn from(settings: NetSettings) -> ClassSettings {
        ClassSettings::Net(settings)
    }
}

/// What is left to the chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OffloadSettings {
    /// Filling in checksums of TCP and UDP.
    pub tx_checksum: bool,
    /// Checking them.
    pub rx_checksum: bool,
    /// Cutting TCP packets into segments.
    pub tso: bool,
}

/// See [`RxMode::multicast`]. As text `all`, `none`, or the hash in hexadecimal: `0x0000000000000001`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Multicast(pub u64);

impl fmt::Display for Multicast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("none"),
            u64::MAX => f.write_str("all"),
            hash => write!(f, "{hash:#018x}"),
        }
    }
}

impl FromStr for Multicast {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Multicast, &'static str> {
        let hash = |text: &str| u64::from_str_radix(text, 16).ok();
        let digits = text.strip_prefix("0x").filter(|digits| digits.len() == 16 && !digits.starts_with('+'));
        match (text, digits.and_then(hash)) {
            ("none", _) => Ok(Multicast(0)),
            ("all", _) => Ok(Multicast(u64::MAX)),
            (_, Some(hash)) => Ok(Multicast(hash)),
            _ => Err("expected all, none, or a hash of 64 bits, as in 0x0000000000000001"),
        }
    }
}

impl OffloadSettings {
    fn of(offloads: Offloads) -> OffloadSettings {
        let is = |switch: Switch| switch.is_in(offloads);
        let [tx_checksum, rx_checksum, tso] = Switch::ALL.map(is);
        OffloadSettings { tx_checksum, rx_checksum, tso }
    }

    fn switches(self) -> [(&'static str, Switch, bool); 3] {
        [
            ("tx_checksum", Switch::TxChecksum, self.tx_checksum),
            ("rx_checksum", Switch::RxChecksum, self.rx_checksum),
            ("tso", Switch::Tso, self.tso),
        ]
    }

    /// Of what a chip is able to do.
    fn out_of(self, able: Offloads) -> Offloads {
        let off = self.switches().into_iter().filter(|(_, _, on)| !on);
        off.fold(able, |offloads, (_, switch, _)| switch.out_of(offloads))
    }
}

impl NetSettings {
    fn rx_mode(&self) -> RxMode {
        RxMode { promiscuous: self.promiscuous, multicast: self.multicast.0 }
    }

    fn of_the_chip(&self) -> Settings {
        let interrupt_interval = Micros(self.interrupt_interval_us);
        Settings { mtu: self.mtu.max(USUAL_MTU), vlan: self.vlan, interrupt_interval }
    }
}

fn refuse(field: &str, value: impl ToString, why: impl Into<String>) -> Result<(), Refusal> {
    Err(Refusal::new(format!("settings.net.{field}"), value, why))
}

impl<D: NetDriver> NetDevice<D> {
    pub(super) fn settings_in_force(&self) -> NetSettings {
        let Recorded { mac, rx_mode, settings, .. } = self.class.recorded;
        NetSettings {
            mac,
            promiscuous: rx_mode.promiscuous,
            multicast: Multicast(rx_mode.multicast),
            mtu: self.class.mtu,
            vlan: settings.vlan,
            interrupt_interval_us: settings.interrupt_interval.0,
            offloads: OffloadSettings::of(self.class.offloads),
        }
    }

    pub(super) fn allows(&self, settings: &NetSettings) -> Result<(), Refusal> {
        let NetSettings { mac, mtu, vlan, interrupt_interval_us: interval, offloads, .. } = *settings;
        let (chip, features) = (D::NAME, self.features());
        if !mac.is_station() {
            return refuse("mac", mac, "no station has this address; write one such as 02:00:00:00:00:01");
        }
        let most = max_mtu(features, self.host.pool.buffer_bytes());
        if mtu > most && mtu <= features.max_mtu {
            let why = format!("packet buffers here are for up to {most}; start this udrvd with --mtu {mtu}");
            return refuse("mtu", mtu, why);
        }
        if !(MIN_MTU..=most).contains(&mtu) {
            return refuse("mtu", mtu, format!("with {chip} it can be {MIN_MTU} to {most}; write one of these"));
        }
        if vlan > MAX_VLAN {
            return refuse("vlan", vlan, format!("there is no such VLAN; write 1 to {MAX_VLAN}, or 0 for none"));
        }
        if vlan != 0 && !features.vlan {
            return refuse("vlan", vlan, format!("this chip ({chip}) has no VLAN tags; write 0"));
        }
        match features.moderation {
            None if interval > 0 => {
                let why = format!("this chip ({chip}) keeps no distance between interrupts; write 0");
                return refuse("interrupt_interval_us", interval, why);
            }
            Some(moderation) if interval > moderation.longest.0 => {
                let longest = moderation.longest.0;
                let why = format!("with {chip} it can be 0 (off) to {longest}; write one of these");
                return refuse("interrupt_interval_us", interval, why);
            }
            _ => {}
        }
        self.allows_offloads(offloads)
    }

    fn allows_offloads(&self, offloads: OffloadSettings) -> Result<(), Refusal> {
        for (name, switch, on) in offloads.switches() {
            if on && !switch.is_in(D::OFFLOADS) {
                let why = format!("this chip ({}) cannot do it; write false: Linux does it", D::NAME);
                return refuse(&format!("offloads.{name}"), on, why);
            }
        }
        if offloads.tso && !offloads.tx_checksum {
            let why =
                "it needs tx_checksum, since each segment has a checksum of its own; write true there, or false here";
            return refuse("offloads.tso", true, why);
        }
        if offloads.tso && self.class.longest_packet.is_some() {
            let why = "packet buffers here are for single frames; start this udrvd without --offload tso=off and tx-checksum=off";
            return refuse("offloads.tso", true, why);
        }
        Ok(())
    }

    /// Tells the chip what differs from what it was told last.
    pub(super) fn apply_settings(&mut self, to: &NetSettings) -> Result<(), DeviceError> {
        let mac = to.mac;
        if mac != self.class.recorded.mac {
            let told = self.entry(Entry::SetMac, move |cx| D::set_mac(cx, mac));
            if may_have_happened(&told) {
                self.class.recorded.mac = mac;
            }
            told?;
        }
        let mut mode = to.rx_mode();
        if mode.promiscuous != self.class.recorded.rx_mode.promiscuous {
            // a bridge or a capture may want it still
            mode.promiscuous = self.class.endpoint.set_promiscuous(mode.promiscuous)?;
        }
        if mode != self.class.recorded.rx_mode {
            let told = self.entry(Entry::SetRxMode, move |cx| D::set_rx_mode(cx, mode));
            if may_have_happened(&told) {
                self.class.recorded.rx_mode = mode;
            }
            told?;
        }
        let settings = to.of_the_chip();
        if settings != self.class.recorded.settings {
            let told = self.configure(settings);
            if may_have_happened(&told) {
                self.class.recorded.settings = settings;
                self.host.set_longest_frame(settings.longest_frame());
            }
            told?;
        }
        self.class.mtu = to.mtu;
        self.class.offloads = to.offloads.out_of(D::OFFLOADS);
        Ok(())
    }

    /// Has a restart tell the chip all of it.
    pub(super) fn record_settings(&mut self, to: &NetSettings) {
        let settings = to.of_the_chip();
        self.class.recorded = Recorded { mac: to.mac, rx_mode: to.rx_mode(), settings, ..self.class.recorded };
        self.host.set_longest_frame(settings.longest_frame());
        self.class.mtu = to.mtu;
        self.class.offloads = to.offloads.out_of(D::OFFLOADS);
    }

    /// The interface is what the chip was told, where that is another than `before`.
    pub(super) fn show_settings(&mut self, before: &NetSettings) -> Result<(), DeviceError> {
        let (now, endpoint) = (self.settings_in_force(), &mut self.class.endpoint);
        if now.mac != before.mac {
            endpoint.set_mac(now.mac.0)?;
        }
        if now.promiscuous != before.promiscuous {
            endpoint.set_promiscuous(now.promiscuous)?;
        }
        if now.mtu != before.mtu {
            endpoint.set_mtu(now.mtu)?;
        }
        if now.offloads != before.offloads {
            endpoint.set_offloads(self.class.offloads)?;
        }
        Ok(())
    }
}

/// Whether a call that was made may have changed the chip: one that has faulted has not.
fn may_have_happened(told: &Result<(), DeviceError>) -> bool {
    !told.as_ref().is_err_and(DeviceError::is_of_a_call_undone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multicast_is_written_as_it_is_read() {
        for hash in [0, 1, 0x8000_0000_0000_0001, u64::MAX - 1, u64::MAX] {
            assert_eq!(Multicast(hash).to_string().parse(), Ok(Multicast(hash)));
        }
        for wrong in ["", "0x", "0", "ALL", "0x1", "0x00000000000000001", "0x000000000000000g", "0x+000000000000001"] {
            assert!(wrong.parse::<Multicast>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn offloads_are_what_the_chip_can_without_what_is_off() {
        let able = Offloads { tx_checksum: true, segment_ipv4: true, segment_ipv6: false, rx_checksum: true };
        let all = OffloadSettings { tx_checksum: true, rx_checksum: true, tso: true };
        assert_eq!((OffloadSettings::of(able), all.out_of(able)), (all, able));
        for switch in Switch::ALL {
            let offloads = switch.out_of(able);
            assert_eq!(OffloadSettings::of(offloads).out_of(able), offloads);
        }
        assert_eq!(all.out_of(Offloads::NONE), Offloads::NONE);
    }
}
