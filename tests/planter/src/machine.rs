//! Mistakes that have no counterpart in safe Rust, and those of a loop: a call of `udrv_planted` at the beginning of a block.

use crate::site::Kind;

/// Each with the function that makes it.
const MACHINE: [(Kind, &str); 8] = [
    (Kind::NullRead, "null_read"),
    (Kind::NullWrite, "null_write"),
    (Kind::WildWrite, "wild_write"),
    (Kind::StackCorruption, "smash_stack"),
    (Kind::StackOverflow, "recurse"),
    (Kind::Arithmetic, "divide"),
    (Kind::OutOfBounds, "out_of_bounds"),
    (Kind::EndlessLoop, "endless_loop"),
];

/// The one for the block of that number: all take turns.
pub(crate) fn of_block(number: usize) -> (Kind, &'static str) {
    MACHINE[number % MACHINE.len()]
}
