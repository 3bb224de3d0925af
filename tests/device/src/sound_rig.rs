//! The ENS1371's driver on its model, between an application in memory and a tape, turned by hand: time is what the test says.
//!
//! ```text
//!   Desk ==SoundEndpoint== SoundDevice<Ens1371> ==PciFunction== Ens1371Model ==line out== Tape
//! ```

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ens1371::Ens1371;
use model_ens1371::{Config, Ens1371Handle, Ens1371Model, Jacks, Samples, Tape};
use nix::poll::PollFlags;
use udrv::clock::Clock;
use udrv::endpoint::sound::{Card, Sound, SoundEndpoint, SoundEndpointError, Wish};
use udrv::run::{Answer, Command, DeviceError, Options, Status};
use udrv::sound::{Phase, SoundDevice, SoundOptions, StreamStatus};
use udrv_driver::{Control, ControlValue, Entry, Format, InjectedFault, Injection, Point, Stream};

use crate::rig::{Turn, patient, quick, turn};

/// Frames of the model's clock in a second.
pub const RATE: u32 = 48_000;
/// What the device is turned on by at once: 5 ms.
pub const STEP: u64 = 240;

/// The streams of the chip.
pub const DAC1: Stream = Stream(0);
/// See [`DAC1`].
pub const DAC2: Stream = Stream(1);
/// See [`DAC1`].
pub const ADC: Stream = Stream(2);

/// CD quality but for the rate: what the codec has.
pub const USUAL: Sound = Sound { format: Format::S16, channels: 2, rate: RATE };

/// The application: what it wants and has, and what it got.
#[derive(Debug, Default)]
struct Application {
    wishes: VecDeque<Wish>,
    playing: [VecDeque<u8>; 4],
    recorded: Vec<u8>,
    failed: Vec<String>,
    shown: Vec<(Control, ControlValue)>,
    controls: Vec<String>,
}

/// It, seen from both sides. Clones are the same desk.
#[derive(Debug, Clone, Default)]
pub struct Desk(Arc<Mutex<Application>>);

impl Desk {
    fn open(&self) -> MutexGuard<'_, Application> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wants something.
    pub fn wish(&self, wish: Wish) {
        self.open().wishes.push_back(wish);
    }

    /// Has these bytes to play.
    pub fn play(&self, stream: Stream, bytes: &[u8]) {
        self.open().playing[stream.0 as usize].extend(bytes);
    }

    /// Bytes that wait to be taken.
    #[must_use]
    pub fn left(&self, stream: Stream) -> usize {
        self.open().playing[stream.0 as usize].len()
    }

    /// Takes what was recorded.
    #[must_use]
    pub fn recorded(&self) -> Vec<u8> {
        std::mem::take(&mut self.open().recorded)
    }

    /// Takes what was told of streams that could not be started.
    #[must_use]
    pub fn failed(&self) -> Vec<String> {
        std::mem::take(&mut self.open().failed)
    }

    /// Takes what was told of controls.
    #[must_use]
    pub fn shown(&self) -> Vec<(Control, ControlValue)> {
        std::mem::take(&mut self.open().shown)
    }

    /// The control of that name.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn control(&self, name: &str) -> Control {
        let application = self.open();
        let at = application.controls.iter().position(|control| control == name);
        Control(at.unwrap_or_else(|| panic!("no {name} among {:?}", application.controls)) as u32)
    }
}

impl SoundEndpoint for Desk {
    fn name(&self) -> String {
        "desk".to_owned()
    }

    fn show(&mut self, card: &Card<'_>) -> Result<(), SoundEndpointError> {
        self.open().controls = card.controls.iter().map(|(info, _)| info.name.to_owned()).collect();
        Ok(())
    }

    fn descriptors(&self) -> Vec<(BorrowedFd<'_>, PollFlags)> {
        Vec::new()
    }

    fn wish(&mut self) -> Result<Option<Wish>, SoundEndpointError> {
        Ok(self.open().wishes.pop_front())
    }

    fn take(&mut self, stream: Stream, to: &mut [u8]) -> Result<usize, SoundEndpointError> {
        let queue = &mut self.open().playing[stream.0 as usize];
        let count = queue.len().min(to.len());
        to.iter_mut().zip(queue.drain(..count)).for_each(|(to, byte)| *to = byte);
        Ok(count)
    }

    fn give(&mut self, _: Stream, from: &[u8]) -> Result<usize, SoundEndpointError> {
        self.open().recorded.extend_from_slice(from);
        Ok(from.len())
    }

    fn fail(&mut self, _: Stream, why: &str) -> Result<(), SoundEndpointError> {
        self.open().failed.push(why.to_owned());
        Ok(())
    }

    fn show_control(&mut self, control: Control, value: ControlValue) -> Result<(), SoundEndpointError> {
        self.open().shown.push((control, value));
        Ok(())
    }
}

/// See the module's text.
pub struct SoundHand {
    /// The device.
    pub device: SoundDevice<Ens1371>,
    /// The model's bench.
    pub bench: Ens1371Handle,
    /// What was heard.
    pub tape: Tape,
    /// The application.
    pub desk: Desk,
    clock: Clock,
    _turn: Turn,
}

/// Options for tests of sound: [`quick`], with a clock that is turned by hand, and periods of 10 ms, four in a ring.
#[must_use]
pub fn options() -> Options {
    let sound = SoundOptions { period: Duration::from_millis(10), periods: 4 };
    Options { clock: Clock::by_hand(), sound, ..quick() }
}

impl SoundHand {
    /// Starts one, with these samples at its line input.
    ///
    /// # Errors
    /// When it does not start.
    pub fn try_new(
        options: Options,
        config: Config,
        input: Samples,
        trouble: impl FnOnce(&mut model_ens1371::Misbehave),
    ) -> Result<SoundHand, DeviceError> {
        let turn = turn();
        fgft::init()?;
        let (tape, desk) = (Tape::default(), Desk::default());
        let config = Config { clock: model_ens1371::Clock::Manual, ..config };
        let (model, bench) = Ens1371Model::new(config, Jacks::new(tape.clone(), input));
        bench.misbehave(trouble);
        let options = patient(options);
        let clock = options.clock.clone();
        let device = SoundDevice::start(Box::new(model), Box::new(desk.clone()), options)?;
        Ok(SoundHand { device, bench, tape, desk, clock, _turn: turn })
    }

    /// The usual one.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn new() -> SoundHand {
        Self::try_new(options(), Config::default(), Samples::default(), |_| {}).expect("the device starts")
    }

    /// Lets so many frames at 48 kHz pass, and the device be served as udrvd does it.
    ///
    /// # Panics
    /// When the device was given up.
    pub fn pass(&mut self, frames: u64) {
        self.pass_by(frames, STEP);
    }

    /// The same in steps of so many frames.
    ///
    /// # Panics
    /// When the device was given up.
    pub fn pass_by(&mut self, frames: u64, step: u64) {
        self.try_pass_by(frames, step).expect("goes on");
    }

    /// The same.
    ///
    /// # Errors
    /// When the device was given up.
    pub fn try_pass_by(&mut self, frames: u64, step: u64) -> Result<(), DeviceError> {
        let mut left = frames;
        while left > 0 {
            let step = left.min(step);
            left -= step;
            self.bench.advance_clock(step);
            self.clock.turn(Duration::from_nanos(step * 1_000_000_000 / u64::from(RATE)));
            self.try_serve()?;
        }
        Ok(())
    }

    /// Serves what there is to serve now.
    ///
    /// # Panics
    /// When the device was given up.
    pub fn serve(&mut self) {
        self.try_serve().expect("goes on");
    }

    /// The same.
    ///
    /// # Errors
    /// When the device was given up.
    pub fn try_serve(&mut self) -> Result<(), DeviceError> {
        if self.device.is_called() {
            self.device.serve_interrupt()?;
        }
        self.device.tick()
    }

    /// Starts to play `bytes` on a stream.
    pub fn start(&mut self, stream: Stream, sound: Sound, bytes: &[u8]) {
        self.desk.play(stream, bytes);
        self.desk.wish(Wish::Start(stream, sound));
        self.serve();
    }

    /// Ends it, and plays what is left.
    pub fn drain(&mut self, stream: Stream) {
        self.drain_by(stream, STEP);
    }

    /// The same in steps of so many frames.
    ///
    /// # Panics
    /// When it goes on.
    pub fn drain_by(&mut self, stream: Stream, step: u64) {
        self.desk.wish(Wish::Stop(stream));
        self.serve();
        self.pass_by(u64::from(RATE) / 10, step);
        assert_eq!(self.stream(stream).phase, Phase::Idle, "{:?}", self.stream(stream));
    }

    /// Asks.
    ///
    /// # Panics
    /// When the device was given up.
    pub fn ask(&mut self, command: Command) -> Answer {
        self.device.handle(command).expect("goes on")
    }

    /// How it is.
    pub fn status(&mut self) -> Status {
        match self.ask(Command::Status) {
            Answer::Status(status) => *status,
            other => panic!("{other:?}"),
        }
    }

    /// How a stream is.
    pub fn stream(&mut self, stream: Stream) -> StreamStatus {
        self.status().sound().streams[stream.0 as usize].clone()
    }

    /// Arms a fault, and calls the entry point.
    pub fn fault(&mut self, entry: Entry, fault: InjectedFault, point: Point) {
        assert!(matches!(
            self.ask(Command::Inject { entry, injection: Injection { fault, point }, times: 1 }),
            Answer::Done
        ));
        let answer = self.ask(Command::Call(entry));
        assert!(matches!(answer, Answer::Done), "{entry} {fault} at {point}: {answer:?}");
    }
}

impl Default for SoundHand {
    fn default() -> Self {
        Self::new()
    }
}

/// Frames that are all different for more than a minute, and none of them silence: the number in both channels.
#[must_use]
pub fn numbered(from: u32, to: u32) -> Vec<u8> {
    (from..to).flat_map(|n| frame(n).map(i16::to_le_bytes)).flatten().collect()
}

/// Frame `n` of [`numbered`].
#[must_use]
pub fn frame(n: u32) -> [i16; 2] {
    [(n % 30_011) as i16 + 1, (n / 30_011) as i16 + 1]
}

/// What of a tape is no silence.
#[must_use]
pub fn sound(tape: &[[i16; 2]]) -> Vec<[i16; 2]> {
    tape.iter().copied().filter(|frame| *frame != [0, 0]).collect()
}

/// Asserts that all that is heard is the numbered frames from the first on, each once and in order; how many.
///
/// # Panics
/// With the first that is another.
#[track_caller]
pub fn assert_in_order(tape: &[[i16; 2]]) -> u32 {
    let heard = sound(tape);
    if let Some(at) = (0..heard.len()).find(|at| heard[*at] != frame(*at as u32)) {
        let around = &heard[at.saturating_sub(2)..(at + 3).min(heard.len())];
        panic!("of {} frames, that at {at} is another: {around:?}", heard.len());
    }
    heard.len() as u32
}

/// The longest silence between two sounds of a tape, frames.
#[must_use]
pub fn longest_gap(tape: &[[i16; 2]]) -> usize {
    let silent = |frame: &[i16; 2]| *frame == [0, 0];
    let first = tape.iter().position(|frame| !silent(frame)).unwrap_or(tape.len());
    let last = tape.iter().rposition(|frame| !silent(frame)).unwrap_or(first);
    tape[first..last.max(first)].split(|frame| !silent(frame)).map(<[_]>::len).max().unwrap_or(0)
}
