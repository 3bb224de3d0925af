//! What the sensor has seen since it was reported: counters of movement, wheel and buttons, and packets made of them.

use crate::codes::{id, packet};

/// The most that a counter of movement holds, either way: nine bits with the sign, whose -256 no mouse sends.
pub const MOST: i32 = 255;

/// The most clicks of the wheel in a packet, either way: four bits with the sign.
pub const MOST_CLICKS: i32 = 7;

/// Buttons that are down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Buttons(u8);

/// One of five buttons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Button {
    /// On the left.
    Left,
    /// On the right.
    Right,
    /// In the middle.
    Middle,
    /// The fourth.
    Side,
    /// The fifth.
    Extra,
}

impl Button {
    /// All of them.
    pub const ALL: [Button; 5] = [Button::Left, Button::Right, Button::Middle, Button::Side, Button::Extra];
}

impl Buttons {
    /// Whether it is down.
    #[must_use]
    pub const fn has(self, button: Button) -> bool {
        self.0 & 1 << button as u8 != 0
    }

    pub(crate) fn set(&mut self, button: Button, down: bool) {
        self.0 = self.0 & !(1 << button as u8) | u8::from(down) << button as u8;
    }

    /// The first three as the lowest bits of a packet have them.
    const fn three(self) -> u8 {
        self.0 & 7
    }

    /// The others where the fourth byte of an Explorer has them.
    const fn others(self) -> u8 {
        self.0 >> 3 << 4
    }
}

/// A counter of one direction, with what is left of a count.
#[derive(Debug, Clone, Copy, Default)]
struct Axis {
    count: i32,
    overflow: bool,
    /// Eighths of a count at resolution 0.
    rest: i32,
}

impl Axis {
    /// Moves by eighths of a millimetre at 1, 2, 4 or 8 counts a millimetre. Says whether it has become full.
    fn go(&mut self, eighths: i32, resolution: u8) -> bool {
        let moved = self.rest.saturating_add(eighths.saturating_mul(1 << resolution));
        self.rest = moved % 8;
        let sum = self.count.saturating_add(moved / 8);
        // a full counter stands until it is cleared
        if self.overflow {
            return false;
        }
        self.count = sum.clamp(-MOST, MOST);
        self.overflow = sum != self.count;
        self.overflow
    }

    /// As a packet has it: low byte, sign, overflow.
    fn report(self, doubled: bool) -> (u8, bool, bool) {
        let count = if doubled { scaled(self.count) } else { self.count };
        let shown = count.clamp(-MOST, MOST);
        (shown as u8, shown < 0, self.overflow || shown != count)
    }
}

/// Scaling 2:1: small movements become smaller, large ones are doubled.
const fn scaled(count: i32) -> i32 {
    let size = match count.unsigned_abs() {
        0 => 0,
        1 | 2 => 1,
        3 => 3,
        4 => 6,
        5 => 9,
        more => 2 * more as i32,
    };
    size * count.signum()
}

/// The sensor.
#[derive(Debug, Default)]
pub(crate) struct Motion {
    x: Axis,
    y: Axis,
    /// At which it has counted last.
    resolution: u8,
    /// Clicks of the wheel, away from the user.
    wheel: i32,
    pub(crate) buttons: Buttons,
    /// As the host knows them.
    reported: Buttons,
}

impl Motion {
    /// Counts how many counters have become full.
    pub(crate) fn go(&mut self, right: i32, away: i32, resolution: u8) -> u64 {
        if resolution != self.resolution {
            // a part of a count is none of another size
            (self.x.rest, self.y.rest, self.resolution) = (0, 0, resolution);
        }
        u64::from(self.x.go(right, resolution)) + u64::from(self.y.go(away, resolution))
    }

    pub(crate) fn turn(&mut self, clicks: i32) {
        self.wheel = self.wheel.saturating_add(clicks);
    }

    /// Whether there is something to report, with this identifier.
    pub(crate) fn is_news(&self, id: u8) -> bool {
        let moved = |axis: Axis| axis.count != 0 || axis.overflow;
        let shown = |buttons: Buttons| (buttons.three(), if id == id::EXPLORER { buttons.others() } else { 0 });
        let turned = self.wheel != 0 && id != id::PS2;
        moved(self.x) || moved(self.y) || turned || shown(self.buttons) != shown(self.reported)
    }

    /// Forgets movement that was not reported. What is not yet a whole count, and buttons, are where they are.
    pub(crate) fn clear(&mut self) {
        for axis in [&mut self.x, &mut self.y] {
            *axis = Axis { rest: axis.rest, ..Axis::default() };
        }
        self.wheel = 0;
    }

    /// A packet, which takes with it what it reports. Clicks that do not fit come with the next.
    pub(crate) fn packet(&mut self, id: u8, doubled: bool) -> Vec<u8> {
        let (x, x_sign, x_overflow) = self.x.report(doubled);
        let (y, y_sign, y_overflow) = self.y.report(doubled);
        let mut first = packet::SYNC | self.buttons.three();
        for (bit, on) in [
            (packet::X_SIGN, x_sign),
            (packet::Y_SIGN, y_sign),
            (packet::X_OVERFLOW, x_overflow),
            (packet::Y_OVERFLOW, y_overflow),
        ] {
            first |= if on { bit } else { 0 };
        }
        let clicks = self.wheel.clamp(-MOST_CLICKS, MOST_CLICKS);
        let left = if id == id::PS2 { 0 } else { self.wheel - clicks };
        // the wheel counts towards the user
        let turned = (-clicks) as u8;
        let mut bytes = vec![first, x, y];
        match id {
            id::PS2 => {}
            id::EXPLORER => bytes.push(turned & 0x0f | self.buttons.others()),
            _ => bytes.push(turned),
        }
        self.clear();
        self.wheel = left;
        self.reported = self.buttons;
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaling_is_the_table_of_the_specification() {
        let table = [0, 1, 1, 3, 6, 9, 12, 14];
        for (count, doubled) in table.into_iter().enumerate() {
            let count = count as i32;
            assert_eq!((scaled(count), scaled(-count)), (doubled, -doubled), "{count}");
        }
    }

    #[test]
    fn at_a_lower_resolution_the_rest_of_a_count_is_kept() {
        for (resolution, counts) in [(0, 100), (1, 200), (2, 400), (3, 800)] {
            let (mut motion, mut sum) = (Motion::default(), 0);
            for _ in 0..800 {
                motion.go(1, -1, resolution);
                let bytes = motion.packet(id::PS2, false);
                assert_eq!(bytes[1].wrapping_neg(), bytes[2]);
                sum += i32::from(bytes[1]);
            }
            assert_eq!(sum, counts);
        }
    }

    #[test]
    fn with_counts_of_another_size_it_begins_anew() {
        let mut motion = Motion::default();
        let mut go = |eighths: i32, resolution: u8| {
            motion.go(eighths, 0, resolution);
            motion.packet(id::PS2, false)[1] as i8
        };
        // an eighth is left of a count, and would be in the way of each change of direction
        assert_eq!((go(3, 2), go(5, 3), go(-5, 3), go(5, 3)), (1, 5, -5, 5));
        assert_eq!((go(1, 2), go(1, 2)), (0, 1), "and is kept where they have the same");
    }
}
