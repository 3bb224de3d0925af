//! Whether what was written down by somebody else can be put onto an interface: each field, before any of it is used.

use std::net::IpAddr;

use super::put::CONGESTION_CONTROL;
use super::read::LOCAL;
use super::{Address, Network, Route};

/// Entries of a list, at most: a machine with more of them routes for others, and its routing daemon knows them.
const MOST: usize = 4096;
/// Characters of a text for people, at most.
const MOST_TEXT: usize = 300;
/// The smallest MTU that IPv4 allows, bytes.
const LEAST_MTU: u32 = 68;
/// The largest that an IP packet fits into, bytes.
const MOST_MTU: u32 = 65_535;
/// `RTAX_MAX`.
const METRICS: u16 = 17;
/// `IFNAMSIZ` without the zero at the end.
const MOST_NAME: usize = 15;

/// What cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotSound(String);

impl Network {
    /// Looks at each field.
    ///
    /// # Errors
    /// The first that cannot be so.
    pub fn check(&self) -> Result<(), NotSound> {
        let not = |what: String| Err(NotSound(what));
        for name in [&self.interface].into_iter().chain(&self.master).chain(&self.uppers) {
            if !is_name(name) {
                return not("an interface has a name that none can have".to_owned());
            }
        }
        if !(LEAST_MTU..=MOST_MTU).contains(&self.mtu) {
            return not(format!("an MTU of {} bytes", self.mtu));
        }
        if self.mac.is_some_and(|mac| mac[0] & 1 != 0 || mac == [0; 6]) {
            return not("a station address that is none".to_owned());
        }
        let lengths = [self.uppers.len(), self.addresses.len(), self.routes.len(), self.left.len()];
        if lengths.iter().any(|length| *length > MOST) {
            return not(format!("a list of more than {MOST}"));
        }
        self.left.iter().try_for_each(|text| check_text(text))?;
        self.addresses.iter().try_for_each(Address::check)?;
        self.routes.iter().try_for_each(Route::check)
    }
}

/// A text that is shown to people, in a line.
pub(crate) fn check_text(text: &str) -> Result<(), NotSound> {
    let fits = text.chars().count() <= MOST_TEXT && !text.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(NotSound("a text that is too long or has control characters".to_owned())) }
}

impl Address {
    fn check(&self) -> Result<(), NotSound> {
        let Address { address, prefix, peer, .. } = self;
        let same_family = peer.is_none_or(|peer| peer.is_ipv4() == address.is_ipv4());
        let only_v4 = address.is_ipv4() || (self.broadcast.is_none() && self.label.is_none());
        let label = self.label.as_ref().is_none_or(|label| label.starts_with(':') && is_name(&label[1..]));
        let lifetimes = self.valid > 0 && self.preferred <= self.valid;
        let sound = is_station(*address) && peer.is_none_or(is_station) && fits(*prefix, *address);
        if sound && same_family && only_v4 && label && lifetimes {
            Ok(())
        } else {
            Err(NotSound(format!("{address}/{prefix} as an address of an interface")))
        }
    }
}

impl Route {
    fn check(&self) -> Result<(), NotSound> {
        let family = |address: IpAddr| address.is_ipv4() == self.destination.is_ipv4();
        let is_v6 = self.destination.is_ipv6();
        let from = self.from.is_none_or(|(from, prefix)| is_v6 && family(from) && fits(prefix, from));
        // IPv4 may go by way of an IPv6 router, and not the other way round
        let gateway = self.gateway.is_none_or(|gateway| is_station(gateway) && (!is_v6 || family(gateway)));
        let source = self.source.is_none_or(|source| is_station(source) && family(source));
        let table = self.table != 0 && self.table != LOCAL;
        let numbers = |(number, _): &(u16, u32)| (1..=METRICS).contains(number) && *number != CONGESTION_CONTROL;
        let metrics = self.metrics.len() <= usize::from(METRICS) && self.metrics.iter().all(numbers);
        let preference = self.preference.is_none_or(|preference| is_v6 && preference <= 3);
        let expires = self.expires.is_none() || is_v6;
        let sound = fits(self.prefix, self.destination) && from && gateway && source && table;
        if sound && metrics && preference && expires { Ok(()) } else { Err(NotSound(format!("{self}"))) }
    }
}

/// As the kernel allows: no way to a file, and nothing that ends a word.
fn is_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_graphic() && b != b'/' && b != b':';
    (1..=MOST_NAME).contains(&name.len()) && name != "." && name != ".." && name.bytes().all(plain)
}

/// An address that a host can have, beside those of its own inside.
fn is_station(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    !(address.is_unspecified() || address.is_multicast() || address.is_loopback() || broadcast)
}

fn fits(prefix: u8, address: IpAddr) -> bool {
    prefix <= if address.is_ipv4() { 32 } else { 128 }
}
