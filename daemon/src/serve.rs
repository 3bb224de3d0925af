//! `udrvctl model serve`: a model in this process, for a driver in another one.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use model_ens1371::wav::WavError;
use model_serve::{Cable, ServeError, Server, Socket, Stopper};
use model_serve_usb::{End, Protocol, SessionError, usbip};
use model_wire::{FarHost, FarHostConfig, FarPort, WireConfig};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use udrv_bus::PciFunction;

use crate::hand::Hand;
use crate::jacks::SoundOptions;
use crate::line;
use crate::models::{Card, Model, Open, ParseModelError};

/// What a PHY and its partner take to find their mode. Real ones take 2 s.
const NEGOTIATION: Duration = Duration::from_millis(300);

/// Why a model is not served.
#[derive(Debug, thiserror::Error)]
pub enum ServeModelError {
    /// No such model.
    #[error(transparent)]
    NoModel(#[from] ParseModelError),
    /// No socket, or it failed.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The kernel does not take it.
    #[error(
        "{file} does not take it: {source} (as root, with the module vhci_hcd loaded: modprobe vhci-hcd; port {port} must be \
         free: cat /sys/devices/platform/vhci_hcd.0/status)"
    )]
    Attach {
        /// The kernel's file.
        file: &'static str,
        /// The port.
        port: u32,
        /// errno.
        #[source]
        source: io::Error,
    },
    /// It is a card on PCI.
    #[error("model {name} is a card on PCI, and cannot be plugged into a USB port: udrvctl model serve serves it")]
    NotUsb {
        /// The model.
        name: String,
    },
    /// It has no wire.
    #[error("model {name} is a sound card: --no-far-host, --cable and --line-rate are for network cards")]
    NoWire {
        /// The model.
        name: String,
    },
    /// It has no jacks.
    #[error("model {name} is for a network: --output, --input and --pace are for sound cards")]
    NoJacks {
        /// The model.
        name: String,
    },
    /// It is a mouse.
    #[error("model {name} is a mouse: of the options it has --hand and --line alone")]
    OnlyHand {
        /// The model.
        name: String,
    },
    /// It is none.
    #[error("model {name} is no mouse: --hand and --line are for mice")]
    NoHand {
        /// The model.
        name: String,
    },
    /// A file at a jack.
    #[error(transparent)]
    Wav(#[from] WavError),
    /// The client was cut off.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// Threads or signals could not be had.
    #[error("cannot start: {0}")]
    Start(#[from] io::Error),
}

/// What is around a served model, as far as it was said. What its kind does not have is refused.
#[derive(Debug, Clone, Default)]
pub struct Around {
    /// Of one for a network. The usual: a host.
    pub far_end: Option<FarEnd>,
    /// Of a sound card. The usual: nothing.
    pub sound: Option<SoundOptions>,
    /// Of a mouse: where its hand is told what to do. The usual: nobody moves it.
    pub hand: Option<PathBuf>,
    /// Of a mouse: serve the bytes of its line. The usual: a controller on PCI, at which it is.
    pub line: bool,
}

/// What is at the other end of a served model's wire.
#[derive(Debug, Clone)]
pub enum FarEnd {
    /// Nothing.
    Nobody,
    /// A host in this process.
    Host(FarHostConfig),
    /// Whoever connects to a socket, and the speed of the wire in bits a second.
    Cable(PathBuf, u64),
}

/// The same, there.
enum There {
    Nobody,
    Host { _host: FarHost },
    Cable { _cable: Cable },
}

impl Default for FarEnd {
    /// A host, at [`FarEnd::USUAL_RATE`].
    fn default() -> FarEnd {
        FarEnd::Host(FarHostConfig { line_rate: Some(FarEnd::USUAL_RATE), ..FarHostConfig::default() })
    }
}

impl FarEnd {
    /// Speed of the wire in bits a second, unless another is asked for.
    pub const USUAL_RATE: u64 = 100_000_000;

    fn put(&self, port: FarPort) -> Result<There, ServeModelError> {
        Ok(match self {
            FarEnd::Nobody => There::Nobody,
            FarEnd::Host(config) => There::Host { _host: FarHost::start(port, config.clone())? },
            FarEnd::Cable(socket, rate) => There::Cable { _cable: Cable::lay(port, socket, Some(*rate))? },
        })
    }
}

impl fmt::Display for FarEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FarEnd::Nobody => Ok(()),
            FarEnd::Host(host) => write!(f, "; the host at the other end of its wire is {}", host.ipv4),
            FarEnd::Cable(socket, _) => write!(f, "; the other end of its wire is at {}", socket.display()),
        }
    }
}

/// Serves model `name` at `socket` until SIGTERM or SIGINT: a card on PCI over vfio-user, an adapter on USB over usb-redir, a
/// mouse at a controller on PCI or as the bytes of its line.
/// Says what it serves on standard output once clients can connect.
///
/// # Errors
/// [`ServeModelError`].
pub fn serve(name: &str, socket: &Path, around: &Around) -> Result<(), ServeModelError> {
    let model: Model = name.parse()?;
    if model.is_mouse() {
        if around.far_end.is_some() || around.sound.is_some() {
            return Err(ServeModelError::OnlyHand { name: name.to_owned() });
        }
        return serve_mouse(&model, socket, around.hand.as_deref(), around.line);
    }
    if around.hand.is_some() || around.line {
        return Err(ServeModelError::NoHand { name: name.to_owned() });
    }
    if model.is_for_sound() {
        if around.far_end.is_some() {
            return Err(ServeModelError::NoWire { name: name.to_owned() });
        }
        return serve_sound(&model, socket, &around.sound.clone().unwrap_or_default());
    }
    if around.sound.is_some() {
        return Err(ServeModelError::NoJacks { name: name.to_owned() });
    }
    serve_wired(&model, socket, &around.far_end.clone().unwrap_or_default())
}

fn serve_wired(model: &Model, socket: &Path, far_end: &FarEnd) -> Result<(), ServeModelError> {
    // before there is a socket: nothing may be left behind by a signal
    let signals = Signals::new([SIGTERM, SIGINT])?;
    let (card, port) = build(model, far_end);
    let path = socket.display();
    match card {
        Card::Pci(function, reopen) => {
            let server = Server::bind(socket)?;
            let _there = port.map(|port| far_end.put(port)).transpose()?;
            drop(function); // each client opens the card for itself
            run(server, reopen, signals, format_args!("serving model:{model} at {path}{far_end}"), &path)
        }
        Card::Usb(device, mut reopen) => {
            let server = model_serve_usb::Server::bind(socket, Protocol::UsbRedir)?;
            let _there = port.map(|port| far_end.put(port)).transpose()?;
            let waiting = stop_on(signals, server.stopper())?;
            tell(format_args!(
                "serving model:{model} at {path}{far_end}; connect one client: -chardev socket,id=usb,path={path} -device \
                 usb-redir,chardev=usb of QEMU"
            ));
            drop(device);
            let served = server.run(&mut reopen);
            waiting.end();
            Ok(served?)
        }
        // mice are served elsewhere
        Card::Serio(_) => Err(ServeModelError::OnlyHand { name: model.to_string() }),
    }
}

fn serve_sound(model: &Model, socket: &Path, sound: &SoundOptions) -> Result<(), ServeModelError> {
    let signals = Signals::new([SIGTERM, SIGINT])?;
    // before a file is emptied: there may be another server that writes it
    let server = Server::bind(socket)?;
    let (jacks, output) = sound.plug()?;
    let Some(Card::Pci(function, reopen)) = model.build_with(jacks, sound.pace) else {
        return Err(ServeModelError::NoJacks { name: model.to_string() });
    };
    drop(function);
    let path = socket.display();
    let served = run(server, reopen, signals, format_args!("serving model:{model} at {path}{sound}"), &path);
    // whole, whatever has ended it
    output.map_or(Ok(()), |output| output.finish())?;
    served
}

fn serve_mouse(model: &Model, socket: &Path, hand: Option<&Path>, line: bool) -> Result<(), ServeModelError> {
    if line {
        return serve_line(model, socket, hand);
    }
    let signals = Signals::new([SIGTERM, SIGINT])?;
    let server = Server::bind(socket)?;
    let Some((Card::Pci(function, reopen), mouse)) = model.build_mouse() else {
        return Err(ServeModelError::NoHand { name: model.to_string() });
    };
    let _hand = hand.map(|path| Hand::start(path, mouse)).transpose()?;
    drop(function);
    let path = socket.display();
    let told = hand_at(hand);
    run(server, reopen, signals, format_args!("serving model:{model} at {path}{told}"), &path)
}

fn serve_line(model: &Model, socket: &Path, hand: Option<&Path>) -> Result<(), ServeModelError> {
    let signals = Signals::new([SIGTERM, SIGINT])?;
    let served = Socket::bind(socket)?;
    let Some((mouse, bench)) = model.build_line() else {
        return Err(ServeModelError::NoHand { name: model.to_string() });
    };
    let _hand = hand.map(|path| Hand::start(path, bench)).transpose()?;
    let waiting = stop_on(signals, served.stopper())?;
    let path = socket.display();
    let told = hand_at(hand);
    tell(format_args!("serving the line of model:{model} at {path}{told}; connect one client: serio-line:{path}"));
    let ended = line::serve(&served, mouse);
    waiting.end();
    Ok(ended?)
}

fn hand_at(hand: Option<&Path>) -> String {
    hand.map(|hand| format!("; its hand is at {}", hand.display())).unwrap_or_default()
}

/// Serves a card on PCI that is made, until a signal comes.
fn run(
    server: Server,
    mut reopen: Open<dyn PciFunction>,
    signals: Signals,
    what: fmt::Arguments<'_>,
    path: &dyn fmt::Display,
) -> Result<(), ServeModelError> {
    let waiting = stop_on(signals, server.stopper())?;
    tell(format_args!("{what}; connect one client: vfio-user:{path}"));
    let served = server.run(&mut reopen);
    waiting.end();
    Ok(served?)
}

/// Plugs model `name`, an adapter on USB, into port `port` of this machine's virtual host controller (`vhci_hcd`) until it is
/// detached there, or SIGTERM or SIGINT.
///
/// # Errors
/// [`ServeModelError`].
pub fn plug_in(name: &str, port: u32, far_end: &FarEnd) -> Result<(), ServeModelError> {
    const ATTACH: &str = "/sys/devices/platform/vhci_hcd.0/attach";
    let model: Model = name.parse()?;
    let signals = Signals::new([SIGTERM, SIGINT])?;
    let (Card::Usb(device, _), wire) = build(&model, far_end) else {
        return Err(ServeModelError::NotUsb { name: name.to_owned() });
    };
    let _there = wire.map(|wire| far_end.put(wire)).transpose()?;
    let stopper = Stopper::new()?;
    let (ours, linux) = UnixStream::pair()?;
    usbip::attach(Path::new(ATTACH), port, linux.as_fd(), &*device).map_err(|source| ServeModelError::Attach {
        file: ATTACH,
        port,
        source,
    })?;
    drop(linux); // the kernel has its own
    let waiting = stop_on(signals, stopper.clone())?;
    tell(format_args!("model:{model} is in port {port} of vhci_hcd{far_end}"));
    let ended = usbip::serve(ours, device, stopper.as_fd());
    waiting.end();
    match ended? {
        End::Stopped => {}
        End::Disconnected | End::Unplugged => tell(format_args!("model:{model} was detached")),
    }
    Ok(())
}

fn build(model: &Model, far_end: &FarEnd) -> (Card, Option<FarPort>) {
    // whoever is there has their part in it
    let negotiation = if matches!(far_end, FarEnd::Nobody) { Duration::ZERO } else { NEGOTIATION };
    model.build(WireConfig { negotiation, ..WireConfig::default() })
}

/// Whoever started this may not be listening any more: that is no reason not to serve.
fn tell(line: fmt::Arguments<'_>) {
    let _ = io::Write::write_all(&mut io::stdout(), format!("{line}\n").as_bytes());
}

/// A thread that waits for a signal.
struct Waiting {
    handle: Handle,
    thread: JoinHandle<()>,
}

fn stop_on(mut signals: Signals, stopper: Stopper) -> io::Result<Waiting> {
    let handle = signals.handle();
    let thread = thread::Builder::new().name("signals".into()).spawn(move || {
        if signals.forever().next().is_some() {
            stopper.stop();
        }
    })?;
    Ok(Waiting { handle, thread })
}

impl Waiting {
    fn end(self) {
        self.handle.close();
        let _ = self.thread.join();
    }
}
