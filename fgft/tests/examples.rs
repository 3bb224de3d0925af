//! The examples come out as they claim, started by the command that their first lines give.

use std::process::Command;

// every executable of this package is linked with --wrap, and the wrapper is in the crate
use fgft as _;

/// Runs an example, with protection keys if there are any and without, and expects `says` in its output.
fn run(example: &str, says: &str) {
    for isolation in [None, Some("rollback-only")] {
        let mut command = Command::new(env!("CARGO"));
        command.args(["run", "--quiet", "--package", "fgft", "--example", example]);
        command.envs(isolation.map(|name| ("FGFT_ISOLATION", name)));
        if !cfg!(debug_assertions) {
            command.arg("--release"); // as this test was built
        }
        let output = command.output().expect("cargo starts");
        let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{example} ({isolation:?}): {}\n{text}{errors}", output.status);
        assert!(text.contains(says), "{example} ({isolation:?}): no {says:?} in\n{text}");
    }
}

#[test]
fn plugin() {
    run("plugin", "1 text left: that of the last good document");
}

#[test]
fn c_function() {
    run("c_function", "1000 faults, each rolled back exactly");
}

#[test]
fn adopt() {
    run("adopt", "10 workers killed, no reported commit lost, no image torn");
}
