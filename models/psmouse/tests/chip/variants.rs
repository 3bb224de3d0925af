//! Identifiers, the knock, wheels and buttons of each.

use model_psmouse::codes::{SYNAPTICS, command, id};
use model_psmouse::{Action, Button, MOST_CLICKS, Script, VARIANTS, Variant};

use crate::bench::{Host, Sum, ms};

const KNOCK: [u8; 3] = [200, 100, 80];
const SECOND_KNOCK: [u8; 3] = [200, 200, 80];

#[test]
fn the_knock_turns_those_that_can_into_what_they_are() {
    for (variant, after_first, after_second) in [
        (Variant::Ps2, id::PS2, id::PS2),
        (Variant::IntelliMouse, id::INTELLIMOUSE, id::INTELLIMOUSE),
        (Variant::Explorer, id::INTELLIMOUSE, id::EXPLORER),
        (Variant::Synaptics, id::PS2, id::PS2),
    ] {
        let mut host = Host::new(variant);
        assert_eq!(host.ask(command::READ_ID), [id::PS2]);
        host.rates(&SECOND_KNOCK);
        assert_eq!(host.ask(command::READ_ID), [id::PS2], "{variant:?}: the second alone is none");
        host.rates(&KNOCK);
        assert_eq!(host.ask(command::READ_ID), [after_first], "{variant:?}");
        host.rates(&SECOND_KNOCK);
        assert_eq!(host.ask(command::READ_ID), [after_second], "{variant:?}");
        host.tell(&[command::SET_DEFAULT]);
        assert_eq!(host.ask(command::READ_ID), [after_second]);
        host.reset();
        assert_eq!(host.ask(command::READ_ID), [id::PS2]);
    }
    assert_eq!(VARIANTS.len(), 4);
}

#[test]
fn other_rates_are_no_knock() {
    for rates in [&[100, 200, 80][..], &[200, 100], &[200, 100, 60, 80], &[80, 100, 200], &[200, 100, 100, 80]] {
        let mut host = Host::new(Variant::Explorer);
        host.rates(rates);
        assert_eq!(host.ask(command::READ_ID), [id::PS2], "{rates:?}");
    }
    // with a command between them it is one
    let mut host = Host::new(Variant::Explorer);
    host.rates(&[200, 100]);
    host.tell(&[command::SET_RESOLUTION, 3]);
    host.rates(&[80]);
    assert_eq!(host.ask(command::READ_ID), [id::INTELLIMOUSE]);
    // half of it before a reset does not count
    host.rates(&[200, 100]);
    host.reset();
    host.rates(&[80]);
    assert_eq!(host.ask(command::READ_ID), [id::PS2]);
}

#[test]
fn a_wheel_has_a_byte_of_its_own() {
    let mut host = Host::new(Variant::IntelliMouse);
    host.rates(&KNOCK);
    host.tell(&[command::ENABLE]);
    for (clicks, byte) in [(1, 0xff), (-1, 0x01), (7, 0xf9), (-7, 0x07)] {
        host.bench.act(Action::Turn(clicks));
        assert_eq!(host.hear(ms(30)), [0x08, 0, 0, byte]);
    }
    host.bench.act(Action::Press(Button::Side));
    assert_eq!(host.hear(ms(30)), []);
    assert_eq!(host.ask(command::READ_DATA), [0x08, 0, 0, 0]);
}

#[test]
fn clicks_that_do_not_fit_come_with_the_next_packets() {
    let mut host = Host::new(Variant::Explorer);
    host.rates(&KNOCK);
    host.rates(&SECOND_KNOCK);
    host.tell(&[command::ENABLE]);
    host.bench.act(Action::Turn(2 * MOST_CLICKS + 3));
    assert_eq!(Host::sum(&host.hear(ms(100)), 4), Sum { right: 0, away: 0, turned: 2 * MOST_CLICKS + 3 });
    assert_eq!(host.bench.counters().packets, 3);
}

#[test]
fn an_explorer_has_five_buttons() {
    let mut host = Host::new(Variant::Explorer);
    host.rates(&KNOCK);
    host.rates(&SECOND_KNOCK);
    host.tell(&[command::ENABLE]);
    for (button, first, fourth) in [
        (Button::Left, 0x09, 0x00),
        (Button::Right, 0x0a, 0x00),
        (Button::Middle, 0x0c, 0x00),
        (Button::Side, 0x08, 0x10),
        (Button::Extra, 0x08, 0x20),
    ] {
        host.bench.play(Script::new().click(button, ms(30)));
        assert_eq!(host.hear(ms(100)), [first, 0, 0, fourth, 0x08, 0, 0, 0], "{button:?}");
    }
    for button in Button::ALL {
        host.bench.act(Action::Press(button));
    }
    host.bench.act(Action::Turn(2));
    assert_eq!(host.hear(ms(30)), [0x0f, 0, 0, 0x3e]);
}

#[test]
fn a_wheel_without_the_knock_turns_for_nobody() {
    let mut host = Host::new(Variant::Explorer);
    host.tell(&[command::ENABLE]);
    host.bench.act(Action::Turn(5));
    assert_eq!(host.hear(ms(100)), []);
    host.rates(&KNOCK);
    assert_eq!(host.hear(ms(100)), [], "nor later");
}

#[test]
fn a_touchpad_says_who_made_it_to_its_own_query_alone() {
    let query = |host: &mut Host, arguments: &[u8]| {
        for argument in arguments {
            host.tell(&[command::SET_RESOLUTION, *argument]);
        }
        host.ask(command::STATUS_REQUEST)
    };
    let mut host = Host::new(Variant::Synaptics);
    assert_eq!(query(&mut host, &[0, 0, 0, 0])[1], SYNAPTICS);
    assert_eq!(query(&mut host, &[]), [0, 0, 100], "once");
    assert_eq!(query(&mut host, &[0, 0, 0]), [0, 0, 100]);
    assert_eq!(query(&mut host, &[0, 0, 0, 1]), [0, 1, 100]);
    assert_eq!(query(&mut host, &[3, 0, 0, 0, 0])[1], SYNAPTICS, "the last four");
    host.tell(&[0xe8, 0, 0xe8, 0, 0xe6]);
    assert_eq!(query(&mut host, &[0, 0]), [0, 0, 100], "broken off");
    // relative mode works beside it
    host.tell(&[command::ENABLE]);
    host.bench.act(Action::Move { right: 16, away: 0 });
    assert_eq!(host.hear(ms(30)), [0x08, 2, 0]);
    let mut mouse = Host::new(Variant::Explorer);
    assert_eq!(query(&mut mouse, &[0, 0, 0, 0]), [0, 0, 100]);
}
