//! udrvd: drives one device.
#![forbid(unsafe_code)]

use std::error::Error;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tracing_subscriber::EnvFilter;
use udrv::endpoint::{NetEndpoint, SocketEndpoint, Tap, Tun};
use udrv::net::{NetOptions, Switch};
use udrv::run::{Command, Commander, InterruptChoice, Options, commands};
use udrv::supervisor::ladder::{LadderConfig, Recovery};
use udrv::supervisor::policy::Protect;
use udrv::supervisor::quarantine::QuarantineConfig;
use udrv_daemon::control::ControlSocket;
use udrv_daemon::device::DeviceName;
use udrv_daemon::{drivers, protocol};
use udrv_driver::{Entry, MacAddress};

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
    /// Name of the TAP interface; %d is replaced by a number.
    #[arg(long, default_value = "udrv%d", value_name = "NAME")]
    tap: String,
    /// A TUN interface of this name instead: IP packets, all of which go to the one station that --neighbour names. ARP
    /// and IPv6's solicitations are answered for the addresses that the interface has.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["tap", "endpoint"], requires = "neighbour")]
    tun: Option<String>,
    /// With --tun: the Ethernet address of who is at the other end of the cable, or of the router there.
    #[arg(long, value_name = "ADDRESS", value_parser = station, requires = "tun")]
    neighbour: Option<MacAddress>,
    /// What stands in for the network interface.
    #[arg(long, value_enum, default_value_t = EndpointKind::Tap)]
    endpoint: EndpointKind,
    /// Station address instead of the card's own.
    #[arg(long, value_name = "ADDRESS", value_parser = station)]
    mac: Option<MacAddress>,
    /// MTU of the interface, in bytes; above 1500 where the chip has it. It can be changed later: ip link set mtu.
    #[arg(long, value_name = "BYTES")]
    mtu: Option<u32>,
    /// The VLAN that the interface is in, 1 to 4094: the chip puts its tag into what is sent, and takes it out of what is
    /// received; frames of other VLANs, and without a tag, are not received.
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(u16).range(1..=4094))]
    vlan: Option<u16>,
    /// By what the device interrupts: line (INTx), msi, or auto (MSI where there is).
    #[arg(long, default_value_t, value_name = "KIND")]
    interrupts: InterruptChoice,
    /// Time that the chip leaves between interrupts, at least; 0: none.
    #[arg(long, value_name = "MICROSECONDS")]
    interrupt_interval: Option<u64>,
    /// What is left to the chip, or not: tx-checksum, rx-checksum and tso, =on or =off, and several with commas. As a
    /// rule what it can.
    #[arg(long, value_name = "WORK=on|off", value_delimiter = ',')]
    offload: Vec<OffloadArgument>,
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
    /// Leave the other end of a model's wire empty.
    #[arg(long)]
    no_far_host: bool,
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

/// `tso=off`.
#[derive(Clone, Copy)]
struct OffloadArgument(Switch, bool);

impl FromStr for OffloadArgument {
    type Err = String;
    fn from_str(text: &str) -> Result<OffloadArgument, String> {
        let (switch, on) = match text.split_once('=') {
            Some((switch, "on")) => (switch, true),
            Some((switch, "off")) => (switch, false),
            _ => return Err("expected =on or =off, as in tso=off".to_owned()),
        };
        Ok(OffloadArgument(switch.parse()?, on))
    }
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
    // for as long as it takes, and until a signal: before there is anything to leave behind
    if run.wait {
        run.device.wait()?;
    }
    // the control socket first: it also says whether another daemon has the device
    let control = ControlSocket::bind(&protocol::runtime_directory(), &name)?;
    let device = run.device.open(!run.no_far_host)?;
    let driver = drivers::for_id(device.id)
        .ok_or_else(|| format!("{name} is {}, and no driver knows it; there are: {}", device.id, drivers::known()))?;
    let (endpoint, _peer) = endpoint(run)?;
    let mut options = Options {
        suspects: run.suspects.clone(),
        ladder: LadderConfig { recovery: run.recovery, ..LadderConfig::default() },
        quarantine: QuarantineConfig { faults: run.quarantine, ..QuarantineConfig::default() },
        generations: usize::from(run.generations),
        deadline: Duration::from_millis(run.deadline),
        interrupts: run.interrupts,
        net: NetOptions {
            mac: run.mac,
            mtu: run.mtu,
            vlan: run.vlan,
            interrupt_interval: run.interrupt_interval.map(Duration::from_micros),
            offloads: run.offload.iter().map(|OffloadArgument(switch, on)| (*switch, *on)).collect(),
            ..NetOptions::default()
        },
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
    let running = driver.start(device.opened, endpoint, options)?;
    running.run(&inbox)?;
    tracing::info!(device = name, "stopped");
    Ok(())
}

/// The network interface, and the other end of a socket that nobody else has.
type Endpoint = (Box<dyn NetEndpoint>, Option<OwnedFd>);

/// Makes what the options ask for.
fn endpoint(run: &Run) -> Result<Endpoint, Box<dyn Error>> {
    if let (Some(name), Some(neighbour)) = (&run.tun, run.neighbour) {
        return Ok((Box::new(Tun::open(name, neighbour.0)?), None));
    }
    Ok(match run.endpoint {
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
    })
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
