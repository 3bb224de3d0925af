//! The model behind the framework's controller, and what is asked of a mouse again and again.

use std::time::Duration;

use model_psmouse::{Action, Clock, Config, PsMouseHandle, PsMousePort, Script, Settings, Variant};
use psmouse::{PsMouse, State, regs};
use udrv::device::{Device as Controller, Opened};
use udrv_bus::{BusError, Width};
use udrv_driver::{Buttons, Cx, Driver, Error, InputDriver, InputEvents, InputInterrupt, Report};
use udrv_driver_tests::{Bus, Device};

/// All variants.
pub(crate) const VARIANTS: [Variant; 4] = [Variant::Ps2, Variant::IntelliMouse, Variant::Explorer, Variant::Synaptics];

pub(crate) type Fake = udrv_driver_tests::Fake<Mouse>;

/// A mouse at a controller, with a clock that is turned by hand.
pub(crate) struct Mouse {
    controller: Box<dyn Controller>,
    pub(crate) bench: PsMouseHandle,
    pub(crate) bus: Bus,
    failure: Option<Error>,
}

impl Mouse {
    fn of(variant: Variant) -> Mouse {
        let config = Config { clock: Clock::Manual, ..Config::of(variant) };
        let (port, bench) = PsMousePort::new("model:psmouse", config);
        let opened = Opened::Serio { port: Box::new(port), reopen: None };
        let controller = opened.fit(PsMouse::BUS).expect("a port for it");
        Mouse { controller, bench, bus: Bus::default(), failure: None }
    }

    fn note<T: Default>(&mut self, result: Result<T, BusError>) -> T {
        result.unwrap_or_else(|error| {
            self.failure = Some(if matches!(error, BusError::Gone { .. }) { Error::Gone } else { Error::Bus });
            T::default()
        })
    }

    /// Sends a command past the driver.
    pub(crate) fn command(&mut self, value: u32) {
        self.controller.write(regs::COMMAND.offset().into(), Width::U32, value).expect("a command that it knows");
    }
}

impl Device for Mouse {
    type Driver = PsMouse;

    fn new() -> Mouse {
        Mouse::of(Variant::Explorer)
    }

    fn bus(&mut self) -> &mut Bus {
        &mut self.bus
    }

    fn read(&mut self, offset: u16, _width: u8) -> u32 {
        let result = self.controller.read(offset.into(), Width::U32);
        self.note(result)
    }

    fn write(&mut self, offset: u16, _width: u8, value: u32) {
        let result = self.controller.write(offset.into(), Width::U32, value);
        self.note(result);
    }

    fn peek(&self, offset: u16, _width: u8) -> u32 {
        panic!("{offset:#x} cannot be looked at")
    }

    fn poke(&mut self, offset: u16, _width: u8, _value: u32) {
        panic!("no cause is cleared by a one: {offset:#x}")
    }

    fn failure(&mut self) -> Option<Error> {
        self.failure.take()
    }
}

/// Plugged in.
pub(crate) fn plugged_in(variant: Variant) -> Fake {
    let mut fake = Fake::new();
    *fake.chip() = Mouse::of(variant);
    fake
}

/// Probed.
pub(crate) fn probed(variant: Variant) -> Fake {
    let mut fake = plugged_in(variant);
    assert_eq!(fake.call(PsMouse::probe), Ok(()));
    fake
}

/// Probed, and it reports.
pub(crate) fn enabled(variant: Variant) -> Fake {
    let mut fake = probed(variant);
    assert_eq!(fake.call(PsMouse::enable), Ok(()));
    fake
}

/// Bytes that the host has sent since it was made.
pub(crate) fn sent(fake: &mut Fake) -> u64 {
    bench(fake).counters().from_host
}

pub(crate) fn bench(fake: &mut Fake) -> PsMouseHandle {
    fake.chip().bench.clone()
}

/// How the mouse is set.
pub(crate) fn settings(fake: &mut Fake) -> Settings {
    bench(fake).settings()
}

/// Both versions of `interrupt`.
pub(crate) fn interrupts() -> [InputInterrupt<State>; 2] {
    [PsMouse::interrupt, PsMouse::ALTERNATES.interrupt.expect("a second interrupt")]
}

pub(crate) fn interrupt(fake: &mut Fake) -> Result<InputEvents, Error> {
    fake.call(|cx: &mut Cx<'_, State>| PsMouse::interrupt(cx))
}

/// As the class would: what has come is taken, and what is to be done is done. Says what was told.
pub(crate) fn serve(fake: &mut Fake, entry: InputInterrupt<State>) -> InputEvents {
    let mut told = InputEvents::NONE;
    loop {
        let events = fake.call(entry).expect("an interrupt");
        told = told | events;
        if events.has(InputEvents::NEW) {
            assert_eq!(fake.call(PsMouse::reconnect), Ok(()));
        }
        if events.has(InputEvents::NEW) || events.has(InputEvents::OUT_OF_STEP) {
            poll(fake);
        }
        if !events.has(InputEvents::MORE) {
            return told;
        }
    }
}

/// `poll`, and what the class does when it fails.
pub(crate) fn poll(fake: &mut Fake) {
    if fake.call(PsMouse::poll).is_err() {
        assert_eq!(fake.restore(), Ok(()));
        assert_eq!(fake.call(PsMouse::poll), Ok(()));
    }
}

/// Lets milliseconds pass, and leaves what comes at the port.
pub(crate) fn leave(fake: &mut Fake, milliseconds: u32) {
    let bench = bench(fake);
    (0..milliseconds).for_each(|_| bench.advance(Duration::from_millis(1)));
}

/// Lets milliseconds pass, and serves the mouse at each.
pub(crate) fn pass(fake: &mut Fake, milliseconds: u32, entry: InputInterrupt<State>) -> InputEvents {
    let bench = bench(fake);
    (0..milliseconds).fold(InputEvents::NONE, |told, _| {
        bench.advance(Duration::from_millis(1));
        told | serve(fake, entry)
    })
}

/// The hand follows a script, with the mouse served all the while, and then rests. Gives the reports.
pub(crate) fn play(fake: &mut Fake, script: Script, entry: InputInterrupt<State>) -> Vec<Report> {
    let before = fake.border().reports.len();
    let length = script.length().as_millis() as u32;
    bench(fake).play(script);
    // a packet is at most 100 ms and some bytes late
    pass(fake, length + 120, entry);
    fake.border().reports[before..].to_vec()
}

/// Movement and clicks of some reports together: right, down, away.
pub(crate) fn sum(reports: &[Report]) -> (i32, i32, i32) {
    reports.iter().fold((0, 0, 0), |(x, y, wheel), report| {
        (x + i32::from(report.x), y + i32::from(report.y), wheel + i32::from(report.wheel))
    })
}

/// Buttons as they were told last.
pub(crate) fn buttons(fake: &mut Fake) -> Buttons {
    fake.border().reports.last().map_or(Buttons::NONE, |report| report.buttons)
}

/// Whatever it was: it is set to its finest and reports, and a movement that comes is told exactly.
pub(crate) fn assert_works(fake: &mut Fake) {
    assert_eq!(fake.call(|cx| PsMouse::set_resolution(cx, 200)), Ok(200));
    assert_eq!(fake.call(|cx| PsMouse::set_scaling(cx, false)), Ok(()));
    assert_eq!(fake.call(|cx| PsMouse::set_rate(cx, 100)), Ok(100));
    assert_eq!(fake.call(PsMouse::enable), Ok(()));
    for entry in interrupts() {
        assert_eq!(fake.call(PsMouse::poll), Ok(()));
        pass(fake, 30, entry);
        let script = Script::new().glide(300, -200, Duration::from_millis(200));
        let reports = play(fake, script, entry);
        assert_eq!(sum(&reports), (300, 200, 0));
        bench(fake).act(Action::Press(model_psmouse::Button::Left));
        pass(fake, 30, entry);
        assert_eq!(buttons(fake), Buttons::LEFT);
        bench(fake).act(Action::Release(model_psmouse::Button::Left));
        pass(fake, 30, entry);
        assert_eq!(buttons(fake), Buttons::NONE);
    }
}
