//! The demo's figures as tables for people.

use std::fmt::Write;

use super::{
    figures::{Both, Figures},
    places::rank,
    streams,
    words::{file_and_line, isolation, time},
};

/// Everything but the verdict.
pub(super) fn text(figures: &Figures) -> String {
    let mut out = String::new();
    // writing into a String does not fail
    let _ = rows(&mut out, figures);
    let _ = kinds(&mut out, figures);
    let _ = unprotected(&mut out, figures);
    let _ = sums(&mut out, figures);
    out
}

fn rows(out: &mut String, figures: &Figures) -> std::fmt::Result {
    let mut faults: Vec<_> = figures.faults.iter().collect();
    faults.sort_by_key(|f| rank(f.entry, f.point, f.fault));
    let places: Vec<&str> = faults.iter().map(|f| f.source.as_deref().map_or("?", file_and_line)).collect();
    let wide = places.iter().map(|place| place.len()).max().unwrap_or(0).max("where".len());
    writeln!(
        out,
        "{:<14}{:<16}{:<8}{:<wide$}{:>12}{:>14}{:>6}{:>8}  {:<9}recovered",
        "entry point", "fault", "point", "where", "to error", "to next frame", "lost", "missed", "rung"
    )?;
    for (f, place) in faults.iter().zip(places) {
        writeln!(
            out,
            "{:<14}{:<16}{:<8}{place:<wide$}{:>12}{:>14}{:>6}{:>8}  {:<9}{}",
            f.entry,
            f.fault,
            f.point,
            time(f.to_error_ns),
            f.to_next_frame_ns.map_or("never".to_owned(), time),
            f.frames_lost,
            f.frames_missed,
            f.rung,
            if f.recovered { "yes" } else { "NO" },
        )?;
    }
    writeln!(
        out,
        "lost: frames that the driver had; missed: frames that the chip's ring or a queue had no room for meanwhile"
    )
}

fn kinds(out: &mut String, figures: &Figures) -> std::fmt::Result {
    writeln!(out, "\n{:<16}{:>6}{:^30}{:^32}", "", "", "fault to error", "fault to next good frame")?;
    let heads = format!("{:>10}{:>10}{:>10}", "min", "median", "max");
    writeln!(out, "{:<16}{:>6}{heads}  {heads}", "fault", "count")?;
    for kind in &figures.by_fault {
        let (error, frame) = (kind.to_error_ns.columns(), kind.to_next_frame_ns.columns());
        writeln!(out, "{:<16}{:>6}{error}  {frame}", kind.fault, kind.count)?;
    }
    Ok(())
}

fn unprotected(out: &mut String, figures: &Figures) -> std::fmt::Result {
    writeln!(out, "\nthe same without protection, in the middle of transmit: udrvd ...")?;
    for one in &figures.unprotected {
        writeln!(out, "{:<16}{}", one.fault, one.outcome)?;
    }
    Ok(())
}

fn sums(out: &mut String, figures: &Figures) -> std::fmt::Result {
    if let Some(Both { upload, download }) = &figures.streams {
        writeln!(out)?;
        stream(out, "upload", upload)?;
        stream(out, "download", download)?;
    }
    writeln!(out, "card            model:{}", figures.model)?;
    writeln!(out, "isolation       {}", isolation(&figures.isolation))?;
    let [before, after] = figures.pid;
    let same = if before == after { "the same from start to end" } else { "CHANGED" };
    writeln!(out, "udrvd           pid {after}, {same}; {} ms of CPU time for a call", figures.deadline_ms)?;
    writeln!(out, "endpoint        {}", figures.endpoint_reason.as_deref().unwrap_or(figures.endpoint))?;
    writeln!(out, "timeline        {}", figures.timeline.display())
}

fn stream(out: &mut String, name: &str, f: &streams::Figures) -> std::fmt::Result {
    let hash = if f.sha256_ok { "SHA-256 right" } else { "SHA-256 WRONG" };
    let connections = if f.connections == 1 { "connection" } else { "connections" };
    writeln!(
        out,
        "{name:<16}{:.1} MiB in {:.1} s, {:.1} Mbit/s, {} {connections}, {hash}, longest pause {:.0} ms",
        f.bytes as f64 / (1 << 20) as f64,
        f.seconds,
        f.mbit_s,
        f.connections,
        f.longest_pause_ms
    )
}

/// The last two lines: the verdict, and how long it took.
pub(super) fn verdict(figures: &Figures) -> String {
    let mut out = String::new();
    let recovered = figures.faults.iter().filter(|f| f.recovered).count();
    for problem in &figures.problems {
        let _ = writeln!(out, "problem: {problem}");
    }
    let _ = if figures.verdict {
        writeln!(out, "verdict: good. {recovered} of {} faults recovered, every byte right", figures.planned)
    } else {
        writeln!(out, "verdict: BAD. {recovered} of {} faults recovered; see the problems above", figures.planned)
    };
    let (total, injecting) = (figures.total_s, figures.injecting_s);
    let _ = writeln!(out, "took {total:.1} s, {injecting:.1} s of them for injecting (seed {})", figures.seed);
    out
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::figures;
    use super::*;

    #[test]
    fn everything_is_in_the_tables() {
        let mut figures = figures();
        figures.judge();
        let text = text(&figures) + &verdict(&figures);
        for part in
            ["model:x", "drivers/x/src/lib.rs:7", "killed by SIGSEGV", "SHA-256 right", "timeline.svg", "verdict: good"]
        {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("poll at"), "the function is not named twice: {text}");
        figures.problems.push("the moon is full".to_owned());
        figures.judge();
        assert!(verdict(&figures).contains("moon") && verdict(&figures).contains("BAD"));
    }
}
