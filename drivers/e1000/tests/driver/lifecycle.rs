//! Probe, open, stop, quiesce, restore, and calls that are abandoned.

use e1000::{E1000, regs};
use udrv_driver::{Entry, Error, Events, Micros, NetDriver, Point, RxMode, Settings, State};

use crate::fake::{Fake, MAC, OTHER, frame, hide_injected};
use crate::versions::{Versions, with_all};

const CTRL: u16 = regs::CTRL.offset();

fn resets(fake: &mut Fake) -> usize {
    fake.chip().writes.iter().filter(|w| w.0 == CTRL && w.1 & regs::ctrl::RST != 0).count()
}

#[test]
fn the_exact_chips() {
    assert_eq!(E1000::IDS, [(0x8086, 0x100e), (0x8086, 0x100f), (0x8086, 0x100c)]);
    let shadowed =
        |kind| matches!(kind, udrv_driver::Kind::Config | udrv_driver::Kind::DmaAddress | udrv_driver::Kind::WriteOnly);
    let all: u16 = E1000::REGISTERS.iter().map(|register| register.count).sum();
    let with_shadow: u16 = E1000::REGISTERS.iter().filter(|r| shadowed(r.kind)).map(|r| r.count).sum();
    assert!(all < 0xffff && with_shadow <= 128);
}

#[test]
fn probe_resets_and_gives_the_address() {
    let mut fake = Fake::new();
    assert_eq!(fake.call(E1000::probe), Ok(MAC));
    assert_eq!(resets(&mut fake), 1);
    let chip = fake.chip();
    assert!(!chip.receives() && !chip.sends() && chip.get(regs::IMS) == 0);
    assert_eq!(chip.dma.len(), 1);
    assert!(chip.dma[0].len() <= 1 << 20);
}

#[test]
fn a_second_probe_takes_no_more_memory() {
    let mut fake = Fake::opened();
    assert_eq!(fake.call(E1000::probe), Ok(MAC));
    assert_eq!(fake.chip().dma.len(), 1);
}

#[test]
fn a_reset_that_hangs_times_out() {
    let mut fake = Fake::new();
    fake.chip().trouble.reset_hangs = true;
    let Err(Error::Timeout { register, value }) = fake.call(E1000::probe) else { panic!("no timeout") };
    assert_eq!(register, CTRL);
    assert_ne!(value & regs::ctrl::RST, 0);
}

#[test]
fn gone_wherever_something_is_read() {
    let mut fake = Fake::new();
    fake.chip().trouble.gone = true;
    assert_eq!(fake.call(E1000::probe), Err(Error::Gone));
    assert_eq!(fake.call(E1000::quiesce), Err(Error::Gone));

    let mut fake = Fake::opened();
    assert_eq!(fake.transmit(1, 60), Ok(()));
    fake.chip().trouble.gone = true;
    for entry in [E1000::open, E1000::stop, E1000::tx_timeout, E1000::quiesce, E1000::restore] {
        assert_eq!(fake.call(entry), Err(Error::Gone));
    }
    assert_eq!(fake.call(E1000::interrupt), Err(Error::Gone));
    assert_eq!(fake.call(E1000::link), Err(Error::Gone));
    assert_eq!(fake.call(E1000::get_stats), Err(Error::Gone));
    assert_eq!(fake.border().kept, [1], "not given back: who knows what the chip does with it");
}

#[test]
fn before_probe_and_before_open() {
    for versions in Versions::ALL {
        let mut fake = Fake::new();
        fake.versions = versions;
        assert_eq!(fake.call(E1000::open), Err(Error::NotReady));
        assert_eq!(fake.call(E1000::probe), Ok(MAC));
        assert_eq!(fake.transmit(1, 60), Err(Error::NotReady));
        assert_eq!(fake.poll(8), Ok(0));
        assert_eq!(fake.interrupt(), Events::NONE);
    }
}

#[test]
fn open_stop_open() {
    let mut fake = Fake::opened();
    fake.assert_works();
    for buffer in 0..3 {
        assert_eq!(fake.transmit(buffer, 60), Ok(()));
    }
    let before = fake.border().completed.len();
    assert_eq!(fake.call(E1000::stop), Ok(()));
    assert_eq!(fake.border().completed[before..], [(0, false), (1, false), (2, false)]);
    let chip = fake.chip();
    assert!(!chip.receives() && !chip.sends());
    assert_eq!(chip.get(regs::IMS), 0);
    assert_eq!(fake.transmit(1, 60), Err(Error::NotReady));
    assert_eq!(fake.stats().tx_errors, 3);
    assert_eq!(fake.call(E1000::open), Ok(()));
    fake.assert_works();
}

#[test]
fn quiesce_needs_no_state() {
    let mut fake = Fake::opened();
    fake.state = E1000::new_state();
    assert_eq!(fake.call(E1000::quiesce), Ok(()));
    let chip = fake.chip();
    assert!(!chip.receives() && !chip.sends());
    assert_eq!((chip.get(regs::IMS), chip.get(regs::RDBAL), chip.get(regs::TDBAL)), (0, 0, 0));
}

#[test]
fn quiesce_tells_a_chip_to_stop_before_its_reset_hangs() {
    let mut fake = Fake::opened();
    fake.chip().trouble.reset_hangs = true;
    assert!(matches!(fake.call(E1000::quiesce), Err(Error::Timeout { .. })));
    let chip = fake.chip();
    assert!(!chip.receives() && !chip.sends());
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

/// Brings a card into the middle of its work, so that each entry point has something to do.
fn busy() -> Fake {
    let mut fake = Fake::opened();
    for buffer in 0..3 {
        assert_eq!(fake.transmit(buffer, 60), Ok(()));
    }
    fake.chip().receive(64, 0);
    assert_eq!(fake.poll(16), Ok(1));
    let chip = fake.chip();
    chip.send(0);
    chip.receive(100, 1);
    chip.receive(200, 2);
    chip.set(regs::MPC, 3);
    // half duplex, so that `link` has something to do
    chip.set(regs::STATUS, 0x42);
    fake.border().delivered.clear();
    fake.allow(3, 16);
    fake
}

/// Another MTU, that needs another PBA, a VLAN and another distance of interrupts.
fn all_set() -> Settings {
    Settings { mtu: 9000, vlan: 5, interrupt_interval: Micros(100) }
}

/// How a call is abandoned.
#[derive(Debug, Clone, Copy)]
enum Where {
    At(Point),
    After(u32),
}

fn abandon(fake: &mut Fake, entry: Entry, place: Where) -> bool {
    macro_rules! abandon {
        ($entry:expr) => {
            match place {
                Where::At(point) => fake.abandon(point, $entry),
                Where::After(requests) => fake.abandon_after(requests, $entry),
            }
        };
    }
    match entry {
        Entry::Probe => abandon!(E1000::probe),
        Entry::Open => abandon!(E1000::open),
        Entry::Stop => abandon!(E1000::stop),
        Entry::Transmit => abandon!(|cx| E1000::transmit(cx, frame(3, 90))),
        Entry::Interrupt => abandon!(E1000::interrupt),
        Entry::Poll => abandon!(|cx| E1000::poll(cx, 16)),
        Entry::Link => abandon!(E1000::link),
        Entry::SetMac => abandon!(|cx| E1000::set_mac(cx, OTHER)),
        Entry::SetRxMode => abandon!(|cx| E1000::set_rx_mode(cx, RxMode { promiscuous: true, multicast: 7 })),
        Entry::Configure => abandon!(|cx| E1000::configure(cx, all_set())),
        Entry::GetRingparam => abandon!(E1000::get_ringparam),
        Entry::GetStats => abandon!(E1000::get_stats),
        Entry::TxTimeout => abandon!(E1000::tx_timeout),
        Entry::Quiesce => abandon!(E1000::quiesce),
        Entry::Restore => abandon!(E1000::restore),
    }
}

/// Nothing of it has happened, but that what was in flight may be lost where the chip was stopped; nothing comes twice.
fn assert_mended(mut fake: Fake, what: &str) {
    let completed = fake.border().completed.clone();
    let restored = !completed.is_empty();
    if restored {
        // the chip stood still with two frames, so it was reset
        assert_eq!(completed, [(0, true), (1, false), (2, false)], "{what}");
        let got = fake.poll(16).unwrap();
        assert_eq!(got, 0, "{what}");
    } else {
        assert!(fake.interrupt().has(Events::POLL), "{what}");
        assert_eq!(fake.poll(16), Ok(2), "{what}");
        assert_eq!(fake.border().delivered, [vec![1; 100], vec![2; 200]], "{what}");
        fake.chip().send(0);
        fake.chip().send(0);
        assert_eq!(fake.poll(16), Ok(0));
        assert_eq!(fake.border().completed, [(0, true), (1, true), (2, true)], "{what}");
        assert_eq!(fake.stats().rx_missed, 3, "{what}");
    }
    assert_eq!(fake.chip().dma.len(), 1);
    fake.chip().set(regs::STATUS, 0x83);
    assert!(fake.call(E1000::link).unwrap().full_duplex);
    fake.assert_works();
    assert_eq!(fake.chip().get(regs::RCTL), regs::rctl::RUN);
    assert_eq!(fake.chip().get(regs::TCTL), regs::tctl::RUN_FULL);
}

#[test]
fn every_point_of_every_entry_is_reached_and_recovered_from() {
    hide_injected();
    for qemu in [false, true] {
        for entry in Entry::ALL {
            // what follows may be another version: the one that faults is taken out of use
            for (point, versions) in Point::ALL.into_iter().flat_map(|p| Versions::ALL.map(|v| (p, v))) {
                let mut fake = busy();
                fake.versions = versions;
                fake.chip().trouble.reset_is_nothing = qemu;
                assert!(abandon(&mut fake, entry, Where::At(point)), "{entry} does not come to {point}");
                assert_mended(fake, &format!("{entry} {point} {versions:?} {qemu}"));
            }
        }
    }
}

/// A call may be abandoned anywhere, and not only where faults are injected.
#[test]
fn every_request_of_every_entry_is_recovered_from() {
    hide_injected();
    for qemu in [false, true] {
        for entry in Entry::ALL {
            for after in 0.. {
                let mut fake = busy();
                fake.chip().trouble.reset_is_nothing = qemu;
                if !abandon(&mut fake, entry, Where::After(after)) {
                    assert!(after > 0, "{entry} makes no request");
                    break;
                }
                assert_mended(fake, &format!("{entry} {after} {qemu}"));
            }
        }
    }
}

/// Where the chip has sent all that it has, an abandoned change of mode or address loses nothing.
#[test]
fn nothing_is_lost_by_an_abandoned_change() {
    hide_injected();
    for entry in [Entry::SetMac, Entry::SetRxMode, Entry::Link] {
        for after in 0.. {
            let mut fake = busy();
            fake.chip().send(0);
            fake.chip().send(0);
            if !abandon(&mut fake, entry, Where::After(after)) {
                break;
            }
            assert_eq!(fake.poll(16), Ok(2), "{entry} {after}");
            assert_eq!(fake.border().delivered, [vec![1; 100], vec![2; 200]], "{entry} {after}");
            assert_eq!(fake.border().completed, [(0, true), (1, true), (2, true)], "{entry} {after}");
            fake.assert_works();
        }
    }
}

fn call(fake: &mut Fake, entry: Entry) -> Result<(), Error> {
    match entry {
        Entry::Probe => fake.call(E1000::probe).map(drop),
        Entry::Open => fake.call(E1000::open),
        Entry::Stop => fake.call(E1000::stop),
        Entry::Transmit => fake.transmit(3, 90),
        Entry::Interrupt => fake.call(E1000::interrupt).map(drop),
        Entry::Poll => fake.poll(16).map(drop),
        Entry::Link => fake.call(E1000::link).map(drop),
        Entry::SetMac => fake.call(|cx| E1000::set_mac(cx, MAC)),
        Entry::SetRxMode => fake.call(|cx| E1000::set_rx_mode(cx, RxMode { promiscuous: true, multicast: 7 })),
        Entry::Configure => fake.call(|cx| E1000::configure(cx, all_set())),
        Entry::GetRingparam => fake.call(E1000::get_ringparam).map(drop),
        Entry::GetStats => fake.call(E1000::get_stats).map(drop),
        Entry::TxTimeout => fake.call(E1000::tx_timeout),
        Entry::Quiesce => fake.call(E1000::quiesce),
        Entry::Restore => fake.call(E1000::restore),
    }
}

/// A call that gives an error commits like any other: the driver knows then of no buffer that it does not keep.
#[test]
fn an_access_that_fails_leaves_nothing_that_restore_does_not_mend() {
    // `transmit` and `poll` make no access that can fail: memory and doorbells only
    let entries = Entry::ALL.into_iter().filter(|entry| !matches!(entry, Entry::Transmit | Entry::Poll));
    for entry in entries {
        let mut failed = 0;
        loop {
            let mut fake = busy();
            fake.chip().trouble.fails_after = Some(failed);
            let result = call(&mut fake, entry);
            if fake.chip().trouble.fails_after.take().is_some() {
                assert_eq!(result, Ok(()), "{entry} {failed}");
                break;
            }
            assert_eq!(result, Err(Error::Bus), "{entry} {failed}");
            assert_eq!(fake.call(E1000::restore), Ok(()));
            assert!(fake.border().kept.is_empty(), "{entry} {failed}");
            assert_eq!(fake.call(E1000::open), Ok(()));
            assert_eq!(fake.call(|cx| E1000::configure(cx, E1000::FEATURES.usual())), Ok(()));
            fake.assert_works();
            failed += 1;
        }
        assert!(failed > 0, "{entry} makes no access");
    }
}

#[test]
fn abandoned_probe_and_open_leave_nothing_behind() {
    hide_injected();
    for point in Point::ALL {
        let mut fake = Fake::new();
        assert!(fake.abandon(point, E1000::probe));
        assert!(fake.chip().dma.is_empty());
        assert_eq!(fake.call(E1000::probe), Ok(MAC));
        assert!(fake.abandon(point, E1000::open));
        assert!(!fake.chip().receives() && !fake.chip().sends());
        assert_eq!(fake.call(E1000::open), Ok(()));
        fake.assert_works();
    }
}

#[test]
fn the_state_is_small() {
    fn bytes<S: State>(_: S) -> usize {
        size_of::<S>()
    }
    assert!(bytes(E1000::new_state()) < 1024);
}
