//! A small campaign, as a user makes it.

use std::process::Command;

use serde_json::Value;

fn campaign(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_udrv-campaign")).args(arguments).output().expect("it runs");
    let (said, why) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {why}");
    said.into_owned()
}

fn sum(outcomes: &Value) -> u64 {
    outcomes.as_object().expect("outcomes").values().map(|count| count.as_u64().expect("a number")).sum()
}

/// Every trial has an outcome; what ends a driver without protection mostly does not with it; and what is listed can be made again.
#[test]
fn nothing_is_left_out_and_all_can_be_made_again() {
    let text = campaign(&["--driver", "rtl8139", "--faults", "80", "--seed", "11", "--json"]);
    let all: Value = serde_json::from_str(&text).expect("JSON");
    let tally = &all["rtl8139"];
    for mode in ["native-stays", "native-removed", "protected-stays", "protected-removed"] {
        assert_eq!(sum(&tally["outcomes"][mode]), 80, "{mode}: {text}");
    }
    let died = |mode: &str| tally["outcomes"][mode]["died"].as_u64().unwrap_or(0);
    assert!(died("native-stays") >= 3 && died("protected-stays") * 3 <= died("native-stays"), "{text}");
    let not_reached = 80 - tally["reached"].as_u64().expect("a number");
    assert_eq!(tally["outcomes"]["protected-stays"]["benign"].as_u64(), Some(not_reached));

    let bad = tally["bad"].as_array().expect("a list");
    let again = bad.iter().find(|bad| bad["outcome"] == "undetected-wrong").expect("one that only the judge sees");
    let (number, mode) = (again["number"].to_string(), again["mode"].as_str().expect("a mode"));
    let text = campaign(&["--driver", "rtl8139", "--seed", "11", "--only", &number, "--mode", mode]);
    assert!(text.contains("UndetectedWrong") && text.contains(again["change"].as_str().expect("text")), "{text}");
}

#[test]
fn what_is_not_there_is_said() {
    let program = env!("CARGO_BIN_EXE_udrv-campaign");
    let output = Command::new(program).args(["--driver", "rtl8139", "--only", "999999999"]).output().expect("it runs");
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && why.contains("no mutant 999999999"), "{why}");
}
