//! The adapter is pulled out and comes back, in every order: the interface stays, and does what is asked of it.

use std::time::Instant;

use model_pegasus::{BULK_OUT, BadDescriptors, INTERRUPT, Variant, regs};
use udrv::device::Opened;
use udrv::run::{Answer, Command, Options};
use udrv::supervisor::ladder::{LadderConfig, Recovery};
use udrv_bus::EndpointKind;
use udrv_driver::{Entry, InjectedFault, Injection, Point};
use udrv_tests::frames::{CARD, Judge, Way};
use udrv_tests::rig::quick;
use udrv_tests::traffic::{BOUND, Ends, Traffic};
use udrv_tests::usb_rig::{UsbRig, config, of, plug};
use udrv_tests::{PATIENCE, wait_until};

const SECOND: [u8; 6] = [0x02, 0, 0, 0, 0, 0x77];

fn an986() -> UsbRig {
    UsbRig::new(of(Variant::An986))
}

/// Pulls it out, and waits until the device has noticed.
fn pull(rig: &UsbRig) {
    rig.around.bench.unplug();
    wait_until("the carrier goes", || !rig.host().carrier());
}

/// Puts it in, and waits until the device is back.
fn put_in(rig: &UsbRig) {
    rig.around.bench.replug();
    wait_until("the carrier comes", || rig.host().carrier());
}

/// Looks have been taken in vain: it waits.
fn expect_waiting(rig: &UsbRig) {
    let uptime = rig.status().uptime;
    let looks = 8 * quick().look.as_nanos() as u64;
    wait_until("some looks", || rig.status().uptime > uptime + looks);
    assert!(!rig.host().carrier() && !rig.has_ended());
}

#[test]
fn an_idle_device_notices_at_once() {
    // nothing else would have it look
    let options = Options { look: 10 * PATIENCE, ..quick() };
    let rig = UsbRig::start(options, of(Variant::An986), |_| {}).expect("starts");
    wait_until("carrier", || rig.host().carrier());
    let begin = Instant::now();
    pull(&rig);
    put_in(&rig);
    assert!(begin.elapsed() < BOUND);
    Traffic::new().ping(&rig, 3);
    rig.stop().0.expect("stops");
}

/// More often than there are packet buffers.
#[test]
fn again_and_again_in_traffic_leaks_nothing() {
    let rig = an986();
    let mut traffic = Traffic::new();
    for round in 0..80 {
        traffic.send(&rig, 20);
        if round % 2 == 0 {
            // with frames in the adapter
            traffic.take(&rig);
        }
        pull(&rig);
        traffic.send(&rig, 3);
        put_in(&rig);
    }
    traffic.flows(&rig, "after eighty times");
    wait_until("what waited is through", || {
        traffic.take(&rig);
        traffic.down.next() == traffic.sent
    });
    let status = rig.status();
    assert_eq!((status.restarts, status.faults), (80, 0));
    let t = status.net().traffic;
    assert!(traffic.down.missing <= t.tx_lost + t.tx_dropped, "{} are missing: {t:?}", traffic.down.missing);
    // all buffers are there: as many frames as the driver takes, at once
    let (missing, missed) = (traffic.down.missing, rig.around.bench.counters().rx_missed);
    rig.around.bench.misbehave(|m| m.tx_hangs = true);
    let before = rig.around.bench.counters().bulk_out;
    for _ in 0..70 {
        assert!(rig.host().try_send(&Way::Down.frame(traffic.sent)), "the endpoint has room");
        traffic.sent += 1;
    }
    rig.around.bench.misbehave(|m| m.tx_hangs = false);
    wait_until("all are through", || {
        traffic.take(&rig);
        traffic.down.next() == traffic.sent
    });
    assert_eq!(traffic.down.missing, missing);
    assert_eq!(rig.around.bench.counters().rx_missed, missed);
    assert!(rig.around.bench.counters().bulk_out >= before + 70);
    rig.stop().0.expect("stops");
}

#[test]
fn what_the_host_sends_meanwhile_waits_in_the_endpoint() {
    let rig = an986();
    pull(&rig);
    for number in 0..20 {
        rig.host().send(&Way::Down.frame(number));
    }
    expect_waiting(&rig);
    put_in(&rig);
    let mut down = Judge::new(Way::Down);
    for frame in rig.station().receive_many(20, PATIENCE) {
        down.take(&frame.data).expect("down");
    }
    assert_eq!((down.seen, down.missing), (20, 0));
    rig.stop().0.expect("stops");
}

#[test]
fn unplugged_with_each_transfer_of_its_return() {
    let rig = an986();
    let mut traffic = Traffic::new();
    for n in 1.. {
        pull(&rig);
        rig.around.bench.misbehave(|m| m.unplug_at = n);
        rig.around.bench.replug();
        wait_until("it is back, or has left", || rig.host().carrier() || !rig.around.bench.is_plugged());
        if rig.around.bench.is_plugged() {
            assert!(n > 20, "a return is more than {n} transfers");
            break;
        }
        assert!(!rig.has_ended(), "{n}");
        rig.around.bench.misbehave(|m| m.unplug_at = 0);
        put_in(&rig);
        traffic.flows(&rig, &format!("left with transfer {n} of its return"));
    }
    rig.around.bench.misbehave(|m| m.unplug_at = 0);
    traffic.flows(&rig, "at last");
    assert_eq!(rig.around.station_address(), CARD);
    rig.stop().0.expect("stops");
}

/// What is in its place is not taken for it, and nothing of it is touched but its being opened: the one that left may come.
#[test]
fn another_device_in_its_place_is_left_alone() {
    let rig = an986();
    let mut traffic = Traffic::new();
    let wrong = |missing, kind, product| BadDescriptors { missing, kind, product, ..BadDescriptors::default() };
    for descriptors in [
        wrong(None, None, Some(0x1234)),
        // the driver knows that one, too: its address and PHY are others
        wrong(None, None, Some(0x8511)),
        wrong(Some(BULK_OUT), None, None),
        wrong(None, Some((INTERRUPT, EndpointKind::Bulk)), None),
    ] {
        pull(&rig);
        rig.around.bench.misbehave(|m| m.descriptors = descriptors.clone());
        let controls = rig.around.controls();
        rig.around.bench.replug();
        expect_waiting(&rig);
        assert_eq!(rig.around.controls(), controls, "{descriptors:?}: nobody has asked it anything");
        rig.around.bench.misbehave(|m| m.descriptors = BadDescriptors::default());
        put_in(&rig);
        traffic.flows(&rig, &format!("after {descriptors:?}"));
    }
    rig.stop().0.expect("stops");
}

#[test]
fn commands_are_answered_while_it_is_away() {
    let rig = an986();
    pull(&rig);
    let status = rig.status();
    assert!(status.unplugged && !status.net().link_up && status.faults == 0);
    for entry in Entry::NET {
        let why = rig.call(entry).expect_err("it is not there");
        assert!(why.contains("unplugged: plug it in again") && !why.contains('\n'), "{entry}: {why}");
    }
    match rig.ask(Command::Restart) {
        Some(Answer::Refused(why)) => assert!(why.contains("unplugged: plug it in again"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert!(rig.faults(0).is_empty());
    // what is armed meanwhile fires in the return
    let injection = Injection { fault: InjectedFault::NullWrite, point: Point::Middle };
    let armed = rig.ask(Command::Inject { entry: Entry::Open, injection, times: 1 });
    assert!(matches!(armed, Some(Answer::Done)));
    put_in(&rig);
    Traffic::new().flows(&rig, "back");
    assert!(!rig.status().unplugged);
    rig.call(Entry::Link).expect("it is there");
    rig.stop().0.expect("stops");
}

#[test]
fn what_the_administrator_changes_meanwhile_is_in_force_afterwards() {
    let rig = an986();
    pull(&rig);
    rig.host().administer(|wanted| (wanted.mac, wanted.promiscuous) = (SECOND, true));
    wait_until("it is recorded", || rig.status().net().mac == "02:00:00:00:00:77");
    // nobody's address: it is put back before the chip is asked
    rig.host().administer(|wanted| wanted.mac = [3, 0, 0, 0, 0, 1]);
    wait_until("it is put back", || rig.host().mac() == SECOND);
    put_in(&rig);
    assert_eq!(rig.around.station_address(), SECOND);
    assert_ne!(rig.around.bench.register(regs::ETH_CTRL2) & regs::ctrl2::PROMISCUOUS, 0);
    rig.stop().0.expect("stops");
}

#[test]
fn a_device_that_is_away_stops() {
    let rig = an986();
    Traffic::new().ping(&rig, 3);
    pull(&rig);
    let begin = Instant::now();
    let (stopped, around) = rig.stop();
    stopped.expect("there is nothing to stop any more");
    assert!(begin.elapsed() < BOUND);
    around.bench.replug();
    around.bench.open().expect("nobody has it open");
}

#[test]
fn without_a_way_back_it_ends_and_says_so() {
    let (around, opened, endpoint) = plug(of(Variant::An986));
    let Opened::Usb { device, .. } = opened else { panic!("it is on USB") };
    let opened = Opened::Usb { device, reopen: None };
    let rig = UsbRig::start_on(around, opened, endpoint, quick()).map_err(|failed| failed.0).expect("starts");
    rig.around.bench.unplug();
    wait_until("it ends", || rig.has_ended());
    let message = rig.stop().0.expect_err("gone").to_string();
    assert!(message.contains("the device is gone") && !message.contains('\n'), "{message}");
}

/// The driver faults while the device is away or on its way.
#[test]
fn faults_on_the_way_out_and_back() {
    let rig = an986();
    let mut traffic = Traffic::new();
    let entries =
        [Entry::Interrupt, Entry::Poll, Entry::Transmit, Entry::Restore, Entry::Link, Entry::Probe, Entry::Open];
    for entry in entries {
        for point in Point::ALL {
            for times in [1, 3] {
                let what = format!("{entry} at {point}, {times} times");
                traffic.flows(&rig, &what);
                rig.inject(entry, InjectedFault::NullWrite, point, times);
                traffic.send(&rig, 2);
                pull(&rig);
                traffic.send(&rig, 2);
                put_in(&rig);
                // what has not fired by now shall not fire in the next round
                rig.inject(entry, InjectedFault::NullWrite, point, 0);
                traffic.flows(&rig, &what);
            }
        }
    }
    assert!(rig.status().faults > 0 && rig.status().canary_intact);
    rig.stop().0.expect("stops");
}

#[test]
fn it_is_waited_for_where_every_fault_is_a_restart() {
    let ladder = LadderConfig { recovery: Recovery::Restart, ..LadderConfig::default() };
    let rig = UsbRig::start(Options { ladder, ..quick() }, of(Variant::An986), |_| {}).expect("starts");
    let mut traffic = Traffic::new();
    for _ in 0..3 {
        traffic.flows(&rig, "here");
        traffic.send(&rig, 5);
        pull(&rig);
        put_in(&rig);
    }
    traffic.flows(&rig, "at last");
    rig.stop().0.expect("stops");
}

/// It is back as another one would be: all it has to do is misbehave while it is started.
#[test]
fn a_return_that_fails_for_a_moment_is_made_again() {
    let rig = an986();
    for stalls in [1, 2, 3] {
        pull(&rig);
        rig.around.bench.misbehave(|m| m.control_stalls = stalls);
        put_in(&rig);
        Traffic::new().flows(&rig, &format!("{stalls} stalls in the return"));
        let _ = rig.station().drain();
        let mut buffer = [0; 2048];
        wait_until("what was under way is through", || rig.host().try_receive(&mut buffer).is_none());
    }
    rig.stop().0.expect("stops");
}

/// The same on a chip that takes a tenth of a second to wake up, and while it does.
#[test]
fn unplugged_while_it_wakes_up() {
    let rig = UsbRig::new(config());
    pull(&rig);
    rig.around.bench.replug();
    let resets = rig.around.bench.counters().resets;
    wait_until("it is being started", || rig.around.bench.counters().resets > resets);
    rig.around.bench.unplug();
    put_in(&rig);
    Traffic::new().flows(&rig, "back");
    rig.stop().0.expect("stops");
}
