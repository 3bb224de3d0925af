//! Test programs in a guest: there the processor has protection keys.
//!
//! One boot for all programs of a suite. That the keys were really used is read from the engine's output: the test of
//! wild writes counts them by victim only with keys, and no test may have skipped anything.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    cargo::test_programs,
    guest::{Error, Guest, Kernel},
    steps::{Done, Failure},
};

/// Test programs that run in one boot.
pub(super) struct Suite {
    /// The folder that the guest leaves.
    scenario: &'static str,
    /// Package and program.
    tests: &'static [(&'static str, &'static str)],
    /// Tests that are left out by the beginning of their names, and why.
    left_out: &'static [(&'static str, &'static str)],
}

const ENGINE_TESTS: &[(&str, &str)] = &[
    ("fgft", "faults"),
    ("fgft", "matrix"),
    ("fgft", "wild"),
    ("fgft", "images"),
    ("fgft", "generations"),
    ("fgft", "report"),
    ("fgft", "tracking"),
    ("fgft", "million"),
    ("fgft", "storm"),
    ("fgft", "deadline"),
    // a test of the engine that must be linked without its build script's help
    ("udrv", "panic_unwrapped"),
];

/// The engine alone, on the older kernel.
pub(super) const ENGINE: Suite = Suite { scenario: "engine-6.1", tests: ENGINE_TESTS, left_out: &[] };
/// The engine alone, on the newer one.
pub(super) const ENGINE_BACKPORTS: Suite = Suite { scenario: "engine-backports", tests: ENGINE_TESTS, left_out: &[] };
/// The framework with the driver on the model of its chip.
pub(super) const DEVICE: Suite = Suite {
    scenario: "device-6.1",
    tests: &[
        ("udrv-tests", "device_faults"),
        ("udrv-tests", "batch"),
        ("udrv-tests", "faults"),
        ("udrv-tests", "handles"),
        ("udrv-tests", "misbehave"),
        ("udrv-tests", "recovery"),
        ("udrv-tests", "rules"),
        ("udrv-tests", "traffic"),
        ("udrv-tests", "window"),
    ],
    left_out: &[
        (
            "e1000::",
            "its open makes some 400 requests, which take emulation longer than the deadline that these tests give a \
             call; `cargo xtask guest e1000` drives it with protection keys, on QEMU's own cards",
        ),
        (
            "r8169::",
            "emulation takes minutes for what is the same for every driver; `cargo xtask guest r8169` drives it with \
             protection keys",
        ),
    ],
};

/// What is set for the tests. Emulation is slow: fewer of everything.
const ENVIRONMENT: [(&str, u64); 4] = [
    ("FGFT_STORM_CALLS", 2000),
    ("FGFT_FAULTS", 10_000),
    ("FGFT_LIVES", 200),
    // milliseconds of CPU time for one call of a driver
    ("UDRV_TEST_DEADLINE", 50),
];
/// Far above the minute or two that it takes: a busy machine is no failure.
const LIMIT: Duration = Duration::from_secs(900);

/// Runs all programs of `suite` under `kernel`.
pub(super) fn in_guest(kernel: Kernel, suite: &Suite) -> Result<Done, Failure> {
    let mut programs = Vec::new();
    for (package, test) in suite.tests {
        let built = test_programs(package)?;
        let path = built.into_iter().find(|(name, _)| name == test).map(|(_, path)| path);
        programs.push((*test, path.ok_or_else(|| Failure::Output(format!("{package} has no test program {test}")))?));
    }
    let skip = |(name, why): &(&str, &str)| {
        println!("left out in the guest, {name}*: {why}");
        format!("--skip {name} ")
    };
    let arguments: String = suite.left_out.iter().map(skip).collect();
    let boot = Boot {
        scenario: suite.scenario,
        programs: &programs,
        arguments: &arguments,
        environment: &ENVIRONMENT,
        limit: LIMIT,
        echo: true,
    };
    let booted = match boot.run(kernel)? {
        Booted::Ran(booted) => booted,
        Booted::Absent(reason) => return Ok(Done::Skipped(reason)),
    };
    let mut wrong = booted.complaints;
    wrong.extend(booted.logs.iter().filter_map(|(test, log)| log.clone().and_then(|log| judge(test, &log)).err()));
    if wrong.is_empty() {
        println!("the guest, whose processor has protection keys, ran {:.0} s", booted.seconds);
        return Ok(Done::Passed);
    }
    Err(Failure::Output(format!("in the guest: {}", wrong.join("; "))))
}

/// Programs for one boot.
pub(crate) struct Boot<'a> {
    /// The folder that the guest leaves.
    pub(crate) scenario: &'a str,
    /// Name and path of each.
    pub(crate) programs: &'a [(&'a str, PathBuf)],
    /// Given to all of them.
    pub(crate) arguments: &'a str,
    /// What is set for all of them.
    pub(crate) environment: &'a [(&'a str, u64)],
    /// Wall clock time for everything.
    pub(crate) limit: Duration,
    /// Show the console while it runs.
    pub(crate) echo: bool,
}

/// What became of a boot.
pub(crate) enum Booted {
    /// All programs ran.
    Ran(Logs),
    /// This kernel cannot be had, for this reason, and that is no failure.
    Absent(String),
}

/// What the programs of a boot wrote.
pub(crate) struct Logs {
    /// For each program its output, or why there is none.
    pub(crate) logs: Vec<(String, Result<String, String>)>,
    /// What the kernel or the script complained about.
    pub(crate) complaints: Vec<String>,
    /// From QEMU's start to its end.
    pub(crate) seconds: f64,
}

impl Boot<'_> {
    /// Runs each program, whatever became of the ones before it.
    pub(crate) fn run(&self, kernel: Kernel) -> Result<Booted, Failure> {
        // two processors: threads of a test shall meet
        let mut guest = Guest::new(self.scenario).kernel(kernel).memory(1024).processors(2).timeout(self.limit);
        guest = guest.script(&self.script());
        if self.echo {
            guest = guest.echo();
        }
        for (name, path) in self.programs {
            guest = guest.program_at(path, &format!("/suite/{name}"));
        }
        let outcome = match guest.run() {
            // the project's own kernel is needed; the newer one is as its mirror allows
            Err(error @ Error::Offline { .. }) if kernel == Kernel::Backports => {
                return Ok(Booted::Absent(error.to_string()));
            }
            other => other?,
        };
        let logs = self.programs.iter().map(|(name, _)| ((*name).to_owned(), log_of(&outcome.results, name))).collect();
        Ok(Booted::Ran(Logs { logs, complaints: outcome.wrong(), seconds: outcome.seconds }))
    }

    /// Keeps each program's output in `/results`.
    fn script(&self) -> String {
        let names = self.programs.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" ");
        let set: String = self.environment.iter().map(|(name, value)| format!(" {name}={value}")).collect();
        let arguments = self.arguments;
        format!(
            "export{set}\n\
             failed=0\n\
             for test in {names}; do\n\
             \techo \"--- $test\"\n\
             \t{{ /suite/$test --nocapture {arguments} 2>&1; echo $? > /tmp/status; }} | tee /results/$test.log\n\
             \t[ \"$(cat /tmp/status)\" = 0 ] || failed=1\n\
             done\n\
             exit $failed\n"
        )
    }
}

fn log_of(results: &Path, test: &str) -> Result<String, String> {
    fs::read_to_string(results.join(format!("{test}.log"))).map_err(|error| format!("{test}: no output: {error}"))
}

/// Whether a test's output is that of a run in which all was really tested.
pub(crate) fn judge(test: &str, log: &str) -> Result<(), String> {
    let verdict = log.lines().find_map(|line| line.strip_prefix("test result: "));
    match verdict {
        Some(text) if text.starts_with("ok. ") && !text.starts_with("ok. 0 passed") => {}
        Some(text) => return Err(format!("{test}: {text}")),
        None => return Err(format!("{test}: ended without a result")),
    }
    if let Some(line) = log.lines().find(|line| line.contains("skipped:")) {
        return Err(format!("{test}: {line}"));
    }
    if test == "wild" { judge_wild(log) } else { Ok(()) }
}

/// The writes that were announced must be those that were contained, victim by victim.
fn judge_wild(log: &str) -> Result<(), String> {
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let announced = log.lines().find_map(|line| number(line.split_once(" wild writes, seed ")?.0.rsplit(' ').next()?));
    let announced = announced.ok_or("wild: does not say how many writes: were there protection keys?")?;
    let contained: Vec<u64> = log
        .lines()
        .filter_map(|line| number(line.strip_suffix(" writes, all contained")?.rsplit_once(':')?.1))
        .collect();
    let sum: u64 = contained.iter().sum();
    let every_victim = contained.len() > 1 && contained.iter().all(|writes| *writes > 0);
    if announced > 0 && sum == announced && every_victim {
        Ok(())
    } else {
        Err(format!("wild: {announced} writes announced, {sum} contained, over {} victims", contained.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WILD: &str = "\
running 1 test
test no_wild_write_escapes ... 300 wild writes, seed 1
                      heap: 100 writes, all contained
  another thread's stack: 200 writes, all contained
ok

test result: ok. 1 passed; 0 failed; 0 ignored
";

    #[test]
    fn a_full_run_is_accepted() {
        assert_eq!(judge("wild", WILD), Ok(()));
        assert_eq!(judge("faults", "test result: ok. 17 passed; 0 failed"), Ok(()));
    }

    #[test]
    fn a_run_without_keys_or_without_writes_is_not() {
        let skipped = "skipped: without protection keys ...\ntest result: ok. 1 passed; 0 failed";
        assert!(judge("wild", skipped).is_err() && judge("faults", skipped).is_err());
        assert!(judge("wild", "test result: ok. 1 passed; 0 failed").is_err());
        assert!(judge("wild", &WILD.replace(" 100 ", " 99 ")).is_err());
        assert!(judge("wild", &WILD.replace(" 100 ", " 0 ").replace(" 200 ", " 300 ")).is_err());
    }

    #[test]
    fn a_run_that_failed_or_broke_off_is_not() {
        assert!(judge("storm", "test result: FAILED. 1 passed; 1 failed").is_err());
        assert!(judge("storm", "test result: ok. 0 passed; 0 failed").is_err());
        assert!(judge("storm", "running 2 tests").is_err());
    }
}
