//! Numbered frames both ways through a device that the test turns by hand: what is in its rings when a call faults is as
//! the test has put it there.

use udrv::report::FaultReport;
use udrv::run::{Answer, Command};
use udrv_driver::{Entry, InjectedFault, Injection, Point};

use crate::frames::{Judge, Way};
use crate::rig::{Hand, quick};
use crate::subject::Subject;

/// A device turned by hand, and numbered frames through it.
pub struct Streams<S: Subject> {
    /// The device.
    pub hand: Hand<S>,
    /// What has arrived at the wire.
    pub down: Judge,
    /// What has arrived at the host.
    pub up: Judge,
    /// Frames that the host was given.
    pub sent_down: u64,
    /// Frames that the wire was given.
    pub sent_up: u64,
    buffer: Vec<u8>,
}

impl<S: Subject> Streams<S> {
    /// None yet.
    ///
    /// # Panics
    /// When the device does not start.
    #[must_use]
    pub fn new() -> Streams<S> {
        Streams {
            hand: Hand::new(quick(), S::config()),
            down: Judge::new(Way::Down),
            up: Judge::new(Way::Up),
            sent_down: 0,
            sent_up: 0,
            buffer: vec![0; 2048],
        }
    }

    /// Sends `count` frames each way.
    ///
    /// # Panics
    /// When the endpoint is full.
    pub fn send(&mut self, count: u64) {
        for _ in 0..count {
            assert!(self.hand.around.host.try_send(&Way::Down.frame(self.sent_down)));
            self.hand.around.station.inject(&Way::Up.frame(self.sent_up));
            (self.sent_down, self.sent_up) = (self.sent_down + 1, self.sent_up + 1);
        }
    }

    /// Turns until the device has nothing to do, and judges what has arrived.
    ///
    /// # Panics
    /// When that is wrong, or the device ends.
    pub fn settle(&mut self) {
        self.hand.settle().expect("it goes on");
        for frame in self.hand.around.station.drain() {
            assert!(frame.fcs_ok);
            self.down.take(&frame.data).expect("down");
        }
        while let Some(length) = self.hand.around.host.try_receive(&mut self.buffer) {
            self.up.take(&self.buffer[..length]).expect("up");
        }
    }

    /// All that was sent has arrived, once and in order.
    ///
    /// # Panics
    /// When it has not; `what` is in the message.
    pub fn expect_all(&mut self, what: &str) {
        self.settle();
        let arrived = (self.down.next(), self.up.next());
        assert_eq!(arrived, (self.sent_down, self.sent_up), "{what}");
        assert_eq!((self.down.missing, self.up.missing), (0, 0), "{what}");
    }

    /// Arms a fault for the next call.
    ///
    /// # Panics
    /// When the device has ended.
    pub fn inject(&mut self, entry: Entry, fault: InjectedFault, point: Point) {
        let injection = Injection { fault, point };
        self.hand.device.handle(Command::Inject { entry, injection, times: 1 }).expect("armed");
    }

    /// Has the device call `entry`; traffic calls the three that it calls.
    ///
    /// # Panics
    /// When it refuses.
    pub fn call(&mut self, entry: Entry) {
        if !matches!(entry, Entry::Transmit | Entry::Interrupt | Entry::Poll) {
            let answer = self.hand.device.handle(Command::Call(entry)).expect("it goes on");
            assert!(matches!(answer, Answer::Done), "{entry}: {answer:?}");
        }
    }

    /// The report of the last fault.
    ///
    /// # Panics
    /// When there was none.
    pub fn last_fault(&mut self) -> FaultReport {
        match self.hand.device.handle(Command::Faults(0)) {
            Ok(Answer::Faults(mut faults)) => faults.pop().expect("a report"),
            other => panic!("{other:?}"),
        }
    }
}

impl<S: Subject> Default for Streams<S> {
    fn default() -> Streams<S> {
        Streams::new()
    }
}
