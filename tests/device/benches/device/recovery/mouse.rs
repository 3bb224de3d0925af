//! The mouse, and a hand that moves it.

use std::time::Duration;

use model_psmouse::{Action, Clock, Config, PsMouseHandle, PsMousePort};
use psmouse::PsMouse;
use udrv::device::Opened;
use udrv::input::{Input, InputDevice};
use udrv::run::{Options, Running};
use udrv_driver::Entry;
use udrv_tests::screen::Screen;

use super::{Bus, Rig, Spent};

/// Time passes by this where it is turned by hand: a byte on the line.
const STEP: Duration = Duration::from_millis(1);
/// What it may take until a movement is reported: far above a self test of 400 ms.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Mouse {
    device: InputDevice<PsMouse>,
    bench: PsMouseHandle,
    screen: Screen,
}

impl Mouse {
    /// Moves the hand until that is reported: a mouse that is reset forgets what it has seen.
    fn moved(&mut self) {
        let (place, start) = (self.screen.picture().at, self.bench.now());
        loop {
            let is_quiet = self.bench.is_at_rest() && !self.device.is_called();
            match self.screen.picture().at != place {
                true if is_quiet => return,
                false if is_quiet => self.bench.act(Action::Move { right: 8, away: 0 }),
                _ => {}
            }
            self.bench.advance(STEP);
            if self.device.is_called() {
                self.device.serve_interrupt().expect("it goes on");
            }
            let counters = || format!("{:?}", self.bench.settings());
            assert!(self.bench.now() - start < PATIENCE, "the movement is not reported: {}", counters());
        }
    }
}

impl Rig for Mouse {
    type Class = Input<PsMouse>;
    const NAME: &'static str = "psmouse";
    const DATA: &'static [Entry] = &[Entry::Interrupt];
    /// A probe takes half a second.
    const SHARE: usize = 5;

    /// A line that takes no time is one whose time is turned by hand.
    fn new(options: Options, bus: Bus) -> Mouse {
        let (line, clock) = match bus {
            Bus::Bare => (Clock::Manual, udrv::clock::Clock::by_hand()),
            Bus::Timed => (Clock::Real, udrv::clock::Clock::default()),
        };
        let (port, bench) = PsMousePort::new("model:psmouse", Config { clock: line, ..Config::default() });
        let screen = Screen::default();
        let opened = Opened::Serio { port: Box::new(port), reopen: None };
        // by hand, and nobody turns it: what is reported then is the processor's time
        let options = Options { clock, ..options };
        let device = InputDevice::start(opened, Box::new(screen.clone()), options).expect("the device starts");
        Mouse { device, bench, screen }
    }

    fn device(&mut self) -> &mut Running<Self::Class> {
        &mut self.device
    }

    fn work(&mut self, entry: Entry) {
        if entry != Entry::Interrupt {
            self.call(entry);
        }
        self.moved();
    }

    fn operation(&mut self) {
        self.moved();
    }

    fn spent(&self) -> Spent {
        let counters = self.bench.counters();
        Spent { reads: counters.to_host, writes: counters.from_host, slow: 0 }
    }
}
