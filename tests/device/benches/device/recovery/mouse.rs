//! The mouse, and a hand that moves it. Its time is turned by hand: what a byte takes on the line is told, and not waited for.

use std::time::Duration;

use model_psmouse::{Action, Clock, Config, PsMouseHandle, PsMousePort};
use psmouse::PsMouse;
use udrv::device::Opened;
use udrv::input::{Input, InputDevice};
use udrv::run::{Options, Running};
use udrv_driver::Entry;
use udrv_tests::screen::Screen;

use super::{Bus, Rig, Spent};

/// Time passes by this: a byte on the line.
const STEP: Duration = Duration::from_millis(1);
/// What it may take, in its time, until nothing is on the line.
const PATIENCE: u32 = 20_000;

pub(super) struct Mouse {
    device: InputDevice<PsMouse>,
    bench: PsMouseHandle,
    screen: Screen,
    clock: udrv::clock::Clock,
}

impl Mouse {
    /// Moves the hand, until that has been reported.
    fn moved(&mut self) {
        let before = self.screen.picture().at;
        self.bench.act(Action::Move { right: 8, away: 0 });
        for _ in 0..PATIENCE {
            if self.bench.is_at_rest() && !self.device.is_called() && self.screen.picture().at != before {
                return;
            }
            self.bench.advance(STEP);
            self.clock.turn(STEP);
            if self.device.is_called() {
                self.device.serve_interrupt().expect("it goes on");
            }
        }
        panic!("the movement is not reported: {:?}", self.bench.counters());
    }
}

impl Rig for Mouse {
    type Class = Input<PsMouse>;
    const NAME: &'static str = "psmouse";
    const DATA: &'static [Entry] = &[Entry::Interrupt];

    /// The bus takes no processor time either way.
    fn new(options: Options, _: Bus) -> Mouse {
        let (port, bench) = PsMousePort::new("model:psmouse", Config { clock: Clock::Manual, ..Config::default() });
        let (screen, clock) = (Screen::default(), udrv::clock::Clock::by_hand());
        let opened = Opened::Serio { port: Box::new(port), reopen: None };
        let options = Options { clock: clock.clone(), ..options };
        let device = InputDevice::start(opened, Box::new(screen.clone()), options).expect("the device starts");
        Mouse { device, bench, screen, clock }
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
        Spent { reads: counters.to_host, writes: counters.from_host, slow: 0, line: self.bench.now() }
    }
}
