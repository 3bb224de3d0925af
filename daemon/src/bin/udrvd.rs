//! udrvd: drives one device.
#![forbid(unsafe_code)]

use std::error::Error;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tracing_subscriber::EnvFilter;
use udrv::endpoint::{NetEndpoint, SocketEndpoint, Tap};
use udrv::net::{Command, Commander, Options, commands};
use udrv_daemon::control::ControlSocket;
use udrv_daemon::device::DeviceName;
use udrv_daemon::{drivers, protocol};
use udrv_driver::MacAddress;

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
    /// pci:ADDRESS (bound to vfio-pci), or model:rtl8139.
    device: DeviceName,
    /// Name of the TAP interface; %d is replaced by a number.
    #[arg(long, default_value = "udrv%d", value_name = "NAME")]
    tap: String,
    /// What stands in for the network interface.
    #[arg(long, value_enum, default_value_t = EndpointKind::Tap)]
    endpoint: EndpointKind,
    /// Station address instead of the card's own.
    #[arg(long, value_name = "ADDRESS", value_parser = station)]
    mac: Option<MacAddress>,
    /// CPU time that one call of the driver may use, in milliseconds.
    #[arg(long, default_value_t = 10, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=60_000))]
    deadline: u64,
    /// Call the driver without protection: a fault ends the daemon.
    #[arg(long)]
    unprotected: bool,
    /// Leave the other end of a model's wire empty.
    #[arg(long)]
    no_far_host: bool,
    /// Log lines as JSON.
    #[arg(long)]
    log_json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum EndpointKind {
    /// A TAP interface: a network card of this machine.
    Tap,
    /// An unconnected socket pair: frames go nowhere.
    Socket,
    /// Standard input, which has to be one end of a pair of packet sockets: whoever has the other end sends and receives
    /// whole Ethernet frames. For machines without /dev/net/tun.
    Stdin,
}

/// An address that a station may have.
fn station(text: &str) -> Result<MacAddress, String> {
    let address: MacAddress = text.parse().map_err(|e: udrv_driver::NotAnAddress| e.to_string())?;
    let why = "a group address or zero: a station's first byte is even, as in 52:54:00:12:34:56";
    if address.is_station() { Ok(address) } else { Err(why.to_owned()) }
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
    // the control socket first: it also says whether another daemon has the device
    let control = ControlSocket::bind(&protocol::runtime_directory(), &name)?;
    let device = run.device.open(!run.no_far_host)?;
    let driver = drivers::for_id(device.id)
        .ok_or_else(|| format!("{name} is {}, and no driver knows it; there are: {}", device.id, drivers::known()))?;
    let (endpoint, _peer): (Box<dyn NetEndpoint>, _) = match run.endpoint {
        EndpointKind::Tap => (Box::new(Tap::open(&run.tap)?), None),
        EndpointKind::Socket => {
            let (endpoint, peer) = SocketEndpoint::pair()?;
            (Box::new(endpoint), Some(peer))
        }
        EndpointKind::Stdin => {
            let socket = io::stdin().as_fd().try_clone_to_owned()?;
            let endpoint = SocketEndpoint::from_fd(socket)
                .map_err(|e| format!("standard input cannot be the network interface: {e}"))?;
            (Box::new(endpoint), None)
        }
    };
    let options = Options {
        protect: !run.unprotected,
        deadline: Duration::from_millis(run.deadline),
        mac: run.mac,
        ..Options::default()
    };
    let (commander, inbox) = commands()?;
    stop_on_signals(commander.clone())?;
    control.serve(commander)?;
    let running = driver.start(device.bus, endpoint, options)?;
    running.run(&inbox)?;
    tracing::info!(device = name, "stopped");
    Ok(())
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
