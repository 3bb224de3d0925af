//! Registers, EEPROM, PHY.

use std::time::Duration;

use model_pegasus::regs::{self, ctrl1, ctrl2, eprom, gpio, mii, phy, phy_power};
use model_pegasus::{Config, Variant};
use model_wire::{Received, WireConfig};
use udrv_bus::UsbDevice;

use crate::bench::{Bench, MAC, config, write};

#[test]
fn registers_keep_what_they_can() {
    let (mut bench, _) = Bench::of(Variant::Adm8511);
    for (at, written, read) in [
        (regs::ETH_CTRL0, 0x3f, 0x3f),
        (regs::ETH_CTRL1, 0xf7, ctrl1::KEPT),
        (regs::ETH_CTRL2, 0xdf, ctrl2::KEPT),
        (0x03, 0xff, 0),
        (regs::MULTICAST, 0x5a, 0x5a),
        (0x0f, 0xa5, 0xa5),
        (0x15, 0xff, 0xff),
        (0x16, 0xff, 0),
        (regs::PAUSE, 0xff, 0xff),
        (regs::EPROM_OFFSET, 0xff, 0x3f),
        (regs::PHY_ADDR, 0xff, 0x1f),
        (regs::USB_STATUS, 0xff, 0),
        (regs::TX_STATUS0, 0xff, 0),
        (regs::WAKEUP_CTRL, 0x44, 0x44),
        (regs::GPIO0, 0xff, gpio::KEPT),
        (regs::GPIO1, 0xff, gpio::KEPT),
        (regs::REG_81, 2, 2),
        (regs::REG_83, 0xa5, 0),
        (0x84, 0xff, 0),
        (0xff, 0xff, 0),
    ] {
        bench.set(at, written);
        assert_eq!(bench.r8(at), read, "register {at:#x}");
        bench.set(at, 0);
        assert_eq!(bench.r8(at), 0, "register {at:#x}");
    }
}

#[test]
fn many_registers_are_one_transfer_and_one_has_its_value_in_the_request() {
    let (mut bench, _) = Bench::of(Variant::Adm8511);
    bench.set_all(regs::MULTICAST, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
    assert_eq!(bench.get::<14>(regs::MULTICAST), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
    let counters = bench.handle.counters();
    assert_eq!((counters.control_reads, counters.control_writes, counters.contradictions), (1, 1, 0));
    bench.nic.control_out(write(regs::MULTICAST, 0x77), &[0x66]).unwrap();
    assert_eq!(bench.r8(regs::MULTICAST), 0x77);
    assert_eq!(bench.handle.counters().contradictions, 1);
}

#[test]
fn a_reset_clears_the_mac_and_ends_by_itself() {
    let (mut bench, _) = Bench::started();
    bench.set(regs::MULTICAST, 0xff);
    bench.set_all(regs::ETH_ID, &[2; 6]);
    bench.set(regs::ETH_CTRL1, ctrl1::RESET | ctrl1::FULL);
    bench.set(regs::ETH_CTRL0, 0xff);
    bench.set(regs::WAKEUP_CTRL, 4);
    assert_eq!(bench.poll(regs::ETH_CTRL1, ctrl1::RESET, false), 3);
    assert_eq!(bench.get::<3>(regs::ETH_CTRL0), [0; 3]);
    assert_eq!((bench.r8(regs::MULTICAST), bench.get(regs::ETH_ID)), (0, MAC));
    assert_eq!((bench.r8(regs::PHY_POWER), bench.r8(regs::WAKEUP_CTRL)), (phy_power::ON, 4), "these stay");
    let counters = bench.handle.counters();
    assert_eq!((counters.resets, counters.writes_in_reset), (1, 1));
    bench.set(regs::ETH_CTRL0, 0xc8);
    assert_eq!(bench.r8(regs::ETH_CTRL0), 0xc8);
}

#[test]
fn without_polls_a_reset_is_over_at_once() {
    let quick = Config { reset_polls: 0, eprom_polls: 0, phy_polls: 0, ..config(Variant::Adm8511) };
    let (mut bench, _far) = Bench::with_far_end(quick, WireConfig::default());
    bench.set(regs::ETH_CTRL1, ctrl1::RESET);
    bench.set(regs::ETH_CTRL0, 0xc8);
    assert_eq!(bench.get(regs::ETH_CTRL0), [0xc8, 0]);
    assert_eq!((bench.eprom(4), bench.mii(1, mii::ID1)), (0x0100, 0xffff));
}

#[test]
fn the_eprom_is_read_at_once_or_later_and_written_only_when_allowed() {
    let (mut bench, _) = Bench::of(Variant::An986);
    let words: Vec<u8> = (0..3).flat_map(|word| bench.eprom(word).to_le_bytes()).collect();
    assert_eq!(words, MAC);
    assert_eq!(bench.get(regs::ETH_ID), [0; 6], "an AN986 does not load it");
    assert_eq!(bench.eprom(63), 0xffff);

    // Not done at the first look, and the old word is there.
    bench.set(regs::EPROM_OFFSET, 0);
    bench.set(regs::EPROM_CTRL, eprom::READ);
    assert_eq!(bench.r8(regs::EPROM_CTRL), eprom::READ);
    assert_eq!(bench.get(regs::EPROM_DATA), [0xff, 0xff]);
    assert_eq!(bench.r8(regs::EPROM_CTRL), eprom::READ | eprom::DONE);
    assert_eq!(bench.get(regs::EPROM_DATA), [MAC[0], MAC[1]]);

    for allowed in [false, true] {
        bench.set(regs::ETH_CTRL2, if allowed { ctrl2::EPROM_WRITE } else { 0 });
        bench.set(regs::EPROM_CTRL, 0);
        bench.set_all(regs::EPROM_OFFSET, &[0, 0x02, 0x03, eprom::WRITE]);
        bench.poll(regs::EPROM_CTRL, eprom::DONE, true);
        assert_eq!(bench.eprom(0), if allowed { 0x0302 } else { 0x5452 });
    }
    assert_eq!(bench.handle.counters().eprom_writes, 1);
    bench.set(regs::ETH_CTRL2, ctrl2::EPROM_LOAD);
    assert_eq!(bench.get(regs::ETH_ID), [2, 3, 0, 0x12, 0x34, 0x56]);
    assert_eq!(bench.r8(regs::ETH_CTRL2), 0, "it clears itself");
    bench.handle.with_eprom(|words| words[0] = 0xffff);
    assert_eq!(bench.eprom(0), 0xffff);
}

#[test]
fn the_phy_answers_at_its_address_once_it_is_let() {
    for variant in [Variant::Adm8511, Variant::An986] {
        let (mut bench, _) = Bench::of(variant);
        assert_eq!(bench.mii(1, mii::BMSR), 0xffff);
        match variant {
            Variant::Adm8511 => {
                bench.set(regs::PHY_POWER, phy_power::RESET | phy_power::ON);
                assert_eq!(bench.mii(1, mii::BMSR), 0xffff);
                bench.set(regs::PHY_POWER, phy_power::ON);
            }
            Variant::An986 => {
                bench.set(regs::GPIO0, gpio::OUT0);
                assert_eq!(bench.mii(1, mii::BMSR), 0xffff);
                bench.set(regs::GPIO0, gpio::OUT0 | gpio::SELECT0);
            }
        }
        for address in 0..32 {
            assert_eq!(bench.mii(address, mii::BMSR), if address == 1 { 0x786d } else { 0xffff }, "{address}");
        }
        assert_eq!(bench.mii(1, mii::BMCR), 0x3100);
        assert_eq!([mii::ANAR, mii::ANLPAR, mii::ANER].map(|at| bench.mii(1, at)), [0x01e1, 0x45e1, 1]);
        bench.set_mii(0x1b, 0x1234);
        assert_eq!(bench.mii(1, 0x1b), 0x1234);
        bench.set_mii(mii::BMSR, 0);
        assert_eq!(bench.mii(1, mii::BMSR), 0x786d);
        // Power that goes and comes is a reset.
        for power in [0, phy_power::ON] {
            bench.set(regs::PHY_POWER, power);
            bench.set(regs::GPIO0, if power == 0 { 0 } else { gpio::OUT0 | gpio::SELECT0 });
        }
        assert_eq!(bench.mii(1, 0x1b), 0);
        // The read is not done at the first look.
        bench.set(regs::PHY_CTRL, mii::BMCR | phy::READ);
        assert_eq!(bench.r8(regs::PHY_CTRL), phy::READ);
        assert_eq!(bench.r8(regs::PHY_CTRL), phy::READ | phy::DONE);
    }
}

#[test]
fn a_link_that_failed_shows_once_and_power_down_is_one() {
    let (mut bench, _) = Bench::started();
    assert!(bench.link());
    bench.wire.set_link(false);
    bench.wire.set_link(true);
    assert_eq!((bench.link(), bench.link()), (false, true));
    bench.wire.set_link(false);
    assert!(!bench.link());
    bench.wire.set_link(true);
    assert!(bench.link(), "that it failed has been shown");
    bench.set_mii(mii::BMCR, mii::ANE | mii::POWER_DOWN);
    assert_eq!((bench.link(), bench.mii(1, mii::ANLPAR)), (false, 0));
    bench.set_mii(mii::BMCR, mii::ANE);
    assert_eq!((bench.link(), bench.link()), (false, true), "it is negotiated anew");
}

/// While both ends negotiate there is no link; who has waited hears of it.
#[test]
fn negotiation_takes_its_time() {
    let negotiation = Duration::from_millis(20);
    let wire = WireConfig { negotiation, ..WireConfig::default() };
    let (mut bench, far) = Bench::with_far_end(config(Variant::Adm8511), wire);
    assert!(bench.interrupt().is_some(), "the first poll is answered");
    bench.set(regs::PHY_POWER, phy_power::ON);
    assert!(!bench.link());
    assert_eq!(bench.interrupt(), None);
    let deadline = std::time::Instant::now() + negotiation + Duration::from_secs(10);
    let waker = far.waker();
    std::thread::scope(|scope| {
        let negotiating = scope.spawn(|| {
            let mut frame = Vec::new();
            while far.recv(&mut frame, Some(deadline)) != Received::Woken {}
        });
        while !bench.link() {
            assert!(std::time::Instant::now() < deadline, "no link");
            std::thread::yield_now();
        }
        waker.wake();
        negotiating.join().unwrap();
    });
    assert_eq!(bench.interrupt().unwrap()[5], regs::wakeup::LINK);
}
