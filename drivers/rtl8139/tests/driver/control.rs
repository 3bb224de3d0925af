//! Causes, filters, address, link and counters.

use rtl8139::{Rtl8139, regs};
use udrv_driver::{Error, Events, Link, MacAddress, NetDriver, RingParam, RxMode};

use crate::fake::{Fake, MAC};

use regs::isr;

#[test]
fn causes_become_events_and_are_acknowledged() {
    let both = Events::POLL | Events::LINK;
    for (causes, events) in [
        (isr::ROK, Events::POLL),
        (isr::RER, Events::POLL),
        (isr::TOK, Events::POLL),
        (isr::TER, Events::POLL),
        (isr::PUN_LINKCHG, Events::LINK),
        (isr::SERR, Events::ERROR),
        (isr::ROK | isr::PUN_LINKCHG, both),
        (isr::ROK | isr::PUN_LINKCHG | isr::SERR, both | Events::ERROR),
    ] {
        let mut fake = Fake::opened();
        fake.chip().raise(causes);
        fake.chip().bus.writes.clear();
        assert_eq!(fake.interrupt(), events, "{causes:#x}");
        assert_eq!(fake.chip().bus.writes, [(regs::ISR.offset(), causes.into())]);
        assert_eq!(fake.interrupt(), Events::NONE);
    }
}

#[test]
fn no_value_of_isr_panics_or_acknowledges_what_is_not_set() {
    let mut fake = Fake::opened();
    for causes in 0..0xffff_u16 {
        fake.chip().set(regs::ISR.offset(), 2, causes.into());
        fake.chip().bus.writes.clear();
        let events = fake.interrupt();
        assert_eq!(events == Events::NONE, causes & isr::CAUSES == 0);
        assert!(fake.chip().bus.writes.iter().all(|(_, value)| *value as u16 & !causes == 0 && *value != 0));
        let left = fake.chip().get(regs::ISR.offset(), 2) as u16;
        assert_eq!(left & isr::CAUSES & !isr::OVERFLOW, 0);
    }
    fake.chip().set(regs::ISR.offset(), 2, 0xffff);
    assert_eq!(fake.call(Rtl8139::interrupt), Err(Error::Gone));
}

#[test]
fn open_sets_the_registers_as_the_datasheet_has_them() {
    let mut fake = Fake::opened();
    let chip = fake.chip();
    assert_eq!(chip.get(regs::IMR.offset(), 2), 0x807f);
    assert_eq!(chip.get(regs::TCR.offset(), 4), 0x0300_0600);
    assert_eq!(chip.get(regs::RCR.offset(), 4), 0xf78a, "32 KiB, whole frames, unlimited bursts, WRAP, AB, APM");
    assert!(chip.enabled(regs::cr::RE) && chip.enabled(regs::cr::TE));
    // ring, then enables, then TCR and RCR, then the mask
    let order: Vec<u16> = chip.bus.writes.iter().map(|w| w.0).collect();
    let last = |register: u16| order.iter().rposition(|o| *o == register).unwrap();
    let (ring, enable, mask) = (last(regs::RBSTART.offset()), last(regs::CR.offset()), last(regs::IMR.offset()));
    let (tcr, rcr) = (last(regs::TCR.offset()), last(regs::RCR.offset()));
    assert!(ring < enable && enable < tcr && tcr < rcr && rcr < mask);
}

fn mode(promiscuous: bool, multicast: u64) -> RxMode {
    RxMode { promiscuous, multicast }
}

#[test]
fn each_hash_bit_is_its_bit_of_mar() {
    let mut fake = Fake::opened();
    for bit in 0..64 {
        assert_eq!(fake.call(|cx| Rtl8139::set_rx_mode(cx, mode(false, 1 << bit))), Ok(()));
        let chip = fake.chip();
        let mut mar = [0; 8];
        mar[bit / 8] = 1 << (bit % 8);
        assert_eq!(chip.registers[8..16], mar);
        assert_eq!(chip.get(regs::RCR.offset(), 4) & 0xf, regs::rcr::AB | regs::rcr::APM | regs::rcr::AM);
    }
}

/// 01:00:5e:00:00:01 (all hosts) hashes to 32 in every RTL8139: bit 0 of MAR4.
#[test]
fn all_hosts_is_where_every_driver_has_it() {
    let mut fake = Fake::opened();
    let bit = RxMode::multicast_bit(MacAddress([1, 0, 0x5e, 0, 0, 1]));
    assert_eq!(fake.call(|cx| Rtl8139::set_rx_mode(cx, mode(false, bit))), Ok(()));
    assert_eq!(fake.chip().registers[8..16].iter().map(|byte| byte.count_ones()).sum::<u32>(), 1);
    assert_eq!(bit.trailing_zeros(), crc_by_hand(&[1, 0, 0x5e, 0, 0, 1]) >> 26);
}

/// The same CRC, the other way round: least significant bit first, then mirrored.
fn crc_by_hand(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 != 0 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    crc.reverse_bits()
}

#[test]
fn promiscuous_and_back() {
    let mut fake = Fake::opened();
    assert_eq!(fake.call(|cx| Rtl8139::set_rx_mode(cx, mode(true, 1))), Ok(()));
    assert_eq!(fake.chip().get(regs::RCR.offset(), 4) & 0xf, 0xf);
    assert_eq!(fake.chip().registers[8..16], [0xff; 8]);
    assert_eq!(fake.call(|cx| Rtl8139::set_rx_mode(cx, mode(false, 0))), Ok(()));
    assert_eq!(fake.chip().get(regs::RCR.offset(), 4) & 0xf, regs::rcr::AB | regs::rcr::APM);
    assert_eq!(fake.chip().registers[8..16], [0; 8]);
}

#[test]
fn a_mode_set_while_closed_holds_when_open() {
    let mut fake = Fake::new();
    assert_eq!(fake.call(Rtl8139::probe), Ok(MAC));
    assert_eq!(fake.call(|cx| Rtl8139::set_rx_mode(cx, mode(true, 0))), Ok(()));
    assert_eq!(fake.call(Rtl8139::open), Ok(()));
    assert_eq!(fake.chip().get(regs::RCR.offset(), 4) & 0xf, 0xf);
}

/// With frames in the ring: a chip keeps them, one whose ring starts anew with RCR is followed.
#[test]
fn a_change_of_mode_does_not_lose_the_place() {
    for restarts in [false, true] {
        let mut fake = Fake::opened();
        fake.chip().receive(100, 1);
        assert_eq!(fake.poll(8), Ok(1));
        fake.chip().receive(100, 2);
        fake.chip().trouble.rcr_restarts_ring = restarts;
        assert_eq!(fake.call(|cx| Rtl8139::set_rx_mode(cx, mode(true, 0))), Ok(()));
        assert_eq!(fake.poll(8), Ok(u32::from(!restarts)));
        fake.border().delivered.clear();
        fake.assert_works();
        assert_eq!(fake.stats().rx_resets, 0);
    }
}

#[test]
fn address() {
    let mut fake = Fake::opened();
    let mac = MacAddress([2, 1, 2, 3, 4, 0xff]);
    fake.chip().bus.writes.clear();
    assert_eq!(fake.call(|cx| Rtl8139::set_mac(cx, mac)), Ok(()));
    let chip = fake.chip();
    assert_eq!(chip.registers[..6], mac.0);
    let order: Vec<u16> = chip.bus.writes.iter().map(|w| w.0).collect();
    assert_eq!(order, [0x50, 0x00, 0x04, 0x50]);
    assert_eq!(chip.registers[0x50], regs::cr9346::LOCKED);
    for group in [[1, 0, 0, 0, 0, 0], [0xff; 6], [0; 6]] {
        assert_eq!(fake.call(|cx| Rtl8139::set_mac(cx, MacAddress(group))), Err(Error::Unsupported));
    }
    assert_eq!(fake.chip().registers[..6], mac.0);
}

#[test]
fn link() {
    let mut fake = Fake::opened();
    let mut look = |msr: u8, bmcr: u16, bmsr: u16, anar: u16, anlpar: u16| {
        let chip = fake.chip();
        chip.registers[0x58] = msr;
        for (register, value) in [(regs::BMCR, bmcr), (regs::BMSR, bmsr), (regs::ANAR, anar), (regs::ANLPAR, anlpar)] {
            chip.set(register.offset(), 2, value.into());
        }
        let link = fake.call(Rtl8139::link).unwrap();
        (link.up, link.speed, link.full_duplex)
    };
    assert_eq!(look(0x00, 0x1000, 0x782d, 0x01e1, 0x45e1), (true, 100, true));
    assert_eq!(look(0x08, 0x1000, 0x782d, 0x01e1, 0x4021), (true, 10, false));
    assert_eq!(look(0x00, 0x2100, 0x780d, 0x01e1, 0), (true, 100, true), "forced");
    assert_eq!(look(0xd0, 0x1000, 0x782d, 0x05e1, 0x05e1), (true, 100, true), "QEMU");
    let down = Link::default();
    assert_eq!(look(0x04, 0x1000, 0x7809, 0x01e1, 0), (down.up, down.speed, down.full_duplex));
}

#[test]
fn missed_frames_are_counted_once() {
    let mut fake = Fake::opened();
    fake.chip().set(regs::MPC.offset(), 4, 7);
    assert_eq!(fake.stats().rx_missed, 7);
    assert_eq!(fake.stats().rx_missed, 7);
    fake.chip().set(regs::MPC.offset(), 4, 0x00ff_ffff);
    assert_eq!(fake.stats().rx_missed, 7 + 0x00ff_ffff);
    fake.chip().set(regs::MPC.offset(), 4, 2);
    assert_eq!(fake.call(Rtl8139::stop), Ok(()));
    assert_eq!(fake.stats().rx_missed, 9 + 0x00ff_ffff, "a reset does not lose them");
}

#[test]
fn receive_errors_are_counted() {
    let mut fake = Fake::opened();
    fake.chip().raise(isr::RER);
    fake.interrupt();
    assert_eq!(fake.stats().rx_errors, 1);
}

#[test]
fn ringparam() {
    let mut fake = Fake::new();
    assert_eq!(fake.call(Rtl8139::probe), Ok(MAC));
    assert_eq!(fake.call(Rtl8139::get_ringparam), Ok(RingParam { rx: 32768, tx: 4 }));
    assert_eq!(fake.call(Rtl8139::open), Ok(()));
    assert_eq!(fake.call(Rtl8139::get_ringparam), Ok(RingParam { rx: 32768, tx: 4 }));
}
