//! Settings go from one udrvd into another, through a file.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::Value;

use crate::daemon::{Daemon, Directory, tap_name, told, udrvctl};

const NET: [&str; 4] = ["model:e1000", "--no-far-host", "--endpoint", "socket"];

fn json(directory: &Directory, arguments: &[&str]) -> Value {
    serde_json::from_str(&told(directory, &[&["--json"][..], arguments].concat())).expect("JSON")
}

/// What udrvctl says where it must fail: one line, its exit code, and the same in JSON.
fn refused(directory: &Directory, arguments: &[&str]) -> (i32, String) {
    let said = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let output = udrvctl(directory, arguments);
    let line = said(&output);
    assert!(output.stdout.is_empty() && line.lines().count() == 1, "{arguments:?}: {line}");
    let code = output.status.code().expect("it ends by itself");
    let output = udrvctl(directory, &[arguments, &["--json"]].concat());
    let error: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(error["error"]["exit"], code, "{error}");
    assert_ne!(code, 0, "{line}");
    (code, line)
}

/// A folder for files, and in it a path.
struct Files(Directory);

impl Files {
    fn new() -> Files {
        Files(Directory::new())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.0.join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("text").to_owned()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0.0).expect("the folder");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("a name").file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// Changes a file by hand.
fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON");
    change(&mut value);
    fs::write(path, value.to_string()).expect("room");
}

/// What the card has, in those registers.
fn registers(directory: &Directory, names: &[&str]) -> Vec<Value> {
    let all = json(directory, &["regs", "--live"]);
    let all = all["registers"].as_array().expect("a list").clone();
    let wanted = |register: &&Value| names.contains(&register["name"].as_str().expect("a name"));
    let found: Vec<_> = all.iter().filter(wanted).map(|register| register["live"].clone()).collect();
    assert!(found.len() >= names.len() && found.iter().all(|value| !value.is_null()), "{names:?}: {found:?}");
    found
}

#[test]
fn a_network_card_is_in_another_udrvd_what_it_was_in_the_first() {
    let (files, first, second) = (Files::new(), Directory::new(), Directory::new());
    let file = files.text("lan");
    let from = Daemon::start_with(
        &first,
        &[&NET[..], &["--mac", "02:00:00:00:00:77", "--mtu", "4000", "--vlan", "7", "--interrupt-interval", "90"]]
            .concat(),
        &[],
    );
    told(&first, &["policy", "set", "model:e1000", "suspicious", "poll"]);
    let saved = told(&first, &["checkpoint", "save", "model:e1000", &file]);
    assert!(saved.contains("driver e1000") && saved.lines().count() == 1, "{saved}");
    assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o7777, 0o640);
    assert_eq!(files.names(), ["lan"]);
    let names = ["RAL0", "RAH0", "ITR", "VET", "RCTL", "CTRL"];
    let expected = registers(&first, &names);
    drop(from);

    let text = told(&first, &["checkpoint", "show", &file]);
    for words in ["settings.net.mac", "02:00:00:00:00:77", "settings.net.vlan", "policy.poll", "suspicious"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let shown = json(&first, &["checkpoint", "show", &file]);
    assert_eq!((&shown["format"], &shown["settings"]["net"]["mtu"]), (&1.into(), &4000.into()));

    let _to = Daemon::start_with(&second, &NET, &[]);
    assert_ne!(registers(&second, &names), expected);
    let would = told(&second, &["checkpoint", "restore", "model:e1000", &file, "--dry-run"]);
    assert!(would.contains("settings.net.mtu: 1500 -> 4000\n") && would.contains("nothing was changed"), "{would}");
    assert_ne!(registers(&second, &names), expected);
    let restored = json(&second, &["checkpoint", "restore", "model:e1000", &file]);
    assert_eq!((&restored["answer"], &restored["dry_run"]), (&"checkpoint-restored".into(), &false.into()));
    assert_eq!(restored["changes"].as_array().map(Vec::len), Some(5), "{restored}");
    assert_eq!(registers(&second, &names), expected);
    let status = &json(&second, &["status"])["status"];
    assert_eq!((&status["mac"], &status["mtu"]), (&"02:00:00:00:00:77".into(), &4000.into()));
    assert_eq!((&status["vlan"], &status["interrupt_interval"]), (&7.into(), &90.into()));
    let again = told(&second, &["checkpoint", "restore", "model:e1000", &file]);
    assert_eq!(again, "all is so already\n");
    // what comes out is what went in
    let copy = files.text("copy");
    told(&second, &["checkpoint", "save", "model:e1000", &copy]);
    assert_eq!(fs::read(&copy).expect("a file"), fs::read(&file).expect("a file"));
}

#[test]
fn the_interface_has_the_address_and_mtu_of_the_card() {
    let (files, first, second) = (Files::new(), Directory::new(), Directory::new());
    let (file, name) = (files.text("lan"), tap_name('k'));
    let from = Daemon::start_with(&first, &[&NET[..], &["--mac", "02:00:00:00:00:78", "--mtu", "3000"]].concat(), &[]);
    told(&first, &["checkpoint", "save", "model:e1000", &file]);
    drop(from);
    edit(Path::new(&file), |checkpoint| checkpoint["settings"]["net"]["promiscuous"] = true.into());

    let Some(_to) = Daemon::behind_tap(&second, &name, &["model:e1000"]) else { return };
    let of = |what: &str| fs::read_to_string(format!("/sys/class/net/{name}/{what}")).expect("an interface");
    let flags = || u32::from_str_radix(of("flags").trim().trim_start_matches("0x"), 16).expect("a number");
    let before = (of("address"), of("mtu"), flags());
    // what fails leaves the interface as it was, too
    told(&second, &["inject", "model:e1000", "set_rx_mode", "null-write", "--times", "2"]);
    let (code, line) = refused_once(&second, &["checkpoint", "restore", "model:e1000", &file]);
    assert!(code == 1 && line.contains("set_rx_mode") && line.contains("all is set as before"), "{line}");
    assert_eq!((of("address"), of("mtu"), flags()), before);
    told(&second, &["checkpoint", "restore", "model:e1000", &file]);
    let promiscuous = flags() & 0x100 != 0;
    assert_eq!((of("address").trim(), of("mtu").trim(), promiscuous), ("02:00:00:00:00:78", "3000", true));
    let again = told(&second, &["checkpoint", "restore", "model:e1000", &file]);
    assert_eq!(again, "all is so already\n", "the interface is not followed back");
}

/// As [`refused`], for what is not the same the second time.
fn refused_once(directory: &Directory, arguments: &[&str]) -> (i32, String) {
    let output = udrvctl(directory, arguments);
    (output.status.code().expect("it ends by itself"), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_sound_card_and_a_mouse_are_what_they_were() {
    let files = Files::new();
    for (device, option, class, field, value) in [
        (
            "model:ens1371",
            "--no-sound",
            "sound",
            &["controls", "Master Playback Volume"][..],
            serde_json::json!([3, 4]),
        ),
        ("model:psmouse", "--no-input", "input", &["rate"], 40.into()),
    ] {
        let (first, second, file) = (Directory::new(), Directory::new(), files.text(class));
        let mut one = Daemon::start_with(&first, &[device, option], &[]);
        told(&first, &["checkpoint", "save", device, &file]);
        edit(Path::new(&file), |checkpoint| {
            let at = field.iter().fold(&mut checkpoint["settings"][class], |at, name| &mut at[*name]);
            *at = value.clone();
        });
        told(&first, &["checkpoint", "restore", device, &file]);
        told(&first, &["checkpoint", "save", device, &file, "--force"]);
        assert!(one.is_alive());
        drop(one);
        let _two = Daemon::start_with(&second, &[device, option], &[]);
        let restored = told(&second, &["checkpoint", "restore", device, &file]);
        assert_eq!(restored.lines().count(), 1, "{restored}");
        assert!(restored.contains(&format!("-> {value}")), "{restored}");
        let copy = files.text("copy");
        told(&second, &["checkpoint", "save", device, &copy, "--force"]);
        assert_eq!(fs::read(&copy).expect("a file"), fs::read(&file).expect("a file"));
    }
}

#[test]
fn a_file_is_written_whole_or_not_at_all() {
    let (files, directory) = (Files::new(), Directory::new());
    let _daemon = Daemon::start_with(&directory, &NET, &[]);
    let save =
        |file: &str, more: &[&str]| refused(&directory, &[&["checkpoint", "save", "model:e1000", file], more].concat());

    let file = files.text("lan");
    fs::write(&file, "mine").expect("room");
    let (code, line) = save(&file, &[]);
    assert!(code == 4 && line.contains("exists") && line.contains("--force"), "{line}");
    assert_eq!(fs::read(&file).expect("a file"), b"mine");
    told(&directory, &["checkpoint", "save", "model:e1000", &file, "--force"]);
    assert!(told(&directory, &["checkpoint", "show", &file]).contains("e1000"));

    let (code, line) = save(&files.text("no/such/folder"), &[]);
    assert!(code == 1 && line.contains("no/such/folder") && line.contains("no such file or folder"), "{line}");
    let (code, line) = save(&format!("{file}/lan"), &[]);
    assert!(code == 1 && line.contains("lan/lan"), "{line}");
    // what is no file is not replaced, whatever is said
    fs::create_dir(files.path("folder")).expect("room");
    symlink(&file, files.path("link")).expect("room");
    mkfifo(&files.path("pipe"), Mode::S_IRWXU).expect("room");
    for name in ["folder", "link", "pipe"] {
        for more in [&[][..], &["--force"]] {
            let (code, line) = save(&files.text(name), more);
            assert!(code == 1 && line.contains("no plain file"), "{name}: {line}");
        }
    }
    let (code, line) = save("/dev/null", &["--force"]);
    assert!(code == 1 && line.contains("no plain file"), "{line}");

    // a disk that is full, as far as this process goes
    let script = "trap '' XFSZ; ulimit -f 0; exec \"$@\"";
    let mut full = Command::new("sh");
    full.args(["-c", script, "sh", env!("CARGO_BIN_EXE_udrvctl"), "checkpoint", "save", "model:e1000"]);
    full.args([&file, "--force"]).env("UDRV_RUNTIME_DIR", &directory.0);
    let output = full.output().expect("udrvctl runs");
    let line = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{line}");
    assert!(line.contains("too large") && line.contains("make room") && line.lines().count() == 1, "{line}");
    assert!(told(&directory, &["checkpoint", "show", &file]).contains("e1000"), "what was there is there");

    let (code, line) = refused(&directory, &["checkpoint", "save", "model:nobody", &files.text("new")]);
    assert!(code == 1 && line.contains("no daemon drives"), "{line}");
    assert_eq!(files.names(), ["folder", "lan", "link", "pipe"], "and nothing is left behind");
}

#[test]
fn a_file_that_is_wrong_changes_nothing() {
    let (files, directory, other) = (Files::new(), Directory::new(), Directory::new());
    let _daemon = Daemon::start_with(&directory, &NET, &[]);
    let _mouse = Daemon::start_with(&other, &["model:psmouse", "--no-input"], &[]);
    let file = files.text("lan");
    told(&directory, &["checkpoint", "save", "model:e1000", &file]);
    let good = fs::read_to_string(&file).expect("a file");
    let names = ["RAL0", "RAH0", "ITR", "RCTL", "CTRL"];
    let before = registers(&directory, &names);

    let (code, line) = refused(&other, &["checkpoint", "restore", "model:psmouse", &file]);
    assert!(code == 1 && line.contains("driver = e1000") && line.contains("is psmouse"), "{line}");
    for (wrong, words) in [
        (good.replace("\"format\": 1", "\"format\": 2"), &["lan: format = 2", "reads 1"][..]),
        (good.replace("\"mtu\": 1500", "\"mtu\": 16111"), &["settings.net.mtu = 16111", "68 to 16110"]),
        (good.replace("\"mtu\": 1500", "\"mtu\": 1500, \"colour\": 1"), &["lan: no checkpoint", "colour", "line "]),
        (good.replace("\"mtu\": 1500", "\"mtu\": \"long\""), &["long", "u32"]),
        (good.replace("\"probe\"", "\"jump\""), &["policy.jump", "set_rx_mode"]),
        (good[..good.len() / 2].to_owned(), &["EOF", "save it anew"]),
        (" ".repeat(40_000), &["more than 32768 bytes"]),
        ("[".repeat(30_000), &["no checkpoint"]),
        (String::new(), &["no checkpoint"]),
        ("\u{7f}ELF".to_owned(), &["no checkpoint"]),
    ] {
        fs::write(&file, wrong).expect("room");
        let (code, line) = refused(&directory, &["checkpoint", "restore", "model:e1000", &file]);
        assert!(code == 1 && words.iter().all(|word| line.contains(word)), "{words:?}: {line}");
        assert_eq!(registers(&directory, &names), before);
    }
    mkfifo(&files.path("pipe"), Mode::S_IRWXU).expect("room");
    for (name, word) in [("nothing", "no such file"), ("pipe", "no plain file"), ("", "no plain file")] {
        for action in [&["restore", "model:e1000"][..], &["show"]] {
            let path = files.text(name);
            let arguments = [&["checkpoint"], action, &[path.as_str()]].concat();
            let (code, line) = refused(&directory, &arguments);
            assert!(code == 1 && line.contains(word), "{arguments:?}: {line}");
        }
    }
}

#[test]
fn completions_and_man_pages_have_it() {
    let directory = Directory::new();
    let script = told(&directory, &["completions", "bash"]);
    assert!(["checkpoint", "save", "restore", "--dry-run", "--force"].iter().all(|word| script.contains(word)));
    told(&directory, &["man", &directory.0.to_string_lossy()]);
    for (name, word) in [("save", "force"), ("restore", "dry"), ("show", "FILE")] {
        let page = fs::read_to_string(directory.0.join(format!("udrvctl-checkpoint-{name}.1"))).expect("a page");
        assert!(page.contains(word), "{page}");
    }
}
