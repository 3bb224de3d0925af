//! Which chip it is, and all in which the chips differ: what the rest of the driver asks is asked here.
//!
//! Exactly these are driven. Not: the Ectiva EV1938 (1102:8938), which differs in ways that nobody has written down, and revisions
//! without a name.

use udrv_driver::{Direction, Format, Identity, Rates, StreamInfo};

use crate::rate;
use crate::regs::control;

/// Vendor id of Ensoniq.
pub(crate) const ENSONIQ: u16 = 0x1274;

/// A chip that is driven. Its number is in the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chip {
    pub(crate) name: &'static str,
    product: u16,
    /// `None`: all of them. There was one ES1370.
    revision: Option<u8>,
    pub(crate) codec: Codec,
    pub(crate) clock: Clock,
    /// The codec is held in reset until STATUS says otherwise.
    pub(crate) holds_codec: bool,
    /// It writes to a fourth place in memory now and then.
    pub(crate) has_phantom: bool,
    /// Bits of CONTROL that are always set.
    pub(crate) control: u32,
    /// Bits of CONTROL that the chip tells back as they were written.
    pub(crate) told: u32,
    pub(crate) streams: &'static [StreamInfo; 3],
}

/// What the samples become sound in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    /// Any AC'97 codec, behind CODEC and the converter's timing.
    Ac97,
    /// The AK4531, behind a register that is only written.
    Ak4531,
}

/// Where the rates come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    /// A sample rate converter, for each stream by itself.
    Converter,
    /// A choice of four for DAC1, and one divider for DAC2 and ADC.
    Dividers,
}

/// Bytes of a stream's ring, at most: a third of a second at the highest rate, and within the 256 KiB that SIZE can say.
pub(crate) const RING_BYTES: u32 = 64 * 1024;
/// Frames of a period: 64 are 64 bytes at least, what the chip fetches at once; half a ring of one byte each at most.
const PERIOD: (u32, u32) = (64, RING_BYTES / 2);

const fn stream(name: &'static str, direction: Direction, rates: Rates) -> StreamInfo {
    let formats = &[Format::U8, Format::S16];
    StreamInfo { name, direction, formats, channels: 2, rates, period: PERIOD, ring_bytes: RING_BYTES }
}

const fn streams(dac1: Rates, others: Rates) -> [StreamInfo; 3] {
    [
        stream("DAC1", Direction::Playback, dac1),
        stream("DAC2", Direction::Playback, others),
        stream("ADC", Direction::Capture, others),
    ]
}

static CONVERTED: [StreamInfo; 3] = streams(rate::CONVERTED, rate::CONVERTED);
static DIVIDED: [StreamInfo; 3] = streams(Rates::List(&rate::FIXED), Rates::List(&rate::DIVIDED));

const fn es1370() -> Chip {
    Chip {
        name: "ES1370",
        product: 0x5000,
        revision: None,
        codec: Codec::Ak4531,
        clock: Clock::Dividers,
        holds_codec: false,
        has_phantom: true,
        control: control::CDC_EN,
        told: u32::MAX,
        streams: &DIVIDED,
    }
}

const fn es1371(name: &'static str, product: u16, revision: u8, holds_codec: bool) -> Chip {
    Chip {
        name,
        product,
        revision: Some(revision),
        codec: Codec::Ac97,
        clock: Clock::Converter,
        holds_codec,
        has_phantom: false,
        control: 0,
        told: !control::GPIO_IN,
        streams: &CONVERTED,
    }
}

/// All of them.
pub(crate) const CHIPS: [Chip; 10] = [
    es1370(),
    es1371("ES1371, revision A", 0x1371, 0x02, false),
    es1371("ES1371, revision B", 0x1371, 0x09, false),
    es1371("ES1373, revision A", 0x1371, 0x04, false),
    es1371("ES1373, revision B", 0x1371, 0x06, false),
    es1371("ES1373, revision 8", 0x1371, 0x08, true),
    es1371("CT5880, revision A", 0x1371, 0x07, true),
    es1371("CT5880, revision C", 0x5880, 0x02, true),
    es1371("CT5880, revision D", 0x5880, 0x03, true),
    es1371("CT5880, revision E", 0x5880, 0x04, true),
];

impl Chip {
    /// The stream that has its clock from the same divider.
    pub(crate) fn shares_clock_with(&self, number: usize) -> Option<usize> {
        match (self.clock, number) {
            (Clock::Dividers, 1) => Some(2),
            (Clock::Dividers, 2) => Some(1),
            _ => None,
        }
    }
}

/// The number of the chip of which the bus says this; `None` if it is not driven.
pub(crate) fn find(identity: Identity) -> Option<usize> {
    let is_it = |chip: &Chip| {
        (identity.vendor, identity.product) == (ENSONIQ, chip.product)
            && chip.revision.is_none_or(|revision| revision == identity.revision)
    };
    CHIPS.iter().position(is_it)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(product: u16, revision: u8) -> Option<&'static str> {
        find(Identity { vendor: ENSONIQ, product, revision }).map(|number| CHIPS[number].name)
    }

    #[test]
    fn each_is_found_by_its_revision() {
        for (number, chip) in CHIPS.into_iter().enumerate() {
            let revision = chip.revision.unwrap_or(1);
            assert_eq!(find(Identity { vendor: ENSONIQ, product: chip.product, revision }), Some(number));
        }
        assert_eq!(named(0x5880, 2), Some("CT5880, revision C"));
        assert_eq!(named(0x1371, 2), Some("ES1371, revision A"));
        assert_eq!((named(0x5000, 0), named(0x5000, 0xff)), (Some("ES1370"), Some("ES1370")));
    }

    #[test]
    fn others_are_refused() {
        for (product, revision) in [(0x1371, 0), (0x1371, 3), (0x1371, 5), (0x5880, 0), (0x5880, 5), (0x5001, 0)] {
            assert_eq!(named(product, revision), None, "{product:#x} {revision}");
        }
        assert_eq!(find(Identity { vendor: 0x1102, product: 0x5000, revision: 0 }), None);
    }
}
