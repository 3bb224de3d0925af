//! A mouse that is moved, clicked and turned, and a pointer that must come to the same place.

use std::time::Duration;

use model_psmouse::{Config, PsMouseHandle, PsMousePort, Settings, Variant};
use psmouse::PsMouse;
use udrv::clock::Clock;
use udrv::device::Opened;
use udrv::input::InputDevice;
use udrv::run::DeviceError;
use udrv_driver::{Buttons, Entry};
use udrv_tests::input_rig::{self, Way};
use udrv_tests::screen::Screen;

use super::{call, look, options};
use crate::finding::Finding;

/// Pieces of the way.
const LEGS: u32 = 8;
/// A byte on the line takes that long.
const STEP: Duration = Duration::from_millis(1);
/// After so many of them what is done from time to time is done.
const TICK: u32 = 50;
/// Steps until hand and mouse are at rest.
const MOST: u32 = 4000;
/// Entry points that are called between the pieces.
const CALLED: [Entry; 8] = [
    Entry::Poll,
    Entry::SetRate,
    Entry::SetResolution,
    Entry::SetScaling,
    Entry::Disable,
    Entry::Enable,
    Entry::Restore,
    Entry::Reconnect,
];

struct Hand<'a> {
    device: InputDevice<PsMouse>,
    bench: &'a PsMouseHandle,
    clock: Clock,
    steps: u32,
}

pub(super) fn mouse(protected: bool, finding: &mut Finding) -> Result<(), DeviceError> {
    fgft::init()?;
    let variant = Variant::Explorer;
    let (options, clock) = options(input_rig::options(), protected);
    let config = Config { clock: model_psmouse::Clock::Manual, ..Config::of(variant) };
    let (port, bench) = PsMousePort::new("model:psmouse", config);
    let screen = Screen::default();
    let opened = Opened::Serio { port: Box::new(port), reopen: None };
    let device = InputDevice::start(opened, Box::new(screen.clone()), options)?;
    let mut hand = Hand { device, bench: &bench, clock, steps: 0 };
    let mut way = Way::default();
    let moved = hand.moves(&mut way, variant);
    judge(&way, &screen, finding);
    let looked = look(&mut hand.device, finding);
    // its registers are questions: what was set is asked of the mouse itself
    let Settings { id, rate, resolution, doubled, enabled, .. } = bench.settings();
    let set = [
        ("id", id),
        ("rate", rate),
        ("resolution", resolution),
        ("doubled", doubled.into()),
        ("enabled", enabled.into()),
    ];
    finding.registers.extend(set.map(|(name, value)| (name.to_owned(), u32::from(value))));
    moved.and(looked)?;
    let last = Way::seen(&screen).at;
    bench.play(way.leg(LEGS, variant));
    hand.rest()?;
    finding.works = Way::seen(&screen).at != last;
    hand.device.shut_down()
}

impl Hand<'_> {
    fn moves(&mut self, way: &mut Way, variant: Variant) -> Result<(), DeviceError> {
        for leg in 0..LEGS {
            self.bench.play(way.leg(leg, variant));
            self.rest()?;
            call(&mut self.device, CALLED[leg as usize])?;
            self.rest()?;
        }
        Ok(())
    }

    /// Until hand and mouse are at rest.
    fn rest(&mut self) -> Result<(), DeviceError> {
        for _ in 0..MOST {
            if self.bench.is_at_rest() {
                self.device.tick()?;
                self.device.serve_interrupt()?;
                if self.bench.is_at_rest() && !self.device.is_called() {
                    return Ok(());
                }
            }
            self.bench.advance(STEP);
            self.clock.turn(STEP);
            self.steps += 1;
            if self.device.is_called() {
                self.device.serve_interrupt()?;
            }
            if self.steps.is_multiple_of(TICK) {
                self.device.tick()?;
            }
        }
        Ok(())
    }
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
