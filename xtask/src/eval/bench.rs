//! The benchmark program of the drivers, and what it writes.

use serde::de::DeserializeOwned;

use crate::{
    cargo::{cargo, output_of},
    steps::Failure,
};

/// Runs it in one of its modes: an object a line.
pub(super) fn lines<T: DeserializeOwned>(mode: &str, quick: bool) -> Result<Vec<T>, Failure> {
    let mut command = cargo(["bench", "--package", "udrv-tests", "--bench", "device", "--quiet", "--", mode]);
    if quick {
        command.arg("--quick");
    }
    parsed(mode, &output_of(&mut command)?)
}

fn parsed<T: DeserializeOwned>(mode: &str, output: &str) -> Result<Vec<T>, Failure> {
    let wrong = |line: &str, error: &dyn std::error::Error| {
        Failure::Output(format!("the benchmark of the drivers ({mode}) wrote: {line}: {error}"))
    };
    let lines = output.lines().filter(|line| !line.trim().is_empty());
    let lines = lines.map(|line| serde_json::from_str(line).map_err(|error| wrong(line, &error)));
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_object_or_an_error() {
        assert_eq!(parsed::<u32>("--x", "1\n\n2\n").unwrap(), [1, 2]);
        assert!(parsed::<u32>("--x", "1\nfoo\n").unwrap_err().to_string().contains("(--x) wrote: foo"));
    }
}
