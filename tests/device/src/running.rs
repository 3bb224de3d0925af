//! A device on a thread of its own, as in udrvd, and what can be asked of it: whatever bus it is on.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::JoinHandle;

use udrv::report::FaultReport;
use udrv::run::{Answer, Class, Command, Commander, DeviceError, Status, commands};
use udrv_driver::{Entry, InjectedFault, Injection, Point};

use crate::{PATIENCE, wait_until};

/// See the module's text.
pub struct Running {
    commander: Commander,
    thread: Option<JoinHandle<Result<(), DeviceError>>>,
}

impl Running {
    /// Has a device run.
    ///
    /// # Errors
    /// When there are no descriptors for its commands.
    ///
    /// # Panics
    /// When there are no threads.
    pub fn new<C: Class>(device: udrv::run::Running<C>) -> Result<Running, DeviceError>
    where
        udrv::run::Running<C>: Send,
    {
        let (commander, inbox) = commands()?;
        let thread = std::thread::Builder::new().name("device".into()).spawn(move || device.run(&inbox).map(drop));
        Ok(Running { commander, thread: Some(thread.expect("a thread")) })
    }

    /// Asks the device. `None`: it has stopped.
    ///
    /// # Panics
    /// When it does not answer within [`PATIENCE`]: it hangs.
    #[must_use]
    pub fn ask(&self, command: Command) -> Option<Answer> {
        let (sender, receiver) = channel();
        let commander = self.commander.clone();
        let asked = command.clone();
        std::thread::spawn(move || sender.send(commander.ask(asked)));
        match receiver.recv_timeout(PATIENCE) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => panic!("the device hangs: no answer to {command:?}"),
            Err(RecvTimeoutError::Disconnected) => panic!("the device's thread has died"),
        }
    }

    /// Its state.
    ///
    /// # Panics
    /// When it has stopped.
    #[must_use]
    pub fn status(&self) -> Status {
        match self.ask(Command::Status) {
            Some(Answer::Status(status)) => *status,
            other => panic!("status: {other:?}"),
        }
    }

    /// Fault reports above number `after`.
    ///
    /// # Panics
    /// When it has stopped.
    #[must_use]
    pub fn faults(&self, after: u64) -> Vec<FaultReport> {
        match self.ask(Command::Faults(after)) {
            Some(Answer::Faults(faults)) => faults,
            other => panic!("faults: {other:?}"),
        }
    }

    /// Arms a fault for the next `times` calls.
    ///
    /// # Panics
    /// When it has stopped.
    pub fn inject(&self, entry: Entry, fault: InjectedFault, point: Point, times: u32) {
        let command = Command::Inject { entry, injection: Injection { fault, point }, times };
        assert!(matches!(self.ask(command), Some(Answer::Done)));
    }

    /// Calls an entry point with the values in force.
    ///
    /// # Errors
    /// What the device says to that; it may have stopped.
    pub fn call(&self, entry: Entry) -> Result<(), String> {
        match self.ask(Command::Call(entry)) {
            Some(Answer::Done) => Ok(()),
            Some(Answer::Refused(why)) => Err(why),
            other => Err(format!("{other:?}")),
        }
    }

    /// Whether its thread has ended by itself.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Stops it and gives what `run` gave.
    ///
    /// # Errors
    /// As [`udrv::run::Running::run`].
    ///
    /// # Panics
    /// When it does not stop within [`PATIENCE`], or panicked.
    pub fn stop(mut self) -> Result<(), DeviceError> {
        if !self.has_ended() {
            let _ = self.ask(Command::Stop);
        }
        let thread = self.thread.take().expect("stopped once");
        wait_until("the device's thread ends", || thread.is_finished());
        thread.join().expect("the device's thread does not panic")
    }
}
