//! The second `pointer`: that it says the same is asked wherever a pointer is (`fake.rs`).

use udrv_driver::{Cx, Point, SoundDriver};
use udrv_driver_tests::alternate::assert_shares_nothing;

use crate::fake::{DAC1, SORTS, USUAL, probed, run};

#[test]
fn shares_nothing_but_the_state_and_the_manual() {
    assert_shares_nothing(
        include_str!("../../src/alternate.rs"),
        &["use udrv_driver::{Cx, Error, Stream};", "use crate::regs;", "use crate::state::{Phase, State};"],
        &[include_str!("../../src/state.rs")],
    );
}

/// A fault that is armed for the first version does not happen in the second, wherever it is.
#[test]
fn has_no_places_for_faults() {
    let second = ens1371::Ens1371::ALTERNATES.pointer.expect("a second pointer");
    for chip in SORTS {
        let mut fake = probed(chip);
        run(&mut fake, DAC1, USUAL);
        for point in Point::ALL {
            assert!(!fake.abandon(point, |cx: &mut Cx<'_, ens1371::State>| second(cx, DAC1)));
        }
    }
}
