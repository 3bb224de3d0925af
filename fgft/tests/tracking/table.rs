//! What is refused and how it is said; quota, owners, older generations, successors.

use std::os::fd::AsFd;

use fgft::tracking::{Full, Handle, Owner, Rights, Table};
use fgft::{Domain, DomainConfig, Refusal, StateKind};

use crate::Thing;

type Things = Table<Thing, 4>;

fn reason<T: std::fmt::Debug>(result: Result<T, Refusal>) -> String {
    result.unwrap_err().0
}

#[test]
fn a_refusal_names_the_handle_and_the_cause() {
    let (mut table, mut other) = (Things::new(), Things::new());
    let stale = table.grant(Thing::new(1)).unwrap();
    table.take(stale).unwrap();
    assert_eq!(reason(table.get(stale)), format!("handle {stale} is no thing: it was given back"));
    assert_eq!(reason(table.take(stale)), format!("handle {stale} is no thing: it was given back"));
    table.settle_commit(|_, _| ());
    assert_eq!(reason(table.get(stale)), format!("handle {stale} is no thing: it was given back"));
    // once around: its slot is another's
    (0..4).for_each(|id| assert!(table.grant(Thing::new(id)).is_ok()));
    assert_eq!(reason(table.get(stale)), format!("handle {stale} is no thing: its slot was granted anew since"));

    let foreign = other.grant(Thing::new(9)).unwrap();
    let text = reason(table.get(foreign));
    assert_eq!(text, format!("handle {foreign} is no thing: it was not granted, or in a call that was rolled back"));
    let beyond = Handle::from_word(stale.word() | 4);
    assert_eq!(reason(table.get(beyond)), format!("handle {beyond} is no thing: there are 4 slots"));
    assert_eq!(reason(table.get(Handle::NONE)), "handle none is no thing: it is the handle of nothing");
    // a free slot of a fresh table has tag 0: index 1 with tag 0 is refused all the same
    assert!(Things::new().get(Handle::from_word(1)).is_err());
}

#[test]
fn ranges_and_rights() {
    let mut table = Things::new();
    let handle = table.grant(Thing::new(1)).unwrap();
    for (offset, length, good) in [
        (0, 100, true),
        (100, 0, true),
        (99, 1, true),
        (0, 0, true),
        (0, 101, false),
        (101, 0, false),
        (100, 1, false),
        (u64::MAX, 1, false),
        (1, u64::MAX, false),
        (u64::MAX, u64::MAX, false),
    ] {
        assert_eq!(table.check(handle, offset, length, Rights::READ).is_ok(), good, "{offset} {length}");
    }
    let text = reason(table.check(handle, 90, 11, Rights::READ));
    assert_eq!(text, format!("thing {handle}: 11 bytes at 90 do not fit into its 100"));

    let all = [Rights::NONE, Rights::READ, Rights::WRITE, Rights::READ_WRITE];
    for (given, allowed) in all.into_iter().zip([
        [true, false, false, false],
        [true, true, false, false],
        [true, false, true, false],
        [true; 4],
    ]) {
        table.set_rights(handle, given).unwrap();
        assert_eq!(all.map(|wanted| table.check(handle, 0, 1, wanted).is_ok()), allowed, "{given}");
    }
    let constant = table.grant_with(Thing::new(2), Rights::READ).unwrap();
    let text = reason(table.check(constant, 0, 1, Rights::WRITE));
    assert_eq!(text, format!("thing {constant}: to write is not allowed, only to read"));
}

#[test]
fn what_the_host_has_is_not_to_be_used_inside() {
    let mut table = Things::new();
    let handle = table.grant(Thing::new(1)).unwrap();
    table.hand_over(handle, Owner::Host).unwrap();
    let text = format!("thing {handle}: it is with the host now");
    assert_eq!(reason(table.get(handle)), text);
    assert_eq!(reason(table.take(handle)), text);
    assert_eq!(reason(table.check(handle, 0, 1, Rights::READ)), text);
    assert_eq!(reason(table.hand_over(handle, Owner::Host)), format!("thing {handle}: it is with the host already"));
    // the host's own ways go on
    assert_eq!(table.replace(handle, Thing::new(5)), Ok(Thing::new(1)));
    assert_eq!(table.iter().collect::<Vec<_>>(), [(handle, Owner::Host, Thing::new(5))]);
    table.hand_over(handle, Owner::Inside).unwrap();
    assert_eq!(table.get(handle), Ok(Thing::new(5)));
    table.hand_over(handle, Owner::Host).unwrap();
    assert_eq!(table.revoke(handle), Ok(Thing::new(5)));
    assert!(table.revoke(handle).is_err() && table.hand_over(handle, Owner::Inside).is_err());
}

#[test]
fn the_quota_counts_what_is_not_settled() {
    let mut table = Things::new();
    assert_eq!(table.quota(), 4);
    table.set_quota(9);
    assert_eq!(table.quota(), 4, "never above the capacity");
    table.set_quota(2);
    let first = table.grant(Thing::new(1)).unwrap();
    table.grant(Thing::new(2)).unwrap();
    let full = Full { kind: "thing", quota: 2 };
    assert_eq!(table.grant(Thing::new(3)), Err(full));
    assert_eq!(Refusal::from(full).0, "no more than 2 of kind thing at a time");
    table.take(first).unwrap();
    assert_eq!((table.len(), table.grant(Thing::new(3))), (1, Err(full)), "the real one is not released yet");
    table.settle_commit(|_, _| ());
    assert!(table.grant(Thing::new(3)).is_ok());
    table.set_quota(0);
    assert_eq!((table.len(), table.grant(Thing::new(4)).is_err()), (2, true), "those there stay");
}

#[test]
fn a_rollback_past_the_last_commit_brings_nothing_released_back() {
    let mut table = Things::new();
    let [kept, released, given_back] = [1, 2, 3].map(|id| table.grant(Thing::new(id)).unwrap());
    let mut older = table;
    table.take(released).unwrap();
    table.settle_commit(|_, _| ());
    let later = table.grant(Thing::new(4)).unwrap();
    table.take(given_back).unwrap(); // in the call that fails: not released
    let mut order = Vec::new();
    table.settle_abort(&older, |_, thing| order.push(thing.id));
    assert_eq!(order, [4], "obtained since, so released");
    older.forget_released(&table);
    assert_eq!(older.len(), 2);
    assert!(older.get(kept).is_ok() && older.get(given_back).is_ok());
    assert!(older.get(released).is_err() && older.get(later).is_err());
}

/// It needs no alignment and has no padding: else this derive would not compile.
#[derive(Clone, Copy, zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)]
#[repr(C)]
struct Ledger {
    odd: [u8; 3],
    things: Things,
    more: Table<Thing, 1>,
    rest: u8,
}

#[test]
fn a_successor_adopts_what_was_committed() {
    let config = DomainConfig::new(StateKind { name: "adopted", version: 1 });
    let ledger = Ledger { odd: [1, 2, 3], things: Things::new(), more: Table::new(), rest: 4 };
    let mut domain = Domain::<u64, Ledger>::new(&config, 0, ledger).unwrap();
    let old = domain.run_unprotected(|_, ledger| ledger.things.grant(Thing::new(7)).unwrap());
    domain.commit();
    let lost = domain.ledger_mut().things.grant(Thing::new(8)).unwrap(); // never committed
    let file = domain.as_fd().try_clone_to_owned().unwrap();
    drop(domain);
    let mut heir = Domain::<u64, Ledger>::adopt(&config, file).unwrap();
    let things = &mut heir.ledger_mut().things;
    assert_eq!(things.get(old), Ok(Thing::new(7)));
    let new = things.grant(Thing::new(9)).unwrap();
    assert_ne!(new, lost, "no handle twice");
    assert!(things.get(lost).is_err());
    assert_eq!((heir.ledger().odd, heir.ledger().rest, heir.ledger().more.len()), ([1, 2, 3], 4, 0));
}
