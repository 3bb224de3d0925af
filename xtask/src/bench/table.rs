//! A section as a table for people.

use std::fmt::Write;

use super::figures::{Figure, Ratio, Section, Spread, Value};

/// The section's table, and below it a line for each ratio.
pub(super) fn text(section: &Section) -> String {
    let mut out = format!("{} ({})\n", section.name, section.facts);
    let mut line = |args: std::fmt::Arguments<'_>| {
        // a String takes everything
        let _ = out.write_fmt(args);
    };
    line(format_args!("{:44} {:>10} {:>10} {:>10}\n", "", "median", "min", "max"));
    let mut group = "";
    for Figure { group: its_group, label, value, .. } in &section.figures {
        if *its_group != group {
            group = its_group;
            line(format_args!("{group}\n"));
        }
        match value {
            Value::Samples(samples) => {
                let [median, min, max] = times(Spread::of(samples));
                line(format_args!("  {label:42} {median:>10} {min:>10} {max:>10}\n"));
            }
            Value::Absent(reason) => line(format_args!("  {label:42} n/a: {reason}\n")),
        }
    }
    line(format_args!("within reach of the parts\n"));
    for ratio in &section.ratios {
        line(format_args!("  {}\n", verdict(ratio)));
    }
    out
}

fn verdict(ratio: &Ratio) -> String {
    let Spread { median, min, max } = ratio.spread();
    let (formula, reach) = (ratio.formula(), ratio.reach);
    let cost = ratio.unit_cost().map_or(String::new(), |cost| format!("; {cost}"));
    let figures = format!("{formula} = {median:.3} ({min:.3} to {max:.3}){cost}");
    if reach.is_infinite() {
        return figures;
    }
    let verdict = if ratio.is_met() { "met" } else { "missed" };
    format!("{figures}; reach {reach}: {verdict}")
}

fn times(spread: Spread) -> [String; 3] {
    [spread.median, spread.min, spread.max].map(time)
}

/// Nanoseconds with a unit and three digits or so.
fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        n if n < 100.0 => format!("{n:.1} ns"),
        n if n < 1000.0 => format!("{n:.0} ns"),
        n if n < 100_000.0 => format!("{:.2} us", n / 1e3),
        n if n < 1e6 => format!("{:.0} us", n / 1e3),
        n => format!("{:.2} ms", n / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well() {
        let all = [1.25, 99.0, 123.4, 2345.6, 250_000.0, 2.5e6].map(time);
        assert_eq!(all, ["1.2 ns", "99.0 ns", "123 ns", "2.35 us", "250 us", "2.50 ms"]);
    }

    #[test]
    fn what_is_absent_says_so() {
        let value = Value::Absent("no such thing".to_owned());
        let figure = Figure { name: "keys", group: "parts", label: "keys", value };
        let section = Section { name: "part", facts: "here".to_owned(), figures: vec![figure], ratios: Vec::new() };
        let text = text(&section);
        assert!(text.starts_with("part (here)\n") && text.contains("n/a: no such thing"), "{text}");
    }
}
