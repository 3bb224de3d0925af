//! What is heard, and what is recorded, on the model of the chip, while calls are abandoned: each sample, once, in order.
//!
//! The model was written apart from the driver. Its samples go on by themselves: one while the driver makes some twenty
//! accesses, as on a card.

use std::sync::Arc;

use ens1371::{Ens1371, State};
use model_ens1371::testing::TestMemory;
use model_ens1371::{Clock, Config, Ens1371Handle, Ens1371Model, Frame, Jacks, Samples, Tape, Variant, regs};
use udrv_bus::{DmaMapping, DmaMemory, PciFunction, Width};
use udrv_driver::{Control, ControlValue, Cx, Driver, Error, Format, Identity, Params, SoundDriver, Stream, Trigger};
use udrv_driver_tests::{BUS, Bus, Device, hide_injected};

const DAC1: Stream = Stream(0);
const DAC2: Stream = Stream(1);
const ADC: Stream = Stream(2);

/// All of the ring's memory, at the rate of the codec: what is in memory is what is heard.
const WHOLE: Params = Params { format: Format::S16, channels: 2, rate: 48_000, period: 1024, periods: 16 };
const FRAMES: u32 = WHOLE.ring_frames();
const RING: usize = FRAMES as usize * 4;
/// Another one for DAC1, whose memory is silence in 16 bits.
const OTHER: Params = Params { format: Format::S16, channels: 1, rate: 11_025, period: 512, periods: 4 };

/// Accesses while a sample goes by, of a microsecond each.
const ACCESSES_PER_SAMPLE: u32 = 21;

struct Card {
    function: Ens1371Model,
    bench: Ens1371Handle,
    tape: Tape,
    rings: Vec<Arc<TestMemory>>,
    accesses: u32,
    bus: Bus,
}

/// Sample `n` of a sound that has no two alike.
fn sample(n: usize) -> Frame {
    let n = (n % FRAMES as usize) as i16;
    [n, !n]
}

impl Card {
    fn of(variant: Variant) -> Card {
        let tape = Tape::default();
        let spoken = Samples::new((0..1 << 20).map(sample).collect());
        let config = Config { clock: Clock::Manual, ..Config::of(variant) };
        let (mut function, bench) = Ens1371Model::new(config, Jacks::new(tape.clone(), spoken));
        function.config_write(4, Width::U16, 5).expect("I/O and bus mastering");
        let rings: Vec<Arc<TestMemory>> = (0..3).map(|_| Arc::new(TestMemory::new(RING))).collect();
        for (number, ring) in rings.iter().enumerate() {
            let iova = u64::from(BUS) * (number as u64 + 1);
            function.map_dma(DmaMapping { iova, memory: ring.clone() }).expect("a place for it");
        }
        let sound: Vec<u8> = (0..FRAMES as usize).flat_map(sample).flat_map(i16::to_le_bytes).collect();
        rings[1].write(0, &sound).expect("as long as the ring");
        Card { function, bench, tape, rings, accesses: 0, bus: Bus::default() }
    }

    fn identity(&mut self) -> Identity {
        let mut read = |at, width| self.function.config_read(at, width).expect("configuration space");
        let [vendor, product] = [0, 2].map(|at| read(at, Width::U16) as u16);
        Identity { vendor, product, revision: read(8, Width::U8) as u8 }
    }

    /// As the framework does it: the page first, where there is one.
    fn access(&mut self, offset: u16) -> u64 {
        let page = u32::from(offset >> 8);
        if page > 0 {
            self.function.bar_write(0, regs::MEM_PAGE.into(), Width::U32, page).expect("a register");
        }
        self.accesses += 1;
        if self.accesses.is_multiple_of(ACCESSES_PER_SAMPLE) {
            self.bench.advance_clock(1);
        }
        u64::from(offset & 0xff)
    }
}

fn width(bytes: u8) -> Width {
    match bytes {
        1 => Width::U8,
        2 => Width::U16,
        _ => Width::U32,
    }
}

impl Device for Card {
    type Driver = Ens1371;

    const ACCESS_TAKES: u64 = 1;

    fn new() -> Card {
        Card::of(Variant::Ct5880)
    }

    fn bus(&mut self) -> &mut Bus {
        &mut self.bus
    }

    fn read(&mut self, offset: u16, bytes: u8) -> u32 {
        let at = self.access(offset);
        self.function.bar_read(0, at, width(bytes)).expect("a register")
    }

    fn write(&mut self, offset: u16, bytes: u8, value: u32) {
        let at = self.access(offset);
        self.function.bar_write(0, at, width(bytes), value).expect("a register");
    }

    /// Of what is written back only the rings' addresses were not written before, and they are 0 until then.
    fn peek(&self, _offset: u16, _bytes: u8) -> u32 {
        0
    }

    fn poke(&mut self, offset: u16, _bytes: u8, _value: u32) {
        panic!("no cause is cleared by a one: {offset:#x}");
    }
}

type Fake = udrv_driver_tests::Fake<Card>;
type Call = fn(&mut Cx<'_, State>) -> Result<(), Error>;

fn run(fake: &mut Fake, stream: Stream) {
    assert_eq!(fake.call(|cx| Ens1371::open(cx, stream)), Ok(()));
    assert!(fake.call(|cx| Ens1371::hw_params(cx, stream, WHOLE)).is_ok());
    assert_eq!(fake.call(|cx| Ens1371::prepare(cx, stream)), Ok(()));
    assert_eq!(fake.call(|cx| Ens1371::trigger(cx, stream, Trigger::Start)), Ok(()));
}

fn control(fake: &Fake, name: &str) -> Control {
    let controls = Ens1371::VARIANTS[Ens1371::variant(&fake.state) as usize].controls;
    let at = controls.iter().position(|info| info.name == name).expect("a control");
    Control(at as u32)
}

/// DAC2 and ADC run at the rate of the codec, DAC1 is set up, and line in is what is recorded.
fn playing(variant: Variant) -> Fake {
    let mut fake = Fake::new();
    *fake.chip() = Card::of(variant);
    let identity = fake.chip().identity();
    assert_eq!(fake.call(|cx| Ens1371::probe(cx, identity)), Ok(()));
    let source = control(&fake, "Capture Source");
    let line = ControlValue { left: 4, right: 4 };
    assert_eq!(fake.call(|cx| Ens1371::set_control(cx, source, line)), Ok(()));
    assert_eq!(fake.call(|cx| Ens1371::open(cx, DAC1)), Ok(()));
    assert!(fake.call(|cx| Ens1371::hw_params(cx, DAC1, WHOLE)).is_ok());
    run(&mut fake, ADC);
    run(&mut fake, DAC2);
    fake
}

/// All that was played since DAC2 began, and the last that was recorded.
fn assert_nothing_is_missing(mut fake: Fake, at_least: usize, what: &str) {
    fake.chip().bench.advance_clock(500);
    let played = fake.chip().tape.take();
    // what was recorded before DAC2 began is no part of it
    let begin = played.iter().position(|frame| *frame != [0; 2]).expect("something is heard");
    let played = &played[begin..];
    assert!(played.len() > at_least, "{what}: {} samples", played.len());
    for (n, frame) in played.iter().enumerate() {
        // sample 0 is heard too, though it begins like silence
        let wanted = sample(n + if played[0] == sample(1) { 1 } else { 0 });
        assert_eq!(*frame, wanted, "{what}: sample {n} of {}", played.len());
    }
    let position = fake.call(|cx| Ens1371::pointer(cx, ADC)).expect("it runs") as usize;
    let mut bytes = vec![0; RING];
    fake.chip().rings[2].read(0, &mut bytes).expect("as long as the ring");
    let frames: Vec<Frame> = bytes
        .chunks_exact(4)
        .map(|frame| [i16::from_le_bytes([frame[0], frame[1]]), i16::from_le_bytes([frame[2], frame[3]])])
        .collect();
    let last = 400.min(position);
    let recorded = &frames[position - last..position];
    let first = recorded[0][0] as usize;
    assert!(last > 100, "{what}: the ADC is at {position}");
    for (n, frame) in recorded.iter().enumerate() {
        assert_eq!(*frame, sample(first + n), "{what}: recorded at {position}, sample {n} of {last}");
    }
}

const CALLS: [(&str, Call); 10] = [
    ("open", |cx| Ens1371::open(cx, DAC1)),
    ("hw_params", |cx| Ens1371::hw_params(cx, DAC1, OTHER).map(drop)),
    ("prepare", |cx| Ens1371::prepare(cx, DAC1)),
    ("trigger", |cx| Ens1371::trigger(cx, DAC1, Trigger::Start)),
    ("interrupt", |cx| Ens1371::interrupt(cx).map(drop)),
    ("pointer", |cx| Ens1371::pointer(cx, DAC2).map(drop)),
    ("stop", |cx| Ens1371::trigger(cx, DAC1, Trigger::Stop)),
    // a source that is not heard
    ("set_control", |cx| Ens1371::set_control(cx, Control(4), ControlValue { left: 3, right: 4 })),
    ("close", |cx| Ens1371::close(cx, DAC1)),
    ("restore", |cx| Ens1371::restore(cx)),
];

/// A life of DAC1 beside two streams that run, each of its calls abandoned at each of its requests before it goes well.
#[test]
fn calls_that_are_abandoned_are_not_heard() {
    hide_injected();
    for variant in [Variant::Es1371, Variant::Es1373, Variant::Ct5880] {
        let mut fake = playing(variant);
        assert_eq!(fake.call(|cx| Ens1371::close(cx, DAC1)), Ok(()));
        let mut abandoned = 0;
        for (what, call) in CALLS {
            for after in 0.. {
                if !fake.abandon_after(after, call) {
                    break;
                }
                abandoned += 1;
                assert!(after < 2_000, "{what} does not come to an end");
            }
            assert_eq!(fake.call(call), Ok(()), "{what}");
            fake.chip().bench.advance_clock(100);
        }
        assert!(abandoned > 50, "{abandoned} calls");
        let counters = fake.chip().bench.counters();
        assert_eq!((counters.chip.src_lost, counters.chip.codec_lost), (0, 0), "nothing was told too early");
        assert_nothing_is_missing(fake, 1_500, &format!("{variant:?}"));
    }
}

/// An error of the device: everything is written anew, and nobody hears that either.
#[test]
fn a_restore_of_everything_is_not_heard() {
    for variant in [Variant::Es1371, Variant::Ct5880] {
        let mut fake = playing(variant);
        for _ in 0..10 {
            fake.border().marks = [u64::MAX; udrv_driver::MARK_SPACES];
            assert_eq!(fake.restore(), Ok(()));
            fake.chip().bench.advance_clock(200);
        }
        assert_nothing_is_missing(fake, 2_000, &format!("{variant:?}"));
    }
}

/// The time from a fault to where the streams are known to run, in accesses: those of `restore` itself, without the codec.
#[test]
fn restore_without_the_codec_is_quick() {
    let mut fake = playing(Variant::Ct5880);
    assert_eq!(fake.restore(), Ok(()));
    assert!(fake.border().accesses <= 20, "{} accesses", fake.border().accesses);
    assert_nothing_is_missing(fake, 400, "restore");
}

/// A period is 1024 samples, to the sample, and an interrupt that nobody has heard is told by the next call.
#[test]
fn interrupts_come_with_the_samples() {
    let mut fake = playing(Variant::Es1371);
    let mut periods = [0; 3];
    for _ in 0..200 {
        fake.chip().bench.advance_clock(256);
        let events = fake.call(Ens1371::interrupt).expect("it is there");
        for (count, stream) in periods.iter_mut().zip([DAC1, DAC2, ADC]) {
            *count += u32::from(events.has(udrv_driver::SoundEvents::period(stream)));
        }
    }
    assert_eq!(periods[0], 0);
    assert!(periods[1..].iter().all(|count| (50..=51).contains(count)), "{periods:?}");
}
