//! From a status to the text that Prometheus reads.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use udrv::input::InputStatus;
use udrv::net::NetStatus;
use udrv::run::{ClassStatus, Status};
use udrv::sound::SoundStatus;

type Labels = Vec<(&'static str, String)>;

/// All of it.
pub(super) fn of(status: &Status) -> String {
    let device = [("device".into(), status.device.clone().into())];
    let mut page = Page(Registry::with_prefix_and_labels("udrv", device.into_iter()));
    page.daemon(status);
    page.entries(status);
    page.device(status);
    if let ClassStatus::Net(net) = &status.class {
        page.net(net);
    }
    if let ClassStatus::Sound(sound) = &status.class {
        page.sound(sound);
    }
    if let ClassStatus::Input(input) = &status.class {
        page.input(input);
    }
    let mut text = String::new();
    // writing to a string does not fail
    let _ = encode(&mut text, &page.0);
    text
}

/// Seconds of nanoseconds.
fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

struct Page(Registry);

impl Page {
    /// A counter, with the value for each set of labels.
    fn counters(&mut self, name: &str, help: &str, values: impl IntoIterator<Item = (Labels, u64)>) {
        let family = Family::<Labels, Counter>::default();
        for (labels, value) in values {
            family.get_or_create(&labels).inc_by(value);
        }
        self.0.register(name, help, family);
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.counters(name, help, [(Labels::new(), value)]);
    }

    fn gauges(&mut self, name: &str, help: &str, values: impl IntoIterator<Item = (Labels, u64)>) {
        let family = Family::<Labels, Gauge>::default();
        for (labels, value) in values {
            family.get_or_create(&labels).set(value.try_into().unwrap_or(i64::MAX));
        }
        self.0.register(name, help, family);
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.gauges(name, help, [(Labels::new(), value)]);
    }

    fn daemon(&mut self, status: &Status) {
        let info = Info::new(vec![
            ("driver", status.driver.clone()),
            ("isolation", status.isolation.clone()),
            ("recovery", status.recovery.to_string()),
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ]);
        self.0.register("device", "What drives the device, and how", info);
        let uptime = Gauge::<f64, AtomicU64>::default();
        uptime.set(seconds(status.uptime));
        self.0.register_with_unit("uptime", "Time since the device was started", Unit::Seconds, uptime);
        self.counter("restores", "Times that the device was restored because it did something wrong", status.restores);
        self.counter("restarts", "Times that the driver was restarted within the daemon", status.restarts);
        let (reads, writes) = status.register_accesses;
        let accesses = [("read", reads), ("write", writes)];
        let accesses = accesses.map(|(access, count)| (vec![("access", access.to_owned())], count));
        self.counters("register_accesses", "Register accesses that reached the device", accesses);
    }

    fn entries(&mut self, status: &Status) {
        let of = |entry: &str| vec![("entry", entry.to_owned())];
        let entries = || status.entries.iter();
        let calls = entries().map(|(entry, e)| (of(entry), e.counters.calls));
        self.counters("calls", "Calls of an entry point", calls);
        let unprotected = entries().map(|(entry, e)| (of(entry), e.counters.unprotected));
        self.counters("calls_unprotected", "Of those, calls that were no transactions", unprotected);
        let errors = entries().map(|(entry, e)| (of(entry), e.counters.errors));
        self.counters("call_errors", "Calls that returned an ordinary error", errors);
        let kinds = entries().flat_map(|(entry, e)| {
            let of_kind =
                |(kind, count): (&String, &u64)| (vec![("entry", entry.clone()), ("kind", kind.clone())], *count);
            e.counters.kinds.iter().map(of_kind)
        });
        self.counters("faults", "Calls that faulted, by kind", kinds);
        let outcomes = entries().flat_map(|(entry, e)| {
            e.counters.rungs.iter().map(|(rung, count)| {
                (vec![("entry", entry.clone()), ("outcome", rung.name().replace(' ', "-"))], *count)
            })
        });
        self.counters("recoveries", "What was done about faults: abort, restore, restart or gave-up", outcomes);
        let protected = entries().map(|(entry, e)| (of(entry), e.protected.into()));
        self.gauges("entry_protected", "Calls are transactions", protected);
        let quarantine = status.quarantine.iter().map(|q| (of(&q.entry), 1));
        self.gauges("entry_quarantined", "The entry point is in quarantine", quarantine);
        let lost = Family::<Labels, Counter<f64, AtomicU64>>::default();
        for (entry, e) in entries() {
            lost.get_or_create(&of(entry)).inc_by(seconds(e.counters.lost));
        }
        self.0.register_with_unit("recovery", "Time from faults to the end of their recovery", Unit::Seconds, lost);
    }

    fn device(&mut self, status: &Status) {
        let d = status.device_faults;
        let kinds = [("gone", d.gone), ("nonsense", d.nonsense), ("timeout", d.timeout), ("bus", d.bus)];
        let kinds = kinds.map(|(kind, count)| (vec![("kind", kind.to_owned())], count));
        self.counters("device_errors", "What the device did wrong", kinds);
        self.counter("interrupts_lost", "Looks that found work which no interrupt had announced", d.interrupts_lost);
        self.counter("interrupt_storms", "Times that interrupts did not stop", d.interrupt_storms);
        self.gauge("unplugged", "The device was unplugged and is waited for", status.unplugged.into());
    }

    fn net(&mut self, net: &NetStatus) {
        let t = net.traffic;
        let both = |receive: u64, transmit: u64| {
            [("receive", receive), ("transmit", transmit)]
                .map(|(way, count)| (vec![("direction", way.to_owned())], count))
        };
        self.counters("frames", "Frames handed to the host, and sent by the device", both(t.rx_frames, t.tx_frames));
        self.counters("traffic_bytes", "Their bytes", both(t.rx_bytes, t.tx_bytes));
        let lost = [
            ("receive", "endpoint", t.rx_dropped),
            ("transmit", "refused", t.tx_dropped),
            ("transmit", "unsent", t.tx_lost),
        ];
        let lost =
            lost.map(|(way, why, count)| (vec![("direction", way.to_owned()), ("reason", why.to_owned())], count));
        self.counters(
            "frames_lost",
            "Frames that the endpoint did not take, that were not given to the device, or that came back unsent",
            lost,
        );
        let levels = [("transmit-waiting", net.tx_waiting), ("transmit-device", net.tx_pending)];
        let levels = levels.map(|(ring, frames)| (vec![("ring", ring.to_owned())], frames));
        self.gauges("ring_frames", "Frames that wait in a ring", levels);
        self.gauge("link_up", "There is a link", net.link_up.into());
        self.gauge("link_megabits", "Its speed in Mbit/s, while there is one", net.link_speed.into());
        self.gauge("mtu_bytes", "MTU of the interface", net.mtu.into());
    }

    fn input(&mut self, input: &InputStatus) {
        let c = &input.counters;
        self.counter("input_reports", "Reports of the device that were handed up", c.reports);
        self.counter("input_events", "Those that changed something, and what else applications were told", c.events);
        self.counter("input_bytes_dropped", "Bytes of the device that were of no use", c.bytes_dropped);
        self.counter("input_out_of_step", "Times that the device was out of step", c.out_of_step);
        self.counter("input_reconnects", "Times that it was reset or plugged in, and set up again", c.reconnects);
    }

    fn sound(&mut self, sound: &SoundStatus) {
        let of = |stream: &str| vec![("stream", stream.to_owned())];
        let streams = || sound.streams.iter();
        self.counters(
            "samples",
            "Frames of samples played or recorded",
            streams().map(|s| (of(&s.name), s.counters.frames)),
        );
        let lost = streams().map(|s| (of(&s.name), s.counters.lost));
        self.counters("samples_lost", "Frames of silence played in their place, or recorded and lost", lost);
        let xruns = streams().flat_map(|s| {
            let at = |place: &str| vec![("place", place.to_owned()), ("stream", s.name.clone())];
            [(at("device"), s.counters.xruns), (at("endpoint"), s.endpoint_xruns)]
        });
        self.counters("xruns", "Times that the device or the application found nothing, or no room", xruns);
        let jumps = streams().map(|s| (of(&s.name), s.counters.jumps));
        self.counters("jumps", "Times that the device was where it could not be", jumps);
        let levels = streams().map(|s| (vec![("ring", s.name.clone())], s.waiting));
        self.gauges("ring_frames", "Frames that wait in a ring", levels);
    }
}
