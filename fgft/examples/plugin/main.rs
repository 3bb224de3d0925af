//! A program with a parser plugin that is full of bugs: each bad document ends one call, and the program goes on.
//!
//! `cargo run -p fgft --example plugin`
//!
//! `parser.rs` is the plugin, `host.rs` what protects the program from it. Plugin and host are linked together: what is
//! shown is the containment, not the loading.
#![allow(unsafe_code, reason = "a call inside, and the plugin's bugs")]

mod host;
mod parser;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use fgft::Isolation;
use host::{Outcome, Plugin};

/// What a document must come to.
enum Expected {
    /// Sum of its numbers, and its words.
    Good(i64, &'static str),
    Malformed,
    /// The name of the fault: see [`fgft::FaultKind::name`].
    Fault(&'static str),
}
use Expected::{Fault, Good, Malformed};

fn main() -> Result<(), fgft::InitError> {
    let isolation = fgft::init()?;
    println!("isolation: {}\n", isolation.name());

    let deep = "l".repeat(1_000_000);
    let long = format!("20000:{}", "x".repeat(20_000));
    let mut documents: Vec<(&str, &str, Expected)> = vec![
        ("a dictionary", "d4:name4:fgft7:versioni1ee", Good(1, "namefgftversion")),
        ("a word of 20000 bytes", &long, Fault("wild-access")),
        ("a list in a list", "l5:helloli40ei2eee", Good(42, "hello")),
        ("a space in a list", "l1:a 1:be", Fault("hang")),
        ("a million lists", &deep, Fault("stack-overflow")),
        ("a number of 20 digits", "i99999999999999999999e", Fault("panic")),
        ("numbers", "li1ei2ei3ee", Good(6, "")),
        ("an empty string", "l0:5:helloe", Fault("refused")),
        (
            "too many words",
            "l20:abcdefghijklmnopqrst20:abcdefghijklmnopqrst20:abcdefghijklmnopqrst5:hello3:bye1:!e",
            Fault("refused"),
        ),
        ("a list without end", "l4:spam", Malformed),
        ("a dictionary again", "d4:name4:fgft7:versioni2ee", Good(2, "namefgftversion")),
    ];
    if isolation == Isolation::ProtectionKeys {
        documents.insert(2, ("a write to the host", "v", Fault("wild-access")));
    }

    let mut plugin = Plugin::new()?;
    let visits = AtomicU64::new(0);
    let (mut good, mut failed) = (0, 0);
    for (what, document, expected) in &documents {
        visits.fetch_add(1, Relaxed);
        let outcome = plugin.parse(document.as_bytes(), &visits);
        match (&outcome, expected) {
            (Outcome::Good(found, words), Good(sum, text)) => {
                println!("{what:22} good: {} items, sum {}, words {words:?}", found.items, found.sum);
                assert_eq!((found.sum, words.as_str()), (*sum, *text));
                good += 1;
            }
            (Outcome::Malformed, Malformed) => println!("{what:22} malformed, says the plugin"),
            (Outcome::Fault(fault), Fault(name)) => {
                println!("{what:22} fault: {fault}");
                assert_eq!(fault.name(), *name);
                failed += 1;
            }
            _ => panic!("{what}: {outcome:?}"),
        }
        assert_eq!(plugin.parsed(), good, "what the plugin counts is rolled back");
        assert_eq!(plugin.texts(), (1, 1), "the words of the last good document, and nothing else");
    }
    assert_eq!(visits.load(Relaxed), documents.len() as u64, "the host's own memory is as it was");

    println!(
        "\n{good} documents read, {failed} faults, {} text left: that of the last good document",
        plugin.texts().1
    );
    if isolation == Isolation::RollbackOnly {
        println!("not shown: a write to the host's memory, which only protection keys would stop");
    }
    Ok(())
}
