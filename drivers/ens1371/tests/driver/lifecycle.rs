//! Probe, quiesce, restore; chips that are none, that hang, that leave, and that are astray.

use ens1371::{Ens1371, State};
use udrv_driver::zerocopy::IntoBytes;
use udrv_driver::{Cx, Driver, Error, Identity, SoundDriver, SoundEvents, Stream};
use udrv_driver_tests::BUS;

use crate::chip::{Channel, Chip};
use crate::fake::{
    ADC, CHIPS, DAC1, DAC2, Fake, SORTS, USUAL, assert_works, close, control, has, interrupt, open, plugged_in,
    pointer, prepare, probe, probed, restore_all, run, set_up, trigger,
};

#[test]
fn each_chip_works() {
    for chip in CHIPS {
        let mut fake = probed(chip);
        assert_eq!(fake.border().logs.first(), Some(&3), "its name");
        assert_eq!((fake.chip().control & 0x70, fake.chip().serial, fake.chip().causes), (0, 0, 0), "it is silent");
        let names: Vec<&str> = has(&fake.state).streams.iter().map(|stream| stream.name).collect();
        assert_eq!(names, ["DAC1", "DAC2", "ADC"]);
        assert_works(&mut fake);
    }
}

#[test]
fn others_are_refused_and_not_touched() {
    for (vendor, product, revision) in
        [(0x1274, 0x1371, 0), (0x1274, 0x1371, 5), (0x1274, 0x5880, 1), (0x1102, 0x8938, 0), (0x1274, 0x5001, 0)]
    {
        let mut fake = plugged_in(CHIPS[0]);
        let result = fake.call(|cx| Ens1371::probe(cx, Identity { vendor, product, revision }));
        assert_eq!(result, Err(Error::NotThisDevice), "{vendor:x} {product:x} {revision}");
        assert_eq!((fake.border().logs.clone(), fake.chip().bus.writes.clone()), (vec![1], vec![]), "it says so");
        assert_eq!(fake.state.as_bytes(), Ens1371::NEW.as_bytes());
    }
}

#[test]
fn a_second_probe_takes_no_more_memory() {
    for chip in SORTS {
        let mut fake = probed(chip);
        let pieces = fake.chip().bus.dma.len();
        assert_eq!(pieces, if chip.0 == 0x5000 { 4 } else { 3 });
        run(&mut fake, DAC1, USUAL);
        assert_eq!(probe(&mut fake), Ok(()));
        assert_eq!((fake.chip().bus.dma.len(), fake.chip().control & 0x70), (pieces, 0));
        assert_works(&mut fake);
    }
}

#[test]
fn an_es1370_writes_by_mistake_to_memory_of_ours() {
    let mut fake = probed((0x5000, 1));
    let phantom = fake.chip().phantom;
    assert_eq!((phantom, fake.chip().bus.dma[3].len()), (4 * BUS, 16));
    assert_eq!(probed(CHIPS[1]).chip().phantom, 0);
}

#[test]
fn before_probe_and_before_open() {
    let mut fake = Fake::new();
    assert_eq!(open(&mut fake, DAC1), Err(Error::NotReady));
    assert_eq!(interrupt(&mut fake), Ok(SoundEvents::NONE));
    assert_eq!(fake.restore(), Ok(()));
    for chip in SORTS {
        let mut fake = probed(chip);
        assert_eq!(set_up(&mut fake, DAC1, USUAL).err(), Some(Error::NotReady));
        assert_eq!(prepare(&mut fake, DAC1), Err(Error::NotReady));
        assert_eq!(pointer(&mut fake, DAC1), Err(Error::NotReady));
        assert_eq!(trigger(&mut fake, DAC1, udrv_driver::Trigger::Start), Err(Error::NotReady));
        assert_eq!(open(&mut fake, Stream(3)), Err(Error::Unsupported));
        assert_eq!(open(&mut fake, Stream(u32::MAX)), Err(Error::Unsupported));
        assert_eq!(open(&mut fake, DAC1), Ok(()));
        assert_eq!(open(&mut fake, DAC1), Err(Error::Busy));
        assert_eq!(prepare(&mut fake, DAC1), Err(Error::NotReady), "set up first");
        assert_eq!(close(&mut fake, DAC1), Ok(()));
    }
}

/// It is called for a driver whose state is lost.
#[test]
fn quiesce_needs_no_state() {
    for chip in SORTS {
        let mut fake = probed(chip);
        for stream in [DAC1, DAC2, ADC] {
            run(&mut fake, stream, USUAL);
        }
        fake.state = Ens1371::NEW;
        assert_eq!(fake.call(Ens1371::quiesce), Ok(()));
        assert_eq!((fake.chip().control & 0x70, fake.chip().serial), (0, 0));
    }
}

/// All ones are no chip.
#[test]
fn gone_wherever_something_is_read() {
    for chip in SORTS {
        let mut fake = plugged_in(chip);
        fake.chip().bus.gone = true;
        assert_eq!(probe(&mut fake), Err(Error::Gone));
        assert_eq!(fake.call(Ens1371::quiesce), Err(Error::Gone));

        let mut fake = probed(chip);
        run(&mut fake, DAC2, USUAL);
        assert_eq!(open(&mut fake, DAC1), Ok(()));
        let (volume, _) = control(&fake, "Master Playback Volume");
        fake.chip().bus.gone = true;
        assert_eq!(interrupt(&mut fake), Err(Error::Gone));
        assert_eq!(pointer(&mut fake, DAC2), Err(Error::Gone));
        assert_eq!(fake.restore(), Err(Error::Gone));
        assert_eq!(fake.call(Ens1371::quiesce), Err(Error::Gone));
        assert_eq!(crate::fake::set(&mut fake, volume, Default::default()), Err(Error::Gone));
        if chip.0 != 0x5000 {
            assert_eq!(set_up(&mut fake, DAC1, USUAL).err(), Some(Error::Gone));
        }
    }
}

/// Microseconds that a driver may wait in a call, but for a codec that wakes up.
const LONGEST: u64 = 60_000;

fn assert_gives_up<T: std::fmt::Debug>(
    chip: (u16, u8),
    register: u16,
    break_it: fn(&mut Chip, bool),
    entry: impl Fn(&mut Cx<'_, State>) -> Result<T, Error>,
) {
    let mut fake = probed(chip);
    assert_eq!(open(&mut fake, DAC1), Ok(()));
    let before = fake.border().now;
    break_it(fake.chip(), true);
    let result = fake.call(&entry);
    assert!(matches!(result, Err(Error::Timeout { register: r, .. }) if r == register), "{chip:x?} {result:?}");
    let waited = fake.border().now - before;
    assert!(waited < LONGEST, "{waited} us");
    assert!(fake.restore().is_err(), "restore does not say that all is well");
    break_it(fake.chip(), false);
    assert_eq!(restore_all(&mut fake), Ok(()));
    assert_works(&mut fake);
}

#[test]
fn a_codec_or_converter_that_hangs_is_given_up() {
    let louder = |cx: &mut Cx<'_, State>| {
        Ens1371::set_control(cx, udrv_driver::Control(0), udrv_driver::ControlValue { left: 1, right: 2 })
    };
    let set_up = |cx: &mut Cx<'_, State>| Ens1371::hw_params(cx, DAC1, USUAL);
    for chip in [SORTS[1], SORTS[2]] {
        assert_gives_up(chip, 0x10, |chip, hangs| chip.converter.hangs = hangs, louder);
        assert_gives_up(chip, 0x10, |chip, hangs| chip.converter.hangs = hangs, set_up);
    }
}

/// Those that `restore` does not come by, where nothing is marked.
#[test]
fn waits_that_do_not_end() {
    type Break = fn(&mut Chip);
    let cases: [((u16, u8), u16, Break); 6] = [
        (SORTS[0], 0x04, |chip| chip.trouble.codec_hangs = true),
        (SORTS[1], 0x14, |chip| chip.trouble.codec_hangs = true),
        (SORTS[1], 0x14, |chip| chip.trouble.codec_is_silent = true),
        (SORTS[1], 0x10, |chip| chip.converter.stuck_at = Some(0)),
        (SORTS[1], 0x10, |chip| chip.converter.stuck_at = Some(1)),
        (SORTS[2], 0x10, |chip| chip.converter.stuck_at = Some(7)),
    ];
    for (case, (chip, register, break_it)) in cases.into_iter().enumerate() {
        let mut fake = plugged_in(chip);
        break_it(fake.chip());
        let result = probe(&mut fake);
        assert!(matches!(result, Err(Error::Timeout { register: r, .. }) if r == register), "{case} {result:?}");
        assert!(fake.border().now < LONGEST, "{case}");
        // and mended, it works
        (fake.chip().trouble, fake.chip().converter.stuck_at) = (Default::default(), None);
        assert_eq!(probe(&mut fake), Ok(()), "{case}");
        assert_works(&mut fake);
    }
}

#[test]
fn a_codec_that_comes_up_in_parts_is_used_as_it_is() {
    let mut fake = plugged_in(SORTS[1]);
    fake.chip().trouble.codec_is_lame = true;
    assert_eq!(probe(&mut fake), Ok(()));
    assert!((1_000_000..1_200_000).contains(&fake.border().now));
    assert_eq!(fake.border().logs, [3, 2, 3], "it says so");
    assert_works(&mut fake);
}

/// Of three streams, one was lost by the chip and two were not: the two go on.
#[test]
fn restore_begins_anew_only_what_is_astray() {
    let lost: [fn(&mut Chip); 4] = [
        |chip| chip.channels[1].size = 7,
        |chip| chip.channels[1].at = 5000,
        |chip| chip.channels[1].count = 3,
        |chip| chip.control &= !0x20,
    ];
    for chip in SORTS {
        for lose in lost {
            let mut fake = probed(chip);
            for stream in [DAC1, DAC2, ADC] {
                run(&mut fake, stream, USUAL);
            }
            let snapshot = fake.chip().snapshot();
            for stream in 0..3 {
                fake.chip().play(stream, 1500);
            }
            lose(fake.chip());
            fake.chip().stops = [0; 3];
            assert_eq!(fake.restore(), Ok(()));
            assert_eq!(fake.chip().snapshot(), snapshot);
            assert_eq!((fake.chip().stops[0], fake.chip().stops[2]), (0, 0));
            assert_eq!(fake.chip().channels.map(|channel| channel.at), [1500, 0, 1500]);
            assert!(interrupt(&mut fake).unwrap().has(SoundEvents::period(DAC1) | SoundEvents::period(ADC)));
            assert_works(&mut fake);
        }
    }
}

/// A chip that has lost everything, and a state that is older than what the chip does.
#[test]
fn restore_of_a_chip_that_knows_nothing_or_more() {
    for chip in SORTS {
        let mut fake = probed(chip);
        run(&mut fake, DAC1, USUAL);
        run(&mut fake, ADC, USUAL);
        let (snapshot, older) = (fake.chip().snapshot(), fake.state);
        let lost = fake.chip();
        (lost.control, lost.serial, lost.channels, lost.causes) = (0, 0, [Channel::default(); 3], 0);
        // those that the driver has written
        let ours: &[usize] = if chip.0 == 0x5000 { &[0, 1, 0x10, 0x16] } else { &[0x01, 0x07, 0x0c, 0x0e] };
        ours.iter().for_each(|at| lost.codec[*at] = 0x80);
        lost.converter.forget();
        assert_eq!(restore_all(&mut fake), Ok(()));
        assert_eq!(fake.chip().snapshot(), snapshot);

        run(&mut fake, DAC2, USUAL);
        assert_eq!(close(&mut fake, DAC1), Ok(()));
        let (volume, _) = control(&fake, "PCM Playback Volume");
        assert_eq!(crate::fake::set(&mut fake, volume, Default::default()), Ok(()));
        fake.state = older;
        assert_eq!(restore_all(&mut fake), Ok(()));
        let mut again = fake.chip().snapshot();
        assert_ne!(again, snapshot, "the chip still knows how long the ring of DAC2 was");
        again.forget_channel(1);
        let mut before = snapshot;
        before.forget_channel(1);
        assert_eq!(again, before);
        assert_works(&mut fake);
    }
}

#[test]
fn the_framework_has_room_for_map_and_state() {
    udrv_driver_tests::lifecycle::the_framework_has_room_for_map_and_state::<Chip>();
    assert!(size_of::<State>() <= 256);
    let (pieces, bytes) = (has(&probed(SORTS[0]).state).streams.len() + 1, 3 * 64 * 1024 + 4096);
    assert!(pieces <= 8 && bytes < 1024 * 1024, "pieces and bytes that a driver may have");
}
