//! Random calls against a model: what the table says, what is released and when.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fgft::tracking::{Handle, Owner, Rights, Table};
use fgft::{Domain, DomainConfig, DomainMemory, FaultKind, Refusal, StateKind, Upcalls};
use proptest::prelude::*;

use crate::{Thing, fault};

const SLOTS: usize = 6;
const QUOTA: usize = 5;
type Things = Table<Thing, SLOTS>;

/// What code inside asks for. A handle is named by its place among all that were ever granted, stale ones included.
#[derive(Debug, Clone, Copy)]
enum Op {
    Grant,
    Take(usize),
    Use(usize),
    /// To the host, or back from it.
    HandOver(usize),
    /// A handle with one bit turned.
    Forge(usize, u32),
    /// Any word.
    Invent(u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => Just(Op::Grant),
        3 => any::<usize>().prop_map(Op::Take),
        3 => any::<usize>().prop_map(Op::Use),
        2 => any::<usize>().prop_map(Op::HandOver),
        1 => (any::<usize>(), 0..64_u32).prop_map(|(at, bit)| Op::Forge(at, bit)),
        1 => any::<u64>().prop_map(Op::Invent),
    ]
}

/// Calls: what each asks for, and whether it faults after that.
fn calls() -> impl Strategy<Value = Vec<(Vec<Op>, bool)>> {
    prop::collection::vec((prop::collection::vec(op(), 0..12), any::<bool>()), 1..24)
}

/// The host, with the model in it: each upcall's answer is checked at once.
#[derive(Default)]
struct Host {
    /// What the call under way asks for: an upcall is the number of one.
    ops: Vec<Op>,
    /// The real things: to leave one behind is a leak, to remove one twice a double release.
    real: BTreeSet<u64>,
    next_id: u64,
    /// All ever granted.
    handles: Vec<u64>,
    committed: BTreeMap<u64, (u64, Owner)>,
    live: BTreeMap<u64, (u64, Owner)>,
    /// In the call under way, and still there as far as the host is concerned.
    given_back: BTreeMap<u64, u64>,
}

impl Host {
    fn release(&mut self, thing: Thing) {
        assert!(self.real.remove(&thing.id), "thing {} is released twice", thing.id);
    }

    fn known(&self, at: usize) -> u64 {
        if self.handles.is_empty() { 0 } else { self.handles[at % self.handles.len()] }
    }

    /// What the model says of a word that code inside passes.
    fn usable(&self, word: u64) -> Option<u64> {
        self.live.get(&word).filter(|(_, owner)| *owner == Owner::Inside).map(|(id, _)| *id)
    }

    fn serve(&mut self, table: &mut Things, op: Op) {
        match op {
            Op::Grant => {
                let room = self.live.len() + self.given_back.len() < QUOTA;
                let id = self.next_id;
                match table.grant(Thing::new(id)) {
                    Ok(handle) => {
                        assert!(room, "the quota is kept");
                        self.next_id += 1;
                        self.real.insert(id);
                        assert!(!self.handles.contains(&handle.word()), "a handle is granted once");
                        self.handles.push(handle.word());
                        self.live.insert(handle.word(), (id, Owner::Inside));
                    }
                    Err(full) => assert!(!room, "{full}"),
                }
            }
            Op::Take(at) => {
                let word = self.known(at);
                let taken = table.take(Handle::from_word(word)).ok();
                assert_eq!(taken.map(|thing| thing.id), self.usable(word));
                if let Some(thing) = taken {
                    self.live.remove(&word);
                    self.given_back.insert(word, thing.id);
                }
            }
            Op::Use(at) => self.look(table, self.known(at)),
            Op::HandOver(at) => {
                let word = self.known(at);
                let before = self.live.get(&word).copied();
                let to = if before.is_some_and(|(_, o)| o == Owner::Host) { Owner::Inside } else { Owner::Host };
                assert_eq!(table.hand_over(Handle::from_word(word), to).is_ok(), before.is_some());
                if let Some((_, owner)) = self.live.get_mut(&word) {
                    *owner = to;
                }
            }
            Op::Forge(at, bit) => self.look(table, self.known(at) ^ (1 << bit)),
            Op::Invent(word) => self.look(table, word),
        }
    }

    fn look(&self, table: &Things, word: u64) {
        let handle = Handle::from_word(word);
        assert_eq!(table.get(handle).ok().map(|thing| thing.id), self.usable(word));
        assert_eq!(table.check(handle, 0, 100, Rights::READ_WRITE).is_ok(), self.usable(word).is_some());
    }

    /// After a commit or rollback: table, model and real things are the same.
    fn compare(&self, table: &Things) {
        let entries: BTreeMap<u64, (u64, Owner)> =
            table.iter().map(|(handle, owner, thing)| (handle.word(), (thing.id, owner))).collect();
        assert_eq!(entries, self.live);
        assert_eq!(table.len(), self.live.len());
        let ids: BTreeSet<u64> = self.live.values().map(|(id, _)| *id).collect();
        assert_eq!(self.real, ids, "nothing leaks, nothing is missing");
    }
}

impl Upcalls<Things> for Host {
    fn upcall(&mut self, table: &mut Things, _: &DomainMemory, number: u64, _: [u64; 4]) -> Result<[u64; 2], Refusal> {
        self.serve(table, self.ops[number as usize]);
        Ok([0; 2])
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn nothing_leaks_and_nothing_is_released_twice(calls in calls()) {
        let mut config = DomainConfig::new(StateKind { name: "tracking", version: 1 });
        config.deadline = Duration::from_secs(10); // an emulated machine is slow
        let mut table = Things::new();
        table.set_quota(QUOTA);
        let mut domain = Domain::<u64, Things>::new(&config, 0, table).unwrap();
        let mut host = Host::default();
        for (ops, fails) in &calls {
            host.ops.clone_from(ops);
            let (count, fails) = (ops.len() as u64, *fails);
            // SAFETY: owns nothing; the fault is the point.
            let result = unsafe {
                domain.run(&mut host, |_| {
                    for number in 0..count {
                        fgft::upcall(number, [0; 4]);
                    }
                    if fails {
                        fault();
                    }
                    count
                })
            };
            match result {
                Ok(_) => {
                    let mut released = BTreeMap::new();
                    domain.ledger_mut().settle_commit(|handle, thing| {
                        host.release(thing);
                        released.insert(handle.word(), thing.id);
                    });
                    assert_eq!(released, std::mem::take(&mut host.given_back));
                    domain.commit();
                    host.committed.clone_from(&host.live);
                }
                Err(error) => {
                    assert!(fails && matches!(error.kind, FaultKind::NullAccess { .. }), "{error}");
                    let mut order = Vec::new();
                    domain.ledger().settle_abort(domain.committed_ledger(), |_, thing| {
                        host.release(thing);
                        order.push(thing.id);
                    });
                    assert!(order.is_sorted_by(|a, b| a > b), "the newest first: {order:?}");
                    domain.rollback();
                    host.given_back.clear();
                    host.live.clone_from(&host.committed);
                }
            }
            host.compare(domain.ledger());
        }
    }

    /// An adopted ledger, or one that a stray write has hit: wrong answers perhaps, but no panic.
    #[test]
    fn a_spoilt_table_does_not_end_the_host(bytes in prop::collection::vec(any::<u8>(), size_of::<Things>()), ops in prop::collection::vec(op(), 0..40)) {
        use zerocopy::FromBytes;
        let mut table = Things::read_from_bytes(&bytes).unwrap();
        let committed = table;
        let mut handles: Vec<Handle> = table.iter().map(|(handle, ..)| handle).collect();
        for op in ops {
            let known = |at: usize| handles.get(at % handles.len().max(1)).copied().unwrap_or(Handle::NONE);
            match op {
                Op::Grant => handles.extend(table.grant(Thing::new(1)).ok()),
                Op::Take(at) => drop(table.take(known(at))),
                Op::Use(at) => drop(table.check(known(at), u64::MAX, 2, Rights::READ)),
                Op::HandOver(at) => drop(table.revoke(known(at))),
                Op::Forge(..) => table.settle_commit(|_, _| ()),
                Op::Invent(word) => drop(table.get(Handle::from_word(word))),
            }
        }
        table.settle_abort(&committed, |_, _| ());
        table.forget_released(&committed);
    }
}
