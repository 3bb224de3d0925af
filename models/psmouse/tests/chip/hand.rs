//! Scripts of the hand.

use model_psmouse::codes::command;
use model_psmouse::{Action, Button, Script, Variant};

use crate::bench::{Host, Sum, ms};

#[test]
fn scripts_follow_one_another_rests_included() {
    let mut host = Host::new(Variant::Ps2);
    host.tell(&[command::ENABLE]);
    let begin = host.line.now();
    host.bench.play(Script::new().click(Button::Left, ms(50)).rest(ms(100)));
    host.bench.play(Script::new().then(Action::Press(Button::Right)));
    assert_eq!(host.hear(ms(149)), [9, 0, 0, 8, 0, 0]);
    assert!(!host.bench.is_at_rest());
    assert_eq!(host.hear(ms(50)), [10, 0, 0]);
    assert!(host.bench.is_at_rest());
    assert!(host.line.now() - begin == ms(199));
    // one that comes later begins then
    host.bench.advance(ms(1000));
    host.bench.play(Script::new().glide(16, 0, ms(8)));
    assert_eq!(Host::sum(&host.hear(ms(50)), 3), Sum { right: 8, away: 0, turned: 0 });
}

#[test]
fn the_same_script_says_the_same_however_time_is_cut() {
    let script = || Script::new().glide(4000, -300, ms(800)).click(Button::Middle, ms(25)).glide(-9, 77, ms(60));
    let run = |step: u64| {
        let mut host = Host::new(Variant::Ps2);
        host.tell(&[command::ENABLE]);
        host.bench.play(script());
        let mut heard = Vec::new();
        for _ in 0..1200 / step {
            heard.extend(host.hear(ms(step)));
        }
        heard
    };
    let whole = run(1200);
    assert!(whole.len() > 100);
    assert_eq!(run(1), whole);
    assert_eq!(run(30), whole);
}
