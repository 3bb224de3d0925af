//! Checksums, large sends and tags.

use model_r8169::regs::{self, cpcr, desc, isr, rcr, rxd, txd};

use crate::bench::{Bench, MAC, NOW, WHOLE};

const TCP: u8 = 6;
const UDP: u8 = 17;

/// The Internet checksum, written down again: the model's own must not judge itself.
fn sum(bytes: &[u8]) -> u32 {
    let mut sum = 0u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) * 256 + pair.get(1).map_or(0, |b| u32::from(*b));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum
}

/// An IPv4 packet in a frame with all checksums right; payload is a count.
fn packet(protocol: u8, payload: usize, tag: bool) -> Vec<u8> {
    let header = if protocol == TCP { 20 } else { 8 };
    let mut body = vec![0; header];
    body[..4].copy_from_slice(&[0x12, 0x34, 0, 80]);
    if protocol == TCP {
        body[4..8].copy_from_slice(&0xffff_fff0u32.to_be_bytes());
        (body[12], body[13]) = (0x50, 0x19);
    } else {
        body[4..6].copy_from_slice(&((8 + payload) as u16).to_be_bytes());
    }
    body.extend((0..payload).map(|i| (i * 7) as u8));
    let mut f = MAC.to_vec();
    f.extend([2, 0, 0, 0, 0, 1]);
    f.extend(if tag { &[0x81, 0, 0, 5, 8, 0][..] } else { &[8, 0][..] });
    let ip = f.len();
    f.extend([0x45, 0, 0, 0, 0xff, 0xff, 0x40, 0, 64, protocol, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2]);
    let total = (20 + body.len()) as u16;
    f[ip + 2..ip + 4].copy_from_slice(&total.to_be_bytes());
    f.extend(body);
    seal(&mut f, ip);
    f
}

/// Puts right checksums into it.
fn seal(f: &mut [u8], ip: usize) {
    let at = ip + 20 + if f[ip + 9] == TCP { 16 } else { 6 };
    f[ip + 10..ip + 12].fill(0);
    f[at..at + 2].fill(0);
    let header = !sum(&f[ip..ip + 20]) as u16;
    f[ip + 10..ip + 12].copy_from_slice(&header.to_be_bytes());
    let length = f.len() - ip - 20;
    let pseudo = [&f[ip + 12..ip + 20], &[0, f[ip + 9]], &(length as u16).to_be_bytes()].concat();
    let all = sum(&[&pseudo[..], &f[ip + 20..]].concat());
    f[at..at + 2].copy_from_slice(&(!all as u16).to_be_bytes());
}

#[test]
fn checksums_are_inserted_where_asked() {
    let (mut b, station) = Bench::started(0);
    for (protocol, flag, at) in [(TCP, txd::TCPCS, 16), (UDP, txd::UDPCS, 6)] {
        for (payload, tag) in [(0, false), (100, false), (101, true)] {
            let good = packet(protocol, payload, tag);
            let ip = if tag { 18 } else { 14 };
            let mut bad = good.clone();
            bad[ip + 10] ^= 0x55;
            bad[ip + 20 + at] ^= 0x55;
            b.put(&bad, WHOLE | txd::IPCS | flag, 0);
            b.poll();
            assert_eq!(station.receive(NOW).unwrap().data[..good.len()], good, "{protocol} {payload} {tag}");
            b.put(&bad, WHOLE, 0);
            b.poll();
            assert_eq!(station.receive(NOW).unwrap().data[..bad.len()], bad);
            // Only that of the header; then only that of what it is not.
            let mut half = bad.clone();
            half[ip + 10] = good[ip + 10];
            b.put(&bad, WHOLE | txd::IPCS | (flag ^ (txd::TCPCS | txd::UDPCS)), 0);
            b.poll();
            assert_eq!(station.receive(NOW).unwrap().data[..half.len()], half);
        }
    }
}

#[test]
fn a_udp_checksum_is_never_zero() {
    let (mut b, station) = Bench::started(0);
    let mut f = packet(UDP, 64, false);
    // Make the sum all ones: put the complement of what the checksum would be into the payload.
    let want = u16::from_be_bytes([f[40], f[41]]);
    let word = u16::from_be_bytes([f[42], f[43]]);
    let sum = u32::from(word) + u32::from(want);
    f[42..44].copy_from_slice(&(((sum & 0xffff) + (sum >> 16)) as u16).to_be_bytes());
    b.put(&f, WHOLE | txd::UDPCS, 0);
    b.poll();
    assert_eq!(station.receive(NOW).unwrap().data[40..42], [0xff, 0xff]);
}

#[test]
fn what_is_no_packet_goes_out_as_it_is() {
    let (mut b, station) = Bench::started(0);
    let all = WHOLE | txd::IPCS | txd::TCPCS | txd::UDPCS;
    let good = packet(TCP, 60, false);
    let mut arp = good.clone();
    arp[13] = 6;
    let mut short_header = good.clone();
    short_header[14] = 0x44;
    for f in [arp, short_header, vec![0xaa; 60]] {
        b.put(&f, all, 0);
        b.poll();
        assert_eq!(station.receive(NOW).unwrap().data, f);
    }
    let mut fragment = good.clone();
    fragment[20] = 0x20;
    let mut too_long = good;
    too_long[16] = 0x7f;
    for mut f in [fragment, too_long] {
        b.put(&f, all, 0);
        b.poll();
        let sent = station.receive(NOW).unwrap().data;
        f[24..26].copy_from_slice(&sent[24..26]);
        assert_eq!(sent, f, "but for the header's own");
        assert_eq!(sum(&sent[14..34]), 0xffff);
    }
}

#[test]
fn a_large_send_is_cut_into_frames() {
    let (mut b, station) = Bench::started(0);
    for (payload, mss, tag) in [(3000, 1460, false), (2920, 1460, true), (1, 1460, false), (30000, 1000, false)] {
        let whole = packet(TCP, payload, tag);
        let header = whole.len() - payload;
        let ip = header - 40;
        let mut asked = whole.clone();
        asked[ip + 10] ^= 0x55;
        asked[ip + 36] ^= 0x55;
        // In two pieces, as a driver hands it over; the MSS stands in both.
        let word = txd::LGSEN | mss << txd::MSS_SHIFT;
        b.put(&asked[..header], word | desc::FS, 0);
        b.put(&asked[header..], word | desc::LS, 0);
        b.poll();
        let frames = station.drain();
        assert_eq!(frames.len(), payload.div_ceil(mss as usize));
        for (i, part) in whole[header..].chunks(mss as usize).enumerate() {
            let mut f = [&whole[..header], part].concat();
            let total = (f.len() - ip) as u16;
            f[ip + 2..ip + 4].copy_from_slice(&total.to_be_bytes());
            f[ip + 4..ip + 6].copy_from_slice(&0xffffu16.wrapping_add(i as u16).to_be_bytes());
            let sequence = 0xffff_fff0u32.wrapping_add(i as u32 * mss);
            f[ip + 24..ip + 28].copy_from_slice(&sequence.to_be_bytes());
            f[ip + 33] = if i + 1 == frames.len() { 0x19 } else { 0x10 };
            seal(&mut f, ip);
            assert_eq!(frames[i].data[..f.len()], f, "frame {i} of {payload}");
        }
    }
    assert_eq!(b.r16(regs::ISR), isr::TOK | isr::TDU);
}

#[test]
fn what_cannot_be_cut_is_an_error() {
    let (mut b, station) = Bench::started(0);
    let word = WHOLE | txd::LGSEN;
    for (f, mss) in [
        (packet(TCP, 100, false), 0),
        (packet(TCP, 0, false), 100),
        (packet(UDP, 100, false), 100),
        (vec![0xaa; 100], 100),
    ] {
        b.put(&f, word | mss << txd::MSS_SHIFT, 0);
        b.poll();
        assert_eq!(b.r16(regs::ISR), isr::TER | isr::TDU);
        b.w16(regs::ISR, 0xffff);
    }
    assert!(station.drain().is_empty());
    assert_eq!(b.handle.counters().tx_aborts, 4);
}

#[test]
fn tags_are_inserted() {
    let (mut b, station) = Bench::started(0);
    let f = packet(TCP, 100, false);
    let tagged = [&f[..12], &[0x81, 0, 0x61, 0x23], &f[12..]].concat();
    let mut bad = f.clone();
    bad[50] ^= 0x55;
    b.put(&bad, WHOLE | txd::TCPCS, txd::TAGC | 0x2361);
    b.poll();
    assert_eq!(station.receive(NOW).unwrap().data, tagged, "and the checksum too");
    b.put(&f, WHOLE | txd::LGSEN | 50 << txd::MSS_SHIFT, txd::TAGC | 0x2361);
    b.poll();
    let frames = station.drain();
    assert_eq!(frames.len(), 2);
    assert!(frames.iter().all(|f| f.data[12..18] == tagged[12..18]));
}

#[test]
fn received_checksums_are_looked_at() {
    let (mut b, station) = Bench::started(rcr::APM);
    let protocols = [(TCP, rxd::PID0, rxd::TCPF, 16), (UDP, rxd::PID1, rxd::UDPF, 6)];
    let check = |b: &mut Bench, f: &[u8], expect: u32| {
        let mut f = f.to_vec();
        f.resize(f.len().max(60), 0);
        station.inject(&f);
        assert_eq!(b.take().unwrap().status, WHOLE | rxd::PAM | expect);
    };
    check(&mut b, &packet(TCP, 9, false), 0);
    b.w16(regs::CPCR, cpcr::RXCHKSUM);
    for (protocol, id, fail, at) in protocols {
        for tag in [false, true] {
            let ip = if tag { 18 } else { 14 };
            let good = packet(protocol, 9, tag);
            check(&mut b, &good, id);
            let mut bad = good.clone();
            bad[ip + 20 + at] ^= 1;
            check(&mut b, &bad, id | fail);
            bad[ip + 10] ^= 1;
            check(&mut b, &bad, id | fail | rxd::IPF);
        }
    }
    let mut none = packet(UDP, 9, false);
    none[40..42].fill(0);
    check(&mut b, &none, rxd::PID1);
    let mut icmp = packet(TCP, 9, false);
    icmp[23] = 1;
    check(&mut b, &icmp, rxd::PID0 | rxd::PID1 | rxd::IPF);
    check(&mut b, &[&MAC[..], &[0xaa; 54]].concat(), 0);
}
