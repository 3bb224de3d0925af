//! Numbered frames both ways, and every entry point between them.

use std::time::Duration;

use model_wire::Station;
use udrv::clock::Clock;
use udrv::net::{Net, NetDevice};
use udrv::run::DeviceError;
use udrv_driver::{Entry, NetDriver};
use udrv_tests::frames::{Judge, Way};
use udrv_tests::host::HostEnd;
use udrv_tests::rig::{Hand, quick};
use udrv_tests::subject::Subject;
use udrv_tests::usb_rig::{self, UsbHand};

use super::{call, called, look, options};
use crate::finding::Finding;

/// Times that frames go both ways.
const ROUNDS: usize = 26;
/// Frames that go together, each way.
const BURST: u64 = 6;
/// Entry points that traffic calls.
const BY_TRAFFIC: [Entry; 3] = [Entry::Transmit, Entry::Interrupt, Entry::Poll];
/// What is waited for at once, and how often, until a frame counts as missing.
const MOMENT: Duration = Duration::from_millis(60);
const MOMENTS: usize = 30;

/// A card of PCI.
pub(super) fn card<S: Subject>(protected: bool, finding: &mut Finding) -> Result<(), DeviceError> {
    let options = options(quick(), protected);
    let clock = options.clock.clone();
    let Hand { around, device } = Hand::<S>::try_new(options, S::config())?;
    Traffic::new(device, &around.host, &around.station, clock).run(finding)
}

/// The adapter of USB.
pub(super) fn adapter(protected: bool, finding: &mut Finding) -> Result<(), DeviceError> {
    let options = options(quick(), protected);
    let clock = options.clock.clone();
    let UsbHand { around, device, .. } = UsbHand::try_new(options, usb_rig::config())?;
    Traffic::new(device, &around.host, &around.station, clock).run(finding)
}

struct Traffic<'a, D: NetDriver> {
    device: NetDevice<D>,
    host: &'a HostEnd,
    station: &'a Station,
    clock: Clock,
    down: Judge,
    up: Judge,
    sent: (u64, u64),
}

impl<'a, D: NetDriver> Traffic<'a, D> {
    fn new(device: NetDevice<D>, host: &'a HostEnd, station: &'a Station, clock: Clock) -> Self {
        Traffic { device, host, station, clock, down: Judge::new(Way::Down), up: Judge::new(Way::Up), sent: (0, 0) }
    }

    fn run(mut self, finding: &mut Finding) -> Result<(), DeviceError> {
        let used = self.use_it(finding);
        let looked = look(&mut self.device, finding);
        used.and(looked)?;
        self.device.shut_down()
    }

    fn use_it(&mut self, finding: &mut Finding) -> Result<(), DeviceError> {
        for round in 0..ROUNDS {
            self.exchange(BURST, finding)?;
            call(&mut self.device, called::<Net<D>>(&BY_TRAFFIC, round))?;
            self.turn(finding)?;
        }
        for _ in 0..MOMENTS {
            if (self.down.next(), self.up.next()) == self.sent {
                break;
            }
            self.pass(finding)?;
        }
        finding.missing = self.sent.0 - self.down.seen + self.sent.1 - self.up.seen;
        // and it works still
        let seen = (self.down.seen, self.up.seen);
        for _ in 0..MOMENTS {
            self.exchange(1, finding)?;
            self.pass(finding)?;
            finding.works = self.down.seen > seen.0 && self.up.seen > seen.1;
            if finding.works {
                break;
            }
        }
        Ok(())
    }

    /// Sends frames, and takes what comes at once.
    fn exchange(&mut self, count: u64, finding: &mut Finding) -> Result<(), DeviceError> {
        for _ in 0..count {
            if self.host.try_send(&Way::Down.frame(self.sent.0)) {
                self.sent.0 += 1;
            }
            self.station.inject(&Way::Up.frame(self.sent.1));
            self.sent.1 += 1;
        }
        self.turn(finding)
    }

    fn pass(&mut self, finding: &mut Finding) -> Result<(), DeviceError> {
        self.clock.turn(MOMENT);
        self.device.tick()?;
        self.turn(finding)
    }

    /// Until the device has nothing to do.
    fn turn(&mut self, finding: &mut Finding) -> Result<(), DeviceError> {
        /// Turns that may bring nothing, and that there may be.
        const IDLE: u32 = 2;
        const MOST: u32 = 200;
        self.device.pump_endpoint()?;
        let mut idle = 0;
        for _ in 0..MOST {
            idle = if self.device.is_called() || self.device.has_more() { 0 } else { idle + 1 };
            if idle > IDLE {
                break;
            }
            self.device.serve_interrupt()?;
        }
        for frame in self.station.drain() {
            if !frame.fcs_ok {
                finding.wrong("down: a frame with a wrong checksum".to_owned());
            } else if let Err(what) = self.down.take(&frame.data) {
                finding.wrong(format!("down: {what}"));
            }
        }
        let mut buffer = [0; 2048];
        while let Some(length) = self.host.try_receive(&mut buffer) {
            if let Err(what) = self.up.take(&buffer[..length]) {
                finding.wrong(format!("up: {what}"));
            }
        }
        Ok(())
    }
}
