//! The judge that sits in the guest: it knows no driver of ours, only what must come out.
//!
//! `stream.rs` moves bytes over the kernel's TCP and compares hashes; `frames.rs` sends and counts numbered Ethernet
//! frames below TCP, which hides what is lost or twice; `storm.rs` has udrvctl inject faults and waits for
//! each to be recovered. Each prints one JSON object.
#![forbid(unsafe_code)]

mod content;
mod frames;
mod storm;
mod stream;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "udrv-judge")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Serve streams until killed.
    Serve(stream::Serve),
    /// Move bytes both ways at once and compare hashes.
    Transfer(stream::Transfer),
    /// Send numbered frames.
    SendFrames(frames::Send),
    /// Count numbered frames.
    CountFrames(frames::Count),
    /// Inject faults, one after the other, and wait for each to be recovered.
    Storm(storm::Storm),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Serve(task) => task.run(),
        Task::Transfer(task) => task.run(),
        Task::SendFrames(task) => task.run(),
        Task::CountFrames(task) => task.run(),
        Task::Storm(task) => task.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("udrv-judge: {message}");
            ExitCode::FAILURE
        }
    }
}
