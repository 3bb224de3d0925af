//! The parts that the tables of all demos have in common.

use std::fmt::Write;

use super::{
    figures::{Class, Fault, Run, by_fault},
    words::{file_and_line, isolation, time},
};

/// A row for each fault, in the order of `rank`. Before the rung stand `columns`,
/// with their widths, and what `cells` has for them.
pub(super) fn rows<C: Class, const N: usize>(
    faults: &[Fault<C>],
    rank: impl Fn(&str, &str, &str) -> (usize, usize, usize),
    columns: [(&str, usize); N],
    cells: impl Fn(&Fault<C>) -> [String; N],
) -> String {
    let mut faults: Vec<&Fault<C>> = faults.iter().collect();
    faults.sort_by_key(|f| rank(f.entry, f.point, f.fault));
    let places: Vec<&str> = faults.iter().map(|f| f.source.as_deref().map_or("?", file_and_line)).collect();
    let wide = places.iter().map(|place| place.len()).max().unwrap_or(0).max("where".len());
    let own = |texts: [String; N]| {
        columns.iter().zip(texts).map(|((_, width), text)| format!("{text:>width$}")).collect::<String>()
    };
    // writing into a String does not fail
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{:<16}{:<16}{:<8}{:<wide$}{:>12}{:>15}{}  {:<9}recovered",
        "entry point",
        "fault",
        "point",
        "where",
        "to error",
        format!("to next {}", C::NEXT),
        own(columns.map(|(title, _)| title.to_owned())),
        "rung"
    );
    for (f, place) in faults.into_iter().zip(places) {
        let _ = writeln!(
            out,
            "{:<16}{:<16}{:<8}{place:<wide$}{:>12}{:>15}{}  {:<9}{}",
            f.entry,
            f.fault,
            f.point,
            time(f.to_error_ns),
            f.to_next.ns.map_or("never".to_owned(), time),
            own(cells(f)),
            f.rung,
            if f.recovered { "yes" } else { "NO" },
        );
    }
    out
}

/// The faults by kind; with `accesses`, the most that a recovery made too.
pub(super) fn kinds<C: Class>(faults: &[Fault<C>], accesses: bool) -> String {
    let mut out = String::new();
    let mut line = |columns: String, last: &str| {
        let last = if accesses { format!("{last:>20}") } else { String::new() };
        let _ = writeln!(out, "{columns}{last}");
    };
    let next = format!("fault to next {}", C::NEXT);
    line(format!("\n{:<16}{:>6}{:^30}{next:^32}", "", "", "fault to error"), "register accesses");
    let heads = format!("{:>10}{:>10}{:>10}", "min", "median", "max");
    line(format!("{:<16}{:>6}{heads}  {heads}", "fault", "count"), "most");
    for kind in by_fault(faults) {
        let (error, next) = (kind.to_error_ns.columns(), kind.to_next.ns.columns());
        let most = kind.register_accesses.max.to_string();
        line(format!("{:<16}{:>6}{error}  {next}", kind.fault, kind.count), &most);
    }
    out
}

/// Lines on the whole.
pub(super) fn sums(run: &Run) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "isolation       {}", isolation(&run.isolation));
    let [before, after] = run.pid;
    let same = if before == after { "the same from start to end" } else { "CHANGED" };
    let _ = writeln!(out, "udrvd           pid {after}, {same}; {} ms of CPU time for a call", run.deadline_ms);
    out
}

/// The last lines: the problems, the verdict, which has `good` to say if it is, and how long it took.
pub(super) fn verdict<C>(run: &Run, faults: &[Fault<C>], good: &str) -> String {
    let mut out = String::new();
    for problem in &run.problems {
        let _ = writeln!(out, "problem: {problem}");
    }
    let recovered = faults.iter().filter(|f| f.recovered).count();
    let (verdict, words) = if run.verdict { ("good", good) } else { ("BAD", "; see the problems above") };
    let _ = writeln!(out, "verdict: {verdict}. {recovered} of {} faults recovered{words}", run.planned);
    let (total, injecting) = (run.total_s, run.injecting_s);
    let _ = writeln!(out, "took {total:.1} s, {injecting:.1} s of them for injecting (seed {})", run.seed);
    out
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests;
    use super::*;

    #[test]
    fn every_column_is_as_wide_in_its_rows_as_in_its_head() {
        let mut faults = vec![tests::fault("transmit", "panic", ()), tests::fault("open", "wild-write", ())];
        faults[1].recovered = false;
        let rank = |entry: &str, _: &str, _: &str| (usize::from(entry == "transmit"), 0, 0);
        let table = rows(&faults, rank, [("lost", 6), ("missed", 8)], |_| ["1".to_owned(), "-".to_owned()]);
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines[1].starts_with("open ") && lines[1].ends_with("NO"), "sorted by rank: {table}");
        assert!(!table.contains("transmit at"), "the function is not named twice: {table}");
        let end = |line: &str, word: &str| line.find(word).map(|at| at + word.len());
        assert_eq!(end(lines[0], "missed"), end(lines[2], "-  abort").map(|at| at - "  abort".len()));
        assert_eq!(lines[0].find("recovered"), lines[2].find("yes"));
        let [few, all] = [false, true].map(|accesses| kinds(&faults, accesses));
        assert!(few.contains("fault to next frame") && few.lines().count() == 3 + 6, "{few}");
        assert!(!few.contains("accesses") && all.contains("accesses") && all.ends_with("  3\n"), "{few}{all}");
    }

    #[test]
    fn a_verdict_has_its_reasons() {
        let (mut run, faults) = (tests::run(1), [tests::fault("open", "panic", ())]);
        run.conclude();
        let good = verdict(&run, &faults, ", every byte right");
        assert!(good.starts_with("verdict: good. 1 of 1 faults recovered, every byte right\n"), "{good}");
        run.problems.push("the moon is full".to_owned());
        run.conclude();
        let bad = verdict(&run, &faults, ", every byte right");
        assert!(bad.contains("moon") && bad.contains("BAD") && !bad.contains("right"), "{bad}");
        assert!(sums(&run).contains("the same from start"));
    }
}
