//! The plug.

use model_psmouse::codes::command;
use model_psmouse::{Action, Button, Clock, Config, PsMouseModel, Script, Variant};

use crate::bench::{Host, ms};

#[test]
fn plugged_in_it_announces_itself_and_knows_nothing_of_before() {
    let mut host = Host::new(Variant::Explorer);
    host.rates(&[200, 100, 80]);
    host.tell(&[command::ENABLE, command::SET_RESOLUTION, 0]);
    host.bench.unplug();
    assert!(!host.bench.is_plugged_in());
    host.bench.act(Action::Move { right: 99, away: 99 });
    assert_eq!(host.say(command::READ_ID), []);
    assert_eq!(host.bench.counters().unheard, 1);
    host.bench.plug_in();
    assert_eq!(host.hear(ms(299)), []);
    assert_eq!(host.hear(ms(250)), [0xaa, 0x00]);
    assert_eq!(host.ask(command::READ_ID), [0x00]);
    assert_eq!(host.ask(command::STATUS_REQUEST), [0x00, 2, 100]);
    assert_eq!(host.ask(command::READ_DATA), [0x08, 0, 0], "it was not moved since");
    host.bench.plug_in();
    assert_eq!(host.hear(ms(600)), [], "it is in");
    assert_eq!(host.bench.counters().plugged_in, 1);
}

#[test]
fn without_its_plug_a_machine_begins_with_nobody() {
    let config = Config { clock: Clock::Manual, plugged_in: false, ..Config::default() };
    let (line, bench) = PsMouseModel::new(config);
    let mut host = Host { line, bench };
    assert_eq!(host.say(command::RESET), []);
    host.bench.play(Script::new().rest(ms(100)).then(Action::PlugIn));
    assert_eq!(host.hear(ms(399)), []);
    assert_eq!(host.hear(ms(250)), [0xaa, 0x00]);
}

#[test]
fn what_is_on_the_line_is_gone_with_the_plug() {
    let mut host = Host::new(Variant::Ps2);
    for left in 0..4 {
        host.line.write(command::STATUS_REQUEST);
        host.bench.advance(ms(3));
        for _ in 0..left {
            assert!(host.line.read().is_some());
            host.bench.advance(ms(1));
        }
        host.bench.unplug();
        assert_eq!(host.hear(ms(1000)), [], "{left}");
        host.bench.plug_in();
        assert_eq!(host.hear(ms(600)), [0xaa, 0x00]);
    }
}

#[test]
fn a_button_held_over_a_replug_is_down() {
    let mut host = Host::new(Variant::Ps2);
    host.bench.act(Action::Press(Button::Left));
    host.bench.unplug();
    host.bench.plug_in();
    host.hear(ms(600));
    assert_eq!(host.ask(command::STATUS_REQUEST)[0], 4);
}

#[test]
fn pulled_in_its_self_test_it_starts_another() {
    let mut host = Host::new(Variant::Ps2);
    assert_eq!(host.say(command::RESET), [0xfa]);
    host.bench.unplug();
    assert_eq!(host.hear(ms(1000)), []);
    host.bench.plug_in();
    assert_eq!(host.hear(ms(600)), [0xaa, 0x00]);
}
