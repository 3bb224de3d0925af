//! The arithmetic between the link and the jacks: gains of 1.5 dB a step, sums that saturate.
//!
//! ```text
//!   DACs ==link==> PCM out --+--> master --> line out
//!   line in ------> line ----+
//!      '--------------------------> record select --> record gain ==link==> ADC
//!                            '----> (mix)
//! ```
//!
//! At 0 dB a sample stays as it is. Gains are multipliers of 24 fractional bits, products are rounded to the nearest.

use crate::Frame;
use crate::codec::{MUTE, powerdown, reg};

/// A multiplier of 1.
const ONE: i64 = 1 << FRACTION;
const FRACTION: u32 = 24;

/// What is recorded, by number (AC'97 5.7.9). Others have nothing connected.
const SELECT_LINE: u16 = 4;
const SELECT_STEREO_MIX: u16 = 5;
const SELECT_MONO_MIX: u16 = 6;

/// What the codec's registers make of a sample, left and right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Gains {
    pcm: [i64; 2],
    line: [i64; 2],
    master: [i64; 2],
    record: [i64; 2],
    select: [u16; 2],
}

/// `steps` of 1.5 dB up, or down if negative.
fn multiplier(steps: i32) -> i64 {
    (ONE as f64 * 10f64.powf(0.075 * f64::from(steps))).round() as i64
}

/// Both channels of a volume register, by what a channel's number of `mask` is in steps.
fn both(register: u16, mask: u16, steps: impl Fn(i32) -> i32) -> [i64; 2] {
    if register & MUTE != 0 {
        return [0; 2];
    }
    [register >> 8, register].map(|bits| multiplier(steps((bits & mask).into())))
}

impl Gains {
    pub(crate) fn new(value: impl Fn(u8) -> u16) -> Self {
        let off = value(reg::POWERDOWN);
        let on = |by: u16, gains: [i64; 2]| if off & by == 0 { gains } else { [0; 2] };
        let mixer = powerdown::PR2 | powerdown::PR3;
        let select = value(reg::RECORD_SELECT);
        Self {
            // 8 is 0 dB, 0 is 12 dB (5.7.4)
            pcm: on(powerdown::PR1 | mixer, both(value(reg::PCM), 0x1f, |n| 8 - n)),
            line: on(mixer, both(value(reg::LINE), 0x1f, |n| 8 - n)),
            master: on(mixer, both(value(reg::MASTER), 0x1f, |n| -n)),
            record: on(powerdown::PR0 | mixer, both(value(reg::RECORD_GAIN), 0x0f, |n| n)),
            select: [select >> 8 & 7, select & 7],
        }
    }

    /// Whether the input is heard at the output.
    pub(crate) fn monitors(&self) -> bool {
        self.line != [0; 2] && self.master != [0; 2]
    }

    /// What the mixer makes of a sample from the link and one from the input.
    pub(crate) fn mix(&self, pcm: Frame, line: Frame) -> Frame {
        frame(|c| round(i64::from(pcm[c]) * self.pcm[c] + i64::from(line[c]) * self.line[c]))
    }

    /// What of it leaves the codec.
    pub(crate) fn output(&self, mixed: Frame) -> Frame {
        frame(|c| round(i64::from(mixed[c]) * self.master[c]))
    }

    /// What is recorded, of a sample from the input and one from the mixer.
    pub(crate) fn input(&self, line: Frame, mixed: Frame) -> Frame {
        frame(|c| {
            let chosen = match self.select[c] {
                SELECT_LINE => line[c].into(),
                SELECT_STEREO_MIX => mixed[c].into(),
                SELECT_MONO_MIX => i64::midpoint(mixed[0].into(), mixed[1].into()),
                _ => 0,
            };
            round(chosen * self.record[c])
        })
    }
}

fn frame(channel: impl Fn(usize) -> i64) -> Frame {
    [saturate(channel(0)), saturate(channel(1))]
}

/// A product with a gain, as a sample that may be too large.
fn round(product: i64) -> i64 {
    (product + ONE / 2) >> FRACTION
}

/// The nearest sample.
pub(crate) fn saturate(value: i64) -> i16 {
    value.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

/// Between two samples, `part` of `whole` from the first on.
pub(crate) fn between(from: Frame, to: Frame, part: u32, whole: u32) -> Frame {
    let (part, whole) = (i64::from(part), i64::from(whole));
    frame(|c| {
        let (a, b) = (i64::from(from[c]), i64::from(to[c]));
        (a * whole + (b - a) * part).div_euclid(whole)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gains(set: &[(u8, u16)]) -> Gains {
        let value = |register: u8| set.iter().find(|(at, _)| *at == register).map_or(0, |(_, value)| *value);
        Gains::new(value)
    }

    #[test]
    fn at_0_db_every_sample_stays_as_it_is() {
        let g = gains(&[(reg::PCM, 0x0808), (reg::LINE, MUTE), (reg::RECORD_SELECT, 0x0404)]);
        for s in i16::MIN..=i16::MAX {
            let t = s.wrapping_mul(31);
            assert_eq!(g.output(g.mix([s, t], [7, 7])), [s, t]);
            assert_eq!(g.input([s, t], [0, 0]), [s, t]);
        }
    }

    #[test]
    fn steps_are_1_5_db_and_sums_saturate() {
        let g = gains(&[(reg::PCM, 0x0008), (reg::LINE, 0x0808), (reg::MASTER, 0x0004)]);
        // left 12 dB up, right as it is; master right 6 dB down
        assert_eq!(g.mix([1000, 1000], [0, 0]), [3981, 1000]);
        assert_eq!(g.output([1000, 1000]), [1000, 501]);
        assert_eq!(g.mix([10_000, -30_000], [0, -30_000]), [i16::MAX, i16::MIN]);
        let recorded = gains(&[(reg::RECORD_GAIN, 0x040f), (reg::RECORD_SELECT, 0x0504)]);
        assert_eq!(recorded.input([100, 100], [200, 200]), [399, 1334]);
    }

    #[test]
    fn what_is_muted_or_off_is_silent() {
        for (register, value) in [
            (reg::PCM, MUTE | 0x0808),
            (reg::MASTER, MUTE),
            (reg::POWERDOWN, powerdown::PR1),
            (reg::POWERDOWN, powerdown::PR2),
        ] {
            let g = gains(&[(register, value)]);
            assert_eq!(g.output(g.mix([1000, 1000], [0, 0])), [0, 0], "{register:#x} {value:#x}");
        }
        assert_eq!(gains(&[(reg::POWERDOWN, powerdown::PR0)]).input([1, 1], [1, 1]), [0, 0]);
    }
}
