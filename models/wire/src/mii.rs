//! The registers of a PHY that every PHY has, IEEE 802.3 clause 22, and their bits: for the models of chips with one.

/// Basic mode control.
pub const BMCR: u8 = 0;
/// Basic mode status.
pub const BMSR: u8 = 1;
/// Identifier, upper half.
pub const ID1: u8 = 2;
/// Identifier, lower half.
pub const ID2: u8 = 3;
/// Auto-negotiation advertisement.
pub const ANAR: u8 = 4;
/// Link partner ability.
pub const ANLPAR: u8 = 5;
/// Auto-negotiation expansion.
pub const ANER: u8 = 6;

/// BMCR: reset; clears itself.
pub const RESET: u16 = 1 << 15;
/// BMCR: the PHY hears itself.
pub const LOOPBACK: u16 = 1 << 14;
/// BMCR: speed, lower bit: 100 Mbit/s.
pub const SPEED_100: u16 = 1 << 13;
/// BMCR: auto-negotiation enable.
pub const ANE: u16 = 1 << 12;
/// BMCR: power down.
pub const POWER_DOWN: u16 = 1 << 11;
/// BMCR: not connected to the MAC.
pub const ISOLATE: u16 = 1 << 10;
/// BMCR: restart auto-negotiation; clears itself.
pub const RESTART: u16 = 1 << 9;
/// BMCR: full duplex.
pub const DUPLEX: u16 = 1 << 8;
/// BMCR: speed, upper bit: 1000 Mbit/s.
pub const SPEED_1000: u16 = 1 << 6;
/// BMSR: auto-negotiation complete.
pub const AN_COMPLETE: u16 = 1 << 5;
/// BMSR: link; latched low until read.
pub const LINK: u16 = 1 << 2;
