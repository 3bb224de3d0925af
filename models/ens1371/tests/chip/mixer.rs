//! What the codec's registers do to what is heard and recorded.

use model_ens1371::Frame;
use model_ens1371::codec::{MUTE, powerdown, reg};
use model_ens1371::regs;

use crate::bench::{Adc, Bench, Dac1, STEREO_16, bytes};

/// Plays one sample for ever.
fn playing(sample: Frame, input: Frame) -> Bench {
    let mut b = Bench::hearing(&[input; 10_000]);
    b.fill_frames(Dac1, &[sample]);
    b.start(Dac1, STEREO_16, 1, 1000);
    b
}

#[test]
fn volumes_are_heard() {
    for (register, value, heard) in [
        (reg::MASTER, 0x0000, [8000, -8000]),
        (reg::MASTER, 0x0400, [4009, -8000]),
        (reg::MASTER, 0x001f, [8000, -38]),
        (reg::MASTER, MUTE, [0, 0]),
        (reg::PCM, 0x0800, [8000, -31_849]),
        (reg::PCM, 0x0009, [31_849, -6731]),
        (reg::PCM, MUTE | 0x0808, [0, 0]),
        // not in the way of the DACs
        (reg::LINE, MUTE, [8000, -8000]),
        (reg::RECORD_GAIN, MUTE, [8000, -8000]),
        (reg::MONO, MUTE, [8000, -8000]),
        (reg::POWERDOWN, powerdown::PR0, [8000, -8000]),
        (reg::POWERDOWN, powerdown::PR1, [0, 0]),
        (reg::POWERDOWN, powerdown::PR2, [0, 0]),
        (reg::RESET, 0, [0, 0]),
    ] {
        let mut b = playing([8000, -8000], [0; 2]);
        b.codec_write(register, value);
        assert_eq!(b.pass(2), [heard; 2], "{register:#x} {value:#x}");
    }
}

#[test]
fn the_input_is_heard_if_it_is_not_muted() {
    let mut b = playing([100, 100], [20, -30_000]);
    assert_eq!(b.pass(1), [[100, 100]]);
    assert_eq!(b.handle.counters().heard, 0, "nobody listens");
    b.codec_write(reg::LINE, 0x0808);
    assert_eq!(b.pass(1), [[120, -29_900]]);
    b.codec_write(reg::LINE, 0x0808 | MUTE);
    assert_eq!(b.pass(1), [[100, 100]]);
}

#[test]
fn what_is_selected_is_recorded() {
    let (played, input) = ([1000, 2000], [30, -40]);
    for (select, gain, line, recorded) in [
        (0x0404, 0x0000, MUTE, [30, -40]),
        (0x0404, 0x0400, MUTE, [60, -40]),
        (0x0404, 0x000f, MUTE, [30, -533]),
        (0x0404, MUTE, MUTE, [0, 0]),
        (0x0505, 0x0000, MUTE, [1000, 2000]),
        (0x0505, 0x0000, 0x0808, [1030, 1960]),
        (0x0606, 0x0000, MUTE, [1500, 1500]),
        (0x0405, 0x0000, MUTE, [30, 2000]),
        (0x0000, 0x0000, MUTE, [0, 0]),
        (0x0101, 0x0000, MUTE, [0, 0]),
        (0x0707, 0x0000, MUTE, [0, 0]),
    ] {
        let mut b = playing(played, input);
        b.codec_write(reg::RECORD_SELECT, select);
        b.codec_write(reg::RECORD_GAIN, gain);
        b.codec_write(reg::LINE, line);
        // what is recorded of the mixer is what is before the master's volume
        b.codec_write(reg::MASTER, MUTE);
        b.start(Adc, STEREO_16, 16, 16);
        b.pass(2);
        assert_eq!(b.recorded(8), bytes(&[recorded; 2]), "{select:#x} {gain:#x} {line:#x}");
    }
}

#[test]
fn playing_and_recording_at_once_do_not_mix() {
    let input = crate::bench::noise(500);
    let mut b = Bench::hearing(&input);
    let frames: Vec<Frame> = crate::bench::noise(900)[400..].to_vec();
    b.fill_frames(Dac1, &frames);
    b.start(Dac1, STEREO_16, 500, 100);
    b.start(Adc, STEREO_16, 500, 100);
    assert_eq!(b.pass(500), frames);
    assert_eq!(b.recorded(2000), bytes(&input));
    assert_eq!(b.r32(regs::STATUS), regs::status::INTR | Dac1.cause() | Adc.cause());
}
