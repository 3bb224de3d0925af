//! The fault model, kind by kind: each contained, named rightly, rolled back exactly, and the thread as before.
#![allow(unsafe_code, reason = "the faults are real")]

mod cases;
mod common;

use cases::Stand;
use common::Rng;

/// Each kind so often in a row.
const IN_A_ROW: usize = 100;

#[test]
fn each_kind_in_a_row() {
    let mut stand = Stand::new(1);
    for case in cases::quick() {
        for _ in 0..IN_A_ROW {
            stand.check(case, true);
        }
    }
    println!(
        "stress: {} kinds of fault, {} loops, each contained {IN_A_ROW} times",
        cases::quick().len(),
        cases::loops().len()
    );
}

#[test]
fn each_loop_in_a_row() {
    let mut stand = Stand::new(2);
    for case in cases::loops() {
        for _ in 0..IN_A_ROW {
            stand.check(case, true);
        }
    }
}

#[test]
fn all_kinds_mixed() {
    let mut stand = Stand::new(3);
    let all: Vec<_> = cases::quick().into_iter().chain(cases::loops()).collect();
    let mut rng = Rng(3);
    // a shuffled deck, so that each kind comes up as often
    let mut deck: Vec<usize> = (0..all.len()).collect();
    for _ in 0..IN_A_ROW / 4 {
        for i in (1..deck.len()).rev() {
            deck.swap(i, rng.below(i as u64 + 1) as usize);
        }
        for &i in &deck {
            stand.check(all[i], true);
        }
    }
}

#[test]
fn a_vanished_bar_is_an_error_to_the_host() {
    fgft::init().unwrap();
    let stand = Stand::new(4);
    for _ in 0..IN_A_ROW {
        stand.touch_what_is_gone();
    }
}
