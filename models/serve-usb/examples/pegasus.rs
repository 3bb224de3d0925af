//! A Pegasus with a host at the far end of its cable (10.0.2.2), for Linux's own driver.
//!
//! `pegasus [CHIP] redir SOCKET` serves QEMU's usb-redir at a path, until a signal. `pegasus [CHIP] vhci ATTACH` attaches it
//! to the kernel that it runs under, whose file of that name is `/sys/devices/platform/vhci_hcd.0/attach`, until it is
//! detached there. On standard input it takes `unplug`, `replug`, `cable out`, `cable in` and `counters`.

use std::error::Error;
use std::io::BufRead;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};

use model_pegasus::{PegasusHandle, PegasusModel, VARIANTS};
use model_serve_usb::{End, Protocol, Server, Stopper, usbip};
use model_wire::{FarHost, FarHostConfig, Wire, WireConfig};
use udrv_bus::{BusError, UsbDevice};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let variant = VARIANTS.iter().find(|(name, _)| arguments.first().is_some_and(|first| first == name));
    if variant.is_some() {
        arguments.remove(0);
    }
    let (_, config) = variant.unwrap_or(&VARIANTS[0]);
    let (wire, near, far) = Wire::new(WireConfig::default());
    let _host = FarHost::start(far, FarHostConfig { line_rate: Some(10_000_000), ..FarHostConfig::default() })?;
    let (nic, bench) = PegasusModel::new(config(), near);
    let plugged = obey(bench.clone(), wire);
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["redir", socket] => {
            drop(nic);
            let server = Server::bind(Path::new(socket), Protocol::UsbRedir)?;
            println!("serving at {socket}");
            server.run(|| open(&bench, &plugged))?;
        }
        ["vhci", attach] => {
            let mut device: Box<dyn UsbDevice> = Box::new(nic);
            loop {
                let (ours, linux) = UnixStream::pair()?;
                usbip::attach(Path::new(attach), 0, linux.as_fd(), &*device)?;
                drop(linux);
                println!("attached");
                if usbip::serve(ours, device, Stopper::new()?.as_fd())? != End::Unplugged {
                    break;
                }
                println!("unplugged");
                device = open(&bench, &plugged)?;
            }
        }
        _ => {
            let chips: Vec<&str> = VARIANTS.iter().map(|(name, _)| *name).collect();
            return Err(format!("usage: pegasus [{}] redir SOCKET | vhci ATTACH", chips.join("|")).into());
        }
    }
    Ok(())
}

/// Opens it, and waits for it if it is unplugged.
fn open(bench: &PegasusHandle, plugged: &Receiver<()>) -> Result<Box<dyn UsbDevice>, BusError> {
    loop {
        match bench.open() {
            Ok(device) => return Ok(Box::new(device)),
            Err(error @ BusError::Gone { .. }) => plugged.recv().map_err(|_| error)?,
            Err(error) => return Err(error),
        }
    }
}

/// Does what standard input says; each `replug` is told.
fn obey(bench: PegasusHandle, wire: Wire) -> Receiver<()> {
    let (told, plugged) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            match line.trim() {
                "unplug" => bench.unplug(),
                "replug" => {
                    bench.replug();
                    // nobody waits when it ends
                    let _ = told.send(());
                }
                "cable out" => wire.set_link(false),
                "cable in" => wire.set_link(true),
                "counters" => println!("{:?}", bench.counters()),
                other => eprintln!("{other:?} is none of: unplug, replug, cable out, cable in, counters"),
            }
        }
    });
    plugged
}
