//! From bytes to packets, and from packets to reports. No registers.
//!
//! | byte | 7 | 6 | 5 | 4 | 3 | 2 | 1 | 0 |
//! |---|---|---|---|---|---|---|---|---|
//! | 0 | Y overflow | X overflow | Y sign | X sign | 1 | middle | right | left |
//! | 1, 2 | X, Y: low eight bits ||||||||
//! | 3, ImPS/2 | wheel ||||||||
//! | 3, ImExPS/2 | 0 | 0 | extra | side | wheel ||||
//! | | 1 | 0 | wheel ||||||
//! | | 0 | 1 | wheel, tilted ||||||
//!
//! # Out of step
//!
//! A byte that is lost or one too many puts every packet behind it out of step, and nothing in the stream marks a beginning for
//! certain. Told are a first byte without its bit that is always set; a fourth byte of an IntelliMouse that is no wheel, for it
//! has four bits with the sign in the others, which no first byte has but one with both overflows and both signs; one of an
//! Explorer that has the wheel turned by -8, for a first byte looks so when no button is down, and no hand turns as fast.
//! What comes then is dropped until a packet begins for certain: behind a command that was sent (the class polls), or behind a pause. So
//! a stream that is out of step moves and clicks nothing, once that is seen; a packet that is put together of two and looks right is not seen.
//!
//! # Overflow
//!
//! A counter of movement stops where it is full (255 either way), and says so. What it has counted is still right, and more
//! than nothing: it is handed up as it is, as Linux does. A low byte of 0 with the sign set would be -256, which no counter
//! reaches: it is 0, also as Linux has it.

use udrv_driver::{Buttons, Report};

use crate::mice::Protocol;
use crate::regs::{BAT_PASSED, MOST_PAUSE, SHORTEST_TEST, data, first, fourth, id};
use crate::state::Stream;

/// The longest packet.
pub(crate) const MOST_BYTES: usize = 4;

/// A byte of the stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Byte {
    value: u8,
    /// A packet cannot go on in it.
    begins: bool,
    /// Since a command of ours broke off what was before.
    pub(crate) is_broken: bool,
}

impl Byte {
    /// From what DATA says; `None`: nothing has come.
    pub(crate) fn of(word: u32) -> Option<Byte> {
        let (value, is_broken) = (word as u8, word & data::BROKEN != 0);
        let pause = word >> data::PAUSE_SHIFT & data::MOST_PAUSE;
        let begins = is_broken || pause > MOST_PAUSE || value == BAT_PASSED && pause >= SHORTEST_TEST;
        (word & data::VALID != 0).then_some(Byte { value, begins, is_broken })
    }
}

/// What a byte has brought about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// A packet goes on.
    Part,
    /// One is whole.
    Packet([u8; MOST_BYTES]),
    /// The device was reset.
    New,
}

/// What had to be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Loss {
    /// So many bytes.
    pub(crate) bytes: u32,
    /// The stream is not in step.
    pub(crate) out_of_step: bool,
}

impl Stream {
    /// Takes a byte.
    pub(crate) fn feed(&mut self, protocol: Protocol, byte: Byte) -> (Found, Loss) {
        let mut loss = Loss::default();
        if byte.begins {
            // what was begun is lost, but this is in step, and tells which buttons are down
            loss.bytes = self.have;
            *self = Stream::EMPTY;
        }
        let (have, value) = (self.have as usize, byte.value);
        if self.lost != 0 || have == 0 && value & first::SYNC == 0 {
            self.lost = 1;
            return (Found::Part, Loss { bytes: loss.bytes + 1, out_of_step: true });
        }
        self.bytes[have] = value;
        self.have += 1;
        if have == 1 && self.bytes[..2] == [BAT_PASSED, id::MOUSE] {
            *self = Stream::EMPTY;
            return (Found::New, loss);
        }
        if self.have as usize != protocol.length() {
            return (Found::Part, loss);
        }
        let packet = core::mem::replace(self, Stream::EMPTY).bytes;
        if is_in_step(protocol, packet) {
            return (Found::Packet(packet), loss);
        }
        self.lost = 1;
        (Found::Part, Loss { bytes: loss.bytes + protocol.length() as u32, out_of_step: true })
    }
}

/// Whether it may be a packet.
pub(crate) fn is_in_step(protocol: Protocol, [first, _, _, fourth]: [u8; MOST_BYTES]) -> bool {
    let wheel_fits = match protocol {
        Protocol::Ps2 => true,
        Protocol::ImPs2 => (-8..=7).contains(&(fourth as i8)),
        Protocol::ImExPs2 => fourth & (fourth::FORM | 0x0f) != 0x08,
    };
    first & first::SYNC != 0 && wheel_fits
}

/// What it says. `before`: buttons as they were, for those that it does not tell of.
pub(crate) fn decode(protocol: Protocol, packet: [u8; MOST_BYTES], before: Buttons) -> Report {
    let [first, x, y, fourth] = packet;
    // the lowest bits are in the order of ours
    let three = Buttons((first & 7).into());
    let (x, y) = (movement(x, first & first::X_SIGN), movement(y, first & first::Y_SIGN));
    // a mouse counts away from the user, a screen towards him
    let report = Report { buttons: three, x, y: -y, ..Report::default() };
    match protocol {
        Protocol::Ps2 => report,
        Protocol::ImPs2 => Report { wheel: clicks(fourth, 8), ..report },
        Protocol::ImExPs2 => {
            let others = Buttons(before.0 & (Buttons::SIDE | Buttons::EXTRA).0);
            match fourth & fourth::FORM {
                fourth::WHEEL => Report { buttons: three | others, wheel: clicks(fourth, 6), ..report },
                fourth::PAN => Report { buttons: three | others, pan: clicks(fourth, 6), ..report },
                _ => {
                    let pressed = |bit, button| if fourth & bit != 0 { button } else { Buttons::NONE };
                    let side = pressed(fourth::SIDE, Buttons::SIDE);
                    let extra = pressed(fourth::EXTRA, Buttons::EXTRA);
                    Report { buttons: three | side | extra, wheel: clicks(fourth, 4), ..report }
                }
            }
        }
    }
}

/// Nine bits with the sign.
fn movement(low: u8, sign: u8) -> i16 {
    match (low, sign) {
        (0, _) => 0,
        (_, 0) => low.into(),
        _ => i16::from(low) - 256,
    }
}

/// The lowest `bits` with the sign, turned: a mouse counts towards the user, and to the left.
fn clicks(byte: u8, bits: u32) -> i8 {
    let above = 8 - bits;
    let counted = (byte << above) as i8 >> above;
    counted.saturating_neg()
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    const ALL: [Protocol; 3] = [Protocol::Ps2, Protocol::ImPs2, Protocol::ImExPs2];

    fn report(protocol: Protocol, packet: [u8; 4]) -> Report {
        decode(protocol, packet, Buttons::NONE)
    }

    #[test]
    fn movement_has_nine_bits() {
        for protocol in ALL {
            for low in 0..=255 {
                for (sign_x, sign_y) in [(0, 0), (0x10, 0), (0, 0x20), (0x10, 0x20)] {
                    for overflow in [0, 0x40, 0x80, 0xc0] {
                        let Report { x, y, .. } = report(protocol, [8 | sign_x | sign_y | overflow, low, low, 0]);
                        let is = |sign| if sign != 0 && low != 0 { i16::from(low) - 256 } else { low.into() };
                        assert_eq!((x, y), (is(sign_x), -is(sign_y)), "{low:#x} {sign_x:#x} {sign_y:#x} {overflow:#x}");
                    }
                }
            }
        }
        // the corners, in figures
        assert_eq!(report(Protocol::Ps2, [0x78, 0x01, 0x01, 0]), Report { x: -255, y: 255, ..Report::default() });
        assert_eq!(report(Protocol::Ps2, [0xc8, 0xff, 0xff, 0]), Report { x: 255, y: -255, ..Report::default() });
        assert_eq!(report(Protocol::Ps2, [0x38, 0x00, 0x00, 0]), Report::default());
    }

    #[test]
    fn buttons_are_told_apart() {
        let others = Buttons::SIDE | Buttons::EXTRA;
        for bits in 0..8 {
            for protocol in ALL {
                assert_eq!(report(protocol, [8 | bits, 0, 0, 0]).buttons, Buttons(bits.into()));
            }
            let with = |fourth| decode(Protocol::ImExPs2, [8 | bits, 0, 0, fourth], others).buttons;
            assert_eq!(with(0x00), Buttons(bits.into()));
            assert_eq!(with(0x10), Buttons(bits.into()) | Buttons::SIDE);
            assert_eq!(with(0x20), Buttons(bits.into()) | Buttons::EXTRA);
            assert_eq!(with(0x30), Buttons(bits.into()) | others);
            // these tell nothing of them
            assert_eq!((with(0x80), with(0x41)), (Buttons(bits.into()) | others, Buttons(bits.into()) | others));
        }
    }

    #[test]
    fn wheels_count_away_from_the_user() {
        for clicks in -8..=7_i8 {
            assert_eq!(report(Protocol::ImPs2, [8, 0, 0, clicks as u8]).wheel, -clicks);
            let four = report(Protocol::ImExPs2, [8, 0, 0, clicks as u8 & 0x0f]);
            assert_eq!((four.wheel, four.pan), (-clicks, 0));
        }
        for clicks in -32..=31_i8 {
            let six = clicks as u8 & 0x3f;
            let wheel = report(Protocol::ImExPs2, [8, 0, 0, 0x80 | six]);
            assert_eq!((wheel.wheel, wheel.pan), (-clicks, 0));
            let pan = report(Protocol::ImExPs2, [8, 0, 0, 0x40 | six]);
            assert_eq!((pan.wheel, pan.pan), (0, -clicks));
        }
        assert_eq!(report(Protocol::Ps2, [8, 0, 0, 1]), Report::default());
    }

    #[test]
    fn a_first_byte_is_no_fourth_one() {
        for buttons in 0..8 {
            for signs in 0..4 {
                let first = 8 | buttons | signs << 4;
                assert!(!is_in_step(Protocol::ImPs2, [8, 0, 0, first]), "{first:#x}");
                assert_eq!(is_in_step(Protocol::ImExPs2, [8, 0, 0, first]), buttons != 0, "{first:#x}");
            }
        }
        for first in 0..=255 {
            for protocol in ALL {
                assert_eq!(is_in_step(protocol, [first, 0, 0, 0]), first & 8 != 0);
            }
        }
    }

    /// Bytes with pauses before them. Gives what is found, and all that is dropped.
    fn feed(stream: &mut Stream, protocol: Protocol, bytes: &[(u32, u8)]) -> (Vec<Found>, u32, bool) {
        let (mut found, mut dropped, mut out_of_step) = (Vec::new(), 0, false);
        for (flags, byte) in bytes {
            let byte = Byte::of(data::VALID | flags | u32::from(*byte)).expect("valid");
            let (what, loss) = stream.feed(protocol, byte);
            found.extend((what != Found::Part).then_some(what));
            dropped += loss.bytes;
            out_of_step |= loss.out_of_step;
            assert!(loss.bytes > 0 || !loss.out_of_step);
        }
        (found, dropped, out_of_step)
    }

    const fn pause(milliseconds: u32) -> u32 {
        milliseconds << data::PAUSE_SHIFT
    }

    #[test]
    fn nothing_is_no_byte() {
        assert!(Byte::of(0).is_none());
        assert!(Byte::of(data::BROKEN | 0x08).is_none());
    }

    #[test]
    fn packets_are_put_together() {
        for protocol in ALL {
            let mut packet = [0x09, 1, 2, 0];
            let stream: Vec<(u32, u8)> = packet[..protocol.length()].iter().map(|byte| (pause(1), *byte)).collect();
            let two = [stream.clone(), stream].concat();
            packet[protocol.length()..].fill(0);
            let mut state = Stream::EMPTY;
            assert_eq!(feed(&mut state, protocol, &two), ([Found::Packet(packet); 2].to_vec(), 0, false));
            assert_eq!(state, Stream::EMPTY);
        }
    }

    #[test]
    fn a_packet_does_not_go_on_behind_a_pause_or_a_command() {
        let (first, rest) = ((0, 0x08), [(pause(1), 1), (pause(1), 2)]);
        let packet = Found::Packet([0x09, 1, 2, 0]);
        for flags in [pause(501), pause(0xffff), data::BROKEN, data::BROKEN | pause(600)] {
            let bytes = [first, (flags, 0x09), rest[0], rest[1]];
            let found = feed(&mut Stream::EMPTY.clone(), Protocol::Ps2, &bytes);
            assert_eq!(found, ([packet].to_vec(), 1, false), "{flags:#x}");
        }
        // a long one that is not too long
        let bytes = [first, (pause(500), 0x09), (pause(500), 1)];
        assert_eq!(
            feed(&mut Stream::EMPTY.clone(), Protocol::Ps2, &bytes),
            ([Found::Packet([8, 9, 1, 0])].to_vec(), 0, false)
        );
    }

    #[test]
    fn what_is_out_of_step_is_dropped_until_a_packet_begins_for_certain() {
        let mut stream = Stream::EMPTY;
        let lost = [(pause(8), 0x00), (pause(1), 0x09), (pause(1), 1), (pause(1), 2), (pause(500), 0x09)];
        assert_eq!(feed(&mut stream, Protocol::Ps2, &lost), ([].to_vec(), 5, true));
        let found = [Found::Packet([0x09, 1, 2, 0])];
        let certain = [(data::BROKEN, 0x09), (pause(1), 1), (pause(1), 2)];
        assert_eq!(feed(&mut stream, Protocol::Ps2, &certain), (found.to_vec(), 0, false));
        // the fourth byte of one is the first of the next
        for protocol in [Protocol::ImPs2, Protocol::ImExPs2] {
            let lost = [(0, 0x08), (0, 1), (0, 2), (0, 0x18), (0, 0xff), (0, 0), (0, 0)];
            assert_eq!(feed(&mut stream, protocol, &lost), ([].to_vec(), 7, true));
            assert_eq!(stream, Stream { lost: 1, ..Stream::EMPTY });
            let certain = [(pause(501), 0x08), (0, 0), (0, 0), (0, 1)];
            assert_eq!(feed(&mut stream, protocol, &certain), ([Found::Packet([8, 0, 0, 1])].to_vec(), 0, false));
        }
    }

    #[test]
    fn a_device_that_was_reset_says_so_at_the_beginning_of_a_packet() {
        let said = [(pause(400), 0xaa), (pause(1), 0x00)];
        for protocol in ALL {
            let mut stream = Stream::EMPTY;
            assert_eq!(feed(&mut stream, protocol, &said), ([Found::New].to_vec(), 0, false));
            assert_eq!(stream, Stream::EMPTY);
            // in the middle of one, as soon as a self test can be over
            assert_eq!(
                feed(&mut stream, protocol, &[(0, 0x08), (0, 1), said[0], said[1]]),
                ([Found::New].to_vec(), 2, false)
            );
            // and out of step
            assert_eq!(feed(&mut stream, protocol, &[(0, 0x00), said[0], said[1]]), ([Found::New].to_vec(), 1, true));
            // it moves, and is no announcement
            let moves = [(0, 0x08), (pause(1), 0xaa), (pause(1), 0), (pause(1), 0)];
            let found = feed(&mut stream, protocol, &moves[..protocol.length()]);
            assert_eq!(found, ([Found::Packet([8, 0xaa, 0, 0])].to_vec(), 0, false));
            // neither is this: a button is down
            let pressed = [(pause(400), 0xaa), (pause(1), 1), (pause(1), 0), (pause(1), 0)];
            let found = feed(&mut stream, protocol, &pressed[..protocol.length()]);
            assert_eq!(found, ([Found::Packet([0xaa, 1, 0, 0])].to_vec(), 0, false));
        }
    }
}
