//! Probe, open, stop, quiesce, restore, and calls that are abandoned.

use rtl8139::{Rtl8139, regs};
use udrv_driver::{Entry, Error, Events, MacAddress, NetDriver, Point, RxMode, State};

use crate::fake::{Fake, MAC, frame};
use crate::versions::{Versions, with_all};

const CR: u16 = regs::CR.offset();

#[test]
fn probe_resets_and_gives_the_address() {
    let mut fake = Fake::new();
    assert_eq!(fake.call(Rtl8139::probe), Ok(MAC));
    let chip = fake.chip.get_mut();
    assert!(chip.writes.contains(&(CR, regs::cr::RST.into())));
    assert_eq!(chip.dma.len(), 1);
    assert!(chip.dma[0].len() >= 32 * 1024 + 16 + 2048);
    assert_eq!(chip.logs, 1);
}

#[test]
fn a_second_probe_takes_no_second_ring() {
    let mut fake = Fake::opened();
    assert_eq!(fake.call(Rtl8139::probe), Ok(MAC));
    assert_eq!(fake.chip.get_mut().dma.len(), 1);
}

#[test]
fn a_reset_that_hangs_times_out() {
    let mut fake = Fake::new();
    fake.chip.get_mut().trouble.reset_hangs = true;
    let Err(Error::Timeout { register, value }) = fake.call(Rtl8139::probe) else { panic!("no timeout") };
    assert_eq!(register, CR);
    assert_ne!(value as u8 & regs::cr::RST, 0);
}

#[test]
fn an_address_that_no_station_has_is_nonsense() {
    for mac in [[0; 6], [0xff; 6], [1, 2, 3, 4, 5, 6]] {
        let mut fake = Fake::new();
        fake.chip.get_mut().load_mac(MacAddress(mac));
        assert!(matches!(fake.call(Rtl8139::probe), Err(Error::Nonsense { register: 0, .. })), "{mac:?}");
    }
}

#[test]
fn gone_wherever_something_is_read() {
    let mut fake = Fake::new();
    fake.chip.get_mut().trouble.gone = true;
    assert_eq!(fake.call(Rtl8139::probe), Err(Error::Gone));
    assert_eq!(fake.call(Rtl8139::quiesce), Err(Error::Gone));

    with_all(|mut fake| {
        fake.chip.get_mut().trouble.gone = true;
        assert_eq!(fake.poll(8), Err(Error::Gone), "with no slot in use");
    });
    with_all(|mut fake| {
        assert_eq!(fake.transmit(1, 60), Ok(()));
        fake.chip.get_mut().trouble.gone = true;
        assert_eq!(fake.poll(8), Err(Error::Gone), "with one");
    });

    let mut fake = Fake::opened();
    assert_eq!(fake.transmit(1, 60), Ok(()));
    fake.chip.get_mut().trouble.gone = true;
    for entry in [Rtl8139::open, Rtl8139::stop, Rtl8139::tx_timeout, Rtl8139::quiesce, Rtl8139::restore] {
        assert_eq!(fake.call(entry), Err(Error::Gone));
    }
    assert_eq!(fake.call(Rtl8139::interrupt), Err(Error::Gone));
    assert_eq!(fake.call(Rtl8139::link), Err(Error::Gone));
    assert_eq!(fake.call(Rtl8139::get_ringparam), Err(Error::Gone));
    assert_eq!(fake.call(Rtl8139::get_stats), Err(Error::Gone));
    assert_eq!(fake.chip.get_mut().kept, [1], "not given back: who knows what the chip does with it");
}

#[test]
fn before_probe_and_before_open() {
    for versions in Versions::ALL {
        let mut fake = Fake::new();
        fake.versions = versions;
        assert_eq!(fake.call(Rtl8139::open), Err(Error::NotReady));
        assert_eq!(fake.call(Rtl8139::probe), Ok(MAC));
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
    let before = fake.chip.get_mut().completed.len();
    assert_eq!(fake.call(Rtl8139::stop), Ok(()));
    let chip = fake.chip.get_mut();
    assert_eq!(chip.completed[before..], [(0, false), (1, false), (2, false)]);
    assert!(!chip.enabled(regs::cr::RE | regs::cr::TE));
    assert_eq!(chip.get(regs::IMR.offset(), 2), 0);
    assert_eq!(fake.transmit(1, 60), Err(Error::NotReady));
    assert_eq!(fake.stats().tx_errors, 3);
    assert_eq!(fake.call(Rtl8139::open), Ok(()));
    fake.assert_works();
}

#[test]
fn open_twice_loses_what_is_in_flight() {
    let mut fake = Fake::opened();
    assert_eq!(fake.transmit(1, 60), Ok(()));
    assert_eq!(fake.call(Rtl8139::open), Ok(()));
    assert_eq!(fake.chip.get_mut().completed, [(1, false)]);
    fake.assert_works();
}

#[test]
fn quiesce_needs_no_state() {
    let mut fake = Fake::opened();
    fake.state = Rtl8139::new_state();
    assert_eq!(fake.call(Rtl8139::quiesce), Ok(()));
    let chip = fake.chip.get_mut();
    assert!(!chip.enabled(regs::cr::RE | regs::cr::TE));
    assert_eq!(chip.get(regs::IMR.offset(), 2), 0);
}

#[test]
fn quiesce_tells_a_chip_to_stop_before_its_reset_hangs() {
    let mut fake = Fake::opened();
    fake.chip.get_mut().trouble.reset_hangs = true;
    assert!(matches!(fake.call(Rtl8139::quiesce), Err(Error::Timeout { .. })));
    assert!(!fake.chip.get_mut().enabled(regs::cr::RE | regs::cr::TE));
}

#[test]
fn restore_mends_a_chip_that_was_scribbled_over() {
    for reset_loads_mac in [false, true] {
        let mut fake = Fake::opened();
        fake.chip.get_mut().trouble.reset_loads_mac = reset_loads_mac;
        for buffer in 0..4 {
            assert_eq!(fake.transmit(buffer, 60), Ok(()));
        }
        let chip = fake.chip.get_mut();
        chip.receive(100, 1);
        chip.registers[..0x58].fill(0x5a);
        assert_eq!(fake.call(Rtl8139::restore), Ok(()));
        assert_eq!(fake.chip.get_mut().completed.len(), 4);
        assert!(fake.chip.get_mut().completed.iter().all(|(_, sent)| !sent));
        fake.assert_works();
    }
}

#[test]
fn restore_when_closed_stays_closed() {
    let mut fake = Fake::new();
    assert_eq!(fake.call(Rtl8139::probe), Ok(MAC));
    fake.chip.get_mut().registers[..0x58].fill(0x5a);
    assert_eq!(fake.call(Rtl8139::restore), Ok(()));
    let chip = fake.chip.get_mut();
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
    fake.chip.get_mut().set(regs::MPC.offset(), 4, 5);
    fake.chip.get_mut().trouble.reset_loads_mac = true;
    assert_eq!(fake.call(Rtl8139::restore), Ok(()));
    let chip = fake.chip.get_mut();
    assert_eq!(chip.registers[..6], mac.0);
    assert_eq!(chip.registers[8..16], mode.multicast.to_le_bytes());
    assert_ne!(chip.get(regs::RCR.offset(), 4) & regs::rcr::AM, 0);
    assert_eq!(fake.stats().rx_missed, 5);
}

/// Brings a card into the middle of its work, so that each entry point has something to do.
fn busy() -> Fake {
    let mut fake = Fake::opened();
    for buffer in 0..3 {
        assert_eq!(fake.transmit(buffer, 60), Ok(()));
    }
    let chip = fake.chip.get_mut();
    chip.send(regs::tsd::TOK);
    chip.receive(100, 1);
    chip.receive(200, 2);
    chip.set(regs::MPC.offset(), 4, 3);
    fake.allow(3, 16);
    fake
}

fn abandon(fake: &mut Fake, entry: Entry, point: Point) -> bool {
    match entry {
        Entry::Probe => fake.abandon(point, Rtl8139::probe),
        Entry::Open => fake.abandon(point, Rtl8139::open),
        Entry::Stop => fake.abandon(point, Rtl8139::stop),
        Entry::Transmit => fake.abandon(point, |cx| Rtl8139::transmit(cx, frame(3, 90))),
        Entry::Interrupt => fake.abandon(point, Rtl8139::interrupt),
        Entry::Poll => fake.abandon(point, |cx| Rtl8139::poll(cx, 16)),
        Entry::Link => fake.abandon(point, Rtl8139::link),
        Entry::SetMac => fake.abandon(point, |cx| Rtl8139::set_mac(cx, MacAddress([2, 0, 0, 0, 0, 1]))),
        Entry::SetRxMode => {
            fake.abandon(point, |cx| Rtl8139::set_rx_mode(cx, RxMode { promiscuous: true, multicast: 7 }))
        }
        Entry::Configure => fake.abandon(point, |cx| Rtl8139::configure(cx, Rtl8139::FEATURES.usual())),
        Entry::GetRingparam => fake.abandon(point, Rtl8139::get_ringparam),
        Entry::GetStats => fake.abandon(point, Rtl8139::get_stats),
        Entry::TxTimeout => fake.abandon(point, Rtl8139::tx_timeout),
        Entry::Quiesce => fake.abandon(point, Rtl8139::quiesce),
        Entry::Restore => fake.abandon(point, Rtl8139::restore),
    }
}

/// Whether a call that is abandoned behind its register writes needs `restore`, which drops what is in flight.
fn commands(entry: Entry) -> bool {
    use Entry::*;
    matches!(entry, Probe | Open | Stop | SetMac | SetRxMode | TxTimeout | Quiesce | Restore)
}

#[test]
fn every_point_of_every_entry_is_reached_and_recovered_from() {
    std::panic::set_hook(Box::new(|info| {
        if info.payload_as_str().is_none_or(|text| !text.starts_with("injected")) {
            eprintln!("{info}");
        }
    }));
    for qemu in [false, true] {
        for entry in Entry::ALL {
            // what follows may be another version: the one that faults is taken out of use
            for (point, versions) in Point::ALL.into_iter().flat_map(|p| Versions::ALL.map(|v| (p, v))) {
                let mut fake = busy();
                fake.versions = versions;
                fake.chip.get_mut().trouble.rcr_restarts_ring = qemu;
                fake.chip.get_mut().trouble.reset_loads_mac = qemu;
                assert!(abandon(&mut fake, entry, point), "{entry} does not come to {point}");

                // nothing of it has happened: the interrupt comes again, and so do frames and completions
                let restored = commands(entry) && fake.chip.get_mut().completed.len() == 3;
                if !restored {
                    assert!(fake.interrupt().has(Events::POLL), "{entry} {point}");
                    assert_eq!(fake.poll(16), Ok(2), "{entry} {point}");
                    assert_eq!(fake.chip.get_mut().delivered, [vec![1; 100], vec![2; 200]]);
                    assert_eq!(fake.chip.get_mut().completed, [(0, true)]);
                    fake.chip.get_mut().send(regs::tsd::TOK);
                    fake.chip.get_mut().send(regs::tsd::TOK);
                    assert_eq!(fake.poll(16), Ok(0));
                    // what a reset in a failed call clears is lost
                    assert_eq!(fake.stats().rx_missed, 3, "{entry} {point}");
                }
                assert_eq!(fake.chip.get_mut().completed.len(), 3, "{entry} {point}");
                assert_eq!(fake.chip.get_mut().dma.len(), 1);
                fake.assert_works();
            }
        }
    }
}

fn call(fake: &mut Fake, entry: Entry) -> Result<(), Error> {
    match entry {
        Entry::Probe => fake.call(Rtl8139::probe).map(drop),
        Entry::Open => fake.call(Rtl8139::open),
        Entry::Stop => fake.call(Rtl8139::stop),
        Entry::Transmit => fake.transmit(3, 90),
        Entry::Interrupt => fake.call(Rtl8139::interrupt).map(drop),
        Entry::Poll => fake.poll(16).map(drop),
        Entry::Link => fake.call(Rtl8139::link).map(drop),
        Entry::SetMac => fake.call(|cx| Rtl8139::set_mac(cx, MAC)),
        Entry::SetRxMode => fake.call(|cx| Rtl8139::set_rx_mode(cx, RxMode { promiscuous: true, multicast: 7 })),
        Entry::Configure => fake.call(|cx| Rtl8139::configure(cx, Rtl8139::FEATURES.usual())),
        Entry::GetRingparam => fake.call(Rtl8139::get_ringparam).map(drop),
        Entry::GetStats => fake.call(Rtl8139::get_stats).map(drop),
        Entry::TxTimeout => fake.call(Rtl8139::tx_timeout),
        Entry::Quiesce => fake.call(Rtl8139::quiesce),
        Entry::Restore => fake.call(Rtl8139::restore),
    }
}

/// A call that gives an error commits like any other: the driver knows then of no buffer that it does not keep.
#[test]
fn an_access_that_fails_leaves_nothing_that_restore_does_not_mend() {
    for (entry, versions) in Entry::ALL.into_iter().flat_map(|e| Versions::ALL.map(|v| (e, v))) {
        let mut failed = 0;
        loop {
            // the second `transmit` wants all slots free
            let mut fake = if entry == Entry::Transmit { Fake::opened() } else { busy() };
            fake.versions = versions;
            fake.chip.get_mut().trouble.fails_after = Some(failed);
            let result = call(&mut fake, entry);
            if fake.chip.get_mut().trouble.fails_after.take().is_some() {
                assert_eq!(result, Ok(()), "{entry} {failed}");
                break;
            }
            assert_eq!(result, Err(Error::Bus), "{entry} {failed}");
            assert_eq!(fake.call(Rtl8139::restore), Ok(()));
            assert!(fake.chip.get_mut().kept.is_empty(), "{entry} {failed}");
            assert_eq!(fake.call(Rtl8139::open), Ok(()));
            fake.assert_works();
            failed += 1;
        }
        // it has nothing to configure
        assert!(failed > 0 || entry == Entry::Configure, "{entry} makes no access");
    }
}

#[test]
fn abandoned_probe_and_open_leave_nothing_behind() {
    for point in Point::ALL {
        let mut fake = Fake::new();
        assert!(fake.abandon(point, Rtl8139::probe));
        assert!(fake.chip.get_mut().dma.is_empty());
        assert_eq!(fake.call(Rtl8139::probe), Ok(MAC));
        assert!(fake.abandon(point, Rtl8139::open));
        assert!(!fake.chip.get_mut().enabled(regs::cr::RE | regs::cr::TE));
        assert_eq!(fake.call(Rtl8139::open), Ok(()));
        fake.assert_works();
    }
}

#[test]
fn the_state_is_small() {
    fn bytes<S: State>(_: S) -> usize {
        size_of::<S>()
    }
    assert!(bytes(Rtl8139::new_state()) < 512);
}
