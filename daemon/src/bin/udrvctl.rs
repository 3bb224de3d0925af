//! udrvctl: asks a running udrvd.
#![forbid(unsafe_code)]

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use model_wire::FarHostConfig;
use tracing_subscriber::EnvFilter;
use udrv_daemon::client::{ClientError, ask, only_device};
use udrv_daemon::directory;
use udrv_daemon::jacks::SoundOptions;
use udrv_daemon::models::REAL_TIME;
use udrv_daemon::protocol::{Request, Response};
use udrv_daemon::serve::{self, Around, FarEnd};
use udrv_daemon::show;

/// Looks at and controls devices that udrvd drives.
#[derive(Parser)]
#[command(version, name = "udrvctl")]
struct Arguments {
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// State and counters of a device.
    Status {
        /// The device, as udrvd was given it. May be left out if there is one.
        device: Option<String>,
    },
    /// Fault reports, oldest first.
    Faults {
        /// The device. May be left out if there is one.
        device: Option<String>,
        /// Only those with a higher number.
        #[arg(long, default_value_t = 0)]
        after: u64,
        /// All that is known: backtrace, processor registers, device registers written, time of each step.
        #[arg(long)]
        long: bool,
    },
    /// Make the driver fault: a real fault, in its own code.
    Inject {
        /// The device.
        device: String,
        /// Entry point, for example transmit.
        entry: String,
        /// null-write, wild-write, divide-by-zero, stack-overflow, endless-loop or panic.
        fault: String,
        /// Where in the entry point: start, middle or end.
        #[arg(long, default_value = "middle", value_name = "POINT")]
        at: String,
        /// How many calls that reach the place, one after the other; 0 disarms.
        #[arg(long, default_value_t = 1)]
        times: u32,
    },
    /// Change which calls of the driver are transactions, from the next one on.
    Protect {
        /// The device.
        device: String,
        /// always, never (a fault ends the daemon) or suspicious (after the first fault).
        mode: String,
        /// Entry point, for example poll. Left out: all of them.
        entry: Option<String>,
    },
    /// Let an entry point out of quarantine.
    Release {
        /// The device.
        device: String,
        /// Entry point. Left out: all of them.
        entry: Option<String>,
    },
    /// Restart the driver: probe the device anew and replay its configuration.
    Restart {
        /// The device. May be left out if there is one.
        device: Option<String>,
    },
    /// Registers: names, kinds, and what is known of them.
    Regs {
        /// The device. May be left out if there is one.
        device: Option<String>,
        /// Read from the device too, where reading changes nothing.
        #[arg(long)]
        live: bool,
    },
    /// Which calls of the driver are transactions.
    #[command(subcommand)]
    Policy(PolicyAction),
    /// Register accesses in a file.
    #[command(subcommand)]
    Trace(TraceAction),
    /// Change a setting of a mouse, from now on and after each restart of its driver: the nearest that it has is taken.
    Set {
        /// The device.
        device: String,
        /// rate (reports a second, at most), resolution (counts an inch) or scaling.
        setting: String,
        /// A number; of scaling 1:1 or 2:1 (fast movements count double).
        value: String,
    },
    /// Call an entry point now, with the values in force.
    Call {
        /// The device.
        device: String,
        /// Entry point, for example set_rx_mode.
        entry: String,
    },
    /// Cards in software, without a daemon.
    #[command(subcommand)]
    Model(ModelAction),
}

#[derive(Subcommand)]
enum PolicyAction {
    /// Show it.
    Get {
        /// The device. May be left out if there is one.
        device: Option<String>,
    },
    /// Change it, from the next call on: as protect does.
    Set {
        /// The device.
        device: String,
        /// always, never (a fault ends the daemon) or suspicious (after the first fault).
        mode: String,
        /// Entry point, for example poll. Left out: all of them.
        entry: Option<String>,
    },
}

#[derive(Subcommand)]
enum TraceAction {
    /// Begin one: pcap with link type 147, a packet an access.
    Start {
        /// The device.
        device: String,
        /// The file, which must not exist.
        file: PathBuf,
        /// Longest file, in MiB.
        #[arg(long, default_value_t = 64, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=65_536))]
        limit: u64,
    },
    /// End it.
    Stop {
        /// The device. May be left out if there is one.
        device: Option<String>,
    },
    /// How it is.
    Status {
        /// The device. May be left out if there is one.
        device: Option<String>,
    },
}

#[derive(Subcommand)]
enum ModelAction {
    /// Serve a model in the foreground until SIGTERM or SIGINT. A card on PCI over vfio-user: to udrvd (vfio-user:SOCKET), or to
    /// QEMU for a guest's own driver. An adapter on USB over usb-redir, to QEMU. One client at a time.
    Serve {
        /// Name of the model, for example rtl8139, or with one of its chips, r8169-rtl8168b.
        name: String,
        /// Path of the socket, which must not exist.
        socket: PathBuf,
        #[command(flatten)]
        wire: WireArguments,
        #[command(flatten)]
        sound: SoundArguments,
        /// Listen at this socket, which must not exist, for what the hand on a mouse is to do, a line each: "move RIGHT AWAY
        /// MS" (in eighths of a millimetre), "press BUTTON", "release BUTTON", "turn CLICKS", "unplug", "plug-in", "rest",
        /// "settings", "counters".
        #[arg(long, value_name = "SOCKET")]
        hand: Option<PathBuf>,
        /// Of a mouse: serve the bytes of its line, and not a controller on PCI at which it is: to udrvd (serio-line:SOCKET).
        #[arg(long)]
        line: bool,
    },
    /// Plug an adapter on USB into this machine's virtual host controller (vhci_hcd), in the foreground, until it is detached or
    /// SIGTERM or SIGINT.
    PlugIn {
        /// Name of the model, for example pegasus.
        name: String,
        /// Port of the controller.
        #[arg(long, default_value_t = 0)]
        port: u32,
        #[command(flatten)]
        wire: WireArguments,
    },
}

/// Of a model for a network.
#[derive(clap::Args)]
struct WireArguments {
    /// Leave the other end of the model's wire empty.
    #[arg(long)]
    no_far_host: bool,
    /// The other end of the wire is whoever connects to this socket, which must not exist: QEMU, for one, with
    /// -netdev stream,server=off,addr.type=unix,addr.path=SOCKET.
    #[arg(long, value_name = "SOCKET", conflicts_with = "no_far_host")]
    cable: Option<PathBuf>,
    /// Speed of the wire, 100 if not given. A client that is slower than its wire loses frames, as with a real card.
    #[arg(long, value_name = "MBIT", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    line_rate: Option<u64>,
}

impl WireArguments {
    /// What was said of it, if anything was.
    fn far_end(&self) -> Option<FarEnd> {
        let rate = self.line_rate.map(|mbit| mbit * 1_000_000);
        match &self.cable {
            Some(path) => Some(FarEnd::Cable(path.clone(), rate.unwrap_or(FarEnd::USUAL_RATE))),
            None if self.no_far_host => Some(FarEnd::Nobody),
            None => rate.map(|rate| FarEnd::Host(FarHostConfig { line_rate: Some(rate), ..FarHostConfig::default() })),
        }
    }
}

/// Of a sound card.
#[derive(clap::Args)]
struct SoundArguments {
    /// Write what a sound card plays into this WAV file, 16 bit stereo at 48 kHz, while it plays. It is whole when the server
    /// has ended, and whenever nothing plays.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Let a sound card hear this WAV file, 16 bits at 48 kHz, at its line input, while it records. After its end there is
    /// silence.
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Let the clock of a sound card go at so many percent of real time, for a client that is emulated and therefore slow.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(1..=100))]
    pace: Option<u32>,
    /// Write into the output too what is heard between two sounds, while nothing plays: silence.
    #[arg(long, requires = "output")]
    rests: bool,
}

impl SoundArguments {
    /// What was said of it, if anything was.
    fn options(&self) -> Option<SoundOptions> {
        let SoundArguments { output, input, pace, rests } = self;
        let said = output.is_some() || input.is_some() || pace.is_some();
        let (output, input, pace, rests) = (output.clone(), input.clone(), pace.unwrap_or(REAL_TIME), *rests);
        let options = SoundOptions { output, input, pace, rests };
        said.then_some(options)
    }
}

fn start_log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false).init();
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("udrvctl: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let directory = directory::of_client();
    let or_only = |device: &Option<String>| device.clone().map_or_else(|| only_device(&directory), Ok);
    let (device, request) = match &arguments.action {
        Action::Status { device } => (or_only(device), Request::Status),
        Action::Faults { device, after, .. } => (or_only(device), Request::Faults { after: *after }),
        Action::Inject { device, entry, fault, at, times } => {
            let (entry, fault, point) = (entry.clone(), fault.clone(), at.clone());
            (Ok(device.clone()), Request::Inject { entry, fault, point, times: *times })
        }
        Action::Call { device, entry } => (Ok(device.clone()), Request::Call { entry: entry.clone() }),
        Action::Protect { device, mode, entry } => {
            (Ok(device.clone()), Request::Protect { entry: entry.clone(), mode: mode.clone() })
        }
        Action::Release { device, entry } => (Ok(device.clone()), Request::Release { entry: entry.clone() }),
        Action::Regs { device, live } => (or_only(device), Request::Regs { live: *live }),
        Action::Policy(PolicyAction::Get { device }) => (or_only(device), Request::Policy),
        Action::Policy(PolicyAction::Set { device, mode, entry }) => {
            (Ok(device.clone()), Request::Protect { entry: entry.clone(), mode: mode.clone() })
        }
        Action::Trace(TraceAction::Start { device, file, limit }) => {
            let file = std::path::absolute(file).map_err(|e| format!("{}: {e}", file.display()))?;
            (Ok(device.clone()), Request::TraceStart { file, limit: limit << 20 })
        }
        Action::Trace(TraceAction::Stop { device }) => (or_only(device), Request::TraceStop),
        Action::Trace(TraceAction::Status { device }) => (or_only(device), Request::Trace),
        Action::Set { device, setting, value } => {
            (Ok(device.clone()), Request::Set { setting: setting.clone(), value: value.clone() })
        }
        Action::Restart { device } => (or_only(device), Request::Restart),
        Action::Model(ModelAction::Serve { name, socket, wire, sound, hand, line }) => {
            start_log();
            let around = Around { far_end: wire.far_end(), sound: sound.options(), hand: hand.clone(), line: *line };
            return serve::serve(name, socket, &around).map_err(|e| e.to_string());
        }
        Action::Model(ModelAction::PlugIn { name, port, wire }) => {
            start_log();
            return serve::plug_in(name, *port, &wire.far_end().unwrap_or_default()).map_err(|e| e.to_string());
        }
    };
    let answer = device.and_then(|device| ask(&directory, &device, request)).map_err(|e: ClientError| e.to_string())?;
    match answer {
        Response::Error { message } => Err(message),
        answer if arguments.json => {
            println!("{}", serde_json::to_string_pretty(&answer).map_err(|e| e.to_string())?);
            Ok(())
        }
        Response::Status { status } => {
            print!("{}", show::status(&status));
            Ok(())
        }
        Response::Faults { faults } => {
            let long = matches!(arguments.action, Action::Faults { long: true, .. });
            print!("{}", show::faults(&faults, long));
            Ok(())
        }
        Response::Regs { registers } => {
            print!("{}", show::registers(&registers));
            Ok(())
        }
        Response::Policy { entries, quarantine } => {
            print!("{}", show::policy(&entries, &quarantine));
            Ok(())
        }
        Response::Trace { trace } => {
            println!("{}", show::trace(trace.as_ref()));
            Ok(())
        }
        Response::Set { setting, value } => {
            println!("{setting} {value}");
            Ok(())
        }
        Response::Done => Ok(()),
    }
}
