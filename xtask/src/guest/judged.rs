//! What scenarios come to, on the command line and as a step of `cargo xtask test`.

use serde_json::Value;

use super::Result;
use crate::steps::{Done, Failure};

/// What is not as it must be, or why that is not known.
pub(super) type Judged = std::result::Result<Vec<String>, Failure>;

/// Says what is wrong with each of these, by their names; 0 if nothing is. A guest that could not be run to its end ends it.
pub(super) fn tell<'a>(jobs: impl IntoIterator<Item = (&'a str, Judged)>) -> Result<u8> {
    let mut code = 0;
    for (name, judged) in jobs {
        for line in lines(judged)? {
            eprintln!("guest {name}: {line}");
            code = 1;
        }
    }
    Ok(code)
}

/// The same as the end of a step.
pub(super) fn step<'a>(jobs: impl IntoIterator<Item = (&'a str, Judged)>) -> std::result::Result<Done, Failure> {
    let mut wrong = Vec::new();
    for (name, judged) in jobs {
        wrong.extend(lines(judged)?.into_iter().map(|line| format!("{name}: {line}")));
    }
    if wrong.is_empty() { Ok(Done::Passed) } else { Err(Failure::Output(wrong.join("; "))) }
}

/// What fails around the guest is wrong with this one.
fn lines(judged: Judged) -> Result<Vec<String>> {
    match judged {
        Ok(wrong) => Ok(wrong),
        Err(Failure::Guest(error)) => Err(error),
        Err(failure) => Ok(vec![failure.to_string()]),
    }
}

/// What is not as it must be in a transfer both ways, as `udrv-judge transfer` tells of it.
pub(super) fn wrong_streams(transfer: &Value) -> Vec<String> {
    let ways = ["up", "down"].into_iter().filter(|way| transfer[way]["hash_right"] != true);
    let mut wrong: Vec<String> = ways.map(|way| format!("the stream {way}: {transfer}")).collect();
    if transfer["right"] != true {
        wrong.push(format!("the transfer: {}", transfer["failure"]));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use std::cell::Cell;

    use super::super::Error;
    use super::*;

    fn lost() -> Judged {
        Err(Error::Malformed { path: "status".into(), why: "empty".to_owned() }.into())
    }

    #[test]
    fn one_that_is_wrong_is_the_verdict_and_the_rest_is_run() {
        assert_eq!(tell([("a", Ok(Vec::new()))]).unwrap(), 0);
        assert_eq!(step([("a", Ok(Vec::new()))]).unwrap(), Done::Passed);
        let jobs = || {
            let failed = Err(Failure::Output("no build".to_owned()));
            [("a", failed), ("b", Ok(vec!["x".to_owned(), "y".to_owned()])), ("c", Ok(Vec::new()))]
        };
        assert_eq!(tell(jobs()).unwrap(), 1);
        assert_eq!(step(jobs()).unwrap_err().to_string(), "a: no build; b: x; b: y");
    }

    #[test]
    fn a_guest_that_was_not_run_ends_it() {
        let begun = Cell::new(0);
        let jobs =
            || [lost(), Ok(Vec::new())].into_iter().inspect(|_| begun.set(begun.get() + 1)).map(|one| ("a", one));
        assert!(tell(jobs()).is_err());
        assert!(matches!(step(jobs()), Err(Failure::Guest(_))));
        assert_eq!(begun.get(), 2);
    }

    #[test]
    fn a_stream_that_is_spoilt_or_missing_is_told() {
        let right = json!({ "up": { "hash_right": true }, "down": { "hash_right": true }, "right": true });
        assert_eq!(wrong_streams(&right), Vec::<String>::new());
        assert_eq!(wrong_streams(&json!({})).len(), 3);
        let mut spoilt = right;
        spoilt["up"]["hash_right"] = json!(false);
        assert_eq!(wrong_streams(&spoilt).len(), 1);
    }
}
