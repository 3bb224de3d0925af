//! Faults do not add up: neither memory nor file descriptors grow. A test program of its own, since it looks at the
//! whole process.
#![allow(unsafe_code, reason = "the faults are real")]

mod common;

use common::*;

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn faults_do_not_add_up() {
    let mut d = domain();
    let (mut rng, mut expected) = (Rng(9), [7; WORDS]);
    let fds = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    for _ in 0..2000 {
        one_call(&mut d, &mut rng, &mut expected);
    }
    let before = (resident_kib(), fds());
    for _ in 0..calls() {
        one_call(&mut d, &mut rng, &mut expected);
    }
    let after = (resident_kib(), fds());
    println!("resident {} KiB before, {} KiB after", before.0, after.0);
    assert!(after.0 < before.0 + 256, "memory grew: {before:?} {after:?}");
    assert_eq!(after.1, before.1, "file descriptors");
}
