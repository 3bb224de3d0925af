//! What udrvctl prints for people.

use std::fmt::{self, Write};

use udrv::checkpoint::{Change, Restored};
use udrv::input::InputStatus;
use udrv::net::NetStatus;
use udrv::registers::RegisterStatus;
use udrv::report::FaultReport;
use udrv::run::{ClassStatus, EntryStatus, QuarantineStatus, Status};
use udrv::sound::{SoundStatus, StreamStatus};

use crate::protocol::{Build, StandbyStatus, TraceStatus};

/// State and counters of a device.
#[must_use]
pub fn status(status: &Status) -> String {
    let mut out = String::new();
    // writing to a string does not fail
    let _ = write_status(&mut out, status);
    out
}

/// The process that waits to go on, in a line.
#[must_use]
pub fn standby(standby: Option<&StandbyStatus>) -> String {
    let Some(standby) = standby else { return String::new() };
    let restarts = match standby.restarts {
        0 => String::new(),
        n => format!("; another was started {n} times"),
    };
    match standby.pid {
        Some(pid) if standby.ready => format!("standby     process {pid}, ready{restarts}\n"),
        Some(pid) => format!("standby     process {pid}, getting ready{restarts}\n"),
        None => format!("standby     none now{restarts}\n"),
    }
}

/// What came of an upgrade.
#[must_use]
pub fn upgraded(from: &Build, to: &Build, gap_us: u64) -> String {
    let one = |build: &Build| {
        let id = build.build.as_ref().map_or(String::new(), |id| format!(" build {}", &id[..id.len().min(12)]));
        format!("udrvd {}{id}, process {}", build.version, build.pid)
    };
    let (from, to, gap) = (one(from), one(to), gap_us as f64 / 1e3);
    format!("was    {from}\nis     {to}\ngap    {gap:.1} ms in which nobody served the device\n")
}

/// Registers, by offset.
#[must_use]
pub fn registers(registers: &[RegisterStatus]) -> String {
    let mut out = format!("{:>6} {:<24} {:<16} {:>10} {:>10}\n", "offset", "register", "kind", "known", "device");
    for r in registers {
        let value = |value: Option<u32>| {
            value.map_or("-".to_owned(), |v| format!("{v:0width$x}", width = usize::from(r.width) * 2))
        };
        let (known, live) = (value(r.shadow), value(r.live));
        let _ = writeln!(out, "{:>6x} {:<24} {:<16} {known:>10} {live:>10}", r.offset, r.name, r.kind);
    }
    out
}

/// Which calls are transactions.
#[must_use]
pub fn policy(entries: &[(String, EntryStatus)], quarantine: &[QuarantineStatus]) -> String {
    let mut out = format!("{:<16} {:<11} {}\n", "entry point", "policy", "its calls");
    for (name, entry) in entries {
        let calls = if entry.protected { "are transactions" } else { "are not protected" };
        let quarantined = if quarantine.iter().any(|q| q.entry == *name) { ", in quarantine" } else { "" };
        let _ = writeln!(out, "{name:<16} {:<11} {calls}{quarantined}", entry.protect);
    }
    out
}

/// How a trace is, in a line.
#[must_use]
pub fn trace(trace: Option<&TraceStatus>) -> String {
    let Some(t) = trace else { return "no trace".to_owned() };
    let state = if t.running { "being written" } else { "ended" };
    let why = t.ended.as_ref().map_or(String::new(), |why| format!(": {why}"));
    let dropped = if t.dropped > 0 { format!(", {} more dropped", t.dropped) } else { String::new() };
    format!("{}: {} accesses, {} bytes{dropped}, {state}{why}", t.file.display(), t.accesses, t.bytes)
}

/// What restoring a checkpoint has changed, or would.
#[must_use]
pub fn restored(restored: &Restored) -> String {
    let mut out = String::new();
    if let Some((saved, here)) = &restored.other_chip {
        let _ = writeln!(out, "saved from chip {saved}; this is {here}, which can do all of it");
    }
    if restored.changes.is_empty() {
        out.push_str("all is so already\n");
    }
    for Change { field, from, to } in &restored.changes {
        let _ = writeln!(out, "{field}: {from} -> {to}");
    }
    if restored.dry_run && !restored.changes.is_empty() {
        out.push_str("nothing was changed: --dry-run\n");
    }
    out
}

fn write_status(out: &mut String, s: &Status) -> fmt::Result {
    writeln!(out, "device      {} (driver {}, udrvd {})", s.device, s.driver, s.pid)?;
    match &s.class {
        ClassStatus::Net(net) => write_net(out, net, s.unplugged)?,
        ClassStatus::Sound(sound) => write_sound(out, sound)?,
        ClassStatus::Input(input) => write_input(out, input, s.unplugged)?,
    }
    let protection = match s.entries.iter().filter(|(_, e)| !e.protected).count() {
        0 => "all entry points".to_owned(),
        n if n == s.entries.len() => "off".to_owned(),
        n => format!("{} of {} entry points", s.entries.len() - n, s.entries.len()),
    };
    writeln!(out, "protection  {protection}, recovery: {}, isolation: {}", s.recovery, s.isolation)?;
    writeln!(out, "registers   {} reads, {} writes", s.register_accesses.0, s.register_accesses.1)?;
    let d = s.device_faults;
    writeln!(
        out,
        "interrupts  {}; {} lost, {} storms, polled for {} ms",
        s.interrupts.name(),
        d.interrupts_lost,
        d.interrupt_storms,
        d.polled_ms
    )?;
    writeln!(
        out,
        "misbehaved  {} reads gone, {} nonsense, {} timeouts, {} bus errors",
        d.gone, d.nonsense, d.timeout, d.bus
    )?;
    let r = s.reliability;
    write!(out, "faults      {}, {} restarts", s.faults, s.restarts)?;
    if let (Some(mttf), Some(mttr)) = (r.mttf, r.mttr) {
        write!(out, "; time to failure {}, to repair {} (means)", time(mttf), time(mttr))?;
        write!(out, "; available {:.5} %", 100.0 * r.availability)?;
    }
    writeln!(out)?;
    for q in &s.quarantine {
        let instead = if q.alternate { "its second version is called" } else { "its calls get an error" };
        let left = q.left.map_or("until it is released".to_owned(), |left| format!("for {} more", time(left)));
        writeln!(out, "quarantine  {}: {instead}, {left}", q.entry)?;
    }
    entries(out, s)
}

fn write_net(out: &mut String, net: &NetStatus, unplugged: bool) -> fmt::Result {
    let link = match (net.link_up, net.full_duplex) {
        (false, _) if unplugged => "unplugged: goes on by itself when it is plugged in again".to_owned(),
        (false, _) => "down".to_owned(),
        (true, full) => format!("up, {} Mbit/s, {} duplex", net.link_speed, if full { "full" } else { "half" }),
    };
    writeln!(out, "interface   {}, {}", net.endpoint, net.mac)?;
    writeln!(out, "link        {link}")?;
    let vlan = if net.vlan == 0 { String::new() } else { format!(", VLAN {}", net.vlan) };
    let interval = match net.interrupt_interval {
        0 => String::new(),
        us => format!(", interrupts {us} us apart"),
    };
    writeln!(out, "settings    MTU {}{vlan}{interval}", net.mtu)?;
    let t = net.traffic;
    writeln!(out, "received    {} frames, {} bytes, {} dropped", t.rx_frames, t.rx_bytes, t.rx_dropped)?;
    writeln!(
        out,
        "sent        {} frames, {} bytes, {} dropped, {} lost",
        t.tx_frames, t.tx_bytes, t.tx_dropped, t.tx_lost
    )?;
    if let Some(c) = net.chip {
        writeln!(
            out,
            "chip        {} receive errors, {} missed, {} receiver resets, {} transmit errors, {} collisions",
            c.rx_errors, c.rx_missed, c.rx_resets, c.tx_errors, c.collisions
        )?;
    }
    Ok(())
}

fn write_sound(out: &mut String, sound: &SoundStatus) -> fmt::Result {
    writeln!(out, "sound       {}", sound.endpoint)?;
    for stream in &sound.streams {
        let c = &stream.counters;
        let way = if stream.playback { "playback" } else { "capture" };
        write!(out, "{:<12}{way}, {}", stream.name, stream.phase.name())?;
        if stream.rate > 0 {
            let StreamStatus { rate, bits, channels, period, ring_periods, .. } = stream;
            write!(out, ", {rate} Hz, {bits} bits, {channels} channels, {ring_periods} periods of {period} frames")?;
            write!(
                out,
                "; {} frames, {} xruns, {} frames of silence or lost",
                c.frames,
                c.xruns + stream.endpoint_xruns,
                c.lost
            )?;
            write!(out, "; {:+} ppm", stream.faster)?;
        }
        writeln!(out)?;
    }
    let controls: Vec<String> = sound.controls.iter().map(|c| format!("{} {:?}", c.name, c.values)).collect();
    writeln!(out, "controls    {}", controls.join(", "))
}

fn write_input(out: &mut String, input: &InputStatus, unplugged: bool) -> fmt::Result {
    let wheel = match (input.wheel, input.pan) {
        (false, _) => "",
        (true, false) => ", wheel",
        (true, true) => ", wheel that tilts",
    };
    let there = match input.present {
        true => "",
        false if unplugged => "; unplugged: goes on by itself when it is plugged in again",
        false => "; not there, or another device is in its place",
    };
    writeln!(out, "input       {}", input.endpoint)?;
    writeln!(out, "is          {}, {}: {}{wheel}{there}", input.name, input.protocol, input.buttons.join(", "))?;
    let scaling = if input.double { "2:1" } else { "1:1" };
    let silent = if input.enabled { "" } else { ", silent" };
    writeln!(
        out,
        "settings    {} reports a second, {} counts an inch, scaling {scaling}{silent}",
        input.rate, input.resolution
    )?;
    let down = if input.down.is_empty() { "none".to_owned() } else { input.down.join(", ") };
    writeln!(out, "down        {down}")?;
    let c = input.counters;
    writeln!(
        out,
        "reports     {}, {} events; {} bytes dropped, {} times out of step, {} reconnects, {} polls, {} breaks, let go {} times",
        c.reports, c.events, c.bytes_dropped, c.out_of_step, c.reconnects, c.polls, c.breaks, c.let_go
    )
}

fn entries(out: &mut String, s: &Status) -> fmt::Result {
    let head = ["calls", "errors", "faults", "time lost"];
    writeln!(
        out,
        "\n{:<14} {:<14}{:>12}{:>8}{:>8}{:>12}  by kind; by rung",
        "entry point", "protect", head[0], head[1], head[2], head[3]
    )?;
    for (name, e) in &s.entries {
        let now = match (e.protect.name(), e.protected) {
            ("suspicious", true) => "suspicious: on".to_owned(),
            ("suspicious", false) => "suspicious".to_owned(),
            (mode, _) => mode.to_owned(),
        };
        let c = &e.counters;
        let lost = if c.lost == 0 { "-".to_owned() } else { time(c.lost) };
        write!(out, "{name:<14} {now:<14}{:>12}{:>8}{:>8}{lost:>12}", c.calls, c.errors, c.faults)?;
        let kinds: Vec<String> = c.kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        let rungs: Vec<String> = c.rungs.iter().map(|(rung, count)| format!("{} {count}", rung.name())).collect();
        if !kinds.is_empty() {
            write!(out, "  {}; {}", kinds.join(", "), rungs.join(", "))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Fault reports: two or three lines each, or all that is known.
#[must_use]
pub fn faults(faults: &[FaultReport], long: bool) -> String {
    if faults.is_empty() {
        return "no faults\n".to_owned();
    }
    if long {
        return faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    }
    faults.iter().map(short).collect()
}

fn short(f: &FaultReport) -> String {
    let injected = f.injected.as_ref().map_or(String::new(), |(fault, point)| format!(", injected {fault} at {point}"));
    let mut out = format!("#{} {} in {}{injected}: {}\n", f.number, f.kind, f.entry, f.text);
    if let Some(source) = &f.source {
        let _ = writeln!(out, "    {source}");
    }
    let next = f.to_next_frame.map_or("none yet".to_owned(), time);
    let _ = writeln!(
        out,
        "    {}, error after {}, next frame {next}, {} frames lost, {} register reads, {} writes",
        f.rung.name(),
        time(f.to_error),
        f.frames_lost,
        f.reads,
        f.writes
    );
    out
}

/// Nanoseconds in the unit that suits them.
fn time(ns: u64) -> String {
    match ns {
        0..1_000_000 => format!("{:.1} us", ns as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", ns as f64 / 1e6),
        _ => format!("{:.1} s", ns as f64 / 1e9),
    }
}
