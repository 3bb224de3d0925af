//! Which chips, link, addresses, modes and counters.

use pegasus::Pegasus;
use pegasus::regs::{device, phyctrl};
use udrv_driver::{Bus, Driver, Error, Events, Link, MacAddress, NetDriver, RingParam, RxMode};
use udrv_driver_tests::Chip as _;
use udrv_driver_tests::input::assert_gives_up_in_time;

use crate::chip::{AN986, Chip};
use crate::fake::{Fake, MAC};

fn probed(change: impl FnOnce(&mut Chip)) -> Fake {
    let mut fake = Fake::new();
    change(fake.chip());
    assert_eq!(fake.call(Pegasus::probe), Ok(MAC));
    fake
}

fn opened(change: impl FnOnce(&mut Chip)) -> Fake {
    let mut fake = probed(change);
    assert_eq!(fake.call(Pegasus::open), Ok(()));
    fake
}

/// What was written to registers of the chip, at these offsets and above.
fn told(fake: &mut Fake, from: u16) -> Vec<(u16, u32)> {
    fake.chip().bus.writes.iter().filter(|(offset, _)| (from..0x100).contains(offset)).copied().collect()
}

#[test]
fn requests_and_endpoints() {
    let Bus::Usb { read, write, endpoints } = Pegasus::BUS else { panic!("it is on USB") };
    assert_eq!((read, write), (0xf0, 0xf1));
    assert_eq!(
        endpoints.iter().map(|e| (e.address, e.interrupt)).collect::<Vec<_>>(),
        [(0x81, false), (0x02, false), (0x83, true)]
    );
}

#[test]
fn a_pegasus_ii_is_told_what_it_must_be_told_and_an_an986_is_not() {
    let mut fake = probed(|_| {});
    let pins = [(0x7e, 0x2626), (0x7e, 0x2624), (0x7e, 0x2626)];
    let more = [(0x7b, 1), (0x7b, 2), (0x83, 0xa5), (0x80, 0x02c0), (0x83, 0xff), (0x84, 1)];
    assert_eq!(told(&mut fake, 0x78), [&pins[..], &more].concat());
    assert_eq!(fake.border().now, 100_000, "its PHY is in reset for so long");

    let mut fake = probed(|chip| chip.controller.id = AN986);
    assert_eq!(told(&mut fake, 0x78), pins);
    assert!(fake.chip().bus.writes.iter().all(|(offset, _)| *offset != device::RXFC.offset()));
    assert_eq!(fake.call(Pegasus::open), Ok(()));
    fake.assert_works();
}

/// Whatever its product id: what it puts before a frame is not known well enough.
#[test]
fn an_adm8513_is_refused_by_name() {
    for id in [0x07a6_8511, 0x07a6_8515] {
        let mut fake = Fake::new();
        (fake.chip().controller.id, fake.chip().trouble.keeps_83) = (id, true);
        assert_eq!(fake.call(Pegasus::probe), Err(Error::NotThisDevice));
        assert_eq!(fake.border().logs, [1], "it says so");
        assert!(fake.chip().bus.dma.is_empty() && fake.chip().is_quiet());
    }
    assert!(!Pegasus::IDS.contains(&(0x07a6, 0x8513)));
}

/// The MAC is told, once.
#[test]
fn the_link_is_what_was_negotiated() {
    let mut fake = opened(|_| {});
    for (link, media) in Chip::LINKS.iter().zip([0x30, 0x10, 0x20, 0x00]) {
        fake.chip().change_link(*link);
        for _ in 0..2 {
            fake.chip().bus.writes.clear();
            assert_eq!(fake.call(Pegasus::link), Ok(*link));
            assert_eq!(fake.chip().registers[1], media);
        }
        assert!(!fake.chip().bus.writes.iter().any(|(offset, _)| *offset == 0x01));
    }
    fake.chip().trouble.no_phy = true;
    assert_eq!(fake.call(Pegasus::link), Ok(Link::default()), "no PHY is no link");
}

#[test]
fn a_sleeping_phy_is_woken() {
    for control in [0x1800, 0x2100] {
        let fake = opened(|chip| chip.phy[0] = control);
        let mut fake = fake;
        assert_eq!(fake.chip().phy[0] & 0x1800, 0x1000);
    }
    let mut fake = opened(|_| {});
    let accesses = told(&mut fake, 0x25).into_iter().filter(|(offset, _)| *offset == 0x25);
    assert!(accesses.map(|(_, value)| (value >> 24) as u8).all(|control| control & phyctrl::WRITE == 0), "it is read");
}

#[test]
fn a_phy_that_does_not_answer_is_given_up() {
    assert_gives_up_in_time(probed(|_| {}), 0x28, |chip, hangs| chip.trouble.phy_hangs = hangs, Pegasus::open);
}

/// It has no address then, and can be given one.
#[test]
fn an_eeprom_that_does_not_answer_has_no_address() {
    let mut fake = Fake::new();
    fake.chip().trouble.eprom_hangs = true;
    let before = fake.border().now;
    assert_eq!(fake.call(Pegasus::probe), Ok(MacAddress([0; 6])));
    let waited = fake.border().now - before;
    // waking up takes 100 ms, and the first word is waited for and no other
    assert!(waited < 160_000, "{waited} us");
}

#[test]
fn addresses() {
    let mut fake = opened(|_| {});
    let other = MacAddress([2, 1, 2, 3, 4, 0xff]);
    assert_eq!(fake.call(|cx| Pegasus::set_mac(cx, other)), Ok(()));
    assert_eq!(fake.chip().mac(), other.0);
    // a reset loads what is in the EEPROM
    assert_eq!(fake.call(Pegasus::tx_timeout), Ok(()));
    assert_eq!(fake.chip().mac(), other.0);
    for which in [[1, 0, 0, 0, 0, 0], [0; 6]] {
        let words = [[which[0], which[1]], [which[2], which[3]], [which[4], which[5]]].map(u16::from_le_bytes);
        let mut fake = Fake::new();
        fake.chip().eprom[..3].copy_from_slice(&words);
        assert_eq!(fake.call(Pegasus::probe), Ok(MacAddress([0; 6])), "no station has that");
    }
}

#[test]
fn modes() {
    let mut fake = opened(|_| {});
    for (promiscuous, multicast, control0, control2) in
        [(false, 1 << 9, 0xcb, 0x01), (true, 0, 0xcb, 0x05), (false, 0, 0xc9, 0x01), (true, u64::MAX, 0xcb, 0x05)]
    {
        let mode = RxMode { promiscuous, multicast };
        assert_eq!(fake.call(|cx| Pegasus::set_rx_mode(cx, mode)), Ok(()));
        for entry in [Pegasus::restore, Pegasus::tx_timeout] {
            assert_eq!((fake.chip().registers[0], fake.chip().registers[2]), (control0, control2));
            assert_eq!(fake.call(entry), Ok(()));
        }
        assert_eq!((fake.chip().registers[0], fake.chip().registers[2]), (control0, control2), "kept");
    }
    assert_eq!(fake.call(Pegasus::stop), Ok(()));
    assert_eq!(fake.call(|cx| Pegasus::set_rx_mode(cx, RxMode::default())), Ok(()));
    assert!(fake.chip().is_quiet(), "before it is open it is not switched on");
}

#[test]
fn counters_and_rings() {
    let mut fake = opened(|_| {});
    fake.interrupt();
    fake.chip().miss(5);
    assert_eq!(fake.interrupt(), Events::POLL);
    assert_eq!(fake.interrupt(), Events::NONE, "it is told once");
    fake.chip().miss(0x1234);
    fake.interrupt();
    assert_eq!(fake.stats().rx_missed, 0x1239);
    // more than the counter has room for is said by a bit of it
    fake.chip().tell_as(&[0, 0x40, 1, 0xff, 0xff, 1, 0, 0]);
    fake.interrupt();
    assert_eq!(fake.stats().rx_missed, 0x1239 + 0x7fff);
    for why in [2, 3, 4, 5, 6, 7] {
        fake.chip().fail(1 << why);
        assert_eq!(fake.interrupt(), Events::POLL | Events::LINK);
    }
    fake.chip().fail(1 << 1);
    assert_eq!((fake.interrupt(), fake.stats().tx_errors), (Events::POLL, 6));
    assert_eq!(fake.call(Pegasus::get_ringparam), Ok(RingParam { rx: 16, tx: 32 }));
}

/// Neither a packet that is cut nor one that is empty says anything, and the next is heard.
#[test]
fn a_packet_that_is_none_is_dropped() {
    let mut fake = opened(|_| {});
    fake.interrupt();
    for bytes in 0..8 {
        fake.chip().tell_as(&[0xff; 8][..bytes]);
        assert_eq!(fake.interrupt(), Events::POLL);
    }
    assert_eq!((fake.stats().tx_errors, fake.stats().rx_missed), (0, 0));
    fake.chip().change_link(Link::default());
    assert!(fake.interrupt().has(Events::LINK));
}

/// On some boards endpoint 3 does not tell of the link. A frame that is not sent does.
#[test]
fn a_frame_that_is_not_sent_has_the_link_looked_at() {
    let mut fake = opened(|chip| chip.trouble.link_unsaid = true);
    fake.interrupt();
    fake.chip().change_link(Link::default());
    assert_eq!(fake.interrupt(), Events::POLL);
    fake.chip().fail(1 << 4);
    assert!(fake.interrupt().has(Events::LINK));
    assert_eq!(fake.call(Pegasus::link), Ok(Link::default()));
}
