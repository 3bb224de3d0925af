//! The card with a host at the other end of its cable: ARP, and a datagram that comes back, by interrupt.

use model_e1000::Config;
use model_e1000::regs::{self, icr, rctl, rxcsum, rxd};
use model_wire::{FarHost, FarHostConfig, PORT_ECHO};
use udrv_bus::PciFunction;

use crate::bench::{Bench, MAC, RxPart};
use crate::packets::{complete, packet};

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

/// Waits for the next frame by interrupt, as a driver does.
fn next_frame(b: &mut Bench) -> RxPart {
    loop {
        if let Some(frame) = b.take() {
            return frame;
        }
        b.take_interrupt();
        b.r(regs::ICR);
        b.nic.unmask_intx().unwrap();
    }
}

#[test]
fn arp_and_a_datagram() {
    let (mut b, far) = Bench::with_far_end(Config::default());
    let host = FarHost::start(far, FarHostConfig::default()).unwrap();
    b.start(rctl::BAM | rctl::SECRC);
    b.w(regs::RXCSUM, rxcsum::IPOFL | rxcsum::TUOFL);
    b.enable_line();
    b.w(regs::IMS, icr::RXT0);

    b.send(&arp_request());
    let reply = next_frame(&mut b).data;
    assert_eq!((&reply[20..22], &reply[28..32]), (&[0, 2][..], &HOST[..]));

    for length in [20usize, 1000] {
        let payload: Vec<u8> = (0..length).map(|i| i as u8).collect();
        let mut p = packet(false, false, &payload);
        p[..6].copy_from_slice(&reply[22..28]);
        p[6..12].copy_from_slice(&MAC);
        p[36..38].copy_from_slice(&PORT_ECHO.to_be_bytes());
        b.send(&complete(p));
        let echo = next_frame(&mut b);
        assert_eq!((echo.status & (rxd::IPCS | rxd::TCPCS), echo.errors), (rxd::IPCS | rxd::TCPCS, 0));
        assert_eq!(echo.data[42..42 + length], payload);
    }
    drop(host);
}
