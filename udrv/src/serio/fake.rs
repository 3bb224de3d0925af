//! A serio port whose device says what a test has it say, on a clock that goes on only while somebody waits.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use nix::unistd::write;
use udrv_bus::{BusError, SerioByte, SerioId, SerioPort};

#[derive(Debug, Default)]
pub(crate) struct Inside {
    pub(crate) now: Duration,
    /// What comes, in order of time.
    coming: VecDeque<SerioByte>,
    /// What was read of it.
    pub(crate) said: Vec<u8>,
    /// What the device was sent.
    pub(crate) written: Vec<u8>,
    /// What the device says to each byte, milliseconds after it. Nothing once it is used up.
    script: VecDeque<Vec<(u64, u8)>>,
    pub(crate) gone: bool,
    /// Nobody has the port any more.
    pub(crate) closed: bool,
    event: Option<OwnedFd>,
}

pub(crate) struct Fake {
    inside: Arc<Mutex<Inside>>,
    pub(crate) id: SerioId,
}

#[derive(Clone)]
pub(crate) struct Hand(Arc<Mutex<Inside>>);

pub(crate) fn fake() -> (Fake, Hand) {
    let inside = Arc::new(Mutex::new(Inside::default()));
    (Fake { inside: inside.clone(), id: SerioId { kind: 1, protocol: 0 } }, Hand(inside))
}

impl Hand {
    pub(crate) fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap()
    }

    /// The device says these bytes to the next byte that it is sent, a millisecond after each other.
    pub(crate) fn answers(&self, bytes: &[u8]) {
        self.answers_at(&(1..).zip(bytes.iter().copied()).collect::<Vec<_>>());
    }

    /// The device says these bytes to the next byte that it is sent, each so many milliseconds after it.
    pub(crate) fn answers_at(&self, bytes: &[(u64, u8)]) {
        self.inside().script.push_back(bytes.to_vec());
    }

    /// The device says these bytes by itself, now and a millisecond after each other.
    pub(crate) fn says(&self, bytes: &[u8]) {
        let mut inside = self.inside();
        let now = inside.now;
        for (after, byte) in (0..).zip(bytes) {
            inside.comes(now + Duration::from_millis(after), *byte);
        }
    }

    pub(crate) fn rest(&self, milliseconds: u64) {
        self.inside().now += Duration::from_millis(milliseconds);
    }

    /// What was sent since this was asked last.
    pub(crate) fn written(&self) -> Vec<u8> {
        std::mem::take(&mut self.inside().written)
    }
}

impl Inside {
    fn comes(&mut self, at: Duration, value: u8) {
        let place = self.coming.partition_point(|byte| byte.at <= at);
        self.coming.insert(place, SerioByte { value, at });
        if let Some(event) = &self.event {
            write(event, &1_u64.to_ne_bytes()).unwrap();
        }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.inside.lock().unwrap().closed = true;
    }
}

impl SerioPort for Fake {
    fn name(&self) -> String {
        "fake".to_owned()
    }
    fn id(&self) -> SerioId {
        self.id
    }
    fn write(&mut self, byte: u8) -> Result<(), BusError> {
        let mut inside = self.inside.lock().unwrap();
        if inside.gone {
            return Err(BusError::Gone { operation: "write" });
        }
        inside.written.push(byte);
        let now = inside.now;
        for (after, value) in inside.script.pop_front().unwrap_or_default() {
            inside.comes(now + Duration::from_millis(after), value);
        }
        Ok(())
    }
    fn read(&mut self, patience: Duration) -> Result<Option<SerioByte>, BusError> {
        let mut inside = self.inside.lock().unwrap();
        let end = inside.now + patience;
        if let Some(byte) = inside.coming.front().copied().filter(|byte| byte.at <= end) {
            inside.coming.pop_front();
            inside.now = inside.now.max(byte.at);
            inside.said.push(byte.value);
            return Ok(Some(byte));
        }
        if inside.gone {
            return Err(BusError::Gone { operation: "read" });
        }
        inside.now = end;
        Ok(None)
    }
    fn now(&self) -> Duration {
        self.inside.lock().unwrap().now
    }
    fn announce(&mut self, event: Option<BorrowedFd<'_>>) -> Result<(), BusError> {
        let mut inside = self.inside.lock().unwrap();
        inside.event = event.map(|event| event.try_clone_to_owned().unwrap());
        if let Some(event) = inside.event.as_ref().filter(|_| !inside.coming.is_empty()) {
            write(event.as_fd(), &1_u64.to_ne_bytes()).unwrap();
        }
        Ok(())
    }
}
