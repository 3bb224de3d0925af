use udrv_driver::{Format, Rates};

use super::*;

const INFO: StreamInfo = StreamInfo {
    name: "DAC",
    direction: Direction::Playback,
    formats: &[Format::U8, Format::S16],
    channels: 2,
    rates: Rates::Range(4000, 48_000),
    period: (16, 4096),
    ring_bytes: 65_536,
};
/// 10 ms a period, 40 ms the ring.
const PARAMS: Params = Params { format: Format::S16, channels: 1, rate: 8000, period: 80, periods: 4 };
const RING: u64 = 320;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn region() -> DmaRegion {
    DmaRegion::new(8192, None).expect("memory")
}

const fn memory() -> SampleMemory {
    SampleMemory { start: 512, bytes: RING * 2 }
}

/// Samples `from..to`, each its own number.
fn samples(from: u64, to: u64) -> Vec<u8> {
    (from..to).flat_map(|n| (n as u16 + 1).to_le_bytes()).collect()
}

/// What the device would play of `frames` frames from `place` on.
fn heard(region: &DmaRegion, place: u64, frames: u64) -> Vec<u16> {
    let mut bytes = vec![0; (frames * 2) as usize];
    memory().read(region, place * 2 % memory().bytes, &mut bytes).expect("there");
    bytes.chunks(2).map(|sample| u16::from_le_bytes([sample[0], sample[1]])).collect()
}

fn playing(region: &DmaRegion) -> Flow {
    region.copy_in(0, &[0x55; 8192]).expect("there");
    let mut flow = Flow::new(INFO);
    flow.set_up(region, memory(), (PARAMS, PARAMS.rate), ms(0)).expect("there");
    assert!(heard(region, 0, RING).iter().all(|sample| *sample == 0), "silence at first");
    assert!(!flow.is_filled() && flow.room() == RING);
    flow.fill(region, &samples(0, 160)).expect("there");
    assert!(flow.is_filled() && flow.room() == 160);
    flow.phase = Phase::Running;
    flow.started(ms(0), ms(0));
    flow
}

#[test]
fn what_is_filled_in_is_played_once_and_then_there_is_silence() {
    let region = region();
    let mut flow = playing(&region);
    let mut given = 160;
    for step in 1..50 {
        let place = step * 80 % RING;
        let before = heard(&region, place + RING - 80, 80);
        assert_eq!(before, (step * 80 - 79..=step * 80).map(|n| n as u16).collect::<Vec<_>>());
        assert_eq!(flow.told(&region, place as u32, (ms(step * 10), ms(step * 10))).expect("there"), 1);
        assert!(heard(&region, place + RING - 80, 80).iter().all(|sample| *sample == 0), "not played again");
        flow.fill(&region, &samples(given, given + 80)).expect("there");
        given += 80;
        assert_eq!(flow.waiting(), 160);
    }
    assert_eq!(flow.counters, StreamCounters { frames: 49 * 80, periods: 49, starts: 1, ..StreamCounters::default() });
}

#[test]
fn an_application_that_gives_nothing_is_an_xrun_of_silence_and_goes_on_ahead_of_the_device() {
    let region = region();
    let mut flow = playing(&region);
    for step in 1..=4 {
        flow.told(&region, (step * 80 % RING) as u32, (ms(step * 10), ms(step * 10))).expect("there");
    }
    assert_eq!((flow.counters.xruns, flow.counters.lost), (2, 160 + 20), "the lead is kept at the second");
    assert_eq!(flow.waiting(), 20);
    flow.fill(&region, &samples(1000, 1080)).expect("there");
    assert_eq!(heard(&region, 0, 21)[20], 1001);
    assert!(heard(&region, 0, 20).iter().all(|sample| *sample == 0));
}

#[test]
fn after_a_jump_what_waited_is_where_the_device_is() {
    let region = region();
    let mut flow = playing(&region);
    flow.told(&region, 80, (ms(10), ms(10))).expect("there");
    // by the clock it is at 88, and it says 38, which is more than half a ring ahead
    flow.told(&region, 38, (ms(11), ms(11))).expect("there");
    assert_eq!((flow.counters.jumps, flow.counters.xruns, flow.counters.lost), (1, 0, 20));
    let ahead = heard(&region, 38, RING);
    assert!(ahead[..20].iter().chain(&ahead[92..]).all(|sample| *sample == 0), "a little ahead of it");
    assert_eq!(ahead[20..92], (89..=160).collect::<Vec<u16>>(), "what was not played yet");
}

#[test]
fn what_is_left_is_drained() {
    let region = region();
    let mut flow = playing(&region);
    flow.phase = Phase::Draining;
    flow.told(&region, 80, (ms(10), ms(10))).expect("there");
    assert!(!flow.is_drained());
    flow.told(&region, 165, (ms(21), ms(21))).expect("there");
    assert!(flow.is_drained() && flow.counters.xruns == 0);
}

#[test]
fn what_is_played_again_at_the_end_because_nobody_came_in_time_is_told() {
    let region = region();
    let mut flow = playing(&region);
    flow.phase = Phase::Draining;
    flow.told(&region, 80, (ms(10), ms(10))).expect("there");
    // a round and 30 frames further than the silence that was laid
    let passed = 80 + 2 * RING + 30;
    let now = ms(passed / 8);
    flow.told(&region, (passed % RING) as u32, (now, now)).expect("there");
    assert!(flow.is_drained());
    assert_eq!((flow.counters.xruns, flow.counters.lost), (1, RING + 30));
}

#[test]
fn a_device_that_does_not_move_is_stuck_after_a_while() {
    let region = region();
    let mut flow = playing(&region);
    flow.told(&region, 0, (ms(8), ms(8))).expect("there");
    assert!(!flow.is_stuck(ms(250)));
    assert!(flow.is_stuck(ms(251)));
    flow.stood_still(ms(251));
    assert!(!flow.is_stuck(ms(300)));
}

#[test]
fn a_restart_loses_nothing_of_the_application() {
    let region = region();
    let mut flow = playing(&region);
    flow.told(&region, 40, (ms(5), ms(5))).expect("there");
    // and by the clock it is 5 ms further
    flow.keep(&region, ms(10)).expect("there");
    // the ring is given anew, zeroed, and the restart fails once
    region.copy_in(0, &[0; 8192]).expect("there");
    flow.keep(&region, ms(50)).expect("there");
    flow.put_back(&region, memory(), ms(60)).expect("there");
    assert_eq!(heard(&region, 0, 80), (81..=160).collect::<Vec<u16>>());
    assert_eq!((flow.waiting(), flow.room()), (80, 240));
    flow.started(ms(60), ms(60));
    assert_eq!(flow.told(&region, 80, (ms(70), ms(70))).expect("there"), 1);
    assert_eq!((flow.counters.jumps, flow.counters.xruns, flow.counters.starts), (0, 0, 2));
}

#[test]
fn what_is_recorded_is_handed_on_once_and_what_nobody_took_is_lost() {
    let region = region();
    let mut flow = Flow::new(StreamInfo { direction: Direction::Capture, ..INFO });
    flow.set_up(&region, memory(), (PARAMS, PARAMS.rate), ms(0)).expect("there");
    flow.phase = Phase::Running;
    flow.started(ms(0), ms(0));
    let mut to = [0; 1000];
    assert_eq!(flow.collect(&region, &mut to).expect("there"), 0);
    for step in 1..20 {
        memory().write(&region, (step - 1) * 160 % 640, &samples(step * 80 - 80, step * 80)).expect("there");
        flow.told(&region, (step * 80 % RING) as u32, (ms(step * 10), ms(step * 10))).expect("there");
        assert_eq!(flow.collect(&region, &mut to).expect("there"), 160);
        assert_eq!(to[..160], samples(step * 80 - 80, step * 80));
    }
    // six periods later nobody has come, and the last of the ring is being written
    flow.told(&region, (25 * 80 % RING) as u32, (ms(250), ms(250))).expect("there");
    assert_eq!((flow.counters.xruns, flow.waiting()), (1, 240));
    assert_eq!(flow.counters.lost, 240);
}
