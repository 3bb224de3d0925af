//! On interfaces of a network namespace of each test's own; ip(8) makes them, and judges what has become of them.

use std::process::Command;

use nix::sched::{CloneFlags, unshare};
use proptest::prelude::*;

use super::*;

/// Runs a test in a namespace of its own, where that can be: else says why not.
fn in_namespace(test: impl FnOnce() + Send + 'static) {
    let ran = std::thread::spawn(move || {
        if let Err(error) = unshare(CloneFlags::CLONE_NEWNET) {
            println!("skipped: no network namespace can be made here: {error}");
            return;
        }
        for (name, far) in [("first", "far1"), ("other", "far2")] {
            if let Err(why) = try_ip(&format!("link add {name} type veth peer name {far}")) {
                println!("skipped: no interface can be made here: {why}");
                return;
            }
            ip(&format!("link set {far} up"));
        }
        test();
    });
    if let Err(panic) = ran.join() {
        std::panic::resume_unwind(panic);
    }
}

fn try_ip(words: &str) -> Result<String, String> {
    let output = Command::new("ip").args(words.split(' ')).output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("ip {words}: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[track_caller]
fn ip(words: &str) -> String {
    try_ip(words).unwrap()
}

/// All that ip(8) says of what an interface carries, without what is no other's: its index, and the address that the kernel
/// gives each for its own link.
fn told(interface: &str) -> String {
    let routes = |family: &str| {
        let text = ip(&format!("{family} route show table all dev {interface}"));
        let mut lines: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
        lines.retain(|line| !line.contains("fe80::") && !line.contains("anycast"));
        lines.sort(); // tables are in the order of their making
        lines.join("\n")
    };
    let addresses = ip(&format!("-o address show dev {interface}"));
    let addresses: Vec<String> = addresses
        .lines()
        .filter(|line| !line.contains("fe80::"))
        .map(|line| line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ").replace(interface, "IF"))
        // it was looked for before, and is not again
        .map(|line| line.replace(" nodad", ""))
        .collect();
    let link = ip(&format!("-o link show dev {interface}"));
    let link: Vec<&str> = link.split_whitespace().collect();
    let after = |word: &str| link.iter().position(|w| *w == word).map(|at| link[at + 1].to_owned());
    format!(
        "mtu {:?} master {:?} mac {:?} up {}\n{}\n{}\n{}",
        after("mtu"),
        after("master"),
        after("link/ether"),
        link[2].contains("UP"),
        addresses.join("\n"),
        routes("-4"),
        routes("-6"),
    )
}

fn carried(interface: &str) -> Network {
    read(interface).unwrap().unwrap_or_else(|| panic!("there is {interface}"))
}

/// Moves all from `first`, which goes away, to `other`.
fn moved() -> Put {
    let network = carried("first");
    // as it goes through a note of udrvd's
    network.check().unwrap();
    let network: Network = serde_json::from_str(&serde_json::to_string(&network).unwrap()).unwrap();
    ip("link delete first");
    put("other", &network).unwrap()
}

#[test]
fn all_that_an_interface_carries_comes_over_as_it_was() {
    in_namespace(|| {
        for words in [
            "link set first mtu 1400 address 02:00:00:00:00:07 up",
            "address add 10.1.0.1/24 broadcast + dev first",
            "address add 10.1.0.2/24 dev first label first:1",
            "address add 10.2.0.1/16 dev first metric 300",
            "address add 10.3.0.1 peer 10.3.0.2/32 dev first",
            "address add 10.4.0.1/24 dev first scope link noprefixroute",
            "address add 2001:db8::1/64 dev first nodad",
            "address add 2001:db8:1::1/64 dev first nodad noprefixroute",
            "address add 2001:db8::2/64 dev first nodad",
            "route add default via 10.1.0.254 dev first metric 50",
            "route add default via 10.1.0.253 dev first metric 60 src 10.2.0.1 proto dhcp",
            "route add 192.0.2.0/24 dev first",
            "route add 198.51.100.0/24 via 192.0.2.1 dev first mtu lock 1300 advmss 1200",
            "route add 203.0.113.0/24 via 172.16.0.1 dev first onlink table 1000",
            "route add 203.0.113.0/25 tos 0x10 dev first table 77 scope link proto static",
            "route append 192.0.2.0/24 via 10.1.0.9 dev first",
            "-6 route add default via 2001:db8::fe dev first metric 17",
            "-6 route add 2001:db8:2::/48 via 2001:db8::fd dev first src 2001:db8::2 pref high",
            "-6 route add 2001:db8:3::/48 dev first table 5",
            "-6 route add 2001:db8:4::/48 from 2001:db8:9::/48 via 2001:db8::fd dev first",
            "route add 192.0.3.0/24 via inet6 2001:db8::fe dev first",
        ] {
            if let Err(why) = try_ip(words) {
                // not every kernel has all of it
                assert!(words.contains("from") || words.contains("inet6"), "{why}");
                println!("without: {why}");
            }
        }
        let before = told("first");
        assert!(
            before.contains("10.3.0.1 peer 10.3.0.2/32") && before.contains("1000") && before.contains("pref high")
        );
        let put = moved();
        assert_eq!(put.missing, [""; 0]);
        assert_eq!(told("other"), before);
        assert_eq!(put.there.len(), 24, "{put:?}");
        for line in [
            "station address 02:00:00:00:00:07",
            "address 10.1.0.1/24",
            "route default via 10.1.0.254 metric 50",
            "up",
            "mtu 1400",
        ] {
            assert!(put.there.iter().any(|there| there == line), "{line}: {put:?}");
        }
    });
}

#[test]
fn lifetimes_go_on() {
    in_namespace(|| {
        ip("link set first up");
        ip("address add 10.1.0.1/24 dev first valid_lft 1000 preferred_lft 500");
        ip("address add 2001:db8::1/64 dev first valid_lft 1000 preferred_lft 0 nodad");
        ip("-6 route add 2001:db8:7::/48 dev first expires 900");
        assert_eq!(moved().missing, [""; 0]);
        let network = carried("other");
        for (address, most) in [("10.1.0.1", 500), ("2001:db8::1", 0)] {
            let found = network.addresses.iter().find(|a| a.address == address.parse::<IpAddr>().unwrap()).unwrap();
            assert!((900..=1000).contains(&found.valid) && found.preferred <= most, "{found:?}");
        }
        let expires = network.routes.iter().find_map(|route| route.expires).unwrap();
        assert!((800..=900).contains(&expires), "{expires}");
    });
}

#[test]
fn what_is_down_stays_down_and_keeps_its_addresses() {
    in_namespace(|| {
        ip("address add 10.1.0.1/24 dev first");
        ip("link set other up");
        let put = moved();
        assert_eq!((put.missing.len(), put.there.last().map(String::as_str)), (0, Some("down")), "{put:?}");
        assert!(told("other").contains("up false") && told("other").contains("10.1.0.1/24"));
    });
}

#[test]
fn a_member_of_a_bridge_becomes_one() {
    in_namespace(|| {
        if let Err(why) = try_ip("link add bridge0 type bridge") {
            println!("skipped: {why}");
            return;
        }
        ip("link set first master bridge0 up");
        let network = carried("first");
        assert_eq!(network.master.as_deref(), Some("bridge0"));
        ip("link delete first");
        assert_eq!(put("other", &network).unwrap().missing, [""; 0]);
        assert!(told("other").contains("master Some(\"bridge0\")"));
        // and one that has gone meanwhile is told
        ip("link delete bridge0");
        let missing = put("other", &network).unwrap().missing;
        assert_eq!(missing, ["member of bridge0: there is no bridge0 any more"]);
        // a name of something else is no bridge
        ip("link add bridge0 type veth peer name far3");
        let missing = put("other", &network).unwrap().missing;
        assert_eq!(missing, ["member of bridge0: bridge0 is no bridge and no bond"]);
    });
}

#[test]
fn what_stands_on_it_and_what_cannot_come_over_is_named() {
    in_namespace(|| {
        ip("link set first up");
        ip("link set other up");
        ip("address add 10.1.0.1/24 dev first");
        ip("address add 10.2.0.1/24 dev other");
        let two = "route add 192.0.2.0/24 nexthop via 10.1.0.9 dev first nexthop via 10.2.0.9 dev other";
        ip(two);
        let vlan = try_ip("link add link first name first.5 type vlan id 5");
        let network = carried("first");
        if vlan.is_ok() {
            assert_eq!(network.uppers, ["first.5"]);
        }
        assert_eq!(network.left.len(), 1, "{network:?}");
        assert!(network.left[0].contains("192.0.2.0/24") && network.left[0].contains("several"), "{network:?}");
        assert!(network.routes.is_empty());
    });
}

#[test]
fn what_the_kernel_does_not_take_is_told_and_the_rest_is_there() {
    in_namespace(|| {
        ip("link set first mtu 9000 up");
        ip("address add 10.1.0.1/24 dev first");
        ip("route add 192.0.2.0/24 via 10.1.0.9 dev first");
        let mut network = carried("first");
        network.routes[0].gateway = Some("172.16.0.1".parse().unwrap());
        network.mac = Some([1, 0, 0, 0, 0, 7]); // of a group, and no station's
        ip("link delete first");
        let put = put("other", &network).unwrap();
        assert_eq!(put.missing.len(), 2, "{put:?}");
        assert!(put.missing[0].starts_with("station address 01:00:00:00:00:07: "), "{put:?}");
        assert!(put.missing[1].starts_with("route 192.0.2.0/24 via 172.16.0.1: Network is unreachable"), "{put:?}");
        assert!(put.there.contains(&"address 10.1.0.1/24".to_owned()), "{put:?}");
        assert!(super::put("nowhere", &network).is_err());
        assert_eq!(read("nowhere").unwrap(), None);
        // twice is as once
        network.routes.clear();
        network.mac = None;
        assert_eq!(super::put("other", &network).unwrap().missing, [""; 0]);
    });
}

#[test]
fn a_tap_that_stays_is_emptied_and_nothing_else_is() {
    in_namespace(|| {
        if let Err(why) = try_ip("tuntap add dev tap0 mode tap") {
            println!("skipped: {why}");
            return;
        }
        for name in ["tap0", "first"] {
            ip(&format!("link set {name} up"));
        }
        ip("address add 10.1.0.1/24 dev tap0");
        ip("address add 2001:db8::1/64 dev tap0 nodad");
        ip("route add default via 10.1.0.9 dev tap0");
        ip("address add 10.2.0.1/24 dev first");
        clear("tap0").unwrap();
        let network = carried("tap0");
        assert!(!network.up && network.addresses.is_empty() && network.routes.is_empty(), "{network:?}");
        clear("first").unwrap();
        assert!(told("first").contains("10.2.0.1/24") && carried("first").up);
        clear("nowhere").unwrap();
    });
}

fn sample() -> Network {
    let address = Address {
        address: "10.1.0.1".parse().unwrap(),
        prefix: 24,
        peer: None,
        broadcast: None,
        scope: 0,
        label: Some(":1".into()),
        flags: 0,
        preferred: FOREVER,
        valid: FOREVER,
        metric: 0,
    };
    let route = Route {
        destination: "0.0.0.0".parse().unwrap(),
        prefix: 0,
        from: None,
        gateway: Some("10.1.0.9".parse().unwrap()),
        source: None,
        metric: 5,
        table: MAIN,
        scope: 0,
        protocol: 3,
        tos: 0,
        onlink: false,
        preference: None,
        metrics: vec![(2, 1400)],
        expires: None,
    };
    Network {
        interface: "udrv0".into(),
        up: true,
        mtu: 1500,
        mac: Some([2, 0, 0, 0, 0, 1]),
        master: None,
        uppers: Vec::new(),
        addresses: vec![address],
        routes: vec![route],
        left: Vec::new(),
    }
}

#[test]
fn what_no_interface_can_carry_is_refused() {
    type Change = fn(&mut Network);
    let wrong: &[Change] = &[
        |n| n.interface = "../../etc".into(),
        |n| n.interface = "a b".into(),
        |n| n.interface = String::new(),
        |n| n.interface = "sixteen-letters-".into(),
        |n| n.master = Some("..".into()),
        |n| n.uppers = vec!["\u{1b}[2J".into()],
        |n| n.mtu = 0,
        |n| n.mtu = u32::MAX,
        |n| n.mac = Some([1, 0, 0, 0, 0, 1]),
        |n| n.left = vec!["x\ny".into()],
        |n| n.left = vec!["x".repeat(1000)],
        |n| n.left = vec![String::new(); 9000],
        |n| n.addresses[0].prefix = 33,
        |n| n.addresses[0].address = "224.0.0.1".parse().unwrap(),
        |n| n.addresses[0].address = "127.0.0.1".parse().unwrap(),
        |n| n.addresses[0].address = "255.255.255.255".parse().unwrap(),
        |n| n.addresses[0].address = "::".parse().unwrap(),
        |n| n.addresses[0].address = "2001:db8::1".parse().unwrap(),
        |n| n.addresses[0].peer = Some("2001:db8::1".parse().unwrap()),
        |n| n.addresses[0].label = Some("x".into()),
        |n| n.addresses[0].label = Some(":a/b".into()),
        |n| n.addresses[0].valid = 0,
        |n| n.addresses[0].valid = 5,
        |n| n.addresses = vec![n.addresses[0].clone(); 9000],
        |n| n.routes[0].prefix = 64,
        |n| n.routes[0].table = 255,
        |n| n.routes[0].table = 0,
        |n| n.routes[0].gateway = Some("0.0.0.0".parse().unwrap()),
        |n| n.routes[0].source = Some("::1".parse().unwrap()),
        |n| n.routes[0].from = Some(("10.0.0.0".parse().unwrap(), 8)),
        |n| n.routes[0].metrics = vec![(2, 1); 99],
        |n| n.routes[0].metrics = vec![(18, 1)],
        |n| n.routes[0].metrics = vec![(16, 1)],
        |n| n.routes[0].preference = Some(1),
        |n| n.routes = vec![n.routes[0].clone(); 9000],
    ];
    assert_eq!(sample().check(), Ok(()));
    for (number, change) in wrong.iter().enumerate() {
        let mut network = sample();
        change(&mut network);
        let error = network.check().expect_err(&format!("the change {number}")).to_string();
        assert!(!error.contains(char::is_control), "{number}: {error}");
    }
}

proptest! {
    /// Whatever numbers are in it, it is refused or put, and none of it is a panic.
    #[test]
    fn any_numbers_are_judged_and_written(
        mtu: u32, scope: u8, flags: u32, prefix: u8, address: [u8; 16], four: bool, valid: u32, preferred: u32, table: u32,
        metric: u32, tos: u8, protocol: u8, number: u16, label in ".{0,20}",
    ) {
        let ip = if four { IpAddr::from([address[0], address[1], address[2], address[3]]) } else { address.into() };
        let mut network = sample();
        network.mtu = mtu;
        let first = &mut network.addresses[0];
        (first.address, first.prefix, first.scope, first.flags) = (ip, prefix, scope, flags);
        (first.valid, first.preferred, first.metric, first.label) = (valid, preferred, metric, Some(label));
        let route = &mut network.routes[0];
        (route.destination, route.prefix, route.scope, route.table) = (ip, prefix, scope, table);
        (route.tos, route.protocol, route.metrics) = (tos, protocol, vec![(number, metric)]);
        let _ = network.check();
        let _ = network.lines();
        put::tests_write(&network);
    }
}
