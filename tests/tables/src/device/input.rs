//! A hand that moves a mouse, clicks and turns its wheel, on a clock that is turned by hand, and a pointer that must come to the same place.

use std::time::Duration;

use model_psmouse::Variant;
use udrv::run::{Answer, Command, DeviceError, Memory, Options};
use udrv_driver::Entry;
use udrv_tests::input_rig::{self, MouseHand, Way};

use super::{Device, Work};

/// Of the mouse.
const VARIANT: Variant = Variant::Explorer;
/// What it may take until hand and mouse are at rest, of their time.
const PATIENCE: Duration = Duration::from_secs(4);

/// Ways that it is moved.
const LEGS: u32 = 10_000;

/// A mouse that is moved.
pub(crate) struct Mouse {
    /// See there.
    pub(crate) hand: MouseHand,
    leg: u32,
}

impl Mouse {
    /// How it is run here.
    pub(crate) fn options() -> Options {
        Options { deadline: Options::default().deadline, ..input_rig::options() }
    }

    /// Starts one.
    pub(crate) fn start(options: Options) -> Result<Mouse, DeviceError> {
        Ok(Mouse { hand: MouseHand::try_new(options, VARIANT, |_| {})?, leg: 0 })
    }
}

impl Device for Mouse {
    fn entries(&self) -> &'static [Entry] {
        &Entry::INPUT
    }

    fn by_work(&self) -> &'static [Entry] {
        &[Entry::Interrupt]
    }

    fn ask(&mut self, command: Command) -> Result<Answer, DeviceError> {
        self.hand.device.handle(command)
    }

    fn work(&mut self, work: &mut Work) -> Result<(), DeviceError> {
        drop(self.hand.screen.frames());
        let before = self.hand.screen.picture();
        let mut way = Way { at: before.at, clicks: before.turned.0, pressed: Vec::new() };
        self.hand.bench.play(way.leg(self.leg, VARIANT));
        self.leg = (self.leg + 1) % LEGS;
        let at_rest = self.hand.try_rest(PATIENCE)?;
        let seen = Way::seen(&self.hand.screen);
        if at_rest && seen == way {
            work.units += 1;
            return Ok(());
        }
        if self.hand.screen.down().0 != 0 {
            work.wrong(|| "a button stays down".to_owned());
        } else if seen.pressed.len() > way.pressed.len() {
            work.wrong(|| "a button was pressed that nobody has pressed".to_owned());
        } else {
            work.missing += 1;
        }
        Ok(())
    }

    fn memory(&self) -> Memory {
        self.hand.device.memory_use()
    }
}
