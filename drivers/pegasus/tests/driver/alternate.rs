//! The second versions: what only they do. What is the same for both is in `traffic.rs`.

use udrv_driver_tests::alternate::assert_shares_nothing;

#[test]
fn shares_nothing_but_the_state() {
    assert_shares_nothing(
        include_str!("../../src/alternate.rs"),
        &["use udrv_driver::{Buffer, Cx, Error, TxFrame, usb};", "use crate::state::State;"],
        &[include_str!("../../src/state.rs")],
    );
}
