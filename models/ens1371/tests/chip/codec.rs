//! The codec behind its link.

use std::time::{Duration, Instant};

use model_ens1371::codec::{MUTE, VENDOR_ID, powerdown, reg};
use model_ens1371::{Config, Nothing, Variant, regs};
use regs::{codec, control, status};
use udrv_bus::Width;

use crate::bench::Bench;

#[test]
fn after_reset() {
    let mut b = Bench::new();
    let defaults = [
        (reg::RESET, 0),
        (reg::MASTER, 0x8000),
        (0x04, 0),
        (reg::MONO, 0x8000),
        (reg::BEEP, 0),
        (reg::PHONE, 0x8008),
        (reg::MIC, 0x8008),
        (reg::LINE, 0x8808),
        (reg::CD, 0x8808),
        (reg::VIDEO, 0x8808),
        (reg::AUX, 0x8808),
        (reg::PCM, 0x8808),
        (reg::RECORD_SELECT, 0),
        (reg::RECORD_GAIN, 0x8000),
        (reg::GENERAL, 0),
        (0x22, 0),
        (reg::POWERDOWN, powerdown::READY),
        (0x28, 0),
        (0x2a, 0),
        (reg::VENDOR_ID1, VENDOR_ID[0]),
        (reg::VENDOR_ID2, VENDOR_ID[1]),
    ];
    let shown = defaults.map(|(register, _)| (register, b.codec_read(register)));
    assert_eq!(shown, defaults);
    for (register, _) in defaults {
        if register != reg::POWERDOWN {
            b.codec_write(register, 0x1234);
        }
    }
    b.codec_write(reg::RESET, 0x5555);
    assert_eq!(defaults.map(|(register, _)| (register, b.codec_read(register))), defaults);
}

#[test]
fn volumes_have_five_bits_and_the_master_says_so() {
    let mut b = Bench::new();
    for (register, written, kept) in [
        (reg::MASTER, 0xffff, 0x9f1f),
        (reg::MASTER, 0x2000, 0x1f00),
        (reg::MASTER, 0x0020, 0x001f),
        (reg::MASTER, 0x0a15, 0x0a15),
        (reg::MONO, 0x803f, 0x801f),
        (reg::PCM, 0x2020, 0x0000),
        (reg::PCM, 0xffff, 0x9f1f),
        (reg::MIC, 0xffff, 0x805f),
        (reg::RECORD_SELECT, 0xffff, 0x0707),
        (reg::RECORD_GAIN, 0x8a05, 0x8a05),
        (reg::RECORD_GAIN, 0xffff, 0x8f0f),
        (reg::POWERDOWN, 0x00ff, powerdown::READY),
    ] {
        b.codec_write(register, written);
        assert_eq!(b.codec_read(register), kept, "{register:#x} {written:#x}");
    }
}

#[test]
fn an_access_takes_a_while_and_another_one_then_is_lost() {
    let mut b = Bench::of(Config { codec_polls: 2, ..Config::default() }, Nothing);
    b.w32(regs::CODEC, codec::write(reg::PCM, 0x0303));
    b.w32(regs::CODEC, codec::write(reg::PCM, 0x0404));
    let shown = [0; 3].map(|_| b.r32(regs::CODEC) & (codec::WIP | codec::RDY));
    assert_eq!(shown, [codec::WIP, codec::WIP, 0], "a write has no data");
    b.w32(regs::CODEC, codec::read(reg::PCM));
    let shown = [0; 4].map(|_| b.r32(regs::CODEC));
    let (busy, done) = (codec::read(reg::PCM) | codec::WIP, codec::read(reg::PCM) | codec::RDY | 0x0303);
    assert_eq!(shown, [busy, busy, done, done]);
    b.write(regs::CODEC, Width::U16, 0xffff);
    assert_eq!(b.r32(regs::CODEC), done, "double words only");
    let counters = b.handle.counters();
    assert_eq!((counters.codec_reads, counters.codec_writes, counters.codec_lost), (1, 1, 1));
}

#[test]
fn an_access_takes_its_time() {
    const TIME: Duration = Duration::from_millis(2);
    let mut b = Bench::of(Config { codec_polls: 0, codec_time: TIME, ..Config::default() }, Nothing);
    let start = Instant::now();
    b.w32(regs::CODEC, codec::read(reg::VENDOR_ID1));
    let mut looks = 0;
    let answer = loop {
        let value = b.r32(regs::CODEC);
        if value & codec::WIP == 0 {
            break value;
        }
        looks += 1;
    };
    assert!(start.elapsed() >= TIME && looks > 0);
    assert_eq!(answer as u16, VENDOR_ID[0]);
}

#[test]
fn sections_that_are_off_are_not_ready() {
    let mut b = Bench::new();
    for (off, ready) in
        [(powerdown::PR0, 0xe), (powerdown::PR1, 0xd), (powerdown::PR2, 0xb), (powerdown::PR3, 0x3), (0, 0xf)]
    {
        b.codec_write(reg::POWERDOWN, off);
        assert_eq!(b.codec_read(reg::POWERDOWN), off | ready);
    }
}

#[test]
fn a_link_that_is_off_answers_after_a_warm_reset() {
    let mut b = Bench::new();
    b.codec_write(reg::PCM, 0x0404);
    b.codec_write(reg::POWERDOWN, powerdown::PR4 | powerdown::PR0);
    assert!((0..1000).all(|_| b.r32(regs::CODEC) & codec::WIP != 0));
    b.w32(regs::CONTROL, control::SYNC_RES);
    b.w32(regs::CONTROL, 0);
    assert_eq!(b.codec_read(reg::POWERDOWN), powerdown::PR0 | 0xe, "the rest is as it was");
    assert_eq!(b.codec_read(reg::PCM), 0x0404);
}

#[test]
fn later_chips_hold_it_in_reset() {
    for variant in [Variant::Es1373, Variant::Ct5880] {
        let mut b = Bench::with(variant);
        b.w32(regs::CODEC, codec::write(reg::PCM, 0));
        assert!((0..1000).all(|_| b.r32(regs::CODEC) & codec::WIP != 0));
        b.w32(regs::STATUS, status::AC97_RST);
        assert_eq!(b.codec_read(reg::PCM), MUTE | 0x0808, "what was written did not reach it");
        b.codec_write(reg::PCM, 0);
        b.w32(regs::STATUS, 0);
        b.w32(regs::STATUS, status::AC97_RST);
        assert_eq!(b.codec_read(reg::PCM), MUTE | 0x0808);
    }
}
