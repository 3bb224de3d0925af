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

/// Every trial has an outcome, protection keeps alive what dies without it, and each trial can be made again. Few of them: this is
/// a debug build.
#[test]
fn nothing_is_left_out_and_all_can_be_made_again() {
    const MUTANTS: u64 = 40;
    let modes = ["--mode", "native-stays", "--mode", "protected-stays"];
    let count = MUTANTS.to_string();
    let text = campaign(&[&["--driver", "psmouse", "--faults", &count, "--seed", "11", "--json"][..], &modes].concat());
    let all: Value = serde_json::from_str(&text).expect("JSON");
    let tally = &all["psmouse"];
    for mode in ["native-stays", "protected-stays"] {
        assert_eq!(sum(&tally["outcomes"][mode]), MUTANTS, "{mode}: {text}");
    }
    let not_reached = MUTANTS - tally["reached"].as_u64().expect("a number");
    assert_eq!(tally["outcomes"]["protected-stays"]["benign"].as_u64().unwrap_or(0), not_reached, "{text}");
    let ended =
        |mode: &str| ["died", "hung"].map(|how| tally["outcomes"][mode][how].as_u64().unwrap_or(0)).iter().sum::<u64>();
    assert!(ended("native-stays") > 0 && 2 * ended("protected-stays") <= ended("native-stays"), "{text}");

    let text = campaign(&["--driver", "psmouse", "--seed", "11", "--only", "0", "--mode", "protected-stays"]);
    assert!(text.starts_with("psmouse 0: ") && text.contains("protected-stays"), "{text}");
    for bad in tally["bad"].as_array().expect("a list") {
        let number = bad["number"].to_string();
        let text = campaign(&["--driver", "psmouse", "--seed", "11", "--only", &number, "--mode", "protected-stays"]);
        assert!(text.contains(bad["change"].as_str().expect("text")), "{bad}: {text}");
        let outcome = bad["outcome"].as_str().expect("an outcome").replace('-', "");
        assert!(text.to_lowercase().contains(&outcome), "{bad}: {text}");
    }
}

#[test]
fn what_is_not_there_is_said() {
    let program = env!("CARGO_BIN_EXE_udrv-campaign");
    let output = Command::new(program).args(["--driver", "rtl8140"]).output().expect("it runs");
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && why.contains("rtl8139"), "{why}");
}
