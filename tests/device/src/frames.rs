//! Numbered frames: each says which it is, and all its bytes follow from that.
//!
//! TCP hides what a network loses or repeats; these frames do not. IEEE 802 keeps EtherType 0x88b5 for experiments.

use model_wire::stream_bytes;

/// The card's address in these tests.
pub const CARD: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
/// Of whoever is at the other end of the wire.
pub const PEER: [u8; 6] = [0x02, 0, 0, 0, 0, 0x77];
/// Bytes of addresses and EtherType.
pub const HEADER: usize = 14;
/// Shortest frame without CRC.
pub const SHORTEST: usize = 60;
/// Longest untagged frame without CRC.
pub const LONGEST: usize = 1514;

const ETHERTYPE: [u8; 2] = [0x88, 0xb5];

/// Which way a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the host through the driver to the wire.
    Down,
    /// From the wire through the driver to the host.
    Up,
}

impl Way {
    /// Frame `number`, between [`SHORTEST`] and [`LONGEST`] bytes long.
    #[must_use]
    pub fn frame(self, number: u64) -> Vec<u8> {
        let mut frame = Vec::new();
        self.write(number, &mut frame);
        frame
    }

    /// The same into a buffer that is used again.
    pub fn write(self, number: u64, to: &mut Vec<u8>) {
        let mut dice = [0; 8];
        stream_bytes(self.seed(), number * 8, &mut dice);
        let length = SHORTEST + (u64::from_le_bytes(dice) % (LONGEST - SHORTEST + 1) as u64) as usize;
        self.write_long(number, length, to);
    }

    /// Frame `number` with a length of choice, at least 23 bytes.
    pub fn write_long(self, number: u64, length: usize, to: &mut Vec<u8>) {
        let (destination, source) = if self == Way::Down { (PEER, CARD) } else { (CARD, PEER) };
        to.clear();
        to.extend_from_slice(&destination);
        to.extend_from_slice(&source);
        to.extend_from_slice(&ETHERTYPE);
        to.push(self as u8);
        to.extend_from_slice(&number.to_le_bytes());
        let start = to.len();
        to.resize(length, 0);
        stream_bytes(self.seed() ^ number, 0, &mut to[start..]);
    }

    const fn seed(self) -> u64 {
        0x5eed_0000_0000_0000 + self as u64
    }
}

/// Looks at what arrived in one direction.
#[derive(Debug)]
pub struct Judge {
    way: Way,
    next: u64,
    expected: Vec<u8>,
    /// Frames seen.
    pub seen: u64,
    /// Numbers that were left out.
    pub missing: u64,
}

impl Judge {
    /// Expects frame 0 first.
    #[must_use]
    pub fn new(way: Way) -> Judge {
        Judge { way, next: 0, expected: Vec::with_capacity(LONGEST), seen: 0, missing: 0 }
    }

    /// The number that should come next.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Judges a frame. Gaps are counted; bytes that are wrong, repeated frames and wrong order are errors.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn take(&mut self, frame: &[u8]) -> Result<u64, String> {
        let number = match frame.get(HEADER + 1..HEADER + 9) {
            Some(bytes) => u64::from_le_bytes(bytes.try_into().expect("eight bytes")),
            None => return Err(format!("a frame of {} bytes", frame.len())),
        };
        self.way.write_long(number, frame.len(), &mut self.expected);
        if frame != self.expected {
            let at = frame.iter().zip(&self.expected).position(|(a, b)| a != b).unwrap_or(0);
            return Err(format!("frame {number} ({} bytes) is wrong from byte {at} on", frame.len()));
        }
        if number < self.next {
            return Err(format!("frame {number} again, or late: {} was next", self.next));
        }
        self.missing += number - self.next;
        self.next = number + 1;
        self.seen += 1;
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_judge_sees_what_is_wrong() {
        let mut judge = Judge::new(Way::Down);
        assert_eq!(judge.take(&Way::Down.frame(0)), Ok(0));
        assert_eq!(judge.take(&Way::Down.frame(3)), Ok(3));
        assert_eq!((judge.seen, judge.missing), (2, 2));
        assert!(judge.take(&Way::Down.frame(3)).unwrap_err().contains("again"));
        assert!(judge.take(&Way::Down.frame(1)).unwrap_err().contains("late"));
        assert!(judge.take(&Way::Up.frame(4)).unwrap_err().contains("wrong from byte"));
        let mut damaged = Way::Down.frame(4);
        *damaged.last_mut().unwrap() ^= 1;
        assert!(judge.take(&damaged).unwrap_err().contains("wrong from byte"));
        assert!(judge.take(&[0; 20]).is_err());
    }

    #[test]
    fn lengths_are_those_of_frames() {
        let lengths: Vec<usize> = (0..1000).map(|n| Way::Up.frame(n).len()).collect();
        assert!(lengths.iter().all(|l| (SHORTEST..=LONGEST).contains(l)));
        assert!(*lengths.iter().min().unwrap() < 100 && *lengths.iter().max().unwrap() > 1400);
    }
}
