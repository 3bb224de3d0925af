//! The same with protection off: each fault in a udrvd of its own, how that dies, and what is heard until the next one plays.
//!
//! The next one is started the moment that the last one's end is seen, sooner than any supervisor of services would.

use super::{
    super::stage::Stage,
    ending::{HANGS, provoke},
    error::Result,
    figures::{Unprotected, ms},
    hearing::{self, Heard},
    injecting::let_play,
    material::{Frame, RATE},
    plan::FAULTS,
    stage::Card,
};

/// What is heard before a fault: more than a ring, so that it is full.
const BEFORE: u64 = RATE as u64 * 2 / 5;

/// Tries each fault. Gives the recording too.
pub(super) fn try_all(stage: &Stage) -> Result<(Vec<Unprotected>, Vec<Frame>)> {
    let card = Card::insert(stage, "unprotected")?;
    let start = |which: &str| card.play(which, &["--protect", "never"]);
    let mut all: Vec<Unprotected> = Vec::new();
    let mut daemon = start("-first")?;
    let mut control = daemon.connect(HANGS)?;
    for fault in FAULTS {
        let_play(&mut control, BEFORE)?;
        let end = provoke(&mut daemon, &mut control, "pointer", fault)?;
        all.push(Unprotected { end, silent_ms: None, repeated_ms: 0.0 });
        // one that lives on has memory that is not as it was
        daemon.kill();
        daemon = start(&format!("-after-{fault}"))?;
        control = daemon.connect(HANGS)?;
    }
    let_play(&mut control, BEFORE / 2)?;
    daemon.stop()?;
    let tape = card.end()?;
    charge(&mut all, &hearing::listen(&tape));
    Ok((all, tape))
}

/// Puts what was heard into the rows: it begins with the fault, and ends when the next udrvd begins the piece anew.
fn charge(all: &mut [Unprotected], heard: &Heard) {
    let mut rows = all.iter_mut();
    let mut row = rows.next();
    for broken in &heard.breaks {
        let Some(one) = &mut row else { return };
        if broken.begins_anew() {
            one.silent_ms = Some(one.silent_ms.unwrap_or(0.0) + ms(broken.silent));
            row = rows.next();
        } else {
            one.repeated_ms += ms(broken.repeated);
            if broken.silent > 0 {
                one.silent_ms = Some(one.silent_ms.unwrap_or(0.0) + ms(broken.silent));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        ending::Ending,
        material::{SILENCE, frame},
    };
    use super::*;

    #[test]
    fn each_fault_has_what_is_heard_from_it_to_the_next_beginning() {
        let one = |fault| {
            let end = Ending { fault, outcome: String::new(), fatal: true };
            Unprotected { end, silent_ms: None, repeated_ms: 0.0 }
        };
        let mut all = ["a", "b", "c"].map(one);
        let piece = |range: std::ops::Range<u64>| range.map(frame).collect::<Vec<_>>();
        let silence = |ms: usize| vec![SILENCE; 48 * ms];
        // the first dies; the second hangs, and the ring is heard again; of the third nothing is heard
        let tape = [
            piece(0..9600),
            silence(30),
            piece(0..9600),
            piece(4800..9600),
            piece(4800..9600),
            silence(100),
            piece(0..9600),
        ];
        charge(&mut all, &hearing::listen(&tape.concat()));
        assert_eq!(all.each_ref().map(|one| one.silent_ms), [Some(30.0), Some(100.0), None]);
        assert_eq!(all.each_ref().map(|one| one.repeated_ms), [0.0, 200.0, 0.0]);
    }
}
