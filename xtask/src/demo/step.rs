//! The demo as a step of `cargo xtask test`.

use std::process::{Command, Stdio};

use serde_json::Value;

use super::{input, sound};
use crate::steps::{Done, Failure};

/// Runs `cargo xtask demo MODEL --json` in a process of its own, which moves to another network, and judges what it says.
pub(crate) fn step(model: &str) -> Result<Done, Failure> {
    let io = |doing: &str| {
        let doing = doing.to_owned();
        |source| Failure::Io { doing, source }
    };
    let program = std::env::current_exe().map_err(io("find this program"))?;
    let mut command = Command::new(program);
    command.args(["demo", model, "--json"]).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().map_err(io("start the demo"))?;
    let figures: Value = match serde_json::from_slice(&output.stdout) {
        Ok(figures) => figures,
        // what went wrong is above
        Err(_) if !output.status.success() => {
            return Err(Failure::Program { command: format!("demo {model} --json"), status: output.status });
        }
        Err(error) => return Err(Failure::Output(format!("the demo's JSON is not understood: {error}"))),
    };
    let endpoint = match model {
        _ if sound::plays(model) => "wav",
        _ if input::points(model) => "record",
        _ => "tap",
    };
    judge(&figures, endpoint)?;
    if !output.status.success() {
        return Err(Failure::Program { command: format!("demo {model} --json"), status: output.status });
    }
    println!("{} faults recovered", figures["faults"].as_array().map_or(0, Vec::len));
    Ok(Done::Passed)
}

/// Good, and at this endpoint, for a network card the kernel's network: CI shall not do with less.
fn judge(figures: &Value, endpoint: &str) -> Result<(), Failure> {
    if figures["verdict"] != true {
        let problems = figures["problems"].as_array().map_or(&[][..], Vec::as_slice);
        let problems: Vec<&str> = problems.iter().filter_map(Value::as_str).collect();
        return Err(Failure::Output(format!("the demo's verdict is bad: {}", problems.join("; "))));
    }
    if figures["endpoint"] != endpoint {
        return Err(Failure::Output(format!(
            "the demo did not run over {endpoint} but over: {}",
            figures["endpoint_reason"].as_str().unwrap_or_default()
        )));
    }
    let recovered = |fault: &Value| fault["recovered"] == true;
    match figures["faults"].as_array() {
        Some(faults) if !faults.is_empty() && faults.iter().all(recovered) => Ok(()),
        _ => Err(Failure::Output("the demo shows no faults, or some that were not recovered".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_good_demo_at_the_right_endpoint_passes() {
        let good = json!({ "verdict": true, "endpoint": "tap", "faults": [{ "recovered": true }] });
        assert!(judge(&good, "tap").is_ok());
        for (key, value, word) in [
            ("verdict", json!(false), "verdict"),
            ("endpoint", json!("socket"), "over tap"),
            ("faults", json!([]), "no faults"),
            ("faults", json!([{ "recovered": false }]), "not recovered"),
        ] {
            let mut bad = good.clone();
            bad[key] = value;
            let error = judge(&bad, "tap").unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
        assert!(judge(&good, "wav").is_err());
        assert!(judge(&json!({ "problems": ["a"] }), "tap").unwrap_err().to_string().contains("bad: a"));
    }
}
