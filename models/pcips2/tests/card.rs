//! The controller from the bus, with a mouse whose clock is turned by hand.
#![forbid(unsafe_code)]

use std::num::NonZeroU32;
use std::time::Duration;

use model_pcips2::{ID, PciPs2Handle, PciPs2Model, Socket, ctrl, regs, status};
use model_psmouse::codes::command;
use model_psmouse::{Action, Clock, Config, PsMouseHandle, PsMouseModel, Variant};
use udrv_bus::{PciFunction, Width};

/// Long enough for any answer but that of a self test.
const A_WHILE: Duration = Duration::from_millis(20);

struct Bench {
    card: PciPs2Model,
    slot: PciPs2Handle,
    mouse: PsMouseHandle,
}

impl Bench {
    fn new(control: u8) -> Bench {
        let (line, mouse) = PsMouseModel::new(Config { clock: Clock::Manual, ..Config::of(Variant::Ps2) });
        let (mut card, slot) = PciPs2Model::new((), Socket::new(line));
        card.config_write(4, Width::U16, 1).expect("configuration space");
        let mut bench = Bench { card, slot, mouse };
        bench.write(regs::CTRL, control);
        bench
    }

    fn read(&mut self, register: u32) -> u8 {
        self.card.bar_read(0, register.into(), Width::U8).expect("a register") as u8
    }

    fn write(&mut self, register: u32, value: u8) {
        self.card.bar_write(0, register.into(), Width::U8, value.into()).expect("a register");
    }

    fn has(&mut self, bit: u8) -> bool {
        self.read(regs::STATUS) & bit != 0
    }

    /// Reads what comes, as an interrupt handler does.
    fn hear(&mut self) -> Vec<u8> {
        let mut heard = Vec::new();
        for _ in 0..A_WHILE.as_millis() {
            self.mouse.advance(Duration::from_millis(1));
            while self.has(status::RXFULL) {
                heard.push(self.read(regs::DATA));
            }
        }
        heard
    }
}

#[test]
fn bytes_go_both_ways() {
    let mut bench = Bench::new(ctrl::ENABLE);
    assert!(bench.has(status::TXEMPTY) && !bench.has(status::TXBUSY) && !bench.has(status::RXFULL));
    bench.write(regs::DATA, command::STATUS_REQUEST);
    assert!(bench.has(status::TXBUSY) && !bench.has(status::TXEMPTY));
    assert_eq!(bench.hear(), [0xfa, 0, 2, 100]);
    assert!(bench.has(status::TXEMPTY));
    let counters = bench.slot.counters();
    assert_eq!((counters.received, counters.sent, counters.lost), (4, 1, 0));
    assert_eq!(bench.read(regs::DATA), 100, "the last one");
    assert_eq!(bench.slot.counters().received, 4);
}

#[test]
fn it_is_what_linux_looks_for() {
    let mut bench = Bench::new(0);
    let mut word = |at| bench.card.config_read(at, Width::U32).expect("configuration space");
    assert_eq!(word(0), u32::from(ID.device) << 16 | u32::from(ID.vendor));
    assert_eq!(word(8) >> 8, 0x09_02_00);
    assert_eq!(word(0x10) & 1, 1, "I/O");
}

#[test]
fn parity_is_as_it_was_on_the_line() {
    for wrong in [false, true] {
        let mut bench = Bench::new(ctrl::ENABLE);
        bench.mouse.misbehave(|m| m.parity_every = NonZeroU32::new(u32::from(wrong)));
        for byte in [0x00, 0x01, 0x03, 0xfe, 0xff] {
            bench.mouse.babble(&[byte]);
            bench.mouse.advance(A_WHILE);
            let odd = byte.count_ones() + u32::from(bench.has(status::PARITY));
            assert_eq!(odd % 2 == 1, !wrong, "{byte:02x}");
            assert_eq!(bench.read(regs::DATA), byte);
        }
    }
}

#[test]
fn interrupts_are_levels_and_only_those_that_are_wanted() {
    let mut bench = Bench::new(ctrl::ENABLE);
    bench.mouse.babble(&[1, 2]);
    bench.mouse.advance(A_WHILE);
    assert!(!bench.slot.intx_asserted());
    bench.write(regs::CTRL, ctrl::ENABLE | ctrl::RXIRQ);
    assert!(bench.slot.intx_asserted());
    assert_eq!(bench.read(regs::DATA), 1);
    assert!(!bench.slot.intx_asserted(), "the next takes its time");
    bench.mouse.advance(A_WHILE);
    assert!(bench.slot.intx_asserted(), "the bench was heard without an access");
    assert_eq!(bench.read(regs::DATA), 2);
    bench.mouse.advance(A_WHILE);
    assert!(!bench.slot.intx_asserted());
    bench.write(regs::CTRL, ctrl::ENABLE | ctrl::TXIRQ);
    assert!(bench.slot.intx_asserted());
    bench.write(regs::DATA, command::READ_ID);
    assert!(!bench.slot.intx_asserted());
    bench.mouse.advance(A_WHILE);
    assert!(bench.slot.intx_asserted());
}

#[test]
fn a_byte_that_is_not_read_holds_the_mouse() {
    let mut bench = Bench::new(ctrl::ENABLE);
    bench.write(regs::DATA, command::ENABLE);
    assert_eq!(bench.hear(), [0xfa]);
    for _ in 0..100 {
        bench.mouse.act(Action::Move { right: 2, away: -2 });
        bench.mouse.advance(A_WHILE);
    }
    assert!(!bench.has(status::CLK));
    assert_eq!(bench.mouse.counters().packets, 1);
    // the first packet, and all the rest in one
    assert_eq!(bench.hear(), [0x28, 1, 0xff, 0x28, 99, 0u8.wrapping_sub(99)]);
}

#[test]
fn off_it_sends_and_takes_nothing() {
    let mut bench = Bench::new(0);
    bench.write(regs::DATA, command::READ_ID);
    bench.mouse.babble(&[7]);
    assert_eq!(bench.hear(), []);
    assert_eq!(bench.slot.counters().lost, 1);
    assert_eq!(bench.mouse.counters().from_host, 0);
    bench.write(regs::CTRL, ctrl::ENABLE);
    assert_eq!(bench.hear(), [7], "the mouse has waited");
}

#[test]
fn a_byte_that_is_written_too_early_is_lost() {
    let mut bench = Bench::new(ctrl::ENABLE);
    bench.write(regs::DATA, command::READ_ID);
    bench.write(regs::DATA, command::RESET);
    assert_eq!(bench.hear(), [0xfa, 0x00]);
    assert_eq!((bench.slot.counters().lost, bench.mouse.counters().resets()), (1, 0));
}

#[test]
fn accesses_that_are_no_bytes_do_nothing() {
    let mut bench = Bench::new(ctrl::ENABLE);
    for width in [Width::U16, Width::U32] {
        bench.card.bar_write(0, 0, width, 0).expect("it fits");
        assert_eq!(bench.card.bar_read(0, 0, width).expect("it fits"), width.all_ones());
    }
    assert_eq!(bench.read(regs::CTRL), ctrl::ENABLE);
    for register in 3..regs::SIZE {
        bench.write(register, 0);
        assert_eq!(bench.read(register), 0xff);
    }
}

#[test]
fn by_a_real_clock_an_interrupt_comes_by_itself() {
    let (line, _mouse) = PsMouseModel::new(Config::of(Variant::Ps2));
    let (mut card, slot) = PciPs2Model::new((), Socket::new(line));
    card.config_write(4, Width::U16, 1).expect("configuration space");
    card.bar_write(0, 0, Width::U8, (ctrl::ENABLE | ctrl::RXIRQ).into()).expect("a register");
    card.bar_write(0, regs::DATA.into(), Width::U8, command::READ_ID.into()).expect("a register");
    let begin = std::time::Instant::now();
    while !slot.intx_asserted() {
        assert!(begin.elapsed() < Duration::from_secs(20), "nothing comes");
        std::thread::yield_now();
    }
    assert_eq!(card.bar_read(0, regs::DATA.into(), Width::U8).expect("a register"), 0xfa);
}
