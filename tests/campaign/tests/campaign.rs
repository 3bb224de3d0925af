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

/// Every trial has an outcome, and each can be made again. Few of them: this is a debug build, and what is to be seen takes thousands.
#[test]
fn nothing_is_left_out_and_all_can_be_made_again() {
    let modes = ["--mode", "native-stays", "--mode", "protected-stays"];
    let text = campaign(&[&["--driver", "psmouse", "--faults", "6", "--seed", "11", "--json"][..], &modes].concat());
    let all: Value = serde_json::from_str(&text).expect("JSON");
    let tally = &all["psmouse"];
    for mode in ["native-stays", "protected-stays"] {
        assert_eq!(sum(&tally["outcomes"][mode]), 6, "{mode}: {text}");
    }
    let not_reached = 6 - tally["reached"].as_u64().expect("a number");
    assert_eq!(tally["outcomes"]["protected-stays"]["benign"].as_u64().unwrap_or(0), not_reached, "{text}");
    let text = campaign(&["--driver", "psmouse", "--seed", "11", "--only", "0", "--mode", "protected-stays"]);
    assert!(text.starts_with("psmouse 0: ") && text.contains("protected-stays"), "{text}");
}

#[test]
fn what_is_not_there_is_said() {
    let program = env!("CARGO_BIN_EXE_udrv-campaign");
    let output = Command::new(program).args(["--driver", "rtl8140"]).output().expect("it runs");
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && why.contains("rtl8139"), "{why}");
}
