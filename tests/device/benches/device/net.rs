//! Every driver on the model of its chip, the wire in memory: what a frame costs, by length and by how many come at once,
//! protected and not; what a fault costs; and what a crash a second leaves of a stream.
//!
//! JSON, one object a line: facts, then for each card a line for each row of the table that `cargo xtask bench net`
//! prints, in nanoseconds a frame or a fault, one sample a round.

use std::sync::Arc;

use udrv_driver::Entry;
use udrv_tests::kept::Shelf;
use udrv_tests::subject::{E1000, R8169, Rtl8139, Subject};

use crate::crashes;
use crate::mill::FRAME;
use crate::turned::Turned;
use crate::{SHORTEST, Table, cycles_in_nanosecond, median, sorted};

/// Frames that are there at once.
const BATCHES: [u64; 3] = [1, 8, 32];

/// How much is done.
#[derive(Clone, Copy)]
struct Amount {
    rounds: u64,
    /// Frames a round, for each row.
    frames: u64,
    /// Faults a round.
    faults: u64,
    /// Seconds of a stream with a crash in each.
    seconds: u32,
}

/// Measures all of them. For a new driver: a line here.
pub(crate) fn run(isolation: &str, quick: bool) {
    let amount = if quick {
        Amount { rounds: 3, frames: 1000, faults: 20, seconds: 3 }
    } else {
        Amount { rounds: 9, frames: 20_000, faults: 200, seconds: 12 }
    };
    let cycles = cycles_in_nanosecond();
    println!(r#"{{"isolation":"{isolation}","rounds":{},"cycles_in_ns":{cycles:.4}}}"#, amount.rounds);
    card::<E1000>("e1000", amount);
    card::<R8169>("r8169", amount);
    card::<Rtl8139>("rtl8139", amount);
}

fn card<S: Subject>(name: &str, amount: Amount) {
    for bytes in [SHORTEST, FRAME] {
        for batch in BATCHES {
            frames::<S>(name, amount, bytes, batch);
        }
    }
    kept::<S>(name, amount);
    faults::<S>(name, amount);
    crashes::run::<S>(name, amount.seconds);
}

/// Frames of `bytes`, `batch` at once.
fn frames<S: Subject>(card: &str, amount: Amount, bytes: usize, batch: u64) {
    // two devices at a time: a process has few protection keys
    let [mut guarded, mut open] = [true, false].map(|protect| Turned::<S>::new(protect, bytes));
    let times = amount.frames / batch;
    let mut table = Table::default();
    for _ in 0..amount.rounds {
        table.pair("down", times, || guarded.down_many(batch), || open.down_many(batch));
        if bytes < FRAME || batch <= S::RX_ROOM {
            table.pair("up", times, || guarded.up_many(batch), || open.up_many(batch));
        }
    }
    for way in ["down", "up"] {
        let samples = |side: &str| table.get(&format!("{way}_{side}")).map(|all| list(all, batch as f64));
        if let (Some(protected), Some(unprotected)) = (samples("protected"), samples("unprotected")) {
            println!(
                r#"{{"card":"{card}","way":"{way}","bytes":{bytes},"batch":{batch},"protected":{protected},"unprotected":{unprotected}}}"#
            );
        }
    }
}

/// What it costs that another process could go on any time, should this one be killed: the shortest frames down, one at a time, each
/// with the calls of its own.
fn kept<S: Subject>(card: &str, amount: Amount) {
    let shelf = Arc::new(Shelf::default());
    let mut kept = Turned::<S>::that_is_kept(Some(shelf.clone()), SHORTEST);
    let mut alone = Turned::<S>::that_is_kept(None, SHORTEST);
    let mut table = Table::default();
    for batch in BATCHES {
        for _ in 0..amount.rounds {
            table.pair(&format!("{batch}"), amount.frames / batch, || kept.down_many(batch), || alone.down_many(batch));
        }
        let samples = |side: &str| {
            let samples = table.get(&format!("{batch}_{side}")).expect("it was measured");
            list(samples, batch as f64)
        };
        let (kept, alone) = (samples("protected"), samples("unprotected"));
        println!(r#"{{"card":"{card}","batch":{batch},"kept":{kept},"alone":{alone}}}"#);
    }
    assert!(!shelf.empty().is_empty(), "{card}: nothing was kept");
}

/// A null write in the middle of each entry point that frames go through, and of one that writes a command, after which
/// the chip is restored.
fn faults<S: Subject>(card: &str, amount: Amount) {
    let mut device = Turned::<S>::new(true, FRAME);
    for entry in [Entry::Transmit, Entry::Interrupt, Entry::Poll, Entry::SetMac] {
        let (mut to_error, mut to_frame) = (Vec::new(), Vec::new());
        for _ in 0..amount.rounds {
            let reports: Vec<_> = (0..amount.faults).map(|_| device.fault(entry)).collect();
            to_error.push(median(&sorted(reports.iter().map(|r| r.to_error))));
            let next = |r: &udrv::report::FaultReport| r.to_next_frame.expect("the retry went through");
            to_frame.push(median(&sorted(reports.iter().map(next))));
        }
        let (to_error, to_frame) = (list(&to_error, 1.0), list(&to_frame, 1.0));
        println!(r#"{{"card":"{card}","entry":"{entry}","to_error":{to_error},"to_frame":{to_frame}}}"#);
    }
}

/// Samples, each of so many, as JSON.
fn list(samples: &[f64], each_of: f64) -> String {
    let samples: Vec<String> = samples.iter().map(|sample| format!("{:.2}", sample / each_of)).collect();
    format!("[{}]", samples.join(","))
}
