//! Numbered frames both ways.

use std::time::{Duration, Instant};

use model_wire::Station;
use pegasus::Pegasus;
use udrv::net::NetDevice;
use udrv::run::{Answer, Command, DeviceError, Memory, Options};
use udrv_driver::{Entry, NetDriver};
use udrv_tests::frames::{Judge, Way};
use udrv_tests::host::HostEnd;
use udrv_tests::rig::{Hand, Surroundings, quick};
use udrv_tests::subject::Subject;
use udrv_tests::usb_rig::{self, UsbEnds, UsbHand};

use super::{Device, Work};

/// Frames that go together, each way: no ring is filled by them.
const BURST: u64 = 8;
/// The device is looked at so often, for what it does not tell.
const TICK: Duration = Duration::from_millis(25);
/// Turns in a round, at most, and turns that may bring nothing.
const MOST: u32 = 200;
const IDLE: u32 = 2;

/// Both ends of a network device, and the back door of its model.
pub(crate) trait Around {
    /// The host's end.
    fn host(&self) -> &HostEnd;
    /// The other end of the wire.
    fn station(&self) -> &Station;
}

impl<S: Subject> Around for Surroundings<S> {
    fn host(&self) -> &HostEnd {
        &self.host
    }
    fn station(&self) -> &Station {
        &self.station
    }
}

impl Around for UsbEnds {
    fn host(&self) -> &HostEnd {
        &self.host
    }
    fn station(&self) -> &Station {
        &self.station
    }
}

/// A network driver on its model.
pub(crate) struct Net<D: NetDriver, A> {
    device: NetDevice<D>,
    /// What is at both its ends.
    pub(crate) around: A,
    down: Judge,
    up: Judge,
    sent: (u64, u64),
    ticked: Instant,
    frame: Vec<u8>,
}

/// A card of PCI on its model.
pub(crate) type Card<S> = Net<<S as Subject>::Driver, Surroundings<S>>;
/// The adapter of USB on its model.
pub(crate) type Adapter = Net<Pegasus, UsbEnds>;

/// How a network device is run here: as the tests have it, with the deadline that users have.
pub(crate) fn options() -> Options {
    Options { deadline: Options::default().deadline, ..quick() }
}

/// A card of PCI.
pub(crate) fn card<S: Subject>(options: Options) -> Result<Card<S>, DeviceError> {
    let Hand { around, device } = Hand::<S>::try_new(options, S::config())?;
    Ok(Net::new(device, around))
}

/// The adapter of USB.
pub(crate) fn adapter(options: Options) -> Result<Adapter, DeviceError> {
    let UsbHand { around, device, .. } = UsbHand::try_new(options, usb_rig::config())?;
    Ok(Net::new(device, around))
}

impl<D: NetDriver, A: Around> Net<D, A> {
    fn new(device: NetDevice<D>, around: A) -> Self {
        let (down, up) = (Judge::new(Way::Down), Judge::new(Way::Up));
        Net { device, around, down, up, sent: (0, 0), ticked: Instant::now(), frame: Vec::with_capacity(2048) }
    }

    /// Until the device has nothing to do.
    fn turn(&mut self) -> Result<(), DeviceError> {
        self.device.pump_endpoint()?;
        let mut idle = 0;
        for _ in 0..MOST {
            idle = if self.device.is_called() || self.device.has_more() { 0 } else { idle + 1 };
            if idle > IDLE {
                break;
            }
            self.device.serve_interrupt()?;
        }
        Ok(())
    }
}

impl<D: NetDriver, A: Around> Device for Net<D, A> {
    fn entries(&self) -> &'static [Entry] {
        &Entry::NET
    }

    fn by_work(&self) -> &'static [Entry] {
        &[Entry::Transmit, Entry::Interrupt, Entry::Poll]
    }

    fn ask(&mut self, command: Command) -> Result<Answer, DeviceError> {
        self.device.handle(command)
    }

    fn work(&mut self, work: &mut Work) -> Result<(), DeviceError> {
        for _ in 0..BURST {
            Way::Down.write(self.sent.0, &mut self.frame);
            self.sent.0 += u64::from(self.around.host().try_send(&self.frame));
            Way::Up.write(self.sent.1, &mut self.frame);
            self.around.station().inject(&self.frame);
            self.sent.1 += 1;
        }
        self.turn()?;
        if self.ticked.elapsed() > TICK {
            self.ticked = Instant::now();
            self.device.tick()?;
            self.turn()?;
        }
        let before = (self.down.seen + self.up.seen, self.down.missing + self.up.missing);
        for frame in self.around.station().drain() {
            if !frame.fcs_ok {
                work.wrong(|| "down: a frame with a wrong checksum".to_owned());
            } else if let Err(what) = self.down.take(&frame.data) {
                work.wrong(|| format!("down: {what}"));
            }
        }
        let mut buffer = [0; 2048];
        while let Some(length) = self.around.host().try_receive(&mut buffer) {
            if let Err(what) = self.up.take(&buffer[..length]) {
                work.wrong(|| format!("up: {what}"));
            }
        }
        work.units += self.down.seen + self.up.seen - before.0;
        work.missing += self.down.missing + self.up.missing - before.1;
        Ok(())
    }

    fn memory(&self) -> Memory {
        self.device.memory_use()
    }
}
