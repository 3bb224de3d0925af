//! The demo of a network card.
//!
//! udrvd drives it behind a TAP. While this machine's kernel runs a TCP stream up and one down over it, the driver faults.
//!
//! ```text
//!   xtask: streams -> kernel's TCP -> TAP -> udrvd [its driver] -> model -> wire -> far host: sink, source
//!          injecting --JSON lines--> control socket
//! ```
//!
//! All of it is in a network namespace of its own, and of programs it needs no more than Debian always has. Where no
//! TAP can be had, a TCP/IP stack in this process takes the kernel's place, over a packet socket.

mod figures;
mod injecting;
mod load;
mod namespace;
mod netlink;
mod picture;
mod places;
mod stage;
mod status;
mod streams;
mod table;
mod unprotected;

use std::{path::Path, time::Instant};

use self::{
    figures::{Both, Figures},
    stage::Stage,
    status::Status,
};
use super::{
    Args, FOLDER, PATIENCE, Shown, control, daemon, ending,
    error::{self, Result},
    figures::{Run, by_fault},
    plan, process, random, wait, write,
};
use crate::cargo;

pub(crate) use self::load::Load;
pub(super) use self::stage::Endpoint;

/// The timeline, in the demo's folder.
const PICTURE: &str = "timeline.svg";

/// Runs it; picture and logs go into `folder`.
pub(super) fn run(args: &Args, folder: &Path) -> Result<Shown> {
    eprintln!("demo: building udrvd (release)");
    let program = cargo::release_programs(&["udrv-daemon"], &["udrvd"])?.remove(0);
    let begin = Instant::now();
    let stage = Stage::set(program, folder.to_owned(), args)?;
    let (mut figures, throughput) = protected(&stage, args)?;
    eprintln!("demo: the same without protection, each fault in a udrvd of its own");
    match unprotected::try_all(&stage) {
        Ok(all) => figures.unprotected = all,
        Err(error) => figures.run.problems.push(format!("without protection: {error}")),
    }
    figures.judge();
    write(&folder.join(PICTURE), picture::svg(&figures, &throughput)?)?;
    figures.run.total_s = begin.elapsed().as_secs_f64();
    Ok(Shown::of(&figures, figures.run.verdict, table::text(&figures), table::verdict(&figures)))
}

/// All faults under the streams, with protection. Gives the throughput too.
fn protected(stage: &Stage, args: &Args) -> Result<(Figures, [Vec<u64>; 2])> {
    let (mut daemon, card) = stage.start("udrvd.log", &[])?;
    let mut control = daemon.connect(PATIENCE)?;
    let first: Status = control.status()?;
    let plan = places::plan(args.seed);
    eprintln!(
        "demo: {} faults in the driver of {} under two TCP streams over the {}; isolation: {}",
        plan.len(),
        args.model,
        stage.endpoint().name(),
        first.isolation
    );
    let epoch = Instant::now();
    let streams = stage.streams(card, &first, epoch)?;
    let throughput = streams.throughput();
    let mut done = injecting::inject(&plan, &mut control, &streams, epoch);
    let streams = match streams.finish() {
        Ok([upload, download]) => Some(Both { upload, download }),
        Err(error) => {
            done.problems.push(error.to_string());
            None
        }
    };
    let pid = daemon.finish(&mut control, &mut done.problems)?;
    let figures = Figures {
        run: Run::of(args, stage.endpoint().name(), stage.deadline_ms(), first.isolation, pid, &done),
        endpoint_reason: stage.reason().map(str::to_owned),
        by_fault: by_fault(&done.faults),
        faults: done.faults,
        streams,
        unprotected: Vec::new(),
        timeline: Path::new(FOLDER).join(PICTURE),
    };
    Ok((figures, throughput.buckets()))
}
