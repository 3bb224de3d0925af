//! Endpoint 0.

use model_pegasus::regs::{self, request};
use model_pegasus::{BULK_IN, Variant};
use udrv_bus::{BusError, Setup, TransferStatus, UsbDevice};

use crate::bench::Bench;

fn ask(bench: &mut Bench, request_type: u8, request: u8, value: u16, index: u16) -> Result<Vec<u8>, BusError> {
    let mut to = [0xee; 64];
    let length = bench.nic.control_in(Setup { request_type, request, value, index }, &mut to)?;
    Ok(to[..length].to_vec())
}

fn tell(bench: &mut Bench, request_type: u8, request: u8, value: u16, index: u16) -> Result<(), BusError> {
    bench.nic.control_out(Setup { request_type, request, value, index }, &[])
}

fn is_stall<T: std::fmt::Debug>(answer: Result<T, BusError>) -> bool {
    matches!(answer, Err(BusError::Stall { .. }))
}

#[test]
fn descriptors() {
    for (variant, product) in [(Variant::An986, 0x0986_u16), (Variant::Adm8511, 0x8511)] {
        let (mut bench, _) = Bench::of(variant);
        let device = ask(&mut bench, 0x80, 6, 0x0100, 0).unwrap();
        assert_eq!((device.len(), device[0], device[1], device[7], device[17]), (18, 18, 1, 8, 1));
        assert_eq!((bench.nic.id().vendor, bench.nic.id().product), (0x07a6, product));
        assert_eq!(device[10..12], product.to_le_bytes());
        let configuration = ask(&mut bench, 0x80, 6, 0x0200, 0).unwrap();
        assert_eq!(configuration.len(), 39);
        assert_eq!(configuration[13], 3, "endpoints");
        assert_eq!(configuration[18..], [7, 5, 0x81, 2, 64, 0, 0, 7, 5, 0x02, 2, 64, 0, 0, 7, 5, 0x83, 3, 8, 0, 1]);
        let product = ask(&mut bench, 0x80, 6, 0x0302, 0x0409).unwrap();
        let text: Vec<u16> = product[2..].chunks(2).map(|c| u16::from_le_bytes([c[0], c[1]])).collect();
        assert_eq!(String::from_utf16(&text).unwrap(), "USB To LAN Converter");
        assert_eq!(ask(&mut bench, 0x80, 6, 0x0300, 0).unwrap(), [4, 3, 9, 4]);
        // No more than there is room for.
        let mut eight = [0; 8];
        let setup = Setup { request_type: 0x80, request: 6, value: 0x0100, index: 0 };
        assert_eq!(bench.nic.control_in(setup, &mut eight).unwrap(), 8);
        assert_eq!(eight, device[..8]);
        for value in [0x0101, 0x0201, 0x0304, 0x0600, 0x0f00] {
            assert!(is_stall(ask(&mut bench, 0x80, 6, value, 0)), "{value:04x}");
        }
    }
}

#[test]
fn configuration_and_interface() {
    let (mut bench, _) = Bench::of(Variant::Adm8511);
    assert_eq!(ask(&mut bench, 0x80, 8, 0, 0).unwrap(), [1]);
    assert_eq!(ask(&mut bench, 0x81, 10, 0, 0).unwrap(), [0]);
    assert_eq!(ask(&mut bench, 0x80, 0, 0, 0).unwrap(), [0, 0]);
    tell(&mut bench, 1, 11, 0, 0).unwrap();
    assert!(is_stall(tell(&mut bench, 1, 11, 1, 0)));
    assert!(is_stall(tell(&mut bench, 0, 9, 2, 0)));
    let waiting = bench.submit(BULK_IN, vec![0; 64], false);
    tell(&mut bench, 0, 9, 0, 0).unwrap();
    let ended = bench.nic.reap().unwrap();
    assert_eq!((ended.token, ended.status), (waiting, TransferStatus::Cancelled));
    assert_eq!(ask(&mut bench, 0x80, 8, 0, 0).unwrap(), [0]);
    assert!(is_stall(ask(&mut bench, 0x81, 10, 0, 0)));
    let transfer = udrv_bus::Transfer { endpoint: BULK_IN, token: 0, data: vec![0; 64], zero_packet: false };
    assert!(matches!(bench.nic.submit(transfer), Err(BusError::Unsupported(_))));
    tell(&mut bench, 0, 9, 1, 0).unwrap();
    bench.submit(BULK_IN, vec![0; 64], false);
    assert!(bench.nic.reap().is_none());
}

#[test]
fn halts() {
    let (mut bench, _) = Bench::of(Variant::Adm8511);
    assert_eq!(ask(&mut bench, 0x82, 0, 0, 0x81).unwrap(), [0, 0]);
    tell(&mut bench, 2, 3, 0, 0x81).unwrap();
    assert_eq!(ask(&mut bench, 0x82, 0, 0, 0x81).unwrap(), [1, 0]);
    assert_eq!(bench.transfer(BULK_IN, vec![0; 64]).status, TransferStatus::Stalled);
    tell(&mut bench, 2, 1, 0, 0x81).unwrap();
    assert_eq!(ask(&mut bench, 0x82, 0, 0, 0x81).unwrap(), [0, 0]);
    assert!(is_stall(tell(&mut bench, 2, 3, 0, 0x84)));
    assert!(is_stall(ask(&mut bench, 0x82, 0, 0, 0x01)));
}

#[test]
fn what_is_not_understood_is_stalled_and_does_nothing() {
    let (mut bench, _) = Bench::of(Variant::Adm8511);
    assert!(is_stall(ask(&mut bench, 0xc0, 0xf2, 0, 0)));
    assert!(is_stall(ask(&mut bench, 0xa1, 0xf0, 0, 0)));
    let write = |index| Setup { request_type: request::WRITE, request: request::SET_REGISTERS, value: 0xff, index };
    for (index, data) in [(0x100, &[0xff][..]), (0xff, &[0xff, 0xff]), (0x08, &[])] {
        assert!(is_stall(bench.nic.control_out(write(index), data)), "{index:x}");
    }
    assert_eq!(bench.handle.register(regs::MULTICAST), 0);
    let (mut two, setup) = ([0; 2], Setup { request_type: 0xc0, request: 0xf0, value: 0, index: 0xff });
    assert!(is_stall(bench.nic.control_in(setup, &mut two)));
    let stall = bench.nic.control_in(setup, &mut two).unwrap_err().to_string();
    assert_eq!(stall, "request c0 f0, value 0000, index 00ff: the device answered with a stall");
    assert_eq!(bench.handle.counters().control_reads, 4);
    assert_eq!(bench.handle.counters().control_writes, 3);
}

#[test]
fn a_control_transfer_takes_its_time() {
    let cost = std::time::Duration::from_millis(2);
    let config = model_pegasus::Config { control_cost: cost, ..model_pegasus::Config::default() };
    let (mut bench, _far) = Bench::with_far_end(config, model_wire::WireConfig::default());
    let begin = std::time::Instant::now();
    bench.r8(0);
    bench.set(0, 0);
    assert!(begin.elapsed() >= 2 * cost);
}
