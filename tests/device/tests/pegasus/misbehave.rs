//! An adapter that does wrong, one way after the other: refused with one clear line, or borne and recovered from, within bounds.

use std::time::{Duration, Instant};

use model_pegasus::{BULK_IN, BULK_OUT, BadDescriptors, BadTrailer, INTERRUPT, Misbehave, Variant};
use udrv::device::Opened;
use udrv::net::{Command, DeviceError, Options};
use udrv_bus::EndpointKind;
use udrv_driver::MacAddress;
use udrv_tests::frames::Way;
use udrv_tests::rig::quick;
use udrv_tests::traffic::{BOUND, Ends, Traffic};
use udrv_tests::usb_rig::{UsbRig, config, of, plug};
use udrv_tests::wait_until;

/// Starts on an adapter that misbehaves, within bounds.
fn start(trouble: impl FnOnce(&mut Misbehave)) -> Result<UsbRig, DeviceError> {
    start_with(quick(), trouble)
}

fn start_with(options: Options, trouble: impl FnOnce(&mut Misbehave)) -> Result<UsbRig, DeviceError> {
    let (around, opened, endpoint) = plug(of(Variant::An986));
    around.bench.misbehave(trouble);
    let begin = Instant::now();
    let started = UsbRig::start_on(around, opened, endpoint, options);
    assert!(begin.elapsed() < BOUND, "{:?}", begin.elapsed());
    started.map_err(|failed| failed.0)
}

/// One line, with these words.
fn refused(started: Result<UsbRig, DeviceError>, words: &[&str]) {
    let message = started.err().expect("refused").to_string();
    assert!(!message.contains('\n') && message.starts_with("model:pegasus"), "{message}");
    assert!(words.iter().all(|word| message.contains(word)), "{words:?} are not all in: {message}");
}

/// A device in traffic; then the adapter misbehaves.
fn in_traffic(trouble: impl FnOnce(&mut Misbehave)) -> (UsbRig, Traffic) {
    let rig = UsbRig::new(of(Variant::An986));
    let mut traffic = Traffic::new();
    traffic.flows(&rig, "before");
    rig.around.bench.misbehave(trouble);
    (rig, traffic)
}

/// The truth again: it flows by itself. Frames that were damaged on their way are gone by then.
fn recovers(rig: UsbRig, sent: u64, what: &str) {
    rig.around.bench.misbehave(|m| *m = Misbehave::none());
    let mut buffer = [0; 2048];
    let begin = Instant::now();
    let mut fresh = Traffic { sent, ..Traffic::new() };
    while fresh.down.next().min(fresh.up.next()) <= sent {
        assert!(!rig.has_ended() && begin.elapsed() < BOUND, "{what}: {}", told(&rig));
        fresh.send(&rig, 1);
        let _ = rig.status();
        for frame in rig.station().drain() {
            let _ = fresh.down.take(&frame.data);
        }
        while let Some(length) = rig.host().try_receive(&mut buffer) {
            let _ = fresh.up.take(&buffer[..length]);
        }
    }
    let begin = Instant::now();
    rig.stop().0.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(begin.elapsed() < BOUND, "{what}");
}

/// What a failure should tell.
fn told(rig: &UsbRig) -> String {
    let status = rig.status();
    format!("{:?} {:?} {:?} {} restarts", status.traffic, status.device_faults, status.interrupts, status.restarts)
}

/// It ends by itself, with one line that has these words.
fn ends(rig: UsbRig, words: &[&str]) {
    let begin = Instant::now();
    wait_until("it ends", || rig.has_ended());
    assert!(begin.elapsed() < BOUND, "{:?}", begin.elapsed());
    let message = rig.stop().0.expect_err("an error of its own").to_string();
    assert!(!message.contains('\n') && words.iter().all(|word| message.contains(word)), "{message}");
}

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
        let why = rig.call(udrv_driver::Entry::Link).expect_err("the PHY is two bytes wide");
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
            let _ = rig.call(udrv_driver::Entry::Link);
            traffic.flows(&rig, "and after the link was asked for");
            recovers(rig, traffic.sent, &format!("{some} of \"{words}\""));
        }
        // for ever: it cannot be restored nor restarted
        let (rig, _) = in_traffic(|m| set(m, u32::MAX));
        ends(rig, &["given up", "link: "]);
    }
}

#[test]
fn an_endpoint_that_halts_once_goes_on() {
    for endpoint in [BULK_IN, BULK_OUT, INTERRUPT] {
        let (rig, mut traffic) = in_traffic(|_| {});
        for round in 0..3 {
            rig.around.bench.halt(endpoint);
            wait_until("it is noticed", || {
                traffic.send(&rig, 1);
                traffic.take(&rig);
                rig.status().traffic.restores > round
            });
            traffic.flows(&rig, &format!("{endpoint:#x} was halted, {round}"));
        }
        assert_eq!(rig.status().restarts, 0, "{endpoint:#x}");
        recovers(rig, traffic.sent, &format!("{endpoint:#x}"));
    }
}

/// Without one of the two there is no network. It is tried for a while.
#[test]
fn an_endpoint_that_always_halts_ends_the_device() {
    for endpoint in [BULK_IN, BULK_OUT] {
        let (rig, mut traffic) = in_traffic(|m| m.halts = vec![endpoint]);
        let begin = Instant::now();
        while !rig.has_ended() {
            assert!(begin.elapsed() < 2 * BOUND, "{endpoint:#x}: {}", told(&rig));
            let way = if endpoint == BULK_IN { Way::Up } else { Way::Down };
            // frames that way alone: those the other way would say that it works
            match way {
                Way::Up => rig.station().inject(&way.frame(traffic.sent)),
                Way::Down => drop(rig.host().try_send(&way.frame(traffic.sent))),
            }
            traffic.sent += 1;
            let _ = rig.ask(Command::Faults(u64::MAX));
        }
        ends(rig, &["given up", "does not help"]);
    }
}

#[test]
fn an_interrupt_endpoint_that_always_halts_costs_its_news_and_no_frame() {
    let (rig, mut traffic) = in_traffic(|m| m.halts = vec![INTERRUPT]);
    let begin = Instant::now();
    traffic.flows(&rig, "without news");
    traffic.endure(&rig, Duration::from_millis(500), true);
    rig.around.wire.set_link(false);
    wait_until("the link is asked for by the clock", || !rig.host().carrier());
    rig.around.wire.set_link(true);
    wait_until("and comes", || rig.host().carrier());
    // pauses between restores double
    let restores = rig.status().traffic.restores;
    let most = 6 + 2 * u64::from(begin.elapsed().as_millis().max(1).ilog2());
    assert!((1..=most).contains(&restores), "{restores} restores in {:?}", begin.elapsed());
    recovers(rig, traffic.sent, "endpoint 3 halts");
}

#[test]
fn babble_and_failures_of_the_bus_are_borne() {
    for some in [1, 2, 5, 40] {
        let (rig, mut traffic) = in_traffic(|m| m.babbles = some);
        traffic.flows(&rig, &format!("{some} babbles"));
        assert_eq!(rig.status().traffic.restores, 0, "one transfer is bad, and the endpoint is not");
        recovers(rig, traffic.sent, &format!("{some} babbles"));
        let (rig, mut traffic) = in_traffic(|m| m.failures = some);
        traffic.flows(&rig, &format!("{some} failures"));
        assert!(rig.status().traffic.restores > 0);
        recovers(rig, traffic.sent, &format!("{some} failures"));
    }
}

#[test]
fn a_status_that_lies_is_no_frame_and_leads_nowhere() {
    let length = |length| BadTrailer { length: Some(length), status: None };
    // too short, too long, more than came, all ones
    for trailer in [length(0), length(3), length(4), length(63), length(1523), length(0xfff), length(0xffff)] {
        let (rig, mut traffic) = in_traffic(|m| m.rx_trailer = Some(trailer));
        let before = rig.status();
        for _ in 0..20 {
            traffic.send(&rig, 1);
            traffic.take(&rig);
        }
        wait_until("they are counted", || {
            traffic.take(&rig);
            rig.status().chip.expect("counters").rx_errors >= before.chip.expect("counters").rx_errors + 20
        });
        assert_eq!(rig.status().traffic.rx_frames, before.traffic.rx_frames, "{trailer:?}");
        recovers(rig, traffic.sent, &format!("{trailer:?}"));
    }
    for status in [0x04, 0x08, 0x10, 0x1e] {
        let (rig, mut traffic) = in_traffic(|m| m.rx_trailer = Some(BadTrailer { length: None, status: Some(status) }));
        let before = rig.status().traffic.rx_frames;
        for _ in 0..20 {
            traffic.send(&rig, 1);
            traffic.take(&rig);
        }
        wait_until("they are counted", || rig.status().chip.expect("counters").rx_errors >= 20);
        assert_eq!(rig.status().traffic.rx_frames, before, "{status:#x}");
        recovers(rig, traffic.sent, &format!("status {status:#x}"));
    }
}

#[test]
fn frames_that_are_cut_off_are_no_frames() {
    for cut in [0, 1, 3, 4, 7, 59, 63] {
        let (rig, mut traffic) = in_traffic(|m| m.rx_cut = Some(cut));
        for _ in 0..20 {
            traffic.send(&rig, 1);
            // judged: nothing that is wrong comes up
            traffic.take(&rig);
        }
        wait_until("they are counted", || {
            traffic.take(&rig);
            rig.status().chip.expect("counters").rx_errors >= 20
        });
        recovers(rig, traffic.sent, &format!("cut at {cut}"));
    }
}

#[test]
fn a_storm_of_news_keeps_nobody_waiting() {
    let started = start(|m| m.interrupt_storm = true).expect("it starts");
    for rig in [started] {
        let mut traffic = Traffic::new();
        for _ in 0..20 {
            let begin = Instant::now();
            let _ = rig.status();
            assert!(begin.elapsed() < BOUND);
            traffic.ping(&rig, 5);
        }
        wait_until("the storm is seen", || rig.status().device_faults.interrupt_storms > 0);
        assert_eq!(rig.status().traffic.restores, 0, "there is nothing to restore");
        rig.around.bench.misbehave(|m| m.interrupt_storm = false);
        wait_until("and its end", || rig.status().interrupts.name() == "msi");
        traffic.ping(&rig, 5);
        assert_eq!((traffic.down.missing, traffic.up.missing), (0, 0));
        rig.stop().0.expect("stops");
    }
}

#[test]
fn news_that_are_lost_or_short_come_by_the_clock() {
    type Set = fn(&mut Misbehave);
    let sets: [(Set, &str); 4] = [
        (|m| m.interrupt_lost = true, "lost"),
        (|m| m.interrupt_short = Some(0), "empty"),
        (|m| m.interrupt_short = Some(5), "without the link"),
        (|m| m.interrupt_short = Some(7), "short"),
    ];
    for (set, what) in sets {
        let (rig, mut traffic) = in_traffic(set);
        traffic.ping(&rig, 20);
        for _ in 0..2 {
            rig.around.wire.set_link(false);
            wait_until(&format!("{what}: no carrier"), || !rig.host().carrier());
            rig.around.wire.set_link(true);
            wait_until(&format!("{what}: carrier"), || rig.host().carrier());
        }
        traffic.ping(&rig, 20);
        assert_eq!(rig.status().traffic.restores, 0, "{what}");
        recovers(rig, traffic.sent, what);
    }
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
    assert!(!rig.status().link_up && !rig.host().carrier());
    rig.around.bench.misbehave(|m| m.phy_absent = false);
    wait_until("it is there", || rig.host().carrier());
    Traffic::new().ping(&rig, 5);
    rig.stop().0.expect("stops");
    // frames go without it
    let (rig, mut traffic) = in_traffic(|m| m.phy_silent = true);
    let why = rig.call(udrv_driver::Entry::Link).expect_err("it is silent");
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
    let rig = start_with(Options { mac: Some(mac), ..quick() }, silent).expect("it starts");
    assert_eq!((rig.around.station_address(), rig.status().mac), (mac.0, mac.to_string()));
    rig.stop().0.expect("stops");
    for bad in [[0; 6], [0xff; 6], [3, 0, 0, 0, 0, 1]] {
        let with = |mac| {
            let (around, opened, endpoint) = plug(model_pegasus::Config { mac: bad, ..of(Variant::An986) });
            UsbRig::start_on(around, opened, endpoint, Options { mac, ..quick() }).map_err(|failed| failed.0)
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
