//! `--json`: each command has one document for it, whatever comes of it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Output};

use serde_json::Value;

use crate::daemon::{Daemon, Directory, told, udrvctl};

/// Those that print something else when all is well, and why.
const NO_DOCUMENT: &[(&str, &str)] = &[
    ("completions", "what it prints is a script for a shell"),
    ("model serve", "a server in the foreground: its line says that clients can connect"),
    ("model plug-in", "as model serve"),
    ("help", "for people"),
];

/// How each of the others is called when all is well, on a daemon that drives a card; DEVICE and DIRECTORY stand for what they
/// say. `None`: it would change this machine, or needs a device of its own.
const WELL: &[(&str, Option<&str>)] = &[
    ("list", Some("")),
    ("doctor", Some("")),
    ("bind", None),
    ("unbind", None),
    ("status", Some("DEVICE")),
    ("faults", Some("DEVICE")),
    ("inject", Some("DEVICE poll panic --times 0")),
    ("release", Some("DEVICE")),
    ("restart", Some("DEVICE")),
    ("regs", Some("DEVICE")),
    ("policy get", Some("DEVICE")),
    ("policy set", Some("DEVICE always")),
    ("trace start", Some("DEVICE DIRECTORY/trace.pcap")),
    ("trace stop", Some("DEVICE")),
    ("trace status", Some("DEVICE")),
    ("set", None),
    ("call", Some("DEVICE set_rx_mode")),
    ("man", Some("DIRECTORY")),
    ("checkpoint save", Some("DEVICE DIRECTORY/card.json")),
    ("checkpoint show", Some("DIRECTORY/card.json")),
    ("checkpoint restore", Some("DEVICE DIRECTORY/card.json")),
    ("top", Some("--once --interval 0.1")),
    ("hand-back", None),
    ("upgrade", None),
];

/// All commands that do something, as words, with the number of arguments that each must have.
fn leaves(directory: &Directory) -> BTreeMap<String, usize> {
    let mut leaves = BTreeMap::new();
    let mut open = vec![Vec::<String>::new()];
    while let Some(words) = open.pop() {
        let mut arguments = words.clone();
        arguments.push("--help".to_owned());
        let help = told(directory, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(help.contains("--json"), "{words:?} does not know --json: {help}");
        let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
        // a line that goes on is further in
        let names = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        let names: Vec<String> = names.filter_map(|line| Some(line.split_whitespace().next()?.to_owned())).collect();
        if names.is_empty() {
            let usage = help.lines().find(|line| line.starts_with("Usage:")).expect("usage");
            let required = usage.split_whitespace().filter(|word| word.starts_with('<')).count();
            leaves.insert(words.join(" "), required);
        }
        let below = names.into_iter().filter(|name| name != "help");
        open.extend(below.map(|name| [words.clone(), vec![name]].concat()));
    }
    leaves
}

fn document(output: &Output, of: &str) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{of}: {error}: '{text}'"))
}

fn is_excused(leaf: &str) -> bool {
    NO_DOCUMENT.iter().any(|(name, _)| *name == leaf)
}

#[test]
fn each_command_that_works_prints_one_document() {
    let directory = Directory::new();
    let _card = Daemon::start(&directory, &["--endpoint", "socket"]);
    let leaves = leaves(&directory);
    assert!(leaves.len() > 15, "{leaves:?}");
    for leaf in leaves.keys().filter(|leaf| !is_excused(leaf)) {
        assert!(WELL.iter().any(|(name, _)| name == leaf), "'{leaf}' is new: say how it is called");
    }
    for (leaf, how) in WELL {
        assert!(leaves.contains_key(*leaf), "there is no '{leaf}' any more");
        let Some(how) = how else { continue };
        let how = how.replace("DEVICE", "model:rtl8139").replace("DIRECTORY", &directory.0.to_string_lossy());
        let arguments: Vec<&str> = leaf.split(' ').chain(how.split_whitespace()).chain(["--json"]).collect();
        let output = udrvctl(&directory, &arguments);
        // the doctor judges this machine, whatever that is
        let well = output.status.success() || (*leaf == "doctor" && output.status.code() == Some(1));
        let document = document(&output, leaf);
        assert!(well && document.is_object() && document.get("error").is_none(), "{leaf}: {document}");
    }
}

#[test]
fn each_command_that_fails_prints_one_document_with_its_exit_code() {
    let directory = Directory::new();
    let long = "x".repeat(100_000);
    let hostile: [&[u8]; 8] =
        [b"none", b"", b"../../../etc/passwd", b"\x1b[2J\n", b"pci:\xff\xfe", b"-", b"model:%2F%00", long.as_bytes()];
    for (leaf, required) in leaves(&directory) {
        for (nth, word) in hostile.iter().enumerate() {
            // one that needs nothing is told something that it does not know, and one that needs something is told none of it, too
            let words = std::iter::repeat_n(OsStr::from_bytes(word), required);
            let extra = [OsStr::new("--no-such-option")];
            let mut arguments: Vec<&OsStr> = leaf.split(' ').map(OsStr::new).chain(words).collect();
            if required == 0 {
                arguments.extend(extra);
            } else if nth == 0 {
                arguments.truncate(leaf.split(' ').count());
            }
            let mut command = Command::new(env!("CARGO_BIN_EXE_udrvctl"));
            command.arg("--json").args(&arguments).env("UDRV_RUNTIME_DIR", &directory.0);
            let output = command.output().expect("udrvctl runs");
            let (document, code) = (document(&output, &leaf), output.status.code());
            assert!(matches!(code, Some(1..=5)), "{leaf} {nth}: {code:?}");
            assert_eq!(document["error"]["exit"].as_i64(), code.map(i64::from), "{leaf} {nth}: {document}");
            assert!(document["error"]["message"].as_str().is_some_and(|why| !why.is_empty()), "{leaf}: {document}");
            let line = String::from_utf8_lossy(&output.stderr);
            // which may repeat what was typed: no terminal is to obey it
            let obeyed = |c: char| c.is_control() && c != '\n';
            assert!(!line.is_empty() && !line.contains(obeyed), "{leaf} {nth}: {line:?}");
        }
    }
    assert!(directory.is_empty(), "nothing is left behind");
}

/// What is asked for is no error, and stays what it is.
#[test]
fn help_is_no_document() {
    let directory = Directory::new();
    for arguments in [&["--json", "--help"][..], &["--json", "--version"], &["status", "--json", "-h"]] {
        assert!(!told(&directory, arguments).starts_with('{'), "{arguments:?}");
    }
    // and after -- it is a name
    let output = udrvctl(&directory, &["bind", "--", "--json", "more"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
}
