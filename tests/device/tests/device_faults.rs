//! Faults of the device that the framework bears without the driver's help: interrupts that do not come, interrupts
//! that do not stop, reads of all ones, registers that do not become ready. While they last frames go on, all is
//! counted, and the processor is left alone; after them everything is as before.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use model_rtl8139::{AllOnes, Garbage, regs};
use udrv::net::NetOptions;
use udrv::run::{Answer, Command, DeviceFaults, InterruptMode, Options};
use udrv_driver::Entry;
use udrv_tests::frames::Way;
use udrv_tests::rig::{Hand, Rig, quick};
use udrv_tests::subject::{Misbehave, Rtl8139, Subject};
use udrv_tests::traffic::{BOUND, Traffic};
use udrv_tests::{every_subject, wait_until};

every_subject! {
    an_idle_device_and_a_busy_one_are_never_at_fault,
    work_that_was_announced_by_the_end_of_the_look_is_no_lost_interrupt,
    interrupts_that_do_not_come_are_polled_for,
    a_line_that_is_stuck_without_a_cause_is_masked,
    a_neighbour_on_the_line_starves_nobody,
    a_line_that_cannot_be_unmasked_is_polled_for_and_tried_again,
    a_card_that_is_away_for_a_moment_is_restored,
    a_register_that_becomes_ready_late_is_waited_for,
}

/// The normal time between two looks in these tests: far longer than polling takes, so that the two are told apart.
const LOOK: Duration = Duration::from_millis(200);
/// How long is measured.
const WHILE: Duration = Duration::from_secs(1);

/// Long enough that no machine is so slow that frames are taken for lost.
const TX_TIMEOUT: Duration = Duration::from_secs(4);

fn start<S: Subject>(trouble: impl FnOnce(&mut Misbehave<S>)) -> Rig<S> {
    let options = Options { look: LOOK, net: NetOptions { tx_timeout: TX_TIMEOUT, ..quick().net }, ..quick() };
    Rig::start(options, S::config(), trouble).expect("the device starts")
}

fn calls<S: Subject>(rig: &Rig<S>, entry: Entry) -> u64 {
    rig.status()
        .entries
        .iter()
        .find(|(name, _)| name == entry.name())
        .map_or(0, |(_, counters)| counters.counters.calls)
}

/// Frames both ways until the line is believed again, and then for a while in which no counter moves. `lossless`: no
/// restore is due that would lose frames.
fn all_is_as_before<S: Subject>(rig: &Rig<S>, traffic: &mut Traffic, lossless: bool) -> DeviceFaults {
    let mut round = || {
        if lossless {
            traffic.ping(rig, 1);
        } else {
            traffic.flows(rig, "after the fault");
        }
    };
    wait_until("the line is believed again", || {
        round();
        rig.status().interrupts == InterruptMode::Line
    });
    let before = rig.status().device_faults;
    (0..50).for_each(|_| round());
    let after = rig.status();
    assert_eq!((after.device_faults, after.interrupts), (before, InterruptMode::Line), "the counters stop");
    assert!(after.canary_intact);
    after.device_faults
}

/// Nothing happens: the device is looked at by the normal clock only.
fn left_alone<S: Subject>(rig: &Rig<S>) {
    let (looks, begin) = (calls(rig, Entry::Interrupt), Instant::now());
    std::thread::sleep(WHILE); // measured, not waited for
    let looks = calls(rig, Entry::Interrupt) - looks;
    let expected = begin.elapsed().as_millis() / LOOK.as_millis() + 2;
    assert!(u128::from(looks) <= expected, "{looks} looks at an idle device in {:?}", begin.elapsed());
}

fn an_idle_device_and_a_busy_one_are_never_at_fault<S: Subject>() {
    let rig = start::<S>(|_| {});
    left_alone(&rig);
    let mut traffic = Traffic::new();
    traffic.ping(&rig, 300);
    // a flood, in which interrupts, looks and frames race
    traffic.endure(&rig, WHILE, true);
    left_alone(&rig);
    all_is_as_before(&rig, &mut traffic, true);
    assert_eq!(rig.status().device_faults, DeviceFaults::default());
    rig.stop().0.expect("stops");
}

/// The look takes the work of an interrupt that has come but was not served yet.
fn work_that_was_announced_by_the_end_of_the_look_is_no_lost_interrupt<S: Subject>() {
    let mut hand = Hand::<S>::new(quick(), S::config());
    for number in 0..20 {
        hand.around.station.inject(&Way::Up.frame(number));
        hand.device.tick().expect("it goes on");
        assert!(hand.around.host.receive(BOUND).is_some(), "the look has brought it");
        match hand.device.handle(Command::Status).expect("it goes on") {
            Answer::Status(status) => {
                assert_eq!((status.interrupts, status.device_faults), (InterruptMode::Line, DeviceFaults::default()));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(hand.around.bench.counters().interrupts, 20, "each was announced, and the line unmasked");
}

fn interrupts_that_do_not_come_are_polled_for<S: Subject>() {
    for early in [true, false] {
        let rig = start::<S>(|m| m.interrupt_lost = early);
        let mut traffic = Traffic::new();
        rig.around.bench.misbehave(|m| m.interrupt_lost = true);
        traffic.ping(&rig, 5);
        let noticed = rig.status();
        assert_eq!(noticed.interrupts, InterruptMode::Polled);
        assert!(noticed.device_faults.interrupts_lost >= 3, "{:?}", noticed.device_faults);
        let (polls, rounds) = (calls(&rig, Entry::Interrupt), 200);
        let took = traffic.ping(&rig, rounds);
        assert!(took < LOOK * rounds as u32 / 2, "{rounds} rounds took {took:?}: the clock of the idle was awaited");
        let polls = calls(&rig, Entry::Interrupt) - polls;
        assert!(polls <= took.as_millis() as u64 * 11 / 10 + 10, "{polls} looks in {took:?}");
        let lost = rig.status();
        assert!(lost.device_faults.interrupts_lost >= noticed.device_faults.interrupts_lost + rounds, "{lost:?}");
        assert!(lost.device_faults.polled_ms > noticed.device_faults.polled_ms);
        // nothing to poll for
        let polls = calls(&rig, Entry::Interrupt);
        std::thread::sleep(WHILE); // measured, not waited for
        let polls = calls(&rig, Entry::Interrupt) - polls;
        assert!(polls < 100, "{polls} looks in {WHILE:?} of silence");
        rig.around.bench.misbehave(|m| m.interrupt_lost = false);
        all_is_as_before(&rig, &mut traffic, true);
        left_alone(&rig);
        assert_eq!((traffic.down.missing, traffic.up.missing), (0, 0));
        let (t, restores) = (rig.status().net().traffic, rig.status().restores);
        assert_eq!((t.tx_lost, t.tx_dropped, t.rx_dropped, restores), (0, 0, 0, 0), "{t:?}");
        rig.stop().0.expect("stops");
    }
}

/// Frames are sent and nothing says so: what keeps the slots from being free again is noticed in the same way.
#[test]
fn completions_that_are_not_announced_are_polled_for() {
    let rig = start::<Rtl8139>(|m| m.tx_silent = true);
    let mut traffic = Traffic::new();
    let begin = Instant::now();
    for _ in 0..100 {
        // more than there are slots
        for _ in 0..8 {
            rig.around.host.send(&Way::Down.frame(traffic.sent));
            traffic.sent += 1;
        }
        wait_until("all are on the wire", || {
            traffic.take(&rig);
            traffic.down.next() == traffic.sent
        });
    }
    let took = begin.elapsed();
    assert!(took < LOOK * 100 * 3 / 4, "{took:?} for 800 frames");
    assert_eq!(rig.status().interrupts, InterruptMode::Polled);
    assert_eq!((traffic.down.missing, rig.status().net().traffic.tx_lost), (0, 0));
    rig.stop().0.expect("stops");
}

/// Interrupts of the card so far.
fn interrupts<S: Subject>(rig: &Rig<S>) -> u64 {
    rig.around.bench.counters().interrupts
}

/// What a storm of any kind must leave possible. `lossless`: the device need not be restored.
fn weather<S: Subject>(what: &str, lossless: bool, trouble: impl Fn(&mut Misbehave<S>, bool)) -> DeviceFaults {
    let rig = start::<S>(|_| {});
    let mut traffic = Traffic::new();
    traffic.ping(&rig, 10);
    let began = interrupts(&rig);
    rig.around.bench.misbehave(|m| trouble(m, true));
    wait_until("the storm is noticed", || rig.status().interrupts == InterruptMode::Masked);
    std::thread::sleep(WHILE); // measured, not waited for
    let count = interrupts(&rig) - began;
    assert!(count <= 300, "{what}: {count} interrupts in {WHILE:?}");
    let (began, rounds) = (interrupts(&rig), 100);
    if lossless {
        let took = traffic.ping(&rig, rounds);
        assert!(took < BOUND, "{what}: {rounds} rounds took {took:?}");
        assert_eq!((traffic.down.missing, traffic.up.missing), (0, 0), "{what}");
    } else {
        (0..10).for_each(|_| traffic.flows(&rig, what));
    }
    let count = interrupts(&rig) - began;
    assert!(count <= 300 + 2 * rounds, "{what}: {count} interrupts while there was traffic");
    for _ in 0..10 {
        let begin = Instant::now();
        let status = rig.status();
        assert!(begin.elapsed() < BOUND && status.interrupts == InterruptMode::Masked, "{what}: {status:?}");
    }
    rig.around.bench.misbehave(|m| trouble(m, false));
    let faults = all_is_as_before(&rig, &mut traffic, lossless);
    left_alone(&rig);
    assert!(faults.interrupt_storms >= 1 && faults.polled_ms >= WHILE.as_millis() as u64, "{what}: {faults:?}");
    assert_eq!(faults.interrupts_lost, 0, "{what}: a masked line loses nothing");
    rig.stop().0.expect("stops");
    faults
}

fn a_line_that_is_stuck_without_a_cause_is_masked<S: Subject>() {
    let faults = weather::<S>("INTx stuck", true, |m, on| m.intx_stuck = on);
    assert_eq!(
        DeviceFaults { polled_ms: 0, ..faults },
        DeviceFaults { interrupt_storms: 1, ..DeviceFaults::default() }
    );
}

/// Causes of the chip that the driver lets interrupt, each and all at once.
#[test]
fn a_cause_that_is_stuck_is_masked_though_it_is_found_each_time() {
    for bits in [0x01, 0x04, 0x10, 0x20, 0x40, 0x7fff] {
        weather::<Rtl8139>(&format!("ISR {bits:#x} stuck"), true, |m, on| m.isr_stuck = if on { bits } else { 0 });
    }
}

/// The device wants to be restored at each interrupt. It is, at times, and works between them.
#[test]
fn a_bus_error_that_is_stuck_does_not_end_the_device() {
    let faults = weather::<Rtl8139>("ISR.SERR stuck", false, |m, on| m.isr_stuck = if on { 0x8000 } else { 0 });
    assert!(faults.bus > 0, "{faults:?}");
}

/// The driver takes such an ISR for that of a device which has left. Its configuration space says that it has not.
#[test]
fn a_cause_register_of_all_ones_does_not_end_the_device() {
    let faults = weather::<Rtl8139>("ISR 0xffff stuck", false, |m, on| m.isr_stuck = if on { 0xffff } else { 0 });
    assert!(faults.gone > 0, "{faults:?}");
}

fn a_neighbour_on_the_line_starves_nobody<S: Subject>() {
    // as often as it can, and a hundred times a second
    for (pause, is_storm) in [(Duration::ZERO, true), (Duration::from_millis(10), false)] {
        let rig = start::<S>(|_| {});
        let mut traffic = Traffic::new();
        let begin = Instant::now();
        let rung = std::thread::scope(|scope| {
            let (stop, stopped) = channel::<()>();
            let spy = rig.around.spy.clone();
            let neighbour = scope.spawn(move || {
                let mut rung = 0_u64;
                while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                    rung += u64::from(spy.ring_as_neighbour());
                }
                rung
            });
            std::thread::sleep(WHILE); // measured, not waited for
            traffic.ping(&rig, 100);
            drop(stop);
            neighbour.join().expect("a neighbour")
        });
        // those that come with frames cost nothing and are borne: eight a round of two frames, sent and received
        let borne = 500 * (begin.elapsed().as_secs() + 2) + 8 * traffic.sent;
        assert!((20..borne).contains(&rung), "{rung} interrupts of a neighbour, {borne} are borne");
        let faults = all_is_as_before(&rig, &mut traffic, true);
        assert!(is_storm || faults.interrupt_storms == 0, "{rung} interrupts are no storm");
        assert_eq!((traffic.down.missing, traffic.up.missing), (0, 0));
        rig.stop().0.expect("stops");
    }
}

fn a_line_that_cannot_be_unmasked_is_polled_for_and_tried_again<S: Subject>() {
    let rig = start::<S>(|_| {});
    let mut traffic = Traffic::new();
    rig.around.spy.let_unmask_fail(true);
    traffic.ping(&rig, 200);
    let status = rig.status();
    assert_eq!(status.interrupts, InterruptMode::Masked);
    assert!((1..20).contains(&status.device_faults.bus), "{:?}", status.device_faults);
    rig.around.spy.let_unmask_fail(false);
    let faults = all_is_as_before(&rig, &mut traffic, true);
    assert_eq!((faults.interrupt_storms, faults.interrupts_lost), (0, 0), "it was no storm");
    assert_eq!((traffic.down.missing, traffic.up.missing), (0, 0));
    rig.stop().0.expect("stops");
}

/// One fault after the other, and together.
#[test]
fn faults_of_all_kinds_in_turn() {
    let rig = start::<Rtl8139>(|_| {});
    let mut traffic = Traffic::new();
    for round in 0..30_u32 {
        rig.around.bench.misbehave(|m| {
            *m = Misbehave::<Rtl8139>::none();
            m.interrupt_lost = round % 2 == 1;
            m.intx_stuck = round % 3 == 1;
            m.isr_stuck = if round % 5 == 1 { 0x7fff } else { 0 };
            m.tx_silent = round % 7 == 1;
        });
        traffic.ping(&rig, 20);
    }
    rig.around.bench.misbehave(|m| *m = Misbehave::<Rtl8139>::none());
    all_is_as_before(&rig, &mut traffic, true);
    assert_eq!((traffic.down.missing, traffic.up.missing), (0, 0));
    assert_eq!(rig.status().restores, 0);
    rig.stop().0.expect("stops");
}

/// The whole card, configuration space too, and back.
fn a_card_that_is_away_for_a_moment_is_restored<S: Subject>() {
    for accesses in 1..=9 {
        let rig = start::<S>(|_| {});
        let mut traffic = Traffic::new();
        traffic.ping(&rig, 10);
        rig.around.bench.misbehave(|m| m.gone_for = accesses);
        rig.around.station.inject(&Way::Up.frame(traffic.sent));
        traffic.sent += 1;
        wait_until("it is back", || {
            let mut left = 0;
            rig.around.bench.misbehave(|m| left = m.gone_for);
            left == 0
        });
        traffic.flows(&rig, &format!("after {accesses} accesses"));
        let faults = all_is_as_before(&rig, &mut traffic, false);
        // one that is all ones is a value; with the vendor id's it is not
        assert!(accesses == 1 || faults.gone > 0, "{accesses}: {faults:?}");
        rig.stop().0.expect("stops");
    }
}

fn all_ones(at: u8, length: u8, reads: Option<u32>) -> Option<AllOnes> {
    Some(AllOnes { offsets: vec![at.into()..=(at + (length - 1)).into()], reads })
}

#[test]
fn registers_that_read_all_ones_for_a_moment_are_restored() {
    for (at, length) in [(regs::ISR, 2), (regs::CR, 1), (regs::TSD0, 16), (regs::MSR, 1), (regs::MPC, 4), (0, 0xff)] {
        for reads in [1, 3, 10] {
            let rig = start::<Rtl8139>(|_| {});
            let mut traffic = Traffic::new();
            traffic.ping(&rig, 10);
            rig.around.bench.misbehave(|m| m.all_ones = all_ones(at, length, Some(reads)));
            let what = format!("{at:#x}: {reads} reads");
            wait_until(&what, || {
                traffic.send(&rig, 1);
                let _ = rig.status(); // reads MPC
                let mut left = None;
                rig.around.bench.misbehave(|m| left = m.all_ones.as_ref().and_then(|a| a.reads));
                left == Some(0)
            });
            traffic.flows(&rig, &what);
            let faults = all_is_as_before(&rig, &mut traffic, false);
            assert!(faults.gone > 0, "{what}: {faults:?}");
            rig.stop().0.expect("stops");
        }
    }
}

/// What frames do not need may fail for good.
#[test]
fn registers_that_read_all_ones_for_good_end_only_a_device_that_needs_them() {
    for (at, length, needed) in [
        (regs::ISR, 2, false),
        (regs::MSR, 1, false),
        (regs::MPC, 4, false),
        (regs::CR, 1, true),
        (regs::TSD0, 16, true),
    ] {
        let rig = start::<Rtl8139>(|_| {});
        let mut traffic = Traffic::new();
        traffic.ping(&rig, 10);
        rig.around.bench.misbehave(|m| m.all_ones = all_ones(at, length, None));
        if needed {
            let begin = Instant::now();
            while !rig.has_ended() {
                assert!(begin.elapsed() < BOUND, "{at:#x}: neither given up nor of any use");
                // those that are received would be of use
                let _ = rig.around.host.try_send(&Way::Down.frame(traffic.sent));
                traffic.sent += 1;
                traffic.take(&rig);
            }
            let message = rig.stop().0.expect_err("given up").to_string();
            assert!(message.contains("given up") && message.contains("gone"), "{at:#x}: {message}");
            continue;
        }
        let end = Instant::now() + WHILE * 2;
        while Instant::now() < end {
            traffic.flows(&rig, &format!("{at:#x} reads all ones"));
        }
        assert!(rig.status().device_faults.gone > 0, "{at:#x}");
        rig.around.bench.misbehave(|m| m.all_ones = None);
        // those that were on their way at a restore
        traffic.flows(&rig, "after it");
        all_is_as_before(&rig, &mut traffic, false);
        rig.stop().0.expect("stops");
    }
}

#[test]
fn values_that_cannot_be_are_counted_and_restored() {
    for seed in 0..5 {
        let rig = start::<Rtl8139>(|_| {});
        let mut traffic = Traffic::new();
        traffic.ping(&rig, 10);
        rig.around.bench.misbehave(|m| {
            let slots = regs::TSD0.into()..=(regs::TSD0 + 15).into();
            m.garbage = Some(Garbage { seed, offsets: vec![slots], one_in: 1 });
        });
        let count = |f: DeviceFaults| f.nonsense + f.gone;
        wait_until("it is noticed", || {
            let _ = rig.around.host.try_send(&Way::Down.frame(traffic.sent));
            traffic.sent += 1;
            count(rig.status().device_faults) >= 2
        });
        rig.around.bench.misbehave(|m| m.garbage = None);
        traffic.flows(&rig, "after nonsense");
        all_is_as_before(&rig, &mut traffic, false);
        assert!(rig.status().restores >= 1);
        rig.stop().0.expect("stops");
    }
}

/// A reset that takes longer than any that works: it is waited for as long as there is hope.
fn a_register_that_becomes_ready_late_is_waited_for<S: Subject>() {
    let rig = Rig::<S>::start(Options { look: LOOK, ..quick() }, S::config(), |_| {}).expect("the device starts");
    let mut traffic = Traffic::new();
    traffic.flows(&rig, "before");
    rig.around.bench.misbehave(|m| (m.tx_hangs, m.reset_hangs) = (true, true));
    traffic.send(&rig, 1);
    wait_until("its reset has hung", || rig.status().device_faults.timeout > 0);
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(300) {
        assert!(!rig.has_ended());
        let _ = rig.status(); // answers
    }
    rig.around.bench.misbehave(|m| (m.tx_hangs, m.reset_hangs) = (false, false));
    traffic.flows(&rig, "after a reset that was slow");
    all_is_as_before(&rig, &mut traffic, false);
    assert!(rig.status().restores >= 1);
    rig.stop().0.expect("stops");
}
