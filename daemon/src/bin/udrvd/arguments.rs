//! The one definition of what udrvd can be told: options of the command line, and keys of its file (`config.rs`).

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Parser, Subcommand};
use udrv::run::{InterruptChoice, Options};
use udrv::supervisor::ladder::{LadderConfig, Recovery};
use udrv::supervisor::policy::Protect;
use udrv::supervisor::quarantine::QuarantineConfig;
use udrv_daemon::device::DeviceName;
use udrv_daemon::metrics::Place;
use udrv_driver::Entry;

use crate::input::InputArguments;
use crate::keep::KeepFds;
use crate::net::NetArguments;
use crate::sound::SoundArguments;

/// Runs a device with a driver in user space, whose faults it survives.
#[derive(Parser)]
#[command(version, name = "udrvd")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) action: Action,
}

#[derive(Subcommand)]
pub(crate) enum Action {
    /// Drive a device in the foreground, until SIGTERM or SIGINT.
    Run(Box<Run>),
    /// Say whether a configuration file is right, and touch nothing.
    Check {
        /// The file.
        file: PathBuf,
    },
}

#[derive(clap::Args)]
pub(crate) struct Run {
    /// pci:ADDRESS (bound to vfio-pci), usb:PORT or usb:VENDOR:PRODUCT (usb:1-2, usb:07a6:8511), serio:PORT (serio:serio1),
    /// vfio-user:SOCKET (a server's), serio-line:SOCKET (a mouse's, as it is served), or model:NAME (model:rtl8139,
    /// model:r8169-rtl8168b).
    pub(crate) device: DeviceName,
    /// Read options from this file too: TOML, a key is an option without its dashes, and `device`. What the command line says
    /// counts. SIGHUP has it read again.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Wait for a device on USB that is not plugged in.
    #[arg(long)]
    pub(crate) wait: bool,
    /// By what the device interrupts: line (INTx), msi, or auto (MSI where there is).
    #[arg(long, default_value_t, value_name = "KIND")]
    interrupts: InterruptChoice,
    /// CPU time that one call of the driver may use, in milliseconds; the first, which sets the card up, twenty times that.
    #[arg(long, default_value_t = 5, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=60_000))]
    deadline: u64,
    /// Which calls of the driver are transactions: always, never (a fault ends the daemon) or suspicious (after a first
    /// fault). ENTRY=MODE for one entry point, and several with commas.
    #[arg(long, value_name = "[ENTRY=]MODE", value_delimiter = ',', default_value = "always")]
    protect: Vec<ProtectArgument>,
    /// List of suspicious entry points, a file that is kept up to date and outlives the daemon.
    #[arg(long, value_name = "FILE")]
    suspects: Option<PathBuf>,
    /// Committed states kept, to go back to when an older one proves to be spoilt.
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u8).range(2..=64))]
    generations: u8,
    /// Log lines as JSON.
    #[arg(long)]
    pub(crate) log_json: bool,
    // each group with a heading of its own: what stands after it would have that too
    #[command(flatten)]
    ladder: LadderArguments,
    #[command(flatten)]
    pub(crate) service: ServiceArguments,
    #[command(flatten)]
    pub(crate) net: NetArguments,
    #[command(flatten)]
    pub(crate) sound: SoundArguments,
    #[command(flatten)]
    pub(crate) input: InputArguments,
}

/// Who may look at the daemon, and where.
#[derive(clap::Args)]
#[command(next_help_heading = "Service")]
pub(crate) struct ServiceArguments {
    /// The group whose members may look: status, faults. The control socket is theirs. By default udrv, if there is one.
    #[arg(long, value_name = "GROUP")]
    pub(crate) read_group: Option<String>,
    /// The group whose members may change something too, beside root and the daemon's own user. They must be able to connect.
    #[arg(long, value_name = "GROUP")]
    pub(crate) change_group: Option<String>,
    /// Show counters to Prometheus: at ADDRESS:PORT of the loopback interface (127.0.0.1:9300), or at a socket's path.
    #[arg(long, value_name = "PLACE")]
    pub(crate) metrics: Option<Place>,
    /// Whether a service manager keeps what a successor needs to go on with a network card on PCI, should udrvd be killed.
    #[arg(long, value_enum, default_value = "auto", value_name = "WHEN")]
    pub(crate) keep_fds: KeepFds,
    /// When the device is given up, for recovery did not help: note what its interface carries, and end with exit code 5, for
    /// udrvctl to hand the device back to the kernel's driver. Without a service that does that, nobody does.
    #[arg(long)]
    pub(crate) hand_back: bool,
    /// Have a second process ready, with everything mapped, which goes on with a network card on PCI at once should this one
    /// die.
    #[arg(long)]
    pub(crate) standby: bool,
}

/// What is done about faults, and how often.
#[derive(clap::Args)]
#[command(next_help_heading = "Recovery")]
struct LadderArguments {
    /// What is done about a fault: ladder (the least that helps), or restart (always restart the driver).
    #[arg(long, default_value = "ladder", value_name = "WAY")]
    recovery: Recovery,
    /// Faults in a row after which the device is restored too.
    #[arg(long, default_value_t = LadderConfig::default().restore_after, value_name = "FAULTS", value_parser = clap::value_parser!(u32).range(1..))]
    restore_after: u32,
    /// Faults in a row after which the driver is restarted.
    #[arg(long, default_value_t = LadderConfig::default().restart_after, value_name = "FAULTS", value_parser = clap::value_parser!(u32).range(1..))]
    restart_after: u32,
    /// Restarts within the window after which the device is given up.
    #[arg(long, default_value_t = LadderConfig::default().restarts, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    restarts: u32,
    /// That window, in seconds.
    #[arg(long, default_value_t = LadderConfig::default().restart_window.as_secs(), value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    restart_window: u64,
    /// The same fault at the same place so often within ten seconds puts an entry point into quarantine; 0: never.
    #[arg(long, default_value_t = QuarantineConfig::default().faults, value_name = "FAULTS", value_parser = clap::value_parser!(u32).range(0..=64))]
    quarantine: u32,
    /// How long it stays there at first, in seconds; 0: until it is released by command.
    #[arg(long, default_value_t = QuarantineConfig::default().time.as_secs(), value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=3600))]
    quarantine_time: u64,
}

/// Keys that hold from the next call of the driver on when the file is read again; all others need a restart of udrvd.
pub(crate) const LIVE: [&str; 9] = [
    "deadline",
    "protect",
    "recovery",
    "restore_after",
    "restart_after",
    "restarts",
    "restart_window",
    "quarantine",
    "quarantine_time",
];

/// `never`, or `poll=never`.
#[derive(Clone, Copy)]
struct ProtectArgument {
    entry: Option<Entry>,
    mode: Protect,
}

impl FromStr for ProtectArgument {
    type Err = String;
    fn from_str(text: &str) -> Result<ProtectArgument, String> {
        let (entry, mode) = match text.split_once('=') {
            Some((entry, mode)) => (Some(entry.parse().map_err(|e| format!("'{entry}': {e}"))?), mode),
            None => (None, text),
        };
        Ok(ProtectArgument { entry, mode: mode.parse()? })
    }
}

impl Run {
    /// Those that the framework has.
    pub(crate) fn options(&self) -> Options {
        let ladder = &self.ladder;
        let mut options = Options {
            suspects: self.suspects.clone(),
            ladder: LadderConfig {
                recovery: ladder.recovery,
                restore_after: ladder.restore_after,
                restart_after: ladder.restart_after,
                restarts: ladder.restarts,
                restart_window: Duration::from_secs(ladder.restart_window),
                ..LadderConfig::default()
            },
            quarantine: QuarantineConfig {
                faults: ladder.quarantine,
                time: Duration::from_secs(ladder.quarantine_time),
                ..QuarantineConfig::default()
            },
            generations: usize::from(self.generations),
            deadline: Duration::from_millis(self.deadline),
            interrupts: self.interrupts,
            net: self.net.options(),
            sound: self.sound.options(),
            input: self.input.options(),
            ..Options::default()
        };
        for ProtectArgument { entry, mode } in &self.protect {
            match entry {
                Some(entry) => options.protect_entries.push((*entry, *mode)),
                None => options.protect = *mode,
            }
        }
        options
    }
}
