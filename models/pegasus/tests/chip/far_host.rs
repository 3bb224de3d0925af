//! The adapter with a host at the other end of its cable: ARP and ping, with a thread at each end.

use std::os::fd::AsFd;

use model_pegasus::{BULK_IN, BULK_OUT, Variant};
use model_wire::{FarHost, FarHostConfig, WireConfig};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use udrv_bus::{Completion, UsbDevice};

use crate::bench::{BROADCAST, Bench, MAC, ROOM, config, parse};

const ME: [u8; 4] = [10, 0, 2, 15];
const HOST: [u8; 4] = [10, 0, 2, 2];

fn arp_request() -> Vec<u8> {
    let head = [&BROADCAST[..], &MAC, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1], &MAC, &ME, &[0; 6], &HOST];
    head.concat()
}

fn checksum(bytes: &[u8]) -> [u8; 2] {
    let sum: u32 = bytes.chunks(2).map(|c| u32::from(c[0]) * 256 + c.get(1).map_or(0, |b| u32::from(*b))).sum();
    (!(sum % 0xffff) as u16).to_be_bytes()
}

fn ping(host: &[u8], payload: usize) -> Vec<u8> {
    let mut icmp = vec![8, 0, 0, 0, 0x12, 0x34, 0, 1];
    icmp.extend((0..payload).map(|i| i as u8));
    let sum = checksum(&icmp);
    icmp[2..4].copy_from_slice(&sum);
    let length = (20 + icmp.len() as u16).to_be_bytes();
    let mut ip = [&[0x45, 0], &length[..], &[0, 1, 0x40, 0, 64, 1, 0, 0], &ME, &HOST].concat();
    let sum = checksum(&ip);
    ip[10..12].copy_from_slice(&sum);
    [host, &MAC, &[8, 0], &ip, &icmp].concat()
}

#[test]
fn it_asks_who_there_is_and_pings() {
    let (mut bench, far) = Bench::with_far_end(config(Variant::Adm8511), WireConfig::default());
    let _host = FarHost::start(far, FarHostConfig::default()).unwrap();
    let event = eventfd(0, EventfdFlags::NONBLOCK).unwrap();
    bench.nic.set_event(event.as_fd()).unwrap();
    bench.start();
    let wait = |bench: &mut Bench, endpoint: u8| -> Completion {
        loop {
            if let Some(ended) = bench.nic.reap() {
                assert_eq!(ended.endpoint, endpoint);
                return ended;
            }
            let twenty = Timespec { tv_sec: 20, tv_nsec: 0 };
            assert_eq!(poll(&mut [PollFd::new(&event, PollFlags::IN)], Some(&twenty)).unwrap(), 1, "nothing comes");
            rustix::io::read(&event, &mut [0; 8]).unwrap();
        }
    };
    let exchange = |bench: &mut Bench, frame: &[u8]| {
        let mut data = (frame.len() as u16).to_le_bytes().to_vec();
        data.extend_from_slice(frame);
        bench.submit(BULK_OUT, data, true);
        wait(bench, BULK_OUT);
        bench.submit(BULK_IN, vec![0; ROOM], false);
        parse(&wait(bench, BULK_IN))
    };
    let answer = exchange(&mut bench, &arp_request());
    assert_eq!(answer.data[12..14], [8, 6]);
    let host = answer.data[22..28].to_vec();
    for payload in [0, 18, 56, 78, 1000, 1472] {
        let asked = ping(&host, payload);
        let answer = exchange(&mut bench, &asked);
        assert_eq!(answer.data[34], 0, "an echo reply");
        assert_eq!(answer.data[42..42 + payload], asked[42..]);
    }
}
