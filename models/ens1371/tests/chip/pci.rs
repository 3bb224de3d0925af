//! Configuration space, decode, opening again.

use model_ens1371::codec::reg;
use model_ens1371::{Variant, regs};
use udrv_bus::{BarKind, PciFunction, ResetKind, Width};

use crate::bench::{Bench, Dac1, STEREO_16, noise};

#[test]
fn identity() {
    for (variant, id, revision) in [
        (Variant::Es1371, 0x1371_1274, 0x02),
        (Variant::Es1373, 0x1371_1274, 0x08),
        (Variant::Ct5880, 0x5880_1274, 0x02),
    ] {
        let mut b = Bench::with(variant);
        assert_eq!(b.card.config_read(0, Width::U32).unwrap(), id);
        assert_eq!(b.card.config_read(8, Width::U32).unwrap(), 0x0401_0000 | revision);
        assert_eq!(b.card.config_read(0x2c, Width::U32).unwrap(), id);
        assert_eq!(b.card.config_read(0x3d, Width::U8).unwrap(), 1);
        assert_eq!(b.card.name(), "model:ens1371");
        assert_eq!(b.card.reset().unwrap(), ResetKind::None);
        assert!(!b.card.has_msi().unwrap());
    }
}

#[test]
fn one_bar_of_64_ports() {
    let mut b = Bench::new();
    let bar = b.card.bar(0).unwrap();
    assert_eq!((bar.kind, bar.size), (BarKind::Io, 64));
    b.card.config_write(0x10, Width::U32, u32::MAX).unwrap();
    assert_eq!(b.card.config_read(0x10, Width::U32).unwrap(), 0xffff_ffc1);
    assert!(b.card.bar(1).is_err() && b.card.bar_read(0, 64, Width::U32).is_err());
    assert!(b.card.bar_read(0, 2, Width::U32).is_err(), "not aligned");
}

#[test]
fn power_management_keeps_its_state_and_nothing_else() {
    let mut b = Bench::new();
    assert_eq!(b.card.config_read(0x34, Width::U8).unwrap(), 0xdc);
    assert_eq!(b.card.config_read(0xdc, Width::U32).unwrap(), 0x0421_0001);
    b.card.config_write(0xe0, Width::U16, 0xffff).unwrap();
    assert_eq!(b.card.config_read(0xe0, Width::U16).unwrap(), 3);
}

#[test]
fn nothing_is_decoded_before_it_is_enabled() {
    let mut b = Bench::new();
    b.card.config_write(4, Width::U16, 4).unwrap();
    assert_eq!(b.r32(regs::STATUS), u32::MAX);
    b.w32(regs::CONTROL, 0x70);
    b.card.config_write(4, Width::U16, 5).unwrap();
    assert_eq!(b.r32(regs::CONTROL), 0);
}

#[test]
fn closing_leaves_the_chip_as_it_is() {
    let mut b = Bench::ready(model_ens1371::Nothing);
    b.fill_frames(Dac1, &noise(8));
    b.start(Dac1, STEREO_16, 8, 8);
    b.pass(3);
    let Bench { card, handle, tape, .. } = b;
    assert!(handle.open().is_err());
    drop(card);
    handle.advance_clock(10);
    assert_eq!(tape.take(), [[0; 2]; 10], "no bus mastering any more");
    let mut card = handle.open().unwrap();
    assert_eq!(card.config_read(4, Width::U16).unwrap(), 1);
    assert_eq!(card.bar_read(0, regs::CONTROL.into(), Width::U32).unwrap(), regs::control::DAC1_EN);
    assert_eq!(handle.with(|chip| chip.codec_register(reg::PCM)), 0x0808);
}
