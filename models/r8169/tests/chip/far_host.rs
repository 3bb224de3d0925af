//! The card with a host at the other end of its cable: ARP and ping, frame by frame.

use model_r8169::Variant;
use model_r8169::regs::{self, isr, rcr};
use model_wire::{FarHost, FarHostConfig};
use udrv_bus::PciFunction;

use crate::bench::{Bench, MAC, RxPart};

const ME: [u8; 4] = [10, 0, 2, 15];
const HOST: [u8; 4] = [10, 0, 2, 2];

fn arp_request() -> Vec<u8> {
    let mut f = vec![0xff; 6];
    f.extend(MAC);
    f.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    f.extend(MAC);
    f.extend(ME);
    f.extend([0; 6]);
    f.extend(HOST);
    f.resize(60, 0);
    f
}

fn checksum(bytes: &[u8]) -> [u8; 2] {
    let sum = bytes.chunks(2).fold(0u32, |s, c| s + u32::from(c[0]) * 256 + c.get(1).map_or(0, |b| u32::from(*b)));
    (!(sum % 0xffff) as u16).to_be_bytes()
}

fn ping(host_mac: [u8; 6], payload: usize) -> Vec<u8> {
    let mut icmp = vec![8, 0, 0, 0, 0x12, 0x34, 0, 1];
    icmp.extend((0..payload).map(|i| i as u8));
    let sum = checksum(&icmp);
    icmp[2..4].copy_from_slice(&sum);
    let mut ip = vec![0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 1, 0, 0];
    ip.extend(ME);
    ip.extend(HOST);
    ip[2..4].copy_from_slice(&((20 + icmp.len()) as u16).to_be_bytes());
    let sum = checksum(&ip);
    ip[10..12].copy_from_slice(&sum);
    let mut f = host_mac.to_vec();
    f.extend(MAC);
    f.extend([8, 0]);
    f.extend(ip);
    f.extend(icmp);
    f
}

/// Waits for the next frame by interrupt, as a driver does.
fn next_frame(b: &mut Bench) -> RxPart {
    loop {
        if let Some(part) = b.take() {
            return part;
        }
        b.take_interrupt();
        b.w16(regs::ISR, 0xffff);
        b.nic.unmask_intx().unwrap();
    }
}

#[test]
fn arp_and_ping() {
    let (mut b, far) = Bench::with_far_end(Variant::Rtl8168Be);
    let host = FarHost::start(far, FarHostConfig::default()).unwrap();
    b.start(rcr::APM | rcr::AB);
    b.enable_line();
    b.w16(regs::IMR, isr::ROK);

    b.send(&arp_request());
    let reply = next_frame(&mut b).frame().to_vec();
    assert_eq!((reply.len(), &reply[20..22], &reply[28..32]), (60, &[0, 2][..], &HOST[..]));
    let host_mac: [u8; 6] = reply[22..28].try_into().unwrap();
    assert_eq!(host_mac, FarHostConfig::default().mac);

    for payload in [56, 1400, 18] {
        let f = ping(host_mac, payload);
        b.send(&f);
        let part = next_frame(&mut b);
        let reply = part.frame();
        assert_eq!(reply[34], 0, "echo reply");
        assert_eq!(reply[38..42 + payload], f[38..]);
    }
    let stats = host.stop();
    assert_eq!((stats.frames_in, stats.frames_out), (4, 4));
}
