//! What is about the RTL8169 family alone: what its chips can do wrong.

use std::time::Instant;

use model_r8169::{BadDescriptor, Config, Switches, Variant, regs};
use udrv::net::NetOptions;
use udrv::run::{Command, Options};
use udrv_bus::Width;
use udrv_tests::frames::{Judge, Way};
use udrv_tests::rig::{Hand, Rig, quick};
use udrv_tests::streams::Streams;
use udrv_tests::subject::{R8169, Subject};
use udrv_tests::traffic::{self, BOUND};
use udrv_tests::{PATIENCE, wait_until};

/// One chip of each bus.
const TWO: [Variant; 2] = [Variant::Rtl8169S, Variant::Rtl8168Be];

fn survives(what: &str, wrong: &Switches) {
    for variant in TWO {
        traffic::survives::<R8169>(Config::of(variant), &format!("{what}, {variant:?}"), wrong);
    }
}

#[test]
fn descriptors_that_cannot_be_are_no_frames_and_the_receiver_goes_on() {
    const WHOLE: u32 = regs::desc::FS | regs::desc::LS;
    for (status, length) in [
        (None, Some(0)),
        (None, Some(63)),
        (None, Some(1523)),
        (None, Some(0x3fff)),
        (Some(0), None),
        (Some(regs::desc::FS), None),
        (Some(regs::desc::LS), None),
        (Some(WHOLE | regs::rxd::RES), None),
        (Some(WHOLE | regs::rxd::CRC), Some(4)),
        (Some(u32::MAX), Some(0x3fff)),
    ] {
        let wrong = BadDescriptor { status, length };
        survives(&format!("{wrong:?}"), &Switches { rx_descriptor: Some(wrong), ..Switches::default() });
    }
}

#[test]
fn sending_that_is_never_done_or_never_told() {
    survives("tx_never_done", &Switches { tx_never_done: true, ..Switches::default() });
    survives("tx_silent", &Switches { tx_silent: true, ..Switches::default() });
}

#[test]
fn receiving_that_is_never_done() {
    survives("rx_never_done", &Switches { rx_never_done: true, ..Switches::default() });
}

#[test]
fn causes_that_do_not_go_and_a_link_that_comes_and_goes() {
    for bits in [regs::isr::ROK, regs::isr::TDU, regs::isr::RDU, regs::isr::FOVW, regs::isr::LINKCHG, 0x7fff, 0xffff] {
        survives(&format!("a storm of {bits:#x}"), &Switches { isr_stuck: bits, ..Switches::default() });
    }
    for every in [1, 2, 7] {
        survives("a link that flaps", &Switches { link_flaps: every, ..Switches::default() });
    }
}

#[test]
fn a_reset_that_hangs_at_the_start_is_a_timeout() {
    let begin = Instant::now();
    let error = Rig::<R8169>::start(quick(), R8169::config(), |m| m.reset_hangs = true).err().expect("no device");
    assert!(error.to_string().contains("probe failed") && error.to_string().contains("0x37"), "{error}");
    assert!(begin.elapsed() < BOUND);
}

#[test]
fn a_phy_that_does_not_answer_is_a_timeout() {
    let error = Rig::<R8169>::start(quick(), R8169::config(), |m| m.phyar_hangs = true).err().expect("no device");
    assert!(error.to_string().contains("0x60"), "{error}");
}

/// The largest MTU of each chip, and no more: at the start, and at the interface.
#[test]
fn each_chip_has_an_mtu_of_its_own() {
    for variant in Variant::ALL {
        let most = if variant.is_pcie() { 4074 } else { 7146 };
        let with = |mtu| Options { net: NetOptions { mtu: Some(mtu), ..quick().net }, ..quick() };
        let start = |mtu| Rig::<R8169>::start(with(mtu), Config::of(variant), |_| {});
        let error = start(most + 1).err().expect("refused").to_string();
        assert!(error.contains(&format!("it can be 68 to {most}")) && error.contains("--mtu"), "{error}");
        let rig = start(most).expect("starts");
        let host = &rig.around.host;
        let (mut down, mut up, mut frame) = (Judge::new(Way::Down), Judge::new(Way::Up), Vec::new());
        let mut exchange = |number: u64, length: usize| {
            Way::Down.write_long(number, length, &mut frame);
            host.send(&frame);
            assert_eq!(down.take(&rig.around.station.receive(PATIENCE).expect("down").data), Ok(number));
            Way::Up.write_long(number, length, &mut frame);
            rig.around.station.inject(&frame);
            assert_eq!(up.take(&host.receive(PATIENCE).expect("up")), Ok(number));
        };
        for number in 0..300 {
            exchange(number, if number % 2 == 0 { most as usize + 18 } else { 60 });
        }
        for wrong in [most + 1, 7147] {
            host.administer(|wanted| wanted.mtu = wrong);
            wait_until("the MTU is put back", || host.mtu() == most);
        }
        assert!(matches!(rig.ask(Command::Restart), Some(udrv::run::Answer::Done)));
        exchange(300, most as usize + 18);
        rig.stop().0.expect("stops");
    }
}

/// More frames than there are buffers, before anyone looks: the first RTL8168B receives nothing more until it is reset,
/// and the others go on by themselves.
#[test]
fn a_receiver_that_an_overflow_has_stopped_is_started_again() {
    for variant in Variant::ALL {
        let mut hand = Hand::<R8169>::new(quick(), Config::of(variant));
        let mut resets = hand.around.bench.counters().resets;
        for number in 0..300 {
            hand.around.station.inject(&Way::Up.frame(number));
        }
        assert!(hand.around.bench.counters().rx_missed > 0, "{variant:?}: it has overflowed");
        hand.settle().expect("it goes on");
        let mut buffer = [0; 2048];
        while hand.around.host.try_receive(&mut buffer).is_some() {}
        hand.around.station.inject(&Way::Up.frame(300));
        hand.settle().expect("it goes on");
        assert_eq!(hand.around.host.try_receive(&mut buffer), Some(Way::Up.frame(300).len()), "{variant:?}");
        resets = hand.around.bench.counters().resets - resets;
        assert_eq!(resets, u64::from(variant.overflow_stops()), "{variant:?}");
    }
}

/// A ring that lies nowhere: the chip has stopped it and tells of the error on the bus. Only a reset makes it begin anew.
#[test]
fn a_ring_that_an_error_of_the_bus_has_stopped_begins_anew() {
    const NOWHERE: u32 = 0x9000_0000;
    for (at, way) in [(regs::RDSAR, Way::Up), (regs::TNPDS, Way::Down)] {
        let mut streams = Streams::<R8169>::new();
        streams.send(5);
        streams.expect_all("before");
        streams.hand.around.spy.set_register(at.into(), Width::U32, NOWHERE);
        match way {
            Way::Up => streams.hand.around.station.inject(&way.frame(99)),
            Way::Down => assert!(streams.hand.around.host.try_send(&way.frame(99))),
        }
        streams.settle();
        streams.send(5);
        streams.expect_all("after it");
    }
}
