//! A device's settings come over into another process, all of them or none.

mod input;
mod net;
mod sound;

use udrv::checkpoint::{Change, Checkpoint, Restored};
use udrv::run::{Answer, Class, Command, Running};
use udrv_driver::{Entry, InjectedFault, Injection, Point};

/// What it is set to.
fn saved<C: Class>(device: &mut Running<C>) -> Checkpoint {
    let Ok(Answer::Checkpoint(checkpoint)) = device.handle(Command::Checkpoint) else { panic!("no checkpoint") };
    // as it comes out of a file
    Checkpoint::parse(checkpoint.to_text().as_bytes()).expect("it can be read")
}

fn restore<C: Class>(device: &mut Running<C>, checkpoint: &Checkpoint, dry_run: bool) -> Result<Restored, String> {
    let command = Command::RestoreCheckpoint { checkpoint: Box::new(checkpoint.clone()), dry_run };
    match device.handle(command).expect("goes on") {
        Answer::Restored(restored) => Ok(*restored),
        Answer::Refused(why) => Err(why),
        other => panic!("{other:?}"),
    }
}

/// The fields that were changed.
fn fields(restored: &Restored) -> Vec<&str> {
    restored.changes.iter().map(|Change { field, .. }| field.as_str()).collect()
}

/// Arms a fault for so many calls.
fn arm<C: Class>(device: &mut Running<C>, entry: Entry, fault: InjectedFault, point: Point, times: u32) {
    let command = Command::Inject { entry, injection: Injection { fault, point }, times };
    assert!(matches!(device.handle(command), Ok(Answer::Done)));
}

/// Register accesses so far, without one for the question.
fn accesses<C: Class>(device: &mut Running<C>) -> (u64, u64) {
    let Ok(Answer::Status(status)) = device.handle(Command::Glance) else { panic!("no status") };
    status.register_accesses
}
