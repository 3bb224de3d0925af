//! An adapter, a station on its wire, and the thread that serves it.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use model_pegasus::regs::{self, ctrl0, phy_power};
use model_pegasus::{Config, PegasusHandle, PegasusModel};
use model_serve_usb::{End, SessionError, Stopper};
use model_wire::{Station, Wire, WireConfig};
use udrv_bus::UsbDevice;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
/// What switches it on: register, value.
pub(crate) const START: [(u8, u8); 2] =
    [(regs::PHY_POWER, phy_power::ON), (regs::ETH_CTRL0, ctrl0::RX | ctrl0::TX | ctrl0::RX_STATUS)];

pub(crate) struct Bench {
    pub(crate) handle: PegasusHandle,
    pub(crate) wire: Wire,
    pub(crate) station: Station,
    pub(crate) stopper: Stopper,
    serving: Option<JoinHandle<Result<End, SessionError>>>,
}

pub(crate) fn adapter() -> (PegasusModel, PegasusHandle, Wire, Station) {
    let (wire, near, far) = Wire::new(WireConfig::default());
    let config = Config { control_cost: Duration::ZERO, ..Config::default() };
    let (nic, handle) = PegasusModel::new(config, near);
    (nic, handle, wire, Station::new(far))
}

impl Bench {
    /// Serves a new adapter on a thread; the client's end of the socket.
    pub(crate) fn serve(
        serve: impl FnOnce(UnixStream, Box<dyn UsbDevice>, &Stopper) -> Result<End, SessionError> + Send + 'static,
    ) -> (Bench, UnixStream) {
        let (nic, handle, wire, station) = adapter();
        let (ours, theirs) = UnixStream::pair().unwrap();
        theirs.set_read_timeout(Some(PATIENCE)).unwrap();
        let stopper = Stopper::new().unwrap();
        let stop = stopper.clone();
        let serving = Some(thread::spawn(move || serve(ours, Box::new(nic), &stop)));
        (Bench { handle, wire, station, stopper, serving }, theirs)
    }

    /// How serving ended; it must have a reason to.
    pub(crate) fn end(&mut self) -> Result<End, SessionError> {
        self.serving.take().expect("once").join().unwrap()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.stopper.stop();
        if let Some(serving) = self.serving.take() {
            let ended = serving.join();
            assert!(thread::panicking() || matches!(ended, Ok(Ok(_))), "{ended:?}");
        }
    }
}

pub(crate) fn stop_of(stopper: &Stopper) -> std::os::fd::BorrowedFd<'_> {
    stopper.as_fd()
}

/// Waits for what another thread does.
pub(crate) fn until(what: &str, is: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < end, "never: {what}");
        thread::yield_now();
    }
}

/// A frame of `len` bytes to `to`, filled with a count.
pub(crate) fn frame(to: [u8; 6], len: usize) -> Vec<u8> {
    let mut frame: Vec<u8> = (0..len).map(|i| i as u8).collect();
    frame[..6].copy_from_slice(&to);
    frame
}

/// The same behind its length, as it is sent.
pub(crate) fn to_send(len: usize) -> Vec<u8> {
    [&(len as u16).to_le_bytes()[..], &frame([2; 6], len)].concat()
}
