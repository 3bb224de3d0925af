//! Probe, open, stop, quiesce, restore, and calls that are abandoned.

use e1000::{E1000, regs};
use udrv_driver::{Driver, Entry, NetDriver, RxMode};
use udrv_driver_tests::abandoned::{abandon_after, busy};

use crate::chip::Chip;
use crate::fake::{Fake, MAC, OTHER, hide_injected, with_all};

const CTRL: u16 = regs::CTRL.offset();

fn resets(fake: &mut Fake) -> usize {
    fake.chip().bus.writes.iter().filter(|w| w.0 == CTRL && w.1 & regs::ctrl::RST != 0).count()
}

#[test]
fn the_exact_chips() {
    assert_eq!(E1000::IDS, [(0x8086, 0x100e), (0x8086, 0x100f), (0x8086, 0x100c)]);
}

#[test]
fn probe_resets_and_gives_the_address() {
    let mut fake = Fake::new();
    assert_eq!(fake.call(E1000::probe), Ok(MAC));
    assert_eq!(resets(&mut fake), 1);
    let chip = fake.chip();
    assert!(!chip.receives() && !chip.sends() && chip.get(regs::IMS) == 0);
    assert_eq!(chip.bus.dma.len(), 1);
    assert!(chip.bus.dma[0].len() <= 1 << 20);
}

#[test]
fn quiesce_needs_no_state() {
    let mut fake = Fake::opened();
    fake.state = E1000::NEW;
    assert_eq!(fake.call(E1000::quiesce), Ok(()));
    let chip = fake.chip();
    assert!(!chip.receives() && !chip.sends());
    assert_eq!((chip.get(regs::IMS), chip.get(regs::RDBAL), chip.get(regs::TDBAL)), (0, 0, 0));
}

/// The quick way: no reset, no descriptor, nothing lost.
#[test]
fn restore_of_a_chip_that_is_in_step_is_quick_and_loses_nothing() {
    with_all(|mut fake| {
        for round in 0..300 {
            assert_eq!(fake.transmit(0, 60), Ok(()));
            fake.chip().send(0);
            fake.chip().receive(100, 1);
            fake.chip().receive(100, 2);
            assert_eq!(fake.poll(1), Ok(1));
            fake.chip().receive(100, 3);
            let before = resets(&mut fake);
            assert_eq!(fake.call(E1000::restore), Ok(()));
            assert_eq!(resets(&mut fake), before);
            let border = fake.border();
            assert_eq!(border.words_written, 0);
            assert!(border.accesses <= 20, "{}", border.accesses);
            assert_eq!(fake.poll(16), Ok(2), "round {round}");
        }
        assert_eq!(fake.border().now, 0, "it has waited for nothing");
        assert!(fake.border().completed.iter().all(|(_, sent)| *sent));
        fake.assert_works();
    });
}

/// QEMU's chip keeps its indices over a reset, so that they agree with the state though its rings are gone.
#[test]
fn restore_after_quiesce_sets_up_the_rings_of_a_chip_that_keeps_its_indices() {
    with_all(|mut fake| {
        fake.chip().trouble.reset_is_nothing = true;
        assert_eq!(fake.call(E1000::quiesce), Ok(()));
        assert_eq!((fake.chip().get(regs::RDBAL), fake.chip().get(regs::TDBAL)), (0, 0));
        assert_eq!(fake.call(E1000::restore), Ok(()));
        assert!(fake.chip().get(regs::RDBAL) != 0 && fake.chip().get(regs::TDBAL) != 0);
        fake.assert_works();
    });
}

#[test]
fn restore_gives_up_what_the_chip_does_not_send() {
    let mut fake = Fake::opened();
    for buffer in 0..4 {
        assert_eq!(fake.transmit(buffer, 60), Ok(()));
    }
    fake.chip().send(0);
    let before = resets(&mut fake);
    assert_eq!(fake.call(E1000::restore), Ok(()));
    assert_eq!(resets(&mut fake), before + 1);
    assert_eq!(fake.border().completed, [(0, true), (1, false), (2, false), (3, false)]);
    assert!(fake.border().now < 20_000);
    fake.assert_works();
}

#[test]
fn restore_mends_a_chip_that_was_scribbled_over() {
    for reset_is_nothing in [false, true] {
        let mut fake = Fake::opened();
        fake.chip().trouble.reset_is_nothing = reset_is_nothing;
        for buffer in 0..4 {
            assert_eq!(fake.transmit(buffer, 60), Ok(()));
        }
        fake.chip().receive(100, 1);
        let tail = fake.chip().get(regs::TDT);
        fake.chip().scribble();
        // an index that no reset mends is one that the driver does not accept
        fake.chip().set(regs::TDT, tail);
        assert_eq!(fake.call(E1000::restore), Ok(()));
        assert_eq!(fake.border().completed.len(), 4);
        assert!(fake.border().completed.iter().all(|(_, sent)| !sent));
        fake.assert_works();
    }
}

/// A chip that was reset behind our back stands at 0: wherever the driver was, it follows.
#[test]
fn restore_follows_a_chip_that_has_started_anew() {
    for frames in (0..300).step_by(7).chain([254, 255, 256, 257]) {
        let mut fake = Fake::opened();
        for n in 0..frames {
            assert!(fake.chip().receive(60, n as u8));
            assert_eq!(fake.poll(1), Ok(1));
        }
        fake.chip().write(CTRL, regs::ctrl::RST);
        fake.border().delivered.clear();
        assert_eq!(fake.call(E1000::restore), Ok(()));
        fake.assert_works();
    }
}

#[test]
fn restore_when_closed_stays_closed() {
    let mut fake = Fake::new();
    assert_eq!(fake.call(E1000::probe), Ok(MAC));
    fake.chip().scribble();
    assert_eq!(fake.call(E1000::restore), Ok(()));
    let chip = fake.chip();
    assert!(!chip.receives() && !chip.sends());
    assert_eq!(chip.get(regs::IMS), 0);
    assert_eq!(chip.mac(), MAC.0);
}

#[test]
fn restore_keeps_address_filter_and_counters() {
    for scribbled in [false, true] {
        let mut fake = Fake::opened();
        assert_eq!(fake.call(|cx| E1000::set_mac(cx, OTHER)), Ok(()));
        let mode = RxMode { promiscuous: false, multicast: 0x0123_4567_89ab_cdef };
        assert_eq!(fake.call(|cx| E1000::set_rx_mode(cx, mode)), Ok(()));
        fake.chip().set(regs::MPC, 5);
        if scribbled {
            fake.chip().set(regs::RDT, 77);
        }
        assert_eq!(fake.call(E1000::restore), Ok(()));
        let chip = fake.chip();
        assert_eq!(chip.mac(), OTHER.0);
        assert_eq!(chip.get(regs::RCTL), regs::rctl::RUN | regs::rctl::MPE);
        assert_eq!(fake.stats().rx_missed, 5);
    }
}

/// Where the chip has sent all that it has, an abandoned change of mode or address loses nothing.
#[test]
fn nothing_is_lost_by_an_abandoned_change() {
    hide_injected();
    for entry in [Entry::SetMac, Entry::SetRxMode, Entry::Link] {
        for after in 0.. {
            let mut fake = busy::<Chip>(0);
            fake.chip().send(0);
            fake.chip().send(0);
            if !abandon_after(&mut fake, after, entry) {
                break;
            }
            assert_eq!(fake.poll(16), Ok(2), "{entry} {after}");
            assert_eq!(fake.border().delivered, [vec![1; 100], vec![2; 200]], "{entry} {after}");
            assert_eq!(fake.border().completed, [(0, true), (1, true), (2, true)], "{entry} {after}");
            fake.assert_works();
        }
    }
}
