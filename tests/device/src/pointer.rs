//! A small input driver for a card of plain registers, and what it does wrong by habit: the same again and again, until it is
//! told to stop. For what the input class does about a device and a driver in trouble.
//!
//! A report is three bytes: [`SYNC`] and the buttons, to the right, down. [`RESET`] where a report begins is a device that was reset.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use udrv::clock::Clock;
use udrv::input::{InputDevice, InputStatus};
use udrv::run::{Answer, Command, DeviceError, Options, Status};
use udrv_driver::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use udrv_driver::{
    Bus, Buttons, Cx, Driver, Entry, Error, InjectedFault, Injection, InputAlternates, InputDriver, InputEvents,
    InputSet, InputVariant, Kind, Point, Reg, RegisterInfo, Report,
};

use crate::bare::{BareCard, Door, ID};
use crate::screen::Screen;

/// Things that it does wrong, as bits.
pub mod habit {
    /// `interrupt` panics with the last byte of a report.
    pub const INTERRUPT_PANICS: u32 = 1 << 0;
    /// The second version of it too.
    pub const SECOND_INTERRUPT_PANICS: u32 = 1 << 1;
    /// `reconnect` panics.
    pub const RECONNECT_PANICS: u32 = 1 << 2;
    /// `interrupt` reports buttons and a wheel that the device has not.
    pub const BOASTS: u32 = 1 << 3;
    /// `interrupt` says that something has come, whatever has.
    pub const INVENTS: u32 = 1 << 4;
}

static HABITS: AtomicU32 = AtomicU32::new(0);

fn has(habit: u32) -> bool {
    HABITS.load(Relaxed) & habit != 0
}

/// In the first byte of a report.
pub const SYNC: u8 = 0x80;
/// See the module's text.
pub const RESET: u8 = 0x7a;

/// What the device sends: a byte with [`VALID`], or 0.
pub const DATA: Reg<u32> = Reg::of(0, Kind::Fifo);
/// In [`DATA`].
pub const VALID: u32 = 1 << 31;
/// Reports a second.
pub const RATE: Reg<u32> = Reg::at(4);
/// Counts an inch.
pub const DPI: Reg<u32> = Reg::at(8);
/// 1: fast movements count double.
pub const DOUBLE: Reg<u32> = Reg::at(12);
/// What each entry point writes.
pub const COMMAND: Reg<u32> = Reg::of(16, Kind::Command);
/// Buttons that are down.
pub const NOW: Reg<u32> = Reg::of(20, Kind::ReadOnly);
/// Who is there, see [`who`], and above it the trouble that it makes.
pub const WHO: Reg<u32> = Reg::of(24, Kind::ReadOnly);

/// Values of [`COMMAND`].
#[allow(missing_docs, reason = "they are named after entry points")]
pub mod command {
    pub const PROBE: u32 = 1;
    pub const ENABLE: u32 = 2;
    pub const DISABLE: u32 = 3;
    pub const POLL: u32 = 4;
    pub const RECONNECT: u32 = 5;
    pub const RESTORE: u32 = 6;
    pub const QUIESCE: u32 = 7;
}

/// Values of [`WHO`].
pub mod who {
    /// Nobody answers.
    pub const NOBODY: u32 = 0;
    /// A mouse with three buttons.
    pub const MOUSE: u32 = 1;
    /// One with five buttons and a wheel.
    pub const BETTER: u32 = 2;
    /// Something else.
    pub const KEYBOARD: u32 = 3;
    /// Commands end in an error of the bus.
    pub const REFUSES: u32 = 1 << 8;
    /// So does reading what it sends.
    pub const MUTE: u32 = 1 << 9;
}

/// Its state.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "udrv_driver::zerocopy")]
#[repr(C)]
pub struct State {
    packet: [u8; 3],
    count: u8,
    who: u32,
    rate: u32,
    dpi: u32,
    double: u32,
    enabled: u32,
}

/// The driver.
#[derive(Debug)]
pub struct Pointer;

impl Driver for Pointer {
    const NAME: &'static str = "pointer";
    const IDS: &'static [(u16, u16)] = &[ID];
    const BUS: Bus = Bus::Pci { bars: &[0], pages: None };
    const REGISTERS: &'static [RegisterInfo] = &[
        RegisterInfo { name: "DATA", offset: 0, width: 4, kind: Kind::Fifo, count: 1 },
        RegisterInfo { name: "RATE", offset: 4, width: 4, kind: Kind::Config, count: 1 },
        RegisterInfo { name: "DPI", offset: 8, width: 4, kind: Kind::Config, count: 1 },
        RegisterInfo { name: "DOUBLE", offset: 12, width: 4, kind: Kind::Config, count: 1 },
        RegisterInfo { name: "COMMAND", offset: 16, width: 4, kind: Kind::Command, count: 1 },
        RegisterInfo { name: "NOW", offset: 20, width: 4, kind: Kind::ReadOnly, count: 1 },
        RegisterInfo { name: "WHO", offset: 24, width: 4, kind: Kind::ReadOnly, count: 1 },
    ];
    const STATE_VERSION: u32 = 1;
    type State = State;
    const NEW: State = State { packet: [0; 3], count: 0, who: 0, rate: 100, dpi: 200, double: 0, enabled: 0 };

    fn variant(state: &State) -> u32 {
        u32::from(state.who == who::BETTER)
    }

    fn check(state: &State) -> Result<(), &'static str> {
        udrv_driver::holds(state.count < 3, "a report is longer than it is")
    }

    fn quiesce(cx: &mut Cx<'_, State>) -> Result<(), Error> {
        cx.point(Point::Start);
        cx.point(Point::Middle);
        cx.regs.write(COMMAND, command::QUIESCE)?;
        cx.point(Point::End);
        Ok(())
    }

    fn restore(cx: &mut Cx<'_, State>) -> Result<(), Error> {
        cx.point(Point::Start);
        ask(cx, command::RESTORE)?;
        cx.point(Point::Middle);
        cx.state.count = 0;
        set_up(cx)?;
        cx.point(Point::End);
        Ok(())
    }
}

/// A command, which the device may refuse.
fn ask(cx: &mut Cx<'_, State>, command: u32) -> Result<u32, Error> {
    let who = cx.regs.read(WHO)?;
    if who & who::REFUSES != 0 {
        return Err(Error::Bus);
    }
    match who & 0xff {
        who::NOBODY => Err(Error::Gone),
        who::KEYBOARD => Err(Error::NotThisDevice),
        is => cx.regs.write(COMMAND, command).map(|()| is),
    }
}

fn set_up(cx: &mut Cx<'_, State>) -> Result<(), Error> {
    let State { rate, dpi, double, .. } = *cx.state;
    cx.regs.write(RATE, rate)?;
    cx.regs.write(DPI, dpi)?;
    cx.regs.write(DOUBLE, double)
}

/// Takes bytes; `spoilt` is asked before the last of a report.
fn take(cx: &mut Cx<'_, State>, spoilt: impl Fn()) -> Result<InputEvents, Error> {
    if cx.regs.read(WHO)? & who::MUTE != 0 {
        return Err(Error::Bus);
    }
    let mut events = InputEvents::NONE;
    loop {
        let data = cx.regs.read(DATA)?;
        if data & VALID == 0 {
            return Ok(events);
        }
        events = events | InputEvents::DATA;
        let byte = data as u8;
        match (cx.state.count, byte) {
            (0, RESET) => return Ok(events | InputEvents::NEW),
            (0, byte) if byte & SYNC == 0 => {
                cx.input.dropped(1)?;
                return Ok(events | InputEvents::OUT_OF_STEP);
            }
            (count, byte) => cx.state.packet[usize::from(count % 3)] = byte,
        }
        cx.state.count += 1;
        if cx.state.count == 3 {
            spoilt();
            cx.point(Point::Middle);
            cx.state.count = 0;
            let [first, x, y] = cx.state.packet;
            let (buttons, wheel) =
                if has(habit::BOASTS) { (Buttons::ALL, 1) } else { (Buttons((first & 31).into()), 0) };
            cx.input.report(Report { buttons, x: (x as i8).into(), y: (y as i8).into(), wheel, pan: 0 })?;
        }
    }
}

fn second_interrupt(cx: &mut Cx<'_, State>) -> Result<InputEvents, Error> {
    take(cx, || assert!(!has(habit::SECOND_INTERRUPT_PANICS), "the second version, as always"))
}

impl InputDriver for Pointer {
    const ALTERNATES: InputAlternates<State> = InputAlternates { interrupt: Some(second_interrupt) };

    const VARIANTS: &'static [InputVariant] = &[
        InputVariant {
            name: "mouse",
            protocol: "bare",
            buttons: Buttons(Buttons::LEFT.0 | Buttons::RIGHT.0 | Buttons::MIDDLE.0),
            wheel: false,
            pan: false,
        },
        InputVariant { name: "better mouse", protocol: "bare", buttons: Buttons::ALL, wheel: true, pan: false },
    ];
    const RATES: &'static [u32] = &[20, 40, 60, 80, 100, 120, 140, 160, 180, 200];
    const RESOLUTIONS: &'static [u32] = &[25, 50, 75, 100, 125, 150, 175, 200];

    fn set(state: &State) -> InputSet {
        InputSet { rate: state.rate, resolution: state.dpi, double: state.double != 0, enabled: state.enabled != 0 }
    }

    fn probe(cx: &mut Cx<'_, State>) -> Result<(), Error> {
        cx.point(Point::Start);
        let who = ask(cx, command::PROBE)?;
        cx.point(Point::Middle);
        *cx.state = State { who, ..Self::NEW };
        set_up(cx)?;
        cx.point(Point::End);
        Ok(())
    }

    fn enable(cx: &mut Cx<'_, State>) -> Result<(), Error> {
        cx.point(Point::Start);
        cx.state.enabled = 1;
        cx.point(Point::Middle);
        ask(cx, command::ENABLE)?;
        cx.point(Point::End);
        Ok(())
    }

    fn disable(cx: &mut Cx<'_, State>) -> Result<(), Error> {
        cx.point(Point::Start);
        cx.state.enabled = 0;
        cx.point(Point::Middle);
        ask(cx, command::DISABLE)?;
        cx.point(Point::End);
        Ok(())
    }

    fn interrupt(cx: &mut Cx<'_, State>) -> Result<InputEvents, Error> {
        cx.point(Point::Start);
        let taken = take(cx, || assert!(!has(habit::INTERRUPT_PANICS), "interrupt, as always"));
        cx.point(Point::End);
        if has(habit::INVENTS) { taken.map(|events| events | InputEvents::DATA) } else { taken }
    }

    fn poll(cx: &mut Cx<'_, State>) -> Result<(), Error> {
        cx.point(Point::Start);
        ask(cx, command::POLL)?;
        cx.point(Point::Middle);
        cx.state.count = 0;
        let buttons = Buttons(cx.regs.read(NOW)?);
        cx.input.report(Report { buttons, ..Report::default() })?;
        cx.point(Point::End);
        Ok(())
    }

    fn set_rate(cx: &mut Cx<'_, State>, rate: u32) -> Result<u32, Error> {
        cx.point(Point::Start);
        let rate = rate.next_multiple_of(20).min(200);
        cx.regs.write(RATE, rate)?;
        cx.point(Point::Middle);
        if cx.regs.read(WHO)? & who::REFUSES != 0 {
            return Err(Error::Bus);
        }
        cx.state.rate = rate;
        cx.point(Point::End);
        Ok(rate)
    }

    fn set_resolution(cx: &mut Cx<'_, State>, dpi: u32) -> Result<u32, Error> {
        cx.point(Point::Start);
        cx.state.dpi = dpi.next_multiple_of(25);
        cx.point(Point::Middle);
        cx.regs.write(DPI, cx.state.dpi)?;
        cx.point(Point::End);
        Ok(cx.state.dpi)
    }

    fn set_scaling(cx: &mut Cx<'_, State>, double: bool) -> Result<(), Error> {
        cx.point(Point::Start);
        cx.state.double = double.into();
        cx.point(Point::Middle);
        cx.regs.write(DOUBLE, cx.state.double)?;
        cx.point(Point::End);
        Ok(())
    }

    fn reconnect(cx: &mut Cx<'_, State>) -> Result<(), Error> {
        cx.point(Point::Start);
        assert!(!has(habit::RECONNECT_PANICS), "reconnect, as always");
        let who = ask(cx, command::RECONNECT)?;
        cx.point(Point::Middle);
        (cx.state.who, cx.state.count) = (who, 0);
        set_up(cx)?;
        cx.point(Point::End);
        Ok(())
    }
}

/// A device with this driver, and what is around it.
pub struct Rig {
    /// The device, turned by hand. `None` when it is over.
    pub device: Option<InputDevice<Pointer>>,
    /// The application.
    pub screen: Screen,
    /// The card's back door.
    pub door: Door,
    clock: Clock,
    _turn: MutexGuard<'static, ()>,
}

impl Rig {
    /// Starts one without habits, at whoever is there. One at a time: what it does is told through statics.
    ///
    /// # Errors
    /// When it does not start.
    pub fn try_new(options: Options, screen: Screen, is: u32) -> Result<Rig, DeviceError> {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        HABITS.store(0, Relaxed);
        fgft::init()?;
        let (card, door) = BareCard::new(Pointer::REGISTERS);
        door.inside().values[usize::from(WHO.offset())] = is;
        let options = Options { clock: Clock::by_hand(), ..crate::rig::patient(options) };
        let clock = options.clock.clone();
        let device = InputDevice::start(Box::new(card), Box::new(screen.clone()), options)?;
        Ok(Rig { device: Some(device), screen, door, clock, _turn: turn })
    }

    /// The usual one, with a mouse.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn new(options: Options) -> Rig {
        Rig::try_new(options, Screen::default(), who::MOUSE).expect("the device starts")
    }

    /// The device.
    ///
    /// # Panics
    /// When it is over.
    pub fn device(&mut self) -> &mut InputDevice<Pointer> {
        self.device.as_mut().expect("it runs")
    }

    /// From now on it has these habits.
    pub fn habits(&self, habits: u32) {
        HABITS.store(habits, Relaxed);
    }

    /// From now on this is there.
    pub fn plug_in(&self, is: u32) {
        self.door.inside().values[usize::from(WHO.offset())] = is;
    }

    /// From now on these buttons are down, as the device tells who asks.
    pub fn hold(&self, buttons: Buttons) {
        self.door.inside().values[usize::from(NOW.offset())] = buttons.0;
    }

    /// The device sends bytes, and is served until that brings nothing.
    ///
    /// # Errors
    /// When the device ends.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), DeviceError> {
        self.door.inside().queue.extend(bytes.iter().map(|byte| VALID | u32::from(*byte)));
        self.serve()
    }

    /// The device reports.
    ///
    /// # Errors
    /// When the device ends.
    pub fn report(&mut self, buttons: Buttons, x: i8, y: i8) -> Result<(), DeviceError> {
        self.hold(buttons);
        self.send(&[SYNC | buttons.0 as u8, x as u8, y as u8])
    }

    /// Serves it a few times, as udrvd would.
    ///
    /// # Errors
    /// When the device ends.
    pub fn serve(&mut self) -> Result<(), DeviceError> {
        (0..4).try_for_each(|_| self.device().serve_interrupt())
    }

    /// Lets time pass, and has done what is done from time to time.
    ///
    /// # Errors
    /// When the device ends.
    pub fn wait(&mut self, time: Duration) -> Result<(), DeviceError> {
        self.clock.turn(time);
        self.device().tick()
    }

    /// Carries a command out.
    ///
    /// # Errors
    /// When the device ends.
    pub fn tell(&mut self, command: Command) -> Result<Answer, DeviceError> {
        self.device().handle(command)
    }

    /// Arms a fault in an entry point.
    ///
    /// # Panics
    /// When that is refused.
    pub fn arm(&mut self, entry: Entry, fault: InjectedFault, point: Point) {
        let inject = Command::Inject { entry, injection: Injection { fault, point }, times: 1 };
        let answer = self.tell(inject).expect("it goes on");
        assert!(matches!(answer, Answer::Done), "{answer:?}");
    }

    /// Its state.
    ///
    /// # Panics
    /// When there is no such answer.
    pub fn status(&mut self) -> Status {
        match self.tell(Command::Status) {
            Ok(Answer::Status(status)) => *status,
            other => panic!("{other:?}"),
        }
    }

    /// What the class has to say.
    pub fn input(&mut self) -> InputStatus {
        self.status().input().clone()
    }

    /// Values written to the command register since the last time, in order.
    #[must_use]
    pub fn commands(&self) -> Vec<u32> {
        std::mem::take(&mut self.door.inside().commands).into_iter().map(|(_, value)| value).collect()
    }

    /// What is in a register of the device.
    #[must_use]
    pub fn register(&self, register: Reg<u32>) -> u32 {
        self.door.inside().values[usize::from(register.offset())]
    }
}
