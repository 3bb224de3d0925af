//! The arguments: in order, and read or refused whatever they are.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use clap::CommandFactory;
use proptest::prelude::*;

use super::{Arguments, Exit, Parser, exit};

#[test]
fn the_arguments_are_in_order() {
    Arguments::command().debug_assert();
}

#[test]
fn the_table_of_exit_codes_has_each() {
    for exit in
        [Exit::Done, Exit::Failed, Exit::Usage, Exit::NoDevice, Exit::Refused, Exit::NoPermission, Exit::LeftChanged]
    {
        assert!(exit::HELP.contains(&format!("\n  {}  ", exit as u8)), "{exit:?}");
    }
}

/// Words that mean something, so that more than the first is read.
const WORDS: &[&str] = &[
    "list",
    "doctor",
    "bind",
    "unbind",
    "status",
    "faults",
    "inject",
    "policy",
    "get",
    "set",
    "release",
    "restart",
    "call",
    "model",
    "checkpoint",
    "save",
    "restore",
    "show",
    "--force",
    "serve",
    "plug-in",
    "completions",
    "man",
    "help",
    "--json",
    "--all",
    "--force",
    "--persist",
    "--dry-run",
    "--after",
    "--times",
    "--at",
    "--line-rate",
    "--pace",
    "--hand",
    "--",
    "-",
    "",
    "pci:0000:00:04.0",
    "usb:1-1",
    "serio:serio1",
    "rtl8139",
    "-1",
    "99999999999999999999",
    "bash",
    "--after=-1",
    "--times=x",
    "hand-back",
    "--given-up",
    "--no-network",
    "-h",
    "-V",
];

fn word() -> impl Strategy<Value = OsString> {
    prop_oneof![
        8 => proptest::sample::select(WORDS).prop_map(OsString::from),
        1 => ".*".prop_map(OsString::from),
        1 => "(pci|usb|serio|model):.{0,12}".prop_map(OsString::from),
        1 => proptest::collection::vec(any::<u8>(), 0..12).prop_map(OsString::from_vec),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    /// Whatever is typed is understood or refused in words.
    #[test]
    fn any_arguments_are_read_or_refused(words in proptest::collection::vec(word(), 0..8)) {
        if let Err(error) = Arguments::try_parse_from(std::iter::once("udrvctl".into()).chain(words)) {
            prop_assert!(!error.to_string().is_empty());
            prop_assert!(matches!(error.exit_code(), 0 | 2));
        }
    }
}
