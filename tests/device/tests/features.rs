//! MTU, VLAN, distance of interrupts and offloads: where the chip has them they do what was asked for, through faults and
//! restarts; where it has not, asking is an error with a way out.

use std::time::{Duration, Instant};

use udrv::net::{NetOptions, Switch};
use udrv::run::{Answer, Command, Options};
use udrv_driver::{Driver, Entry, Features, InjectedFault, NetDriver, Offloads, Point};
use udrv_tests::frames::{Judge, Way};
use udrv_tests::rig::{Rig, quick};
use udrv_tests::subject::Subject;
use udrv_tests::{PATIENCE, every_subject, wait_until};

every_subject! {
    long_frames_go_both_ways,
    frames_beyond_the_mtu_are_counted,
    an_mtu_out_of_range_is_refused,
    the_mtu_changes_under_traffic_and_faults,
    an_mtu_that_faults_again_is_put_back,
    frames_of_the_vlan_come_without_its_tag,
    a_vlan_that_cannot_be_is_refused,
    an_interrupt_interval_out_of_range_is_refused,
    interrupts_keep_the_distance_that_was_asked_for,
    offloads_are_switched_off,
    an_offload_that_the_chip_does_not_have_is_refused,
}

/// Whether the subject has what a test needs; says so if it has not.
fn has<S: Subject>(what: &str, it: impl FnOnce(Features) -> bool) -> bool {
    let has = it(S::Driver::FEATURES);
    if !has {
        println!("not tried with {}: its chip has no {what}", S::Driver::NAME);
    }
    has
}

fn has_jumbo<S: Subject>() -> bool {
    has::<S>("MTU above 1500", |features| features.max_mtu > 1500)
}

/// Whether the driver has packet buffers of the longest frames whatever the options ask for: it cuts packets.
fn has_long_buffers<S: Subject>() -> bool {
    S::Driver::OFFLOADS.segments()
}

/// Starts a device that must not start: why.
fn refused<S: Subject>(options: Options) -> String {
    match Rig::<S>::start(options, S::config(), |_| {}) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("it starts"),
    }
}

fn set_mtu<S: Subject>(rig: &Rig<S>, mtu: u32) {
    rig.around.host.administer(|wanted| wanted.mtu = mtu);
    let mut followed = false;
    wait_until("the MTU is followed or put back", || {
        followed = rig.status().net().mtu == mtu;
        followed || rig.around.host.mtu() != mtu
    });
    assert!(followed, "an MTU of {mtu} is put back: {:#?}", rig.faults(0).last());
}

/// Numbered frames of choice through a rig, and each must arrive.
struct Numbered {
    down: Judge,
    up: Judge,
    frame: Vec<u8>,
    next: u64,
}

impl Numbered {
    fn new() -> Numbered {
        Numbered { down: Judge::new(Way::Down), up: Judge::new(Way::Up), frame: Vec::new(), next: 0 }
    }

    /// One of `length` each way.
    fn exchange<S: Subject>(&mut self, rig: &Rig<S>, length: u32) {
        Way::Down.write_long(self.next, length as usize, &mut self.frame);
        rig.around.host.send(&self.frame);
        let sent = rig.around.station.receive(PATIENCE).expect("down");
        assert_eq!((sent.fcs_ok, self.down.take(&sent.data)), (true, Ok(self.next)), "{length}");
        Way::Up.write_long(self.next, length as usize, &mut self.frame);
        rig.around.station.inject(&self.frame);
        let received = rig.around.host.receive(PATIENCE).expect("up");
        assert_eq!(self.up.take(&received), Ok(self.next), "{length}");
        self.next += 1;
    }
}

fn long_frames_go_both_ways<S: Subject>() {
    if !has_jumbo::<S>() {
        return;
    }
    let most = S::Driver::FEATURES.max_mtu;
    for by_option in [true, false] {
        if !by_option && !has_long_buffers::<S>() {
            continue;
        }
        for mtu in [1501, 4000, 7000, 9000, most].into_iter().filter(|mtu| *mtu <= most) {
            let options = Options { net: NetOptions { mtu: by_option.then_some(mtu), ..quick().net }, ..quick() };
            let rig = Rig::<S>::start(options, S::config(), |_| {}).expect("starts");
            if !by_option {
                set_mtu(&rig, mtu);
            }
            assert_eq!((rig.around.host.mtu(), rig.status().net().mtu), (mtu, mtu));
            let mut numbered = Numbered::new();
            let mut all = |rig: &Rig<S>| {
                for length in [60, 1514, 1518, 2044, 2045, 4096, 6144, mtu + 13, mtu + 14, mtu + 18] {
                    // several laps of the ring
                    for _ in 0..10 {
                        numbered.exchange(rig, length.min(mtu + 18));
                    }
                }
            };
            all(&rig);
            for entry in [Entry::Restore, Entry::Stop, Entry::Probe, Entry::TxTimeout, Entry::Configure] {
                rig.call(entry).expect("works");
                all(&rig);
            }
            assert!(matches!(rig.ask(Command::Restart), Some(Answer::Done)));
            all(&rig);
            let traffic = rig.status().net().traffic;
            assert_eq!((traffic.tx_dropped, traffic.tx_lost, traffic.rx_dropped), (0, 0, 0));
            rig.stop().0.expect("stops");
        }
    }
}

fn frames_beyond_the_mtu_are_counted<S: Subject>() {
    let most = S::Driver::FEATURES.max_mtu;
    for mtu in [1500, 3000, 9000].into_iter().filter(|mtu| *mtu <= most) {
        let rig = Rig::<S>::start(
            Options { net: NetOptions { mtu: Some(mtu), ..quick().net }, ..quick() },
            S::config(),
            |_| {},
        )
        .expect("starts");
        let mut numbered = Numbered::new();
        for round in 1..=20 {
            let longer = vec![0xee; mtu as usize + 18 + round];
            rig.around.host.send(&longer);
            // to the card's address, or its filter has it
            let mut to_card = longer;
            Way::Up.write_long(0, to_card.len(), &mut to_card);
            rig.around.station.inject(&to_card);
            numbered.exchange(&rig, mtu + 18);
            let status = rig.status();
            let chip = status.net().chip.expect("counters");
            assert_eq!(status.net().traffic.tx_dropped, round as u64, "{mtu}");
            assert_eq!(chip.rx_errors + chip.rx_missed, round as u64, "{mtu}: {chip:?}");
        }
        rig.stop().0.expect("stops");
    }
}

fn an_mtu_out_of_range_is_refused<S: Subject>() {
    let most = S::Driver::FEATURES.max_mtu;
    for mtu in [0, 67, most + 1, u32::MAX] {
        let error = refused::<S>(Options { net: NetOptions { mtu: Some(mtu), ..quick().net }, ..quick() });
        assert!(error.contains(&format!("68 to {most}")) && error.contains(S::Driver::NAME), "{error}");
    }
    for mtu in [68, 1500, most] {
        let rig = Rig::<S>::start(
            Options { net: NetOptions { mtu: Some(mtu), ..quick().net }, ..quick() },
            S::config(),
            |_| {},
        )
        .expect("starts");
        assert_eq!((rig.around.host.mtu(), rig.status().net().mtu), (mtu, mtu));
        rig.stop().0.expect("stops");
    }
}

/// Every fault at every point of the call that follows a change, with frames before and after it.
fn the_mtu_changes_under_traffic_and_faults<S: Subject>() {
    if !has_jumbo::<S>() {
        return;
    }
    let most = S::Driver::FEATURES.max_mtu;
    // large enough from the start for what follows
    let rig =
        Rig::<S>::start(Options { net: NetOptions { mtu: Some(most), ..quick().net }, ..quick() }, S::config(), |_| {})
            .expect("starts");
    let mut numbered = Numbered::new();
    let mut faults = 0;
    for fault in InjectedFault::ALL {
        for (point, mtu) in Point::ALL.into_iter().flat_map(|point| [1500, most, 4000].map(|mtu| (point, mtu))) {
            rig.inject(Entry::Configure, fault, point, 1);
            set_mtu(&rig, mtu);
            faults += 1;
            let what = format!("{fault} at {point}, {mtu}");
            assert_eq!(rig.status().faults, faults, "{what}");
            for length in [60, 1518, mtu + 18] {
                numbered.exchange(&rig, length);
            }
            let before = rig.status().net().traffic.tx_dropped;
            rig.around.host.send(&vec![0xee; mtu as usize + 19]);
            wait_until(&what, || rig.status().net().traffic.tx_dropped == before + 1);
        }
    }
    assert!(rig.faults(0).iter().all(|report| report.recovered && report.entry == "configure"));
    assert!(rig.status().canary_intact);
    rig.stop().0.expect("stops");
}

fn an_mtu_that_faults_again_is_put_back<S: Subject>() {
    if !has_jumbo::<S>() {
        return;
    }
    let most = S::Driver::FEATURES.max_mtu;
    let rig =
        Rig::<S>::start(Options { net: NetOptions { mtu: Some(most), ..quick().net }, ..quick() }, S::config(), |_| {})
            .expect("starts");
    let mut numbered = Numbered::new();
    for point in Point::ALL {
        rig.inject(Entry::Configure, InjectedFault::NullWrite, point, 2);
        rig.around.host.administer(|wanted| wanted.mtu = 1500);
        wait_until("it is put back", || rig.around.host.mtu() == most);
        assert_eq!(rig.status().net().mtu, most);
        numbered.exchange(&rig, most + 18);
    }
    rig.stop().0.expect("stops");
}

/// `frame` with the tag of `vlan` and a priority.
fn tagged(frame: &[u8], vlan: u16) -> Vec<u8> {
    let tag = [[0x81, 0x00], (0x6000 | vlan).to_be_bytes()].concat();
    [&frame[..12], &tag, &frame[12..]].concat()
}

fn frames_of_the_vlan_come_without_its_tag<S: Subject>() {
    if !has::<S>("VLAN tags", |features| features.vlan) {
        return;
    }
    for vlan in [1, 100, 4094] {
        let most = S::Driver::FEATURES.max_mtu;
        let options = Options { net: NetOptions { vlan: Some(vlan), mtu: Some(most), ..quick().net }, ..quick() };
        let rig = Rig::<S>::start(options, S::config(), |_| {}).expect("starts");
        assert_eq!(rig.status().net().vlan, vlan);
        let mut number = 0;
        let mut all = |what: &str| {
            // without its tag the first is shorter than others may be
            for length in [56, 60, 61, 1514, 3000, most as usize + 14].into_iter().filter(|l| *l <= most as usize + 14)
            {
                let mut frame = Vec::new();
                Way::Up.write_long(number, length, &mut frame);
                // others of which the chip or the driver must know: another VLAN, priority only, none
                for other in [vlan ^ 1, vlan ^ 0x800, 0] {
                    rig.around.station.inject(&tagged(&Way::Up.frame(9), other));
                }
                rig.around.station.inject(&Way::Up.frame(9));
                rig.around.station.inject(&tagged(&frame, vlan));
                let received = rig.around.host.receive(PATIENCE).expect("up");
                assert!(received == frame, "{what}, {length}: {} bytes", received.len());

                Way::Down.write_long(number, length.max(60), &mut frame);
                rig.around.host.send(&frame);
                let sent = rig.around.station.receive(PATIENCE).expect("down").data;
                let without = tagged(&frame, vlan);
                assert!(sent[..14] == without[..14] && sent[16..] == without[16..], "{what}, {length}");
                assert_eq!(u16::from_be_bytes([sent[14], sent[15]]) & 0xfff, vlan, "{what}");
                number += 1;
            }
        };
        all("at the start");
        for entry in [Entry::Restore, Entry::Stop, Entry::Probe, Entry::TxTimeout, Entry::SetRxMode, Entry::Configure] {
            rig.call(entry).expect("works");
            all(entry.name());
            rig.inject(entry, InjectedFault::WildWrite, Point::End, 1);
            rig.call(entry).expect("works the second time");
            all(entry.name());
        }
        rig.around.host.administer(|wanted| wanted.promiscuous = true);
        // changes are followed before commands are
        assert!(rig.status().net().link_up);
        all("promiscuous");
        assert!(matches!(rig.ask(Command::Restart), Some(Answer::Done)));
        all("restarted");
        assert_eq!(rig.status().net().traffic.tx_dropped, 0);
        rig.stop().0.expect("stops");
    }
}

fn a_vlan_that_cannot_be_is_refused<S: Subject>() {
    for vlan in [0, 4095, u16::MAX] {
        let error = refused::<S>(Options { net: NetOptions { vlan: Some(vlan), ..quick().net }, ..quick() });
        assert!(error.contains("1 to 4094"), "{error}");
    }
    if !S::Driver::FEATURES.vlan {
        let error = refused::<S>(Options { net: NetOptions { vlan: Some(5), ..quick().net }, ..quick() });
        assert!(error.contains(S::Driver::NAME) && error.contains("type vlan id 5"), "{error}");
    }
}

fn an_interrupt_interval_out_of_range_is_refused<S: Subject>() {
    let interval = |us| Options {
        net: NetOptions { interrupt_interval: Some(Duration::from_micros(us)), ..quick().net },
        ..quick()
    };
    let longest = S::Driver::FEATURES.moderation.map_or(0, |moderation| moderation.longest.0);
    let error = refused::<S>(interval(longest + 1));
    assert!(error.contains("--interrupt-interval") && error.contains(S::Driver::NAME), "{error}");
    for us in [0, 1.min(longest), longest] {
        let rig = Rig::<S>::start(interval(us), S::config(), |_| {}).expect("starts");
        assert_eq!(rig.status().net().interrupt_interval, us);
        let mut numbered = Numbered::new();
        (0..20).for_each(|_| numbered.exchange(&rig, 60));
        rig.stop().0.expect("stops");
    }
}

fn offloads_are_switched_off<S: Subject>() {
    let able = S::Driver::OFFLOADS;
    let told = |offloads: &[(Switch, bool)]| {
        let options = Options { net: NetOptions { offloads: offloads.to_vec(), ..quick().net }, ..quick() };
        let rig = Rig::<S>::start(options, S::config(), |_| {}).expect("starts");
        let mut numbered = Numbered::new();
        (0..20).for_each(|_| numbered.exchange(&rig, 1514));
        rig.around.host.offloads()
    };
    assert_eq!(told(&[]), able);
    assert_eq!(told(&[(Switch::RxChecksum, false)]), Offloads { rx_checksum: false, ..able });
    assert_eq!(told(&[(Switch::Tso, false)]), Offloads { segment_ipv4: false, segment_ipv6: false, ..able });
    assert_eq!(told(&[(Switch::TxChecksum, false), (Switch::RxChecksum, false)]), Offloads::NONE);
}

fn an_offload_that_the_chip_does_not_have_is_refused<S: Subject>() {
    let able = S::Driver::OFFLOADS;
    let has = [able.tx_checksum, able.rx_checksum, able.segments()];
    for (switch, has) in Switch::ALL.into_iter().zip(has) {
        let options = Options { net: NetOptions { offloads: vec![(switch, true)], ..quick().net }, ..quick() };
        if has {
            Rig::<S>::start(options, S::config(), |_| {}).expect("starts").stop().0.expect("stops");
        } else {
            let error = refused::<S>(options);
            assert!(error.contains(S::Driver::NAME) && error.contains(switch.name()), "{error}");
        }
    }
}

/// A frame at a time, each of which could have an interrupt of its own.
fn interrupts_keep_the_distance_that_was_asked_for<S: Subject>() {
    let longest = S::Driver::FEATURES.moderation.map_or(0, |moderation| moderation.longest.0);
    if !has::<S>("distance between interrupts", |_| longest != 0) {
        return;
    }
    for us in [longest.min(1_000), longest.min(5_000)] {
        let options = Options {
            net: NetOptions { interrupt_interval: Some(Duration::from_micros(us)), ..quick().net },
            ..quick()
        };
        let rig = Rig::<S>::start(options, S::config(), |_| {}).expect("starts");
        let begun = Instant::now();
        let before = rig.around.bench.counters().interrupts;
        for number in 0..40 {
            rig.around.station.inject(&Way::Up.frame(number));
            assert_eq!(rig.around.host.receive(PATIENCE), Some(Way::Up.frame(number)));
        }
        let interrupts = rig.around.bench.counters().interrupts - before;
        let elapsed = begun.elapsed();
        rig.stop().0.expect("stops");
        let most = elapsed.as_micros() as u64 / us + 1;
        assert!(interrupts > 0 && interrupts <= most, "{interrupts} in {elapsed:?}");
    }
}
