//! Streams: what they can be set to, their rates, where they are, and their interrupts.

use udrv_driver::{Direction, Error, Format, Params, Rates, SoundEvents, Stream, Trigger};

use crate::fake::{
    ADC, CHIPS, DAC1, DAC2, Fake, SORTS, USUAL, close, has, interrupt, open, pointer, prepare, probed, run, set_up,
    trigger,
};

const ES1370: (u16, u8) = SORTS[0];
const ES1371: (u16, u8) = SORTS[1];

#[test]
fn two_play_and_one_captures() {
    for chip in CHIPS {
        let fake = probed(chip);
        let streams = has(&fake.state).streams;
        let directions: Vec<Direction> = streams.iter().map(|stream| stream.direction).collect();
        assert_eq!(directions, [Direction::Playback, Direction::Playback, Direction::Capture]);
        for stream in streams {
            assert_eq!((stream.formats, stream.channels), (&[Format::U8, Format::S16][..], 2));
            assert!(stream.rates.has(44_100) && stream.rates.has(22_050) && !stream.rates.has(96_000));
            assert_eq!(stream.rates.has(48_000), chip != ES1370);
        }
    }
}

/// The class asks only for what is allowed, but who knows.
#[test]
fn what_a_stream_does_not_have_is_refused() {
    for chip in SORTS {
        let mut fake = probed(chip);
        assert_eq!(open(&mut fake, DAC1), Ok(()));
        let before = fake.chip().snapshot();
        for wrong in [
            Params { rate: 3_999, ..USUAL },
            Params { rate: 48_001, ..USUAL },
            Params { rate: 0, ..USUAL },
            Params { channels: 3, ..USUAL },
            Params { channels: 0, ..USUAL },
            Params { period: 63, ..USUAL },
            Params { period: 4097, ..USUAL },
            Params { periods: 1, ..USUAL },
            Params { periods: u32::MAX, ..USUAL },
            // a ring of 130 bytes
            Params { format: Format::U8, channels: 1, period: 65, periods: 2, ..USUAL },
        ] {
            assert_eq!(set_up(&mut fake, DAC1, wrong).err(), Some(Error::Unsupported), "{wrong:?}");
        }
        assert_eq!(fake.chip().snapshot(), before);
        // the shortest and the longest
        let short = Params { format: Format::U8, channels: 1, period: 64, periods: 2, ..USUAL };
        let long = Params { period: 8192, periods: 2, ..USUAL };
        for (right, size) in [(short, 31), (Params { period: 32_768, ..short }, 0x3fff), (long, 0x3fff)] {
            assert!(set_up(&mut fake, DAC1, right).is_ok());
            assert_eq!(prepare(&mut fake, DAC1), Ok(()));
            assert_eq!((fake.chip().channels[0].size, fake.chip().channels[0].count), (size, right.period - 1));
        }
    }
}

#[test]
fn every_order_of_calls_is_answered() {
    for chip in SORTS {
        let mut fake = probed(chip);
        run(&mut fake, ADC, USUAL);
        assert_eq!(set_up(&mut fake, ADC, USUAL).err(), Some(Error::NotReady), "it runs");
        assert_eq!(prepare(&mut fake, ADC), Err(Error::NotReady), "it runs");
        assert_eq!(trigger(&mut fake, ADC, Trigger::Start), Err(Error::NotReady));
        assert_eq!(trigger(&mut fake, ADC, Trigger::Resume), Err(Error::NotReady));
        assert_eq!(trigger(&mut fake, ADC, Trigger::Pause), Ok(()));
        assert_eq!(trigger(&mut fake, ADC, Trigger::Pause), Err(Error::NotReady));
        assert_eq!(prepare(&mut fake, ADC), Err(Error::NotReady), "it is paused");
        assert_eq!(trigger(&mut fake, ADC, Trigger::Stop), Ok(()));
        assert_eq!(trigger(&mut fake, ADC, Trigger::Stop), Ok(()), "it stands");
        assert_eq!(trigger(&mut fake, ADC, Trigger::Start), Err(Error::NotReady), "prepare comes first");
        assert_eq!(trigger(&mut fake, ADC, Trigger::Resume), Err(Error::NotReady));
        fake.chip().channels[2].at = 9;
        assert_eq!(pointer(&mut fake, ADC), Ok(9), "where it stands");
        assert_eq!(prepare(&mut fake, ADC), Ok(()));
        assert_eq!(pointer(&mut fake, ADC), Ok(0));
        assert_eq!(trigger(&mut fake, ADC, Trigger::Start), Ok(()));
        assert_eq!(close(&mut fake, ADC), Ok(()));
        assert_eq!((fake.chip().control & 0x70, fake.chip().causes), (0, 0));
        assert_eq!(pointer(&mut fake, ADC), Err(Error::NotReady));
    }
}

/// What comes of the converter's words, as the chip reckons.
fn converted(fake: &mut Fake, stream: Stream) -> f64 {
    let base = 0x70 + 4 * stream.0 as usize;
    let word = |fake: &mut Fake, at| f64::from(fake.chip().converter.word(at));
    let frequency = f64::from(fake.chip().converter.word(base + 1) >> 10) + word(fake, base + 3) / 32768.0;
    if stream == ADC {
        let n = f64::from(fake.chip().converter.word(0x6c) >> 8);
        assert_eq!(fake.chip().converter.word(0x6c), fake.chip().converter.word(0x6d));
        48_000.0 * n / frequency
    } else {
        frequency * 3_000.0
    }
}

#[test]
fn an_es1371_has_each_rate_for_each_stream_by_itself() {
    let mut fake = probed(ES1371);
    for stream in [DAC1, DAC2, ADC] {
        assert_eq!(open(&mut fake, stream), Ok(()));
    }
    for rate in (4_000..=48_000).step_by(499).chain([8_000, 11_025, 22_050, 44_100, 48_000]) {
        for (stream, rate) in [(DAC1, rate), (DAC2, 52_000 - rate), (ADC, rate)] {
            let ring = set_up(&mut fake, stream, Params { rate, ..USUAL }).unwrap();
            assert!(ring.rate.abs_diff(rate) <= 1, "{stream:?} {rate} {}", ring.rate);
            assert!((converted(&mut fake, stream) - f64::from(ring.rate)).abs() < 0.51, "{stream:?} {rate}");
        }
        assert!((converted(&mut fake, DAC1) - f64::from(rate)).abs() < 0.05, "not touched by the others");
        assert_eq!((fake.chip().converter.holds(), fake.chip().converter.stands()), (0, false));
    }
    assert_eq!(fake.chip().converter.disturbed, 0);
}

/// The clock of DAC1, and the one of DAC2 and ADC.
fn divided(fake: &mut Fake) -> (u32, u32) {
    let control = fake.chip().control;
    ([5_512, 11_025, 22_050, 44_100][(control >> 12 & 3) as usize], 1_411_200 / ((control >> 16 & 0x1fff) + 2))
}

#[test]
fn an_es1370_has_a_choice_and_a_divider() {
    let mut fake = probed(ES1370);
    for stream in [DAC1, DAC2] {
        assert_eq!(open(&mut fake, stream), Ok(()));
        let Rates::List(rates) = has(&fake.state).streams[stream.0 as usize].rates else { panic!("no list") };
        for rate in rates {
            let ring = set_up(&mut fake, stream, Params { rate: *rate, ..USUAL }).unwrap();
            let (dac1, shared) = divided(&mut fake);
            let is = if stream == DAC1 { dac1 } else { shared };
            assert!(ring.rate.abs_diff(is) <= 1 && rate.abs_diff(is) * 400 <= *rate, "{stream:?} {rate} {is}");
        }
    }
    for missing in [4_000, 9_600, 48_000] {
        assert_eq!(set_up(&mut fake, DAC2, Params { rate: missing, ..USUAL }).err(), Some(Error::Unsupported));
    }
    assert_eq!(set_up(&mut fake, DAC1, Params { rate: 8_000, ..USUAL }).err(), Some(Error::Unsupported));
}

#[test]
fn dac2_and_adc_of_an_es1370_have_one_clock() {
    for (first, second) in [(DAC2, ADC), (ADC, DAC2)] {
        let mut fake = probed(ES1370);
        let at = |rate| Params { rate, ..USUAL };
        assert_eq!(open(&mut fake, first), Ok(()));
        assert_eq!(open(&mut fake, second), Ok(()));
        assert!(set_up(&mut fake, first, at(22_050)).is_ok());
        let before = fake.chip().snapshot();
        assert_eq!(set_up(&mut fake, second, at(44_100)).err(), Some(Error::Unsupported));
        assert_eq!(fake.chip().snapshot(), before);
        assert!(set_up(&mut fake, second, at(22_050)).is_ok());
        // neither can move without the other
        assert_eq!(set_up(&mut fake, first, at(44_100)).err(), Some(Error::Unsupported));
        assert_eq!(close(&mut fake, second), Ok(()));
        assert!(set_up(&mut fake, first, at(44_100)).is_ok());
        assert_eq!(divided(&mut fake).1, 44_100);
        assert_eq!(open(&mut fake, second), Ok(()), "that it once had another is forgotten");
        assert!(set_up(&mut fake, second, at(44_100)).is_ok());
        // DAC1 has its own
        assert_eq!(open(&mut fake, DAC1), Ok(()));
        assert!(set_up(&mut fake, DAC1, at(5_512)).is_ok());
        assert_eq!(divided(&mut fake), (5_512, 44_100));
    }
}

#[test]
fn a_position_that_cannot_be_is_nonsense() {
    for chip in SORTS {
        for (stream, register) in [(DAC1, 0xc34), (DAC2, 0xc3c), (ADC, 0xd34)] {
            let mut fake = probed(chip);
            run(&mut fake, stream, USUAL);
            let number = stream.0 as usize;
            // anywhere in the ring
            for at in 0..4096 {
                fake.chip().channels[number].at = at;
                assert_eq!(pointer(&mut fake, stream), Ok(at));
            }
            for (at, size) in [(4096, 4095), (0xffff, 4095), (0, 4094), (0, 4096), (4095, 0xffff), (0, 0)] {
                (fake.chip().channels[number].at, fake.chip().channels[number].size) = (at, size);
                let value = at << 16 | size;
                assert_eq!(pointer(&mut fake, stream), Err(Error::Nonsense { register, value }));
            }
        }
    }
}

#[test]
fn frames_of_every_size_are_counted() {
    for chip in SORTS {
        for (format, channels) in [(Format::U8, 1), (Format::U8, 2), (Format::S16, 1), (Format::S16, 2)] {
            let mut fake = probed(chip);
            let params = Params { format, channels, period: 128, periods: 3, ..USUAL };
            run(&mut fake, DAC2, params);
            let per_word = 4 / params.frame_bytes();
            for word in 0..2 * 384 / per_word {
                assert_eq!(pointer(&mut fake, DAC2), Ok(word * per_word % 384));
                fake.chip().play(1, 1);
            }
        }
    }
}

#[test]
fn interrupts_are_told_once_and_each_for_itself() {
    for chip in SORTS {
        let mut fake = probed(chip);
        for stream in [DAC1, DAC2, ADC] {
            run(&mut fake, stream, Params { period: 256, periods: 8, ..USUAL });
        }
        let all = [DAC1, DAC2, ADC].map(SoundEvents::period);
        fake.chip().stops = [0; 3];
        for which in 0..8_u32 {
            let playing = (0..3).filter(|stream| which & 1 << stream != 0);
            let mut wanted = SoundEvents::NONE;
            for stream in playing {
                // two periods are one event
                fake.chip().play(stream, 512);
                wanted = wanted | all[stream];
            }
            assert_eq!(interrupt(&mut fake), Ok(wanted));
            assert_eq!((interrupt(&mut fake), fake.chip().causes), (Ok(SoundEvents::NONE), 0));
        }
        // of a stream that was stopped since nothing is heard
        fake.chip().play(0, 256);
        assert_eq!(trigger(&mut fake, DAC1, Trigger::Stop), Ok(()));
        assert_eq!(interrupt(&mut fake), Ok(SoundEvents::NONE));
        assert_eq!(fake.chip().stops, [1, 0, 0], "the others were not stopped by any of it");
    }
}

/// The line is shared: what the chip does not own up to is somebody else's.
#[test]
fn without_intr_there_is_no_interrupt() {
    for chip in SORTS {
        let mut fake = probed(chip);
        run(&mut fake, DAC2, USUAL);
        fake.chip().play(1, 1024);
        fake.chip().trouble.has_no_intr = true;
        let writes = fake.chip().bus.writes.len();
        assert_eq!(interrupt(&mut fake), Ok(SoundEvents::NONE));
        assert_eq!(fake.chip().bus.writes.len(), writes, "and nothing is acknowledged");
        fake.chip().trouble.has_no_intr = false;
        assert_eq!(interrupt(&mut fake), Ok(SoundEvents::period(DAC2)));
    }
}
