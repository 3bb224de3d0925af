//! What a driver is used for in a trial, and the judge of what comes out of it. All in the child, over the rigs of the tests that are
//! turned by hand: one thread, and time that passes when the trial says so.

mod input;
mod net;
mod sound;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use udrv::clock::Clock;
use udrv::run::{Answer, Class, Command, DeviceError, Options, Running};
use udrv::supervisor::policy::Protect;
use udrv_driver::Entry;

use crate::finding::Finding;
use crate::subject::Subject;

/// Uses the driver of `subject`, with all of its entry points protected or none.
pub(crate) fn run(subject: Subject, protected: bool) -> Finding {
    let isolation = fgft::init().map(fgft::Isolation::name).unwrap_or_default().to_owned();
    let mut finding = Finding { isolation, ..Finding::default() };
    let ran = match subject {
        Subject::E1000 => net::card::<udrv_tests::subject::E1000>(protected, &mut finding),
        Subject::R8169 => net::card::<udrv_tests::subject::R8169>(protected, &mut finding),
        Subject::Rtl8139 => net::card::<udrv_tests::subject::Rtl8139>(protected, &mut finding),
        Subject::Pegasus => net::adapter(protected, &mut finding),
        Subject::Ens1371 => sound::card(protected, &mut finding),
        Subject::Psmouse => input::mouse(protected, &mut finding),
    };
    if let Err(error) = ran {
        finding.ended = Some(error.to_string());
    }
    finding
}

/// Calls may take as long as they like: who looks on makes them slow. One for the process, which makes one trial.
static UNHURRIED: AtomicBool = AtomicBool::new(false);

/// From now on they may.
pub(crate) fn take_time() {
    UNHURRIED.store(true, Relaxed);
}

/// Kinds of registers that hold what they were told until they are told otherwise.
const KEPT: [&str; 1] = ["config"];

/// Options of a trial, from those of the tests: the quarantine is as users have it.
fn options(tests: Options, protected: bool) -> Options {
    let protect = if protected { Protect::Always } else { Protect::Never };
    let quarantine = Options::default().quarantine;
    let deadline = if UNHURRIED.load(Relaxed) { Duration::from_secs(3600) } else { tests.deadline };
    Options { protect, quarantine, deadline, clock: Clock::by_hand(), ..tests }
}

/// The entry points of a class that work does not call by itself, the `nth` of them over and over.
fn called<C: Class>(by_work: &[Entry], nth: usize) -> Entry {
    let others: Vec<Entry> = C::ENTRIES.iter().copied().filter(|entry| !by_work.contains(entry)).collect();
    others[nth % others.len()]
}

/// Has it call an entry point, with the values in force.
fn call<C: Class>(device: &mut Running<C>, entry: Entry) -> Result<(), DeviceError> {
    device.handle(Command::Call(entry)).map(drop)
}

/// What can be said of any device at the end.
fn look<C: Class>(device: &mut Running<C>, finding: &mut Finding) -> Result<(), DeviceError> {
    if let Answer::Faults(reports) = device.handle(Command::Faults(0))? {
        finding.note(&reports);
    }
    if let Answer::Status(status) = device.handle(Command::Status)? {
        finding.canary = !status.canary_intact;
    }
    if let Answer::Registers(registers) = device.handle(Command::Registers { live: true })? {
        // what the driver has set, and not what the chip counts
        let set = registers.iter().filter(|register| KEPT.contains(&register.kind.as_str()));
        finding.registers.extend(set.filter_map(|register| Some((register.name.clone(), register.live?))));
    }
    Ok(())
}

/// Those that differ between two trials without a mutant say nothing.
pub(crate) fn steady(mut first: Finding, second: &Finding) -> Finding {
    first.registers.retain(|name, value| second.registers.get(name) == Some(value));
    first
}
