//! The program that measures settings, memory and the long run, `tests/tables`; and what the pages of the three have in common.

use std::process::Command;

use serde::Deserialize;
use serde_json::Value;

use super::figures::time;
use crate::{
    cargo::{output_of, release_programs},
    steps::Failure,
};

/// Medians with their spread, as the program has them.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Spread {
    pub(super) count: u64,
    pub(super) p10: f64,
    pub(super) median: f64,
    pub(super) p90: f64,
    pub(super) max: f64,
}

impl Spread {
    /// Of nanoseconds: the median, and in brackets what a tenth is below and above.
    pub(super) fn time(self) -> String {
        format!("{} ({} to {})", time(self.median), time(self.p10), time(self.p90))
    }

    /// Of ratios.
    pub(super) fn ratio(self) -> String {
        format!("{:.2} ({:.2} to {:.2})", self.median, self.p10, self.p90)
    }
}

/// What there may be none of.
pub(super) fn or_none<T>(of: Option<T>, words: impl Fn(T) -> String) -> String {
    of.map_or_else(|| "none".to_owned(), words)
}

/// Runs the program, built for release.
pub(super) fn measured<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Result<Value, Failure> {
    const NAME: [&str; 1] = ["udrv-tables"];
    let program = release_programs(&NAME, &NAME)?.remove(0);
    let output = output_of(Command::new(program).args(arguments))?;
    serde_json::from_str(&output).map_err(|error| wrote(&error))
}

/// What it has measured, read.
pub(super) fn read<T: for<'a> Deserialize<'a>>(data: &Value) -> Result<T, Failure> {
    T::deserialize(data).map_err(|error| wrote(&error))
}

fn wrote(error: &serde_json::Error) -> Failure {
    Failure::Output(format!("udrv-tables wrote something else than was expected: {error}"))
}
