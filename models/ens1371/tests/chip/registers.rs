//! Registers as such: what keeps what is written, at which widths, and what reads how.

use model_ens1371::{Variant, regs};
use regs::{control, serial, status};
use udrv_bus::Width;

use crate::bench::{Adc, Bench, Channel, Dac1, Dac2, IOVA};

#[test]
fn after_power_on() {
    let mut b = Bench::new();
    for (at, value) in [
        (regs::CONTROL, 0),
        (regs::STATUS, 0),
        (regs::UART, 0x200),
        (regs::MEM_PAGE, 0),
        (regs::SRC, 0),
        (regs::CODEC, 0),
        (regs::LEGACY, 1),
        (regs::CHANNEL_STATUS, 0),
        (regs::SERIAL, 0),
        (regs::DAC1_COUNT, 0),
    ] {
        assert_eq!(b.r32(at), value, "{at:#x}");
    }
}

#[test]
fn what_is_written_is_kept_in_parts_too() {
    let mut b = Bench::new();
    b.w32(regs::CONTROL, !(control::DAC1_EN | control::DAC2_EN | control::ADC_EN));
    assert_eq!(b.r32(regs::CONTROL), 0xff0f_ff8f, "the inputs are inputs");
    b.write(regs::CONTROL + 1, Width::U8, 0);
    b.write(regs::CONTROL + 2, Width::U16, 0x1234);
    assert_eq!(b.r32(regs::CONTROL), 0x1204_008f);
    assert_eq!((b.read(regs::CONTROL + 3, Width::U8), b.read(regs::CONTROL + 2, Width::U16)), (0x12, 0x1204));
    b.w32(regs::SERIAL, u32::MAX);
    assert_eq!(b.r32(regs::SERIAL), 0x007f_ff7f, "the counter's reload is no state");
    b.w32(regs::LEGACY, 0xf000_0000);
    assert_eq!(b.r32(regs::LEGACY), 0xf000_0001);
    b.write(regs::MEM_PAGE, Width::U8, 0xff);
    assert_eq!(b.r32(regs::MEM_PAGE), 0xf);
}

#[test]
fn only_some_chips_have_registers_for_s_pdif() {
    for (variant, kept) in [(Variant::Es1371, false), (Variant::Es1373, true), (Variant::Ct5880, true)] {
        let mut b = Bench::with(variant);
        b.w32(regs::STATUS, u32::MAX);
        b.w32(regs::CHANNEL_STATUS, 0x1234_5678);
        let expected = if kept { (status::WRITABLE_SPDIF, 0x1234_5678) } else { (0, 0) };
        assert_eq!((b.r32(regs::STATUS), b.r32(regs::CHANNEL_STATUS)), expected, "{variant:?}");
    }
}

#[test]
fn memory_has_pages() {
    let mut b = Bench::new();
    // of the last two of the ADC's page too: the phantom frame
    for page in 0..16 {
        b.w32(regs::MEM_PAGE, page);
        for word in 0..4 {
            b.w32(regs::MEMORY + 4 * word, page << 8 | u32::from(word));
        }
    }
    for page in 0..16 {
        b.w32(regs::MEM_PAGE, page);
        for word in 0..4 {
            assert_eq!(b.r32(regs::MEMORY + 4 * word), page << 8 | u32::from(word));
        }
        b.write(regs::MEMORY, Width::U16, 0xffff);
        assert_eq!(b.r32(regs::MEMORY), page << 8, "double words only");
    }
}

#[test]
fn frame_registers_keep_both_halves_and_are_of_one_channel_each() {
    let mut b = Bench::new();
    for (channel, words) in [(Dac1, 100), (Dac2, 0x1_0000), (Adc, 1)] {
        b.set_buffer(channel, channel.buffer(), words);
    }
    b.w32(regs::MEM_PAGE, regs::PAGE_DAC.into());
    assert_eq!([0x30, 0x34, 0x38, 0x3c].map(|at| b.r32(at)), [IOVA, 99, IOVA + 0x1_0000, 0xffff]);
    b.w32(regs::DAC2_SIZE, 0x1234_5678);
    assert_eq!((b.r32(regs::DAC2_SIZE), b.r32(regs::DAC1_SIZE)), (0x1234_5678, 99));
}

#[test]
fn a_count_that_is_written_is_loaded() {
    let mut b = Bench::new();
    for channel in Channel::ALL {
        b.w32(channel.count(), 0xffff_0123);
        assert_eq!(b.r32(channel.count()), 0x0123_0123, "the upper half is read only");
        b.write(channel.count() + 2, Width::U16, 0x7777);
        assert_eq!(b.r32(channel.count()), 0x0123_0123);
        b.write(channel.count(), Width::U16, 0x0456);
        assert_eq!(b.r32(channel.count()), 0x0456_0456);
    }
}

#[test]
fn the_counter_of_dac1_alone_can_be_reloaded() {
    let mut b = Bench::ready(model_ens1371::Nothing);
    for channel in Channel::DACS {
        b.start(channel, serial::BITS_16, 8, 100);
    }
    b.pass(10);
    assert_eq!([Dac1, Dac2].map(|c| b.r32(c.count()) >> 16), [89, 89]);
    b.change(regs::SERIAL, 0, serial::P1_SCT_RLD);
    assert_eq!([Dac1, Dac2].map(|c| b.r32(c.count()) >> 16), [99, 89]);
}
