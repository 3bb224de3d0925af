//! Context and data descriptors: checksums, segmentation.

use model_e1000::regs::{self, ctrl, icr, stat, txd};

use crate::bench::{Bench, MAC, NOW, frame};
use crate::packets::{IP, L4_V4, L4_V6, checksum_at, complete, is_right, packet, pseudo};

const DATA: u32 = txd::DEXT | txd::DATA | txd::IFCS;
const BOTH: u32 = txd::IXSM | txd::TXSM;

/// A context descriptor for `p`; `header` and `mss` for segmentation.
fn context(p: &[u8], command: u32, header: usize, mss: usize) -> [u32; 4] {
    let v6 = p[12] == 0x86;
    let l4 = if v6 { L4_V6 } else { L4_V4 };
    let protocol = if checksum_at(p) - l4 == 16 { txd::TCP } else { 0 };
    let ip = if v6 { IP as u32 } else { (L4_V4 as u32 - 1) << 16 | 24 << 8 | IP as u32 };
    let transport = (checksum_at(p) as u32) << 8 | l4 as u32;
    let version = if v6 { 0 } else { txd::IP };
    let command = command | protocol | version | txd::DEXT;
    let payload = if mss == 0 { 0 } else { p.len() - header };
    [ip, transport, command | payload as u32, (mss as u32) << 16 | (header as u32) << 8]
}

/// `p` with the sum of its pseudo header where its checksum goes, as a driver leaves it.
fn seeded(mut p: Vec<u8>, with_length: bool) -> Vec<u8> {
    let at = checksum_at(&p);
    let l4 = if p[12] == 0x86 { L4_V6 } else { L4_V4 };
    let length = if with_length { p.len() - l4 } else { 0 };
    let seed = pseudo(&p, length);
    p[at..at + 2].copy_from_slice(&seed.to_be_bytes());
    p
}

#[test]
fn checksums_are_inserted() {
    for v6 in [false, true] {
        for tcp in [false, true] {
            let (mut b, station) = Bench::started();
            let p = packet(v6, tcp, b"an odd payload.");
            b.put(context(&p, 0, 0, 0));
            let seeded = seeded(p.clone(), true);
            let options = if v6 { txd::TXSM } else { BOTH };
            b.put_data(&seeded[..50], DATA, options);
            b.put_data(&seeded[50..], DATA | txd::EOP | txd::RS, 0);
            b.doorbell();
            assert_eq!(station.receive(NOW).unwrap().data, complete(p), "v6 {v6} tcp {tcp}");
            assert!(b.tx_done(2));
        }
    }
}

#[test]
fn a_context_stays_and_options_choose() {
    let (mut b, station) = Bench::started();
    let p = seeded(packet(false, true, b"payload"), true);
    b.put(context(&p, txd::RS, 0, 0));
    b.put_data(&p, DATA | txd::EOP, 0);
    b.put_data(&p, DATA | txd::EOP, txd::IXSM);
    b.put_data(&p, DATA | txd::EOP, BOTH);
    b.doorbell();
    assert!(b.tx_done(0), "a context can be reported");
    let sent: Vec<_> = station.drain().into_iter().map(|f| is_right(&f.data)).collect();
    assert_eq!(sent, [(false, false), (true, false), (true, true)]);
}

#[test]
fn a_legacy_descriptor_inserts_one() {
    let (mut b, station) = Bench::started();
    let p = packet(false, false, b"payload");
    let command = txd::EOP | txd::IFCS | txd::IC | (checksum_at(&p) as u32) << 16;
    b.put_data(&seeded(p.clone(), true), command, (L4_V4 as u32) << 8);
    b.doorbell();
    assert!(is_right(&station.receive(NOW).unwrap().data).1);
    // A place outside the packet: it goes out as it is.
    b.put_data(&p, txd::EOP | txd::IFCS | txd::IC | 250 << 16, (L4_V4 as u32) << 8);
    b.put_data(&p, txd::EOP | txd::IFCS | txd::IC | 40 << 16, 250 << 8);
    b.doorbell();
    assert!(station.drain().iter().all(|f| f.data == p));
}

#[test]
fn a_udp_checksum_is_never_0() {
    let (mut b, station) = Bench::started();
    // The payload that makes everything add up to 0xffff, whose complement is 0.
    let mut p = packet(false, false, &[0; 2]);
    let open = complete(p.clone())[40..42].to_vec();
    p[42..44].copy_from_slice(&open);
    b.put(context(&p, 0, 0, 0));
    b.put_data(&seeded(p, true), DATA | txd::EOP, txd::TXSM);
    b.doorbell();
    assert_eq!(station.receive(NOW).unwrap().data[40..42], [0xff, 0xff]);
}

#[test]
fn packets_are_segmented() {
    for v6 in [false, true] {
        for length in [1usize, 999, 1000, 1001, 4999, 60_000] {
            let (mut b, station) = Bench::started();
            let payload: Vec<u8> = (0..length).map(|i| (i * 7) as u8).collect();
            // The lengths in its headers are the hardware's affair.
            let mut p = packet(v6, true, &payload[..1]);
            p.truncate(p.len() - 1);
            let header = p.len();
            p.extend(&payload);
            let p = seeded(p, false);
            b.put(context(&p, txd::TSE, header, 1000));
            let options = if v6 { txd::TXSM } else { BOTH };
            // The header may have a descriptor of its own, or not; later options do not count.
            let cut = if length == 4999 { header } else { header + length / 2 };
            b.put_data(&p[..cut], DATA | txd::TSE, options);
            b.put_data(&p[cut..], DATA | txd::TSE | txd::EOP | txd::RS, 0);
            b.doorbell();
            let segments = station.drain();
            assert_eq!(segments.len(), length.div_ceil(1000));
            let mut got: Vec<u8> = Vec::new();
            for (n, segment) in segments.iter().enumerate() {
                let s = &segment.data;
                let last = n + 1 == segments.len();
                assert_eq!(is_right(s), (true, true), "v6 {v6} {length}: {n}");
                let told = if v6 { &s[18..20] } else { &s[16..18] };
                let expected = if v6 { s.len() - L4_V6 } else { s.len() - IP };
                assert_eq!(told, (expected as u16).to_be_bytes());
                let l4 = header - 20;
                let sequence = 0xffff_ff00u32.wrapping_add(got.len() as u32);
                assert_eq!(s[l4 + 4..l4 + 8], sequence.to_be_bytes());
                assert_eq!(s[l4 + 13], if last { 0x19 } else { 0x10 }, "FIN and PSH");
                if !v6 {
                    assert_eq!(s[18..20], (0x1234 + n as u16).to_be_bytes());
                }
                got.extend(&s[header..]);
            }
            assert_eq!(got, payload);
            assert!(b.tx_done(2));
            assert_eq!([b.r(stat::TSCTC), b.r(stat::GPTC)], [1, segments.len() as u32]);
        }
    }
}

#[test]
fn segments_are_tagged_each() {
    let (mut b, station) = Bench::started();
    b.set(regs::CTRL, ctrl::VME);
    let p = seeded(packet(false, true, &[5; 2500]), false);
    b.put(context(&p, txd::TSE, L4_V4 + 20, 1000));
    // The first descriptor counts; of what is not segmented, the last.
    b.put_data(&p[..54], DATA | txd::TSE | txd::VLE, BOTH | 7 << 16);
    b.put_data(&p[54..], DATA | txd::TSE | txd::EOP, 0);
    b.doorbell();
    let segments = station.drain();
    assert_eq!((segments.len(), b.r(stat::TSCTFC)), (3, 0));
    for s in segments {
        assert_eq!(s.data[12..16], [0x81, 0, 0, 7]);
        assert_eq!(is_right(&[&s.data[..12], &s.data[16..]].concat()), (true, true));
    }
}

#[test]
fn a_plain_packet_is_tagged_by_its_last_descriptor() {
    let (mut b, station) = Bench::started();
    b.set(regs::CTRL, ctrl::VME);
    let f = frame(MAC, 100);
    b.put_data(&f[..50], DATA | txd::VLE, 7 << 16);
    b.put_data(&f[50..], DATA | txd::EOP, 0);
    b.put_data(&f[..50], DATA, 0);
    b.put_data(&f[50..], DATA | txd::EOP | txd::VLE, 7 << 16);
    b.doorbell();
    assert_eq!(station.receive(NOW).unwrap().data, f);
    assert_eq!(station.receive(NOW).unwrap().data[12..16], [0x81, 0, 0, 7]);
}

#[test]
fn the_two_contexts_do_not_touch() {
    let (mut b, station) = Bench::started();
    let large = seeded(packet(false, true, &[5; 1500]), false);
    let small = seeded(packet(true, false, b"datagram"), true);
    b.put(context(&large, txd::TSE, L4_V4 + 20, 1000));
    b.put(context(&small, 0, 0, 0));
    b.put_data(&small, DATA | txd::EOP, txd::TXSM);
    b.put_data(&large, DATA | txd::TSE | txd::EOP, BOTH);
    b.put_data(&small, DATA | txd::EOP, txd::TXSM);
    b.doorbell();
    let sent = station.drain();
    assert_eq!(sent.len(), 4);
    assert!(sent.iter().all(|f| is_right(&f.data) == (true, true)));
}

#[test]
fn what_cannot_be_segmented_is_dropped() {
    let (mut b, station) = Bench::started();
    let p = seeded(packet(false, true, &[5; 100]), false);
    b.put(context(&p, txd::TSE, L4_V4 + 20, 0));
    b.put_data(&p, DATA | txd::TSE | txd::EOP | txd::RS, BOTH);
    b.put(context(&p, txd::TSE, 154, 1000));
    b.put_data(&p, DATA | txd::TSE | txd::EOP | txd::RS, BOTH);
    b.doorbell();
    assert!(station.drain().is_empty());
    assert!(b.tx_done(1) && b.tx_done(3));
    assert_eq!((b.handle.counters().tx_aborts, b.r(stat::TSCTFC)), (2, 2));
    // A header that is longer than the fields it is said to have: nothing is written behind its end.
    b.put([0xffff_ffff, 0xffff_ffff, txd::DEXT | txd::TSE | txd::TCP | txd::IP, 100 << 16 | 20 << 8]);
    b.put_data(&p, DATA | txd::TSE | txd::EOP, BOTH);
    b.doorbell();
    assert_eq!(station.drain().len(), 2);
}

#[test]
fn a_descriptor_of_no_known_type_is_skipped() {
    let (mut b, station) = Bench::started();
    b.put([0, 0, txd::DEXT | 0xf << 20 | txd::EOP | txd::RS, 0]);
    b.doorbell();
    assert!(b.tx_done(0) && station.drain().is_empty());
    b.send(&frame(MAC, 60));
    assert_eq!((station.drain().len(), b.r(regs::ICR)), (1, icr::TXDW | icr::TXQE));
}
