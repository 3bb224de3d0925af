//! Each way to fail, on and off again. What every card can is tested where it is made; here that this chip heeds it.

use model_ens1371::codec::{powerdown, reg};
use model_ens1371::{AllOnes, Garbage, Misbehave, Nothing, regs};
use regs::{codec, src, status};
use udrv_bus::{PciFunction, Width};

use crate::bench::{Adc, Bench, Channel, Dac1, Dac2, STEREO_16, bytes, noise};

#[test]
fn gone() {
    let mut b = Bench::hearing(&noise(100));
    b.enable_line();
    b.fill_frames(Dac1, &noise(8));
    b.start(Dac1, STEREO_16, 8, 8);
    b.start(Adc, STEREO_16, 8, 8);
    b.handle.misbehave(|m| m.gone = true);
    assert_eq!((b.r32(regs::STATUS), b.card.config_read(0, Width::U32).unwrap()), (u32::MAX, u32::MAX));
    assert_eq!(b.pass(20), [[0; 2]; 20]);
    assert_eq!((b.signals(), b.handle.counters().dma_read_bytes, b.handle.counters().dma_write_bytes), (0, 0, 0));
    b.w32(regs::CONTROL, 0);
    b.handle.misbehave(|m| m.gone = false);
    assert_eq!(b.pass(8), noise(8), "the write was lost");
}

#[test]
fn registers_lie() {
    let mut b = Bench::ready(Nothing);
    let at = vec![u32::from(regs::LEGACY)..=u32::from(regs::LEGACY)];
    b.handle.misbehave(|m| m.all_ones = Some(AllOnes { offsets: at.clone(), reads: Some(2) }));
    assert_eq!([0; 3].map(|_| b.r32(regs::LEGACY)), [u32::MAX, u32::MAX, 1]);
    b.handle.misbehave(|m| m.garbage = Some(Garbage { seed: 1, offsets: at, one_in: 1 }));
    let lies = [0; 8].map(|_| b.r32(regs::LEGACY));
    assert!(lies.iter().any(|lie| *lie != lies[0]));
}

#[test]
fn the_codec_never_answers() {
    let mut b = Bench::ready(Nothing);
    b.handle.misbehave(|m| m.codec_busy = true);
    b.w32(regs::CODEC, codec::write(reg::PCM, 0));
    assert!((0..10_000).all(|_| b.r32(regs::CODEC) & codec::WIP != 0));
    assert_eq!(b.handle.with(|chip| chip.codec_register(reg::PCM)), 0x0808, "and has heard nothing");
    b.handle.misbehave(|m| *m = Misbehave::none());
    assert_eq!(b.codec_read(reg::PCM), 0x0808);
    b.handle.misbehave(|m| m.codec_silent = true);
    b.w32(regs::CODEC, codec::read(reg::PCM));
    let shown: Vec<u32> = (0..1000).map(|_| b.r32(regs::CODEC)).collect();
    assert!(shown.iter().all(|value| value & codec::RDY == 0) && shown[10] & codec::WIP == 0);
    b.handle.misbehave(|m| *m = Misbehave::none());
    assert_eq!(b.codec_read(reg::PCM), 0x0808);
}

#[test]
fn the_codec_is_not_ready() {
    let mut b = Bench::ready(Nothing);
    b.handle.misbehave(|m| m.codec_not_ready = true);
    assert_eq!(b.codec_read(reg::POWERDOWN), 0);
    b.handle.misbehave(|m| m.codec_not_ready = false);
    assert_eq!(b.codec_read(reg::POWERDOWN), powerdown::READY);
}

#[test]
fn the_converter_is_busy_for_ever() {
    let mut b = Bench::ready(Nothing);
    b.wait_src();
    b.handle.misbehave(|m| m.src_busy = true);
    b.w32(regs::SRC, src::address(1) | src::RAM_WE | 7);
    assert!((0..10_000).all(|_| b.r32(regs::SRC) & src::RAM_BUSY != 0));
    b.handle.misbehave(|m| m.src_busy = false);
    assert_eq!(b.src_read(1), 7);
}

#[test]
fn the_position_lies() {
    let mut b = Bench::ready(Nothing);
    for channel in Channel::ALL {
        b.start(channel, STEREO_16, 100, 50);
    }
    b.pass(10);
    b.handle.misbehave(|m| m.position_jump = Some(0xfff0));
    assert_eq!(Channel::ALL.map(|channel| b.position(channel)), [0xfffa; 3]);
    b.pass(10);
    b.handle.misbehave(|m| m.position_jump = None);
    assert_eq!(Channel::ALL.map(|channel| b.position(channel)), [20; 3]);
}

#[test]
fn sample_counters_stick() {
    let mut b = Bench::ready(Nothing);
    let frames = noise(100);
    b.fill_frames(Dac2, &frames);
    b.start(Dac2, STEREO_16, 100, 10);
    b.handle.misbehave(|m| m.counter_stuck = true);
    assert_eq!(b.pass(100), frames, "sound goes on");
    assert_eq!((b.r32(regs::STATUS), b.r32(Dac2.count())), (0, 9 << 16 | 9));
    b.handle.misbehave(|m| m.counter_stuck = false);
    b.pass(10);
    assert_eq!(b.r32(regs::STATUS), status::INTR | status::DAC2);
}

#[test]
fn channels_hang() {
    let input = noise(100);
    let mut b = Bench::hearing(&input);
    let frames = noise(100);
    b.fill_frames(Dac1, &frames);
    b.start(Dac1, STEREO_16, 100, 100);
    b.start(Adc, STEREO_16, 100, 100);
    b.handle.misbehave(|m| m.tx_hangs = true);
    assert_eq!((b.pass(5), b.position(Dac1), b.position(Adc)), (vec![[0; 2]; 5], 0, 5));
    b.handle.misbehave(|m| (m.tx_hangs, m.adc_hangs) = (false, true));
    assert_eq!((b.pass(5), b.position(Adc)), (frames[..5].to_vec(), 5));
    b.handle.misbehave(|m| m.adc_hangs = false);
    b.pass(1);
    assert_eq!(b.recorded(24), bytes(&[&input[..5], &input[10..11]].concat()));
}

#[test]
fn storms_and_lost_interrupts() {
    let mut b = Bench::ready(Nothing);
    b.enable_line();
    b.handle.misbehave(|m| m.status_stuck = status::DAC2);
    for _ in 0..100 {
        assert_eq!(b.signals(), 1);
        b.w32(regs::SERIAL, 0);
        assert_eq!(b.r32(regs::STATUS), status::INTR | status::DAC2);
        b.card.unmask_intx().unwrap();
    }
    b.signals();
    b.handle.misbehave(|m| (m.status_stuck, m.interrupt_lost) = (0, true));
    b.card.unmask_intx().unwrap();
    b.start(Dac1, STEREO_16, 10, 1);
    b.pass(1);
    assert_eq!((b.signals(), b.r32(regs::STATUS)), (0, status::INTR | status::DAC1));
    b.handle.misbehave(|m| (m.interrupt_lost, m.intx_stuck) = (false, true));
    b.w32(regs::SERIAL, 0);
    assert_eq!((b.signals(), b.r32(regs::STATUS)), (1, 0));
}

#[test]
fn dma_goes_astray() {
    let input = noise(10);
    let mut b = Bench::hearing(&input);
    b.start(Adc, STEREO_16, 16, 16);
    b.handle.misbehave(|m| m.dma_astray = Some(64));
    b.pass(4);
    assert_eq!(b.recorded(80), [vec![0; 64], bytes(&input[..4])].concat());
    b.handle.misbehave(|m| m.dma_astray = Some(0x4000_0000));
    b.pass(1);
    assert_eq!(b.handle.counters().master_aborts, 1);
}
