//! All about one device.

use ratatui::style::Style;
use ratatui::text::{Line, Span};
use udrv::run::{ClassStatus, EntryStatus, Status};
use udrv::supervisor::policy::Protect;

use super::format::{bars, bytes, count, time, while_of};
use super::{BOLD, DIM, toned};
use crate::top::model::Device;
use crate::top::rates::EntryRates;
use crate::top::summary::{Summary, Tone};

/// Fault reports that are shown.
const REPORTS: usize = 12;

/// Its lines.
pub(super) fn lines(device: &Device, summary: &Summary) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if let Some(why) = &summary.state.detail {
        let text = format!("{}: {why}", summary.state.word);
        lines.push(Line::styled(text, toned(summary.state.tone)));
    }
    let Some(status) = device.sampler.status() else {
        lines.push(Line::styled("nothing was heard of it yet", DIM));
        return lines;
    };
    lines.push(fact("udrvd", about_daemon(status)));
    lines.extend(about_class(status).into_iter().map(|(word, text)| fact(word, text)));
    if !device.trail.is_empty() {
        let most = device.trail.iter().max().copied().unwrap_or(0) as f64;
        let net = matches!(status.class, ClassStatus::Net(_));
        let most = if net { format!("{}/s", bytes(most)) } else { format!("{}/s", count(most)) };
        lines.push(fact("traffic", format!("{}  {most} at most", bars(device.trail.iter().copied()))));
    }
    lines.push(fact("faults", about_faults(device, summary, status)));
    for q in &status.quarantine {
        let instead = if q.alternate { "its second version is called" } else { "its calls get an error" };
        let left = q.left.map_or("until it is released".to_owned(), |left| format!("for {} more", while_of(left)));
        lines.push(Line::styled(format!("{:<10}{}: {instead}, {left}", "quarantine", q.entry), toned(Tone::Limited)));
    }
    lines.push(Line::default());
    lines.extend(entries(device, status));
    lines.push(Line::default());
    lines.extend(reports(device, status));
    lines
}

fn fact(word: &str, text: String) -> Line<'static> {
    Line::from(vec![Span::styled(format!("{word:<10}"), DIM), Span::raw(text)])
}

fn about_daemon(status: &Status) -> String {
    format!(
        "process {}, up {}; isolation: {}; recovery: {}; {} of state and {} of ledger saved at each call",
        status.pid,
        while_of(status.uptime),
        status.isolation,
        status.recovery,
        bytes(status.state_bytes.0 as f64),
        bytes(status.state_bytes.1 as f64)
    )
}

fn about_class(status: &Status) -> Vec<(&'static str, String)> {
    match &status.class {
        ClassStatus::Net(net) => {
            let link = if net.link_up { format!("up, {} Mbit/s", net.link_speed) } else { "down".to_owned() };
            let t = net.traffic;
            vec![(
                "network",
                format!(
                    "{}, {}; link {link}; MTU {}; {} frames in, {} out; dropped {} and {}, {} lost",
                    net.endpoint, net.mac, net.mtu, t.rx_frames, t.tx_frames, t.rx_dropped, t.tx_dropped, t.tx_lost
                ),
            )]
        }
        ClassStatus::Sound(sound) => {
            let stream = |s: &udrv::sound::StreamStatus| {
                let way = if s.playback { "plays" } else { "records" };
                let xruns = s.counters.xruns + s.endpoint_xruns;
                format!(
                    "{} {way}, {}, {} Hz; {} frames, {xruns} xruns, {} lost",
                    s.name,
                    s.phase.name(),
                    s.rate,
                    s.counters.frames,
                    s.counters.lost
                )
            };
            let mut facts = vec![("sound", sound.endpoint.clone())];
            facts.extend(sound.streams.iter().map(|s| ("", stream(s))));
            facts
        }
        ClassStatus::Input(input) => {
            let c = input.counters;
            let text = format!(
                "{}, {}; {} reports, {} events, {} bytes dropped, {} times out of step",
                input.name, input.endpoint, c.reports, c.events, c.bytes_dropped, c.out_of_step
            );
            vec![("input", text)]
        }
    }
}

fn about_faults(device: &Device, summary: &Summary, status: &Status) -> String {
    if summary.faults == 0 {
        return format!("none; {} restores because of the device, {} restarts", status.restores, status.restarts);
    }
    let rungs: Vec<String> = summary.rungs.iter().map(|(rung, n)| format!("{n} {}", rung.name())).collect();
    let recovery = summary.recovery_median.zip(summary.recovery_worst).map_or(String::new(), |(median, worst)| {
        let (median, worst) = (time(median as f64), time(worst as f64));
        format!("; recovery {median} median, {worst} worst of the last {}", device.history.len())
    });
    format!(
        "{}: {}{recovery}; available {:.4} %",
        summary.faults,
        rungs.join(", "),
        100.0 * status.reliability.availability
    )
}

fn entries(device: &Device, status: &Status) -> Vec<Line<'static>> {
    let heading = format!(
        "{:<14}{:<14}{:>9}{:>12}{:>10}{:>10}{:>8}{:>8}  {}",
        "entry point", "protected", "calls/s", "calls", "a call", "to save", "errors", "faults", "by kind"
    );
    let mut lines = vec![Line::styled(heading, DIM)];
    for (nth, (name, entry)) in status.entries.iter().enumerate() {
        let rates = device.sampler.rates().and_then(|rates| rates.entries.get(nth)).copied();
        let quarantined = status.quarantine.iter().any(|q| q.entry == *name);
        lines.push(entry_line(name, entry, rates, quarantined));
    }
    lines
}

fn entry_line(name: &str, entry: &EntryStatus, rates: Option<EntryRates>, quarantined: bool) -> Line<'static> {
    let c = &entry.counters;
    let protected = match (entry.protected, entry.protect) {
        (true, Protect::Suspicious) => "yes, a suspect",
        (true, _) => "yes",
        (false, Protect::Suspicious) => "not yet",
        (false, _) => "no",
    };
    // of the last second, or of the whole run where there was none
    let mean = |recent: Option<f64>, sum: u64| recent.or((c.timed > 0).then(|| sum as f64 / c.timed as f64));
    let or_dash = |ns: Option<f64>| ns.map_or("-".to_owned(), time);
    let calls = rates.map_or("-".to_owned(), |rates| count(rates.calls));
    let whole = or_dash(mean(rates.and_then(|r| r.time), c.time));
    let save = or_dash(mean(rates.and_then(|r| r.checkpoint), c.checkpoint).filter(|_| entry.protected));
    let mut kinds: Vec<String> = c.kinds.iter().map(|(kind, n)| format!("{kind} {n}")).collect();
    if quarantined {
        kinds.insert(0, "in quarantine".to_owned());
    }
    let text = format!(
        "{name:<14}{protected:<14}{calls:>9}{:>12}{whole:>10}{save:>10}{:>8}{:>8}  ",
        c.calls, c.errors, c.faults
    );
    let style = if c.calls == 0 { DIM } else { Style::new() };
    let of_kinds = if quarantined { toned(Tone::Limited) } else { Style::new() };
    Line::from(vec![Span::styled(text, style), Span::styled(kinds.join(", "), of_kinds)])
}

fn reports(device: &Device, status: &Status) -> Vec<Line<'static>> {
    let mut newest = device.history.newest_first().take(REPORTS).peekable();
    if newest.peek().is_none() {
        return vec![Line::styled("no fault reports", DIM)];
    }
    let heading =
        format!("{:<8}{:<10}{:<14}{:<10}{:>10}  {}", "fault", "age", "entry point", "rung", "recovery", "what");
    let mut lines = vec![Line::styled(heading, DIM)];
    for report in newest {
        let age = while_of(status.uptime.saturating_sub(report.at));
        let text = format!(
            "{:<8}{age:<10}{:<14}{:<10}{:>10}  ",
            format!("#{}", report.number),
            report.entry,
            report.rung.name(),
            time(report.to_error as f64)
        );
        let injected = if report.injected.is_some() { "injected: " } else { "" };
        let style = if report.recovered { Style::new() } else { toned(Tone::Bad) };
        lines.push(Line::from(vec![
            Span::styled(text, style),
            Span::styled(injected, DIM),
            Span::raw(format!("{}: ", report.kind)),
            Span::styled(report.text.clone(), BOLD),
        ]));
    }
    lines
}
