//! What a network interface carries, taken down and put onto another one: addresses, routes, MTU, station address, membership in
//! a bridge or bond, up or down.
//!
//! ```text
//!   interface --read.rs--> Network --put.rs--> interface
//!                             '--serde--> a note of udrvd's --check.rs--> Network
//! ```
//!
//! By rtnetlink(7), `netlink.rs`: a process that must not start another one, udrvd, reads with it, and what is added is read
//! again in the same words. What an interface carries and this does not know is named in [`Network::left`], never dropped
//! without a word. Not here: rules and filters that name an interface, which keep naming it.

mod check;
mod netlink;
mod put;
mod read;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

pub use check::NotSound;
pub(crate) use check::check_text;
pub use put::{Put, clear, put};
pub use read::read;

/// A lifetime without an end, in seconds.
pub const FOREVER: u32 = u32::MAX;
/// `RT_TABLE_MAIN`.
const MAIN: u32 = 254;

/// What an interface carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Its name.
    pub interface: String,
    /// The administrator has it up.
    pub up: bool,
    /// MTU, bytes.
    pub mtu: u32,
    /// Station address; none of an interface without Ethernet.
    pub mac: Option<[u8; 6]>,
    /// The bridge or bond that it is in.
    pub master: Option<String>,
    /// Interfaces that stand on it and go with it: VLANs, for example.
    pub uppers: Vec<String>,
    /// In the order in which they are to be added.
    pub addresses: Vec<Address>,
    /// Those that somebody has made, in the order in which they are to be added.
    pub routes: Vec<Route>,
    /// What cannot be put anywhere else, each in a clause.
    pub left: Vec<String>,
}

/// An address of an interface: `ifaddrmsg` of rtnetlink(7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// The address.
    pub address: IpAddr,
    /// Bits of its network.
    pub prefix: u8,
    /// The other end, where there are only two.
    pub peer: Option<IpAddr>,
    /// IPv4.
    pub broadcast: Option<Ipv4Addr>,
    /// `RT_SCOPE_*`.
    pub scope: u8,
    /// IPv4: what follows the interface's name in its label, `:1` for example.
    pub label: Option<String>,
    /// `IFA_F_*` that somebody has asked for.
    pub flags: u32,
    /// For how long it is chosen, seconds; [`FOREVER`].
    pub preferred: u32,
    /// For how long it is there, seconds; [`FOREVER`].
    pub valid: u32,
    /// Metric of the route to its network; 0: the kernel's.
    pub metric: u32,
}

/// A unicast route through an interface: `rtmsg` of rtnetlink(7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Where to.
    pub destination: IpAddr,
    /// Bits of it.
    pub prefix: u8,
    /// IPv6: only for packets from there.
    pub from: Option<(IpAddr, u8)>,
    /// The next router; none: it is on the link.
    pub gateway: Option<IpAddr>,
    /// The address that packets get.
    pub source: Option<IpAddr>,
    /// The smaller the better.
    pub metric: u32,
    /// Number of the table.
    pub table: u32,
    /// `RT_SCOPE_*`.
    pub scope: u8,
    /// `RTPROT_*`: who has made it.
    pub protocol: u8,
    /// Type of service that it is for.
    pub tos: u8,
    /// The router is on the link, whatever the addresses say.
    pub onlink: bool,
    /// IPv6: `ICMPV6_ROUTER_PREF_*`.
    pub preference: Option<u8>,
    /// `RTAX_*` and what they are set to.
    pub metrics: Vec<(u16, u32)>,
    /// Seconds left; none: for ever.
    pub expires: Option<u32>,
}

/// As ip-address(8) has it.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.peer {
            Some(peer) => write!(f, "address {} peer {peer}/{}", self.address, self.prefix)?,
            None => write!(f, "address {}/{}", self.address, self.prefix)?,
        }
        if self.valid != FOREVER {
            write!(f, " valid {} s", self.valid)?;
        }
        Ok(())
    }
}

/// As ip-route(8) has it.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.prefix, self.destination) {
            (0, IpAddr::V4(_)) => f.write_str("route default")?,
            (0, IpAddr::V6(_)) => f.write_str("route default (IPv6)")?,
            (prefix, destination) => write!(f, "route {destination}/{prefix}")?,
        }
        if let Some((from, prefix)) = self.from {
            write!(f, " from {from}/{prefix}")?;
        }
        if let Some(gateway) = self.gateway {
            write!(f, " via {gateway}")?;
        }
        if let Some(source) = self.source {
            write!(f, " src {source}")?;
        }
        if self.metric != 0 {
            write!(f, " metric {}", self.metric)?;
        }
        if self.table != MAIN {
            write!(f, " table {}", self.table)?;
        }
        Ok(())
    }
}

impl Network {
    /// What is to be put onto another interface, a line each.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("mtu {}", self.mtu)];
        lines.extend(self.station());
        lines.extend(self.master.iter().map(|master| format!("member of {master}")));
        lines.extend(self.addresses.iter().map(ToString::to_string));
        lines.extend(self.routes.iter().map(ToString::to_string));
        lines.push(if self.up { "up" } else { "down" }.to_owned());
        lines
    }

    /// The station address, in a line. A bond gives its members one of its own, and a bridge has one of theirs.
    fn station(&self) -> Option<String> {
        let mac = self.mac.filter(|_| self.master.is_none())?;
        Some(format!("station address {}", mac.map(|byte| format!("{byte:02x}")).join(":")))
    }

    /// What cannot be put onto another interface, a clause each.
    #[must_use]
    pub fn stays_behind(&self) -> Vec<String> {
        let uppers = self.uppers.iter().map(|upper| format!("{upper}, which stands on it"));
        uppers.chain(self.left.iter().cloned()).map(|what| format!("stays behind: {what}")).collect()
    }
}
