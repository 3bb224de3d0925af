use std::ffi::OsString;
use std::io::Write;
use std::time::Duration;

use proptest::prelude::*;
use tempfile::NamedTempFile;
use udrv::net::Switch;
use udrv::run::Options;
use udrv::supervisor::ladder::Recovery;
use udrv::supervisor::policy::Protect;
use udrv_driver::Entry;

use crate::arguments::LIVE;
use crate::config::{check, from_command_line, run_command};

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

/// What both come to: the device and the options.
fn options(text: &str, line: &[&str]) -> Result<(String, Options), String> {
    let file = file(text);
    let path = file.path().to_str().unwrap();
    let mut words = vec!["udrvd", "run", "--config", path];
    words.extend(line);
    let words: Vec<OsString> = words.into_iter().map(Into::into).collect();
    let told = from_command_line(&words).map_err(|error| error.to_string().replace(path, "F"))?;
    let run = told.run().expect("run").0;
    Ok((run.device.to_string(), run.options()))
}

/// Why a file alone is wrong, without its name.
fn wrong(text: &str) -> String {
    let file = file(text);
    let error = check(file.path()).map(|_| ()).unwrap_err().to_string();
    assert!(!error.contains('\n'), "{error}");
    error.replace(file.path().to_str().unwrap(), "F")
}

#[test]
fn a_key_is_an_option_without_its_dashes() {
    let text = r#"
        device = "model:e1000"
        tap = "card0"
        mtu = 9000
        vlan = 5
        offload = ["tso=off", "rx-checksum=on"]
        protect = ["suspicious", "poll=always"]
        no-far-host = true
        wait = false
        recovery = "restart"
        restarts = 3
        restart-window = 120
        quarantine-time = 0
        deadline = 7
    "#;
    let (device, options) = options(text, &[]).unwrap();
    assert_eq!(device, "model:e1000");
    assert_eq!((options.net.mtu, options.net.vlan), (Some(9000), Some(5)));
    assert_eq!(options.net.offloads, [(Switch::Tso, false), (Switch::RxChecksum, true)]);
    assert_eq!(
        (options.protect, &options.protect_entries[..]),
        (Protect::Suspicious, &[(Entry::Poll, Protect::Always)][..])
    );
    assert_eq!((options.ladder.recovery, options.ladder.restarts), (Recovery::Restart, 3));
    assert_eq!(options.ladder.restart_window, Duration::from_secs(120));
    assert_eq!((options.quarantine.time, options.deadline), (Duration::ZERO, Duration::from_millis(7)));
}

#[test]
fn the_command_line_beats_the_file() {
    let text =
        "device = \"model:e1000\"\nmtu = 9000\nprotect = [\"never\"]\ntun = \"t\"\nneighbour = \"52:54:00:12:34:56\"\n";
    let (device, options) =
        options(text, &["model:rtl8139", "--mtu", "1400", "--protect=poll=never", "--tap", "x"]).unwrap();
    assert_eq!((device.as_str(), options.net.mtu), ("model:rtl8139", Some(1400)));
    // a list is one value
    assert_eq!((options.protect, options.protect_entries.len()), (Protect::Always, 1));
    // whichever of two says that it excludes the other
    let text = "device = \"model:e1000\"\ntap = \"x\"\nendpoint = \"socket\"\n";
    self::options(text, &["--tun", "t", "--neighbour", "52:54:00:12:34:56"]).unwrap();
}

#[test]
fn each_mistake_is_told_with_its_place_and_what_was_expected() {
    let device = "device = \"model:rtl8139\"\n";
    for (text, place, words) in [
        ("mtuu = 5\n", "F:2:1: ", &["no key 'mtuu'", "'mtu'"][..]),
        ("restart_window = 5\n", "F:2:1: ", &["no key 'restart_window'", "'restart-window'"]),
        ("config = \"x\"\n", "F:2:1: ", &["no key 'config'"]),
        ("help = true\n", "F:2:1: ", &["no key 'help'"]),
        ("[net]\nmtu = 5\n", "F:2:2: ", &["no key 'net'"]),
        ("mtu = \"long\"\n", "F:2:7: ", &["mtu", "a whole number (BYTES)", "the text \"long\""]),
        ("mtu = 1.5\n", "F:2:7: ", &["a whole number", "1.5"]),
        ("mtu = -1\n", "F:2:7: ", &["mtu", "-1"]),
        ("mtu = 99999999999\n", "F:2:7: ", &["mtu", "99999999999", "0..=4294967295"]),
        ("mtu = [1500]\n", "F:2:7: ", &["a whole number", "a list"]),
        ("  vlan =   5000\n", "F:2:12: ", &["vlan", "5000", "1..=4094"]),
        ("wait = \"yes\"\n", "F:2:8: ", &["wait", "true or false"]),
        ("wait = 1\n", "F:2:8: ", &["true or false", "the number 1"]),
        ("tap = false\n", "F:2:7: ", &["a text in quotes (NAME)", "false"]),
        ("tap = 2020-01-01\n", "F:2:7: ", &["a text in quotes", "a date"]),
        ("endpoint = \"pipe\"\n", "F:2:12: ", &["endpoint", "'pipe'", "tap, socket, stdin"]),
        ("protect = \"mostly\"\n", "F:2:11: ", &["protect", "always, never and suspicious"]),
        ("protect = [\"always\",\n  \"jump=never\"]\n", "F:3:3: ", &["protect", "jump", "set_rx_mode"]),
        ("protect = [true]\n", "F:2:12: ", &["or a list of such", "true"]),
        ("mac = \"01:00:5e:00:00:01\"\n", "F:2:7: ", &["mac", "group address"]),
        ("offload = [\"tso\"]\n", "F:2:12: ", &["tso=off"]),
        ("mtu = 1400\nmtu = 1500\n", "F:3:1: ", &["duplicate key"]),
        ("mtu 1500\n", "F:2:", &["="]),
        ("mtu = \n", "F:2:", &["value"]),
        ("tun = \"a\"\ntap = \"b\"\nneighbour = \"52:54:00:12:34:56\"\n", "F:", &["--tun", "cannot be used with"]),
        ("tun = \"a\"\n", "F: ", &["required", "--neighbour"]),
        ("device = \"usb:zz\"\n", "F:2:1: ", &["duplicate"]),
        ("ä = 1\n", "F:2:", &[""]),
    ] {
        let message = wrong(&format!("{device}{text}"));
        assert!(message.starts_with(place), "{text:?}: {message}");
        assert!(words.iter().all(|word| message.contains(word)), "{text:?}: {message}");
    }
    let message = wrong("mtu = 1500\n");
    assert!(message.starts_with("F: ") && message.to_lowercase().contains("<device>"), "{message}");
    let message = wrong("device = \"scsi:0\"\n");
    assert!(message.starts_with("F:1:10: ") && message.contains("model:rtl8139"), "{message}");
    // the first one, as they stand there
    assert!(wrong("zz = 1\naa = 1\n").starts_with("F:1:1: "), "the first in the file");
}

#[test]
fn a_file_that_cannot_be_read_is_told() {
    let message = check(std::path::Path::new("/no/such/file.toml")).map(|_| ()).unwrap_err().to_string();
    assert!(message.contains("/no/such/file.toml") && message.contains("No such file"), "{message}");
    let directory = tempfile::tempdir().unwrap();
    assert!(check(directory.path()).is_err());
    let mut binary = NamedTempFile::new().unwrap();
    binary.write_all(b"device = \"\xff\xfe\"").unwrap();
    assert!(check(binary.path()).is_err());
}

/// A value can have what a line cannot: written as an escape in the file.
#[test]
fn an_error_is_one_line_whatever_the_value() {
    for value in ["\\n", "\\r\\n", "\\u0000", "a\\tb"] {
        let file = file(&format!("device = \"{value}\"\n"));
        let message = check(file.path()).map(|_| ()).unwrap_err().to_string();
        assert!(!message.contains(char::is_control) && message.contains("names no device"), "{message:?}");
    }
}

/// The reference has a line for each key, and says which hold at once.
#[test]
fn the_reference_knows_each_key() {
    let reference = include_str!("../../../../docs/udrvd.md");
    for argument in run_command().get_arguments() {
        let key = argument.get_long().unwrap_or("device");
        if ["help", "config", "version"].contains(&key) {
            continue;
        }
        let line = reference.lines().find(|line| line.starts_with(&format!("| `{key}` |")));
        let line = line.unwrap_or_else(|| panic!("docs/udrvd.md has no line for {key}"));
        let live = LIVE.contains(&argument.get_id().as_str());
        assert_eq!(line.ends_with("| yes |"), live, "whether it is reloaded: {line}");
    }
    assert!(LIVE.iter().all(|id| run_command().get_arguments().any(|argument| argument.get_id() == id)));
}

proptest! {
    /// Whatever is in it: an answer of one line, and no panic.
    #[test]
    fn no_file_is_too_strange(text in "[a-z=\\[\\]\"'\\-0-9#.,{}\n \\PC]{0,200}") {
        let file = file(&text);
        if let Err(error) = check(file.path()) {
            prop_assert!(!error.to_string().contains('\n'));
        }
    }

    /// Any value under any key.
    #[test]
    fn no_value_is_too_strange(
        key in prop::sample::select(vec!["device", "mtu", "vlan", "offload", "protect", "tap", "alsa", "record-for", "wait", "mac"]),
        value in prop_oneof!["-?[0-9]{1,25}", "\"\\PC{0,30}\"", "\\[(\"[a-z=,-]{0,12}\",?){0,4}\\]", "(true|false)", "[0-9]+\\.[0-9e+-]{1,6}"],
    ) {
        let file = file(&format!("{key} = {value}\n"));
        if let Err(error) = check(file.path()) {
            prop_assert!(!error.to_string().contains('\n'));
        }
    }
}
