//! `model`: cards in software, without a daemon.

use std::io;
use std::path::PathBuf;

use clap::Subcommand;
use model_wire::FarHostConfig;
use tracing_subscriber::EnvFilter;
use udrv_daemon::jacks::SoundOptions;
use udrv_daemon::models::REAL_TIME;
use udrv_daemon::serve::{self, Around, FarEnd};

use crate::exit::Failure;

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
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
#[derive(Debug, clap::Args)]
pub(crate) struct WireArguments {
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
#[derive(Debug, clap::Args)]
pub(crate) struct SoundArguments {
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

impl Action {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        start_log();
        let done = match self {
            Action::Serve { name, socket, wire, sound, hand, line } => {
                let around =
                    Around { far_end: wire.far_end(), sound: sound.options(), hand: hand.clone(), line: *line };
                serve::serve(name, socket, &around)
            }
            Action::PlugIn { name, port, wire } => serve::plug_in(name, *port, &wire.far_end().unwrap_or_default()),
        };
        done.map_err(|error| Failure::failed(error.to_string()))
    }
}
