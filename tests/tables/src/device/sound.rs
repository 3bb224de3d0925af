//! Numbered frames to the converter, on a clock that is turned by hand: as fast as the driver can be used.

use model_ens1371::{Config, Samples};
use udrv::endpoint::sound::Wish;
use udrv::run::{Answer, Command, DeviceError, Memory, Options};
use udrv_driver::{Entry, Stream};
use udrv_tests::sound_rig::{self, DAC2, STEP, SoundHand, USUAL};

use super::{Device, Work};

/// Frames that are waiting to be played, at least: more than a ring.
const AHEAD: u32 = 9_600;
/// Numbers are told from one another by their frames up to here, and begin again.
const NUMBERS: u32 = 30_011 * 32_000;
/// Bytes of a frame.
const FRAME: usize = 4;

/// A sound card that plays.
pub(crate) struct Player {
    /// See there.
    pub(crate) hand: SoundHand,
    written: u32,
    next: u32,
}

impl Player {
    /// How it is run here.
    pub(crate) fn options() -> Options {
        Options { deadline: Options::default().deadline, ..sound_rig::options() }
    }

    /// Starts one, and a stream on it.
    pub(crate) fn start(options: Options) -> Result<Player, DeviceError> {
        let hand = SoundHand::try_new(options, Config::default(), Samples::default(), |_| {})?;
        let mut player = Player { hand, written: 0, next: 0 };
        player.feed();
        player.play()?;
        Ok(player)
    }

    /// The stream that it plays.
    pub(crate) const STREAM: Stream = DAC2;

    fn play(&mut self) -> Result<(), DeviceError> {
        self.hand.desk.wish(Wish::Start(Self::STREAM, USUAL));
        self.hand.try_serve()
    }

    fn feed(&mut self) {
        if self.hand.desk.left(Self::STREAM) < AHEAD as usize * FRAME {
            let end = (self.written + AHEAD).min(NUMBERS);
            self.hand.desk.play(Self::STREAM, &sound_rig::numbered(self.written, end));
            self.written = end % NUMBERS;
        }
    }

    fn judge(&mut self, work: &mut Work) {
        for frame in self.hand.tape.take() {
            if frame == [0, 0] {
                continue;
            }
            let Some(number) = number(frame) else {
                work.wrong(|| format!("{frame:?} is heard, which nobody has played"));
                continue;
            };
            let ahead = (number + NUMBERS - self.next) % NUMBERS;
            if ahead < NUMBERS / 2 {
                work.missing += u64::from(ahead);
                work.units += 1;
                self.next = (number + 1) % NUMBERS;
            } else {
                work.wrong(|| format!("frame {number} is heard again, or late: {} was next", self.next));
            }
        }
    }
}

/// Which frame of [`sound_rig::numbered`] it is.
fn number([first, second]: [i16; 2]) -> Option<u32> {
    let (low, high) = (u32::try_from(first).ok()?.checked_sub(1)?, u32::try_from(second).ok()?.checked_sub(1)?);
    let number = high * 30_011 + low;
    (low < 30_011 && number < NUMBERS).then_some(number)
}

impl Device for Player {
    fn entries(&self) -> &'static [Entry] {
        &Entry::SOUND
    }

    fn by_work(&self) -> &'static [Entry] {
        &[Entry::Interrupt]
    }

    fn ask(&mut self, command: Command) -> Result<Answer, DeviceError> {
        self.hand.device.handle(command)
    }

    fn work(&mut self, work: &mut Work) -> Result<(), DeviceError> {
        self.feed();
        self.hand.try_pass_by(4 * STEP, STEP)?;
        self.judge(work);
        if !self.hand.desk.failed().is_empty() {
            self.play()?;
        }
        drop(self.hand.desk.shown());
        Ok(())
    }

    fn memory(&self) -> Memory {
        self.hand.device.memory_use()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_tell_their_numbers() {
        for at in [0, 1, 30_010, 30_011, 5_000_000, NUMBERS - 1] {
            assert_eq!(number(sound_rig::frame(at)), Some(at));
        }
        assert_eq!(number([0, 1]), None);
        assert_eq!(number([-3, 1]), None);
        assert_eq!(number([30_012, 1]), None);
    }
}
