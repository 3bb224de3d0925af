//! What the options ask of the chip, and whether it has that: found out before the chip is touched.

use std::fmt;
use std::str::FromStr;

use udrv_driver::{AROUND_MTU, Features, MAX_VLAN, Micros, NetDriver, Offloads, Settings, USUAL_MTU};

use super::NetOptions;
use crate::endpoint::NetEndpoint;
use crate::run::DeviceError;

/// The smallest MTU, bytes: what IPv4 needs.
pub(crate) const MIN_MTU: u32 = 68;

/// Work that can be left to the chip or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// Filling in checksums of TCP and UDP.
    TxChecksum,
    /// Checking them.
    RxChecksum,
    /// Cutting TCP packets into segments.
    Tso,
}

impl Switch {
    /// All of them.
    pub const ALL: [Switch; 3] = [Switch::TxChecksum, Switch::RxChecksum, Switch::Tso];

    /// As in the options.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Switch::TxChecksum => "tx-checksum",
            Switch::RxChecksum => "rx-checksum",
            Switch::Tso => "tso",
        }
    }

    pub(super) const fn is_in(self, offloads: Offloads) -> bool {
        match self {
            Switch::TxChecksum => offloads.tx_checksum,
            Switch::RxChecksum => offloads.rx_checksum,
            Switch::Tso => offloads.segments(),
        }
    }

    /// `offloads` without it, and without what needs it.
    pub(super) const fn out_of(self, offloads: Offloads) -> Offloads {
        match self {
            Switch::RxChecksum => Offloads { rx_checksum: false, ..offloads },
            Switch::Tso => Offloads { segment_ipv4: false, segment_ipv6: false, ..offloads },
            // each segment has a checksum of its own
            Switch::TxChecksum => Switch::Tso.out_of(Offloads { tx_checksum: false, ..offloads }),
        }
    }
}

impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Switch {
    type Err = String;
    fn from_str(name: &str) -> Result<Switch, String> {
        let found = Switch::ALL.into_iter().find(|switch| switch.name() == name);
        found.ok_or_else(|| {
            format!("'{name}' is nothing that can be left to a chip; there are tx-checksum, rx-checksum and tso")
        })
    }
}

/// Something that this chip does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeatureError {
    /// An MTU out of range.
    #[error("an MTU of {mtu} is not possible: with {driver} it can be {MIN_MTU} to {most}. Give --mtu one of these")]
    Mtu {
        /// What was asked for, bytes.
        mtu: u32,
        /// The driver.
        driver: &'static str,
        /// The largest, bytes.
        most: u32,
    },
    /// No VLAN has this number.
    #[error("there is no VLAN {0}: give --vlan 1 to {MAX_VLAN}")]
    VlanNumber(u16),
    /// A chip that knows no VLANs.
    #[error(
        "the chip ({driver}) has no VLAN tags. Leave out --vlan, and put an interface for the VLAN on top: \
         ip link add link {endpoint} name {endpoint}.{vlan} type vlan id {vlan}"
    )]
    Vlan {
        /// What was asked for.
        vlan: u16,
        /// The driver.
        driver: &'static str,
        /// The interface.
        endpoint: String,
    },
    /// A chip that interrupts at once.
    #[error("the chip ({driver}) keeps no distance between interrupts. Leave out --interrupt-interval")]
    Moderation {
        /// The driver.
        driver: &'static str,
    },
    /// Too long a distance.
    #[error(
        "an interrupt interval of {asked} microseconds is not possible: with {driver} it can be 0 (off) to {longest}. \
         Give --interrupt-interval one of these"
    )]
    Interval {
        /// What was asked for, microseconds.
        asked: u128,
        /// The driver.
        driver: &'static str,
        /// The longest, microseconds.
        longest: u64,
    },
    /// An offload that the chip does not have.
    #[error("the chip ({driver}) cannot do {switch}. Leave out --offload {switch}=on: Linux does it")]
    Offload {
        /// Which.
        switch: Switch,
        /// The driver.
        driver: &'static str,
    },
    /// One offload is to be on, and another without which it cannot be is to be off.
    #[error(
        "tso needs tx-checksum: each segment has a checksum of its own. Leave out --offload tso=on or tx-checksum=off"
    )]
    Contradiction,
}

/// What the device is to be from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) settings: Settings,
    pub(crate) offloads: Offloads,
    /// Of the interface: it may be smaller than the chip's.
    pub(crate) mtu: u32,
}

impl Asked {
    /// What `options` ask of a chip that has `features`, and the interface where they say nothing.
    ///
    /// # Errors
    /// [`DeviceError::Feature`]; what the endpoint says.
    pub(crate) fn new<D: NetDriver>(
        features: Features,
        options: &NetOptions,
        endpoint: &dyn NetEndpoint,
        device: &str,
    ) -> Result<Asked, DeviceError> {
        let feature = |source| DeviceError::Feature { device: device.to_owned(), source };
        let settings = settings(D::NAME, features, options, || endpoint.name()).map_err(feature)?;
        let offloads = offloads(D::NAME, D::OFFLOADS, &options.offloads).map_err(feature)?;
        let most = features.max_mtu;
        let mtu = match (options.mtu, endpoint.mtu()?) {
            (Some(mtu), _) => mtu,
            // a TAP that was there before may have been given one
            (None, Some(mtu)) if mtu > most => {
                tracing::warn!(
                    device,
                    "MTU {mtu} of {} is not possible: with {} it can be {MIN_MTU} to {most}. Set to {USUAL_MTU}",
                    endpoint.name(),
                    D::NAME
                );
                USUAL_MTU
            }
            (None, mtu) => mtu.unwrap_or(USUAL_MTU),
        };
        Ok(Asked { settings: Settings { mtu: mtu.max(USUAL_MTU), ..settings }, offloads, mtu })
    }

    /// The longest packet that comes from the endpoint, bytes; `None` if it is longer than a frame.
    pub(crate) fn longest_packet(self) -> Option<u32> {
        (!self.offloads.segments()).then_some(self.settings.longest_frame())
    }
}

/// The largest MTU for a chip behind packet buffers of so many bytes.
pub(crate) fn max_mtu(features: Features, buffer_bytes: u32) -> u32 {
    features.max_mtu.min(buffer_bytes - AROUND_MTU)
}

fn settings(
    driver: &'static str,
    features: Features,
    options: &NetOptions,
    endpoint: impl FnOnce() -> String,
) -> Result<Settings, FeatureError> {
    let mut settings = features.usual();
    if let Some(mtu) = options.mtu {
        if !(MIN_MTU..=features.max_mtu).contains(&mtu) {
            return Err(FeatureError::Mtu { mtu, driver, most: features.max_mtu });
        }
        settings.mtu = mtu.max(USUAL_MTU);
    }
    if let Some(vlan) = options.vlan {
        if !(1..=MAX_VLAN).contains(&vlan) {
            return Err(FeatureError::VlanNumber(vlan));
        }
        if !features.vlan {
            return Err(FeatureError::Vlan { vlan, driver, endpoint: endpoint() });
        }
        settings.vlan = vlan;
    }
    match (options.interrupt_interval.map(|interval| interval.as_micros()), features.moderation) {
        (None | Some(0), None) | (None, Some(_)) => {}
        (Some(_), None) => return Err(FeatureError::Moderation { driver }),
        (Some(asked), Some(moderation)) => {
            let longest = moderation.longest.0;
            let fits = u64::try_from(asked).ok().filter(|asked| *asked <= longest);
            settings.interrupt_interval = Micros(fits.ok_or(FeatureError::Interval { asked, driver, longest })?);
        }
    }
    Ok(settings)
}

/// Of what is said of a switch the last counts.
fn offloads(driver: &'static str, able: Offloads, asked: &[(Switch, bool)]) -> Result<Offloads, FeatureError> {
    let said = |switch| asked.iter().rev().find(|(other, _)| *other == switch).map(|(_, on)| *on);
    let mut offloads = able;
    for switch in Switch::ALL {
        match said(switch) {
            Some(true) if !switch.is_in(able) => return Err(FeatureError::Offload { switch, driver }),
            Some(false) => offloads = switch.out_of(offloads),
            _ => {}
        }
    }
    let fits = |switch: &Switch| said(*switch) != Some(true) || switch.is_in(offloads);
    if Switch::ALL.iter().all(fits) { Ok(offloads) } else { Err(FeatureError::Contradiction) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use udrv_driver::Moderation;

    use super::*;

    const ALL: Features = Features {
        max_mtu: 9000,
        vlan: true,
        moderation: Some(Moderation { longest: Micros(1000), usual: Micros(50) }),
    };
    const ABLE: Offloads = Offloads { tx_checksum: true, segment_ipv4: true, segment_ipv6: false, rx_checksum: true };

    fn asked(features: Features, options: &NetOptions) -> Result<Settings, String> {
        settings("chip", features, options, || "udrv0".to_owned()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_a_chip_has_can_be_asked_for() {
        let nothing = NetOptions::default();
        for features in [Features::NONE, ALL] {
            assert_eq!(asked(features, &nothing), Ok(features.usual()));
            let small = NetOptions { mtu: Some(68), ..nothing.clone() };
            assert_eq!(asked(features, &small), Ok(features.usual()), "less is the host's affair");
        }
        let interrupt_interval = Some(Duration::from_micros(7));
        let all = NetOptions { mtu: Some(9000), vlan: Some(5), interrupt_interval, ..nothing };
        assert_eq!(asked(ALL, &all), Ok(Settings { mtu: 9000, vlan: 5, interrupt_interval: Micros(7) }));
    }

    #[test]
    fn what_it_does_not_have_is_refused_with_a_way_out() {
        let refused = |features, options: NetOptions, words: &[&str]| {
            let error = asked(features, &options).expect_err("refused");
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        };
        let none = NetOptions::default();
        let mtu = |mtu| NetOptions { mtu: Some(mtu), ..none.clone() };
        let vlan = |vlan| NetOptions { vlan: Some(vlan), ..none.clone() };
        let interval = |interval| NetOptions { interrupt_interval: Some(interval), ..none.clone() };
        for wrong in [0, 67, 9001, u32::MAX] {
            refused(ALL, mtu(wrong), &["68 to 9000", "--mtu", "chip"]);
        }
        refused(Features::NONE, mtu(1501), &["68 to 1500"]);
        for wrong in [0, 4095, u16::MAX] {
            refused(ALL, vlan(wrong), &["--vlan 1 to 4094"]);
        }
        refused(Features::NONE, vlan(5), &["chip", "ip link add link udrv0 name udrv0.5 type vlan id 5"]);
        refused(ALL, interval(Duration::from_micros(1001)), &["1001", "0 (off) to 1000", "--interrupt-interval"]);
        refused(ALL, interval(Duration::MAX), &["0 (off) to 1000"]);
        refused(Features::NONE, interval(Duration::from_micros(1)), &["chip", "--interrupt-interval"]);
        let off = NetOptions { interrupt_interval: Some(Duration::ZERO), ..none.clone() };
        assert_eq!(asked(Features::NONE, &off), Ok(Features::NONE.usual()), "off is what it has");
    }

    #[test]
    fn offloads_are_switched_off_with_what_needs_them() {
        use Switch::*;
        let with = |asked: &[(Switch, bool)]| offloads("chip", ABLE, asked);
        assert_eq!(with(&[]), Ok(ABLE));
        assert_eq!(with(&[(Tso, true), (RxChecksum, true)]), Ok(ABLE));
        assert_eq!(with(&[(Tso, false)]), Ok(Offloads { segment_ipv4: false, ..ABLE }));
        assert_eq!(with(&[(RxChecksum, false)]), Ok(Offloads { rx_checksum: false, ..ABLE }));
        assert_eq!(with(&[(TxChecksum, false)]), Ok(Offloads { rx_checksum: true, ..Offloads::NONE }));
        assert_eq!(with(&[(Tso, false), (Tso, true)]), Ok(ABLE), "the last counts");
        assert_eq!(with(&[(TxChecksum, false), (Tso, true)]), Err(FeatureError::Contradiction));
        assert_eq!(with(&[(TxChecksum, false), (TxChecksum, true), (Tso, true)]), Ok(ABLE));
        for switch in Switch::ALL {
            let refused = offloads("chip", Offloads::NONE, &[(switch, true)]);
            assert_eq!(refused, Err(FeatureError::Offload { switch, driver: "chip" }));
            assert_eq!(offloads("chip", Offloads::NONE, &[(switch, false)]), Ok(Offloads::NONE));
            assert_eq!(switch.name().parse(), Ok(switch));
        }
        assert!("gro".parse::<Switch>().unwrap_err().contains("tx-checksum, rx-checksum and tso"));
    }
}
