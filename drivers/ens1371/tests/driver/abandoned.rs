//! Calls that are abandoned, or whose accesses are refused, wherever that is: nothing of them has happened, and the streams that
//! ran have not noticed.

use ens1371::{Ens1371, State};
use udrv_driver::{ControlValue, Cx, Driver, Entry, Error, Identity, Params, Point, SoundDriver, SoundEvents, Trigger};
use udrv_driver_tests::hide_injected;

use crate::chip::Snapshot;
use crate::fake::{
    ADC, DAC1, DAC2, Fake, SORTS, USUAL, assert_works, close, control, interrupt, pointer, prepare, probe, probed,
    restore_all, run, set, set_up, trigger,
};

/// A call, and what comes before it so that it has something to do.
pub(crate) struct Deed {
    pub(crate) entry: Entry,
    before: fn(&mut Fake),
    call: fn(&mut Cx<'_, State>, Identity) -> Result<(), Error>,
    /// It stops the chip, or may: streams begin anew.
    stops: bool,
}

impl Deed {
    const fn new(
        entry: Entry,
        before: fn(&mut Fake),
        call: fn(&mut Cx<'_, State>, Identity) -> Result<(), Error>,
    ) -> Deed {
        Deed { entry, before, call, stops: matches!(entry, Entry::Probe | Entry::Quiesce) }
    }
}

const NOTHING: fn(&mut Fake) = |_| {};
const OTHER: Params = Params { rate: 11_025, channels: 1, period: 512, ..USUAL };

/// DAC2 and ADC run, DAC1 is set up; DAC2 is in its second period.
pub(crate) const DEEDS: [Deed; 18] = [
    Deed::new(Entry::Probe, NOTHING, Ens1371::probe),
    Deed::new(Entry::Open, |fake| assert_eq!(close(fake, DAC1), Ok(())), |cx, _| Ens1371::open(cx, DAC1)),
    Deed::new(Entry::Close, NOTHING, |cx, _| Ens1371::close(cx, DAC1)),
    Deed::new(Entry::Close, start, |cx, _| Ens1371::close(cx, DAC1)),
    Deed::new(Entry::HwParams, NOTHING, |cx, _| Ens1371::hw_params(cx, DAC1, OTHER).map(drop)),
    Deed::new(
        Entry::HwParams,
        |fake| {
            start(fake);
            assert_eq!(trigger(fake, ADC, Trigger::Stop), Ok(()));
            assert_eq!(close(fake, DAC2), Ok(()));
        },
        |cx, _| Ens1371::hw_params(cx, ADC, OTHER).map(drop),
    ),
    Deed::new(Entry::Prepare, NOTHING, |cx, _| Ens1371::prepare(cx, DAC1)),
    Deed::new(
        Entry::Trigger,
        |fake| assert_eq!(prepare(fake, DAC1), Ok(())),
        |cx, _| Ens1371::trigger(cx, DAC1, Trigger::Start),
    ),
    Deed::new(Entry::Trigger, start, |cx, _| Ens1371::trigger(cx, DAC1, Trigger::Stop)),
    Deed::new(Entry::Trigger, start, |cx, _| Ens1371::trigger(cx, DAC1, Trigger::Pause)),
    Deed::new(Entry::Trigger, NOTHING, |cx, _| Ens1371::trigger(cx, ADC, Trigger::Pause)),
    Deed::new(
        Entry::Trigger,
        |fake| {
            start(fake);
            assert_eq!(trigger(fake, DAC1, Trigger::Pause), Ok(()));
        },
        |cx, _| Ens1371::trigger(cx, DAC1, Trigger::Resume),
    ),
    Deed::new(Entry::Pointer, NOTHING, |cx, _| Ens1371::pointer(cx, DAC2).map(drop)),
    Deed::new(Entry::Interrupt, NOTHING, |cx, _| Ens1371::interrupt(cx).map(drop)),
    Deed::new(Entry::GetControl, NOTHING, |cx, _| Ens1371::get_control(cx, udrv_driver::Control(0)).map(drop)),
    // the first control is the volume of the master: two registers on an AK4531
    Deed::new(Entry::SetControl, NOTHING, |cx, _| {
        Ens1371::set_control(cx, udrv_driver::Control(0), ControlValue { left: 3, right: 4 })
    }),
    Deed::new(Entry::Quiesce, NOTHING, |cx, _| Ens1371::quiesce(cx)),
    Deed::new(Entry::Restore, NOTHING, |cx, _| Ens1371::restore(cx)),
];

fn start(fake: &mut Fake) {
    assert_eq!(prepare(fake, DAC1), Ok(()));
    assert_eq!(trigger(fake, DAC1, Trigger::Start), Ok(()));
}

fn busy(chip: (u16, u8), deed: &Deed) -> Fake {
    let mut fake = probed(chip);
    assert!(set_up_first(&mut fake).is_ok());
    run(&mut fake, DAC2, USUAL);
    run(&mut fake, ADC, Params { period: 512, ..USUAL });
    let (volume, _) = control(&fake, "PCM Playback Volume");
    assert_eq!(set(&mut fake, volume, ControlValue { left: 20, right: 21 }), Ok(()));
    (deed.before)(&mut fake);
    for stream in 0..3 {
        fake.chip().play(stream, 1100);
    }
    fake.chip().stops = [0; 3];
    fake
}

fn set_up_first(fake: &mut Fake) -> Result<(), Error> {
    crate::fake::open(fake, DAC1)?;
    set_up(fake, DAC1, Params { rate: 22_050, ..USUAL }).map(drop)
}

/// As it was, and the interrupts that came are told of.
fn assert_untouched(mut fake: Fake, deed: &Deed, snapshot: &Snapshot, at: [u32; 3], causes: u32, what: &str) {
    assert_eq!(fake.chip().snapshot(), *snapshot, "{what}");
    assert_eq!(fake.chip().converter.holds(), 0, "{what}");
    assert_eq!(fake.chip().bus.dma.len(), if fake.chip().is_es1370() { 4 } else { 3 }, "{what}");
    if !deed.stops {
        assert_eq!(fake.chip().stops, [0; 3], "{what}: a stream was stopped");
        assert_eq!(fake.chip().converter.disturbed, 0, "{what}: a stream was disturbed");
        assert_eq!(fake.chip().channels.map(|channel| channel.at), at, "{what}: a stream was rewound");
        let events = [DAC1, DAC2, ADC].into_iter().filter(|stream| causes & 4 >> stream.0 != 0);
        let events = events.fold(SoundEvents::NONE, |events, stream| events | SoundEvents::period(stream));
        assert_eq!(interrupt(&mut fake), Ok(events), "{what}");
        for (stream, at) in [DAC1, DAC2, ADC].into_iter().zip(at) {
            // frames of four bytes are words
            if let Ok(position) = pointer(&mut fake, stream) {
                assert_eq!(position, at, "{what} {stream:?}");
            }
        }
    }
    // and made again, it goes well
    let identity = fake.chip().identity;
    assert_eq!(fake.call(|cx| (deed.call)(cx, identity)), Ok(()), "{what}");
    if deed.entry == Entry::Quiesce {
        assert_eq!((fake.chip().control & 0x70, fake.chip().serial), (0, 0), "{what}");
        assert_eq!(probe(&mut fake), Ok(()), "{what}");
    }
    assert_works(&mut fake);
}

/// Of the second call nothing has happened either, whatever the first of a deed has done.
fn abandoned(chip: (u16, u8), deed: &Deed, what: &str, abandon: impl FnOnce(&mut Fake, Identity) -> bool) -> bool {
    let mut fake = busy(chip, deed);
    let (snapshot, identity) = (fake.chip().snapshot(), fake.chip().identity);
    let (at, causes) = (fake.chip().channels.map(|channel| channel.at), fake.chip().causes);
    assert!(causes != 0, "{what}: no interrupt is pending");
    if !abandon(&mut fake, identity) {
        return false;
    }
    assert_untouched(fake, deed, &snapshot, at, causes, what);
    true
}

/// Where faults are injected.
#[test]
fn every_point_of_every_entry_is_reached_and_nothing_has_happened() {
    hide_injected();
    for (chip, deed) in SORTS.into_iter().flat_map(|chip| DEEDS.iter().map(move |deed| (chip, deed))) {
        for point in Point::ALL {
            let what = format!("{chip:x?} {} {point}", deed.entry);
            let reached =
                abandoned(chip, deed, &what, |fake, identity| fake.abandon(point, |cx| (deed.call)(cx, identity)));
            assert!(reached, "{what} is not reached");
        }
    }
    assert!(Entry::SOUND.iter().all(|entry| DEEDS.iter().any(|deed| deed.entry == *entry)), "each has a deed");
}

/// And anywhere else.
#[test]
fn every_request_of_every_entry_is_recovered_from() {
    hide_injected();
    for (chip, deed) in SORTS.into_iter().flat_map(|chip| DEEDS.iter().map(move |deed| (chip, deed))) {
        // probe writes the converter's memory, one word like the other
        for after in (0..60).chain((60..).step_by(17)) {
            let what = format!("{chip:x?} {} {after}", deed.entry);
            let abandon = |fake: &mut Fake, identity| fake.abandon_after(after, |cx| (deed.call)(cx, identity));
            if !abandoned(chip, deed, &what, abandon) {
                let may_make_none = matches!(deed.entry, Entry::Open | Entry::GetControl);
                assert!(after > 0 || may_make_none, "{what} makes no request");
                break;
            }
        }
    }
}

/// What does not write to codec or converter needs no `restore`: nothing that acts has been written.
#[test]
fn most_calls_leave_nothing_to_restore() {
    hide_injected();
    for (chip, deed) in SORTS.into_iter().flat_map(|chip| DEEDS.iter().map(move |deed| (chip, deed))) {
        let alone = match deed.entry {
            Entry::Probe | Entry::Quiesce | Entry::SetControl | Entry::Restore => false,
            Entry::HwParams => chip.0 == 0x5000,
            _ => true,
        };
        if !alone {
            continue;
        }
        for point in Point::ALL {
            let mut fake = busy(chip, deed);
            let (identity, writes) = (fake.chip().identity, fake.chip().bus.writes.len());
            assert!(fake.abandon(point, |cx| (deed.call)(cx, identity)));
            assert_eq!(fake.chip().bus.writes.len(), writes, "{chip:x?} {} {point}", deed.entry);
        }
    }
}

/// `restore` writes the registers of the codec that the failed call has touched, and no others; and of the converter.
#[test]
fn only_what_is_marked_is_written_again() {
    hide_injected();
    for chip in SORTS {
        let deed = &DEEDS[15];
        assert_eq!(deed.entry, Entry::SetControl);
        let mut fake = busy(chip, deed);
        let identity = fake.chip().identity;
        assert!(fake.abandon(Point::End, |cx| (deed.call)(cx, identity)));
        let to_codec = if chip.0 == 0x5000 { 0xc10 } else { 0x14 };
        let writes = fake.chip().bus.writes.iter().rev().take_while(|(offset, _)| *offset != 0x24);
        let values: Vec<u32> = writes.filter(|(offset, _)| *offset == to_codec).map(|(_, value)| *value).collect();
        // the last is the first: master volume as it was, before that as the call had it
        let [was, is]: [&[u32]; 2] =
            if chip.0 == 0x5000 { [&[0x0100, 0x0000], &[0x011b, 0x001c]] } else { [&[0x02_0000], &[0x02_1c1b]] };
        let wanted: Vec<u32> = was.iter().chain(is).copied().collect();
        assert_eq!(values[..wanted.len()], wanted, "{chip:x?} {values:x?}");
        assert_eq!(fake.border().marks, [0; 4]);
    }
}

/// A call that gives an error commits like any other, and the class has everything restored.
#[test]
fn an_access_that_fails_leaves_nothing_that_restore_does_not_mend() {
    for (chip, deed) in SORTS.into_iter().flat_map(|chip| DEEDS.iter().map(move |deed| (chip, deed))) {
        for after in (0..40).chain((40..).step_by(29)) {
            let mut fake = busy(chip, deed);
            let identity = fake.chip().identity;
            fake.chip().bus.fails_after = Some(after);
            let result = fake.call(|cx| (deed.call)(cx, identity));
            if fake.chip().bus.fails_after.take().is_some() {
                assert!(result.is_ok(), "{chip:x?} {} {after} {result:?}", deed.entry);
                break;
            }
            assert_eq!(result, Err(Error::Bus), "{chip:x?} {} {after}", deed.entry);
            if deed.entry == Entry::Probe {
                assert_eq!(probe(&mut fake), Ok(()));
            }
            assert_eq!(restore_all(&mut fake), Ok(()), "{chip:x?} {} {after}", deed.entry);
            let snapshot = fake.chip().snapshot();
            assert_eq!(restore_all(&mut fake), Ok(()));
            assert_eq!(fake.chip().snapshot(), snapshot, "there is one way to be as the state has it");
            assert_works(&mut fake);
        }
    }
}

/// No memory, and nothing runs.
#[test]
fn an_abandoned_probe_leaves_nothing_behind() {
    hide_injected();
    for chip in SORTS {
        for point in Point::ALL {
            let mut fake = crate::fake::plugged_in(chip);
            let identity = fake.chip().identity;
            assert!(fake.abandon(point, |cx| Ens1371::probe(cx, identity)));
            assert!(fake.chip().bus.dma.is_empty());
            assert_eq!(probe(&mut fake), Ok(()));
            assert_works(&mut fake);
        }
    }
}
