//! The class and a small driver: what leaves and when, what is asked when nobody knows, and what is let go.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use udrv::endpoint::input::Frame;
use udrv::input::{InputOptions, InputSetting};
use udrv::keep::Keeper;
use udrv::run::{Answer, Command, DeviceError, Options};
use udrv::supervisor::quarantine::QuarantineConfig;
use udrv_driver::{Buttons, Entry, InjectedFault, Point};
use udrv_tests::pointer::{DOUBLE, DPI, RATE, RESET, Rig, SYNC, command, habit, who};
use udrv_tests::rig::quick;
use udrv_tests::screen::Screen;

const LEFT: Buttons = Buttons::LEFT;
const NONE: Buttons = Buttons::NONE;

#[test]
fn at_the_start_the_device_is_set_shown_enabled_and_asked() {
    let input = InputOptions { rate: Some(50), resolution: Some(400), double: Some(true) };
    let mut rig = Rig::new(Options { input, ..quick() });
    assert_eq!(rig.commands(), [command::PROBE, command::ENABLE, command::POLL]);
    assert_eq!((rig.register(RATE), rig.register(DPI), rig.register(DOUBLE)), (60, 400, 1));
    let input = rig.input();
    assert_eq!((input.rate, input.resolution, input.double, input.enabled), (60, 400, true, true));
    assert_eq!((input.endpoint.as_str(), input.name.as_str(), input.buttons.len()), ("screen", "mouse", 3));
    assert_eq!(rig.screen.picture().devices.len(), 1);
    assert!(rig.screen.frames().is_empty(), "nothing was down");
}

#[test]
fn reports_leave_in_order_and_those_without_change_do_not() {
    let mut rig = Rig::new(quick());
    rig.report(LEFT, 3, -4).expect("goes on");
    rig.report(LEFT, 0, 0).expect("goes on");
    rig.report(LEFT | Buttons::RIGHT, 0, 1).expect("goes on");
    rig.report(NONE, 0, 0).expect("goes on");
    let frame = |press, release, x, y| Frame { press, release, x, y, ..Frame::default() };
    let expected =
        [frame(LEFT, NONE, 3, -4), frame(Buttons::RIGHT, NONE, 0, 1), frame(NONE, LEFT | Buttons::RIGHT, 0, 0)];
    assert_eq!(rig.screen.frames(), expected);
    let counters = rig.input().counters;
    assert_eq!((counters.reports, counters.events), (5, 3), "the first answers the question at the start");
}

#[test]
fn half_a_report_waits_for_its_other_half() {
    let mut rig = Rig::new(quick());
    rig.send(&[SYNC | 1, 5]).expect("goes on");
    assert!(rig.screen.frames().is_empty());
    rig.send(&[6, SYNC]).expect("goes on");
    assert_eq!(rig.screen.frames(), [Frame { press: LEFT, x: 5, y: 6, ..Frame::default() }]);
}

#[test]
fn a_fault_of_any_kind_anywhere_costs_no_report_and_no_command_where_it_sent_none() {
    let mut rig = Rig::new(quick());
    let (mut at, mut faults) = ((0, 0), 0);
    for fault in InjectedFault::ALL {
        for point in Point::ALL {
            rig.arm(Entry::Interrupt, fault, point);
            let _ = rig.commands();
            // two reports and a half, in one call
            rig.hold(LEFT);
            rig.send(&[SYNC | 1, 1, 2, SYNC | 1, 3, 4, SYNC]).expect("goes on");
            faults += 1;
            assert_eq!(rig.status().faults, faults, "{fault} at {point}");
            assert!(rig.commands().is_empty(), "{fault} at {point}: the call sent none");
            at = (at.0 + 4, at.1 + 6);
            assert_eq!((rig.screen.picture().at, rig.screen.down()), (at, LEFT), "{fault} at {point}");
            rig.send(&[0, 0]).expect("goes on");
            assert_eq!(rig.screen.down(), NONE, "{fault} at {point}");
        }
    }
    let counters = rig.input().counters;
    assert_eq!((counters.bytes_dropped, counters.breaks, counters.let_go), (0, 1, 0), "but for the start's question");
}

#[test]
fn a_fault_in_any_other_entry_point_ends_with_the_buttons_as_the_hand_has_them() {
    for entry in Entry::INPUT.into_iter().filter(|entry| *entry != Entry::Interrupt) {
        let mut rig = Rig::new(quick());
        for fault in InjectedFault::ALL {
            for point in Point::ALL {
                // a button changes of which the device says nothing: only asking brings it up
                for held in [LEFT, LEFT | Buttons::RIGHT, NONE] {
                    rig.report(held, 1, 0).expect("goes on");
                    let before = rig.status().faults;
                    rig.arm(entry, fault, point);
                    let answer = rig.tell(Command::Call(entry)).expect("goes on");
                    assert!(matches!(answer, Answer::Done), "{entry} {fault} {point}: {answer:?}");
                    assert_eq!(rig.status().faults, before + 1, "{entry} {fault} {point}");
                    rig.serve().expect("goes on");
                    assert_eq!(rig.screen.down(), held, "{entry} {fault} {point}");
                }
            }
        }
        let picture = rig.screen.picture();
        assert_eq!((picture.at.0, picture.devices.len()), (54, 1), "{entry}");
        assert!(rig.input().enabled);
    }
}

#[test]
fn out_of_step_it_is_asked_which_buttons_are_down() {
    let mut rig = Rig::new(quick());
    rig.report(LEFT, 0, 0).expect("goes on");
    let _ = rig.commands();
    rig.hold(Buttons::RIGHT);
    rig.send(&[0x11]).expect("goes on");
    assert_eq!((rig.commands(), rig.screen.down()), (vec![command::POLL], Buttons::RIGHT));
    let counters = rig.input().counters;
    assert_eq!((counters.out_of_step, counters.bytes_dropped, counters.polls), (1, 1, 2));
}

#[test]
fn where_it_cannot_be_asked_buttons_are_let_go_and_it_is_listened_to() {
    let mut rig = Rig::new(quick());
    rig.report(LEFT, 0, 0).expect("goes on");
    rig.plug_in(who::MOUSE | who::REFUSES);
    rig.send(&[0x11]).expect("goes on");
    assert_eq!(rig.screen.down(), NONE);
    assert!(rig.status().device_faults.bus > 0);
    // it moves on, and what it says of the button is believed
    for _ in 0..100 {
        rig.report(LEFT, 1, 0).expect("goes on");
        rig.wait(Duration::from_millis(100)).expect("goes on");
    }
    assert_eq!((rig.screen.down(), rig.screen.picture().at), (LEFT, (100, 0)));
    let status = rig.status();
    assert_eq!((status.restarts, status.input().counters.let_go), (0, 1));
}

#[test]
fn a_device_that_was_reset_is_set_up_again_and_asked() {
    let mut rig = Rig::new(quick());
    rig.report(LEFT, 0, 0).expect("goes on");
    let _ = rig.commands();
    rig.hold(LEFT | Buttons::RIGHT);
    rig.send(&[RESET]).expect("goes on");
    assert_eq!(rig.commands(), [command::RECONNECT, command::POLL]);
    assert_eq!((rig.screen.down(), rig.input().counters.reconnects), (LEFT | Buttons::RIGHT, 1));
    assert_eq!(rig.screen.picture().devices.len(), 1, "nobody notices");
}

#[test]
fn another_device_is_shown_anew_only_if_it_can_something_else() {
    let mut rig = Rig::new(quick());
    rig.report(LEFT, 0, 0).expect("goes on");
    rig.plug_in(who::BETTER);
    rig.hold(Buttons::EXTRA);
    rig.send(&[RESET]).expect("goes on");
    let picture = rig.screen.picture();
    assert_eq!(picture.devices.iter().map(|info| info.name).collect::<Vec<_>>(), ["mouse", "better mouse"]);
    assert_eq!(picture.down, Buttons::EXTRA);
    assert_eq!(rig.input().name, "better mouse");
}

#[test]
fn a_keyboard_in_its_place_is_told_and_waited_out() {
    let mut rig = Rig::new(quick());
    rig.report(LEFT, 0, 0).expect("goes on");
    rig.plug_in(who::KEYBOARD);
    rig.send(&[RESET, 0x1c, 0x70, 0x1c]).expect("goes on");
    rig.wait(Duration::from_secs(5)).expect("goes on");
    assert_eq!((rig.screen.down(), rig.input().present), (NONE, false));
    assert_eq!(rig.input().counters.bytes_dropped, 3, "what it types is nobody's");
    rig.plug_in(who::MOUSE);
    rig.hold(LEFT);
    rig.send(&[RESET]).expect("goes on");
    assert_eq!((rig.screen.down(), rig.input().present), (LEFT, true));
}

#[test]
fn one_that_was_pulled_out_with_a_button_down_lets_it_go_within_a_second_or_so() {
    let mut rig = Rig::new(quick());
    rig.report(LEFT, 0, 0).expect("goes on");
    rig.plug_in(who::NOBODY);
    rig.wait(Duration::from_millis(900)).expect("goes on");
    assert_eq!(rig.screen.down(), LEFT, "a hand may rest");
    rig.wait(Duration::from_millis(200)).expect("goes on");
    rig.serve().expect("goes on");
    assert_eq!((rig.screen.down(), rig.input().present), (NONE, false));
    rig.wait(Duration::from_secs(4)).expect("goes on");
    assert_eq!(rig.input().counters.reconnects, 0, "it is looked for, and not there");
    // and it comes back without a word
    rig.plug_in(who::MOUSE);
    rig.hold(Buttons::RIGHT);
    rig.wait(Duration::from_secs(4)).expect("goes on");
    assert_eq!((rig.screen.down(), rig.input().present), (Buttons::RIGHT, true));
    assert_eq!(rig.input().counters.reconnects, 1);
}

#[test]
fn what_cannot_be_set_up_again_is_restarted_and_one_that_cannot_is_given_up_with_its_buttons_up() {
    let mut rig = Rig::new(quick());
    rig.habits(habit::RECONNECT_PANICS);
    rig.report(LEFT, 0, 0).expect("goes on");
    rig.send(&[RESET]).expect("a restart helps");
    assert!(rig.status().restarts > 0);
    assert_eq!(rig.screen.down(), LEFT);
    // nobody knows it is for a moment: the bus fails
    rig.plug_in(who::MOUSE | who::REFUSES);
    let error = rig.send(&[RESET]).and_then(|()| (0..100).try_for_each(|_| rig.wait(Duration::from_millis(100))));
    assert!(error.is_err());
    assert_eq!(rig.screen.down(), NONE);
}

#[test]
fn a_restart_replays_what_was_asked_for() {
    let mut rig = Rig::new(quick());
    for setting in [InputSetting::Rate(110), InputSetting::Resolution(390), InputSetting::Double(true)] {
        let answer = rig.tell(Command::Set(setting)).expect("goes on");
        let came = match setting {
            InputSetting::Rate(_) => InputSetting::Rate(120),
            InputSetting::Resolution(_) => InputSetting::Resolution(400),
            InputSetting::Double(_) => setting,
        };
        assert!(matches!(answer, Answer::Set(set) if set == came), "{answer:?}");
    }
    rig.report(LEFT, 7, 0).expect("goes on");
    // half of a report is on its way, and lost
    rig.send(&[SYNC, 1]).expect("goes on");
    let _ = rig.commands();
    rig.hold(Buttons::MIDDLE);
    rig.door.inside().values[4] = 0;
    assert!(matches!(rig.tell(Command::Restart), Ok(Answer::Done)));
    assert_eq!(rig.commands(), [command::PROBE, command::ENABLE, command::POLL]);
    assert_eq!((rig.register(RATE), rig.register(DPI), rig.register(DOUBLE)), (120, 400, 1));
    assert_eq!((rig.screen.down(), rig.screen.picture().at), (Buttons::MIDDLE, (7, 0)));
    assert_eq!(rig.screen.picture().devices.len(), 1);
}

#[test]
fn a_setting_that_the_device_refuses_is_not_asked_for_again_and_what_moves_goes_on() {
    let mut rig = Rig::new(quick());
    let _ = rig.commands();
    rig.plug_in(who::MOUSE | who::REFUSES);
    let answer = rig.tell(Command::Set(InputSetting::Rate(40))).expect("goes on");
    assert!(matches!(&answer, Answer::Refused(why) if why.contains("set_rate")), "{answer:?}");
    assert_eq!(rig.input().rate, 100, "as far as is known");
    assert!(rig.commands().is_empty(), "and it was not restored");
    rig.report(NONE, 1, 1).expect("goes on");
    assert_eq!(rig.screen.picture().at, (1, 1));
    rig.plug_in(who::MOUSE);
    assert!(matches!(rig.tell(Command::Restart), Ok(Answer::Done)));
    assert_eq!(rig.input().rate, 100, "what was refused is not asked for again");
}

#[test]
fn in_quarantine_the_second_version_goes_on_and_without_one_that_works_buttons_are_let_go() {
    let quarantine = QuarantineConfig { faults: 3, time: Duration::ZERO, ..QuarantineConfig::default() };
    let mut rig = Rig::new(Options { quarantine, ..quick() });
    rig.report(LEFT, 0, 0).expect("goes on");
    rig.habits(habit::INTERRUPT_PANICS);
    rig.report(LEFT, 5, 5).expect("goes on");
    assert_eq!((rig.screen.picture().at, rig.screen.down()), ((5, 5), LEFT), "not one report is lost");
    assert!(rig.status().quarantine[0].alternate);
    rig.habits(habit::INTERRUPT_PANICS | habit::SECOND_INTERRUPT_PANICS);
    rig.report(LEFT, 6, 6).expect("goes on");
    rig.serve().expect("goes on");
    assert_eq!(rig.screen.down(), NONE, "nobody hears it any more");
    assert!(!rig.status().quarantine[0].alternate);
    // let out, and the hand has changed meanwhile
    rig.habits(0);
    rig.hold(Buttons::RIGHT);
    assert!(matches!(rig.tell(Command::Release(None)), Ok(Answer::Done)));
    rig.serve().expect("goes on");
    let picture = rig.screen.picture();
    assert_eq!((picture.at, picture.down), ((11, 11), Buttons::RIGHT), "what it said meanwhile was kept");
}

/// It would be called for ever.
#[test]
fn news_of_which_nothing_has_come_are_a_fault() {
    let quarantine = QuarantineConfig { faults: 3, time: Duration::ZERO, ..QuarantineConfig::default() };
    let mut rig = Rig::new(Options { quarantine, ..quick() });
    rig.habits(habit::INVENTS);
    rig.report(LEFT, 5, 5).expect("goes on");
    rig.serve().expect("goes on");
    let faults = rig.status().faults;
    assert!(faults > 0 && rig.status().quarantine[0].alternate, "{faults} faults");
    rig.report(NONE, 6, 6).expect("goes on");
    assert_eq!((rig.screen.picture().at, rig.screen.down()), ((11, 11), NONE), "and the second version goes on");
}

#[test]
fn what_the_device_has_not_is_not_told() {
    let mut rig = Rig::new(quick());
    rig.habits(habit::BOASTS);
    rig.report(NONE, 1, 0).expect("goes on");
    assert_eq!(rig.screen.down(), Buttons(7));
}

#[test]
fn whatever_the_end_is_no_button_stays_down() {
    // it is told to stop
    let mut rig = Rig::new(quick());
    rig.report(LEFT, 0, 0).expect("goes on");
    let device = rig.device.take().expect("it runs");
    device.shut_down().expect("it stops");
    assert_eq!(rig.screen.down(), NONE);
    assert_eq!(rig.commands().last(), Some(&command::QUIESCE));
    drop(rig);
    // it is dropped
    let mut rig = Rig::new(quick());
    rig.report(LEFT, 0, 0).expect("goes on");
    drop(rig.device.take());
    assert_eq!(rig.screen.down(), NONE);
    drop(rig);
    // it is gone
    let mut rig = Rig::new(quick());
    rig.report(LEFT, 0, 0).expect("goes on");
    rig.door.inside().gone = true;
    assert!(rig.serve().is_err());
    drop(rig.device.take());
    assert_eq!(rig.screen.down(), NONE);
}

#[test]
fn a_device_whose_bytes_cannot_be_read_is_restored_and_given_up_at_last() {
    let mut rig = Rig::new(quick());
    rig.report(LEFT, 0, 0).expect("goes on");
    rig.plug_in(who::MOUSE | who::MUTE);
    rig.serve().expect("it is restored");
    let given_up = (0..400).try_for_each(|_| rig.wait(Duration::from_millis(50)));
    assert!(matches!(given_up, Err(DeviceError::Entry { .. } | DeviceError::GaveUp { .. })), "{given_up:?}");
    let status = rig.status();
    assert!(status.restores > 0 && status.restarts > 0);
    drop(rig.device.take());
    assert_eq!(rig.screen.down(), NONE);
}

#[test]
fn a_node_that_another_process_has_left_is_brought_to_how_the_hand_is() {
    let mut rig = Rig::try_new(quick(), Screen::left_with(LEFT | Buttons::RIGHT), who::MOUSE).expect("it starts");
    assert_eq!(rig.screen.down(), NONE);
    rig.report(Buttons::RIGHT, 0, 0).expect("goes on");
    assert_eq!(rig.screen.down(), Buttons::RIGHT);
}

/// Who keeps descriptors, and what it was told.
#[derive(Debug, Default)]
struct Notes(Mutex<Vec<String>>);

impl Keeper for Notes {
    fn keep(&self, name: &str, _: BorrowedFd<'_>) -> io::Result<()> {
        self.0.lock().expect("nobody panics").push(format!("keep {name}"));
        Ok(())
    }

    fn forget(&self, names: &[&str]) -> io::Result<()> {
        self.0.lock().expect("nobody panics").extend(names.iter().map(|name| format!("forget {name}")));
        Ok(())
    }
}

#[test]
fn what_is_shown_is_kept_for_a_successor_and_what_was_shown_before_is_not() {
    let notes = Arc::new(Notes::default());
    let told = || std::mem::take(&mut *notes.0.lock().expect("nobody panics"));
    let options = || Options { keeper: Some(notes.clone()), ..quick() };
    let mut rig = Rig::new(options());
    assert_eq!(told(), ["forget uinput", "keep uinput"]);
    // it is the same to who looks at it
    rig.send(&[RESET]).expect("goes on");
    assert!(matches!(rig.tell(Command::Restart), Ok(Answer::Done)));
    assert!(told().is_empty());
    rig.plug_in(who::BETTER);
    rig.send(&[RESET]).expect("goes on");
    assert_eq!(told(), ["forget uinput", "keep uinput"]);
    drop(rig);
    // what was taken over is kept already
    drop(Rig::try_new(options(), Screen::left_with(LEFT), who::MOUSE).expect("it starts"));
    assert!(told().is_empty());
}

#[test]
fn an_endpoint_that_takes_no_more_ends_the_device_with_its_error() {
    let mut rig = Rig::new(quick());
    rig.screen.fill();
    let error = rig.report(LEFT, 0, 0).expect_err("nobody would see it").to_string();
    assert!(error.starts_with("writing to the screen: "), "{error}");
}

#[test]
fn what_is_in_the_way_at_the_start_is_told_with_what_mends_it() {
    let start = |is| Rig::try_new(quick(), Screen::default(), is).map(drop).expect_err("it cannot start").to_string();
    assert!(start(who::NOBODY).contains("is a device plugged in?"));
    assert!(start(who::KEYBOARD).contains("a keyboard perhaps: plug in one that is"));
    let refused = start(who::MOUSE | who::REFUSES);
    assert!(refused.contains("probe"), "{refused}");
}
