//! The demo's figures as tables for people.

use std::fmt::Write;

use super::{
    super::words::{file_and_line, isolation, time},
    figures::{Fault, Figures},
    places::rank,
};

/// Everything but the verdict.
pub(super) fn text(figures: &Figures) -> String {
    let mut out = String::new();
    // writing into a String does not fail
    let _ = rows(&mut out, figures);
    let _ = kinds(&mut out, figures);
    let _ = others(&mut out, figures);
    let _ = sums(&mut out, figures);
    out
}

fn rows(out: &mut String, figures: &Figures) -> std::fmt::Result {
    let mut faults: Vec<&Fault> = figures.faults.iter().collect();
    faults.sort_by_key(|f| rank(f.entry, f.point, f.fault));
    let places: Vec<&str> = faults.iter().map(|f| f.source.as_deref().map_or("?", file_and_line)).collect();
    let wide = places.iter().map(|place| place.len()).max().unwrap_or(0).max("where".len());
    writeln!(
        out,
        "{:<16}{:<16}{:<8}{:<wide$}{:>12}{:>15}{:>10}{:>8}{:>9}  {:<9}recovered",
        "entry point", "fault", "point", "where", "to error", "to next report", "accesses", "bytes", "missing", "rung"
    )?;
    for (f, place) in faults.iter().zip(places) {
        writeln!(
            out,
            "{:<16}{:<16}{:<8}{place:<wide$}{:>12}{:>15}{:>10}{:>8}{:>9}  {:<9}{}",
            f.entry,
            f.fault,
            f.point,
            time(f.to_error_ns),
            f.to_next_report_ns.map_or("never".to_owned(), time),
            f.register_reads + f.register_writes,
            none(f.bytes),
            none(f.missing()),
            f.rung,
            if f.recovered { "yes" } else { "NO" },
        )?;
    }
    writeln!(
        out,
        "accesses: to the mouse's registers, by recovery; bytes: sent to the mouse, by the call and by recovery; missing: of the \
         leg, counts"
    )
}

/// What is none at all at a glance.
fn none(count: u64) -> String {
    if count == 0 { "-".to_owned() } else { count.to_string() }
}

fn kinds(out: &mut String, figures: &Figures) -> std::fmt::Result {
    writeln!(out, "\n{:<16}{:>6}{:^30}{:^32}", "", "", "fault to error", "fault to next report")?;
    let heads = format!("{:>10}{:>10}{:>10}", "min", "median", "max");
    writeln!(out, "{:<16}{:>6}{heads}  {heads}", "fault", "count")?;
    for kind in &figures.by_fault {
        let (error, report) = (kind.to_error_ns.columns(), kind.to_next_report_ns.columns());
        writeln!(out, "{:<16}{:>6}{error}  {report}", kind.fault, kind.count)?;
    }
    Ok(())
}

fn others(out: &mut String, figures: &Figures) -> std::fmt::Result {
    for (how, faults) in
        [("", &figures.few), (", recovered by restarting the driver (--recovery restart)", &figures.restarts)]
    {
        writeln!(out, "\nthe same in the middle of interrupt{how}")?;
        for f in faults {
            let (error, counts) = (time(f.to_error_ns), f.leg.counts());
            writeln!(
                out,
                "{:<16}to error {error:>9}; {} of {counts} counts of the leg are missing",
                f.fault,
                f.missing()
            )?;
        }
    }
    writeln!(out, "\nthe same without protection: udrvd ...; and until another one has read the rest of the leg")?;
    for one in &figures.unprotected {
        let (ms, missing) = (one.silent_ms, one.missing);
        writeln!(out, "{:<16}{}; {ms:.0} ms, and {missing} counts are missing", one.fault, one.outcome)?;
    }
    Ok(())
}

fn sums(out: &mut String, figures: &Figures) -> std::fmt::Result {
    let exact = |faults: &[Fault]| faults.iter().filter(|f| f.missing() == 0).count();
    writeln!(out)?;
    let all = [("protected", &figures.faults), ("of interrupt", &figures.few), ("with restarts", &figures.restarts)];
    for (name, faults) in all {
        let walked: u64 = faults.iter().map(|f| f.leg.counts()).sum();
        let missing: u64 = faults.iter().map(Fault::missing).sum();
        let (all, exact) = (faults.len(), exact(faults));
        writeln!(out, "{name:<16}{all} faults, {exact} legs exact; {missing} of {walked} counts missing")?;
    }
    writeln!(out, "mouse           model:{}, in a process of its own", figures.model)?;
    writeln!(out, "isolation       {}", isolation(&figures.isolation))?;
    let [before, after] = figures.pid;
    let same = if before == after { "the same from start to end" } else { "CHANGED" };
    writeln!(out, "udrvd           pid {after}, {same}; {} ms of CPU time for a call", figures.deadline_ms)?;
    writeln!(out, "picture         {}", figures.picture.display())
}

/// The last lines: the verdict, and how long it took.
pub(super) fn verdict(figures: &Figures) -> String {
    let mut out = String::new();
    let recovered = figures.faults.iter().filter(|f| f.recovered).count();
    let of = figures.planned;
    for problem in &figures.problems {
        let _ = writeln!(out, "problem: {problem}");
    }
    let _ = if figures.verdict {
        writeln!(
            out,
            "verdict: good. {recovered} of {of} faults recovered; no button stuck, and where a call sends the mouse nothing no count is missing"
        )
    } else {
        writeln!(out, "verdict: BAD. {recovered} of {of} faults recovered; see the problems above")
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
        for part in [
            "model:x",
            "drivers/x/src/lib.rs:7",
            "killed by SIGSEGV; 900 ms, and 40 counts",
            "0 of 150 counts of the leg",
            "2 faults, 2 legs exact; 0 of 300 counts missing",
            "path.svg",
            "verdict: good. 2 of 2 faults recovered",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        figures.problems.push("the moon is full".to_owned());
        figures.judge();
        assert!(verdict(&figures).contains("moon") && verdict(&figures).contains("BAD"));
    }
}
