//! What the host lends to a call before it begins, and what is settled when it ends.

use fgft::tracking::{Owner, Table};
use fgft::{Domain, DomainConfig, StateKind};

use crate::{Thing, fault};

type Things = Table<Thing, 4>;

fn domain() -> Domain<u64, Things> {
    let config = DomainConfig::new(StateKind { name: "lent", version: 1 });
    Domain::new(&config, 0, Things::new()).expect("a domain")
}

/// Lends an object and makes a call that faults: what it then is released of.
fn released_by_a_fault(domain: &mut Domain<u64, Things>) -> Vec<u64> {
    domain.prepare();
    let lent = domain.ledger_mut().grant(Thing::new(7)).expect("room");
    // SAFETY: the closure owns nothing.
    let result = unsafe { domain.run(&mut (), |_| fault()) };
    assert!(result.is_err());
    let mut released = Vec::new();
    domain.ledger().settle_abort(domain.committed_ledger(), |_, thing| released.push(thing.id));
    domain.rollback();
    assert_eq!(domain.ledger().owner(lent), None);
    released
}

#[test]
fn what_is_lent_to_a_call_goes_with_it() {
    let mut domain = domain();
    assert_eq!(released_by_a_fault(&mut domain), [7]);
    // an unprotected call before it: its image is not to hold what is lent only after that
    domain.run_unprotected(|state, table| {
        *state = 5;
        table.grant(Thing::new(1)).expect("room");
    });
    assert_eq!(released_by_a_fault(&mut domain), [7]);
    assert_eq!((domain.state(), domain.ledger().len()), (5, 1), "what the unprotected call did stays");
}

#[test]
fn preparing_rolls_back_a_call_that_is_open() {
    let mut domain = domain();
    // SAFETY: the closure owns nothing.
    unsafe { domain.run(&mut (), |state| *state = 9) }.expect("no fault");
    domain.prepare();
    assert_eq!(domain.state(), 0);
    // SAFETY: as above.
    unsafe { domain.run(&mut (), |state| *state += 1) }.expect("no fault");
    domain.commit();
    assert_eq!(domain.state(), 1);
}

#[test]
fn an_owner_is_told_for_what_is_there() {
    let mut table = Things::new();
    let handle = table.grant(Thing::new(1)).expect("room");
    assert_eq!(table.owner(handle), Some(Owner::Inside));
    table.hand_over(handle, Owner::Host).expect("it is there");
    assert_eq!(table.owner(handle), Some(Owner::Host));
    table.revoke(handle).expect("it is there");
    assert_eq!(table.owner(handle), None, "given back");
    table.settle_commit(|_, _| ());
    (0..4).for_each(|id| assert!(table.grant(Thing::new(id)).is_ok()));
    assert_eq!(table.owner(handle), None, "its slot is another's");
    assert_eq!(Things::new().owner(fgft::tracking::Handle::NONE), None);
}

/// Wherever they are in the table, and however often it was settled before.
#[test]
fn all_that_was_given_back_is_released() {
    for slots in 0..16_u32 {
        let mut table = Things::new();
        let handles = [0, 1, 2, 3].map(|id| table.grant(Thing::new(id)).expect("room"));
        for round in 0..3 {
            let given: Vec<u64> = (0..4).filter(|id| slots & 1 << id != 0).collect();
            // the last first: the lowest slot is not the first to be given back
            given.iter().rev().for_each(|id| drop(table.take(handles[*id as usize])));
            let mut released = Vec::new();
            table.settle_commit(|_, thing| released.push(thing.id));
            assert_eq!(released, if round == 0 { given } else { Vec::new() }, "{slots:#b}, {round}");
        }
    }
}
