//! What every network driver is tested for, once.
//!
//! A driver brings a [`Chip`]: a small one of its own, which asserts what a driver must not do to it. Here is the
//! framework's side of the border with commit and rollback in a few lines ([`Border`]), the two together ([`Fake`]), and
//! the tests that are the same whatever the chip: [`every_driver_test!`] makes a `#[test]` of each. A chip of another class
//! is a [`Device`]: the framework's side is the same, calls and their abandonment with it.
//!
//! Not the models in `models/`, which know nothing of drivers, and not the framework: a call that is abandoned is one
//! that panics here.

mod border;
mod chip;
mod device;
mod enter;
mod fake;
mod random;
mod versions;

pub mod abandoned;
pub mod alternate;
pub mod garbage;
pub mod input;
pub mod lifecycle;
pub mod link;

pub use border::Border;
pub use chip::{BUS, Bus, Came, Chip, MAC, OTHER, Window};
pub use device::Device;
pub use fake::{Fake, bus_address, frame, hide_injected};
pub use random::Random;
pub use versions::{ALTERNATE, Versions, with_all, with_both_polls};

/// Makes a test of everything that is the same for each driver: for the driver of this [`Chip`].
#[macro_export]
macro_rules! every_driver_test {
    ($chip:ty) => {
        $crate::every_driver_test! { @ $chip,
            abandoned::every_point_of_every_entry_is_reached_and_recovered_from,
            abandoned::every_request_of_every_entry_is_recovered_from,
            abandoned::probe_and_open_leave_nothing_behind,
            abandoned::an_access_that_fails_leaves_nothing_that_restore_does_not_mend,
            alternate::one_at_a_time,
            alternate::takes_over_with_descriptors_in_use,
            alternate::has_no_places_for_faults,
            alternate::in_turn_they_do_what_the_first_does_alone,
            garbage::every_call_leaves_a_state_that_may_be,
            input::malformed_frames_are_dropped_and_counted,
            input::a_chip_without_an_address_is_set_one,
            input::no_group_address_is_set,
            lifecycle::a_second_probe_takes_no_more_memory,
            lifecycle::a_reset_that_hangs_times_out_and_the_chip_was_told_to_stop,
            lifecycle::gone_wherever_something_is_read,
            lifecycle::before_probe_and_before_open,
            lifecycle::open_stop_open,
            lifecycle::what_is_in_flight_is_given_back,
            lifecycle::quiesce_needs_no_state,
            lifecycle::the_framework_has_room_for_map_and_state,
            link::a_link_that_flaps_is_followed,
            link::a_frame_waits_for_the_link,
        }
    };
    (@ $chip:ty, $($module:ident::$name:ident,)*) => {
        $(#[test]
        fn $name() {
            $crate::$module::$name::<$chip>();
        })*
    };
}
