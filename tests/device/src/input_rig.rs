//! The driver of PS/2 mice on the model, between a hand and a screen.
//!
//! ```text
//!   Screen ==InputEndpoint== InputDevice<PsMouse> ==SerioPort== PsMousePort <── the hand
//! ```
//!
//! [`MouseHand`] is turned by hand: time is what the test says, and what a command takes. [`MouseRig`] runs on a thread of its own,
//! as in udrvd, with a mouse that is quicker than real ones.

use std::ops::Deref;
use std::time::Duration;

use model_psmouse::{Action, Button, Config, PsMouseHandle, PsMousePort, Script, Variant};
use psmouse::PsMouse;
use udrv::clock::Clock;
use udrv::device::Opened;
use udrv::input::{InputDevice, InputOptions, InputStatus};
use udrv::run::{Answer, Command, DeviceError, Options, Status};
use udrv_driver::{Buttons, Entry, InjectedFault, Injection, Point};

use crate::rig::{Turn, patient, quick, turn};
use crate::running::Running;
use crate::screen::Screen;

/// Time that passes at once: a byte on the line.
const STEP: Duration = Duration::from_millis(1);
/// After so many of them what is done from time to time is done.
const TICK: u32 = 50;

/// Options for tests of mice: [`quick`], a clock that is turned by hand, and the finest resolution: an eighth of a millimetre is a
/// count.
#[must_use]
pub fn options() -> Options {
    let input = InputOptions { resolution: Some(200), ..InputOptions::default() };
    Options { clock: Clock::by_hand(), input, ..quick() }
}

/// See the module's text.
pub struct MouseHand {
    /// The device.
    pub device: InputDevice<PsMouse>,
    /// The mouse, and the hand on it.
    pub bench: PsMouseHandle,
    /// The application.
    pub screen: Screen,
    clock: Clock,
    steps: u32,
    _turn: Turn,
}

impl MouseHand {
    /// Starts one.
    ///
    /// # Errors
    /// When it does not start.
    pub fn try_new(
        options: Options,
        variant: Variant,
        trouble: impl FnOnce(&mut model_psmouse::Misbehave),
    ) -> Result<MouseHand, DeviceError> {
        let turn = turn();
        fgft::init()?;
        let config = Config { clock: model_psmouse::Clock::Manual, ..Config::of(variant) };
        let (port, bench) = PsMousePort::new("model:psmouse", config);
        bench.misbehave(trouble);
        let screen = Screen::default();
        let options = patient(options);
        let clock = options.clock.clone();
        let opened = Opened::Serio { port: Box::new(port), reopen: None };
        let device = InputDevice::start(opened, Box::new(screen.clone()), options)?;
        Ok(MouseHand { device, bench, screen, clock, steps: 0, _turn: turn })
    }

    /// One with a mouse of this kind.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn new(variant: Variant) -> MouseHand {
        Self::try_new(options(), variant, |_| {}).expect("the device starts")
    }

    /// Lets time pass, and the device be served as udrvd does it.
    ///
    /// # Panics
    /// When the device was given up.
    pub fn pass(&mut self, time: Duration) {
        let steps = time.as_millis() / STEP.as_millis();
        (0..steps).for_each(|_| self.step().expect("goes on"));
    }

    fn step(&mut self) -> Result<(), DeviceError> {
        self.bench.advance(STEP);
        self.clock.turn(STEP);
        self.steps += 1;
        // by its own word, or because somebody was asked
        if self.device.is_called() {
            self.device.serve_interrupt()?;
        }
        if self.steps.is_multiple_of(TICK) {
            self.device.tick()?;
        }
        Ok(())
    }

    /// Until hand and mouse are at rest and all of it has been served.
    ///
    /// # Panics
    /// When that does not come within some seconds of their time, or the device was given up.
    pub fn rest(&mut self) {
        if !self.try_rest(Duration::from_secs(20)).expect("goes on") {
            panic!("it does not come to rest: {:?}", self.bench.counters());
        }
    }

    /// The same. False: it does not come to rest within `patience` of its time.
    ///
    /// # Errors
    /// When the device was given up.
    pub fn try_rest(&mut self, patience: Duration) -> Result<bool, DeviceError> {
        for _ in 0..patience.as_millis() / STEP.as_millis() {
            if self.bench.is_at_rest() {
                // and what a look would bring
                self.device.tick()?;
                self.device.serve_interrupt()?;
                if self.bench.is_at_rest() && !self.device.is_called() {
                    return Ok(true);
                }
            }
            self.step()?;
        }
        Ok(false)
    }

    /// Asks.
    ///
    /// # Panics
    /// When the device was given up.
    pub fn ask(&mut self, command: Command) -> Answer {
        self.device.handle(command).expect("goes on")
    }

    /// How it is.
    ///
    /// # Panics
    /// When the device was given up.
    pub fn status(&mut self) -> Status {
        match self.ask(Command::Status) {
            Answer::Status(status) => *status,
            other => panic!("{other:?}"),
        }
    }

    /// What the class has to say.
    pub fn input(&mut self) -> InputStatus {
        self.status().input().clone()
    }

    /// Arms a fault.
    pub fn arm(&mut self, entry: Entry, fault: InjectedFault, point: Point) {
        assert!(matches!(
            self.ask(Command::Inject { entry, injection: Injection { fault, point }, times: 1 }),
            Answer::Done
        ));
    }

    /// Calls an entry point.
    pub fn call(&mut self, entry: Entry) {
        let answer = self.ask(Command::Call(entry));
        assert!(matches!(answer, Answer::Done), "{entry}: {answer:?}");
    }

    /// Bytes that the mouse was sent.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.bench.counters().from_host
    }
}

/// See the module's text.
pub struct MouseRig {
    /// The mouse, and the hand on it.
    pub bench: PsMouseHandle,
    /// The application.
    pub screen: Screen,
    running: Running,
    _turn: Turn,
}

impl Deref for MouseRig {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.running
    }
}

impl MouseRig {
    /// Starts one.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn new(variant: Variant) -> MouseRig {
        let turn = turn();
        fgft::init().expect("the engine starts");
        let quick_byte = Duration::from_micros(200);
        let config =
            Config { byte: quick_byte, think: quick_byte, self_test: Duration::from_millis(20), ..Config::of(variant) };
        let (port, bench) = PsMousePort::new("model:psmouse", config);
        let screen = Screen::default();
        let options = patient(Options { clock: Clock::default(), ..options() });
        let opened = Opened::Serio { port: Box::new(port), reopen: None };
        let device = InputDevice::<PsMouse>::start(opened, Box::new(screen.clone()), options);
        let running = Running::new(device.expect("the device starts")).expect("commands");
        MouseRig { bench, screen, running, _turn: turn }
    }

    /// What the class has to say.
    #[must_use]
    pub fn input(&self) -> InputStatus {
        self.status().input().clone()
    }

    /// Stops it and gives what `run` gave.
    ///
    /// # Errors
    /// As `run`.
    pub fn stop(self) -> (Result<(), DeviceError>, Screen) {
        (self.running.stop(), self.screen)
    }
}

/// What a hand has done, and so what is to be seen of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Way {
    /// Where it is: to the right, towards the user, eighths of a millimetre.
    pub at: (i64, i64),
    /// Clicks of the wheel, away from the user.
    pub clicks: i64,
    /// Buttons that went down (true) and up, in order.
    pub pressed: Vec<(Button, bool)>,
}

/// How long a [`Way::leg`] takes.
pub const LEG: Duration = Duration::from_millis(240);

impl Way {
    /// The next piece of it: a hand that moves all the time, with a button held for a part of it and the wheel turned. `number`
    /// chooses which; a mouse of this kind has both.
    pub fn leg(&mut self, number: u32, variant: Variant) -> Script {
        let buttons = if variant == Variant::Explorer { &Button::ALL[..] } else { &Button::ALL[..3] };
        let button = buttons[number as usize % buttons.len()];
        let (right, away) = ((number * 37 % 241) as i32 - 120, (number * 53 % 199) as i32 - 99);
        let clicks =
            if matches!(variant, Variant::Explorer | Variant::IntelliMouse) { (number % 5) as i32 - 2 } else { 0 };
        self.at.0 += 2 * i64::from(right);
        self.at.1 -= 2 * i64::from(away);
        self.clicks += i64::from(clicks);
        self.pressed.extend([(button, true), (button, false)]);
        let part = LEG / 2;
        Script::new()
            .then(Action::Press(button))
            .glide(right, away, part)
            .then(Action::Turn(clicks))
            .then(Action::Release(button))
            .glide(right, away, part)
    }

    /// What a screen shows, in the same words.
    #[must_use]
    pub fn seen(screen: &Screen) -> Way {
        let picture = screen.picture();
        let mut pressed = Vec::new();
        for frame in &picture.frames {
            for (button, bit) in Button::ALL.into_iter().zip(0..) {
                let bit = Buttons(1 << bit);
                pressed.extend(frame.press.has(bit).then_some((button, true)));
                pressed.extend(frame.release.has(bit).then_some((button, false)));
            }
        }
        Way { at: picture.at, clicks: picture.turned.0, pressed }
    }
}
