//! `cargo xtask guest aloop`: the bridge between sound devices and applications, with Linux's snd-aloop and ALSA's own programs.
//!
//! There is no sound device here: `sound_loop` of `udrv/examples` gives back what is played.

use std::time::Duration;

use super::{
    Guest, Kernel, Result,
    judged::{self, Judged},
};
use crate::{
    cargo,
    steps::{Done, Failure},
};

/// Far above what it takes: a busy machine is no failure.
const LIMIT: Duration = Duration::from_secs(300);

/// Play, record and turn controls with ALSA's programs on a loopback card that has udrv behind it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The guest's kernel.
    #[arg(long, value_enum, default_value_t)]
    kernel: Kernel,
}

/// Runs the scenario; 0 if everything was right.
pub(super) fn run(args: &Args) -> Result<u8> {
    judged::tell([("aloop", job(args.kernel))])
}

/// The scenario as a step of `cargo xtask test`.
pub(crate) fn step() -> std::result::Result<Done, Failure> {
    judged::step([("aloop", job(Kernel::Debian61))])
}

fn job(kernel: Kernel) -> Judged {
    let program = cargo::release_example("udrv", "sound_loop")?;
    let guest = Guest::new("aloop").kernel(kernel).module("snd-aloop").alsa().program(program);
    let outcome = guest.timeout(LIMIT).script(include_str!("aloop.sh")).echo().run()?;
    println!("the guest ran {:.0} s", outcome.seconds);
    Ok(outcome.wrong())
}
