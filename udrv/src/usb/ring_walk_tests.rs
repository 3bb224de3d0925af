//! A ring against a list of transfers, at random.

use proptest::prelude::*;

use super::*;

/// What a driver and a device do.
#[derive(Debug, Clone)]
enum Step {
    /// Hands the next descriptors over, as one transfer.
    Give {
        parts: u32,
        sound: bool,
    },
    Doorbell,
    /// One of those that are under way ends.
    End {
        which: prop::sample::Index,
        status: usize,
        length: usize,
    },
    Reset,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1..=4_u32, prop::bool::weighted(0.9)).prop_map(|(parts, sound)| Step::Give { parts, sound }),
        6 => Just(Step::Doorbell),
        10 => (any::<prop::sample::Index>(), 0..6_usize, 0..500_usize)
            .prop_map(|(which, status, length)| Step::End { which, status, length }),
        1 => Just(Step::Reset),
    ]
}

const ENDS: [(TransferStatus, u32); 6] = [
    (TransferStatus::Done, status::DONE),
    (TransferStatus::Stalled, status::STALLED),
    (TransferStatus::Overflow, status::OVERFLOW),
    (TransferStatus::Cancelled, status::CANCELLED),
    (TransferStatus::Gone, status::GONE),
    (TransferStatus::Failed, status::FAILED),
];

/// A transfer as the driver remembers it: its descriptors, and what they are to say when their turn comes.
struct Given {
    parts: u32,
    sound: bool,
    rung: bool,
    says: Option<(u32, u32)>,
}

proptest! {
    /// The ring says of each descriptor what a list of transfers says, at every step.
    #[test]
    fn it_is_a_list(size in 4..12_u32, steps in prop::collection::vec(step(), 1..200)) {
        let mut bench = Bench::new(OUT, size);
        let (mut list, mut next, mut oldest, mut count) = (VecDeque::<Given>::new(), 0, 0, 0_u32);
        for step in steps {
            match step {
                Step::Give { parts, sound } => {
                    if list.iter().map(|given| given.parts).sum::<u32>() + parts > size {
                        continue;
                    }
                    for part in 0..parts {
                        let control = if part + 1 < parts { OWN | CHAIN } else { OWN };
                        bench.put((next + part) % size, if sound { BUFFERS } else { 0 }, 10, control);
                    }
                    next = (next + parts) % size;
                    list.push_back(Given { parts, sound, rung: false, says: None });
                }
                Step::Doorbell => {
                    bench.start();
                    for given in list.iter_mut().filter(|given| !given.rung) {
                        given.rung = true;
                        count += given.parts;
                        given.says = (!given.sound).then_some((0, status::REFUSED));
                    }
                }
                Step::End { which, status, length } => {
                    if bench.submitted.is_empty() {
                        continue;
                    }
                    let at = which.index(bench.submitted.len());
                    let bytes = bench.submitted[at].data.len();
                    bench.end(at, ENDS[status].0, length);
                    let mut under_way = list.iter_mut().filter(|given| given.rung && given.says.is_none());
                    let ended = under_way.nth(at).expect("it was under way");
                    ended.says = Some((length.min(bytes) as u32, ENDS[status].1));
                }
                Step::Reset => {
                    bench.ring.reset();
                    bench.submitted.clear();
                    list.clear();
                    (0..size).for_each(|index| bench.put(index, 0, 0, 0));
                    (next, oldest, count) = (0, 0, 0);
                }
            }
            while let Some(Given { parts, says: Some(says), .. }) = list.front() {
                for part in 0..*parts {
                    prop_assert_eq!(bench.told((oldest + part) % size), *says);
                }
                oldest = (oldest + parts) % size;
                list.pop_front();
            }
            let waiting = list.iter().map(|given| given.parts).sum::<u32>();
            for part in 0..waiting {
                prop_assert_ne!(bench.control((oldest + part) % size) & OWN, 0, "it has not had its turn");
            }
            prop_assert_eq!(bench.ring.count, count);
        }
    }
}
