//! `udrvctl top`: in a terminal and without one.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use udrv_daemon::top::screen::Screen;
use udrv_terminal::{Size, Terminal, vt100};

use crate::daemon::{Daemon, Directory, told, udrvctl, wait_until};

const WIDE: Size = Size { columns: 140, rows: 40 };
/// Runs [`a_program_that_panics`], and no other.
const PANICKING: &str = "UDRV_TEST_PANICS";

fn top(directory: &Directory, size: Size) -> Terminal {
    Terminal::start(size, env!("CARGO_BIN_EXE_udrvctl"), |command| {
        command.args(["top", "--interval", "0.1"]).env("UDRV_RUNTIME_DIR", &directory.0);
    })
    .expect("a terminal")
}

fn shows(terminal: &Terminal, word: &str) -> vt100::Screen {
    terminal.wait(|screen| screen.contents().contains(word)).unwrap_or_else(|why| panic!("{word}: {why}"))
}

fn hides(terminal: &Terminal, word: &str) {
    terminal.wait(|screen| !screen.contents().contains(word)).unwrap_or_else(|why| panic!("no {word}: {why}"));
}

fn crash(directory: &Directory, entry: &str) {
    told(directory, &["inject", "model:rtl8139", entry, "null-write"]);
    told(directory, &["call", "model:rtl8139", entry]);
}

#[test]
fn keys_details_sizes_and_the_end() {
    let directory = Directory::new();
    let _card = Daemon::start(&directory, &["--endpoint", "socket"]);
    let mut top = top(&directory, WIDE);
    let screen = shows(&top, "works");
    assert!(screen.alternate_screen() && screen.contents().contains("model:rtl8139"), "{}", screen.contents());
    top.types("\r").unwrap();
    shows(&top, "entry point");
    crash(&directory, "set_rx_mode");
    shows(&top, "#1 ");
    assert!(shows(&top, "1 abort").contents().contains("1/0/0"));
    // whoever has scrolled far beyond the end is a page from the page before it
    top.resize(Size { columns: 140, rows: 12 }).unwrap();
    top.types(&"\x1b[6~".repeat(20)).unwrap();
    hides(&top, "isolation: ");
    top.types(&"\x1b[5~".repeat(4)).unwrap();
    shows(&top, "isolation: ");
    // also if all that comes at once
    top.types(&format!("{}{}", "\x1b[6~".repeat(20), "\x1b[5~".repeat(4))).unwrap();
    top.types("p").unwrap();
    assert!(shows(&top, "paused").contents().contains("isolation: "));
    top.types("p").unwrap();
    hides(&top, "paused");
    top.resize(WIDE).unwrap();
    top.types("?").unwrap();
    shows(&top, "keys and columns");
    // down to what holds nothing, and back
    for (columns, rows) in [(60, 12), (20, 4), (1, 1), (3, 2), (140, 40)] {
        top.resize(Size { columns, rows }).unwrap();
    }
    shows(&top, "keys and columns");
    top.types("\x1b").unwrap();
    hides(&top, "keys and columns");
    top.types("s").unwrap();
    shows(&top, "by state");
    top.types("p").unwrap();
    shows(&top, "paused");
    crash(&directory, "set_mac");
    top.types("p").unwrap();
    shows(&top, "#2 ");
    top.types("\x1b").unwrap();
    hides(&top, "entry point");
    top.types("q").unwrap();
    let (end, screen) = top.end().unwrap();
    assert!(end.status.success() && end.cooked && !screen.alternate_screen() && !screen.hide_cursor(), "{end:?}");
}

#[test]
fn devices_come_go_and_hang_while_it_runs() {
    let directory = Directory::new();
    let top = top(&directory, WIDE);
    shows(&top, "no udrvd runs");
    let mut first = Daemon::start(&directory, &["--endpoint", "socket"]);
    shows(&top, "works");
    let second = Daemon::start_with(&directory, &["model:ens1371", "--no-sound"], &[]);
    shows(&top, "2 devices");
    second.signal(Signal::SIGSTOP);
    let screen = shows(&top, "does not answer");
    assert!(screen.contents().contains("works"), "the other goes on: {}", screen.contents());
    second.signal(Signal::SIGCONT);
    hides(&top, "does not answer");
    // killed: the socket stays and nobody is behind it
    first.end(Signal::SIGKILL);
    shows(&top, "ended");
    let _again = Daemon::start(&directory, &["--endpoint", "socket"]);
    hides(&top, "ended");
}

#[test]
fn whatever_ends_it_the_terminal_is_given_back() {
    let directory = Directory::new();
    for how in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let mut top = top(&directory, WIDE);
        shows(&top, "no udrvd runs");
        kill(Pid::from_raw(top.pid().cast_signed()), how).expect("a signal");
        let (end, screen) = top.end().unwrap();
        assert!(end.status.success() && end.cooked && !screen.alternate_screen(), "{how}: {end:?}");
    }
    let mut top = top(&directory, WIDE);
    shows(&top, "no udrvd runs");
    top.types("\x03").unwrap();
    let (end, screen) = top.end().unwrap();
    assert!(end.status.success() && end.cooked && !screen.alternate_screen(), "Ctrl-C: {end:?}");
}

/// Not a test by itself: [`a_panic_gives_the_terminal_back_and_can_be_read`] runs it in a terminal.
#[test]
fn a_program_that_panics() {
    if std::env::var_os(PANICKING).is_some() {
        let mut screen = Screen::enter().expect("a terminal");
        screen.draw(|area, to| to.set_string(area.x, area.y, "drawn", ratatui::style::Style::new())).expect("drawn");
        panic!("on the screen");
    }
}

#[test]
fn a_panic_gives_the_terminal_back_and_can_be_read() {
    let this = std::env::current_exe().expect("this program");
    let mut terminal = Terminal::start(WIDE, this, |command| {
        command.args(["--exact", "top::a_program_that_panics", "--nocapture"]).env(PANICKING, "1");
    })
    .expect("a terminal");
    let (end, screen) = terminal.end().unwrap();
    assert!(!end.status.success() && end.cooked && !screen.alternate_screen(), "{end:?}");
    assert!(screen.contents().contains("on the screen"), "{}", screen.contents());
}

#[test]
fn one_frame_for_scripts() {
    let directory = Directory::new();
    let _card = Daemon::start(&directory, &["--endpoint", "socket"]);
    crash(&directory, "set_rx_mode");
    let text = told(&directory, &["top", "--once", "--interval", "0.1"]);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.len() == 2 && lines[0].starts_with("device"), "{text}");
    let words: Vec<&str> = lines[1].split_whitespace().collect();
    assert_eq!(words[..4], ["model:rtl8139", "rtl8139", "works", "0"], "it has rates: {text}");
    assert!(lines[1].contains("1/0/0") && lines[1].contains("set_rx_mode, "), "{text}");
    assert!(text.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)), "{text:?}");
    let detail = told(&directory, &["top", "--once", "--interval", "0.1", "model:rtl8139"]);
    assert!(detail.contains("\nset_rx_mode ") && detail.contains("#1 "), "{detail}");

    let json: Value =
        serde_json::from_str(&told(&directory, &["top", "--once", "--interval", "0.1", "--json"])).unwrap();
    let device = &json["devices"][0];
    assert_eq!((&device["state"]["word"], &device["faults"]), (&"works".into(), &1.into()), "{device}");
    assert_eq!((&device["rungs"]["abort"], &device["last_fault"]["entry"]), (&1.into(), &"set_rx_mode".into()));
    assert_eq!(device["incoming"]["frames"], 0.0);
    assert!(device["recovery_median"].as_u64().is_some_and(|ns| ns > 0), "{device}");
    assert!(device["checkpoint"].as_f64().is_some_and(|ns| ns > 0.0), "{device}");
}

/// What it asks leaves driver and device alone.
#[test]
fn looking_costs_the_driver_no_call() {
    let directory = Directory::new();
    let _card = Daemon::start(&directory, &["--endpoint", "socket"]);
    let calls = || {
        let frame = told(&directory, &["top", "--once", "--interval", "0.1", "model:rtl8139"]);
        let line = frame.lines().find(|line| line.starts_with("get_stats")).expect("the entry point");
        line.split_whitespace().nth(3).and_then(|calls| calls.parse::<u64>().ok()).expect("a number")
    };
    let before = calls();
    assert_eq!(calls(), before);
    told(&directory, &["status"]);
    assert_eq!(calls(), before + 1, "status asks the chip");
}

#[test]
fn without_a_terminal_or_a_daemon_it_says_what_would_help() {
    let directory = Directory::new();
    let refused = |arguments: &[&str], code: i32, words: &[&str]| {
        let output = udrvctl(&directory, arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), text.lines().count()), (Some(code), 1), "{arguments:?}: {text}");
        assert!(words.iter().all(|word| text.contains(word)), "{arguments:?}: {text}");
    };
    refused(&["top"], 2, &["--once", "udrvctl status"]);
    refused(&["top", "--json"], 2, &["--once --json"]);
    refused(&["top", "--once"], 1, &["no daemon runs"]);
    refused(&["top", "--once", "model:none"], 1, &["model:none: not running"]);
    for interval in ["0", "-1", "nan", "inf", "soon", "1e99"] {
        let output = udrvctl(&directory, &["top", &format!("--interval={interval}")]);
        assert_eq!(output.status.code(), Some(2), "{interval}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("expected seconds, 0.1 to 3600"), "{interval}");
    }
    let hung = Daemon::start(&directory, &["--endpoint", "socket"]);
    hung.signal(Signal::SIGSTOP);
    wait_until("it hangs", || {
        std::fs::read_to_string(format!("/proc/{}/stat", hung.pid())).is_ok_and(|stat| stat.contains(") T "))
    });
    refused(&["top", "--once"], 1, &["model:rtl8139: does not answer"]);
}
