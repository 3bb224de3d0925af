//! A tone in which every sample tells its number, for whoever can hear what is missing, twice or wrong in it.
//!
//! Stereo, 16 bits: left is a tone of a hundredth of the rate, right counts from sample to sample in steps that survive a mixer's
//! rounding. After [`CYCLE`] samples it begins anew. `xtask` listens for it.

use std::f64::consts::TAU;
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;

/// Samples until both channels begin anew: 40 periods of the tone.
const CYCLE: u32 = 4000;
/// Samples of a period of the tone.
const PERIOD: u32 = 100;
/// How loud it is.
const LOUDNESS: f64 = 10_000.0;
/// From one count to the next.
const STEP: i32 = 16;

/// Bytes of silence at the end: half a second or so.
const REST: usize = 100_000;

/// Writes the tone to standard output, until nobody reads it or a file is there.
#[derive(clap::Args)]
pub(crate) struct Tone {
    /// Until this file exists.
    #[arg(long)]
    until: PathBuf,
}

fn sample(n: u32) -> [i16; 2] {
    let left = (f64::from(n % PERIOD) / f64::from(PERIOD) * TAU).sin() * LOUDNESS;
    let right = (n % CYCLE) as i32 - CYCLE as i32 / 2;
    // and half a step, so that none is silence
    [left.round() as i16, (right * STEP + STEP / 2) as i16]
}

impl Tone {
    pub(crate) fn run(&self) -> Result<(), String> {
        let cycle: Vec<u8> = (0..CYCLE).flat_map(sample).flat_map(i16::to_le_bytes).collect();
        let mut output = io::stdout().lock();
        while !self.until.exists() {
            match output.write_all(&cycle) {
                Err(error) if error.kind() == ErrorKind::BrokenPipe => break,
                other => other.map_err(|error| format!("standard output: {error}"))?,
            }
        }
        // what the loopback card does to the last of it is no matter
        match output.write_all(&[0; REST]) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(format!("standard output: {error}")),
            _ => Ok(()),
        }
    }
}
