//! A USB device whose every move is the test's.

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard};

use udrv_bus::{BusError, Completion, EndpointInfo, EndpointKind, Setup, Transfer, TransferStatus, UsbDevice, UsbId};

/// What has been done to it, and what it does.
#[derive(Default)]
pub(crate) struct Inside {
    /// Control transfers: the setup, and the bytes of one to the device.
    pub(crate) controls: Vec<(Setup, Vec<u8>)>,
    /// What the next control transfers become.
    pub(crate) control_errors: VecDeque<BusError>,
    /// Bytes that answers have at most.
    pub(crate) short: Option<usize>,
    /// Its registers.
    pub(crate) registers: Vec<u8>,
    /// Transfers under way.
    pub(crate) queued: Vec<Transfer>,
    /// What the next submissions become.
    pub(crate) submit_errors: VecDeque<BusError>,
    /// Transfers that have ended.
    pub(crate) done: VecDeque<Completion>,
    /// Endpoints on which transfers were cancelled, and those of which the halt was cleared.
    pub(crate) cancelled: Vec<u8>,
    pub(crate) cleared: Vec<u8>,
    /// What the next cancellations become.
    pub(crate) cancel_errors: VecDeque<BusError>,
    pub(crate) resets: u32,
    pub(crate) events: u32,
    pub(crate) gone: bool,
}

/// See the file's text.
pub(crate) struct Fake {
    inside: Arc<Mutex<Inside>>,
    pub(crate) id: UsbId,
    pub(crate) endpoints: Vec<EndpointInfo>,
}

/// The test's hand on it.
#[derive(Clone)]
pub(crate) struct Hand(Arc<Mutex<Inside>>);

/// Endpoints 0x81 and 0x02 in bulk, 0x83 by interrupts.
pub(crate) fn fake() -> (Fake, Hand) {
    let info = |address, kind| EndpointInfo { address, kind, max_packet: 64 };
    let endpoints =
        vec![info(0x81, EndpointKind::Bulk), info(0x02, EndpointKind::Bulk), info(0x83, EndpointKind::Interrupt)];
    let inside = Arc::new(Mutex::new(Inside { registers: (0..=255).collect(), ..Inside::default() }));
    (Fake { inside: inside.clone(), id: UsbId { vendor: 0x1234, product: 0xabcd }, endpoints }, Hand(inside))
}

impl Hand {
    pub(crate) fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap()
    }

    /// The oldest transfer of an endpoint ends, with these bytes if it is IN.
    pub(crate) fn end(&self, endpoint: u8, status: TransferStatus, bytes: &[u8]) {
        let mut inside = self.inside();
        let at = inside.queued.iter().position(|transfer| transfer.endpoint == endpoint).expect("one is queued");
        let Transfer { token, mut data, .. } = inside.queued.remove(at);
        let mut length = data.len();
        if endpoint & 0x80 != 0 {
            length = bytes.len();
            data[..length].copy_from_slice(bytes);
        }
        inside.done.push_back(Completion { endpoint, token, status, data, length });
    }

    /// Transfers that are under way on an endpoint.
    pub(crate) fn queued(&self, endpoint: u8) -> usize {
        self.inside().queued.iter().filter(|transfer| transfer.endpoint == endpoint).count()
    }

    /// What the last control transfer was.
    pub(crate) fn last_control(&self) -> (Setup, Vec<u8>) {
        self.inside().controls.last().expect("there was one").clone()
    }
}

impl Fake {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap()
    }

    fn present(&self, operation: &'static str) -> Result<(), BusError> {
        if self.inside().gone { Err(BusError::Gone { operation }) } else { Ok(()) }
    }
}

fn next(errors: &mut VecDeque<BusError>) -> Result<(), BusError> {
    errors.pop_front().map_or(Ok(()), Err)
}

impl UsbDevice for Fake {
    fn name(&self) -> String {
        "fake".to_owned()
    }
    fn id(&self) -> UsbId {
        self.id
    }
    fn endpoints(&self) -> &[EndpointInfo] {
        &self.endpoints
    }
    fn control_in(&mut self, setup: Setup, to: &mut [u8]) -> Result<usize, BusError> {
        self.present("control_in")?;
        let mut inside = self.inside();
        inside.controls.push((setup, Vec::new()));
        next(&mut inside.control_errors)?;
        let length = to.len().min(inside.short.unwrap_or(usize::MAX));
        let from = usize::from(setup.index);
        to[..length].copy_from_slice(&inside.registers[from..from + length]);
        Ok(length)
    }
    fn control_out(&mut self, setup: Setup, data: &[u8]) -> Result<(), BusError> {
        self.present("control_out")?;
        let mut inside = self.inside();
        inside.controls.push((setup, data.to_vec()));
        next(&mut inside.control_errors)
    }
    fn submit(&mut self, transfer: Transfer) -> Result<(), BusError> {
        self.present("submit")?;
        let mut inside = self.inside();
        next(&mut inside.submit_errors)?;
        inside.queued.push(transfer);
        Ok(())
    }
    fn reap(&mut self) -> Option<Completion> {
        self.inside().done.pop_front()
    }
    fn cancel(&mut self, endpoint: u8) -> Result<(), BusError> {
        let mut inside = self.inside();
        inside.cancelled.push(endpoint);
        next(&mut inside.cancel_errors)?;
        let (ended, left) = std::mem::take(&mut inside.queued).into_iter().partition(|t| t.endpoint == endpoint);
        inside.queued = left;
        let ended: Vec<Transfer> = ended;
        let status = TransferStatus::Cancelled;
        inside.done.extend(ended.into_iter().map(|Transfer { endpoint, token, data, .. }| Completion {
            endpoint,
            token,
            status,
            data,
            length: 0,
        }));
        Ok(())
    }
    fn clear_halt(&mut self, endpoint: u8) -> Result<(), BusError> {
        self.present("clear_halt")?;
        let mut inside = self.inside();
        assert!(inside.queued.iter().all(|transfer| transfer.endpoint != endpoint), "transfers are queued");
        inside.cleared.push(endpoint);
        Ok(())
    }
    fn set_event(&mut self, _: BorrowedFd<'_>) -> Result<(), BusError> {
        self.inside().events += 1;
        Ok(())
    }
    fn reset(&mut self) -> Result<(), BusError> {
        self.present("reset")?;
        let mut inside = self.inside();
        inside.resets += 1;
        Ok(())
    }
}
