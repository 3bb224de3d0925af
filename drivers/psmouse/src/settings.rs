//! What a mouse can be set to, and how it is.
//!
//! While a setting is changed the mouse does not report: its movement would lie among the answers.

use udrv_driver::{Cx, Error};

use crate::regs::{
    COMMAND, REPORTING, RESOLUTION, SAMPLE_RATE, SCALING, SET_RESOLUTION, SET_SAMPLE_RATE, SET_SCALING_1_1,
    SET_SCALING_2_1, with_argument,
};
use crate::state::{Set, State};

/// Reports a second that a mouse has.
pub(crate) const RATES: [u32; 7] = [10, 20, 40, 60, 80, 100, 200];

/// Counts an inch that a mouse has, from resolution 0 on.
pub(crate) const RESOLUTIONS: [u32; 4] = [counts_an_inch(0), counts_an_inch(1), counts_an_inch(2), counts_an_inch(3)];

/// Counts an inch at resolution 0, as Linux has them: a count a millimetre.
const COARSEST: u32 = 25;

/// After `probe`: as Linux's driver has a mouse, so that it is as fast behind this one.
pub(crate) const USUAL: Set = Set { rate: 100, resolution: 3, double: 0 };

/// The largest rate that is no larger than `wanted`, or the smallest.
pub(crate) fn rate(wanted: u32) -> u32 {
    RATES.iter().rev().copied().find(|rate| *rate <= wanted).unwrap_or(RATES[0])
}

/// The finest resolution that is no finer than `dpi`, or the coarsest.
pub(crate) fn resolution(dpi: u32) -> u32 {
    (0..=3).rev().find(|resolution| counts_an_inch(*resolution) <= dpi).unwrap_or(0)
}

/// Of a resolution from 0 to 3.
pub(crate) const fn counts_an_inch(resolution: u32) -> u32 {
    COARSEST << resolution
}

/// Makes the settings `to`: sends those that are others than `from`, the mouse being quiet meanwhile.
pub(crate) fn change(cx: &mut Cx<'_, State>, from: Set, to: Set) -> Result<(), Error> {
    if from != to {
        let reports = cx.state.enabled;
        if reports != 0 {
            cx.regs.write(REPORTING, 0)?;
        }
        send(cx, Some(from), to)?;
        if reports != 0 {
            cx.regs.write(REPORTING, 1)?;
        }
    }
    cx.state.set = to;
    Ok(())
}

/// Sends the settings `to` but those that are so already. `None`: nobody knows what it is set to.
pub(crate) fn send(cx: &Cx<'_, State>, from: Option<Set>, to: Set) -> Result<(), Error> {
    let values = |set: Set| [set.rate, set.resolution, set.double];
    let now = from.map(values);
    for (at, register) in [SAMPLE_RATE, RESOLUTION, SCALING].into_iter().enumerate() {
        let value = values(to)[at];
        if now.is_none_or(|now| now[at] != value) {
            cx.regs.write(register, value)?;
        }
    }
    Ok(())
}

/// Sends the settings `set`, which their registers hold already: the mouse has forgotten them.
pub(crate) fn say(cx: &Cx<'_, State>, set: Set) -> Result<(), Error> {
    let scaling = if set.double != 0 { SET_SCALING_2_1 } else { SET_SCALING_1_1 };
    cx.regs.write(COMMAND, with_argument(SET_SAMPLE_RATE, set.rate as u8))?;
    cx.regs.write(COMMAND, with_argument(SET_RESOLUTION, set.resolution as u8))?;
    cx.regs.write(COMMAND, scaling.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_that_there_is() {
        let rates = [(0, 10), (9, 10), (10, 10), (19, 10), (20, 20), (79, 60), (100, 100), (199, 100), (200, 200)];
        for (wanted, is) in rates.into_iter().chain([(201, 200), (u32::MAX, 200)]) {
            assert_eq!(rate(wanted), is, "{wanted}");
        }
        for (wanted, is) in [(0, 25), (25, 25), (49, 25), (50, 50), (99, 50), (100, 100), (199, 100), (200, 200)] {
            assert_eq!(counts_an_inch(resolution(wanted)), is, "{wanted}");
        }
        assert_eq!(counts_an_inch(resolution(u32::MAX)), 200);
    }
}
