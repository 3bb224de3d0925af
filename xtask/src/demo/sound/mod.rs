//! The demo of a sound card.
//!
//! udrvd plays a tone on it. What the card plays is recorded, and listened to frame by frame afterwards: each tells its number.
//!
//! ```text
//!   tone.wav -> udrvd [its driver] ==vfio-user== the model in a process of its own -> sound-*.wav -> hearing
//!               control socket <--JSON lines-- injecting
//! ```
//!
//! Three runs, each with a recording of its own: every fault in every entry point, protected; the faults of one entry point, each
//! recovered by a restart of the driver; and those without protection, where udrvd dies and the next one begins. What may be heard of
//! it, and what is right to fail on, is in `figures.rs` and `places.rs`. No network, no rights.

mod figures;
mod hearing;
mod injecting;
mod material;
mod picture;
mod places;
mod stage;
mod status;
mod table;
mod unprotected;
mod waited;

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use self::{
    figures::{Fault, Figures, ms},
    hearing::{Heard, place_of},
    injecting::Done,
    material::{Frame, RATE},
    picture::Panel,
    stage::Card,
    status::Status,
    waited::Waiting,
};
use super::{
    Args, FOLDER, PATIENCE, Shown, control, daemon, ending,
    error::{self, Result},
    figures::{Run, by_fault},
    plan, process,
    stage::Stage,
    wait, words, write,
};

/// Families of sound cards among the models.
const FAMILIES: [&str; 1] = ["ens1371"];

/// Whether a model is a sound card's.
pub(super) fn plays(model: &str) -> bool {
    FAMILIES
        .iter()
        .any(|family| model.strip_prefix(family).is_some_and(|chip| chip.is_empty() || chip.starts_with('-')))
}

/// Runs it; picture, recordings and logs go into `folder`.
pub(super) fn run(args: &Args, folder: &Path) -> Result<Shown> {
    let programs = super::stage::build()?;
    let begin = Instant::now();
    let stage = Stage::set(programs, folder, args)?;
    stage::write_tone(&stage)?;

    let first = played(&stage, "protected", &[], |period| places::plan(period, args.seed))?;
    eprintln!("demo: the same in one entry point, each recovered by a restart");
    let restarted = ["--recovery", "restart"];
    let restarts = played(&stage, "restart", &restarted, |period| places::pointer_plan(period, args.seed))?;
    eprintln!("demo: the same without protection, each fault in a udrvd of its own");
    let (unprotected, died) = match unprotected::try_all(&stage) {
        Ok((all, tape)) => (all, Ok(tape)),
        Err(error) => (Vec::new(), Err(error)),
    };

    let mut figures = figures(args, &stage, &first, &restarts, unprotected);
    let died = died.unwrap_or_else(|error| {
        figures.run.problems.push(format!("without protection: {error}"));
        Vec::new()
    });
    figures.judge();
    write(&folder.join("sound.svg"), draw(&figures, [&first.tape, &restarts.tape, &died])?)?;
    figures.run.total_s = begin.elapsed().as_secs_f64();
    Ok(Shown::of(&figures, figures.run.verdict, table::text(&figures), table::verdict(&figures)))
}

/// A run with faults that are recovered, and what was heard of it.
struct Played {
    isolation: String,
    pid: [u32; 2],
    /// Frames.
    period: u64,
    ring: u64,
    done: Done,
    heard: Heard,
    tape: Vec<Frame>,
}

/// Plays under the faults that `plan` has for a period of so many frames.
fn played(
    stage: &Stage,
    name: &'static str,
    arguments: &[&str],
    plan: impl FnOnce(u64) -> Vec<plan::Injection>,
) -> Result<Played> {
    let card = Card::insert(stage, name)?;
    let mut daemon = card.play("", arguments)?;
    let mut control = daemon.connect(PATIENCE)?;
    // half a ring: it runs
    let first: Status = injecting::let_play(&mut control, u64::from(RATE) / 5)?;
    let stream = first.class.playing()?;
    let (period, ring) = (stream.period, stream.period * stream.ring_periods);
    let plan = plan(period);
    eprintln!(
        "demo: {} faults in the driver under a tone of {} Hz in periods of {:.0} ms; isolation: {}",
        plan.len(),
        material::TONE,
        ms(period),
        first.isolation
    );
    let mut done = injecting::inject(&plan, &mut control, &mut Waiting::of([daemon.pid(), card.pid()]));
    let pid = daemon.finish(&mut control, &mut done.problems)?;
    let tape = card.end()?;
    let heard = hearing::listen(&tape);
    for broken in figures::charge(&mut done.faults, &heard) {
        done.problems.push(format!("{name}: before any fault something was heard that should not be: {broken:?}"));
    }
    Ok(Played { isolation: first.isolation, pid, period, ring, done, heard, tape })
}

fn figures(
    args: &Args,
    stage: &Stage,
    first: &Played,
    restarts: &Played,
    unprotected: Vec<figures::Unprotected>,
) -> Figures {
    let file = |name: &str| PathBuf::from(FOLDER).join(name);
    let faults = first.done.faults.clone();
    let mut run = Run::of(args, "wav", stage.deadline_ms(), first.isolation.clone(), first.pid, &first.done);
    run.add(&restarts.done);
    let mut figures = Figures {
        run,
        period_ms: ms(first.period),
        ring_ms: ms(first.ring),
        by_fault: by_fault(&faults),
        faults,
        heard: first.heard.clone(),
        restarts: restarts.done.faults.clone(),
        restarts_heard: restarts.heard.clone(),
        unprotected,
        picture: file("sound.svg"),
        recordings: ["protected", "restart", "unprotected"].map(|name| file(&format!("sound-{name}.wav"))),
        notes: Vec::new(),
    };
    figures.note_the_machine();
    figures
}

/// The tone around a null write in the middle of `pointer`, in each run.
fn draw(figures: &Figures, [protected, restarted, died]: [&[Frame]; 3]) -> Result<String> {
    let is_it = |f: &&Fault| (f.entry, f.fault, f.point) == ("pointer", "null-write", "middle");
    let place = |faults: &[Fault], tape: &[Frame]| {
        faults.iter().find(is_it).and_then(|fault| place_of(tape, fault.class.struck)).unwrap_or(tape.len())
    };
    let cost = |faults: &[Fault]| faults.iter().find(is_it).map_or(0.0, |fault| ms(fault.class.heard.frames()));
    // it dies too soon to tell when: silence begins with it
    let end = hearing::listen(died).breaks.first().map_or(died.len(), |broken| broken.at);
    let silence = figures.unprotected.first().and_then(|one| one.silent_ms).unwrap_or(0.0);
    let panels = [
        Panel {
            name: format!("protected: {:.1} ms of the tone are lost", cost(&figures.faults)),
            tape: protected,
            fault: place(&figures.faults, protected),
        },
        Panel {
            name: format!(
                "recovered by a restart of the driver: {:.1} ms of the tone are lost",
                cost(&figures.restarts)
            ),
            tape: restarted,
            fault: place(&figures.restarts, restarted),
        },
        Panel {
            name: format!(
                "without protection: udrvd dies, {silence:.0} ms of silence, and another one begins the piece anew"
            ),
            tape: died,
            fault: end,
        },
    ];
    let title = format!("A null write in the driver of {} while it plays {} Hz", figures.run.model, material::TONE);
    picture::svg(&title, &panels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_cards_are_known_by_their_names() {
        for (model, is_one) in [("ens1371", true), ("ens1371-ct5880", true), ("rtl8139", false), ("ens13711", false)] {
            assert_eq!(plays(model), is_one, "{model}");
        }
    }
}
