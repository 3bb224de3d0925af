//! The demo's figures as tables for people.

use std::fmt::Write;

use super::{
    super::table,
    figures::{Cost, Figures, ms},
    hearing::Heard,
    material::TONE,
    places::rank,
    words::time,
};

/// Everything but the verdict.
pub(super) fn text(figures: &Figures) -> String {
    let columns = [("accesses", 10), ("silent", 10), ("missing", 10), ("twice", 10)];
    let mut out = table::rows(&figures.faults, rank, columns, |f| {
        let Cost { silent, missing, repeated } = f.class.heard;
        [f.accesses().to_string(), heard(silent), heard(missing), heard(repeated)]
    });
    out += "accesses: to registers, by recovery; silent, missing, twice: of the tone. trigger, quiesce and probe stop it on purpose, and \
            their faults keep it so\n";
    out += &table::kinds(&figures.faults, true);
    // writing into a String does not fail
    let _ = restarts(&mut out, figures);
    let _ = unprotected(&mut out, figures);
    let _ = sums(&mut out, figures);
    out
}

/// Frames as time, and what is none at all at a glance.
fn heard(frames: u64) -> String {
    if frames == 0 { "-".to_owned() } else { format!("{:.2} ms", ms(frames)) }
}

fn restarts(out: &mut String, figures: &Figures) -> std::fmt::Result {
    writeln!(out, "\nthe same in the middle of pointer, recovered by restarting the driver (--recovery restart)")?;
    for f in &figures.restarts {
        let Cost { silent, missing, .. } = f.class.heard;
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
        writeln!(out, "{:<16}{}; {silence}{again}", one.end.fault, one.end.outcome)?;
    }
    Ok(())
}

fn sums(out: &mut String, figures: &Figures) -> std::fmt::Result {
    writeln!(out)?;
    run(out, "protected", figures.faults.len(), &figures.heard)?;
    run(out, "with restarts", figures.restarts.len(), &figures.restarts_heard)?;
    writeln!(out, "card            model:{}, in a process of its own", figures.run.model)?;
    out.push_str(&table::sums(&figures.run));
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
    let unheard = figures.faults.iter().filter(|f| f.class.heard == Cost::default()).count();
    let good = format!(
        ", {unheard} of them without a frame that was late, missing or twice; the others had stopped the card on purpose, and cost what is \
         promised"
    );
    let notes: String = figures.notes.iter().map(|note| format!("note: {note}\n")).collect();
    notes + &table::verdict(&figures.run, &figures.faults, &good)
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::figures;
    use super::*;

    #[test]
    fn everything_is_in_the_tables() {
        let mut figures = figures();
        figures.faults[1].class.heard.silent = 96;
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
    }
}
