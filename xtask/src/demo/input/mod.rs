//! The demo of a mouse.
//!
//! A hand moves it along a way that is known, presses and turns; what udrvd gives is read number by number.
//!
//! ```text
//!   hand -> the model in a process of its own ==its line, byte by byte== udrvd [its driver] -> input-*.jsonl -> record
//!                                                      control socket <--JSON lines-- injecting
//! ```
//!
//! Four runs, each with a mouse of its own: every fault in every entry point, protected; those of one entry point along one way,
//! protected, each recovered by a restart of the driver, and without protection, where udrvd dies and the next one begins. A fault has a leg of the way
//! for itself. What is right to fail on is in `figures.rs`. No rights.

mod figures;
mod hand;
mod injecting;
mod picture;
mod places;
mod record;
mod stage;
mod table;
mod unprotected;
mod walk;

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use self::{
    figures::{Fault, Figures},
    injecting::Done,
    picture::Panel,
    stage::Mouse,
    unprotected::Died,
    walk::{Leg, Point, corners, rose},
};
use super::{
    Args, FOLDER, PATIENCE, Shown,
    control::{Any, Status},
    error::Result,
    figures::Run,
    plan::{self, Injection},
    stage::Stage,
    write,
};

/// Family of mice among the models, and those of it that have no wheel.
const FAMILY: &str = "psmouse";
const WITHOUT_WHEEL: [&str; 2] = ["psmouse-ps2", "psmouse-synaptics"];

/// Whether a model is a mouse.
pub(super) fn points(model: &str) -> bool {
    model.strip_prefix(FAMILY).is_some_and(|chip| chip.is_empty() || chip.starts_with('-'))
}

/// Runs it; picture, records and logs go into `folder`.
pub(super) fn run(args: &Args, folder: &Path) -> Result<Shown> {
    let programs = super::stage::build()?;
    let begin = Instant::now();
    let stage = Stage::set(programs, folder, args)?;

    let first = walked(&stage, "protected", &[], &places::plan(args.seed), args.seed)?;
    eprintln!("demo: the same in one entry point");
    let plan = places::interrupt_plan(args.seed);
    let few = walked(&stage, "interrupt", &[], &plan, args.seed)?;
    eprintln!("demo: the same in one entry point, each recovered by a restart");
    let restarts = walked(&stage, "restart", &["--recovery", "restart"], &plan, args.seed)?;
    eprintln!("demo: the same without protection, each fault in a udrvd of its own");
    let legs = rose(plan::FAULTS.len(), args.seed);
    let died = Mouse::plug(&stage, "unprotected").and_then(|(mouse, mut hand)| {
        let died = unprotected::try_all(&mouse, &mut hand, &legs)?;
        mouse.end()?;
        Ok(died)
    });
    let mut problem = None;
    let died = died.unwrap_or_else(|error| {
        problem = Some(format!("without protection: {error}"));
        Died { all: Vec::new(), points: Vec::new(), struck: Vec::new() }
    });

    let picture = draw(args, [&first, &few, &restarts], (&legs, &died))?;
    write(&folder.join("path.svg"), picture)?;
    let mut figures = figures(args, &stage, [first, few, restarts], died.all);
    figures.run.problems.extend(problem);
    figures.judge();
    figures.run.total_s = begin.elapsed().as_secs_f64();
    Ok(Shown::of(&figures, figures.run.verdict, table::text(&figures), table::verdict(&figures)))
}

/// A run with faults that are recovered, and what came out.
struct Walk {
    isolation: String,
    pid: [u32; 2],
    done: Done,
    legs: Vec<Leg>,
    points: Vec<Point>,
}

/// Walks the way under the faults of `plan`.
fn walked(stage: &Stage, name: &'static str, arguments: &[&str], plan: &[Injection], seed: u64) -> Result<Walk> {
    let (mouse, mut hand) = Mouse::plug(stage, name)?;
    let (mut daemon, mut record) = mouse.drive("", arguments)?;
    let mut control = daemon.connect(PATIENCE)?;
    let first: Status<Any> = control.status()?;
    eprintln!("demo: {} faults in the driver under a hand that moves; isolation: {}", plan.len(), first.isolation);
    let legs = rose(plan.len(), seed);
    let mut done = injecting::inject(plan, &legs, &mut hand, &mut control, &mut record);
    let pid = daemon.finish(&mut control, &mut done.problems)?;
    mouse.end()?;
    record.follow()?;
    Ok(Walk { isolation: first.isolation, pid, done, legs, points: record.points() })
}

fn figures(
    args: &Args,
    stage: &Stage,
    [first, few, restarts]: [Walk; 3],
    unprotected: Vec<figures::Unprotected>,
) -> Figures {
    let mut run = Run::of(args, "record", stage.deadline_ms(), first.isolation, first.pid, &first.done);
    run.add(&few.done);
    run.add(&restarts.done);
    Figures {
        run,
        wheel: !WITHOUT_WHEEL.contains(&args.model.as_str()),
        by_fault: figures::by_fault(&first.done.faults),
        faults: first.done.faults,
        few: few.done.faults,
        restarts: restarts.done.faults,
        unprotected,
        picture: PathBuf::from(FOLDER).join("path.svg"),
    }
}

/// What the hand did and what came out, in each run.
fn draw(args: &Args, runs: [&Walk; 3], (legs, died): (&[Leg], &Died)) -> Result<String> {
    let missing = |faults: &[Fault]| faults.iter().map(|fault| fault.class.missing()).sum::<u64>();
    let panel = |run: &Walk, name: &str| Panel {
        name: [
            format!("{} faults {name}", run.done.faults.len()),
            format!("{} counts are missing", missing(&run.done.faults)),
        ],
        hand: corners(&run.legs),
        out: run.points.clone(),
        faults: run.done.faults.iter().map(|fault| fault.class.struck).collect(),
    };
    let [first, few, restarts] = runs;
    let lost: u64 = died.all.iter().map(|one| one.missing).sum();
    let panels = [
        panel(first, "in all entry points, protected"),
        panel(few, "in interrupt, protected"),
        panel(restarts, "in interrupt, each with a restart"),
        Panel {
            name: [
                format!("{} faults in interrupt, unprotected", died.all.len()),
                format!("another udrvd after each; {lost} counts are missing"),
            ],
            hand: corners(legs),
            out: died.points.clone(),
            faults: died.struck.clone(),
        },
    ];
    picture::svg(&format!("The path of {} while its driver faults", args.model), &panels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mice_are_known_by_their_names() {
        for (model, is_one) in [("psmouse", true), ("psmouse-imex", true), ("rtl8139", false), ("psmouse2", false)] {
            assert_eq!(points(model), is_one, "{model}");
        }
    }
}
