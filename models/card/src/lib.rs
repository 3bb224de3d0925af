//! What every PCI card in software has, whatever chip is on it.
//!
//! A chip is a [`Chip`]: registers; that of a network card a [`Nic`] too: frames. It owns [`Parts`], the card around it:
//! configuration space ([`pci`]), memory ([`dma`]), misbehaviour, counters. What it is connected to is its [`Port`]: a
//! cable, or whatever is at the jacks of a sound card. [`Model`] is the card as an opened PCI function
//! (`udrv_bus::PciFunction`), [`Handle`] the bench beside it. So that a model's crate shows one name for each:
//!
//! ```
//! use std::time::Duration;
//! use model_card::{Chip, Costs, Frames, Handle, Model, Nic, Parts, dma::Dma, pci};
//! use model_wire::{NicPort, Station, Wire, WireConfig};
//! use udrv_bus::{PciFunction, PciId, Width};
//!
//! /// Sends the byte written to register 0 as a frame, 60 times; a frame sets register 4, and interrupts until it is
//! /// written.
//! pub struct Morse {
//!     parts: Parts<Mistakes, Frames>,
//!     port: NicPort,
//!     last: u8,
//! }
//!
//! /// What only this chip can do wrong.
//! #[derive(Debug, Default)]
//! pub struct Mistakes {
//!     /// It sends this byte instead.
//!     pub wrong_byte: Option<u8>,
//! }
//!
//! impl Chip for Morse {
//!     type Config = Costs;
//!     type Port = NicPort;
//!     type Switches = Mistakes;
//!     type Counts = Frames;
//!     const NAME: &'static str = "morse";
//!
//!     fn new(config: Costs, port: NicPort) -> Self {
//!         let mut card = pci::Description::ethernet(PciId { vendor: 0x1234, device: 0x5678 });
//!         card.bars[0] = Some(pci::Bar::memory(256));
//!         Self { parts: Parts::new(pci::ConfigSpace::new(&card), Dma::default(), config), port, last: 0 }
//!     }
//!
//!     fn parts(&mut self) -> &mut Parts<Mistakes, Frames> {
//!         &mut self.parts
//!     }
//!
//!     fn read(&mut self, _bar: u8, offset: u32, _width: Width) -> u32 {
//!         if offset == 4 { self.last.into() } else { 0 }
//!     }
//!
//!     fn write(&mut self, _bar: u8, offset: u32, _width: Width, value: u32) {
//!         match offset {
//!             0 if self.parts.may_transmit() => {
//!                 let byte = self.parts.trouble.on.wrong_byte.unwrap_or(value as u8);
//!                 self.port.transmit(&[byte; 60]);
//!                 self.parts.counters.tx_frames += 1;
//!             }
//!             4 => self.last = 0,
//!             _ => {}
//!         }
//!     }
//!
//!     fn wants_interrupt(&mut self) -> bool {
//!         self.last != 0
//!     }
//!
//!     fn resume(&mut self) {}
//! }
//!
//! impl Nic for Morse {
//!     fn receive(&mut self, frame: &[u8], _fcs_ok: bool) {
//!         self.last = frame[0];
//!     }
//!
//!     fn set_link(&mut self, _up: bool) {}
//! }
//!
//! pub type MorseModel = Model<Morse>;
//! pub type MorseHandle = Handle<Morse>;
//!
//! # fn main() -> Result<(), udrv_bus::BusError> {
//! let (_wire, near, far) = Wire::new(WireConfig::default());
//! let station = Station::new(far);
//! let (mut nic, bench) = MorseModel::new(Costs::default(), near);
//! nic.config_write(0x04, Width::U16, 0x0006)?; // memory and bus mastering
//! nic.bar_write(0, 0, Width::U8, 7)?;
//! bench.misbehave(|m| m.wrong_byte = Some(9));
//! nic.bar_write(0, 0, Width::U8, 7)?;
//! bench.misbehave(|m| m.gone = true);
//! nic.bar_write(0, 0, Width::U8, 7)?;
//! assert_eq!(nic.bar_read(0, 4, Width::U8)?, 0xff);
//! let sent: Vec<u8> = station.drain().iter().map(|f| f.data[0]).collect();
//! assert_eq!(sent, [7, 9]);
//! assert_eq!(bench.counters().tx_frames, 2);
//! # Ok(())
//! # }
//! ```
//!
//! Who does what:
//!
//! | the card | the chip |
//! |---|---|
//! | refuses accesses that do not fit or are not aligned; answers all ones when decode is off | every register |
//! | carries out `gone`, `gone_for`, `all_ones`, `garbage`, `intx_stuck`, `interrupt_lost` | `tx_hangs` (ask [`Parts::may_transmit`]), `reset_hangs`, and its own [`Chip::Switches`] |
//! | moves bytes, counts them, lets `dma_astray` astray | looks at [`Parts::may_master`] first; stops or goes on after a [`dma::MasterAbort`] |
//! | the level of INTx, its mask, its eventfd; MSI, where configuration space has it: a message at each edge | says whether it wants the line |
//! | looks at the chip at a time that it has named | says when ([`Chip::CLOCK`]) |
//! | opening, and what the last close does | nothing: it is left as it is |
//! | counts accesses, interrupts, DMA, frames that came while it was gone | counts resets, and what only its kind has ([`Frames`]), in [`Parts::counters`](Parts) |
//!
//! Not here: MSI, PCI Express, parity; the effect of a capability; the time that DMA takes.
#![forbid(unsafe_code)]

mod alarm;
mod chip;
mod counters;
pub mod dma;
pub mod eeprom;
pub mod interpose;
mod misbehave;
mod model;
mod nic;
mod parts;
pub mod pci;
pub mod testing;

pub use chip::{Chip, Port, Variants};
pub use counters::Counters;
pub use misbehave::{AllOnes, Garbage, Misbehave, Trouble};
pub use model::{Card, Handle, Model};
pub use nic::{Frames, Nic};
pub use parts::{Costs, Parts};
