//! Numbered frames to the converter, and a mixer.

use std::collections::HashMap;

use ens1371::Ens1371;
use model_ens1371::{Config, Samples};
use udrv::endpoint::sound::Wish;
use udrv::run::DeviceError;
use udrv::sound::Sound;
use udrv_driver::Entry;
use udrv_tests::sound_rig::{self, DAC2, RATE, STEP, SoundHand, USUAL};

use super::{call, called, look, options};
use crate::finding::Finding;

/// Frames that are played: a second and a half.
const FRAMES: u32 = RATE * 3 / 2;
/// Pieces after which an entry point is called.
const PIECES: u64 = 15;
/// Entry points that playing calls.
const BY_PLAYING: [Entry; 1] = [Entry::Interrupt];

pub(super) fn card(protected: bool, finding: &mut Finding) -> Result<(), DeviceError> {
    let options = options(sound_rig::options(), protected);
    let mut hand = SoundHand::try_new(options, Config::default(), Samples::default(), |_| {})?;
    let played = play(&mut hand);
    judge(&hand.tape.take(), finding);
    finding.told = !hand.desk.failed().is_empty();
    let looked = look(&mut hand.device, finding);
    played.and(looked)?;
    hand.device.shut_down()
}

fn play(hand: &mut SoundHand) -> Result<(), DeviceError> {
    hand.desk.play(DAC2, &sound_rig::numbered(0, FRAMES));
    hand.desk.wish(Wish::Start(DAC2, USUAL));
    hand.try_serve()?;
    let pieces = u64::from(FRAMES) / STEP;
    for piece in 0..pieces {
        hand.try_pass_by(STEP, STEP)?;
        if piece % PIECES == PIECES - 1 {
            call(&mut hand.device, called::<Sound<Ens1371>>(&BY_PLAYING, (piece / PIECES) as usize))?;
        }
    }
    hand.desk.wish(Wish::Stop(DAC2));
    hand.try_serve()?;
    hand.try_pass_by(u64::from(RATE) / 4, STEP)
}

/// Frames are in order, and none is heard twice; of the last tenth something is heard: it works.
fn judge(tape: &[[i16; 2]], finding: &mut Finding) {
    let numbers: HashMap<[i16; 2], u32> = (0..FRAMES).map(|n| (sound_rig::frame(n), n)).collect();
    let (mut next, mut heard) = (0, 0);
    for frame in sound_rig::sound(tape) {
        match numbers.get(&frame) {
            None => finding.wrong(format!("{frame:?} is heard, which nobody has played")),
            Some(number) if *number < next => finding.wrong(format!("frame {number} is heard again, or late")),
            Some(number) => (next, heard) = (number + 1, heard + 1),
        }
    }
    finding.missing = u64::from(FRAMES - heard);
    finding.works = next > FRAMES - FRAMES / 10;
}
