//! `cargo xtask guest systemd`: a Debian with systemd as its first process.

pub(crate) mod root;

use std::{path::PathBuf, time::Duration};

use super::{Guest, Kernel, Result};

/// Boot a Debian with systemd.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The guest's kernel.
    #[arg(long, value_enum, default_value_t)]
    kernel: Kernel,
    /// Run this script instead, as root.
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
}

/// Runs it; 0 if everything was right.
pub(super) fn run(args: &Args) -> Result<u8> {
    let script = args.script.as_ref().map(|path| std::fs::read_to_string(path).unwrap()).unwrap_or_default();
    let guest = Guest::new("systemd").systemd().kernel(args.kernel).vfio().memory(768).timeout(Duration::from_secs(200)).echo();
    let guest = guest.module("tun").module("8139cp").module("e1000");
    let guest = guest.nic("rtl8139", 4, 0).nic("e1000", 5, 0).nic("e1000", 6, 1).nic("rtl8139", 7, 1);
    let outcome = guest.script(&script).run()?;
    Ok(outcome.report())
}
