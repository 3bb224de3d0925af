//! `udrvctl model serve`: a model in this process, for a driver in another one.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use model_serve::{Cable, ServeError, Server, Stopper};
use model_serve_usb::{End, Protocol, SessionError, usbip};
use model_wire::{FarHost, FarHostConfig, FarPort, WireConfig};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use crate::models::{Card, Model, ParseModelError};

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
    /// The client was cut off.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// Threads or signals could not be had.
    #[error("cannot start: {0}")]
    Start(#[from] io::Error),
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

impl FarEnd {
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

/// Serves model `name` at `socket` until SIGTERM or SIGINT: a card on PCI over vfio-user, an adapter on USB over usb-redir.
/// Says what it serves on standard output once clients can connect.
///
/// # Errors
/// [`ServeModelError`].
pub fn serve(name: &str, socket: &Path, far_end: &FarEnd) -> Result<(), ServeModelError> {
    let model: Model = name.parse()?;
    // before there is a socket: nothing may be left behind by a signal
    let signals = Signals::new([SIGTERM, SIGINT])?;
    let (card, port) = build(&model, far_end);
    let path = socket.display();
    match card {
        Card::Pci(function, mut reopen) => {
            let server = Server::bind(socket)?;
            let _there = far_end.put(port)?;
            let waiting = stop_on(signals, server.stopper())?;
            tell(format_args!("serving model:{model} at {path}{far_end}; connect one client: vfio-user:{path}"));
            drop(function); // each client opens the card for itself
            let served = server.run(&mut reopen);
            waiting.end();
            Ok(served?)
        }
        Card::Usb(device, mut reopen) => {
            let server = model_serve_usb::Server::bind(socket, Protocol::UsbRedir)?;
            let _there = far_end.put(port)?;
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
    }
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
    let _there = far_end.put(wire)?;
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

fn build(model: &Model, far_end: &FarEnd) -> (Card, FarPort) {
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
