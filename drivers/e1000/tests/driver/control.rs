//! Causes, filters, address, link and counters.

use e1000::{E1000, regs};
use udrv_driver::{Error, Events, Link, MacAddress, NetDriver, Point, RingParam, RxMode};

use crate::fake::{Fake, MAC, OTHER, hide_injected};

use regs::{icr, rctl, tctl};

#[test]
fn causes_become_events() {
    let mut fake = Fake::opened();
    for causes in 0..0x400 {
        fake.chip().raise(causes | 0x8000);
        let events = fake.interrupt();
        assert_eq!(events.has(Events::POLL), causes & (icr::TXDW | icr::RXT0 | icr::RXO | icr::RXDMT0) != 0);
        assert_eq!(events.has(Events::LINK), causes & (icr::LSC | icr::RXSEQ) != 0);
        assert!(!events.has(Events::ERROR));
        assert_eq!(fake.interrupt(), Events::NONE, "reading acknowledges");
    }
    fake.chip().set(regs::ICR, u32::MAX);
    assert_eq!(fake.call(E1000::interrupt), Err(Error::Gone));
}

/// Reading has cleared them in the chip: they are presented again.
#[test]
fn causes_of_a_call_that_fails_come_again() {
    hide_injected();
    let mut fake = Fake::opened();
    fake.chip().raise(icr::RXT0);
    assert!(fake.abandon(Point::End, E1000::interrupt));
    fake.chip().raise(icr::LSC);
    assert_eq!(fake.interrupt(), Events::POLL | Events::LINK);
    assert_eq!(fake.interrupt(), Events::NONE);
}

#[test]
fn open_sets_the_registers_as_the_manual_has_them() {
    let mut fake = Fake::opened();
    let chip = fake.chip();
    assert_eq!(chip.get(regs::IMS), 0xdd);
    assert_eq!(chip.get(regs::ITR), 195, "50 us");
    assert_eq!(chip.get(regs::RCTL), 0x8002, "EN, BAM");
    assert_eq!(chip.get(regs::TCTL), 0x0004_00fa, "EN, PSP, CT 15, COLD 64");
    assert_eq!(chip.get(regs::TIPG), 0x0060_2008);
    assert_eq!((chip.get(regs::RDLEN), chip.get(regs::TDLEN)), (4096, 1024));
    assert_eq!((chip.get(regs::RDH), chip.get(regs::RDT)), (0, 255));
    assert_eq!((chip.get(regs::TDH), chip.get(regs::TDT)), (0, 0));
    assert_eq!(chip.get(regs::CTRL) & (regs::ctrl::OFF | regs::ctrl::SLU), regs::ctrl::SLU);
    assert!(regs::MTA.into_iter().chain(regs::RA_OTHERS).all(|register| chip.get(register) == 0));
}

/// Buffer n is descriptor n's, all in one piece.
#[test]
fn every_descriptor_has_its_buffer() {
    let mut fake = Fake::opened();
    let memory = &fake.chip().bus.dma[0];
    for index in 0..256 {
        let address = u64::from_le_bytes(memory[16 * index..][..8].try_into().unwrap());
        assert_eq!(address, 0x10_0000 + 8192 + 2048 * index as u64);
    }
}

fn mode(promiscuous: bool, multicast: u64) -> RxMode {
    RxMode { promiscuous, multicast }
}

#[test]
fn modes() {
    let mut fake = Fake::opened();
    for (wanted, bits) in [
        (mode(false, 1), rctl::MPE),
        (mode(false, u64::MAX), rctl::MPE),
        (mode(true, 0), rctl::UPE | rctl::MPE),
        (mode(true, 7), rctl::UPE | rctl::MPE),
        (mode(false, 0), 0),
    ] {
        assert_eq!(fake.call(|cx| E1000::set_rx_mode(cx, wanted)), Ok(()));
        assert_eq!(fake.chip().get(regs::RCTL), rctl::RUN | bits, "{wanted:?}");
    }
    fake.assert_works();
}

#[test]
fn a_mode_set_while_closed_holds_when_open() {
    let mut fake = Fake::new();
    assert_eq!(fake.call(E1000::probe), Ok(MAC));
    assert_eq!(fake.call(|cx| E1000::set_rx_mode(cx, mode(true, 0))), Ok(()));
    assert!(!fake.chip().receives());
    assert_eq!(fake.call(E1000::open), Ok(()));
    assert_eq!(fake.chip().get(regs::RCTL), rctl::RUN | rctl::UPE | rctl::MPE);
}

#[test]
fn address() {
    let mut fake = Fake::opened();
    fake.chip().bus.writes.clear();
    assert_eq!(fake.call(|cx| E1000::set_mac(cx, OTHER)), Ok(()));
    let (ral, rah) = (regs::RAL0.offset(), regs::RAH0.offset());
    assert_eq!(fake.chip().bus.writes, [(rah, 0), (ral, 0x0302_0102), (rah, 0x8000_ff04)]);
    for group in [[1, 0, 0, 0, 0, 0], [0xff; 6], [0; 6]] {
        assert_eq!(fake.call(|cx| E1000::set_mac(cx, MacAddress(group))), Err(Error::Unsupported));
    }
    assert_eq!(fake.chip().mac(), OTHER.0);
}

#[test]
fn link() {
    let mut fake = Fake::opened();
    let mut look = |status: u32| {
        fake.chip().set(regs::STATUS, status);
        let link = fake.call(E1000::link).unwrap();
        ((link.up, link.speed, link.full_duplex), fake.chip().get(regs::TCTL))
    };
    assert_eq!(look(0x83), ((true, 1000, true), tctl::RUN_FULL));
    assert_eq!(look(0x42), ((true, 100, false), tctl::RUN_HALF));
    let down = Link::default();
    assert_eq!(look(0x40), ((down.up, down.speed, down.full_duplex), tctl::RUN_HALF), "as it was");
    assert_eq!(look(0x03), ((true, 10, true), tctl::RUN_FULL));
    fake.assert_works();
}

/// Half duplex that was found before `open` is what `open` sets up.
#[test]
fn duplex_found_while_closed_holds_when_open() {
    let mut fake = Fake::new();
    assert_eq!(fake.call(E1000::probe), Ok(MAC));
    fake.chip().set(regs::STATUS, 0x42);
    assert!(fake.call(E1000::link).unwrap().up);
    assert!(!fake.chip().sends());
    assert_eq!(fake.call(E1000::open), Ok(()));
    assert_eq!(fake.chip().get(regs::TCTL), tctl::RUN_HALF);
}

#[test]
fn counters_add_up() {
    let mut fake = Fake::opened();
    for _ in 0..2 {
        for (n, register) in [regs::CRCERRS, regs::ALGNERRC, regs::RXERRC, regs::RUC, regs::ROC].into_iter().enumerate()
        {
            fake.chip().set(register, 1 << n);
        }
        fake.chip().set(regs::MPC, 100);
        fake.chip().set(regs::COLC, 1000);
        fake.stats();
    }
    let stats = fake.stats();
    assert_eq!((stats.rx_errors, stats.rx_missed, stats.collisions), (62, 200, 2000));
    fake.chip().set(regs::MPC, 3);
    assert_eq!(fake.call(E1000::stop), Ok(()));
    assert_eq!(fake.stats().rx_missed, 203, "a reset does not lose them");
}

/// What a call that failed has read comes again, by OR: never more than there were.
#[test]
fn counts_of_a_call_that_fails_come_again() {
    hide_injected();
    for after in 0.. {
        let mut fake = Fake::opened();
        fake.chip().set(regs::MPC, 8);
        fake.chip().set(regs::CRCERRS, 4);
        if !fake.abandon_after(after, E1000::get_stats) {
            break;
        }
        *fake.chip().at(regs::MPC.offset()) |= 1;
        let stats = fake.stats();
        assert_eq!((stats.rx_missed, stats.rx_errors), (9, 4), "after {after}");
        assert_eq!(fake.stats(), stats, "once");
    }
}

#[test]
fn ringparam() {
    let mut fake = Fake::new();
    assert_eq!(fake.call(E1000::probe), Ok(MAC));
    assert_eq!(fake.call(E1000::get_ringparam), Ok(RingParam { rx: 256, tx: 64 }));
    assert_eq!(fake.call(E1000::open), Ok(()));
    assert_eq!(fake.call(E1000::get_ringparam), Ok(RingParam { rx: 256, tx: 64 }));
}
