//! From a [`Network`] to an interface.

use std::io;
use std::net::IpAddr;

use netlink_packet_core::{DefaultNla, NLM_F_APPEND, NLM_F_CREATE, NLM_F_REPLACE, Nla};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, CacheInfo};
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::route::{RouteAttribute, RouteFlags, RouteMessage, RouteMetric, RouteType, RouteVia};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::libc::IF_NAMESIZE;

use super::netlink::{Link, Netlink};
use super::read::{kind_of, read, read_from};
use super::{Address, FOREVER, Network, Route};

/// Flags of an address that somebody has asked for: the others say how it is.
pub(super) const KEPT_FLAGS: AddressFlags = AddressFlags::Nodad
    .union(AddressFlags::Homeaddress)
    .union(AddressFlags::Managetempaddr)
    .union(AddressFlags::Noprefixroute)
    .union(AddressFlags::Mcautojoin);
/// `RTAX_CC_ALGO`: the one metric that is a text.
pub(super) const CONGESTION_CONTROL: u16 = 16;

/// What has come of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Put {
    /// What the interface has now, as it was found there afterwards; a line each.
    pub there: Vec<String>,
    /// What it has not, and why.
    pub missing: Vec<String>,
}

/// Puts onto an interface what another one has carried, and looks whether it is there. What it has beside that stays.
///
/// # Errors
/// There is no such interface, or the kernel cannot be asked. What the kernel does not take is in [`Put::missing`].
pub fn put(interface: &str, network: &Network) -> io::Result<Put> {
    let mut netlink = Netlink::open()?;
    let gone = || io::Error::new(io::ErrorKind::NotFound, format!("there is no interface {interface}"));
    let link = netlink.link(Link::Named(interface))?.ok_or_else(gone)?;
    let index = link.header.index;
    let mut refused = Refused::default();
    let before = read_from(&mut netlink, Link::Numbered(index))?.ok_or_else(gone)?;
    if before.mtu != network.mtu {
        let done = netlink.change(set(index, LinkAttribute::Mtu(network.mtu)), 0);
        refused.note(&format!("mtu {}", network.mtu), done);
    }
    // who is at the other end knows the old one
    if let (Some(line), Some(mac), Some(own)) = (network.station(), network.mac, before.mac)
        && own != mac
    {
        refused.note(&line, netlink.change(set(index, LinkAttribute::Address(mac.to_vec())), 0));
    }
    if let Some(master) = network.master.as_ref().filter(|_| before.master != network.master) {
        refused.note(&format!("member of {master}"), enslave(&mut netlink, index, master));
    }
    let flag = if network.up { LinkFlags::Up } else { LinkFlags::empty() };
    let mut message = LinkMessage::default();
    (message.header.index, message.header.flags, message.header.change_mask) = (index, flag, LinkFlags::Up);
    refused.note(if network.up { "up" } else { "down" }, netlink.change(RouteNetlinkMessage::SetLink(message), 0));
    for address in &network.addresses {
        let message = RouteNetlinkMessage::NewAddress(address_message(address, interface, index));
        refused.note(&address.to_string(), netlink.change(message, NLM_F_CREATE | NLM_F_REPLACE));
    }
    for route in &network.routes {
        let message = RouteNetlinkMessage::NewRoute(route_message(route, index));
        refused.note(&route.to_string(), netlink.change(message, NLM_F_CREATE | NLM_F_APPEND));
    }
    // by its number: it may have got another name meanwhile
    Ok(compare(network, &read_from(&mut netlink, Link::Numbered(index))?.ok_or_else(gone)?, &refused))
}

/// Takes from a TAP or TUN that is still there what it carries, and sets it down: it has been put elsewhere. Any other interface is
/// left alone, whoever may have named it.
///
/// # Errors
/// The kernel refuses.
pub fn clear(interface: &str) -> io::Result<()> {
    let mut netlink = Netlink::open()?;
    let Some(network) = read(interface)? else { return Ok(()) };
    let Some(link) = netlink.link(Link::Named(interface))? else { return Ok(()) };
    if !matches!(kind_of(&link), Some(InfoKind::Tun)) {
        return Ok(());
    }
    let index = link.header.index;
    for address in &network.addresses {
        netlink.change(RouteNetlinkMessage::DelAddress(address_message(address, interface, index)), 0)?;
    }
    // and with that go its routes
    let mut message = LinkMessage::default();
    (message.header.index, message.header.change_mask) = (index, LinkFlags::Up);
    netlink.change(RouteNetlinkMessage::SetLink(message), 0)
}

/// What the kernel has not taken, and its words.
#[derive(Default)]
struct Refused(Vec<(String, io::Error)>);

impl Refused {
    fn note(&mut self, what: &str, done: io::Result<()>) {
        if let Err(error) = done {
            self.0.push((what.to_owned(), error));
        }
    }
}

fn set(index: u32, attribute: LinkAttribute) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.attributes.push(attribute);
    RouteNetlinkMessage::SetLink(message)
}

fn enslave(netlink: &mut Netlink, index: u32, master: &str) -> io::Result<()> {
    let link = netlink.link(Link::Named(master))?;
    let link = link.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("there is no {master} any more")))?;
    match kind_of(&link) {
        Some(InfoKind::Bridge | InfoKind::Bond) => {
            netlink.change(set(index, LinkAttribute::Controller(link.header.index)), 0)
        }
        _ => Err(io::Error::other(format!("{master} is no bridge and no bond"))),
    }
}

fn address_message(address: &Address, interface: &str, index: u32) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(address.address);
    message.header.prefix_len = address.prefix;
    message.header.scope = address.scope.into();
    message.header.index = index;
    message.attributes = vec![
        AddressAttribute::Local(address.address),
        AddressAttribute::Address(address.peer.unwrap_or(address.address)),
        AddressAttribute::Flags(AddressFlags::from_bits_retain(address.flags).intersection(KEPT_FLAGS)),
    ];
    message.attributes.extend(address.broadcast.map(AddressAttribute::Broadcast));
    let label = address.label.as_ref().map(|rest| format!("{interface}{rest}"));
    message.attributes.extend(label.filter(|label| label.len() < IF_NAMESIZE).map(AddressAttribute::Label));
    if address.metric != 0 {
        message.attributes.push(AddressAttribute::RoutePriority(address.metric));
    }
    if address.valid != FOREVER || address.preferred != FOREVER {
        let mut info = CacheInfo::default();
        (info.ifa_preferred, info.ifa_valid) = (address.preferred, address.valid);
        message.attributes.push(AddressAttribute::CacheInfo(info));
    }
    message
}

fn route_message(route: &Route, index: u32) -> RouteMessage {
    let mut message = RouteMessage::default();
    let header = &mut message.header;
    header.address_family = family(route.destination);
    header.destination_prefix_length = route.prefix;
    header.source_prefix_length = route.from.map_or(0, |(_, prefix)| prefix);
    header.tos = route.tos;
    header.protocol = route.protocol.into();
    header.scope = route.scope.into();
    header.kind = RouteType::Unicast;
    header.flags = if route.onlink { RouteFlags::Onlink } else { RouteFlags::empty() };
    let attributes = &mut message.attributes;
    attributes.push(RouteAttribute::Table(route.table));
    attributes.push(RouteAttribute::Oif(index));
    if route.prefix != 0 {
        attributes.push(RouteAttribute::Destination(route.destination.into()));
    }
    attributes.extend(route.from.map(|(from, _)| RouteAttribute::Source(from.into())));
    attributes.extend(route.gateway.map(|gateway| match (route.destination, gateway) {
        (IpAddr::V4(_), IpAddr::V6(gateway)) => RouteAttribute::Via(RouteVia::Inet6(gateway)),
        (_, gateway) => RouteAttribute::Gateway(gateway.into()),
    }));
    attributes.extend(route.source.map(|source| RouteAttribute::PrefSource(source.into())));
    if route.metric != 0 {
        attributes.push(RouteAttribute::Priority(route.metric));
    }
    if !route.metrics.is_empty() {
        let metric =
            |(number, value): &(u16, u32)| RouteMetric::Other(DefaultNla::new(*number, value.to_ne_bytes().to_vec()));
        attributes.push(RouteAttribute::Metrics(route.metrics.iter().map(metric).collect()));
    }
    attributes.extend(route.preference.map(|preference| RouteAttribute::Preference(preference.into())));
    attributes.extend(route.expires.map(RouteAttribute::Expires));
    message
}

/// Which of the metrics that are numbers, and its value.
pub(super) fn metric_number(metric: &RouteMetric) -> Option<(u16, u32)> {
    let mut value = [0; 4];
    if metric.value_len() != value.len() || metric.kind() == CONGESTION_CONTROL {
        return None;
    }
    metric.emit_value(&mut value);
    Some((metric.kind(), u32::from_ne_bytes(value)))
}

fn family(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

/// What of `wanted` is there.
fn compare(wanted: &Network, found: &Network, refused: &Refused) -> Put {
    let mut put = Put::default();
    let mut look = |line: String, is_there: bool| {
        let why = refused.0.iter().find(|(what, _)| *what == line);
        match (is_there, why) {
            (true, _) => put.there.push(line),
            (false, Some((_, error))) => put.missing.push(format!("{line}: {error}")),
            (false, None) => put.missing.push(format!("{line}: it is not there afterwards")),
        }
    };
    look(format!("mtu {}", wanted.mtu), found.mtu == wanted.mtu);
    if let Some(line) = wanted.station() {
        look(line, found.mac == wanted.mac);
    }
    if let Some(master) = &wanted.master {
        look(format!("member of {master}"), found.master.as_ref() == Some(master));
    }
    for address in &wanted.addresses {
        let same = |other: &&Address| {
            (other.address, other.prefix, other.peer) == (address.address, address.prefix, address.peer)
        };
        look(address.to_string(), found.addresses.iter().any(|other| same(&other)));
    }
    for route in &wanted.routes {
        // what is left of its time is less, and the kernel has a word of its own for preferring none
        let plain = |route: &Route| Route { expires: None, preference: None, ..route.clone() };
        look(route.to_string(), found.routes.iter().any(|other| plain(other) == plain(route)));
    }
    look(if wanted.up { "up" } else { "down" }.to_owned(), found.up == wanted.up);
    put
}

/// Writes the messages of all of it, and sends none.
#[cfg(test)]
pub(super) fn tests_write(network: &Network) {
    use netlink_packet_core::Emitable;
    for address in &network.addresses {
        let message = address_message(address, "udrv0", 1);
        message.emit(&mut vec![0; message.buffer_len()]);
    }
    for route in &network.routes {
        let message = route_message(route, 1);
        message.emit(&mut vec![0; message.buffer_len()]);
    }
}
