//! The adapter is pulled out at every moment there is, and comes back: the interface stays, nothing comes twice, nothing leaks.

use std::time::Instant;

use model_pegasus::{Config, Variant, regs};
use udrv_driver::MacAddress;
use udrv_tests::rig::{is_emulated, quick};
use udrv_tests::traffic::{BOUND, Traffic};
use udrv_tests::usb_rig::{UsbEnds, UsbRig, config, of, plug};
use udrv_tests::wait_until;

const SECOND: [u8; 6] = [0x02, 0, 0, 0, 0, 0x77];

/// Where a life was when the adapter left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// It was not running yet.
    Starting,
    /// It ran.
    Running,
    /// It was told to stop.
    Stopping,
    /// It had stopped.
    Never,
}

/// One clear line.
fn expect_line(message: &str) {
    let words = ["model:pegasus: ", " failed: the device is gone (", "it was unplugged: plug it in again"];
    assert!(words.iter().all(|word| message.contains(word)) && !message.contains('\n'), "{message}");
}

/// Whether the bit for all frames is set in the chip.
fn is_promiscuous(ends: &UsbEnds) -> bool {
    ends.bench.register(regs::ETH_CTRL2) & regs::ctrl2::PROMISCUOUS != 0
}

/// Waits for something of the device, or its leaving. False: it has left.
fn here(rig: &UsbRig, what: &str, mut ready: impl FnMut(&UsbRig) -> bool) -> bool {
    wait_until(what, || ready(rig) || !rig.around.bench.is_plugged());
    rig.around.bench.is_plugged()
}

/// What a device does in its life. False: it has left on the way.
fn live(rig: &UsbRig, traffic: &mut Traffic) -> bool {
    let host = &rig.around.host;
    let mut frames = |rig: &UsbRig, count| {
        traffic.send(rig, count);
        here(rig, "frames both ways", |rig| {
            traffic.take(rig);
            (traffic.down.next(), traffic.up.next()) == (traffic.sent, traffic.sent)
        })
    };
    if !here(rig, "carrier", |rig| rig.around.host.carrier()) || !frames(rig, 3) {
        return false;
    }
    rig.around.wire.set_link(false);
    let down = here(rig, "no carrier", |rig| !rig.around.host.carrier());
    rig.around.wire.set_link(true);
    if !down || !here(rig, "carrier", |rig| rig.around.host.carrier()) {
        return false;
    }
    host.administer(|wanted| wanted.promiscuous = true);
    if !here(rig, "all frames", |rig| is_promiscuous(&rig.around)) {
        return false;
    }
    host.administer(|wanted| wanted.mac = SECOND);
    here(rig, "another address", |rig| rig.around.station_address() == SECOND) && frames(rig, 3)
}

/// The adapter is out; it is put in again, and all is as it was told.
fn come_back(rig: &UsbRig, traffic: &mut Traffic, what: &str) {
    wait_until(&format!("{what}: the carrier goes"), || !rig.around.host.carrier());
    assert!(!rig.has_ended(), "{what}: it waits");
    let _ = rig.status();
    rig.around.bench.misbehave(|m| m.unplug_at = 0);
    rig.around.bench.replug();
    wait_until(&format!("{what}: the carrier comes"), || rig.around.host.carrier());
    traffic.flows(rig, what);
    // what the administrator wanted on its way out, too
    wait_until(&format!("{what}: all is as the interface has it"), || {
        let wanted = rig.around.host.wanted();
        (rig.around.station_address(), is_promiscuous(&rig.around)) == (wanted.mac, wanted.promiscuous)
    });
    let status = rig.status();
    assert_eq!(status.net().mac, MacAddress(rig.around.station_address()).to_string(), "{what}");
    assert!(status.canary_intact && status.restarts > 0 && status.faults == 0, "{what}: {status:#?}");
}

/// A life in which the adapter leaves with the n-th transfer.
fn life(config: Config, n: u32) -> Left {
    let what = format!("unplugged with transfer {n}");
    let (around, opened, endpoint) = plug(config);
    let begin = Instant::now();
    around.bench.misbehave(|m| m.unplug_at = n);
    let left = match UsbRig::start_on(around, opened, endpoint, quick()) {
        Err(failed) => {
            let (error, around) = *failed;
            expect_line(&error.to_string());
            assert!(!around.bench.is_plugged(), "{what}: {error}");
            around.bench.replug();
            drop(around.bench.open().expect("nobody has it"));
            Left::Starting
        }
        Ok(rig) => {
            let mut traffic = Traffic::new();
            let whole = live(&rig, &mut traffic);
            if !whole {
                come_back(&rig, &mut traffic, &what);
            }
            let (stopped, around) = rig.stop();
            stopped.unwrap_or_else(|error| panic!("{what}: {error}"));
            match (whole, around.bench.is_plugged()) {
                (false, _) => Left::Running,
                (true, false) => Left::Stopping,
                (true, true) => Left::Never,
            }
        }
    };
    assert!(begin.elapsed() < BOUND, "{what}: {:?}", begin.elapsed());
    left
}

/// Every moment, up to a life in which it does not leave.
fn at_every_moment(config: &Config, first: u32, step: usize) -> Vec<Left> {
    let mut seen = Vec::new();
    for n in (first..).step_by(step) {
        let left = life(config.clone(), n);
        assert!(seen.last().is_none_or(|last| *last as u8 <= left as u8), "{n}: {left:?} after {:?}", seen.last());
        seen.push(left);
        if left == Left::Never {
            break;
        }
    }
    for part in [Left::Starting, Left::Running] {
        assert!(seen.contains(&part), "no moment in {part:?}");
    }
    seen
}

#[test]
fn unplugged_at_every_moment_of_a_life() {
    // the AN986 is woken in no time
    let seen = at_every_moment(&of(Variant::An986), 1, if is_emulated() { 7 } else { 1 });
    assert!(is_emulated() || seen.contains(&Left::Stopping), "no moment while it stops");
}

#[test]
fn unplugged_at_some_moments_of_a_slow_one() {
    at_every_moment(&config(), 2, if is_emulated() { 29 } else { 7 });
}
