//! `cargo xtask guest exec`: one program of the host in a bare guest.

use std::{path::PathBuf, time::Duration};

use super::{Guest, Kernel, Result, initramfs::PROGRAMS};

/// The slot on bus 0 of the first card, as in the other scenarios.
const FIRST_SLOT: u8 = 4;

/// Run a program of the host as root in the guest, and exit with its code.
///
/// The program may be dynamic: its libraries go along. It finds /proc, /sys, /dev, /tmp and a loopback interface.
/// Its output (both streams) comes over the guest's serial console, among the kernel's warnings if there are any.
/// What it writes below /results is in target/guest/exec/results afterwards. Exit code 125: the guest itself failed.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The guest's kernel.
    #[arg(long, value_enum, default_value_t)]
    kernel: Kernel,
    /// Memory in MiB.
    #[arg(long, value_name = "MB", default_value_t = 512)]
    mem: u32,
    /// Wall clock seconds until the guest is killed.
    #[arg(long, value_name = "S", default_value_t = 120)]
    timeout: u64,
    /// Processors.
    #[arg(long, value_name = "N", default_value_t = 1)]
    smp: u32,
    /// Give the guest an IOMMU.
    #[arg(long)]
    iommu: bool,
    /// Plug in a network card for VFIO: bound to vfio-pci, in slot 4 and upward (0000:00:04.0, ...), all on one hub
    /// (repeat; QEMU's names: rtl8139, e1000).
    #[arg(long = "vfio-nic", value_name = "MODEL")]
    vfio_nics: Vec<String>,
    /// Plug in a network card for Linux, in the slots after those, on the same hub (repeat; name its module too).
    #[arg(long = "nic", value_name = "MODEL")]
    nics: Vec<String>,
    /// Load a kernel module (repeat; parameters may follow the name: "snd-aloop index=2").
    #[arg(long = "module", value_name = "M")]
    modules: Vec<String>,
    /// Add words to the kernel's command line.
    #[arg(long, value_name = "WORDS", default_value = "")]
    append: String,
    /// Set an environment variable for the program (repeat).
    #[arg(long = "env", value_name = "K=V")]
    environment: Vec<String>,
    /// Put another file of the host into the guest's /host under its own name (its libraries too, if it is a program) (repeat).
    #[arg(long = "file", value_name = "PATH")]
    files: Vec<PathBuf>,
    /// The program and its arguments.
    #[arg(required = true, last = true, value_name = "BINARY ARGS")]
    command: Vec<String>,
}

/// Runs the program and returns its exit code.
pub(super) fn run(args: Args) -> Result<u8> {
    let (program, arguments) = args.command.split_first().expect("clap asks for one at least");
    let mut guest = Guest::new("exec").kernel(args.kernel).memory(args.mem).processors(args.smp).echo();
    guest = guest.timeout(Duration::from_secs(args.timeout)).program(program);
    guest = guest.kernel_line(&args.append);
    if args.iommu {
        guest = guest.iommu();
    }
    let mut script = String::new();
    if !args.vfio_nics.is_empty() {
        guest = guest.vfio().udrvctl()?;
        script += ". /guest/lib.sh\n";
    }
    for (slot, model) in (FIRST_SLOT..).zip(args.vfio_nics.iter().chain(&args.nics)) {
        guest = guest.nic(model, slot, 0);
    }
    for (slot, _) in (FIRST_SLOT..).zip(&args.vfio_nics) {
        script += &format!("bind_vfio 0000:00:{slot:02x}.0\n");
    }
    for file in &args.files {
        guest = guest.program_at(file, &format!("/host/{}", file.file_name().unwrap_or_default().to_string_lossy()));
    }
    for module in &args.modules {
        guest = guest.module(module);
    }
    // By its whole path, or busybox would take an applet of that name.
    let path = format!("{PROGRAMS}/{}", program.rsplit('/').next().unwrap_or(program));
    let words =
        args.environment.iter().map(String::as_str).chain([path.as_str()]).chain(arguments.iter().map(String::as_str));
    let line: Vec<String> = words.map(quoted).collect();
    script += &format!("exec env {}\n", line.join(" "));
    let outcome = guest.script(&script).run()?;
    outcome.report();
    Ok(outcome.exit_code)
}

/// A word as the shell reads it back unchanged.
pub(crate) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_survives_the_shell() {
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
    }
}
