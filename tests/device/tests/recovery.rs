//! What is done about a driver that does the same wrong thing again and again: policy, quarantine, late detection, the
//! rungs of the ladder, reports and accounts.

use std::time::{Duration, Instant};

use fgft::symbols::Symbols;
use udrv::net::NetOptions;
use udrv::report::Rung;
use udrv::run::{Command, DeviceError, Options};
use udrv::supervisor::ladder::{LadderConfig, Recovery};
use udrv::supervisor::policy::Protect;
use udrv::supervisor::quarantine::QuarantineConfig;
use udrv::write_log::Undone;
use udrv_driver::{Entry, InjectedFault, Injection, MacAddress, Point};
use udrv_tests::wayward::{Rig, SECOND, command, habit};

/// A frame of 64 bytes, as the doorbell says it.
const FRAME: u32 = 64;

fn never_aside() -> Options {
    Options { quarantine: QuarantineConfig { faults: 0, ..QuarantineConfig::default() }, ..Options::default() }
}

fn counters(rig: &mut Rig, entry: Entry) -> udrv::run::EntryStatus {
    rig.status().entries.into_iter().find(|(name, _)| name == entry.name()).expect("all are there").1
}

fn inject(rig: &mut Rig, entry: Entry, fault: InjectedFault, times: u32) {
    let injection = Injection { fault, point: Point::Middle };
    rig.tell(Command::Inject { entry, injection, times }).expect("armed");
}

#[test]
fn protection_is_paid_for_where_it_is_wanted() {
    let options = Options {
        protect: Protect::Never,
        protect_entries: vec![(Entry::Link, Protect::Always)],
        ..Options::default()
    };
    let mut rig = Rig::new(options);
    rig.send(3).expect("frames");
    let (link, transmit) = (counters(&mut rig, Entry::Link), counters(&mut rig, Entry::Transmit));
    assert!(link.protected && !transmit.protected);
    assert_eq!((link.counters.unprotected, transmit.counters.unprotected), (0, 3));
    // live, from the next call on
    rig.tell(Command::Protect(Some(Entry::Transmit), Protect::Always)).expect("done");
    inject(&mut rig, Entry::Transmit, InjectedFault::NullWrite, 1);
    rig.send(2).expect("the fault is contained");
    assert_eq!(counters(&mut rig, Entry::Transmit).counters.unprotected, 3);
    assert_eq!(rig.bells(), [FRAME; 5]);
    // what unprotected calls have done is not rolled back with a protected one that faults
    assert_eq!(rig.status().net().chip.expect("counters").tx_errors, 0);
    rig.tell(Command::Protect(None, Protect::Never)).expect("done");
    rig.send(1).expect("a frame");
    assert!(rig.status().entries.iter().all(|(_, entry)| !entry.protected));
    assert_eq!(rig.bells(), [FRAME]);
}

#[test]
fn an_unprotected_call_before_a_protected_one_that_faults_is_kept() {
    let options = Options {
        protect: Protect::Never,
        protect_entries: vec![(Entry::Link, Protect::Always)],
        ..Options::default()
    };
    let mut rig = Rig::new(options);
    rig.send(7).expect("frames");
    inject(&mut rig, Entry::Link, InjectedFault::NullWrite, 1);
    rig.call(Entry::Link).expect("works the second time");
    assert_eq!(rig.reports().len(), 1);
    rig.send(1).expect("a frame");
    // the state counts them: seven before the fault, one after
    assert_eq!(rig.bells().len(), 8);
    assert_eq!(counters(&mut rig, Entry::Transmit).counters.unprotected, 8);
}

#[test]
fn suspicion_begins_with_the_first_fault_anywhere() {
    let options = Options {
        protect: Protect::Suspicious,
        protect_entries: vec![(Entry::Link, Protect::Always), (Entry::Poll, Protect::Never)],
        ..Options::default()
    };
    let mut rig = Rig::new(options);
    rig.send(1).expect("a frame");
    assert!(!counters(&mut rig, Entry::Transmit).protected);
    inject(&mut rig, Entry::Link, InjectedFault::DivideByZero, 1);
    rig.call(Entry::Link).expect("works the second time");
    assert!(counters(&mut rig, Entry::Transmit).protected);
    assert!(!counters(&mut rig, Entry::Poll).protected, "never means never");
    inject(&mut rig, Entry::Transmit, InjectedFault::NullWrite, 1);
    rig.send(1).expect("the fault is contained");
    assert_eq!(rig.bells(), [FRAME; 2]);
}

#[test]
fn the_list_of_suspects_protects_and_grows() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("suspects");
    std::fs::write(&file, "transmit\n").expect("written");
    let options = || Options { protect: Protect::Suspicious, suspects: Some(file.clone()), ..Options::default() };
    let mut rig = Rig::new(options());
    assert!(counters(&mut rig, Entry::Transmit).protected);
    assert!(!counters(&mut rig, Entry::Link).protected);
    inject(&mut rig, Entry::Transmit, InjectedFault::NullWrite, 1);
    rig.send(1).expect("the fault is contained");
    rig.tell(Command::Protect(Some(Entry::Link), Protect::Always)).expect("done");
    inject(&mut rig, Entry::Link, InjectedFault::NullWrite, 1);
    rig.call(Entry::Link).expect("works the second time");
    drop(rig);
    let mut next = Rig::new(options());
    assert!(counters(&mut next, Entry::Link).protected, "its fault is remembered");
    assert!(!counters(&mut next, Entry::Poll).protected);
}

#[test]
fn a_repeated_fault_puts_the_second_version_in_charge() {
    let mut rig = Rig::new(Options::default());
    rig.habits(habit::TRANSMIT_PANICS);
    rig.send(20).expect("the device goes on");
    let bells = rig.bells();
    assert!(bells.iter().all(|bell| *bell == FRAME | SECOND), "{bells:x?}");
    assert_eq!(bells.len(), 18, "two attempts a frame: five faults are two frames and one attempt of the third");
    let status = rig.status();
    assert_eq!((status.net().traffic.tx_dropped, status.faults), (2, 5));
    assert_eq!(status.quarantine.len(), 1);
    assert!(status.quarantine[0].entry == "transmit" && status.quarantine[0].alternate);
    let reports = rig.reports();
    assert_eq!(reports.iter().filter(|r| r.quarantined).count(), 1);
    assert!(reports.last().is_some_and(|r| r.quarantined && !r.alternate));
    rig.call(Entry::Link).expect("the rest works");
    // out by command, and clean
    rig.habits(0);
    rig.tell(Command::Release(Some(Entry::Transmit))).expect("released");
    let again = rig.tell(Command::Release(Some(Entry::Transmit))).expect_err("it is out");
    assert!(again.contains("not in quarantine"), "{again}");
    rig.send(3).expect("frames");
    assert_eq!(rig.bells(), [FRAME; 3]);
}

#[test]
fn quarantine_ends_after_its_time_and_begins_again_at_once() {
    let time = Duration::from_millis(30);
    let quarantine = QuarantineConfig { time, ..QuarantineConfig::default() };
    let mut rig = Rig::new(Options { quarantine, ..Options::default() });
    rig.habits(habit::TRANSMIT_PANICS);
    let start = Instant::now();
    rig.send(3).expect("the device goes on");
    assert_eq!(rig.status().quarantine.len(), 1);
    let faults = rig.status().faults;
    udrv_tests::wait_until("another chance", || {
        rig.send(1).expect("frames");
        rig.status().faults > faults
    });
    assert!(start.elapsed() >= time, "not before its time");
    assert_eq!(rig.status().faults, faults + 1, "one fault was enough");
    assert_eq!(rig.status().net().traffic.tx_dropped, 2, "and cost no frame");
}

#[test]
fn when_both_versions_repeat_faults_calls_get_an_error_and_the_rest_works() {
    let mut rig = Rig::new(Options::default());
    rig.habits(habit::TRANSMIT_PANICS | habit::SECOND_TRANSMIT_PANICS);
    rig.send(100).expect("the device goes on");
    let status = rig.status();
    assert_eq!(status.net().traffic.tx_dropped, 100, "all are accounted for");
    assert!(!status.quarantine[0].alternate);
    assert_eq!(status.faults, 10, "five of each version");
    assert!(rig.reports().iter().any(|r| r.alternate));
    assert!(rig.receive().expect("receiving works").is_some());
    rig.call(Entry::Link).expect("the rest works");
}

#[test]
fn an_entry_point_without_a_second_version_gets_an_error_of_its_own() {
    let mut rig = Rig::new(Options::default());
    rig.habits(habit::STATS_PANICS);
    let errors: Vec<String> = (0..5).map(|_| rig.call(Entry::GetStats).expect_err("it panics")).collect();
    assert!(errors[0].contains("get_stats, as always"), "{errors:?}");
    assert!(errors[4].contains("quarantine") && errors[4].contains("release"), "{errors:?}");
    assert!(rig.receive().expect("receiving works").is_some());
    rig.send(1).expect("sending works");
    rig.habits(0);
    rig.call(Entry::GetStats).expect_err("still in quarantine");
    rig.tell(Command::Release(None)).expect("all are released");
    rig.call(Entry::GetStats).expect("works");
}

#[test]
fn a_device_whose_interrupts_are_not_understood_still_receives() {
    let mut rig = Rig::new(Options::default());
    rig.habits(habit::INTERRUPT_PANICS);
    for _ in 0..10 {
        assert!(rig.receive().expect("it goes on").is_some());
    }
    assert_eq!(rig.status().quarantine[0].entry, "interrupt");
    assert_eq!(rig.status().faults, 5);
}

#[test]
fn a_device_that_cannot_receive_still_sends() {
    let mut rig = Rig::new(Options::default());
    rig.habits(habit::POLL_DIVIDES);
    for _ in 0..10 {
        assert!(rig.receive().expect("it goes on").is_none());
    }
    rig.send(3).expect("frames");
    assert_eq!(rig.bells(), [FRAME; 3]);
    rig.habits(0);
    rig.tell(Command::Release(None)).expect("released");
    rig.receive().expect("it goes on");
    assert_eq!(rig.status().net().traffic.rx_frames, 11, "what had come in meanwhile is not lost");
}

/// The state is spoilt by a call that nobody watches, and noticed by the next one that is.
#[test]
fn corruption_that_is_older_than_the_call_is_undone() {
    let options = Options { protect_entries: vec![(Entry::Link, Protect::Never)], ..Options::default() };
    let mut rig = Rig::new(options);
    rig.send(6).expect("frames");
    rig.habits(habit::LINK_SPOILS);
    rig.call(Entry::Link).expect("it looks well");
    rig.habits(0);
    let _ = rig.commands();
    rig.send(1).expect("noticed, undone, sent");
    let reports = rig.reports();
    let report = reports.last().expect("a report");
    assert_eq!((report.kind.as_str(), report.rung), ("spoilt-earlier", Rung::Restore), "{report:#?}");
    assert!(report.text.contains("seal"), "{report}");
    assert_eq!(report.generations_back, Some(1), "the spoilt one was the newest image by then");
    assert_eq!(rig.commands(), [command::RESTORE], "the device was brought to the older state");
    assert_eq!(rig.bells(), [FRAME; 7], "no frame was lost");
    let status = rig.status();
    assert_eq!((reports.len(), status.net().traffic.tx_dropped), (1, 0));
}

#[test]
fn a_call_that_breaks_the_state_is_the_one_that_is_blamed() {
    let mut rig = Rig::new(Options::default());
    rig.habits(habit::LINK_SPOILS);
    let error = rig.call(Entry::Link).expect_err("refused");
    assert!(error.contains("does not hold: its seal is broken"), "{error}");
    rig.habits(0);
    rig.send(1).expect("the state is whole");
    assert_eq!(rig.reports().len(), 2, "two attempts");
    assert!(rig.reports().iter().all(|r| r.kind == "broken-state" && r.entry == "link" && r.rung == Rung::Abort));
}

#[test]
fn without_a_sound_generation_the_driver_starts_from_nothing() {
    let mac = MacAddress([2, 0xaa, 0xbb, 0xcc, 0, 7]);
    let mut rig =
        Rig::new(Options { net: NetOptions { mac: Some(mac), ..NetOptions::default() }, ..Options::default() });
    rig.send(20).expect("frames");
    rig.new_epoch();
    let _ = (rig.bells(), rig.commands());
    rig.door.inside().values.fill(0); // the card forgets, too
    rig.send(1).expect("a fresh start");
    let reports = rig.reports();
    assert_eq!(reports.last().map(|r| (r.rung, r.recovered)), Some((Rung::Restart, true)));
    assert_eq!(rig.commands(), [command::PROBE, command::OPEN]);
    assert_eq!(rig.door.inside().values[0], u32::from_le_bytes([2, 0xaa, 0xbb, 0xcc]), "the address was replayed");
    assert_eq!(rig.door.inside().values[8], u32::MAX, "and the mode");
    assert_eq!(rig.bells(), [FRAME], "the frame that noticed it was sent");
}

#[test]
fn a_restart_by_command_loses_no_frame() {
    let mut rig = Rig::new(Options::default());
    rig.send(3).expect("frames");
    for _ in 0..5 {
        rig.host.send(&[2; 64]);
    }
    rig.tell(Command::Restart).expect("restarted");
    rig.device.pump_endpoint().expect("goes on");
    assert_eq!(rig.bells(), [FRAME; 8], "what waited has been sent");
    assert!(rig.receive().expect("receiving works").is_some());
    let status = rig.status();
    assert_eq!((status.restarts, status.faults), (1, 0));
    assert_eq!(status.net().chip.map(|_| ()), Some(()));
}

#[test]
fn restart_can_be_the_only_way() {
    let ladder = LadderConfig { recovery: Recovery::Restart, ..LadderConfig::default() };
    let mut rig = Rig::new(Options { ladder, ..never_aside() });
    for round in 1..=30 {
        inject(&mut rig, Entry::Transmit, InjectedFault::NullWrite, 1);
        rig.send(1).expect("callers wait, they do not fail");
        assert_eq!(rig.status().restarts, round);
    }
    assert!(rig.reports().iter().all(|r| r.rung == Rung::Restart && r.recovered && r.steps.restart > 0));
    assert_eq!(rig.bells(), [FRAME; 30]);
}

#[test]
fn a_restore_that_fails_is_followed_by_a_restart() {
    let mut rig = Rig::new(never_aside());
    let _ = rig.commands();
    rig.habits(habit::LINK_WRITES_AND_PANICS | habit::RESTORE_PANICS);
    rig.call(Entry::Link).expect_err("it panics each time");
    let reports = rig.reports();
    // each attempt: its own report, and before it those of three restores
    assert_eq!(reports.len(), 8);
    assert!(reports.iter().all(|r| r.rung == Rung::Restart && r.recovered), "{reports:#?}");
    assert_eq!(reports.iter().filter(|r| r.entry == "restore").count(), 6);
    use command::*;
    assert_eq!(rig.commands(), [LINK, PROBE, OPEN, LINK, PROBE, OPEN]);
    rig.habits(0);
    rig.send(1).expect("a frame");
    assert_eq!(rig.bells(), [FRAME]);
}

#[test]
fn a_device_that_cannot_be_restarted_is_given_up_and_quiet() {
    let back_off = Duration::from_micros(100);
    let ladder = LadderConfig { back_off, ..LadderConfig::default() };
    let mut rig = Rig::new(Options { ladder, ..never_aside() });
    rig.habits(habit::LINK_WRITES_AND_PANICS | habit::RESTORE_PANICS | habit::PROBE_PANICS);
    let error = rig.device.handle(Command::Call(Entry::Link)).expect_err("an error of its own");
    assert!(matches!(error, DeviceError::GaveUp { .. }), "{error}");
    assert!(error.to_string().contains("link, as always"), "{error}");
    let reports = rig.reports();
    assert!(reports.iter().all(|r| r.rung == Rung::GaveUp && !r.recovered));
    assert!(reports.iter().filter(|r| r.entry == "probe").count() >= 18, "six restarts of three attempts");
    rig.habits(0);
    let Rig { device, door, .. } = rig;
    drop(device);
    assert_eq!(door.inside().command & 4, 0, "bus mastering is off");
    assert_eq!(door.inside().mappings, 0);
}

#[test]
fn faults_in_a_row_climb_rung_by_rung() {
    let mut rig = Rig::new(never_aside());
    rig.habits(habit::TRANSMIT_PANICS);
    rig.send(8).expect("the device goes on");
    let rungs: Vec<Rung> = rig.reports().iter().map(|r| r.rung).collect();
    assert_eq!(rungs[..7], [Rung::Abort; 7]);
    assert_eq!(rungs[7..15], [Rung::Restore; 8]);
    assert_eq!(rungs[15], Rung::Restart);
    rig.habits(0);
    rig.send(1).expect("a frame");
    assert_eq!(rig.bells(), [FRAME]);
}

#[test]
fn a_report_tells_the_whole_story() {
    let mut rig = Rig::new(never_aside());
    rig.habits(habit::LINK_WRITES_AND_PANICS);
    rig.call(Entry::Link).expect_err("it panics each time");
    let mut report = rig.reports().pop().expect("a report");
    let symbols = Symbols::of_this_process().expect("debug information");
    report.explain(Some(&symbols));
    let journal: Vec<(&str, u32, Undone)> =
        report.journal.iter().map(|w| (w.register.as_str(), w.value, w.undone)).collect();
    let expected = [
        ("MODE", 0x77, Undone::WrittenBack(u32::MAX)),
        ("BELL", 0x88, Undone::NeverHappened),
        ("COMMAND", command::LINK, Undone::NeedsRestore),
    ];
    assert_eq!(journal, expected);
    assert!(report.steps.restore > 0 && report.to_error >= report.steps.restore, "{report:#?}");
    assert_eq!(report.rung, Rung::Restore);
    assert!(report.source.as_deref().is_some_and(|s| s.contains("wayward.rs:")), "{report}");
    assert!(report.backtrace[0].contains("write_and_panic"), "{report}");
    assert!(report.backtrace.iter().any(|frame| frame.contains("link")), "{report}");
    let text = report.to_string();
    for part in ["panic in link", "link, as always", "BELL = 0x88, held back", "rung       restore", "write_and_panic"]
    {
        assert!(text.contains(part), "'{part}' is not in:\n{text}");
    }
    // the same over JSON
    let json = serde_json::to_string(&report).expect("JSON");
    assert_eq!(serde_json::from_str::<udrv::report::FaultReport>(&json).expect("a report"), report);
}

#[test]
fn a_trap_is_reported_with_registers_and_what_lies_there() {
    let mut rig = Rig::new(never_aside());
    inject(&mut rig, Entry::Link, InjectedFault::NullWrite, 1);
    rig.call(Entry::Link).expect("works the second time");
    let mut report = rig.reports().pop().expect("a report");
    report.explain(Symbols::of_this_process().ok().as_ref());
    assert!(report.registers.iter().any(|(name, value)| name == "rip" && Some(*value) == report.rip));
    assert!(report.source.as_deref().is_some_and(|s| s.contains(".rs:")), "{report}");
    assert!(report.backtrace.iter().any(|frame| frame.contains("link")), "{report}");
    assert!(report.to_string().contains("rax"), "{report}");
}

#[test]
fn accounts_add_up() {
    let mut rig = Rig::new(never_aside());
    rig.send(10).expect("frames");
    inject(&mut rig, Entry::Transmit, InjectedFault::NullWrite, 1);
    rig.send(1).expect("contained");
    inject(&mut rig, Entry::Transmit, InjectedFault::DivideByZero, 1);
    rig.send(1).expect("contained");
    let transmit = counters(&mut rig, Entry::Transmit).counters;
    assert_eq!((transmit.calls, transmit.faults), (14, 2));
    assert_eq!(
        transmit.kinds.iter().map(|(k, n)| (k.as_str(), *n)).collect::<Vec<_>>(),
        [("arithmetic", 1), ("null-access", 1)]
    );
    assert_eq!(transmit.rungs[&Rung::Abort], 2);
    let reports = rig.reports();
    assert_eq!(transmit.lost, reports.iter().map(|r| r.to_error).sum::<u64>());
    // a hang has cost its deadline as well
    rig.habits(habit::LINK_HANGS);
    rig.call(Entry::Link).expect_err("hangs twice");
    rig.habits(0);
    let link = counters(&mut rig, Entry::Link).counters;
    assert!(link.kinds["hang"] == 2 && link.lost >= 10_000_000, "{link:?}");
    let status = rig.status();
    let whole = status.reliability;
    assert_eq!((whole.faults, whole.lost), (4, transmit.lost + link.lost));
    assert_eq!(whole.mttr, Some(whole.lost / 4));
    assert_eq!(whole.mttf.map(|t| t * 4 / 1000), Some((status.uptime - whole.lost) / 4 * 4 / 1000));
    assert!(whole.availability > 0.0 && whole.availability < 1.0);
}
