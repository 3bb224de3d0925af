//! The small chip in the small framework, and what is asked of a card again and again.

use ens1371::{Ens1371, State};
use udrv_driver::{
    Control, ControlInfo, ControlKind, ControlValue, Cx, Driver, Error, Format, Params, SampleRing, SoundDriver,
    SoundEvents, SoundVariant, Stream, Trigger,
};
use udrv_driver_tests::{BUS, Bus, Device};

use crate::chip::Chip;

pub(crate) type Fake = udrv_driver_tests::Fake<Chip>;

/// Every chip that is driven: product and revision.
pub(crate) const CHIPS: [(u16, u8); 10] = [
    (0x5000, 0),
    (0x1371, 0x02),
    (0x1371, 0x09),
    (0x1371, 0x04),
    (0x1371, 0x06),
    (0x1371, 0x08),
    (0x1371, 0x07),
    (0x5880, 0x02),
    (0x5880, 0x03),
    (0x5880, 0x04),
];

/// One of each sort: the others of its sort are no different once they are probed.
pub(crate) const SORTS: [(u16, u8); 3] = [(0x5000, 0), (0x1371, 0x02), (0x5880, 0x02)];

pub(crate) const DAC1: Stream = Stream(0);
pub(crate) const DAC2: Stream = Stream(1);
pub(crate) const ADC: Stream = Stream(2);

/// 16 bits, stereo, four periods of 1024 frames.
pub(crate) const USUAL: Params = Params { format: Format::S16, channels: 2, rate: 44_100, period: 1024, periods: 4 };

impl Device for Chip {
    type Driver = Ens1371;

    /// It waits for the converter without pauses.
    const ACCESS_TAKES: u64 = 1;

    fn new() -> Chip {
        Chip::of(0x1371, 0x09)
    }

    fn bus(&mut self) -> &mut Bus {
        &mut self.bus
    }

    fn read(&mut self, offset: u16, _width: u8) -> u32 {
        Chip::read(self, offset)
    }

    fn write(&mut self, offset: u16, _width: u8, value: u32) {
        Chip::write(self, offset, value);
    }

    /// What was in a register that is written back: ring addresses.
    fn peek(&self, offset: u16, _width: u8) -> u32 {
        match offset {
            0xc30 => self.channels[0].frame,
            0xc38 => self.channels[1].frame,
            0xd30 => self.channels[2].frame,
            _ => panic!("{offset:#x} is not written back"),
        }
    }

    fn poke(&mut self, offset: u16, _width: u8, _value: u32) {
        panic!("no cause is cleared by a one: {offset:#x}");
    }
}

/// Plugged in.
pub(crate) fn plugged_in((product, revision): (u16, u8)) -> Fake {
    let mut fake = Fake::new();
    *fake.chip() = Chip::of(product, revision);
    fake
}

/// Probed.
pub(crate) fn probed(chip: (u16, u8)) -> Fake {
    let mut fake = plugged_in(chip);
    assert_eq!(probe(&mut fake), Ok(()));
    fake
}

pub(crate) fn probe(fake: &mut Fake) -> Result<(), Error> {
    let identity = fake.chip().identity;
    fake.call(|cx| Ens1371::probe(cx, identity))
}

/// The class says that nobody knows what of the codec and the converter is as the state has it, and calls `restore`.
pub(crate) fn restore_all(fake: &mut Fake) -> Result<(), Error> {
    fake.border().marks = [u64::MAX; udrv_driver::MARK_SPACES];
    fake.restore()
}

pub(crate) fn open(fake: &mut Fake, stream: Stream) -> Result<(), Error> {
    fake.call(|cx| Ens1371::open(cx, stream))
}

pub(crate) fn close(fake: &mut Fake, stream: Stream) -> Result<(), Error> {
    fake.call(|cx| Ens1371::close(cx, stream))
}

pub(crate) fn set_up(fake: &mut Fake, stream: Stream, params: Params) -> Result<SampleRing, Error> {
    fake.call(|cx| Ens1371::hw_params(cx, stream, params))
}

pub(crate) fn prepare(fake: &mut Fake, stream: Stream) -> Result<(), Error> {
    fake.call(|cx| Ens1371::prepare(cx, stream))
}

pub(crate) fn trigger(fake: &mut Fake, stream: Stream, trigger: Trigger) -> Result<(), Error> {
    fake.call(|cx| Ens1371::trigger(cx, stream, trigger))
}

pub(crate) fn interrupt(fake: &mut Fake) -> Result<SoundEvents, Error> {
    fake.call(Ens1371::interrupt)
}

/// Asked of both versions, which say the same.
pub(crate) fn pointer(fake: &mut Fake, stream: Stream) -> Result<u32, Error> {
    let second = Ens1371::ALTERNATES.pointer.expect("a second pointer");
    let first = fake.call(|cx| Ens1371::pointer(cx, stream));
    assert_eq!(fake.call(|cx: &mut Cx<'_, State>| second(cx, stream)), first);
    first
}

/// From closed to running.
pub(crate) fn run(fake: &mut Fake, stream: Stream, params: Params) {
    assert_eq!(open(fake, stream), Ok(()));
    assert!(set_up(fake, stream, params).is_ok());
    assert_eq!(prepare(fake, stream), Ok(()));
    assert_eq!(trigger(fake, stream, Trigger::Start), Ok(()));
}

/// What a card in this state has.
pub(crate) fn has(state: &State) -> SoundVariant {
    Ens1371::VARIANTS[Ens1371::variant(state) as usize]
}

/// The control with this name.
pub(crate) fn control(fake: &Fake, name: &str) -> (Control, ControlInfo) {
    let controls = has(&fake.state).controls;
    let index = controls.iter().position(|info| info.name == name).unwrap_or_else(|| panic!("no control {name}"));
    (Control(index as u32), controls[index])
}

pub(crate) fn get(fake: &mut Fake, control: Control) -> ControlValue {
    fake.call(|cx| Ens1371::get_control(cx, control)).expect("a control that there is")
}

pub(crate) fn set(fake: &mut Fake, control: Control, value: ControlValue) -> Result<(), Error> {
    fake.call(|cx| Ens1371::set_control(cx, control, value))
}

pub(crate) fn max(info: &ControlInfo) -> u16 {
    match info.kind {
        ControlKind::Volume { max, .. } => max,
        ControlKind::Switch => 1,
        ControlKind::Choice(names) => names.len() as u16 - 1,
    }
}

/// Whatever its streams do: each is closed, opened, set up, played through its ring with an interrupt a period, paused,
/// resumed, stopped; each control is set and told back.
pub(crate) fn assert_works(fake: &mut Fake) {
    for stream in [DAC1, DAC2, ADC] {
        assert_eq!(close(fake, stream), Ok(()));
    }
    for stream in [DAC1, DAC2, ADC] {
        assert_plays(fake, stream, USUAL);
        assert_plays(fake, stream, Params { format: Format::U8, channels: 1, rate: 22_050, period: 256, periods: 2 });
    }
    assert_eq!(fake.chip().control & 0x70, 0);
    for index in 0..has(&fake.state).controls.len() {
        let (control, info) = (Control(index as u32), has(&fake.state).controls[index]);
        let before = get(fake, control);
        let other = ControlValue { left: max(&info) - before.left, ..before };
        assert_eq!(set(fake, control, other), Ok(()), "{}", info.name);
        assert_eq!(get(fake, control), other, "{}", info.name);
        assert_eq!(set(fake, control, before), Ok(()), "{}", info.name);
    }
}

fn assert_plays(fake: &mut Fake, stream: Stream, params: Params) {
    let number = stream.0 as usize;
    run(fake, stream, params);
    let ring = params.ring_frames() * params.frame_bytes();
    let channel = fake.chip().channels[number];
    assert_eq!((channel.size, channel.at, channel.count), (ring / 4 - 1, 0, params.period - 1));
    assert_eq!(channel.frame, BUS * (stream.0 + 1));
    assert_eq!(fake.chip().frame_bytes(number), params.frame_bytes());
    assert_eq!(interrupt(fake), Ok(SoundEvents::NONE));
    let words = params.period * params.frame_bytes() / 4;
    for period in 0..2 * params.periods {
        assert_eq!(pointer(fake, stream), Ok(period % params.periods * params.period));
        fake.chip().play(number, words);
        assert_eq!(interrupt(fake), Ok(SoundEvents::period(stream)), "{stream:?}");
        assert_eq!(interrupt(fake), Ok(SoundEvents::NONE));
    }
    fake.chip().play(number, 8);
    let stands = 32 / params.frame_bytes();
    for (say, plays) in [(Trigger::Pause, false), (Trigger::Resume, true), (Trigger::Stop, false)] {
        assert_eq!(trigger(fake, stream, say), Ok(()));
        assert_eq!(fake.chip().runs(number), plays, "{stream:?} {say:?}");
        assert_eq!(pointer(fake, stream), Ok(stands));
    }
    assert_eq!(close(fake, stream), Ok(()));
}
