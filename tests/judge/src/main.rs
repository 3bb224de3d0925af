//! The judge that sits in the guest: it knows no driver of ours, only what must come out.
//!
//! `stream.rs` moves bytes over the kernel's TCP and compares hashes; `frames.rs` sends and counts numbered Ethernet
//! frames below TCP, which hides what is lost or twice; `flow.rs` keeps one connection going and tells of its pauses, `beat.rs` the same
//! of numbered datagrams; `speed.rs` measures how fast a path is; `tone.rs` makes a sound of numbered samples; `storm.rs` has udrvctl inject faults and waits for
//! each to be recovered; `survive.rs` kills udrvd and keeps for its successors what a service manager would; `replace.rs` kills it beside a standby, and upgrades it. Each prints one JSON
//! object.
#![forbid(unsafe_code)]

mod beat;
mod content;
mod flow;
mod frames;
mod pauses;
mod replace;
mod speed;
mod storm;
mod stream;
mod survive;
mod tone;

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
    /// Serve measurements of speed until killed.
    SpeedServe(speed::SpeedServe),
    /// Measure TCP up and down, and round trips.
    Speed(speed::Speed),
    /// Measure short frames a second.
    Flood(speed::Flood),
    /// Write a tone of numbered samples.
    Tone(tone::Tone),
    /// Send back what comes until killed.
    EchoServe(flow::EchoServe),
    /// Keep one connection going, and tell when nothing came.
    Flow(flow::Flow),
    /// Send back numbered datagrams until killed.
    Answer(beat::Answer),
    /// Send numbered datagrams, and tell which did not come back and when none came.
    Ask(beat::Ask),
    /// Inject faults, one after the other, and wait for each to be recovered.
    Storm(storm::Storm),
    /// Run udrvd, kill it again and again at any moment, and see its successors go on.
    Survive(survive::Survive),
    /// Run udrvd, and have it replaced by another process again and again.
    Replace(replace::Replace),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Serve(task) => task.run(),
        Task::Transfer(task) => task.run(),
        Task::SendFrames(task) => task.run(),
        Task::CountFrames(task) => task.run(),
        Task::SpeedServe(task) => task.run(),
        Task::Speed(task) => task.run(),
        Task::Flood(task) => task.run(),
        Task::Tone(task) => task.run(),
        Task::EchoServe(task) => task.run(),
        Task::Flow(task) => task.run(),
        Task::Answer(task) => task.run(),
        Task::Ask(task) => task.run(),
        Task::Storm(task) => task.run(),
        Task::Survive(task) => task.run(),
        Task::Replace(task) => task.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("udrv-judge: {message}");
            ExitCode::FAILURE
        }
    }
}
