//! Measures for `cargo xtask eval`: which settings recovery keeps, what a driver takes of memory, what neighbours that crash cost it, and
//! what becomes of all that in a long run. Drivers are on the models of their devices; each prints one JSON object.
#![forbid(unsafe_code)]

mod crew;
mod device;
mod judge;
mod long;
mod memory;
mod process;
mod settings;
mod spread;
mod worker;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use serde::Serialize;

use crate::device::Driver;

#[derive(Debug, Parser)]
#[command(about = "Measures for cargo xtask eval; prints JSON")]
struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Faults at random times for a long time, all drivers at once
    Long {
        /// How long, seconds
        #[arg(long, default_value_t = 3600.0)]
        duration: f64,
        /// From fault to fault of a driver, mean, milliseconds
        #[arg(long, default_value_t = 100.0)]
        every: f64,
        /// Seed of the faults
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// What of settings is kept by recovery
    Settings,
    /// What drivers take of memory, and what neighbours that crash cost them
    Memory {
        /// Rounds; each looks at each driver
        #[arg(long, default_value_t = 40)]
        rounds: usize,
        /// How long at a time, milliseconds
        #[arg(long, default_value_t = 100)]
        window: u64,
        /// Seed of the faults
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// One device, which does what standard input says (the others start these)
    #[command(hide = true)]
    Device {
        #[arg(long)]
        driver: Driver,
        #[arg(long)]
        seed: u64,
    },
}

fn main() -> ExitCode {
    let done = match Args::parse().what {
        What::Long { duration, every, seed } => {
            long::run(Duration::from_secs_f64(duration), (every * 1e3) as u64, seed).and_then(|long| print(&long))
        }
        What::Settings => print(&settings::run()),
        What::Memory { rounds, window, seed } => {
            memory::run(rounds, Duration::from_millis(window), seed).and_then(|table| print(&table))
        }
        What::Device { driver, seed } => worker::run(driver, seed),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn print(measured: &impl Serialize) -> std::io::Result<()> {
    println!("{}", serde_json::to_string(measured)?);
    Ok(())
}
