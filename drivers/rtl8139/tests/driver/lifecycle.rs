//! Probe, open, stop, quiesce, restore, and calls that are abandoned.

use rtl8139::{Rtl8139, regs};
use udrv_driver::{Driver, Level, MacAddress, NetDriver, RxMode};

use crate::fake::{Fake, MAC};

const CR: u16 = regs::CR.offset();

#[test]
fn probe_resets_and_gives_the_address() {
    let mut fake = Fake::new();
    assert_eq!(fake.call(Rtl8139::probe), Ok(MAC));
    let chip = fake.chip();
    assert!(chip.bus.writes.contains(&(CR, regs::cr::RST.into())));
    assert_eq!(chip.bus.dma.len(), 1);
    assert!(chip.bus.dma[0].len() >= 32 * 1024 + 16 + 2048);
    assert_eq!(fake.border().logs, [Level::Info as u64]);
}

#[test]
fn an_address_that_no_station_has_is_none() {
    for mac in [[0; 6], [0xff; 6], [1, 2, 3, 4, 5, 6]] {
        let mut fake = Fake::new();
        fake.chip().load_mac(MacAddress(mac));
        assert_eq!(fake.call(Rtl8139::probe), Ok(MacAddress([0; 6])), "{mac:?}");
    }
}

/// All of them speak the legacy mode: an unknown one is said to be so, and driven.
#[test]
fn a_version_that_is_not_known_is_said_and_driven() {
    let mut fake = Fake::new();
    fake.chip().version = 0x0440_0000;
    assert_eq!(fake.call(Rtl8139::probe), Ok(MAC));
    assert_eq!(fake.border().logs, [Level::Warn as u64]);
    assert_eq!(fake.call(Rtl8139::open), Ok(()));
    fake.assert_works();
}

#[test]
fn restore_mends_a_chip_that_was_scribbled_over() {
    for reset_loads_mac in [false, true] {
        let mut fake = Fake::opened();
        fake.chip().trouble.reset_loads_mac = reset_loads_mac;
        for buffer in 0..4 {
            assert_eq!(fake.transmit(buffer, 60), Ok(()));
        }
        let chip = fake.chip();
        chip.receive(100, 1);
        chip.registers[..0x58].fill(0x5a);
        assert_eq!(fake.call(Rtl8139::restore), Ok(()));
        assert_eq!(fake.border().completed.len(), 4);
        assert!(fake.border().completed.iter().all(|(_, sent)| !sent));
        fake.assert_works();
    }
}

#[test]
fn restore_when_closed_stays_closed() {
    let mut fake = Fake::new();
    assert_eq!(fake.call(Rtl8139::probe), Ok(MAC));
    fake.chip().registers[..0x58].fill(0x5a);
    assert_eq!(fake.call(Rtl8139::restore), Ok(()));
    let chip = fake.chip();
    assert!(!chip.enabled(regs::cr::RE | regs::cr::TE));
    assert_eq!(chip.get(regs::IMR.offset(), 2), 0);
    assert_eq!(chip.registers[..6], MAC.0);
}

/// A reset keeps IDR: zeros written there would be what the next probe finds.
#[test]
fn restore_before_probe_leaves_the_address_alone() {
    let mut fake = Fake::new();
    assert_eq!(fake.call(Rtl8139::restore), Ok(()));
    assert_eq!(fake.call(Rtl8139::probe), Ok(MAC));
}

#[test]
fn restore_keeps_address_filter_and_counters() {
    let mut fake = Fake::opened();
    let mac = MacAddress([2, 3, 4, 5, 6, 7]);
    assert_eq!(fake.call(|cx| Rtl8139::set_mac(cx, mac)), Ok(()));
    let mode = RxMode { promiscuous: false, multicast: 0x0123_4567_89ab_cdef };
    assert_eq!(fake.call(|cx| Rtl8139::set_rx_mode(cx, mode)), Ok(()));
    fake.chip().set(regs::MPC.offset(), 4, 5);
    fake.chip().trouble.reset_loads_mac = true;
    assert_eq!(fake.call(Rtl8139::restore), Ok(()));
    let chip = fake.chip();
    assert_eq!(chip.registers[..6], mac.0);
    assert_eq!(chip.registers[8..16], mode.multicast.to_le_bytes());
    assert_ne!(chip.get(regs::RCR.offset(), 4) & regs::rcr::AM, 0);
    assert_eq!(fake.stats().rx_missed, 5);
}
