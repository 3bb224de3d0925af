//! What a chip can be set to beside its address and what it receives.

use crate::{Error, Micros};

/// The usual MTU of Ethernet, bytes: every chip has it.
pub const USUAL_MTU: u32 = 1500;

/// What a frame has around what the MTU counts, bytes: an Ethernet header and a VLAN tag. Not the CRC.
pub const AROUND_MTU: u32 = 14 + 4;

/// What a chip can be set to, see [`crate::NetDriver::FEATURES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    /// The largest MTU, bytes.
    pub max_mtu: u32,
    /// Puts a VLAN tag into what it sends, takes it out of what it receives, and drops frames of other VLANs.
    pub vlan: bool,
    /// Keeps a distance between interrupts.
    pub moderation: Option<Moderation>,
}

/// How far apart a chip can keep interrupts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moderation {
    /// The longest distance.
    pub longest: Micros,
    /// The distance where nobody asks for another.
    pub usual: Micros,
}

impl Features {
    /// Nothing of it.
    pub const NONE: Features = Features { max_mtu: USUAL_MTU, vlan: false, moderation: None };

    /// What such a chip is set to where nobody asks for anything.
    #[must_use]
    pub const fn usual(self) -> Settings {
        let interrupt_interval = match self.moderation {
            Some(moderation) => moderation.usual,
            None => Micros(0),
        };
        Settings { mtu: USUAL_MTU, vlan: 0, interrupt_interval }
    }

    /// Whether such a chip can be set to `settings`.
    ///
    /// # Errors
    /// [`Error::Unsupported`].
    pub fn allow(self, settings: Settings) -> Result<(), Error> {
        let longest = self.moderation.map_or(Micros(0), |moderation| moderation.longest);
        let vlan = settings.vlan == 0 || self.vlan && settings.vlan <= MAX_VLAN;
        let fits = settings.mtu <= self.max_mtu && settings.interrupt_interval.0 <= longest.0;
        if vlan && fits { Ok(()) } else { Err(Error::Unsupported) }
    }
}

/// The last VLAN; the first is 1.
pub const MAX_VLAN: u16 = 4094;

/// What the chip is to be set to. The framework asks for nothing that is not in [`crate::NetDriver::features`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Bytes in a frame beside its headers, at least [`USUAL_MTU`]: a host that wants less sends less. Frames are up to
    /// [`AROUND_MTU`] longer; the driver drops longer ones that it receives, and counts them.
    pub mtu: u32,
    /// The VLAN that the host is in, 1 to 4094, without seeing its tags: what the host sends gets the tag, of what comes
    /// the host gets the frames with that tag, without it, and no others. 0: tags are the host's affair.
    pub vlan: u16,
    /// Time between interrupts, at least; 0: each comes at once. A chip counts in units of its own, and takes the nearest.
    pub interrupt_interval: Micros,
}

impl Settings {
    /// The longest frame, bytes without CRC.
    #[must_use]
    pub const fn longest_frame(self) -> u32 {
        self.mtu.saturating_add(AROUND_MTU)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chip_is_set_to_what_it_has() {
        let moderation = Moderation { longest: Micros(1000), usual: Micros(50) };
        let all = Features { max_mtu: 9000, vlan: true, moderation: Some(moderation) };
        let usual = Settings { mtu: 1500, vlan: 0, interrupt_interval: Micros(50) };
        assert_eq!((all.usual(), usual.longest_frame()), (usual, 1518));
        assert_eq!(all.allow(usual), Ok(()));
        assert_eq!(all.allow(Settings { mtu: 9000, vlan: 4094, interrupt_interval: Micros(1000) }), Ok(()));
        for wrong in [
            Settings { mtu: 9001, ..usual },
            Settings { vlan: 4095, ..usual },
            Settings { interrupt_interval: Micros(1001), ..usual },
        ] {
            assert_eq!(all.allow(wrong), Err(Error::Unsupported), "{wrong:?}");
        }
        let none = Features::NONE;
        assert_eq!(none.allow(none.usual()), Ok(()));
        for wrong in [
            Settings { mtu: 1501, ..none.usual() },
            Settings { vlan: 1, ..none.usual() },
            Settings { interrupt_interval: Micros(1), ..none.usual() },
        ] {
            assert_eq!(none.allow(wrong), Err(Error::Unsupported), "{wrong:?}");
        }
    }
}
