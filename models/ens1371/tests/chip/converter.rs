//! The converter's RAM behind its register.

use model_ens1371::{Config, Nothing, regs};
use regs::src;
use udrv_bus::Width;

use crate::bench::Bench;

#[test]
fn all_words_can_be_written_and_read() {
    let mut b = Bench::new();
    for at in 0..128u8 {
        b.src_write(at, u16::from(at) * 511);
    }
    for at in (0..128u8).rev() {
        assert_eq!(b.src_read(at), u16::from(at) * 511);
    }
    assert_eq!(b.handle.counters().src_lost, 0);
}

#[test]
fn it_is_busy_for_a_while_and_what_is_written_then_is_lost() {
    let mut b = Bench::of(Config { src_polls: 3, ..Config::default() }, Nothing);
    b.w32(regs::SRC, src::address(5) | src::RAM_WE | 0x1111);
    b.w32(regs::SRC, src::address(5) | src::RAM_WE | src::DISABLE | 0x2222);
    let shown = [0; 4].map(|_| b.r32(regs::SRC));
    let busy = src::address(5) | src::RAM_BUSY;
    assert_eq!(shown, [busy, busy, busy, src::address(5) | 0x1111]);
    assert_eq!(b.handle.counters().src_lost, 1);
}

#[test]
fn it_takes_double_words_only() {
    let mut b = Bench::new();
    b.src_write(1, 0x1234);
    b.write(regs::SRC, Width::U16, 0xffff);
    b.write(regs::SRC + 3, Width::U8, 0xff);
    assert_eq!(b.src_read(1), 0x1234);
    assert_eq!(b.read(regs::SRC, Width::U8), 0x34);
}

#[test]
fn controls_are_shown() {
    let mut b = Bench::new();
    for controls in [src::DISABLE, src::DIS_P1, src::DIS_P2, src::DIS_R1, src::CONTROLS, 0] {
        b.wait_src();
        b.w32(regs::SRC, controls);
        assert_eq!(b.wait_src() & src::CONTROLS, controls);
    }
}

/// Linux's driver waits for state 0 and then for state 1 before each access of the codec.
#[test]
fn its_state_goes_around_when_it_is_shown() {
    let mut b = Bench::new();
    b.w32(regs::SRC, src::STATE);
    b.wait_src();
    let ready = |value: u32| value & (src::STATES | src::RAM_BUSY);
    for _ in 0..3 {
        assert!((0..8).any(|_| ready(b.r32(regs::SRC)) == 0));
        assert_eq!(ready(b.r32(regs::SRC)), src::STATE, "and 1 comes after 0");
    }
    b.w32(regs::SRC, 0);
    b.wait_src();
    assert!((0..16).all(|_| b.r32(regs::SRC) & src::STATES == 0), "and only then");
}
