//! Reception: descriptors, filters, errors.

use model_r8169::Variant;
use model_r8169::regs::{self, cpcr, cr, desc, isr, rcr, rxd};
use model_r8169::{BadDescriptor, multicast_bit};
use udrv_bus::{DmaMemory, PciFunction, Width};

use crate::bench::{Bench, IOVA, MAC, RING, RX, RX_RING, RX_STEP, WHOLE, frame};

#[test]
fn frames_come_in_turn_and_around_the_ring() {
    for variant in Variant::ALL {
        let (mut b, station) = Bench::of(variant);
        b.start(rcr::APM);
        for n in 0..3 * RING as usize {
            let f = frame(MAC, 60 + n);
            station.inject(&f);
            let part = b.take().unwrap();
            assert_eq!((part.status, part.options), (WHOLE | rxd::PAM, 0));
            assert_eq!(part.frame(), f);
        }
        assert_eq!(b.r16(regs::ISR), isr::ROK);
        assert_eq!(b.handle.counters().rx_frames, u64::from(3 * RING));
    }
}

#[test]
fn the_filter_says_why() {
    let (mut b, station) = Bench::started(rcr::APM | rcr::AB | rcr::AM);
    let group = [1, 0, 0x5e, 0, 0, 1];
    let bit = multicast_bit(&group);
    b.w32(regs::MAR0 + bit / 32 * 4, 1 << (bit % 32));
    let others = [[2; 6], [1, 0, 0x5e, 0, 0, 2]];
    for to in [MAC, [0xff; 6], group].into_iter().chain(others) {
        station.inject(&frame(to, 60));
    }
    let flags = [0; 3].map(|_| b.take().unwrap().status & !WHOLE);
    assert_eq!(flags, [rxd::PAM, rxd::BAR, rxd::MAR]);
    assert_eq!((b.take(), b.handle.counters().rx_filtered), (None, 2));
    b.w32(regs::RCR, rcr::AAP);
    station.inject(&frame([2; 6], 60));
    assert_eq!(b.take().unwrap().status, WHOLE);
    b.w8(regs::CR, cr::TE);
    station.inject(&frame(MAC, 60));
    assert_eq!(b.take(), None);
}

#[test]
fn the_hash_of_the_pcie_chips_stands_the_other_way_round() {
    let (mut b, station) = Bench::of(Variant::Rtl8168Be);
    b.start(rcr::AM);
    let group = [1, 0, 0x5e, 0, 0, 1];
    assert_eq!(multicast_bit(&group), 31);
    b.w32(regs::MAR0, 1 << 31);
    station.inject(&frame(group, 60));
    assert_eq!(b.take(), None);
    b.w32(regs::MAR0, 0);
    b.w32(regs::MAR4, 1 << 7);
    station.inject(&frame(group, 60));
    assert!(b.take().is_some());
}

#[test]
fn a_long_frame_takes_several_buffers() {
    let (b, station) = Bench::started(rcr::APM);
    let f = frame(MAC, 5000);
    station.inject(&f);
    let word = |i: u32| b.word(RX_RING + 16 * i);
    assert_eq!(word(0), desc::FS | RX_STEP);
    assert_eq!(word(1), RX_STEP);
    assert_eq!(word(2), desc::LS | rxd::PAM | 5004, "the length of all of it");
    let mut all = vec![0; 5004];
    b.memory.read(RX.into(), &mut all).unwrap();
    assert_eq!(all[..5000], f);
    assert_eq!(b.handle.counters().rx_frames, 1);
}

#[test]
fn a_jumbo_fits_one_large_buffer() {
    let (b, station) = Bench::started(rcr::APM);
    b.set_word(RX_RING, desc::OWN | 0x3fff);
    let f = frame(MAC, 7168);
    station.inject(&f);
    assert_eq!(b.word(RX_RING), WHOLE | rxd::PAM | 7172);
    let mut all = vec![0; 7168];
    b.memory.read(RX.into(), &mut all).unwrap();
    assert_eq!(all, f);
}

#[test]
fn long_frames_need_a_bit_of_config4_on_the_later_rtl8168b() {
    for variant in Variant::ALL {
        let (mut b, station) = Bench::of(variant);
        b.start(rcr::APM);
        b.set_word(RX_RING, desc::OWN | 0x2000);
        let (usual, long) = (frame(MAC, 1518), frame(MAC, 4092));
        for jumbo in [false, true] {
            b.w8(regs::CR9346, regs::eecr::CONFIG_WRITE);
            b.w8(regs::CONFIG4, if jumbo { regs::config4::JUMBO } else { 0 });
            let passes = jumbo || variant != Variant::Rtl8168Be;
            b.send(&usual);
            b.send(&long);
            assert_eq!(station.drain().len(), if passes { 2 } else { 1 }, "{variant:?}");
            assert_eq!(b.r16(regs::ISR) & isr::TER != 0, !passes);
            b.w16(regs::ISR, 0xffff);
            station.inject(&usual);
            assert_eq!(b.take().unwrap().data.len(), 1522);
            b.set_word(RX_RING + 16 * b.rx_next, desc::OWN | 0x2000);
            station.inject(&long);
            assert_eq!(b.take().is_some(), passes, "{variant:?}");
            assert_eq!(b.r16(regs::ISR) & isr::RER != 0, !passes);
            b.w16(regs::ISR, 0xffff);
        }
    }
}

#[test]
fn without_descriptors_frames_are_missed() {
    let (mut b, station) = Bench::started(rcr::APM);
    for _ in 0..RING {
        station.inject(&frame(MAC, 60));
    }
    assert_eq!((b.r16(regs::ISR), b.r32(regs::MPC)), (isr::ROK, 0));
    station.inject(&frame(MAC, 60));
    assert_eq!((b.r16(regs::ISR), b.r32(regs::MPC)), (isr::ROK | isr::RDU, 1));
    station.inject(&frame(MAC, 60));
    assert_eq!((b.r16(regs::ISR), b.r32(regs::MPC)), (isr::ROK | isr::RDU | isr::FOVW, 2));
    b.w32(regs::MPC, 99);
    assert_eq!((b.r32(regs::MPC), b.handle.counters().rx_missed), (0, 2));
    b.w16(regs::ISR, 0xffff);
    let f = frame(MAC, 99);
    b.give(0);
    station.inject(&f);
    assert_eq!(b.take().unwrap().frame(), f, "it looks again with each frame");
    assert_eq!(b.r16(regs::ISR), isr::ROK);
}

#[test]
fn too_few_descriptors_for_all_of_it_are_none() {
    let (mut b, station) = Bench::started(rcr::APM);
    b.set_word(RX_RING + 32, 0);
    station.inject(&frame(MAC, 5000));
    assert_eq!((b.r16(regs::ISR), b.word(RX_RING)), (isr::RDU, desc::OWN | RX_STEP));
    station.inject(&frame(MAC, 60));
    assert_eq!(b.take().unwrap().data.len(), 64);
    // Buffers without room: not for ever.
    for i in 0..RING {
        b.set_word(RX_RING + 16 * i, b.word(RX_RING + 16 * i) & desc::EOR | desc::OWN);
    }
    station.inject(&frame(MAC, 60));
    assert_eq!(b.take().map(|p| p.data), None);
}

#[test]
fn an_overflow_stops_the_first_rtl8168b() {
    for (variant, stops) in [(Variant::Rtl8168B, true), (Variant::Rtl8168Be, false)] {
        let (mut b, station) = Bench::of(variant);
        b.start(rcr::APM);
        b.set_word(RX_RING, 0);
        station.inject(&frame(MAC, 60));
        station.inject(&frame(MAC, 60));
        b.w16(regs::ISR, 0xffff);
        b.give(0);
        station.inject(&frame(MAC, 60));
        assert_eq!(b.take().is_none(), stops, "{variant:?}");
        b.reset();
        b.start(rcr::APM);
        station.inject(&frame(MAC, 60));
        assert!(b.take().is_some());
    }
}

#[test]
fn errors_are_dropped_unless_accepted() {
    let (mut b, station) = Bench::started(rcr::APM);
    b.w16(regs::RMS, 1518);
    station.inject_bad_fcs(&frame(MAC, 60));
    assert_eq!((b.take(), b.r16(regs::ISR)), (None, isr::RER));
    b.w16(regs::ISR, 0xffff);
    station.inject(&frame(MAC, 1515));
    assert_eq!((b.take(), b.r16(regs::ISR)), (None, isr::RER));
    station.inject(&frame(MAC, 1514));
    assert_eq!(b.take().unwrap().status, WHOLE | rxd::PAM);
    station.inject(&frame(MAC, 59));
    assert_eq!(b.take(), None, "a runt");

    b.w32(regs::RCR, rcr::APM | rcr::AER | rcr::AR);
    station.inject_bad_fcs(&frame(MAC, 60));
    let part = b.take().unwrap();
    assert_eq!(part.status, WHOLE | rxd::PAM | rxd::RES | rxd::CRC);
    assert_ne!(part.data[60..], crc32fast::hash(&part.data[..60]).to_le_bytes());
    station.inject(&frame(MAC, 1515));
    assert_eq!(b.take().unwrap().status, WHOLE | rxd::PAM | rxd::RES | rxd::RWT);
    station.inject(&frame(MAC, 20));
    assert_eq!(b.take().unwrap().status, WHOLE | rxd::PAM | rxd::RES | rxd::RUNT);
    b.w16(regs::RMS, 0);
    b.w32(regs::RCR, rcr::APM);
    station.inject(&frame(MAC, 60));
    assert_eq!(b.take(), None, "RMS 0");
}

#[test]
fn without_bus_mastering_frames_are_missed() {
    let (mut b, station) = Bench::started(rcr::APM);
    b.nic.config_write(4, Width::U16, 3).unwrap();
    station.inject(&frame(MAC, 60));
    assert_eq!((b.r32(regs::MPC), b.r16(regs::ISR)), (1, 0));
    assert_eq!(b.handle.counters().dma_write_bytes, 0);
}

#[test]
fn memory_that_is_not_there_stops_the_receiver() {
    let (mut b, station) = Bench::started(rcr::APM);
    b.set_word(RX_RING + 8, 0x5000_0000);
    station.inject(&frame(MAC, 60));
    assert_eq!((b.r16(regs::ISR), b.handle.counters().master_aborts), (isr::SERR, 1));
    b.set_word(RX_RING + 8, IOVA + RX);
    station.inject(&frame(MAC, 60));
    assert_eq!((b.take(), b.r32(regs::MPC)), (None, 1));
    b.w8(regs::CR, cr::TE);
    b.w8(regs::CR, cr::TE | cr::RE);
    station.inject(&frame(MAC, 60));
    assert!(b.take().is_some());
}

#[test]
fn tags_are_taken_out() {
    let (mut b, station) = Bench::started(rcr::APM);
    let mut f = frame(MAC, 100);
    f[12..16].copy_from_slice(&[0x81, 0, 0x61, 0x23]);
    station.inject(&f);
    let part = b.take().unwrap();
    assert_eq!((part.options, part.frame()), (0, &f[..]));
    b.w16(regs::CPCR, cpcr::RXVLAN);
    station.inject(&f);
    let part = b.take().unwrap();
    assert_eq!(part.options, rxd::TAVA | 0x2361, "in the order of the wire");
    let plain = [&f[..12], &f[16..]].concat();
    assert_eq!(part.data[..96], plain);
    assert_eq!(part.data[96..], crc32fast::hash(&f).to_le_bytes());
    station.inject(&frame(MAC, 60));
    assert_eq!(b.take().unwrap().options, 0);
}

#[test]
fn descriptors_lie() {
    let (mut b, station) = Bench::started(rcr::APM);
    let lie = |status, length| Some(BadDescriptor { status, length });
    for (bad, word) in [
        (lie(None, Some(0)), WHOLE | rxd::PAM),
        (lie(None, Some(0xffff)), WHOLE | rxd::PAM | 0x3fff),
        (lie(Some(desc::LS), None), desc::LS | 64),
        (lie(Some(u32::MAX), Some(9)), rxd::STATUS | 9),
    ] {
        b.handle.misbehave(|m| m.rx_descriptor = bad);
        let at = RX_RING + 16 * b.rx_next;
        station.inject(&frame(MAC, 60));
        assert_eq!(b.word(at), word);
        b.take();
    }
    b.handle.misbehave(|m| (m.rx_descriptor, m.rx_never_done) = (None, true));
    station.inject(&frame(MAC, 60));
    assert_eq!((b.take(), b.r16(regs::ISR)), (None, isr::ROK));
    b.handle.misbehave(|m| m.rx_never_done = false);
    station.inject(&frame(MAC, 60));
    assert_eq!(b.word(RX_RING + 16 * (b.rx_next + 1)) & desc::OWN, 0, "it has gone on");
}
