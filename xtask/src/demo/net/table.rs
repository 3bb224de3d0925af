//! The demo's figures as tables for people.

use std::fmt::Write;

use super::{
    super::table,
    figures::{Both, Figures},
    places::rank,
    streams,
};

/// Everything but the verdict.
pub(super) fn text(figures: &Figures) -> String {
    let columns = [("lost", 6), ("missed", 8)];
    let mut out = table::rows(&figures.faults, rank, columns, |f| {
        [f.class.frames_lost.to_string(), f.class.frames_missed.to_string()]
    });
    out +=
        "lost: frames that the driver had; missed: frames that the chip's ring or a queue had no room for meanwhile\n";
    out += &table::kinds(&figures.faults, false);
    // writing into a String does not fail
    let _ = unprotected(&mut out, figures);
    let _ = sums(&mut out, figures);
    out
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
    let run = &figures.run;
    writeln!(out, "card            model:{}", run.model)?;
    out.push_str(&table::sums(run));
    writeln!(out, "endpoint        {}", figures.endpoint_reason.as_deref().unwrap_or(run.endpoint))?;
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
    table::verdict(&figures.run, &figures.faults, ", every byte right")
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
    }
}
