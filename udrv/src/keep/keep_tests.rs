//! What is kept, cut off at any store and spoilt at any bit.

use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use super::*;
use crate::endpoint::HostCounts;

fn facts(text: &str) -> Facts {
    Facts {
        device: text.to_owned(),
        identity: (1, 2, 3),
        driver: "driver".to_owned(),
        state_version: 4,
        registers: 5,
        iova: 0x1000,
        memory: 0x2000,
        buffer_bytes: 2048,
        protection: Protection::default(),
        class: serde_json::json!({ "open": true }),
    }
}

fn file(kept: &Kept) -> std::fs::File {
    kept.as_fd().try_clone_to_owned().unwrap().into()
}

fn turn(file: &std::fs::File, at: usize, bits: u8) {
    let mut byte = [0];
    file.read_exact_at(&mut byte, at as u64).unwrap();
    file.write_all_at(&[byte[0] ^ bits], at as u64).unwrap();
}

#[test]
fn what_is_written_is_found_by_a_successor() {
    let kept = Kept::new().unwrap();
    assert_eq!((kept.format(), kept.facts.read()), (Some(FORMAT), None));
    for text in ["a", "b", "c"] {
        kept.facts.write(&facts(text)).unwrap();
        let heir = Kept::adopt(file(&kept).into()).unwrap();
        assert_eq!(heir.facts.read(), Some(facts(text)));
    }
    assert!(kept.facts.write(&facts(&"long".repeat(1000 * 2))).is_err(), "too long");
    assert_eq!(kept.facts.read(), Some(facts("c")), "and the last is there still");
}

/// A bit anywhere in the facts: the older copy is taken, or it was the older copy.
#[test]
fn facts_that_are_torn_are_not_believed() {
    let kept = Kept::new().unwrap();
    kept.facts.write(&facts("older")).unwrap();
    kept.facts.write(&facts("newer")).unwrap();
    let (start, bytes) = (std::mem::offset_of!(Record, facts), size_of_val(&kept.facts));
    let file = file(&kept);
    let mut found = [0; 2];
    for at in start..start + bytes {
        turn(&file, at, 0x10);
        match kept.facts.read() {
            Some(read) if read == facts("newer") => found[0] += 1,
            Some(read) if read == facts("older") => found[1] += 1,
            other => panic!("byte {at}: {other:?}"),
        }
        turn(&file, at, 0x10);
    }
    assert!(found.iter().all(|count| *count > 100), "{found:?}");
    // both
    turn(&file, start + 16, 1);
    turn(&file, start + bytes / 2 + 16, 1);
    assert_eq!(kept.facts.read(), None);
}

/// Whatever bytes a record has: nothing that looks at it panics, or looks outside.
#[test]
fn any_bytes_are_a_record() {
    for byte in [0_u8, 1, 0x7f, 0x80, 0xff] {
        let kept = Kept::new().unwrap();
        file(&kept).write_all_at(&vec![byte; size_of::<Record>()], 0).unwrap();
        assert_eq!(kept.format(), None);
        let _ = (kept.facts.read(), kept.works(), kept.is_unclean(), kept.is_spoilt(), kept.by_messages());
        let counts = HostCounts { taken: 0, given: 0, given_bytes: 0 };
        let _ = (kept.took_more(counts), kept.unknown_read(counts));
        let _ = (kept.last_call(7), kept.journal.iter().count(), kept.staged.last(), kept.waiting.entries());
        assert!(kept.journal.len() <= MAX_NOTED && kept.delivered.len() <= MAX_DELIVERED);
        kept.journal.push(1);
        kept.waiting.push([1, 2]);
        kept.waiting.pop();
        kept.forget();
        assert_eq!(kept.journal.len(), 0);
    }
}

#[test]
fn the_last_call_is_told_by_its_generation() {
    let kept = Kept::new().unwrap();
    kept.close(7);
    assert_eq!([6, 7, 8].map(|newest| kept.last_call(newest)), [LastCall::Torn, LastCall::Settled, LastCall::Torn]);
    kept.open(8);
    assert_eq!(
        [6, 7, 8, 9].map(|newest| kept.last_call(newest)),
        [LastCall::Torn, LastCall::Open, LastCall::Committed, LastCall::Torn]
    );
    kept.open_unprotected();
    assert_eq!(kept.last_call(7), LastCall::Unprotected);
}

/// A process that is killed anywhere around a read: what the record says of it, beside what the host has counted.
#[test]
fn a_read_that_nobody_has_noted_is_told_by_the_hosts_counters() {
    let kept = Kept::new().unwrap();
    let counts = |given, given_bytes| HostCounts { taken: 7, given, given_bytes };
    kept.count_from(Some(counts(10, 1000)));
    kept.begin_read(3);
    assert_eq!(kept.unknown_read(counts(10, 1000)), None, "it waits in the endpoint");
    assert_eq!(kept.unknown_read(counts(11, 1060)), Some((3, 60)), "it is in its buffer");
    assert_eq!(kept.unknown_read(counts(12, 1120)), None, "somebody else has read");
    kept.frame_read(60);
    assert_eq!(kept.unknown_read(counts(11, 1060)), None, "it is accounted for");
    assert_eq!(
        kept.unknown_read(counts(12, 1134)),
        Some((3, 74)),
        "one into the same buffer, for the first was of no use"
    );
    kept.end_read();
    assert_eq!(kept.unknown_read(counts(12, 1134)), None, "none is read");
    kept.begin_read(0);
    kept.count_from(None);
    assert_eq!(kept.unknown_read(counts(12, 1134)), None, "the host counts nothing");
}

#[test]
fn lists_are_full_at_their_end_and_queues_go_round() {
    let kept = Kept::new().unwrap();
    assert!((0..MAX_NOTED as u64).all(|word| kept.staged.push(word)) && !kept.staged.push(0));
    kept.staged.replace_last(9);
    assert_eq!((kept.staged.len(), kept.staged.last(), kept.staged.get(3)), (MAX_NOTED, Some(9), 3));
    for round in 0..1000 {
        assert!(kept.waiting.push([round, 1]));
        assert_eq!(kept.waiting.entries(), Some(vec![[round, 1]]));
        kept.waiting.pop();
    }
    let count = (0..1000).take_while(|word| kept.waiting.push([*word, 0])).count();
    assert_eq!(kept.waiting.entries().map(|entries| entries.len()), Some(count));
    (0..=count).for_each(|_| kept.waiting.pop());
    assert_eq!(kept.waiting.entries(), Some(Vec::new()));
}

#[test]
fn what_is_no_record_is_refused() {
    let other = DmaRegion::new(4096, None).unwrap();
    let error = Kept::adopt(other.as_fd().try_clone_to_owned().unwrap()).unwrap_err().to_string();
    assert!(error.contains("not the size of a record"), "{error}");
    assert!(Kept::adopt(std::fs::File::open("/dev/zero").unwrap().into()).is_err());
}
