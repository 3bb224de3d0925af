//! The rows, for people and for machines.

use serde_json::json;

use super::{Row, Verdict};

impl Verdict {
    fn parts(&self) -> (&'static str, &str) {
        match self {
            Verdict::Passed(said) => ("passed", said),
            Verdict::Skipped(reason) => ("skipped", reason),
            Verdict::Failed(why) => ("FAILED", why),
        }
    }
}

/// A line for each row.
pub(super) fn text(rows: &[Row], seed: u64) -> String {
    let mut out = format!("{:9} {:16} {:34} {:8} {:>8}\n", "trial", "where", "count", "result", "time");
    for row in rows {
        let (verdict, said) = row.verdict.parts();
        let Row { name, place, count, seconds, .. } = row;
        out += &format!("{name:9} {place:16} {count:34} {verdict:8} {seconds:6.1} s  {said}\n");
    }
    let count = |wanted: &str| rows.iter().filter(|row| row.verdict.parts().0 == wanted).count();
    let (passed, skipped, failed) = (count("passed"), count("skipped"), count("FAILED"));
    out + &format!("{passed} passed, {skipped} skipped, {failed} failed (seed {seed})\n")
}

/// One object.
pub(super) fn json(rows: &[Row], seed: u64) -> String {
    let row = |row: &Row| {
        let (verdict, said) = row.verdict.parts();
        json!({
            "trial": row.name,
            "where": row.place,
            "count": row.count,
            "result": verdict.to_lowercase(),
            "said": said,
            "seconds": row.seconds,
        })
    };
    json!({ "seed": seed, "trials": rows.iter().map(row).collect::<Vec<_>>() }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> [Row; 2] {
        let row = |name, verdict| Row { name, place: "host", count: "5 faults".to_owned(), verdict, seconds: 1.25 };
        [row("million", Verdict::Passed("3 ns".to_owned())), row("wild", Verdict::Failed("one escaped".to_owned()))]
    }

    #[test]
    fn failures_stand_out() {
        let text = text(&rows(), 7);
        assert!(text.contains("FAILED") && text.ends_with("1 passed, 0 skipped, 1 failed (seed 7)\n"), "{text}");
    }

    #[test]
    fn machines_get_the_same() {
        let value: serde_json::Value = serde_json::from_str(&json(&rows(), 7)).unwrap();
        assert_eq!(value["trials"][1]["result"], "failed");
        assert_eq!(value["trials"][0]["said"], "3 ns");
        assert_eq!(value["seed"], 7);
    }
}
