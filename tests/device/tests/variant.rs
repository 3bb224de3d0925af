//! What a driver is asked beside its entry points ([`Driver::variant`], [`InputDriver::set`]) runs inside them: a fault there is a
//! fault of `probe`, in each of the classes, at the start and later.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use udrv::input::InputDevice;
use udrv::net::{NetDevice, NetOptions};
use udrv::report::FaultReport;
use udrv::run::{Answer, Class, Command, DeviceError, Options, Running, Status};
use udrv::sound::SoundDevice;
use udrv_driver::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use udrv_driver::{
    Bus, Buttons, Control, ControlValue, Cx, Direction, Driver, Error, Events, Features, Format, Identity,
    InjectedFault, InputDriver, InputEvents, InputSet, InputVariant, Kind, Link, MacAddress, NetDriver, Params, Rates,
    Reg, RegisterInfo, RingParam, RxMode, SampleRing, Settings, SoundDriver, SoundEvents, SoundVariant, Stats, Stream,
    StreamInfo, Trigger, TxFrame,
};
use udrv_tests::bare::{BareCard, ID};
use udrv_tests::host;
use udrv_tests::rig::{quick, turn};
use udrv_tests::screen::Screen;
use udrv_tests::sound_rig::Desk;

/// What the driver does when it is asked; it reads host memory, which is not forbidden.
static DOES: AtomicU32 = AtomicU32::new(NOTHING);
/// It does that until it was probed so many times.
static UNTIL: AtomicU32 = AtomicU32::new(0);
/// The variant that it finds.
static FINDS: AtomicU32 = AtomicU32::new(0);

/// Numbers up to here are faults that are injected.
const FAULTS: u32 = InjectedFault::ALL.len() as u32;
/// It says a number behind the table.
const POINTS_OUTSIDE: u32 = FAULTS;
const NOTHING: u32 = FAULTS + 1;

#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "udrv_driver::zerocopy")]
#[repr(C)]
struct State {
    /// Times that this device was probed: from 1 on.
    probed: u32,
}

/// Tells back what was written, and nothing undoes that.
const PROBED: Reg<u32> = Reg::of(0, Kind::Command);

/// A driver of all classes.
struct Chooser;

impl Driver for Chooser {
    const NAME: &'static str = "chooser";
    const IDS: &'static [(u16, u16)] = &[ID];
    const BUS: Bus = Bus::Pci { bars: &[0], pages: None };
    const REGISTERS: &'static [RegisterInfo] =
        &[RegisterInfo { name: "PROBED", offset: 0, width: 4, kind: Kind::Command, count: 1 }];
    const STATE_VERSION: u32 = 1;
    type State = State;
    const NEW: State = State { probed: 0 };

    fn variant(state: &State) -> u32 {
        if state.probed > UNTIL.load(Relaxed) {
            return FINDS.load(Relaxed);
        }
        match DOES.load(Relaxed) {
            NOTHING => FINDS.load(Relaxed),
            POINTS_OUTSIDE => 2,
            fault => {
                udrv_inject::fire(InjectedFault::ALL[fault as usize], 0);
                0
            }
        }
    }

    fn quiesce(_: &mut Cx<'_, State>) -> Result<(), Error> {
        Ok(())
    }

    fn restore(_: &mut Cx<'_, State>) -> Result<(), Error> {
        Ok(())
    }
}

fn probe(cx: &mut Cx<'_, State>) -> Result<(), Error> {
    cx.state.probed = cx.regs.read(PROBED)? + 1;
    cx.regs.write(PROBED, cx.state.probed)
}

impl NetDriver for Chooser {
    const FEATURES: Features = Features { max_mtu: 9000, ..Features::NONE };
    const VARIANTS: &'static [Features] = &[Features { max_mtu: 2000, ..Features::NONE }, Self::FEATURES];

    fn probe(cx: &mut Cx<'_, State>) -> Result<MacAddress, Error> {
        probe(cx).map(|()| MacAddress([2, 0, 0, 0, 0, 1]))
    }
    fn open(_: &mut Cx<'_, State>) -> Result<(), Error> {
        Ok(())
    }
    fn stop(_: &mut Cx<'_, State>) -> Result<(), Error> {
        Ok(())
    }
    fn transmit(_: &mut Cx<'_, State>, _: TxFrame) -> Result<(), Error> {
        Err(Error::Busy)
    }
    fn interrupt(_: &mut Cx<'_, State>) -> Result<Events, Error> {
        Ok(Events::NONE)
    }
    fn poll(_: &mut Cx<'_, State>, _: u32) -> Result<u32, Error> {
        Ok(0)
    }
    fn link(_: &mut Cx<'_, State>) -> Result<Link, Error> {
        Ok(Link { up: true, speed: 100, full_duplex: true })
    }
    fn set_mac(_: &mut Cx<'_, State>, _: MacAddress) -> Result<(), Error> {
        Ok(())
    }
    fn set_rx_mode(_: &mut Cx<'_, State>, _: RxMode) -> Result<(), Error> {
        Ok(())
    }
    fn configure(_: &mut Cx<'_, State>, _: Settings) -> Result<(), Error> {
        Ok(())
    }
    fn get_ringparam(_: &mut Cx<'_, State>) -> Result<RingParam, Error> {
        Ok(RingParam { rx: 1, tx: 1 })
    }
    fn get_stats(_: &mut Cx<'_, State>) -> Result<Stats, Error> {
        Ok(Stats::ZERO)
    }
    fn tx_timeout(_: &mut Cx<'_, State>) -> Result<(), Error> {
        Ok(())
    }
}

const STREAM: StreamInfo = StreamInfo {
    name: "DAC",
    direction: Direction::Playback,
    formats: &[Format::S16],
    channels: 2,
    rates: Rates::Range(8000, 48_000),
    period: (64, 1024),
    ring_bytes: 8192,
};

impl SoundDriver for Chooser {
    const VARIANTS: &'static [SoundVariant] = &[
        SoundVariant { streams: &[STREAM], controls: &[] },
        SoundVariant { streams: &[STREAM, StreamInfo { name: "second DAC", ..STREAM }], controls: &[] },
    ];

    fn probe(cx: &mut Cx<'_, State>, _: Identity) -> Result<(), Error> {
        probe(cx)
    }
    fn open(_: &mut Cx<'_, State>, _: Stream) -> Result<(), Error> {
        Ok(())
    }
    fn close(_: &mut Cx<'_, State>, _: Stream) -> Result<(), Error> {
        Ok(())
    }
    fn hw_params(_: &mut Cx<'_, State>, _: Stream, _: Params) -> Result<SampleRing, Error> {
        Err(Error::Unsupported)
    }
    fn prepare(_: &mut Cx<'_, State>, _: Stream) -> Result<(), Error> {
        Ok(())
    }
    fn trigger(_: &mut Cx<'_, State>, _: Stream, _: Trigger) -> Result<(), Error> {
        Ok(())
    }
    fn pointer(_: &mut Cx<'_, State>, _: Stream) -> Result<u32, Error> {
        Ok(0)
    }
    fn interrupt(_: &mut Cx<'_, State>) -> Result<SoundEvents, Error> {
        Ok(SoundEvents::NONE)
    }
    fn get_control(_: &mut Cx<'_, State>, _: Control) -> Result<ControlValue, Error> {
        Err(Error::Unsupported)
    }
    fn set_control(_: &mut Cx<'_, State>, _: Control, _: ControlValue) -> Result<(), Error> {
        Err(Error::Unsupported)
    }
}

impl InputDriver for Chooser {
    const VARIANTS: &'static [InputVariant] = &[
        InputVariant { name: "mouse", protocol: "bare", buttons: Buttons::LEFT, wheel: false, pan: false },
        InputVariant { name: "better mouse", protocol: "bare", buttons: Buttons::ALL, wheel: true, pan: false },
    ];
    const RATES: &'static [u32] = &[100];
    const RESOLUTIONS: &'static [u32] = &[200];

    fn set(_: &State) -> InputSet {
        InputSet { rate: 100, resolution: 200, double: false, enabled: true }
    }

    fn probe(cx: &mut Cx<'_, State>) -> Result<(), Error> {
        probe(cx)
    }
    fn enable(_: &mut Cx<'_, State>) -> Result<(), Error> {
        Ok(())
    }
    fn disable(_: &mut Cx<'_, State>) -> Result<(), Error> {
        Ok(())
    }
    fn interrupt(_: &mut Cx<'_, State>) -> Result<InputEvents, Error> {
        Ok(InputEvents::NONE)
    }
    fn poll(_: &mut Cx<'_, State>) -> Result<(), Error> {
        Ok(())
    }
    fn set_rate(_: &mut Cx<'_, State>, rate: u32) -> Result<u32, Error> {
        Ok(rate)
    }
    fn set_resolution(_: &mut Cx<'_, State>, dpi: u32) -> Result<u32, Error> {
        Ok(dpi)
    }
    fn set_scaling(_: &mut Cx<'_, State>, _: bool) -> Result<(), Error> {
        Ok(())
    }
    fn reconnect(_: &mut Cx<'_, State>) -> Result<(), Error> {
        Ok(())
    }
}

/// From now on it does this until it was probed so many times, and finds this behind that.
fn does(what: u32, until: u32, finds: u32) {
    UNTIL.store(until, Relaxed);
    FINDS.store(finds, Relaxed);
    DOES.store(what, Relaxed);
}

fn card() -> Box<BareCard> {
    fgft::init().expect("the engine starts");
    Box::new(BareCard::new(Chooser::REGISTERS).0)
}

fn net() -> Result<NetDevice<Chooser>, DeviceError> {
    NetDevice::start(card(), Box::new(host::pair().0), quick())
}

fn sound() -> Result<SoundDevice<Chooser>, DeviceError> {
    SoundDevice::start(card(), Box::new(Desk::default()), quick())
}

fn input() -> Result<InputDevice<Chooser>, DeviceError> {
    InputDevice::start(card(), Box::new(Screen::default()), quick())
}

fn status<C: Class>(device: &mut Running<C>) -> Status {
    match device.handle(Command::Status) {
        Ok(Answer::Status(status)) => *status,
        other => panic!("{other:?}"),
    }
}

fn reports<C: Class>(device: &mut Running<C>) -> Vec<FaultReport> {
    match device.handle(Command::Faults(0)) {
        Ok(Answer::Faults(faults)) => faults,
        other => panic!("{other:?}"),
    }
}

/// Of `probe`, and what it is called.
fn assert_are_of_probe(reports: &[FaultReport], what: u32) {
    for report in reports {
        let right = match InjectedFault::ALL.get(what as usize) {
            None => report.kind == "malformed-result",
            Some(InjectedFault::EndlessLoop) => report.kind == "hang",
            Some(_) => !report.kind.is_empty() && report.kind != "malformed-result",
        };
        assert!(report.entry == "probe" && right, "{what}: {report:#?}");
    }
}

/// What it can do wrong. A wild write has no place to go to here.
fn wrongs() -> impl Iterator<Item = u32> {
    (0..=POINTS_OUTSIDE).filter(|what| InjectedFault::ALL.get(*what as usize) != Some(&InjectedFault::WildWrite))
}

fn in_each_way<C: Class>(start: fn() -> Result<Running<C>, DeviceError>) {
    let _turn = turn();
    for what in wrongs() {
        does(what, 1, 0);
        let mut device = start().unwrap_or_else(|error| panic!("{what}, and not again: {error}"));
        let at_start = reports(&mut device);
        assert_eq!(at_start.len(), 1, "{what}: {at_start:#?}");
        assert!(at_start[0].recovered, "{what}");
        assert_are_of_probe(&at_start, what);
        does(what, 3, 0);
        let restarted = device.handle(Command::Restart);
        assert!(restarted.is_ok(), "{what}: {restarted:?}");
        let all = reports(&mut device);
        assert_eq!((all.len(), status(&mut device).restarts), (2, 1), "{what}: {all:#?}");
        assert_are_of_probe(&all, what);
        device.shut_down().expect("quiet");
    }
}

fn for_good<C: Class>(start: fn() -> Result<Running<C>, DeviceError>) {
    let _turn = turn();
    for what in [InjectedFault::NullWrite as u32, POINTS_OUTSIDE] {
        does(what, u32::MAX, 0);
        let message = start().err().expect("it cannot be told what it is").to_string();
        assert!(message.contains("probe") && !message.contains('\n'), "{message}");
        does(NOTHING, 0, 0);
        let mut device = start().expect("another one, in the same process");
        does(what, u32::MAX, 0);
        let message = device.handle(Command::Restart).expect_err("it cannot be restarted").to_string();
        assert!(message.contains("given up") && message.contains("probe"), "{message}");
        drop(device);
    }
    does(NOTHING, 0, 0);
    drop(start().expect("and another one"));
}

#[test]
fn a_network_driver_faults_when_it_is_asked_for_the_chip() {
    in_each_way(net);
}

#[test]
fn a_sound_driver_faults_when_it_is_asked_for_the_card() {
    in_each_way(sound);
}

#[test]
fn an_input_driver_faults_when_it_is_asked_for_the_device() {
    in_each_way(input);
}

#[test]
fn a_network_driver_does_so_always() {
    for_good(net);
}

#[test]
fn a_sound_driver_does_so_always() {
    for_good(sound);
}

#[test]
fn an_input_driver_does_so_always() {
    for_good(input);
}

#[test]
fn what_was_found_is_what_counts() {
    let _turn = turn();
    let asks = |mtu| {
        let options = Options { net: NetOptions { mtu: Some(mtu), ..NetOptions::default() }, ..quick() };
        NetDevice::<Chooser>::start(card(), Box::new(host::pair().0), options).map(drop)
    };
    does(NOTHING, 0, 0);
    assert!(asks(2000).is_ok());
    let refused = asks(2001).expect_err("more than this chip has").to_string();
    assert!(refused.contains("2000"), "{refused}");
    does(NOTHING, 0, 1);
    assert!(asks(2001).is_ok());

    does(NOTHING, 0, 0);
    let mut device = input().expect("starts");
    assert_eq!(status(&mut device).input().name, "mouse");
    does(NOTHING, 0, 1);
    device.handle(Command::Restart).expect("restarted");
    assert_eq!(status(&mut device).input().name, "better mouse", "another one was plugged in");
}

/// Applications were shown the card and its streams: it does not become another.
#[test]
fn a_card_stays_what_it_is() {
    let _turn = turn();
    does(NOTHING, 0, 1);
    let mut device = sound().expect("starts");
    assert_eq!(status(&mut device).sound().streams.len(), 2);
    device.handle(Command::Restart).expect("restarted");
    does(NOTHING, 0, 0);
    let message = device.handle(Command::Restart).expect_err("it is another").to_string();
    assert!(message.contains("given up") && message.contains("probe"), "{message}");
}
