//! What a device costs on the bare model, protected and not: the measuring half of a section of `cargo xtask bench`.
//!
//! Prints JSON, one object a line: facts, then each measure with one sample a round, in nanoseconds. Nobody is at the
//! ends: an endpoint that makes frames and forgets them, a wire whose far end is emptied. So what is timed is the
//! driver, the framework and the model. All measures take turns in every round, and what is compared takes turns many
//! times within one: see [`Table::pair`]. `--quick` makes fewer and shorter rounds; `--net` measures what `net.rs` says
//! instead, `--usb` what `usb.rs` does, `--sound` what `sound.rs` does, `--recovery` what `recovery` does,
//! `--overhead` what `overhead.rs`, `--crashes` what `crashes.rs`.
//!
//! - `turned.rs`: a driver on its model; `plain.rs`: a driver that does next to nothing; `bus.rs`: the model alone;
//! - `mill.rs`: the endpoint; `net.rs`: every driver, packets a second; `crashes.rs`: and with a crash a second.

mod bus;
mod crashes;
mod mill;
mod net;
mod overhead;
mod plain;
mod recovery;
mod sound;
mod turned;
mod usb;

use std::time::Instant;

use udrv::report::FaultReport;
use udrv_driver::Entry;
use udrv_tests::subject::Rtl8139;

use crate::bus::Bus;
use crate::mill::FRAME;
use crate::plain::Plain;
use crate::turned::{BATCH, Turned};

/// What recovery may take beside the bus, nanoseconds: the reach that the project has set itself.
const REACH: f64 = 7000.0;
/// The frame of a batch that fits into the receive ring of 32 KiB as a whole, bytes.
const SHORTER: usize = 1000;
/// The shortest frame, bytes.
const SHORTEST: usize = 60;
/// Times that two sides take turns in a round.
const TURNS: u64 = 21;

fn main() {
    let isolation = fgft::init().expect("the engine starts");
    let quick = std::env::args().any(|a| a == "--quick");
    if std::env::args().any(|a| a == "--net") {
        return net::run(isolation.name(), quick);
    }
    if std::env::args().any(|a| a == "--usb") {
        return usb::run(isolation.name(), quick);
    }
    if std::env::args().any(|a| a == "--sound") {
        return sound::run(isolation.name(), quick);
    }
    if std::env::args().any(|a| a == "--overhead") {
        return overhead::run(isolation.name(), quick);
    }
    if std::env::args().any(|a| a == "--crashes") {
        return crashes::series(isolation.name(), quick);
    }
    if std::env::args().any(|a| a == "--recovery") {
        return recovery::run(isolation.name(), quick);
    }
    let (rounds, frames, faults) = if quick { (5, 200, 20) } else { (15, 2000, 100) };

    let [mut guarded, mut open] = [true, false].map(|protect| Turned::<Rtl8139>::new(protect, FRAME));
    let [mut guarded_batch, mut open_batch] = [true, false].map(|protect| Turned::<Rtl8139>::new(protect, SHORTER));
    let [mut guarded_short, mut open_short] = [true, false].map(|protect| Turned::<Rtl8139>::new(protect, SHORTEST));
    let [mut guarded_plain, mut open_plain] = [true, false].map(|protect| Plain::new(protect, FRAME));
    let mut restarting = Turned::<Rtl8139>::that_restarts(FRAME);
    let (reads, calls) = checkpoint_reads(&mut guarded, &mut open);
    println!(
        r#"{{"isolation":"{}","rounds":{rounds},"checkpoint_reads":{reads},"calls":{calls},"cycles_in_ns":{:.4}}}"#,
        isolation.name(),
        cycles_in_nanosecond(),
    );

    let mut bus = Bus::new();
    let mut table = Table::default();
    for _ in 0..rounds {
        let read = time(frames * 4, || bus.read());
        let write = time(frames * 4, || bus.write());
        let send = time(frames, || bus.send());
        table.sample("bus_read", read);
        table.sample("bus_write", write);
        table.sample("bus_send", send);

        table.pair("frame_down", frames, || guarded.down(), || open.down());
        table.pair("frame_up", frames, || guarded.up(), || open.up());
        let batches = frames / 8;
        table.pair("batch_up", batches, || guarded_batch.up_many(BATCH), || open_batch.up_many(BATCH));
        table.pair("batch_up_short", batches, || guarded_short.up_many(BATCH), || open_short.up_many(BATCH));
        table.pair("batch_down", batches, || guarded_batch.down_many(BATCH), || open_batch.down_many(BATCH));
        table.pair("staged_1", frames, || guarded_plain.down_many(1), || open_plain.down_many(1));
        table.pair("staged_32", batches, || guarded_plain.down_many(BATCH), || open_plain.down_many(BATCH));
        for (name, writes) in [("writes_0", 0), ("writes_1", 1), ("writes_16", 16)] {
            table.pair(name, frames, || guarded_plain.call(writes), || open_plain.call(writes));
        }

        for (entry, name) in [(Entry::Transmit, "transmit"), (Entry::Poll, "poll")] {
            let reports: Vec<FaultReport> = (0..faults).map(|_| guarded.fault(entry)).collect();
            let sorted = |of: fn(&FaultReport) -> u64| sorted(reports.iter().map(of));
            let to_error = sorted(|r| r.to_error);
            let to_frame = sorted(|r| r.to_next_frame.expect("the retry went through"));
            table.sample(&format!("fault_to_error_{name}"), median(&to_error));
            table.sample(&format!("fault_to_frame_{name}"), median(&to_frame));
            table.sample(&format!("fault_to_frame_{name}_worst"), to_frame[to_frame.len() - 1]);
            let accesses = guarded.accesses_of_recovery(entry);
            // the last write of a transmission is the one that sends
            let sending = if entry == Entry::Transmit { send } else { 0.0 };
            let bus_time = accesses.0 as f64 * read + accesses.1 as f64 * write + sending;
            table.sample(&format!("allowed_{name}"), REACH + bus_time);
        }
        table.sample("fault_with_restore", median(&sorted((0..faults).map(|_| guarded.fault_with_restore()))));
        let restarts = sorted((0..faults).map(|_| restarting.fault(Entry::Transmit).to_error));
        table.sample("fault_with_restart", median(&restarts));
        table.sample("restart", time(faults, || guarded.restart()));
    }
    table.print();
}

/// Samples by name, in the order of their first.
#[derive(Default)]
struct Table(Vec<(String, Vec<f64>)>);

impl Table {
    fn sample(&mut self, name: &str, value: f64) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, samples)) => samples.push(value),
            None => self.0.push((name.to_owned(), vec![value])),
        }
    }

    fn get(&self, name: &str) -> Option<&[f64]> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, samples)| &samples[..])
    }

    /// The same work protected and unprotected. They take short turns, and each side's sample is the median of its
    /// turns: so whatever else the machine does meets both, or neither.
    fn pair(&mut self, name: &str, times: u64, mut protected: impl FnMut(), mut unprotected: impl FnMut()) {
        let each = times.div_ceil(TURNS);
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for turn in 0..TURNS {
            // whoever comes second finds the caches as the first has left them
            if turn % 2 == 0 {
                with.push(time(each, &mut protected));
            }
            without.push(time(each, &mut unprotected));
            if turn % 2 != 0 {
                with.push(time(each, &mut protected));
            }
        }
        with.sort_by(f64::total_cmp);
        without.sort_by(f64::total_cmp);
        self.sample(&format!("{name}_protected"), median(&with));
        self.sample(&format!("{name}_unprotected"), median(&without));
    }

    fn print(&self) {
        for (name, samples) in &self.0 {
            let samples: Vec<String> = samples.iter().map(|s| format!("{s:.2}")).collect();
            println!(r#"{{"name":"{name}","samples":[{}]}}"#, samples.join(","));
        }
    }
}

fn sorted(all: impl Iterator<Item = u64>) -> Vec<f64> {
    let mut all: Vec<u64> = all.collect();
    all.sort_unstable();
    all.into_iter().map(|n| n as f64).collect()
}

/// Of sorted samples.
fn median(sorted: &[f64]) -> f64 {
    sorted[sorted.len() / 2]
}

/// Nanoseconds of one of `times` operations.
fn time(times: u64, mut operation: impl FnMut()) -> f64 {
    let start = Instant::now();
    (0..times).for_each(|_| operation());
    start.elapsed().as_nanos() as f64 / times as f64
}

/// Cycles of the time stamp counter in a nanosecond.
fn cycles_in_nanosecond() -> f64 {
    #[allow(unsafe_code, reason = "an instruction")]
    // SAFETY: it reads a counter, which every x86-64 processor has.
    let now = || unsafe { core::arch::x86_64::_rdtsc() };
    let (start, before) = (Instant::now(), now());
    while start.elapsed().as_millis() < 20 {
        std::hint::spin_loop();
    }
    (now() - before) as f64 / start.elapsed().as_nanos() as f64
}

/// Device reads that protection costs: the same calls on a protected and an unprotected device.
fn checkpoint_reads(guarded: &mut Turned<Rtl8139>, open: &mut Turned<Rtl8139>) -> (i64, u64) {
    const FRAMES: u64 = 1000;
    let run = |device: &mut Turned<Rtl8139>| {
        // the first frames find out what the registers hold
        (0..8).for_each(|_| device.down());
        let before = device.accesses();
        for _ in 0..FRAMES {
            device.down();
            device.up();
        }
        device.accesses().0 - before.0
    };
    (run(guarded) as i64 - run(open) as i64, FRAMES * 2)
}
