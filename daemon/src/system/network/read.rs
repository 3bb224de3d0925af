//! From an interface to a [`Network`].

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteMetric, RouteProtocol, RouteType,
    RouteVia,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::netlink::{Link, Netlink};
use super::put::{KEPT_FLAGS, metric_number};
use super::{Address, FOREVER, Network, Route};

/// `RT_TABLE_LOCAL`: made by the kernel of what addresses there are.
pub(super) const LOCAL: u32 = 255;
/// `rta_expires` counts in this part of a second (`USER_HZ`).
const TICKS: u32 = 100;

/// What the interface carries, in this process's network namespace. `None`: there is no such interface.
///
/// # Errors
/// The kernel does not say.
pub fn read(interface: &str) -> io::Result<Option<Network>> {
    read_from(&mut Netlink::open()?, Link::Named(interface))
}

pub(super) fn read_from(netlink: &mut Netlink, which: Link<'_>) -> io::Result<Option<Network>> {
    let Some(link) = netlink.link(which)? else { return Ok(None) };
    let index = link.header.index;
    let mut network = Network {
        interface: name_of(&link).unwrap_or_default().to_owned(),
        up: link.header.flags.contains(LinkFlags::Up),
        mtu: attribute(&link, |a| if let LinkAttribute::Mtu(mtu) = a { Some(*mtu) } else { None }).unwrap_or(0),
        mac: mac_of(&link),
        master: None,
        uppers: uppers(netlink, index)?,
        addresses: Vec::new(),
        routes: Vec::new(),
        left: Vec::new(),
    };
    let master = attribute(&link, |a| if let LinkAttribute::Controller(master) = a { Some(*master) } else { None });
    if let Some(master) = master.filter(|master| *master != 0)
        && let Some(master) = netlink.link(Link::Numbered(master))?
    {
        let name = name_of(&master).unwrap_or_default().to_owned();
        match kind_of(&master) {
            Some(InfoKind::Bridge | InfoKind::Bond) => network.master = Some(name),
            kind => {
                let kind = kind.map_or_else(|| "no kind".to_owned(), ToString::to_string);
                network.left.push(format!("its membership in {name} ({kind})"));
            }
        }
    }
    let mut wanted = AddressMessage::default();
    wanted.header.index = index;
    for message in netlink.list(&RouteNetlinkMessage::GetAddress(wanted))? {
        if let RouteNetlinkMessage::NewAddress(message) = message
            && message.header.index == index
            && let Some(address) = address(&message, &network.interface)
        {
            match is_of_use(&message) {
                true => network.addresses.push(address),
                false => network.left.push(format!("{address} (somebody else on the link has it too)")),
            }
        }
    }
    // the kernel has the newest of IPv6 first
    let (v4, v6): (Vec<_>, Vec<_>) = network.addresses.drain(..).partition(|address| address.address.is_ipv4());
    network.addresses = v4.into_iter().chain(v6.into_iter().rev()).collect();
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let mut wanted = RouteMessage::default();
        wanted.header.address_family = family;
        wanted.attributes.push(RouteAttribute::Oif(index));
        for message in netlink.list(&RouteNetlinkMessage::GetRoute(wanted))? {
            let RouteNetlinkMessage::NewRoute(message) = message else { continue };
            match route(&message, index) {
                Found::Route(route) => network.routes.push(*route),
                Found::NotOurs => {}
                Found::Left(what) => network.left.push(what),
            }
        }
    }
    // a router must be reachable before a route may lead to it
    network.routes.sort_by_key(|route| route.gateway.is_some());
    Ok(Some(network))
}

fn attribute<T>(link: &LinkMessage, pick: impl Fn(&LinkAttribute) -> Option<T>) -> Option<T> {
    link.attributes.iter().find_map(pick)
}

fn name_of(link: &LinkMessage) -> Option<&str> {
    link.attributes.iter().find_map(|a| if let LinkAttribute::IfName(name) = a { Some(name.as_str()) } else { None })
}

pub(super) fn kind_of(link: &LinkMessage) -> Option<&InfoKind> {
    let infos = link.attributes.iter().find_map(|a| if let LinkAttribute::LinkInfo(i) = a { Some(i) } else { None })?;
    infos.iter().find_map(|info| if let LinkInfo::Kind(kind) = info { Some(kind) } else { None })
}

fn mac_of(link: &LinkMessage) -> Option<[u8; 6]> {
    let ethernet = link.header.link_layer_type == LinkLayerType::Ether;
    let bytes = attribute(link, |a| if let LinkAttribute::Address(bytes) = a { Some(bytes.clone()) } else { None });
    bytes.filter(|_| ethernet)?.try_into().ok()
}

fn uppers(netlink: &mut Netlink, index: u32) -> io::Result<Vec<String>> {
    let all = netlink.list(&RouteNetlinkMessage::GetLink(LinkMessage::default()))?;
    let stands_on_it = |link: &LinkMessage| {
        let below = attribute(link, |a| if let LinkAttribute::Link(below) = a { Some(*below) } else { None });
        // a number that is another namespace's says nothing here
        let elsewhere = link.attributes.iter().any(|a| matches!(a, LinkAttribute::LinkNetNsId(_)));
        // the other end of a pair is said to be below it, and is beside it
        let pair = matches!(kind_of(link), Some(InfoKind::Veth));
        link.header.index != index && below == Some(index) && !elsewhere && !pair
    };
    let uppers = all.iter().filter_map(|message| match message {
        RouteNetlinkMessage::NewLink(link) if stands_on_it(link) => name_of(link).map(str::to_owned),
        _ => None,
    });
    Ok(uppers.collect())
}

/// Whether nobody else on the link has it.
fn is_of_use(message: &AddressMessage) -> bool {
    !flags_of(message).contains(AddressFlags::Dadfailed)
}

fn flags_of(message: &AddressMessage) -> AddressFlags {
    let all = message.attributes.iter().find_map(|a| if let AddressAttribute::Flags(f) = a { Some(*f) } else { None });
    all.unwrap_or(AddressFlags::from_bits_retain(message.header.flags.bits().into()))
}

/// `None`: it is no address that packets come to, or its time is over.
fn address(message: &AddressMessage, interface: &str) -> Option<Address> {
    let (mut local, mut other, mut broadcast, mut label, mut metric) = (None, None, None, None, 0);
    let (mut preferred, mut valid) = (FOREVER, FOREVER);
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(address) => local = Some(*address),
            AddressAttribute::Address(address) => other = Some(*address),
            AddressAttribute::Broadcast(address) => broadcast = Some(*address),
            AddressAttribute::Label(text) => label = Some(text.as_str()),
            AddressAttribute::CacheInfo(info) => (preferred, valid) = (info.ifa_preferred, info.ifa_valid),
            AddressAttribute::RoutePriority(priority) => metric = *priority,
            _ => {}
        }
    }
    let address = local.or(other).filter(|_| valid != 0)?;
    let mut flags = flags_of(message);
    // whether somebody else has it was looked for when it came here: not again, or no route could lead to it for a second
    flags.set(AddressFlags::Nodad, address.is_ipv6() && !flags.contains(AddressFlags::Tentative));
    let label = label.and_then(|label| label.strip_prefix(interface)).filter(|rest| !rest.is_empty());
    Some(Address {
        address,
        prefix: message.header.prefix_len,
        peer: other.filter(|other| *other != address),
        broadcast,
        scope: message.header.scope.into(),
        label: label.map(str::to_owned),
        flags: flags.intersection(KEPT_FLAGS).bits(),
        preferred,
        valid,
        metric,
    })
}

enum Found {
    Route(Box<Route>),
    /// The kernel makes it itself, or it is another interface's.
    NotOurs,
    /// Somebody has made it, and it cannot be made again.
    Left(String),
}

fn route(message: &RouteMessage, index: u32) -> Found {
    let RouteHeader { address_family, destination_prefix_length: prefix, source_prefix_length, .. } = message.header;
    let any: IpAddr = match address_family {
        AddressFamily::Inet => Ipv4Addr::UNSPECIFIED.into(),
        AddressFamily::Inet6 => Ipv6Addr::UNSPECIFIED.into(),
        _ => return Found::NotOurs,
    };
    let header = &message.header;
    let mut route = Route {
        destination: any,
        prefix,
        from: None,
        gateway: None,
        source: None,
        metric: 0,
        table: u32::from(header.table),
        scope: header.scope.into(),
        protocol: header.protocol.into(),
        tos: header.tos,
        onlink: header.flags.contains(RouteFlags::Onlink),
        preference: None,
        metrics: Vec::new(),
        expires: None,
    };
    let (mut through, mut cannot) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(to) => route.destination = ip(to).unwrap_or(any),
            RouteAttribute::Source(from) => route.from = ip(from).map(|from| (from, source_prefix_length)),
            RouteAttribute::Gateway(gateway) => route.gateway = ip(gateway),
            RouteAttribute::Via(RouteVia::Inet(gateway)) => route.gateway = Some((*gateway).into()),
            RouteAttribute::Via(RouteVia::Inet6(gateway)) => route.gateway = Some((*gateway).into()),
            RouteAttribute::PrefSource(source) => route.source = ip(source),
            RouteAttribute::Oif(oif) => through = Some(*oif),
            RouteAttribute::Priority(metric) => route.metric = *metric,
            RouteAttribute::Table(table) => route.table = *table,
            RouteAttribute::Preference(preference) => route.preference = Some((*preference).into()),
            RouteAttribute::CacheInfo(info) if info.expires != 0 => route.expires = Some(info.expires / TICKS),
            RouteAttribute::Metrics(metrics) => {
                for metric in metrics {
                    match metric_number(metric) {
                        Some(metric) => route.metrics.push(metric),
                        None if matches!(metric, RouteMetric::CcAlgo(_)) => cannot = Some("its congestion control"),
                        None => cannot = Some("a metric of it"),
                    }
                }
            }
            RouteAttribute::MultiPath(hops) if hops.iter().any(|hop| hop.interface_index == index) => {
                (through, cannot) = (Some(index), Some("it has several routers"));
            }
            RouteAttribute::Encap(_) | RouteAttribute::EncapType(_) => cannot = Some("it goes through a tunnel"),
            RouteAttribute::Realm(_) => cannot = Some("it has a realm"),
            _ => {}
        }
    }
    let made = header.kind == RouteType::Unicast
        && route.table != LOCAL
        && header.protocol != RouteProtocol::Kernel
        && !header.flags.contains(RouteFlags::Cloned);
    match cannot {
        _ if through != Some(index) || !made => Found::NotOurs,
        Some(why) => Found::Left(format!("{route} ({why})")),
        None => Found::Route(Box::new(route)),
    }
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some((*address).into()),
        RouteAddress::Inet6(address) => Some((*address).into()),
        _ => None,
    }
}
