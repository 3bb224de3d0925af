//! Figures, ratios and sections: what a benchmark says, without how it is shown to people.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::steps::Failure;

/// What was measured of one thing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// Nanoseconds an operation, one sample a round; at least one.
    Samples(Vec<f64>),
    /// Not to be had on this machine, and why.
    Absent(String),
}

/// One measured thing.
#[derive(Debug)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) group: &'static str,
    pub(crate) label: &'static str,
    pub(crate) value: Value,
}

/// A figure over the sum of its parts, round by round.
#[derive(Debug)]
pub(crate) struct Ratio {
    whole: &'static str,
    /// Parts that this machine has.
    parts: Vec<&'static str>,
    /// Parts that it does not have.
    absent: Vec<&'static str>,
    /// What the ratio's median may be at most.
    pub(crate) reach: f64,
    samples: Vec<f64>,
    /// One of what is in the parts: its name, and what it costs without the whole, in nanoseconds and in cycles.
    unit: Option<(&'static str, f64, f64)>,
    /// Sum of the parts, round by round.
    sums: Vec<f64>,
}

impl Ratio {
    /// `None` if the whole, or each of its parts, was not measured. A part that the machine does not have is left out:
    /// then the whole does not have it in it either.
    pub(crate) fn new(
        whole: &'static str,
        parts: &'static [&'static str],
        reach: f64,
        values: &BTreeMap<String, Value>,
    ) -> Option<Self> {
        let samples_of = |name: &str| match values.get(name) {
            Some(Value::Samples(samples)) => Some(samples),
            _ => None,
        };
        let (parts, absent): (Vec<&str>, Vec<&str>) = parts.iter().partition(|part| samples_of(part).is_some());
        if parts.is_empty() {
            return None;
        }
        let sum = |round: usize| parts.iter().filter_map(|part| samples_of(part)?.get(round)).sum::<f64>();
        let whole_samples = samples_of(whole)?;
        let sums: Vec<f64> = (0..whole_samples.len()).map(sum).collect();
        let samples = whole_samples.iter().zip(&sums).map(|(sample, sum)| sample / sum).collect();
        Some(Self { whole, parts, absent, reach, samples, unit: None, sums })
    }

    /// The parts are `in_part` of `name`; `cycles` of the processor's counter are a nanosecond.
    pub(crate) fn with_unit(mut self, name: &'static str, in_part: f64, cycles: f64) -> Self {
        let nanoseconds = Spread::of(&self.sums).median / in_part;
        self.unit = Some((name, nanoseconds, nanoseconds * cycles));
        self
    }

    /// What one of those costs, in words: a ratio says little without it.
    pub(crate) fn unit_cost(&self) -> Option<String> {
        let (name, nanoseconds, cycles) = self.unit?;
        Some(format!("a {name} unprotected: {nanoseconds:.1} ns, {cycles:.0} cycles"))
    }

    /// The formula in words.
    pub(crate) fn formula(&self) -> String {
        let absent = if self.absent.is_empty() { "" } else { ", here without " };
        format!("{} / ({}{absent}{})", self.whole, self.parts.join(" + "), self.absent.join(", "))
    }

    pub(crate) fn median(&self) -> f64 {
        Spread::of(&self.samples).median
    }

    pub(crate) fn spread(&self) -> Spread {
        Spread::of(&self.samples)
    }

    pub(crate) fn is_met(&self) -> bool {
        self.median() <= self.reach
    }
}

/// One part of the project and its figures.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) name: &'static str,
    /// What a reader must know of this run.
    pub(crate) facts: String,
    pub(crate) figures: Vec<Figure>,
    pub(crate) ratios: Vec<Ratio>,
}

/// Groups of a section's table, and in each the names of figures and what they are.
pub(crate) type Groups = [(&'static str, &'static [(&'static str, &'static str)])];
/// A figure, the parts that it is held against, and how far above their sum it may be. Infinity: that is only told.
pub(crate) type Held = (&'static str, &'static [&'static str], f64);

impl Section {
    /// Of what was measured: every figure of `groups`, no less.
    pub(crate) fn new(
        name: &'static str,
        facts: String,
        groups: &Groups,
        ratios: Vec<Ratio>,
        mut values: BTreeMap<String, Value>,
    ) -> Result<Self, Failure> {
        if facts.is_empty() {
            return Err(Failure::Output(format!("the benchmark of the section '{name}' did not say how it ran")));
        }
        let mut figures = Vec::new();
        for (group, rows) in groups {
            for (figure, label) in *rows {
                let value = values.remove(*figure).ok_or_else(|| {
                    Failure::Output(format!("the benchmark of the section '{name}' did not measure {figure}"))
                })?;
                figures.push(Figure { name: figure, group, label, value });
            }
        }
        Ok(Self { name, facts, figures, ratios })
    }
}

/// Those of `held` that were measured.
pub(crate) fn ratios(held: &[Held], values: &BTreeMap<String, Value>) -> Vec<Ratio> {
    held.iter().filter_map(|(whole, parts, reach)| Ratio::new(whole, parts, *reach, values)).collect()
}

/// Median, least and most of some samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of at least one sample.
    pub(crate) fn of(samples: &[f64]) -> Self {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (middle, last) = (sorted.len() / 2, sorted.len() - 1);
        let median =
            if last.is_multiple_of(2) { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) };
        Self { median, min: sorted[0], max: sorted[last] }
    }

    fn json(self) -> Json {
        let rounded = |value: f64| (value * 1000.0).round() / 1000.0;
        json!({"median": rounded(self.median), "min": rounded(self.min), "max": rounded(self.max)})
    }
}

/// All sections as one object: `figures` in nanoseconds by name, `ratios` by the name of their whole.
pub(crate) fn json(sections: &[Section], quick: bool) -> Json {
    let mut object = json!({"quick": quick});
    for section in sections {
        let figure = |f: &Figure| match &f.value {
            Value::Samples(samples) => (f.name.to_owned(), Spread::of(samples).json()),
            Value::Absent(reason) => (f.name.to_owned(), json!({"absent": reason})),
        };
        let ratio = |r: &Ratio| {
            let mut ratio = r.spread().json();
            ratio["parts"] = json!(r.parts);
            ratio["absent_parts"] = json!(r.absent);
            ratio["reach"] = json!(r.reach);
            ratio["met"] = json!(r.is_met());
            if let Some((name, nanoseconds, cycles)) = r.unit {
                ratio["unprotected"] = json!({"of": name, "nanoseconds": nanoseconds, "cycles": cycles});
            }
            (r.whole.to_owned(), ratio)
        };
        object[section.name] = json!({
            "facts": section.facts,
            "nanoseconds": section.figures.iter().map(figure).collect::<serde_json::Map<_, _>>(),
            "ratios": section.ratios.iter().map(ratio).collect::<serde_json::Map<_, _>>(),
        });
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> BTreeMap<String, Value> {
        let samples = |name: &str, samples: &[f64]| (name.to_owned(), Value::Samples(samples.to_vec()));
        let absent = ("keys".to_owned(), Value::Absent("no such thing".to_owned()));
        [samples("whole", &[3.0, 8.0, 30.0]), samples("a", &[1.0, 1.0, 5.0]), samples("b", &[1.0, 1.0, 5.0]), absent]
            .into()
    }

    #[test]
    fn the_spread_of_odd_and_even_numbers() {
        assert_eq!(Spread::of(&[3.0, 1.0, 2.0]), Spread { median: 2.0, min: 1.0, max: 3.0 });
        assert_eq!(Spread::of(&[4.0, 1.0, 2.0, 3.0]).median, 2.5);
        assert_eq!(Spread::of(&[4.0]).median, 4.0);
    }

    #[test]
    fn a_ratio_is_taken_round_by_round_without_absent_parts() {
        let ratio = Ratio::new("whole", &["keys", "a", "b"], 2.0, &values()).unwrap();
        assert_eq!(ratio.spread(), Spread { median: 3.0, min: 1.5, max: 4.0 });
        assert_eq!(ratio.formula(), "whole / (a + b, here without keys)");
        assert!(!ratio.is_met());
        assert!(Ratio::new("whole", &["a", "b"], 3.0, &values()).unwrap().is_met());
        assert!(Ratio::new("keys", &["a"], 2.0, &values()).is_none());
        assert!(Ratio::new("whole", &["keys"], 2.0, &values()).is_none());
    }

    #[test]
    fn machines_read_the_same_as_people() {
        let value = Value::Samples(vec![1.0, 2.0, 3.0]);
        let absent = Value::Absent("no such thing".to_owned());
        let section = Section {
            name: "part",
            facts: String::new(),
            figures: vec![
                Figure { name: "here", group: "", label: "", value },
                Figure { name: "not", group: "", label: "", value: absent },
            ],
            ratios: vec![Ratio::new("whole", &["a", "b"], 2.0, &values()).unwrap()],
        };
        let json = json(&[section], true);
        assert_eq!(json["part"]["nanoseconds"]["here"]["median"], 2.0);
        assert_eq!(json["part"]["nanoseconds"]["not"]["absent"], "no such thing");
        assert_eq!(json["part"]["ratios"]["whole"]["met"], false);
        assert_eq!(json["part"]["ratios"]["whole"]["reach"], 2.0);
    }
}
