//! Transmission: descriptors, polling, errors.

use model_r8169::Variant;
use model_r8169::regs::{self, cr, desc, isr, mii, rcr, tcr, tppoll};
use model_r8169::testing::TestMemory;
use std::sync::Arc;
use udrv_bus::{DmaMapping, DmaMemory, PciFunction, Width};

use crate::bench::{Bench, HIGH_RING, IOVA, MAC, MEMORY, NOW, RING, TX, TX_RING, WHOLE, frame};

#[test]
fn frames_go_out_in_turn_and_around_the_ring() {
    for variant in Variant::ALL {
        let (mut b, station) = Bench::of(variant);
        b.start(0);
        for n in 0..3 * RING {
            let f = frame([n as u8; 6], 60 + n as usize);
            b.send(&f);
            let end = if n % RING == RING - 1 { desc::EOR } else { 0 };
            assert_eq!(b.tx_word(n % RING), end | WHOLE | f.len() as u32, "all but OWN stays");
            assert_eq!(station.receive(NOW).unwrap().data, f);
        }
        assert_eq!(b.r16(regs::ISR), isr::TOK | isr::TDU);
        assert_eq!(b.handle.counters().tx_frames, u64::from(3 * RING));
    }
}

#[test]
fn one_poll_sends_all_that_is_there() {
    let (mut b, station) = Bench::started(0);
    for n in 0..5 {
        b.put(&[n; 60], WHOLE, 0);
    }
    assert!(station.drain().is_empty(), "not polled");
    b.poll();
    let order: Vec<u8> = station.drain().iter().map(|f| f.data[0]).collect();
    assert_eq!(order, [0, 1, 2, 3, 4]);
    assert_eq!(b.r8(regs::TPPOLL), 0);
    b.put(&[5; 60], WHOLE, 0);
    assert!(station.drain().is_empty(), "it has stopped at the sixth");
}

#[test]
fn a_ring_that_is_full_is_sent_once() {
    let (mut b, station) = Bench::started(0);
    for n in 0..RING {
        b.put(&[n as u8; 60], WHOLE, 0);
    }
    b.poll();
    assert_eq!(station.drain().len(), RING as usize);
    assert_eq!(b.r16(regs::ISR), isr::TOK | isr::TDU);
}

#[test]
fn a_frame_is_gathered_from_descriptors() {
    let (mut b, station) = Bench::started(0);
    let f = frame([2; 6], 300);
    b.put(&f[..14], desc::FS, 0);
    b.put(&f[14..100], 0, 0);
    b.poll();
    assert!(station.drain().is_empty());
    assert_eq!(b.r16(regs::ISR), isr::TDU, "it waits in the middle of a frame");
    b.put(&[], 0, 0);
    b.put(&f[100..], desc::LS, 0);
    b.poll();
    assert_eq!(station.receive(NOW).unwrap().data, f);
    b.put(&f, desc::LS, 0);
    b.poll();
    assert!(station.drain().is_empty(), "it has no beginning");
    assert_eq!(b.r16(regs::ISR) & isr::TER, isr::TER);
    b.put(&f, desc::FS, 0);
    b.send(&f);
    assert_eq!(station.receive(NOW).unwrap().data, f, "a second beginning drops the first");
}

#[test]
fn short_frames_are_padded_and_long_ones_lost() {
    let (mut b, station) = Bench::started(0);
    b.send(&[7; 14]);
    let f = station.receive(NOW).unwrap().data;
    assert_eq!((f.len(), &f[..14], &f[14..]), (60, &[7; 14][..], &[0; 46][..]));
    b.send(&[7; 7168]);
    assert_eq!(station.receive(NOW).unwrap().data.len(), 7168, "jumbo");
    assert_eq!(b.r16(regs::ISR) & isr::TER, 0);
    b.put(&[7; 8000], desc::FS, 0);
    b.put(&[7; 65], desc::LS, 0);
    b.poll();
    b.put(&[], WHOLE, 0);
    b.poll();
    assert!(station.drain().is_empty());
    assert_eq!((b.r16(regs::ISR) & isr::TER, b.handle.counters().tx_aborts), (isr::TER, 2));
    assert_eq!([2, 3, 4].map(|i| b.tx_word(i) & desc::OWN), [0; 3]);
    b.send(&[7; 60]);
    assert_eq!(station.drain().len(), 1, "it goes on");
}

#[test]
fn nothing_goes_out_without_te_or_bus_mastering() {
    let (mut b, station) = Bench::started(0);
    b.w8(regs::CR, cr::RE);
    b.send(&[1; 60]);
    assert!(station.drain().is_empty());
    assert_eq!(b.r8(regs::TPPOLL), tppoll::NPQ, "it waits");
    b.w8(regs::CR, cr::RE | cr::TE);
    assert_eq!((station.drain().len(), b.r8(regs::TPPOLL)), (1, 0));
    b.nic.config_write(4, Width::U16, 3).unwrap();
    b.send(&[2; 60]);
    assert!(station.drain().is_empty());
    b.nic.config_write(4, Width::U16, 7).unwrap();
    assert_eq!(station.drain().len(), 1);
}

#[test]
fn a_ring_begins_anew_with_its_address_and_with_te() {
    let (mut b, station) = Bench::started(0);
    b.send(&[1; 60]);
    b.send(&[2; 60]);
    b.tx_next = 0;
    b.w32(regs::TNPDS, IOVA + TX_RING);
    b.send(&[3; 60]);
    assert_eq!(station.drain().len(), 3);
    b.w8(regs::CR, 0);
    b.tx_next = 0;
    b.w8(regs::CR, cr::TE);
    b.send(&[4; 60]);
    assert_eq!(station.drain()[0].data, [4; 60]);
}

#[test]
fn the_high_priority_ring_goes_first() {
    let (mut b, station) = Bench::started(0);
    b.w32(regs::THPDS, IOVA + HIGH_RING);
    b.put(&[1; 60], WHOLE, 0);
    b.memory.write(TX.into(), &[9; 120]).unwrap();
    for i in 0..2 {
        let at = HIGH_RING + 16 * i;
        b.memory.write(u64::from(at) + 8, &u64::from(IOVA + TX + 60).to_le_bytes()).unwrap();
        b.set_word(at, desc::OWN | WHOLE | 60);
    }
    b.w8(regs::TPPOLL, tppoll::HPQ | tppoll::NPQ);
    let order: Vec<u8> = station.drain().iter().map(|f| f.data[0]).collect();
    assert_eq!(order, [9, 9, 9]);
    assert_eq!(b.word(HIGH_RING), WHOLE | 60);
    assert_eq!(b.tx_word(0), WHOLE | 60);
}

#[test]
fn memory_that_is_not_there_is_a_master_abort() {
    let (mut b, station) = Bench::started(0);
    b.put(&[1; 60], WHOLE, 0);
    b.set_word(TX_RING + 8, IOVA + MEMORY as u32 - 30);
    b.poll();
    assert!(station.drain().is_empty());
    assert_eq!(b.r16(regs::ISR), isr::SERR);
    assert_eq!(b.nic.config_read(6, Width::U16).unwrap() & 0x6000, 0x2000);
    assert_eq!(b.handle.counters().master_aborts, 1);
    assert_ne!(b.tx_word(0) & desc::OWN, 0);
    b.set_word(TX_RING + 8, IOVA + TX);
    b.poll();
    assert!(station.drain().is_empty(), "it has stopped");
    b.reset();
    b.start(0);
    b.send(&[2; 60]);
    assert_eq!(station.drain().len(), 1);
    b.w32(regs::TNPDS, 0x5000_0000);
    b.poll();
    assert_eq!(b.handle.counters().master_aborts, 2, "nor are descriptors there");
}

#[test]
fn upper_halves_of_addresses_count_with_dac() {
    let high = 1u64 << 32;
    for (variant, cpcr, counts) in
        [(Variant::Rtl8169S, 0, false), (Variant::Rtl8169S, regs::cpcr::DAC, true), (Variant::Rtl8168B, 0, true)]
    {
        let (mut b, station) = Bench::of(variant);
        b.start(0);
        let memory = Arc::new(TestMemory::new(4096));
        memory.write(0, &[0xaa; 60]).unwrap();
        b.nic.map_dma(DmaMapping { iova: high + u64::from(IOVA), memory }).unwrap();
        b.w16(regs::CPCR, cpcr);
        b.memory.write(0x800, &[0xbb; 60]).unwrap();
        b.put(&[0xbb; 60], WHOLE, 0);
        b.memory.write(u64::from(TX_RING) + 8, &(high + u64::from(IOVA)).to_le_bytes()).unwrap();
        b.poll();
        let sent = station.receive(NOW).unwrap().data[59];
        assert_eq!(sent == 0xaa, counts, "{variant:?}");
    }
}

#[test]
fn without_link_frames_are_lost() {
    let (mut b, station) = Bench::started(0);
    b.wire.set_link(false);
    b.send(&[1; 60]);
    assert_eq!(b.tx_word(0) & desc::OWN, 0);
    assert!(station.drain().is_empty());
    assert_eq!(b.wire.stats().to_far.link_down, 1);
}

#[test]
fn loopback_comes_back_and_stays_off_the_wire() {
    let (mut b, station) = Bench::started(rcr::APM);
    let f = frame(MAC, 100);
    b.w32(regs::TCR, 1 << 17);
    assert_ne!(b.r32(regs::TCR) & tcr::LBK, 0);
    b.send(&f);
    station.inject(&f);
    assert_eq!(b.take().unwrap().frame(), f);
    assert_eq!(b.take(), None);
    b.w32(regs::TCR, 0);
    b.phy_write(mii::BMCR, mii::LOOPBACK | mii::SPEED_1000 | mii::DUPLEX);
    b.send(&f);
    assert_eq!(b.take().unwrap().frame(), f);
    assert!(station.drain().is_empty());
    assert_eq!(b.handle.counters().tx_loopback, 2);
}

#[test]
fn a_ring_without_an_end_is_not_walked_for_ever() {
    let (mut b, station) = Bench::started(0);
    // A receive buffer over the transmit ring: what is sent gives the descriptor back to the chip.
    b.w32(regs::TCR, tcr::LBK);
    b.w32(regs::RCR, rcr::AAP);
    b.put(&frame(MAC, 60), WHOLE, 0);
    for i in 0..RING {
        b.memory.write(u64::from(crate::bench::RX_RING + 16 * i) + 8, &u64::from(IOVA).to_le_bytes()).unwrap();
    }
    b.poll();
    assert!(b.handle.counters().tx_loopback <= 1025);
    assert!(station.drain().is_empty());
}
