//! The server: sockets, one client after the other.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::thread::{self, JoinHandle};

use model_pegasus::PegasusHandle;
use model_serve_usb::{Protocol, ServeError, Server, Stopper};
use tempfile::TempDir;
use udrv_bus::{BusError, UsbDevice};

use crate::bench::{PATIENCE, adapter, until};
use crate::usbredir::Qemu;

struct Served {
    folder: TempDir,
    handle: PegasusHandle,
    stopper: Stopper,
    opened: Arc<AtomicU32>,
    thread: Option<JoinHandle<Result<(), ServeError>>>,
}

impl Served {
    fn new(protocol: Protocol) -> Served {
        let (nic, handle, _, _) = adapter();
        drop(nic);
        let folder = tempfile::tempdir().unwrap();
        let server = Server::bind(&folder.path().join("usb.sock"), protocol).unwrap();
        let (stopper, opened) = (server.stopper(), Arc::<AtomicU32>::default());
        let (open, count) = (handle.clone(), opened.clone());
        let thread = Some(thread::spawn(move || {
            server.run(|| {
                count.fetch_add(1, SeqCst);
                Ok(Box::new(open.open()?) as Box<dyn UsbDevice>)
            })
        }));
        Served { folder, handle, stopper, opened, thread }
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.folder.path().join("usb.sock")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn stop(&mut self) -> Result<(), ServeError> {
        self.stopper.stop();
        self.thread.take().unwrap().join().unwrap()
    }
}

#[test]
fn one_client_after_the_other_and_each_gets_it_newly_opened() {
    for protocol in [Protocol::UsbIp, Protocol::UsbRedir] {
        let mut served = Served::new(protocol);
        for n in 1..=3 {
            let client = served.connect();
            if protocol == Protocol::UsbRedir {
                Qemu::greet(client.try_clone().unwrap(), 0).description();
            }
            until("it is opened", || served.opened.load(SeqCst) == n);
        }
        served.stop().unwrap();
        assert!(!served.folder.path().join("usb.sock").exists());
        assert!(served.handle.open().is_ok());
    }
}

/// Who comes while there is nothing is cut off, and who comes later is served.
#[test]
fn an_unplugged_device_is_no_error_of_the_server() {
    let mut served = Served::new(Protocol::UsbRedir);
    let mut qemu = Qemu::greet(served.connect(), 1 << 5);
    qemu.description();
    served.handle.unplug();
    assert_eq!(qemu.get().kind, 2, "disconnected");
    assert_eq!(qemu.stream.read(&mut [0; 1]).unwrap(), 0);
    let mut nobody = served.connect();
    // Our hello may have been there before the end.
    let mut rest = Vec::new();
    let _ = nobody.read_to_end(&mut rest);
    assert!(rest.is_empty() || rest.len() == 80);
    served.handle.replug();
    Qemu::greet(served.connect(), 1 << 5).description();
    served.stop().unwrap();
}

#[test]
fn a_device_that_cannot_be_opened_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("usb.sock");
    let server = Server::bind(&path, Protocol::UsbIp).unwrap();
    assert!(matches!(Server::bind(&path, Protocol::UsbIp), Err(ServeError::Exists(_))));
    let _client = UnixStream::connect(&path).unwrap();
    let ended = server.run(|| Err(BusError::Unsupported("opening it twice")));
    assert!(matches!(ended, Err(ServeError::Model(BusError::Unsupported(_)))));
}
