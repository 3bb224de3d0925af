//! Statuses for tests.

use serde_json::{Value, json};
use udrv::net::Traffic;
use udrv::report::{FaultReport, Rung};
use udrv::run::{ClassStatus, Status};

use super::ask::Heard;
use super::model::Model;
use std::time::Duration;

fn status(device: &str, driver: &str, entries: &[&str], class: &Value) -> Status {
    let entry = |name: &&str| {
        json!([name, { "protect": "always", "protected": true, "calls": 0, "unprotected": 0, "errors": 0, "faults": 0,
            "kinds": {}, "rungs": {}, "lost": 0 }])
    };
    let entries: Vec<Value> = entries.iter().map(entry).collect();
    let mut all = json!({ "device": device, "driver": driver, "unplugged": false, "isolation": "protection-keys",
        "protected": true, "recovery": "ladder", "panic_messages": true, "pid": 7, "uptime": 1_000_000_000_u64,
        "state_bytes": [100, 200], "restores": 0, "faults": 0, "restarts": 0, "entries": entries, "quarantine": [],
        "reliability": { "faults": 0, "lost": 0, "mttf": null, "mttr": null, "availability": 1.0 },
        "device_faults": { "gone": 0, "nonsense": 0, "timeout": 0, "bus": 0, "interrupts_lost": 0, "interrupt_storms": 0,
            "polled_ms": 0 },
        "interrupts": "line", "register_accesses": [1, 2], "canary_intact": true });
    for (key, value) in class.as_object().expect("an object") {
        all[key] = value.clone();
    }
    serde_json::from_value(all).expect("a status")
}

/// Of a network card, with the entry points `poll` and `transmit`.
pub(super) fn net(device: &str) -> Status {
    let class = json!({ "class": "net", "endpoint": "udrv0", "mac": "52:54:00:12:34:56", "permanent_mac": "52:54:00:12:34:56",
        "mtu": 1500, "vlan": 0, "interrupt_interval": 0, "link_up": true, "link_speed": 100, "full_duplex": true,
        "traffic": Traffic::default(), "chip": null });
    status(device, "rtl8139", &["poll", "transmit"], &class)
}

/// Of a sound card that plays and records.
pub(super) fn sound(device: &str) -> Status {
    let stream = |name: &str, playback: bool| {
        json!({ "name": name, "playback": playback, "phase": "running", "bits": 16, "channels": 2, "rate": 48_000,
            "period": 480, "ring_periods": 8, "waiting": 0, "endpoint_xruns": 1, "faster": 0, "frames": 0, "periods": 0,
            "xruns": 2, "lost": 0, "jumps": 0, "stuck": 0, "starts": 1 })
    };
    let class = json!({ "class": "sound", "endpoint": "hw:Loopback", "controls": [],
        "streams": [stream("DAC2", true), stream("ADC", false)] });
    status(device, "ens1371", &["pointer"], &class)
}

/// Of a mouse.
pub(super) fn mouse(device: &str) -> Status {
    let class = json!({ "class": "input", "endpoint": "/dev/input/event5", "name": "Wheel mouse", "protocol": "IntelliMouse",
        "buttons": ["left"], "wheel": true, "pan": false, "rate": 100, "resolution": 200, "double": false, "enabled": true,
        "present": true, "down": [], "reports": 0, "events": 0, "bytes_dropped": 0, "out_of_step": 0, "reconnects": 0,
        "polls": 0, "breaks": 0, "let_go": 0 });
    status(device, "psmouse", &["receive"], &class)
}

/// The same with other traffic.
pub(super) fn with_traffic(mut status: Status, traffic: Traffic) -> Status {
    if let ClassStatus::Net(net) = &mut status.class {
        net.traffic = traffic;
    }
    status
}

/// A fault of `poll`, a second after the start of the daemon.
pub(super) fn fault(number: u64, to_error: u64) -> FaultReport {
    FaultReport {
        number,
        to_error,
        entry: "poll".to_owned(),
        kind: "page-fault".to_owned(),
        text: "write to address 0, where nothing is".to_owned(),
        recovered: true,
        at: 1_000_000_000,
        ..FaultReport::default()
    }
}

/// A model that has heard of a network card twice, with two faults, of a sound card, and of a mouse that does not answer.
pub(super) fn busy_model() -> Model {
    let mut model = Model::new(&[]);
    let second = Duration::from_secs(1);
    let names = ["model:rtl8139", "model:ens1371", "model:psmouse"].map(str::to_owned);
    model.look(second, &names);
    for n in 1..=2_u64 {
        let traffic =
            Traffic { rx_frames: n * 8000, rx_bytes: n * 12_000_000, tx_frames: n * 4000, ..Traffic::default() };
        let mut card = with_traffic(net("model:rtl8139"), traffic);
        card.uptime = (n + 1) * 1_000_000_000;
        card.faults = 2;
        let counters = &mut card.entries[0].1.counters;
        (counters.calls, counters.timed, counters.time, counters.checkpoint) =
            (n * 1000, n * 16, n * 16 * 750, n * 16 * 210);
        (counters.faults, counters.lost) = (2, 8000);
        counters.rungs.insert(Rung::Abort, 2);
        counters.kinds.insert("page-fault".to_owned(), 2);
        model.hear(second * (n as u32), &names[0], Heard::Told(Box::new(card), vec![fault(1, 3000), fault(2, 5000)]));
        let mut sound = sound("model:ens1371");
        sound.uptime = n * 1_000_000_000;
        if let ClassStatus::Sound(sound) = &mut sound.class {
            sound.streams[0].counters.frames = n * 48_000;
        }
        model.hear(second * (n as u32), &names[1], Heard::Told(Box::new(sound), Vec::new()));
    }
    model.hear(second * 2, &names[2], Heard::Silence);
    model
}
