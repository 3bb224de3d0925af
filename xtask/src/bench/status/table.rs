//! What was measured, for people and for programs, and which reach is met.

use serde_json::{Value, json};

use super::judge::{Median, Verdict, quantile};
use super::{Measured, OFTEN, Ratios, WAYS, Window};
use crate::bench::figures::Spread;

/// How long an answer may take, nanoseconds.
const REACH: f64 = 10e6;
/// What part of the answers is to be within that. The longest of all is one sample: what the machine did once, at a time.
const MOST: f64 = 0.99;
/// What must be left of the throughput, and how much processor time a byte may cost more: where that cannot be told from
/// nobody asking, there is nothing to measure.
const THROUGHPUT: f64 = 0.99;
const PROCESSOR: f64 = 1.01;
/// The part of its time that the device's thread may spend on answers, if it is asked ten times a second.
const SHARE: f64 = 0.001;

impl Ratios {
    /// Throughput and processor time over those of another way, round by round.
    fn over(&self, other: &Ratios) -> [Median; 2] {
        let over = |these: &[f64], others: &[f64]| {
            Median::of(&these.iter().zip(others).map(|(this, other)| this / other).collect::<Vec<_>>())
        };
        [over(&self.throughput, &other.throughput), over(&self.processor, &other.processor)]
    }
}

impl Measured {
    fn quiet(&self, of: fn(&Window) -> f64) -> f64 {
        Spread::of(&self.quiet.iter().map(of).collect::<Vec<_>>()).median
    }

    /// Throughput and processor time of each way over nobody's, and what comes of it. The first is nobody's own, over those around it.
    fn judged(&self) -> [[(Median, Verdict); 2]; WAYS.len()] {
        let nobody = &self.ratios[0];
        let own = [Median::of(&nobody.throughput), Median::of(&nobody.processor)];
        std::array::from_fn(|nth| {
            let [throughput, processor] = if nth == 0 { own } else { self.ratios[nth].over(nobody) };
            [(throughput, throughput.at_least(THROUGHPUT)), (processor, processor.at_most(PROCESSOR))]
        })
    }

    /// The part of the device thread's time, if that is asked as often as is tried here.
    fn share(device: f64) -> (f64, Verdict) {
        let share = device / OFTEN.as_nanos() as f64;
        (share, Verdict::of(share <= SHARE))
    }

    fn answered(times: &[f64]) -> ([f64; 3], Verdict) {
        let [median, most, longest] = [0.5, MOST, 1.0].map(|part| quantile(times, part));
        ([median, most, longest], Verdict::of(most <= REACH))
    }

    pub(super) fn text(&self) -> String {
        let mut out = format!("status ({})\n", self.facts);
        let (rate, cost) = (self.quiet(|w| w.rate) * 8.0 / 1e6, self.quiet(|w| w.cost));
        out += &format!("nobody asks: {rate:.0} Mbit/s, {cost:.2} ns of udrvd's processor time a byte\n");
        let titles = ["each over nobody (95 % sure)", "throughput", "processor time a byte"];
        out += &format!("{:32}{:>26}{:>26}\n", titles[0], titles[1], titles[2]);
        let judged = self.judged();
        for (way, both) in WAYS.iter().zip(&judged) {
            let [rate, cost] =
                both.map(|(Median { value, low, high }, _)| format!("{value:.3} ({low:.3} to {high:.3})"));
            out += &format!("  {:30}{rate:>26}{cost:>26}\n", way.name());
        }
        for (way, [(_, throughput), (_, processor)]) in WAYS.iter().zip(&judged) {
            let (throughput, processor) = (throughput.name(), processor.name());
            out += &format!("  {:30}  throughput, reach {THROUGHPUT}: {throughput}\n", way.name());
            out += &format!("  {:30}  processor time, reach {PROCESSOR}: {processor}\n", way.name());
        }
        out += &format!("{:32}{:>16}{:>16}\n", "processor time of an answer, us", "device's thread", "all of udrvd");
        for (name, [device, all]) in &self.costs {
            let (share, verdict) = Self::share(*device);
            out += &format!(
                "  {name:30}{:>16.1}{:>16.1}  ten a second: {:.4} %, reach {} %: {}\n",
                device / 1e3,
                all / 1e3,
                share * 100.0,
                SHARE * 100.0,
                verdict.name()
            );
        }
        let most = format!("{} %", MOST * 100.0);
        out += &format!("{:32}{:>10}{most:>10}{:>10}\n", "until the answer is there, ms", "median", "longest");
        for answers in &self.answers {
            let (times, verdict) = Self::answered(&answers.times);
            let [median, most, longest] = times.map(|time| time / 1e6);
            out += &format!("  {:30}{median:>10.2}{most:>10.2}{longest:>10.2}", answers.name);
            if answers.judged {
                out += &format!("  {} % within reach {}: {}", MOST * 100.0, REACH / 1e6, verdict.name());
            }
            out.push('\n');
        }
        out
    }

    pub(super) fn json(&self) -> Value {
        let ways = WAYS.iter().zip(self.judged()).map(|(way, both)| {
            let [throughput, processor] = both.map(|(Median { value, low, high }, verdict)| {
                json!({ "median": value, "low": low, "high": high, "verdict": verdict.name() })
            });
            json!({ "who": way.name(), "throughput": throughput, "processor": processor })
        });
        let answers = self.answers.iter().map(|answers| {
            let ([median, most, longest], verdict) = Self::answered(&answers.times);
            let verdict = answers.judged.then(|| verdict.name());
            json!({ "who": answers.name, "median_ns": median, "p99_ns": most, "longest_ns": longest, "verdict": verdict })
        });
        let costs = self.costs.iter().map(|(name, [device, all])| {
            json!({ "of": name, "device_ns": device, "all_ns": all, "verdict": Self::share(*device).1.name() })
        });
        json!({
            "facts": self.facts,
            "quiet": { "bytes_per_second": self.quiet(|w| w.rate), "ns_per_byte": self.quiet(|w| w.cost) },
            "costs": costs.collect::<Vec<_>>(),
            "ways": ways.collect::<Vec<_>>(),
            "answers": answers.collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Answers;
    use super::*;

    /// So many rounds that differ by so much.
    fn rounds(middle: f64, by: f64) -> Vec<f64> {
        (0..41).map(|n| middle + by * (f64::from(n) - 20.0) / 20.0).collect()
    }

    #[test]
    fn the_table_says_which_reach_is_missed_and_which_noise_hides() {
        let ratios = |throughput: f64, processor: f64| Ratios {
            throughput: vec![throughput; 41],
            processor: vec![processor; 41],
        };
        let noisy = Ratios { throughput: rounds(1.1, 0.5), processor: rounds(0.9, 0.5) };
        let answers = |name, time: f64, judged| Answers { name, times: vec![time; 100], judged };
        let measured = Measured {
            facts: "here".to_owned(),
            quiet: vec![Window { rate: 1e6, cost: 30.0 }],
            ratios: [ratios(1.0, 1.0), ratios(0.995, 1.0), ratios(0.98, 1.2), noisy],
            costs: vec![("cheap", [1e4, 9e4]), ("dear", [2e5, 3e5])],
            answers: vec![answers("fast", 1e6, true), answers("slow", 2e7, true), answers("echo", 2e7, false)],
        };
        let text = measured.text();
        let verdicts: Vec<&str> = text.lines().filter_map(|line| line.rsplit_once("reach ")).map(|(_, v)| v).collect();
        let wanted = [
            ["0.99: met", "1.01: met"],
            ["0.99: met", "1.01: met"],
            ["0.99: missed", "1.01: missed"],
            ["0.99: hidden by noise", "1.01: hidden by noise"],
            ["0.1 %: met", "0.1 %: missed"],
            ["10: met", "10: missed"],
        ];
        assert_eq!(verdicts, wanted.as_flattened());
        assert!(text.contains("8 Mbit/s") && text.contains("30.00 ns"), "{text}");
        let json = measured.json();
        assert_eq!(json["ways"][2]["processor"]["verdict"], "missed");
        assert_eq!((&json["answers"][1]["verdict"], &json["answers"][2]["verdict"]), (&"missed".into(), &Value::Null));
    }

    /// A machine that changes from window to window does so with nobody asking, too: what is left is what the way differs by.
    #[test]
    fn what_the_machine_does_by_itself_is_no_merit_and_no_fault() {
        let nobody = Ratios { throughput: rounds(1.0, 0.5), processor: rounds(1.0, 0.5) };
        let scaled = |by: f64| Ratios {
            throughput: nobody.throughput.iter().map(|r| r * by).collect(),
            processor: nobody.processor.iter().map(|r| r / by).collect(),
        };
        let verdicts = |by: f64| {
            let [throughput, processor] = scaled(by).over(&nobody);
            (throughput.at_least(THROUGHPUT), processor.at_most(PROCESSOR))
        };
        assert_eq!(verdicts(0.95), (Verdict::Missed, Verdict::Missed));
        assert_eq!(verdicts(1.0), (Verdict::Met, Verdict::Met));
    }
}
