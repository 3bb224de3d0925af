//! A mouse that is moved, clicked and turned, and a pointer that must come to the same place.

use std::time::Duration;

use model_psmouse::{Settings, Variant};
use psmouse::PsMouse;
use udrv::input::Input;
use udrv::run::DeviceError;
use udrv_driver::{Buttons, Entry};
use udrv_tests::input_rig::{self, MouseHand, Way};
use udrv_tests::screen::Screen;

use super::{call, called, look, options};
use crate::finding::Finding;

/// Of the mouse.
const VARIANT: Variant = Variant::Explorer;
/// Pieces of the way.
const LEGS: u32 = 10;
/// What it may take until hand and mouse are at rest.
const PATIENCE: Duration = Duration::from_secs(4);
/// Entry points that moving calls.
const BY_MOVING: [Entry; 1] = [Entry::Interrupt];

pub(super) fn mouse(protected: bool, finding: &mut Finding) -> Result<(), DeviceError> {
    let mut hand = MouseHand::try_new(options(input_rig::options(), protected), VARIANT, |_| {})?;
    let mut way = Way::default();
    let moved = moves(&mut hand, &mut way);
    judge(&way, &hand.screen, finding);
    let looked = look(&mut hand.device, finding);
    // its registers are questions: what was set is asked of the mouse itself
    let Settings { id, rate, resolution, doubled, enabled, .. } = hand.bench.settings();
    let set = [
        ("id", id),
        ("rate", rate),
        ("resolution", resolution),
        ("doubled", doubled.into()),
        ("enabled", enabled.into()),
    ];
    finding.registers.extend(set.map(|(name, value)| (name.to_owned(), u32::from(value))));
    moved.and(looked)?;
    let last = Way::seen(&hand.screen).at;
    hand.bench.play(way.leg(LEGS, VARIANT));
    hand.try_rest(PATIENCE)?;
    finding.works = Way::seen(&hand.screen).at != last;
    hand.device.shut_down()
}

fn moves(hand: &mut MouseHand, way: &mut Way) -> Result<(), DeviceError> {
    for leg in 0..LEGS {
        hand.bench.play(way.leg(leg, VARIANT));
        hand.try_rest(PATIENCE)?;
        call(&mut hand.device, called::<Input<PsMouse>>(&BY_MOVING, leg as usize))?;
        hand.try_rest(PATIENCE)?;
    }
    Ok(())
}

/// Buttons are as the hand has them, whatever happened; way and clicks may be missing where somebody was told of a fault.
fn judge(way: &Way, screen: &Screen, finding: &mut Finding) {
    let seen = Way::seen(screen);
    if screen.picture().down != Buttons(0) {
        finding.wrong("a button stays down".to_owned());
    }
    if seen.pressed.len() > way.pressed.len() {
        finding.wrong("a button was pressed that nobody has pressed".to_owned());
    }
    let differs = (seen.at != way.at) as u64 + (seen.clicks != way.clicks) as u64;
    finding.missing = differs + (way.pressed.len().saturating_sub(seen.pressed.len())) as u64;
}
