//! What Linux's driver does to an adapter, request by request: probe, open, frames, multicast, close.

use model_pegasus::regs;
use model_pegasus::{BULK_IN, INTERRUPT, Variant};
use udrv_bus::{Setup, TransferStatus, UsbDevice};

use crate::bench::{BROADCAST, Bench, MAC, NOW, ROOM, frame, parse, write};

/// Of its table of devices: the low byte goes to general purpose pin 0.
const FEATURES: u8 = 0x24;

impl Bench {
    /// What the USB core asks first.
    fn enumerate(&mut self, product: u16) {
        let mut device = [0; 18];
        let get = |value, index| Setup { request_type: 0x80, request: 6, value, index };
        assert_eq!(self.nic.control_in(get(0x0100, 0), &mut device).unwrap(), 18);
        assert_eq!(device[8..12], [[0xa6, 0x07], product.to_le_bytes()].concat());
        let mut head = [0; 9];
        assert_eq!(self.nic.control_in(get(0x0200, 0), &mut head).unwrap(), 9);
        let mut all = vec![0; u16::from_le_bytes([head[2], head[3]]).into()];
        assert_eq!(self.nic.control_in(get(0x0200, 0), &mut all).unwrap(), all.len());
        for index in device[14..17].iter().filter(|index| **index != 0) {
            let mut string = [0; 255];
            let length = self.nic.control_in(get(0x0300 | u16::from(*index), 0x0409), &mut string).unwrap();
            assert!(length > 2 && length == string[0].into());
        }
        let configure = Setup { request_type: 0, request: 9, value: 1, index: 0 };
        self.nic.control_out(configure, &[]).unwrap();
    }

    /// The MAC of the adapter, and the address of its PHY.
    fn probe(&mut self, variant: Variant) -> ([u8; 6], u8) {
        assert_eq!(self.eprom(4) >> 8, 1, "the interval");
        self.set(regs::ETH_CTRL1, 0x08);
        assert!(self.poll(regs::ETH_CTRL1, 0x08, false) > 1);
        self.set(regs::GPIO1, 0x26);
        self.set(regs::GPIO0, FEATURES);
        self.set(regs::GPIO0, 0x26);
        let mac = match variant {
            Variant::Adm8511 => self.get(regs::ETH_ID),
            Variant::An986 => {
                let words: Vec<u8> = (0..3).flat_map(|word| self.eprom(word).to_le_bytes()).collect();
                self.set_all(regs::ETH_ID, &words);
                words.try_into().unwrap()
            }
        };
        if variant == Variant::Adm8511 {
            self.set(regs::REG_1D, 0);
            self.set(regs::PHY_POWER, 1);
            self.set(regs::PHY_POWER, 2);
            self.set(regs::REG_83, 0xa5);
            assert_ne!(self.r8(regs::REG_83), 0xa5, "or it were an ADM8513");
            self.set(0x80, 0xc0);
            self.set(regs::REG_83, 0xff);
            self.set(0x84, 0x01);
            self.set(regs::REG_81, 2);
        }
        let media = |status: u16| status != 0xffff && status & 0x7808 != 0;
        let phy = (0..32).find(|address| media(self.mii(*address, regs::mii::BMSR))).expect("a PHY");
        self.set(regs::WAKEUP_CTRL, 0x04);
        (mac, phy)
    }

    fn open(&mut self, mac: [u8; 6], phy: u8) -> (u64, u64) {
        self.set_all(regs::ETH_ID, &mac);
        let rx = self.submit(BULK_IN, vec![0; ROOM], false);
        let interrupt = self.submit(INTERRUPT, vec![0; 8], false);
        let partner = self.mii(phy, regs::mii::ANLPAR);
        let full = if partner & 0x0140 != 0 { 0x20 } else { 0 };
        let fast = if partner & 0x0180 != 0 { 0x10 } else { 0 };
        assert_eq!((full, fast), (0x20, 0x10));
        self.set_all(regs::ETH_CTRL0, &[0xc8, full | fast, 0x01]);
        assert!(self.link());
        (rx, interrupt)
    }
}

fn whole_life(variant: Variant) {
    let (mut bench, station) = Bench::of(variant);
    bench.enumerate(variant.id().product);
    let (mac, phy) = bench.probe(variant);
    assert_eq!((mac, phy), (MAC, 1));
    let (rx, interrupt) = bench.open(mac, phy);
    let told = bench.nic.reap().expect("the link has come");
    assert_eq!((told.token, told.length), (interrupt, 8));

    // Multicast: all of it, set without waiting.
    station.inject(&frame([1, 0, 0x5e, 0, 0, 1], 60));
    assert!(bench.nic.reap().is_none());
    bench.set_all(regs::ETH_CTRL0, &[0xca, 0x30, 0x01]);
    station.inject(&frame([1, 0, 0x5e, 0, 0, 1], 60));
    let ended = bench.nic.reap().expect("the frame");
    assert_eq!((ended.token, ended.status), (rx, TransferStatus::Done));
    // As the driver reads it: the length is in front of the status, less the CRC.
    let length = usize::from(u16::from_le_bytes(ended.data[ended.length - 4..ended.length - 2].try_into().unwrap()));
    assert_eq!((length & 0xfff) - 4, 60);
    assert_eq!(ended.data[ended.length - 2] & 0x1e, 0);
    assert_eq!(ended.data[..60], frame([1, 0, 0x5e, 0, 0, 1], 60));

    // Every length, both ways; a frame and its length that fill whole packets have a byte more.
    for length in 60..=1514 {
        let sent = frame(BROADCAST, length);
        bench.send(&sent);
        assert_eq!(station.receive(NOW).expect("a frame").data, sent);
        station.inject(&sent);
        bench.submit(BULK_IN, vec![0; ROOM], false);
        let ended = bench.nic.reap().expect("a frame");
        assert_eq!(parse(&ended).data, sent);
    }
    // The driver does not pad.
    bench.send(&frame(BROADCAST, 42));
    let mut padded = frame(BROADCAST, 42);
    padded.resize(60, 0);
    assert_eq!(station.receive(NOW).unwrap().data, padded);

    // The link goes and comes back: once told, and in the PHY's status.
    for up in [false, true] {
        bench.wire.set_link(up);
        let packet = bench.interrupt().expect("it is told");
        assert_eq!(packet[5] & regs::wakeup::LINK != 0, up);
        assert_eq!(bench.link(), up);
    }
    assert_eq!(bench.interrupt(), None);

    let pending = bench.submit(BULK_IN, vec![0; ROOM], false);
    bench.nic.control_out(write(regs::ETH_CTRL0, 0), &[0, 0]).unwrap();
    station.inject(&frame(MAC, 60));
    assert!(bench.nic.reap().is_none(), "it is closed");
    bench.nic.cancel(BULK_IN).unwrap();
    let ended = bench.nic.reap().unwrap();
    assert_eq!((ended.token, ended.status), (pending, TransferStatus::Cancelled));
    let counters = bench.handle.counters();
    assert_eq!((counters.contradictions, counters.tx_unended, counters.tx_aborts), (0, 0, 0));
    assert_eq!((counters.resets, counters.writes_in_reset), (1, 0));
    assert_eq!(bench.handle.register(regs::ETH_ID), MAC[0]);
}

#[test]
fn of_an_adm8511() {
    whole_life(Variant::Adm8511);
}

#[test]
fn of_an_an986() {
    whole_life(Variant::An986);
}
