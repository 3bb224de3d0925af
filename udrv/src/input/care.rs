//! What is done when the device is out of step, new, or silent.
//!
//! A device that moves is not stopped because it refuses a command. So where it cannot be asked which buttons are down they are let
//! go, and it is listened to all the same: the next report says it. Only one that was reset and cannot be set up again, which would
//! be silent for ever, goes up the ladder ([`crate::run`]).

use udrv_driver::{Entry, Error, InputDriver, InputEvents, Kind, RegisterInfo};

use super::{InputDevice, Presence};
use crate::host::Host;
use crate::ledger::Ledger;
use crate::run::{CallError, DeviceError};
use crate::supervisor::quarantine::Version;

/// Calls of `interrupt` in a row: a device that sends without end leaves time for others.
const ROUNDS: u32 = 8;

impl<D: InputDriver> InputDevice<D> {
    /// Takes what the device has sent until there is no more, or something else is to be done first. How often something had come,
    /// and what it was.
    pub(super) fn take_reports(&mut self) -> Result<(u64, InputEvents), DeviceError> {
        let (mut work, mut all) = (0, InputEvents::NONE);
        self.leave_causes(true);
        for _ in 0..ROUNDS {
            let events = match self.call_interrupt() {
                Ok(events) => events,
                Err(CallError::Fault(_)) if self.failed.is_none() => continue,
                Err(CallError::Quarantined) => {
                    self.class.asleep = true;
                    self.class.let_go();
                    break;
                }
                Err(CallError::Driver(error)) => {
                    self.after_error(Entry::Interrupt, error)?;
                    break;
                }
                Err(source) => return Err(self.entry_error(Entry::Interrupt, source)),
            };
            if std::mem::take(&mut self.class.asleep) {
                self.class.asks = true;
            }
            if events == InputEvents::NONE {
                self.leave_causes(false);
                break;
            }
            work += 1;
            all = all | events;
            if events.has(InputEvents::NEW) || events.has(InputEvents::OUT_OF_STEP) {
                break;
            }
        }
        if work > 0 {
            self.class.heard = self.clock();
        }
        Ok((work, all))
    }

    /// `interrupt`, or the second version of it.
    ///
    /// What it says has come must have come: one that takes nothing and says otherwise would be called for ever.
    fn call_interrupt(&mut self) -> Result<InputEvents, CallError> {
        let has_queue = const { has_queue(D::REGISTERS) };
        let valid = |events: &InputEvents, host: &Host, _: &Ledger| {
            *events == InputEvents::NONE || !has_queue || host.window.has_taken()
        };
        match (self.version(Entry::Interrupt), D::ALTERNATES.interrupt) {
            (Version::Alternate, Some(second)) => self.call_version(Entry::Interrupt, true, &[], second, valid),
            _ => self.call(Entry::Interrupt, |cx| D::interrupt(cx), valid),
        }
    }

    /// What is to be done before anything else can.
    pub(super) fn settle(&mut self) -> Result<(), DeviceError> {
        if self.class.shows {
            self.show()?;
        }
        if self.is_down() {
            // recovery asks when it is over
            self.class.asks = false;
            self.class.let_go();
        } else if self.class.asks && !self.class.asleep {
            self.ask()?;
        }
        self.endpoint_works()
    }

    /// Asks which buttons are down.
    pub(super) fn ask(&mut self) -> Result<(), DeviceError> {
        if self.class.presence == Presence::Foreign {
            self.class.asks = false;
            return Ok(());
        }
        self.class.counters.polls += 1;
        self.class.counters.breaks += 1;
        let asked = self.entry(Entry::Poll, |cx| D::poll(cx));
        // recovery may have wanted it too: that was this one, or it is as vain
        self.class.asks = false;
        match asked {
            Ok(()) => {
                (self.class.presence, self.class.mended) = (Presence::Here, false);
                Ok(())
            }
            // reports are to be taken first
            Err(DeviceError::Entry { source: CallError::Driver(Error::Busy), .. }) => {
                self.class.asks = true;
                Ok(())
            }
            Err(error) => {
                self.class.let_go();
                let talks = matches!(
                    &error,
                    DeviceError::Entry {
                        source: CallError::Driver(Error::Nonsense { .. } | Error::Timeout { .. }),
                        ..
                    }
                );
                self.bear(error)?;
                // it understands what it is asked, and may be set otherwise than the state has it
                if talks && !std::mem::replace(&mut self.class.mended, true) {
                    self.mend();
                }
                Ok(())
            }
        }
    }

    /// Restores the device, which moves or may not. One that was restored by half is restored again from time to time.
    pub(super) fn mend(&mut self) {
        self.class.half_set = !self.restore_once(Entry::Poll);
        if self.class.half_set {
            tracing::warn!(device = %self.name, "it is to be restored again");
        }
    }

    /// The device has done something wrong without which it works on, or is silent.
    pub(super) fn bear(&mut self, error: DeviceError) -> Result<(), DeviceError> {
        let Err(error) = self.noted(Err::<(), _>(error)) else { return Ok(()) };
        match &error {
            DeviceError::Entry { source: CallError::Driver(Error::Gone), .. } if !self.was_unplugged(&error) => {
                if self.class.presence == Presence::Here {
                    tracing::warn!(device = %self.name, "nobody answers; waiting for who is plugged in");
                    self.class.presence = Presence::Silent;
                }
                Ok(())
            }
            DeviceError::Entry { source, .. } if *source != CallError::Driver(Error::Gone) => {
                tracing::warn!(device = %self.name, %error, "it works on without");
                Ok(())
            }
            _ => Err(error),
        }
    }

    /// Somebody has been plugged in, or the device has been reset.
    pub(super) fn reconnect(&mut self) -> Result<(), DeviceError> {
        self.class.counters.breaks += 1;
        self.class.restarted = false;
        let reconnected = self.entry(Entry::Reconnect, |cx| D::reconnect(cx));
        let restarted = self.class.restarted && self.failed.is_none();
        if reconnected.is_ok() || restarted {
            self.class.counters.reconnects += 1;
        }
        if reconnected.is_ok() {
            if self.class.presence != Presence::Here {
                tracing::info!(device = %self.name, "it is there again");
            }
            self.class.presence = Presence::Here;
            (self.class.shows, self.class.asks) = (true, true);
            return Ok(());
        }
        // a restart after a fault has set it up
        if restarted {
            return Ok(());
        }
        self.class.let_go();
        let Err(error) = reconnected else { return Ok(()) };
        match &error {
            DeviceError::Entry { source: CallError::Driver(Error::NotThisDevice), .. } => {
                tracing::warn!(
                    device = %self.name,
                    "what is plugged in now is no device for the driver {}, a keyboard perhaps: plug in the one that was there",
                    D::NAME
                );
                self.class.presence = Presence::Foreign;
                Ok(())
            }
            DeviceError::Entry { source: CallError::Driver(Error::Gone), .. } => self.bear(error),
            DeviceError::Entry { source: CallError::Driver(wrong), .. } => self.after_error(Entry::Reconnect, *wrong),
            DeviceError::Entry { .. } if self.restart_for(Entry::Reconnect) => Ok(()),
            _ => {
                self.failed.get_or_insert_with(|| error.to_string());
                Err(self.given_up().unwrap_or(error))
            }
        }
    }
}

/// Whether what has come is taken out of a register.
const fn has_queue(map: &[RegisterInfo]) -> bool {
    let mut at = 0;
    while at < map.len() {
        if matches!(map[at].kind, Kind::Fifo) {
            return true;
        }
        at += 1;
    }
    false
}
