//! The receive ring.

use model_rtl8139::regs::{self, cr, isr, rcr, rx};
use model_wire::Rng;
use udrv_bus::{DmaMemory, PciFunction, Width};

use crate::bench::{Bench, IOVA, MAC, RX, frame};

const ALL: u32 = rcr::AAP | rcr::APM | rcr::AM | rcr::AB;

#[test]
fn a_frame_has_header_crc_and_alignment() {
    let (mut b, station) = Bench::new();
    b.start(rcr::APM);
    assert_ne!(b.r8(regs::CR) & cr::BUFE, 0);
    let f = frame(MAC, 61);
    station.inject(&f);
    assert_eq!(b.r8(regs::CR) & cr::BUFE, 0);
    assert_eq!(b.r16(regs::CBR), 72, "4 + 61 + 4, up to the next four");
    let got = b.take().unwrap();
    assert_eq!((got.status, got.length), (rx::ROK | rx::PAM, 65));
    assert_eq!(got.data, f);
    assert_eq!(got.crc, crc32fast_of(&f));
    assert_eq!(b.r16(regs::ISR), isr::ROK);
    assert!(b.take().is_none());
    assert_eq!(b.handle.counters().dma_write_bytes, 69);
}

/// CRC-32 of IEEE 802.3, bit by bit, least significant byte first.
fn crc32fast_of(frame: &[u8]) -> [u8; 4] {
    let mut crc = u32::MAX;
    for byte in frame {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ if crc & 1 != 0 { 0xedb8_8320 } else { 0 };
        }
    }
    (!crc).to_le_bytes()
}

#[test]
fn the_filter_marks_what_it_takes() {
    let (mut b, station) = Bench::new();
    let group = [1, 0, 0x5e, 0, 0, 1];
    b.start(rcr::APM | rcr::AB | rcr::AM);
    station.inject(&frame([0xff; 6], 60));
    station.inject(&frame(group, 60));
    assert_eq!(b.handle.counters().rx_filtered, 1, "the hash is empty");
    b.w32(regs::MAR0, u32::MAX);
    b.w32(regs::MAR4, u32::MAX);
    station.inject(&frame(group, 60));
    station.inject(&frame([2; 6], 60));
    let status: Vec<u16> = std::iter::from_fn(|| b.take()).map(|f| f.status).collect();
    assert_eq!(status, [rx::ROK | rx::BAR, rx::ROK | rx::MAR]);
    b.w32(0, 0x0202_0202);
    b.w32(4, 0x0202);
    station.inject(&frame([2; 6], 60));
    assert_eq!(b.take().unwrap().status, rx::ROK | rx::PAM, "IDR is the address that counts");
}

#[test]
fn runts_and_errors_need_their_bits() {
    let (mut b, station) = Bench::new();
    b.start(ALL);
    station.inject(&frame(MAC, 59));
    station.inject(&[1, 2, 3]);
    station.inject_bad_fcs(&frame(MAC, 60));
    station.inject(&frame(MAC, 4093));
    assert!(b.take().is_none());
    assert_eq!(b.r16(regs::ISR), isr::RER);
    b.w32(regs::RCR, ALL | rcr::AR | rcr::AER | rcr::WRAP);
    b.rcr |= rcr::WRAP;
    station.inject(&frame(MAC, 59));
    let runt = b.take().unwrap();
    assert_eq!((runt.status, runt.length), (rx::ROK | rx::PAM | rx::RUNT, 63));
    station.inject_bad_fcs(&frame(MAC, 60));
    assert_eq!(b.take().unwrap().status, rx::PAM | rx::CRC);
    station.inject(&frame(MAC, 4093));
    assert_eq!(b.take().unwrap().status, rx::PAM | rx::LONG);
    station.inject(&frame(MAC, 4092));
    assert_eq!(b.take().unwrap().status, rx::PAM | rx::ROK);
}

#[test]
fn nothing_is_received_without_re() {
    let (mut b, station) = Bench::new();
    b.w32(regs::RCR, ALL);
    station.inject(&frame(MAC, 60));
    assert_eq!(b.r16(regs::ISR), 0);
    assert_eq!(b.handle.counters().rx_filtered, 1);
}

#[test]
fn without_bus_mastering_the_fifo_overflows() {
    let (mut b, station) = Bench::new();
    b.start(ALL);
    b.nic.config_write(4, Width::U16, 3).unwrap();
    station.inject(&frame(MAC, 60));
    assert_eq!(b.r16(regs::ISR), isr::FOVW);
    assert_eq!(b.r32(regs::MPC), 1);
    assert_eq!(b.handle.counters().dma_write_bytes, 0);
}

#[test]
fn overflow_is_told_counted_and_over_when_there_is_room() {
    let (mut b, station) = Bench::new();
    b.start(ALL);
    // 1500 + 8 bytes: five fit into 8 KiB.
    let f = frame(MAC, 1500);
    for _ in 0..5 {
        station.inject(&f);
    }
    assert_eq!((b.r16(regs::ISR), b.r32(regs::MPC)), (isr::ROK, 0));
    station.inject(&f);
    assert_eq!((b.r16(regs::ISR), b.r32(regs::MPC)), (isr::ROK | isr::RXOVW, 1));
    station.inject(&f);
    assert_eq!((b.r16(regs::ISR), b.r32(regs::MPC)), (isr::ROK | isr::RXOVW | isr::FOVW, 2));
    assert_eq!(b.handle.counters().rx_missed, 2);
    b.w16(regs::ISR, 0xffff);
    b.w32(regs::MPC, 0x1234);
    assert_eq!(b.r32(regs::MPC), 0, "any write clears it");
    assert_eq!(b.take().unwrap().data, f);
    station.inject(&f);
    assert_eq!(b.r16(regs::ISR), isr::ROK);
    assert_eq!(std::iter::from_fn(|| b.take()).count(), 5);
}

#[test]
fn a_ring_is_never_filled_to_the_last_byte() {
    let (mut b, station) = Bench::new();
    b.start(ALL);
    // 8 frames of 1024 bytes would make CBR meet CAPR + 16, which means empty.
    for _ in 0..8 {
        station.inject(&frame(MAC, 1016));
    }
    assert_eq!(b.handle.counters().rx_frames, 7);
    assert_eq!(std::iter::from_fn(|| b.take()).count(), 7);
}

#[test]
fn wrap_goes_on_behind_the_end() {
    for wrap in [false, true] {
        let (mut b, station) = Bench::new();
        b.start(ALL | if wrap { rcr::WRAP } else { 0 });
        let f = frame(MAC, 1500);
        for _ in 0..6 {
            station.inject(&f);
            if b.r16(regs::CBR) < 1500 {
                break;
            }
            assert_eq!(b.take().unwrap().data, f);
        }
        let mut behind = [0; 4];
        b.memory.read(u64::from(RX) + 0x2000, &mut behind).unwrap();
        assert_eq!(behind != [0; 4], wrap);
        assert_eq!(b.take().unwrap().data, f);
    }
}

#[test]
fn a_master_abort_loses_the_frame() {
    let (mut b, station) = Bench::new();
    b.start(ALL);
    b.w32(regs::RBSTART, 0x7000_0000);
    station.inject(&frame(MAC, 60));
    assert_eq!(b.r16(regs::ISR), isr::SERR);
    assert_eq!(b.r16(regs::CBR), 0);
    assert_eq!((b.handle.counters().master_aborts, b.handle.counters().rx_missed), (1, 1));
    b.w32(regs::RBSTART, IOVA + RX);
    station.inject(&frame(MAC, 60));
    assert_eq!(b.take().unwrap().data.len(), 60);
}

#[test]
fn switching_the_receiver_on_empties_the_ring() {
    let (mut b, station) = Bench::new();
    b.start(ALL);
    station.inject(&frame(MAC, 60));
    b.w32(regs::RCR, ALL | rcr::WRAP);
    assert_eq!(b.r16(regs::CBR), 68, "RCR leaves it alone");
    b.w8(regs::CR, cr::TE);
    b.w8(regs::CR, cr::TE | cr::RE);
    assert_eq!((b.r16(regs::CBR), b.r16(regs::CAPR)), (0, 0xfff0));
}

/// Whatever comes and however the driver reads: each frame comes out whole, in order, or was counted as missed.
#[test]
fn any_order_of_arrival_and_reading_keeps_the_ring_whole() {
    for seed in 0..24u64 {
        let mut rng = Rng::new(seed);
        let (mut b, station) = Bench::new();
        let wrap = if seed & 4 != 0 { rcr::WRAP } else { 0 };
        b.start(ALL | wrap | (seed as u32 & 3) << rcr::RBLEN_SHIFT);
        let mut expected = std::collections::VecDeque::new();
        for _ in 0..600 {
            if rng.below(100) < 55 {
                let mut f = vec![0; 60 + rng.below(1455) as usize];
                f.fill_with(|| rng.next_u64() as u8);
                f[..6].copy_from_slice(&MAC);
                let before = b.handle.counters().rx_missed;
                station.inject(&f);
                if b.handle.counters().rx_missed == before {
                    expected.push_back(f);
                }
            } else {
                let got = b.take().map(|f| (f.status, f.data));
                assert_eq!(got, expected.pop_front().map(|f| (rx::ROK | rx::PAM, f)), "seed {seed}");
            }
            assert_eq!(b.r8(regs::CR) & cr::BUFE != 0, expected.is_empty());
            assert!(u32::from(b.r16(regs::CBR)) < b.ring_size());
            assert_eq!(b.r16(regs::CBR) % 4, 0);
        }
        assert_eq!(b.handle.counters().master_aborts, 0);
    }
}
