//! Network cards: address, receive mode, MTU, VLAN, distance of interrupts, offloads.

use model_card::Chip;
use model_pegasus::{Variant as UsbVariant, regs as usb_regs};
use udrv::checkpoint::{Checkpoint, ClassSettings, NetSettings};
use udrv::net::{Multicast, NetDevice, NetOptions, OffloadSettings, Switch};
use udrv::run::{Answer, Command, Options, Running};
use udrv::supervisor::policy::Protect;
use udrv_driver::{Driver, Entry, Features, InjectedFault, MacAddress, NetDriver, Offloads, Point};
use udrv_tests::rig::{Hand, quick};
use udrv_tests::subject::Subject;
use udrv_tests::usb_rig::{UsbHand, UsbRig, config, of};
use udrv_tests::{every_subject, wait_until};

use crate::{accesses, arm, expect_no_value_does_harm, fields, restore, saved};

every_subject! {
    all_of_it_comes_over_to_each_chip_of_the_family,
    what_is_so_already_costs_no_access,
    a_dry_run_changes_nothing,
    what_the_chip_cannot_do_is_refused_and_named,
    another_class_or_driver_is_refused,
    a_fault_that_repeats_leaves_all_as_it_was,
    a_bus_that_fails_leaves_all_as_it_was,
    the_policy_comes_over,
    no_value_of_a_file_does_harm,
}

const OTHER: MacAddress = MacAddress([0x02, 0, 0, 0, 0, 0x42]);

fn with(checkpoint: &Checkpoint, change: impl FnOnce(&mut NetSettings)) -> Checkpoint {
    let mut checkpoint = checkpoint.clone();
    let ClassSettings::Net(settings) = &mut checkpoint.settings else { panic!("{checkpoint:?}") };
    change(settings);
    checkpoint
}

fn net(checkpoint: &Checkpoint) -> &NetSettings {
    let ClassSettings::Net(settings) = &checkpoint.settings else { panic!("{checkpoint:?}") };
    settings
}

fn features<S: Subject>() -> Features {
    S::Driver::FEATURES
}

/// With packet buffers for all that chips of this family can do.
fn hand<S: Subject>(config: udrv_tests::subject::Config<S>) -> Hand<S> {
    Hand::new(quick(), config)
}

/// All that the chip has is another than at the start.
fn turned<S: Subject>(hand: &mut Hand<S>) -> Checkpoint {
    let features = features::<S>();
    let start = saved(&mut hand.device);
    let wanted = with(&start, |net| {
        net.mac = OTHER;
        net.promiscuous = true;
        net.multicast = Multicast(0x8000_0000_0000_0001);
        net.mtu = if features.max_mtu > 3000 && S::Driver::OFFLOADS.segments() { 3000 } else { 1400 };
        net.vlan = if features.vlan { 4094 } else { 0 };
        net.interrupt_interval_us = features.moderation.map_or(0, |moderation| moderation.longest.0 / 2);
        net.offloads = OffloadSettings { tx_checksum: false, rx_checksum: false, tso: false };
    });
    restore(&mut hand.device, &wanted, false).expect("it is set");
    let now = saved(&mut hand.device);
    assert_eq!(now, wanted);
    now
}

fn all_of_it_comes_over_to_each_chip_of_the_family<S: Subject>() {
    for variant in 0..S::Chip::VARIANTS.len() {
        let card = || S::variants().remove(variant);
        let name = S::Chip::VARIANTS[variant].0;
        let mut first = hand::<S>(card());
        let before = first.around.spy.setup();
        let moved = turned(&mut first);
        let registers = first.around.spy.setup();
        assert_ne!(registers, before, "{name}");
        drop(first);

        let mut second = hand::<S>(card());
        assert_eq!(second.around.spy.setup(), before, "{name}: a fresh one");
        let restored = restore(&mut second.device, &moved, false).expect(name);
        assert!(fields(&restored).contains(&"settings.net.mac") && restored.other_chip.is_none(), "{restored:?}");
        assert_eq!(second.around.spy.setup(), registers, "{name}");
        assert_eq!(second.around.spy.station(), OTHER.0, "{name}");
        assert_eq!(saved(&mut second.device), moved, "{name}");
        // the interface is as the chip
        let (wanted, offloads) = (second.around.host.wanted(), second.around.host.offloads());
        assert_eq!((wanted.mac, wanted.mtu, wanted.promiscuous), (OTHER.0, net(&moved).mtu, true), "{name}");
        assert_eq!(offloads, Offloads::NONE, "{name}");
        // and it stays so
        assert!(matches!(second.device.handle(Command::Restart), Ok(Answer::Done)));
        assert_eq!(second.around.spy.setup(), registers, "{name}: restarted");
        second.device.handle(Command::Call(Entry::Restore)).expect("goes on");
        assert_eq!(second.around.spy.setup(), registers, "{name}: restored");
        second.settle().expect("goes on");
    }
}

fn what_is_so_already_costs_no_access<S: Subject>() {
    let mut hand = hand::<S>(S::config());
    for checkpoint in [saved(&mut hand.device), turned(&mut hand)] {
        restore(&mut hand.device, &checkpoint, false).expect("it can");
        let before = accesses(&mut hand.device);
        let restored = restore(&mut hand.device, &checkpoint, false).expect("it can");
        assert!(restored.changes.is_empty(), "{restored:?}");
        assert_eq!(accesses(&mut hand.device), before);
        // what of it is another alone is told: of the interface's MTU the chip need not know
        let other = with(&checkpoint, |net| net.mtu = 1200);
        let restored = restore(&mut hand.device, &other, false).expect("it can");
        assert_eq!(fields(&restored), ["settings.net.mtu"]);
        if net(&checkpoint).mtu <= 1500 {
            assert_eq!(accesses(&mut hand.device), before);
        }
        assert_eq!(hand.around.host.mtu(), 1200);
    }
}

fn a_dry_run_changes_nothing<S: Subject>() {
    let mut hand = hand::<S>(S::config());
    let before = (saved(&mut hand.device), hand.around.spy.setup(), hand.around.host.wanted());
    let wanted = with(&before.0, |net| (net.mac, net.mtu) = (OTHER, 1400));
    let count = accesses(&mut hand.device);
    let restored = restore(&mut hand.device, &wanted, true).expect("it could");
    assert_eq!((fields(&restored), restored.dry_run), (vec!["settings.net.mac", "settings.net.mtu"], true));
    let mac = &restored.changes[0];
    assert_eq!((mac.from.as_str(), mac.to.as_str()), ("\"52:54:00:12:34:56\"", "\"02:00:00:00:00:42\""));
    assert_eq!(accesses(&mut hand.device), count);
    let after = (saved(&mut hand.device), hand.around.spy.setup(), hand.around.host.wanted());
    assert_eq!(after, before);
}

/// Refused with all `words`, the field's name and value first, and nothing was changed or asked.
fn expect_refused<D: NetDriver>(device: &mut NetDevice<D>, checkpoint: &Checkpoint, field: &str, words: &[&str]) {
    let (before, count) = (saved(device), accesses(device));
    for dry_run in [true, false] {
        let error = restore(device, checkpoint, dry_run).expect_err(field);
        assert!(error.starts_with(&format!("{field} = ")) && !error.contains('\n'), "{error}");
        assert!(words.iter().all(|word| error.contains(word)), "{words:?}: {error}");
    }
    assert_eq!((saved(device), accesses(device)), (before, count));
}

fn what_the_chip_cannot_do_is_refused_and_named<S: Subject>() {
    let mut hand = hand::<S>(S::config());
    let (name, features, device) = (S::Driver::NAME, features::<S>(), &mut hand.device);
    // what is right beside it is not done either
    let start = with(&saved(device), |net| (net.mac, net.promiscuous) = (OTHER, true));
    let mut refuse = |field: &str, words: &[&str], change: &dyn Fn(&mut NetSettings)| {
        expect_refused(device, &with(&start, change), &format!("settings.net.{field}"), words);
    };
    for wrong in [[0; 6], [1, 0, 0x5e, 0, 0, 1], [0xff; 6]] {
        refuse("mac", &["02:00:00:00:00:01"], &|net| net.mac = MacAddress(wrong));
    }
    for wrong in [0, 67, features.max_mtu + 1, u32::MAX] {
        refuse("mtu", &[&wrong.to_string(), "68 to", name], &|net| net.mtu = wrong);
    }
    for wrong in [4095, u16::MAX] {
        refuse("vlan", &["1 to 4094"], &|net| net.vlan = wrong);
    }
    if !features.vlan {
        refuse("vlan", &["write 0", name], &|net| net.vlan = 5);
    }
    let longest = features.moderation.map_or(0, |moderation| moderation.longest.0);
    for wrong in [longest + 1, u64::MAX] {
        refuse("interrupt_interval_us", &[&wrong.to_string(), name], &|net| net.interrupt_interval_us = wrong);
    }
    if S::Driver::OFFLOADS == Offloads::NONE {
        refuse("offloads.tx_checksum", &["write false", name], &|net| net.offloads.tx_checksum = true);
        refuse("offloads.rx_checksum", &["write false", name], &|net| net.offloads.rx_checksum = true);
    }
    if S::Driver::OFFLOADS.segments() {
        refuse("offloads.tso", &["tx_checksum"], &|net| net.offloads.tx_checksum = false);
    } else {
        refuse("offloads.tso", &["write false", name], &|net| net.offloads.tso = true);
    }
    drop(hand);
    // what this udrvd has no room for says how one is started that has
    if S::Driver::OFFLOADS.segments() {
        let net = NetOptions { offloads: vec![(Switch::Tso, false)], ..NetOptions::default() };
        let mut hand = Hand::<S>::new(Options { net, ..quick() }, S::config());
        let checkpoint = saved(&mut hand.device);
        let tso = with(&checkpoint, |net| net.offloads.tso = true);
        expect_refused(&mut hand.device, &tso, "settings.net.offloads.tso", &["--offload tso=off"]);
        if features.max_mtu > 8000 {
            let long = with(&checkpoint, |net| net.mtu = 8000);
            expect_refused(&mut hand.device, &long, "settings.net.mtu", &["--mtu 8000"]);
        }
    }
}

fn another_class_or_driver_is_refused<S: Subject>() {
    let mut hand = hand::<S>(S::config());
    let mine = saved(&mut hand.device);
    let other = Checkpoint { driver: "other\nchip".to_owned(), ..mine.clone() };
    expect_refused(&mut hand.device, &other, "driver", &["other\\nchip", S::Driver::NAME]);
    let other = Checkpoint { format: 2, ..mine.clone() };
    expect_refused(&mut hand.device, &other, "format", &["takes 1"]);
    let mouse = r#"{"input": {"rate": 100, "resolution": 200, "scaling": "1:1"}}"#;
    let other = Checkpoint { settings: serde_json::from_str(mouse).expect("settings"), ..mine.clone() };
    expect_refused(&mut hand.device, &other, "settings", &["input", "of class net"]);
    let policy = [("poll".to_owned(), Protect::Never), ("trigger".to_owned(), Protect::Never)];
    let other = Checkpoint { policy: policy.into_iter().collect(), ..mine.clone() };
    expect_refused(&mut hand.device, &other, "policy.trigger", &["set_rx_mode"]);

    // another chip takes what it can do, and is told
    let chip = udrv::checkpoint::Chip { id: "1234:5678".to_owned(), revision: 1 };
    let other = with(&Checkpoint { chip: chip.clone(), ..mine.clone() }, |net| net.mac = OTHER);
    let restored = restore(&mut hand.device, &other, false).expect("it can do that");
    assert_eq!(restored.other_chip, Some((chip, mine.chip)));
    assert_eq!(hand.around.spy.station(), OTHER.0);
}

fn a_fault_that_repeats_leaves_all_as_it_was<S: Subject>() {
    let mut hand = hand::<S>(S::config());
    let before = (saved(&mut hand.device), hand.around.spy.setup(), hand.around.host.wanted());
    let features = features::<S>();
    let wanted = with(&before.0, |net| {
        (net.mac, net.promiscuous, net.mtu) = (OTHER, true, 1400);
        net.vlan = u16::from(features.vlan);
        net.interrupt_interval_us = features.moderation.map_or(0, |moderation| moderation.longest.0);
    });
    let has_more = features.vlan || features.moderation.is_some();
    for entry in [Entry::SetMac, Entry::SetRxMode, Entry::Configure] {
        if entry == Entry::Configure && !has_more {
            println!("{} is never configured", S::Driver::NAME);
            continue;
        }
        for (fault, point) in InjectedFault::ALL.into_iter().flat_map(|fault| Point::ALL.map(|point| (fault, point))) {
            let what = format!("{entry}: {fault} at {point}");
            // the call, and once more
            arm(&mut hand.device, entry, fault, point, 2);
            let error = restore(&mut hand.device, &wanted, false).expect_err(&what);
            assert!(error.contains(entry.name()) && error.ends_with("all is set as before"), "{what}: {error}");
            let after = (saved(&mut hand.device), hand.around.spy.setup(), hand.around.host.wanted());
            assert_eq!(after, before, "{what}");
            // one alone is none
            arm(&mut hand.device, entry, fault, point, 1);
            restore(&mut hand.device, &wanted, false).expect(&what);
            assert_eq!((saved(&mut hand.device), hand.around.spy.station()), (wanted.clone(), OTHER.0), "{what}");
            restore(&mut hand.device, &before.0, false).expect(&what);
            let after = (saved(&mut hand.device), hand.around.spy.setup(), hand.around.host.wanted());
            assert_eq!(after, before, "{what}: and back");
        }
    }
    // those that the device was put back after, and no restart
    let Ok(Answer::Status(status)) = hand.device.handle(Command::Glance) else { panic!("no status") };
    assert_eq!((status.restarts, status.canary_intact), (0, true));
}

fn a_bus_that_fails_leaves_all_as_it_was<S: Subject>() {
    let mut hand = hand::<S>(S::config());
    let before = (saved(&mut hand.device), hand.around.spy.setup(), hand.around.host.wanted());
    let wanted = with(&before.0, |net| (net.mac, net.promiscuous, net.mtu) = (OTHER, true, 1400));
    for (fails, restarts, how) in [(1, 0, "all is set as before"), (2, 1, "by a restart of the driver")] {
        hand.around.spy.let_writes_fail(fails);
        let error = restore(&mut hand.device, &wanted, false).expect_err("the bus fails");
        assert!(error.contains("set_mac") && error.ends_with(how), "{fails}: {error}");
        let after = (saved(&mut hand.device), hand.around.spy.setup(), hand.around.host.wanted());
        assert_eq!(after, before, "{fails}");
        let Ok(Answer::Status(status)) = hand.device.handle(Command::Glance) else { panic!("no status") };
        assert_eq!(status.restarts, restarts, "{fails}");
    }
    restore(&mut hand.device, &wanted, false).expect("it works again");
    assert_eq!(hand.around.spy.station(), OTHER.0);
}

fn the_policy_comes_over<S: Subject>() {
    let mut hand = hand::<S>(S::config());
    let before = saved(&mut hand.device);
    for (entry, mode) in [(Entry::Poll, Protect::Suspicious), (Entry::Link, Protect::Never)] {
        hand.device.handle(Command::Protect(Some(entry), mode)).expect("goes on");
    }
    let moved = saved(&mut hand.device);
    drop(hand);
    let mut hand = self::hand::<S>(S::config());
    let count = accesses(&mut hand.device);
    let restored = restore(&mut hand.device, &moved, false).expect("it can");
    assert_eq!(fields(&restored), ["policy.link", "policy.poll"]);
    assert_eq!((saved(&mut hand.device), accesses(&mut hand.device)), (moved.clone(), count));
    assert_ne!(moved, before);
    // one that is refused brings no policy
    let refused = Checkpoint { settings: with(&before, |net| net.mtu = 1).settings, ..before };
    restore(&mut hand.device, &refused, false).expect_err("no MTU");
    assert_eq!(saved(&mut hand.device), moved);
}

fn no_value_of_a_file_does_harm<S: Subject>() {
    expect_no_value_does_harm(&mut hand::<S>(S::config()).device);
}

/// The adapter on USB, whose registers are control transfers.
#[test]
fn all_of_it_comes_over_to_an_adapter_on_usb() {
    let start = || UsbHand::new(quick(), config());
    let mut first = start();
    let wanted = with(&saved(&mut first.device), |net| {
        (net.mac, net.promiscuous, net.multicast, net.mtu) = (OTHER, true, Multicast(0), 1400);
    });
    restore(&mut first.device, &wanted, false).expect("it is set");
    // it has the link's mode from the driver
    first.call(Entry::Link);
    let (moved, registers) = (saved(&mut first.device), first.around.setup());
    drop(first);

    let mut second = start();
    second.call(Entry::Link);
    assert_ne!(second.around.setup(), registers);
    restore(&mut second.device, &moved, false).expect("it can");
    assert_eq!((second.around.setup(), second.around.station_address()), (registers.clone(), OTHER.0));
    let wanted = second.around.host.wanted();
    assert_eq!((wanted.mac, wanted.mtu, wanted.promiscuous), (OTHER.0, 1400, true));
    let transfers = second.around.controls();
    restore(&mut second.device, &moved, false).expect("it can");
    assert_eq!(second.around.controls(), transfers);
    let running: &mut Running<_> = &mut second.device;
    assert!(matches!(running.handle(Command::Restart), Ok(Answer::Done)));
    second.call(Entry::Link);
    assert_eq!(second.around.setup(), registers);
}

/// What it is set to, as soon as it is there.
fn when_it_is_there(rig: &UsbRig) -> Checkpoint {
    let mut found = None;
    wait_until("it is there", || match rig.ask(Command::Checkpoint) {
        Some(Answer::Checkpoint(checkpoint)) => {
            found = Some(*checkpoint);
            rig.around.host.carrier()
        }
        Some(Answer::Refused(_)) => false,
        other => panic!("{other:?}"),
    });
    found.expect("it was there")
}

/// It leaves at any of the transfers, and comes back: as it was, or as it was to be, and never by half.
#[test]
fn an_adapter_that_is_pulled_out_meanwhile_is_never_set_by_half() {
    let (mut as_before, mut as_wanted) = (0, 0);
    for moment in 1..=24 {
        let rig = UsbRig::new(of(UsbVariant::An986));
        let start = when_it_is_there(&rig);
        let wanted = with(&start, |net| (net.mac, net.promiscuous, net.mtu) = (OTHER, true, 1400));
        rig.around.bench.misbehave(|on| on.unplug_at = moment);
        let checkpoint = Box::new(wanted.clone());
        let answer = rig.ask(Command::RestoreCheckpoint { checkpoint, dry_run: false });
        rig.around.bench.misbehave(|on| on.unplug_at = 0);
        if !rig.around.bench.is_plugged() {
            rig.around.bench.replug();
        }
        let expected = match answer {
            Some(Answer::Restored(_)) => {
                as_wanted += 1;
                wanted
            }
            Some(Answer::Refused(why)) => {
                assert!(why.contains("plug it in again") && !why.contains('\n'), "{moment}: {why}");
                as_before += 1;
                start
            }
            other => panic!("{moment}: {other:?}"),
        };
        assert_eq!(when_it_is_there(&rig), expected, "{moment}");
        let (settings, interface) = (net(&expected), rig.around.host.wanted());
        let promiscuous = rig.around.bench.register(usb_regs::ETH_CTRL2) & usb_regs::ctrl2::PROMISCUOUS != 0;
        assert_eq!((rig.around.station_address(), promiscuous), (settings.mac.0, settings.promiscuous), "{moment}");
        let interface = (interface.mac, interface.mtu, interface.promiscuous);
        assert_eq!(interface, (settings.mac.0, settings.mtu, settings.promiscuous), "{moment}");
        rig.stop().0.expect("stops");
    }
    assert!(as_before > 1 && as_wanted > 1, "{as_before} and {as_wanted}");
}
