//! A mouse in a process of its own, and the hand on it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use model_pcips2::{ctrl, regs, status};
use model_psmouse::codes::command;
use nix::sys::signal::Signal;
use udrv::vfio_user::VfioUserFunction;
use udrv_bus::{PciFunction, Width};

use crate::daemon::{Directory, udrvctl, wait_until};
use crate::vfio_user::Server;

/// The hand's socket.
pub(crate) struct Hand {
    lines: BufReader<UnixStream>,
}

impl Hand {
    pub(crate) fn reach(path: &Path) -> Hand {
        Hand { lines: BufReader::new(UnixStream::connect(path).expect("it listens")) }
    }

    pub(crate) fn say(&mut self, line: &str) -> String {
        self.lines.get_mut().write_all(format!("{line}\n").as_bytes()).expect("it listens");
        let mut answer = String::new();
        self.lines.read_line(&mut answer).expect("it answers");
        answer.trim_end().to_owned()
    }
}

fn serve(files: &Directory) -> (Server, PathBuf) {
    let path = files.0.join("hand.sock");
    let (server, line) = Server::launch(files, "psmouse-imps2", &["--hand", path.to_str().expect("text")]);
    assert!(line.contains("its hand is at"), "{line}");
    (server, path)
}

/// Reads bytes of the mouse, so many.
fn hear(card: &mut VfioUserFunction, count: usize) -> Vec<u8> {
    let mut heard = Vec::new();
    wait_until("the mouse says something", || {
        let shown = card.bar_read(0, regs::STATUS.into(), Width::U8).expect("a register");
        if shown & u32::from(status::RXFULL) != 0 {
            heard.push(card.bar_read(0, regs::DATA.into(), Width::U8).expect("a register") as u8);
        }
        heard.len() == count
    });
    heard
}

#[test]
fn what_the_hand_does_comes_out_of_the_card() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let files = Directory::new();
        let (mut server, path) = serve(&files);
        let mut card = VfioUserFunction::open(&server.socket).expect("it is served");
        card.config_write(4, Width::U16, 1).expect("configuration space");
        card.bar_write(0, regs::CTRL.into(), Width::U8, ctrl::ENABLE.into()).expect("a register");
        card.bar_write(0, regs::DATA.into(), Width::U8, command::ENABLE.into()).expect("a register");
        assert_eq!(hear(&mut card, 1), [0xfa]);
        let mut hand = Hand::reach(&path);
        assert_eq!(hand.say("move 8 -6 0"), "done");
        assert_eq!(hear(&mut card, 3), [0x28, 4, 0xfd]);
        assert_eq!(hand.say("rest"), "done");
        assert!(hand.say("counters").contains("to-host 4 from-host 1 "));
        assert!(hand.say("wave").starts_with("error: no 'wave'"));
        // the next client, after one that has gone in the middle of a line
        hand.lines.get_mut().write_all(b"press le").expect("it listens");
        drop(hand);
        let mut hand = Hand::reach(&path);
        assert!(hand.say("settings").contains("enabled yes"));
        // it ends with a client at each socket
        assert!(server.end(signal).success());
        assert!(!path.exists() && !server.socket.exists(), "nothing is left");
    }
}

#[test]
fn a_hand_is_for_mice_and_mice_have_nothing_else() {
    let files = Directory::new();
    let [socket, hand] = ["card.sock", "hand.sock"].map(|name| files.0.join(name));
    let [socket, hand] = [&socket, &hand].map(|path| path.to_str().expect("text"));
    let there = files.0.join("there");
    std::fs::write(&there, "kept").expect("a file");
    let there = there.to_str().expect("text");
    for (model, options, why) in [
        ("rtl8139", &["--hand", hand][..], "is no mouse: --hand and --line are for mice"),
        ("ens1371", &["--hand", hand], "is no mouse"),
        ("psmouse", &["--line-rate", "100"], "is a mouse: of the options it has --hand and --line alone"),
        ("psmouse", &["--pace", "50"], "is a mouse"),
        ("psmouse", &["--hand", there], there),
        ("psmouse", &["--hand", "/no/such/folder/hand"], "/no/such/folder/hand"),
        ("psmouse-ps3", &[], "has no chip 'ps3'; there are: psmouse, psmouse-imex, "),
    ] {
        let output = udrvctl(&files, &[&["model", "serve", model, socket], options].concat());
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains(why), "{model} {options:?}: {text}");
        assert!(!Path::new(socket).exists() && !Path::new(hand).exists(), "{model} {options:?}: nothing is left");
    }
    assert_eq!(std::fs::read(there).expect("a file"), b"kept");
}
