//! The card with a host at the other end of its cable: ARP and ping, frame by frame.

use std::time::{Duration, Instant};

use model_rtl8139::regs::{self, isr, rcr};
use model_wire::{FarHost, FarHostConfig};
use udrv_bus::PciFunction;

use crate::bench::{Bench, MAC, RxFrame};

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
fn next_frame(b: &mut Bench) -> RxFrame {
    loop {
        if let Some(frame) = b.take() {
            return frame;
        }
        b.take_interrupt();
        b.w16(regs::ISR, 0xffff);
        b.nic.unmask_intx().unwrap();
    }
}

#[test]
fn arp_and_ping() {
    let (mut b, far) = Bench::with_far_end();
    let host = FarHost::start(far, FarHostConfig::default()).unwrap();
    b.start(rcr::APM | rcr::AB);
    b.enable_line();
    b.w16(regs::IMR, isr::ROK);

    b.send(0, &arp_request());
    let reply = next_frame(&mut b);
    assert_eq!(reply.data[20..22], [0, 2]);
    assert_eq!(reply.data[28..32], HOST);
    assert_eq!(reply.length, 64, "padded");
    let host_mac: [u8; 6] = reply.data[22..28].try_into().unwrap();
    assert_eq!(host_mac, FarHostConfig::default().mac);

    for (i, payload) in [56, 1400, 18].into_iter().enumerate() {
        let f = ping(host_mac, payload);
        b.send(1 + i as u8, &f);
        let reply = next_frame(&mut b).data;
        assert_eq!(reply[34], 0, "echo reply");
        assert_eq!(reply[38..42 + payload], f[38..]);
    }
    let stats = host.stop();
    assert_eq!((stats.frames_in, stats.frames_out), (4, 4));
}

/// Not a test of correctness: prints what a frame costs. `cargo test --release -p model-rtl8139 -- --ignored --nocapture`.
#[test]
#[ignore = "prints a figure, proves nothing"]
fn cost_of_a_frame() {
    let (mut b, station) = Bench::new();
    b.start(rcr::APM | 2 << rcr::RBLEN_SHIFT);
    let f = crate::bench::frame(MAC, 1514);
    let rounds = 200_000u32;
    for slot in 0..4 {
        b.send(slot, &f);
    }
    let start = Instant::now();
    for i in 0..rounds {
        b.w32(regs::TSD0 + 4 * (i % 4) as u8, 1514);
        if i % 64 == 63 {
            drop(station.drain());
        }
    }
    let tx = start.elapsed() / rounds;
    let start = Instant::now();
    for _ in 0..rounds {
        station.inject(&f);
        let cbr = b.r16(regs::CBR);
        b.w16(regs::CAPR, cbr.wrapping_sub(16));
    }
    let rx = start.elapsed() / rounds;
    assert_eq!(b.handle.counters().rx_frames, rounds.into());
    println!("1514 bytes: transmit {tx:?}, receive {rx:?}, and the station's copies");
    assert!(tx < Duration::from_millis(1) && rx < Duration::from_millis(1));
}
