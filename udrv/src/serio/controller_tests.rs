//! The controller with a device that says what the test has it say.

use std::os::fd::AsFd;
use std::time::Duration;

use nix::sys::eventfd::{EfdFlags, EventFd};
use proptest::prelude::*;
use udrv_driver::serio::{COMMAND, DATA, RESPONSE, data};

use super::*;
use crate::device::Notices;
use crate::serio::fake::{Fake, Hand, fake};

const RATE: u64 = 0x20;
const SCALING: u64 = 0x24;
const STATUS: u64 = 0x28;
const NOTHING: [u8; 0] = [];
const COMMANDS: &[SerioCommand] = &[
    SerioCommand { offset: 0x20, is: SerioRegister::Argument(0xf3) },
    SerioCommand { offset: 0x24, is: SerioRegister::Choice(&[0xe6, 0xe7]) },
    SerioCommand { offset: 0x28, is: SerioRegister::Answer(0xe9, 3) },
];

fn controller() -> (Controller, Hand) {
    let (port, hand) = fake();
    (over(port, None), hand)
}

fn over(port: Fake, reopen: Option<Reopen>) -> Controller {
    Controller::new(Box::new(port), reopen, COMMANDS).unwrap()
}

impl Controller {
    fn get(&mut self, register: udrv_driver::Reg<u32>) -> Result<u32, BusError> {
        self.read(register.offset().into(), Width::U32)
    }
    fn status(&mut self) -> Result<u32, BusError> {
        self.read(STATUS, Width::U32)
    }
    fn set_rate(&mut self, rate: u32) -> Result<(), BusError> {
        self.write(RATE, Width::U32, rate)
    }
    fn command(&mut self, value: u32) -> Result<u32, BusError> {
        self.write(COMMAND.offset().into(), Width::U32, value)?;
        self.get(RESPONSE)
    }
    /// All data, and whether each byte is broken off from those before it.
    fn data(&mut self) -> Vec<(u8, bool)> {
        let mut all = Vec::new();
        loop {
            let word = self.get(DATA).unwrap();
            if word & data::VALID == 0 {
                assert_eq!(word, 0);
                return all;
            }
            all.push((word as u8, word & data::BROKEN != 0));
        }
    }
}

/// A command that resets, and is answered by `count` bytes.
const fn reset(count: u32) -> u32 {
    0xff | command::SLOW | count << command::RESPONSE_SHIFT
}

fn text(result: Result<impl std::fmt::Debug, BusError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_setting_is_its_command_and_the_value() {
    let (mut it, hand) = controller();
    hand.answers(&[0xfa]);
    hand.answers(&[0xfa]);
    it.set_rate(200).unwrap();
    assert_eq!(hand.written(), [0xf3, 200]);
    for (value, sent) in [(0, 0xe6), (1, 0xe7)] {
        hand.answers(&[0xfa]);
        it.write(SCALING, Width::U8, value).unwrap();
        assert_eq!(hand.written(), [sent]);
    }
    assert_eq!(it.data(), []);
}

#[test]
fn a_question_is_its_command_and_the_answer_with_the_first_byte_lowest() {
    let (mut it, hand) = controller();
    hand.answers(&[0xfa, 0x20, 0x02, 0x64]);
    assert_eq!(it.status().unwrap(), 0x0064_0220);
    assert_eq!(hand.written(), [0xe9]);
    // what means something elsewhere is a byte like any other here
    hand.answers(&[0xfa, 0xfe, 0xfc, 0xfa]);
    assert_eq!(it.status().unwrap(), 0x00fa_fcfe);
    assert_eq!(it.data(), []);
}

#[test]
fn any_command_can_be_sent_with_its_argument_and_its_answer_read() {
    let (mut it, hand) = controller();
    hand.answers(&[0xfa, 0x03]);
    assert_eq!(it.command(0xf2 | 1 << command::RESPONSE_SHIFT).unwrap(), 0x03);
    hand.answers(&[0xfa]);
    hand.answers(&[0xfa]);
    assert_eq!(it.command(0xe8 | command::ARGUMENT | 3 << command::ARGUMENT_SHIFT).unwrap(), 0);
    assert_eq!(hand.written(), [0xf2, 0xe8, 3]);
    hand.answers(&[0xfa, 1, 2, 3, 4]);
    assert_eq!(it.command(0x12 | 4 << command::RESPONSE_SHIFT).unwrap(), 0x0403_0201);
    // more than there is room for
    assert!(text(it.command(0xf2 | 5 << command::RESPONSE_SHIFT)).contains("5 bytes"));
    assert_eq!(it.get(RESPONSE).unwrap(), u32::MAX, "the answer of before is none to this");
    assert_eq!(hand.written(), [0x12]);
}

#[test]
fn a_reset_has_the_time_that_its_self_test_needs_and_no_more() {
    let (mut it, hand) = controller();
    hand.answers_at(&[(900, 0xfa), (4800, 0xaa), (4801, 0x00)]);
    assert_eq!(it.command(reset(2)).unwrap(), 0x00aa);
    hand.answers_at(&[(1, 0xfa), (4002, 0xaa), (4003, 0x00)]);
    assert!(text(it.command(reset(2))).contains("within 4000 ms"));
    // a keyboard passes, and says no more; a test that has failed is an answer
    hand.rest(5000);
    it.data();
    hand.answers_at(&[(1, 0xfa), (500, 0xaa)]);
    assert_eq!(it.command(reset(2)).unwrap(), 0xffaa);
    hand.answers_at(&[(1, 0xfa), (500, 0xfc), (501, 0x00)]);
    assert_eq!(it.command(reset(2)).unwrap(), 0x00fc);
    // no answer but a reset's may be short
    hand.answers_at(&[(1, 0xfa), (2, 0x20)]);
    let error = it.status().unwrap_err();
    assert!(matches!(error, BusError::Short { expected: 3, got: 1, .. }), "{error}");
    assert!(error.to_string().contains("fake: answer to command e9 (came: 20)"), "{error}");
}

#[test]
fn a_byte_is_sent_again_when_the_device_asks_for_it_but_not_for_ever() {
    let (mut it, hand) = controller();
    for answer in [0xfe, 0xfe, 0xfa, 0xfe, 0xfa] {
        hand.answers(&[answer]);
    }
    it.set_rate(100).unwrap();
    assert_eq!(hand.written(), [0xf3, 0xf3, 0xf3, 100, 100]);
    for _ in 0..3 {
        hand.answers(&[0xfe]);
    }
    let error = it.status().unwrap_err();
    assert!(matches!(error, BusError::Refused { .. }));
    assert_eq!(error.to_string(), "fake: command e9: the device refused it (it answered fe fe fe)");
    assert_eq!(hand.written(), [0xe9; 3]);
    // the argument alone is refused
    for answer in [0xfa, 0xfe, 0xfe, 0xfe] {
        hand.answers(&[answer]);
    }
    let error = text(it.set_rate(7));
    assert_eq!(error, "fake: argument of command f3 07: the device refused it (it answered fe fe fe)");
    assert!(it.answers(), "it has taken the command");
}

#[test]
fn after_an_error_a_command_is_sent_again_and_an_argument_is_not() {
    let (mut it, hand) = controller();
    // it was waiting for an argument, which is none to be had from this
    for answer in [&[0xfe][..], &[0xfc], &[0xfa, 1, 2, 3]] {
        hand.answers(answer);
    }
    assert_eq!(it.status().unwrap(), 0x0003_0201);
    assert_eq!(hand.written(), [0xe9; 3]);
    for answer in [0xfa, 0xfe, 0xfc, 0xfa] {
        hand.answers(&[answer]);
    }
    assert!(text(it.set_rate(7)).contains("argument of command f3 07: the device refused it (it answered fe fc)"));
    assert_eq!(hand.written(), [0xf3, 7, 7], "it would take the argument for a command");
    let (mut it, hand) = controller();
    for _ in 0..6 {
        hand.answers(&[0xfc]);
    }
    assert!(text(it.status()).contains("fc fc fc"));
    assert!(text(it.status()).contains("fc fc fc"));
    assert!(it.answers(), "one that says so is there");
}

#[test]
fn a_device_that_does_not_answer_twice_in_a_row_is_gone() {
    let (mut it, hand) = controller();
    let error = it.set_rate(100).unwrap_err();
    assert_eq!(error.to_string(), "fake: command f3 64: no answer within 200 ms");
    assert!(it.answers(), "once is nothing");
    hand.answers(&[0xfa, 1, 2, 3]);
    it.status().unwrap();
    it.status().unwrap_err();
    assert!(it.answers(), "it is not in a row");
    assert!(matches!(it.status(), Err(BusError::Gone { .. })));
    assert!(!it.answers() && it.comes_back());
    hand.written();
    assert!(matches!(it.status(), Err(BusError::Gone { .. })));
    assert!(matches!(it.get(DATA), Err(BusError::Gone { .. })));
    assert!(matches!(it.command(0xf4), Err(BusError::Gone { .. })));
    assert_eq!(hand.written(), NOTHING, "nobody is there to hear it");
    // in the middle of a command: behind an acknowledgement, before an answer
    for answer in [&[0xfa][..], &[], &[]] {
        let (mut it, hand) = controller();
        hand.answers(answer);
        it.set_rate(1).unwrap_err();
        assert!(matches!(it.status(), Err(BusError::Gone { .. })), "{answer:?}");
    }
    let (mut it, hand) = controller();
    hand.answers(&[0xfa]);
    assert!(text(it.status()).contains("fake: answer to command e9: no answer within 500 ms"));
    assert!(matches!(it.status(), Err(BusError::Gone { .. })));
}

/// A PC's controller says RESEND when its line is dead.
#[test]
fn to_ask_for_everything_again_is_no_answer() {
    let (mut it, hand) = controller();
    for _ in 0..6 {
        hand.answers(&[0xfe]);
    }
    assert!(matches!(it.status(), Err(BusError::Refused { .. })));
    assert!(matches!(it.status(), Err(BusError::Gone { .. })));
    hand.rest(2000);
    hand.answers(&[0xfe]);
    assert!(!it.look_for_return().unwrap());
}

#[test]
fn one_that_babbles_instead_of_answering_is_there() {
    let (mut it, hand) = controller();
    for _ in 0..4 {
        hand.answers(&[0x08, 0x01, 0xff]);
        let error = text(it.status());
        assert_eq!(error, "fake: command e9 (data came: 08 01 ff): no answer within 200 ms");
    }
    assert!(it.answers());
    assert_eq!(it.data().len(), 12);
}

#[test]
fn where_nobody_need_be_no_acknowledgement_is_an_answer() {
    let (mut it, hand) = controller();
    for _ in 0..4 {
        assert_eq!(it.command(reset(2) | command::TRY).unwrap(), u32::MAX);
    }
    assert!(it.answers());
    for _ in 0..3 {
        hand.answers(&[0xfe]);
    }
    assert_eq!(it.command(0xf2 | command::TRY).unwrap(), u32::MAX);
    hand.answers(&[0xfa, 0x00]);
    assert_eq!(it.command(0xf2 | command::TRY | 1 << command::RESPONSE_SHIFT).unwrap(), 0x00);
    // who has acknowledged is to answer
    hand.answers(&[0xfa]);
    it.command(0xf2 | command::TRY | 1 << command::RESPONSE_SHIFT).unwrap_err();
}

#[test]
fn data_are_told_from_answers_and_broken_where_a_command_was() {
    let (mut it, hand) = controller();
    hand.says(&[0x08, 0x01]);
    hand.rest(1);
    // one of them is under way still, and belongs to what came before
    hand.answers_at(&[(0, 0x02), (2, 0xfa), (3, 0x20), (4, 0x02), (5, 0x64), (6, 0x18), (7, 0xff)]);
    assert_eq!(it.status().unwrap(), 0x0064_0220);
    hand.rest(10);
    let expected = [(0x08, false), (0x01, false), (0x02, false), (0x18, true), (0xff, false)];
    assert_eq!(it.data(), expected);
    // before a command it is data, whatever it is
    hand.says(&[0xfa, 0xfe, 0xfc]);
    hand.rest(5);
    hand.answers(&[0xfa]);
    hand.answers(&[0xfa]);
    it.set_rate(40).unwrap();
    assert_eq!(hand.written(), [0xe9, 0xf3, 40]);
    assert_eq!(it.data(), [(0xfa, false), (0xfe, false), (0xfc, false)]);
    // and what comes after one that was not answered is broken too
    it.status().unwrap_err();
    hand.says(&[0x08]);
    assert_eq!(it.data(), [(0x08, true)]);
}

/// A byte that comes too late is data: whoever waited does not any more.
#[test]
fn a_late_answer_is_none() {
    let (mut it, hand) = controller();
    hand.answers_at(&[(201, 0xfa)]);
    it.status().unwrap_err();
    hand.rest(10);
    assert_eq!(it.data(), [(0xfa, true)]);
    // but it was the host that was late here: the byte came in time
    hand.answers_at(&[(199, 0xfa), (698, 1), (898, 2), (1097, 3)]);
    assert_eq!(it.status().unwrap(), 0x0003_0201);
}

#[test]
fn pauses_are_told_in_milliseconds() {
    let (mut it, hand) = controller();
    hand.says(&[1, 2]);
    hand.rest(50);
    hand.says(&[3]);
    hand.rest(100_000);
    hand.says(&[4]);
    let pauses: Vec<u32> = (0..4).map(|_| it.get(DATA).unwrap() >> data::PAUSE_SHIFT & data::MOST_PAUSE).collect();
    assert_eq!(pauses, [data::MOST_PAUSE, 1, 49, data::MOST_PAUSE]);
}

#[test]
fn more_data_than_are_kept_lose_the_newest_and_say_so() {
    let (mut it, hand) = controller();
    let many: Vec<u8> = (0..5000_u32).map(|n| n as u8).collect();
    hand.says(&many);
    hand.rest(5000);
    hand.answers(&[0xfa, 1, 2, 3]);
    assert_eq!(it.status().unwrap(), 0x0003_0201);
    let kept: Vec<(u8, bool)> = many[..4096].iter().map(|byte| (*byte, false)).collect();
    assert_eq!(it.data(), kept);
    hand.says(&[0x08]);
    assert_eq!(it.data(), [(0x08, true)]);
}

#[test]
fn only_what_is_declared_is_there() {
    let (mut it, hand) = controller();
    for offset in [0x0c, 0x10, 0x1c, 0x21, 0x2c, 0xfc, 0x100] {
        assert!(matches!(it.read(offset, Width::U32), Err(BusError::OutOfRange { .. })), "{offset:#x}");
        assert!(matches!(it.write(offset, Width::U32, 0), Err(BusError::OutOfRange { .. })), "{offset:#x}");
    }
    for offset in [COMMAND.offset().into(), RATE, SCALING] {
        assert!(matches!(it.read(offset, Width::U32), Err(BusError::Unsupported(_))), "{offset:#x}");
    }
    for offset in [DATA.offset().into(), RESPONSE.offset().into(), STATUS] {
        assert!(matches!(it.write(offset, Width::U32, 0), Err(BusError::Unsupported(_))), "{offset:#x}");
    }
    // values that no command has
    assert!(it.set_rate(256).is_err() && it.write(SCALING, Width::U32, 2).is_err());
    assert_eq!(hand.written(), NOTHING);
    const TWICE: &[SerioCommand] = &[COMMANDS[0], COMMANDS[0]];
    assert!(matches!(Controller::new(Box::new(fake().0), None, TWICE), Err(CommandError::Twice(0x20))));
}

#[test]
fn it_is_back_when_it_announces_itself_or_answers() {
    let (mut it, hand) = controller();
    it.status().unwrap_err();
    it.status().unwrap_err();
    hand.written();
    assert!(!it.look_for_return().unwrap());
    assert_eq!(hand.written(), [0xf2]);
    let now = hand.inside().now;
    for _ in 0..7 {
        assert!(!it.look_for_return().unwrap());
        hand.rest(100);
    }
    assert_eq!(hand.written(), NOTHING, "not oftener than once a second");
    assert_eq!(hand.inside().now, now + Duration::from_millis(700), "and to look costs no time");
    // bouncing contacts are no announcement
    hand.says(&[0x00, 0x7f, 0xfe]);
    hand.rest(10);
    assert!(!it.look_for_return().unwrap());
    hand.says(&[0xaa, 0x00]);
    assert!(it.look_for_return().unwrap());
    assert!(it.answers());
    assert_eq!(it.data(), [], "nothing of before is left");
    assert_eq!(hand.written(), NOTHING);

    it.status().unwrap_err();
    it.status().unwrap_err();
    hand.rest(1000);
    hand.answers(&[0xfa, 0x03]);
    hand.written();
    assert!(it.look_for_return().unwrap());
    assert_eq!(hand.written(), [0xf2]);
    hand.says(&[0x08]);
    assert_eq!(it.data(), [(0x08, true)]);
    hand.answers(&[0xfa, 1, 2, 3]);
    it.status().unwrap();
}

#[test]
fn a_port_that_has_left_is_opened_again() {
    let (port, hand) = fake();
    let (mut it, gone) = (over(port, None), |it: &mut Controller| matches!(it.status(), Err(BusError::Gone { .. })));
    hand.inside().gone = true;
    assert!(gone(&mut it) && !it.answers() && !it.comes_back());
    assert!(!it.look_for_return().unwrap());

    let (port, hand) = fake();
    let (second, back) = fake();
    let (mut other, _) = fake();
    other.id.kind = 6;
    let mut ports = vec![
        Ok(second),
        Ok(other),
        Err(BusError::Unsupported("opening it")),
        Err(BusError::Gone { operation: "open" }),
    ];
    let first = hand.clone();
    let reopen: Reopen = Box::new(move || {
        assert!(first.inside().closed, "the same port, and somebody has it still");
        ports.pop().expect("asked once more").map(|port| Box::new(port) as _)
    });
    let mut it = over(port, Some(reopen));
    let event = EventFd::from_flags(EfdFlags::EFD_NONBLOCK).unwrap();
    it.enable_messages(event.as_fd()).unwrap();
    hand.inside().gone = true;
    assert!(matches!(it.get(DATA), Err(BusError::Gone { .. })));
    assert!(it.comes_back());
    assert!(!it.look_for_return().unwrap());
    assert!(text(it.look_for_return()).contains("opening it is not supported"));
    assert!(text(it.look_for_return()).contains("06:00 now, and was 01:00"));
    back.answers(&[0xfa, 0x00]);
    assert!(it.look_for_return().unwrap());
    back.answers(&[0xfa, 1, 2, 3]);
    assert_eq!(it.status().unwrap(), 0x0003_0201);
    event.read().unwrap_or_default();
    back.says(&[1]);
    assert_eq!(event.read().unwrap(), 1, "and says when something has come");
}

#[test]
fn bytes_are_announced_those_too_that_a_command_has_found_before() {
    let (mut it, hand) = controller();
    let event = EventFd::from_flags(EfdFlags::EFD_NONBLOCK).unwrap();
    hand.says(&[1]);
    hand.answers(&[0xfa, 1, 2, 3]);
    it.status().unwrap();
    assert_eq!(it.notices().unwrap(), Notices { line: false, messages: true });
    it.enable_messages(event.as_fd()).unwrap();
    assert_eq!(event.read().unwrap(), 1);
    assert_eq!(it.data(), [(1, false)]);
    hand.says(&[2, 3]);
    assert_eq!(event.read().unwrap(), 2);
    it.disable_notices().unwrap();
    hand.says(&[4]);
    event.read().unwrap_err();
}

proptest! {
    /// Whatever a device says, and whenever.
    #[test]
    fn no_device_makes_it_panic_or_wait_for_ever_or_mix_up_data(
        steps in proptest::collection::vec(
            (0_u8..6, proptest::collection::vec((0_u64..600, any_byte()), 0..6), 0_u64..3000), 1..40,
        ),
    ) {
        let (mut it, hand) = controller();
        let mut taken = Vec::new();
        for (what, bytes, pause) in steps {
            let before = hand.inside().now;
            hand.answers_at(&bytes);
            let _whatever = match what {
                0 => it.set_rate(100).map(drop),
                1 => it.status().map(drop),
                2 => it.command(reset(2)).map(drop),
                3 => it.command(reset(2) | command::TRY).map(drop),
                4 => it.look_for_return().map(drop),
                _ => Ok(()),
            };
            // three times the acknowledgement of a reset, its answer, and some for bytes on the way
            prop_assert!(hand.inside().now <= before + Duration::from_secs(9));
            hand.rest(pause);
            while let Ok(word) = it.get(DATA) && word != 0 {
                taken.push(word as u8);
            }
        }
        // what was taken came in the order in which it was said
        let said = hand.inside().said.clone();
        let mut rest = said.iter();
        prop_assert!(taken.iter().all(|byte| rest.any(|said| said == byte)), "{taken:02x?} of {said:02x?}");
    }
}

/// Mostly bytes that mean something.
fn any_byte() -> impl Strategy<Value = u8> {
    prop_oneof![Just(0xfa), Just(0xfe), Just(0xfc), Just(0xaa), Just(0x00), Just(0x08), any::<u8>()]
}
