//! A device's settings come over into another process, all of them or none.

mod input;
mod net;
mod sound;

use serde_json::{Value, json};
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

/// Each value of a file becomes each of these in turn: what can be read is taken or refused, and the device goes on.
fn expect_no_value_does_harm<C: Class>(device: &mut Running<C>) {
    let start = saved(device);
    let good = serde_json::to_value(&start).expect("JSON");
    let (mut taken, mut refused) = (0, 0);
    for place in places(&good, "") {
        for value in values() {
            let mut file = good.clone();
            *file.pointer_mut(&place).expect("it is there") = value.clone();
            let Ok(checkpoint) = Checkpoint::parse(file.to_string().as_bytes()) else { continue };
            match restore(device, &checkpoint, false) {
                Ok(_) => {
                    let now = serde_json::to_value(saved(device)).expect("JSON");
                    let is_chip = place.starts_with("/chip");
                    assert!(is_chip || now.pointer(&place) == Some(&value), "{place} = {value}");
                    restore(device, &start, false).expect("and back");
                    taken += 1;
                }
                Err(why) => {
                    assert!(why.contains(" = ") && !why.contains(char::is_control), "{place} = {value}: {why}");
                    refused += 1;
                }
            }
            assert_eq!(saved(device), start, "{place} = {value}");
        }
    }
    assert!(taken > 5 && refused > 5, "{taken} taken, {refused} refused");
    let Ok(Answer::Status(status)) = device.handle(Command::Status) else { panic!("no status") };
    assert_eq!((status.faults, status.restarts), (0, 0));
}

/// Where there are values that are no tables.
fn places(value: &Value, at: &str) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            fields.iter().flat_map(|(name, value)| places(value, &format!("{at}/{name}"))).collect()
        }
        _ => vec![at.to_owned()],
    }
}

fn values() -> Vec<Value> {
    let numbers = [0, 1, 2, 7, 31, 68, 255, 1500, 4095, 44_100, 65_535, u64::from(u32::MAX), u64::MAX];
    let texts =
        ["", "always", "none", "0x00000000000000ff", "02:00:00:00:00:09", "ff:ff:ff:ff:ff:ff", "2:1", "a\nb\u{1b}"];
    let stream = |bits: u32, channels: u32, rate: u32| json!({"bits": bits, "channels": channels, "rate": rate});
    let streams = [(16, 2, 8000), (16, u32::MAX, u32::MAX), (0, 0, 0), (8, 1, u32::MAX), (u32::MAX, 1, 8000)];
    let lists = [json!([]), json!([1]), json!([1, 1]), json!([65_535, 65_535]), json!([0, 0, 0])];
    let others = [json!(null), json!(true), json!(false), json!(-1), json!(1.5)];
    let numbers = numbers.into_iter().map(Value::from).chain(texts.into_iter().map(Value::from));
    let streams = streams.map(|(bits, channels, rate)| stream(bits, channels, rate));
    numbers.chain(streams).chain(lists).chain(others).collect()
}
