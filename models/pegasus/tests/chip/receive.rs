//! Reception.

use model_pegasus::regs::{self, ctrl0, ctrl2, rxd};
use model_pegasus::{BULK_IN, Config, Variant, multicast_bit};
use model_wire::{Station, WireConfig};
use udrv_bus::{TransferStatus, UsbDevice};

use crate::bench::{BROADCAST, Bench, MAC, OTHER, ROOM, config, frame, parse};

const GROUP: [u8; 6] = [0x01, 0, 0x5e, 0, 0, 0x17];

#[test]
fn a_frame_is_followed_by_crc_and_status() {
    let (mut bench, station) = Bench::started();
    for length in [60, 61, 100, 1514, 1518] {
        station.inject(&frame(MAC, length));
        let received = bench.receive().unwrap();
        assert_eq!(received.data, frame(MAC, length));
        assert_eq!((usize::from(received.length), received.status), (length + 4, 0));
        // The CRC of a frame with its CRC is the same for every frame.
        let whole = [&received.data[..], &received.crc].concat();
        assert_eq!(crc32(&whole), 0x2144_df1c);
    }
    station.inject(&frame(BROADCAST, 60));
    assert_eq!(bench.receive().unwrap().status, rxd::MULTICAST);
    // Without status.
    bench.set(regs::ETH_CTRL0, ctrl0::RX);
    station.inject(&frame(MAC, 60));
    assert_eq!(bench.transfer(BULK_IN, vec![0; ROOM]).length, 64);
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ if crc & 1 != 0 { 0xedb8_8320 } else { 0 })
    })
}

#[test]
fn the_filter_is_what_the_registers_say() {
    let (mut bench, station) = Bench::started();
    let bit = multicast_bit(&GROUP);
    for (ctrl0, ctrl2, hash, to, taken) in [
        (0, 0, false, MAC, true),
        (0, 0, false, OTHER, false),
        (0, 0, false, GROUP, false),
        (0, 0, true, GROUP, true),
        (0, 0, false, BROADCAST, true),
        (ctrl0::ALL_MULTICAST, 0, false, GROUP, true),
        (0, ctrl2::PROMISCUOUS, false, OTHER, true),
        (0, ctrl2::PROMISCUOUS, false, GROUP, true),
    ] {
        bench.set(regs::ETH_CTRL0, ctrl0::RX | ctrl0::RX_STATUS | ctrl0);
        bench.set(regs::ETH_CTRL2, ctrl2);
        bench.set(regs::MULTICAST + bit / 8, if hash { 1 << (bit % 8) } else { 0 });
        station.inject(&frame(to, 60));
        assert_eq!(bench.receive().is_some(), taken, "{ctrl0:#x} {ctrl2:#x} {to:x?}");
    }
    // Another address, and the receiver off.
    bench.set_all(regs::ETH_ID, &OTHER);
    station.inject(&frame(OTHER, 60));
    assert!(bench.receive().is_some());
    bench.set(regs::ETH_CTRL0, ctrl0::RX_STATUS | ctrl0::TX);
    station.inject(&frame(OTHER, 60));
    assert!(bench.receive().is_none());
    assert_eq!(bench.handle.counters().rx_filtered, 3);
}

#[test]
fn bad_frames_come_only_when_wanted_and_say_so() {
    let (mut bench, station) = Bench::started();
    type Send = fn(&Station);
    let cases: [(Send, u8); 3] = [
        (|station| station.inject_bad_fcs(&frame(MAC, 60)), rxd::CRC),
        (|station| station.inject(&frame(MAC, 59)), rxd::RUNT),
        (|station| station.inject(&frame(MAC, 1519)), rxd::GIANT),
    ];
    for (send, status) in cases {
        bench.set(regs::ETH_CTRL2, 0);
        send(&station);
        assert_eq!(bench.receive(), None);
        bench.set(regs::ETH_CTRL2, ctrl2::BAD_FRAMES);
        send(&station);
        assert_eq!(bench.receive().unwrap().status, status);
    }
    // No length word has that.
    station.inject(&frame(MAC, 4092));
    station.inject(&[0xff; 5]);
    assert_eq!(bench.receive(), None);
}

#[test]
fn frames_wait_in_a_fifo_of_bounded_room() {
    let small = Config { rx_fifo: 3000, ..config(Variant::Adm8511) };
    let (mut bench, far) = Bench::with_far_end(small, WireConfig::default());
    let station = Station::new(far);
    bench.start();
    bench.interrupt();
    for n in 0..5 {
        station.inject(&frame(MAC, 900 + n));
    }
    let packet = bench.interrupt().unwrap();
    assert_eq!(packet[2..5], [regs::rx::OVERRUN, 0, 2]);
    assert_eq!(bench.get(regs::RX_STATUS), [regs::rx::OVERRUN, 0, 2]);
    for n in 0..3 {
        assert_eq!(bench.receive().unwrap().data.len(), 900 + n);
        // There is room for one again.
        if n == 0 {
            station.inject(&frame(MAC, 700));
        }
    }
    assert_eq!(bench.receive().unwrap().data.len(), 700);
    assert_eq!(bench.receive(), None);
    bench.set(regs::ETH_CTRL2, ctrl2::EP3_CLEARS);
    assert_eq!(bench.interrupt(), None, "nothing new");
    for _ in 0..4 {
        station.inject(&frame(MAC, 1000));
    }
    assert_eq!(bench.interrupt().unwrap()[2..5], [regs::rx::OVERRUN, 0, 4]);
    assert_eq!(bench.get(regs::RX_STATUS), [0, 0, 0]);
    let counters = bench.handle.counters();
    assert_eq!((counters.rx_frames, counters.rx_missed), (6, 4));
}

/// A frame that fills whole packets ends with an empty one, which needs a place of its own if the room is full.
#[test]
fn room_for_whole_packets_gives_a_frame_in_pieces() {
    let (mut bench, station) = Bench::started();
    station.inject(&frame(MAC, 120)); // 128 with CRC and status
    station.inject(&frame(MAC, 60));
    assert_eq!(bench.transfer(BULK_IN, vec![0; 64]).length, 64);
    assert_eq!(bench.transfer(BULK_IN, vec![0; 64]).length, 64);
    assert_eq!(bench.transfer(BULK_IN, vec![0; 64]).length, 0);
    assert_eq!(bench.receive().unwrap().data.len(), 60);
    station.inject(&frame(MAC, 120));
    assert_eq!(bench.transfer(BULK_IN, vec![0; 192]).length, 128);
}

#[test]
fn too_little_room_is_an_overflow_and_the_packet_stays() {
    let (mut bench, station) = Bench::started();
    station.inject(&frame(MAC, 100)); // 108: 64 and 44
    for _ in 0..2 {
        let ended = bench.transfer(BULK_IN, vec![0; 60]);
        assert_eq!((ended.status, ended.length), (TransferStatus::Overflow, 0));
    }
    let ended = bench.transfer(BULK_IN, vec![0; 100]);
    assert_eq!((ended.status, ended.length), (TransferStatus::Overflow, 64));
    assert_eq!(bench.transfer(BULK_IN, vec![0; 44]).length, 44);
    assert_eq!(bench.receive(), None);
}

#[test]
fn frames_from_another_thread_end_transfers_in_order() {
    const FRAMES: usize = 2000;
    let (mut bench, station) = Bench::started();
    let sender = std::thread::spawn(move || {
        for n in 0..FRAMES {
            let mut data = frame(MAC, 64);
            data[12..16].copy_from_slice(&(n as u32).to_be_bytes());
            station.inject(&data);
        }
    });
    let mut tokens: std::collections::VecDeque<u64> =
        (0..4).map(|_| bench.submit(BULK_IN, vec![0; ROOM], false)).collect();
    let (mut last, mut got) = (None, 0);
    loop {
        let over = sender.is_finished();
        let Some(ended) = bench.nic.reap() else {
            if over {
                break;
            }
            continue;
        };
        assert_eq!((Some(ended.token), ended.status), (tokens.pop_front(), TransferStatus::Done));
        let received = parse(&ended);
        let n = u32::from_be_bytes(received.data[12..16].try_into().unwrap());
        assert!(Some(n) > last, "in order");
        last = Some(n);
        got += 1;
        tokens.push_back(bench.submit(BULK_IN, ended.data, false));
    }
    sender.join().unwrap();
    let counters = bench.handle.counters();
    assert_eq!((counters.rx_frames, counters.rx_frames + counters.rx_missed), (got, FRAMES as u64));
}
