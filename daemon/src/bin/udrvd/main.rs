//! udrvd: drives one device.
#![forbid(unsafe_code)]

mod net;
mod sound;

use std::error::Error;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use clap::{Parser, Subcommand};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tracing_subscriber::EnvFilter;
use udrv::run::{Command, Commander, InterruptChoice, Options, commands};
use udrv::supervisor::ladder::{LadderConfig, Recovery};
use udrv::supervisor::policy::Protect;
use udrv::supervisor::quarantine::QuarantineConfig;
use udrv_daemon::control::ControlSocket;
use udrv_daemon::device::DeviceName;
use udrv_daemon::drivers::{Class, Driver};
use udrv_daemon::{drivers, protocol};
use udrv_driver::Entry;

use crate::net::NetArguments;
use crate::sound::SoundArguments;

/// Runs a device with a driver in user space, whose faults it survives.
#[derive(Parser)]
#[command(version, name = "udrvd")]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Drive a device in the foreground, until SIGTERM or SIGINT.
    Run(Run),
}

#[derive(clap::Args)]
struct Run {
    /// pci:ADDRESS (bound to vfio-pci), usb:PORT or usb:VENDOR:PRODUCT (usb:1-2, usb:07a6:8511), vfio-user:SOCKET (a server's), or
    /// model:NAME (model:rtl8139, model:r8169-rtl8168b).
    device: DeviceName,
    /// Wait for a device on USB that is not plugged in.
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    net: NetArguments,
    #[command(flatten)]
    sound: SoundArguments,
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
    /// What is done about a fault: ladder (the least that helps), or restart (always restart the driver).
    #[arg(long, default_value = "ladder", value_name = "WAY")]
    recovery: Recovery,
    /// The same fault at the same place so often within ten seconds puts an entry point into quarantine; 0: never.
    #[arg(long, default_value_t = QuarantineConfig::default().faults, value_name = "FAULTS")]
    quarantine: u32,
    /// Committed states kept, to go back to when an older one proves to be spoilt.
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u8).range(2..=64))]
    generations: u8,
    /// Log lines as JSON.
    #[arg(long)]
    log_json: bool,
}

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

fn main() -> ExitCode {
    // First of all: threads inherit the rights to tagged memory from here.
    let isolation = fgft::init();
    let Arguments { action: Action::Run(run) } = Arguments::parse();
    start_log(run.log_json);
    let result = isolation.map_err(Into::into).and_then(|isolation| {
        if isolation == fgft::Isolation::RollbackOnly {
            tracing::warn!(
                "isolation: rollback-only. This machine has no memory protection keys, or they are switched off: \
                 faults are trapped and rolled back, but a stray write into mapped memory is not seen"
            );
        }
        drive(&run)
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("udrvd: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start_log(json: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let colour = io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colour);
    if json { log.json().init() } else { log.with_target(false).init() }
}

fn drive(run: &Run) -> Result<(), Box<dyn Error>> {
    let name = run.device.to_string();
    // for as long as it takes, and until a signal: before there is anything to leave behind
    if run.wait {
        run.device.wait()?;
    }
    // the control socket first: it also says whether another daemon has the device
    let control = ControlSocket::bind(&protocol::runtime_directory(), &name)?;
    let device = run.device.open(!run.net.no_far_host)?;
    let driver = drivers::for_id(device.id)
        .ok_or_else(|| format!("{name} is {}, and no driver knows it; there are: {}", device.id, drivers::known()))?;
    refuse_options(run, driver, &name)?;
    let mut options = Options {
        suspects: run.suspects.clone(),
        ladder: LadderConfig { recovery: run.recovery, ..LadderConfig::default() },
        quarantine: QuarantineConfig { faults: run.quarantine, ..QuarantineConfig::default() },
        generations: usize::from(run.generations),
        deadline: Duration::from_millis(run.deadline),
        interrupts: run.interrupts,
        net: run.net.options(),
        sound: run.sound.options(),
        ..Options::default()
    };
    for ProtectArgument { entry, mode } in &run.protect {
        match entry {
            Some(entry) => options.protect_entries.push((*entry, *mode)),
            None => options.protect = *mode,
        }
    }
    let (commander, inbox) = commands()?;
    stop_on_signals(commander.clone())?;
    control.serve(commander)?;
    // a socket's other end is kept open as long as the device runs
    let _peer;
    let running = match driver.class {
        Class::Net(start) => {
            let (endpoint, peer) = run.net.endpoint()?;
            _peer = peer;
            start(device.opened, endpoint, options)?
        }
        Class::Sound(start) => start(device.opened, run.sound.endpoint()?, options)?,
    };
    running.run(&inbox)?;
    tracing::info!(device = name, "stopped");
    Ok(())
}

/// Options of another class of devices are a mistake.
fn refuse_options(run: &Run, driver: &Driver, name: &str) -> Result<(), String> {
    let (given, other, it) = match driver.class {
        Class::Net(_) => (run.sound.given(), "sound cards", "a network card"),
        Class::Sound(_) => (run.net.given(), "network cards", "a sound card"),
    };
    given.map_or(Ok(()), |option| Err(format!("{option} is for {other}, and {name} is {it}: leave it out")))
}

/// SIGTERM and SIGINT stop the device, on a thread of their own: ordinary handlers must not run on the device's.
fn stop_on_signals(commander: Commander) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let wait = move || {
        for _ in &mut signals {
            if commander.ask(Command::Stop).is_none() {
                break;
            }
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(wait).map(|_| ())
}
