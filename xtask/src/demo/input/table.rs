//! The demo's figures as tables for people.

use std::fmt::Write;

use super::{
    super::{table, words::time},
    figures::{Fault, Figures},
    places::rank,
};

/// Everything but the verdict.
pub(super) fn text(figures: &Figures) -> String {
    let columns = [("accesses", 10), ("bytes", 8), ("missing", 9)];
    let mut out = table::rows(&figures.faults, rank, columns, |f| {
        [f.accesses().to_string(), none(f.class.bytes), none(f.class.missing())]
    });
    out += "accesses: to the mouse's registers, by recovery; bytes: sent to the mouse, by the call and by recovery; missing: of the \
            leg, counts\n";
    out += &table::kinds(&figures.faults, false);
    // writing into a String does not fail
    let _ = others(&mut out, figures);
    let _ = sums(&mut out, figures);
    out
}

/// What is none at all at a glance.
fn none(count: u64) -> String {
    if count == 0 { "-".to_owned() } else { count.to_string() }
}

fn others(out: &mut String, figures: &Figures) -> std::fmt::Result {
    for (how, faults) in
        [("", &figures.few), (", recovered by restarting the driver (--recovery restart)", &figures.restarts)]
    {
        writeln!(out, "\nthe same in the middle of interrupt{how}")?;
        for f in faults {
            let (error, counts) = (time(f.to_error_ns), f.class.leg.counts());
            writeln!(
                out,
                "{:<16}to error {error:>9}; {} of {counts} counts of the leg are missing",
                f.fault,
                f.class.missing()
            )?;
        }
    }
    writeln!(out, "\nthe same without protection: udrvd ...; and until another one has read the rest of the leg")?;
    for one in &figures.unprotected {
        let (ms, missing) = (one.silent_ms, one.missing);
        writeln!(out, "{:<16}{}; {ms:.0} ms, and {missing} counts are missing", one.end.fault, one.end.outcome)?;
    }
    Ok(())
}

fn sums(out: &mut String, figures: &Figures) -> std::fmt::Result {
    let exact = |faults: &[Fault]| faults.iter().filter(|f| f.class.missing() == 0).count();
    writeln!(out)?;
    let all = [("protected", &figures.faults), ("of interrupt", &figures.few), ("with restarts", &figures.restarts)];
    for (name, faults) in all {
        let walked: u64 = faults.iter().map(|f| f.class.leg.counts()).sum();
        let missing: u64 = faults.iter().map(|f| f.class.missing()).sum();
        let (all, exact) = (faults.len(), exact(faults));
        writeln!(out, "{name:<16}{all} faults, {exact} legs exact; {missing} of {walked} counts missing")?;
    }
    writeln!(out, "mouse           model:{}, in a process of its own", figures.run.model)?;
    out.push_str(&table::sums(&figures.run));
    writeln!(out, "picture         {}", figures.picture.display())
}

/// The last lines: the verdict, and how long it took.
pub(super) fn verdict(figures: &Figures) -> String {
    let good = "; no button stuck, and where a call sends the mouse nothing no count is missing";
    table::verdict(&figures.run, &figures.faults, good)
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
    }
}
