//! A mouse on a bench, and a host that reads at once.

use std::time::Duration;

use model_psmouse::codes::{answer::ACK, command, packet};
use model_psmouse::{Clock, Config, PsMouseHandle, PsMouseModel, Received, Variant};

/// Milliseconds.
pub(crate) const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// The host gives a mouse so long.
pub(crate) const DEADLINE: Duration = ms(20);

pub(crate) struct Host {
    pub(crate) line: PsMouseModel,
    pub(crate) bench: PsMouseHandle,
}

/// Movement, and clicks of the wheel.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) right: i32,
    pub(crate) away: i32,
    pub(crate) turned: i32,
}

impl Host {
    pub(crate) fn new(variant: Variant) -> Host {
        let (line, bench) = PsMouseModel::new(Config { clock: Clock::Manual, ..Config::of(variant) });
        Host { line, bench }
    }

    /// Reads all that comes in `time`, as soon as it is there.
    pub(crate) fn listen(&mut self, time: Duration) -> Vec<Received> {
        let end = self.line.now() + time;
        let mut heard = Vec::new();
        loop {
            heard.extend(std::iter::from_fn(|| self.line.read()));
            let now = self.line.now();
            let next = self.line.next_event_at().unwrap_or(end).clamp(now, end);
            if now == end {
                return heard;
            }
            self.bench.advance(next - now);
        }
    }

    /// The same, only the bytes.
    pub(crate) fn hear(&mut self, time: Duration) -> Vec<u8> {
        self.listen(time).into_iter().map(|byte| byte.value).collect()
    }

    /// Writes a byte, and hears what comes before the deadline.
    pub(crate) fn say(&mut self, byte: u8) -> Vec<u8> {
        self.line.write(byte);
        self.hear(DEADLINE)
    }

    /// Writes bytes that are each acknowledged and no more.
    pub(crate) fn tell(&mut self, bytes: &[u8]) {
        for byte in bytes {
            assert_eq!(self.say(*byte), [ACK], "answer to {byte:02x}");
        }
    }

    /// Writes a command that is acknowledged and answered with data.
    pub(crate) fn ask(&mut self, byte: u8) -> Vec<u8> {
        let mut says = self.say(byte);
        assert_eq!(says.first(), Some(&ACK), "answer to {byte:02x}");
        says.split_off(1)
    }

    /// Sets rates one after the other.
    pub(crate) fn rates(&mut self, rates: &[u8]) {
        for rate in rates {
            self.tell(&[command::SET_RATE, *rate]);
        }
    }

    /// A reset, with its test.
    pub(crate) fn reset(&mut self) {
        self.line.write(command::RESET);
        assert_eq!(self.hear(ms(550)), [ACK, 0xaa, 0x00]);
    }

    /// What packets of `size` bytes say in all. Each must be one.
    pub(crate) fn sum(bytes: &[u8], size: usize) -> Sum {
        assert!(bytes.len().is_multiple_of(size), "{bytes:02x?}");
        let mut sum = Sum::default();
        for bytes in bytes.chunks(size) {
            let first = bytes[0];
            assert_ne!(first & packet::SYNC, 0, "{bytes:02x?}");
            let signed = |byte: u8, sign: u8| i32::from(byte) - if first & sign == 0 { 0 } else { 256 };
            sum.right += signed(bytes[1], packet::X_SIGN);
            sum.away += signed(bytes[2], packet::Y_SIGN);
            sum.turned -= bytes.get(3).map_or(0, |byte| i32::from((*byte << 4).cast_signed() >> 4));
        }
        sum
    }
}
