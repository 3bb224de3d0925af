//! A link that comes and goes.

use udrv_driver::{Events, Link, NetDriver};

use crate::{Chip, Fake, hide_injected};

/// Each change is announced and told as it is, also by a call that follows an abandoned one, and traffic goes on.
pub fn a_link_that_flaps_is_followed<C: Chip>() {
    hide_injected();
    let mut fake = Fake::<C>::opened();
    for round in 0..60 {
        let link = if round % 2 == 0 { Link::default() } else { C::LINKS[round / 2 % C::LINKS.len()] };
        fake.chip().change_link(link);
        assert!(fake.interrupt().has(Events::LINK), "round {round}");
        assert_eq!(fake.interrupt(), Events::NONE, "one change is one event");
        // each third is looked at by a call that is abandoned, somewhere else each time
        if round % 3 == 0 {
            fake.abandon_after(round as u32 / 3, C::Driver::link);
        }
        assert_eq!(fake.call(C::Driver::link), Ok(link), "round {round}");
        if link.up {
            assert_eq!(fake.transmit(round as u32, 60), Ok(()));
            fake.chip().send_well();
            assert_eq!(fake.poll(8), Ok(0));
            assert_eq!(fake.border().completed.pop(), Some((round as u32, true)));
        }
    }
    // many changes that nobody has looked at are one
    for link in [Link::default(), C::LINKS[0], Link::default(), C::LINKS[0]] {
        fake.chip().change_link(link);
    }
    assert!(fake.interrupt().has(Events::LINK));
    assert_eq!(fake.call(C::Driver::link), Ok(C::LINKS[0]));
    fake.assert_works();
}

/// What is handed over while there is no link is sent when there is one, once.
pub fn a_frame_waits_for_the_link<C: Chip>() {
    let mut fake = Fake::<C>::opened();
    fake.chip().change_link(Link::default());
    assert!(fake.interrupt().has(Events::LINK));
    assert_eq!(fake.call(C::Driver::link), Ok(Link::default()));
    assert_eq!(fake.transmit(1, 60), Ok(()));
    assert_eq!(fake.transmit(2, 61), Ok(()));
    for _ in 0..10 {
        assert_eq!(fake.poll(8), Ok(0));
    }
    assert_eq!(fake.border().completed, []);
    fake.chip().change_link(C::LINKS[0]);
    assert!(fake.interrupt().has(Events::LINK));
    assert_eq!(fake.call(C::Driver::link), Ok(C::LINKS[0]));
    assert_eq!([fake.chip().send_well().1, fake.chip().send_well().1], [60, 61]);
    assert_eq!(fake.poll(8), Ok(0));
    assert_eq!(fake.border().completed, [(1, true), (2, true)]);
    assert!(!fake.chip().has_to_send());
    fake.assert_works();
}
