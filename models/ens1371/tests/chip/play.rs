//! From memory to the output: bit exact at 48 kHz, around the buffer, at other rates and in other formats.

use model_ens1371::{Frame, Nothing, regs};
use regs::{serial, src};
use udrv_bus::{PciFunction, Width};

use crate::bench::{Bench, Channel, Dac1, Dac2, IOVA, MEMORY, STEREO_16, noise};

#[test]
fn at_48_khz_each_sample_comes_out_as_it_was_in_memory() {
    for channel in Channel::DACS {
        let mut b = Bench::ready(Nothing);
        let frames = noise(1000);
        b.fill_frames(channel, &frames);
        b.start(channel, STEREO_16, 1000, 100);
        assert_eq!(b.pass(2500), [&frames[..], &frames, &frames[..500]].concat(), "and around");
        assert_eq!(b.position(channel), 500);
        let counters = b.handle.counters();
        assert_eq!((counters.played, counters.dma_read_bytes, counters.periods), (2500, 10_000, 25));
        let samples = [counters.dac1_samples, counters.dac2_samples];
        assert_eq!(samples, if channel == Dac1 { [2500, 0] } else { [0, 2500] });
    }
}

#[test]
fn each_format_is_what_it_says() {
    let raw: Vec<u8> = (0..64).map(|i: u8| i.wrapping_mul(37)).collect();
    let wide = |i: usize| i16::from_le_bytes([raw[2 * i % 64], raw[(2 * i + 1) % 64]]);
    let narrow = |i: usize| i16::from(raw[i % 64] ^ 0x80) << 8;
    let expected = |format: u32| -> Vec<Frame> {
        (0..100)
            .map(|i| match format {
                0 => [narrow(i); 2],
                serial::STEREO => [narrow(2 * i), narrow(2 * i + 1)],
                serial::BITS_16 => [wide(i); 2],
                _ => [wide(2 * i), wide(2 * i + 1)],
            })
            .collect()
    };
    for channel in Channel::DACS {
        for (format, samples_a_word) in [(0, 4), (serial::STEREO, 2), (serial::BITS_16, 2), (STEREO_16, 1)] {
            let mut b = Bench::ready(Nothing);
            b.fill(channel, &raw);
            b.start(channel, format, 16, 4);
            assert_eq!(b.pass(100), expected(format), "{channel:?} {format}");
            assert_eq!(b.position(channel), (100u32.div_ceil(samples_a_word)) % 16);
        }
    }
}

#[test]
fn silence_of_8_bits_is_in_the_middle() {
    let mut b = Bench::ready(Nothing);
    b.fill(Dac2, &[0x80, 0x00, 0xff, 0x81]);
    b.start(Dac2, 0, 1, 4);
    assert_eq!(b.pass(4), [[0; 2], [i16::MIN; 2], [0x7f00; 2], [0x100; 2]]);
}

#[test]
fn half_the_rate_is_twice_the_samples_and_the_line_between() {
    for channel in Channel::DACS {
        let mut b = Bench::ready(Nothing);
        b.fill_frames(channel, &[[0, 100], [1000, -100], [-2000, 0]]);
        b.set_frequency(channel, 16, 8 << 15);
        b.start(channel, STEREO_16, 3, 3);
        let expected = [[0, 100], [500, 0], [1000, -100], [-500, -50], [-2000, 0], [-1000, 50], [0, 100]];
        assert_eq!(b.pass(7), expected);
    }
}

/// What Linux writes for a rate: 16 * rate / 48000 with 15 bits behind the point.
fn linux(rate: u64) -> u32 {
    (((rate << 15) + 1500) / 3000) as u32
}

#[test]
fn rates_are_right_over_a_second() {
    for rate in [4000, 8000, 11_025, 22_050, 32_000, 44_100, 47_999, 48_000] {
        let mut b = Bench::ready(Nothing);
        b.set_frequency(Dac2, 16, linux(rate));
        b.start(Dac2, serial::BITS_16, 1000, 1000);
        b.pass(48_000);
        let samples = b.handle.counters().dac2_samples;
        // one ahead
        assert!(samples.abs_diff(rate) <= 2, "{samples} samples at {rate} Hz");
    }
}

#[test]
fn a_tone_keeps_its_frequency_at_every_rate() {
    for rate in [8000u32, 22_050, 44_100] {
        let mut b = Bench::ready(Nothing);
        let wave = |i: u32| (f64::from(i) * 441.0 / f64::from(rate) * std::f64::consts::TAU).sin() * 10_000.0;
        let frames: Vec<Frame> = (0..10_000).map(|i| [wave(i) as i16; 2]).collect();
        b.fill_frames(Dac1, &frames);
        b.set_frequency(Dac1, 16, linux(rate.into()));
        b.start(Dac1, STEREO_16, 10_000, 1000);
        let played = b.pass(9600);
        let crossings = played.windows(2).filter(|w| w[0][0] < 0 && w[1][0] >= 0).count();
        // a fifth of a second
        assert!((87..=89).contains(&crossings), "{crossings} at {rate} Hz");
        assert!(played.windows(2).all(|w| (i32::from(w[0][0]) - i32::from(w[1][0])).abs() < 1000), "no jumps");
    }
}

#[test]
fn both_are_added_at_their_volumes() {
    let mut b = Bench::ready(Nothing);
    b.fill_frames(Dac1, &[[1000, 2000], [30_000, -30_000]]);
    b.fill_frames(Dac2, &[[10, -20], [20_000, -20_000]]);
    for channel in Channel::DACS {
        b.start(channel, STEREO_16, 2, 2);
    }
    assert_eq!(b.pass(2), [[1010, 1980], [i16::MAX, i16::MIN]]);
    b.src_write(src::VOL_DAC1, 2048);
    b.src_write(src::VOL_DAC1 + 1, 0);
    b.src_write(src::VOL_DAC2 + 1, 8192);
    assert_eq!(b.pass(2), [[510, -40], [i16::MAX, i16::MIN]]);
}

#[test]
fn a_pause_is_silence_and_goes_on_where_it_was() {
    for (channel, pause) in [(Dac1, serial::P1_PAUSE), (Dac2, serial::P2_PAUSE)] {
        let mut b = Bench::ready(Nothing);
        let frames = noise(64);
        b.fill_frames(channel, &frames);
        b.start(channel, STEREO_16, 64, 64);
        assert_eq!(b.pass(10), frames[..10]);
        b.change(regs::SERIAL, 0, pause);
        let before = (b.position(channel), b.r32(channel.count()));
        assert_eq!(b.pass(100), [[0; 2]; 100]);
        assert_eq!((b.position(channel), b.r32(channel.count())), before);
        b.change(regs::SERIAL, pause, 0);
        assert_eq!(b.pass(54), frames[10..]);
    }
}

#[test]
fn stop_mode_stops_with_the_period() {
    for (channel, after) in [(Dac1, [0, 0]), (Dac2, [0, 0]), (Dac2, [9, 10])] {
        let mut b = Bench::ready(Nothing);
        b.fill_frames(channel, &[[1, 2], [3, 4], [5, 6], [7, 8], [9, 10], [11, 12]]);
        let hold = if after == [0, 0] { 0 } else { serial::P2_DAC_SEN };
        b.change(regs::SERIAL, 0, channel.stop_mode() | hold);
        b.start(channel, STEREO_16, 6, 5);
        let expected = [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10], after, after];
        assert_eq!(b.pass(7), expected, "{channel:?}");
        assert_ne!(b.r32(regs::STATUS) & channel.cause(), 0);
        assert_eq!(b.position(channel), 5);
        // a count that is written is a new period
        b.w32(channel.count(), 1 - 1);
        assert_eq!(b.pass(2)[0], [11, 12]);
    }
}

#[test]
fn switched_off_and_on_it_goes_on_at_the_position_in_the_register() {
    let mut b = Bench::ready(Nothing);
    let frames = noise(16);
    b.fill_frames(Dac1, &frames);
    b.start(Dac1, STEREO_16, 16, 16);
    b.pass(5);
    b.stop(Dac1);
    assert!(b.pass(100).is_empty(), "nothing plays");
    b.change(regs::CONTROL, 0, Dac1.enable());
    assert_eq!(b.pass(2), frames[5..7]);
    b.stop(Dac1);
    b.set_buffer(Dac1, Dac1.buffer(), 16);
    b.change(regs::CONTROL, 0, Dac1.enable());
    assert_eq!(b.pass(2), frames[..2]);
}

#[test]
fn a_converter_that_stands_plays_nothing_and_a_frozen_channel_one_sample() {
    let mut b = Bench::ready(Nothing);
    let frames = noise(16);
    b.fill_frames(Dac2, &frames);
    b.start(Dac2, STEREO_16, 16, 16);
    b.pass(3);
    for (controls, played) in [(src::DISABLE, [0, 0]), (src::DIS_P2, frames[2])] {
        b.wait_src();
        b.w32(regs::SRC, controls);
        assert_eq!(b.pass(4), [played; 4]);
        assert_eq!(b.position(Dac2), 3);
    }
    b.wait_src();
    b.w32(regs::SRC, src::DIS_P1 | src::DIS_R1);
    assert_eq!(b.pass(1), [frames[3]]);
    b.wait_src();
    b.w32(regs::SRC, 0);
    b.set_frequency(Dac2, 0, 16 << 15);
    assert_eq!((b.pass(3), b.position(Dac2)), (vec![[0; 2]; 3], 4), "no N, no rate");
    b.set_frequency(Dac2, 16, 63 << 15);
    assert_eq!(b.pass(2), frames[4..6], "not faster than 48 kHz");
}

#[test]
fn memory_that_is_not_there_is_silence_and_a_master_abort() {
    let mut b = Bench::ready(Nothing);
    // its last two double words, and two behind it
    let end = MEMORY as u32 - 8;
    let frames = noise(2);
    put(&b, end, &frames);
    b.start(Dac1, STEREO_16, 4, 4);
    b.set_frame(Dac1, IOVA + end, 4);
    assert_eq!(b.pass(6), [frames[0], frames[1], [0; 2], [0; 2], frames[0], frames[1]]);
    assert_eq!(b.handle.counters().master_aborts, 2);
    assert_eq!(b.card.config_read(6, Width::U16).unwrap() & 1 << 13, 1 << 13);
    assert_ne!(b.r32(regs::STATUS) & Dac1.cause(), 0, "interrupts go on");
}

fn put(b: &Bench, at: u32, frames: &[Frame]) {
    udrv_bus::DmaMemory::write(&*b.memory, at.into(), &crate::bench::bytes(frames)).unwrap();
}

#[test]
fn without_bus_mastering_it_stands() {
    let mut b = Bench::ready(Nothing);
    let frames = noise(8);
    b.fill_frames(Dac1, &frames);
    b.start(Dac1, STEREO_16, 8, 8);
    b.pass(2);
    b.card.config_write(4, Width::U16, 1).unwrap();
    assert_eq!((b.pass(5), b.position(Dac1)), (vec![[0; 2]; 5], 2));
    b.card.config_write(4, Width::U16, 5).unwrap();
    assert_eq!(b.pass(2), frames[2..4]);
    assert_eq!(b.handle.counters().master_aborts, 0);
}

#[test]
fn addresses_go_around_at_4_gib() {
    let mut b = Bench::ready(Nothing);
    let memory = std::sync::Arc::new(model_ens1371::testing::TestMemory::new(4096));
    udrv_bus::DmaMemory::write(&*memory, 4088, &[1, 0, 2, 0, 3, 0, 4, 0]).unwrap();
    b.card.map_dma(udrv_bus::DmaMapping { iova: 0xffff_f000, memory }).unwrap();
    b.start(Dac2, STEREO_16, 3, 3);
    b.set_frame(Dac2, 0xffff_fff8, 3);
    assert_eq!(b.pass(3), [[1, 2], [3, 4], [0, 0]]);
    assert_eq!(b.handle.counters().master_aborts, 1, "nothing is mapped at 0");
}

#[test]
fn a_buffer_of_256_kib_is_played_whole() {
    let mut b = Bench::ready(Nothing);
    b.set_buffer(Dac1, 0, 0x1_0000);
    b.change(regs::SERIAL, 0, STEREO_16);
    b.change(regs::CONTROL, 0, Dac1.enable());
    b.pass(0xffff);
    assert_eq!(b.position(Dac1), 0xffff);
    b.pass(1);
    assert_eq!((b.position(Dac1), b.handle.counters().dma_read_bytes), (0, 0x4_0000));
}
