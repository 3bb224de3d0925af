//! Numbered frames to the converter, and a mixer.

use std::collections::HashMap;
use std::time::Duration;

use ens1371::Ens1371;
use model_ens1371::{Config, Ens1371Model, Jacks, Samples, Tape};
use udrv::clock::Clock;
use udrv::endpoint::sound::Wish;
use udrv::run::DeviceError;
use udrv::sound::SoundDevice;
use udrv_driver::Entry;
use udrv_tests::sound_rig::{self, DAC2, Desk, RATE, USUAL};

use super::{call, look, options};
use crate::finding::Finding;

/// Frames that are played: a second.
const FRAMES: u32 = RATE;
/// Served at once: 5 ms.
const STEP: u64 = RATE as u64 / 200;
/// Entry points that are called meanwhile. Playing calls the others.
const CALLED: [Entry; 5] = [Entry::GetControl, Entry::SetControl, Entry::Pointer, Entry::Restore, Entry::SetControl];

struct Player<'a> {
    device: SoundDevice<Ens1371>,
    bench: &'a model_ens1371::Ens1371Handle,
    clock: Clock,
}

pub(super) fn card(protected: bool, finding: &mut Finding) -> Result<(), DeviceError> {
    fgft::init()?;
    let (options, clock) = options(sound_rig::options(), protected);
    let (tape, desk) = (Tape::default(), Desk::default());
    let config = Config { clock: model_ens1371::Clock::Manual, ..Config::default() };
    let (model, bench) = Ens1371Model::new(config, Jacks::new(tape.clone(), Samples::default()));
    let device = SoundDevice::start(Box::new(model), Box::new(desk.clone()), options)?;
    let mut player = Player { device, bench: &bench, clock };
    let played = player.play(&desk);
    judge(&tape.take(), finding);
    finding.told = !desk.failed().is_empty();
    let looked = look(&mut player.device, finding);
    played.and(looked)?;
    player.device.shut_down()
}

impl Player<'_> {
    fn play(&mut self, desk: &Desk) -> Result<(), DeviceError> {
        desk.play(DAC2, &sound_rig::numbered(0, FRAMES));
        desk.wish(Wish::Start(DAC2, USUAL));
        self.serve()?;
        let parts = u64::from(FRAMES) / STEP;
        for part in 0..parts {
            self.pass()?;
            if part % 20 == 19 {
                call(&mut self.device, CALLED[(part / 20) as usize % CALLED.len()])?;
            }
        }
        desk.wish(Wish::Stop(DAC2));
        self.serve()?;
        (0..parts / 4).try_for_each(|_| self.pass())
    }

    fn pass(&mut self) -> Result<(), DeviceError> {
        self.bench.advance_clock(STEP);
        self.clock.turn(Duration::from_nanos(STEP * 1_000_000_000 / u64::from(RATE)));
        self.serve()
    }

    fn serve(&mut self) -> Result<(), DeviceError> {
        if self.device.is_called() {
            self.device.serve_interrupt()?;
        }
        self.device.tick()
    }
}

/// Frames are in order, and none is heard twice; the last tenth is heard: it works.
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
