//! The thread on which libusb says that transfers have ended, and that the device has left.
//!
//! Everything that it touches is ordinary memory (protection key 0), which is open on the thread that starts it and so on
//! it. All signals are blocked on it, and on the thread that libusb starts for itself: their handlers belong to others.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rusb::{Context, Device, Hotplug, HotplugBuilder, Registration, UsbContext};
use tracing::warn;

use super::queue::Queue;
use crate::threads::signals_blocked;

/// Runs until it is dropped.
#[derive(Debug)]
pub(super) struct Events {
    context: Context,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    _leaving: Registration<Context>, // dropped after the thread has ended, which may be in its callback
}

/// Tells the queue when one device leaves.
struct Leaving {
    bus: u8,
    address: u8,
    queue: Arc<Queue>,
}

impl Hotplug<Context> for Leaving {
    fn device_arrived(&mut self, _: Device<Context>) {}

    fn device_left(&mut self, device: Device<Context>) {
        if (device.bus_number(), device.address()) == (self.bus, self.address) {
            self.queue.leave();
        }
    }
}

/// Why it did not start.
pub(super) enum StartError {
    Libusb(rusb::Error),
    Thread(io::Error),
}

impl Events {
    /// Starts it for a device of `context`.
    pub(super) fn start(context: &Context, device: &Device<Context>, queue: &Arc<Queue>) -> Result<Self, StartError> {
        let leaving = Leaving { bus: device.bus_number(), address: device.address(), queue: queue.clone() };
        let registered = HotplugBuilder::new().register(context.clone(), Box::new(leaving));
        let _leaving = registered.map_err(StartError::Libusb)?;
        let stop = Arc::new(AtomicBool::new(false));
        let run = {
            let (context, stop, queue) = (context.clone(), stop.clone(), queue.clone());
            move || run(&context, &stop, &queue)
        };
        let thread = signals_blocked(|| std::thread::Builder::new().name("usb-events".into()).spawn(run));
        let thread = Some(thread.and_then(|spawned| spawned).map_err(StartError::Thread)?);
        Ok(Events { context: context.clone(), stop, thread, _leaving })
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.context.interrupt_handle_events(); // kept for the thread's next call if it is in none now
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            warn!("closing: the thread of libusb's events has panicked");
        }
    }
}

fn run(context: &Context, stop: &AtomicBool, queue: &Queue) {
    while !stop.load(Ordering::Acquire) {
        match context.handle_events(None) {
            Ok(()) | Err(rusb::Error::Interrupted) => {}
            Err(error) => {
                // no transfer would be heard of again: to whoever waits for one the device has gone
                warn!(%error, "libusb does not handle events any more");
                return queue.leave();
            }
        }
    }
}
