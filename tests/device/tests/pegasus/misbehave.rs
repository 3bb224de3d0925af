//! An adapter whose descriptors, registers or parts are wrong: refused with one clear line, or borne and recovered from, within
//! bounds.

use std::time::Duration;

use model_pegasus::{BULK_IN, BULK_OUT, BadDescriptors, Garbage, INTERRUPT, Misbehave, Variant};
use udrv::device::Opened;
use udrv::net::NetOptions;
use udrv::run::{Command, Options};
use udrv_bus::EndpointKind;
use udrv_driver::{Entry, MacAddress};
use udrv_tests::frames::CARD;
use udrv_tests::rig::quick;
use udrv_tests::traffic::{Ends, Traffic};
use udrv_tests::usb_rig::{UsbRig, config, of, plug};
use udrv_tests::wait_until;

use crate::bench::{ends, in_traffic, recovers, refused, start, start_with};

#[test]
fn descriptors_that_do_not_fit_are_refused() {
    let none = BadDescriptors::default;
    let missing = |endpoint| BadDescriptors { missing: Some(endpoint), ..none() };
    let kind = |endpoint, kind| BadDescriptors { kind: Some((endpoint, kind)), ..none() };
    let product = BadDescriptors { product: Some(0x1234), ..none() };
    for (descriptors, words) in [
        (missing(BULK_IN), &["no endpoint 0x81", "it has 0x02, 0x83", "driver pegasus"][..]),
        (missing(BULK_OUT), &["no endpoint 0x02", "driver pegasus"]),
        (missing(INTERRUPT), &["no endpoint 0x83", "driver pegasus"]),
        (BadDescriptors { cut: Some(18), ..none() }, &["no endpoint 0x81", "it has none"]),
        (kind(BULK_IN, EndpointKind::Interrupt), &["0x81 is an interrupt endpoint", "needs a bulk endpoint"]),
        (kind(BULK_OUT, EndpointKind::Interrupt), &["0x02 is an interrupt endpoint", "needs a bulk endpoint"]),
        (kind(INTERRUPT, EndpointKind::Bulk), &["0x83 is a bulk endpoint", "needs an interrupt endpoint"]),
        (product, &["07a6:1234", "does not know", "07a6:8511"]),
    ] {
        let (around, opened, endpoint) = plug(config());
        drop(opened);
        around.bench.misbehave(|m| m.descriptors = descriptors);
        let model = around.bench.open().expect("it opens");
        let opened = Opened::Usb { device: Box::new(model), reopen: None };
        let controls = around.controls();
        let started = UsbRig::start_on(around, opened, endpoint, quick());
        let failed = started.err().expect("refused");
        assert_eq!(failed.1.controls(), controls, "nobody has touched it");
        refused(Err(failed.0), words);
    }
}

#[test]
fn short_answers_are_an_error_and_are_recovered_from() {
    refused(start(|m| m.control_short = Some(0)), &["probe failed", "0 of 1 bytes"]);
    // the address is read two bytes at a time
    refused(start(|m| m.control_short = Some(1)), &["probe failed", "1 of 2 bytes"]);
    for short in [0, 1] {
        let (rig, mut traffic) = in_traffic(|m| m.control_short = Some(short));
        traffic.endure(&rig, Duration::from_millis(200), true);
        let why = rig.call(Entry::Link).expect_err("the PHY is two bytes wide");
        assert!(why.contains("link failed") && why.contains("bytes") && !why.contains('\n'), "{why}");
        recovers(rig, traffic.sent, &format!("answers of {short} bytes"));
    }
}

#[test]
fn stalls_and_timeouts_of_endpoint_0_are_told_and_recovered_from() {
    type Set = fn(&mut Misbehave, u32);
    let (stalls, timeouts): (Set, Set) = (|m, n| m.control_stalls = n, |m, n| m.control_timeouts = n);
    for (set, words) in [(stalls, "answered with a stall"), (timeouts, "no answer within 1000 ms")] {
        for many in [1, 2, 10, u32::MAX] {
            refused(start(|m| set(m, many)), &["probe failed", words]);
        }
        for some in [1, 2, 5, 20] {
            let (rig, mut traffic) = in_traffic(|m| set(m, some));
            traffic.flows(&rig, &format!("{some} of \"{words}\""));
            let _ = rig.call(Entry::Link);
            traffic.flows(&rig, "and after the link was asked for");
            recovers(rig, traffic.sent, &format!("{some} of \"{words}\""));
        }
        // for ever: it cannot be restored nor restarted
        let (rig, _) = in_traffic(|m| set(m, u32::MAX));
        ends(rig, &["given up", "link: "]);
    }
}

#[test]
fn a_link_that_flaps_is_followed() {
    for every in [1, 2, 7, 50] {
        let (rig, mut traffic) = in_traffic(|m| m.link_flaps = every);
        traffic.endure(&rig, Duration::from_millis(200), true);
        assert!(!rig.has_ended(), "{every}");
        recovers(rig, traffic.sent, &format!("the link failed at each {every}th access"));
    }
}

#[test]
fn registers_full_of_garbage_are_survived_or_end_in_one_line() {
    let (mut survived, mut ended) = (0, 0);
    for seed in 0..12 {
        for (registers, one_in) in [(0..=2, 1), (0x08..=0x15, 2), (0x20..=0x2f, 2), (0x20..=0x2f, 1), (0..=0xff, 8)] {
            let garbage = || Garbage { seed, registers: vec![registers.clone()], one_in };
            // the address in the EEPROM may be any then
            let options = Options { net: NetOptions { mac: Some(MacAddress(CARD)), ..quick().net }, ..quick() };
            match start_with(options, |m| m.garbage = Some(garbage())) {
                Ok(rig) => recovers(rig, 0, &format!("{:?} from the start", garbage())),
                Err(error) => refused(Err(error), &[" "]),
            }
            let (rig, mut traffic) = in_traffic(|m| m.garbage = Some(garbage()));
            traffic.endure(&rig, Duration::from_millis(20), true);
            if rig.has_ended() {
                ended += 1;
                ends(rig, &["model:pegasus"]);
            } else {
                survived += 1;
                recovers(rig, traffic.sent, &format!("{:?} in traffic", garbage()));
            }
        }
    }
    assert!(survived > ended, "{survived} survived, {ended} ended");
}

#[test]
fn a_reset_that_hangs_is_told() {
    refused(start(|m| m.reset_hangs = true), &["probe failed", "register 0x1 did not become ready"]);
    let (rig, mut traffic) = in_traffic(|m| m.reset_hangs = true);
    traffic.flows(&rig, "nobody needs a reset");
    let _ = rig.ask(Command::Restart);
    ends(rig, &["given up", "could not be restarted: probe: register 0x1 did not become ready"]);
}

#[test]
fn a_phy_that_is_silent_or_absent() {
    refused(start(|m| m.phy_silent = true), &["open failed", "register 0x28 did not become ready"]);
    // one that is not there has no link, and that is all
    let rig = start(|m| m.phy_absent = true).expect("it starts");
    assert!(!rig.status().net().link_up && !rig.host().carrier());
    rig.around.bench.misbehave(|m| m.phy_absent = false);
    wait_until("it is there", || rig.host().carrier());
    Traffic::new().ping(&rig, 5);
    rig.stop().0.expect("stops");
    // frames go without it
    let (rig, mut traffic) = in_traffic(|m| m.phy_silent = true);
    let why = rig.call(Entry::Link).expect_err("it is silent");
    assert!(why.contains("register 0x28 did not become ready") && !why.contains('\n'), "{why}");
    traffic.flows(&rig, "a silent PHY");
    recovers(rig, traffic.sent, "a silent PHY");
}

#[test]
fn an_eeprom_without_an_address_has_a_way_out() {
    type Set = fn(&mut Misbehave);
    let mac = MacAddress([2, 0, 0, 0, 0, 9]);
    let silent: Set = |m| m.eprom_silent = true;
    refused(start(silent), &["no station address", "--mac 02:00:00:00:00:01"]);
    let rig = start_with(Options { net: NetOptions { mac: Some(mac), ..quick().net }, ..quick() }, silent)
        .expect("it starts");
    assert_eq!((rig.around.station_address(), rig.status().net().mac.clone()), (mac.0, mac.to_string()));
    rig.stop().0.expect("stops");
    for bad in [[0; 6], [0xff; 6], [3, 0, 0, 0, 0, 1]] {
        let with = |mac| {
            let (around, opened, endpoint) = plug(model_pegasus::Config { mac: bad, ..of(Variant::An986) });
            UsbRig::start_on(around, opened, endpoint, Options { net: NetOptions { mac, ..quick().net }, ..quick() })
                .map_err(|failed| failed.0)
        };
        refused(with(None), &["no station address", "--mac"]);
        let rig = with(Some(mac)).expect("it starts");
        assert_eq!(rig.around.station_address(), mac.0);
        // and after it was unplugged it has that again
        rig.around.bench.replug();
        wait_until("it is back", || rig.status().restarts == 1 && rig.host().carrier());
        assert_eq!(rig.around.station_address(), mac.0);
        rig.stop().0.expect("stops");
    }
}
