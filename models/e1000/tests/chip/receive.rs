//! The receive ring and what comes into it.

use model_e1000::multicast_bit;
use model_e1000::regs::{self, ctrl, icr, rctl, rxcsum, rxd, stat};
use model_wire::Rng;
use udrv_bus::{DmaMemory, PciFunction, Width};

use crate::bench::{Bench, MAC, RING, RX_RING, frame};
use crate::packets::{complete, packet};

const OTHER: [u8; 6] = [2, 0, 0, 0, 0, 9];
const GROUP: [u8; 6] = [1, 0, 0x5e, 0, 0, 0xfb];

#[test]
fn a_frame_comes_with_its_crc_unless_stripped() {
    let (mut b, station) = Bench::new();
    b.start(0);
    let f = frame(MAC, 61);
    station.inject(&f);
    let got = b.take().unwrap();
    assert_eq!((got.status, got.errors), (rxd::DD | rxd::EOP | rxd::IXSM, 0));
    assert_eq!((got.data.len(), &got.data[..61]), (65, &f[..]));
    assert_eq!(b.r(regs::ICR), icr::RXT0);
    b.set(regs::RCTL, rctl::SECRC);
    station.inject(&f);
    assert_eq!(b.take().unwrap().data, f);
    assert_eq!(b.r(regs::RDH), 2);
    assert!(b.take().is_none());
}

#[test]
fn a_long_frame_takes_several_buffers() {
    for (bits, size) in [
        (0, 2048),
        (1 << rctl::BSIZE_SHIFT, 1024),
        (3 << rctl::BSIZE_SHIFT, 256),
        (rctl::BSEX | 3 << rctl::BSIZE_SHIFT, 4096),
        (rctl::BSEX | 1 << rctl::BSIZE_SHIFT, 16384),
    ] {
        let (mut b, station) = Bench::new();
        b.start(rctl::SECRC | rctl::LPE | bits);
        let f = frame(MAC, (7 * size / 2).min(16380));
        station.inject(&f);
        let mut whole: Vec<u8> = Vec::new();
        while let Some(part) = b.take_part() {
            whole.extend(&part.data);
            assert_eq!(part.status & rxd::EOP != 0, whole.len() == f.len());
            assert!(part.data.len() == size || whole.len() == f.len());
        }
        assert_eq!(whole, f, "{size}");
    }
}

#[test]
fn filters() {
    let (mut b, station) = Bench::new();
    b.start(0);
    let taken = |b: &mut Bench, to| {
        station.inject(&frame(to, 60));
        b.take().is_some()
    };
    let all = [MAC, OTHER, GROUP, [0xff; 6]];
    for (bits, expected) in [
        (0, [true, false, false, false]),
        (rctl::BAM, [true, false, false, true]),
        (rctl::UPE, [true, true, false, false]),
        (rctl::MPE, [true, false, true, true]),
    ] {
        b.w(regs::RCTL, rctl::EN | bits);
        assert_eq!(all.map(|to| taken(&mut b, to)), expected, "{bits:#x}");
    }
    b.w(regs::RCTL, rctl::EN);
    b.w(regs::RAL0 + 8 * 15, 0x0000_0002);
    b.w(regs::RAL0 + 8 * 15 + 4, 0x0900);
    assert!(!taken(&mut b, OTHER), "not valid");
    b.w(regs::RAL0 + 8 * 15 + 4, regs::rah::AV | 0x0900);
    assert!(taken(&mut b, OTHER));
    for mo in 0..4 {
        b.w(regs::RCTL, rctl::EN | mo << rctl::MO_SHIFT);
        let bit = multicast_bit(&GROUP, mo);
        b.w(regs::MTA + bit / 32 * 4, 1 << (bit % 32));
        station.inject(&frame(GROUP, 60));
        assert_ne!(b.take().unwrap().status & rxd::PIF, 0);
        b.w(regs::MTA + bit / 32 * 4, !(1 << (bit % 32)));
        assert!(!taken(&mut b, GROUP));
        b.w(regs::MTA + bit / 32 * 4, 0);
    }
}

#[test]
fn vlan_tags_are_stripped_and_filtered() {
    let (mut b, station) = Bench::started();
    let f = frame(MAC, 100);
    let tagged = [&f[..12], &[0x81, 0, 0x20, 0x64], &f[12..]].concat();
    station.inject(&tagged);
    let got = b.take().unwrap();
    assert_eq!((got.status & rxd::VP, got.special, got.data), (0, 0, tagged.clone()));
    b.set(regs::CTRL, ctrl::VME);
    station.inject(&tagged);
    let got = b.take().unwrap();
    assert_eq!((got.status & rxd::VP, got.special, got.data), (rxd::VP, 0x2064, f.clone()));
    b.set(regs::RCTL, rctl::VFE);
    station.inject(&tagged);
    assert!(b.take().is_none());
    station.inject(&f);
    assert!(b.take().is_some(), "without a tag");
    b.w(regs::VFTA + 4 * (0x64 / 32), 1 << (0x64 % 32));
    station.inject(&tagged);
    assert!(b.take().is_some());
    b.set(regs::RCTL, rctl::CFIEN | rctl::CFI);
    station.inject(&tagged);
    assert!(b.take().is_none(), "its CFI is 0");
}

#[test]
fn checksums_are_looked_at() {
    let (mut b, station) = Bench::started();
    let (ip, both) = (rxd::IPCS, rxd::IPCS | rxd::TCPCS);
    let offload = rxcsum::IPOFL | rxcsum::TUOFL | rxcsum::IPV6OFL;
    let v4 = |tcp| complete(packet(false, tcp, b"odd payload"));
    let v6 = complete(packet(true, true, b"odd payload"));
    let damaged = |mut p: Vec<u8>, at: usize| {
        p[at] ^= 0x40;
        p
    };
    let mut fragment = packet(false, false, b"odd payload");
    fragment[20] = 0x20; // more fragments
    let fragment = complete(fragment);
    let mut no_udp_checksum = v4(false);
    no_udp_checksum[40..42].fill(0);
    let tagged = |p: Vec<u8>| [&p[..12], &[0x81, 0, 0, 5], &p[12..]].concat();
    for (what, csum, p, status, errors) in [
        ("off", 0, v4(true), rxd::IXSM, 0),
        ("tcp", offload, v4(true), both, 0),
        ("udp", offload, v4(false), both, 0),
        ("padded", offload, complete(packet(false, false, b"")), both, 0),
        ("tagged", offload, tagged(v4(true)), both, 0),
        ("bad ttl", offload, damaged(v4(true), 22), both, rxd::IPE),
        ("bad payload", offload, damaged(v4(true), 60), both, rxd::TCPE),
        ("ip only", rxcsum::IPOFL, damaged(v4(true), 60), ip, 0),
        ("transport only", rxcsum::TUOFL, damaged(v4(true), 22), rxd::TCPCS, 0),
        ("no udp checksum", offload, no_udp_checksum, ip, 0),
        ("fragment", offload, fragment, ip, 0),
        ("v6", offload, v6.clone(), rxd::TCPCS, 0),
        ("v6 bad", offload, damaged(v6.clone(), 70), rxd::TCPCS, rxd::TCPE),
        ("v6 off", rxcsum::IPOFL | rxcsum::TUOFL, v6, rxd::IXSM, 0),
        ("other", offload, frame(MAC, 60), rxd::IXSM, 0),
    ] {
        b.w(regs::RXCSUM, csum);
        let mut p = p;
        p.resize(p.len().max(60), 0);
        station.inject(&p);
        let got = b.take().unwrap();
        assert_eq!((got.status, got.errors), (rxd::DD | rxd::EOP | status, errors), "{what}");
    }
}

#[test]
fn the_packet_checksum_starts_where_it_is_told() {
    let (mut b, station) = Bench::started();
    let f = frame(MAC, 60);
    let tagged = [&f[..12], &[0x81, 0, 0x20, 0x64], &f[12..]].concat();
    let expected = |start: usize| {
        f[start..].chunks(2).fold(0u32, |sum, w| {
            let sum = sum + (u32::from(w[0]) << 8 | u32::from(*w.get(1).unwrap_or(&0)));
            (sum & 0xffff) + (sum >> 16)
        })
    };
    b.set(regs::CTRL, ctrl::VME);
    for start in [0, 3, 11, 12, 13, 14, 33, 59] {
        b.w(regs::RXCSUM, start as u32);
        station.inject(&f);
        assert_eq!(u32::from(b.take().unwrap().checksum), expected(start), "{start}");
        station.inject(&tagged);
        assert_eq!(u32::from(b.take().unwrap().checksum), expected(start), "{start}, stripped");
    }
    b.w(regs::RXCSUM, 200);
    station.inject(&f);
    assert_eq!(b.take().unwrap().checksum, 0);
    // A CRC that is not stripped counts.
    b.w(regs::RCTL, rctl::EN);
    b.w(regs::RXCSUM, 60);
    station.inject(&f);
    let got = b.take().unwrap();
    let [.., c0, c1, c2, c3] = got.data[..] else { panic!("it has a CRC") };
    let sum = u32::from(u16::from_be_bytes([c0, c1])) + u32::from(u16::from_be_bytes([c2, c3]));
    assert_eq!(u32::from(got.checksum), (sum & 0xffff) + (sum >> 16));
}

#[test]
fn bad_frames_are_counted_and_stored_only_if_told() {
    let (mut b, station) = Bench::started();
    station.inject(&frame(MAC, 59));
    station.inject_bad_fcs(&frame(MAC, 59));
    station.inject_bad_fcs(&frame(MAC, 60));
    station.inject(&frame(MAC, 1519));
    station.inject_bad_fcs(&frame(MAC, 1519));
    station.inject(&[1, 2, 3]);
    assert!(b.take().is_none());
    let registers = [stat::RUC, stat::RFC, stat::CRCERRS, stat::ROC, stat::RJC];
    assert_eq!(registers.map(|at| b.r(at)), [1; 5]);
    assert_eq!(registers.map(|at| b.r(at)), [0; 5], "reading clears");
    assert_eq!([b.r(stat::TPR), b.r(stat::GPRC)], [5, 0]);
    station.inject(&frame(MAC, 1518));
    assert!(b.take().is_some());
    b.set(regs::RCTL, rctl::SBP);
    station.inject_bad_fcs(&frame(MAC, 60));
    assert_eq!(b.take().unwrap().errors, rxd::CE);
    station.inject(&frame(MAC, 59));
    assert_eq!(b.take().unwrap().data.len(), 59);
    station.inject(&frame(MAC, 1519));
    assert!(b.take().is_none());
    b.set(regs::RCTL, rctl::LPE);
    station.inject(&frame(MAC, 16380));
    station.inject(&frame(MAC, 16381));
    assert_eq!(std::iter::from_fn(|| b.take_part()).map(|p| p.data.len()).sum::<usize>(), 16380);
    assert_eq!(b.r(stat::ROC), 2);
}

#[test]
fn statistics_of_reception() {
    let (mut b, station) = Bench::started();
    b.set(regs::RCTL, rctl::MPE);
    for (to, len) in [(MAC, 60), (OTHER, 1000), ([0xff; 6], 60), (GROUP, 300)] {
        station.inject(&frame(to, len));
    }
    let registers = [stat::GPRC, stat::BPRC, stat::MPRC, stat::TPR, stat::PRC64, stat::PRC64 + 12];
    assert_eq!(registers.map(|at| b.r(at)), [3, 1, 1, 4, 2, 1]);
    assert_eq!([b.r(stat::GORCL), b.r(stat::GORCL + 4), b.r(stat::GORCL)], [64 + 64 + 304, 0, 0]);
    assert_eq!([b.r(stat::TORL), b.r(stat::TORL + 4), b.r(stat::TORL)], [64 + 64 + 304 + 1004, 0, 0]);
}

#[test]
fn an_empty_ring_overruns_and_goes_on() {
    let (mut b, station) = Bench::started();
    let f = frame(MAC, 60);
    for _ in 0..RING - 1 {
        station.inject(&f);
    }
    assert_eq!(b.r(regs::ICR), icr::RXT0 | icr::RXDMT0);
    station.inject(&f);
    assert_eq!(b.r(regs::ICR), icr::RXO);
    assert_eq!([b.r(stat::MPC), b.r(stat::RNBC), b.r(stat::GPRC)], [1, 1, RING - 1]);
    assert_eq!(b.handle.counters().rx_missed, 1);
    assert!(b.take().is_some());
    station.inject(&f);
    assert_eq!(std::iter::from_fn(|| b.take()).count() as u32, RING - 1);
}

#[test]
fn a_frame_that_needs_more_buffers_than_there_are_is_lost_whole() {
    let (mut b, station) = Bench::new();
    b.start(rctl::LPE | rctl::SECRC | 3 << rctl::BSIZE_SHIFT);
    station.inject(&frame(MAC, 256 * 15 + 1));
    assert!(b.take_part().is_none());
    assert_eq!(b.r(regs::RDH), 0);
    station.inject(&frame(MAC, 256 * 15));
    assert_eq!(std::iter::from_fn(|| b.take_part()).count(), 15);
}

#[test]
fn the_threshold_is_told_when_it_is_reached() {
    for (rdmts, free) in [(0, 8), (1, 4), (2, 2)] {
        let (mut b, station) = Bench::started();
        b.set(regs::RCTL, rdmts << rctl::RDMTS_SHIFT);
        for left in (1..RING - 1).rev() {
            station.inject(&frame(MAC, 60));
            assert_eq!(b.r(regs::ICR) & icr::RXDMT0 != 0, left == free, "{left} left");
        }
    }
}

#[test]
fn a_master_abort_stops_the_queue() {
    let (mut b, station) = Bench::started();
    b.memory.write(RX_RING, &0x5000_0000u64.to_le_bytes()).unwrap();
    station.inject(&frame(MAC, 60));
    station.inject(&frame(MAC, 60));
    assert_eq!((b.handle.counters().master_aborts, b.handle.counters().rx_missed, b.r(regs::RDH)), (1, 2, 0));
    b.memory.write(RX_RING, &(crate::bench::IOVA + crate::bench::RX).to_le_bytes()).unwrap();
    let rctl = b.r(regs::RCTL);
    b.w(regs::RCTL, rctl & !rctl::EN);
    b.w(regs::RCTL, rctl);
    station.inject(&frame(MAC, 60));
    assert!(b.take().is_some());
}

#[test]
fn nothing_is_received_without_enable_link_or_bus_mastering() {
    let (mut b, station) = Bench::started();
    let rctl = b.r(regs::RCTL);
    b.w(regs::RCTL, rctl & !rctl::EN);
    station.inject(&frame(MAC, 60));
    assert_eq!((b.r(stat::TPR), b.handle.counters().rx_filtered), (0, 1));
    b.w(regs::RCTL, rctl);
    b.nic.config_write(4, Width::U16, 3).unwrap();
    station.inject(&frame(MAC, 60));
    assert_eq!((b.r(regs::ICR), b.handle.counters().dma_write_bytes), (icr::RXO, 0));
    b.nic.config_write(4, Width::U16, 7).unwrap();
    b.w(regs::CTRL, ctrl::DEFAULT);
    station.inject(&frame(MAC, 60));
    assert!(b.take().is_none());
}

/// Whatever comes and however the driver reads: each frame comes out whole, in order, or was counted as missed.
#[test]
fn any_order_of_arrival_and_reading_keeps_the_ring_whole() {
    for seed in 0..16u64 {
        let mut rng = Rng::new(seed);
        let (mut b, station) = Bench::new();
        b.start(rctl::SECRC | rctl::LPE | (seed as u32 & 3) << rctl::BSIZE_SHIFT);
        let mut expected = std::collections::VecDeque::new();
        let mut partial: Vec<u8> = Vec::new();
        for _ in 0..600 {
            if rng.below(100) < 40 {
                let mut f = vec![0; 60 + rng.below(2500) as usize];
                f.fill_with(|| rng.next_u64() as u8);
                f[..6].copy_from_slice(&MAC);
                let before = b.handle.counters().rx_missed;
                station.inject(&f);
                if b.handle.counters().rx_missed == before {
                    expected.push_back(f);
                }
            } else if let Some(part) = b.take_part() {
                partial.extend(part.data);
                if part.status & rxd::EOP != 0 {
                    assert_eq!(Some(std::mem::take(&mut partial)), expected.pop_front(), "seed {seed}");
                }
            } else {
                assert!(expected.is_empty() && partial.is_empty(), "seed {seed}");
            }
        }
        assert_eq!(b.handle.counters().master_aborts, 0);
    }
}
