//! What `udrv-judge storm` has left in the results, judged once more from its figures.

use std::path::Path;

use serde_json::Value;

use super::outcome;

/// Its report.
pub(super) struct Storm(Value);

impl Storm {
    pub(super) fn read(results: &Path, name: &str) -> Result<Storm, String> {
        outcome::json(results, name).map(Storm)
    }

    pub(super) fn faults(&self) -> &[Value] {
        self.0["faults"].as_array().map_or(&[], Vec::as_slice)
    }

    /// udrvd's status after it.
    pub(super) fn status(&self) -> &Value {
        &self.0["status"]
    }

    /// What is not as it must be, whatever the device.
    pub(super) fn wrong(&self) -> Vec<String> {
        let mut wrong: Vec<String> = Vec::new();
        let mut must = |ok: bool, what: String| {
            if !ok {
                wrong.push(what);
            }
        };
        for fault in self.faults().iter().filter(|fault| fault["recovered"] != true) {
            must(false, format!("not recovered: {fault}"));
        }
        must(self.0["pid_unchanged"] == true, "udrvd's pid has changed".to_owned());
        let status = self.status();
        must(status["isolation"] == "protection-keys", format!("isolation: {}", status["isolation"]));
        must(status["canary_intact"] == true, "memory of the host was written to".to_owned());
        wrong
    }
}

/// The median of a time of these faults, which is in nanoseconds, as microseconds.
pub(super) fn median_us<'a>(faults: impl IntoIterator<Item = &'a Value>, field: &str) -> f64 {
    let mut times: Vec<u64> = faults.into_iter().filter_map(|fault| fault[field].as_u64()).collect();
    times.sort_unstable();
    times.get(times.len() / 2).map_or(f64::NAN, |time| *time as f64 / 1e3)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_thing_that_is_not_right_is_found() {
        let good = json!({ "pid_unchanged": true, "faults": [{ "recovered": true, "to_error": 3000 }],
            "status": { "isolation": "protection-keys", "canary_intact": true } });
        assert_eq!(Storm(good.clone()).wrong(), [""; 0]);
        for (path, value, word) in [
            ("/pid_unchanged", json!(false), "pid"),
            ("/faults/0/recovered", json!(false), "not recovered"),
            ("/status/isolation", json!("rollback-only"), "isolation"),
            ("/status/canary_intact", json!(false), "memory"),
        ] {
            let mut bad = good.clone();
            *bad.pointer_mut(path).unwrap() = value;
            let wrong = Storm(bad).wrong();
            assert!(wrong.len() == 1 && wrong[0].contains(word), "{word}: {wrong:?}");
        }
        assert_eq!(Storm(Value::Null).wrong().len(), 3);
        assert_eq!(median_us(Storm(good).faults(), "to_error"), 3.0);
        assert!(median_us([], "to_error").is_nan());
    }
}
