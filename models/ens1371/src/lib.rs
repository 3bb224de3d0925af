//! The AudioPCI 97 sound chips in software: ES1371, ES1373 and CT5880, with an AC'97 codec behind them.
//!
//! [`Ens1371Model`] is the card as an opened PCI function (`udrv_bus::PciFunction`); [`Ens1371Handle`] is the bench beside
//! it: counters, misbehaviour, clock; [`Jacks`] are what is plugged in. Registers have the names of the AudioPCI 97
//! specification, rev 1.1 ("the specification"), the codec's those of the Audio Codec '97 specification, rev 2.1. Nothing
//! here knows a driver.
//!
//! ```
//! use std::sync::Arc;
//! use model_ens1371::{Clock, Config, Ens1371Model, Jacks, Nothing, Tape, codec::reg, regs, testing::TestMemory};
//! use regs::{codec, control, serial, src};
//! use udrv_bus::{DmaMapping, DmaMemory, PciFunction, Width};
//!
//! # fn main() -> Result<(), udrv_bus::BusError> {
//! let tape = Tape::default();
//! let config = Config { clock: Clock::Manual, codec_polls: 0, src_polls: 0, ..Config::default() };
//! let (mut card, bench) = Ens1371Model::new(config, Jacks::new(tape.clone(), Nothing));
//!
//! // Four samples at 0x1000, 16 bit stereo, as DAC1 plays them at 48 kHz.
//! let memory = Arc::new(TestMemory::new(4096));
//! memory.write(0, &[1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8, 0])?;
//! card.map_dma(DmaMapping { iova: 0x1000, memory })?;
//! card.config_write(0x04, Width::U16, 0x0005)?; // I/O and bus mastering
//! for (register, value) in [
//!     (regs::CODEC, codec::write(reg::MASTER, 0x0000)),
//!     (regs::CODEC, codec::write(reg::PCM, 0x0808)),
//!     (regs::SRC, src::address(src::DAC1 + src::TRUNC_N) | src::RAM_WE | 16 << 4),
//!     (regs::SRC, src::address(src::DAC1 + src::INT_REGS) | src::RAM_WE | 16 << 10),
//!     (regs::SRC, src::address(src::VOL_DAC1) | src::RAM_WE | 4096),
//!     (regs::SRC, src::address(src::VOL_DAC1 + 1) | src::RAM_WE | 4096),
//!     (regs::MEM_PAGE, regs::PAGE_DAC.into()),
//!     (regs::DAC1_FRAME, 0x1000),
//!     (regs::DAC1_SIZE, 4 - 1),
//!     (regs::DAC1_COUNT, 4 - 1),
//!     (regs::SERIAL, serial::P1_INT_EN | serial::BITS_16 | serial::STEREO),
//!     (regs::CONTROL, control::DAC1_EN),
//! ] {
//!     card.bar_write(0, register.into(), Width::U32, value)?;
//! }
//! bench.advance_clock(5);
//!
//! assert_eq!(tape.take(), [[1, 2], [3, 4], [5, 6], [7, 8], [1, 2]]);
//! assert_ne!(card.bar_read(0, regs::STATUS.into(), Width::U32)? & regs::status::DAC1, 0);
//! assert_eq!(bench.counters().dac1_samples, 5);
//! # Ok(())
//! # }
//! ```
//!
//! # Variants
//!
//! | | PCI | differs in |
//! |---|---|---|
//! | ES1371 | 1274:1371 rev 2 | |
//! | ES1373 | 1274:1371 rev 8 | 1Ch and bits of STATUS keep what is written; the codec is in reset until STATUS.AC97_RST is set |
//! | CT5880 | 1274:5880 rev 2 | as the ES1373 |
//!
//! # Where the specification leaves a choice
//!
//! - **After power-on** registers, memory and the converter's RAM are 0, and reserved bits read 0.
//! - **SRC** is busy for [`Config::src_polls`] reads after each write; a write in that time is lost and counted, and its
//!   data reads 0. Bits 16 to 18 are not in the specification: drivers take them for where the converter is in its turn,
//!   and wait for 0 and then 1. They count the reads, and are shown if bit 16 was written.
//! - **CODEC** shows WIP for [`Config::codec_polls`] reads and [`Config::codec_time`]; a write in that time is lost and counted. RDY is set when the
//!   data of a read is there, until the next access.
//! - **Rates**: a DAC takes `frequency / N` samples for each at 48 kHz, the ADC makes one for each `frequency / N`;
//!   frequency is bits 10 to 15 of INT_REGS and VFREQ_FRAC, N is of TRUNC_N. Not faster than 48 kHz. With a frequency or
//!   N of 0 the channel stands still and is silent. The rest of the RAM is kept.
//! - **Between samples** is the straight line, not the chip's filter: what is played at 48 kHz is what was in memory.
//! - **Volumes** in the converter: 4096 is 1 for the DACs, 256 times N for the ADC. The sum of the DACs saturates.
//! - **A double word** moves when its first sample is due. The chip fetches 32 bytes ahead, so its position is up to that
//!   much further.
//! - **Sample counters** count samples at the channel's own rate. A channel that interpolates takes one ahead. Writing
//!   the count loads it; the upper half cannot be written. The frame registers' upper halves can.
//! - **The cause** in STATUS is set when the counter runs out with its interrupt enabled, and goes when that is disabled.
//! - **Stop mode** stops a channel when its counter runs out, until it is switched off and on or the counter is loaded.
//! - **Pause**, no bus mastering: the channel stands still and is silent. A frozen accumulator holds its last sample.
//! - **DMA outside every mapping** is a master abort: PCI status bit 13 (and 14 if SERR# is enabled), nothing in STATUS.
//!   The channel goes on: what is played is silence, what is recorded is lost. A last recorded double word that is not
//!   full is lost when the channel is switched off.
//! - **8 bits** are unsigned; mono plays on both channels and records the left.
//! - **The codec** is told in [`codec`]: line in is its only input that is connected, record select 4; 5 and 6 record
//!   what is mixed. Gains are steps of 1.5 dB, rounded to the nearest sample, at 0 dB exactly 1.
//! - **The clock**: samples at 48 kHz are due by time and done when a register is accessed, or by the card's clock, every
//!   4 ms and when an interrupt is due. After more than 100 ms the rest is not made up for. Nothing moves, and nothing is
//!   written or read at the jacks, unless a channel is enabled.
//!
//! # Not modelled
//!
//! The caches and their timing, underruns by a slow bus; the converter's filter, and that it locks up when it is enabled
//! with nothing in its RAM; bypass of the converter; UART and MIDI (it is always ready, and nothing is connected); game
//! port; legacy registers, their events and interrupts (kept); I2S and S/PDIF (their registers are kept); general purpose
//! pins; CCB and power level interrupts; power management; DAC2's increments in SERIAL (kept); stereo rear output.
#![forbid(unsafe_code)]

mod access;
mod adc;
mod chip;
mod clock;
pub mod codec;
mod config;
mod converter;
mod counts;
mod dac;
mod engine;
mod jacks;
mod link;
mod misbehave;
mod mixer;
mod pci;
pub mod regs;
pub mod wav;

pub use chip::Ens1371;
pub use config::{Clock, Config, Variant};
pub use counts::{Counters, Counts};
pub use jacks::{Jacks, Nothing, Samples, Sine, Sink, Source, Tape};
pub use misbehave::{Misbehave, Switches};
pub use model_card::{AllOnes, Garbage, testing};
pub use pci::VENDOR;

/// A sample of both channels, left and right.
pub type Frame = [i16; 2];

/// A card with such a chip, opened: [`model_card::Model`].
pub type Ens1371Model = model_card::Model<Ens1371>;

/// The bench beside it: [`model_card::Handle`]. Its clock, [`Clock::Manual`], counts samples at 48 kHz.
pub type Ens1371Handle = model_card::Handle<Ens1371>;
