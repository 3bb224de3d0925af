//! What a network card carries for this machine: whoever takes it away cuts that off.

use std::fmt;
use std::io;
use std::net::IpAddr;

use serde::Serialize;

use super::System;

/// Links from an interface to one above it: a bridge, a bond, a VLAN.
const UPPER: &str = "upper_";
/// `RTF_REJECT` (linux/route.h): the route says that there is none.
const REJECT: u32 = 0x200;

/// Something that goes over a card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Carried {
    /// The interface that has it: the card's, or one above it.
    pub interface: String,
    /// What.
    pub what: String,
}

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.what, self.interface)
    }
}

impl System {
    /// The network interfaces of a device, by its folder in sysfs; those in other network namespaces are not seen.
    /// Virtio has a device of its own below the function's, USB one for each interface.
    pub(super) fn interfaces(&self, folder: &str) -> Vec<String> {
        let below = self.names(folder).into_iter().map(|name| format!("{folder}/{name}/net"));
        std::iter::once(format!("{folder}/net")).chain(below).flat_map(|net| self.names(net)).collect()
    }

    /// What goes over the interfaces, and over those above them.
    ///
    /// # Errors
    /// The kernel does not say which addresses there are.
    pub(super) fn carried(&self, interfaces: &[String]) -> io::Result<Vec<Carried>> {
        if interfaces.is_empty() {
            return Ok(Vec::new());
        }
        let all = self.with_uppers(interfaces);
        let mut carried: Vec<Carried> = self.default_routes().into_iter().collect();
        // every interface that is up has an address for its own link, and nobody logs in by that
        let counts = |address: &IpAddr| match address {
            IpAddr::V4(_) => true,
            IpAddr::V6(address) => !address.is_unicast_link_local(),
        };
        let addresses = self.kernel.addresses()?.into_iter().filter(|(_, address)| counts(address));
        carried.extend(addresses.map(|(interface, a)| Carried { interface, what: format!("the address {a}") }));
        carried.retain(|one| all.contains(&one.interface));
        Ok(carried)
    }

    fn with_uppers(&self, interfaces: &[String]) -> Vec<String> {
        let mut all = interfaces.to_vec();
        let mut at = 0;
        while let Some(interface) = all.get(at) {
            let names = self.names(format!("sys/class/net/{interface}"));
            let uppers = names.iter().filter_map(|name| name.strip_prefix(UPPER)).map(str::to_owned);
            let new: Vec<String> = uppers.filter(|upper| !all.contains(upper)).collect();
            all.extend(new);
            at += 1;
        }
        all
    }

    fn default_routes(&self) -> Vec<Carried> {
        let v4 = self.table("proc/net/route").unwrap_or_default();
        let v6 = self.table("proc/net/ipv6_route").unwrap_or_default();
        let route = |what: &str, interface: &str| Carried { interface: interface.to_owned(), what: what.to_owned() };
        let v4 = v4.lines().filter_map(default_v4).map(|interface| route("the default route", interface));
        let v6 = v6.lines().filter_map(default_v6).map(|interface| route("the default route (IPv6)", interface));
        v4.chain(v6).collect()
    }
}

/// The interface of a line of `/proc/net/route`, if it is a default route.
fn default_v4(line: &str) -> Option<&str> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [interface, destination, _, flags, _, _, _, mask, ..] = words[..] else { return None };
    let zero = |text| u32::from_str_radix(text, 16) == Ok(0);
    let reject = u32::from_str_radix(flags, 16).ok()? & REJECT != 0;
    (zero(destination) && zero(mask) && !reject).then_some(interface)
}

/// The same of `/proc/net/ipv6_route`.
fn default_v6(line: &str) -> Option<&str> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [destination, length, _, _, _, _, _, _, flags, interface] = words[..] else { return None };
    let any = destination.len() == 32 && destination.bytes().all(|b| b == b'0') && length == "00";
    let reject = u32::from_str_radix(flags, 16).ok()? & REJECT != 0;
    (any && !reject && interface != "lo").then_some(interface)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::Tree;
    use super::*;

    const FOLDER: &str = "sys/bus/pci/devices/0000:00:04.0";
    const ROUTES: &str = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
                          eth0\t00000000\t0202000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                          eth1\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
    const ROUTES_V6: &str = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
                             fe800000000000000000000000000002 00000400 00000001 00000000 00000003 br0\n\
                             00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
                             00000000000000000000000000000000 ffffffff 00000001 00000000 00200200 lo\n";

    fn carried(tree: &Tree, interfaces: &[&str]) -> Vec<String> {
        let interfaces: Vec<String> = interfaces.iter().map(|name| (*name).to_owned()).collect();
        tree.system().carried(&interfaces).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn routes_and_addresses_of_an_interface_and_of_those_above_it() {
        let tree = Tree::new();
        tree.write("proc/net/route", ROUTES);
        tree.write("proc/net/ipv6_route", ROUTES_V6);
        tree.address("eth0", "10.0.2.15");
        tree.address("eth1", "fe80::1");
        tree.address("br0", "192.0.2.1");
        assert_eq!(carried(&tree, &["eth0"]), ["the default route of eth0", "the address 10.0.2.15 of eth0"]);
        assert_eq!(carried(&tree, &["eth1"]), [""; 0], "no more than its own link");
        tree.write("sys/class/net/eth1/upper_br0/ifindex", "");
        tree.write("sys/class/net/br0/upper_eth1/ifindex", "a circle");
        assert_eq!(carried(&tree, &["eth1"]), ["the default route (IPv6) of br0", "the address 192.0.2.1 of br0"]);
        assert_eq!(carried(&tree, &[]), [""; 0]);
    }

    #[test]
    fn interfaces_are_found_at_the_device_and_one_below() {
        let tree = Tree::new();
        tree.write(&format!("{FOLDER}/net/eth0/ifindex"), "");
        tree.write(&format!("{FOLDER}/virtio0/net/eth1/ifindex"), "");
        tree.write(&format!("{FOLDER}/config"), "");
        assert_eq!(tree.system().interfaces(FOLDER), ["eth0", "eth1"]);
        assert_eq!(tree.system().interfaces("sys/nowhere"), [""; 0]);
    }

    #[test]
    fn what_cannot_be_asked_is_an_error_and_garbage_is_not() {
        let tree = Tree::new();
        tree.write("proc/net/route", "eth0\neth0 zz zz zz\n\u{0}\n");
        assert_eq!(carried(&tree, &["eth0"]), [""; 0]);
        tree.kernel.no_addresses.set(true);
        assert!(tree.system().carried(&["eth0".to_owned()]).is_err());
    }

    proptest! {
        #[test]
        fn any_line_is_read(line in ".*", words in "([0-9a-f]{0,32}[ \t]){0,12}") {
            let _ = (default_v4(&line), default_v6(&line), default_v4(&words), default_v6(&words));
        }
    }
}
