//! What is about the 8254x alone: what its chips can do wrong, and what its EEPROM can hold.

use std::time::{Duration, Instant};

use model_e1000::{BadWriteback, Config, Switches, Variant};
use udrv::net::NetOptions;
use udrv::run::Options;
use udrv_driver::{Entry, MacAddress};
use udrv_tests::frames::CARD;
use udrv_tests::rig::{Rig, quick};
use udrv_tests::streams::Streams;
use udrv_tests::subject::{E1000, Subject};
use udrv_tests::traffic::{self, BOUND, Traffic};

fn survives(what: &str, wrong: Switches) {
    traffic::survives::<E1000>(E1000::config(), what, &wrong);
}

/// Sixty-four words by their wires are thousands of register accesses: more than a call that carries frames may use.
#[test]
fn an_eeprom_that_is_read_by_its_wires_on_a_slow_bus_takes_longer_than_a_call_and_the_device_starts() {
    let slow = Duration::from_micros(10);
    let config = Config { variant: Variant::I82544Gc, read_cost: slow, ..E1000::config() };
    let options = Options { deadline: Duration::from_millis(2), ..quick() };
    let rig = Rig::<E1000>::start(options, config, |_| {}).expect("starts");
    rig.stop().0.expect("stops");
}

#[test]
fn an_eeprom_that_does_not_add_up_needs_an_address_from_the_administrator() {
    let lies = |m: &mut udrv_tests::subject::Misbehave<E1000>| m.eeprom_checksum = true;
    let error = Rig::<E1000>::start(quick(), E1000::config(), lies).err().expect("no address").to_string();
    assert!(error.contains("address") && !error.contains('\n'), "{error}");
    let options = Options { net: NetOptions { mac: Some(MacAddress(CARD)), ..quick().net }, ..quick() };
    let rig = Rig::<E1000>::start(options, E1000::config(), lies).expect("it has one now");
    Traffic::new().flows(&rig, "with the administrator's address");
    rig.stop().0.expect("stops");
}

#[test]
fn a_reset_that_hangs_at_the_start_is_a_timeout() {
    let begin = Instant::now();
    let error = Rig::<E1000>::start(quick(), E1000::config(), |m| m.reset_hangs = true).err().expect("no device");
    assert!(error.to_string().contains("probe failed") && error.to_string().contains("0x0"), "{error}");
    assert!(begin.elapsed() < BOUND);
}

#[test]
fn a_phy_that_does_not_answer_is_a_timeout() {
    let error = Rig::<E1000>::start(quick(), E1000::config(), |m| m.mdic_hangs = true).err().expect("no device");
    assert!(error.to_string().contains("0x20"), "{error}");
}

#[test]
fn results_that_cannot_be_are_no_frames_and_the_receiver_goes_on() {
    for (status, length, errors) in [
        (None, Some(0), None),
        (None, Some(63), None),
        (None, Some(1523), None),
        (None, Some(0xffff), None),
        (None, None, Some(0xff)),
        (Some(0x01), None, None),
        (Some(0xff), Some(0xffff), Some(0xff)),
    ] {
        let wrong = BadWriteback { status, length, errors };
        survives(&format!("{wrong:?}"), Switches { rx_writeback: Some(wrong), ..Switches::default() });
    }
}

#[test]
fn sending_that_is_never_done_or_never_told() {
    survives("tx_never_done", Switches { tx_never_done: true, ..Switches::default() });
    survives("tx_silent", Switches { tx_silent: true, ..Switches::default() });
}

#[test]
fn heads_that_jump() {
    for jump in [1, 63, 64, 255, 0x8000, 0xffff] {
        survives(&format!("a jump of {jump}"), Switches { heads_jump: Some(jump), ..Switches::default() });
        // `restore` is who looks at them
        let mut streams = Streams::<E1000>::new();
        streams.send(5);
        streams.expect_all("before");
        streams.hand.around.bench.misbehave(|m| m.heads_jump = Some(jump));
        streams.call(Entry::Restore);
        streams.send(5);
        streams.expect_all(&format!("restored with a jump of {jump}"));
    }
}

#[test]
fn causes_that_do_not_go_and_a_link_that_comes_and_goes() {
    for bits in [0x80, 0x01, 0x04, 0x10, 0x40, 0x1dd, 0xffff] {
        survives(&format!("a storm of {bits:#x}"), Switches { icr_stuck: bits, ..Switches::default() });
    }
    for every in [1, 2, 7] {
        survives("a link that flaps", Switches { link_flaps: every, ..Switches::default() });
    }
}
