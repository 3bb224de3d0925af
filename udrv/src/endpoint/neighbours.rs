//! What an Ethernet needs of a host besides packets: somebody who says which address is here. ARP (RFC 826) for IPv4,
//! neighbour solicitation (RFC 4861) for IPv6. Behind a TAP the kernel does that, behind a TUN nobody would.

use std::net::IpAddr;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, Icmpv6Packet,
    Icmpv6Repr, IpProtocol, Ipv6Address, Ipv6Packet, Ipv6Repr, NdiscNeighborFlags, NdiscRepr,
};

/// Hops of a message between neighbours, by which it is known for one: no router has passed it on.
const HOPS: u8 = 255;

/// Whether the frame is about neighbours: it is for [`answer`], and no packet for the host.
pub(super) fn is_question(frame: &[u8]) -> bool {
    const SOLICITATION: u8 = 135;
    match frame.get(12..14) {
        Some([0x08, 0x06]) => true,
        Some([0x86, 0xdd]) => {
            frame.get(20) == Some(&u8::from(IpProtocol::Icmpv6)) && frame.get(54) == Some(&SOLICITATION)
        }
        _ => false,
    }
}

/// The answer to a frame that asks for an address which `is_ours`, from the station `mac`. `None`: it asks for no such.
pub(super) fn answer(frame: &[u8], mac: [u8; 6], is_ours: impl Fn(IpAddr) -> bool) -> Option<Vec<u8>> {
    let (mac, frame) = (EthernetAddress(mac), EthernetFrame::new_checked(frame).ok()?);
    match frame.ethertype() {
        EthernetProtocol::Arp => answer_arp(&frame, mac, is_ours),
        EthernetProtocol::Ipv6 => answer_solicitation(&frame, mac, is_ours),
        _ => None,
    }
}

fn answer_arp(frame: &EthernetFrame<&[u8]>, mac: EthernetAddress, is_ours: impl Fn(IpAddr) -> bool) -> Option<Vec<u8>> {
    let asked = ArpRepr::parse(&ArpPacket::new_checked(frame.payload()).ok()?).ok()?;
    let ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Request,
        source_hardware_addr,
        source_protocol_addr,
        target_protocol_addr,
        ..
    } = asked
    else {
        return None;
    };
    if !is_ours(target_protocol_addr.into()) {
        return None;
    }
    let reply = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Reply,
        source_hardware_addr: mac,
        source_protocol_addr: target_protocol_addr,
        target_hardware_addr: source_hardware_addr,
        target_protocol_addr: source_protocol_addr,
    };
    Some(framed(mac, source_hardware_addr, EthernetProtocol::Arp, reply.buffer_len(), |payload| {
        reply.emit(&mut ArpPacket::new_unchecked(payload));
    }))
}

fn answer_solicitation(
    frame: &EthernetFrame<&[u8]>,
    mac: EthernetAddress,
    is_ours: impl Fn(IpAddr) -> bool,
) -> Option<Vec<u8>> {
    let packet = Ipv6Packet::new_checked(frame.payload()).ok()?;
    let ip = Ipv6Repr::parse(&packet).ok()?;
    let checksums = ChecksumCapabilities::default();
    let message = Icmpv6Packet::new_checked(packet.payload()).ok()?;
    let asked = Icmpv6Repr::parse(&ip.src_addr, &ip.dst_addr, &message, &checksums).ok()?;
    let Icmpv6Repr::Ndisc(NdiscRepr::NeighborSolicit { target_addr, .. }) = asked else { return None };
    if ip.hop_limit != HOPS || !is_ours(target_addr.into()) {
        return None;
    }
    // one who has no address yet asks whether this one is free, and is told with everybody else
    let (to, to_mac, solicited) = if ip.src_addr.is_unspecified() {
        let all_nodes = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
        (all_nodes, EthernetAddress([0x33, 0x33, 0, 0, 0, 1]), NdiscNeighborFlags::empty())
    } else {
        (ip.src_addr, frame.src_addr(), NdiscNeighborFlags::SOLICITED)
    };
    let flags = solicited | NdiscNeighborFlags::OVERRIDE;
    let reply = Icmpv6Repr::Ndisc(NdiscRepr::NeighborAdvert { flags, target_addr, lladdr: Some(mac.into()) });
    let ip = Ipv6Repr {
        src_addr: target_addr,
        dst_addr: to,
        next_header: IpProtocol::Icmpv6,
        payload_len: reply.buffer_len(),
        hop_limit: HOPS,
    };
    let bytes = ip.buffer_len() + reply.buffer_len();
    Some(framed(mac, to_mac, EthernetProtocol::Ipv6, bytes, |payload| {
        ip.emit(&mut Ipv6Packet::new_unchecked(&mut *payload));
        let message = &mut payload[ip.buffer_len()..];
        reply.emit(&ip.src_addr, &ip.dst_addr, &mut Icmpv6Packet::new_unchecked(message), &checksums);
    }))
}

fn framed(
    from: EthernetAddress,
    to: EthernetAddress,
    ethertype: EthernetProtocol,
    bytes: usize,
    fill: impl FnOnce(&mut [u8]),
) -> Vec<u8> {
    let mut frame = vec![0; EthernetFrame::<&[u8]>::buffer_len(bytes)];
    EthernetRepr { src_addr: from, dst_addr: to, ethertype }.emit(&mut EthernetFrame::new_unchecked(&mut frame));
    fill(&mut frame[EthernetFrame::<&[u8]>::header_len()..]);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const PEER: [u8; 6] = [2, 0, 0, 0, 0, 2];

    /// "Who has 10.1.0.1? Tell 10.1.0.2", byte by byte as RFC 826 has it.
    fn who_has(target: [u8; 4]) -> Vec<u8> {
        let mut frame = vec![0xff; 6];
        frame.extend(PEER);
        frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
        frame.extend(PEER);
        frame.extend([10, 1, 0, 2, 0, 0, 0, 0, 0, 0]);
        frame.extend(target);
        frame.resize(60, 0);
        frame
    }

    fn is_ours(address: IpAddr) -> bool {
        address == IpAddr::from([10, 1, 0, 1]) || address == "fe80::1".parse::<IpAddr>().unwrap()
    }

    #[test]
    fn arp_is_answered_for_what_is_ours() {
        let question = who_has([10, 1, 0, 1]);
        assert!(is_question(&question));
        let reply = answer(&question, OURS, is_ours).unwrap();
        let mut expected = PEER.to_vec();
        expected.extend(OURS);
        expected.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 2]);
        expected.extend(OURS);
        expected.extend([10, 1, 0, 1]);
        expected.extend(PEER);
        expected.extend([10, 1, 0, 2]);
        assert_eq!(reply, expected);
        assert_eq!(answer(&who_has([10, 1, 0, 9]), OURS, is_ours), None);
        assert_eq!(answer(&reply, OURS, |_| true), None, "an answer is no question");
    }

    /// A solicitation for fe80::1, whose checksum was worked out by hand: the sum of the pseudo header and the message.
    fn solicitation(source: [u8; 16], hops: u8) -> Vec<u8> {
        let mut target = [0; 16];
        (target[0], target[1], target[15]) = (0xfe, 0x80, 1);
        let mut group = [0; 16];
        (group[0], group[1], group[11], group[12], group[15]) = (0xff, 2, 1, 0xff, 1);
        let mut message = vec![135, 0, 0, 0, 0, 0, 0, 0];
        message.extend(target);
        let pseudo = [&source[..], &group, &[0, 0, 0, message.len() as u8, 0, 0, 0, 58], &message].concat();
        let sum: u32 = pseudo.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
        let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        let mut frame = vec![0x33, 0x33, 0xff, 0, 0, 1];
        frame.extend(PEER);
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, message.len() as u8, 58, hops]);
        frame.extend(source);
        frame.extend(group);
        frame.extend(message);
        frame
    }

    #[test]
    fn a_solicitation_is_answered_to_who_asks_or_to_all() {
        let mut source = [0; 16];
        (source[0], source[1], source[15]) = (0xfe, 0x80, 2);
        let question = solicitation(source, 255);
        assert!(is_question(&question));
        let reply = answer(&question, OURS, is_ours).unwrap();
        assert_eq!((&reply[..6], &reply[6..12], reply[54]), (&PEER[..], &OURS[..], 136));
        assert_eq!(reply[58] >> 5, 0b011, "solicited, and to be believed");
        assert_eq!(reply[reply.len() - 6..], OURS);
        let packet = Ipv6Packet::new_checked(&reply[14..]).unwrap();
        let message = Icmpv6Packet::new_checked(packet.payload()).unwrap();
        assert!(message.verify_checksum(&packet.src_addr(), &packet.dst_addr()));

        let reply = answer(&solicitation([0; 16], 255), OURS, is_ours).unwrap();
        assert_eq!((&reply[..6], reply[58] >> 5), (&[0x33, 0x33, 0, 0, 0, 1][..], 0b001));
        assert_eq!(answer(&solicitation(source, 64), OURS, is_ours), None, "it came through a router");
        assert_eq!(answer(&question, OURS, |_| false), None);
    }

    #[test]
    fn what_is_cut_short_or_spoilt_is_not_answered() {
        for question in [who_has([10, 1, 0, 1])[..42].to_vec(), solicitation([0; 16], 255)] {
            for length in 0..question.len() {
                assert_eq!(answer(&question[..length], OURS, |_| true), None, "{length}");
                let _ = is_question(&question[..length]);
            }
        }
        let mut spoilt = solicitation([0; 16], 255);
        spoilt[56] ^= 1;
        assert_eq!(answer(&spoilt, OURS, is_ours), None);
    }
}
