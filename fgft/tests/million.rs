//! Faults do not add up: neither memory nor mappings, file descriptors or threads grow, and the last fault takes no
//! longer than the first. A test program of its own, since it looks at the whole process.
//!
//! `FGFT_FAULTS` sets how many (default 20,000; `cargo xtask stress` makes a million), `FGFT_SEED` the seed.
#![allow(unsafe_code, reason = "the faults are real")]

mod cases;
mod common;

use std::time::Instant;

use cases::Stand;
use common::{Rng, mappings, number};

/// Faults of which one is checked with all that it must leave alone.
const THOROUGH: u64 = 64;
/// Faults in one sample of the time a fault takes.
const CHUNK: usize = 100;
/// What the allocator may take or give back by itself.
const SLACK_KIB: u64 = 128;
/// A leak in time shows as more than this between the first tenth and the last.
const SLOWER: f64 = 1.5;

/// What must be the same after a million faults.
#[derive(Debug, PartialEq, Eq)]
struct Counts {
    descriptors: usize,
    threads: usize,
    mappings: usize,
}

impl Counts {
    fn now() -> Counts {
        let entries = |path| std::fs::read_dir(path).expect("procfs").count();
        Counts {
            descriptors: entries("/proc/self/fd"),
            threads: entries("/proc/self/task"),
            mappings: mappings().len(),
        }
    }
}

/// Resident memory without pages of files: the program's own code comes in when it is first run. Counted page by
/// page by the kernel (the sums in `status` are some pages out of date).
fn resident_kib() -> u64 {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").expect("procfs");
    let field = |name: &str| {
        let rest = rollup.lines().find_map(|line| line.strip_prefix(name)).expect("a field of smaps_rollup");
        rest.split_whitespace().next().and_then(|n| n.parse::<u64>().ok()).expect("a number")
    };
    field("Pss_Anon:") + field("Pss_Shmem:")
}

/// The median time of a fault in `times`, in nanoseconds: that of the chunk which was disturbed least. What else the
/// machine does makes chunks slower; what adds up in the engine makes all of them slower.
fn typical(times: &mut [u32]) -> f64 {
    let median = |chunk: &mut [u32]| {
        chunk.sort_unstable();
        f64::from(chunk[chunk.len() / 2])
    };
    times.chunks_mut(CHUNK).filter(|chunk| chunk.len() == CHUNK).map(median).fold(f64::INFINITY, f64::min)
}

#[test]
fn faults_do_not_add_up() {
    let (count, seed) = (number("FGFT_FAULTS", 20_000), number("FGFT_SEED", 1));
    let mut stand = Stand::new(seed);
    let (mut kinds, mut rng) = (cases::quick(), Rng(seed));
    kinds.retain(|case| matches!(case.end, cases::End::Fault(_)));
    let tenth = (count / 10).max(CHUNK as u64);
    // their pages are there before memory is measured
    let mut times = [vec![1_u32; tenth as usize], vec![1_u32; tenth as usize]];
    for _ in 0..3 {
        kinds.iter().for_each(|case| stand.check(case, true));
    }

    let (counts, resident) = (Counts::now(), resident_kib());
    let start = Instant::now();
    for i in 0..count {
        let case = kinds[rng.below(kinds.len() as u64) as usize];
        let before = Instant::now();
        stand.check(case, i % THOROUGH == 0);
        let time = u32::try_from(before.elapsed().as_nanos()).unwrap_or(u32::MAX);
        if i < tenth {
            times[0][i as usize] = time;
        }
        if i >= count - tenth {
            times[1][(i + tenth - count) as usize] = time;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let (counts_after, resident_after) = (Counts::now(), resident_kib());

    let [first, last] = times.each_mut().map(|times| typical(times));
    println!("{count} faults of {} kinds, seed {seed}: {seconds:.1} s", kinds.len());
    println!("resident {resident} KiB before, {resident_after} KiB after; {counts_after:?}");
    println!(
        "stress: {first:.0} ns a fault in the first tenth, {last:.0} ns in the last; {:+} KiB resident",
        resident_after as i64 - resident as i64
    );
    assert_eq!(counts_after, counts);
    assert!(resident_after < resident + SLACK_KIB, "memory grew: {resident} KiB before, {resident_after} KiB after");
    assert!(last < SLOWER * first, "faults get slower: {first} ns, then {last} ns");
}
