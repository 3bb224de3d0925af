//! What the administrator changes at the interface reaches the chip, and what the chip cannot do is put back.

use model_rtl8139::Config;
use udrv::net::NetOptions;
use udrv::run::{Answer, Command, Options};
use udrv_driver::{Entry, InjectedFault, MacAddress, NetDriver, Point};
use udrv_tests::frames::CARD;
use udrv_tests::rig::{Rig, quick};
use udrv_tests::subject::{self, Subject};
use udrv_tests::traffic::Traffic;
use udrv_tests::{PATIENCE, every_subject, wait_until};

every_subject! {
    address_and_receive_mode_follow_the_interface,
    an_mtu_that_the_chip_does_not_have_is_put_back,
}

const SECOND: [u8; 6] = [0x02, 0, 0, 0, 0, 0x77];
const OTHER: [u8; 6] = [0x02, 0, 0, 0, 0, 0x99];
/// Nobody's address: it is one of a group.
const GROUP: [u8; 6] = [0x03, 0, 0, 0, 0, 1];

/// Whether the chip takes a frame for this address: one that it takes in any case is sent behind it.
fn takes<S: Subject>(rig: &Rig<S>, mac: [u8; 6]) -> bool {
    let to = |mac: [u8; 6]| {
        let mut frame = mac.to_vec();
        frame.extend([2, 0, 0, 0, 0, 9, 0x88, 0xb5]);
        frame.resize(60, mac[5]);
        frame
    };
    rig.around.station.inject(&to(mac));
    rig.around.station.inject(&to([0xff; 6]));
    let mut seen = 0;
    loop {
        let frame = rig.around.host.receive(PATIENCE).expect("a broadcast comes up");
        seen += 1;
        if frame[5] == 0xff {
            return seen == 2;
        }
    }
}

fn address_and_receive_mode_follow_the_interface<S: Subject>() {
    let rig = Rig::<S>::new();
    let host = &rig.around.host;
    assert!(takes(&rig, CARD) && !takes(&rig, SECOND));

    host.administer(|wanted| wanted.mac = SECOND);
    wait_until("the device has the address", || rig.status().net().mac == "02:00:00:00:00:77");
    assert!(takes(&rig, SECOND) && !takes(&rig, CARD) && !takes(&rig, OTHER));

    host.administer(|wanted| wanted.promiscuous = true);
    wait_until("it takes everything", || takes(&rig, OTHER));
    host.administer(|wanted| wanted.promiscuous = false);
    wait_until("it takes its own again", || !takes(&rig, OTHER));

    // the chip refuses it, and the interface gets back what it had
    host.administer(|wanted| wanted.mac = GROUP);
    wait_until("the address is put back", || host.mac() == SECOND);
    assert_eq!(rig.status().net().mac, "02:00:00:00:00:77");
    // and what was changed beside it is followed all the same
    host.administer(|wanted| (wanted.mac, wanted.promiscuous) = (GROUP, true));
    wait_until("it takes everything again", || takes(&rig, OTHER));
    host.administer(|wanted| wanted.promiscuous = false);
    wait_until("it takes its own once more", || !takes(&rig, OTHER));

    // a fault in between changes nothing of it, nor does a restart
    rig.inject(Entry::SetMac, InjectedFault::NullWrite, Point::Middle, 1);
    host.administer(|wanted| wanted.mac = OTHER);
    wait_until("the device has the next address", || rig.status().net().mac == "02:00:00:00:00:99");
    assert_eq!(rig.status().faults, 1);
    assert!(matches!(rig.ask(Command::Restart), Some(Answer::Done)));
    assert!(takes(&rig, OTHER) && !takes(&rig, SECOND));
    rig.stop().0.expect("stops");
}

fn an_mtu_that_the_chip_does_not_have_is_put_back<S: Subject>() {
    let rig = Rig::<S>::new();
    let (host, most) = (&rig.around.host, S::Driver::FEATURES.max_mtu);
    for (wrong, before) in [(most + 1, 1500), (u32::MAX, 1500)] {
        host.administer(|wanted| wanted.mtu = wrong);
        wait_until("the MTU is put back", || host.mtu() == before);
    }
    host.administer(|wanted| wanted.mtu = 600);
    wait_until("a smaller one is followed", || rig.status().net().mtu == 600);
    assert!(takes(&rig, CARD));
    assert_eq!(host.mtu(), 600, "it is the host's affair");
    host.administer(|wanted| wanted.mtu = most + 1);
    wait_until("the one that it had is put back", || host.mtu() == 600);
    rig.stop().0.expect("stops");
}

/// The chip takes what its EEPROM has; the driver says that it is none, and the class what helps.
#[test]
fn a_card_whose_eeprom_is_empty_needs_an_address_from_the_administrator() {
    for mac in [[0xff; 6], [0; 6]] {
        let config = || Config { mac, ..Config::default() };
        let error = Rig::<subject::Rtl8139>::start(quick(), config(), |_| {}).err().expect("no address").to_string();
        assert!(error.contains("has no station address") && error.contains("--mac"), "{error}");
        let options = Options { net: NetOptions { mac: Some(MacAddress(CARD)), ..quick().net }, ..quick() };
        let rig = Rig::<subject::Rtl8139>::start(options, config(), |_| {}).expect("it has one now");
        let mut traffic = Traffic::new();
        traffic.flows(&rig, "with the administrator's address");
        rig.call(Entry::Restore).expect("works");
        traffic.flows(&rig, "after a restore");
        rig.stop().0.expect("stops");
    }
}
