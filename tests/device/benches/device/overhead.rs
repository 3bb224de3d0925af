//! What protection costs a stream through the e1000, by which calls are transactions: none, those that move no data, all. Three devices
//! take turns. Everything is on one processor, which it uses as a whole: what a frame takes is the processor's time, and its inverse the
//! throughput.
//!
//! JSON, one object a line: how it ran, then nanoseconds a frame for each way and length, one sample a round.

use nix::time::{ClockId, clock_gettime};
use serde_json::json;
use udrv::run::Options;
use udrv::supervisor::policy::Protect;
use udrv_driver::Entry;
use udrv_tests::subject::{E1000, Subject};

use crate::SHORTEST;
use crate::mill::FRAME;
use crate::turned::{BATCH, Turned};

/// Calls through which frames go.
const DATA: [Entry; 3] = [Entry::Transmit, Entry::Interrupt, Entry::Poll];
/// What is protected.
const MODES: [&str; 3] = ["none", "non-io", "all"];

pub(crate) fn run(isolation: &str, quick: bool) {
    let (rounds, batches) = if quick { (15, 20) } else { (61, 100) };
    println!("{}", json!({ "isolation": isolation, "rounds": rounds, "batch": BATCH }));
    for bytes in [FRAME, SHORTEST] {
        for (way, batch) in [("down", BATCH), ("up", BATCH.min(E1000::RX_ROOM))] {
            let mut cards = MODES.map(|mode| Turned::<E1000>::with(options(mode), bytes));
            let mut times: [Vec<f64>; 3] = Default::default();
            for round in 0..rounds {
                for turn in 0..MODES.len() {
                    // each of them first, second and third as often
                    let which = (round + turn) % MODES.len();
                    let card = &mut cards[which];
                    let start = now();
                    for _ in 0..batches {
                        if way == "down" { card.down_many(batch) } else { card.up_many(batch) }
                    }
                    times[which].push((now() - start) / (batches * batch) as f64);
                }
            }
            for (mode, times) in MODES.iter().zip(times) {
                println!("{}", json!({ "way": way, "bytes": bytes, "mode": mode, "nanoseconds": times }));
            }
        }
    }
}

fn options(mode: &str) -> Options {
    match mode {
        "none" => Options { protect: Protect::Never, ..Options::default() },
        "all" => Options::default(),
        _ => Options { protect_entries: DATA.map(|entry| (entry, Protect::Never)).to_vec(), ..Options::default() },
    }
}

/// Processor time of this thread, nanoseconds.
fn now() -> f64 {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("Linux has it");
    std::time::Duration::from(time).as_nanos() as f64
}
