//! A device on an adapter that does wrong, and what may become of it.

use std::time::Instant;

use model_pegasus::{Misbehave, Variant};
use udrv::run::{DeviceError, Options};
use udrv_tests::rig::quick;
use udrv_tests::traffic::{BOUND, Ends, Traffic};
use udrv_tests::usb_rig::{UsbRig, of, plug};
use udrv_tests::wait_until;

/// Starts on an adapter that misbehaves, within bounds.
pub(crate) fn start(trouble: impl FnOnce(&mut Misbehave)) -> Result<UsbRig, DeviceError> {
    start_with(quick(), trouble)
}

pub(crate) fn start_with(options: Options, trouble: impl FnOnce(&mut Misbehave)) -> Result<UsbRig, DeviceError> {
    let (around, opened, endpoint) = plug(of(Variant::An986));
    around.bench.misbehave(trouble);
    let begin = Instant::now();
    let started = UsbRig::start_on(around, opened, endpoint, options);
    assert!(begin.elapsed() < BOUND, "{:?}", begin.elapsed());
    started.map_err(|failed| failed.0)
}

/// One line, with these words.
pub(crate) fn refused(started: Result<UsbRig, DeviceError>, words: &[&str]) {
    let message = started.err().expect("refused").to_string();
    assert!(!message.contains('\n') && message.starts_with("model:pegasus"), "{message}");
    assert!(words.iter().all(|word| message.contains(word)), "{words:?} are not all in: {message}");
}

/// A device in traffic; then the adapter misbehaves.
pub(crate) fn in_traffic(trouble: impl FnOnce(&mut Misbehave)) -> (UsbRig, Traffic) {
    let rig = UsbRig::new(of(Variant::An986));
    let mut traffic = Traffic::new();
    traffic.flows(&rig, "before");
    rig.around.bench.misbehave(trouble);
    (rig, traffic)
}

/// The truth again: it flows by itself. Frames that were damaged on their way are gone by then.
pub(crate) fn recovers(rig: UsbRig, sent: u64, what: &str) {
    rig.around.bench.misbehave(|m| *m = Misbehave::none());
    let mut buffer = [0; 2048];
    let begin = Instant::now();
    let mut fresh = Traffic { sent, ..Traffic::new() };
    while fresh.down.next().min(fresh.up.next()) <= sent {
        assert!(!rig.has_ended() && begin.elapsed() < BOUND, "{what}: {}", told(&rig));
        fresh.send(&rig, 1);
        let _ = rig.status();
        for frame in rig.station().drain() {
            let _ = fresh.down.take(&frame.data);
        }
        while let Some(length) = rig.host().try_receive(&mut buffer) {
            let _ = fresh.up.take(&buffer[..length]);
        }
    }
    let begin = Instant::now();
    rig.stop().0.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(begin.elapsed() < BOUND, "{what}");
}

/// What a failure should tell.
pub(crate) fn told(rig: &UsbRig) -> String {
    let status = rig.status();
    format!(
        "{:?} {:?} {:?} {} restarts",
        status.net().traffic,
        status.device_faults,
        status.interrupts,
        status.restarts
    )
}

/// It ends by itself, with one line that has these words.
pub(crate) fn ends(rig: UsbRig, words: &[&str]) {
    let begin = Instant::now();
    wait_until("it ends", || rig.has_ended());
    assert!(begin.elapsed() < BOUND, "{:?}", begin.elapsed());
    let message = rig.stop().0.expect_err("an error of its own").to_string();
    assert!(!message.contains('\n') && words.iter().all(|word| message.contains(word)), "{message}");
}
