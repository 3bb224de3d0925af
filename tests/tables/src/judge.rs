//! Judges a long run. Nothing here is a matter of speed: recovery times are shown, and not judged.

use crate::long::{Run, resident};

/// What resident memory may grow by from the second fifth of a run to its last fifth: the allocator's own play, and pages that are
/// touched for the first time. A leak of 100 bytes a fault is more in an hour.
const PLAY_KIB: f64 = 1024.0;
/// A fault may cost what was in the device, and no more: frames in its rings, samples in its buffers, a movement.
const MOST_LOST: u64 = 4_800;

/// What is wrong with it; nothing if it is good.
pub(crate) fn against(run: &Run) -> Vec<String> {
    let mut against = Vec::new();
    let mut note = |is_wrong: bool, what: String| {
        if is_wrong {
            against.push(what);
        }
    };
    if let Some(why) = &run.ended {
        note(true, format!("it has ended: {why}"));
    }
    note(run.faults == 0, "no fault has come".to_owned());
    note(run.not_recovered > 0, format!("{} faults were not recovered", run.not_recovered));
    let first = run.first_wrong.as_deref().unwrap_or_default();
    note(run.wrong > 0, format!("{} {} were wrong, the first: {first}", run.wrong, run.unit));
    let most = run.faults * MOST_LOST;
    note(
        run.missing > most,
        format!("{} {} are missing, more than {} faults can cost", run.missing, run.unit, run.faults),
    );
    let idle = run.pieces.iter().filter(|piece| piece.units == 0).count();
    note(idle > 0, format!("nothing came out in {idle} of {} pieces", run.pieces.len()));
    let fifth = run.pieces.len() / 5;
    let (early, late) = (&run.pieces[fifth..2 * fifth], &run.pieces[run.pieces.len() - fifth..]);
    let growth = resident(late) - resident(early);
    note(growth > PLAY_KIB, format!("resident memory has grown by {growth:.0} KiB"));
    let descriptors = |at: usize| run.pieces.get(at).map_or(0, |piece| piece.descriptors);
    let (before, after) = (descriptors(0), descriptors(run.pieces.len().saturating_sub(1)));
    note(after > before, format!("{} descriptors were left open", after.saturating_sub(before)));
    against
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Driver;
    use crate::long::Piece;

    fn piece(rss_kib: u64, descriptors: u64, units: u64) -> Piece {
        let (at_s, missing, wrong, faults, down_ns) = (1.0, 0, 0, 1, 1_000);
        Piece { at_s, rss_kib, descriptors, units, missing, wrong, faults, down_ns, recovery_ns: None }
    }

    fn good() -> Run {
        Run {
            driver: Driver::Rtl8139,
            unit: "frames",
            pieces: (0..10).map(|n| piece(9_000 + n % 3, 12, 100)).collect(),
            faults: 10,
            hangs: 0,
            hang_ns: None,
            rungs: [10, 0, 0],
            not_recovered: 0,
            not_come: 0,
            units: 1_000,
            missing: 3,
            wrong: 0,
            first_wrong: None,
            availability: 1.0,
            recovery_ns: None,
            first_tenth_ns: None,
            last_tenth_ns: None,
            ended: None,
            verdict: Vec::new(),
        }
    }

    #[test]
    fn a_good_run_is_good() {
        assert_eq!(against(&good()), Vec::<String>::new());
    }

    #[test]
    fn each_thing_that_goes_wrong_is_seen() {
        type Spoil = fn(&mut Run);
        let broken: [(&str, Spoil); 8] = [
            ("has ended", |run| run.ended = Some("given up".to_owned())),
            ("no fault", |run| run.faults = 0),
            ("not recovered", |run| run.not_recovered = 1),
            ("were wrong", |run| run.wrong = 1),
            ("missing", |run| run.missing = 1_000_000),
            ("nothing came out", |run| run.pieces[4].units = 0),
            ("resident memory", |run| (0..).zip(&mut run.pieces).for_each(|(n, piece)| piece.rss_kib += 300 * n)),
            ("descriptors", |run| run.pieces[9].descriptors += 1),
        ];
        for (word, spoil) in broken {
            let mut run = good();
            spoil(&mut run);
            let against = against(&run);
            assert!(
                !against.is_empty() && against.iter().all(|what| what.contains(word) || word == "no fault"),
                "{word}: {against:?}"
            );
            assert!(against.iter().any(|what| what.contains(word)), "{word}: {against:?}");
        }
    }
}
