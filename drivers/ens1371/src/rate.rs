//! The arithmetic of rates: what the sample rate converter and the dividers are told, and what comes of it. No registers here.
//!
//! The converter runs at 48 kHz and takes fractions in units of 2^-15. Of a DAC it is told rate / 3000, so a rate is right to
//! 3000 / 2^16 Hz, less than a twentieth of a hertz. Of the ADC it is told 48000 / rate, rounded down, times a whole number:
//! that is wrong by rate^2 / (48000 * 2^15) at most, one hertz and a half at 48 kHz and nothing that a quartz could tell below. So
//! all rates from 4000 Hz on can be had.
//!
//! The ES1370 divides 1411200 Hz by a whole number. Of the usual rates it comes within a quarter of a percent of these: 5512,
//! 11025, 22050 and 44100, exactly; 8000, 16000 and 32000, as 8018, 16036 and 32073. `hw_params` says which it is. 48000 would be
//! 48662, a quarter of a semitone off, and is not offered.

use udrv_driver::Rates;

/// Rates of the converter, Hz.
pub(crate) const CONVERTED: Rates = Rates::Range(LOWEST, HIGHEST);
/// The lowest of them.
pub(crate) const LOWEST: u32 = 4_000;
/// The highest.
pub(crate) const HIGHEST: u32 = 48_000;

/// Rates of DAC1 of an ES1370, Hz, in the order of WTSRSEL.
pub(crate) const FIXED: [u32; 4] = [5_512, 11_025, 22_050, 44_100];
/// Rates of its DAC2 and ADC, Hz.
pub(crate) const DIVIDED: [u32; 7] = [5_512, 8_000, 11_025, 16_000, 22_050, 32_000, 44_100];
/// What is divided, Hz.
const CLOCK: u32 = 1_411_200;

/// What the converter is told of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    /// TRUNC_N: where filtering begins, and its length.
    pub(crate) trunc: u16,
    /// The whole part of the frequency, as it stands in INT_REGS, whose low byte is the chip's.
    pub(crate) whole: u16,
    /// VFREQ_FRAC: the fraction.
    pub(crate) fraction: u16,
    /// Volume of each channel.
    pub(crate) volume: u16,
}

impl Told {
    const fn of(trunc: u32, frequency: u32, volume: u32) -> Told {
        let (whole, fraction) = ((frequency >> 15) << 10, frequency & 0x7fff);
        Told { trunc: trunc as u16, whole: whole as u16, fraction: fraction as u16, volume: volume as u16 }
    }

    /// Of a DAC.
    pub(crate) const fn dac(rate: u32) -> Told {
        Told::of(16 << 4, dac_frequency(rate), 1 << 12)
    }

    /// Of the ADC, whose filter is as long as what goes into a sample allows.
    pub(crate) const fn adc(rate: u32) -> Told {
        let n = adc_factor(rate);
        let end = (21 * n - 1) | 1;
        let trunc = if rate >= 24_000 {
            let begin = 239_u32.saturating_sub(end);
            (begin >> 1) << 9 | n << 4
        } else {
            let begin = 119_u32.saturating_sub(end);
            1 << 15 | (begin >> 1) << 9 | n << 4
        };
        Told::of(trunc, adc_ratio(rate) * n, n << 8)
    }
}

const fn dac_frequency(rate: u32) -> u32 {
    ((rate << 15) + 1_500) / 3_000
}

/// Samples that are made into one: odd numbers above 7 are none that the filter can be set to.
const fn adc_factor(rate: u32) -> u32 {
    match rate / 3_000 {
        n @ (9 | 11 | 13 | 15) => n - 1,
        n => n,
    }
}

const fn adc_ratio(rate: u32) -> u32 {
    (HIGHEST << 15) / rate
}

/// The rate that comes of it on a DAC, to the next Hz.
pub(crate) const fn dac_actual(rate: u32) -> u32 {
    ((dac_frequency(rate) as u64 * 3_000 + (1 << 14)) >> 15) as u32
}

/// The same on the ADC.
pub(crate) const fn adc_actual(rate: u32) -> u32 {
    let ratio = adc_ratio(rate);
    ((HIGHEST << 15) + ratio / 2) / ratio
}

/// WTSRSEL for a rate.
pub(crate) fn fixed(rate: u32) -> Option<u32> {
    FIXED.iter().position(|fixed| *fixed == rate).map(|at| at as u32)
}

/// What the clock is divided by for a rate: what comes nearest.
pub(crate) const fn divisor(rate: u32) -> u32 {
    (CLOCK + rate / 2) / rate
}

/// The rate that comes of it, to the next Hz: half a hertz too much is told as none, for 5512 is 5512.5.
pub(crate) const fn divided(rate: u32) -> u32 {
    let divisor = divisor(rate);
    (2 * CLOCK + divisor - 1) / (2 * divisor)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From what the converter is told, without the arithmetic above.
    fn frequency(told: Told) -> f64 {
        f64::from(told.whole >> 10) + f64::from(told.fraction) / 32768.0
    }

    #[test]
    fn every_rate_of_a_dac_is_right_to_a_twentieth_of_a_hertz() {
        for rate in LOWEST..=HIGHEST {
            let told = Told::dac(rate);
            assert_eq!((told.trunc, told.volume, told.whole & 0x03ff), (0x100, 0x1000, 0));
            assert!((frequency(told) * 3000.0 - f64::from(rate)).abs() < 0.05, "{rate}");
            assert_eq!(dac_actual(rate), rate);
        }
        assert_eq!(Told::dac(48_000), Told { trunc: 0x100, whole: 16 << 10, fraction: 0, volume: 0x1000 });
        assert_eq!(Told::dac(44_100).fraction, 0x599a);
    }

    #[test]
    fn every_rate_of_the_adc_is_right_to_what_is_told() {
        for rate in LOWEST..=HIGHEST {
            let told = Told::adc(rate);
            let n = told.volume >> 8;
            assert!((1..=16).contains(&n) && ![9, 11, 13, 15].contains(&n));
            assert_eq!(told.trunc >> 4 & 0x1f, n);
            assert_eq!(told.trunc >> 15 == 1, rate < 24_000);
            let comes_of_it = 48_000.0 / (frequency(told) / f64::from(n));
            let most = f64::from(rate).powi(2) / (48_000.0 * 32_768.0) + 0.01;
            assert!((0.0..most).contains(&(comes_of_it - f64::from(rate) + 0.005)), "{rate} {comes_of_it}");
            assert!((comes_of_it - f64::from(adc_actual(rate))).abs() <= 0.5001, "{rate} {comes_of_it}");
        }
        assert_eq!((adc_actual(48_000), adc_actual(44_100), adc_actual(8_000)), (48_000, 44_101, 8_000));
    }

    #[test]
    fn filters_of_the_adc() {
        let begin = |rate| Told::adc(rate).trunc >> 9 & 0x3f;
        // (239 - (21 * 8 - 1 | 1)) / 2, and so on
        assert_eq!((begin(24_000), begin(48_000), begin(4_000), begin(23_999)), (36, 0, 49, 0));
    }

    #[test]
    fn what_is_divided_is_within_a_quarter_of_a_percent() {
        let off = |rate: u32| (f64::from(CLOCK) / f64::from(divisor(rate)) / f64::from(rate) - 1.0).abs();
        for rate in DIVIDED {
            assert!(off(rate) < 0.0025, "{rate}");
            assert!((29..=353).contains(&divisor(rate)), "{rate}");
        }
        assert!(off(48_000) > 0.01);
        assert_eq!(DIVIDED.map(divided), [5_512, 8_018, 11_025, 16_036, 22_050, 32_073, 44_100]);
        assert_eq!(DIVIDED.map(divisor), [256, 176, 128, 88, 64, 44, 32]);
        assert_eq!(FIXED.map(fixed), [Some(0), Some(1), Some(2), Some(3)]);
        assert_eq!(fixed(8_000), None);
    }
}
