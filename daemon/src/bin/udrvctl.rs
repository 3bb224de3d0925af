//! udrvctl: asks a running udrvd.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use udrv::net::Status;
use udrv::report::FaultReport;
use udrv_daemon::client::{ClientError, ask, only_device};
use udrv_daemon::protocol::{Request, Response, runtime_directory};

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
    /// Call an entry point now, with the values in force.
    Call {
        /// The device.
        device: String,
        /// Entry point, for example set_rx_mode.
        entry: String,
    },
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
    let directory = runtime_directory();
    let or_only = |device: &Option<String>| device.clone().map_or_else(|| only_device(&directory), Ok);
    let (device, request) = match &arguments.action {
        Action::Status { device } => (or_only(device), Request::Status),
        Action::Faults { device, after } => (or_only(device), Request::Faults { after: *after }),
        Action::Inject { device, entry, fault, at, times } => {
            let (entry, fault, point) = (entry.clone(), fault.clone(), at.clone());
            (Ok(device.clone()), Request::Inject { entry, fault, point, times: *times })
        }
        Action::Call { device, entry } => (Ok(device.clone()), Request::Call { entry: entry.clone() }),
    };
    let answer = device.and_then(|device| ask(&directory, &device, request)).map_err(|e: ClientError| e.to_string())?;
    match answer {
        Response::Error { message } => Err(message),
        answer if arguments.json => {
            println!("{}", serde_json::to_string_pretty(&answer).map_err(|e| e.to_string())?);
            Ok(())
        }
        Response::Status { status } => {
            print_status(&status);
            Ok(())
        }
        Response::Faults { faults } => {
            print_faults(&faults);
            Ok(())
        }
        Response::Done => Ok(()),
    }
}

fn print_status(s: &Status) {
    let link = match (s.link_up, s.full_duplex) {
        (false, _) => "down".to_owned(),
        (true, full) => format!("up, {} Mbit/s, {} duplex", s.link_speed, if full { "full" } else { "half" }),
    };
    println!("device      {} (driver {}, udrvd {})", s.device, s.driver, s.pid);
    println!("interface   {}, {}", s.endpoint, s.mac);
    println!("link        {link}");
    println!("protection  {}, isolation: {}", if s.protected { "on" } else { "off" }, s.isolation);
    println!(
        "received    {} frames, {} bytes, {} dropped",
        s.traffic.rx_frames, s.traffic.rx_bytes, s.traffic.rx_dropped
    );
    println!(
        "sent        {} frames, {} bytes, {} dropped, {} lost",
        s.traffic.tx_frames, s.traffic.tx_bytes, s.traffic.tx_dropped, s.traffic.tx_lost
    );
    if let Some(c) = s.chip {
        println!(
            "chip        {} receive errors, {} missed, {} receiver resets, {} transmit errors, {} collisions",
            c.rx_errors, c.rx_missed, c.rx_resets, c.tx_errors, c.collisions
        );
    }
    println!("registers   {} reads, {} writes", s.register_accesses.0, s.register_accesses.1);
    println!("faults      {}", s.faults);
    println!("\n{:<16}{:>12}{:>10}{:>10}", "entry point", "calls", "faults", "errors");
    for (name, c) in &s.entries {
        println!("{name:<16}{:>12}{:>10}{:>10}", c.calls, c.faults, c.errors);
    }
}

fn print_faults(faults: &[FaultReport]) {
    if faults.is_empty() {
        println!("no faults");
    }
    for f in faults {
        let injected =
            f.injected.as_ref().map_or(String::new(), |(fault, point)| format!(", injected {fault} at {point}"));
        println!("#{} {} in {}{injected}: {}", f.number, f.kind, f.entry, f.text);
        if let Some(source) = &f.source {
            println!("    {source}");
        }
        let next = f.to_next_frame.map_or("none yet".to_owned(), |t| format!("{:.1} us", t as f64 / 1e3));
        println!(
            "    rung {:?}, error after {:.1} us, next frame {next}, {} frames lost, {} register reads, {} writes",
            f.rung,
            f.to_error as f64 / 1e3,
            f.frames_lost,
            f.reads,
            f.writes
        );
    }
}
