//! What was left, and is not gone on with.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use super::card::Death;
use super::stand::Stand;
use crate::daemon::{PATIENCE, wait_until};

/// What can be wrong with what was left, and a word of the reason that is given.
type Wrong = (&'static str, fn(&mut Vec<(String, OwnedFd)>), &'static str);

fn part(kept: &[(String, OwnedFd)], name: &str) -> File {
    let (_, fd) = kept.iter().find(|(other, _)| other == name).expect("it is kept");
    File::from(fd.try_clone().expect("a duplicate"))
}

/// Turns bits of a part.
pub(crate) fn turn(kept: &[(String, OwnedFd)], name: &str, at: u64, bits: u8) {
    let (file, mut byte) = (part(kept, name), [0]);
    file.read_exact_at(&mut byte, at).expect("a byte");
    file.write_all_at(&[byte[0] ^ bits], at).expect("a byte");
}

fn swap(kept: &mut [(String, OwnedFd)], a: &str, b: &str) {
    for (name, _) in kept {
        *name = if name == a {
            b.to_owned()
        } else if name == b {
            a.to_owned()
        } else {
            name.clone()
        };
    }
}

/// Replaces text in what is known of the device, in both copies: same length, checksums as they were.
fn falsify(kept: &[(String, OwnedFd)], from: &str, to: &str) {
    let file = part(kept, "udrv-record");
    let mut bytes = vec![0; file.metadata().expect("a size").len() as usize];
    file.read_exact_at(&mut bytes, 0).expect("all of it");
    let places: Vec<usize> =
        (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from.as_bytes())).collect();
    assert!(!places.is_empty(), "{from} is in it");
    for at in places {
        file.write_all_at(to.as_bytes(), at as u64).expect("as long");
    }
}

const WRONG: [Wrong; 18] = [
    ("no record", |kept| kept.retain(|(name, _)| name != "udrv-record"), "udrv-record is missing"),
    ("no state", |kept| kept.retain(|(name, _)| name != "udrv-state"), "udrv-state is missing"),
    ("no memory", |kept| kept.retain(|(name, _)| name != "udrv-dma"), "udrv-dma is missing"),
    ("no bus", |kept| kept.retain(|(name, _)| name != "vfio-user-socket"), "what keeps the device going"),
    (
        "a server that has gone",
        |kept| {
            let (ours, _) = UnixStream::pair().expect("a pair");
            kept.retain(|(name, _)| name != "vfio-user-socket");
            kept.push(("vfio-user-socket".to_owned(), ours.into()));
        },
        "card: ",
    ),
    (
        "two records",
        |kept| {
            let again = part(kept, "udrv-record");
            kept.push(("udrv-record".to_owned(), again.into()));
        },
        "more than one udrv-record",
    ),
    ("memory and record swapped", |kept| swap(kept, "udrv-dma", "udrv-record"), "size of a record"),
    ("memory and state swapped", |kept| swap(kept, "udrv-dma", "udrv-state"), "number of bytes"),
    ("the TAP and the state swapped", |kept| swap(kept, "udrv-endpoint", "udrv-state"), "state"),
    (
        "a file in place of the record",
        |kept| {
            kept.retain(|(name, _)| name != "udrv-record");
            kept.push(("udrv-record".to_owned(), File::open("/dev/zero").expect("it is there").into()));
        },
        "udrv-record: this descriptor is not a DMA region",
    ),
    ("another magic number", |kept| turn(kept, "udrv-record", 0, 1), "does not begin as one"),
    ("another format", |kept| turn(kept, "udrv-record", 8, 0x40), "left in format 66"),
    ("a device that was being set up", |kept| turn(kept, "udrv-record", 12, 1), "being set up or stopped"),
    ("a call of another time", |kept| turn(kept, "udrv-record", 24, 0x40), "not of the same time"),
    ("both copies of the facts torn", |kept| falsify(kept, "state_version", "state_versiom"), "torn"),
    // a high one: a low one may give a generation whose image is there and whole, and the record is what refuses it
    ("a bit of the generation", |kept| turn(kept, "udrv-state", 75, 0x40), "state: "),
    ("another version of the state", |kept| turn(kept, "udrv-state", 16, 0x10), "version 19"),
    (
        "a state that was spoilt",
        |kept| {
            // all images, wherever they are
            let bytes = part(kept, "udrv-state").metadata().expect("a size").len();
            (4096..bytes).step_by(64).for_each(|at| turn(kept, "udrv-state", at, 0x10));
        },
        "spoilt",
    ),
];

#[test]
fn what_does_not_fit_is_refused_and_the_card_begins_anew() {
    let mut stand = Stand::new("rtl8139");
    stand.start();
    stand.wait_until_kept();
    for (what, spoil, reason) in WRONG {
        stand.exchange();
        stand.all_have_come();
        stand.kill();
        spoil(&mut stand.keeper.kept());
        let opened = stand.death.opened.load(SeqCst);
        stand.start();
        let start = Instant::now();
        while !stand.log().contains("kept for a successor") {
            let log = stand.log();
            assert!(
                !log.contains("going on where") && !stand.has_died() && start.elapsed() < PATIENCE,
                "{what}: {log}"
            );
            std::thread::sleep(Duration::from_millis(2)); // between two looks
        }
        let log = stand.log();
        assert!(log.lines().any(|line| line.contains("Starting anew") && line.contains(reason)), "{what}: {log}");
        assert!(stand.death.opened.load(SeqCst) > opened, "{what}: opened again");
        stand.wait_until_kept();
        assert_eq!(stand.keeper.names().len(), 5, "{what}: {:?}", stand.keeper.names());
    }
    stand.exchange();
    stand.all_have_come();
}

/// A successor of another chip: what was left is of a card that is not there any more.
#[test]
fn what_another_chip_has_left_is_refused() {
    let (mut left, mut here) = (Stand::new("rtl8139"), Stand::new("e1000"));
    for stand in [&mut left, &mut here] {
        stand.start();
        stand.wait_until_kept();
        let child = stand.child.as_mut().expect("a child");
        child.kill().expect("it lives");
        child.wait().expect("a child");
    }
    let name = "udrv-record";
    here.keeper.kept().retain(|(other, _)| other != name);
    let foreign = part(&left.keeper.kept(), name);
    here.keeper.kept().push((name.to_owned(), foreign.into()));
    here.start();
    // the first may have been killed before it could say that
    let is_anew =
        |log: String| log.split_once("Starting anew").is_some_and(|(_, then)| then.contains("kept for a successor"));
    wait_until("it begins anew", || is_anew(here.log()));
    let log = here.log();
    assert!(log.lines().any(|line| line.contains("Starting anew") && line.contains("it is of ")), "{log}");
    here.exchange();
    here.all_have_come();
}

/// The e1000's causes.
const ICR: &str = "read 0xc0";

/// What is left may itself be what ends each successor: after three of them it is refused.
fn is_refused_in_the_end(ends: impl Fn(&Death), goes_on: bool) {
    let mut stand = Stand::new("e1000");
    stand.start();
    stand.wait_until_kept();
    stand.exchange();
    stand.all_have_come();
    stand.kill();
    for attempt in 0..3 {
        ends(&stand.death);
        stand.log.lock().unwrap().clear();
        stand.start();
        if goes_on {
            stand.goes_on(attempt);
            stand.station_sends();
        }
        wait_until("it dies over it", || stand.has_died());
        assert!(!stand.log().contains("Starting anew"), "{attempt}: {}", stand.log());
        assert_eq!(stand.log().contains("going on where"), goes_on, "{attempt}: {}", stand.log());
    }
    stand.log.lock().unwrap().clear();
    stand.start();
    wait_until("it begins anew", || stand.log().contains("kept for a successor"));
    assert!(stand.log().contains("several in a row. Starting anew"), "{}", stand.log());
    let number = stand.station_sends();
    stand.host_sends(number);
    wait_until("it works", || {
        stand.take();
        stand.at_station.contains_key(&number) && stand.at_host.contains_key(&number)
    });
}

#[test]
fn what_ends_each_successor_is_refused_in_the_end() {
    is_refused_in_the_end(|death| death.in_(20, true), false);
}

#[test]
fn what_ends_each_successor_in_its_first_call_is_refused_too() {
    // the first such read looks at the device while it is taken up
    is_refused_in_the_end(|death| death.with_(ICR, 1, true), true);
}

/// Successors that have made a call before they end are not counted, in however early a moment: here before the first
/// interrupt is served to its end.
#[test]
fn what_successors_have_worked_with_is_not_refused() {
    let mut stand = Stand::new("e1000");
    stand.start();
    stand.wait_until_kept();
    stand.exchange();
    stand.all_have_come();
    stand.kill();
    for successor in 0..6 {
        // the first is in any case
        stand.death.with_("unmask", 1, true);
        stand.start();
        stand.goes_on(successor);
        let number = stand.station_sends();
        wait_until("it dies", || stand.has_died());
        stand.log.lock().unwrap().clear();
        stand.host_sends(number);
    }
    stand.start();
    stand.goes_on("the last");
    stand.all_have_come();
}
