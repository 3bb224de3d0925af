//! What an idle daemon costs.

use std::time::Duration;

use crate::daemon::{Daemon, Directory, tap_name};

/// Wake-ups of all threads since they were started.
fn wake_ups(pid: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("threads").filter_map(Result::ok);
    let of_task = |status: String| {
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.and_then(|number| number.trim().parse::<u64>().ok()).expect("a number")
    };
    tasks.map(|task| of_task(std::fs::read_to_string(task.path().join("status")).expect("its status"))).sum()
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches("kB").trim().parse().expect("a number")
}

#[test]
fn it_wakes_at_most_once_a_second_and_is_small() {
    /// Long enough that a wake-up at either end does not matter.
    const WINDOW: Duration = Duration::from_secs(10);
    let directory = Directory::new();
    let daemon = Daemon::with_tap(&directory, &tap_name('i')).unwrap_or_else(|| {
        println!("measured without a TAP");
        Daemon::start(&directory, &["--endpoint", "socket"])
    });
    // what starting takes is not idleness
    std::thread::sleep(Duration::from_secs(1));
    let before = wake_ups(daemon.pid());
    std::thread::sleep(WINDOW); // the measurement itself
    let woken = wake_ups(daemon.pid()) - before;
    println!("{woken} wake-ups in {WINDOW:?}, {} KiB resident", resident_kib(daemon.pid()));
    assert!(woken <= WINDOW.as_secs(), "{woken} wake-ups in {WINDOW:?}");
    assert!(resident_kib(daemon.pid()) <= 24 * 1024, "{} KiB", resident_kib(daemon.pid()));
}
