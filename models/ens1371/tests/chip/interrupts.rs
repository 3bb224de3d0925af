//! Sample counters and the line.

use model_ens1371::{Nothing, regs};
use regs::status;
use udrv_bus::{PciFunction, Width};

use crate::bench::{Adc, Bench, Channel, Dac1, Dac2, STEREO_16};

#[test]
fn it_comes_with_the_last_sample_of_a_period() {
    for channel in Channel::ALL {
        let mut b = Bench::ready(Nothing);
        b.enable_line();
        b.start(channel, STEREO_16, 100, 10);
        b.pass(9);
        assert_eq!((b.r32(regs::STATUS), b.signals()), (0, 0), "{channel:?}");
        assert_eq!(b.r32(channel.count()), 9, "one is left, so 0 is shown");
        b.pass(1);
        assert_eq!((b.r32(regs::STATUS), b.signals()), (status::INTR | channel.cause(), 1));
        assert_eq!((b.r32(channel.count()), b.position(channel)), (9 << 16 | 9, 10));
        assert!(b.handle.intx_asserted());
        // acknowledged as Linux does
        b.change(regs::SERIAL, channel.interrupt(), 0);
        assert_eq!(b.r32(regs::STATUS), 0);
        assert!(!b.handle.intx_asserted());
        b.change(regs::SERIAL, 0, channel.interrupt());
        assert_eq!(b.r32(regs::STATUS), 0, "it is gone");
        b.card.unmask_intx().unwrap();
        b.pass(10);
        assert_eq!((b.r32(regs::STATUS), b.signals()), (status::INTR | channel.cause(), 1));
    }
}

#[test]
fn without_its_enable_none_comes() {
    let mut b = Bench::ready(Nothing);
    b.enable_line();
    b.start(Dac1, STEREO_16, 100, 10);
    b.change(regs::SERIAL, Dac1.interrupt(), 0);
    b.pass(100);
    b.change(regs::SERIAL, 0, Dac1.interrupt());
    assert_eq!((b.r32(regs::STATUS), b.signals(), b.handle.counters().periods), (0, 0, 0));
    b.pass(10);
    assert_eq!(b.signals(), 1);
}

#[test]
fn each_channel_has_its_own() {
    let mut b = Bench::ready(Nothing);
    b.enable_line();
    for (channel, period) in [(Dac1, 10), (Dac2, 15), (Adc, 25)] {
        b.start(channel, STEREO_16, 100, period);
    }
    let mut seen = Vec::new();
    for sample in 1..=50 {
        b.pass(1);
        let causes = b.r32(regs::STATUS) & status::CAUSES;
        if causes != 0 {
            seen.push((sample, causes));
            let all = Channel::ALL.iter().fold(0, |bits, channel| bits | channel.interrupt());
            b.change(regs::SERIAL, all, 0);
            b.change(regs::SERIAL, 0, all);
            b.card.unmask_intx().unwrap();
        }
    }
    let (one, two, three) = (status::DAC1, status::DAC2, status::ADC);
    let expected =
        [(10, one), (15, two), (20, one), (25, three), (30, one | two), (40, one), (45, two), (50, one | three)];
    assert_eq!(seen, expected);
    assert_eq!(b.signals(), expected.len());
}

#[test]
fn a_period_counts_samples_of_the_channels_rate() {
    let mut b = Bench::ready(Nothing);
    b.set_frequency(Dac2, 16, 8 << 15);
    b.start(Dac2, STEREO_16, 100, 10);
    b.pass(17);
    assert_eq!(b.r32(regs::STATUS), 0);
    // the tenth is taken ahead with the 18th of 48 kHz
    b.pass(1);
    assert_eq!(b.r32(regs::STATUS), status::INTR | status::DAC2);
}

#[test]
fn the_line_obeys_configuration_space() {
    let mut b = Bench::ready(Nothing);
    b.enable_line();
    b.card.config_write(4, Width::U16, 0x405).unwrap();
    b.start(Adc, STEREO_16, 100, 1);
    b.pass(1);
    assert_eq!(b.signals(), 0);
    assert_eq!(b.card.config_read(6, Width::U16).unwrap() & 8, 8);
    b.card.config_write(4, Width::U16, 0x005).unwrap();
    assert_eq!(b.signals(), 1);
    b.card.unmask_intx().unwrap();
    assert_eq!(b.signals(), 1, "it is a level");
}
