//! From the input to memory: bit exact at 48 kHz, around the buffer, at other rates and in other formats.

use model_ens1371::{Frame, Sine, regs};
use regs::{serial, src};
use udrv_bus::{PciFunction, Width};

use crate::bench::{Adc, Bench, IOVA, MEMORY, STEREO_16, bytes, noise};

/// What Linux writes for a rate: N, and 48000 / rate * N with 15 bits behind the point.
fn linux(rate: u32) -> (u16, u32) {
    let mut n = rate / 3000;
    if [9, 11, 13, 15].contains(&n) {
        n -= 1;
    }
    (n as u16, (48_000 << 15) / rate * n)
}

fn set_rate(b: &mut Bench, rate: u32) {
    let (n, frequency) = linux(rate);
    b.set_frequency(Adc, n, frequency);
    b.src_write(src::VOL_ADC, n << 8);
    b.src_write(src::VOL_ADC + 1, n << 8);
}

#[test]
fn at_48_khz_each_sample_is_recorded_as_it_came() {
    let input = noise(1500);
    let mut b = Bench::hearing(&input);
    set_rate(&mut b, 48_000);
    b.start(Adc, STEREO_16, 1000, 100);
    assert!(b.pass(1000).is_empty(), "nothing plays");
    assert_eq!(b.recorded(4000), bytes(&input[..1000]));
    assert_eq!(b.position(Adc), 0);
    b.pass(300);
    assert_eq!(b.recorded(1200), bytes(&input[1000..1300]), "and around");
    assert_eq!(b.recorded(4000)[1200..], bytes(&input[300..1000]));
    let counters = b.handle.counters();
    assert_eq!((counters.adc_samples, counters.heard, counters.dma_write_bytes), (1300, 1300, 5200));
    assert_eq!((counters.periods, counters.played), (13, 0));
    b.pass(300);
    assert_eq!(b.recorded(2400)[2000..], [0; 400], "the input has ended");
}

#[test]
fn each_format_is_what_it_says() {
    let input: Vec<Frame> = vec![[0x1234, -0x1234], [0x7fff, -0x8000], [0x00ff, 0x0100], [-1, 1]];
    for (format, expected) in [
        (0, vec![0x92, 0xff, 0x80, 0x7f]),
        (serial::STEREO, vec![0x92, 0x6d, 0xff, 0x00, 0x80, 0x81, 0x7f, 0x80]),
        (serial::BITS_16, vec![0x34, 0x12, 0xff, 0x7f, 0xff, 0x00, 0xff, 0xff]),
        (STEREO_16, bytes(&input)),
    ] {
        let mut b = Bench::hearing(&input);
        b.start(Adc, format, 100, 4);
        b.pass(4);
        assert_eq!(b.recorded(expected.len()), expected, "{format}");
        assert_eq!(b.position(Adc) as usize, expected.len() / 4);
        assert_ne!(b.r32(regs::STATUS) & Adc.cause(), 0);
    }
}

#[test]
fn a_double_word_that_is_not_full_waits() {
    let mut b = Bench::hearing(&[[0x0100, 0]; 8]);
    b.start(Adc, 0, 100, 100);
    b.pass(3);
    assert_eq!((b.position(Adc), b.recorded(4)), (0, vec![0; 4]));
    b.pass(1);
    assert_eq!((b.position(Adc), b.recorded(4)), (1, vec![0x81; 4]));
}

#[test]
fn rates_are_right_over_a_second() {
    for rate in [4000, 8000, 11_025, 22_050, 32_000, 44_100, 48_000] {
        let mut b = Bench::ready(Sine::new(441.0, 10_000));
        set_rate(&mut b, rate);
        b.start(Adc, STEREO_16, 0x4000, 1000);
        b.pass(48_000);
        let samples = b.handle.counters().adc_samples;
        assert!(samples.abs_diff(rate.into()) <= 2, "{samples} samples at {rate} Hz");
        // the last third of a second: as loud as the input, and 441 Hz
        let count = (rate / 4) as usize;
        let recorded = b.recorded(4 * count);
        let left: Vec<i16> = recorded.chunks(4).map(|f| i16::from_le_bytes([f[0], f[1]])).collect();
        let loudest = left.iter().copied().max().unwrap();
        assert!((9_000..=10_000).contains(&loudest), "{loudest} at {rate} Hz");
        let wrap = samples as usize % 0x4000;
        let crossings = left.windows(2).enumerate();
        let crossings = crossings.filter(|(i, w)| i + 1 != wrap && w[0] < 0 && w[1] >= 0).count();
        assert!((108..=112).contains(&crossings), "{crossings} at {rate} Hz");
    }
}

#[test]
fn stop_mode_stops_with_the_period() {
    let input = noise(20);
    let mut b = Bench::hearing(&input);
    b.change(regs::SERIAL, 0, serial::R1_LOOP_SEL);
    b.start(Adc, STEREO_16, 100, 5);
    b.pass(10);
    assert_eq!((b.position(Adc), b.handle.counters().adc_samples), (5, 5));
    b.w32(regs::ADC_COUNT, 2 - 1);
    b.pass(10);
    assert_eq!(b.recorded(28), bytes(&[&input[..5], &input[10..12]].concat()));
}

#[test]
fn memory_that_is_not_there_takes_nothing_and_is_a_master_abort() {
    let input = noise(6);
    let mut b = Bench::hearing(&input);
    let end = MEMORY as u32 - 8;
    b.start(Adc, STEREO_16, 3, 3);
    b.set_frame(Adc, IOVA + end, 3);
    b.pass(3);
    let mut there = [0; 8];
    udrv_bus::DmaMemory::read(&*b.memory, end.into(), &mut there).unwrap();
    assert_eq!(there[..], bytes(&input[..2]));
    assert_eq!((b.handle.counters().master_aborts, b.position(Adc)), (1, 0));
    assert_ne!(b.r32(regs::STATUS) & Adc.cause(), 0, "interrupts go on");
}

#[test]
fn without_bus_mastering_it_stands_and_the_input_goes_by() {
    let input = noise(12);
    let mut b = Bench::hearing(&input);
    b.start(Adc, STEREO_16, 100, 100);
    b.pass(2);
    b.card.config_write(4, Width::U16, 1).unwrap();
    b.pass(5);
    assert_eq!(b.position(Adc), 2);
    b.card.config_write(4, Width::U16, 5).unwrap();
    b.pass(3);
    assert_eq!(b.recorded(20), bytes(&[&input[..2], &input[7..10]].concat()));
}

#[test]
fn the_converter_has_a_volume() {
    let mut b = Bench::hearing(&[[1000, -1000], [30_000, -30_000]]);
    b.src_write(src::VOL_ADC, 8192);
    b.src_write(src::VOL_ADC + 1, 1024);
    b.start(Adc, STEREO_16, 100, 100);
    b.pass(2);
    assert_eq!(b.recorded(8), bytes(&[[2000, -250], [i16::MAX, -7500]]));
}
