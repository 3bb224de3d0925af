//! The demo's figures as tables for people.

use std::fmt::Write;

use super::{
    figures::{Cost, Fault, Figures, ms},
    hearing::Heard,
    material::TONE,
    places::rank,
    words::{Spread, file_and_line, isolation, time},
};

/// Everything but the verdict.
pub(super) fn text(figures: &Figures) -> String {
    let mut out = String::new();
    // writing into a String does not fail
    let _ = rows(&mut out, figures);
    let _ = kinds(&mut out, figures);
    let _ = restarts(&mut out, figures);
    let _ = unprotected(&mut out, figures);
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
        "{:<14}{:<16}{:<8}{:<wide$}{:>12}{:>15}{:>10}{:>10}{:>10}{:>10}  {:<9}recovered",
        "entry point",
        "fault",
        "point",
        "where",
        "to error",
        "to next period",
        "accesses",
        "silent",
        "missing",
        "twice",
        "rung"
    )?;
    for (f, place) in faults.iter().zip(places) {
        let Cost { silent, missing, repeated } = f.heard;
        writeln!(
            out,
            "{:<14}{:<16}{:<8}{place:<wide$}{:>12}{:>15}{:>10}{:>10}{:>10}{:>10}  {:<9}{}",
            f.entry,
            f.fault,
            f.point,
            time(f.to_error_ns),
            f.to_next_period_ns.map_or("never".to_owned(), time),
            f.register_reads + f.register_writes,
            heard(silent),
            heard(missing),
            heard(repeated),
            f.rung,
            if f.recovered { "yes" } else { "NO" },
        )?;
    }
    writeln!(
        out,
        "accesses: to registers, by recovery; silent, missing, twice: of the tone. trigger, quiesce and probe stop it on purpose, and \
         their faults keep it so"
    )
}

/// Frames as time, and what is none at all at a glance.
fn heard(frames: u64) -> String {
    if frames == 0 { "-".to_owned() } else { format!("{:.2} ms", ms(frames)) }
}

fn kinds(out: &mut String, figures: &Figures) -> std::fmt::Result {
    writeln!(
        out,
        "\n{:<16}{:>6}{:^30}{:^32}{:>20}",
        "", "", "fault to error", "fault to next period", "register accesses"
    )?;
    let heads = format!("{:>10}{:>10}{:>10}", "min", "median", "max");
    writeln!(out, "{:<16}{:>6}{heads}  {heads}{:>20}", "fault", "count", "most")?;
    for kind in &figures.by_fault {
        let Spread { max, .. } = kind.register_accesses;
        let (error, period) = (kind.to_error_ns.columns(), kind.to_next_period_ns.columns());
        writeln!(out, "{:<16}{:>6}{error}  {period}{max:>20}", kind.fault, kind.count)?;
    }
    Ok(())
}

fn restarts(out: &mut String, figures: &Figures) -> std::fmt::Result {
    writeln!(out, "\nthe same in the middle of pointer, recovered by restarting the driver (--recovery restart)")?;
    for f in &figures.restarts {
        let Cost { silent, missing, .. } = f.heard;
        writeln!(
            out,
            "{:<16}to error {:>9}; {:.2} ms of the tone are silent, {:.2} missing",
            f.fault,
            time(f.to_error_ns),
            ms(silent),
            ms(missing)
        )?;
    }
    Ok(())
}

fn unprotected(out: &mut String, figures: &Figures) -> std::fmt::Result {
    writeln!(
        out,
        "\nthe same without protection: udrvd ...; and what is heard until the next udrvd begins the piece anew"
    )?;
    for one in &figures.unprotected {
        let silence = one.silent_ms.map_or("nothing of it".to_owned(), |ms| format!("{ms:.0} ms of silence"));
        let again = if one.repeated_ms > 0.0 {
            format!(", and before it the ring again and again, {:.0} ms", one.repeated_ms)
        } else {
            String::new()
        };
        writeln!(out, "{:<16}{}; {silence}{again}", one.fault, one.outcome)?;
    }
    Ok(())
}

fn sums(out: &mut String, figures: &Figures) -> std::fmt::Result {
    writeln!(out)?;
    run(out, "protected", figures.faults.len(), &figures.heard)?;
    run(out, "with restarts", figures.restarts.len(), &figures.restarts_heard)?;
    writeln!(out, "card            model:{}, in a process of its own", figures.model)?;
    writeln!(out, "isolation       {}", isolation(&figures.isolation))?;
    let [before, after] = figures.pid;
    let same = if before == after { "the same from start to end" } else { "CHANGED" };
    writeln!(out, "udrvd           pid {after}, {same}; {} ms of CPU time for a call", figures.deadline_ms)?;
    writeln!(out, "ring            periods of {:.0} ms, {:.0} ms in all", figures.period_ms, figures.ring_ms)?;
    writeln!(out, "picture         {}", figures.picture.display())?;
    let recordings: Vec<String> = figures.recordings.iter().map(|path| path.display().to_string()).collect();
    writeln!(out, "recordings      {} (left: the tone; right: a counter)", recordings.join(", "))
}

fn run(out: &mut String, name: &str, faults: usize, h: &Heard) -> std::fmt::Result {
    writeln!(
        out,
        "{name:<16}{faults} faults in {:.1} s: {} frames heard, {} missing, {} twice, {} spoilt; {} gaps, {:.1} ms in all, the longest \
         {:.1} ms; {:.2} Hz of {TONE}",
        ms(h.length) / 1e3,
        h.right,
        h.missing,
        h.repeated,
        h.spoilt,
        h.gaps,
        ms(h.silent),
        ms(h.longest_gap),
        h.frequency
    )
}

/// The last lines: what came of it, the verdict, and how long it took.
pub(super) fn verdict(figures: &Figures) -> String {
    let mut out = String::new();
    let recovered = figures.faults.iter().filter(|f| f.recovered).count();
    let unheard = figures.faults.iter().filter(|f| f.heard == Cost::default()).count();
    for note in &figures.notes {
        let _ = writeln!(out, "note: {note}");
    }
    for problem in &figures.problems {
        let _ = writeln!(out, "problem: {problem}");
    }
    let of = figures.planned;
    let _ = if figures.verdict {
        writeln!(
            out,
            "verdict: good. {recovered} of {of} faults recovered, {unheard} of them without a frame that was late, missing or twice; the others had stopped \
             the card on purpose, and cost what is promised"
        )
    } else {
        writeln!(
            out,
            "verdict: BAD. {recovered} of {of} faults recovered, {unheard} of them unheard; see the problems above"
        )
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
        figures.faults[1].heard.silent = 96;
        figures.judge();
        let text = text(&figures) + &verdict(&figures);
        for part in [
            "model:x",
            "drivers/x/src/lib.rs:7",
            "killed by SIGSEGV; 50 ms of silence",
            "2.00 ms",
            "441.00 Hz of 441",
            "sound.svg",
            "verdict: good. 2 of 2 faults recovered, 1 of them without",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        figures.problems.push("the moon is full".to_owned());
        figures.judge();
        assert!(verdict(&figures).contains("moon") && verdict(&figures).contains("BAD"));
    }
}
